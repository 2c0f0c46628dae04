//! Making signals pending, and waking whoever must see them.
//! Locks: PROCESS_TREE for signals to many, PROCESS, then SIGNALS. Never sleeps; works in interrupt context.
//! Specification: signal(7), "Process-directed and thread-directed signals"; sigqueue(3).

use super::info::Details;
use super::state::Shared;
use super::{SignalInfo, arrivals, refresh, stop};
use crate::arch::mmu::PAGE_SIZE;
use crate::mm::heap;
use crate::process::limits::Resource;
use crate::process::process::Threads;
use crate::process::thread_list::ThreadList;
use crate::process::tree::{Node, Tree};
use crate::process::{Process, current, exit, tree};
use crate::sched::{Task, switch};
use alloc::sync::Arc;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_core::pending_signals::{PendingSignals, Sent, taken_back_by};
use postern_core::signal_action::Receiver;
use postern_core::signal_set::{Signal, SignalSet};

/// Whom a signal is sent to.
#[derive(Clone, Copy)]
pub(super) enum To<'a> {
    /// Any thread of the process.
    Process,
    /// This thread of it.
    Thread(&'a Arc<Task>),
}

/// What became of a signal that was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// It is pending, or has had its effect.
    Pending,
    /// Nobody hears of it: it is ignored, or all are gone who could.
    Dropped,
}

/// Sends a signal of the kernel's to a process. One that finds no place is lost, as signal(7) allows.
pub fn send_to_process(process: &Arc<Process>, info: SignalInfo) {
    let _ = post(process, To::Process, info);
}

/// Sends a signal of the kernel's to a thread.
pub fn send_to_thread(task: &Arc<Task>, info: SignalInfo) {
    let _ = post(task.thread().process(), To::Thread(task), info);
}

/// Sends a signal of the kernel's to a process group: what a terminal does. ESRCH if nobody is in it.
pub fn send_to_group(group: u32, signal: Signal) -> Result<()> {
    send_to_each(|process| process.group() == group, signal)
}

/// Sends a signal of the kernel's to every process that is meant, those included that one of them is just making. ESRCH if
/// there is none.
pub fn send_to_each(is_meant: impl Fn(&Process) -> bool, signal: Signal) -> Result<()> {
    let info = |node: &Node| match node.ended {
        Some(_) => Err(Errno::ESRCH),
        None => Ok(Some(SignalInfo::kernel(signal))),
    };
    let mut all = Err(Errno::ESRCH);
    post_to_each(is_meant, info, |sent| all = all.or(sent.map_err(|_| Errno::ESRCH)));
    all
}

/// Sends a group SIGHUP and SIGCONT. That its stopped members go on is told to their parents by [`tell_continued`], once the tree
/// is unlocked.
pub fn hang_up_group(tree: &Tree, group: u32) {
    for signal in [Signal::HUP, Signal::CONT] {
        let info = |node: &Node| Ok(node.ended.is_none().then(|| SignalInfo::kernel(signal)));
        // One that finds no place is lost, as signal(7) allows.
        let _ = post_to_each_in(tree, &|process: &Process| process.group() == group, info, |_| ());
    }
}

/// Tells the parents of a group's members that those go on.
pub fn tell_continued(group: u32) {
    tree::for_each_living(|process| process.group() == group, |process| stop::tell_if_continued(process));
}

/// Sends the current thread a signal for what it does: SIGPIPE, SIGXFSZ.
pub fn send_to_current(signal: Signal) {
    let task = switch::current_arc();
    send_to_thread(&task, SignalInfo::from_current(signal, abi::SI_USER.cast_signed()));
}

/// Tells `parent` with `signal` that its child ended with the wait status `status`.
pub fn send_child_ended(parent: &Arc<Process>, signal: Signal, pid: u32, uid: u32, status: i32) {
    const CORE_DUMPED: i32 = 0x80;
    let (code, number) = match status & 0x7f {
        0 => (abi::CLD_EXITED, status >> 8 & 0xff),
        number if status & CORE_DUMPED != 0 => (abi::CLD_DUMPED, number),
        number => (abi::CLD_KILLED, number),
    };
    send_to_process(parent, SignalInfo::child(signal, code, pid, uid, number));
}

