//! Memory in one piece: frames that follow one another, for buffers which must not be made of pages.
//!
//! Owns the frames until it is dropped. No lock of its own; FRAMES when it is made and dropped. Never sleeps.

use super::layout::direct;
use super::{frame, heap};
use crate::arch::mmu::PAGE_SIZE;
use core::ops::Range;
use postern_core::errno::Result;

/// Bytes in one piece. What is in them at first is undefined; who reads them knows what was written.
pub struct ContiguousMemory {
    physical: usize,
    size: usize,
}

impl ContiguousMemory {
    /// So many bytes, at least one.
    ///
    /// # Errors
    /// ENOMEM, also if there are enough frames but not side by side.
    pub fn new(size: usize) -> Result<Self> {
        heap::admit(size)?;
        Ok(Self { physical: frame::alloc_contiguous(pages(size))?, size })
    }

    /// How many bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Bytes of frames it takes.
    pub fn frame_bytes(&self) -> usize {
        pages(self.size).next_power_of_two() * PAGE_SIZE
    }

    /// The direct-mapped address of a range, all of which is inside.
    ///
    /// # Panics
    /// If it is not.
    #[inline]
    pub(super) fn address(&self, range: &Range<usize>) -> usize {
        assert!(range.start <= range.end && range.end <= self.size, "outside the memory");
        direct(self.physical) + range.start
    }
}

fn pages(size: usize) -> usize {
    size.div_ceil(PAGE_SIZE)
}

impl Drop for ContiguousMemory {
    fn drop(&mut self) {
        frame::free_contiguous(self.physical, pages(self.size));
    }
}
