//! The address space of a forked child: the same areas, and in its tables the same pages, which are copied when somebody writes
//! to them.
//!
//! The parent's tables are gone through once, leaf by leaf, beside the list of areas.
//! Lock: ADDRESS_SPACE of the parent, and inside it that of the child, whom nobody knows yet. May sleep.
//! Specification: fork(2), and of madvise(2) what it says of forks.

use super::address_space::{AddressSpace, Map, PageBacking, take_table};
use super::frame;
use super::page_table::{Leaf, Root, add_leaf, address_of, for_each_leaf, is_valid};
use crate::arch::mmu::{self, EntryFlags};
use crate::sched;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};
use postern_core::areas::{Area, AreaFlags};
use postern_core::errno::Result;

impl AddressSpace {
    /// The address space of a forked child: areas copied, pages shared, private ones copied on write. ENOMEM.
    pub fn fork(&self) -> Result<Arc<Self>> {
        let map = self.lock();
        super::heap::admit(map.areas.count() * 256)?;
        let child = self.like(map.areas.fork())?;
        let (pages, result) = share_pages(&map, &child.lock_nested());
        child.note_resident(pages);
        self.flush(pages * 2, 0);
        mmu::publish_tables();
        result.map(|()| child)
    }
}

/// Puts the pages of the areas of `child` that `parent` has into the child's tables: how many, and whether that were all. ENOMEM.
fn share_pages(parent: &Map, child: &Map) -> (usize, Result<()>) {
    let mut areas = child.areas.iter();
    let mut area = areas.next();
    let mut pages = 0;
    let mut result = Ok(());
    let mut share = |from: Leaf<'_>| {
        let mut to = Copy { root: &child.root, leaf: None };
        while let Some(here) = area.filter(|area| area.start < from.end() && result.is_ok()) {
            result = share_leaf(&from, &mut to, here, &mut pages);
            if here.end > from.end() {
                // It goes on in the next leaf.
                return;
            }
            area = areas.next();
        }
    };
    // SAFETY: the parent's tables, whose lock the caller has.
    unsafe { for_each_leaf(&parent.root, 0..parent.areas.layout().limit, &mut share) };
    (pages, result)
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

/// Puts the pages of `area` that are in `from` into the child's leaf too, and counts them. ENOMEM.
fn share_leaf(from: &Leaf<'_>, to: &mut Copy<'_>, area: &Area<PageBacking>, pages: &mut usize) -> Result<()> {
    if area.flags.contains(AreaFlags::WIPE_ON_FORK) {
        return Ok(());
    }
    let restriction = match area.flags.contains(AreaFlags::SHARED) {
        true => EntryFlags::empty(),
        false => EntryFlags::READ_ONLY,
    };
    for (first, run) in from.within(&area.range()).runs() {
        let Some(skipped) = run.iter().position(|entry| is_valid(entry.load(Ordering::Relaxed))) else { continue };
        let run = &run[skipped..];
        // SAFETY: the parent's entries, under its lock, and as many of the child's.
        *pages += unsafe { share_run(run, to.leaf(from)?.run(first + skipped, run.len()), restriction) };
        sched::preemption_point();
    }
    Ok(())
}

/// Puts the pages of `from` into `to` too, with the flag `restriction`, if any, in both: how many.
///
/// # Safety
/// The tables of both are locked or private; those of `to` hold nothing.
#[inline(never)]
unsafe fn share_run(from: &[AtomicU64], to: &[AtomicU64], restriction: EntryFlags) -> usize {
    let frames = frame::table();
    let mut pages = 0;
    for (from, to) in from.iter().zip(to) {
        let old = from.load(Ordering::Relaxed);
        if is_valid(old) {
            let value = old | restriction.bits();
            if value != old {
                from.store(value, Ordering::Relaxed);
            }
            // SAFETY: the parent's entry holds a reference, and its table is locked; the child's entry has the new one.
            unsafe { frames.share(address_of(value)) };
            // Relaxed: `publish_tables` follows before the child runs.
            to.store(value, Ordering::Relaxed);
            pages += 1;
        }
    }
    pages
}
