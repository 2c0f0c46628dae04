//! Job control: a process that stops and goes on, and its parent that hears of it.
//! Locks: PROCESS, then SIGNALS; PROCESS_TREE to find the parent. A stopped thread sleeps in [`stop_here`].
//! Specification: signal(7), wait(2) (WUNTRACED, WCONTINUED).

use super::state::{Phase, ProcessSignals, Shared};
use super::{SignalInfo, send_to_process};
use crate::process::process::Threads;
use crate::process::wait::Keep;
use crate::process::{Process, current, exit, tree};
use crate::sched;
use linux_raw_sys::general as abi;
use postern_core::pending_signals::taken_back_by;
use postern_core::signal_action::{ActionFlags, Disposition};
use postern_core::signal_set::Signal;

/// The job-control state of a process.
pub(super) struct StopState {
    /// All threads are to stop, or have, by this signal.
    by: Option<Signal>,
    /// All have stopped, and the parent was told.
    is_complete: bool,
    /// How often SIGCONT was sent: a stopping signal taken before one has no effect after it.
    continues: u32,
    /// What the parent has not waited for yet.
    change: Option<StateChange>,
    /// It goes on, of which nobody has told the parent.
    is_untold: bool,
}

/// What wait(2) reports besides the end of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateChange {
    /// It stopped, by this signal (WUNTRACED).
    Stopped(Signal),
    /// It goes on (WCONTINUED).
    Continued,
}

/// Whether a sending let a stopped process go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Continued {
    /// It was stopped.
    Yes,
    /// It was not, or the signal was another one.
    No,
}

impl StopState {
    pub const fn new() -> Self {
        Self { by: None, is_complete: false, continues: 0, change: None, is_untold: false }
    }

    /// Whether threads are to stop.
    pub fn is_asked(&self) -> bool {
        self.by.is_some()
    }

    /// To be compared with what it is when a stopping signal takes effect.
    pub fn continues(&self) -> u32 {
        self.continues
    }
}

impl StateChange {
    /// The status word of wait(2).
    pub fn wait_status(self) -> i32 {
        match self {
            Self::Stopped(signal) => signal.number() << 8 | 0x7f,
            Self::Continued => 0xffff,
        }
    }
}

impl ProcessSignals {
    /// What its parent has not waited for yet, if that is wanted. Unless it is kept, the parent has waited for it now: under one
    /// lock, for the next change may come at any time.
    pub fn state_change(&self, is_wanted: impl Fn(StateChange) -> bool, keep: Keep) -> Option<StateChange> {
        let change = &mut self.lock().stop.change;
        let found = change.filter(|change| is_wanted(*change))?;
        if keep == Keep::Reap {
            *change = None;
        }
        Some(found)
    }

    /// Whether all its threads are stopped.
    pub fn is_stopped(&self) -> bool {
        let shared = self.lock();
        shared.stop.is_asked() && shared.stop.is_complete
    }
}

/// Before `signal` becomes pending: SIGCONT takes back stopping signals and lets the process go on, those take back SIGCONT.
pub(super) fn take_back(signal: Signal, threads: &Threads, shared: &mut Shared) -> Continued {
    let taken = taken_back_by(signal);
    if taken.is_empty() {
        return Continued::No;
    }
    shared.pending.discard(taken);
    for task in threads.tasks.iter() {
        task.thread().signals.lock().pending.discard(taken);
    }
    if signal != Signal::CONT {
        return Continued::No;
    }
    shared.stop.continues = shared.stop.continues.wrapping_add(1);
    if shared.stop.by.take().is_none() {
        return Continued::No;
    }
    for task in threads.tasks.iter() {
        exit::interrupt(task);
    }
    if !shared.stop.is_complete {
        return Continued::No;
    }
    shared.stop.change = Some(StateChange::Continued);
    shared.stop.is_untold = true;
    Continued::Yes
}

/// The current thread took a stopping signal, when SIGCONT had been sent `continues` times.
pub(super) fn begin(signal: Signal, continues: u32) {
    let thread = current();
    let process = thread.process();
    let threads = process.threads.lock();
    let mut shared = process.signals.lock();
    if shared.stop.continues != continues || shared.stop.is_asked() {
        return;
    }
    shared.stop.by = Some(signal);
    shared.stop.is_complete = false;
    // The current thread's bit is among them, so that it comes back to stop.
    for task in threads.tasks.iter() {
        exit::interrupt(task);
    }
}

/// Sleeps until the process goes on, or ends.
pub(super) fn stop_here() {
    let thread = current();
    let process = thread.process();
    set_phase(Phase::Stopped);
    report_if_all_stopped(process);
    while process.signals.lock().stop.is_asked() && exit::must_end().is_none() {
        sched::park(None);
    }
    set_phase(Phase::Running);
}

fn set_phase(phase: Phase) {
    let thread = current();
    let _shared = thread.process().signals.lock();
    thread.signals.lock().phase = phase;
}

/// Tells the parent when no thread runs any more that is to stop.
pub(super) fn report_if_all_stopped(process: &Process) {
    let change = {
        let threads = process.threads.lock();
        let mut shared = process.signals.lock();
        let Some(signal) = shared.stop.by else { return };
        let any = |phase| threads.tasks.iter().any(|task| task.thread().signals.lock().phase == phase);
        if shared.stop.is_complete || any(Phase::Running) || !any(Phase::Stopped) {
            return;
        }
        shared.stop.is_complete = true;
        let change = StateChange::Stopped(signal);
        shared.stop.change = Some(change);
        change
    };
    notify_parent(process, change);
}

/// Tells the parent that the process goes on, if that is so and nobody has.
pub(super) fn tell_if_continued(process: &Process) {
    let is_untold = core::mem::take(&mut process.signals.lock().stop.is_untold);
    if is_untold {
        notify_parent(process, StateChange::Continued);
    }
}

/// SIGCHLD, unless the parent does not want it for this, and a wake-up for its wait(2).
fn notify_parent(process: &Process, change: StateChange) {
    let Some(parent) = tree::find(process.parent()) else { return };
    let (code, status) = match change {
        StateChange::Stopped(signal) => (abi::CLD_STOPPED, signal.number()),
        StateChange::Continued => (abi::CLD_CONTINUED, Signal::CONT.number()),
    };
    let action = parent.actions().get(Signal::CHLD);
    if action.disposition != Disposition::Ignore && !action.flags.contains(ActionFlags::NOCLDSTOP) {
        let uid = process.any_thread().map_or(0, |task| task.thread().credentials().uid);
        send_to_process(&parent, SignalInfo::child(Signal::CHLD, code, process.pid(), uid, status));
    }
    parent.child_changed.wake_all(postern_sync::ANY_EVENT);
}
