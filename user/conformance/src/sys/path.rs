//! Calls that take path names, and those on what the names lead to. See `sys` for the rules.

use super::{Sys, c_string, checked, counted, zeroed};
use std::os::fd::RawFd;

/// `open`.
pub fn open(path: &str, flags: i32, mode: u32) -> Sys<RawFd> {
    openat(libc::AT_FDCWD, path, flags, mode)
}

/// `openat`.
pub fn openat(directory: RawFd, path: &str, flags: i32, mode: u32) -> Sys<RawFd> {
    let path = c_string(path);
    // SAFETY: a C string.
    checked("openat", unsafe { libc::openat(directory, path.as_ptr(), flags, mode) })
}

/// `open` of a path that is a C string already, so that nothing is allocated.
pub fn open_c_string(path: &std::ffi::CStr, flags: i32) -> Sys<RawFd> {
    // SAFETY: a C string.
    checked("open", unsafe { libc::open(path.as_ptr(), flags) })
}

/// A new empty file open for reading and writing.
pub fn create(path: &str) -> Sys<RawFd> {
    open(path, libc::O_CREAT | libc::O_EXCL | libc::O_RDWR, 0o644)
}

/// `stat`.
pub fn stat(path: &str) -> Sys<libc::stat> {
    statat(libc::AT_FDCWD, path, 0)
}

/// `lstat`.
pub fn lstat(path: &str) -> Sys<libc::stat> {
    statat(libc::AT_FDCWD, path, libc::AT_SYMLINK_NOFOLLOW)
}

/// `fstatat`.
pub fn statat(directory: RawFd, path: &str, flags: i32) -> Sys<libc::stat> {
    let path = c_string(path);
    let mut status = zeroed();
    // SAFETY: a C string and room for the struct.
    checked("fstatat", unsafe { libc::fstatat(directory, path.as_ptr(), &raw mut status, flags) })?;
    Ok(status)
}

/// `fstat`.
pub fn fstat(fd: RawFd) -> Sys<libc::stat> {
    let mut status = zeroed();
    // SAFETY: room for the struct.
    checked("fstat", unsafe { libc::fstat(fd, &raw mut status) })?;
    Ok(status)
}

/// `mkdir`.
pub fn mkdir(path: &str, mode: u32) -> Sys<()> {
    let path = c_string(path);
    // SAFETY: a C string.
    checked("mkdir", unsafe { libc::mkdir(path.as_ptr(), mode) }).map(drop)
}

/// `unlink`.
pub fn unlink(path: &str) -> Sys<()> {
    let path = c_string(path);
    // SAFETY: a C string.
    checked("unlink", unsafe { libc::unlink(path.as_ptr()) }).map(drop)
}

/// `rmdir`.
pub fn rmdir(path: &str) -> Sys<()> {
    let path = c_string(path);
    // SAFETY: a C string.
    checked("rmdir", unsafe { libc::rmdir(path.as_ptr()) }).map(drop)
}

/// `link`.
pub fn link(old: &str, new: &str) -> Sys<()> {
    let (old, new) = (c_string(old), c_string(new));
    // SAFETY: C strings.
    checked("link", unsafe { libc::link(old.as_ptr(), new.as_ptr()) }).map(drop)
}

/// `symlink`.
pub fn symlink(target: &str, path: &str) -> Sys<()> {
    let (target, path) = (c_string(target), c_string(path));
    // SAFETY: C strings.
    checked("symlink", unsafe { libc::symlink(target.as_ptr(), path.as_ptr()) }).map(drop)
}

/// `readlinkat` into a buffer of `room` bytes, by the raw call: musl's wrapper lets no room of zero through.
pub fn readlink(path: &str, room: usize) -> Sys<Vec<u8>> {
    let path = c_string(path);
    let mut target = vec![0_u8; room];
    let (here, buffer) = (libc::AT_FDCWD, target.as_mut_ptr());
    // SAFETY: a C string and a buffer of `room` bytes.
    let count = unsafe { libc::syscall(libc::SYS_readlinkat, here, path.as_ptr(), buffer, room) };
    target.truncate(counted("readlinkat", count)?);
    Ok(target)
}

/// `renameat2` from and to the working directory.
pub fn rename(old: &str, new: &str, flags: u32) -> Sys<()> {
    let (old, new) = (c_string(old), c_string(new));
    let here = libc::AT_FDCWD;
    // SAFETY: C strings; all arguments are widened to registers.
    let value = unsafe { libc::syscall(libc::SYS_renameat2, here, old.as_ptr(), here, new.as_ptr(), flags) };
    checked("renameat2", value).map(drop)
}

