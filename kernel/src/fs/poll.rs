//! Waiting for any of several files: the heart of ppoll and pselect6.
//!
//! Owns nothing; no locks of its own. Sleeps, interruptibly, on the queues of all the files at once: one wake-up, one look at
//! all, no polling in between. Specification: poll(2), select(2); do_poll in fs/select.c of Linux.

use crate::fs::file::{Direction, Readiness};
use crate::fs::flags::AccessMode;
use crate::fs::open_file::OpenFile;
use crate::sync::{Kernel, Platform, WaitError};
use alloc::sync::Arc;
use core::cell::Cell;
use postern_core::errno::{Errno, Result};
use postern_sync::{Poller, Sleep};

/// One file to be looked at, and what was seen.
pub struct Watched {
    file: Option<Arc<OpenFile>>,
    interest: Readiness,
    found: Cell<Readiness>,
}

impl Watched {
    /// `file`, for what `events` has, errors and hang-ups.
    pub fn new(file: Arc<OpenFile>, events: Readiness) -> Self {
        let always = Readiness::ERR | Readiness::HUP;
        Self { file: Some(file), interest: (events | always) - Readiness::NVAL, found: Cell::default() }
    }

    /// A descriptor that is not open: NVAL is found there.
    pub const fn invalid() -> Self {
        Self { file: None, interest: Readiness::NVAL, found: Cell::new(Readiness::NVAL) }
    }

    /// A place without a descriptor: nothing is ever found there.
    pub const fn nothing() -> Self {
        Self { file: None, interest: Readiness::empty(), found: Cell::new(Readiness::empty()) }
    }

    /// What was found ready of what was asked for.
    pub fn found(&self) -> Readiness {
        self.found.get()
    }

    fn look(&self) -> bool {
        if let Some(file) = &self.file {
            self.found.set(file.readiness() & self.interest);
        }
        !self.found.get().is_empty()
    }

    /// Joins the queues where what is asked for is announced. Errors and hang-ups are announced on every queue there is.
    fn join<'a>(&'a self, poller: &Poller<'a, Kernel>) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        for direction in directions(file.access(), self.interest) {
            if let Some(queue) = file.ops().wait_queue(direction) {
                poller.join(queue, self.interest.bits()).map_err(|_| Errno::ENOMEM)?;
            }
        }
        Ok(())
    }
}

/// Where a file opened for `access` announces `interest`.
pub(super) fn directions(access: AccessMode, interest: Readiness) -> impl Iterator<Item = Direction> {
    let (reads, writes) = (access.contains(AccessMode::READ), access.contains(AccessMode::WRITE));
    let of_readers = Readiness::READABLE | Readiness::PRI | Readiness::RDBAND | Readiness::RDHUP;
    let of_writers = Readiness::WRITABLE | Readiness::WRBAND;
    let read = reads && (interest.intersects(of_readers) || !writes);
    let write = writes && (interest.intersects(of_writers) || !read);
    read.then_some(Direction::Read).into_iter().chain(write.then_some(Direction::Write))
}

/// When to stop waiting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Patience {
    /// After one look.
    None,
    /// At this time of the monotonic clock, in nanoseconds.
    Until(u64),
    /// Never.
    Forever,
}

/// Looks at all; how many have something.
fn look(watched: &[Watched]) -> usize {
    watched.iter().filter(|entry| entry.look()).count()
}

/// Waits until something is found; how many have something, 0 if patience ended.
///
/// # Errors
/// ERESTARTNOHAND: a signal. ENOMEM.
pub fn wait(watched: &[Watched], patience: Patience) -> Result<usize> {
    let found = look(watched);
    if found != 0 {
        return Ok(found);
    }
    match patience {
        Patience::None if Kernel::interrupted() => Err(Errno::ERESTARTNOHAND),
        Patience::None => Ok(0),
        Patience::Until(deadline_ns) => sleep(watched, Some(deadline_ns)),
        Patience::Forever => sleep(watched, None),
    }
}

/// The part of `wait` that sleeps, out of line: it has the poller in its frame.
#[inline(never)]
fn sleep(watched: &[Watched], deadline_ns: Option<u64>) -> Result<usize> {
    Poller::scope(|poller| {
        for entry in watched {
            entry.join(poller)?;
        }
        let found = poller.wait_until(Sleep::Interruptible, deadline_ns, || match look(watched) {
            0 => None,
            found => Some(found),
        });
        match found {
            Ok(found) => Ok(found),
            Err(WaitError::TimedOut) => Ok(0),
            Err(WaitError::Interrupted) => Err(Errno::ERESTARTNOHAND),
        }
    })
}
