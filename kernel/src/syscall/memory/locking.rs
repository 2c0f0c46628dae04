//! The system calls that keep pages in memory. Nothing is ever paged out, so locking a page means bringing it in. No policy.
//! Specification: mlock(2).

use super::{Wanted, change_flags, pages, populate, space, user_pages};
use crate::arch::mmu::PAGE_SIZE;
use crate::mm::AddressSpace;
use crate::mm::heap;
use crate::mm::layout::page_down;
use crate::process;
use crate::process::limits::Resource;
use alloc::vec::Vec;
use core::ops::Range;
use linux_raw_sys::general as abi;
use postern_core::areas::{Area, AreaFlags};
use postern_core::errno::{Errno, Result};

/// mlock(2)
pub fn mlock(address: usize, length: usize) -> Result<usize> {
    mlock2(address, length, 0)
}

/// mlock2(2)
pub fn mlock2(address: usize, length: usize, flags: u32) -> Result<usize> {
    if flags & !abi::MLOCK_ONFAULT != 0 {
        return Err(Errno::EINVAL);
    }
    check_may_lock()?;
    let range = touched_pages(address, length)?;
    if range.is_empty() {
        return Ok(0);
    }
    let space = space()?;
    check_lock_limit(&space, range.len())?;
    change_flags(&space, range.clone(), AreaFlags::LOCKED, AreaFlags::empty())?;
    if flags & abi::MLOCK_ONFAULT == 0 {
        populate(&space, range, Wanted::AsMapped).map_err(|error| match error {
            // What the man-page knows.
            Errno::EFAULT => Errno::ENOMEM,
            other => other,
        })?;
    }
    Ok(0)
}

/// munlock(2)
pub fn munlock(address: usize, length: usize) -> Result<usize> {
    let range = touched_pages(address, length)?;
    if !range.is_empty() {
        change_flags(&*space()?, range, AreaFlags::empty(), AreaFlags::LOCKED)?;
    }
    Ok(0)
}

/// mlockall(2). Mappings made later are not brought in; nothing could take their pages away either.
pub fn mlockall(flags: u32) -> Result<usize> {
    let known = abi::MCL_CURRENT | abi::MCL_FUTURE | abi::MCL_ONFAULT;
    if flags == 0 || flags & !known != 0 || flags == abi::MCL_ONFAULT {
        return Err(Errno::EINVAL);
    }
    check_may_lock()?;
    if flags & abi::MCL_CURRENT == 0 {
        return Ok(0);
    }
    let space = space()?;
    let total = space.lock().areas.total_pages() * PAGE_SIZE;
    check_limit(total)?;
    for range in change_all(&space, AreaFlags::LOCKED, AreaFlags::empty())? {
        if flags & abi::MCL_ONFAULT == 0 {
            // As on Linux, what cannot be brought in is no failure of the call.
            let _ = populate(&space, range, Wanted::AsMapped);
        }
    }
    Ok(0)
}

/// munlockall(2)
pub fn munlockall() -> Result<usize> {
    change_all(&*space()?, AreaFlags::empty(), AreaFlags::LOCKED)?;
    Ok(0)
}

/// Changes the flags of all areas; which there were.
fn change_all(space: &AddressSpace, set: AreaFlags, clear: AreaFlags) -> Result<Vec<Range<usize>>> {
    let map = space.lock();
    let mut ranges = heap::vec_with_room(map.areas.count())?;
    ranges.extend(map.areas.iter().map(Area::range));
    drop(map);
    for range in &ranges {
        match change_flags(space, range.clone(), set, clear) {
            // Another thread has unmapped it meanwhile.
            Ok(()) | Err(Errno::ENOMEM) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(ranges)
}

/// The pages that have a byte in the range.
fn touched_pages(address: usize, length: usize) -> Result<Range<usize>> {
    let start = page_down(address);
    let length = length.checked_add(address - start).ok_or(Errno::EINVAL)?;
    user_pages(pages(start, length, Errno::EINVAL)?)
}

/// EPERM for those who may lock nothing.
fn check_may_lock() -> Result<()> {
    let current = process::current();
    let none = current.process().limit(Resource::MEMLOCK).soft == 0;
    if none && !current.credentials().is_privileged() { Err(Errno::EPERM) } else { Ok(()) }
}

fn check_lock_limit(space: &AddressSpace, more_bytes: usize) -> Result<()> {
    let map = space.lock();
    let locked = map.areas.iter().filter(|area| area.flags.contains(AreaFlags::LOCKED));
    let total: usize = locked.map(Area::len).sum();
    drop(map);
    check_limit(total + more_bytes)
}

/// ENOMEM if an ordinary user may not have that many bytes locked.
fn check_limit(bytes: usize) -> Result<()> {
    let current = process::current();
    let limit = current.process().limit(Resource::MEMLOCK).soft;
    if bytes as u64 > limit && !current.credentials().is_privileged() { Err(Errno::ENOMEM) } else { Ok(()) }
}