/// `chdir`.
pub fn chdir(path: &str) -> Sys<()> {
    let path = c_string(path);
    // SAFETY: a C string.
    checked("chdir", unsafe { libc::chdir(path.as_ptr()) }).map(drop)
}

/// `fchdir`.
pub fn fchdir(fd: RawFd) -> Sys<()> {
    // SAFETY: takes no pointers.
    checked("fchdir", unsafe { libc::fchdir(fd) }).map(drop)
}

/// `getcwd` into a buffer of `room` bytes, by the raw call: libc would fall back on other ways.
pub fn getcwd(room: usize) -> Sys<String> {
    let mut name = vec![0_u8; room];
    // SAFETY: a buffer of `room` bytes.
    let count = unsafe { libc::syscall(libc::SYS_getcwd, name.as_mut_ptr(), room) };
    name.truncate(counted("getcwd", count)?);
    // The count includes the final NUL.
    name.pop();
    Ok(String::from_utf8_lossy(&name).into_owned())
}

/// Whether set-user-ID bits have no effect on the mount of `path` (`statvfs`).
pub fn ignores_set_id(path: &str) -> Sys<bool> {
    let path = c_string(path);
    let mut facts: libc::statvfs = crate::sys::zeroed();
    // SAFETY: a NUL-terminated string, and room for the answer.
    checked("statvfs", unsafe { libc::statvfs(path.as_ptr(), &raw mut facts) })?;
    Ok(facts.f_flag & libc::ST_NOSUID != 0)
}

/// `chmod`.
pub fn chmod(path: &str, mode: u32) -> Sys<()> {
    let path = c_string(path);
    // SAFETY: a C string.
    checked("chmod", unsafe { libc::chmod(path.as_ptr(), mode) }).map(drop)
}

/// `chown`.
pub fn chown(path: &str, user: u32, group: u32) -> Sys<()> {
    let path = c_string(path);
    // SAFETY: a C string.
    checked("chown", unsafe { libc::chown(path.as_ptr(), user, group) }).map(drop)
}

/// `access`.
pub fn access(path: &str, mode: i32) -> Sys<()> {
    let path = c_string(path);
    // SAFETY: a C string.
    checked("access", unsafe { libc::access(path.as_ptr(), mode) }).map(drop)
}

/// `umask`; returns the one before.
pub fn umask(mask: u32) -> u32 {
    // SAFETY: takes no pointers and cannot fail.
    unsafe { libc::umask(mask) }
}

/// `truncate`.
pub fn truncate(path: &str, length: i64) -> Sys<()> {
    let path = c_string(path);
    // SAFETY: a C string.
    checked("truncate", unsafe { libc::truncate(path.as_ptr(), length) }).map(drop)
}

/// `ftruncate`.
pub fn ftruncate(fd: RawFd, length: i64) -> Sys<()> {
    // SAFETY: takes no pointers.
    checked("ftruncate", unsafe { libc::ftruncate(fd, length) }).map(drop)
}

/// `utimensat` with access and modification times in (seconds, nanoseconds).
pub fn utimens(path: &str, access: (i64, i64), modification: (i64, i64)) -> Sys<()> {
    let path = c_string(path);
    let times = [access, modification].map(|(tv_sec, tv_nsec)| libc::timespec { tv_sec, tv_nsec });
    // SAFETY: a C string and two structs.
    checked("utimensat", unsafe { libc::utimensat(libc::AT_FDCWD, path.as_ptr(), times.as_ptr(), 0) }).map(drop)
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The file's name.
    pub name: String,
    /// The file's number.
    pub inode: u64,
    /// `DT_*`.
    pub kind: u8,
}

/// One `getdents64` into a buffer of `room` bytes; empty at the end of the directory.
pub fn getdents(fd: RawFd, room: usize) -> Sys<Vec<Entry>> {
    let mut buffer = vec![0_u8; room];
    // SAFETY: a buffer of `room` bytes.
    let count = unsafe { libc::syscall(libc::SYS_getdents64, fd, buffer.as_mut_ptr(), room) };
    buffer.truncate(counted("getdents64", count)?);
    let mut entries = Vec::new();
    let mut rest = buffer.as_slice();
    // struct linux_dirent64: d_ino 8, d_off 8, d_reclen 2, d_type 1, d_name.
    while let [i0, i1, i2, i3, i4, i5, i6, i7, _, _, _, _, _, _, _, _, l0, l1, kind, name @ ..] = rest {
        let inode = u64::from_ne_bytes([*i0, *i1, *i2, *i3, *i4, *i5, *i6, *i7]);
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        entries.push(Entry { name: String::from_utf8_lossy(name).into_owned(), inode, kind: *kind });
        rest = rest.get(usize::from(u16::from_ne_bytes([*l0, *l1]))..).unwrap_or_default();
    }
    Ok(entries)
}
