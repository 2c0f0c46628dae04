//! Translation tables: walking, mapping, unmapping. Four levels, 4 KiB granule.
//! Takes no lock: the owner of a table (kernel_space, address_space) serialises changes to it.
//! Specification: Arm ARM D8. Walks by the MMU run concurrently, so entries are atomics. Descriptors of tables carry marks
//! that say which parts of the table may hold something (`postern_core::table_parts`): what is sparse is visited quickly.

mod shared;
mod visit;

use super::layout::{direct, page_down};
use crate::arch::mmu::{ADDRESS_MASK, ENTRIES, EntryFlags, PAGE_SHIFT, PAGE_SIZE};
use core::sync::atomic::{AtomicU64, Ordering};
use postern_core::errno::Result;
use postern_core::table_parts;
pub use shared::{own_leaf, share_leaf, share_run};
pub use visit::{Leaf, for_each, for_each_leaf, take_apart};

/// One table of any level.
pub type Table = [AtomicU64; ENTRIES];

/// A tree of tables: what would be the descriptor of its level-0 table, if there were a level above.
pub struct Root(AtomicU64);

impl Root {
    /// No tree yet.
    pub const fn none() -> Self {
        Self(AtomicU64::new(0))
    }

    /// The tree whose level-0 table, still empty, is at `physical`.
    pub fn new(physical: usize) -> Self {
        Self(AtomicU64::new(table_entry(physical)))
    }

    /// Where its level-0 table is.
    pub fn physical(&self) -> usize {
        address_of(self.0.load(Ordering::Relaxed))
    }
}

/// Bytes that an entry of `level` covers.
const fn span(level: u32) -> usize {
    1 << (PAGE_SHIFT + 9 * (3 - level as usize))
}

const fn index(address: usize, level: u32) -> usize {
    (address >> (PAGE_SHIFT + 9 * (3 - level as usize))) & (ENTRIES - 1)
}

/// The table that a descriptor leads to.
///
/// # Safety
/// It leads to a table, which stays one for as long as the reference lives.
unsafe fn table_behind<'t>(descriptor: u64) -> &'t Table {
    let pointer = core::ptr::with_exposed_provenance::<Table>(direct(address_of(descriptor)));
    // SAFETY: the direct map covers all RAM; the caller promises the page is a table.
    unsafe { &*pointer }
}

/// The address in an entry.
pub fn address_of(entry: u64) -> usize {
    (entry & ADDRESS_MASK) as usize
}

/// The flags in an entry.
pub fn flags_of(entry: u64) -> EntryFlags {
    EntryFlags::from_bits_truncate(entry)
}

/// Whether the entry is valid.
pub fn is_valid(entry: u64) -> bool {
    entry & EntryFlags::VALID.bits() != 0
}

fn is_table(entry: u64) -> bool {
    entry & 3 == 3
}

// Loads are Relaxed: the kernel reads a table under the lock with which it changes it (or while nobody else has it). Only the
// CPUs' walkers read without; for them a store of an entry that leads somewhere is Release, and `mmu::publish_tables` and the
// flushes follow.

/// Finds the level-3 entry of `address`; `None` where a table is missing or a block in the way.
///
/// # Safety
/// The tree outlives the result.
pub unsafe fn find<'t>(root: &Root, address: usize) -> Option<&'t AtomicU64> {
    let mut descriptor = root.0.load(Ordering::Relaxed);
    for level in 0..3 {
        // SAFETY: `root` by the caller's promise, lower levels because entries point to tables.
        let table = unsafe { table_behind(descriptor) };
        descriptor = table[index(address, level)].load(Ordering::Relaxed);
        if !is_table(descriptor) {
            return None;
        }
    }
    // SAFETY: as above.
    let table: &Table = unsafe { table_behind(descriptor) };
    Some(&table[index(address, 3)])
}

