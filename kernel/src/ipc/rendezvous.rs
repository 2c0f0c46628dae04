//! How the openers of an object with a read end and a write end meet: a FIFO's, and those of `/dev/hello`.
//!
//! Owns nothing. Locks: the object's, for a moment each. Sleeps, interruptibly, until the other side comes.
//! Specification: fifo(7), open(2) ENXIO; seed 001 table 2; fifo_open in fs/pipe.c of Linux.

use crate::fs::flags::AccessMode;
use postern_core::errno::{Errno, Result};
use postern_core::pipe::{End, OpenTicket, PipeState, WriterOpens};

/// What its openers need of the object.
pub trait Ends {
    /// What owns a page of it.
    type Page;

    /// Opens one end, unless `condition` refuses. The caller closes it once.
    ///
    /// # Errors
    /// What `condition` says.
    fn open_if(&self, end: End, condition: impl FnOnce(&PipeState<Self::Page>) -> Result<()>) -> Result<OpenTicket>;

    /// Closes one end once.
    fn close(&self, end: End);

    /// Sleeps until the other side has come.
    ///
    /// # Errors
    /// ERESTARTSYS: a signal. ENODEV: nobody will come.
    fn wait_for_peer(&self, ticket: &OpenTicket) -> Result<()>;
}

/// Whether openers wait for one another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meeting {
    /// Each waits until the other side is there.
    Wait,
    /// Nobody waits (O_NONBLOCK): a reader comes in at once, a writer without a reader does not at all.
    NoWait,
    /// Both are as good as there (a pipe without a name, through /proc): everybody comes in at once.
    None,
}

/// Opens the ends that `access` names. Says how often the write end had been opened, if this is a reader that came in before
/// any writer: as long as that does not change, it sees no hang-up.
///
/// # Errors
/// EINVAL: it names none. ENXIO: a writer that may not wait, and nobody reads. ERESTARTSYS: a signal. Then nothing is open.
pub fn open_ends(object: &impl Ends, access: AccessMode, meeting: Meeting) -> Result<Option<WriterOpens>> {
    if access == AccessMode::READ {
        open_reader(object, meeting)
    } else if access == AccessMode::WRITE {
        open_writer(object, meeting).map(|()| None)
    } else if access == AccessMode::CONTROL {
        Err(Errno::EINVAL)
    } else {
        // Never waits: it is its own peer.
        object.open_if(End::Read, |_| Ok(()))?;
        object.open_if(End::Write, |_| Ok(()))?;
        Ok(None)
    }
}

/// Closes the ends that `access` names.
pub fn close_ends(object: &impl Ends, access: AccessMode) {
    if access.contains(AccessMode::READ) {
        object.close(End::Read);
    }
    if access.contains(AccessMode::WRITE) {
        object.close(End::Write);
    }
}

fn open_reader(object: &impl Ends, meeting: Meeting) -> Result<Option<WriterOpens>> {
    let mut unseen = None;
    let ticket = object.open_if(End::Read, |state| {
        unseen = (state.writers() == 0).then(|| state.shape().writer_opens());
        Ok(())
    })?;
    // A writer that was there has been met, even if it is gone by now.
    if unseen.is_some() && meeting == Meeting::Wait {
        object.wait_for_peer(&ticket).inspect_err(|_| object.close(End::Read))?;
        unseen = None;
    }
    Ok(unseen)
}

fn open_writer(object: &impl Ends, meeting: Meeting) -> Result<()> {
    let mut is_alone = false;
    let ticket = object.open_if(End::Write, |state| {
        is_alone = state.readers() == 0;
        if is_alone && meeting == Meeting::NoWait { Err(Errno::ENXIO) } else { Ok(()) }
    })?;
    if is_alone && meeting == Meeting::Wait {
        object.wait_for_peer(&ticket).inspect_err(|_| object.close(End::Write))?;
    }
    Ok(())
}
