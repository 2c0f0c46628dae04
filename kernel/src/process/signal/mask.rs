//! What a thread blocks: for good, and for the time of one call.
//! Lock: SIGNALS. [`sigsuspend`] sleeps. Specification: sigprocmask(2), sigpending(2), sigsuspend(2), ppoll(2).

use super::{ask_current, refresh, send};
use crate::process::current;
use crate::sched;
use postern_core::errno::{Errno, Result};
use postern_core::signal_action::Disposition;
use postern_core::signal_set::{MaskChange, Signal, SignalSet};

/// Changes the current thread's mask, if asked to; returns the old one.
pub fn sigprocmask(change: Option<(MaskChange, SignalSet)>) -> SignalSet {
    let old = current().signals.lock().mask;
    if let Some((how, set)) = change {
        set_mask(old.changed(how, set));
    }
    old
}

/// Replaces the current thread's mask. What it takes no more goes to other threads.
pub(super) fn set_mask(mask: SignalSet) {
    let thread = current();
    let process = thread.process();
    let given_up = {
        let shared = process.signals.lock();
        let mut own = thread.signals.lock();
        let old = core::mem::replace(&mut own.mask, mask.blockable());
        shared.pending.set() & own.mask & !old
    };
    if !given_up.is_empty() {
        send::retarget(process, given_up);
    }
    refresh();
}

/// sigpending(2): what is blocked and pending.
pub fn pending() -> SignalSet {
    let thread = current();
    let shared = thread.process().signals.lock();
    let own = thread.signals.lock();
    (shared.pending.set() | own.pending.set()) & own.mask
}

/// Whether the current thread blocks `signal` or its process ignores it: what terminals ask before they send SIGTTIN and SIGTTOU.
pub fn is_blocked_or_ignored(signal: Signal) -> bool {
    let thread = current();
    let blocked = thread.signals.lock().mask.contains(signal);
    blocked || thread.process().actions().get(signal).disposition == Disposition::Ignore
}

/// Runs `call` with `mask` in the place of the thread's own. If a signal interrupts it, the own mask returns only when
/// the handler does, whose frame keeps it; else at once. `call` says so by EINTR or an ERESTART error.
pub fn with_temporary_mask<T>(mask: SignalSet, call: impl FnOnce() -> Result<T>) -> Result<T> {
    let thread = current();
    {
        let mut own = thread.signals.lock();
        own.saved_mask = Some(own.mask);
    }
    set_mask(mask);
    let result = call();
    if result.as_ref().is_err_and(|error| is_interruption(*error)) {
        // On the way to user mode the mask is put back, even if there is no signal after all.
        ask_current();
    } else {
        restore_saved_mask();
    }
    result
}

/// Returns to the mask from before [`with_temporary_mask`], if there is one.
pub(super) fn restore_saved_mask() {
    let saved = current().signals.lock().saved_mask.take();
    if let Some(mask) = saved {
        set_mask(mask);
    }
}

fn is_interruption(error: Errno) -> bool {
    [Errno::EINTR, Errno::ERESTARTSYS, Errno::ERESTARTNOINTR, Errno::ERESTARTNOHAND].contains(&error)
}

/// sigsuspend(2): sleeps with another mask until a signal comes. Always an error: ERESTARTNOHAND.
pub fn sigsuspend(mask: SignalSet) -> Result<usize> {
    with_temporary_mask(mask, || {
        while !sched::current().is_interrupted() {
            sched::park(None);
        }
        Err(Errno::ERESTARTNOHAND)
    })
}
