//! Opening of named pipes.
//!
//! Owns nothing: the pipe hangs on the inode. Lock: PIPE, through the pipe. Sleeps, interruptibly, until the other side comes.
//! Specification: fifo(7).

use super::pipe::{Naming, Pipe, PipeEnd};
use super::rendezvous::{Meeting, open_ends};
use crate::fs::flags::OpenFlags;
use crate::fs::inode::Node;
use crate::fs::special::{Attachment, OpenRequest, Openable, Opened};
use alloc::sync::Arc;
use postern_core::errno::{Errno, Result};

/// Opens FIFOs, and pipes once more through /proc/PID/fd.
pub struct FifoOpener;

impl Openable for FifoOpener {
    fn open(&self, request: &OpenRequest<'_>) -> Result<Opened> {
        let Node::Fifo(attachment) = request.location.inode().node() else { return Err(Errno::ENXIO) };
        let pipe = pipe_of(attachment)?;
        let meeting = match pipe.naming() {
            Naming::Anonymous => Meeting::None,
            Naming::Named if request.flags.contains(OpenFlags::NONBLOCK) => Meeting::NoWait,
            Naming::Named => Meeting::Wait,
        };
        let unseen_writers = open_ends(&*pipe, request.access, meeting)?;
        Ok(Opened::plain(Arc::new(PipeEnd::new(pipe, request.access, unseen_writers))))
    }
}

fn pipe_of(attachment: &Attachment) -> Result<Arc<Pipe>> {
    match attachment.get::<Pipe>() {
        Some(pipe) => Ok(pipe),
        None => attachment.get_or_attach(Pipe::try_new(Naming::Named)?).ok_or(Errno::ENXIO),
    }
}
