//! The calls that send signals: whom they mean and whether they may. Lock: PROCESS_TREE, for look-ups. Never sleeps.
//! Specification: kill(2), tkill(2), rt_sigqueueinfo(2). As on Linux, the receiver is looked for before the signal's number
//! is checked.

use super::send::{To, post, post_to_each};
use super::{INFO_SIZE, SignalInfo};
use crate::process::tree::{Ended, Node};
use crate::process::{Process, current, tree};
use crate::sched::Task;
use alloc::sync::Arc;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_core::signal_set::Signal;

const SI_USER: i32 = abi::SI_USER.cast_signed();

/// A signal number as these calls take it: with 0 they only check.
fn signal_or_check(number: i32) -> Result<Option<Signal>> {
    if number == 0 { Ok(None) } else { Signal::from_number(number).map(Some) }
}

/// kill(2). ESRCH, EPERM, EINVAL.
pub fn kill(pid: i32, number: i32) -> Result<()> {
    match pid {
        1.. => {
            let process = find(pid)?;
            kill_one(&process, number)
        }
        0 => kill_group(current().process().group(), number),
        -1 => kill_everybody(number),
        i32::MIN => Err(Errno::ESRCH),
        _ => kill_group(pid.unsigned_abs(), number),
    }
}

/// The process with this number, or with a thread of it, as on Linux.
fn find(pid: i32) -> Result<Arc<Process>> {
    let pid = u32::try_from(pid).map_err(|_| Errno::ESRCH)?;
    let of_thread = || tree::find_thread(pid).map(|task| task.thread().process().clone());
    tree::find(pid).or_else(of_thread).ok_or(Errno::ESRCH)
}

/// A thread by its number.
enum Addressee {
    /// One that has not ended.
    Living(Arc<Task>),
    /// The first of this process, which has. The number stays its own until the process has been waited for.
    Ended(Arc<Process>),
}

impl Addressee {
    fn find(tid: i32) -> Result<Self> {
        let tid = u32::try_from(tid).map_err(|_| Errno::ESRCH)?;
        // In this order: a first thread that ends in between is found all the same.
        tree::find_thread(tid).map(Self::Living).or_else(|| tree::find(tid).map(Self::Ended)).ok_or(Errno::ESRCH)
    }

    fn process(&self) -> &Arc<Process> {
        match self {
            Self::Living(task) => task.thread().process(),
            Self::Ended(process) => process,
        }
    }
}

fn kill_one(process: &Process, number: i32) -> Result<()> {
    let signal = signal_or_check(number)?;
    check_permission(process, signal)?;
    match signal {
        Some(signal) => post(process, To::Process, SignalInfo::from_current(signal, SI_USER)),
        None => Ok(()),
    }
}

/// What a process gets from a kill(2) that is about many. EINVAL, EPERM.
fn kill_info(node: &Node, number: i32) -> Result<Option<SignalInfo>> {
    let signal = signal_or_check(number)?;
    check_node_permission(&node.process, node.ended, signal)?;
    Ok(signal.map(|signal| SignalInfo::from_current(signal, SI_USER)))
}

/// Succeeds if one sending does.
fn kill_group(group: u32, number: i32) -> Result<()> {
    let mut all = None;
    post_to_each(
        |process| process.group() == group,
        |node| kill_info(node, number),
        |sent| all = Some(all.map_or(sent, |before: Result<()>| before.or(sent))),
    );
    all.unwrap_or(Err(Errno::ESRCH))
}

/// Everybody but init and the caller. Those who may not be signalled do not count, if only there is anybody.
fn kill_everybody(number: i32) -> Result<()> {
    let me = current().process().pid();
    let is_meant = |process: &Process| process.pid() != tree::INIT && process.pid() != me;
    let (mut found, mut last) = (false, None);
    post_to_each(
        is_meant,
        |node| kill_info(node, number),
        |sent| {
            found = true;
            last = Some(sent).filter(|sent| *sent != Err(Errno::EPERM)).or(last);
        },
    );
    let nobody = if found { Ok(()) } else { Err(Errno::ESRCH) };
    last.unwrap_or(nobody)
}