/// The current thread did something that it cannot go on from. If it blocks or ignores `signal`, that is its end.
pub fn force_fault(signal: Signal, code: i32, address: usize) {
    force(SignalInfo::fault(signal, code, address));
}

/// The same with any information.
pub(super) fn force(info: SignalInfo) {
    let thread = current();
    let process = thread.process();
    let actions = process.actions();
    {
        let _shared = process.signals.lock();
        let blocked = thread.signals.lock().mask;
        let mask = actions.lock().force(info.signal, blocked);
        let mut own = thread.signals.lock();
        own.mask = mask;
        own.pending.send(info.signal, info, usize::MAX);
    }
    refresh();
}

/// Makes a signal pending. EAGAIN if its information is the point of it and there is no place for that.
pub(super) fn post(process: &Process, to: To<'_>, info: SignalInfo) -> Result<()> {
    post_telling(process, to, info).map(drop)
}

/// [`post`], telling what became of it.
pub(super) fn post_telling(process: &Process, to: To<'_>, info: SignalInfo) -> Result<Fate> {
    let (result, continued) = post_silently(process, to, info);
    if continued == stop::Continued::Yes {
        stop::tell_if_continued(process);
    }
    result
}

/// Sends each process that is meant what `info` says of it (`None`: it was only asked whether that is allowed), and tells
/// `on_result` what came of each. The tree is locked throughout: a child that one of them makes is either among them or not yet
/// announced, and then the signal is noted for it.
pub(super) fn post_to_each(
    is_meant: impl Fn(&Process) -> bool,
    info: impl Fn(&Node) -> Result<Option<SignalInfo>>,
    on_result: impl FnMut(Result<()>),
) {
    let tree = tree::lock();
    let any_continued = post_to_each_in(&tree, &is_meant, info, on_result);
    drop(tree);
    if any_continued == stop::Continued::Yes {
        // Looked for once more: a list of them would take memory.
        tree::for_each_living(is_meant, |process| stop::tell_if_continued(process));
    }
}

/// [`post_to_each`] without telling parents; whether one goes on of whom they are to hear.
fn post_to_each_in(
    tree: &Tree,
    is_meant: &impl Fn(&Process) -> bool,
    info: impl Fn(&Node) -> Result<Option<SignalInfo>>,
    mut on_result: impl FnMut(Result<()>),
) -> stop::Continued {
    let mut any_continued = stop::Continued::No;
    for node in tree.nodes().filter(|node| is_meant(&node.process)) {
        on_result(info(node).and_then(|info| {
            let Some(info) = info else { return Ok(()) };
            let (result, continued) = post_silently(&node.process, To::Process, info);
            note_for_children(&node.process, info.signal);
            if continued == stop::Continued::Yes {
                any_continued = stop::Continued::Yes;
            }
            result.map(drop)
        }));
    }
    any_continued
}

/// The children that threads of `process` are just making get `signal` as well, whether it blocks it or not, unless it ignores
/// it. As in Linux's `copy_process`, a signal of job control takes back those that it undoes.
fn note_for_children(process: &Process, signal: Signal) {
    let receiver = receiver(process);
    let actions = process.actions();
    let threads = process.threads.lock();
    for task in threads.tasks.iter() {
        let mut own = task.thread().signals.lock();
        let mask = own.mask;
        if let Some(joint) = &mut own.joint {
            *joint = *joint & !taken_back_by(signal);
            if !actions.lock().drops(signal, mask, receiver) {
                joint.insert(signal);
            }
        }
    }
}

/// A new process, which is not announced yet, gets what was sent to many while it was made.
pub fn give_child(process: &Process, joint: SignalSet) {
    let mut shared = process.signals.lock();
    for signal in joint.iter() {
        shared.pending.send(signal, SignalInfo::bare(signal), usize::MAX);
    }
}

