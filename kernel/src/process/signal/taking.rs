//! Taking a pending signal, by whatever way: delivery, sigtimedwait, signalfd. Lock: SIGNALS. Never sleeps.

use super::info::Details;
use super::state::{Own, Shared};
use super::{SignalInfo, posix_timers, timers};
use crate::process::current;
use postern_core::signal_set::{Signal, SignalSet};

/// A signal of the current thread that is not pending any more.
#[must_use = "timers wait for their signals to be settled"]
pub(super) struct Taken {
    info: SignalInfo,
    was_shared: bool,
}

impl Taken {
    /// Takes the next signal that is pending for the thread or its process and not in `left`.
    pub fn from(shared: &mut Shared, own: &mut Own, left: SignalSet) -> Option<Self> {
        let (taken, was_shared) = match own.pending.take_next(left) {
            Some(taken) => (taken, false),
            None => (shared.pending.take_next(left)?, true),
        };
        let (signal, info) = taken;
        Some(Self { info: info.unwrap_or(SignalInfo::bare(signal)), was_shared })
    }

    /// Lets the timer that sent it go on. With no lock held.
    pub fn settle(mut self) -> SignalInfo {
        if let Details::Timer { id, overruns, .. } = &mut self.info.details {
            *overruns = posix_timers::on_signal_taken(*id);
        }
        if self.was_shared && self.info.signal == Signal::ALRM {
            timers::on_alarm_taken();
        }
        self.info
    }
}

/// Takes the next signal that is pending for the current thread or its process and not in `left`.
pub(super) fn take(left: SignalSet) -> Option<SignalInfo> {
    let taken = {
        let thread = current();
        let mut shared = thread.process().signals.lock();
        let mut own = thread.signals.lock();
        Taken::from(&mut shared, &mut own, left)
    };
    taken.map(Taken::settle)
}
