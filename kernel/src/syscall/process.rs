//! The system calls on processes: arguments to typed calls of `process`, results to user memory. No policy.
//!
//! User and kernel time are not told apart: all CPU time is reported as user time.
//! Specification: clone(2), _exit(2), wait(2), waitid(2), getpid(2), setpgid(2), setsid(2), getrusage(2), times(2),
//! getrlimit(2), set_tid_address(2), get_robust_list(2).

mod attributes;

pub use attributes::{personality, prctl, unshare};

use super::time::Timeval;
use crate::arch::exception::TrapFrame;
use crate::arch::mmu::PAGE_SIZE;
use crate::arch::timer::now_ns;
use crate::mm::user::UserPtr;
use crate::process::clone::CloneRequest;
use crate::process::limits::{Limit, Resource};
use crate::process::signal::StateChange;
use crate::process::wait::{Event, Events, Found, Keep, Patience, Which};
use crate::process::{self, Credentials, Process, clock, exit, tree, wait};
use crate::sched;
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_core::signal_set::Signal;
use postern_core::tid_allocator::Tid;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// clone(2): flags, stack, parent's address for the number, thread pointer, child's address, in AArch64's order.
pub fn clone(frame: &mut TrapFrame) -> Result<usize> {
    let [flags, stack, parent_tid, thread_pointer, child_tid, ..] = frame.x;
    let request = CloneRequest::new(flags, stack, parent_tid as usize, thread_pointer as usize, child_tid as usize)?;
    process::clone::clone(frame, &request).map(number)
}

/// _exit(2): does not return.
pub fn exit(code: i32) -> Result<usize> {
    exit::exit_thread(exit::status_of_code(code))
}

/// exit_group(2): does not return.
pub fn exit_group(code: i32) -> Result<usize> {
    exit::exit_process(exit::status_of_code(code))
}

fn number(tid: Tid) -> usize {
    tid as usize
}

/// getpid(2)
#[inline]
pub fn getpid() -> Result<usize> {
    Ok(number(process::current().process().pid()))
}

/// getppid(2)
#[inline]
pub fn getppid() -> Result<usize> {
    Ok(number(process::current().process().parent()))
}

/// gettid(2)
#[inline]
pub fn gettid() -> Result<usize> {
    Ok(number(process::current().tid()))
}

/// set_tid_address(2): the caller's number.
pub fn set_tid_address(address: usize) -> Result<usize> {
    let thread = process::current();
    thread.clear_child_tid.store(address, Ordering::Relaxed);
    Ok(number(thread.tid()))
}

/// Bytes of `struct robust_list_head`.
const ROBUST_LIST_HEAD_SIZE: usize = size_of::<abi::robust_list_head>();

/// set_robust_list(2)
pub fn set_robust_list(head: usize, length: usize) -> Result<usize> {
    if length != ROBUST_LIST_HEAD_SIZE {
        return Err(Errno::EINVAL);
    }
    process::current().robust_list.store(head, Ordering::Relaxed);
    Ok(0)
}

/// get_robust_list(2)
pub fn get_robust_list(pid: i32, head: UserPtr<usize>, length: UserPtr<usize>) -> Result<usize> {
    let current = process::current();
    let address = match Tid::try_from(pid).map_err(|_| Errno::ESRCH)? {
        0 => current.robust_list.load(Ordering::Relaxed),
        tid => {
            let task = tree::find_thread(tid).ok_or(Errno::ESRCH)?;
            check_may_inspect(&current.credentials(), &task.thread().credentials())?;
            task.thread().robust_list.load(Ordering::Relaxed)
        }
    };
    length.write(&ROBUST_LIST_HEAD_SIZE)?;
    head.write(&address)?;
    Ok(0)
}