/// [`post`] without telling the parent of a process that goes on.
fn post_silently(process: &Process, to: To<'_>, info: SignalInfo) -> (Result<Fate>, stop::Continued) {
    let receiver = receiver(process);
    if info.signal == Signal::KILL {
        if receiver == Receiver::Ordinary {
            exit::end_threads(process, exit::status_of_signal(Signal::KILL));
        }
        return (Ok(Fate::Pending), stop::Continued::No);
    }
    let actions = process.actions();
    let limit = queue_limit(process, &info);
    let threads = process.threads.lock();
    if threads.ending.is_some() || threads.tasks.is_empty() {
        return (Ok(Fate::Dropped), stop::Continued::No);
    }
    let mut shared = process.signals.lock();
    let continued = stop::take_back(info.signal, &threads, &mut shared);
    let blocked = blocked_by(to, &threads);
    let dropped = actions.lock().drops(info.signal, blocked, receiver);
    if dropped {
        return (Ok(Fate::Dropped), continued);
    }
    let sent = enqueue(to, info, limit, &threads, &mut shared);
    // As Linux: what was pending already is no news.
    if sent.is_ok_and(|sent| sent != Sent::Merged) {
        arrivals::tell(process);
    }
    (sent.map(|_| Fate::Pending), continued)
}

/// As what `process` gets signals.
fn receiver(process: &Process) -> Receiver {
    if process.pid() == tree::INIT { Receiver::Init } else { Receiver::Ordinary }
}

/// What the receiver blocks, for the question whether a signal that it ignores may be dropped. For a process its first
/// thread decides, as on Linux: a program that waits for ignored signals blocks them in all threads.
fn blocked_by(to: To<'_>, threads: &Threads) -> SignalSet {
    let task = match to {
        To::Thread(task) => Some(task),
        To::Process => threads.tasks.first(),
    };
    task.map_or(SignalSet::EMPTY, |task| {
        let own = task.thread().signals.lock();
        own.mask | own.waited_for
    })
}

fn enqueue(to: To<'_>, info: SignalInfo, limit: usize, threads: &Threads, shared: &mut Shared) -> Result<Sent> {
    match to {
        To::Process => {
            let sent = add(&mut shared.pending, info, limit)?;
            if sent != Sent::Merged
                && let Some(task) = choose(&threads.tasks, info.signal)
            {
                exit::interrupt(task);
            }
            Ok(sent)
        }
        To::Thread(task) => {
            let mut own = task.thread().signals.lock();
            let sent = add(&mut own.pending, info, limit)?;
            if sent != Sent::Merged && own.lets_through(info.signal) {
                exit::interrupt(task);
            }
            Ok(sent)
        }
    }
}

fn add(pending: &mut PendingSignals<SignalInfo>, info: SignalInfo, limit: usize) -> Result<Sent> {
    if let Details::Timer { .. } = info.details {
        return pending.send_each(info.signal, info).map(|()| Sent::Added);
    }
    if matches!(info.code.cast_unsigned(), abi::SI_USER | abi::SI_KERNEL) {
        Ok(pending.send(info.signal, info, limit))
    } else {
        pending.send_queued(info.signal, info, limit)
    }
}

/// How many informations may wait beside this one: RLIMIT_SIGPENDING, counted for each process and thread, not for each
/// user. It does not concern standard signals, of which there are few. None when memory is short.
fn queue_limit(process: &Process, info: &SignalInfo) -> usize {
    if heap::admit(PAGE_SIZE).is_err() {
        return 0;
    }
    if !info.signal.is_real_time() && info.code >= 0 {
        return usize::MAX;
    }
    usize::try_from(process.limit(Resource::SIGPENDING).soft).unwrap_or(usize::MAX)
}

/// The thread to wake for a signal to its process: the first that lets it through, rather one that has nothing to do yet.
fn choose(tasks: &ThreadList, signal: Signal) -> Option<&Arc<Task>> {
    let takes = |task: &&Arc<Task>| task.thread().signals.lock().lets_through(signal);
    let idle = tasks.iter().filter(takes).find(|task| !task.is_interrupted());
    idle.or_else(|| tasks.iter().find(takes))
}

/// Finds other threads for those of `signals` that are pending for the process: the current one takes them no more.
pub(super) fn retarget(process: &Process, signals: SignalSet) {
    let threads = process.threads.lock();
    let shared = process.signals.lock();
    for signal in (shared.pending.set() & signals).iter() {
        if let Some(task) = choose(&threads.tasks, signal) {
            exit::interrupt(task);
        }
    }
}
