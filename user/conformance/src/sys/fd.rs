//! Calls on open descriptors. See `sys` for the rules.

use super::memory::Mapping;
use super::{Sys, checked, counted, hello, zeroed};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set: what tests ask for as a pipe is a channel of `/dev/hello`.
static PIPES_ARE_HELLO: AtomicBool = AtomicBool::new(false);

/// From here on, in this process and its children, the tests of the pipe test `/dev/hello`.
pub fn put_hello_in_the_place_of_pipes() {
    PIPES_ARE_HELLO.store(true, Ordering::Relaxed);
}

/// Both ends of a pipe. Not closed when dropped: the test's process ends soon enough.
#[derive(Clone, Copy, Debug)]
pub struct Pipe {
    /// The end to read from.
    pub read: RawFd,
    /// The end to write to.
    pub write: RawFd,
}

impl Pipe {
    /// A pipe with blocking ends.
    pub fn new() -> Sys<Self> {
        Self::with_flags(0)
    }

    /// `pipe2(flags)`.
    pub fn with_flags(flags: i32) -> Sys<Self> {
        if PIPES_ARE_HELLO.load(Ordering::Relaxed) { hello::pipe(flags) } else { Self::anonymous(flags) }
    }

    /// A real pipe in any case.
    pub fn anonymous(flags: i32) -> Sys<Self> {
        let mut ends = [-1; 2];
        // SAFETY: the array has room for the two numbers.
        checked("pipe2", unsafe { libc::pipe2(ends.as_mut_ptr(), flags) })?;
        Ok(Self { read: ends[0], write: ends[1] })
    }
}

/// `read`.
pub fn read(fd: RawFd, buffer: &mut [u8]) -> Sys<usize> {
    // SAFETY: the kernel writes at most the length of the slice.
    let count = unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) };
    counted("read", count)
}

/// `write`.
pub fn write(fd: RawFd, bytes: &[u8]) -> Sys<usize> {
    // SAFETY: the kernel reads at most the length of the slice.
    let count = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
    counted("write", count)
}

/// `read` into a mapping, of which parts may be missing or protected.
pub fn read_into(fd: RawFd, mapping: &Mapping, offset: usize, length: usize) -> Sys<usize> {
    let address = mapping.pointer(offset, length);
    // SAFETY: the range lies in the mapping's reservation, which holds nothing of Rust's.
    let count = unsafe { libc::read(fd, address.cast(), length) };
    counted("read", count)
}

/// `write` from a mapping, of which parts may be missing.
pub fn write_from(fd: RawFd, mapping: &Mapping, offset: usize, length: usize) -> Sys<usize> {
    let address = mapping.pointer(offset, length);
    // SAFETY: the kernel only reads the range, and reports what it cannot read.
    let count = unsafe { libc::write(fd, address.cast(), length) };
    counted("write", count)
}

/// `pread`.
pub fn pread(fd: RawFd, buffer: &mut [u8], offset: i64) -> Sys<usize> {
    // SAFETY: the kernel writes at most the length of the slice.
    let count = unsafe { libc::pread(fd, buffer.as_mut_ptr().cast(), buffer.len(), offset) };
    counted("pread", count)
}

/// `pwrite`.
pub fn pwrite(fd: RawFd, bytes: &[u8], offset: i64) -> Sys<usize> {
    // SAFETY: the kernel reads at most the length of the slice.
    let count = unsafe { libc::pwrite(fd, bytes.as_ptr().cast(), bytes.len(), offset) };
    counted("pwrite", count)
}

/// `readv`; `count` may differ from the number of buffers only downwards or be nonsense the kernel refuses.
pub fn readv(fd: RawFd, buffers: &mut [&mut [u8]]) -> Sys<usize> {
    let vectors: Vec<libc::iovec> = buffers
        .iter_mut()
        .map(|buffer| libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() })
        .collect();
    let count = i32::try_from(vectors.len()).unwrap_or(i32::MAX);
    // SAFETY: each vector describes one exclusive slice.
    let count = unsafe { libc::readv(fd, vectors.as_ptr(), count) };
    counted("readv", count)
}

/// `writev`.
pub fn writev(fd: RawFd, buffers: &[&[u8]]) -> Sys<usize> {
    let vectors: Vec<libc::iovec> = buffers
        .iter()
        .map(|buffer| libc::iovec { iov_base: buffer.as_ptr().cast_mut().cast(), iov_len: buffer.len() })
        .collect();
    let count = i32::try_from(vectors.len()).unwrap_or(i32::MAX);
    // SAFETY: the kernel only reads what the vectors describe.
    let count = unsafe { libc::writev(fd, vectors.as_ptr(), count) };
    counted("writev", count)
}

