//! `/dev/hello`, a driver of Postern's own. See `sys` for the rules.

use super::fd::{self, Pipe};
use super::memory::{self, Mapping, Request};
use super::{Sys, checked, path};
use crate::check::{Failure, Outcome, failed, needs_postern};
use postern_abi::hello::{
    HELLO_IOC_CHANNEL, HELLO_IOC_DOORBELL, HELLO_IOC_GET_SLOTS, HELLO_IOC_RING, HELLO_IOC_SET_SLOTS, HELLO_IOC_STAT,
    HELLO_IOC_WAIT, HELLO_NAME_SIZE, HelloCounters, HelloStat,
};
use postern_abi::ring::mapped;
use std::ffi::CString;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU32, Ordering};

/// The device.
pub const PATH: &str = "/dev/hello";

/// Skips the test on every system but Postern, whose own driver this is.
pub fn needed() -> Outcome {
    needs_postern("/dev/hello is a driver of Postern's")
}

/// `open` with the access mode and flags given.
pub fn open(flags: i32) -> Sys<RawFd> {
    path::open(PATH, flags, 0)
}

/// `ioctl` with a number as argument, which the kernel may take for an address that leads nowhere.
pub fn ioctl(fd: RawFd, request: u32, argument: usize) -> Sys<i32> {
    // SAFETY: tests pass addresses of their own mappings, or such as lead nowhere.
    checked("ioctl", unsafe { libc::ioctl(fd, request as libc::Ioctl, argument) })
}

/// HELLO_IOC_CHANNEL.
pub fn channel(fd: RawFd, name: &[u8]) -> Sys<()> {
    let name = CString::new(name).expect("a test passed a name with a NUL in it");
    // SAFETY: the kernel reads a C string.
    checked("ioctl(CHANNEL)", unsafe { libc::ioctl(fd, HELLO_IOC_CHANNEL as libc::Ioctl, name.as_ptr()) }).map(drop)
}

/// HELLO_IOC_STAT.
pub fn stat(fd: RawFd) -> Sys<HelloStat> {
    let mut stat = HelloStat {
        cgroup: 0,
        counters: HelloCounters::default(),
        waiting_bytes: 0,
        slots: 0,
        used_slots: 0,
        readers: 0,
        writers: 0,
        name: [0; HELLO_NAME_SIZE],
    };
    // SAFETY: room for the struct.
    checked("ioctl(STAT)", unsafe { libc::ioctl(fd, HELLO_IOC_STAT as libc::Ioctl, &raw mut stat) })?;
    Ok(stat)
}

/// HELLO_IOC_SET_SLOTS.
pub fn set_slots(fd: RawFd, slots: u32) -> Sys<()> {
    // SAFETY: the kernel reads one number.
    checked("ioctl(SET_SLOTS)", unsafe { libc::ioctl(fd, HELLO_IOC_SET_SLOTS as libc::Ioctl, &raw const slots) })
        .map(drop)
}

/// HELLO_IOC_GET_SLOTS.
pub fn slots(fd: RawFd) -> Sys<u32> {
    let mut slots = 0;
    // SAFETY: room for the number.
    checked("ioctl(GET_SLOTS)", unsafe { libc::ioctl(fd, HELLO_IOC_GET_SLOTS as libc::Ioctl, &raw mut slots) })?;
    Ok(slots)
}

/// HELLO_IOC_RING: the bytes to be mapped.
pub fn take_role(fd: RawFd, role: u32) -> Sys<usize> {
    // SAFETY: the kernel reads one number.
    let bytes = checked("ioctl(RING)", unsafe { libc::ioctl(fd, HELLO_IOC_RING as libc::Ioctl, &raw const role) })?;
    Ok(usize::try_from(bytes).unwrap_or(0))
}

/// HELLO_IOC_DOORBELL.
pub fn doorbell(fd: RawFd) -> Sys<()> {
    ioctl(fd, HELLO_IOC_DOORBELL, 0).map(drop)
}

/// HELLO_IOC_WAIT: poll's mask.
pub fn wait(fd: RawFd) -> Sys<i32> {
    ioctl(fd, HELLO_IOC_WAIT, 0)
}

/// The ring of a file that has a role, mapped whole and for stores everywhere.
pub fn map_ring(fd: RawFd, bytes: usize) -> Result<(Mapping, mapped::Mapping), Failure> {
    let memory = memory::map(Request::file(fd, bytes, libc::MAP_SHARED))?;
    let base = std::ptr::NonNull::new(memory.pointer(0, bytes)).ok_or_else(|| failed("mmap gave address 0"))?;
    // SAFETY: just mapped; a `Mapping` stays for the life of the test's process, or the test is about what follows.
    let ring = unsafe { mapped::Mapping::new(base, bytes) }.ok_or_else(|| failed("the header is not version 1's"))?;
    Ok((memory, ring))
}

/// Both ends of a channel that no other test uses, as `pipe2(flags)` would give them, with a new ring's size.
pub fn pipe(flags: i32) -> Sys<Pipe> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    // Lets the writer in, on the group's own ring, from where it goes on to the channel.
    let door = open(libc::O_RDWR)?;
    let read = open(libc::O_RDONLY | libc::O_NONBLOCK | flags)?;
    channel(read, name.as_bytes())?;
    let write = open(libc::O_WRONLY | flags)?;
    channel(write, name.as_bytes())?;
    fd::close(door)?;
    fd::fcntl(read, libc::F_SETFL, flags & libc::O_NONBLOCK)?;
    set_slots(read, 16)?;
    Ok(Pipe { read, write })
}

/// The counter `name` of /proc/postern/hello.
pub fn counter(name: &str) -> Result<u64, Failure> {
    let text = std::fs::read_to_string("/proc/postern/hello")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).ok_or_else(|| failed(format!("/proc/postern/hello has no {name}")))
}

/// The memory that the module holds, as lsmod shows it.
pub fn module_bytes() -> Result<usize, Failure> {
    let text = std::fs::read_to_string("/sys/module/hello/coresize")?;
    text.trim().parse().map_err(|_| failed(format!("/sys/module/hello/coresize says {text:?}")))
}
