//! Calls that make the kernel keep something, for tests that ask for too much. See `sys` for the rules.

use super::memory::Mapping;
use super::{Sys, c_string, checked, raw, zeroed};
use std::os::fd::RawFd;

/// Bytes of memory that the machine has.
pub fn machine_bytes() -> Sys<u64> {
    let mut info: libc::sysinfo = zeroed();
    // SAFETY: room for the struct.
    checked("sysinfo", unsafe { libc::sysinfo(&raw mut info) })?;
    // The width of the field differs between machines.
    #[allow(clippy::useless_conversion, reason = "not useless where the field is narrower")]
    Ok(u64::from(info.totalram) * u64::from(info.mem_unit))
}

/// `setrlimit` of both limits, as only root can raise them.
pub fn set_limit(resource: super::process::Resource, value: u64) -> Sys<()> {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: the kernel reads one struct.
    checked("setrlimit", unsafe { libc::setrlimit(resource, &raw const limit) }).map(drop)
}

/// `setgroups` with as many groups as there may be.
pub fn set_most_groups() -> Sys<()> {
    const MOST: usize = 65_536;
    let groups: Vec<u32> = (0..).take(MOST).collect();
    // SAFETY: the kernel reads the array.
    unsafe { raw("setgroups", libc::SYS_setgroups, [MOST, groups.as_ptr().addr(), 0, 0, 0, 0]) }.map(drop)
}

/// `fcntl(F_SETLK)` with a read lock on one byte.
pub fn lock_byte(fd: RawFd, at: i64) -> Sys<()> {
    let mut lock: libc::flock = zeroed();
    lock.l_type = i16::try_from(libc::F_RDLCK).unwrap_or_default();
    lock.l_start = at;
    lock.l_len = 1;
    // SAFETY: the kernel reads one struct.
    checked("fcntl", unsafe { libc::fcntl(fd, libc::F_SETLK, &raw const lock) }).map(drop)
}

/// `mlock` of a part.
pub fn lock(mapping: &Mapping, offset: usize, length: usize) -> Sys<()> {
    let pointer = mapping.pointer(offset, length);
    // SAFETY: changes no contents.
    checked("mlock", unsafe { libc::mlock(pointer.cast(), length) }).map(drop)
}

/// `madvise` of a part, which the caller holds no references to.
pub fn advise(mapping: &Mapping, offset: usize, length: usize, advice: i32) -> Sys<()> {
    let pointer = mapping.pointer(offset, length);
    // SAFETY: the range holds nothing of Rust's.
    checked("madvise", unsafe { libc::madvise(pointer.cast(), length, advice) }).map(drop)
}

/// `mknod` of a socket's name.
pub fn mknod_socket(path: &str, mode: u32) -> Sys<()> {
    let path = c_string(path);
    // SAFETY: a C string.
    checked("mknod", unsafe { libc::mknod(path.as_ptr(), libc::S_IFSOCK | mode, 0) }).map(drop)
}

/// `mkfifo`.
pub fn mkfifo(path: &str) -> Sys<()> {
    let path = c_string(path);
    // SAFETY: a C string.
    checked("mkfifo", unsafe { libc::mkfifo(path.as_ptr(), 0o600) }).map(drop)
}
