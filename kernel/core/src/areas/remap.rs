//! mremap(2): mappings that shrink, grow or move.
//!
//! No locks, never sleeps. As mm/mremap.c. A request is first turned into a [`Remap`], which says what to do; the caller
//! compares with its limits, moves the page-table entries, and applies it with [`Areas::remove`], [`Areas::extend`] and
//! [`Areas::relocate`].

use core::ops::Range;

use bitflags::bitflags;
use linux_raw_sys::general::{MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE};

use super::{Area, AreaFlags, Areas, Backing, PAGE_SIZE};
use crate::errno::{Errno, Result};

/// Areas that a move may add for a while: two cuts and the new area.
const MOVE_AREAS: usize = 3;

bitflags! {
    /// The flags of mremap(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct RemapFlags: u32 {
        /// The mapping may go elsewhere if it cannot grow where it is.
        const MAY_MOVE = MREMAP_MAYMOVE;
        /// It must go to the given address; what is mapped there is removed.
        const FIXED = MREMAP_FIXED;
        /// The old range stays mapped, empty.
        const DONT_UNMAP = MREMAP_DONTUNMAP;
    }
}

/// The arguments of mremap(2), lengths in bytes and not yet rounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemapRequest {
    /// Start of the mapping.
    pub old_address: usize,
    /// Its length; zero asks for a second mapping of the same shared pages.
    pub old_len: usize,
    /// The length it is to have.
    pub new_len: usize,
    /// How it may be done.
    pub flags: RemapFlags,
    /// Where it must go, if the flags say so.
    pub new_address: usize,
}

/// What becomes of the old range of a mapping that moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveSource {
    /// It is removed.
    Unmap,
    /// It stays mapped; its pages have gone.
    Keep,
}

/// What an mremap(2) comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remap {
    /// The mapping has the size already.
    Unchanged,
    /// [`Areas::remove`] these pages; the mapping stays where it is.
    Shrink(Range<usize>),
    /// [`Areas::extend`] the mapping by these pages, which are free.
    Grow(Range<usize>),
    /// [`Areas::remove`] what is mapped at `to`, and `surplus` if it is not empty; move the pages from `from` to the start of
    /// `to`; then [`Areas::relocate`].
    Move {
        /// The old pages; empty for a second mapping of shared pages.
        from: Range<usize>,
        /// The old pages for which the new mapping has no room, just above `from`.
        surplus: Range<usize>,
        /// The new pages.
        to: Range<usize>,
        /// What becomes of `from`.
        source: MoveSource,
    },
}

impl<B: Backing> Areas<B> {
    /// What mremap(2) with these arguments comes to. Changes nothing.
    ///
    /// # Errors
    /// EINVAL for arguments that contradict each other, are not aligned or beyond the limit; EFAULT if the old range is not
    /// one mapping; ENOMEM if there is no room to grow or too many areas.
    pub fn plan_remap(&self, request: &RemapRequest) -> Result<Remap> {
        let old_len = round_up(request.old_len)?;
        let new_len = round_up(request.new_len)?;
        self.check_request(request, old_len, new_len)?;
        let address = request.old_address;
        let area = self.find(address).ok_or(Errno::EFAULT)?;
        if request.flags.intersects(RemapFlags::FIXED | RemapFlags::DONT_UNMAP) {
            return self.plan_move(request, area, old_len, new_len);
        }
        if old_len == new_len {
            return self.one_mapping(area, address, old_len).map(|_| Remap::Unchanged);
        }
        if old_len > new_len {
            let end = address.checked_add(old_len).ok_or(Errno::EINVAL)?;
            let surplus = address + new_len..end;
            return self.check_range(surplus.clone()).map(|()| Remap::Shrink(surplus));
        }
        let old_end = self.one_mapping(area, address, old_len)?;
        let gained = old_end..address.checked_add(new_len).ok_or(Errno::ENOMEM)?;
        let room = old_len != 0 && self.is_room_to_grow(gained.clone());
        if room {
            return Ok(Remap::Grow(gained));
        }
        if !request.flags.contains(RemapFlags::MAY_MOVE) {
            return Err(Errno::ENOMEM);
        }
        self.plan_move(request, area, old_len, new_len)
    }

    /// Makes the area that ends at `gained.start` reach to `gained.end`, as [`Remap::Grow`] asks.
    ///
    /// # Errors
    /// EFAULT if no area ends there; otherwise as [`Areas::insert`].
    pub fn extend(&mut self, gained: Range<usize>) -> Result<()> {
        self.check_range(gained.clone())?;
        if !self.is_free(gained.clone()) {
            return Err(Errno::EEXIST);
        }
        let below = self.map.change().range_mut(..gained.start).next_back();
        let Some((_, area)) = below.filter(|(_, area)| area.end == gained.start) else {
            return Err(Errno::EFAULT);
        };
        area.end = gained.end;
        self.total_pages += gained.len() / PAGE_SIZE;
        self.merge_at(gained.end);
        Ok(())
    }

