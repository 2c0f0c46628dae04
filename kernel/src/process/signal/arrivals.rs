//! Who waits, by signalfd, for signals to become pending.
//!
//! Owns queues that processes share by their numbers: who is woken looks for himself. They are not the processes' own, for a
//! descriptor outlives the process that waits by it. No locks but the queues'. Never sleeps. Specification: signalfd(2).

use super::taking;
use super::{SignalInfo, refresh};
use crate::process::{Process, current, current_if_any};
use crate::sync::WaitQueue;
use postern_core::readiness::Readiness;
use postern_core::signal_set::SignalSet;

const QUEUES: usize = 64;

static ARRIVALS: [WaitQueue; QUEUES] = [const { WaitQueue::new() }; QUEUES];

fn queue_of(process: &Process) -> &'static WaitQueue {
    &ARRIVALS[process.pid() as usize % QUEUES]
}

/// Where the current thread waits for its signals.
pub(super) fn queue() -> &'static WaitQueue {
    current_if_any().map_or(&ARRIVALS[0], |thread| queue_of(thread.process()))
}

/// Calls `visit` with every queue.
pub fn for_each_arrival_queue(visit: impl FnMut(&WaitQueue)) {
    ARRIVALS.iter().for_each(visit);
}

/// A signal has become pending for `process` or one of its threads.
pub(super) fn tell(process: &Process) {
    // All: which of its threads may take it is for them to see.
    queue_of(process).wake_all(Readiness::IN.bits());
}

/// The current process's signals are to be looked at again.
pub(super) fn tell_current() {
    tell(current().process());
}

/// Whether one of `wanted` is pending for the current thread, or its process; none ever is for a task of the kernel.
pub(super) fn is_any_pending(wanted: SignalSet) -> bool {
    current_if_any().is_some_and(|thread| {
        let shared = thread.process().signals.lock();
        let own = thread.signals.lock();
        !((shared.pending.set() | own.pending.set()) & wanted).is_empty()
    })
}

/// Takes the next of `wanted` that is pending for the current thread or its process.
pub(super) fn take(wanted: SignalSet) -> Option<SignalInfo> {
    let _thread = current_if_any()?;
    let info = taking::take(!wanted)?;
    refresh();
    Some(info)
}
