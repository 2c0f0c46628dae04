//! VMIN and VTIME: when a read without ICANON has enough.
//!
//! Owns nothing of its own; the state is in the terminal, under TTY_LINE. Never sleeps; the pause between two bytes is a kernel
//! timer. Specification: termios(3), "Canonical and noncanonical mode".

use super::{Line, Terminal};
use crate::fs::file::{Io, Readiness};
use crate::fs::flags::OpenFlags;
use crate::sched::timer::{self, Expire};
use crate::sync::{Kernel, Platform};
use alloc::sync::{Arc, Weak};
use postern_core::errno::{Errno, Result};
use postern_core::termios::{Control, LocalFlags, Termios};

/// Nanoseconds in a unit of VTIME.
const TENTH_OF_SECOND_NS: u64 = 100_000_000;

/// When a read is satisfied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Timing {
    /// By a line.
    Line,
    /// By whatever there is, be it nothing.
    Now,
    /// By one byte, or by nothing after this time.
    Within(u64),
    /// By so many bytes.
    Bytes(usize),
    /// By so many bytes, or by fewer when so long no other came.
    BytesOrPause(usize, u64),
}

impl Timing {
    /// What the settings say.
    pub(super) fn of(termios: &Termios) -> Self {
        let least = usize::from(termios.character(Control::Min));
        let time_ns = u64::from(termios.character(Control::Time)) * TENTH_OF_SECOND_NS;
        match (least, time_ns) {
            _ if termios.local.contains(LocalFlags::ICANON) => Self::Line,
            (0, 0) => Self::Now,
            (0, time_ns) => Self::Within(time_ns),
            (least, 0) => Self::Bytes(least),
            (least, time_ns) => Self::BytesOrPause(least, time_ns),
        }
    }

    /// How long a read waits at most.
    pub(super) fn whole_read_ns(self) -> Option<u64> {
        match self {
            Self::Within(time_ns) => Some(time_ns),
            _ => None,
        }
    }
}

/// The timer of the pause between two bytes.
#[derive(Default)]
pub(super) struct Pause {
    is_running: bool,
}

impl Terminal {
    /// What a read is to return without looking further: nothing at once, or EAGAIN as long as there is not enough.
    pub(super) fn timed_answer(&self, line: &mut Line, io: &Io, wanted: usize) -> Result<Option<usize>> {
        let available = line.discipline.available();
        let timing = Timing::of(line.discipline.termios());
        let may_wait = wanted != 0 && !io.flags.contains(OpenFlags::NONBLOCK);
        match timing {
            Timing::Now if available == 0 => Ok(Some(0)),
            Timing::Bytes(least) if may_wait && available < least.min(wanted) => Err(Errno::EAGAIN),
            Timing::BytesOrPause(least, time_ns) if may_wait && available < least.min(wanted) => {
                let pause_end_ns = line.last_input_ns.saturating_add(time_ns);
                if available == 0 {
                    Err(Errno::EAGAIN)
                } else if Kernel::now_ns() >= pause_end_ns {
                    Ok(None)
                } else {
                    self.start_pause(line, pause_end_ns);
                    Err(Errno::EAGAIN)
                }
            }
            _ => Ok(None),
        }
    }

    fn start_pause(&self, line: &mut Line, end_ns: u64) {
        if !core::mem::replace(&mut line.pause.is_running, true) {
            timer::call_at(end_ns, Arc::new(PauseEnd(self.me.clone())));
        }
    }

    /// The pause might be over: when it really ends, or `None` if it has.
    fn check_pause(&self) -> Option<u64> {
        let mut line = self.lock();
        if let Timing::BytesOrPause(_, time_ns) = Timing::of(line.discipline.termios()) {
            let end_ns = line.last_input_ns.saturating_add(time_ns);
            if Kernel::now_ns() < end_ns {
                return Some(end_ns);
            }
        }
        line.pause.is_running = false;
        None
    }
}

/// Called at the end of a pause.
struct PauseEnd(Weak<Terminal>);

impl Expire for PauseEnd {
    fn on_expiry(&self, _: u64) -> Option<u64> {
        let terminal = self.0.upgrade()?;
        let later = terminal.check_pause();
        if later.is_none() {
            terminal.readers.wake_one(Readiness::READABLE.bits());
        }
        later
    }
}