/// EPERM unless the caller is the target's user in every respect, or root: what ptrace(2) asks.
fn check_may_inspect(caller: &Credentials, target: &Credentials) -> Result<()> {
    let same_user = [target.uid, target.euid, target.suid].iter().all(|id| *id == caller.uid);
    let same_group = [target.gid, target.egid, target.sgid].iter().all(|id| *id == caller.gid);
    if caller.is_privileged() || same_user && same_group { Ok(()) } else { Err(Errno::EPERM) }
}

/// The process with this number; 0 is the caller's. ESRCH.
fn process_of(pid: i32) -> Result<Arc<Process>> {
    match Tid::try_from(pid).map_err(|_| Errno::ESRCH)? {
        0 => Ok(process::current().process().clone()),
        // A thread's number will do, as on Linux.
        pid => tree::find(pid)
            .or_else(|| tree::find_thread(pid).map(|task| task.thread().process().clone()))
            .ok_or(Errno::ESRCH),
    }
}

/// getpgid(2)
pub fn getpgid(pid: i32) -> Result<usize> {
    Ok(number(process_of(pid)?.group()))
}

/// getsid(2)
pub fn getsid(pid: i32) -> Result<usize> {
    Ok(number(process_of(pid)?.session()))
}

/// setpgid(2)
pub fn setpgid(pid: i32, group: i32) -> Result<usize> {
    let current = process::current();
    let caller = current.process();
    let group = Tid::try_from(group).map_err(|_| Errno::EINVAL)?;
    let pid = match Tid::try_from(pid).map_err(|_| Errno::ESRCH)? {
        0 => caller.pid(),
        pid => pid,
    };
    tree::lock().set_group(caller, pid, if group == 0 { pid } else { group })?;
    Ok(0)
}

