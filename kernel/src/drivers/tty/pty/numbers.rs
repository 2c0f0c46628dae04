//! The numbers of pseudo-terminals: the lowest free one first, and how many there may be.
//!
//! Owns which are in use. Lock: OBJECT (spin). Never sleeps. Specification: pts(4), /proc/sys/kernel/pty.

use crate::fs::devpts;
use crate::fs::procfs::tunables::Tunable;
use crate::sync::{SpinLock, rank};
use alloc::collections::BTreeSet;
use postern_core::errno::{Errno, Result};

/// What Linux begins with.
const LIMIT: u64 = 4096;
/// One for so many pages of memory: a pair takes about seven.
const PAGES_FOR_ONE: u64 = 32;

/// How many pairs there may be (/proc/sys/kernel/pty/max).
pub(super) static MAX: Tunable = Tunable::new(LIMIT, 0, 1 << 20);

static USED: SpinLock<BTreeSet<u32>> = SpinLock::new(rank::OBJECT, BTreeSet::new());

/// Bounds them by memory. Once, at boot.
///
/// # Errors
/// EINVAL: never, for the bound is within bounds.
pub(super) fn init() -> Result<()> {
    let pages = crate::mm::frame::statistics().total as u64;
    MAX.set((pages / PAGES_FOR_ONE).min(LIMIT))
}

/// How many are in use (/proc/sys/kernel/pty/nr).
pub(super) fn in_use() -> usize {
    USED.lock().len()
}

/// A number, for as long as any side of its terminal is open.
pub(super) struct Number(u32);

impl Number {
    /// The lowest that is free.
    ///
    /// # Errors
    /// ENOSPC: there are as many as may be.
    pub fn lowest() -> Result<Self> {
        let limit = MAX.get().min(u64::from(devpts::limit()));
        let mut used = USED.lock();
        if used.len() as u64 >= limit {
            return Err(Errno::ENOSPC);
        }
        // As many candidates as are in use, and one more: one of them is free.
        let free = (0..).zip(used.iter().map(Some).chain([None])).find(|(number, taken)| *taken != Some(number));
        let (number, _) = free.ok_or(Errno::ENOSPC)?;
        used.insert(number);
        Ok(Self(number))
    }

    pub fn get(&self) -> u32 {
        self.0
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        USED.lock().remove(&self.0);
    }
}
