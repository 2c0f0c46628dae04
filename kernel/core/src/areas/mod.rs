//! The map of one process's address space: which ranges are mapped, with what protection, backed by what.
//!
//! Owns the areas (Linux's VMAs), the program break and the choice of addresses; knows neither page tables nor frames. The
//! kernel wraps an [`Areas`] in the lock of the address space and changes the page tables in the call-backs given here.
//! No locks, never sleeps. Specification: mmap(2), munmap(2), mprotect(2), mremap(2), brk(2), and mm/mmap.c where those are
//! silent.
//!
//! Three facts hold between calls: areas are disjoint, whole pages and never empty; two neighbours that could be one are one;
//! [`Areas::total_pages`] is the sum of their sizes.
//!
//! `BTreeMap` cannot report that it found no memory, so a call that may add an area allocates a tree node infallibly. The
//! kernel therefore checks, before such a call, that its heap has room for a few nodes (each call here adds three areas at most),
//! and for all of them if [`Areas::is_shared`].

mod area;
mod change;
mod program_break;
mod remap;
mod search;
mod stack;
mod tree;

use core::ops::Range;

use crate::errno::{Errno, Result};

pub use area::{Area, AreaFlags, Backing, Protection};
pub use program_break::{BreakChange, ProgramBreak};
pub use remap::{MoveSource, Remap, RemapFlags, RemapRequest};
pub use search::Layout;
pub use stack::STACK_GUARD_GAP;
use tree::Tree;

/// Bytes in a page; every address and length of an area is a multiple of it.
pub const PAGE_SIZE: usize = 4096;

/// How many areas one address space may have (Linux's default `vm.max_map_count`).
pub const MAX_AREAS: usize = 65_530;

/// The areas of one address space, in order of address.
#[derive(Clone, Debug)]
pub struct Areas<B> {
    map: Tree<B>,
    layout: Layout,
    program_break: ProgramBreak,
    total_pages: usize,
}

