//! What a page fault means: demand-zero, a lazily loaded page of a file, a copy on write, a stack
//! that grows, or a mistake of the program.
//!
//! Lock: ADDRESS_SPACE, and whatever the page source takes. May sleep.

use super::PageIntent;
use super::address_space::{AddressSpace, Map, PageBacking, take_table};
use super::frame::Frame;
use super::page_table::{address_of, find, find_in_leaf, find_or_add, flags_of, is_valid, page_entry};
use crate::arch::exception::Access;
use crate::arch::mmu::{self, EntryFlags, PAGE_SIZE};
use core::sync::atomic::{AtomicU64, Ordering};
use postern_core::areas::{Area, AreaFlags, Protection};
use postern_core::errno::{Errno, Result};

/// Why a fault could not be resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing is mapped there (SIGSEGV, SEGV_MAPERR).
    NotMapped,
    /// The mapping does not allow the access (SIGSEGV, SEGV_ACCERR).
    NotAllowed,
    /// The object has no such page (SIGBUS, BUS_ADRERR).
    BeyondEnd,
    /// No memory: the program must go.
    OutOfMemory,
}

/// Entry flags for a page with `protection` that the program may use as it is.
fn flags_for(protection: Protection, shared: bool) -> EntryFlags {
    let mut flags = EntryFlags::NOT_GLOBAL | EntryFlags::NO_KERNEL_EXECUTE;
    if !protection.is_empty() {
        flags |= EntryFlags::USER;
    }
    if !protection.contains(Protection::WRITE) || !shared {
        flags |= EntryFlags::READ_ONLY;
    }
    if !protection.contains(Protection::EXEC) {
        flags |= EntryFlags::NO_USER_EXECUTE;
    }
    flags
}

/// `entry` with no more rights than `protection` gives; it never gains WRITE here.
pub(super) fn restrict(entry: u64, protection: Protection) -> u64 {
    let rights = EntryFlags::USER | EntryFlags::NO_USER_EXECUTE;
    let mut flags = (flags_of(entry) - rights) | (flags_for(protection, true) & rights);
    if !protection.contains(Protection::WRITE) {
        flags |= EntryFlags::READ_ONLY;
    }
    address_of(entry) as u64 | flags.bits()
}

impl AddressSpace {
    /// Makes `access` to `address` possible, if the areas promise it.
    pub fn resolve(&self, address: usize, access: Access) -> core::result::Result<(), Failure> {
        let page = address & !(PAGE_SIZE - 1);
        let mut map = self.lock();
        let area = match map.areas.find(page) {
            Some(area) => area.clone(),
            None => {
                // First whether a stack would grow at all: a bad address is one, however little memory is left.
                map.areas.stack_growth(page, self.stack_limit_bytes()).map_err(|_| Failure::NotMapped)?;
                map.admit_change().map_err(|_| Failure::OutOfMemory)?;
                map.areas.grow_down(page, self.stack_limit_bytes()).map_err(|_| Failure::NotMapped)?;
                map.areas.find(page).ok_or(Failure::NotMapped)?.clone()
            }
        };
        let allowed = match access {
            Access::Read => !area.protection.is_empty(),
            Access::Write => area.protection.contains(Protection::WRITE),
            Access::Execute => area.protection.contains(Protection::EXEC),
        };
        if !allowed {
            return Err(Failure::NotAllowed);
        }
        self.bring_in(&map, &area, page, access).map_err(|error| match error {
            Errno::ENOMEM => Failure::OutOfMemory,
            _ => Failure::BeyondEnd,
        })
    }

    /// Runs `f` with the page at `address`, brought in for `intent`, of an address space that need not
    /// be active (exec, /proc/PID/mem). EFAULT, ENOMEM.
    pub fn with_page<R>(&self, address: usize, intent: PageIntent, f: impl FnOnce(&Frame) -> R) -> Result<R> {
        let page = address & !(PAGE_SIZE - 1);
        let map = self.lock();
        let area = map.areas.find(page).ok_or(Errno::EFAULT)?.clone();
        let access = match intent {
            PageIntent::Read => Access::Read,
            PageIntent::Write => Access::Write,
        };
        self.bring_in(&map, &area, page, access)?;
        // SAFETY: our table, under our lock.
        let entry = unsafe { find(&map.root, page) }.ok_or(Errno::EFAULT)?.load(Ordering::Relaxed);
        if !is_valid(entry) {
            return Err(Errno::EFAULT);
        }
        // SAFETY: the entry holds a reference, under our lock.
        let frame = unsafe { Frame::share_physical(address_of(entry)) };
        Ok(f(&frame))
    }

