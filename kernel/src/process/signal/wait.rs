//! Taking pending signals without handlers. Lock: SIGNALS. Sleeps. Specification: sigtimedwait(2).

use super::taking::take;
use super::{SignalInfo, refresh, send};
use crate::arch::timer;
use crate::process::current;
use crate::sched;
use postern_core::errno::{Errno, Result};
use postern_core::signal_set::SignalSet;

/// Takes the next pending signal of `wanted`, until `deadline_ns`. EAGAIN then, EINTR for a signal that is not wanted.
pub fn sigtimedwait(wanted: SignalSet, deadline_ns: Option<u64>) -> Result<SignalInfo> {
    let wanted = wanted.blockable();
    if let Some(info) = take(!wanted) {
        refresh();
        return Ok(info);
    }
    // From here on a wanted signal wakes this thread, and is not dropped for being ignored.
    set_waited_for(wanted);
    let result = wait(wanted, deadline_ns);
    stop_waiting_for(wanted);
    result
}

fn wait(wanted: SignalSet, deadline_ns: Option<u64>) -> Result<SignalInfo> {
    loop {
        // Another thread may have taken what woke this one: the bit must be true before it is believed, and
        // a signal that comes after this sets it again and ends the sleep.
        refresh();
        if let Some(info) = take(!wanted) {
            return Ok(info);
        }
        if deadline_ns.is_some_and(|deadline| timer::now_ns() >= deadline) {
            return Err(Errno::EAGAIN);
        }
        if sched::current().is_interrupted() {
            // One may have come since.
            return take(!wanted).ok_or(Errno::EINTR);
        }
        sched::park(deadline_ns);
    }
}

fn set_waited_for(signals: SignalSet) {
    let thread = current();
    let _shared = thread.process().signals.lock();
    thread.signals.lock().waited_for = signals;
}

/// What was sent to the process and woke this thread, which leaves without it, is for others.
fn stop_waiting_for(wanted: SignalSet) {
    set_waited_for(SignalSet::EMPTY);
    send::retarget(current().process(), wanted);
    refresh();
}
