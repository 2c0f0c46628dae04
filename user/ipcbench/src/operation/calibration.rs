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

#[inline]
fn thousand_instructions() {
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

/// The clock's subject.
pub struct Clock;

impl Subject for Clock {
    #[inline]
    fn operate(&mut self, _sequence: u64) -> io::Result<()> {
        black_box(now_ns());
        Ok(())
    }
}