    /// Moves the mapping of `from` to `to`, as [`Remap::Move`] asks; `to` must be free by now. A `from` that is empty, or
    /// [`MoveSource::Keep`], leaves the old mapping as it is.
    ///
    /// # Errors
    /// EFAULT if `from.start` is not mapped; ENOMEM if there are too many areas; otherwise as [`Areas::insert`]. Nothing is
    /// changed then.
    pub fn relocate(&mut self, from: Range<usize>, to: Range<usize>, source: MoveSource) -> Result<()> {
        let area = self.find(from.start).ok_or(Errno::EFAULT)?;
        self.check_room(MOVE_AREAS)?;
        let moved = Area {
            start: to.start,
            end: to.end,
            flags: area.flags - (AreaFlags::HEAP | AreaFlags::STACK),
            ..area.clipped(from.start..area.end)
        };
        self.check_range(to.clone())?;
        if !self.is_free(to) {
            return Err(Errno::EEXIST);
        }
        if source == MoveSource::Unmap && !from.is_empty() {
            self.remove(from, drop)?;
        }
        self.insert(moved)
    }

    /// The rules that need no look at the map.
    fn check_request(&self, request: &RemapRequest, old_len: usize, new_len: usize) -> Result<()> {
        let flags = request.flags;
        let needs_may_move = RemapFlags::FIXED | RemapFlags::DONT_UNMAP;
        let contradiction = (flags.intersects(needs_may_move) && !flags.contains(RemapFlags::MAY_MOVE))
            || (flags.contains(RemapFlags::DONT_UNMAP) && old_len != new_len);
        if contradiction || !request.old_address.is_multiple_of(PAGE_SIZE) || new_len == 0 {
            return Err(Errno::EINVAL);
        }
        if !flags.contains(RemapFlags::FIXED) {
            return Ok(());
        }
        let to = fixed_target(request, new_len)?;
        self.check_range(to.clone())?;
        let old_end = request.old_address.checked_add(old_len).ok_or(Errno::EINVAL)?;
        if request.old_address < to.end && to.start < old_end {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }

    /// The end of the old range; EFAULT unless it lies in one area.
    fn one_mapping(&self, area: &Area<B>, address: usize, old_len: usize) -> Result<usize> {
        let end = address.checked_add(old_len).filter(|&end| end <= area.end);
        end.ok_or(Errno::EFAULT)
    }

    fn is_room_to_grow(&self, gained: Range<usize>) -> bool {
        gained.end <= self.layout.limit && self.is_free(gained)
    }

    /// The plan for a mapping that moves, or is mapped a second time.
    fn plan_move(&self, request: &RemapRequest, area: &Area<B>, old_len: usize, new_len: usize) -> Result<Remap> {
        if old_len == 0 && !area.flags.contains(AreaFlags::SHARED) {
            return Err(Errno::EINVAL);
        }
        // Emptying a fixed target and cutting off the surplus may each leave one area more.
        let fixed = request.flags.contains(RemapFlags::FIXED);
        self.check_room(if fixed { MOVE_AREAS + 2 } else { MOVE_AREAS })?;
        let address = request.old_address;
        let kept = old_len.min(new_len);
        let from = address..self.one_mapping(area, address, kept)?;
        let surplus = from.end..address.checked_add(old_len).ok_or(Errno::EINVAL)?;
        if !surplus.is_empty() {
            self.check_range(surplus.clone())?;
        }
        let to = if fixed {
            fixed_target(request, new_len)?
        } else {
            // Without FIXED the new address is a hint for DONT_UNMAP alone, as on Linux.
            let hint = if request.flags.contains(RemapFlags::DONT_UNMAP) { request.new_address } else { 0 };
            let start = self.find_gap(new_len, hint)?;
            start..start + new_len
        };
        let source = if request.flags.contains(RemapFlags::DONT_UNMAP) { MoveSource::Keep } else { MoveSource::Unmap };
        Ok(Remap::Move { from, surplus, to, source })
    }
}

/// `len` in whole pages; EINVAL if there is no such number.
fn round_up(len: usize) -> Result<usize> {
    len.checked_next_multiple_of(PAGE_SIZE).ok_or(Errno::EINVAL)
}

/// Where a request with FIXED wants the mapping.
fn fixed_target(request: &RemapRequest, new_len: usize) -> Result<Range<usize>> {
    let end = request.new_address.checked_add(new_len).ok_or(Errno::EINVAL)?;
    Ok(request.new_address..end)
}
