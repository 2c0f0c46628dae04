//! New threads and processes. Specification: clone(2), fork(2), vfork(2), set_tid_address(2).
//! Takes PROCESS_IMAGE over a copy of the address space, PROCESS_TREE to announce the child.

use super::process::{NewProcess, Process};
use super::signal::ThreadSignals;
use super::thread::{NewThread, Thread, VforkDone};
use super::{cgroup, current, limits::Resource, signal, tree};
use crate::arch::exception::TrapFrame;
use crate::fs::procfs::tunables::THREADS_MAX;
use crate::mm::user::UserPtr;
use crate::sched::{self, Task};
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_core::task_census::Claim;
use postern_core::tid_allocator::Tid;

bitflags::bitflags! {
    /// The flags of clone(2) that are understood.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct CloneFlags: u64 {
        /// Share the address space.
        const VM = abi::CLONE_VM as u64;
        /// Share root, working directory, umask.
        const FS = abi::CLONE_FS as u64;
        /// Share descriptors.
        const FILES = abi::CLONE_FILES as u64;
        /// Share signal dispositions.
        const SIGHAND = abi::CLONE_SIGHAND as u64;
        /// The parent sleeps until the child has let go of the address space.
        const VFORK = abi::CLONE_VFORK as u64;
        /// The child's parent is the caller's.
        const PARENT = abi::CLONE_PARENT as u64;
        /// A thread of the same process.
        const THREAD = abi::CLONE_THREAD as u64;
        /// Set the thread pointer.
        const SETTLS = abi::CLONE_SETTLS as u64;
        /// Store the child's number in the parent's memory.
        const PARENT_SETTID = abi::CLONE_PARENT_SETTID as u64;
        /// Clear it in the child's memory when it ends, and wake a futex.
        const CHILD_CLEARTID = abi::CLONE_CHILD_CLEARTID as u64;
        /// Store it in the child's memory.
        const CHILD_SETTID = abi::CLONE_CHILD_SETTID as u64;
        /// Flags that ask for nothing here: System V semaphore undo lists come later, tracing and
        /// I/O contexts do not exist, CLONE_DETACHED never meant anything.
        const WITHOUT_EFFECT =
            (abi::CLONE_SYSVSEM | abi::CLONE_UNTRACED | abi::CLONE_PTRACE | abi::CLONE_IO | abi::CLONE_DETACHED) as u64;
    }
}

/// The arguments of clone(2), in AArch64's order.
#[derive(Clone, Copy, Debug)]
pub struct CloneRequest {
    /// Flags, without the exit signal.
    pub flags: CloneFlags,
    /// What the parent gets when the child ends; nothing if it is no signal's number.
    pub exit_signal: u8,
    /// The child's stack pointer; 0 for the parent's.
    pub stack: u64,
    /// For PARENT_SETTID.
    pub parent_tid: usize,
    /// For SETTLS.
    pub thread_pointer: usize,
    /// For CHILD_SETTID and CHILD_CLEARTID.
    pub child_tid: usize,
}

impl CloneRequest {
    /// Decodes and checks the first argument. EINVAL.
    pub fn new(raw_flags: u64, stack: u64, parent_tid: usize, thread_pointer: usize, child_tid: usize) -> Result<Self> {
        let exit_signal = (raw_flags & u64::from(abi::CSIGNAL)).to_le_bytes()[0];
        // On this call the upper half is ignored, as Linux does.
        let flags = CloneFlags::from_bits(raw_flags & 0xffff_ffff & !u64::from(abi::CSIGNAL)).ok_or(Errno::EINVAL)?;
        let implies = |flag, other| !flags.contains(flag) || flags.contains(other);
        if !implies(CloneFlags::THREAD, CloneFlags::SIGHAND) || !implies(CloneFlags::SIGHAND, CloneFlags::VM) {
            return Err(Errno::EINVAL);
        }
        Ok(Self { flags, exit_signal, stack, parent_tid, thread_pointer, child_tid })
    }
}

/// clone(2): the child's number. EAGAIN, ENOMEM; EINVAL for a sibling of init, which has no parent.
pub fn clone(frame: &TrapFrame, request: &CloneRequest) -> Result<Tid> {
    let flags = request.flags;
    if flags.contains(CloneFlags::PARENT) && current().process().pid() == tree::INIT {
        return Err(Errno::EINVAL);
    }
    let is_process = !flags.contains(CloneFlags::THREAD);
    if is_process {
        current().signals.begin_fork();
    }
    let made = make(frame, request);
    if is_process {
        current().signals.end_fork();
    }
    let (tid, vfork) = made?;
    if let Some(vfork) = vfork {
        current().wait_for_vfork(&vfork);
    }
    Ok(tid)
}

/// Makes the thread or process and lets it run: its number, and what the caller is to wait for. As [`clone`].
fn make(frame: &TrapFrame, request: &CloneRequest) -> Result<(Tid, Option<Arc<VforkDone>>)> {
    let flags = request.flags;
    // What was sent before is taken before, so that no child escapes a signal that its parent would have died of.
    if sched::current().is_interrupted() {
        return Err(Errno::ERESTARTNOINTR);
    }
    let tid = tree::allocate_number(&claim())?;
    let task = match new_task(frame, request, tid) {
        Ok(task) => task,
        Err(error) => {
            tree::release_number(tid);
            return Err(error);
        }
    };
    let vfork = flags.contains(CloneFlags::VFORK).then(VforkDone::new);
    *task.thread().vfork.lock() = vfork.clone();
    if let Err(error) = announce(&task, flags) {
        tree::release_number(tid);
        discard(task);
        return Err(error);
    }
    if flags.contains(CloneFlags::PARENT_SETTID) {
        // Linux too ignores a fault here: the child exists.
        let _ = UserPtr::<u32>::new(request.parent_tid).write(&tid);
    }
    sched::start(task);
    Ok((tid, vfork))
}

