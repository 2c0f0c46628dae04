//! sigaction(2): changing what a process does with a signal. Locks: PROCESS, SIGNALS. Never sleeps.

use crate::process::current;
use postern_core::errno::Result;
use postern_core::signal_action::SignalAction;
use postern_core::signal_set::{Signal, SignalSet};

/// Sets what the current process does with `signal`, if asked to; returns what it did. What is pending and now ignored is
/// forgotten, blocked or not. EINVAL for a change of SIGKILL or SIGSTOP.
pub fn sigaction(signal: Signal, new: Option<SignalAction>) -> Result<SignalAction> {
    let thread = current();
    let process = thread.process();
    let actions = process.actions();
    let Some(new) = new else {
        return Ok(actions.get(signal));
    };
    let old = actions.set(signal, new)?;
    if new.ignores(signal) {
        let ignored = SignalSet::of(&[signal]);
        let threads = process.threads.lock();
        let mut shared = process.signals.lock();
        shared.pending.discard(ignored);
        for task in threads.tasks.iter() {
            task.thread().signals.lock().pending.discard(ignored);
        }
    }
    Ok(old)
}