/// `close`.
pub fn close(fd: RawFd) -> Sys<()> {
    // SAFETY: no owned descriptor of std's is passed here; a stray number is the kernel's to refuse.
    checked("close", unsafe { libc::close(fd) }).map(drop)
}

/// `flock`.
pub fn flock(fd: RawFd, operation: i32) -> Sys<()> {
    // SAFETY: takes no pointers.
    checked("flock", unsafe { libc::flock(fd, operation) }).map(drop)
}

/// `fcntl` with `F_SETLKW` or `F_OFD_SETLKW`: waits for a write lock on the whole file.
pub fn lock_file(fd: RawFd, command: i32) -> Sys<()> {
    change_lock(fd, command, libc::F_WRLCK)
}

/// The same to give the lock back.
pub fn unlock_file(fd: RawFd, command: i32) -> Sys<()> {
    change_lock(fd, command, libc::F_UNLCK)
}

fn change_lock(fd: RawFd, command: i32, kind: i32) -> Sys<()> {
    let mut lock: libc::flock = zeroed();
    lock.l_type = i16::try_from(kind).unwrap_or_default();
    // SAFETY: the kernel reads one struct.
    checked("fcntl", unsafe { libc::fcntl(fd, command, &raw const lock) }).map(drop)
}

/// `dup`.
pub fn dup(fd: RawFd) -> Sys<RawFd> {
    // SAFETY: takes no pointers.
    checked("dup", unsafe { libc::dup(fd) })
}

/// `dup2`.
pub fn dup2(old: RawFd, new: RawFd) -> Sys<RawFd> {
    // SAFETY: takes no pointers; tests replace only descriptors of their own.
    checked("dup2", unsafe { libc::dup2(old, new) })
}

/// `dup3`.
pub fn dup3(old: RawFd, new: RawFd, flags: i32) -> Sys<RawFd> {
    // SAFETY: takes no pointers; tests replace only descriptors of their own.
    checked("dup3", unsafe { libc::dup3(old, new, flags) })
}

/// `fcntl` with a number as argument.
pub fn fcntl(fd: RawFd, command: i32, argument: i32) -> Sys<i32> {
    // SAFETY: the commands used take a number or nothing.
    checked("fcntl", unsafe { libc::fcntl(fd, command, argument) })
}

/// Adds `flag` to the file status flags.
pub fn set_status_flag(fd: RawFd, flag: i32) -> Sys<()> {
    let flags = fcntl(fd, libc::F_GETFL, 0)?;
    fcntl(fd, libc::F_SETFL, flags | flag).map(drop)
}

/// `lseek`.
pub fn lseek(fd: RawFd, offset: i64, whence: i32) -> Sys<i64> {
    // SAFETY: takes no pointers.
    checked("lseek", unsafe { libc::lseek(fd, offset, whence) })
}

/// `ioctl(FIONREAD)`: the bytes that wait.
pub fn fionread(fd: RawFd) -> Sys<usize> {
    signed_fionread(fd).map(|count| count.unsigned_abs() as usize)
}

/// The same, which is negative behind the end of a file.
pub fn signed_fionread(fd: RawFd) -> Sys<i32> {
    let mut count: i32 = 0;
    // SAFETY: the kernel writes one int.
    checked("ioctl(FIONREAD)", unsafe { libc::ioctl(fd, libc::FIONREAD, &raw mut count) })?;
    Ok(count)
}

/// `eventfd2`.
pub fn eventfd(initial: u32, flags: i32) -> Sys<RawFd> {
    // SAFETY: takes no pointers.
    checked("eventfd", unsafe { libc::eventfd(initial, flags) })
}

/// `sendfile` without an offset pointer.
pub fn sendfile(output: RawFd, input: RawFd, count: usize) -> Sys<usize> {
    // SAFETY: a null offset is allowed.
    let count = unsafe { libc::sendfile(output, input, std::ptr::null_mut(), count) };
    counted("sendfile", count)
}

/// Reads until `count` bytes have come or end of file.
pub fn read_up_to(fd: RawFd, count: usize) -> Sys<Vec<u8>> {
    let mut bytes = vec![0; count];
    let mut filled = 0;
    while filled < count {
        match read(fd, &mut bytes[filled..])? {
            0 => break,
            more => filled += more,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Writes into a pipe that does not block until nothing more goes in; returns the number of bytes.
pub fn fill(fd: RawFd) -> Sys<usize> {
    set_status_flag(fd, libc::O_NONBLOCK)?;
    let mut total = 0;
    // Large pieces first, then single bytes for the rest.
    for piece in [4096, 1] {
        loop {
            match write(fd, &vec![b'f'; piece]) {
                Ok(count) => total += count,
                Err(error) if error.errno == libc::EAGAIN => break,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(total)
}
