//! The names of clocks and the values of time that cross the system-call boundary.
//!
//! Decides what a clock number means and which `struct timespec` is one; reads no clock. No locks, never sleeps.
//! Specification: clock_gettime(2), nanosleep(2), Linux's include/linux/posix-timers.h for the clocks of other processes.

use crate::errno::{Errno, Result};
use crate::tid_allocator::Tid;
use linux_raw_sys::general as abi;

/// Nanoseconds in a second.
pub const NS_PER_SECOND: u64 = 1_000_000_000;
/// The resolution that the coarse clocks report: Linux's tick with 250 Hz. Here they are as fine as the others.
pub const COARSE_RESOLUTION_NS: u64 = 4_000_000;
/// No time lies beyond (Linux's KTIME_MAX); later ones count as this one, which is 292 years away.
pub const NS_MAX: u64 = i64::MAX as u64;

/// A clock by its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Time since 1970, which can be set (also CLOCK_TAI: nobody has told us of leap seconds).
    Realtime(Resolution),
    /// Time since the machine started, which cannot.
    Monotonic(Resolution),
    /// CPU time of a process; `None` is the caller's.
    ProcessCpu(Option<Tid>),
    /// CPU time of a thread; `None` is the caller.
    ThreadCpu(Option<Tid>),
}

/// How exact a clock claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// To the nanosecond.
    Fine,
    /// To the tick ([`COARSE_RESOLUTION_NS`]).
    Coarse,
}

/// In a negative clock number: the clock of one thread, not of its whole process.
const CPUCLOCK_PERTHREAD: i32 = 4;
/// In a negative clock number: which measure; 2 is time on a CPU, 3 means that the rest is a descriptor.
const CPUCLOCK_MASK: i32 = 3;
const CPUCLOCK_PROF: i32 = 0;
const CPUCLOCK_SCHED: i32 = 2;

impl Clock {
    /// The clock with this number.
    ///
    /// Negative numbers come from clock_getcpuclockid(3) and pthread_getcpuclockid(3).
    ///
    /// # Errors
    /// EINVAL.
    pub fn from_number(number: i32) -> Result<Self> {
        let Ok(known) = u32::try_from(number) else {
            return Self::of_another(number);
        };
        Ok(match known {
            abi::CLOCK_REALTIME | abi::CLOCK_TAI => Self::Realtime(Resolution::Fine),
            abi::CLOCK_REALTIME_COARSE => Self::Realtime(Resolution::Coarse),
            abi::CLOCK_MONOTONIC | abi::CLOCK_MONOTONIC_RAW | abi::CLOCK_BOOTTIME => Self::Monotonic(Resolution::Fine),
            abi::CLOCK_MONOTONIC_COARSE => Self::Monotonic(Resolution::Coarse),
            abi::CLOCK_PROCESS_CPUTIME_ID => Self::ProcessCpu(None),
            abi::CLOCK_THREAD_CPUTIME_ID => Self::ThreadCpu(None),
            _ => return Err(Errno::EINVAL),
        })
    }

    fn of_another(number: i32) -> Result<Self> {
        // The measures PROF, VIRT and SCHED are one here: user and kernel time are not told apart.
        if !(CPUCLOCK_PROF..=CPUCLOCK_SCHED).contains(&(number & CPUCLOCK_MASK)) {
            return Err(Errno::EINVAL);
        }
        let id = Tid::try_from(!(number >> 3)).map_err(|_| Errno::EINVAL)?;
        let id = (id != 0).then_some(id);
        if number & CPUCLOCK_PERTHREAD != 0 { Ok(Self::ThreadCpu(id)) } else { Ok(Self::ProcessCpu(id)) }
    }

    /// What clock_getres(2) reports, in nanoseconds.
    #[must_use]
    pub fn resolution_ns(self) -> u64 {
        match self {
            Self::Realtime(Resolution::Coarse) | Self::Monotonic(Resolution::Coarse) => COARSE_RESOLUTION_NS,
            _ => 1,
        }
    }
}

