//! The clocks that programs may ask and wait for, by their meaning.
//!
//! Owns the queue of those who wait for a point in real time, which must look again when that clock is set. Waiting sleeps.
//! Specification: clock_gettime(2), clock_nanosleep(2), clock_settime(2).

use super::{current, tree, vdso};
use crate::arch::timer::now_ns;
use crate::sched::cpu_clock::{self, Watcher};
use crate::sched::{self, alarm};
use crate::sync::{WaitError, WaitQueue};
use crate::time;
use alloc::sync::{Arc, Weak};
use postern_core::clock::{Clock, NS_MAX};
use postern_core::errno::{Errno, Result};
use postern_sync::{ANY_EVENT, Changes, Mode, Sleep};

/// Those who wait for a point in real time; woken when the real-time clock is set.
static REALTIME_SLEEPERS: WaitQueue = WaitQueue::new();
/// How often it has been set.
static TIMES_SET: Changes = Changes::new();

/// The sleep was ended by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

/// What the clock says, in nanoseconds.
///
/// # Errors
/// EINVAL if its process or thread does not exist.
pub fn read_ns(clock: Clock) -> Result<u64> {
    match clock {
        Clock::Realtime(_) => Ok(time::realtime_ns()),
        Clock::Monotonic(_) => Ok(now_ns()),
        Clock::ProcessCpu(None) => Ok(current().process().run_ns()),
        Clock::ThreadCpu(None) => Ok(sched::current().run_ns()),
        Clock::ProcessCpu(Some(pid)) => tree::find(pid).map(|process| process.run_ns()).ok_or(Errno::EINVAL),
        Clock::ThreadCpu(Some(tid)) => tree::find_thread(tid).map(|task| task.run_ns()).ok_or(Errno::EINVAL),
    }
}

/// Sets the real-time clock, in nanoseconds since 1970.
pub fn set_realtime_ns(ns: u64) {
    time::set_realtime_ns(ns);
    vdso::on_clock_set();
    TIMES_SET.tell();
    REALTIME_SLEEPERS.wake_all(ANY_EVENT);
    alarm::on_clock_set();
}

/// Sleeps until the monotonic clock says `deadline_ns`.
///
/// # Errors
/// [`Interrupted`].
pub fn sleep_until(deadline_ns: u64) -> core::result::Result<(), Interrupted> {
    let deadline_ns = deadline_ns.min(NS_MAX);
    while now_ns() < deadline_ns {
        if sched::current().is_interrupted() {
            return Err(Interrupted);
        }
        sched::park(Some(deadline_ns));
    }
    Ok(())
}

/// Sleeps until the real-time clock says `deadline_ns`, however it is set meanwhile.
///
/// # Errors
/// [`Interrupted`].
pub fn sleep_until_realtime(deadline_ns: u64) -> core::result::Result<(), Interrupted> {
    while time::realtime_ns() < deadline_ns {
        let seen = TIMES_SET.now();
        let monotonic = deadline_ns.saturating_sub(time::realtime_offset_ns()).min(NS_MAX);
        let set_or_due = || (TIMES_SET.is_news(seen) || now_ns() >= monotonic).then_some(());
        match REALTIME_SLEEPERS.wait_until(Mode::Shared, Sleep::Interruptible, Some(monotonic), set_or_due) {
            Ok(()) | Err(WaitError::TimedOut) => {}
            Err(WaitError::Interrupted) => return Err(Interrupted),
        }
    }
    Ok(())
}

/// Who sleeps until a clock of CPU time says something.
struct Sleeper(WaitQueue);

impl Watcher for Sleeper {
    fn on_tick(self: Arc<Self>) {
        self.0.wake_all(ANY_EVENT);
    }
}

/// Sleeps until `clock`, one of CPU time, says `deadline_ns`, or whose time it is has ended.
///
/// # Errors
/// [`Interrupted`].
pub fn sleep_until_cpu_time(clock: Clock, deadline_ns: u64) -> core::result::Result<(), Interrupted> {
    let is_early = || read_ns(clock).is_ok_and(|now_ns| now_ns < deadline_ns);
    let sleeper = Arc::new(Sleeper(WaitQueue::new()));
    let watcher: Weak<Sleeper> = Arc::downgrade(&sleeper);
    let _watching = cpu_clock::watch(watcher);
    match sleeper.0.wait_until(Mode::Shared, Sleep::Interruptible, None, || (!is_early()).then_some(())) {
        Ok(()) | Err(WaitError::TimedOut) => Ok(()),
        Err(WaitError::Interrupted) => Err(Interrupted),
    }
}
