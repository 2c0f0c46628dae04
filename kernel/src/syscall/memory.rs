//! The system calls on memory: flags checked and decoded into typed calls of `mm::AddressSpace`. No policy.
//!
//! Checks come in Linux's order, which programs can see.
//! Specification: mmap(2), munmap(2), mprotect(2), brk(2), mremap(2).

mod advice;
mod barrier;
mod locking;
mod populate;

pub use advice::{madvise, mincore, msync};
pub use barrier::membarrier;
pub use locking::{mlock, mlock2, mlockall, munlock, munlockall};

use crate::arch::mmu::PAGE_SIZE;
use crate::fs::file::{MapRequest, Writes};
use crate::fs::flags::AccessMode;
use crate::fs::mount::MountFlags;
use crate::fs::open_file::OpenFile;
use crate::mm::address_space::{PageBacking, Placement, whole_pages};
use crate::mm::layout::{USER_HIGH, USER_LOW, page_down};
use crate::mm::{AddressSpace, heap};
use crate::process::limits::Resource;
use crate::{process, sched};
use alloc::sync::Arc;
use core::ops::Range;
use linux_raw_sys::general as abi;
use populate::{Wanted, populate};
use postern_core::areas::{AreaFlags, Protection, RemapFlags, RemapRequest};
use postern_core::errno::{Errno, Result};

/// The bits that say whether a mapping is shared; not all values mean something.
const MAP_TYPE: u32 = abi::MAP_TYPE;
/// The flags that MAP_SHARED_VALIDATE lets pass (Linux's LEGACY_MAP_MASK).
const KNOWN_FLAGS: u32 = MAP_TYPE
    | abi::MAP_FIXED
    | abi::MAP_ANONYMOUS
    | abi::MAP_GROWSDOWN
    | abi::MAP_DENYWRITE
    | abi::MAP_EXECUTABLE
    | abi::MAP_LOCKED
    | abi::MAP_NORESERVE
    | abi::MAP_POPULATE
    | abi::MAP_NONBLOCK
    | abi::MAP_STACK
    | abi::MAP_HUGETLB
    | abi::MAP_FIXED_NOREPLACE;

/// The caller's address space.
fn space() -> Result<Arc<AddressSpace>> {
    sched::current().address_space().ok_or(Errno::EFAULT)
}

/// Whole pages from `start`: EINVAL if it is not the start of one, `overflow` if there are no such pages.
fn pages(start: usize, length: usize, overflow: Errno) -> Result<Range<usize>> {
    if !start.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    let length = length.checked_next_multiple_of(PAGE_SIZE).ok_or(overflow)?;
    let end = start.checked_add(length).ok_or(overflow)?;
    Ok(start..end)
}

/// A range that [`AddressSpace`] may be asked about: ENOMEM beyond the user half.
fn user_pages(range: Range<usize>) -> Result<Range<usize>> {
    if range.end <= USER_HIGH { Ok(range) } else { Err(Errno::ENOMEM) }
}

/// mmap(2)
pub fn mmap(address: usize, length: usize, protection: u32, flags: u32, fd: i32, offset: u64) -> Result<usize> {
    if !offset.is_multiple_of(PAGE_SIZE as u64) {
        return Err(Errno::EINVAL);
    }
    let file = if flags & abi::MAP_ANONYMOUS == 0 { Some(mapped_file(fd)?) } else { None };
    if flags & abi::MAP_HUGETLB != 0 {
        // There are none.
        return Err(if file.is_some() { Errno::EINVAL } else { Errno::ENOMEM });
    }
    if length == 0 {
        return Err(Errno::EINVAL);
    }
    let length = whole_pages(length)?;
    let placement = placement_of(address, flags)?;
    // As on Linux, bits without a meaning are ignored here and refused by mprotect.
    let protection = Protection::from_bits_truncate(protection);
    let mut area_flags = area_flags_of(flags);
    let (backing, offset) = match &file {
        None => (anonymous(flags)?, 0),
        Some(file) => {
            let request = MapRequest { offset, length, writes: Writes::None };
            (file_backing(file, request, protection, flags, &mut area_flags)?, offset)
        }
    };
    let space = space()?;
    let start = space.map(placement, length, protection, area_flags, backing, offset)?;
    if flags & (abi::MAP_POPULATE | abi::MAP_LOCKED) != 0 && flags & abi::MAP_NONBLOCK == 0 {
        // What cannot be brought in now may be later: mmap has succeeded.
        let _ = populate(&space, start..start + length, Wanted::AsMapped);
    }
    Ok(start)
}

fn mapped_file(fd: i32) -> Result<Arc<OpenFile>> {
    let file = process::current().file(fd)?;
    if file.is_path_only() { Err(Errno::EBADF) } else { Ok(file) }
}

fn placement_of(address: usize, flags: u32) -> Result<Placement> {
    if flags & (abi::MAP_FIXED | abi::MAP_FIXED_NOREPLACE) == 0 {
        let hint = page_down(address);
        return Ok(Placement::Hint(if hint == 0 { 0 } else { hint.max(USER_LOW) }));
    }
    if !address.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    let exact = flags & abi::MAP_FIXED_NOREPLACE != 0;
    Ok(if exact { Placement::Exact(address) } else { Placement::Replace(address) })
}

