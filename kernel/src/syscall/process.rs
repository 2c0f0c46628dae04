//! The system calls on processes: arguments to typed calls of `process`, results to user memory. No policy.
//! Specification: clone(2), _exit(2), getpid(2), setpgid(2), setsid(2), set_tid_address(2), get_robust_list(2).

mod attributes;
mod resources;
mod wait;

pub use attributes::{personality, prctl, unshare};
pub use resources::{getrlimit, getrusage, prlimit64, setrlimit, times};
pub use wait::{wait4, waitid};

use crate::arch::exception::TrapFrame;
use crate::mm::user::UserPtr;
use crate::process::clone::CloneRequest;
use crate::process::{self, Credentials, Process, exit, tree};
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_core::tid_allocator::Tid;

/// clone(2): flags, stack, parent's address for the number, thread pointer, child's address, in AArch64's order.
pub fn clone(frame: &mut TrapFrame) -> Result<usize> {
    let [flags, stack, parent_tid, thread_pointer, child_tid, ..] = frame.x;
    // Registers and addresses have one size here.
    let address = |word: u64| usize::try_from(word).map_err(|_| Errno::EFAULT);
    let (parent_tid, child_tid) = (address(parent_tid)?, address(child_tid)?);
    let request = CloneRequest::new(flags, stack, parent_tid, address(thread_pointer)?, child_tid)?;
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
    // Without a group the process's own number is meant, which may be none.
    let group = Tid::try_from(if group == 0 { pid } else { group }).map_err(|_| Errno::EINVAL)?;
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
