//! The address space of a forked child: the same areas, and in its tables the same pages, which are copied when somebody writes
//! to them.
//!
//! The parent's tables are gone through once, leaf by leaf, beside the list of areas. A leaf with nothing but private pages
//! becomes the child's as well, as it is; so a child that soon ends, or executes something, costs little, however large its
//! parent. Whoever first changes something there makes the leaf its own: [`AddressSpace::own_leaf`]. Of other leaves the child
//! gets a copy. Lock: ADDRESS_SPACE of the parent, and inside it that of the child, whom nobody knows yet. May sleep.
//! Specification: fork(2), and of madvise(2) what it says of forks.

use super::address_space::{AREA_BYTES, AddressSpace, Map, PageBacking, take_table};
use super::page_table::{self, Leaf, Root, add_leaf, for_each_leaf, is_valid, share_run};
use crate::arch::mmu::{self, EntryFlags};
use crate::sched;
use alloc::sync::Arc;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};
use postern_core::areas::{Area, AreaFlags};
use postern_core::errno::Result;

/// Areas whose pages a child does not get.
const LEFT_OUT: AreaFlags = AreaFlags::DONT_FORK.union(AreaFlags::WIPE_ON_FORK);
/// Areas whose pages are not both the parent's and the child's until one of them writes.
const SPECIAL: AreaFlags = LEFT_OUT.union(AreaFlags::SHARED);

impl AddressSpace {
    /// The address space of a forked child: areas copied, pages shared, private ones copied on write. ENOMEM.
    pub fn fork(&self) -> Result<Arc<Self>> {
        let map = self.lock();
        super::heap::admit(map.areas.count() * AREA_BYTES)?;
        let child = self.like(map.areas.fork())?;
        let result = share_pages(&map, &child.lock_nested().root);
        // Whatever became of it, the parent may not write any more to what has been shared.
        self.flush_all();
        child.note_resident(self.resident_pages() - result?);
        Ok(child)
    }

    /// Makes the leaf behind `slot`, an entry of level 2 of its tables, which are locked, its own. ENOMEM.
    #[inline]
    pub(super) fn own_leaf(&self, slot: &AtomicU64) -> Result<()> {
        // SAFETY: our table, under our lock.
        unsafe { page_table::own_leaf(slot, &mut take_table, || self.flush_all()) }
    }

    /// Makes all leaves for addresses in `range` its own, so that entries in them can be changed. ENOMEM leaves some of them its
    /// own, which makes no difference to programs.
    pub(super) fn own_leaves(&self, root: &Root, range: Range<usize>) -> Result<()> {
        let mut result = Ok(());
        let mut own = |leaf: Leaf<'_>| result = result.and_then(|()| self.own_leaf(leaf.slot()));
        // SAFETY: our table, under our lock.
        unsafe { for_each_leaf(root, range, &mut own) };
        result
    }
}

/// Puts the pages of `parent` into the tables of its `child`: how many are left out, because the child is not to have them.
/// ENOMEM.
fn share_pages(parent: &Map, child: &Root) -> Result<usize> {
    let mut areas = parent.areas.iter();
    let mut area = areas.next();
    let mut left_out = 0;
    let mut result = Ok(());
    let mut share = |from: Leaf<'_>| {
        if result.is_err() {
            return;
        }
        while area.is_some_and(|area| area.end <= from.start()) {
            area = areas.next();
        }
        let is_here = |area: &&Area<PageBacking>| area.start < from.end();
        let Some(first) = area.filter(is_here) else { return };
        let here = core::iter::once(first).chain(areas.clone()).take_while(is_here);
        let mut flags = first.flags;
        // One that goes on in the next leaf is looked at again there.
        while area.is_some_and(|area| area.end <= from.end()) {
            area = areas.next();
            flags |= area.filter(is_here).map_or(AreaFlags::empty(), |area| area.flags);
        }
        result = if flags.intersects(SPECIAL) {
            let mut to = Copy { root: child, leaf: None };
            here.map(|area| copy_area(&from, &mut to, area)).try_for_each(|pages| pages.map(|pages| left_out += pages))
        } else {
            // SAFETY: the parent's tables, whose lock the caller has, and the child's, which nobody else has; all is private.
            unsafe { page_table::share_leaf(&from, child, &mut take_table) }
        };
    };
    // SAFETY: the parent's tables, whose lock the caller has.
    unsafe { for_each_leaf(&parent.root, 0..parent.areas.layout().limit, &mut share) };
    // The child's tables before anybody walks them.
    mmu::publish_tables();
    result.map(|()| left_out)
}

/// A leaf of the child, which is made for the first page in it.
struct Copy<'t> {
    root: &'t Root,
    leaf: Option<Leaf<'t>>,
}

impl<'t> Copy<'t> {
    /// The leaf that is for the same addresses as `from`. ENOMEM.
    fn leaf(&mut self, from: &Leaf<'_>) -> Result<Leaf<'t>> {
        if let Some(leaf) = self.leaf {
            return Ok(leaf);
        }
        // SAFETY: the child's tables, which nobody else has.
        let leaf = unsafe { add_leaf(self.root, from, &mut take_table) }?;
        self.leaf = Some(leaf);
        Ok(leaf)
    }
}

/// Puts the pages of `area` that are in `from` into the child's leaf too, unless they are left out: then how many are. ENOMEM.
fn copy_area(from: &Leaf<'_>, to: &mut Copy<'_>, area: &Area<PageBacking>) -> Result<usize> {
    let from = from.within(&area.range());
    let is_present = |entry: &AtomicU64| is_valid(entry.load(Ordering::Relaxed));
    if area.flags.intersects(LEFT_OUT) {
        return Ok(from.runs().map(|(_, run)| run.iter().filter(|entry| is_present(entry)).count()).sum());
    }
    let restriction = match area.flags.contains(AreaFlags::SHARED) {
        true => EntryFlags::empty(),
        false => EntryFlags::READ_ONLY,
    };
    for (first, run) in from.runs() {
        let Some(skipped) = run.iter().position(is_present) else { continue };
        let run = &run[skipped..];
        // SAFETY: the parent's entries, under its lock, and as many of the child's.
        unsafe { share_run(run, to.leaf(&from)?.run(first + skipped, run.len()), restriction) };
        sched::preemption_point();
    }
    Ok(0)
}
