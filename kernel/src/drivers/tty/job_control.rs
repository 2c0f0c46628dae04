//! Whose a terminal is: the session it controls, the group in its foreground, what others get.
//!
//! Owns the numbers of the times when terminals became controlling ones; the state is in the terminal, under TTY_LINE, which is
//! never held while signals are sent.
//! Never sleeps. Specification: POSIX.1-2024 chapter 11.1; setsid(2), tcsetpgrp(3); tty_jobctrl.c of Linux.

use super::{Terminal, devices};
use crate::drivers::OpenContext;
use crate::fs::attributes::DeviceNumber;
use crate::fs::file::Readiness;
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::process::signal::{self, SignalInfo};
use crate::process::{self, Process};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};
use postern_core::errno::{Errno, Result};
use postern_core::signal_set::Signal;
use postern_core::termios::LocalFlags;
use postern_core::tid_allocator::Tid;

/// Who a terminal belongs to. Zero is nobody.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Ownership {
    /// The session whose controlling terminal it is.
    pub session: Tid,
    /// The process group that may read, and that keys send signals to.
    pub foreground: Tid,
    /// The number of the time when it became so. Processes that were forked from then on have it too, and nobody else.
    since: u64,
}

/// The next such number. Relaxed: it only tells them apart.
static NEXT_TIME: AtomicU64 = AtomicU64::new(1);

/// What somebody does to a terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    /// Reads what was typed.
    Read,
    /// Writes to the screen.
    Write,
    /// Changes its state.
    Change,
}

/// Whether a session takes a terminal from another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Claim {
    /// It takes a free one only.
    IfFree,
    /// It takes it, with privilege.
    ByForce,
}

/// Sends `signal` to a group; to nobody if there is none.
pub(super) fn signal_group(group: Tid, signal: Signal) {
    if group != 0 {
        // A group may be empty by now.
        let _ = signal::send_to_group(group, signal);
    }
}

impl Ownership {
    /// Whether the terminal is the controlling terminal of `caller`.
    fn is_controlling(&self, caller: &Process) -> bool {
        self.since != 0 && self.since == caller.tied_to_terminal_by()
    }
}

impl Terminal {
    pub(super) fn ownership(&self) -> Ownership {
        self.lock().ownership
    }

    /// Whether it is the controlling terminal of the caller.
    pub(super) fn is_controlling(&self, caller: &Process) -> bool {
        self.ownership().is_controlling(caller)
    }

    /// Checks that the caller is not in the background, as far as that matters.
    ///
    /// # Errors
    /// ERESTARTSYS: its group has been sent SIGTTIN or SIGTTOU. EIO: that would do nothing.
    pub(super) fn check_access(&self, access: Access) -> Result<()> {
        let Some(thread) = process::current_if_any() else { return Ok(()) };
        let line = self.lock();
        let foreground = line.ownership.foreground;
        let holds_output = line.discipline.termios().local.contains(LocalFlags::TOSTOP);
        drop(line);
        let caller = thread.process();
        let in_background = self.is_controlling(caller) && foreground != 0 && foreground != caller.group();
        let signal = match access {
            _ if !in_background => return Ok(()),
            Access::Write if !holds_output => return Ok(()),
            Access::Read => Signal::TTIN,
            Access::Write | Access::Change => Signal::TTOU,
        };
        if signal::is_blocked_or_ignored(signal) {
            return if access == Access::Read { Err(Errno::EIO) } else { Ok(()) };
        }
        if process::orphaned_groups::is_orphaned(caller.group()) {
            return Err(Errno::EIO);
        }
        signal_group(caller.group(), signal);
        Err(Errno::ERESTARTSYS)
    }

    /// Makes it the controlling terminal of the caller's session, that is, of the caller and its children to come (TIOCSCTTY,
    /// and opening it). Other members of the session stay without, as on Linux.
    ///
    /// # Errors
    /// EPERM: the caller leads no session or has a terminal, or this one is another session's.
    pub(super) fn adopt(&self, caller: &Process, claim: Claim) -> Result<()> {
        let leads = caller.session() == caller.pid();
        // Before it is asked whether the caller has a terminal: another thread that takes one from then on is noticed.
        let tie = caller.tied_to_terminal_by();
        if leads && self.is_controlling(caller) {
            return Ok(());
        }
        if !leads || devices::controlling_terminal(caller).is_some() {
            return Err(Errno::EPERM);
        }
        let mut line = self.lock();
        if line.ownership.is_controlling(caller) {
            return Ok(());
        }
        let since = NEXT_TIME.fetch_add(1, Ordering::Relaxed);
        let is_taken = line.ownership.session != 0 && claim == Claim::IfFree;
        if is_taken || !caller.change_terminal_tie(tie, since) {
            return Err(Errno::EPERM);
        }
        line.ownership = Ownership { session: caller.session(), foreground: caller.group(), since };
        drop(line);
        caller.leave_terminal(0);
        Ok(())
    }

