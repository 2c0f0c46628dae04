//! The end of threads and processes. Specification: exit_group(2), _exit(2), and what clone(2) says
//! of CLONE_CHILD_CLEARTID; set_robust_list(2).

use super::process::Process;
use super::tree::{self, Departure, Ended, INIT, Notice};
use super::{current, signal};
use crate::ipc::futex;
use crate::mm::user::UserPtr;
use crate::sched::{self, Task, Work};
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use postern_core::errno::Errno;
use postern_core::signal_set::Signal;
use postern_core::tid_allocator::Tid;

/// The status word of a process that called exit with `code`.
pub fn status_of_code(code: i32) -> i32 {
    (code & 0xff) << 8
}

/// The status word of a process that a signal ended.
pub fn status_of_signal(signal: Signal) -> i32 {
    signal.number()
}

/// Ends every thread of the current process with the wait status `status`: exit_group(2), fatal signals.
pub fn exit_process(status: i32) -> ! {
    let process = current().process().clone();
    end_threads(&process, status);
    drop(process);
    exit_thread(status)
}

/// Tells all threads of `process` to end. The first status stands: false if somebody else's does.
pub fn end_threads(process: &Process, status: i32) -> bool {
    {
        let mut threads = process.threads.lock();
        if threads.ending.is_some() {
            return false;
        }
        threads.ending = Some(status);
    }
    process.for_each_task(expel);
    true
}

/// Tells a thread that must end, which [`must_end`] says by now, to look at that.
fn expel(task: &Arc<Task>) {
    interrupt(task);
    task.thread().wake_from_vfork();
}

/// Makes a thread leave whatever it does and look at its work.
pub fn interrupt(task: &Arc<Task>) {
    task.ask(Work::SIGNAL);
    sched::unpark(task.handle());
}

/// Whether the current thread must end, and with what status: asked on the way to user mode.
pub fn must_end() -> Option<i32> {
    let thread = current();
    let threads = thread.process().threads.lock();
    match (threads.ending, threads.survivor) {
        (Some(status), _) => Some(status),
        (None, Some(survivor)) if survivor != thread.tid() => Some(0),
        _ => None,
    }
}

/// Ends the current thread, and its process if it is the last one.
pub fn exit_thread(status: i32) -> ! {
    release_user_state();
    let process = current().process().clone();
    let tid = current().tid();
    let (me, is_last, status) = {
        let mut tree = tree::lock();
        let announced = tree.remove_thread(tid);
        let mut threads = process.threads.lock();
        // With the lock held, so that nobody who adds up counts it twice or not at all.
        process.dead_threads_ns.fetch_add(sched::current().run_ns(), Ordering::Relaxed);
        let me = (announced, threads.tasks.remove(&current()));
        (me, threads.tasks.is_empty(), threads.ending.unwrap_or(status))
    };
    // The scheduler keeps its own reference.
    drop(me);
    process.thread_gone.wake_all(postern_sync::ANY_EVENT);
    if is_last {
        end_process(&process, status);
    }
    drop(process);
    sched::exit()
}

/// Gives back everything whose going may sleep, while the thread still can.
fn release_user_state() {
    let thread = current();
    sched::current().with_address_space(|_| release_user_words());
    signal::on_thread_exit();
    drop(Task::change_address_space(None));
    thread.finish_vfork();
    drop(thread.replace_files(None));
    drop(thread.replace_fs(None));
}

/// The current thread leaves its address space, by exec or by its end: marks the robust mutexes that it holds, clears the
/// word with its number, and wakes who waits for those.
pub(super) fn release_user_words() {
    let thread = current();
    futex::release_robust_list(thread.robust_list.swap(0, Ordering::Relaxed), thread.tid());
    let address = thread.clear_child_tid.swap(0, Ordering::Relaxed);
    if address != 0 && UserPtr::<u32>::new(address).write(&0).is_ok() {
        // EFAULT cannot be reported to anybody.
        let _ = futex::wake(address, futex::Sharing::Shared, 1, futex::ANY_BITS);
    }
}

/// Who hears that a session's leader has ended: the session's terminal.
static SESSION_END: spin::Once<fn(Tid)> = spin::Once::new();

/// Registers `handler`, which must not sleep, to be called with the session. Once, at boot.
pub fn set_session_end_handler(handler: fn(Tid)) {
    SESSION_END.call_once(|| handler);
}

fn end_process(process: &Arc<Process>, status: i32) {
    let pid = process.pid();
    if pid == INIT {
        init_ended(status);
    }
    if process.session() == pid
        && let Some(handler) = SESSION_END.get()
    {
        handler(pid);
    }
    let run_ns = process.dead_threads_ns.load(Ordering::Relaxed) + process.children_ns();
    let uid = current().credentials().uid;
    let ended = Ended { status, uid, run_ns };
    let mut departure = Departure::default();
    loop {
        tree::lock().end_process(pid, ended, &mut departure);
        let is_over = departure.adopted.is_empty();
        departure.adopted.drain(..).for_each(|child| super::attributes::on_parent_ending(&child));
        // Before its parent: who has waited for a process finds its group empty.
        core::mem::take(&mut departure.cgroups).announce();
        departure.continued.drain(..).for_each(signal::tell_continued);
        departure.notices.drain(..).for_each(notify);
        departure.forgotten.clear();
        if is_over {
            return;
        }
    }
}

/// Tells a parent that a child has ended.
fn notify(Notice { parent, signal, pid, ended }: Notice) {
    if let Some(signal) = signal {
        signal::send_child_ended(&parent, signal, pid, ended.uid, ended.status);
    }
    parent.child_changed.wake_all(postern_sync::ANY_EVENT);
}

/// Without init there is nobody to go on for. The machine's status is what a shell would say of init.
fn init_ended(status: i32) -> ! {
    let signal = (status & 0x7f).to_le_bytes()[0];
    let code = if signal == 0 { (status >> 8 & 0xff).to_le_bytes()[0] } else { 128 + signal };
    let level = if code == 0 { log::Level::Info } else { log::Level::Error };
    log::log!(level, "init ended with wait status {status:#x}: powering off");
    crate::power::set_exit_status(code);
    crate::power::off()
}

/// exec: waits until the current thread is the only one of its process. EAGAIN if the process is ending anyway.
pub fn become_only_thread() -> Result<(), Errno> {
    let thread = current();
    let process = thread.process();
    {
        let mut threads = process.threads.lock();
        if threads.ending.is_some() || threads.survivor.is_some() {
            return Err(Errno::EAGAIN);
        }
        threads.survivor = Some(thread.tid());
    }
    process.for_each_task(|task| {
        if task.thread().tid() != thread.tid() {
            expel(task);
        }
    });
    process.thread_gone.wait(postern_sync::Mode::Exclusive, || (process.threads.lock().tasks.len() == 1).then_some(()));
    if thread.tid() != process.pid() {
        tree::lock().rename_thread(thread.tid(), process.pid());
    }
    process.threads.lock().survivor = None;
    Ok(())
}
