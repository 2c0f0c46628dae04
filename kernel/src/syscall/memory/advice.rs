//! The system calls that advise on memory or ask about it. No policy.
//! Specification: madvise(2), msync(2), mincore(2).

use super::{Wanted, change_flags, pages, populate, space, user_pages};
use crate::arch::mmu::PAGE_SIZE;
use crate::mm::AddressSpace;
use crate::mm::address_space::PageBacking;
use crate::mm::user::{self, UserPtr};
use crate::sched;
use core::ops::Range;
use linux_raw_sys::general as abi;
use postern_core::areas::{Area, AreaFlags};
use postern_core::errno::{Errno, Result};

/// madvise(2). Advice about speed alone is accepted and has no effect.
pub fn madvise(address: usize, length: usize, advice: u32) -> Result<usize> {
    let advice = Advice::from_number(advice)?;
    let range = pages(address, length, Errno::EINVAL)?;
    if range.is_empty() {
        return Ok(0);
    }
    let range = user_pages(range)?;
    let space = space()?;
    match advice {
        Advice::Speed => check_covered(&space, range)?,
        Advice::Discard(what) => {
            check_areas(&space, range.clone(), |area| {
                let anonymous = matches!(area.backing, PageBacking::Anonymous);
                let refused = area.flags.contains(AreaFlags::LOCKED) || (what == Discard::Free && !anonymous);
                if refused { Err(Errno::EINVAL) } else { Ok(()) }
            })?;
            space.discard(range)?;
        }
        Advice::Flags { set, clear } => {
            check_areas(&space, range.clone(), |area| {
                let anonymous = matches!(area.backing, PageBacking::Anonymous);
                if set.contains(AreaFlags::WIPE_ON_FORK) && !anonymous { Err(Errno::EINVAL) } else { Ok(()) }
            })?;
            change_flags(&space, range, set, clear)?;
        }
        Advice::Populate(wanted) => populate(&space, range, wanted)?,
    }
    Ok(0)
}

/// What a piece of advice asks for.
enum Advice {
    /// Nothing that a program could see.
    Speed,
    /// That contents be forgotten.
    Discard(Discard),
    /// That areas behave otherwise from now on.
    Flags { set: AreaFlags, clear: AreaFlags },
    /// That pages be brought in.
    Populate(Wanted),
}

/// Whether contents are forgotten surely (MADV_DONTNEED) or at the kernel's leisure (MADV_FREE: here, at once).
#[derive(PartialEq, Eq)]
enum Discard {
    DontNeed,
    Free,
}

impl Advice {
    fn from_number(number: u32) -> Result<Self> {
        let none = AreaFlags::empty();
        Ok(match number {
            abi::MADV_NORMAL
            | abi::MADV_RANDOM
            | abi::MADV_SEQUENTIAL
            | abi::MADV_WILLNEED
            | abi::MADV_COLD
            | abi::MADV_PAGEOUT
            | abi::MADV_MERGEABLE
            | abi::MADV_UNMERGEABLE
            | abi::MADV_HUGEPAGE
            | abi::MADV_NOHUGEPAGE
            | abi::MADV_DONTDUMP
            | abi::MADV_DODUMP => Self::Speed,
            abi::MADV_DONTNEED => Self::Discard(Discard::DontNeed),
            abi::MADV_FREE => Self::Discard(Discard::Free),
            abi::MADV_DONTFORK => Self::Flags { set: AreaFlags::DONT_FORK, clear: none },
            abi::MADV_DOFORK => Self::Flags { set: none, clear: AreaFlags::DONT_FORK },
            abi::MADV_WIPEONFORK => Self::Flags { set: AreaFlags::WIPE_ON_FORK, clear: none },
            abi::MADV_KEEPONFORK => Self::Flags { set: none, clear: AreaFlags::WIPE_ON_FORK },
            abi::MADV_POPULATE_READ => Self::Populate(Wanted::Read),
            abi::MADV_POPULATE_WRITE => Self::Populate(Wanted::Write),
            _ => return Err(Errno::EINVAL),
        })
    }
}

/// ENOMEM unless all of `range` is mapped.
fn check_covered(space: &AddressSpace, range: Range<usize>) -> Result<()> {
    if space.lock().areas.is_covered(range) { Ok(()) } else { Err(Errno::ENOMEM) }
}

/// What `check` says of the first area in `range` that it does not like.
fn check_areas(
    space: &AddressSpace,
    range: Range<usize>,
    check: impl FnMut(&Area<PageBacking>) -> Result<()>,
) -> Result<()> {
    space.lock().areas.overlapping(range).try_for_each(check)
}

/// msync(2): files are in memory, and stores reach them at once.
pub fn msync(address: usize, length: usize, flags: u32) -> Result<usize> {
    let known = abi::MS_ASYNC | abi::MS_INVALIDATE | abi::MS_SYNC;
    let both = abi::MS_ASYNC | abi::MS_SYNC;
    if flags & !known != 0 || flags & both == both {
        return Err(Errno::EINVAL);
    }
    let range = pages(address, length, Errno::ENOMEM)?;
    if range.is_empty() {
        return Ok(0);
    }
    let range = user_pages(range)?;
    let space = space()?;
    if flags & abi::MS_INVALIDATE != 0 {
        check_areas(&space, range.clone(), |area| {
            if area.flags.contains(AreaFlags::LOCKED) { Err(Errno::EBUSY) } else { Ok(()) }
        })?;
    }
    check_covered(&space, range)?;
    Ok(0)
}

/// mincore(2): a byte a page, 1 if it is in memory.
pub fn mincore(address: usize, length: usize, to: UserPtr<u8>) -> Result<usize> {
    const BATCH: usize = 256;
    if !address.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    let range = user_pages(pages(address, length, Errno::ENOMEM)?)?;
    let space = space()?;
    let count = range.len() / PAGE_SIZE;
    user::check_range(to.address(), count)?;
    let mut residency = [0; BATCH];
    for first in (0..count).step_by(BATCH) {
        let part = &mut residency[..BATCH.min(count - first)];
        space.residency(range.start + first * PAGE_SIZE, part)?;
        user::write_bytes(to.element(first).address(), part)?;
        sched::preemption_point();
    }
    Ok(0)
}
