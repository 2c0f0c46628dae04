//! Waiting for readiness: poll, select, epoll. See `sys` for the rules.

use super::memory::{self, Request};
use super::time::timespec;
use super::{Sys, checked, signal, zeroed};
use std::os::fd::RawFd;
use std::time::Duration;

/// A descriptor to poll for `events`.
pub fn wanting(fd: RawFd, events: i16) -> libc::pollfd {
    libc::pollfd { fd, events, revents: 0 }
}

/// `poll`; `timeout_ms` -1 waits for ever.
pub fn poll(entries: &mut [libc::pollfd], timeout_ms: i32) -> Sys<usize> {
    let count = entries.len() as libc::nfds_t;
    // SAFETY: the kernel writes into the entries only.
    let ready = checked("poll", unsafe { libc::poll(entries.as_mut_ptr(), count, timeout_ms) })?;
    Ok(ready.unsigned_abs() as usize)
}

/// The `revents` of one descriptor right now.
pub fn revents(fd: RawFd, events: i16) -> Sys<i16> {
    let mut entries = [wanting(fd, events)];
    poll(&mut entries, 0)?;
    Ok(entries[0].revents)
}

/// `ppoll`; `mask` is the set of blocked signals during the call, `None` leaves it.
pub fn ppoll(entries: &mut [libc::pollfd], timeout: Option<Duration>, mask: Option<&[i32]>) -> Sys<usize> {
    let count = entries.len() as libc::nfds_t;
    let timeout = timeout.map(timespec);
    let mask = mask.map(signal::set_of);
    let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let mask = mask.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: both pointers are null or lead to locals that outlive the call.
    let ready = checked("ppoll", unsafe { libc::ppoll(entries.as_mut_ptr(), count, timeout, mask) })?;
    Ok(ready.unsigned_abs() as usize)
}

/// Descriptors for select.
#[derive(Clone, Copy)]
pub struct FdSet(pub libc::fd_set);

impl FdSet {
    /// A set of `fds`, each below `FD_SETSIZE`.
    pub fn of(fds: &[RawFd]) -> Self {
        let mut set: libc::fd_set = zeroed();
        for fd in fds {
            assert!((0..1024).contains(fd), "select takes descriptors below FD_SETSIZE");
            // SAFETY: in the bounds of the set.
            unsafe { libc::FD_SET(*fd, &raw mut set) };
        }
        Self(set)
    }

    /// Whether `fd` is in the set.
    pub fn has(&self, fd: RawFd) -> bool {
        // SAFETY: tests ask only for descriptors they put in.
        unsafe { libc::FD_ISSET(fd, &raw const self.0) }
    }
}

/// `pselect6` through libc with read and write sets, and the signals to block meanwhile.
pub fn pselect(
    count: i32,
    readers: &mut FdSet,
    writers: &mut FdSet,
    timeout: Option<Duration>,
    mask: Option<&[i32]>,
) -> Sys<i32> {
    let timeout = timeout.map(timespec);
    let mask = mask.map(signal::set_of);
    let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let mask = mask.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let except = std::ptr::null_mut();
    // SAFETY: the sets outlive the call; the other pointers are null or lead to locals.
    let ready = unsafe { libc::pselect(count, &raw mut readers.0, &raw mut writers.0, except, timeout, mask) };
    checked("pselect", ready)
}

/// `epoll_create1(0)`.
pub fn epoll_create() -> Sys<RawFd> {
    epoll_create1(0)
}

/// `epoll_create1`.
pub fn epoll_create1(flags: i32) -> Sys<RawFd> {
    // SAFETY: takes no pointers.
    checked("epoll_create1", unsafe { libc::epoll_create1(flags) })
}

/// `epoll_ctl` with `EPOLL_CTL_*`, the events and the datum to get back.
pub fn epoll_ctl(epoll: RawFd, operation: i32, fd: RawFd, events: i32, datum: u64) -> Sys<()> {
    let mut event = libc::epoll_event { events: events.cast_unsigned(), u64: datum };
    // SAFETY: the kernel reads one struct.
    checked("epoll_ctl", unsafe { libc::epoll_ctl(epoll, operation, fd, &raw mut event) }).map(drop)
}

/// `epoll_ctl(EPOLL_CTL_ADD)` with the descriptor itself as datum.
pub fn epoll_add(epoll: RawFd, fd: RawFd, events: i32) -> Sys<()> {
    epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, events, u64::from(fd.cast_unsigned()))
}

/// `epoll_pwait`; pairs of (datum, events).
pub fn epoll_pwait(epoll: RawFd, most: usize, timeout_ms: i32, mask: Option<&[i32]>) -> Sys<Vec<(u64, i32)>> {
    let mut events = vec![zeroed::<libc::epoll_event>(); most];
    let mask = mask.map(signal::set_of);
    let mask = mask.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let room = i32::try_from(most).unwrap_or(i32::MAX);
    // SAFETY: room for `most` events; the mask is null or leads to a local.
    let count = unsafe { libc::epoll_pwait(epoll, events.as_mut_ptr(), room, timeout_ms, mask) };
    events.truncate(checked("epoll_pwait", count)?.unsigned_abs() as usize);
    Ok(events.iter().map(|event| (event.u64, event.events.cast_signed())).collect())
}

/// `epoll_pwait` without waiting into a page, said to be for `claimed` events; how many there were.
pub fn epoll_claiming(epoll: RawFd, claimed: i32) -> Sys<i32> {
    // Linux refuses room that reaches beyond all programs' addresses; so there is some, of which nothing can be written.
    let whole = Request { protection: libc::PROT_NONE, ..Request::private((1 << 31) + memory::PAGE) };
    let room = memory::map(whole)?;
    room.protect(0, memory::PAGE, libc::PROT_READ | libc::PROT_WRITE)?;
    let events = room.pointer(0, memory::PAGE).cast::<libc::epoll_event>();
    // SAFETY: the caller has no more events ready than fit a page.
    let ready = checked("epoll_pwait", unsafe { libc::epoll_pwait(epoll, events, claimed, 0, std::ptr::null()) });
    room.unmap(0, room.length)?;
    ready
}

/// What is ready right now.
pub fn epoll_ready(epoll: RawFd) -> Sys<Vec<(u64, i32)>> {
    epoll_pwait(epoll, 16, 0, None)
}
