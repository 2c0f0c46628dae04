//! A POSIX timer: what its expiries, its signal and its overruns have to do with each other.
//!
//! Owns the timer and the counts; which signal it is, and to whom, is the caller's affair, as are clock and lock. One signal is
//! pending for a timer at most. With an interval, the expiries from that signal's on until somebody takes it are its overruns,
//! and only then is the next waited for. Never sleeps. Specification: timer_settime(2), timer_getoverrun(2);
//! kernel/time/posix-timers.c of Linux 6.12.

use crate::interval_timer::{IntervalTimer, Setting, Start};

/// The least time from one expiry to the next of which nobody hears, in nanoseconds (Linux's tick): a signal that is ignored
/// does not keep a CPU busy.
const UNHEARD_NS: u64 = 4_000_000;

/// What an expiry means to the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A signal.
    Signal,
    /// Nothing (SIGEV_NONE): the program looks for itself.
    None,
}

/// What the time has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Nothing yet: the clock was set back.
    NotYet,
    /// A signal is to be sent.
    Send,
    /// The last signal is still pending, and stands for this expiry too.
    Merged,
}

/// A timer.
#[derive(Clone, Copy, Debug)]
pub struct PosixTimer {
    notice: Notice,
    timer: IntervalTimer,
    /// Expiries since it was set of which no signal has told: the first is that of the pending one.
    untold: u64,
    /// Its signal is pending, perhaps since before it was set.
    is_pending: bool,
    /// Expiries of single timers that the pending signal stands for beside its own.
    merged: u64,
    /// The overruns of the last signal that was taken.
    last_overruns: u64,
}

impl PosixTimer {
    /// One that is not set.
    #[must_use]
    pub const fn new(notice: Notice) -> Self {
        Self { notice, timer: IntervalTimer::STOPPED, untold: 0, is_pending: false, merged: 0, last_overruns: 0 }
    }

    /// Sets it to expire at `start`, if at all, and then every `interval_ns`.
    pub fn set(&mut self, start: Option<Start>, interval_ns: u64, now_ns: u64) {
        self.timer = start.map_or(IntervalTimer::STOPPED, |start| IntervalTimer::started(start, interval_ns, now_ns));
        self.untold = 0;
        self.last_overruns = 0;
    }

    /// What it is set to. One that will expire never has nothing left.
    #[must_use]
    pub fn setting(&self, now_ns: u64) -> Setting {
        let least_ns = match self.notice {
            Notice::Signal => 1,
            Notice::None => 0,
        };
        let value_ns = self.timer.left_ns(now_ns).map_or(0, |left_ns| left_ns.max(least_ns));
        Setting { interval_ns: self.timer.interval_ns(), value_ns }
    }

    /// The expiry to wait for: none while its signal is to be taken first, or if nobody is to hear of it.
    #[must_use]
    pub fn awaited_ns(&self) -> Option<u64> {
        let is_free = self.untold == 0 || !self.is_pending;
        self.timer.next_ns().filter(|_| is_free && self.notice == Notice::Signal)
    }

    /// The awaited time has come.
    pub fn expire(&mut self, now_ns: u64) -> Expiry {
        let count = self.timer.expire(now_ns);
        self.untold += count;
        if count == 0 {
            return Expiry::NotYet;
        }
        if core::mem::replace(&mut self.is_pending, true) {
            self.merged += 1;
            Expiry::Merged
        } else {
            Expiry::Send
        }
    }

    /// The signal was not sent, for it is ignored: the next expiry, if there is one, tries again.
    pub fn on_ignored(&mut self, now_ns: u64) {
        self.is_pending = false;
        if self.timer.interval_ns() != 0 && self.timer.interval_ns() < UNHEARD_NS {
            self.untold += self.timer.expire(now_ns.saturating_add(UNHEARD_NS));
        }
    }

