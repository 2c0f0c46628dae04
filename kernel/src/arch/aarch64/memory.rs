//! Memory in bulk: the `memcpy` and the `memset` that the compiler calls, and zeroed pages.
//!
//! All instead of the compiler's own, which go word by word, and byte by byte of a word where source and destination are not
//! aligned alike. Normal memory bears accesses at any address, and the MMU is on before the first line of Rust.

use super::mmu::PAGE_SIZE;
use core::arch::{asm, global_asm};

global_asm!(include_str!("memory.s"), options(raw));

/// Zeroes the page at the kernel's `address`, by whole blocks of the cache (DC ZVA) where the CPU allows it.
///
/// # Safety
/// A mapped page of normal memory, whose contents are the caller's.
pub unsafe fn zero_page(address: usize) {
    let id: u64;
    // SAFETY: reads a constant of the CPU.
    unsafe { asm!("mrs {}, dczid_el0", out(reg) id, options(nomem, nostack, preserves_flags)) };
    // DCZID_EL0: log2 of the block's words, and above it whether the instruction is prohibited.
    let (block, prohibited) = (4_usize << (id & 0xf), id & 0x10 != 0);
    if prohibited || block * 4 > PAGE_SIZE {
        let page = core::ptr::with_exposed_provenance_mut::<u8>(address);
        // SAFETY: the caller's promise.
        return unsafe { page.write_bytes(0, PAGE_SIZE) };
    }
    // SAFETY: the caller's promise; four blocks at a time make up a page, for both are powers of two.
    unsafe {
        asm!(
            "2: dc zva, {at}",
            "add {at}, {at}, {block}",
            "dc zva, {at}",
            "add {at}, {at}, {block}",
            "dc zva, {at}",
            "add {at}, {at}, {block}",
            "dc zva, {at}",
            "add {at}, {at}, {block}",
            "cmp {at}, {end}",
            "b.ne 2b",
            at = inout(reg) address => _,
            block = in(reg) block,
            end = in(reg) address + PAGE_SIZE,
            options(nostack),
        );
    }
}