    /// What an open(2) without O_NOCTTY does besides. Who leads no session, has a terminal, or may not read, opens it all the same.
    pub(super) fn adopt_by_opening(&self, context: &OpenContext<'_>) {
        let may = context.access.contains(AccessMode::READ) && !context.flags.contains(OpenFlags::NO_CONTROLLING_TTY);
        if let Some(thread) = process::current_if_any().filter(|_| may) {
            let _ = self.adopt(thread.process(), Claim::IfFree);
        }
    }

    /// Puts a group of the caller's session into the foreground (TIOCSPGRP).
    ///
    /// # Errors
    /// ENOTTY if it is not the caller's controlling terminal; ESRCH; EPERM for a group of another session.
    pub(super) fn set_foreground(&self, caller: &Process, group: Tid) -> Result<()> {
        if !self.is_controlling(caller) {
            return Err(Errno::ENOTTY);
        }
        match process::tree::session_of_group(group) {
            None => Err(Errno::ESRCH),
            Some(session) if session != caller.session() => Err(Errno::EPERM),
            Some(_) => {
                // It may be another session's by now.
                let ownership = &mut self.lock().ownership;
                if !ownership.is_controlling(caller) {
                    return Err(Errno::ENOTTY);
                }
                ownership.foreground = group;
                Ok(())
            }
        }
    }

    /// Takes it from its session, if `is_meant`, and returns whose it was: nobody's if not.
    fn take_ownership(&self, is_meant: impl FnOnce(&Ownership) -> bool) -> Ownership {
        let ownership = &mut self.lock().ownership;
        if is_meant(ownership) { core::mem::take(ownership) } else { Ownership::default() }
    }

    /// Takes it from the session of `leader`: SIGHUP and SIGCONT to the foreground group (TIOCNOTTY by the leader).
    pub(super) fn disown(&self, leader: &Process) {
        let Ownership { foreground, .. } = self.take_ownership(|ownership| ownership.is_controlling(leader));
        signal_group(foreground, Signal::HUP);
        signal_group(foreground, Signal::CONT);
    }

    /// Cuts off everybody who has it open, but for /dev/console, and takes it from its session.
    fn cut_off(&self) -> Ownership {
        let mut line = self.lock();
        line.hang_ups = line.hang_ups.wrapping_add(1);
        line.discipline.flush_input();
        line.flushes = line.flushes.wrapping_add(1);
        let ownership = core::mem::take(&mut line.ownership);
        self.resume_input(line);
        self.readers.wake_all(Readiness::all().bits());
        self.writers.wake_all(Readiness::all().bits());
        ownership
    }

    /// Hangs it up: SIGHUP and SIGCONT to the session's leader; when that ends, to the group that is in the foreground now.
    pub(super) fn hang_up(&self) {
        let Ownership { session, foreground, .. } = self.cut_off();
        let leader = if session == 0 { None } else { process::tree::find(session) };
        if let Some(leader) = leader {
            leader.leave_terminal(foreground);
            signal::send_to_process(&leader, SignalInfo::kernel(Signal::HUP));
            signal::send_to_process(&leader, SignalInfo::kernel(Signal::CONT));
        }
    }
}

/// The leader of `session` has ended: the foreground group of its terminal hears of it, and a terminal that is not a pseudo one is
/// hung up. It hears now, too, if the terminal was hung up before.
pub(super) fn on_session_end(session: Tid) {
    let foreground = match devices::find(|terminal| terminal.ownership().session == session) {
        Some(terminal) if terminal.port.hangs_up_with_leader() => terminal.cut_off().foreground,
        Some(terminal) => terminal.take_ownership(|ownership| ownership.session == session).foreground,
        None => process::tree::find(session).map_or(0, |leader| leader.left_foreground()),
    };
    signal_group(foreground, Signal::HUP);
    signal_group(foreground, Signal::CONT);
}

/// What procfs shows of a process's controlling terminal.
pub(super) fn seen_from_outside(process: &Process) -> Option<(DeviceNumber, Tid)> {
    let terminal = devices::controlling_terminal(process)?;
    Some((terminal.port.device(), terminal.ownership().foreground))
}

/// What /dev/tty stands for.
///
/// # Errors
/// ENXIO: the caller has no controlling terminal.
pub(super) fn of_caller() -> Result<Arc<Terminal>> {
    let thread = process::current_if_any().ok_or(Errno::ENXIO)?;
    devices::controlling_terminal(thread.process()).ok_or(Errno::ENXIO)
}
