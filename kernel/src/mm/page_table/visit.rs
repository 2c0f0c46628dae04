//! Visiting all that is present in a tree of tables: by leaves, which are its tables of level 3.
//!
//! Takes no lock; what the owner of the tree promises is said at each function. Only parts of tables that are marked are looked
//! at.

use super::shared::is_shared;
use super::{Root, Table, address_of, index, is_table, is_valid, span, table_behind};
use crate::arch::mmu::{ENTRIES, PAGE_SIZE};
use crate::mm::frame::{self, Frame};
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};
use postern_core::table_parts::{self, PART};

/// A level-3 table, or as much of it as somebody asks about.
#[derive(Clone, Copy)]
pub struct Leaf<'t> {
    table: &'t Table,
    /// The entry that leads to the table.
    slot: &'t AtomicU64,
    /// What it said, with the table's marks.
    descriptor: u64,
    /// The address that its first entry is for.
    base: usize,
    /// The first index asked about, and one past the last.
    first: usize,
    end: usize,
}

impl<'t> Leaf<'t> {
    /// The leaf that `slot`, the level-2 entry of `address`, leads to.
    ///
    /// # Safety
    /// It leads to a level-3 table, which stays one for as long as the result lives.
    pub unsafe fn new(slot: &'t AtomicU64, address: usize) -> Self {
        let descriptor = slot.load(Ordering::Relaxed);
        // SAFETY: the caller's promise.
        let table = unsafe { table_behind(descriptor) };
        Self { table, slot, descriptor, base: address & !(span(2) - 1), first: 0, end: ENTRIES }
    }

    /// One past the last address that it is for.
    pub fn end(&self) -> usize {
        self.base + self.end * PAGE_SIZE
    }

    /// The address that its first entry is for.
    pub fn start(&self) -> usize {
        self.base + self.first * PAGE_SIZE
    }

    /// What of it is for addresses in `range`.
    pub fn within(&self, range: &Range<usize>) -> Self {
        let index_of = |address: usize| address.clamp(self.start(), self.end()) - self.base;
        Self { first: index_of(range.start) / PAGE_SIZE, end: index_of(range.end) / PAGE_SIZE, ..*self }
    }

    /// The entry that leads to its table.
    pub fn slot(&self) -> &'t AtomicU64 {
        self.slot
    }

    /// What that entry said.
    pub(super) fn descriptor(&self) -> u64 {
        self.descriptor
    }

    /// Runs of entries, outside which there is nothing: the index of each run's first entry, and the entries, at most [`PART`].
    pub fn runs(&self) -> impl Iterator<Item = (usize, &'t [AtomicU64])> + use<'t> {
        let Self { table, descriptor, first, end, .. } = *self;
        table_parts::marked_within(descriptor, first..end).map(move |part| {
            let start = first.max(part * PART);
            (start, &table[start..end.min((part + 1) * PART)])
        })
    }

    /// So many entries from `index` on.
    pub fn run(&self, index: usize, length: usize) -> &'t [AtomicU64] {
        &self.table[index..index + length]
    }

    /// The address that the entry at `index` is for.
    pub fn address(&self, index: usize) -> usize {
        self.base + index * PAGE_SIZE
    }
}

