//! What a process wants done with each signal, and what that makes of one that is sent or delivered.
//!
//! Owns the table of `sigaction`. The caller's lock guards it. No locks, never sleeps. Specification: sigaction(2), signal(7),
//! fork(2), execve(2).

use alloc::vec::Vec;

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
///
/// Most signals keep the default, and are not in it: so a copy is short. There is room for all of them from the start, and no
/// change can fail for want of memory.
#[derive(Debug)]
pub struct SignalActions {
    /// Those in the table.
    listed: SignalSet,
    /// What is to be done with each, in order.
    actions: Vec<Packed>,
}

/// A [`SignalAction`] in 32 bytes, so that 64 of them are half a page.
#[derive(Clone, Copy, Debug)]
struct Packed {
    /// Of a handler.
    entry: u64,
    mask: SignalSet,
    restorer: u64,
    flags: ActionFlags,
    kind: Kind,
}

/// A [`Disposition`] without the address.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Default,
    Ignore,
    Handler,
}

const _: () = assert!(size_of::<Packed>() == 32);

impl Packed {
    fn new(action: SignalAction) -> Self {
        let SignalAction { disposition, flags, mask, restorer } = action;
        let (kind, entry) = match disposition {
            Disposition::Default => (Kind::Default, 0),
            Disposition::Ignore => (Kind::Ignore, 0),
            Disposition::Handler { entry } => (Kind::Handler, entry),
        };
        Self { entry, mask, restorer, flags, kind }
    }

    fn unpack(self) -> SignalAction {
        let Self { entry, mask, restorer, flags, kind } = self;
        let disposition = match kind {
            Kind::Default => Disposition::Default,
            Kind::Ignore => Disposition::Ignore,
            Kind::Handler => Disposition::Handler { entry },
        };
        SignalAction { disposition, flags, mask, restorer }
    }
}

impl Clone for SignalActions {
    fn clone(&self) -> Self {
        let mut copy = Self { listed: self.listed, ..Self::new() };
        copy.actions.extend_from_slice(&self.actions);
        copy
    }
}

impl SignalActions {
    /// The default for every signal.
    #[must_use]
    pub fn new() -> Self {
        Self { listed: SignalSet::EMPTY, actions: Vec::with_capacity(SIGNALS) }
    }

    /// Where `signal` is in the table, or belongs.
    fn place(&self, signal: Signal) -> usize {
        (self.listed.bits() & ((1 << signal.index()) - 1)).count_ones() as usize
    }

    /// What is to be done with `signal`.
    #[inline]
    #[must_use]
    pub fn get(&self, signal: Signal) -> SignalAction {
        if self.listed.contains(signal) { self.actions[self.place(signal)].unpack() } else { SignalAction::default() }
    }

    fn put(&mut self, signal: Signal, action: SignalAction) {
        let (place, action) = (self.place(signal), Packed::new(action));
        if self.listed.contains(signal) {
            self.actions[place] = action;
        } else {
            self.listed.insert(signal);
            self.actions.insert(place, action);
        }
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
        let old = self.get(signal);
        if action != old {
            self.put(signal, action);
        }
        Ok(old)
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
        let action = self.get(signal);
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
                    self.put(signal, SignalAction { disposition: Disposition::Default, ..action });
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
        let action = self.get(signal);
        if blocked.contains(signal) || action.disposition == Disposition::Ignore {
            if action.disposition != Disposition::Default {
                self.put(signal, SignalAction { disposition: Disposition::Default, ..action });
            }
            blocked.remove(signal);
        }
        blocked
    }

    /// `execve`: handlers are gone with the old program, what was ignored stays ignored.
    pub fn reset_on_exec(&mut self) {
        let ignored = |signal: &Signal| self.get(*signal).disposition == Disposition::Ignore;
        let kept = self.listed.iter().filter(ignored).fold(SignalSet::EMPTY, |mut kept, signal| {
            kept.insert(signal);
            kept
        });
        let ignore = SignalAction { disposition: Disposition::Ignore, ..SignalAction::default() };
        self.listed = kept;
        self.actions.clear();
        self.actions.extend(kept.iter().map(|_| Packed::new(ignore)));
    }
}

impl Default for SignalActions {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
