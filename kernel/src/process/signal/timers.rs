//! The interval timer that sends SIGALRM. Lock: SIGNALS; expires in interrupt context.
//!
//! Once it has sent its signal, the next expiry is not waited for before somebody has taken that: a short interval does not
//! keep a CPU busy. Specification: setitimer(2); `it_real_fn` and `dequeue_signal` of Linux 6.12.

use super::{SignalInfo, send_to_process};
use crate::arch::timer::now_ns;
use crate::process::{Process, current};
use crate::sched::alarm::{Alarm, Owner, Timebase};
use alloc::sync::Arc;
use postern_core::interval_timer::{IntervalTimer, Setting, Start};
use postern_core::signal_set::Signal;

/// What is left of an active timer is never reported as nothing.
const LEAST_NS: u64 = 1_000;

/// ITIMER_REAL of a process.
pub(super) struct RealTimer {
    timer: IntervalTimer,
    alarm: Alarm,
}

impl RealTimer {
    pub const fn new() -> Self {
        Self { timer: IntervalTimer::STOPPED, alarm: Alarm::new() }
    }

    fn read(&self) -> Setting {
        let left_ns = self.timer.left_ns(now_ns()).filter(|_| self.alarm.is_set());
        Setting { interval_ns: self.timer.interval_ns(), value_ns: left_ns.map_or(0, |left_ns| left_ns.max(LEAST_NS)) }
    }

    /// Waits for the next expiry that is still to come, if there is one.
    fn go_on(&mut self, process: &Arc<Process>) {
        self.timer.expire(now_ns());
        if let Some(next_ns) = self.timer.next_ns() {
            self.alarm.set(&Arc::downgrade(process), Timebase::Monotonic, next_ns);
        }
    }
}

impl Owner for Process {
    fn on_alarm(self: Arc<Self>, setting: u64) {
        if self.signals.real_timer.lock().alarm.goes_off(setting) {
            send_to_process(&self, SignalInfo::kernel(Signal::ALRM));
        }
    }
}

/// The current thread has taken SIGALRM, sent to its process by whomever: the timer goes on.
pub(super) fn on_alarm_taken() {
    let thread = current();
    let process = thread.process();
    let mut timer = process.signals.real_timer.lock();
    if !timer.alarm.is_set() {
        timer.go_on(process);
    }
}

/// getitimer(2) for ITIMER_REAL.
pub fn getitimer() -> Setting {
    current().process().signals.real_timer.lock().read()
}

/// setitimer(2) for ITIMER_REAL: what it was.
pub fn setitimer(new: Setting) -> Setting {
    let thread = current();
    let process = thread.process();
    let mut timer = process.signals.real_timer.lock();
    let old = timer.read();
    timer.alarm.cancel();
    timer.timer = match new.value_ns {
        0 => IntervalTimer::STOPPED,
        value_ns => IntervalTimer::started(Start::After(value_ns), new.interval_ns, now_ns()),
    };
    if let Some(next_ns) = timer.timer.next_ns() {
        timer.alarm.set(&Arc::downgrade(process), Timebase::Monotonic, next_ns);
    }
    old
}

/// The current thread of `process` is ending: its timers go with the last one. If two threads that end together both
/// take the other for the last, the next expiry finds no thread and is the last expiry.
pub(super) fn cancel_if_last(process: &Process) {
    let is_last = process.threads.lock().tasks.len() <= 1;
    if is_last {
        process.signals.real_timer.lock().alarm.cancel();
        super::posix_timers::delete_all(process);
    }
}
