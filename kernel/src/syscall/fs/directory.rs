//! Directories: getdents64, getcwd, chdir, chroot.
//! Specification: getdents64(2), getcwd(2), chdir(2), chroot(2).

use super::place::{self, as_caller};
use crate::fs::context::Caller;
use crate::fs::dentry::Location;
use crate::fs::directory::Listed;
use crate::fs::open_file::Emitted;
use crate::fs::permission::{self, Access};
use crate::fs::walk::Follow;
use crate::mm::user::Sink;
use crate::process;
use alloc::vec::Vec;
use postern_core::errno::{Errno, Result};
use postern_core::path::PATH_MAX;

/// `struct linux_dirent64`: number, offset, record length, type, then the name with its NUL, padded to 8 bytes.
fn record(entry: &Listed) -> Result<Vec<u8>> {
    const ALIGNMENT: usize = 8;
    const HEADER: usize = 8 + 8 + 2 + 1;
    let length = (HEADER + entry.name.len() + 1).next_multiple_of(ALIGNMENT);
    let short_length = u16::try_from(length).map_err(|_| Errno::ENAMETOOLONG)?;
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(&entry.number.to_ne_bytes());
    bytes.extend_from_slice(&entry.next().to_ne_bytes());
    bytes.extend_from_slice(&short_length.to_ne_bytes());
    bytes.push(entry.file_type.directory_entry_type());
    bytes.extend_from_slice(&entry.name);
    bytes.resize(length, 0);
    Ok(bytes)
}

/// getdents64(2)
pub fn getdents64(fd: i32, buffer: usize, size: usize) -> Result<usize> {
    // Every directory that is open otherwise is open for reading.
    let file = process::current().files().get_usable(fd)?;
    let mut sink = Sink::user(buffer, size)?;
    let mut stored = 0;
    let listed = file.list(|entry| {
        let record = record(entry)?;
        if record.len() > sink.remaining() {
            return if stored == 0 { Err(Errno::EINVAL) } else { Ok(Emitted::Full) };
        }
        // A record stored in part does not count: its entry comes again.
        if sink.copy_from_slice(&record)? < record.len() {
            return Err(Errno::EFAULT);
        }
        stored += record.len();
        Ok(Emitted::Taken)
    });
    match listed {
        Err(error) if stored == 0 => Err(error),
        _ => Ok(stored),
    }
}

/// getcwd(2): the length with the NUL.
pub fn getcwd(buffer: usize, size: usize) -> Result<usize> {
    let path = as_caller(|caller| Ok(caller.cwd.path_from(&caller.root)))?;
    if path.removed {
        return Err(Errno::ENOENT);
    }
    if path.cut || path.bytes.len() >= PATH_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    let mut text = Vec::new();
    if !path.reachable {
        text.extend_from_slice(b"(unreachable)");
    }
    text.extend_from_slice(&path.bytes);
    text.push(0);
    if text.len() > size {
        return Err(Errno::ERANGE);
    }
    match Sink::user(buffer, size)?.copy_from_slice(&text)? {
        stored if stored == text.len() => Ok(stored),
        _ => Err(Errno::EFAULT),
    }
}

fn check_directory(caller: &Caller<'_>, place: &Location) -> Result<()> {
    place.inode().directory()?;
    place.inode().check(caller.credentials, Access::EXECUTE)
}

/// chdir(2)
pub fn chdir(path: usize) -> Result<usize> {
    let path = place::path(path)?;
    let target = as_caller(|caller| {
        let target = caller.existing(&caller.cwd, &path, Follow::Always)?;
        check_directory(caller, &target).map(|()| target)
    })?;
    process::current().fs().set_cwd(target);
    Ok(0)
}

/// fchdir(2)
pub fn fchdir(fd: i32) -> Result<usize> {
    let file = process::current().file(fd)?;
    as_caller(|caller| check_directory(caller, file.location()))?;
    process::current().fs().set_cwd(file.location().clone());
    Ok(0)
}

/// chroot(2)
pub fn chroot(path: usize) -> Result<usize> {
    let path = place::path(path)?;
    let target = as_caller(|caller| {
        let target = caller.existing(&caller.cwd, &path, Follow::Always)?;
        check_directory(caller, &target)?;
        if permission::is_privileged(caller.credentials) { Ok(target) } else { Err(Errno::EPERM) }
    })?;
    process::current().fs().set_root(target);
    Ok(0)
}
