//! The system calls on timers behind descriptors: arguments to typed calls of `ipc::timerfd`, results to user memory. No policy.
//! Specification: timerfd_create(2).

use crate::fs::flags::OpenFlags;
use crate::ipc::timerfd::{OnClockSet, TimerFd};
use crate::mm::user::UserPtr;
use crate::process;
use crate::sched::alarm::Timebase;
use crate::syscall::ipc::{install, on_exec};
use crate::syscall::time::Timespec;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_core::interval_timer::{Setting, Start};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// `struct itimerspec`
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
pub struct TimerSpec {
    interval: Timespec,
    value: Timespec,
}

const _: () = assert!(size_of::<TimerSpec>() == size_of::<abi::__kernel_itimerspec>());

impl TimerSpec {
    /// As a program sees it.
    pub fn of(setting: Setting) -> Self {
        Self { interval: Timespec::from_ns(setting.interval_ns), value: Timespec::from_ns(setting.value_ns) }
    }

    /// In nanoseconds.
    ///
    /// # Errors
    /// EINVAL for what is no time.
    pub fn setting(self) -> Result<Setting> {
        Ok(Setting { value_ns: self.value.ns()?, interval_ns: self.interval.ns()? })
    }
}

/// When a timer set to `setting` is to expire first, if it is.
pub fn start_of(setting: Setting, flags: u32) -> Option<Start> {
    let start = if flags & abi::TFD_TIMER_ABSTIME == 0 { Start::After } else { Start::At };
    (setting.value_ns != 0).then(|| start(setting.value_ns))
}

/// The clock of a timerfd. The alarm clocks, which would wake a machine that sleeps, are for those who may do that; this one
/// never sleeps.
fn timerfd_clock(number: u32) -> Result<Timebase> {
    let is_alarm = matches!(number, abi::CLOCK_REALTIME_ALARM | abi::CLOCK_BOOTTIME_ALARM);
    let clock = match number {
        abi::CLOCK_REALTIME | abi::CLOCK_REALTIME_ALARM => Timebase::Realtime,
        abi::CLOCK_MONOTONIC | abi::CLOCK_BOOTTIME | abi::CLOCK_BOOTTIME_ALARM => Timebase::Monotonic,
        _ => return Err(Errno::EINVAL),
    };
    if is_alarm && !process::current().credentials().is_privileged() { Err(Errno::EPERM) } else { Ok(clock) }
}

/// timerfd_create(2)
pub fn timerfd_create(clock: u32, flags: u32) -> Result<usize> {
    if flags & !(abi::TFD_CLOEXEC | abi::TFD_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    let clock = timerfd_clock(clock)?;
    let current = process::current();
    let status = OpenFlags::from_bits_truncate(flags & abi::TFD_NONBLOCK);
    let file = TimerFd::open(clock, status, &current.credentials())?;
    install(&current, file, on_exec(flags))
}

/// timerfd_settime(2)
pub fn timerfd_settime(fd: i32, flags: u32, new: UserPtr<TimerSpec>, old: UserPtr<TimerSpec>) -> Result<usize> {
    let new = new.read()?;
    if flags & !(abi::TFD_TIMER_ABSTIME | abi::TFD_TIMER_CANCEL_ON_SET) != 0 {
        return Err(Errno::EINVAL);
    }
    let new = new.setting()?;
    let timer = TimerFd::behind(&*process::current().file(fd)?)?;
    let cancels = flags & abi::TFD_TIMER_CANCEL_ON_SET != 0 && flags & abi::TFD_TIMER_ABSTIME != 0;
    let on_clock_set = if cancels { OnClockSet::Cancel } else { OnClockSet::GoOn };
    let before = timer.set(start_of(new, flags), new.interval_ns, on_clock_set)?;
    old.write_if_some(&TimerSpec::of(before))?;
    Ok(0)
}

/// timerfd_gettime(2)
pub fn timerfd_gettime(fd: i32, to: UserPtr<TimerSpec>) -> Result<usize> {
    let timer = TimerFd::behind(&*process::current().file(fd)?)?;
    to.write(&TimerSpec::of(timer.setting()))?;
    Ok(0)
}