    /// Somebody takes the signal: the overruns that it tells of, counting expiries up to now.
    pub fn on_taken(&mut self, now_ns: u64) -> i32 {
        self.is_pending = false;
        let merged = core::mem::take(&mut self.merged);
        let mut overruns = 0;
        // Else it was set since, and this is the signal of an earlier setting.
        if self.untold != 0 {
            self.untold += self.timer.expire(now_ns);
            overruns = core::mem::take(&mut self.untold) - 1;
            self.last_overruns = overruns;
        }
        clamped(overruns.saturating_add(merged))
    }

    /// timer_getoverrun(2).
    #[must_use]
    pub fn overruns(&self) -> i32 {
        clamped(self.last_overruns)
    }
}

/// At most DELAYTIMER_MAX.
fn clamped(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(notice: Notice, first_ns: u64, interval_ns: u64) -> PosixTimer {
        let mut timer = PosixTimer::new(notice);
        timer.set(Some(Start::At(first_ns)), interval_ns, 0);
        timer
    }

    #[test]
    fn a_single_expiry_sends_one_signal() {
        let mut timer = set(Notice::Signal, 100, 0);
        assert_eq!(timer.awaited_ns(), Some(100));
        assert_eq!((timer.expire(99), timer.expire(100)), (Expiry::NotYet, Expiry::Send));
        assert_eq!((timer.awaited_ns(), timer.on_taken(500), timer.overruns()), (None, 0, 0));
        assert_eq!(timer.setting(500), Setting::default());
    }

    #[test]
    fn expiries_until_the_signal_is_taken_are_overruns() {
        let mut timer = set(Notice::Signal, 100, 10);
        assert_eq!(timer.expire(100), Expiry::Send);
        assert_eq!(timer.awaited_ns(), None, "nothing is waited for while the signal is pending");
        assert_eq!((timer.on_taken(135), timer.overruns(), timer.awaited_ns()), (3, 3, Some(140)));
        assert_eq!((timer.expire(140), timer.on_taken(141), timer.overruns()), (Expiry::Send, 0, 0));
    }

    #[test]
    fn a_signal_from_before_it_was_set_tells_of_no_overruns() {
        let mut timer = set(Notice::Signal, 100, 10);
        timer.expire(150);
        timer.set(Some(Start::At(1000)), 10, 160);
        assert_eq!((timer.awaited_ns(), timer.overruns()), (Some(1000), 0));
        assert_eq!((timer.on_taken(200), timer.awaited_ns()), (0, Some(1000)));
        assert_eq!(timer.expire(1000), Expiry::Send);
    }

    #[test]
    fn an_expiry_while_an_earlier_signal_is_pending_is_told_with_that() {
        let mut timer = set(Notice::Signal, 100, 0);
        timer.expire(100);
        timer.set(Some(Start::At(200)), 0, 150);
        assert_eq!((timer.expire(200), timer.on_taken(300), timer.overruns()), (Expiry::Merged, 1, 0));
    }

    #[test]
    fn without_a_signal_nothing_is_waited_for_and_time_passes_all_the_same() {
        let timer = set(Notice::None, 100, 30);
        assert_eq!(timer.awaited_ns(), None);
        assert_eq!(timer.setting(110), Setting { interval_ns: 30, value_ns: 20 });
        assert_eq!(set(Notice::None, 100, 0).setting(100).value_ns, 0);
        assert_eq!(set(Notice::Signal, 100, 0).setting(100).value_ns, 1, "its expiry is due, but has not come");
    }

    #[test]
    fn an_ignored_signal_is_tried_again_later_and_its_expiries_count() {
        let mut timer = set(Notice::Signal, 0, 1_000_000);
        assert_eq!(timer.expire(0), Expiry::Send);
        timer.on_ignored(0);
        assert_eq!(timer.awaited_ns(), Some(5_000_000));
        assert_eq!((timer.expire(5_000_000), timer.on_taken(5_000_000)), (Expiry::Send, 5));
        let mut single = set(Notice::Signal, 0, 0);
        single.expire(0);
        single.on_ignored(0);
        assert_eq!(single.awaited_ns(), None);
    }

    #[test]
    fn overruns_end_at_the_largest_number() {
        let mut timer = set(Notice::Signal, 0, 1);
        timer.expire(0);
        assert_eq!(timer.on_taken(1 << 40), i32::MAX);
    }
}
