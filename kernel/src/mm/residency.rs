//! Which pages of a program are in memory: mincore(2). Lock: ADDRESS_SPACE.

use super::address_space::AddressSpace;
use super::page_table::{find, is_valid};
use crate::arch::mmu::PAGE_SIZE;
use core::sync::atomic::Ordering;
use postern_core::errno::{Errno, Result};

impl AddressSpace {
    /// Whether each page from `start` on is there: 1 or 0 in `into`. ENOMEM if one is not mapped.
    pub fn residency(&self, start: usize, into: &mut [u8]) -> Result<()> {
        let map = self.lock();
        if !map.areas.is_covered(start..start + into.len() * PAGE_SIZE) {
            return Err(Errno::ENOMEM);
        }
        for (index, byte) in into.iter_mut().enumerate() {
            // SAFETY: our table, under our lock.
            let entry = unsafe { find(&map.root, start + index * PAGE_SIZE) };
            *byte = u8::from(entry.is_some_and(|entry| is_valid(entry.load(Ordering::Relaxed))));
        }
        Ok(())
    }
}
