//! What the in-kernel tests of signals need to make threads without clone(2) and to look at them. Lock: PROCESS.

use crate::process::Process;
use crate::sched::Task;
use alloc::sync::Arc;

/// Makes signals to its process find a thread that clone(2) did not make.
pub fn add_thread(task: &Arc<Task>) {
    task.thread().process().threads.lock().tasks.push(task.clone());
}

/// Forgets all such threads.
pub fn remove_threads(process: &Process) {
    let tasks = core::mem::take(&mut process.threads.lock().tasks);
    drop(tasks);
}

/// Whether all threads of a process have stopped.
pub fn is_stopped(process: &Process) -> bool {
    process.signals.is_stopped()
}