/// EPERM unless the caller may send `signal` to `process`.
fn check_permission(process: &Process, signal: Option<Signal>) -> Result<()> {
    let ended = tree::lock().node(process.pid()).and_then(|node| node.ended);
    check_node_permission(process, ended, signal)
}

/// The same, with the tree locked, for a process that has `ended` or not.
fn check_node_permission(process: &Process, ended: Option<Ended>, signal: Option<Signal>) -> Result<()> {
    let thread = current();
    let sender = thread.credentials();
    if process.pid() == thread.process().pid() || sender.is_privileged() {
        return Ok(());
    }
    let allowed = match process.any_thread() {
        Some(task) => sender.may_signal(&task.thread().credentials()),
        // One that has ended notices nothing, but still belongs to somebody.
        None => ended.is_some_and(|ended| [sender.euid, sender.uid].contains(&ended.uid)),
    };
    let continues_job = signal == Some(Signal::CONT) && process.session() == thread.process().session();
    if allowed || continues_job { Ok(()) } else { Err(Errno::EPERM) }
}

/// tkill(2). EINVAL, ESRCH, EPERM, EAGAIN.
pub fn tkill(tid: i32, number: i32) -> Result<()> {
    if tid <= 0 {
        return Err(Errno::EINVAL);
    }
    let thread = Addressee::find(tid)?;
    kill_thread(&thread, number, |signal| SignalInfo::from_current(signal, abi::SI_TKILL))
}

/// tgkill(2): tkill that insists on the thread's process.
pub fn tgkill(pid: i32, tid: i32, number: i32) -> Result<()> {
    let thread = thread_of(pid, tid)?;
    kill_thread(&thread, number, |signal| SignalInfo::from_current(signal, abi::SI_TKILL))
}

fn thread_of(pid: i32, tid: i32) -> Result<Addressee> {
    if pid <= 0 || tid <= 0 {
        return Err(Errno::EINVAL);
    }
    let thread = Addressee::find(tid)?;
    if thread.process().pid() == pid.unsigned_abs() { Ok(thread) } else { Err(Errno::ESRCH) }
}

fn kill_thread(thread: &Addressee, number: i32, info: impl FnOnce(Signal) -> SignalInfo) -> Result<()> {
    let signal = signal_or_check(number)?;
    check_permission(thread.process(), signal)?;
    match (signal, thread) {
        (Some(signal), Addressee::Living(task)) => post(thread.process(), To::Thread(task), info(signal)),
        // One that has ended hears of nothing.
        _ => Ok(()),
    }
}

/// Information for others may not look like the kernel's or that of kill(2) and tgkill(2): EPERM.
fn check_honesty(pid: i32, bytes: &[u8; INFO_SIZE]) -> Result<()> {
    let code = SignalInfo::from_program(Signal::USR1, bytes).code;
    let is_own = pid.cast_unsigned() == current().process().pid();
    if (code >= 0 || code == abi::SI_TKILL) && !is_own { Err(Errno::EPERM) } else { Ok(()) }
}

/// rt_sigqueueinfo(2): a signal with information of the program's own making. EPERM, ESRCH, EINVAL, EAGAIN.
pub fn queue_to_process(pid: i32, number: i32, bytes: &[u8; INFO_SIZE]) -> Result<()> {
    check_honesty(pid, bytes)?;
    let process = find(pid)?;
    let signal = signal_or_check(number)?;
    check_permission(&process, signal)?;
    match signal {
        Some(signal) => post(&process, To::Process, SignalInfo::from_program(signal, bytes)),
        None => Ok(()),
    }
}

/// rt_tgsigqueueinfo(2): the same for a thread.
pub fn queue_to_thread(pid: i32, tid: i32, number: i32, bytes: &[u8; INFO_SIZE]) -> Result<()> {
    if pid <= 0 || tid <= 0 {
        return Err(Errno::EINVAL);
    }
    check_honesty(pid, bytes)?;
    let thread = thread_of(pid, tid)?;
    kill_thread(&thread, number, |signal| SignalInfo::from_program(signal, bytes))
}