fn area_flags_of(flags: u32) -> AreaFlags {
    let mut area_flags = AreaFlags::empty();
    let pairs = [
        (abi::MAP_GROWSDOWN, AreaFlags::GROWS_DOWN),
        (abi::MAP_LOCKED, AreaFlags::LOCKED),
        (abi::MAP_NORESERVE, AreaFlags::NO_RESERVE),
    ];
    for (flag, area_flag) in pairs {
        area_flags.set(area_flag, flags & flag != 0);
    }
    area_flags.set(AreaFlags::SHARED, flags & MAP_TYPE != abi::MAP_PRIVATE);
    area_flags
}

fn anonymous(flags: u32) -> Result<PageBacking> {
    match flags & MAP_TYPE {
        abi::MAP_PRIVATE => Ok(PageBacking::Anonymous),
        abi::MAP_SHARED if flags & abi::MAP_GROWSDOWN == 0 => Ok(PageBacking::Anonymous),
        _ => Err(Errno::EINVAL),
    }
}

/// The pages of a file, if it may be mapped so. `request.writes` is for this function to decide.
fn file_backing(
    file: &Arc<OpenFile>,
    request: MapRequest,
    protection: Protection,
    flags: u32,
    area_flags: &mut AreaFlags,
) -> Result<PageBacking> {
    // Linux counts the pages of a file in an unsigned and their bytes in a signed long.
    let end = request.offset.checked_add(request.length as u64).ok_or(Errno::EOVERFLOW)?;
    if i64::try_from(end).is_err() {
        return Err(Errno::EOVERFLOW);
    }
    let shared = match flags & MAP_TYPE {
        abi::MAP_PRIVATE => false,
        abi::MAP_SHARED => true,
        abi::MAP_SHARED_VALIDATE if flags & !KNOWN_FLAGS == 0 => true,
        abi::MAP_SHARED_VALIDATE => return Err(Errno::EOPNOTSUPP),
        _ => return Err(Errno::EINVAL),
    };
    let writable = file.access().contains(AccessMode::WRITE);
    if shared && !writable && protection.contains(Protection::WRITE) {
        return Err(Errno::EACCES);
    }
    if !file.access().contains(AccessMode::READ) {
        return Err(Errno::EACCES);
    }
    let no_exec = file.location().mount.flags().contains(MountFlags::NO_EXEC);
    if no_exec && protection.contains(Protection::EXEC) {
        return Err(Errno::EPERM);
    }
    if flags & abi::MAP_GROWSDOWN != 0 {
        return Err(Errno::EINVAL);
    }
    area_flags.set(AreaFlags::NEVER_WRITABLE, shared && !writable);
    let writes = if shared && writable { Writes::Shared } else { Writes::None };
    file.map(&MapRequest { writes, ..request }).map(PageBacking::Object)
}

/// munmap(2)
pub fn munmap(address: usize, length: usize) -> Result<usize> {
    space()?.unmap(address, length)?;
    Ok(0)
}

/// mprotect(2)
pub fn mprotect(address: usize, length: usize, protection: u32) -> Result<usize> {
    const GROWS: u32 = abi::PROT_GROWSDOWN | abi::PROT_GROWSUP;
    if protection & GROWS == GROWS {
        return Err(Errno::EINVAL);
    }
    let mut range = pages(address, length, Errno::ENOMEM)?;
    if range.is_empty() {
        return Ok(0);
    }
    // PROT_SEM never had an effect.
    let new = Protection::from_bits(protection & !(GROWS | abi::PROT_SEM)).ok_or(Errno::EINVAL)?;
    let space = space()?;
    if protection & abi::PROT_GROWSUP != 0 {
        // No area grows up.
        return Err(Errno::EINVAL);
    }
    if protection & abi::PROT_GROWSDOWN != 0 {
        let map = space.lock();
        let area = map.areas.overlapping(range.clone()).next().ok_or(Errno::ENOMEM)?;
        if !area.flags.contains(AreaFlags::GROWS_DOWN) {
            return Err(Errno::EINVAL);
        }
        range.start = area.start;
    }
    space.protect(range.start, range.len(), new)?;
    Ok(0)
}

/// brk(2), as the kernel has it: the new break, or the old one if it cannot be had.
pub fn brk(requested: usize) -> Result<usize> {
    let limit = process::current().process().limit(Resource::DATA).soft;
    Ok(space()?.set_break(requested, limit))
}

/// mremap(2)
pub fn mremap(old_address: usize, old_len: usize, new_len: usize, flags: u32, new_address: usize) -> Result<usize> {
    let flags = RemapFlags::from_bits(flags).ok_or(Errno::EINVAL)?;
    space()?.remap(&RemapRequest { old_address, old_len, new_len, flags, new_address })
}

fn change_flags(space: &AddressSpace, range: Range<usize>, set: AreaFlags, clear: AreaFlags) -> Result<()> {
    // Cutting areas allocates where it cannot fail.
    heap::admit(PAGE_SIZE)?;
    space.change_flags(range, set, clear)
}
