//! The routines that touch user memory. They may fault, and so may sleep: no spin lock may be held.
//! The caller has checked that the range lies below [`USER_END`].

use super::trace_point;
use core::arch::global_asm;

global_asm!(include_str!("user_copy.s"), options(raw));

/// End of the lower half, where user programs live (48-bit addresses).
pub const USER_END: usize = 1 << 48;

unsafe extern "C" {
    static __user_copy_start: u8;
    static __user_copy_end: u8;
    fn user_copy(to: *mut u8, from: *const u8, length: usize) -> usize;
    fn user_load_u32(from: *const u32, to: *mut u32) -> usize;
    fn user_compare_exchange_u32(at: *mut u32, old: u32, new: u32, seen: *mut u32) -> usize;
}

/// Whether a fault at `pc` is one of a routine here, whose frame's x9 holds the fix-up's address.
pub fn has_fixup(pc: usize) -> bool {
    ((&raw const __user_copy_start).addr()..(&raw const __user_copy_end).addr()).contains(&pc)
}

/// Copies from user memory; returns how many bytes could not be copied (at the end).
///
/// # Safety
/// `to..to + length` is kernel memory valid for writes that no other code relies on meanwhile; `from..from + length` is below
/// `USER_END`.
pub unsafe fn copy_from(to: *mut u8, from: usize, length: usize) -> usize {
    trace_point::copy_in(length as u64, from as u64);
    // SAFETY: faults on `from` are fixed up; `to` is the caller's promise.
    unsafe { user_copy(to, core::ptr::with_exposed_provenance(from), length) }
}

/// Copies to user memory; returns how many bytes could not be copied (at the end).
///
/// # Safety
/// `from..from + length` is kernel memory valid for reads; `to..to + length` is below `USER_END`.
pub unsafe fn copy_to(to: usize, from: *const u8, length: usize) -> usize {
    trace_point::copy_out(length as u64, to as u64);
    // SAFETY: faults on `to` are fixed up; `from` is the caller's promise.
    unsafe { user_copy(core::ptr::with_exposed_provenance_mut(to), from, length) }
}

/// Loads an aligned word in one access; `None` after a fault.
///
/// # Safety
/// `from` is 4-byte aligned and below `USER_END`.
pub unsafe fn load_u32(from: usize) -> Option<u32> {
    let mut value = 0;
    // SAFETY: faults are fixed up; `value` is ours.
    let failed = unsafe { user_load_u32(core::ptr::with_exposed_provenance(from), &raw mut value) };
    (failed == 0).then_some(value)
}

/// Atomically replaces `old` by `new`; returns what was seen, `None` after a fault.
///
/// # Safety
/// `at` is 4-byte aligned and below `USER_END`.
pub unsafe fn compare_exchange_u32(at: usize, old: u32, new: u32) -> Option<u32> {
    let mut seen = 0;
    let at = core::ptr::with_exposed_provenance_mut(at);
    // SAFETY: faults are fixed up; `seen` is ours.
    let failed = unsafe { user_compare_exchange_u32(at, old, new, &raw mut seen) };
    (failed == 0).then_some(seen)
}
