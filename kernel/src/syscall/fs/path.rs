//! Names: open, mkdir, mknod, link, symlink, unlink, rename, readlink.
//! Specification: open(2), openat2(2), mkdir(2), mknod(2), link(2), symlink(2), unlink(2), rename(2), readlink(2).

use super::contents::descriptor_limit;
use super::place::{self, as_caller, check_flags, start};
use crate::fs::attributes::DeviceNumber;
use crate::fs::change::{Removal, Rename};
use crate::fs::flags::OpenFlags;
use crate::fs::inode::Node;
use crate::fs::open::How;
use crate::fs::walk::Follow;
use crate::mm::user::{Sink, UserPtr};
use crate::process;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_core::fd_table::OnExec;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// openat(2)
pub fn openat(dirfd: i32, path: usize, flags: u32, mode: u32) -> Result<usize> {
    // A 64-bit kernel has no small files.
    open(dirfd, path, flags | abi::O_LARGEFILE, mode)
}

fn open(dirfd: i32, path: usize, flags: u32, mode: u32) -> Result<usize> {
    let how = How::from_raw(flags, mode)?;
    let path = place::path(path)?;
    let on_exec = if how.flags.contains(OpenFlags::CLOSE_ON_EXEC) { OnExec::Close } else { OnExec::Keep };
    let files = process::current().files();
    // The descriptor first: when there is none left, nothing is created.
    let reserved = files.reserve(on_exec, descriptor_limit())?;
    let file = as_caller(|caller| caller.open(&start(caller, dirfd, &path)?, &path, how))?;
    place::descriptor(reserved.install(file))
}

/// `struct open_how`
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

const _: () = assert!(size_of::<OpenHow>() == size_of::<abi::open_how>());

/// openat2(2), without RESOLVE_ flags: those are E2BIG-free but EINVAL, like any flag unknown to a kernel.
pub fn openat2(dirfd: i32, path: usize, how: usize, size: usize) -> Result<usize> {
    if size < size_of::<OpenHow>() {
        return Err(Errno::EINVAL);
    }
    // A later, longer structure is accepted if the kernel need not know what is in the rest.
    let mut rest = [0; 64];
    let extra = size - size_of::<OpenHow>();
    let rest = rest.get_mut(..extra).ok_or(Errno::E2BIG)?;
    crate::mm::user::read_bytes(how.wrapping_add(size_of::<OpenHow>()), rest)?;
    if rest.iter().any(|&byte| byte != 0) {
        return Err(Errno::E2BIG);
    }
    let how = UserPtr::<OpenHow>::new(how).read()?;
    let flags = u32::try_from(how.flags).map_err(|_| Errno::EINVAL)?;
    let mode = u32::try_from(how.mode).map_err(|_| Errno::EINVAL)?;
    let known = OpenFlags::all().bits() | abi::O_ACCMODE;
    let creates = flags & (abi::O_CREAT | abi::__O_TMPFILE) != 0;
    if how.resolve != 0 || flags & !known != 0 || mode & !0o7777 != 0 || (mode != 0 && !creates) {
        return Err(Errno::EINVAL);
    }
    open(dirfd, path, flags | abi::O_LARGEFILE, mode)
}

/// mkdirat(2)
pub fn mkdirat(dirfd: i32, path: usize, mode: u32) -> Result<usize> {
    let path = place::path(path)?;
    as_caller(|caller| caller.make_directory(&start(caller, dirfd, &path)?, &path, mode))?;
    Ok(0)
}

/// mknodat(2)
pub fn mknodat(dirfd: i32, path: usize, mode: u32, device: u32) -> Result<usize> {
    let path = place::path(path)?;
    as_caller(|caller| caller.make_node(&start(caller, dirfd, &path)?, &path, mode, DeviceNumber::decode(device)))?;
    Ok(0)
}

/// symlinkat(2)
pub fn symlinkat(target: usize, dirfd: i32, path: usize) -> Result<usize> {
    let (target, path) = (place::path(target)?, place::path(path)?);
    as_caller(|caller| caller.make_symlink(&target, &start(caller, dirfd, &path)?, &path))?;
    Ok(0)
}

/// linkat(2)
pub fn linkat(old_dirfd: i32, old_path: usize, new_dirfd: i32, new_path: usize, flags: u32) -> Result<usize> {
    check_flags(flags, abi::AT_SYMLINK_FOLLOW | abi::AT_EMPTY_PATH)?;
    let (old_path, new_path) = (place::path(old_path)?, place::path(new_path)?);
    let follow = if flags & abi::AT_SYMLINK_FOLLOW != 0 { Follow::Always } else { Follow::NotLast };
    as_caller(|caller| {
        let existing = place::existing(caller, old_dirfd, &old_path, flags, follow)?;
        caller.link(&existing, &start(caller, new_dirfd, &new_path)?, &new_path)
    })?;
    Ok(0)
}

/// unlinkat(2)
pub fn unlinkat(dirfd: i32, path: usize, flags: u32) -> Result<usize> {
    check_flags(flags, abi::AT_REMOVEDIR)?;
    let path = place::path(path)?;
    let removal = if flags & abi::AT_REMOVEDIR != 0 { Removal::Directory } else { Removal::File };
    as_caller(|caller| caller.remove(&start(caller, dirfd, &path)?, &path, removal))?;
    Ok(0)
}

/// renameat(2)
pub fn renameat(old_dirfd: i32, old_path: usize, new_dirfd: i32, new_path: usize) -> Result<usize> {
    renameat2(old_dirfd, old_path, new_dirfd, new_path, 0)
}

/// renameat2(2)
pub fn renameat2(old_dirfd: i32, old_path: usize, new_dirfd: i32, new_path: usize, flags: u32) -> Result<usize> {
    let how = match flags {
        0 => Rename::Replace,
        abi::RENAME_NOREPLACE => Rename::NoReplace,
        abi::RENAME_EXCHANGE => Rename::Exchange,
        _ => return Err(Errno::EINVAL),
    };
    let (old_path, new_path) = (place::path(old_path)?, place::path(new_path)?);
    as_caller(|caller| {
        let old_start = start(caller, old_dirfd, &old_path)?;
        let new_start = start(caller, new_dirfd, &new_path)?;
        caller.rename((&old_start, &old_path), (&new_start, &new_path), how)
    })?;
    Ok(0)
}

/// readlinkat(2); with an empty path, the link that `dirfd` was opened on with O_PATH.
pub fn readlinkat(dirfd: i32, path: usize, buffer: usize, size: usize) -> Result<usize> {
    if size.cast_signed() <= 0 {
        return Err(Errno::EINVAL);
    }
    let path = place::path(path)?;
    let text = as_caller(|caller| {
        let link = place::existing(caller, dirfd, &path, abi::AT_EMPTY_PATH, Follow::NotLast)?;
        match link.inode().node() {
            Node::Symlink(text) => Ok(text.to_vec()),
            Node::MagicLink(link) => link.text(caller.credentials, &caller.root),
            _ if path.is_empty() => Err(Errno::ENOENT),
            _ => Err(Errno::EINVAL),
        }
    })?;
    let wanted = text.len().min(size);
    match Sink::user(buffer, size)?.copy_from_slice(&text[..wanted])? {
        stored if stored == wanted => Ok(stored),
        _ => Err(Errno::EFAULT),
    }
}
