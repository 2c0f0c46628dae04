//! Translation tables: walking, mapping, unmapping. Four levels, 4 KiB granule.
//! Takes no lock: the owner of a table (kernel_space, address_space) serialises changes to it.
//! Specification: Arm ARM D8. Walks by the MMU run concurrently, so entries are atomics.

use super::frame::Frame;
use super::layout::{direct, page_down};
use crate::arch::mmu::{ADDRESS_MASK, ENTRIES, EntryFlags, PAGE_SHIFT, PAGE_SIZE};
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};
use postern_core::errno::Result;

/// One table of any level.
pub type Table = [AtomicU64; ENTRIES];

/// Bytes that an entry of `level` covers.
const fn span(level: u32) -> usize {
    1 << (PAGE_SHIFT + 9 * (3 - level as usize))
}

const fn index(address: usize, level: u32) -> usize {
    (address >> (PAGE_SHIFT + 9 * (3 - level as usize))) & (ENTRIES - 1)
}

/// The table at a physical address.
///
/// # Safety
/// `physical` is a page that is used as a table and stays one for as long as the reference lives.
pub unsafe fn table_at<'t>(physical: usize) -> &'t Table {
    let pointer = core::ptr::with_exposed_provenance::<Table>(direct(physical));
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
/// `root` is the physical address of a level-0 table that outlives the result.
pub unsafe fn find<'t>(root: usize, address: usize) -> Option<&'t AtomicU64> {
    let mut physical = root;
    for level in 0..3 {
        // SAFETY: `root` by the caller's promise, lower levels because entries point to tables.
        let table = unsafe { table_at(physical) };
        let entry = table[index(address, level)].load(Ordering::Relaxed);
        if !is_table(entry) {
            return None;
        }
        physical = address_of(entry);
    }
    // SAFETY: as above.
    let table: &Table = unsafe { table_at(physical) };
    Some(&table[index(address, 3)])
}

/// Finds the level-`leaf` entry of `address`, adding the tables on the way with `allocate`
/// (which returns the physical address of a zeroed page).
///
/// # Safety
/// As [`find`]; the caller serialises changes.
pub unsafe fn find_or_add<'t>(
    root: usize,
    address: usize,
    leaf: u32,
    allocate: &mut dyn FnMut() -> Result<usize>,
) -> Result<&'t AtomicU64> {
    let mut physical = root;
    for level in 0..leaf {
        // SAFETY: as in `find`.
        let table: &Table = unsafe { table_at(physical) };
        let slot = &table[index(address, level)];
        let mut entry = slot.load(Ordering::Relaxed);
        if !is_valid(entry) {
            entry = allocate()? as u64 | (EntryFlags::VALID | EntryFlags::TABLE_OR_PAGE).bits();
            // Release: the walker must see the zeroed table behind the entry.
            slot.store(entry, Ordering::Release);
        }
        assert!(is_table(entry), "a block in the way of {address:#x}");
        physical = address_of(entry);
    }
    // SAFETY: as in `find`.
    let table: &Table = unsafe { table_at(physical) };
    Ok(&table[index(address, leaf)])
}

/// Calls `visit` with every level-3 entry in `range` whose table exists.
///
/// # Safety
/// As [`find`].
pub unsafe fn for_each(root: usize, range: Range<usize>, visit: &mut dyn FnMut(usize, &AtomicU64)) {
    // SAFETY: the caller's promise.
    unsafe { for_each_below(root, 0, range, visit) }
}

unsafe fn for_each_below(physical: usize, level: u32, range: Range<usize>, visit: &mut dyn FnMut(usize, &AtomicU64)) {
    // SAFETY: `physical` is a table of this tree.
    let table: &Table = unsafe { table_at(physical) };
    let size = span(level);
    let mut address = range.start & !(size - 1);
    while address < range.end {
        let entry = &table[index(address, level)];
        let value = entry.load(Ordering::Relaxed);
        if level == 3 {
            visit(address, entry);
        } else if is_table(value) {
            let part = range.start.max(address)..range.end.min(address + size);
            // SAFETY: the entry points to a table of the next level.
            unsafe { for_each_below(address_of(value), level + 1, part, visit) };
        }
        address += size;
    }
}

/// Frees every table below `root` (a user table), and `root` itself. Leaves hold no frames any more.
///
/// # Safety
/// No CPU uses the table, nor caches walks of it under a live ASID.
pub unsafe fn free_tables(root: usize) {
    // SAFETY: the caller's promise.
    unsafe { free_below(root, 0) };
}

unsafe fn free_below(physical: usize, level: u32) {
    if level < 3 {
        // SAFETY: a table of the tree being freed.
        let table: &Table = unsafe { table_at(physical) };
        for entry in table {
            let value = entry.load(Ordering::Relaxed);
            if is_table(value) {
                // SAFETY: as above, one level down.
                unsafe { free_below(address_of(value), level + 1) };
            }
        }
    }
    // SAFETY: tables come from `Frame::into_physical` and are referenced by one entry.
    drop(unsafe { Frame::from_physical(physical) });
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

const _: () = assert!(size_of::<Table>() == PAGE_SIZE);
