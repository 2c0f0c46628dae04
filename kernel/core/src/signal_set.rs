//! Signals as numbers and sets of numbers.
//!
//! Owns nothing. No locks, never sleeps. Bit n-1 of a set stands for signal n, as in Linux's `sigset_t`. Specification: signal(7).
//! What is pending is in [`crate::pending_signals`], what a process wants done in [`crate::signal_action`].

use core::fmt;
use core::ops::{BitAnd, BitOr, Not};

use linux_raw_sys::general as number;

use crate::errno::{Errno, Result};

/// A signal number, 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

/// How many signals there are.
pub const SIGNALS: usize = 64;

/// Defines one associated constant a standard signal, and the way back to its name.
macro_rules! signals {
    ($($name:ident = $number:ident)*) => {
        impl Signal {
            $(
                #[doc = concat!("Linux's `", stringify!($number), "`.")]
                pub const $name: Self = Self::known(number::$number);
            )*

            /// The name of a standard signal.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 as u32 {
                    $(number::$number => Some(stringify!($number)),)*
                    _ => None,
                }
            }
        }
    };
}

signals! {
    HUP = SIGHUP
    INT = SIGINT
    QUIT = SIGQUIT
    ILL = SIGILL
    TRAP = SIGTRAP
    ABRT = SIGABRT
    BUS = SIGBUS
    FPE = SIGFPE
    KILL = SIGKILL
    USR1 = SIGUSR1
    SEGV = SIGSEGV
    USR2 = SIGUSR2
    PIPE = SIGPIPE
    ALRM = SIGALRM
    TERM = SIGTERM
    STKFLT = SIGSTKFLT
    CHLD = SIGCHLD
    CONT = SIGCONT
    STOP = SIGSTOP
    TSTP = SIGTSTP
    TTIN = SIGTTIN
    TTOU = SIGTTOU
    URG = SIGURG
    XCPU = SIGXCPU
    XFSZ = SIGXFSZ
    VTALRM = SIGVTALRM
    PROF = SIGPROF
    WINCH = SIGWINCH
    IO = SIGIO
    PWR = SIGPWR
    SYS = SIGSYS
}

/// What a signal does to a process that has said nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DefaultAction {
    /// It ends the process.
    Terminate,
    /// It ends the process, with a core dump where there are such things.
    Core,
    /// Nothing.
    Ignore,
    /// It stops the process.
    Stop,
    /// It lets a stopped process go on.
    Continue,
}

impl Signal {
    /// The first signal that queues.
    pub const RTMIN: Self = Self::known(number::SIGRTMIN);
    /// The last signal.
    pub const RTMAX: Self = Self(64);

    /// For the constants: a number of the bindings, known to be in range when the crate is compiled.
    const fn known(number: u32) -> Self {
        assert!(number >= 1 && number <= 64, "a signal number of the bindings lies outside 1..=64");
        Self((number & 0x7f) as u8)
    }

    /// The signal with this number.
    ///
    /// # Errors
    /// `EINVAL` outside 1..=64; 0, with which `kill` only asks, is for the caller.
    pub fn from_number(number: i32) -> Result<Self> {
        match u8::try_from(number) {
            Ok(number @ 1..=64) => Ok(Self(number)),
            _ => Err(Errno::EINVAL),
        }
    }

