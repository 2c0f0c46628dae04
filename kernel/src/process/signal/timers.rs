//! The interval timer that sends SIGALRM. Lock: SIGNALS; expires in interrupt context.
//!
//! ITIMER_VIRTUAL and ITIMER_PROF, which count CPU time, do not exist here: EINVAL. Specification: setitimer(2).

use super::{SignalInfo, send_to_process};
use crate::arch::timer::now_ns;
use crate::process::{Process, current};
use crate::sched::timer::{self, Expire, Timer};
use alloc::sync::{Arc, Weak};
use postern_core::signal_set::Signal;

/// What is left of an active timer is never reported as nothing.
const LEAST_NS: u64 = 1_000;

/// `struct itimerval`, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntervalTimer {
    /// From one expiry to the next; 0 for a single one.
    pub interval_ns: u64,
    /// From now to the next expiry; 0 for none.
    pub remaining_ns: u64,
}

/// ITIMER_REAL of a process.
pub(super) struct RealTimer {
    interval_ns: u64,
    running: Option<Timer>,
    /// Counts settings and expiries: an expiry that a new setting overtook finds another number.
    generation: u64,
}

impl RealTimer {
    pub const fn new() -> Self {
        Self { interval_ns: 0, running: None, generation: 0 }
    }

    fn read(&self) -> IntervalTimer {
        let left = |timer: &Timer| timer.deadline_ns().saturating_sub(now_ns()).max(LEAST_NS);
        IntervalTimer { interval_ns: self.interval_ns, remaining_ns: self.running.as_ref().map_or(0, left) }
    }

    fn start(&mut self, deadline_ns: u64, process: Weak<Process>) {
        self.generation += 1;
        let expiry = Expiry { process, generation: self.generation };
        self.running = Some(timer::call_at(deadline_ns, Arc::new(expiry)));
    }

    fn cancel(&mut self) {
        self.generation += 1;
        if let Some(timer) = self.running.take() {
            // One that is expiring right now finds another generation.
            timer.cancel();
        }
    }
}

struct Expiry {
    process: Weak<Process>,
    generation: u64,
}

impl Expire for Expiry {
    fn on_expiry(&self, deadline_ns: u64) -> Option<u64> {
        let process = self.process.upgrade()?;
        let is_alive = !process.threads.lock().tasks.is_empty();
        {
            let mut timer = process.signals.real_timer.lock();
            if timer.generation != self.generation || !is_alive {
                return None;
            }
            timer.running = None;
            if let Some(next_ns) = next_expiry_ns(deadline_ns, timer.interval_ns, now_ns()) {
                timer.start(next_ns, self.process.clone());
            }
        }
        send_to_process(&process, SignalInfo::kernel(Signal::ALRM));
        // The next expiry is a timer of its own, which can be cancelled.
        None
    }
}

/// The first of the expiries after `deadline_ns` that is still to come.
fn next_expiry_ns(deadline_ns: u64, interval_ns: u64, now_ns: u64) -> Option<u64> {
    let missed = now_ns.saturating_sub(deadline_ns).checked_div(interval_ns)?;
    Some(deadline_ns.saturating_add(interval_ns.saturating_mul(missed + 1)))
}

/// getitimer(2) for ITIMER_REAL.
pub fn getitimer() -> IntervalTimer {
    current().process().signals.real_timer.lock().read()
}

/// setitimer(2) for ITIMER_REAL: what it was.
pub fn setitimer(new: IntervalTimer) -> IntervalTimer {
    let thread = current();
    let process = thread.process();
    let mut timer = process.signals.real_timer.lock();
    let old = timer.read();
    timer.cancel();
    timer.interval_ns = new.interval_ns;
    if new.remaining_ns != 0 {
        timer.start(now_ns().saturating_add(new.remaining_ns), Arc::downgrade(process));
    }
    old
}

/// The current thread of `process` is ending: its timer goes with the last one. If two threads that end together both
/// take the other for the last, the next expiry finds no thread and is the last expiry.
pub(super) fn cancel_if_last(process: &Process) {
    let is_last = process.threads.lock().tasks.len() <= 1;
    if is_last {
        process.signals.real_timer.lock().cancel();
    }
}
