//! What a process wants done with each signal, and what that makes of one that is sent or delivered.
//!
//! Owns the table of `sigaction`. The caller's lock guards it. No locks, never sleeps. Specification: sigaction(2), signal(7),
//! fork(2), execve(2).

use linux_raw_sys::general as abi;

use crate::errno::{Errno, Result};
use crate::signal_set::{DefaultAction, SIGNALS, Signal, SignalSet};

bitflags::bitflags! {
    /// The flags of `sigaction`; unknown bits are kept, as Linux does.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct ActionFlags: u32 {
        /// No SIGCHLD for children that only stop or go on.
        const NOCLDSTOP = abi::SA_NOCLDSTOP;
        /// Children leave no zombies.
        const NOCLDWAIT = abi::SA_NOCLDWAIT;
        /// The handler takes three arguments.
        const SIGINFO = abi::SA_SIGINFO;
        /// The handler runs on the alternate stack.
        const ONSTACK = abi::SA_ONSTACK;
        /// Interrupted calls are restarted.
        const RESTART = abi::SA_RESTART;
        /// The signal is not blocked while its handler runs.
        const NODEFER = abi::SA_NODEFER;
        /// The default action is back once the handler was called.
        const RESETHAND = abi::SA_RESETHAND;
        /// The program brings its own return path.
        const RESTORER = 0x0400_0000;
        const _ = !0;
    }
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Disposition {
    /// `SIG_DFL`: the default action.
    #[default]
    Default,
    /// `SIG_IGN`: nothing.
    Ignore,
    /// The program's handler.
    Handler {
        /// Its address in the program.
        entry: u64,
    },
}

/// One entry of the table: a `struct sigaction`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SignalAction {
    /// What is to be done.
    pub disposition: Disposition,
    /// How.
    pub flags: ActionFlags,
    /// Blocked besides while the handler runs.
    pub mask: SignalSet,
    /// Where the handler returns to, with [`ActionFlags::RESTORER`].
    pub restorer: u64,
}

/// Whom a signal is sent to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Receiver {
    /// Any process.
    Ordinary,
    /// The first process: signals that it does not handle never reach it, not even SIGKILL.
    Init,
}

/// What is to be done with a signal now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// Nothing.
    Ignore,
    /// End the process.
    Terminate,
    /// End the process and say that it would dump core.
    Core,
    /// Stop the process.
    Stop,
    /// Let the process go on (it did already when the signal was sent).
    Continue,
    /// Call this handler with this mask.
    Handler {
        /// What the table said when the signal was taken.
        action: SignalAction,
        /// The mask while the handler runs.
        mask: SignalSet,
    },
}

impl SignalAction {
    /// Whether it does nothing with `signal`, if only because that is the default.
    #[must_use]
    pub fn ignores(&self, signal: Signal) -> bool {
        match self.disposition {
            Disposition::Ignore => true,
            Disposition::Handler { .. } => false,
            Disposition::Default => {
                matches!(signal.default_action(), DefaultAction::Ignore | DefaultAction::Continue)
            }
        }
    }
}

/// The table of a process; threads share it, a child of `fork` has a copy.
#[derive(Clone, Debug)]
pub struct SignalActions {
    actions: [SignalAction; SIGNALS],
}

impl SignalActions {
    /// The default for every signal.
    #[must_use]
    pub fn new() -> Self {
        Self { actions: [SignalAction::default(); SIGNALS] }
    }

    /// What is to be done with `signal`.
    #[inline]
    #[must_use]
    pub fn get(&self, signal: Signal) -> &SignalAction {
        &self.actions[signal.index()]
    }

    /// Sets it and returns what it was. If the new one [ignores](SignalAction::ignores) the signal, the caller discards it where
    /// it is pending, in the process and in each thread.
    ///
    /// # Errors
    /// `EINVAL` for SIGKILL and SIGSTOP.
    pub fn set(&mut self, signal: Signal, mut action: SignalAction) -> Result<SignalAction> {
        if SignalSet::UNBLOCKABLE.contains(signal) {
            return Err(Errno::EINVAL);
        }
        action.mask = action.mask.blockable();
        Ok(core::mem::replace(&mut self.actions[signal.index()], action))
    }

    /// Whether a sending is dropped at once: nobody would notice it. A blocked signal is not, since its action may change first.
    #[must_use]
    pub fn drops(&self, signal: Signal, blocked: SignalSet, receiver: Receiver) -> bool {
        if receiver == Receiver::Init && self.get(signal).disposition == Disposition::Default {
            return !blocked.contains(signal);
        }
        !blocked.contains(signal) && self.get(signal).ignores(signal)
    }

    /// What is to be done with `signal`, taken while `blocked` was the mask. A handler with `RESETHAND` is forgotten by this.
    pub fn deliver(&mut self, signal: Signal, blocked: SignalSet) -> Delivery {
        let action = self.actions[signal.index()];
        match action.disposition {
            Disposition::Ignore => Delivery::Ignore,
            Disposition::Default => match signal.default_action() {
                DefaultAction::Ignore => Delivery::Ignore,
                DefaultAction::Continue => Delivery::Continue,
                DefaultAction::Stop => Delivery::Stop,
                DefaultAction::Core => Delivery::Core,
                DefaultAction::Terminate => Delivery::Terminate,
            },
            Disposition::Handler { .. } => {
                if action.flags.contains(ActionFlags::RESETHAND) {
                    self.actions[signal.index()].disposition = Disposition::Default;
                }
                let mut mask = blocked | action.mask;
                if !action.flags.contains(ActionFlags::NODEFER) {
                    mask.insert(signal);
                }
                Delivery::Handler { action, mask: mask.blockable() }
            }
        }
    }

    /// A fault of the program must not be ignored or wait: if `signal` is blocked or ignored, its default action is restored and
    /// the process will end by it. Returns the mask to use from then on.
    pub fn force(&mut self, signal: Signal, mut blocked: SignalSet) -> SignalSet {
        let action = &mut self.actions[signal.index()];
        if blocked.contains(signal) || action.disposition == Disposition::Ignore {
            action.disposition = Disposition::Default;
            blocked.remove(signal);
        }
        blocked
    }

    /// `execve`: handlers are gone with the old program, what was ignored stays ignored.
    pub fn reset_on_exec(&mut self) {
        for action in &mut self.actions {
            let disposition = match action.disposition {
                Disposition::Ignore => Disposition::Ignore,
                Disposition::Default | Disposition::Handler { .. } => Disposition::Default,
            };
            *action = SignalAction { disposition, ..SignalAction::default() };
        }
    }
}

impl Default for SignalActions {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
