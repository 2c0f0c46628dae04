//! Bringing in pages before a program touches them: MAP_POPULATE, mlock(2), MADV_POPULATE_READ. Sleeps.

use crate::arch::exception::Access;
use crate::arch::mmu::PAGE_SIZE;
use crate::mm::{AddressSpace, fault};
use crate::sched;
use core::ops::Range;
use postern_core::areas::{AreaFlags, Protection};
use postern_core::errno::{Errno, Result};

/// For what pages are brought in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// For what their area allows: private writable ones become the program's own.
    AsMapped,
    /// For loads.
    Read,
    /// For stores.
    Write,
}

/// Brings in every page of `range`. ENOMEM where nothing is mapped or no memory is left; EINVAL where the access is not
/// allowed; EFAULT beyond the end of a file; EINTR when the program is to do something else.
pub(super) fn populate(space: &AddressSpace, range: Range<usize>, wanted: Wanted) -> Result<()> {
    for (index, page) in range.step_by(PAGE_SIZE).enumerate() {
        let access = {
            let map = space.lock();
            let area = map.areas.find(page).ok_or(Errno::ENOMEM)?;
            let private = !area.flags.contains(AreaFlags::SHARED);
            match wanted {
                Wanted::AsMapped if area.protection.is_empty() => continue,
                Wanted::AsMapped if private && area.protection.contains(Protection::WRITE) => Access::Write,
                Wanted::AsMapped | Wanted::Read => Access::Read,
                Wanted::Write => Access::Write,
            }
        };
        space.resolve(page, access).map_err(|failure| match failure {
            fault::Failure::NotMapped | fault::Failure::OutOfMemory => Errno::ENOMEM,
            fault::Failure::NotAllowed => Errno::EINVAL,
            fault::Failure::BeyondEnd => Errno::EFAULT,
        })?;
        if index % 64 == 63 {
            sched::preemption_point();
            if sched::current().is_interrupted() {
                return Err(Errno::EINTR);
            }
        }
    }
    Ok(())
}
