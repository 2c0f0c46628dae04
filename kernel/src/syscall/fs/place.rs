//! From a directory descriptor, a path in user memory and AT_ flags to a place in the tree. Specification: openat(2).

use crate::fs::context::Caller;
use crate::fs::dentry::Location;
use crate::fs::walk::Follow;
use crate::mm::user;
use crate::process;
use alloc::vec::Vec;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_core::path::PATH_MAX;

/// Fetches a path.
///
/// # Errors
/// EFAULT, ENAMETOOLONG.
pub fn path(address: usize) -> Result<Vec<u8>> {
    user::read_c_string(address, PATH_MAX - 1)
}

/// Where a relative path starts.
///
/// # Errors
/// EBADF, unless the path is absolute.
pub fn start(caller: &Caller<'_>, dirfd: i32, path: &[u8]) -> Result<Location> {
    if dirfd == abi::AT_FDCWD || path.starts_with(b"/") {
        return Ok(caller.cwd.clone());
    }
    Ok(process::current().file(dirfd)?.location().clone())
}

/// The file a call with `AT_` flags means: by path, or with AT_EMPTY_PATH by descriptor.
///
/// # Errors
/// EBADF, and those of the walk.
pub fn existing(caller: &Caller<'_>, dirfd: i32, path: &[u8], at_flags: u32, follow: Follow) -> Result<Location> {
    let start = start(caller, dirfd, path)?;
    if path.is_empty() && at_flags & abi::AT_EMPTY_PATH != 0 {
        return Ok(start);
    }
    caller.existing(&start, path, follow)
}

/// What AT_SYMLINK_NOFOLLOW says.
pub fn follow(at_flags: u32) -> Follow {
    if at_flags & abi::AT_SYMLINK_NOFOLLOW != 0 { Follow::NotLast } else { Follow::Always }
}

/// Checks that there are no other flags than `known`.
///
/// # Errors
/// EINVAL.
pub fn check_flags(flags: u32, known: u32) -> Result<()> {
    if flags & !known == 0 { Ok(()) } else { Err(Errno::EINVAL) }
}

/// Runs `f` as the calling process.
///
/// # Errors
/// Those of `f`.
pub fn as_caller<R>(f: impl FnOnce(&Caller<'_>) -> Result<R>) -> Result<R> {
    process::current().with_caller(f)
}

/// A descriptor as a result of a call.
///
/// # Errors
/// None: descriptors are not negative.
pub fn descriptor(fd: i32) -> Result<usize> {
    usize::try_from(fd).map_err(|_| Errno::EBADF)
}
