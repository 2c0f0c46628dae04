//! System calls by number and registers, for tests about numbers and registers. See `sys` for the rules.

use super::{Sys, raw};

/// The call with up to six arguments, the others being zero.
///
/// Addresses among them must lead to mappings of the test's own, which hold nothing of Rust's, or to where the kernel must
/// not go; and the call must not end the process.
pub fn call<const COUNT: usize>(number: libc::c_long, arguments: [usize; COUNT]) -> Sys<usize> {
    let mut all = [0; 6];
    all[..COUNT].copy_from_slice(&arguments);
    // SAFETY: callers pass no address of anything that Rust relies on.
    unsafe { raw("the call", number, all) }
}

/// A descriptor, or another signed number, as an argument register.
pub const fn word(number: i32) -> usize {
    number as isize as usize
}
