//! Register contents across a system call that delivers a signal or switches away: the one place with assembly.
//!
//! Each machine's file offers the same functions: put a pattern into the registers, make the call, take out what they hold.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub use aarch64::{GENERAL, VECTOR_WORDS, clobber, general_across_tgkill, vectors_across_tgkill, vectors_across_yield};
#[cfg(target_arch = "x86_64")]
pub use x86_64::{GENERAL, VECTOR_WORDS, clobber, general_across_tgkill, vectors_across_tgkill, vectors_across_yield};

/// A number that depends on every bit of its index.
pub fn pattern(index: usize) -> u64 {
    (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
