//! Leaves that several trees have: that of a process and those of its forks, until one of them changes something there.
//!
//! # The rule
//! A leaf has a reference for each level-2 entry that leads to it. If there may be several, each of these entries forbids writes
//! to anything below (APTable), whatever the leaf's own entries say; and nobody changes the leaf, except that an entry in it may
//! become read-only. Who wants to change more makes the leaf its own first ([`own_leaf`]): with the only reference by lifting the
//! ban; else by a copy, in which the pages are shared, read-only in both, as those of a leaf that is copied at once.
//!
//! So each tree's changes are its own, made under its owner's lock; what two of them do to one leaf at the same time is to look
//! at it, and to set the same bit. Who finds itself alone (Acquire) comes after all that the others did with the leaf (Release).
//! Takes no lock. Specification: Arm ARM D8.4, hierarchical control of data access permissions.

use super::visit::let_go_of_leaf;
use super::{Leaf, Root, address_of, find_or_add, is_valid, table_entry};
use crate::arch::mmu::{self, EntryFlags};
use crate::mm::frame;
use core::sync::atomic::{AtomicU64, Ordering};
use postern_core::errno::Result;
use postern_core::table_parts;

/// Whether what `descriptor`, of level 2, leads to may be another tree's as well.
#[inline]
pub fn is_shared(descriptor: u64) -> bool {
    descriptor & EntryFlags::TABLE_READ_ONLY.bits() != 0
}

/// Gives the tree `child`, which has nothing there, `leaf` too. ENOMEM. The TLBs must forget afterwards that the parent could
/// write.
///
/// # Safety
/// Both trees are locked or private; all pages of the leaf are private to each.
pub unsafe fn share_leaf(leaf: &Leaf<'_>, child: &Root, allocate: &mut dyn FnMut() -> Result<usize>) -> Result<()> {
    // SAFETY: the caller's promise.
    let slot = unsafe { find_or_add(child, leaf.start(), 2, allocate) }?;
    debug_assert!(!is_valid(slot.load(Ordering::Relaxed)), "a second leaf for {:#x}", leaf.start());
    let descriptor = leaf.descriptor() | EntryFlags::TABLE_READ_ONLY.bits();
    leaf.slot().store(descriptor, Ordering::Relaxed);
    // SAFETY: the parent's entry has a reference; the child's has the new one.
    unsafe { frame::table().share(address_of(descriptor)) };
    // Release: the walker must see what is below.
    slot.store(descriptor, Ordering::Release);
    Ok(())
}

/// Makes the leaf behind `slot`, an entry of level 2, this tree's own, if there is one. ENOMEM, and nothing has changed. `flush`
/// makes the TLBs forget all translations of the tree.
///
/// # Safety
/// The tree is locked.
#[inline]
pub unsafe fn own_leaf(slot: &AtomicU64, allocate: &mut dyn FnMut() -> Result<usize>, flush: impl Fn()) -> Result<()> {
    let descriptor = slot.load(Ordering::Relaxed);
    if is_shared(descriptor) {
        // SAFETY: the caller's promise.
        unsafe { take(slot, descriptor, allocate, flush) }
    } else {
        Ok(())
    }
}

#[cold]
unsafe fn take(
    slot: &AtomicU64,
    descriptor: u64,
    allocate: &mut dyn FnMut() -> Result<usize>,
    flush: impl Fn(),
) -> Result<()> {
    let frames = frame::table();
    if frames.share_count(address_of(descriptor)) == 1 {
        slot.store(descriptor & !EntryFlags::TABLE_READ_ONLY.bits(), Ordering::Release);
        flush();
        return Ok(());
    }
    let copy = table_entry(allocate()?) | table_parts::marks(descriptor);
    let copy_slot = AtomicU64::new(copy);
    // SAFETY: it leads to a table of level 3, to which the tree has a reference until the end of this function.
    let from = unsafe { Leaf::new(slot, 0) };
    // SAFETY: a new table, which goes nowhere.
    let to = unsafe { Leaf::new(&copy_slot, 0) };
    for (first, run) in from.runs() {
        // SAFETY: the leaf has a reference to each page as long as we have one to it; nobody else knows the copy.
        unsafe { share_run(run, to.run(first, run.len()), EntryFlags::READ_ONLY) };
    }
    // Break before make: no CPU may use two tables for the same addresses.
    slot.store(0, Ordering::Relaxed);
    flush();
    // Release: the walker must see the entries.
    slot.store(copy, Ordering::Release);
    mmu::publish_tables();
    // SAFETY: an entry of the leaf, which is let go of with it.
    let release = |entry| unsafe { frames.let_go(address_of(entry)) };
    // SAFETY: the entry has been replaced, and the TLBs have forgotten what was below.
    unsafe { let_go_of_leaf(descriptor, release, || ()) };
    Ok(())
}

/// Puts the pages of `from` into `to` too, with the flag `restriction`, if any, in both: how many.
///
/// # Safety
/// The table of `from` is locked, or keeps its pages otherwise; that of `to` is locked or private, and `to` holds nothing.
#[inline(never)]
pub unsafe fn share_run(from: &[AtomicU64], to: &[AtomicU64], restriction: EntryFlags) -> usize {
    let frames = frame::table();
    let mut pages = 0;
    for (from, to) in from.iter().zip(to) {
        let old = from.load(Ordering::Relaxed);
        if is_valid(old) {
            let value = old | restriction.bits();
            if value != old {
                from.store(value, Ordering::Relaxed);
            }
            // SAFETY: the entry in `from` has a reference, which is kept; that in `to` has the new one.
            unsafe { frames.share(address_of(value)) };
            // Relaxed: the tables are published before anybody walks this one.
            to.store(value, Ordering::Relaxed);
            pages += 1;
        }
    }
    pages
}
