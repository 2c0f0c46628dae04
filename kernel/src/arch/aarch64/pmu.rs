//! The performance monitor: one event counter, which counts the instructions that this CPU executes.
//!
//! Owns event counter 0. No lock: every CPU has its own. QEMU counts instructions under `-icount` only, and then those of all its
//! CPUs together. Specification: Arm ARM D11 (PMUv3), event 0x08, INST_RETIRED.

use core::arch::asm;

/// INST_RETIRED: instructions architecturally executed.
const INSTRUCTIONS: u64 = 0x08;
/// Counter 0, in the registers that have a bit for each.
const COUNTER_0: u64 = 1;
/// PMCR_EL0.E: the enabled counters count.
const COUNT: u64 = 1;

/// What a counter holds: 32 bits.
pub const COUNTER_MASK: u64 = u32::MAX as u64;

/// Whether this machine counts instructions.
pub fn counts_instructions() -> bool {
    let (features, events): (u64, u64);
    // SAFETY: reading an identification register.
    unsafe { asm!("mrs {}, id_aa64dfr0_el1", out(reg) features, options(nomem, nostack, preserves_flags)) };
    let version = features >> 8 & 0xf;
    if version == 0 || version == 0xf {
        return false;
    }
    // SAFETY: as above; the register exists where there is a PMUv3.
    unsafe { asm!("mrs {}, pmceid0_el0", out(reg) events, options(nomem, nostack, preserves_flags)) };
    events >> INSTRUCTIONS & 1 != 0
}

/// Counts from now on, in the kernel and in programs. Only where [`counts_instructions`]. Programs cannot read it.
pub fn start() {
    // SAFETY: the counters are the kernel's own, and nobody else uses this one. PMSELR_EL0 has no part in it.
    unsafe {
        asm!("msr pmuserenr_el0, xzr", "msr pmevtyper0_el0, {event}", "msr pmcntenset_el0, {counter}",
             "msr pmcr_el0, {count}", "isb",
             event = in(reg) INSTRUCTIONS, counter = in(reg) COUNTER_0, count = in(reg) COUNT,
             options(nomem, nostack, preserves_flags));
    }
}

/// Counts no more.
pub fn stop() {
    // SAFETY: as above.
    unsafe {
        asm!("msr pmcntenclr_el0, {}", "msr pmcr_el0, xzr", "isb", in(reg) COUNTER_0,
             options(nomem, nostack, preserves_flags));
    }
}

/// The counter, which begins anew after 2³² instructions. Only where [`counts_instructions`].
#[inline(always)]
pub fn instructions() -> u64 {
    let count;
    // SAFETY: reading a register. The barrier keeps the read in program order.
    unsafe { asm!("isb", "mrs {}, pmevcntr0_el0", out(reg) count, options(nomem, nostack, preserves_flags)) };
    count
}
