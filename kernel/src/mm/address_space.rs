//! A program's address space: areas (the promise) and translation tables (what has been fetched so far).
//!
//! Lock: ADDRESS_SPACE (sleeping) around both. Methods may sleep, also in the page source of a file.
//! Specification: mmap(2), munmap(2), mprotect(2), brk(2), mremap(2), madvise(2) of Linux.

use super::asid;
use super::frame::{self, Frame};
use super::layout::{self, USER_HIGH, USER_LOW, page_up};
use super::page_table::{Root, address_of, find, find_or_add, for_each, take_apart};
use super::place::KnownArea;
use super::shared::SharedPages;
use super::{PageSource, SourceId, fault, reverse};
use crate::arch::mmu::{self, PAGE_SIZE};
use crate::sched;
use crate::sync::{Mutex, MutexGuard, rank};
use alloc::sync::Arc;
use arrayvec::ArrayVec;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use postern_core::areas::{
    Area, AreaFlags, Areas, Backing, BreakChange, Layout, MoveSource, Protection, Remap, RemapRequest,
};
use postern_core::errno::{Errno, Result};
use postern_sync::AsidContext;

/// Pages that are worked on before others may run.
const PAGES_AT_A_TIME: usize = 64;

/// What an area takes in the list of them, and what surrounds it there.
pub(super) const AREA_BYTES: usize = 256;

/// Where the pages of an area come from.
#[derive(Clone)]
pub enum PageBacking {
    /// Zeroes, private to the address space and its forks.
    Anonymous,
    /// An object's pages, shared or copied on write.
    Object(Arc<dyn PageSource>),
}

impl Backing for PageBacking {
    fn can_merge(&self, end_offset: u64, next: &Self, next_offset: u64) -> bool {
        match (self, next) {
            (Self::Anonymous, Self::Anonymous) => true,
            (Self::Object(one), Self::Object(other)) => {
                one.merge_identity() == other.merge_identity() && end_offset == next_offset
            }
            _ => false,
        }
    }

    fn has_offsets(&self) -> bool {
        matches!(self, Self::Object(_))
    }
}

/// Areas that were taken out. Declared before the map is locked, and so dropped after: what backs them may be the last
/// reference to an open file, whose release takes locks and may sleep.
type Removed = alloc::vec::Vec<Area<PageBacking>>;

/// Areas and tables, changed together.
pub struct Map {
    /// What is mapped.
    pub areas: Areas<PageBacking>,
    /// The tables.
    pub(super) root: Root,
    /// What `place` has found out.
    pub(super) known: Option<KnownArea>,
}

impl Map {
    /// ENOMEM unless there is memory to change areas, of which a fork may have the same list still. The copy is made at once: what
    /// is asked for next may take the memory that was there.
    pub(super) fn admit_change(&mut self) -> Result<()> {
        if self.areas.is_shared() {
            super::heap::admit(self.areas.count() * AREA_BYTES)?;
            self.areas.unshare();
        }
        Ok(())
    }
}

/// A program's address space, shared by its threads.
pub struct AddressSpace {
    /// What is private to it is a source of pages of its own.
    id: SourceId,
    map: Mutex<Map>,
    /// Physical address of the level-0 table.
    table: usize,
    context: AsidContext,
    // Entries of the tables are changed with `map` locked, hence Relaxed (`page_table` says more). So are these three: values
    // that stand for themselves.
    /// Pages present: VmRSS.
    resident_pages: AtomicUsize,
    /// RLIMIT_STACK of the program, for growth of its stack.
    stack_limit_bytes: AtomicUsize,
    /// RLIMIT_AS.
    size_limit_bytes: AtomicU64,
}

/// Where a new mapping goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Anywhere, near the hint if that is free.
    Hint(usize),
    /// Exactly there, replacing what there is (MAP_FIXED).
    Replace(usize),
    /// Exactly there, or EEXIST (MAP_FIXED_NOREPLACE).
    Exact(usize),
}

/// What TTBR0 points to while no program's address space is active: a table without entries.
static EMPTY: spin::Once<usize> = spin::Once::new();

/// Allocates the empty table. Once, at boot.
pub fn init() {
    EMPTY.call_once(|| take_table().unwrap_or_else(|_| panic!("no memory for the empty table")));
}

/// Makes this CPU use no program's address space.
pub fn leave() {
    install_empty_table();
    asid::deactivate();
}

/// Puts the empty table into TTBR0.
pub(super) fn install_empty_table() {
    if let Some(empty) = EMPTY.get() {
        // SAFETY: the empty table is never freed.
        unsafe { mmu::set_user_table(*empty, 0) };
    }
}

