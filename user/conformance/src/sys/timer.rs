//! Timers behind descriptors, and POSIX timers. See `sys` for the rules.

use super::time::{duration, timespec};
use super::{Sys, checked, zeroed};
use std::os::fd::RawFd;
use std::time::Duration;

/// What a timer is set to: from one expiry to the next, and to the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// Zero for a single expiry.
    pub interval: Duration,
    /// Zero for none.
    pub value: Duration,
}

impl Setting {
    /// A single expiry.
    pub fn once(value: Duration) -> Self {
        Self { interval: Duration::ZERO, value }
    }

    /// Expiries every `interval`, the first after one.
    pub fn every(interval: Duration) -> Self {
        Self { interval, value: interval }
    }

    /// As the kernel takes it.
    pub fn raw(self) -> libc::itimerspec {
        libc::itimerspec { it_interval: timespec(self.interval), it_value: timespec(self.value) }
    }

    /// As the kernel told it.
    pub fn of(raw: libc::itimerspec) -> Self {
        Self { interval: duration(raw.it_interval), value: duration(raw.it_value) }
    }
}

/// `timerfd_create`.
pub fn timerfd_create(clock: i32, flags: i32) -> Sys<RawFd> {
    // SAFETY: takes no pointers.
    checked("timerfd_create", unsafe { libc::timerfd_create(clock, flags) })
}

/// `timerfd_settime`; what it was set to.
pub fn timerfd_settime(fd: RawFd, flags: i32, new: Setting) -> Sys<Setting> {
    timerfd_settime_raw(fd, flags, new.raw())
}

/// The same with times that may be none.
pub fn timerfd_settime_raw(fd: RawFd, flags: i32, new: libc::itimerspec) -> Sys<Setting> {
    let mut old = zeroed();
    // SAFETY: the kernel reads one struct and fills the other.
    let value = unsafe { libc::syscall(libc::SYS_timerfd_settime, fd, flags, &raw const new, &raw mut old) };
    checked("timerfd_settime", value)?;
    Ok(Setting::of(old))
}

/// `timerfd_gettime`.
pub fn timerfd_gettime(fd: RawFd) -> Sys<Setting> {
    let mut now = zeroed();
    // SAFETY: room for the struct.
    checked("timerfd_gettime", unsafe { libc::syscall(libc::SYS_timerfd_gettime, fd, &raw mut now) })?;
    Ok(Setting::of(now))
}
