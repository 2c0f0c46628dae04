//! The choice of an address for a new mapping.
//!
//! No locks, never sleeps. As Linux's `arch_get_unmapped_area_topdown`: the hint if it is free, else the highest gap below
//! `mmap_base`, else the lowest gap above it.

use super::{AreaFlags, Areas, Backing, PAGE_SIZE, STACK_GUARD_GAP};
use crate::errno::{Errno, Result};

/// The bounds of an address space; all are multiples of the page size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// No mapping is placed below (Linux's `mmap_min_addr`), so that null pointers fault.
    pub lowest: usize,
    /// Mappings are placed from here downwards; the first stack lies above.
    pub mmap_base: usize,
    /// One past the last user address.
    pub limit: usize,
}

impl<B: Backing> Areas<B> {
    /// An address for `len` bytes of new mapping. A `hint` is rounded up to a page and honoured if the whole range is free
    /// there; zero is no hint.
    ///
    /// # Errors
    /// EINVAL if `len` is zero or not whole pages; ENOMEM if no gap is large enough.
    pub fn find_gap(&self, len: usize, hint: usize) -> Result<usize> {
        if len == 0 || !len.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::EINVAL);
        }
        self.hinted(len, hint)
            .or_else(|| self.highest_gap(len))
            .or_else(|| self.lowest_gap_above_base(len))
            .ok_or(Errno::ENOMEM)
    }

    fn hinted(&self, len: usize, hint: usize) -> Option<usize> {
        let start = hint.checked_next_multiple_of(PAGE_SIZE)?;
        let end = start.checked_add(len)?;
        let inside = start != 0 && start >= self.layout.lowest && end <= self.layout.limit;
        (inside && self.is_free(start..end) && end <= self.free_until(end)).then_some(start)
    }

    /// The start of the highest gap of `len` bytes below the base, its upper end taken.
    fn highest_gap(&self, len: usize) -> Option<usize> {
        let base = self.layout.mmap_base;
        let mut gap_end = base.min(self.free_until(base));
        for (_, area) in self.map.range(..base).rev() {
            if area.end < gap_end && gap_end - area.end >= len {
                return self.fits_below(gap_end, len);
            }
            gap_end = guarded_start(area.start, area.flags);
        }
        self.fits_below(gap_end, len)
    }

    fn fits_below(&self, gap_end: usize, len: usize) -> Option<usize> {
        gap_end.checked_sub(len).filter(|&start| start >= self.layout.lowest)
    }

    /// The start of the lowest gap of `len` bytes between the base and the limit.
    fn lowest_gap_above_base(&self, len: usize) -> Option<usize> {
        let base = self.layout.mmap_base;
        let mut gap_start = self.find(base).map_or(base, |area| area.end);
        for (_, area) in self.map.range(base..) {
            let gap_end = guarded_start(area.start, area.flags);
            if gap_end > gap_start && gap_end - gap_start >= len {
                return Some(gap_start);
            }
            gap_start = gap_start.max(area.end);
        }
        let fits = self.layout.limit.checked_sub(gap_start)? >= len;
        fits.then_some(gap_start)
    }

    /// Where the free space at `address` ends for a new mapping: at the next area, or at its guard gap.
    fn free_until(&self, address: usize) -> usize {
        match self.map.range(address..).next() {
            Some((&start, area)) => guarded_start(start, area.flags),
            None => self.layout.limit,
        }
    }
}

/// The lowest address that a new mapping must leave alone for the sake of an area that starts at `start`.
fn guarded_start(start: usize, flags: AreaFlags) -> usize {
    if flags.contains(AreaFlags::GROWS_DOWN) { start.saturating_sub(STACK_GUARD_GAP) } else { start }
}