/// Calls `visit` with every leaf that is for addresses in `range`, as far as it is, in order.
///
/// # Safety
/// As [`super::find`].
pub unsafe fn for_each_leaf(root: &Root, range: Range<usize>, visit: &mut dyn FnMut(Leaf<'_>)) {
    if !range.is_empty() {
        // SAFETY: the caller's promise.
        unsafe { for_each_leaf_below(root.0.load(Ordering::Relaxed), 0, &range, visit) }
    }
}

/// `range.start` is an address that the table of `level` behind `descriptor` is for.
unsafe fn for_each_leaf_below(descriptor: u64, level: u32, range: &Range<usize>, visit: &mut dyn FnMut(Leaf<'_>)) {
    let span = span(level);
    let base = range.start & !(span * ENTRIES - 1);
    // SAFETY: it leads to a table of this tree.
    let table: &Table = unsafe { table_behind(descriptor) };
    let last = (range.end - 1).min(base + (span * ENTRIES - 1));
    let (first, last) = (index(range.start, level), index(last, level));
    for_each_table(table, descriptor, first..last + 1, |index, value| {
        if (first..=last).contains(&index) {
            let start = range.start.max(base + index * span);
            if level == 2 {
                // SAFETY: as above, one level down.
                visit(unsafe { Leaf::new(&table[index], start) }.within(range));
            } else {
                // SAFETY: as above.
                unsafe { for_each_leaf_below(value, level + 1, &(start..range.end), visit) };
            }
        }
    });
}

/// Entries that are looked at together.
const CHUNK: usize = 4;

/// Calls `visit` for what leads to tables in the parts of `table`, to which `descriptor` leads, that have an index in `indices`:
/// with the index of each, and its value. Nearly all entries of such a table are invalid.
#[inline]
fn for_each_table(table: &Table, descriptor: u64, indices: Range<usize>, mut visit: impl FnMut(usize, u64)) {
    for part in table_parts::marked_within(descriptor, indices) {
        let (chunks, _) = table[part * PART..(part + 1) * PART].as_chunks::<CHUNK>();
        for (chunk, first) in chunks.iter().zip((part * PART..).step_by(CHUNK)) {
            let values = chunk.each_ref().map(|entry| entry.load(Ordering::Relaxed));
            if !is_valid(values.into_iter().fold(0, |all, value| all | value)) {
                continue;
            }
            for (entry, index) in chunk.iter().zip(first..) {
                let value = entry.load(Ordering::Relaxed);
                if is_table(value) {
                    visit(index, value);
                }
            }
        }
    }
}

const _: () = assert!(PART.is_multiple_of(CHUNK));

/// Calls `visit` with the address of every page in `range` that a valid level-3 entry is for, and the entry.
///
/// # Safety
/// As [`super::find`]; the leaves are the tree's own.
pub unsafe fn for_each(root: &Root, range: Range<usize>, mut visit: impl FnMut(usize, &AtomicU64)) {
    let mut visit_leaf = |leaf: Leaf<'_>| {
        debug_assert!(!is_shared(leaf.descriptor), "another tree's as well");
        for (first, run) in leaf.runs() {
            for (entry, index) in run.iter().zip(first..) {
                if is_valid(entry.load(Ordering::Relaxed)) {
                    visit(leaf.address(index), entry);
                }
            }
        }
    };
    // SAFETY: the caller's promise.
    unsafe { for_each_leaf(root, range, &mut visit_leaf) }
}

/// Lets go of every table of a program's tree: frees it, after `visit` has had each valid entry of those leaves that no other
/// tree has, once and for all. Calls `pause` now and then.
///
/// # Safety
/// No CPU uses the tables, nor caches walks of them under a live ASID, and nobody will.
pub unsafe fn take_apart(root: &Root, visit: impl Fn(u64) + Copy, pause: impl Fn() + Copy) {
    // SAFETY: the caller's promise.
    unsafe { take_apart_below(root.0.load(Ordering::Relaxed), 0, visit, pause) }
}

unsafe fn take_apart_below(descriptor: u64, level: u32, visit: impl Fn(u64) + Copy, pause: impl Fn() + Copy) {
    // SAFETY: it leads to a table of the tree.
    let table: &Table = unsafe { table_behind(descriptor) };
    for_each_table(table, descriptor, 0..ENTRIES, |index, value| {
        table[index].store(0, Ordering::Relaxed);
        if level == 2 {
            // SAFETY: the reference of the entry just cleared.
            unsafe { let_go_of_leaf(value, visit, pause) };
        } else {
            // SAFETY: as above, one level down: programs have no blocks.
            unsafe { take_apart_below(value, level + 1, visit, pause) };
        }
    });
    // SAFETY: tables come from `Frame::into_physical`; one of this level is referenced by one entry.
    let table = unsafe { Frame::from_physical(address_of(descriptor)) };
    // All its valid entries have been cleared, and there are no others but zeroes.
    table.free_zeroed();
}

/// Gives up the reference of a level-2 entry to its leaf. If that was the last one, `visit` has each valid entry, and the leaf is
/// freed.
///
/// # Safety
/// The entry, `descriptor`, has been cleared, or replaced, in the table and in the TLBs.
pub unsafe fn let_go_of_leaf(descriptor: u64, visit: impl Fn(u64), pause: impl Fn()) {
    // SAFETY: leaves come from `Frame::into_physical` or `Table::share`; the caller's promise.
    let Some(frame) = (unsafe { frame::table().let_go_unless_last(address_of(descriptor)) }) else { return };
    // SAFETY: it leads to a table, which is ours alone.
    let table: &Table = unsafe { table_behind(descriptor) };
    for part in table_parts::marked_within(descriptor, 0..ENTRIES) {
        for entry in &table[part * PART..(part + 1) * PART] {
            let value = entry.load(Ordering::Relaxed);
            if is_valid(value) {
                entry.store(0, Ordering::Relaxed);
                visit(value);
            }
        }
        pause();
    }
    frame.free_zeroed();
}
