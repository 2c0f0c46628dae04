//! The system calls that wait for children: options to a typed call of `process::wait`, results to user memory. No policy.
//! Specification: wait(2), waitid(2), wait4(2).

use super::number;
use super::resources::ResourceUsage;
use crate::mm::user::UserPtr;
use crate::process::signal::StateChange;
use crate::process::wait::{Event, Events, Found, Keep, Kind, Patience, Wanted, Which};
use crate::process::{self, tree, wait};
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_core::signal_set::Signal;
use postern_core::tid_allocator::Tid;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// The options by which both waits choose among the children. `__WNOTHREAD` changes nothing here: every thread waits for the
/// children of all threads of its process.
const CHOICE: u32 = abi::__WALL | abi::__WCLONE | abi::__WNOTHREAD;

fn kind_of_child(options: u32) -> Kind {
    match options {
        _ if options & abi::__WALL != 0 => Kind::All,
        _ if options & abi::__WCLONE != 0 => Kind::Clone,
        _ => Kind::Ordinary,
    }
}

fn patience(options: u32) -> Patience {
    if options & abi::WNOHANG == 0 { Patience::Wait } else { Patience::Poll }
}

fn events(options: u32) -> Events {
    let pairs = [(abi::WEXITED, Events::ENDED), (abi::WSTOPPED, Events::STOPPED), (abi::WCONTINUED, Events::CONTINUED)];
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
    if options & !(abi::WNOHANG | abi::WUNTRACED | abi::WCONTINUED | CHOICE) != 0 {
        return Err(Errno::EINVAL);
    }
    let which = match pid {
        i32::MIN => return Err(Errno::ESRCH),
        -1 => Which::Any,
        0 => Which::Group(process::current().process().group()),
        group @ ..-1 => Which::Group(group.unsigned_abs()),
        child => Which::Child(child.unsigned_abs()),
    };
    let wanted = Wanted { which, kind: kind_of_child(options), events: events(options | abi::WEXITED) };
    let found = wait::wait(wanted, patience(options), Keep::Reap)?;
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
    if options & !(known | CHOICE) != 0 || events.is_empty() {
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
    let found = wait::wait(Wanted { which, kind: kind_of_child(options), events }, patience(options), keep)?;
    if let Some(found) = &found {
        usage.write_if_some(&ResourceUsage::new(outcome(found).1, 0))?;
    }
    information.write_if_some(&found.as_ref().map(ChildInformation::new).unwrap_or_default())?;
    Ok(0)
}
