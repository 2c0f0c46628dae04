//! What is pending for processes and threads, their masks and dispositions, and the bit that says there is work.
//! Lock: SIGNALS. A process's comes first; a thread's or the dispositions' may be taken inside it.

use super::alternate_stack::AlternateStack;
use super::cpu_timers::CpuTimers;
use super::info::Details;
use super::stop::StopState;
use super::timers::RealTimer;
use super::{LastFault, SignalInfo};
use crate::fs::procfs::process_view::SignalMasks;
use crate::process::{Process, Thread, current, exit};
use crate::sched::{self, Work};
use crate::sync::{SpinGuard, SpinLock, rank};
use alloc::sync::Arc;
use postern_core::errno::Result;
use postern_core::pending_signals::PendingSignals;
use postern_core::signal_action::{Disposition, SignalAction, SignalActions};
use postern_core::signal_set::{Signal, SignalSet};

/// The signals of a process as a whole.
pub struct ProcessSignals {
    shared: SpinLock<Shared>,
    pub(super) real_timer: SpinLock<RealTimer>,
    pub(super) cpu_timers: SpinLock<CpuTimers>,
}

/// What [`ProcessSignals`] guards.
pub(super) struct Shared {
    /// Sent to the process: any thread may take them.
    pub pending: PendingSignals<SignalInfo>,
    /// Job control.
    pub stop: StopState,
}

impl ProcessSignals {
    /// Nothing pending, not stopped, no timer.
    pub fn new() -> Self {
        let shared = Shared { pending: PendingSignals::new(), stop: StopState::new() };
        Self {
            shared: SpinLock::new(rank::SIGNALS, shared),
            real_timer: SpinLock::new(rank::SIGNALS, RealTimer::new()),
            cpu_timers: SpinLock::new(rank::SIGNALS, CpuTimers::new()),
        }
    }

    /// execve: timers and their signals are gone.
    pub fn reset_on_exec(&self) {
        self.lock().pending.discard_sendings(is_of_timer);
    }

    pub(super) fn lock(&self) -> SpinGuard<'_, Shared> {
        self.shared.lock()
    }
}

fn is_of_timer(info: &SignalInfo) -> bool {
    matches!(info.details, Details::Timer { .. })
}

/// The signals of one thread.
pub struct ThreadSignals {
    own: SpinLock<Own>,
}

/// What [`ThreadSignals`] guards. Only the thread itself changes anything but what is pending.
pub(super) struct Own {
    /// Sent to this thread alone.
    pub pending: PendingSignals<SignalInfo>,
    /// What it blocks.
    pub mask: SignalSet,
    /// The mask to return to after a call with a mask of its own, once a handler has been set up or none is needed.
    pub saved_mask: Option<SignalSet>,
    /// What it waits for in sigtimedwait although it blocks it.
    pub waited_for: SignalSet,
    /// Where its handlers run that ask for it.
    pub alternate_stack: AlternateStack,
    /// Whether it can take signals.
    pub phase: Phase,
    /// What its handlers are told of.
    pub last_fault: LastFault,
    /// While it makes a process: what was sent to its own process and to others at once, which the child is to get too.
    pub joint: Option<SignalSet>,
    /// When a sleep that is about to be restarted is to end.
    pub resume_deadline_ns: Option<u64>,
}

/// What a thread does, as far as signals are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It runs, or sleeps in a call.
    Running,
    /// It is stopped.
    Stopped,
    /// It is ending.
    Leaving,
}

impl ThreadSignals {
    /// Nothing pending, nothing blocked.
    pub fn new() -> Self {
        Self::with(SignalSet::EMPTY, AlternateStack::NONE, LastFault::NONE)
    }

    /// What a new thread begins with: its creator's mask and last fault, and its alternate stack unless they share
    /// memory.
    pub fn inherited(creator: &Self, drop_alternate_stack: bool) -> Self {
        let own = creator.lock();
        let stack = if drop_alternate_stack { AlternateStack::NONE } else { own.alternate_stack };
        Self::with(own.mask, stack, own.last_fault)
    }

    fn with(mask: SignalSet, alternate_stack: AlternateStack, last_fault: LastFault) -> Self {
        let own = Own {
            pending: PendingSignals::new(),
            mask,
            saved_mask: None,
            waited_for: SignalSet::EMPTY,
            alternate_stack,
            phase: Phase::Running,
            last_fault,
            joint: None,
            resume_deadline_ns: None,
        };
        Self { own: SpinLock::new(rank::SIGNALS, own) }
    }

    /// execve: mask and pending signals stay, but for those of timers; the alternate stack went with the memory.
    pub fn reset_on_exec(&self) {
        let mut own = self.lock();
        own.alternate_stack = AlternateStack::NONE;
        own.pending.discard_sendings(is_of_timer);
    }

