//! The calls of epoll.
//!
//! Owns nothing; sleeps in `fs::epoll`. Specification: epoll_create(2), epoll_ctl(2), epoll_wait(2).

use super::{mask, patience_of, with_mask};
use crate::fs::epoll::{Change, Epoll, Event, Flags};
use crate::fs::flags::OpenFlags;
use crate::fs::poll::Patience;
use crate::mm::user::{UserPtr, check_range};
use crate::process;
use crate::syscall::ipc::{install, on_exec};
use crate::syscall::time::Timespec;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_core::readiness::Readiness;
use zerocopy::{FromBytes, Immutable, IntoBytes};

const NS_PER_MS: u64 = 1_000_000;

/// `struct epoll_event`, which arm64 does not pack.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
pub struct EpollEvent {
    events: u32,
    padding: u32,
    data: u64,
}

const _: () = assert!(size_of::<EpollEvent>() == 16);

/// The most events to wait for (EP_MAX_EVENTS of Linux): INT_MAX bytes.
const MAX_EVENTS: usize = 0x7fff_ffff / size_of::<EpollEvent>();

impl EpollEvent {
    /// Bits that mean nothing here are kept and ignored, as on Linux, unless EPOLLEXCLUSIVE is among the others.
    fn decode(self) -> Event {
        Event {
            events: Readiness::from_bits_truncate(self.events),
            flags: Flags::from_bits_retain(self.events & !Readiness::all().bits()),
            data: self.data,
        }
    }
}

/// epoll_create1(2)
pub fn epoll_create1(flags: u32) -> Result<usize> {
    if flags & !abi::EPOLL_CLOEXEC != 0 {
        return Err(Errno::EINVAL);
    }
    let current = process::current();
    let file = Epoll::open(OpenFlags::empty(), &current.credentials())?;
    install(&current, file, on_exec(flags))
}

/// epoll_ctl(2)
pub fn epoll_ctl(epoll: i32, operation: u32, fd: i32, event: UserPtr<EpollEvent>) -> Result<usize> {
    let change = match operation {
        abi::EPOLL_CTL_ADD => Change::Add(event.read()?.decode()),
        abi::EPOLL_CTL_MOD => Change::Modify(event.read()?.decode()),
        abi::EPOLL_CTL_DEL => Change::Remove,
        // Only after the descriptors have been looked at.
        _ => Change::Unknown,
    };
    let files = process::current().files();
    let epoll = files.get_usable(epoll)?;
    let target = files.get_usable(fd)?;
    Epoll::of(&epoll, &target)?.change(&target, fd, change)?;
    Ok(0)
}

/// epoll_pwait(2): the timeout in milliseconds; negative: for ever.
pub fn epoll_pwait(
    epoll: i32,
    events: UserPtr<EpollEvent>,
    count: i32,
    timeout_ms: i32,
    mask: usize,
    mask_size: usize,
) -> Result<usize> {
    let timeout_ns = u64::try_from(timeout_ms).ok().map(|timeout_ms| timeout_ms * NS_PER_MS);
    pwait(epoll, events, count, patience_of(timeout_ns), (mask, mask_size))
}

/// epoll_pwait2(2): the timeout as `struct timespec`; none: for ever.
pub fn epoll_pwait2(
    epoll: i32,
    events: UserPtr<EpollEvent>,
    count: i32,
    timeout: UserPtr<Timespec>,
    mask: usize,
    mask_size: usize,
) -> Result<usize> {
    let timeout_ns = if timeout.is_null() { None } else { Some(timeout.read()?.ns()?) };
    pwait(epoll, events, count, patience_of(timeout_ns), (mask, mask_size))
}

fn pwait(
    epoll: i32,
    events: UserPtr<EpollEvent>,
    count: i32,
    patience: Patience,
    mask: (usize, usize),
) -> Result<usize> {
    let mask = self::mask(mask.0, mask.1)?;
    let count = usize::try_from(count).ok().filter(|count| (1..=MAX_EVENTS).contains(count)).ok_or(Errno::EINVAL)?;
    // Where it ends is looked at when there is something to write, for a program may claim more room than it has.
    check_range(events.address(), 0)?;
    let file = process::current().files().get_usable(epoll)?;
    let epoll = Epoll::behind(&file)?;
    with_mask(mask, || {
        let mut place = events;
        epoll.wait(count, patience, |event| {
            place.write(&EpollEvent { events: event.events.bits(), padding: 0, data: event.data })?;
            place = place.element(1);
            Ok(())
        })
    })
}
