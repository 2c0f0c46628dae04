//! The system calls on timers: arguments to typed calls of `ipc::timerfd` and `process::signal::posix_timers`, results to user
//! memory. No policy. Specification: timerfd_create(2), timer_create(2).

use crate::fs::flags::OpenFlags;
use crate::ipc::timerfd::{SetFlags, TimerFd};
use crate::mm::user::UserPtr;
use crate::process::signal::posix_timers::{self, CpuClock, Event, Receiver, TimerClock};
use crate::process::{self, Process, tree};
use crate::sched::alarm::Timebase;
use crate::syscall::ipc::{install, on_exec};
use crate::syscall::time::Timespec;
use alloc::sync::Arc;
use linux_raw_sys::general as abi;
use postern_core::clock::{Clock, Resolution};
use postern_core::errno::{Errno, Result};
use postern_core::interval_timer::{Setting, Start};
use postern_core::signal_set::Signal;
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
    let clock = (clock, timerfd_clock(clock)?);
    let current = process::current();
    let status = OpenFlags::from_bits_truncate(flags & abi::TFD_NONBLOCK);
    let file = TimerFd::open(clock, status, &current.credentials())?;
    install(&current, file, on_exec(flags))
}

/// timerfd_settime(2)
pub fn timerfd_settime(fd: i32, flags: u32, new: UserPtr<TimerSpec>, old: UserPtr<TimerSpec>) -> Result<usize> {
    let new = new.read()?;
    let set_flags = SetFlags::from_bits(flags).ok_or(Errno::EINVAL)?;
    let new = new.setting()?;
    let timer = TimerFd::behind(&*process::current().file(fd)?)?;
    let before = timer.set(start_of(new, flags), new.interval_ns, set_flags)?;
    old.write_if_some(&TimerSpec::of(before))?;
    Ok(0)
}

/// timerfd_gettime(2)
pub fn timerfd_gettime(fd: i32, to: UserPtr<TimerSpec>) -> Result<usize> {
    let timer = TimerFd::behind(&*process::current().file(fd)?)?;
    to.write(&TimerSpec::of(timer.setting()))?;
    Ok(0)
}

/// `struct sigevent`, as far as it means anything; the number of a thread is in its union.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
pub struct RawEvent {
    value: u64,
    signal: i32,
    notify: u32,
    thread: i32,
    rest: [u32; 11],
}

const _: () = assert!(size_of::<RawEvent>() == size_of::<abi::sigevent>());

impl RawEvent {
    fn decode(self) -> Result<Event> {
        let value = Some(self.value);
        // SIGEV_THREAD is the C library's affair, as the others are mixed with the wish for a thread.
        let signal = || Signal::from_number(self.signal);
        let event = match self.notify {
            abi::SIGEV_NONE => Event { signal: None, value },
            abi::SIGEV_SIGNAL | abi::SIGEV_THREAD => Event { signal: Some((signal()?, Receiver::Process)), value },
            abi::SIGEV_THREAD_ID => {
                let tid = u32::try_from(self.thread).map_err(|_| Errno::EINVAL)?;
                let task = process::current().process().find_task(tid).ok_or(Errno::EINVAL)?;
                Event { signal: Some((signal()?, Receiver::Thread(Arc::downgrade(&task)))), value }
            }
            _ => return Err(Errno::EINVAL),
        };
        Ok(event)
    }
}

/// The clock of a POSIX timer. EOPNOTSUPP for those that can only be read; EINVAL also for the CPU time of who does not exist,
/// or of another process's thread.
fn posix_timer_clock(number: i32) -> Result<TimerClock> {
    let current = process::current();
    let own_thread = |tid| current.process().find_task(tid).ok_or(Errno::EINVAL);
    let thread = |task| Ok(TimerClock::Cpu(CpuClock::Thread(Arc::downgrade(&task))));
    let process = |process: &Arc<Process>| Ok(TimerClock::Cpu(CpuClock::Process(Arc::downgrade(process))));
    match Clock::from_number(number) {
        Ok(Clock::Realtime(Resolution::Fine)) => Ok(TimerClock::Time(Timebase::Realtime)),
        Ok(Clock::Monotonic(Resolution::Fine)) if number.cast_unsigned() != abi::CLOCK_MONOTONIC_RAW => {
            Ok(TimerClock::Time(Timebase::Monotonic))
        }
        Ok(Clock::Realtime(_) | Clock::Monotonic(_)) => Err(Errno::EOPNOTSUPP),
        Ok(Clock::ProcessCpu(None)) => process(current.process()),
        Ok(Clock::ProcessCpu(Some(pid))) => process(&tree::find(pid).ok_or(Errno::EINVAL)?),
        Ok(Clock::ThreadCpu(tid)) => thread(own_thread(tid.unwrap_or(current.tid()))?),
        // The alarm clocks.
        Err(error) => {
            let number = u32::try_from(number).map_err(|_| error)?;
            timerfd_clock(number).map(TimerClock::Time)
        }
    }
}

/// timer_create(2). Without an event SIGALRM comes with the timer's number.
pub fn timer_create(clock: i32, event: UserPtr<RawEvent>, id: UserPtr<i32>) -> Result<usize> {
    let raw = if event.is_null() { None } else { Some(event.read()?) };
    let clock = posix_timer_clock(clock)?;
    let event = match raw {
        Some(raw) => raw.decode()?,
        None => Event { signal: Some((Signal::ALRM, Receiver::Process)), value: None },
    };
    let number = posix_timers::timer_create(clock, event)?;
    id.write(&number).inspect_err(|_| {
        // Another thread may have guessed the number and deleted it already.
        let _ = posix_timers::timer_delete(number);
    })?;
    Ok(0)
}

/// timer_settime(2)
pub fn timer_settime(id: i32, flags: u32, new: UserPtr<TimerSpec>, old: UserPtr<TimerSpec>) -> Result<usize> {
    if new.is_null() {
        return Err(Errno::EINVAL);
    }
    let new = new.read()?.setting()?;
    let before = posix_timers::timer_settime(id, start_of(new, flags), new.interval_ns)?;
    old.write_if_some(&TimerSpec::of(before))?;
    Ok(0)
}

/// timer_gettime(2)
pub fn timer_gettime(id: i32, to: UserPtr<TimerSpec>) -> Result<usize> {
    to.write(&TimerSpec::of(posix_timers::timer_gettime(id)?))?;
    Ok(0)
}

/// timer_getoverrun(2)
pub fn timer_getoverrun(id: i32) -> Result<usize> {
    let overruns = posix_timers::timer_getoverrun(id)?;
    usize::try_from(overruns).map_err(|_| Errno::EINVAL)
}

/// timer_delete(2)
pub fn timer_delete(id: i32) -> Result<usize> {
    posix_timers::timer_delete(id)?;
    Ok(0)
}