/// setsid(2)
pub fn setsid() -> Result<usize> {
    let current = process::current();
    tree::lock().new_session(current.process()).map(number)
}

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
    fn new(run_ns: u64, resident_bytes: usize) -> Self {
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
    let resident = sched::current().address_space().map_or(0, |space| space.resident_pages() * PAGE_SIZE);
    let usage = match who {
        SELF => ResourceUsage::new(clock::process_run_ns(), resident),
        THREAD => ResourceUsage::new(sched::switch::current_run_ns(), resident),
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
    let children_ns = process::current().process().children_ns();
    to.write_if_some(&[ticks(clock::process_run_ns()), 0, ticks(children_ns), 0])?;
    usize::try_from(ticks(now_ns())).map_err(|_| Errno::EOVERFLOW)
}

/// The options that both waits know and that change nothing here: all children are alike, and every thread waits for those of
/// all threads of its process.
const WAIT_WITHOUT_EFFECT: u32 = abi::__WALL | abi::__WCLONE | abi::__WNOTHREAD;

fn patience(options: u32) -> Patience {
    if options & abi::WNOHANG == 0 { Patience::Wait } else { Patience::Poll }
}

fn events(options: u32) -> Events {
    let pairs = [
        (abi::WEXITED, Events::ENDED),
        (abi::WSTOPPED, Events::STOPPED),
        (abi::WCONTINUED, Events::CONTINUED),
    ];
    pairs.iter().filter(|(option, _)| options & option != 0).map(|(_, event)| *event).collect()
}

/// The status word of wait(2), and the child's CPU time if it has ended.
fn outcome(found: &Found) -> (i32, u64) {
    match found.event {
        Event::Ended(ended) => (ended.status, ended.run_ns),
        Event::Changed(change) => (change.wait_status(), 0),
    }
}

/// wait4(2)
pub fn wait4(pid: i32, status: UserPtr<i32>, options: u32, usage: UserPtr<ResourceUsage>) -> Result<usize> {
    if options & !(abi::WNOHANG | abi::WUNTRACED | abi::WCONTINUED | WAIT_WITHOUT_EFFECT) != 0 {
        return Err(Errno::EINVAL);
    }
    let which = match pid {
        i32::MIN => return Err(Errno::ESRCH),
        -1 => Which::Any,
        0 => Which::Group(process::current().process().group()),
        group @ ..-1 => Which::Group(group.unsigned_abs()),
        child => Which::Child(child.unsigned_abs()),
    };
    let found = wait::wait(which, events(options | abi::WEXITED), patience(options), Keep::Reap)?;
    let Some(found) = found else { return Ok(0) };
    let (word, run_ns) = outcome(&found);
    status.write_if_some(&word)?;
    usage.write_if_some(&ResourceUsage::new(run_ns, 0))?;
    Ok(number(found.pid))
}

/// The start of `siginfo_t` as waitid(2) fills it in.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
pub struct ChildInformation {
    signal: i32,
    errno: i32,
    code: i32,
    unused: i32,
    pid: i32,
    uid: u32,
    status: i32,
}

const _: () = assert!(size_of::<ChildInformation>() <= size_of::<abi::siginfo_t>());

impl ChildInformation {
    fn new(found: &Found) -> Self {
        let (code, status) = match found.event {
            Event::Ended(ended) => match ended.status & 0x7f {
                0 => (abi::CLD_EXITED, ended.status >> 8 & 0xff),
                signal if ended.status & 0x80 != 0 => (abi::CLD_DUMPED, signal),
                signal => (abi::CLD_KILLED, signal),
            },
            Event::Changed(StateChange::Stopped(signal)) => (abi::CLD_STOPPED, signal.number()),
            Event::Changed(StateChange::Continued) => (abi::CLD_CONTINUED, Signal::CONT.number()),
        };
        let uid = match found.event {
            Event::Ended(ended) => ended.uid,
            Event::Changed(_) => uid_of(found.pid),
        };
        let signal = Signal::CHLD.number();
        Self { signal, code: code.cast_signed(), pid: found.pid.cast_signed(), uid, status, ..Self::default() }
    }
}

/// The real user of a process; root for one that has ended meanwhile.
fn uid_of(pid: Tid) -> u32 {
    let task = tree::find(pid).and_then(|process| process.any_thread());
    task.map_or(0, |task| task.thread().credentials().uid)
}

/// waitid(2)
pub fn waitid(
    kind: u32,
    id: i32,
    information: UserPtr<ChildInformation>,
    options: u32,
    usage: UserPtr<ResourceUsage>,
) -> Result<usize> {
    let events = events(options);
    let known = abi::WEXITED | abi::WSTOPPED | abi::WCONTINUED | abi::WNOHANG | abi::WNOWAIT;
    if options & !(known | WAIT_WITHOUT_EFFECT) != 0 || events.is_empty() {
        return Err(Errno::EINVAL);
    }
    let which = match (kind, Tid::try_from(id)) {
        (abi::P_ALL, _) => Which::Any,
        (abi::P_PID, Ok(pid @ 1..)) => Which::Child(pid),
        (abi::P_PGID, Ok(0)) => Which::Group(process::current().process().group()),
        (abi::P_PGID, Ok(group)) => Which::Group(group),
        // There are no descriptors of processes.
        (abi::P_PIDFD, Ok(_)) => return Err(Errno::EBADF),
        _ => return Err(Errno::EINVAL),
    };
    let keep = if options & abi::WNOWAIT == 0 { Keep::Reap } else { Keep::Keep };
    let found = wait::wait(which, events, patience(options), keep)?;
    if let Some(found) = &found {
        usage.write_if_some(&ResourceUsage::new(outcome(found).1, 0))?;
    }
    information.write_if_some(&found.as_ref().map(ChildInformation::new).unwrap_or_default())?;
    Ok(0)
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

fn change_limit(process: &Process, resource: Resource, new: Limit, caller: &Credentials) -> Result<Limit> {
    let before = process.change_limit(resource, new, caller.is_privileged())?;
    if (resource == Resource::STACK || resource == Resource::AS)
        && let Some(space) = process.address_space()
    {
        space.set_limits(process.limit(Resource::STACK).soft, process.limit(Resource::AS).soft);
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
