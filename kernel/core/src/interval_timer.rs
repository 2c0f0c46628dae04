//! A timer that expires at a time, once or again and again: the arithmetic behind timerfd, POSIX timers and setitimer.
//!
//! Owns when the next expiry is and how many have passed; what a clock says is passed in, in nanoseconds, and all times of one
//! timer are of one clock. No locks, never sleeps. Specification: timerfd_create(2), timer_settime(2), timer_getoverrun(2),
//! setitimer(2).

use crate::clock::NS_MAX;

/// When a timer is to expire first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// So many nanoseconds from now.
    After(u64),
    /// When the clock says this.
    At(u64),
}

/// What a program sets a timer to, and learns of it: `struct itimerspec` and `struct itimerval` in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// From one expiry to the next; 0 for a single one.
    pub interval_ns: u64,
    /// From now to the next expiry; 0 for none.
    pub value_ns: u64,
}

/// A timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntervalTimer {
    interval_ns: u64,
    next_ns: Option<u64>,
}

impl IntervalTimer {
    /// It never expires.
    pub const STOPPED: Self = Self { interval_ns: 0, next_ns: None };

    /// A timer that first expires at `start` and then every `interval_ns`, unless that is 0. What would come after the end of
    /// time never comes.
    #[must_use]
    pub fn started(start: Start, interval_ns: u64, now_ns: u64) -> Self {
        let first_ns = match start {
            Start::After(delay_ns) => now_ns.saturating_add(delay_ns),
            Start::At(ns) => ns,
        };
        Self { interval_ns, next_ns: Some(first_ns.min(NS_MAX)) }
    }

    /// When it expires next, or should have; `None` if it does not.
    #[must_use]
    pub fn next_ns(&self) -> Option<u64> {
        self.next_ns
    }

    /// From one expiry to the next; 0 for a single one.
    #[must_use]
    pub fn interval_ns(&self) -> u64 {
        self.interval_ns
    }

    /// Takes the expiries up to now: how many there were since the last time.
    pub fn expire(&mut self, now_ns: u64) -> u64 {
        let Some(next_ns) = self.next_ns.filter(|next_ns| *next_ns <= now_ns) else { return 0 };
        let Some(more) = (now_ns - next_ns).checked_div(self.interval_ns) else {
            self.next_ns = None;
            return 1;
        };
        let count = more + 1;
        let later_ns = self.interval_ns.saturating_mul(count).saturating_add(next_ns);
        self.next_ns = Some(later_ns.min(NS_MAX));
        count
    }

    /// From now to the next expiry that is still to come: 0 if only its last one is left, and due. `None` if it does not
    /// expire any more.
    #[must_use]
    pub fn left_ns(&self, now_ns: u64) -> Option<u64> {
        let mut later = *self;
        let due = later.expire(now_ns) != 0;
        match later.next_ns {
            Some(next_ns) => Some(next_ns - now_ns.min(next_ns)),
            None if due => Some(0),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_single_expiry_comes_once() {
        let mut timer = IntervalTimer::started(Start::After(5), 0, 100);
        assert_eq!((timer.expire(104), timer.left_ns(104)), (0, Some(1)));
        assert_eq!((timer.left_ns(105), timer.expire(105)), (Some(0), 1));
        assert_eq!((timer.expire(1000), timer.left_ns(1000), timer.next_ns()), (0, None, None));
    }

    #[test]
    fn missed_expiries_are_counted_and_the_rhythm_is_kept() {
        let mut timer = IntervalTimer::started(Start::At(100), 10, 0);
        assert_eq!(timer.expire(135), 4);
        assert_eq!((timer.next_ns(), timer.left_ns(135)), (Some(140), Some(5)));
        assert_eq!(timer.left_ns(140), Some(10), "an expiry that is due is not to come");
        assert_eq!((timer.expire(140), timer.expire(140)), (1, 0));
    }

    #[test]
    fn a_start_in_the_past_is_due_at_once() {
        let mut timer = IntervalTimer::started(Start::At(1), 0, 100);
        assert_eq!(timer.expire(100), 1);
        let mut timer = IntervalTimer::started(Start::At(40), 30, 100);
        assert_eq!((timer.expire(100), timer.next_ns()), (3, Some(130)));
    }

    #[test]
    fn a_clock_that_was_set_back_only_makes_it_wait() {
        let mut timer = IntervalTimer::started(Start::At(100), 10, 95);
        assert_eq!(timer.expire(100), 1);
        assert_eq!((timer.expire(20), timer.left_ns(20)), (0, Some(90)));
    }

    #[test]
    fn a_stopped_one_never_expires() {
        let mut timer = IntervalTimer::STOPPED;
        assert_eq!((timer.expire(u64::MAX), timer.left_ns(0)), (0, None));
    }

    #[test]
    fn nothing_overflows_at_the_end_of_time() {
        let mut timer = IntervalTimer::started(Start::After(NS_MAX), NS_MAX, NS_MAX - 1);
        assert_eq!(timer.next_ns(), Some(NS_MAX));
        assert_eq!(timer.expire(NS_MAX), 1);
        assert_eq!(timer.next_ns(), Some(NS_MAX));
    }

    proptest! {
        /// The model: one expiry after the other.
        #[test]
        fn expiries_are_those_counted_one_by_one(
            first in 0_u64..1000,
            interval in 0_u64..50,
            steps in prop::collection::vec(0_u64..200, 1..20),
        ) {
            let mut timer = IntervalTimer::started(Start::At(first), interval, 0);
            let (mut now, mut next) = (0, Some(first));
            for step in steps {
                now += step;
                let mut count = 0;
                while let Some(due) = next.filter(|due| *due <= now) {
                    count += 1;
                    next = (interval != 0).then(|| due + interval);
                }
                let left = timer.left_ns(now);
                prop_assert_eq!(timer.expire(now), count);
                prop_assert_eq!(timer.next_ns(), next);
                let expected = next.map(|next| next - now).or((count != 0).then_some(0));
                prop_assert_eq!(left, expected);
            }
        }
    }
}
