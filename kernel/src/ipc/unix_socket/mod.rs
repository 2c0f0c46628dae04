//! Unix sockets, with names and without.
//!
//! A socket is a reference to two directions ([`channel`]), each with its lock and wait queues, and options. Those of two
//! connected sockets are the same, the other way round; a socket for datagrams has both for itself.
//!
//! | file | owns |
//! |---|---|
//! | `channel` | a direction, and who waits there |
//! | `connection` | listen, connect, accept |
//! | `datagram` | whom datagrams go to, and who has to wait |
//! | `name` | names, abstract and automatic ones, and all sockets |
//! | `transfer` | sending and receiving: attempts, and waiting |
//! | `message`, `parcel` | what goes with bytes: who sent them; files, and what a datagram costs |
//! | `collector` | sockets under way that nobody can receive |
//! | `options` | getsockopt, setsockopt |
//! | `report` | /proc/net/unix |
//!
//! Locks: SOCKET (sleeping) of one direction at a time, held over user copies; OBJECT (spin) in the files above. Sleeps there, and
//! in `transfer` and `connection` for data, room or a connection.
//! Specification: unix(7), socket(7), socketpair(2), shutdown(2); net/unix/af_unix.c of Linux 6.12.

mod channel;
mod collector;
mod connection;
mod datagram;
mod message;
mod name;
mod options;
mod parcel;
mod report;
mod transfer;

use crate::fs::anonymous::{self, Kind};
use crate::fs::dentry::Location;
use crate::fs::file::{Direction, FileOps, Io, Readiness};
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::fs::open_file::OpenFile;
use crate::mm::heap;
use crate::mm::user::{Sink, Source, UserPtr};
use crate::process::Credentials;
use crate::sync::{SpinLock, WaitQueue, rank};
use alloc::sync::Arc;
use channel::Channel;
use connection::{Connection, Phase};
use core::any::Any;
use core::sync::atomic::{AtomicU64, Ordering};
use linux_raw_sys::ioctl::{FIONREAD, TIOCOUTQ};
pub use message::Sender;
pub use name::{Identity, Name, attachment, behind, find_abstract};
use options::Options;
pub use options::{Limit, Way};
pub use parcel::{InFlight, Parcel};
use postern_core::errno::{Errno, Result};
pub use postern_core::socket_queue::{Delivery, SocketType, Taking};
pub use report::init;
pub use transfer::{Amount, Deliver, Outgoing, Receiving};

/// A socket.
pub struct Socket {
    kind: SocketType,
    identity: Arc<Identity>,
    /// What it receives. Those who wait for connections to accept wait here for data, and those who would connect for room.
    incoming: Arc<Channel>,
    /// What it sends; of a socket for datagrams, what these cost.
    outgoing: Arc<Channel>,
    options: Options,
    connection: Connection,
    /// Whom datagrams go to.
    correspondent: SpinLock<Option<Arc<Self>>>,
    /// Of its file, 0 before there is one. Relaxed: for reports.
    inode_number: AtomicU64,
}

impl Socket {
    /// A socket that is not connected.
    fn idle(kind: SocketType) -> Arc<Self> {
        let incoming = if kind.is_connected() { Channel::new(kind) } else { Channel::of_many(kind) };
        let outgoing = Channel::new(kind);
        // Until it is accepted, nobody can say whether the other side will want to know who sends.
        outgoing.want_credentials(kind.is_connected());
        Self::make(kind, Identity::nameless(), [incoming, outgoing], Connection::none(), Sender::NOBODY)
    }

    /// A socket with these directions, incoming and outgoing.
    fn make(
        kind: SocketType,
        identity: Arc<Identity>,
        [incoming, outgoing]: [Arc<Channel>; 2],
        connection: Connection,
        peer: Sender,
    ) -> Arc<Self> {
        let socket = Arc::new(Self {
            kind,
            identity,
            incoming,
            outgoing,
            options: Options::new(peer),
            connection,
            correspondent: SpinLock::new(rank::OBJECT, None),
            inode_number: AtomicU64::new(0),
        });
        name::enter(&socket);
        socket
    }

