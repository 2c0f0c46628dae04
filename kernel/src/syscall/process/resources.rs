//! The system calls on what processes use and may use. No policy.
//!
//! User and kernel time are not told apart: all CPU time is reported as user time.
//! Specification: getrusage(2), times(2), getrlimit(2), prlimit(2).

use super::{check_may_inspect, process_of};
use crate::arch::mmu::PAGE_SIZE;
use crate::arch::timer::now_ns;
use crate::mm::user::UserPtr;
use crate::process::limits::{Limit, Resource};
use crate::process::signal::cpu_timers;
use crate::process::{self, Credentials, Process};
use crate::sched;
use crate::syscall::time::Timeval;
use alloc::sync::Arc;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// `struct rusage`: what is not counted stays 0.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
pub struct ResourceUsage {
    user_time: Timeval,
    system_time: Timeval,
    resident_kib: i64,
    others: [i64; 13],
}

const _: () = assert!(size_of::<ResourceUsage>() == size_of::<abi::rusage>());

impl ResourceUsage {
    /// Of somebody who has run that long and has that much in memory.
    pub fn new(run_ns: u64, resident_bytes: usize) -> Self {
        Self {
            user_time: Timeval::from_ns(run_ns),
            system_time: Timeval::from_ns(0),
            resident_kib: i64::try_from(resident_bytes / 1024).unwrap_or(i64::MAX),
            others: [0; 13],
        }
    }
}

/// getrusage(2)
pub fn getrusage(who: i32, to: UserPtr<ResourceUsage>) -> Result<usize> {
    const SELF: i32 = abi::RUSAGE_SELF.cast_signed();
    const THREAD: i32 = abi::RUSAGE_THREAD.cast_signed();
    let resident = sched::current().with_address_space(|space| space.resident_pages() * PAGE_SIZE).unwrap_or(0);
    let usage = match who {
        SELF => ResourceUsage::new(process::current().process().run_ns(), resident),
        THREAD => ResourceUsage::new(sched::current().run_ns(), resident),
        abi::RUSAGE_CHILDREN => ResourceUsage::new(process::current().process().children_ns(), 0),
        _ => return Err(Errno::EINVAL),
    };
    to.write(&usage)?;
    Ok(0)
}

/// Nanoseconds in a tick of USER_HZ.
const NS_PER_CLOCK_TICK: u64 = 10_000_000;

/// times(2): user and system time of the caller, and of its children; returns the time since boot. All in ticks.
pub fn times(to: UserPtr<[u64; 4]>) -> Result<usize> {
    let ticks = |ns: u64| ns / NS_PER_CLOCK_TICK;
    let thread = process::current();
    let process = thread.process();
    to.write_if_some(&[ticks(process.run_ns()), 0, ticks(process.children_ns()), 0])?;
    usize::try_from(ticks(now_ns())).map_err(|_| Errno::EOVERFLOW)
}

/// `struct rlimit64`
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
pub struct UserLimit {
    soft: u64,
    hard: u64,
}

const _: () = assert!(size_of::<UserLimit>() == size_of::<abi::rlimit64>());

/// prlimit64(2)
pub fn prlimit64(pid: i32, resource: u32, new: UserPtr<UserLimit>, old: UserPtr<UserLimit>) -> Result<usize> {
    let new = if new.is_null() { None } else { Some(new.read()?) };
    let process = process_of(pid)?;
    let current = process::current();
    let caller = current.credentials();
    if process.pid() != current.process().pid() {
        let target = process.any_thread().ok_or(Errno::ESRCH)?;
        check_may_inspect(&caller, &target.thread().credentials())?;
    }
    let resource = Resource::from_number(resource)?;
    let before = match new {
        None => process.limit(resource),
        Some(UserLimit { soft, hard }) => change_limit(&process, resource, Limit { soft, hard }, &caller)?,
    };
    old.write_if_some(&UserLimit { soft: before.soft, hard: before.hard })?;
    Ok(0)
}

fn change_limit(process: &Arc<Process>, resource: Resource, new: Limit, caller: &Credentials) -> Result<Limit> {
    let before = process.change_limit(resource, new, caller.is_privileged())?;
    if (resource == Resource::STACK || resource == Resource::AS)
        && let Some(space) = process.address_space()
    {
        space.set_limits(process.limit(Resource::STACK).soft, process.limit(Resource::AS).soft);
    }
    if resource == Resource::CPU {
        cpu_timers::watch_limit(process);
    }
    Ok(before)
}

/// getrlimit(2)
pub fn getrlimit(resource: u32, to: UserPtr<UserLimit>) -> Result<usize> {
    let limit = process::current().process().limit(Resource::from_number(resource)?);
    to.write(&UserLimit { soft: limit.soft, hard: limit.hard })?;
    Ok(0)
}

/// setrlimit(2)
pub fn setrlimit(resource: u32, from: UserPtr<UserLimit>) -> Result<usize> {
    let UserLimit { soft, hard } = from.read()?;
    let current = process::current();
    change_limit(current.process(), Resource::from_number(resource)?, Limit { soft, hard }, &current.credentials())?;
    Ok(0)
}
