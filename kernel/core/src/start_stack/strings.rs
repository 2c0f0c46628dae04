//! The strings of a new program, gathered one by one under Linux's limits.
//!
//! No locks, never sleeps.

use alloc::vec::Vec;

use linux_raw_sys::general::ARG_MAX;

use super::WORD;
use crate::errno::{Errno, Result};

/// The most bytes of one string, its NUL included (Linux's `MAX_ARG_STRLEN`, 32 pages).
pub const ARGUMENT_SIZE_MAX: usize = 32 * 4096;

/// The most bytes of strings and pointers, whatever the stack's limit: three quarters of Linux's 8 MiB default.
const ARGUMENTS_SIZE_MAX: usize = 6 * 1024 * 1024;

/// The most bytes that arguments, environment, path and the pointers to them may take together: a quarter of the stack's
/// limit, but at least 128 KiB and at most 6 MiB.
#[must_use]
pub fn argument_limit(stack_limit: usize) -> usize {
    (stack_limit / 4).min(ARGUMENTS_SIZE_MAX).max(ARG_MAX as usize)
}

/// The arguments or the environment of a new program: strings one after the other, each with its NUL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StringList {
    bytes: Vec<u8>,
    count: usize,
}

impl StringList {
    /// No strings.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), count: 0 }
    }

    /// The number of strings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What the list counts towards [`argument_limit`], in bytes: its strings, NULs and pointers. The kernel compares after
    /// each string it fetches, so that a hostile list is refused before it fills memory.
    #[must_use]
    pub fn cost(&self) -> usize {
        self.bytes.len() + self.count * WORD
    }

    /// The strings with their NULs, one after the other.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The strings without their NULs.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let whole = self.bytes.split_inclusive(|&byte| byte == 0);
        whole.map(|string| &string[..string.len() - 1])
    }

    /// Adds a string, given without its NUL.
    ///
    /// # Errors
    /// E2BIG if it is longer than [`ARGUMENT_SIZE_MAX`]; EINVAL if it contains a NUL; ENOMEM. Nothing is changed then.
    pub fn push(&mut self, string: &[u8]) -> Result<()> {
        if string.len() >= ARGUMENT_SIZE_MAX {
            return Err(Errno::E2BIG);
        }
        if string.contains(&0) {
            return Err(Errno::EINVAL);
        }
        self.bytes.try_reserve(string.len() + 1).map_err(|_| Errno::ENOMEM)?;
        self.bytes.extend_from_slice(string);
        self.bytes.push(0);
        self.count += 1;
        Ok(())
    }

    /// The list with `strings` in place of its first one, if it has any: what a script makes of its arguments.
    ///
    /// # Errors
    /// As [`StringList::push`].
    pub fn with_first_replaced(&self, strings: &[&[u8]]) -> Result<Self> {
        let mut replaced = Self::new();
        for string in strings.iter().copied().chain(self.iter().skip(1)) {
            replaced.push(string)?;
        }
        Ok(replaced)
    }

    /// The strings, or one empty string if there is none.
    pub(super) fn bytes_or_empty_string(&self) -> &[u8] {
        if self.is_empty() { &[0] } else { &self.bytes }
    }
}
