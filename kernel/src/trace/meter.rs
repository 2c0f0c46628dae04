//! What each CPU has executed since recording began, without what tracing itself takes: as if the points were off.
//!
//! Owns the counts, a CPU's own each. No lock; never sleeps.
//!
//! A point that is on takes as many instructions more as: a fixed number, on the way from the point to the first look at the
//! counter and from the last look back (`fixed`, found out by [`calibrate`]); and what lies between the looks, which varies.
//! Both are taken off every later count. The branch at the point stands for the NOP that is there otherwise.

use crate::arch::cpu::MAX_CPUS;
use crate::arch::{pmu, timer, trace_point};
use crate::sync::PerCpu;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use postern_abi::trace::Counter;

struct Meter {
    /// The counter when it was looked at last.
    seen: u64,
    /// All that has been counted.
    total: u64,
    /// What of it was tracing.
    tracing: u64,
}

static METERS: PerCpu<Meter> = PerCpu::new([const { Meter { seen: 0, total: 0, tracing: 0 } }; MAX_CPUS]);
/// Whether there is a counter of instructions. Relaxed, and the next: set before points are switched on.
static COUNTS: AtomicBool = AtomicBool::new(false);
/// What a point takes besides what [`leave_out`] sees of it.
static FIXED: AtomicU64 = AtomicU64::new(0);

impl Meter {
    /// Counts on to what the counter says.
    #[inline(always)]
    fn go_on(&mut self, now: u64) {
        self.total += now.wrapping_sub(self.seen) & pmu::COUNTER_MASK;
        self.seen = now;
    }
}

/// What is counted here.
pub fn counter() -> Counter {
    if COUNTS.load(Ordering::Relaxed) { Counter::Instructions } else { Counter::Ticks }
}

/// Runs `f` with the count of now, and leaves what that takes out of the count.
#[inline(always)]
pub fn leave_out(f: impl FnOnce(u64)) {
    if !COUNTS.load(Ordering::Relaxed) {
        f(timer::ticks_unordered());
        return;
    }
    let begun = pmu::instructions();
    METERS.with(|meter| {
        meter.go_on(begun);
        f(meter.total - meter.tracing);
        meter.tracing += FIXED.load(Ordering::Relaxed);
        meter.go_on_tracing();
    });
}

impl Meter {
    /// Counts on, for tracing alone: the last thing that is done for an event.
    #[inline(always)]
    fn go_on_tracing(&mut self) {
        let seen = self.seen;
        self.go_on(pmu::instructions());
        self.tracing += self.seen.wrapping_sub(seen) & pmu::COUNTER_MASK;
    }
}

/// Begins counting, on this CPU.
pub fn start() {
    if pmu::counts_instructions() {
        pmu::start();
        COUNTS.store(true, Ordering::Relaxed);
    }
}

/// Counts from 0, on this CPU.
pub fn reset() {
    if COUNTS.load(Ordering::Relaxed) {
        METERS.with(|meter| *meter = Meter { seen: pmu::instructions(), total: 0, tracing: 0 });
    }
}

/// Ends counting, on this CPU.
pub fn stop() {
    if COUNTS.load(Ordering::Relaxed) {
        pmu::stop();
    }
}

/// What a point takes while it is off, to be given to [`calibrate`] when it is on. On a CPU that counts.
pub fn measure_off() -> u64 {
    if COUNTS.load(Ordering::Relaxed) { least(trace_point::measure) } else { 0 }
}

/// Finds out what a point takes that is on. On a CPU that counts.
pub fn calibrate(off: u64) {
    if !COUNTS.load(Ordering::Relaxed) {
        return;
    }
    FIXED.store(0, Ordering::Relaxed);
    let tracing = || METERS.with(|meter| meter.tracing);
    let on = least(|| {
        let before = tracing();
        let all = trace_point::measure();
        all.saturating_sub(tracing() - before)
    });
    FIXED.store(on.saturating_sub(off), Ordering::Relaxed);
}

/// The least of some turns: with several CPUs, others' instructions may be among those of one.
fn least(measure: impl Fn() -> u64) -> u64 {
    (0..5).map(|_| measure()).min().unwrap_or(0)
}
