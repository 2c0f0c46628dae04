//! The virtual timer: the only clock. Under `-icount shift=0` a nanosecond is an instruction.

use aarch64_cpu::registers::{CNTFRQ_EL0, CNTV_CTL_EL0, CNTV_CVAL_EL0, CNTVCT_EL0};
use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};
use tock_registers::interfaces::{Readable, Writeable};

/// The virtual timer's private interrupt on every GIC system (PPI 11).
pub const INTERRUPT: u32 = 27;

/// Nanoseconds a tick as a 32.32 fixed-point number, set once at boot.
static NS_PER_TICK: AtomicU64 = AtomicU64::new(0);
/// Ticks a nanosecond as a 32.32 fixed-point number.
static TICKS_PER_NS: AtomicU64 = AtomicU64::new(0);

/// Learns the frequency. Once, on the boot CPU.
pub fn init() {
    let hz = frequency_hz();
    // Relaxed: written before other CPUs start, constant ever after.
    NS_PER_TICK.store((1_000_000_000_u64 << 32) / hz, Ordering::Relaxed);
    #[expect(clippy::cast_possible_truncation, reason = "CNTFRQ_EL0 has 32 bits")]
    let ticks_per_ns = ((u128::from(hz) << 32) / 1_000_000_000) as u64;
    TICKS_PER_NS.store(ticks_per_ns + 1, Ordering::Relaxed);
}

/// The counter's frequency.
pub fn frequency_hz() -> u64 {
    CNTFRQ_EL0.get()
}

/// The fixed-point factor of [`now_ns`], for the vDSO: ns = ticks * factor >> 32.
pub fn ns_per_tick_32_32() -> u64 {
    NS_PER_TICK.load(Ordering::Relaxed)
}

/// The counter.
pub fn ticks() -> u64 {
    let ticks: u64;
    // SAFETY: the barrier only keeps the read in program order.
    unsafe { asm!("isb", "mrs {}, cntvct_el0", out(reg) ticks, options(nostack)) };
    ticks
}

/// The counter, read after the branches that come before it and what they go by, and before all that comes after.
pub fn ticks_in_order() -> u64 {
    let ticks: u64;
    // SAFETY: barriers, and a read without side effects. May be said to touch memory, so the compiler moves no access across.
    unsafe { asm!("isb", "mrs {}, cntvct_el0", "isb", out(reg) ticks, options(nostack)) };
    ticks
}

/// The counter, read without a barrier: near enough for accounting.
pub fn ticks_unordered() -> u64 {
    CNTVCT_EL0.get()
}

/// Nanoseconds in `ticks`.
#[expect(clippy::cast_possible_truncation, reason = "64 bits hold the nanoseconds of 584 years")]
pub fn ns_of_ticks(ticks: u64) -> u64 {
    ((u128::from(ticks) * u128::from(ns_per_tick_32_32())) >> 32) as u64
}

/// Nanoseconds since the machine started.
pub fn now_ns() -> u64 {
    ns_of_ticks(ticks())
}

/// Asks for an interrupt on this CPU at `deadline_ns`, replacing an earlier request.
pub fn set_deadline(deadline_ns: u64) {
    let factor = TICKS_PER_NS.load(Ordering::Relaxed);
    #[expect(clippy::cast_possible_truncation, reason = "the counter is not faster than 1 GHz")]
    let ticks = ((u128::from(deadline_ns) * u128::from(factor)) >> 32) as u64 + 1;
    CNTV_CVAL_EL0.set(ticks);
    CNTV_CTL_EL0.write(CNTV_CTL_EL0::ENABLE::SET);
}

/// No interrupt is wanted any more.
pub fn cancel() {
    CNTV_CTL_EL0.set(0);
}
