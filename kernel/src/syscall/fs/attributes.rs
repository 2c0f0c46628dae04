//! Attributes: chmod, chown, utimensat, access, umask.
//! Specification: chmod(2), chown(2), utimensat(2), access(2), umask(2).

use super::place::{self, as_caller, check_flags, follow};
use crate::fs::attributes::Timestamp;
use crate::fs::change_attributes::NewTime;
use crate::fs::context::Caller;
use crate::fs::dentry::Location;
use crate::fs::permission::Access;
use crate::fs::walk::Follow;
use crate::mm::user::UserPtr;
use crate::process::{self, Credentials};
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// umask(2)
pub fn umask(mask: u32) -> Result<usize> {
    Ok(process::current().fs().set_umask(mask) as usize)
}

/// fchmod(2)
pub fn fchmod(fd: i32, mode: u32) -> Result<usize> {
    let file = process::current().files().get_usable(fd)?;
    as_caller(|caller| caller.set_permissions(file.location(), mode))?;
    Ok(0)
}

/// fchmodat(2), which has no flags.
pub fn fchmodat(dirfd: i32, path: usize, mode: u32) -> Result<usize> {
    fchmodat2(dirfd, path, mode, 0)
}

/// fchmodat2(2)
pub fn fchmodat2(dirfd: i32, path: usize, mode: u32, flags: u32) -> Result<usize> {
    check_flags(flags, abi::AT_SYMLINK_NOFOLLOW | abi::AT_EMPTY_PATH)?;
    let path = place::path(path)?;
    as_caller(|caller| {
        let file = place::existing(caller, dirfd, &path, flags, follow(flags))?;
        caller.set_permissions(&file, mode)
    })?;
    Ok(0)
}

/// -1 leaves an id as it is.
fn id(raw: u32) -> Option<u32> {
    (raw != u32::MAX).then_some(raw)
}

/// fchown(2)
pub fn fchown(fd: i32, uid: u32, gid: u32) -> Result<usize> {
    let file = process::current().files().get_usable(fd)?;
    as_caller(|caller| caller.set_owner(file.location(), id(uid), id(gid)))?;
    Ok(0)
}

/// fchownat(2)
pub fn fchownat(dirfd: i32, path: usize, uid: u32, gid: u32, flags: u32) -> Result<usize> {
    check_flags(flags, abi::AT_SYMLINK_NOFOLLOW | abi::AT_EMPTY_PATH)?;
    let path = place::path(path)?;
    as_caller(|caller| {
        let file = place::existing(caller, dirfd, &path, flags, follow(flags))?;
        caller.set_owner(&file, id(uid), id(gid))
    })?;
    Ok(0)
}

/// `struct timespec`
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

const _: () = assert!(size_of::<Timespec>() == size_of::<abi::__kernel_timespec>());

impl Timespec {
    fn new_time(self) -> Result<NewTime> {
        const NS_PER_SECOND: u32 = 1_000_000_000;
        match u32::try_from(self.nanoseconds) {
            Ok(abi::UTIME_NOW) => Ok(NewTime::Now),
            Ok(abi::UTIME_OMIT) => Ok(NewTime::Keep),
            Ok(nanoseconds) if nanoseconds < NS_PER_SECOND => {
                Ok(NewTime::At(Timestamp { seconds: self.seconds, nanoseconds }))
            }
            _ => Err(Errno::EINVAL),
        }
    }
}

/// utimensat(2); a null path means the file behind `dirfd` (futimens).
pub fn utimensat(dirfd: i32, path: usize, times: usize, flags: u32) -> Result<usize> {
    check_flags(flags, abi::AT_SYMLINK_NOFOLLOW | abi::AT_EMPTY_PATH)?;
    let times = UserPtr::<[Timespec; 2]>::new(times);
    let (accessed, modified) = if times.is_null() {
        (NewTime::Now, NewTime::Now)
    } else {
        let [accessed, modified] = times.read()?;
        (accessed.new_time()?, modified.new_time()?)
    };
    if path == 0 && dirfd != abi::AT_FDCWD {
        check_flags(flags, 0)?;
        let file = process::current().files().get_usable(dirfd)?;
        as_caller(|caller| caller.set_times(file.location(), accessed, modified))?;
        return Ok(0);
    }
    let path = place::path(path)?;
    as_caller(|caller| {
        let file = place::existing(caller, dirfd, &path, flags, follow(flags))?;
        caller.set_times(&file, accessed, modified)
    })?;
    Ok(0)
}

/// faccessat(2), which has no flags.
pub fn faccessat(dirfd: i32, path: usize, mode: u32) -> Result<usize> {
    faccessat2(dirfd, path, mode, 0)
}

/// faccessat2(2): asks for the real ids, with AT_EACCESS for the effective ones.
pub fn faccessat2(dirfd: i32, path: usize, mode: u32, flags: u32) -> Result<usize> {
    check_flags(flags, abi::AT_EACCESS | abi::AT_SYMLINK_NOFOLLOW | abi::AT_EMPTY_PATH)?;
    let wanted = Access::from_bits(mode).ok_or(Errno::EINVAL)?;
    let path = place::path(path)?;
    as_caller(|caller| {
        if flags & abi::AT_EACCESS != 0 {
            return check_access(caller, dirfd, &path, wanted, flags);
        }
        let real =
            Credentials { fsuid: caller.credentials.uid, fsgid: caller.credentials.gid, ..caller.credentials.clone() };
        let caller = Caller { credentials: &real, root: caller.root.clone(), cwd: caller.cwd.clone(), ..*caller };
        check_access(&caller, dirfd, &path, wanted, flags)
    })?;
    Ok(0)
}

fn check_access(caller: &Caller<'_>, dirfd: i32, path: &[u8], wanted: Access, flags: u32) -> Result<()> {
    let follow: Follow = follow(flags);
    let file: Location = place::existing(caller, dirfd, path, flags, follow)?;
    caller.check_access(&file, wanted)
}