    /// The number, 1 to 64.
    #[inline]
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0 as i32
    }

    /// The place in a table of all signals, 0 to 63.
    #[inline]
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize - 1
    }

    /// Whether each sending counts, rather than all merging into one.
    #[inline]
    #[must_use]
    pub const fn is_real_time(self) -> bool {
        self.0 >= Self::RTMIN.0
    }

    /// What it does by default (signal(7), "Standard signals").
    #[must_use]
    pub const fn default_action(self) -> DefaultAction {
        match self {
            Self::QUIT | Self::ILL | Self::TRAP | Self::ABRT | Self::BUS | Self::FPE => DefaultAction::Core,
            Self::SEGV | Self::XCPU | Self::XFSZ | Self::SYS => DefaultAction::Core,
            Self::CHLD | Self::URG | Self::WINCH => DefaultAction::Ignore,
            Self::STOP | Self::TSTP | Self::TTIN | Self::TTOU => DefaultAction::Stop,
            Self::CONT => DefaultAction::Continue,
            _ => DefaultAction::Terminate,
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

/// A set of signals.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct SignalSet(u64);

/// How `sigprocmask` combines a set with the mask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MaskChange {
    /// `SIG_BLOCK`: add.
    Block,
    /// `SIG_UNBLOCK`: take away.
    Unblock,
    /// `SIG_SETMASK`: replace.
    Set,
}

impl SignalSet {
    /// No signal.
    pub const EMPTY: Self = Self(0);
    /// Every signal.
    pub const ALL: Self = Self(u64::MAX);
    /// Those that can be neither blocked, nor caught, nor ignored.
    pub const UNBLOCKABLE: Self = Self::of(&[Signal::KILL, Signal::STOP]);
    /// Those that a fault of the program itself raises: they come first, or the handlers of others would run at the faulting place.
    pub const SYNCHRONOUS: Self =
        Self::of(&[Signal::SEGV, Signal::BUS, Signal::ILL, Signal::TRAP, Signal::FPE, Signal::SYS]);
    /// Those that stop by default; [`Signal::CONT`] takes them back, and they it.
    pub const STOPPING: Self = Self::of(&[Signal::STOP, Signal::TSTP, Signal::TTIN, Signal::TTOU]);

    /// The set of just these.
    #[must_use]
    pub const fn of(signals: &[Signal]) -> Self {
        let mut bits = 0;
        let mut at = 0;
        while at < signals.len() {
            bits |= 1 << signals[at].index();
            at += 1;
        }
        Self(bits)
    }

    /// The set with these bits, as a program passed them.
    #[inline]
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits, as programs see them.
    #[inline]
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether it is empty.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `signal` is in it.
    #[inline]
    #[must_use]
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 >> signal.index() & 1 != 0
    }

    /// Adds a signal.
    #[inline]
    pub fn insert(&mut self, signal: Signal) {
        self.0 |= 1 << signal.index();
    }

    /// Takes a signal away.
    #[inline]
    pub fn remove(&mut self, signal: Signal) {
        self.0 &= !(1 << signal.index());
    }

    /// The same without those that cannot be blocked: what a mask may hold.
    #[inline]
    #[must_use]
    pub fn blockable(self) -> Self {
        self & !Self::UNBLOCKABLE
    }

    /// This mask after a `sigprocmask`.
    #[inline]
    #[must_use]
    pub fn changed(self, change: MaskChange, set: Self) -> Self {
        match change {
            MaskChange::Block => self | set,
            MaskChange::Unblock => self & !set,
            MaskChange::Set => set,
        }
        .blockable()
    }

    /// Which of these, all deliverable, comes next: SIGKILL, then what a fault raised, then the lowest number.
    #[inline]
    #[must_use]
    pub fn next(self) -> Option<Signal> {
        let of_fault = self & Self::SYNCHRONOUS;
        if self.contains(Signal::KILL) {
            Some(Signal::KILL)
        } else if !of_fault.is_empty() {
            of_fault.iter().next()
        } else {
            self.iter().next()
        }
    }

    /// All of them by ascending number.
    pub fn iter(self) -> impl Iterator<Item = Signal> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let number = u8::try_from(rest.trailing_zeros() + 1).ok()?;
            (rest != 0).then(|| {
                rest &= rest - 1;
                Signal(number)
            })
        })
    }
}

impl BitOr for SignalSet {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for SignalSet {
    type Output = Self;

    #[inline]
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Not for SignalSet {
    type Output = Self;

    #[inline]
    fn not(self) -> Self {
        Self(!self.0)
    }
}

impl fmt::Debug for SignalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests;
