//! Translation table entries and the TLB. Who maps what is `mm`'s business.

use aarch64_cpu::registers::{ID_AA64MMFR0_EL1, TTBR1_EL1};
use core::arch::asm;
use tock_registers::interfaces::Readable;

/// log2 of the page size.
pub const PAGE_SHIFT: usize = 12;
/// Bytes a page.
pub const PAGE_SIZE: usize = 1 << PAGE_SHIFT;
/// Entries a table, at each of four levels.
pub const ENTRIES: usize = 512;

bitflags::bitflags! {
    /// The bits of a translation table entry beside the address (Arm ARM D8.3).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct EntryFlags: u64 {
        /// The entry means something.
        const VALID = 1 << 0;
        /// Next-level table, or at level 3 a page. Clear with VALID set: a block.
        const TABLE_OR_PAGE = 1 << 1;
        /// MAIR attribute 1: device memory (else 0: normal, write-back).
        const DEVICE = 1 << 2;
        /// EL0 may access.
        const USER = 1 << 6;
        /// No writes at any level.
        const READ_ONLY = 1 << 7;
        /// Inner shareable.
        const SHAREABLE = 3 << 8;
        /// Access flag: no fault on first access.
        const ACCESSED = 1 << 10;
        /// Tagged with the ASID.
        const NOT_GLOBAL = 1 << 11;
        /// EL1 may not execute.
        const NO_KERNEL_EXECUTE = 1 << 53;
        /// EL0 may not execute.
        const NO_USER_EXECUTE = 1 << 54;
        /// Of a table: no writes to anything below it (APTable).
        const TABLE_READ_ONLY = 1 << 62;
    }
}

/// The address bits of an entry.
pub const ADDRESS_MASK: u64 = 0x0000_ffff_ffff_f000;

/// Makes earlier table writes visible to walks of the whole inner shareable domain.
pub fn publish_tables() {
    // SAFETY: barriers.
    unsafe { asm!("dsb ishst", "isb", options(nostack, preserves_flags)) };
}

/// Forgets the translation of one page of one address space, on all CPUs.
pub fn flush_page(asid: u16, address: usize) {
    let operand = (u64::from(asid) << 48) | (address as u64 >> PAGE_SHIFT & 0xfff_ffff_ffff);
    // SAFETY: dropping cached translations never breaks correct code.
    unsafe {
        asm!("dsb ishst", "tlbi vae1is, {}", "dsb ish", "isb", in(reg) operand, options(nostack, preserves_flags))
    };
}

/// Forgets all translations of one address space, on all CPUs.
pub fn flush_asid(asid: u16) {
    let operand = u64::from(asid) << 48;
    // SAFETY: as above.
    unsafe {
        asm!("dsb ishst", "tlbi aside1is, {}", "dsb ish", "isb", in(reg) operand, options(nostack, preserves_flags))
    };
}

/// Forgets a kernel page's translation, on all CPUs.
pub fn flush_kernel_page(address: usize) {
    let operand = address as u64 >> PAGE_SHIFT & 0xfff_ffff_ffff;
    // SAFETY: as above.
    unsafe {
        asm!("dsb ishst", "tlbi vaae1is, {}", "dsb ish", "isb", in(reg) operand, options(nostack, preserves_flags))
    };
}

/// Forgets everything, on this CPU.
pub fn flush_this_cpu() {
    // SAFETY: as above.
    unsafe { asm!("dsb nshst", "tlbi vmalle1", "dsb nsh", "isb", options(nostack, preserves_flags)) };
}

/// A full barrier between this CPU's accesses before it and whatever comes after it, walks of translation tables included.
pub fn fence_walks() {
    // SAFETY: barriers.
    unsafe { asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
}

/// Makes `root` (physical) the kernel's table.
///
/// # Safety
/// The table maps the kernel's image, the current stack and everything in use as before.
pub unsafe fn set_kernel_table(root: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("dsb ish", "msr ttbr1_el1, {}", "isb", "tlbi vmalle1", "dsb nsh", "isb", in(reg) root, options(nostack))
    };
}

/// Makes `root` (physical) the user half's table, with its ASID. No flush: the ASID tells entries apart.
///
/// # Safety
/// `root` is a table that stays allocated for as long as it is current.
pub unsafe fn set_user_table(root: usize, asid: u16) {
    let value = root as u64 | u64::from(asid) << 48;
    // SAFETY: the caller's promise; the kernel does not depend on the lower half.
    unsafe { asm!("msr ttbr0_el1, {}", "isb", in(reg) value, options(nostack, preserves_flags)) };
}

/// The physical address of the kernel's table, for a starting CPU.
pub fn kernel_table() -> usize {
    super::exception::address(TTBR1_EL1.get() & ADDRESS_MASK)
}

/// How many ASIDs the CPU tells apart.
pub fn asid_count() -> u32 {
    if ID_AA64MMFR0_EL1.matches_all(ID_AA64MMFR0_EL1::ASIDBits::Bits_16) { 1 << 16 } else { 1 << 8 }
}

/// Makes code just written at `[start, start + length)` (a kernel address) visible to instruction fetches.
pub fn synchronise_code(start: usize, length: usize) {
    let mut line = start & !63;
    while line < start + length {
        // SAFETY: cleaning a line to the point of unification changes no data.
        unsafe { asm!("dc cvau, {}", in(reg) line, options(nostack, preserves_flags)) };
        line += 64;
    }
    // SAFETY: instruction caches refill from memory.
    unsafe { asm!("dsb ish", "ic ialluis", "dsb ish", "isb", options(nostack, preserves_flags)) };
}
