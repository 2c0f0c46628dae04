//! Clocks, sleeping and interval timers. See `sys` for the rules.

use super::{Sys, checked, zeroed};
use std::time::Duration;

/// A duration as the kernel takes it.
pub fn timespec(duration: Duration) -> libc::timespec {
    libc::timespec { tv_sec: duration.as_secs().cast_signed(), tv_nsec: i64::from(duration.subsec_nanos()) }
}

/// What the kernel told.
pub fn duration(time: libc::timespec) -> Duration {
    Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_nanos(time.tv_nsec.unsigned_abs())
}

/// `clock_gettime`.
pub fn clock_gettime(clock: i32) -> Sys<Duration> {
    let mut time = zeroed();
    // SAFETY: room for the struct.
    checked("clock_gettime", unsafe { libc::clock_gettime(clock, &raw mut time) })?;
    Ok(duration(time))
}

/// `clock_settime`.
pub fn clock_settime(clock: i32, time: Duration) -> Sys<()> {
    let time = timespec(time);
    // SAFETY: the kernel reads one struct.
    checked("clock_settime", unsafe { libc::clock_settime(clock, &raw const time) }).map(drop)
}

/// `clock_getres`.
pub fn clock_getres(clock: i32) -> Sys<Duration> {
    let mut time = zeroed();
    // SAFETY: room for the struct.
    checked("clock_getres", unsafe { libc::clock_getres(clock, &raw mut time) })?;
    Ok(duration(time))
}

/// The raw `clock_nanosleep`, with the time that is left of an interrupted relative sleep.
pub fn clock_nanosleep(clock: i32, flags: i32, time: libc::timespec) -> (Sys<()>, Duration) {
    let mut left = zeroed();
    // SAFETY: the kernel reads one struct and fills the other.
    let value = unsafe { libc::syscall(libc::SYS_clock_nanosleep, clock, flags, &raw const time, &raw mut left) };
    (checked("clock_nanosleep", value).map(drop), duration(left))
}

/// The raw `nanosleep`.
pub fn nanosleep(time: libc::timespec) -> (Sys<()>, Duration) {
    let mut left = zeroed();
    // SAFETY: the kernel reads one struct and fills the other.
    let value = unsafe { libc::syscall(libc::SYS_nanosleep, &raw const time, &raw mut left) };
    (checked("nanosleep", value).map(drop), duration(left))
}

/// `setitimer(ITIMER_REAL)`: SIGALRM after `first`, then every `interval`; zero stops.
pub fn alarm_after(first: Duration, interval: Duration) -> Sys<()> {
    let timeval = |time: Duration| libc::timeval {
        tv_sec: time.as_secs().cast_signed(),
        tv_usec: i64::from(time.subsec_micros()),
    };
    let timer = libc::itimerval { it_interval: timeval(interval), it_value: timeval(first) };
    let nothing = std::ptr::null_mut::<libc::itimerval>();
    // SAFETY: the kernel reads one struct.
    let value = unsafe { libc::syscall(libc::SYS_setitimer, 0, &raw const timer, nothing) };
    checked("setitimer", value).map(drop)
}

/// What `getitimer(ITIMER_REAL)` says is left.
pub fn alarm_left() -> Sys<Duration> {
    let mut timer: libc::itimerval = zeroed();
    // SAFETY: room for the struct.
    checked("getitimer", unsafe { libc::syscall(libc::SYS_getitimer, 0, &raw mut timer) })?;
    let value = timer.it_value;
    Ok(Duration::from_secs(value.tv_sec.unsigned_abs()) + Duration::from_micros(value.tv_usec.unsigned_abs()))
}
