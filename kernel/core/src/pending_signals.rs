//! Signals that were sent and not yet delivered: one value for each thread, one for each process.
//!
//! Owns the set and what came with each signal (`I`, the kernel's `siginfo`). The caller's lock guards it. No locks, never sleeps.
//! A standard signal is pending once, with the information of its first sending; real-time signals queue. Specification:
//! signal(7), sigqueue(3), `RLIMIT_SIGPENDING` of getrlimit(2).

use alloc::vec::Vec;

use crate::errno::{Errno, Result};
use crate::signal_set::{Signal, SignalSet};

/// What became of a signal that was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// It is pending now.
    Added,
    /// A standard signal that was pending already: this sending is lost, and its information with it.
    Merged,
    /// It is pending, but there was no place for its information; the receiver sees a bare one.
    WithoutInformation,
}

/// The pending signals of one thread or process.
#[derive(Debug)]
pub struct PendingSignals<I> {
    set: SignalSet,
    /// In order of sending. A signal of the set may have none here, if there was no place for it.
    queue: Vec<(Signal, I)>,
}

impl<I> PendingSignals<I> {
    /// Nothing pending. Allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { set: SignalSet::EMPTY, queue: Vec::new() }
    }

    /// Which are pending.
    #[inline]
    #[must_use]
    pub fn set(&self) -> SignalSet {
        self.set
    }

    /// How many informations wait; what `limit` of [`PendingSignals::send`] is compared with.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Makes a signal pending. At most `limit` informations are queued.
    pub fn send(&mut self, signal: Signal, information: I, limit: usize) -> Sent {
        if !signal.is_real_time() && self.set.contains(signal) {
            return Sent::Merged;
        }
        self.set.insert(signal);
        if self.queue.len() < limit && self.queue.try_reserve(1).is_ok() {
            self.queue.push((signal, information));
            Sent::Added
        } else {
            Sent::WithoutInformation
        }
    }

    /// Makes a signal pending that is worthless without its information (`sigqueue`, timers).
    ///
    /// # Errors
    /// `EAGAIN` if it is a real-time signal and there is no place for it; nothing changed then.
    pub fn send_queued(&mut self, signal: Signal, information: I, limit: usize) -> Result<Sent> {
        if signal.is_real_time() && (self.queue.len() >= limit || self.queue.try_reserve(1).is_err()) {
            return Err(Errno::EAGAIN);
        }
        Ok(self.send(signal, information, limit))
    }

    /// Makes a signal pending once more, a standard one too: each sending keeps its information (POSIX timers, whose place is
    /// theirs by right and not limited).
    ///
    /// # Errors
    /// `EAGAIN` if there is no memory; nothing changed then.
    pub fn send_each(&mut self, signal: Signal, information: I) -> Result<()> {
        self.queue.try_reserve(1).map_err(|_| Errno::EAGAIN)?;
        self.queue.push((signal, information));
        self.set.insert(signal);
        Ok(())
    }

    /// Forgets those sendings whose information is `unwanted`.
    pub fn discard_sendings(&mut self, unwanted: impl Fn(&I) -> bool) {
        let mut gone = SignalSet::EMPTY;
        self.queue.retain(|(signal, information)| {
            let is_unwanted = unwanted(information);
            if is_unwanted {
                gone.insert(*signal);
            }
            !is_unwanted
        });
        for signal in self.queue.iter().map(|(signal, _)| *signal) {
            gone.remove(signal);
        }
        self.set = self.set & !gone;
    }

    /// Takes the next signal that `blocked` lets through, in the order of [`SignalSet::next`]; of a real-time signal the
    /// oldest sending. Without information if there was no place for it.
    pub fn take_next(&mut self, blocked: SignalSet) -> Option<(Signal, Option<I>)> {
        let signal = (self.set & !blocked).next()?;
        Some((signal, self.take(signal)))
    }

    /// Takes one sending of a signal that is pending.
    fn take(&mut self, signal: Signal) -> Option<I> {
        let mut places = self.queue.iter().enumerate().filter(|(_, (queued, _))| *queued == signal).map(|(at, _)| at);
        let (first, another) = (places.next(), places.next());
        if another.is_none() {
            self.set.remove(signal);
        }
        first.map(|at| self.queue.remove(at).1)
    }

    /// Forgets all sendings of these signals: they became ignored, or SIGCONT and the stopping ones took each other back.
    pub fn discard(&mut self, signals: SignalSet) {
        self.set = self.set & !signals;
        self.queue.retain(|(signal, _)| !signals.contains(*signal));
    }
}

impl<I> Default for PendingSignals<I> {
    fn default() -> Self {
        Self::new()
    }
}

