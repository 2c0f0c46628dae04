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

/// What an expiry of a POSIX timer does: the kernel's `struct sigevent`.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// `SIGEV_*`.
    pub notify: i32,
    /// Which signal.
    pub signal: i32,
    /// Of which thread, for `SIGEV_THREAD_ID`.
    pub thread: i32,
    /// What comes with it.
    pub value: usize,
}

impl Event {
    /// Nothing.
    pub const NONE: Self = Self { notify: libc::SIGEV_NONE, signal: 0, thread: 0, value: 0 };

    /// A signal to the process.
    pub fn signal(signal: i32, value: usize) -> Self {
        Self { notify: libc::SIGEV_SIGNAL, signal, thread: 0, value }
    }

    fn bytes(self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..8].copy_from_slice(&self.value.to_ne_bytes());
        for (place, number) in [(8, self.signal), (12, self.notify), (16, self.thread)] {
            bytes[place..place + 4].copy_from_slice(&number.to_ne_bytes());
        }
        bytes
    }
}

/// The raw `timer_create`, whose numbers are the kernel's.
pub fn timer_create(clock: i32, event: Option<Event>) -> Sys<i32> {
    let bytes = event.map(Event::bytes);
    let event = bytes.as_ref().map_or(std::ptr::null(), |bytes| bytes.as_ptr());
    let mut id = -1;
    // SAFETY: the kernel reads the event, if there is one, and writes a number.
    checked("timer_create", unsafe { libc::syscall(libc::SYS_timer_create, clock, event, &raw mut id) })?;
    Ok(id)
}

/// The raw `timer_settime`; what it was set to.
pub fn timer_settime(id: i32, flags: i32, new: Setting) -> Sys<Setting> {
    timer_settime_raw(id, flags, new.raw())
}

/// The same with times that may be none.
pub fn timer_settime_raw(id: i32, flags: i32, new: libc::itimerspec) -> Sys<Setting> {
    let mut old = zeroed();
    // SAFETY: the kernel reads one struct and fills the other.
    let value = unsafe { libc::syscall(libc::SYS_timer_settime, id, flags, &raw const new, &raw mut old) };
    checked("timer_settime", value)?;
    Ok(Setting::of(old))
}

/// The raw `timer_gettime`.
pub fn timer_gettime(id: i32) -> Sys<Setting> {
    let mut now = zeroed();
    // SAFETY: room for the struct.
    checked("timer_gettime", unsafe { libc::syscall(libc::SYS_timer_gettime, id, &raw mut now) })?;
    Ok(Setting::of(now))
}

/// The raw `timer_getoverrun`.
pub fn timer_getoverrun(id: i32) -> Sys<i32> {
    // SAFETY: takes no pointers.
    let count = checked("timer_getoverrun", unsafe { libc::syscall(libc::SYS_timer_getoverrun, id) })?;
    Ok(i32::try_from(count).unwrap_or(-1))
}

/// The raw `timer_delete`.
pub fn timer_delete(id: i32) -> Sys<()> {
    // SAFETY: takes no pointers.
    checked("timer_delete", unsafe { libc::syscall(libc::SYS_timer_delete, id) }).map(drop)
}

/// What came with a timer's signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Which signal.
    pub signal: i32,
    /// `si_code`.
    pub code: i32,
    /// `si_timerid`.
    pub timer: i32,
    /// `si_overrun`.
    pub overruns: i32,
    /// `si_value`.
    pub value: usize,
}

impl Told {
    /// From what the kernel wrote.
    pub fn of(info: &libc::siginfo_t) -> Self {
        // SAFETY: the whole struct, any bits of which are bytes.
        let bytes = unsafe { std::ptr::from_ref(info).cast::<[u8; size_of::<libc::siginfo_t>()]>().read() };
        let number = |at: usize| i32::from_ne_bytes(std::array::from_fn(|byte| bytes[at + byte]));
        let value = usize::from_ne_bytes(std::array::from_fn(|byte| bytes[24 + byte]));
        Self { signal: info.si_signo, code: info.si_code, timer: number(16), overruns: number(20), value }
    }
}

/// The raw `rt_sigtimedwait` for one of `signals` from a timer.
pub fn wait_for_timer(signals: &[i32], timeout: Duration) -> Sys<Told> {
    const KERNEL_SET_SIZE: usize = 8;
    let set = super::signal::set_of(signals);
    let timeout = timespec(timeout);
    let mut info: libc::siginfo_t = zeroed();
    let (set, filled, timeout) = (&raw const set, &raw mut info, &raw const timeout);
    // SAFETY: the kernel reads the first word of the set and the time, and fills the struct.
    let value = unsafe { libc::syscall(libc::SYS_rt_sigtimedwait, set, filled, timeout, KERNEL_SET_SIZE) };
    checked("rt_sigtimedwait", value)?;
    Ok(Told::of(&info))
}

/// `setitimer` on `which` of the three; what it was set to.
pub fn setitimer(which: i32, new: Setting) -> Sys<Setting> {
    let timeval = |time: Duration| libc::timeval {
        tv_sec: time.as_secs().cast_signed(),
        tv_usec: i64::from(time.subsec_micros()),
    };
    let new = libc::itimerval { it_interval: timeval(new.interval), it_value: timeval(new.value) };
    let mut old: libc::itimerval = zeroed();
    // SAFETY: the kernel reads one struct and fills the other.
    let value = unsafe { libc::syscall(libc::SYS_setitimer, which, &raw const new, &raw mut old) };
    checked("setitimer", value)?;
    Ok(setting_of(old))
}

/// `getitimer` on `which` of the three.
pub fn getitimer(which: i32) -> Sys<Setting> {
    let mut now: libc::itimerval = zeroed();
    // SAFETY: room for the struct.
    checked("getitimer", unsafe { libc::syscall(libc::SYS_getitimer, which, &raw mut now) })?;
    Ok(setting_of(now))
}

fn setting_of(timer: libc::itimerval) -> Setting {
    let duration = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_micros(time.tv_usec.unsigned_abs())
    };
    Setting { interval: duration(timer.it_interval), value: duration(timer.it_value) }
}
