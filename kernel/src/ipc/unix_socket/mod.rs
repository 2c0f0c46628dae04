//! Unix sockets without names: pairs of them, made by socketpair(2).
//!
//! A pair is two directions ([`channel`]), each with its lock and wait queues; a socket is a reference to both, and options.
//! Locks: SOCKET (sleeping) of one direction at a time, held over user copies. Sleeps there, and in `transfer` for data or room.
//! A socket that is under way in itself, or in a circle of sockets, is not found and stays: nothing collects such circles yet.
//! Specification: unix(7), socket(7), socketpair(2), shutdown(2); net/unix/af_unix.c of Linux 6.12.

mod channel;
mod message;
mod options;
mod transfer;

use crate::fs::anonymous::{self, Kind};
use crate::fs::file::{Direction, FileOps, Io, Readiness};
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::fs::open_file::OpenFile;
use crate::mm::heap;
use crate::mm::user::{Sink, Source, UserPtr};
use crate::process::Credentials;
use crate::sync::WaitQueue;
use alloc::sync::Arc;
use channel::Channel;
use core::any::Any;
use linux_raw_sys::ioctl::{FIONREAD, TIOCOUTQ};
pub use message::{InFlight, Sender};
use options::Options;
pub use options::{Limit, Way};
use postern_core::errno::{Errno, Result};
pub use postern_core::socket_queue::{Delivery, SocketType, Taking};
pub use transfer::{Amount, Deliver, Outgoing, Receiving};

/// One of a pair of sockets.
pub struct Socket {
    kind: SocketType,
    incoming: Arc<Channel>,
    outgoing: Arc<Channel>,
    options: Options,
}

impl Socket {
    /// The socket behind a file.
    ///
    /// # Errors
    /// ENOTSOCK.
    pub fn behind(file: &OpenFile) -> Result<Arc<Self>> {
        let ops: Arc<dyn Any + Send + Sync> = file.ops().clone();
        ops.downcast().map_err(|_| Errno::ENOTSOCK)
    }

    /// Ends what it receives, sends, or both (shutdown(2)).
    pub fn shut(&self, ways: &[Way]) {
        for way in ways {
            match way {
                Way::Receive => self.incoming.set(|queue| queue.shut_receiver()),
                Way::Send => self.outgoing.set(|queue| queue.shut_sender()),
            }
        }
    }

    /// Bytes that FIONREAD tells of.
    fn readable_bytes(&self) -> usize {
        self.incoming.look(|queue| match self.kind {
            SocketType::Datagram => queue.next_length(),
            SocketType::Stream | SocketType::SeqPacket => queue.bytes(),
        })
    }
}

impl FileOps for Socket {
    fn try_read(&self, io: &Io, sink: &mut Sink<'_>) -> Result<usize> {
        if sink.remaining() == 0 {
            return Ok(0);
        }
        // Files that come along are closed: read(2) has no place for them.
        let received = self.try_receive(sink, &Receiving::by(io.flags), None, &mut |_| Ok(()))?;
        Ok(received.bytes)
    }

    fn try_write(&self, _: &Io, source: &mut Source<'_>) -> Result<usize> {
        self.try_send(source, self.sender(), &mut None)
    }

    fn readiness(&self) -> Readiness {
        let (incoming, outgoing) = (self.incoming.readiness(), self.outgoing.readiness());
        let of_reader = Readiness::READABLE | Readiness::RDHUP | Readiness::ERR;
        let of_writer = Readiness::WRITABLE | Readiness::WRBAND;
        let mut readiness = incoming & of_reader | outgoing & of_writer;
        let ended = incoming.contains(Readiness::RDHUP) && outgoing.contains(Readiness::HUP);
        readiness.set(Readiness::HUP, ended);
        readiness
    }

    fn wait_queue(&self, direction: Direction) -> Option<&WaitQueue> {
        Some(match direction {
            Direction::Read => &self.incoming.readers,
            Direction::Write => &self.outgoing.writers,
        })
    }

    fn time_limit_ns(&self, direction: Direction) -> Option<u64> {
        self.timeout_ns(match direction {
            Direction::Read => Way::Receive,
            Direction::Write => Way::Send,
        })
    }

    fn raises_sigpipe(&self, delivered: usize) -> bool {
        self.kind == SocketType::Stream && delivered == 0
    }

    fn note_edge_waiter(&self) {
        self.incoming.note_edge_waiter();
        self.outgoing.note_edge_waiter();
    }

    fn ioctl(&self, command: u32, argument: usize) -> Result<usize> {
        let bytes = match command {
            FIONREAD => self.readable_bytes(),
            // SIOCOUTQ by its other name.
            TIOCOUTQ => self.outgoing.look(|queue| queue.charged()),
            _ => return Err(Errno::ENOTTY),
        };
        UserPtr::<i32>::new(argument).write(&i32::try_from(bytes).unwrap_or(i32::MAX))?;
        Ok(0)
    }

    fn released(&self, _: OpenFlags) {
        let unread = self.incoming.set(|queue| queue.close_receiver());
        if unread.is_some() && self.kind.is_connected() {
            self.outgoing.set_error(Errno::ECONNRESET);
        }
        self.outgoing.set(|queue| queue.close_sender());
        drop(unread);
    }
}

/// socketpair(2): two sockets that talk to each other. `flags` may hold NONBLOCK.
///
/// # Errors
/// ENOMEM, ENOSPC.
pub fn pair(kind: SocketType, flags: OpenFlags, credentials: &Credentials) -> Result<[Arc<OpenFile>; 2]> {
    heap::admit(2 * (size_of::<Socket>() + size_of::<Channel>()))?;
    let places = [anonymous::place(Kind::Socket, credentials)?, anonymous::place(Kind::Socket, credentials)?];
    let (one, other) = (Channel::new(kind), Channel::new(kind));
    let sockets = [
        Socket { kind, incoming: one.clone(), outgoing: other.clone(), options: Options::of_pair() },
        Socket { kind, incoming: other, outgoing: one, options: Options::of_pair() },
    ];
    let [first, second] = sockets.map(Arc::new);
    let [here, there] = places;
    Ok([
        anonymous::open(first, here, AccessMode::READ_WRITE, flags),
        anonymous::open(second, there, AccessMode::READ_WRITE, flags),
    ])
}