    /// An open file description of it at `place`. `flags` may hold NONBLOCK.
    pub fn open(self: &Arc<Self>, place: Location, flags: OpenFlags) -> Arc<OpenFile> {
        self.inode_number.store(place.inode().number(), Ordering::Relaxed);
        anonymous::open(self.clone(), place, AccessMode::READ_WRITE, flags)
    }

    /// The socket behind a file.
    ///
    /// # Errors
    /// ENOTSOCK.
    pub fn behind(file: &OpenFile) -> Result<Arc<Self>> {
        let ops: Arc<dyn Any + Send + Sync> = file.ops().clone();
        ops.downcast().map_err(|_| file.unfit(Errno::ENOTSOCK))
    }

    /// Ends what it receives, sends, or both (shutdown(2)).
    pub fn shut(&self, ways: &[Way]) {
        for way in ways {
            match way {
                Way::Receive => {
                    self.connection.refuse();
                    self.incoming.set(|queue| queue.shut_receiver());
                }
                Way::Send => self.outgoing.set(|queue| queue.shut_sender()),
            }
        }
    }

    /// Bytes that FIONREAD tells of.
    fn readable_bytes(&self) -> Result<usize> {
        if self.is_listening() {
            return Err(Errno::EINVAL);
        }
        Ok(self.incoming.look(|queue| match self.kind {
            SocketType::Datagram => queue.next_length(),
            SocketType::Stream | SocketType::SeqPacket => queue.bytes(),
        }))
    }

    /// Nobody has it open any more, or ever will.
    fn close(&self) {
        let phase = self.connection.close();
        self.give_up_name();
        let peer = self.correspondent.lock().take();
        for pending in self.connection.take_pending() {
            collector::remove_pending(&pending.incoming);
            // The other side was connected, and learns that it was for nothing.
            pending.outgoing.set_error(Errno::ECONNRESET);
            pending.close();
        }
        let unreceived = self.incoming.set(|queue| queue.close_receiver());
        if unreceived.resets && phase == Phase::Connected {
            self.outgoing.set_error(Errno::ECONNRESET);
        }
        self.outgoing.set(|queue| queue.close_sender());
        drop((unreceived, peer));
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        name::leave(&self.identity);
    }
}

impl FileOps for Socket {
    /// A stream's: neither bytes nor the end nor an error, of a socket that is connected.
    #[inline(always)]
    fn has_nothing(&self, sink: &Sink<'_>) -> bool {
        let concerns = Readiness::READABLE | Readiness::RDHUP | Readiness::ERR;
        self.kind == SocketType::Stream
            && !self.incoming.readiness().intersects(concerns)
            && self.connection.phase() == Phase::Connected
            && sink.remaining() != 0
    }

    fn try_read(&self, io: &Io, sink: &mut Sink<'_>) -> Result<usize> {
        if sink.remaining() == 0 {
            return Ok(0);
        }
        // Files that come along are closed: read(2) has no place for them.
        let received = self.try_receive(sink, &Receiving::by(io.flags), None, &mut |_| Ok(()))?;
        Ok(received.bytes)
    }

    fn try_write(&self, _: &Io, source: &mut Source<'_>) -> Result<usize> {
        self.try_send(source, &mut Outgoing::default())
    }

    fn heeds_splice_flags(&self) -> bool {
        self.kind == SocketType::Stream
    }

    fn takes_empty_messages(&self) -> bool {
        self.kind != SocketType::Stream
    }

