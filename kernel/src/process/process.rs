//! What the threads of a process share.
//! Locks: PROCESS around the thread list and the image's names, SIGNALS around what is pending.

use super::attributes::ProcessAttributes;
use super::cgroup::{CgroupId, Membership};
use super::limits::{Limit, Limits, Resource};
use super::signal::posix_timers::Timers;
use super::signal::{ProcessSignals, SharedActions};
use super::terminal_ties::TerminalTies;
use super::thread_list::ThreadList;
use crate::mm::AddressSpace;
use crate::sched::Task;
use crate::sync::{Mutex, SpinLock, WaitQueue, rank};
use alloc::sync::Arc;
use arrayvec::ArrayVec;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use postern_core::signal_set::Signal;
use postern_core::tid_allocator::Tid;

/// A process: threads that share an address space's fate, signals and a number.
pub struct Process {
    pid: Tid,
    // Copies of what the tree knows, for the calls that only ask. Written under PROCESS_TREE.
    // Relaxed: written under PROCESS_TREE, and whoever reads them without it gets a number that may be outdated at once.
    pub(super) parent: AtomicU32,
    pub(super) group: AtomicU32,
    pub(super) session: AtomicU32,
    /// The signal its parent gets when it ends; 0 for none. SIGCHLD again once it executes or is adopted.
    // Relaxed: read under PROCESS_TREE once the process has ended, which comes after its last change.
    pub(super) exit_signal: AtomicU8,
    pub(super) threads: SpinLock<Threads>,
    /// Threads wait here for others of their process to go (exec).
    pub(super) thread_gone: WaitQueue,
    /// Threads wait here for children to change state.
    pub(super) child_changed: WaitQueue,
    /// Exec and fork of this process exclude each other.
    pub(super) image_lock: Mutex<()>,
    pub(super) image: SpinLock<Image>,
    limits: SpinLock<Limits>,
    pub(super) signals: ProcessSignals,
    pub(super) timers: SpinLock<Timers>,
    pub(super) actions: SpinLock<Arc<SharedActions>>,
    /// Its control group, and what is charged there. Written with CGROUPS locked.
    pub(super) cgroup: Membership,
    start_ns: u64,
    // Relaxed, both: sums that order nothing else.
    /// CPU time of threads that have ended.
    pub(super) dead_threads_ns: AtomicU64,
    /// CPU time of children that have been waited for.
    pub(super) children_ns: AtomicU64,
    /// What it says of itself (prctl).
    pub attributes: ProcessAttributes,
    /// It has called exec since it was forked (setpgid asks). Relaxed: a parent that must not miss it has heard of it by
    /// other means, whose ordering this has.
    pub(super) has_executed: AtomicBool,
    pub(super) ties: TerminalTies,
}

/// The threads of a process and its coming end.
pub struct Threads {
    /// All that have not ended.
    pub tasks: ThreadList,
    /// Every thread is to end with this wait status.
    pub ending: Option<i32>,
    /// Every thread but this one is to end (exec).
    pub survivor: Option<Tid>,
}

/// The program a process runs.
#[derive(Clone, Default)]
pub struct Image {
    /// Its path, as `/proc/PID/exe` shows it.
    pub executable: Option<crate::fs::dentry::Location>,
    /// Where its arguments lie in its memory.
    pub arguments: Range<usize>,
    /// Where its environment lies.
    pub environment: Range<usize>,
    /// Where its auxiliary vector lies.
    pub auxiliary: Range<usize>,
}

/// What a new process takes from another, or begins with.
pub struct NewProcess {
    /// Its number, from the tree.
    pub pid: Tid,
    /// See [`Process::exit_signal`].
    pub exit_signal: u8,
    /// Resource limits.
    pub limits: Limits,
    /// Signal dispositions, shared or a copy.
    pub actions: Arc<SharedActions>,
    /// The program.
    pub image: Image,
}

impl Process {
    /// A process without threads, not yet in the tree.
    pub fn new(new: NewProcess) -> Arc<Self> {
        Arc::new(Self {
            pid: new.pid,
            parent: AtomicU32::new(0),
            group: AtomicU32::new(0),
            session: AtomicU32::new(0),
            exit_signal: AtomicU8::new(new.exit_signal),
            threads: SpinLock::new(rank::PROCESS, Threads { tasks: ThreadList::new(), ending: None, survivor: None }),
            thread_gone: WaitQueue::new(),
            child_changed: WaitQueue::new(),
            image_lock: Mutex::new(rank::PROCESS_IMAGE, ()),
            image: SpinLock::new(rank::PROCESS, new.image),
            limits: SpinLock::new(rank::PROCESS, new.limits),
            signals: ProcessSignals::new(),
            timers: SpinLock::new(rank::POSIX_TIMERS, Timers::new()),
            actions: SpinLock::new(rank::PROCESS, new.actions),
            cgroup: Membership::new(),
            start_ns: crate::arch::timer::now_ns(),
            dead_threads_ns: AtomicU64::new(0),
            children_ns: AtomicU64::new(0),
            attributes: ProcessAttributes::new(),
            has_executed: AtomicBool::new(false),
            ties: TerminalTies::new(),
        })
    }

