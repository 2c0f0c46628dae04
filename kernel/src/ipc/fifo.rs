//! Opening of named pipes: the rendezvous of readers and writers.
//!
//! Owns nothing: the pipe hangs on the inode. Lock: PIPE, through the pipe. Sleeps, interruptibly, until the other side comes.
//! Specification: fifo(7), open(2) ENXIO; fifo_open in fs/pipe.c of Linux.

use super::pipe::{Naming, Pipe, PipeEnd, writer_opens};
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::fs::inode::Node;
use crate::fs::special::{Attachment, OpenRequest, Openable, Opened};
use alloc::sync::Arc;
use postern_core::errno::{Errno, Result};
use postern_core::pipe::End;

/// Opens FIFOs, and pipes once more through /proc/PID/fd.
pub struct FifoOpener;

impl Openable for FifoOpener {
    fn open(&self, request: &OpenRequest<'_>) -> Result<Opened> {
        let Node::Fifo(attachment) = request.location.inode().node() else { return Err(Errno::ENXIO) };
        let pipe = pipe_of(attachment)?;
        let end = if request.access == AccessMode::READ {
            open_reader(pipe, request.flags)
        } else if request.access == AccessMode::WRITE {
            open_writer(pipe, request.flags)
        } else {
            open_both(pipe)
        };
        Ok(Opened::plain(Arc::new(end?)))
    }
}

fn pipe_of(attachment: &Attachment) -> Result<Arc<Pipe>> {
    match attachment.get::<Pipe>() {
        Some(pipe) => Ok(pipe),
        None => attachment.get_or_attach(Pipe::try_new(Naming::Named)?).ok_or(Errno::ENXIO),
    }
}

fn open_reader(pipe: Arc<Pipe>, flags: OpenFlags) -> Result<PipeEnd> {
    let mut unseen = None;
    let ticket = pipe.open_if(End::Read, |state| {
        unseen = (state.writers() == 0).then(|| writer_opens(state));
        Ok(())
    })?;
    // A writer that was there has been met, even if it is gone by now.
    if unseen.is_some() && pipe.naming() == Naming::Named && !flags.contains(OpenFlags::NONBLOCK) {
        pipe.wait_for_peer(&ticket).inspect_err(|_| pipe.close(End::Read))?;
        unseen = None;
    }
    Ok(PipeEnd::new(pipe, AccessMode::READ, unseen))
}

fn open_writer(pipe: Arc<Pipe>, flags: OpenFlags) -> Result<PipeEnd> {
    let named = pipe.naming() == Naming::Named;
    let nonblocking = flags.contains(OpenFlags::NONBLOCK);
    let mut is_alone = false;
    let ticket = pipe.open_if(End::Write, |state| {
        is_alone = state.readers() == 0;
        if named && nonblocking && is_alone { Err(Errno::ENXIO) } else { Ok(()) }
    })?;
    if named && is_alone {
        pipe.wait_for_peer(&ticket).inspect_err(|_| pipe.close(End::Write))?;
    }
    Ok(PipeEnd::new(pipe, AccessMode::WRITE, None))
}

/// Never waits: it is its own peer.
fn open_both(pipe: Arc<Pipe>) -> Result<PipeEnd> {
    pipe.open_if(End::Read, |_| Ok(()))?;
    pipe.open_if(End::Write, |_| Ok(()))?;
    Ok(PipeEnd::new(pipe, AccessMode::READ_WRITE, None))
}