/// The nanoseconds in a `struct timespec`, at most [`NS_MAX`].
///
/// # Errors
/// EINVAL if the seconds are negative or the nanoseconds are not 0 to 999,999,999.
pub fn ns_of_timespec(seconds: i64, nanoseconds: i64) -> Result<u64> {
    let seconds = u64::try_from(seconds).map_err(|_| Errno::EINVAL)?;
    let nanoseconds = u64::try_from(nanoseconds).map_err(|_| Errno::EINVAL)?;
    if nanoseconds >= NS_PER_SECOND {
        return Err(Errno::EINVAL);
    }
    let total = seconds.checked_mul(NS_PER_SECOND).and_then(|whole| whole.checked_add(nanoseconds));
    Ok(total.unwrap_or(NS_MAX).min(NS_MAX))
}

/// The nanoseconds in a `struct timeval`, at most [`NS_MAX`].
///
/// # Errors
/// EINVAL if the seconds are negative or the microseconds are not 0 to 999,999.
pub fn ns_of_timeval(seconds: i64, microseconds: i64) -> Result<u64> {
    match microseconds {
        0..1_000_000 => ns_of_timespec(seconds, microseconds * 1000),
        _ => Err(Errno::EINVAL),
    }
}

/// Seconds and nanoseconds.
#[must_use]
pub fn timespec_of_ns(ns: u64) -> [i64; 2] {
    // Both quotients are far below i64::MAX.
    [(ns / NS_PER_SECOND).cast_signed(), (ns % NS_PER_SECOND).cast_signed()]
}

/// Seconds and microseconds.
#[must_use]
pub fn timeval_of_ns(ns: u64) -> [i64; 2] {
    let [seconds, nanoseconds] = timespec_of_ns(ns);
    [seconds, nanoseconds / 1000]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_numbers_are_clocks_and_others_are_not() {
        assert_eq!(Clock::from_number(0), Ok(Clock::Realtime(Resolution::Fine)));
        assert_eq!(Clock::from_number(1), Ok(Clock::Monotonic(Resolution::Fine)));
        assert_eq!(Clock::from_number(6), Ok(Clock::Monotonic(Resolution::Coarse)));
        for number in [8, 9, 10, 12, 16, 99, i32::MAX] {
            assert_eq!(Clock::from_number(number), Err(Errno::EINVAL), "{number}");
        }
    }

    #[test]
    fn negative_numbers_name_the_clock_of_a_process_or_thread() {
        let process = |pid: i32| (!pid << 3) | 2;
        let thread = |tid: i32| (!tid << 3) | 6;
        assert_eq!(Clock::from_number(process(77)), Ok(Clock::ProcessCpu(Some(77))));
        assert_eq!(Clock::from_number(thread(78)), Ok(Clock::ThreadCpu(Some(78))));
        assert_eq!(Clock::from_number(process(0)), Ok(Clock::ProcessCpu(None)));
        // The clock of a descriptor.
        assert_eq!(Clock::from_number((!5 << 3) | 3), Err(Errno::EINVAL));
    }

    #[test]
    fn a_timespec_is_checked_and_saturates() {
        assert_eq!(ns_of_timespec(2, 5), Ok(2_000_000_005));
        assert_eq!(ns_of_timespec(0, 999_999_999), Ok(999_999_999));
        assert_eq!(ns_of_timespec(i64::MAX, 0), Ok(NS_MAX));
        for (seconds, nanoseconds) in [(-1, 0), (0, -1), (0, 1_000_000_000), (i64::MIN, i64::MIN)] {
            assert_eq!(ns_of_timespec(seconds, nanoseconds), Err(Errno::EINVAL));
        }
    }

    #[test]
    fn a_timeval_is_checked() {
        assert_eq!(ns_of_timeval(1, 999_999), Ok(1_999_999_000));
        assert_eq!(ns_of_timeval(1, 1_000_000), Err(Errno::EINVAL));
        assert_eq!(ns_of_timeval(1, i64::MAX), Err(Errno::EINVAL));
    }

    #[test]
    fn nanoseconds_come_apart_and_together() {
        for ns in [0, 1, 999_999_999, 1_000_000_000, 12_345_678_901_234, NS_MAX] {
            let [seconds, nanoseconds] = timespec_of_ns(ns);
            assert_eq!(ns_of_timespec(seconds, nanoseconds), Ok(ns));
        }
        assert_eq!(timeval_of_ns(1_234_567_999), [1, 234_567]);
    }
}