impl<B: Backing> Areas<B> {
    /// An empty address space with these bounds; its program break stands at `layout.lowest` until
    /// [`Areas::set_program_break`].
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        let program_break = ProgramBreak { start: layout.lowest, current: layout.lowest };
        Self { map: Tree::new(), layout, program_break, total_pages: 0 }
    }

    /// The bounds this address space was made with.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The number of mapped pages: what RLIMIT_AS limits and `VmSize` shows.
    #[must_use]
    pub fn total_pages(&self) -> usize {
        self.total_pages
    }

    /// The number of areas.
    #[must_use]
    pub fn count(&self) -> usize {
        self.map.len()
    }

    /// Whether a fork has the same list of areas still: the next change copies it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.map.is_shared()
    }

    /// Copies the list that a fork has still, so that no change has to: to be called when there is memory for it.
    pub fn unshare(&mut self) {
        self.map.unshare();
    }

    /// How often areas have been changed. What was found out about an area is still true while this is the same.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.map.changes()
    }

    /// The area that holds `address`.
    #[must_use]
    pub fn find(&self, address: usize) -> Option<&Area<B>> {
        self.at_or_below(address).filter(|area| address < area.end)
    }

    /// Every area, in order of address (as /proc/PID/maps shows them and fork copies them).
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Area<B>> + Clone {
        self.map.values()
    }

    /// The areas that have a page in `range`, whole, in order.
    pub fn overlapping(&self, range: Range<usize>) -> impl Iterator<Item = &Area<B>> {
        let first = self.find(range.start).map_or(range.start, |area| area.start);
        // An inverted range would make `BTreeMap::range` panic.
        self.map.range(first..range.end.max(first)).map(|(_, area)| area)
    }

    /// Whether no page of `range` is mapped.
    #[must_use]
    pub fn is_free(&self, range: Range<usize>) -> bool {
        self.overlapping(range).next().is_none()
    }

    /// Whether every page of `range` is mapped.
    #[must_use]
    pub fn is_covered(&self, range: Range<usize>) -> bool {
        let mut reached = range.start;
        for area in self.overlapping(range.clone()) {
            if area.start > reached {
                return false;
            }
            reached = area.end;
        }
        reached >= range.end
    }

    /// Adds `area`, joining it with its neighbours where they continue each other.
    ///
    /// # Errors
    /// EINVAL if the range is empty, not whole pages or beyond the layout's limit; EEXIST if a page of it is mapped already;
    /// ENOMEM if there are [`MAX_AREAS`] areas. Nothing is changed then.
    pub fn insert(&mut self, area: Area<B>) -> Result<()> {
        self.check_range(area.range())?;
        if !self.is_free(area.range()) {
            return Err(Errno::EEXIST);
        }
        self.check_room(1)?;
        let range = area.range();
        self.put(area);
        self.merge_within(range);
        Ok(())
    }

    /// Removes every page of `range`; areas that reach out of it keep what lies outside. Each removed piece is handed to
    /// `removed`, in order. Pages that are not mapped are no error, as for munmap(2).
    ///
    /// # Errors
    /// EINVAL as for [`Areas::insert`]; ENOMEM if cutting an area in two would make more than [`MAX_AREAS`]. Nothing is
    /// changed then.
    pub fn remove(&mut self, range: Range<usize>, mut removed: impl FnMut(Area<B>)) -> Result<()> {
        self.check_range(range.clone())?;
        let cuts_one_in_two =
            self.find(range.start).is_some_and(|area| area.start < range.start && area.end > range.end);
        if cuts_one_in_two {
            self.check_room(1)?;
        }
        self.split_at(range.start);
        self.split_at(range.end);
        for (_, area) in self.map.change().extract_if(range, |_, _| true) {
            self.total_pages -= area.pages();
            removed(area);
        }
        Ok(())
    }

    /// The address space of a forked child: the same areas but those marked [`AreaFlags::DONT_FORK`], none of them locked,
    /// and the same break.
    #[must_use]
    pub fn fork(&self) -> Self {
        let mut child = self.clone();
        let flags = self.iter().fold(AreaFlags::empty(), |flags, area| flags | area.flags);
        if flags.contains(AreaFlags::DONT_FORK) {
            let Self { map, total_pages, .. } = &mut child;
            for (_, area) in map.change().extract_if(.., |_, area| area.flags.contains(AreaFlags::DONT_FORK)) {
                *total_pages -= area.pages();
            }
        }
        if flags.contains(AreaFlags::LOCKED) {
            child.map.change().values_mut().for_each(|area| area.flags -= AreaFlags::LOCKED);
            // Areas that differed in nothing but the lock are one area now.
            child.merge_within(0..self.layout.limit);
        }
        child
    }

    /// EINVAL unless `range` is a non-empty run of whole pages below the layout's limit.
    fn check_range(&self, range: Range<usize>) -> Result<()> {
        let aligned = range.start.is_multiple_of(PAGE_SIZE) && range.end.is_multiple_of(PAGE_SIZE);
        if aligned && range.start < range.end && range.end <= self.layout.limit { Ok(()) } else { Err(Errno::EINVAL) }
    }

    /// ENOMEM unless `more` areas may still be added.
    fn check_room(&self, more: usize) -> Result<()> {
        if self.map.len() + more <= MAX_AREAS { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    /// The last area that starts at `address` or below.
    fn at_or_below(&self, address: usize) -> Option<&Area<B>> {
        self.map.range(..=address).next_back().map(|(_, area)| area)
    }

    /// Adds `area` as it is: the range must be free.
    fn put(&mut self, area: Area<B>) {
        self.total_pages += area.pages();
        self.map.change().insert(area.start, area);
    }

    /// Cuts the area that has `address` strictly inside, if any, in two.
    fn split_at(&mut self, address: usize) {
        let Some(area) = self.find(address).filter(|area| area.start < address) else {
            return;
        };
        let upper = area.clipped(address..area.end);
        let lower = area.start;
        let map = self.map.change();
        if let Some(area) = map.get_mut(&lower) {
            area.end = address;
            map.insert(address, upper);
        }
    }

    /// Joins the neighbours that continue each other, at every boundary between areas from `range.start` to `range.end`,
    /// both included.
    fn merge_within(&mut self, range: Range<usize>) {
        let mut boundary = range.start;
        while let Some(start) = self.first_start_in(boundary, range.end) {
            self.merge_at(start);
            boundary = start + PAGE_SIZE;
        }
    }

    /// The start of the first area that starts in `from..=to`.
    fn first_start_in(&self, from: usize, to: usize) -> Option<usize> {
        let (&start, _) = self.map.range(from..).next()?;
        (start <= to).then_some(start)
    }

    /// Joins the area that starts at `start` to the one before it, if that continues into it.
    fn merge_at(&mut self, start: usize) {
        let Some(upper) = self.map.get(&start) else {
            return;
        };
        let Some((&before, lower)) = self.map.range(..start).next_back() else {
            return;
        };
        if !lower.continues_into(upper) {
            return;
        }
        let end = upper.end;
        let map = self.map.change();
        map.remove(&start);
        if let Some(lower) = map.get_mut(&before) {
            lower.end = end;
        }
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod tests;
