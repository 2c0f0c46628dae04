//! The plain model of [`Areas`]: one entry a page, every rule stated page by page. Test only.

use core::ops::Range;
use std::collections::BTreeMap;
use std::vec::Vec;

use super::{Area, AreaFlags, Areas, Backing, Layout, PAGE_SIZE, Protection, STACK_GUARD_GAP};
use crate::errno::{Errno, Result};

/// A backing that tells files apart; anonymous memory has no offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Anonymous,
    File(u8),
}

impl Backing for Source {
    fn can_merge(&self, end_offset: u64, next: &Self, next_offset: u64) -> bool {
        self == next && (*self == Self::Anonymous || end_offset == next_offset)
    }

    fn has_offsets(&self) -> bool {
        *self != Self::Anonymous
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) protection: Protection,
    pub(super) flags: AreaFlags,
    pub(super) source: Source,
    /// `None` for anonymous memory.
    pub(super) offset: Option<u64>,
}

impl Page {
    /// What the page `distance` bytes further on looks like if the mapping goes on.
    fn advanced(&self, distance: usize) -> Self {
        Self { offset: self.offset.map(|offset| offset + distance as u64), ..self.clone() }
    }
}

/// The pages of an address space by address.
pub(super) struct Model {
    pub(super) pages: BTreeMap<usize, Page>,
    pub(super) layout: Layout,
}

pub(super) fn page_of(area: &Area<Source>, address: usize) -> Page {
    Page {
        protection: area.protection,
        flags: area.flags,
        source: area.backing.clone(),
        offset: (area.backing != Source::Anonymous).then(|| area.offset_of(address)),
    }
}

pub(super) fn each_page(range: Range<usize>) -> impl DoubleEndedIterator<Item = usize> {
    range.step_by(PAGE_SIZE)
}

impl Model {
    pub(super) fn new(layout: Layout) -> Self {
        Self { pages: BTreeMap::new(), layout }
    }

    fn check_range(&self, range: Range<usize>) -> Result<()> {
        if !range.start.is_multiple_of(PAGE_SIZE)
            || !range.end.is_multiple_of(PAGE_SIZE)
            || range.start >= range.end
            || range.end > self.layout.limit
        {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }

    pub(super) fn insert(&mut self, area: &Area<Source>) -> Result<()> {
        self.check_range(area.range())?;
        if each_page(area.range()).any(|page| self.pages.contains_key(&page)) {
            return Err(Errno::EEXIST);
        }
        for page in each_page(area.range()) {
            self.pages.insert(page, page_of(area, page));
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, range: Range<usize>) -> Result<Vec<usize>> {
        self.check_range(range.clone())?;
        Ok(each_page(range).filter(|page| self.pages.remove(page).is_some()).collect())
    }

    /// Returns the outcome and the pages that changed.
    pub(super) fn change(
        &mut self,
        range: Range<usize>,
        refuses: impl Fn(&Page) -> bool,
        change: impl Fn(&mut Page),
    ) -> (Result<()>, Vec<usize>) {
        let mut changed = Vec::new();
        if let Err(errno) = self.check_range(range.clone()) {
            return (Err(errno), changed);
        }
        for address in each_page(range) {
            let Some(page) = self.pages.get_mut(&address) else {
                return (Err(Errno::ENOMEM), changed);
            };
            if refuses(page) {
                return (Err(Errno::EACCES), changed);
            }
            let before = page.clone();
            change(page);
            if *page != before {
                changed.push(address);
            }
        }
        (Ok(()), changed)
    }

    /// Whether a new mapping may be placed at `range` without coming near a stack.
    fn is_good_place(&self, range: Range<usize>) -> bool {
        let free = each_page(range.clone()).all(|page| !self.pages.contains_key(&page));
        let next = self.pages.range(range.end..).next();
        let near_stack = next.is_some_and(|(&address, page)| {
            page.flags.contains(AreaFlags::GROWS_DOWN) && address < range.end + STACK_GUARD_GAP
        });
        free && !near_stack
    }

    pub(super) fn is_joined_to_previous(&self, address: usize) -> bool {
        address >= PAGE_SIZE
            && match (self.pages.get(&(address - PAGE_SIZE)), self.pages.get(&address)) {
                (Some(before), Some(page)) => before.advanced(PAGE_SIZE) == *page,
                _ => false,
            }
    }

    pub(super) fn find_gap(&self, len: usize, hint: usize) -> Result<usize> {
        let Layout { lowest, mmap_base, limit } = self.layout;
        let hint = hint.next_multiple_of(PAGE_SIZE);
        if hint != 0 && hint >= lowest && hint + len <= limit && self.is_good_place(hint..hint + len) {
            return Ok(hint);
        }
        let below = each_page(lowest..mmap_base).rev().filter(|start| start + len <= mmap_base);
        let above = each_page(mmap_base..limit).filter(|start| start + len <= limit);
        below.chain(above).find(|&start| self.is_good_place(start..start + len)).ok_or(Errno::ENOMEM)
    }

    /// Whether `range` is mapped as one: every page goes on where the one before it ends.
    pub(super) fn is_one_mapping(&self, range: Range<usize>) -> bool {
        self.pages.contains_key(&range.start) && each_page(range).skip(1).all(|page| self.is_joined_to_previous(page))
    }

    /// Adds the pages of `gained` as the continuation of the page below.
    pub(super) fn extend(&mut self, gained: Range<usize>) {
        for address in each_page(gained) {
            let page = self.pages[&(address - PAGE_SIZE)].advanced(PAGE_SIZE);
            self.pages.insert(address, page);
        }
    }

    /// Adds the pages of `to` as a mapping that begins as `first` does.
    pub(super) fn place(&mut self, first: &Page, to: Range<usize>) {
        for address in each_page(to.clone()) {
            self.pages.insert(address, first.advanced(address - to.start));
        }
    }

    /// Every fact that holds between calls, and that the areas say the same as the pages.
    pub(super) fn check(&self, areas: &Areas<Source>) {
        let seen: BTreeMap<usize, Page> =
            areas.iter().flat_map(|area| each_page(area.range()).map(|page| (page, page_of(area, page)))).collect();
        assert_eq!(seen, self.pages);
        assert_eq!(areas.total_pages(), self.pages.len());
        let starts: Vec<usize> = areas.iter().map(|area| area.start).collect();
        let expected: Vec<usize> =
            self.pages.keys().copied().filter(|&page| !self.is_joined_to_previous(page)).collect();
        assert_eq!(starts, expected, "areas that could be one are not, or the reverse");
        for (area, next) in areas.iter().zip(areas.iter().skip(1)) {
            assert!(area.start < area.end && area.end <= next.start);
        }
    }
}