    fn readiness(&self) -> Readiness {
        let (incoming, outgoing) = (self.incoming.readiness(), self.outgoing.readiness());
        let of_reader = Readiness::READABLE | Readiness::RDHUP | Readiness::ERR;
        let of_writer = Readiness::WRITABLE | Readiness::WRBAND;
        let mut readiness = incoming & of_reader | outgoing & of_writer;
        let ended = incoming.contains(Readiness::RDHUP) && outgoing.contains(Readiness::HUP);
        readiness.set(Readiness::HUP, ended);
        match self.connection.phase() {
            Phase::Idle if self.kind.is_connected() => readiness |= Readiness::HUP,
            Phase::Idle if readiness.intersects(of_writer) && self.is_kept_waiting() => readiness -= of_writer,
            Phase::Listening => {
                readiness -= of_writer;
                if self.connection.has_pending() {
                    readiness |= Readiness::READABLE;
                }
            }
            Phase::Idle | Phase::Connected | Phase::Closed => {}
        }
        readiness
    }

    fn wait_queue(&self, direction: Direction) -> Option<&WaitQueue> {
        Some(match direction {
            Direction::Read => &self.incoming.readers,
            Direction::Write => &self.outgoing.writers,
        })
    }

    /// The other side of a connection. Whom a datagram will go to is not known before it is sent.
    fn serves(&self, direction: Direction) -> Option<&WaitQueue> {
        Some(match direction {
            Direction::Read => &self.incoming.writers,
            Direction::Write => &self.outgoing.readers,
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

    fn ioctl(&self, _: OpenFlags, command: u32, argument: usize) -> Result<usize> {
        let bytes = match command {
            FIONREAD => self.readable_bytes()?,
            // SIOCOUTQ by its other name.
            TIOCOUTQ if self.is_listening() => return Err(Errno::EINVAL),
            TIOCOUTQ => self.outgoing.look(|queue| queue.charged()),
            _ => return Err(Errno::ENOTTY),
        };
        UserPtr::<i32>::new(argument).write(&i32::try_from(bytes).unwrap_or(i32::MAX))?;
        Ok(0)
    }

    fn descriptor_closed(&self) {
        collector::collect(&[self.incoming.id]);
    }

    fn released(&self, _: OpenFlags) {
        self.close();
        collector::note_close();
    }
}

/// A place for a socket's file.
///
/// # Errors
/// ENOMEM, ENOSPC.
pub fn place(credentials: &Credentials) -> Result<Location> {
    heap::admit(size_of::<Socket>() + 2 * size_of::<Channel>())?;
    anonymous::place(Kind::Socket, credentials)
}

/// socket(2): a socket that is connected to nobody and has no name. `flags` may hold NONBLOCK.
///
/// # Errors
/// ENOMEM, ENOSPC.
pub fn single(kind: SocketType, flags: OpenFlags, credentials: &Credentials) -> Result<Arc<OpenFile>> {
    let place = place(credentials)?;
    Ok(Socket::idle(kind).open(place, flags))
}

/// socketpair(2): two sockets that talk to each other. `flags` may hold NONBLOCK.
///
/// # Errors
/// ENOMEM, ENOSPC.
pub fn pair(kind: SocketType, flags: OpenFlags, credentials: &Credentials) -> Result<[Arc<OpenFile>; 2]> {
    let [here, there] = [place(credentials)?, place(credentials)?];
    let sockets = if kind.is_connected() { connected_pair(kind) } else { corresponding_pair(kind) };
    let [first, second] = &sockets;
    Ok([first.open(here, flags), second.open(there, flags)])
}

fn connected_pair(kind: SocketType) -> [Arc<Socket>; 2] {
    let (one, other) = (Channel::new(kind), Channel::new(kind));
    let (first, second) = (Identity::nameless(), Identity::nameless());
    let peer = Sender::current_effective();
    let to_second = Connection::to(second.clone());
    let to_first = Connection::to(first.clone());
    [
        Socket::make(kind, first, [one.clone(), other.clone()], to_second, peer),
        Socket::make(kind, second, [other, one], to_first, peer),
    ]
}

fn corresponding_pair(kind: SocketType) -> [Arc<Socket>; 2] {
    let pair = [Socket::idle(kind), Socket::idle(kind)];
    for (socket, peer) in [(&pair[0], &pair[1]), (&pair[1], &pair[0])] {
        socket.options.set_peer(Sender::current_effective());
        *socket.correspondent.lock() = Some(peer.clone());
    }
    pair
}
