//! Lengths and memory of files: truncate, fallocate, fsync, memfd_create.
//! Specification: truncate(2), fallocate(2), fsync(2), memfd_create(2).

use super::place;
use crate::fs::anonymous::{self, Sealing};
use crate::fs::attributes::FileType;
use crate::fs::flags::AccessMode;
use crate::fs::inode::{Inode, Node};
use crate::fs::page_file::MAX_SIZE;
use crate::fs::walk::Follow;
use crate::mm::user;
use crate::process;
use crate::process::limits::Resource;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_core::fd_table::OnExec;

/// RLIMIT_NOFILE as the descriptor table wants it.
pub fn descriptor_limit() -> u32 {
    let limit = process::current().process().limit(Resource::NOFILE).soft;
    u32::try_from(limit).unwrap_or(u32::MAX)
}

fn size(raw: i64) -> Result<u64> {
    u64::try_from(raw).map_err(|_| Errno::EINVAL)
}

/// truncate(2)
pub fn truncate(path: usize, length: i64) -> Result<usize> {
    let (path, length) = (place::path(path)?, size(length)?);
    place::as_caller(|caller| {
        let file = caller.existing(&caller.cwd, &path, Follow::Always)?;
        caller.truncate(&file, length)
    })?;
    Ok(0)
}

/// ftruncate(2)
pub fn ftruncate(fd: i32, length: i64) -> Result<usize> {
    let length = size(length)?;
    let file = process::current().files().get_usable(fd)?;
    if !file.access().contains(AccessMode::WRITE) {
        return Err(Errno::EINVAL);
    }
    file.location().inode().resize(length)?;
    Ok(0)
}

/// fallocate(2): allocation, punching holes and zeroing.
pub fn fallocate(fd: i32, mode: u32, offset: i64, length: i64) -> Result<usize> {
    let file = process::current().files().get_usable(fd)?;
    let (start, length) = (size(offset)?, size(length)?);
    if length == 0 {
        return Err(Errno::EINVAL);
    }
    let end = start.checked_add(length).filter(|&end| end <= MAX_SIZE).ok_or(Errno::EFBIG)?;
    if !file.access().contains(AccessMode::WRITE) {
        return Err(Errno::EBADF);
    }
    match file.location().inode().file_type() {
        FileType::Regular => {}
        FileType::Fifo => return Err(Errno::ESPIPE),
        FileType::Directory => return Err(Errno::EISDIR),
        _ => return Err(Errno::ENODEV),
    }
    let inode = file.location().inode();
    let keep_size = mode & abi::FALLOC_FL_KEEP_SIZE != 0;
    match mode & !abi::FALLOC_FL_KEEP_SIZE {
        0 => allocate(inode, start..end)?,
        abi::FALLOC_FL_PUNCH_HOLE if keep_size => punch(inode, start..end)?,
        abi::FALLOC_FL_ZERO_RANGE => {
            punch(inode, start..end)?;
            allocate(inode, start..end)?;
        }
        _ => return Err(Errno::EOPNOTSUPP),
    }
    if !keep_size && end > inode.size() {
        inode.resize(end)?;
    }
    Ok(0)
}

fn allocate(inode: &Inode, range: core::ops::Range<u64>) -> Result<()> {
    let Node::File(file) = inode.node() else {
        return Err(Errno::EOPNOTSUPP);
    };
    let _writers = inode.lock_writers();
    // Even if the length stays as it is.
    inode.check_new_size(range.end)?;
    file.allocate(range)
}

fn punch(inode: &Inode, range: core::ops::Range<u64>) -> Result<()> {
    let Node::File(file) = inode.node() else {
        return Err(Errno::EOPNOTSUPP);
    };
    let _writers = inode.lock_writers();
    file.punch(range)?;
    inode.note_change();
    Ok(())
}

/// fsync(2): memory is all the store there is.
pub fn fsync(fd: i32) -> Result<usize> {
    let file = process::current().files().get_usable(fd)?;
    if file.location().mount.file_system().magic() == abi::PROC_SUPER_MAGIC {
        return Err(Errno::EINVAL);
    }
    match file.location().inode().file_type() {
        FileType::Regular | FileType::Directory | FileType::BlockDevice => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

/// fdatasync(2)
pub fn fdatasync(fd: i32) -> Result<usize> {
    fsync(fd)
}

/// sync(2)
pub fn sync() -> Result<usize> {
    Ok(0)
}

/// syncfs(2)
pub fn syncfs(fd: i32) -> Result<usize> {
    process::current().files().get_usable(fd).map(|_| 0)
}

/// fadvise64(2): advice is checked, and needs nothing done.
pub fn fadvise64(fd: i32, _offset: i64, length: i64, advice: u32) -> Result<usize> {
    const LAST_ADVICE: u32 = 5;
    let file = process::current().files().get_usable(fd)?;
    if file.location().inode().file_type() == FileType::Fifo {
        return Err(Errno::ESPIPE);
    }
    if length < 0 || advice > LAST_ADVICE {
        return Err(Errno::EINVAL);
    }
    Ok(0)
}

/// readahead(2): all there is has been read.
pub fn readahead(fd: i32, _offset: i64, _count: usize) -> Result<usize> {
    let file = process::current().file(fd)?;
    file.check_access(AccessMode::READ)?;
    if file.location().inode().file_type() == FileType::Regular { Ok(0) } else { Err(Errno::EINVAL) }
}

/// memfd_create(2)
pub fn memfd_create(name: usize, flags: u32) -> Result<usize> {
    const LONGEST_NAME: usize = 249;
    place::check_flags(flags, abi::MFD_CLOEXEC | abi::MFD_ALLOW_SEALING | abi::MFD_NOEXEC_SEAL | abi::MFD_EXEC)?;
    if flags & abi::MFD_EXEC != 0 && flags & abi::MFD_NOEXEC_SEAL != 0 {
        return Err(Errno::EINVAL);
    }
    let name = user::read_c_string(name, LONGEST_NAME).map_err(|error| match error {
        Errno::ENAMETOOLONG => Errno::EINVAL,
        other => other,
    })?;
    let sealing = if flags & abi::MFD_NOEXEC_SEAL != 0 {
        Sealing::WithoutExecution
    } else if flags & abi::MFD_ALLOW_SEALING != 0 {
        Sealing::Allowed
    } else {
        Sealing::Refused
    };
    let on_exec = if flags & abi::MFD_CLOEXEC != 0 { OnExec::Close } else { OnExec::Keep };
    let current = process::current();
    let file = anonymous::memfd(&name, sealing, &current.credentials())?;
    place::descriptor(current.files().insert(file, on_exec, descriptor_limit())?)
}
