//! The calls on files, directories, pipes, events and timers, each made rightly but for the descriptor.

use super::{ABSOLUTE, ARGUMENT, Call, EMPTY, INNER, LINK, NEW, Place, ROOM, ZEROS, row};
use crate::sys::bare::{call, word};
use crate::sys::{Sys, path};

const AT_EMPTY_PATH: usize = word(libc::AT_EMPTY_PATH);
/// Neither owner changes.
const SAME: usize = usize::MAX;
/// As on every machine; libc does not have it for musl.
pub(super) const SYS_FCHMODAT2: libc::c_long = 452;
/// A set of signals has eight bytes.
const SET: usize = 8;
/// Neither waits nor is waited for.
const DO_NOT_BLOCK: usize = libc::SPLICE_F_NONBLOCK as usize;

/// A vector of one buffer of eight bytes, since an eventfd takes no fewer.
fn vector(place: &Place) -> usize {
    place.argument([place.at(ROOM), 8])
}

fn fcntl(fd: usize, operation: i32, argument: usize) -> Sys<usize> {
    call(libc::SYS_fcntl, [fd, word(operation), argument])
}

/// fcntl with a lock of everything.
fn lock(place: &Place, fd: usize, operation: i32, kind: libc::c_int) -> Sys<usize> {
    place.argument([usize::try_from(kind).unwrap_or(0), 0, 0, 0]);
    fcntl(fd, operation, place.at(ARGUMENT))
}

/// The mode that the file has, so that a device keeps its own.
fn mode(fd: usize) -> usize {
    let status = i32::try_from(fd.cast_signed()).ok().and_then(|fd| path::fstat(fd).ok());
    status.map_or(0o600, |status| usize::try_from(status.st_mode & 0o7777).unwrap_or(0o600))
}

fn mmap(fd: usize, protection: i32, flags: i32) -> Sys<usize> {
    call(libc::SYS_mmap, [0, 4096, word(protection), word(flags), fd, 0])
}

fn splice(input: usize, output: usize) -> Sys<usize> {
    call(libc::SYS_splice, [input, 0, output, 0, 8, DO_NOT_BLOCK])
}

fn epoll_ctl(place: &Place, epoll: usize, operation: i32, fd: usize) -> Sys<usize> {
    place.argument([usize::try_from(libc::EPOLLIN).unwrap_or(1), 0]);
    call(libc::SYS_epoll_ctl, [epoll, word(operation), fd, place.at(ARGUMENT)])
}

/// poll has its own way to say that a descriptor is not open.
fn ppoll(place: &Place, fd: usize) -> Sys<usize> {
    let entry = place.argument([fd & 0xffff_ffff]);
    call(libc::SYS_ppoll, [entry, 1, place.at(ZEROS), 0, 0])?;
    let bytes = place.good.load_all(ARGUMENT + 6, 2);
    let invalid = i16::from_ne_bytes([bytes[0], bytes[1]]) & libc::POLLNVAL != 0;
    if invalid { Err(crate::sys::SysError { call: "ppoll", errno: libc::EBADF }) } else { Ok(0) }
}

/// With the one bit of the descriptor set, where there is room for it.
fn pselect6(place: &Place, fd: usize) -> Sys<usize> {
    let bit = if fd < 512 { fd } else { 511 };
    let mut words = [0; 8];
    words[bit / 64] = 1 << (bit % 64);
    let set = place.argument(words);
    call(libc::SYS_pselect6, [bit + 1, set, 0, 0, place.at(ZEROS), 0])
}

/// struct open_how: flags, mode, resolve.
fn openat2(place: &Place, fd: usize, name: usize) -> Sys<usize> {
    let how = place.argument([0, 0, 0]);
    call(libc::SYS_openat2, [fd, place.at(name), how, 24])
}

fn ioctl(place: &Place, fd: usize, request: usize) -> Sys<usize> {
    call(libc::SYS_ioctl, [fd, request, place.at(ROOM)])
}

