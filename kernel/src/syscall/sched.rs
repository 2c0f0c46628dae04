//! The system calls on scheduling: arguments to typed calls of `sched`, results to user memory. No policy.
//!
//! Real-time policies are kept and reported (for root; EPERM for others) and have no effect: nice values rule.
//! Specification: sched_yield(2), sched_setaffinity(2), getpriority(2), sched_setscheduler(2), sched_rr_get_interval(2), getcpu(2).

use super::time::Timespec;
use crate::arch::cpu;
use crate::mm::user::{self, UserPtr};
use crate::process::attributes::{Policy, priority_range};
use crate::process::{self, Credentials, tree};
use crate::sched::{self, Task, run_queue};
use alloc::sync::Arc;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_core::run_queue::{NICE_MAX, NICE_MIN, slice_ns};
use postern_core::tid_allocator::Tid;

/// sched_yield(2)
pub fn sched_yield() -> Result<usize> {
    sched::yield_now();
    Ok(0)
}

/// The thread with this number; 0 is the caller. ESRCH; `negative` for a number below 0.
fn task_of(pid: i32, negative: Errno) -> Result<Arc<Task>> {
    match Tid::try_from(pid).map_err(|_| negative)? {
        0 => Ok(sched::switch::current_arc()),
        tid => tree::find_thread(tid).ok_or(Errno::ESRCH),
    }
}

/// EPERM unless the caller is root or acts for the target's user.
fn check_may_change(task: &Task) -> Result<()> {
    let (caller, target) = (process::current().credentials(), task.thread().credentials());
    let same = caller.euid == target.euid || caller.euid == target.uid;
    if same || caller.is_privileged() { Ok(()) } else { Err(Errno::EPERM) }
}

/// Bytes of the kernel's CPU masks.
const MASK_SIZE: usize = size_of::<u64>();

/// sched_setaffinity(2). A shorter mask is continued with zeroes, a longer one is cut.
pub fn sched_setaffinity(pid: i32, length: usize, from: UserPtr<u8>) -> Result<usize> {
    let mut mask = [0; MASK_SIZE];
    user::read_bytes(from.address(), &mut mask[..length.min(MASK_SIZE)])?;
    let task = task_of(pid, Errno::ESRCH)?;
    check_may_change(&task)?;
    let allowed = u64::from_le_bytes(mask) & run_queue::online();
    if allowed == 0 {
        return Err(Errno::EINVAL);
    }
    task.set_affinity(allowed);
    Ok(0)
}

/// sched_getaffinity(2): bytes written.
pub fn sched_getaffinity(pid: i32, length: usize, to: UserPtr<u8>) -> Result<usize> {
    if !length.is_multiple_of(MASK_SIZE) || length == 0 {
        return Err(Errno::EINVAL);
    }
    let task = task_of(pid, Errno::ESRCH)?;
    let mask = task.assigned_affinity() & run_queue::online();
    user::write_bytes(to.address(), &mask.to_le_bytes())?;
    Ok(MASK_SIZE)
}

/// Calls `visit` with the threads that getpriority(2) and setpriority(2) speak of. ESRCH if there are none, EINVAL.
fn for_each_meant(which: u32, who: i32, mut visit: impl FnMut(&Task)) -> Result<()> {
    let current = process::current();
    let id = u32::try_from(who).map_err(|_| Errno::ESRCH)?;
    let mut found = false;
    let mut visit = |task: &Task| {
        found = true;
        visit(task);
    };
    match which {
        abi::PRIO_PROCESS => visit(&*task_of(who, Errno::ESRCH)?),
        abi::PRIO_PGRP => {
            let group = if id == 0 { current.process().group() } else { id };
            tree::for_each_living(
                |process| process.group() == group,
                |process| process.for_each_task(|task| visit(task)),
            );
        }
        abi::PRIO_USER => {
            let user = if id == 0 { current.credentials().uid } else { id };
            let mut visit_theirs = |task: &Arc<Task>| {
                if task.thread().credentials().uid == user {
                    visit(task);
                }
            };
            tree::for_each_living(|_| true, |process| process.for_each_task(&mut visit_theirs));
        }
        _ => return Err(Errno::EINVAL),
    }
    if found { Ok(()) } else { Err(Errno::ESRCH) }
}

