//! What a process keeps of its controlling terminal: the number of the time when that became one, which the terminal knows too.
//!
//! Owns who finds terminals, too, for procfs. Values in atomics, without a lock. Never sleeps.
//! Specification: ioctl_tty(2) `TIOCNOTTY`, proc_pid_stat(5) `tty_nr`; tty_jobctrl.c of Linux.

use super::Process;
use crate::fs::attributes::DeviceNumber;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use postern_core::tid_allocator::Tid;
use spin::Once;

/// Finds a process's controlling terminal: its device, and the group in its foreground.
type Finder = fn(&Process) -> Option<(DeviceNumber, Tid)>;

static FINDER: Once<Finder> = Once::new();

/// Registers who finds controlling terminals, without sleeping. Once, at boot.
pub fn set_terminal_finder(finder: Finder) {
    FINDER.call_once(|| finder);
}

/// The ties of one process. Relaxed, both: they stand for themselves.
pub(super) struct TerminalTies {
    /// The number of that time; 0 for none, which is no terminal's.
    tied_by: AtomicU64,
    /// The group that was in the foreground when the leader's terminal was hung up; 0 for none.
    left_foreground: AtomicU32,
}

impl TerminalTies {
    pub const fn new() -> Self {
        Self { tied_by: AtomicU64::new(0), left_foreground: AtomicU32::new(0) }
    }

    /// As a child has them: those of its parent at the fork.
    pub fn inherit(&self, parent: &Self) {
        self.tied_by.store(parent.tied_by.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// As the leader of a new session has them.
    pub fn begin_session(&self) {
        self.tied_by.store(0, Ordering::Relaxed);
        self.left_foreground.store(0, Ordering::Relaxed);
    }
}

impl Process {
    /// The device of its controlling terminal, and the group in the foreground of that.
    pub fn terminal(&self) -> Option<(DeviceNumber, Tid)> {
        FINDER.get().and_then(|find| find(self))
    }

    /// It has no controlling terminal from now on, nor have its children to come; the rest of the session keeps it.
    pub fn give_up_terminal(&self) {
        self.ties.tied_by.store(0, Ordering::Relaxed);
    }

    /// Its controlling terminal is the one that becomes such at the time of the number `to`, for itself and its children to come.
    /// False, and nothing done, if its number is not `from` any more: another thread was faster.
    pub fn change_terminal_tie(&self, from: u64, to: u64) -> bool {
        self.ties.tied_by.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// The number of that time; 0 for none.
    pub fn tied_to_terminal_by(&self) -> u64 {
        self.ties.tied_by.load(Ordering::Relaxed)
    }

    /// The terminal of the session it leads was hung up, with this group in the foreground; or it has a new one, with 0.
    pub fn leave_terminal(&self, foreground: Tid) {
        self.ties.left_foreground.store(foreground, Ordering::Relaxed);
    }

    /// The group of the last such time.
    pub fn left_foreground(&self) -> Tid {
        self.ties.left_foreground.load(Ordering::Relaxed)
    }
}
