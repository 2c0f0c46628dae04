//! The system calls on clocks and sleeping: arguments to typed calls of `process::clock`, results to user memory. No policy.
//!
//! A sleep that a signal interrupts goes on afterwards, unless a handler ran: then it tells what is left and says EINTR.
//! Specification: clock_gettime(2), clock_nanosleep(2), nanosleep(2), gettimeofday(2), times(2).

use crate::arch::timer::now_ns;
use crate::mm::user::UserPtr;
use crate::process::{self, clock, signal};
use crate::time;
use linux_raw_sys::general as abi;
use postern_core::clock::{Clock, NS_MAX, Resolution, ns_of_timespec, ns_of_timeval, timespec_of_ns, timeval_of_ns};
use postern_core::errno::{Errno, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// `struct timespec`
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
pub struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

const _: () = assert!(size_of::<Timespec>() == size_of::<abi::__kernel_timespec>());

impl Timespec {
    /// From nanoseconds.
    pub fn from_ns(ns: u64) -> Self {
        let [seconds, nanoseconds] = timespec_of_ns(ns);
        Self { seconds, nanoseconds }
    }

    /// In nanoseconds, at most [`NS_MAX`].
    ///
    /// # Errors
    /// EINVAL for what is no time.
    pub fn ns(self) -> Result<u64> {
        ns_of_timespec(self.seconds, self.nanoseconds)
    }
}

/// `struct timeval`
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
pub struct Timeval {
    seconds: i64,
    microseconds: i64,
}

const _: () = assert!(size_of::<Timeval>() == size_of::<abi::__kernel_old_timeval>());

impl Timeval {
    /// From nanoseconds.
    pub fn from_ns(ns: u64) -> Self {
        let [seconds, microseconds] = timeval_of_ns(ns);
        Self { seconds, microseconds }
    }

    /// In nanoseconds, at most [`NS_MAX`].
    ///
    /// # Errors
    /// EINVAL for what is no time.
    pub fn ns(self) -> Result<u64> {
        ns_of_timeval(self.seconds, self.microseconds)
    }
}

/// `struct timezone`, which nobody has used for decades.
type Timezone = [i32; 2];

const _: () = assert!(size_of::<Timezone>() == size_of::<abi::timezone>());

/// clock_gettime(2)
pub fn clock_gettime(number: i32, to: UserPtr<Timespec>) -> Result<usize> {
    let ns = clock::read_ns(Clock::from_number(number)?)?;
    to.write(&Timespec::from_ns(ns))?;
    Ok(0)
}

/// clock_getres(2)
pub fn clock_getres(number: i32, to: UserPtr<Timespec>) -> Result<usize> {
    let clock = Clock::from_number(number)?;
    // The clock of somebody who does not exist has no resolution.
    clock::read_ns(clock)?;
    to.write_if_some(&Timespec::from_ns(clock.resolution_ns()))?;
    Ok(0)
}

/// clock_settime(2). Only the real-time clock can be set, and not to before the machine started.
pub fn clock_settime(number: i32, from: UserPtr<Timespec>) -> Result<usize> {
    match Clock::from_number(number)? {
        Clock::Realtime(Resolution::Fine) if number.cast_unsigned() == abi::CLOCK_REALTIME => {}
        Clock::ProcessCpu(_) | Clock::ThreadCpu(_) => return Err(Errno::EPERM),
        _ => return Err(Errno::EINVAL),
    }
    set_realtime(from.read()?.ns()?)
}

fn set_realtime(ns: u64) -> Result<usize> {
    if ns < now_ns() {
        return Err(Errno::EINVAL);
    }
    if !process::current().credentials().is_privileged() {
        return Err(Errno::EPERM);
    }
    clock::set_realtime_ns(ns);
    Ok(0)
}

/// gettimeofday(2)
pub fn gettimeofday(to: UserPtr<Timeval>, zone: UserPtr<Timezone>) -> Result<usize> {
    to.write_if_some(&Timeval::from_ns(time::realtime_ns()))?;
    zone.write_if_some(&[0; 2])?;
    Ok(0)
}

/// settimeofday(2). A time zone is accepted and forgotten.
pub fn settimeofday(from: UserPtr<Timeval>, zone: UserPtr<Timezone>) -> Result<usize> {
    let ns = if from.is_null() { None } else { Some(from.read()?.ns()?) };
    if !zone.is_null() {
        zone.read()?;
    }
    match ns {
        Some(ns) => set_realtime(ns),
        None if process::current().credentials().is_privileged() => Ok(0),
        None => Err(Errno::EPERM),
    }
}

/// nanosleep(2)
pub fn nanosleep(request: UserPtr<Timespec>, remaining: UserPtr<Timespec>) -> Result<usize> {
    sleep_for(request.read()?.ns()?, remaining)
}

/// clock_nanosleep(2)
pub fn clock_nanosleep(
    number: i32,
    flags: u32,
    request: UserPtr<Timespec>,
    remaining: UserPtr<Timespec>,
) -> Result<usize> {
    let clock = Clock::from_number(number)?;
    match clock {
        Clock::Monotonic(_) if number.cast_unsigned() == abi::CLOCK_MONOTONIC_RAW => {
            return Err(Errno::EOPNOTSUPP);
        }
        Clock::Realtime(Resolution::Fine) | Clock::Monotonic(Resolution::Fine) | Clock::ProcessCpu(_) => {}
        Clock::ThreadCpu(_) if number < 0 => {}
        _ => return Err(Errno::EOPNOTSUPP),
    }
    let ns = request.read()?.ns()?;
    if matches!(clock, Clock::ProcessCpu(_) | Clock::ThreadCpu(_)) {
        return sleep_on_cpu_clock(clock, flags, ns, remaining);
    }
    // As on Linux, other flags mean nothing.
    if flags & abi::TIMER_ABSTIME == 0 {
        return sleep_for(ns, remaining);
    }
    let slept = match clock {
        Clock::Realtime(_) => clock::sleep_until_realtime(ns),
        _ => clock::sleep_until(ns),
    };
    slept.map(|()| 0).map_err(|clock::Interrupted| Errno::ERESTARTNOHAND)
}

/// clock_nanosleep(2) on a clock of CPU time. The caller's own stands still while it sleeps: EINVAL.
fn sleep_on_cpu_clock(clock: Clock, flags: u32, ns: u64, remaining: UserPtr<Timespec>) -> Result<usize> {
    let own = Some(process::current().tid());
    if let Clock::ThreadCpu(tid) = clock
        && (tid.is_none() || tid == own)
    {
        return Err(Errno::EINVAL);
    }
    let now_ns = clock::read_ns(clock)?;
    let is_absolute = flags & abi::TIMER_ABSTIME != 0;
    let deadline_ns = match is_absolute {
        true => ns,
        false => signal::resume_deadline().unwrap_or(now_ns.saturating_add(ns)),
    };
    if clock::sleep_until_cpu_time(clock, deadline_ns).is_err() {
        if !is_absolute {
            let left_ns = deadline_ns.saturating_sub(clock::read_ns(clock)?);
            remaining.write_if_some(&Timespec::from_ns(left_ns))?;
            signal::set_resume_deadline(deadline_ns);
        }
        return Err(Errno::ERESTARTNOHAND);
    }
    Ok(0)
}

fn sleep_for(duration_ns: u64, remaining: UserPtr<Timespec>) -> Result<usize> {
    let deadline_ns = signal::resume_deadline().unwrap_or_else(|| now_ns().saturating_add(duration_ns).min(NS_MAX));
    if clock::sleep_until(deadline_ns).is_ok() {
        return Ok(0);
    }
    let left_ns = deadline_ns.saturating_sub(now_ns());
    if left_ns == 0 {
        return Ok(0);
    }
    remaining.write_if_some(&Timespec::from_ns(left_ns))?;
    signal::set_resume_deadline(deadline_ns);
    Err(Errno::ERESTARTNOHAND)
}