    /// Its number.
    pub fn pid(&self) -> Tid {
        self.pid
    }

    /// Its parent's number; 0 for the first process.
    pub fn parent(&self) -> Tid {
        self.parent.load(Ordering::Relaxed)
    }

    /// Its process group.
    pub fn group(&self) -> Tid {
        self.group.load(Ordering::Relaxed)
    }

    /// Its session.
    pub fn session(&self) -> Tid {
        self.session.load(Ordering::Relaxed)
    }

    /// Whatever clone(2) was asked for, its end is told by SIGCHLD from now on: it has executed or was adopted.
    pub(super) fn end_with_sigchld(&self) {
        self.exit_signal.store(Signal::CHLD.number().to_le_bytes()[0], Ordering::Relaxed);
    }

    /// Whether its end is told by SIGCHLD.
    pub(super) fn ends_with_sigchld(&self) -> bool {
        i32::from(self.exit_signal.load(Ordering::Relaxed)) == Signal::CHLD.number()
    }

    /// Its control group's id.
    pub fn cgroup(&self) -> CgroupId {
        self.cgroup.group()
    }

    /// When it began, in nanoseconds since boot.
    pub fn start_ns(&self) -> u64 {
        self.start_ns
    }

    /// A limit.
    pub fn limit(&self, resource: Resource) -> Limit {
        self.limits.lock().get(resource)
    }

    /// All limits, for a child.
    pub fn limits(&self) -> Limits {
        self.limits.lock().clone()
    }

    /// Changes a limit; returns the old one. EINVAL, EPERM.
    pub fn change_limit(&self, resource: Resource, new: Limit, privileged: bool) -> postern_core::errno::Result<Limit> {
        let mut limits = self.limits.lock();
        let old = limits.get(resource);
        limits.change(resource, new, privileged)?;
        Ok(old)
    }

    /// It was told that it had used as much CPU time as its soft limit allows, `seen` seconds.
    pub(super) fn raise_cpu_limit(&self, seen: u64, raised: u64) {
        self.limits.lock().raise_cpu(seen, raised);
    }

    /// One of its threads, if any is left.
    pub fn any_thread(&self) -> Option<Arc<Task>> {
        self.threads.lock().tasks.first().cloned()
    }

    /// Calls `visit` with every thread that there is throughout, from the latest to the first; with one that ends meanwhile
    /// perhaps. A few at a time: however many there are, no memory is asked for, and no lock is held over `visit`.
    pub fn for_each_task(&self, mut visit: impl FnMut(&Arc<Task>)) {
        const AT_A_TIME: usize = 16;
        let mut unseen = usize::MAX;
        while unseen != 0 {
            let batch: ArrayVec<Arc<Task>, AT_A_TIME> = {
                let threads = self.threads.lock();
                // A thread that ends leaves its place to the latest, which has been seen: those not yet seen are still before it.
                let end = unseen.min(threads.tasks.len());
                unseen = end.saturating_sub(AT_A_TIME);
                threads.tasks[unseen..end].iter().cloned().collect()
            };
            batch.iter().rev().for_each(&mut visit);
        }
    }

    /// Whether a signal has stopped it.
    pub fn is_stopped(&self) -> bool {
        self.signals.is_stopped()
    }

    /// How many threads it has.
    pub fn thread_count(&self) -> usize {
        self.threads.lock().tasks.len()
    }

    /// Its thread with this number.
    pub fn find_task(&self, tid: Tid) -> Option<Arc<Task>> {
        self.threads.lock().tasks.iter().find(|task| task.thread().tid() == tid).cloned()
    }

    /// Its address space, if it still has one.
    pub fn address_space(&self) -> Option<Arc<AddressSpace>> {
        self.any_thread()?.address_space()
    }

    /// Signal dispositions.
    pub fn actions(&self) -> Arc<SharedActions> {
        self.actions.lock().clone()
    }

    /// CPU time used by its threads up to now, dead ones included. Never less than was said before.
    pub fn run_ns(&self) -> u64 {
        let threads = self.threads.lock();
        let living: u64 = threads.tasks.iter().map(|task| task.run_ns()).sum();
        living + self.dead_threads_ns.load(Ordering::Relaxed)
    }

    /// CPU time of its children that have been waited for.
    pub fn children_ns(&self) -> u64 {
        self.children_ns.load(Ordering::Relaxed)
    }

    /// The program it runs.
    pub fn image(&self) -> Image {
        self.image.lock().clone()
    }
}
