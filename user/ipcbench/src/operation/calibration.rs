//! Operations of known length, to read the other figures by. Under `-icount shift=0` the loop must come to
//! its length and a few instructions; if it does not, no figure of that run counts instructions. Never sleeps.

use std::hint::black_box;
use std::io;

use super::Solo;
use crate::benchmark::Amount;
use crate::clock::now_ns;
use crate::measure::Subject;

/// A thousand instructions: 500 turns of a subtraction and a branch.
pub const LOOP: Solo<Loop> = Solo {
    name: ("calibration", "loop"),
    summary: "exactly 1000 instructions of computing, and the loop around them",
    amount: Amount::Operations(100_000, 5_000),
    subject: || Ok(Loop),
};

/// One reading of the clock: what every single-operation sample includes.
pub const CLOCK: Solo<Clock> = Solo {
    name: ("calibration", "clock"),
    summary: "clock_gettime(CLOCK_MONOTONIC); every sample includes about one",
    amount: Amount::Operations(100_000, 5_000),
    subject: || Ok(Clock),
};

/// The loop's subject.
pub struct Loop;

impl Subject for Loop {
    #[inline]
    fn operate(&mut self, _sequence: u64) -> io::Result<()> {
        thousand_instructions();
        Ok(())
    }
}

/// Counts a register down.
#[inline]
pub fn thousand_instructions() {
    let turns: u64 = 500;
    #[cfg(target_arch = "aarch64")]
    // SAFETY: counts a register down; touches nothing else but the flags.
    unsafe {
        core::arch::asm!("2: subs {0}, {0}, #1", "b.ne 2b", inout(reg) turns => _, options(nomem, nostack));
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: counts a register down; touches nothing else but the flags.
    unsafe {
        core::arch::asm!("2: sub {0}, 1", "jnz 2b", inout(reg) turns => _, options(nomem, nostack));
    }
}

/// Why the clock cannot be counting instructions, if a loop of known length does not come to it.
pub fn doubt() -> Option<String> {
    const TURNS: u64 = 1000;
    let start = now_ns();
    for _ in 0..TURNS {
        thousand_instructions();
    }
    doubt_about(now_ns().saturating_sub(start) / TURNS)
}

/// The same for a loop that took so many ticks.
fn doubt_about(ticks: u64) -> Option<String> {
    // A few for the loop around it, and a few for the kernel's timer.
    let is_plausible = (1000..=1050).contains(&ticks);
    (!is_plausible).then(|| format!("these are not instructions: a thousand of them took {ticks} ticks of the clock"))
}

/// The clock's subject.
pub struct Clock;

impl Subject for Clock {
    #[inline]
    fn operate(&mut self, _sequence: u64) -> io::Result<()> {
        black_box(now_ns());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::doubt_about;

    #[test]
    fn only_a_thousand_and_a_few_are_a_thousand_instructions() {
        assert_eq!([1000, 1003, 1020].map(doubt_about), [None, None, None]);
        assert!([0, 250, 999, 1200].iter().all(|ticks| doubt_about(*ticks).is_some()));
    }
}