/// getpriority(2), as the kernel has it: 20 less the most favourable nice value, so that it is no error number.
pub fn getpriority(which: u32, who: i32) -> Result<usize> {
    let mut nice = NICE_MAX;
    for_each_meant(which, who, |task| nice = nice.min(task.nice()))?;
    usize::try_from(20 - nice).map_err(|_| Errno::ESRCH)
}

/// setpriority(2)
pub fn setpriority(which: u32, who: i32, nice: i32) -> Result<usize> {
    let nice = nice.clamp(NICE_MIN, NICE_MAX);
    let caller = process::current().credentials();
    let mut result = Ok(0);
    for_each_meant(which, who, |task| match check_nice(&caller, task, nice) {
        Ok(()) => task.set_nice(nice),
        // The others are changed all the same, as on Linux.
        Err(error) => result = Err(error),
    })?;
    result
}

/// EPERM for another user's thread, EACCES for a more favourable value than before.
fn check_nice(caller: &Credentials, task: &Task, nice: i32) -> Result<()> {
    let target = task.thread().credentials();
    if caller.is_privileged() {
        return Ok(());
    }
    if caller.euid != target.uid && caller.euid != target.euid {
        return Err(Errno::EPERM);
    }
    if nice < task.nice() { Err(Errno::EACCES) } else { Ok(()) }
}

/// sched_setscheduler(2)
pub fn sched_setscheduler(pid: i32, policy: i32, parameter: UserPtr<i32>) -> Result<usize> {
    let number = u32::try_from(policy).map_err(|_| Errno::EINVAL)?;
    change_policy(pid, parameter, |_| number)
}

/// sched_setparam(2): the priority alone.
pub fn sched_setparam(pid: i32, parameter: UserPtr<i32>) -> Result<usize> {
    change_policy(pid, parameter, number_of)
}

fn change_policy(pid: i32, parameter: UserPtr<i32>, number: impl FnOnce(Policy) -> u32) -> Result<usize> {
    if parameter.is_null() || pid < 0 {
        return Err(Errno::EINVAL);
    }
    let priority = parameter.read()?;
    let task = task_of(pid, Errno::EINVAL)?;
    let attributes = &task.thread().attributes;
    let old = attributes.policy();
    let new = Policy::new(number(old), priority)?;
    check_may_change(&task)?;
    let raises = new.is_real_time() && new != old || old.reset_on_fork && !new.reset_on_fork;
    if raises && !process::current().credentials().is_privileged() {
        return Err(Errno::EPERM);
    }
    attributes.set_policy(new);
    Ok(0)
}

/// The number that stands for a policy with its flag.
fn number_of(policy: Policy) -> u32 {
    policy.number | if policy.reset_on_fork { abi::SCHED_RESET_ON_FORK } else { 0 }
}

/// sched_getscheduler(2)
pub fn sched_getscheduler(pid: i32) -> Result<usize> {
    let task = task_of(pid, Errno::EINVAL)?;
    Ok(number_of(task.thread().attributes.policy()) as usize)
}

/// sched_getparam(2)
pub fn sched_getparam(pid: i32, to: UserPtr<u32>) -> Result<usize> {
    if to.is_null() {
        return Err(Errno::EINVAL);
    }
    let task = task_of(pid, Errno::EINVAL)?;
    to.write(&task.thread().attributes.policy().priority)?;
    Ok(0)
}

/// sched_get_priority_max(2)
pub fn sched_get_priority_max(policy: u32) -> Result<usize> {
    priority_range(policy).map(|(_, highest)| highest as usize)
}

/// sched_get_priority_min(2)
pub fn sched_get_priority_min(policy: u32) -> Result<usize> {
    priority_range(policy).map(|(lowest, _)| lowest as usize)
}

/// sched_rr_get_interval(2)
pub fn sched_rr_get_interval(pid: i32, to: UserPtr<Timespec>) -> Result<usize> {
    let task = task_of(pid, Errno::EINVAL)?;
    let slice = match task.thread().attributes.policy().number {
        abi::SCHED_FIFO => 0,
        _ => slice_ns(task.nice()),
    };
    to.write(&Timespec::from_ns(slice))?;
    Ok(0)
}

/// getcpu(2): all CPUs are on node 0. The third argument has had no use since Linux 2.6.24.
pub fn getcpu(cpu_to: UserPtr<u32>, node_to: UserPtr<u32>) -> Result<usize> {
    let index = u32::try_from(cpu::index()).map_err(|_| Errno::EINVAL)?;
    cpu_to.write_if_some(&index)?;
    node_to.write_if_some(&0)?;
    Ok(0)
}