/// The physical address of a page for a table. ENOMEM.
pub(super) fn take_table() -> Result<usize> {
    Frame::alloc_zeroed().map(Frame::into_physical)
}

impl AddressSpace {
    /// An empty one. ENOMEM.
    pub fn new() -> Result<Arc<Self>> {
        let bounds = Layout { lowest: USER_LOW, mmap_base: layout::MMAP_TOP, limit: USER_HIGH };
        Self::with_areas(Areas::new(bounds))
    }

    fn with_areas(areas: Areas<PageBacking>) -> Result<Arc<Self>> {
        super::heap::admit(PAGE_SIZE)?;
        let table = take_table()?;
        let space = Arc::new(Self {
            id: SourceId::next(),
            map: Mutex::new(rank::ADDRESS_SPACE, Map { areas, root: Root::new(table), known: None }),
            table,
            context: AsidContext::new(),
            resident_pages: AtomicUsize::new(0),
            stack_limit_bytes: AtomicUsize::new(8 << 20),
            size_limit_bytes: AtomicU64::new(u64::MAX),
        });
        reverse::register(&space);
        Ok(space)
    }

    /// Makes CPU `me`, the executing one, use the address space. The caller keeps it alive until the next switch.
    #[inline]
    pub fn activate(&self, me: usize) {
        let asid = asid::activate(&self.context, me);
        // SAFETY: the table lives as long as `self`, which the caller keeps.
        unsafe { mmu::set_user_table(self.table, asid) }
    }