/// What bounds the number of the caller's tasks: RLIMIT_NPROC unless it is privileged, and what memory is good for.
fn claim() -> Claim {
    let thread = current();
    let credentials = thread.credentials();
    let limit = thread.process().limit(Resource::NPROC).soft;
    Claim {
        uid: credentials.uid,
        user_limit: (!credentials.is_privileged()).then_some(limit),
        threads_max: THREADS_MAX.get(),
    }
}

fn new_task(frame: &TrapFrame, request: &CloneRequest, tid: Tid) -> Result<Arc<Task>> {
    let parent = current();
    let flags = request.flags;
    let space = sched::current().address_space().ok_or(Errno::ESRCH)?;
    let space = if flags.contains(CloneFlags::VM) {
        space
    } else {
        let _image = parent.process().image_lock.lock();
        space.fork()?
    };
    let files = parent.files();
    let files = if flags.contains(CloneFlags::FILES) {
        // From now on the child too takes files out of it.
        parent.forget_recent_files();
        files
    } else {
        files.fork_copy()?
    };
    let fs = parent.fs();
    let fs = if flags.contains(CloneFlags::FS) { fs } else { fs.fork_copy() };
    let process = if flags.contains(CloneFlags::THREAD) {
        parent.process().clone()
    } else {
        new_process(parent.process(), request, tid)
    };
    let thread = Thread::new(NewThread {
        tid,
        process,
        files,
        fs,
        credentials: parent.credentials(),
        name: parent.name(),
        signals: ThreadSignals::inherited(
            &parent.signals,
            flags.contains(CloneFlags::VM) && !flags.contains(CloneFlags::VFORK),
        ),
    });
    thread.attributes.inherit(&parent.attributes);
    if flags.contains(CloneFlags::CHILD_CLEARTID) {
        thread.clear_child_tid.store(request.child_tid, Ordering::Relaxed);
    }
    if flags.contains(CloneFlags::CHILD_SETTID) {
        thread.set_child_tid.store(request.child_tid, Ordering::Relaxed);
    }
    let mut child_frame = *frame;
    child_frame.x[0] = 0;
    if request.stack != 0 {
        child_frame.sp = request.stack;
    }
    let thread_pointer = if flags.contains(CloneFlags::SETTLS) {
        request.thread_pointer
    } else {
        crate::arch::cpu::user_thread_pointer()
    };
    Task::new_user(thread, space, &child_frame, thread_pointer, &sched::fp::current_state())
}

fn new_process(parent: &Process, request: &CloneRequest, pid: Tid) -> Arc<Process> {
    let actions = parent.actions();
    let actions = if request.flags.contains(CloneFlags::SIGHAND) { actions } else { actions.fork_copy() };
    let process = Process::new(NewProcess {
        pid,
        exit_signal: request.exit_signal,
        limits: parent.limits(),
        actions,
        image: parent.image(),
    });
    super::signal::cpu_timers::watch_limit(&process);
    process
}

/// Puts the child where signals and waits find it, with those that were sent to its parent and others while it was made.
/// ERESTARTNOINTR if the parent is being killed meanwhile; EAGAIN if a control group is full.
fn announce(task: &Arc<Task>, flags: CloneFlags) -> Result<()> {
    let thread = task.thread();
    let process = thread.process();
    let parent = current();
    let mut tree = tree::lock();
    if !flags.contains(CloneFlags::THREAD) {
        let caller = parent.process();
        let is_ending = caller.threads.lock().ending.is_some();
        if is_ending {
            return Err(Errno::ERESTARTNOINTR);
        }
    }
    let charged = {
        let mut threads = process.threads.lock();
        // Nobody may slip past an exec or exit_group that has already told the others to go.
        if threads.ending.is_some() || threads.survivor.is_some() {
            return Err(Errno::ERESTARTNOINTR);
        }
        threads.tasks.try_reserve_one()?;
        let charged = cgroup::on_fork(parent.process(), process);
        if charged.is_ok() {
            threads.tasks.push(task.clone());
        }
        charged
    };
    if let Err(refused) = charged {
        drop(tree);
        refused.announce();
        return Err(Errno::EAGAIN);
    }
    tree.add_thread(thread.tid(), task.clone());
    if !flags.contains(CloneFlags::THREAD) {
        let caller = parent.process();
        signal::give_child(process, parent.signals.end_fork());
        let of = if flags.contains(CloneFlags::PARENT) { caller.parent() } else { caller.pid() };
        tree.add_process(process.clone(), of);
        if of != caller.pid() {
            process.group.store(caller.group(), Ordering::Relaxed);
            process.session.store(caller.session(), Ordering::Relaxed);
        }
    }
    Ok(())
}

/// A task that is not to run after all: what it holds is given back here, where sleeping is allowed.
fn discard(task: Arc<Task>) {
    let thread = task.thread();
    drop(thread.replace_files(None));
    drop(thread.replace_fs(None));
    drop(task);
}

/// What a new thread does first, in user context but before user code.
pub fn on_first_run() {
    let thread = current();
    // Its process may have been stopped while it was made.
    super::signal::refresh();
    let address = thread.set_child_tid.load(Ordering::Relaxed);
    if address != 0 {
        // Linux too ignores a fault here.
        let _ = UserPtr::<u32>::new(address).write(&thread.tid());
    }
}