    /// The thread begins to make a process: from here on, what is sent to many is noted for the child.
    pub fn begin_fork(&self) {
        self.lock().joint = Some(SignalSet::EMPTY);
    }

    /// The child is about to be announced, with the tree locked, or will not be: what was noted for it.
    pub fn end_fork(&self) -> SignalSet {
        self.lock().joint.take().unwrap_or(SignalSet::EMPTY)
    }

    /// Notes what handlers are to be told from now on.
    pub fn set_last_fault(&self, fault: LastFault) {
        self.lock().last_fault = fault;
    }

    /// Nested: perhaps inside the process's.
    pub(super) fn lock(&self) -> SpinGuard<'_, Own> {
        self.own.lock_nested()
    }
}

impl Own {
    /// What it does not take now.
    pub fn blocked(&self) -> SignalSet {
        self.mask & !self.waited_for
    }

    /// Whether a signal should wake it.
    pub fn lets_through(&self, signal: Signal) -> bool {
        self.phase != Phase::Leaving && !self.blocked().contains(signal)
    }
}

/// The dispositions of a process, or of several that share them (CLONE_SIGHAND).
pub struct SharedActions(SpinLock<SignalActions>);

impl SharedActions {
    /// The default for every signal.
    pub fn new() -> Arc<Self> {
        Self::with_actions(SignalActions::new())
    }

    fn with_actions(actions: SignalActions) -> Arc<Self> {
        Arc::new(Self(SpinLock::new(rank::SIGNALS, actions)))
    }

    /// The same for a child.
    pub fn fork_copy(&self) -> Arc<Self> {
        let copy = self.lock().clone();
        Self::with_actions(copy)
    }

    /// What is to be done with `signal`.
    pub fn get(&self, signal: Signal) -> SignalAction {
        self.lock().get(signal)
    }

    /// Changes that; returns the old. EINVAL for SIGKILL and SIGSTOP.
    pub fn set(&self, signal: Signal, action: SignalAction) -> Result<SignalAction> {
        self.lock().set(signal, action)
    }

    /// execve: handlers are gone.
    pub fn reset_on_exec(&self) {
        self.lock().reset_on_exec();
    }

    /// Nested: perhaps inside a process's.
    pub(super) fn lock(&self) -> SpinGuard<'_, SignalActions> {
        self.0.lock_nested()
    }
}

/// Makes `Work::SIGNAL` of the current thread say whether there is anything to deliver.
pub fn refresh() {
    let task = sched::current();
    let thread = task.thread();
    {
        let shared = thread.process().signals.lock();
        let own = thread.signals.lock();
        let deliverable = (shared.pending.set() | own.pending.set()) & !own.blocked();
        if !deliverable.is_empty() || shared.stop.is_asked() {
            ask_current();
            return;
        }
        // If this takes back the bit of somebody who ends the process, the question below sees that.
        task.requests().take_back(Work::SIGNAL.bits());
    }
    if exit::must_end().is_some() {
        ask_current();
    }
}

/// Lets the current thread pass through [`deliver`](super::deliver) before it returns to user mode, whether or not there is
/// a signal: a call wants to be restarted, or a mask to be put back.
pub fn ask_current() {
    sched::current().requests().ask_here(Work::SIGNAL.bits());
}

/// The current thread is about to end: what others may still take is theirs, no stop waits for it, and timers do not
/// outlive the last one.
pub fn on_thread_exit() {
    let thread = current();
    let process = thread.process();
    {
        let _shared = process.signals.lock();
        let mut own = thread.signals.lock();
        own.phase = Phase::Leaving;
        own.mask = SignalSet::ALL;
        own.pending.discard(SignalSet::ALL);
    }
    super::send::retarget(process, SignalSet::ALL);
    super::stop::report_if_all_stopped(process);
    super::timers::cancel_if_last(process);
}

/// What `/proc/PID/status` shows of a thread.
pub fn masks(thread: &Thread) -> SignalMasks {
    let process: &Process = thread.process();
    let actions = process.actions();
    let mut masks = SignalMasks::default();
    {
        let shared = process.signals.lock();
        let own = thread.signals.lock();
        masks.shared_pending = shared.pending.set().bits();
        masks.pending = own.pending.set().bits();
        masks.blocked = own.mask.bits();
    }
    let actions = actions.lock();
    for signal in SignalSet::ALL.iter() {
        match actions.get(signal).disposition {
            Disposition::Default => {}
            Disposition::Ignore => masks.ignored |= 1 << signal.index(),
            Disposition::Handler { .. } => masks.caught |= 1 << signal.index(),
        }
    }
    masks
}
