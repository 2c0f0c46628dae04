//! What a process hears of the CPU time that it uses: ITIMER_VIRTUAL and ITIMER_PROF, RLIMIT_CPU. Looked at when a tick passes.
//!
//! Owns the two timers. Locks: PROCESS to read the clock, then SIGNALS, not nested. Checked in interrupt context. Never sleeps.
//! All time is user time, so that both timers go by the same clock. Specification: setitimer(2), getrlimit(2).

use super::{SignalInfo, send_to_process};
use crate::process::limits::{INFINITY, Limit, Resource};
use crate::process::{Process, current};
use crate::sched::cpu_clock::{self, TICK_NS, Watcher, Watching};
use alloc::sync::{Arc, Weak};
use postern_core::cpu_limit::{Verdict, judge};
use postern_core::interval_timer::{IntervalTimer, Setting, Start};
use postern_core::signal_set::Signal;

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CpuTimer {
    /// ITIMER_VIRTUAL: SIGVTALRM.
    Virtual,
    /// ITIMER_PROF: SIGPROF.
    Profiling,
}

/// The timers of a process, whose times are of its CPU clock.
pub(super) struct CpuTimers {
    timers: [IntervalTimer; 2],
    watching: Option<Watching>,
}

const SIGNALS: [Signal; 2] = [Signal::VTALRM, Signal::PROF];

impl CpuTimers {
    pub const fn new() -> Self {
        Self { timers: [IntervalTimer::STOPPED; 2], watching: None }
    }

    fn watch(&mut self, process: &Arc<Process>) {
        if self.watching.is_none() {
            let watcher: Weak<Process> = Arc::downgrade(process);
            self.watching = Some(cpu_clock::watch(watcher));
        }
    }
}

fn setting(timer: &IntervalTimer, now_ns: u64) -> Setting {
    // What is due comes with the next tick.
    let value_ns = timer.left_ns(now_ns).map_or(0, |left_ns| if left_ns == 0 { TICK_NS } else { left_ns });
    Setting { interval_ns: timer.interval_ns(), value_ns }
}

/// getitimer(2) for a timer of CPU time.
pub fn get(which: CpuTimer) -> Setting {
    let thread = current();
    let process = thread.process();
    let now_ns = process.run_ns();
    setting(&process.signals.cpu_timers.lock().timers[which as usize], now_ns)
}

/// setitimer(2) for a timer of CPU time: what it was.
pub fn set(which: CpuTimer, new: Setting) -> Setting {
    let thread = current();
    let process = thread.process();
    let now_ns = process.run_ns();
    let mut cpu_timers = process.signals.cpu_timers.lock();
    let timer = &mut cpu_timers.timers[which as usize];
    let old = setting(timer, now_ns);
    *timer = match new.value_ns {
        0 => IntervalTimer::STOPPED,
        value_ns => IntervalTimer::started(Start::After(value_ns), new.interval_ns, now_ns),
    };
    cpu_timers.watch(process);
    old
}

/// The process has an RLIMIT_CPU from now on, or another one.
pub fn watch_limit(process: &Arc<Process>) {
    if process.limit(Resource::CPU) != (Limit { soft: INFINITY, hard: INFINITY }) {
        process.signals.cpu_timers.lock().watch(process);
    }
}

impl Watcher for Process {
    fn on_tick(self: Arc<Self>) {
        let now_ns = self.run_ns();
        let has_ended = self.any_thread().is_none();
        let limit = self.limit(Resource::CPU);
        let (due, unneeded) = {
            let mut cpu_timers = self.signals.cpu_timers.lock();
            let due = cpu_timers.timers.each_mut().map(|timer| timer.expire(now_ns) != 0);
            let is_idle = cpu_timers.timers.iter().all(|timer| timer.next_ns().is_none());
            let is_unlimited = limit.soft == INFINITY && limit.hard == INFINITY;
            let unneeded = cpu_timers.watching.take_if(|_| has_ended || is_idle && is_unlimited);
            (due, unneeded)
        };
        drop(unneeded);
        for (signal, is_due) in SIGNALS.into_iter().zip(due) {
            if is_due {
                send_to_process(&self, SignalInfo::kernel(signal));
            }
        }
        match judge(now_ns, limit.soft, limit.hard) {
            Verdict::Within => {}
            Verdict::Warn { soft_s } => {
                self.raise_cpu_limit(limit.soft, soft_s);
                send_to_process(&self, SignalInfo::kernel(Signal::XCPU));
            }
            Verdict::Kill => send_to_process(&self, SignalInfo::kernel(Signal::KILL)),
        }
    }
}