    /// As [`AddressSpace::lock`], of one that nobody else knows yet, while another is locked.
    pub(super) fn lock_nested(&self) -> MutexGuard<'_, Map> {
        self.map.lock_nested()
    }

    /// The areas, locked, for reports.
    pub fn lock(&self) -> MutexGuard<'_, Map> {
        self.map.lock()
    }

    /// Its own name among the sources of pages.
    pub(super) fn id(&self) -> SourceId {
        self.id
    }

    /// Pages present.
    pub fn resident_pages(&self) -> usize {
        self.resident_pages.load(Ordering::Relaxed)
    }

    /// An address space like this one with `areas`, and nothing in its tables. ENOMEM.
    pub(super) fn like(&self, areas: Areas<PageBacking>) -> Result<Arc<Self>> {
        let space = Self::with_areas(areas)?;
        space.stack_limit_bytes.store(self.stack_limit_bytes(), Ordering::Relaxed);
        space.size_limit_bytes.store(self.size_limit_bytes.load(Ordering::Relaxed), Ordering::Relaxed);
        Ok(space)
    }

    pub(super) fn note_resident(&self, pages: usize) {
        self.resident_pages.fetch_add(pages, Ordering::Relaxed);
    }

    /// Sets the limits that the process's rlimits imply.
    pub fn set_limits(&self, stack_bytes: u64, size_bytes: u64) {
        self.stack_limit_bytes.store(usize::try_from(stack_bytes).unwrap_or(usize::MAX), Ordering::Relaxed);
        self.size_limit_bytes.store(size_bytes, Ordering::Relaxed);
    }

    pub(super) fn stack_limit_bytes(&self) -> usize {
        self.stack_limit_bytes.load(Ordering::Relaxed)
    }

    /// ENOMEM if the limit does not allow `more_bytes`, at most an address space, in place of `replaced_bytes` that are mapped
    /// now.
    fn check_size(&self, areas: &Areas<PageBacking>, more_bytes: usize, replaced_bytes: usize) -> Result<()> {
        let total = areas.total_pages() * PAGE_SIZE + more_bytes - replaced_bytes;
        let limit = self.size_limit_bytes.load(Ordering::Relaxed);
        if total as u64 > limit { Err(Errno::ENOMEM) } else { Ok(()) }
    }

    /// mmap(2) for all backings. `length` in bytes. EINVAL, ENOMEM, EEXIST.
    pub fn map(
        &self,
        placement: Placement,
        length: usize,
        protection: Protection,
        flags: AreaFlags,
        backing: PageBacking,
        offset: u64,
    ) -> Result<usize> {
        if length == 0 {
            return Err(Errno::EINVAL);
        }
        let length = whole_pages(length)?;
        super::heap::admit(PAGE_SIZE)?;
        let mut removed = Removed::new();
        let mut map = self.map.lock();
        map.admit_change()?;
        let replaced = match placement {
            Placement::Replace(start) => mapped_bytes(&map.areas, start..start.saturating_add(length)),
            Placement::Hint(_) | Placement::Exact(_) => 0,
        };
        self.check_size(&map.areas, length, replaced)?;
        let start = self.place(&mut map, placement, length, &mut removed)?;
        let backing = match backing {
            PageBacking::Anonymous if flags.contains(AreaFlags::SHARED) => {
                PageBacking::Object(SharedPages::new(length / PAGE_SIZE))
            }
            other => other,
        };
        map.areas.insert(Area { start, end: start + length, protection, flags, backing, offset })?;
        Ok(start)
    }

    fn place(&self, map: &mut Map, placement: Placement, length: usize, removed: &mut Removed) -> Result<usize> {
        match placement {
            Placement::Hint(hint) => map.areas.find_gap(length, hint),
            Placement::Exact(start) | Placement::Replace(start) => {
                let end = start.checked_add(length).filter(|end| *end <= USER_HIGH).ok_or(Errno::ENOMEM)?;
                if !start.is_multiple_of(PAGE_SIZE) {
                    return Err(Errno::EINVAL);
                }
                if start < USER_LOW {
                    return Err(Errno::EPERM);
                }
                if matches!(placement, Placement::Replace(_)) {
                    self.remove(map, start..end, removed)?;
                } else if !map.areas.is_free(start..end) {
                    return Err(Errno::EEXIST);
                }
                Ok(start)
            }
        }
    }

    /// munmap(2). EINVAL, ENOMEM.
    pub fn unmap(&self, start: usize, length: usize) -> Result<()> {
        let end = length
            .checked_next_multiple_of(PAGE_SIZE)
            .and_then(|length| start.checked_add(length))
            .filter(|end| *end <= layout::USER_HIGH + PAGE_SIZE && length != 0 && start.is_multiple_of(PAGE_SIZE))
            .ok_or(Errno::EINVAL)?;
        let range = start..end.min(USER_HIGH);
        let mut removed = Removed::new();
        let mut map = self.map.lock();
        let cuts_in_two = map.areas.find(start).is_some_and(|area| area.start < start && range.end < area.end);
        if cuts_in_two {
            super::heap::admit(PAGE_SIZE)?;
        }
        self.remove(&mut map, range, &mut removed)
    }

    fn remove(&self, map: &mut Map, range: Range<usize>, removed: &mut Removed) -> Result<()> {
        if range.is_empty() || map.areas.is_free(range.clone()) {
            return Ok(());
        }
        map.admit_change()?;
        self.own_leaves(&map.root, range.clone())?;
        let has_object = |area: &Area<PageBacking>| matches!(area.backing, PageBacking::Object(_));
        let objects = map.areas.overlapping(range.clone()).filter(|area| has_object(area)).count();
        removed.try_reserve(objects).map_err(|_| Errno::ENOMEM)?;
        let Map { areas, root, .. } = map;
        let mut taken = 0;
        areas.remove(range, |area| {
            self.clear_pages(root, area.range());
            taken += 1;
            breathe(taken);
            if has_object(&area) {
                removed.push(area);
            }
        })
    }

    /// Takes the pages of `range` out of the tables and lets go of them, after the TLBs have.
    fn clear_pages(&self, root: &Root, range: Range<usize>) {
        let mut batch = Batch { space: self, frames: ArrayVec::new(), first: range.start };
        // SAFETY: our table, under our lock.
        unsafe {
            for_each(root, range, |address, entry| {
                let old = entry.load(Ordering::Relaxed);
                entry.store(0, Ordering::Relaxed);
                batch.add(address, address_of(old));
            });
        }
        batch.finish();
    }

    /// Lets the TLBs forget `pages` pages from `address` on whose entries have changed.
    fn flush(&self, pages: usize, address: usize) {
        // The tables before the question whether a CPU walks them: one that activates the space from here
        // on sees the new entries.
        mmu::publish_tables();
        let Some(asid) = self.context.asid() else { return };
        match pages {
            0 => {}
            1 => mmu::flush_page(asid, address),
            _ => mmu::flush_asid(asid),
        }
    }

    /// Lets the TLBs forget all translations.
    pub(super) fn flush_all(&self) {
        self.flush(2, 0);
    }

    pub(super) fn flush_page(&self, address: usize) {
        self.flush(1, address);
    }

    /// mprotect(2). EINVAL, ENOMEM, EACCES.
    pub fn protect(&self, start: usize, length: usize, protection: Protection) -> Result<()> {
        if !start.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::EINVAL);
        }
        let length = length.checked_next_multiple_of(PAGE_SIZE).ok_or(Errno::ENOMEM)?;
        let end = start.checked_add(length).filter(|end| *end <= USER_HIGH).ok_or(Errno::ENOMEM)?;
        if length == 0 {
            return Ok(());
        }
        let mut map = self.map.lock();
        map.admit_change()?;
        let Map { areas, root, .. } = &mut *map;
        self.own_leaves(root, start..end)?;
        let mut changed = 0;
        let mut pieces = 0;
        let result = areas.protect(start..end, protection, |area| {
            pieces += 1;
            breathe(pieces);
            // SAFETY: our table, under our lock.
            unsafe {
                for_each(root, area.range(), |_, entry| {
                    let old = entry.load(Ordering::Relaxed);
                    // Never more than the old entry allowed: a fault adds WRITE where it may be, after copying if it must.
                    entry.store(fault::restrict(old, protection), Ordering::Relaxed);
                    changed += 1;
                    breathe(changed);
                });
            }
            Ok(())
        });
        self.flush(changed * 2, start);
        result
    }

    /// Adds to and takes from the flags of what is mapped in `range`. EINVAL, ENOMEM.
    pub fn change_flags(&self, range: Range<usize>, set: AreaFlags, clear: AreaFlags) -> Result<()> {
        let mut pieces = 0;
        let mut map = self.map.lock();
        map.admit_change()?;
        map.areas.change_flags(range, set, clear, |_| {
            pieces += 1;
            breathe(pieces);
            Ok(())
        })
    }

    /// brk(2): the new break, or the old one if it cannot be had.
    pub fn set_break(&self, requested: usize, data_limit_bytes: u64) -> usize {
        let mut removed = Removed::new();
        let mut map = self.map.lock();
        let current = map.areas.program_break().current;
        let start = map.areas.program_break().start;
        if requested.saturating_sub(start) as u64 > data_limit_bytes || map.admit_change().is_err() {
            return current;
        }
        let done = match map.areas.plan_break(requested) {
            BreakChange::Refused => return current,
            BreakChange::SamePages => Ok(()),
            BreakChange::Shrink(range) => self.remove(&mut map, range, &mut removed),
            BreakChange::Grow(range) => self.check_size(&map.areas, range.len(), 0).and_then(|()| {
                map.areas.insert(Area {
                    start: range.start,
                    end: range.end,
                    protection: Protection::READ | Protection::WRITE,
                    flags: AreaFlags::HEAP,
                    backing: PageBacking::Anonymous,
                    offset: 0,
                })
            }),
        };
        if done.is_err() {
            return current;
        }
        map.areas.move_program_break(requested);
        requested
    }

    /// Where the heap begins: exec sets it once.
    pub fn set_program_break(&self, start: usize) {
        self.map.lock().areas.set_program_break(page_up(start));
    }

    /// mremap(2).
    pub fn remap(&self, request: &RemapRequest) -> Result<usize> {
        let mut removed = Removed::new();
        let mut map = self.map.lock();
        map.admit_change()?;
        match map.areas.plan_remap(request)? {
            Remap::Unchanged => Ok(request.old_address),
            Remap::Shrink(range) => self.remove(&mut map, range, &mut removed).map(|()| request.old_address),
            Remap::Grow(range) => {
                self.check_size(&map.areas, range.len(), 0)?;
                map.areas.extend(range).map(|()| request.old_address)
            }
            Remap::Move { from, to, surplus, source } => {
                let left = if source == MoveSource::Unmap { from.len() } else { 0 };
                let replaced = left + mapped_bytes(&map.areas, to.clone()) + mapped_bytes(&map.areas, surplus.clone());
                self.check_size(&map.areas, to.len(), replaced)?;
                // What can fail comes first: once the areas have moved, the pages follow them.
                for range in [&from, &to, &surplus] {
                    self.own_leaves(&map.root, range.clone())?;
                }
                add_tables(&map.root, &from, to.start)?;
                self.remove(&mut map, to.clone(), &mut removed)?;
                self.remove(&mut map, surplus, &mut removed)?;
                map.areas.relocate(from.clone(), to.clone(), source)?;
                self.move_pages(&map.root, &from, to.start);
                Ok(to.start)
            }
        }
    }

    /// Moves the entries of `from` to the same offsets from `to`, where [`add_tables`] has made room for them.
    fn move_pages(&self, root: &Root, from: &Range<usize>, to: usize) {
        let mut moved = 0;
        let relocate = |address: usize, entry: &AtomicU64| {
            let old = entry.load(Ordering::Relaxed);
            // SAFETY: our table, under our lock.
            let target = unsafe { find(root, to + (address - from.start)) }.expect("its table has been added");
            // The entry moves, and with it its reference.
            entry.store(0, Ordering::Relaxed);
            target.store(old, Ordering::Release);
            moved += 1;
            breathe(moved);
        };
        // SAFETY: our table, under our lock.
        unsafe { for_each(root, from.clone(), relocate) };
        self.flush(moved * 2, from.start);
    }

    /// madvise(MADV_DONTNEED): private pages go back to their first contents. ENOMEM where nothing is mapped.
    pub fn discard(&self, range: Range<usize>) -> Result<()> {
        let map = self.map.lock();
        self.own_leaves(&map.root, range.clone())?;
        let covered = map.areas.is_covered(range.clone());
        for (index, part) in map.areas.overlapping(range.clone()).map(Area::range).enumerate() {
            self.clear_pages(&map.root, part.start.max(range.start)..part.end.min(range.end));
            breathe(index + 1);
        }
        if covered { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    /// Takes the pages of the object `identity` from page number `first` on out of the tables: it has been cut there.
    pub(super) fn forget_object_pages(&self, identity: SourceId, first: usize) {
        let map = self.map.lock();
        let cut = (first * PAGE_SIZE) as u64;
        let parts = map
            .areas
            .iter()
            .filter(|area| matches!(&area.backing, PageBacking::Object(source) if source.identity() == identity))
            .filter_map(|area| {
                let skipped = usize::try_from(cut.saturating_sub(area.offset)).ok()?;
                let start = area.start.checked_add(skipped)?;
                (start < area.end).then_some(start..area.end)
            });
        for part in parts {
            if self.own_leaves(&map.root, part.clone()).is_ok() {
                self.clear_pages(&map.root, part);
            } else {
                // What it still has mapped is kept for it, and goes when it is changed or given up.
                log::warn!("no memory to take pages of a file that was cut out of a forked program");
            }
        }
    }
}

/// `length` in whole pages. ENOMEM if no address space has so many: sums of such lengths do not overflow.
pub fn whole_pages(length: usize) -> Result<usize> {
    length.checked_next_multiple_of(PAGE_SIZE).filter(|length| *length <= USER_HIGH).ok_or(Errno::ENOMEM)
}

/// Bytes of `range` that are mapped.
fn mapped_bytes(areas: &Areas<PageBacking>, range: Range<usize>) -> usize {
    areas.overlapping(range.clone()).map(|area| area.end.min(range.end) - area.start.max(range.start)).sum()
}

/// Adds the tables in which the pages of `from` find their entries at the same offsets from `to`. ENOMEM leaves some of them,
/// which do no harm.
fn add_tables(root: &Root, from: &Range<usize>, to: usize) -> Result<()> {
    let mut result = Ok(());
    let mut visited = 0;
    let add = |address: usize, _: &AtomicU64| {
        if result.is_ok() {
            // SAFETY: the caller's table, under its lock.
            result = unsafe { find_or_add(root, to + (address - from.start), 3, &mut take_table) }.map(drop);
            visited += 1;
            breathe(visited);
        }
    };
    // SAFETY: as above.
    unsafe { for_each(root, from.clone(), add) };
    result
}

/// Lets others have the CPU now and then while many pages or areas are worked on; `count` is how many have been. What is locked
/// is the map: a sleeping lock.
fn breathe(count: usize) {
    if count.is_multiple_of(PAGES_AT_A_TIME) {
        sched::preemption_point();
    }
}

/// Pages taken out of tables, freed after the TLBs have forgotten them.
struct Batch<'a> {
    space: &'a AddressSpace,
    frames: ArrayVec<usize, PAGES_AT_A_TIME>,
    first: usize,
}

impl Batch<'_> {
    fn add(&mut self, address: usize, physical: usize) {
        if self.frames.is_empty() {
            self.first = address;
        }
        self.frames.push(physical);
        if self.frames.is_full() {
            self.finish();
            sched::preemption_point();
        }
    }

    fn finish(&mut self) {
        self.space.flush(self.frames.len(), self.first);
        self.space.resident_pages.fetch_sub(self.frames.len(), Ordering::Relaxed);
        let frames = frame::table();
        for physical in self.frames.drain(..) {
            // SAFETY: the entry that held the reference has been cleared, in tables and TLBs.
            unsafe { frames.let_go(physical) };
        }
    }
}

impl Drop for AddressSpace {
    fn drop(&mut self) {
        reverse::unregister(self);
        // Nobody runs in it any more, and its ASID is not reused before everything is flushed: no flush here.
        let frames = frame::table();
        // SAFETY: the entry's reference, taken back once: it has been cleared.
        let release = move |entry| unsafe { frames.let_go(address_of(entry)) };
        // SAFETY: the tree is ours alone.
        unsafe { take_apart(&self.map.get_mut().root, release, sched::preemption_point) };
    }
}
