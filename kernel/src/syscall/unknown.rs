//! Numbers that programs asked for and that are not in the table: ENOSYS, counted for
//! `/proc/postern/unknown_syscalls`. Lock: OBJECT around the counts.

use crate::sync::{SpinLock, rank};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use postern_core::errno::{Errno, Result};

/// More different numbers than that are counted together, as [`OTHERS`].
const MAX_NUMBERS: usize = 512;
/// Stands for all numbers beyond the first [`MAX_NUMBERS`].
const OTHERS: u32 = u32::MAX;

static COUNTS: SpinLock<BTreeMap<u32, u64>> = SpinLock::new(rank::OBJECT, BTreeMap::new());

/// Notes a call of an unknown number.
#[cold]
pub fn count(number: u32) -> Result<usize> {
    let mut counts = COUNTS.lock();
    let key = if counts.len() < MAX_NUMBERS || counts.contains_key(&number) { number } else { OTHERS };
    *counts.entry(key).or_insert(0) += 1;
    Err(Errno::ENOSYS)
}

/// How often each unknown number has been called.
pub fn unknown_calls() -> Vec<(u32, u64)> {
    COUNTS.lock().iter().map(|(number, count)| (*number, *count)).collect()
}