    /// A further reference to the page at `address`, as the program would read it now. What the program stores there later can
    /// be seen through the reference, unless a copy on write comes in between. EFAULT, ENOMEM.
    pub fn share_page(&self, address: usize) -> Result<Frame> {
        let page = address & !(PAGE_SIZE - 1);
        if let Some(frame) = self.present_page(page) {
            return Ok(frame);
        }
        self.resolve(page, Access::Read).map_err(|failure| match failure {
            Failure::OutOfMemory => Errno::ENOMEM,
            _ => Errno::EFAULT,
        })?;
        // Another thread may have unmapped it meanwhile.
        self.present_page(page).ok_or(Errno::EFAULT)
    }

    /// The page at the aligned address `page`, if it is there and the program may read it.
    fn present_page(&self, page: usize) -> Option<Frame> {
        let map = self.lock();
        // SAFETY: our table, under our lock.
        let entry = unsafe { find(&map.root, page) }?.load(Ordering::Relaxed);
        if !is_valid(entry) || !flags_of(entry).contains(EntryFlags::USER) {
            return None;
        }
        // SAFETY: the entry holds a reference, under our lock.
        Some(unsafe { Frame::share_physical(address_of(entry)) })
    }

    fn bring_in(&self, map: &Map, area: &Area<PageBacking>, page: usize, access: Access) -> Result<()> {
        // SAFETY: our table, under our lock (the guard is borrowed).
        let slot = unsafe { find_or_add(&map.root, page, 2, &mut take_table) }?;
        self.own_leaf(slot)?;
        // SAFETY: as above; the leaf is our own.
        let entry = unsafe { find_in_leaf(slot, page, &mut take_table) }?;
        // Relaxed: the map is locked. Release, where a page is put in: the walker must see its contents.
        let old = entry.load(Ordering::Relaxed);
        if is_valid(old) {
            return self.upgrade(entry, old, area, page, access);
        }
        let (frame, private_copy) = first_contents(area, page, access)?;
        let shared = area.flags.contains(AreaFlags::SHARED);
        let mut flags = flags_for(area.protection, shared || private_copy);
        if shared && access != Access::Write && matches!(area.backing, PageBacking::Object(_)) {
            // A hole filled for reading stays read-only until the source hears of the first store.
            flags |= EntryFlags::READ_ONLY;
        }
        if area.protection.contains(Protection::EXEC) {
            mmu::synchronise_code(frame.address(), PAGE_SIZE);
        }
        entry.store(page_entry(frame.into_physical(), flags), Ordering::Release);
        mmu::publish_tables();
        self.note_resident(1);
        Ok(())
    }

    /// A page is there: what does the access still lack?
    fn upgrade(
        &self,
        entry: &AtomicU64,
        old: u64,
        area: &Area<PageBacking>,
        page: usize,
        access: Access,
    ) -> Result<()> {
        let shared = area.flags.contains(AreaFlags::SHARED);
        let mut frame_address = address_of(old);
        let mut writable = !flags_of(old).contains(EntryFlags::READ_ONLY);
        if access == Access::Write && !writable {
            writable = true;
            if !shared {
                // SAFETY: the entry holds a reference, under our lock.
                let current = unsafe { Frame::share_physical(frame_address) };
                // Two: the entry's and ours. More: somebody else's copy or the file's page.
                if current.share_count() > 2 {
                    let copy = Frame::alloc()?;
                    copy.copy_from(&current);
                    // Break before make: no CPU may use two translations of one page.
                    entry.store(0, Ordering::Relaxed);
                    self.flush_page(page);
                    // SAFETY: the reference of the entry just cleared.
                    drop(unsafe { Frame::from_physical(frame_address) });
                    frame_address = copy.into_physical();
                }
            } else if let PageBacking::Object(source) = &area.backing {
                let index = usize::try_from(area.offset_of(page)).map_err(|_| Errno::EFAULT)? / PAGE_SIZE;
                source.page(index, PageIntent::Write)?;
            }
        }
        let flags = flags_for(area.protection, writable);
        entry.store(page_entry(frame_address, flags), Ordering::Release);
        self.flush_page(page);
        Ok(())
    }
}

/// The page to map at first, and whether it is the program's own (so that it may be writable at once).
fn first_contents(area: &Area<PageBacking>, page: usize, access: Access) -> Result<(Frame, bool)> {
    let PageBacking::Object(source) = &area.backing else {
        return Frame::alloc_zeroed().map(|frame| (frame, true));
    };
    let shared = area.flags.contains(AreaFlags::SHARED);
    let intent = if shared && access == Access::Write { PageIntent::Write } else { PageIntent::Read };
    let index = usize::try_from(area.offset_of(page)).map_err(|_| Errno::EFAULT)? / PAGE_SIZE;
    let frame = source.page(index, intent)?;
    if shared || access != Access::Write {
        return Ok((frame, false));
    }
    let copy = Frame::alloc()?;
    copy.copy_from(&frame);
    Ok((copy, true))
}