/// Finds the level-`leaf` entry of `address`, adding the tables on the way with `allocate` (which returns the physical address
/// of a zeroed page). The entry is marked as one that may hold something.
///
/// # Safety
/// As [`find`]; the caller serialises changes.
pub unsafe fn find_or_add<'t>(
    root: &'t Root,
    address: usize,
    leaf: u32,
    allocate: &mut dyn FnMut() -> Result<usize>,
) -> Result<&'t AtomicU64> {
    let mut slot = &root.0;
    for level in 0..=leaf {
        // SAFETY: the caller's promise.
        slot = unsafe { below(slot, address, level, allocate) }?;
    }
    Ok(slot)
}

/// Finds the level-3 entry of `address` below `slot`, its entry of level 2, adding the table with `allocate`; as [`find_or_add`].
///
/// # Safety
/// As [`find_or_add`]; the leaf is the tree's own.
pub unsafe fn find_in_leaf<'t>(
    slot: &AtomicU64,
    address: usize,
    allocate: &mut dyn FnMut() -> Result<usize>,
) -> Result<&'t AtomicU64> {
    debug_assert!(!shared::is_shared(slot.load(Ordering::Relaxed)), "another tree's as well");
    // SAFETY: the caller's promise.
    unsafe { below(slot, address, 3, allocate) }
}

/// The entry of `address` in the table of `level` that `slot`, one level up, leads to or shall lead to.
#[inline]
unsafe fn below<'t>(
    slot: &AtomicU64,
    address: usize,
    level: u32,
    allocate: &mut dyn FnMut() -> Result<usize>,
) -> Result<&'t AtomicU64> {
    let old = slot.load(Ordering::Relaxed);
    let descriptor = if is_valid(old) { old } else { table_entry(allocate()?) };
    assert!(is_table(descriptor), "a block in the way of {address:#x}");
    let index = index(address, level);
    let marked = table_parts::mark(descriptor, index);
    if marked != old {
        // Release: the walker must see the zeroed table behind a new entry.
        slot.store(marked, Ordering::Release);
    }
    // SAFETY: as in `find`.
    let table: &Table = unsafe { table_behind(marked) };
    Ok(&table[index])
}

/// Adds a level-3 table for the addresses of `like`, a leaf of another tree, to this one, which has none there yet. It gets the
/// same marks. The level-2 entry's own table and those above are added where they are missing.
///
/// # Safety
/// As [`find_or_add`].
pub unsafe fn add_leaf<'t>(
    root: &'t Root,
    like: &Leaf<'_>,
    allocate: &mut dyn FnMut() -> Result<usize>,
) -> Result<Leaf<'t>> {
    // SAFETY: the caller's promise.
    let slot = unsafe { find_or_add(root, like.start(), 2, allocate) }?;
    debug_assert!(!is_valid(slot.load(Ordering::Relaxed)), "a second table for {:#x}", like.start());
    let descriptor = table_entry(allocate()?) | table_parts::marks(like.descriptor());
    // Release: the walker must see the zeroed table behind a new entry.
    slot.store(descriptor, Ordering::Release);
    // SAFETY: that is the level-3 table there, which stays as long as the tree does.
    Ok(unsafe { Leaf::new(slot, like.start()) })
}

/// Entry for a table of the next level at `physical`.
fn table_entry(physical: usize) -> u64 {
    debug_assert_eq!(physical, page_down(physical));
    physical as u64 | (EntryFlags::VALID | EntryFlags::TABLE_OR_PAGE).bits()
}

/// Entry for a page at `physical`.
pub fn page_entry(physical: usize, flags: EntryFlags) -> u64 {
    debug_assert_eq!(physical, page_down(physical));
    let always = EntryFlags::VALID | EntryFlags::TABLE_OR_PAGE | EntryFlags::ACCESSED | EntryFlags::SHAREABLE;
    physical as u64 | (flags | always).bits()
}

/// Entry for a block (level 1 or 2) at `physical`.
pub fn block_entry(physical: usize, flags: EntryFlags) -> u64 {
    let always = EntryFlags::VALID | EntryFlags::ACCESSED | EntryFlags::SHAREABLE;
    physical as u64 | (flags | always).bits()
}

const _: () = assert!(size_of::<Table>() == PAGE_SIZE && ENTRIES == table_parts::ENTRIES);