/// Which pending signals a sending takes back, in the whole process, before it becomes pending itself.
#[must_use]
pub fn taken_back_by(signal: Signal) -> SignalSet {
    if signal == Signal::CONT {
        SignalSet::STOPPING
    } else if SignalSet::STOPPING.contains(signal) {
        SignalSet::of(&[Signal::CONT])
    } else {
        SignalSet::EMPTY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const LIMIT: usize = 8;

    fn signal(number: i32) -> Signal {
        Signal::from_number(number).unwrap()
    }

    #[test]
    fn a_standard_signal_is_pending_once_with_its_first_information() {
        let mut pending = PendingSignals::new();
        assert_eq!(pending.send(Signal::USR1, 1, LIMIT), Sent::Added);
        assert_eq!(pending.send(Signal::USR1, 2, LIMIT), Sent::Merged);
        assert_eq!(pending.take_next(SignalSet::EMPTY), Some((Signal::USR1, Some(1))));
        assert_eq!(pending.take_next(SignalSet::EMPTY), None);
        assert_eq!(pending.send(Signal::USR1, 3, LIMIT), Sent::Added);
    }

    #[test]
    fn real_time_signals_queue_in_order() {
        let mut pending = PendingSignals::new();
        for (number, information) in [(35, 1), (34, 2), (35, 3)] {
            pending.send(signal(number), information, LIMIT);
        }
        let taken: Vec<_> = core::iter::from_fn(|| pending.take_next(SignalSet::EMPTY)).collect();
        assert_eq!(taken, [(signal(34), Some(2)), (signal(35), Some(1)), (signal(35), Some(3))]);
        assert!(pending.set().is_empty());
    }

    #[test]
    fn blocked_signals_stay() {
        let mut pending = PendingSignals::new();
        pending.send(Signal::INT, (), LIMIT);
        assert_eq!(pending.take_next(SignalSet::of(&[Signal::INT])), None);
        assert!(pending.set().contains(Signal::INT));
    }

    #[test]
    fn beyond_the_limit_a_signal_arrives_bare_or_is_eagain() {
        let mut pending = PendingSignals::new();
        assert_eq!(pending.send(signal(40), 1, 1), Sent::Added);
        assert_eq!(pending.send_queued(signal(40), 2, 1), Err(Errno::EAGAIN));
        assert_eq!(pending.send(Signal::KILL, 3, 1), Sent::WithoutInformation);
        assert_eq!(pending.take_next(SignalSet::EMPTY), Some((Signal::KILL, None)));
        assert_eq!(pending.take_next(SignalSet::EMPTY), Some((signal(40), Some(1))));
    }

    #[test]
    fn each_sending_of_a_timer_is_kept_until_it_is_taken_or_unwanted() {
        let mut pending = PendingSignals::new();
        for (signal, information) in [(Signal::ALRM, 1), (Signal::ALRM, 2), (Signal::USR1, 3), (signal(40), 2)] {
            pending.send_each(signal, information).unwrap();
        }
        assert_eq!(pending.send(Signal::ALRM, 4, LIMIT), Sent::Merged);
        pending.discard_sendings(|information| *information == 2);
        assert_eq!(pending.set(), SignalSet::of(&[Signal::ALRM, Signal::USR1]));
        pending.send_each(Signal::ALRM, 5).unwrap();
        let taken: Vec<_> = core::iter::from_fn(|| pending.take_next(SignalSet::EMPTY)).collect();
        assert_eq!(taken, [(Signal::USR1, Some(3)), (Signal::ALRM, Some(1)), (Signal::ALRM, Some(5))]);
    }

    #[test]
    fn continuing_and_stopping_take_each_other_back() {
        let mut pending = PendingSignals::new();
        pending.send(Signal::TSTP, (), LIMIT);
        pending.discard(taken_back_by(Signal::CONT));
        pending.send(Signal::CONT, (), LIMIT);
        assert_eq!(pending.set(), SignalSet::of(&[Signal::CONT]));
        pending.discard(taken_back_by(Signal::STOP));
        assert_eq!((pending.set(), pending.queued()), (SignalSet::EMPTY, 0));
        assert!(taken_back_by(Signal::TERM).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        /// The model: a list of sendings, of which standard ones are dropped while one is there.
        #[test]
        fn sendings_come_out_once_in_order(sent in prop::collection::vec((1..=64, any::<bool>()), 0..60)) {
            let (mut pending, mut model) = (PendingSignals::new(), Vec::new());
            for (information, (number, take)) in sent.into_iter().enumerate() {
                let signal = signal(number);
                if signal.is_real_time() || !model.iter().any(|(queued, _)| *queued == signal) {
                    model.push((signal, information));
                }
                pending.send(signal, information, usize::MAX);
                if take {
                    let set = SignalSet::of(&model.iter().map(|(signal, _)| *signal).collect::<Vec<_>>());
                    let at = model.iter().position(|(signal, _)| Some(*signal) == set.next()).unwrap();
                    let (signal, information) = model.remove(at);
                    prop_assert_eq!(pending.take_next(SignalSet::EMPTY), Some((signal, Some(information))));
                }
                prop_assert_eq!(pending.queued(), model.len());
                prop_assert!(model.iter().all(|(signal, _)| pending.set().contains(*signal)));
            }
        }
    }
}