pub(super) const CALLS: &[Call] = &[
    row("read", |p, fd| call(libc::SYS_read, [fd, p.at(ROOM), 8])),
    row("read nothing", |p, fd| call(libc::SYS_read, [fd, p.at(ROOM), 0])),
    row("write", |p, fd| call(libc::SYS_write, [fd, p.at(ZEROS), 8])),
    row("write nothing", |p, fd| call(libc::SYS_write, [fd, p.at(ZEROS), 0])),
    row("readv", |p, fd| call(libc::SYS_readv, [fd, vector(p), 1])),
    row("writev", |p, fd| call(libc::SYS_writev, [fd, vector(p), 1])),
    row("pread64", |p, fd| call(libc::SYS_pread64, [fd, p.at(ROOM), 8, 1])),
    row("pwrite64", |p, fd| call(libc::SYS_pwrite64, [fd, p.at(ZEROS), 8, 1])),
    row("preadv", |p, fd| call(libc::SYS_preadv, [fd, vector(p), 1, 1])),
    row("pwritev", |p, fd| call(libc::SYS_pwritev, [fd, vector(p), 1, 1])),
    row("preadv2", |p, fd| call(libc::SYS_preadv2, [fd, vector(p), 1, usize::MAX, usize::MAX, 0])),
    row("pwritev2", |p, fd| call(libc::SYS_pwritev2, [fd, vector(p), 1, usize::MAX, usize::MAX, 0])),
    row("lseek", |_, fd| call(libc::SYS_lseek, [fd, 0, 0])),
    row("lseek current", |_, fd| call(libc::SYS_lseek, [fd, 0, 1])),
    row("lseek end", |_, fd| call(libc::SYS_lseek, [fd, 0, 2])),
    row("lseek data", |_, fd| call(libc::SYS_lseek, [fd, 0, 3])),
    row("lseek hole", |_, fd| call(libc::SYS_lseek, [fd, 0, 4])),
    row("lseek unknown", |_, fd| call(libc::SYS_lseek, [fd, 0, 99])),
    row("lseek negative", |_, fd| call(libc::SYS_lseek, [fd, word(-1), 0])),
    row("sendfile output", |p, fd| call(libc::SYS_sendfile, [fd, word(p.file), 0, 8])),
    row("sendfile input", |p, fd| call(libc::SYS_sendfile, [word(p.pipe.write), fd, 0, 8])),
    row("splice input", |p, fd| splice(fd, word(p.pipe.write))),
    row("splice output", |p, fd| splice(word(p.pipe.read), fd)),
    row("tee input", |p, fd| call(libc::SYS_tee, [fd, word(p.pipe.write), 8, DO_NOT_BLOCK])),
    row("tee output", |p, fd| call(libc::SYS_tee, [word(p.pipe.read), fd, 8, DO_NOT_BLOCK])),
    row("vmsplice", |p, fd| call(libc::SYS_vmsplice, [fd, vector(p), 1, DO_NOT_BLOCK])),
    row("copy_file_range input", |p, fd| call(libc::SYS_copy_file_range, [fd, 0, word(p.file), 0, 8, 0])),
    row("copy_file_range output", |p, fd| call(libc::SYS_copy_file_range, [word(p.file), 0, fd, 0, 8, 0])),
    row("close", |_, fd| call(libc::SYS_close, [fd])),
    row("dup", |_, fd| call(libc::SYS_dup, [fd])),
    row("dup3 old", |_, fd| call(libc::SYS_dup3, [fd, 300, 0])),
    row("dup3 new", |p, fd| call(libc::SYS_dup3, [word(p.file), fd, 0])),
    row("fcntl dupfd", |_, fd| fcntl(fd, libc::F_DUPFD, 100)),
    row("fcntl getfd", |_, fd| fcntl(fd, libc::F_GETFD, 0)),
    row("fcntl setfd", |_, fd| fcntl(fd, libc::F_SETFD, 1)),
    row("fcntl getfl", |_, fd| fcntl(fd, libc::F_GETFL, 0)),
    row("fcntl setfl", |_, fd| fcntl(fd, libc::F_SETFL, word(libc::O_NONBLOCK))),
    row("fcntl getlk", |p, fd| lock(p, fd, libc::F_GETLK, libc::F_WRLCK)),
    row("fcntl setlk to read", |p, fd| lock(p, fd, libc::F_SETLK, libc::F_RDLCK)),
    row("fcntl setlk to write", |p, fd| lock(p, fd, libc::F_SETLK, libc::F_WRLCK)),
    row("fcntl ofd_setlk to read", |p, fd| lock(p, fd, libc::F_OFD_SETLK, libc::F_RDLCK)),
    row("fcntl ofd_setlk to write", |p, fd| lock(p, fd, libc::F_OFD_SETLK, libc::F_WRLCK)),
    row("fcntl getpipe_sz", |_, fd| fcntl(fd, libc::F_GETPIPE_SZ, 0)),
    row("fcntl setpipe_sz", |_, fd| fcntl(fd, libc::F_SETPIPE_SZ, 65536)),
    row("fcntl get_seals", |_, fd| fcntl(fd, libc::F_GET_SEALS, 0)),
    row("fcntl add_seals", |_, fd| fcntl(fd, libc::F_ADD_SEALS, word(libc::F_SEAL_SHRINK))),
    row("fcntl unknown", |_, fd| fcntl(fd, 9999, 0)),
    row("ioctl unknown", |p, fd| ioctl(p, fd, 0x1234)),
    row("ioctl fionread", |p, fd| ioctl(p, fd, 0x541b)),
    row("ioctl fionbio", |p, fd| call(libc::SYS_ioctl, [fd, 0x5421, p.argument([1])])),
    row("ioctl fioclex", |p, fd| ioctl(p, fd, 0x5451)),
    row("ioctl tcgets", |p, fd| ioctl(p, fd, 0x5401)),
    row("ioctl tiocgwinsz", |p, fd| ioctl(p, fd, 0x5413)),
    row("ioctl tiocgptn", |p, fd| ioctl(p, fd, 0x8004_5430)),
    row("flock", |_, fd| call(libc::SYS_flock, [fd, word(libc::LOCK_EX | libc::LOCK_NB)])),
    row("fstat", |p, fd| call(libc::SYS_fstat, [fd, p.at(ROOM)])),
    row("fstatfs", |p, fd| call(libc::SYS_fstatfs, [fd, p.at(ROOM)])),
    row("newfstatat directory", |p, fd| call(libc::SYS_newfstatat, [fd, p.at(INNER), p.at(ROOM), 0])),
    row("newfstatat itself", |p, fd| call(libc::SYS_newfstatat, [fd, p.at(EMPTY), p.at(ROOM), AT_EMPTY_PATH])),
    row("statx directory", |p, fd| call(libc::SYS_statx, [fd, p.at(INNER), 0, 0x7ff, p.at(ROOM)])),
    row("statx itself", |p, fd| call(libc::SYS_statx, [fd, p.at(EMPTY), AT_EMPTY_PATH, 0x7ff, p.at(ROOM)])),
    row("openat", |p, fd| call(libc::SYS_openat, [fd, p.at(INNER), 0, 0])),
    row("openat absolute", |p, fd| call(libc::SYS_openat, [fd, p.at(ABSOLUTE), 0, 0])),
    row("openat create", |p, fd| call(libc::SYS_openat, [fd, p.at(NEW), word(libc::O_CREAT | libc::O_RDWR), 0o600])),
    row("openat2", |p, fd| openat2(p, fd, INNER)),
    row("mkdirat", |p, fd| call(libc::SYS_mkdirat, [fd, p.at(NEW), 0o700])),
    row("mknodat", |p, fd| call(libc::SYS_mknodat, [fd, p.at(NEW), 0o10600, 0])),
    row("symlinkat", |p, fd| call(libc::SYS_symlinkat, [p.at(INNER), fd, p.at(NEW)])),
    row("linkat old", |p, fd| call(libc::SYS_linkat, [fd, p.at(INNER), word(p.directory), p.at(NEW), 0])),
    row("linkat new", |p, fd| call(libc::SYS_linkat, [fd, p.at(INNER), fd, p.at(NEW), 0])),
    row("renameat old", |p, fd| call(libc::SYS_renameat, [fd, p.at(INNER), word(p.directory), p.at(NEW)])),
    row("renameat2 old", |p, fd| call(libc::SYS_renameat2, [fd, p.at(INNER), word(p.directory), p.at(NEW), 0])),
    row("renameat2 both", |p, fd| call(libc::SYS_renameat2, [fd, p.at(INNER), fd, p.at(NEW), 0])),
    row("unlinkat", |p, fd| call(libc::SYS_unlinkat, [fd, p.at(INNER), 0])),
    row("readlinkat directory", |p, fd| call(libc::SYS_readlinkat, [fd, p.at(LINK), p.at(ROOM), 64])),
    row("readlinkat itself", |p, fd| call(libc::SYS_readlinkat, [fd, p.at(EMPTY), p.at(ROOM), 64])),
    row("getdents64", |p, fd| call(libc::SYS_getdents64, [fd, p.at(ROOM), 1024])),
    row("fchdir", |_, fd| call(libc::SYS_fchdir, [fd])),
    row("fchmod", |_, fd| call(libc::SYS_fchmod, [fd, mode(fd)])),
    row("fchmodat", |p, fd| call(libc::SYS_fchmodat, [fd, p.at(INNER), 0o600])),
    row("fchmodat2 directory", |p, fd| call(SYS_FCHMODAT2, [fd, p.at(INNER), 0o600, 0])),
    row("fchmodat2 itself", |p, fd| call(SYS_FCHMODAT2, [fd, p.at(EMPTY), mode(fd), AT_EMPTY_PATH])),
    row("fchown", |_, fd| call(libc::SYS_fchown, [fd, SAME, SAME])),
    row("fchownat directory", |p, fd| call(libc::SYS_fchownat, [fd, p.at(INNER), SAME, SAME, 0])),
    row("fchownat itself", |p, fd| call(libc::SYS_fchownat, [fd, p.at(EMPTY), SAME, SAME, AT_EMPTY_PATH])),
    row("utimensat directory", |p, fd| call(libc::SYS_utimensat, [fd, p.at(INNER), 0, 0])),
    row("utimensat itself", |_, fd| call(libc::SYS_utimensat, [fd, 0, 0, 0])),
    row("faccessat", |p, fd| call(libc::SYS_faccessat, [fd, p.at(INNER), 0])),
    row("faccessat2 directory", |p, fd| call(libc::SYS_faccessat2, [fd, p.at(INNER), 0, 0])),
    row("faccessat2 itself", |p, fd| call(libc::SYS_faccessat2, [fd, p.at(EMPTY), 0, AT_EMPTY_PATH])),
    row("execveat directory", |p, fd| call(libc::SYS_execveat, [fd, p.at(INNER), p.at(ZEROS), p.at(ZEROS), 0])),
    row("execveat itself", |p, fd| {
        call(libc::SYS_execveat, [fd, p.at(EMPTY), p.at(ZEROS), p.at(ZEROS), AT_EMPTY_PATH])
    }),
    row("ftruncate", |_, fd| call(libc::SYS_ftruncate, [fd, 12])),
    row("fallocate", |_, fd| call(libc::SYS_fallocate, [fd, 0, 0, 12])),
    row("fsync", |_, fd| call(libc::SYS_fsync, [fd])),
    row("fdatasync", |_, fd| call(libc::SYS_fdatasync, [fd])),
    row("syncfs", |_, fd| call(libc::SYS_syncfs, [fd])),
    row("fadvise64", |_, fd| call(libc::SYS_fadvise64, [fd, 0, 0, 0])),
    row("readahead", |_, fd| call(libc::SYS_readahead, [fd, 0, 4])),
    row("mmap private to read", |_, fd| mmap(fd, libc::PROT_READ, libc::MAP_PRIVATE)),
    row("mmap shared to write", |_, fd| mmap(fd, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED)),
    row("ppoll", ppoll),
    row("pselect6", pselect6),
    row("epoll_ctl epoll", |p, fd| epoll_ctl(p, fd, libc::EPOLL_CTL_ADD, word(p.pipe.read))),
    row("epoll_ctl add", |p, fd| epoll_ctl(p, word(p.epoll), libc::EPOLL_CTL_ADD, fd)),
    row("epoll_ctl modify", |p, fd| epoll_ctl(p, word(p.epoll), libc::EPOLL_CTL_MOD, fd)),
    row("epoll_ctl delete", |p, fd| epoll_ctl(p, word(p.epoll), libc::EPOLL_CTL_DEL, fd)),
    row("epoll_pwait", |p, fd| call(libc::SYS_epoll_pwait, [fd, p.at(ROOM), 4, 0, 0, SET])),
    row("epoll_pwait2", |p, fd| call(libc::SYS_epoll_pwait2, [fd, p.at(ROOM), 4, p.at(ZEROS), 0, SET])),
    row("signalfd4", |p, fd| call(libc::SYS_signalfd4, [fd, p.at(ZEROS), SET, 0])),
    row("timerfd_settime", |p, fd| call(libc::SYS_timerfd_settime, [fd, 0, p.at(ZEROS), 0])),
    row("timerfd_gettime", |p, fd| call(libc::SYS_timerfd_gettime, [fd, p.at(ROOM)])),
];
