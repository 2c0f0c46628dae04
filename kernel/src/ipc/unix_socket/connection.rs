//! Connections of streams and of packets in sequence: listen, connect, accept.
//!
//! A socket has both directions of its connection from the start. To connect is to make the socket at the other end, which has
//! the same two the other way round, and to queue it with the listener. Locks: OBJECT (spin) around a listener's queue. Sleeps,
//! interruptibly, for a connection, or for room in a listener's queue. Specification: listen(2), connect(2), accept(2), unix(7);
//! net/unix/af_unix.c of Linux 6.12.

use super::message::Sender;
use super::name::{Identity, Name};
use super::transfer::wait;
use super::{Socket, SocketType, collector};
use crate::fs::file::Readiness;
use crate::fs::poll::Patience;
use crate::mm::heap;
use crate::sync::{SpinLock, rank};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU8, Ordering};
use postern_core::effects::{Wake, Wakes};
use postern_core::errno::{Errno, Result};
use spin::Once;

/// The most connections that may wait to be accepted, whatever a program asks for (net.core.somaxconn).
const MAX_BACKLOG: u32 = 4096;

/// How far a socket has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Phase {
    /// Neither connected nor listening; sockets for datagrams are never anything else, until they are closed.
    Idle,
    /// Accepts connections.
    Listening,
    /// Has or had a peer.
    Connected,
    /// Nobody has it open.
    Closed,
}

impl Phase {
    const fn from_raw(raw: u8) -> Self {
        match raw {
            0 => Self::Idle,
            1 => Self::Listening,
            2 => Self::Connected,
            _ => Self::Closed,
        }
    }
}

/// What a listener has to accept.
struct Backlog {
    pending: VecDeque<Arc<Socket>>,
    limit: usize,
    /// Whether it takes more: not before listen(2), nor after it was shut or closed.
    open: bool,
}

/// A socket's part in a connection.
pub(super) struct Connection {
    /// Written with release, so that who sees it sees what came before.
    phase: AtomicU8,
    peer: Once<Arc<Identity>>,
    backlog: SpinLock<Backlog>,
}

impl Connection {
    /// None yet.
    pub(super) fn none() -> Self {
        Self::with(Phase::Idle, Once::new())
    }

    /// To `peer`.
    pub(super) fn to(peer: Arc<Identity>) -> Self {
        Self::with(Phase::Connected, Once::initialized(peer))
    }

    fn with(phase: Phase, peer: Once<Arc<Identity>>) -> Self {
        let backlog = Backlog { pending: VecDeque::new(), limit: 0, open: false };
        Self { phase: AtomicU8::new(phase as u8), peer, backlog: SpinLock::new(rank::OBJECT, backlog) }
    }

    pub(super) fn phase(&self) -> Phase {
        Phase::from_raw(self.phase.load(Ordering::Acquire))
    }

    /// From idle to `next`, or the phase that it is in instead.
    fn leave_idle(&self, next: Phase) -> core::result::Result<(), Phase> {
        self.phase
            .compare_exchange(Phase::Idle as u8, next as u8, Ordering::AcqRel, Ordering::Acquire)
            .map(drop)
            .map_err(Phase::from_raw)
    }

    /// The phase is `Closed` from now on; what it was.
    pub(super) fn close(&self) -> Phase {
        Phase::from_raw(self.phase.swap(Phase::Closed as u8, Ordering::AcqRel))
    }

    /// Whom it is, or was, connected to.
    pub(super) fn peer(&self) -> Option<&Arc<Identity>> {
        self.peer.get()
    }

    /// Whether a connection waits to be accepted.
    pub(super) fn has_pending(&self) -> bool {
        !self.backlog.lock().pending.is_empty()
    }

    /// Takes no more connections.
    pub(super) fn refuse(&self) {
        self.backlog.lock().open = false;
    }

    /// Takes no more, and what was not accepted.
    pub(super) fn take_pending(&self) -> VecDeque<Arc<Socket>> {
        let mut backlog = self.backlog.lock();
        backlog.open = false;
        core::mem::take(&mut backlog.pending)
    }

    /// What was not accepted yet.
    pub(super) fn pending(&self) -> alloc::vec::Vec<Arc<Socket>> {
        self.backlog.lock().pending.iter().cloned().collect()
    }
}

impl Socket {
    /// listen(2): accepts connections from now on, of which so many and one may wait.
    ///
    /// # Errors
    /// EOPNOTSUPP for datagrams; EINVAL without a name, or if it is connected.
    pub fn listen(&self, backlog: u32) -> Result<()> {
        if !self.kind.is_connected() {
            return Err(Errno::EOPNOTSUPP);
        }
        if self.name().is_none() {
            return Err(Errno::EINVAL);
        }
        match self.connection.leave_idle(Phase::Listening) {
            Ok(()) | Err(Phase::Listening) => {}
            Err(_) => return Err(Errno::EINVAL),
        }
        self.options.set_peer(Sender::current_effective());
        let mut waiting = self.connection.backlog.lock();
        waiting.limit = usize::try_from(backlog.min(MAX_BACKLOG)).unwrap_or(0);
        waiting.open = !self.incoming.readiness().contains(Readiness::RDHUP);
        drop(waiting);
        self.incoming.wake(Wakes { writers: Wake::All, ..Wakes::NONE });
        Ok(())
    }

    /// connect(2) to `listener`: waits while as many as may are waiting to be accepted.
    ///
    /// # Errors
    /// ECONNREFUSED: it does not listen; EISCONN, EINVAL: the socket is connected, or listens; EAGAIN: patience ended;
    /// ERESTARTSYS, EINTR, ENOMEM.
    pub fn connect_to(self: &Arc<Self>, listener: &Arc<Self>, patience: Patience) -> Result<()> {
        heap::admit(size_of::<Self>())?;
        let other_end = self.other_end(listener.name());
        collector::add_pending(&other_end.incoming, &listener.incoming);
        let attempt = || self.try_connect(listener, &other_end);
        let result = match attempt() {
            Err(Errno::EAGAIN) if patience != Patience::None => wait(&listener.incoming.writers, patience, attempt),
            result => result,
        };
        result.inspect_err(|_| collector::remove_pending(&other_end.incoming))?;
        self.options.set_peer(listener.peer());
        let wakes = Wakes { readers: Wake::One, ..Wakes::NONE };
        listener.incoming.wake(wakes);
        // It was poll's business that this socket was connected to nobody.
        self.outgoing.wake(Wakes { writers: Wake::All, ..Wakes::NONE });
        Ok(())
    }

    /// The socket that a listener called `name` will accept.
    fn other_end(&self, name: Option<Name>) -> Arc<Self> {
        Self::make(
            self.kind,
            Identity::called(name),
            [self.outgoing.clone(), self.incoming.clone()],
            Connection::to(self.identity.clone()),
            Sender::current_effective(),
        )
    }

    fn try_connect(&self, listener: &Self, other_end: &Arc<Self>) -> Result<()> {
        let mut backlog = listener.connection.backlog.lock();
        if !backlog.open {
            return Err(Errno::ECONNREFUSED);
        }
        if backlog.pending.len() > backlog.limit {
            return Err(Errno::EAGAIN);
        }
        backlog.pending.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.connection.leave_idle(Phase::Connected).map_err(|phase| match phase {
            Phase::Connected => Errno::EISCONN,
            _ => Errno::EINVAL,
        })?;
        self.connection.peer.call_once(|| other_end.identity.clone());
        backlog.pending.push_back(other_end.clone());
        Ok(())
    }

    /// accept(2): waits for a connection. Whoever takes it opens it, or closes it.
    ///
    /// # Errors
    /// EOPNOTSUPP for datagrams; EINVAL: it does not listen, or was shut; EAGAIN: patience ended; ERESTARTSYS, EINTR.
    pub fn accept(&self, patience: Patience) -> Result<Arc<Self>> {
        if !self.kind.is_connected() {
            return Err(Errno::EOPNOTSUPP);
        }
        let attempt = || self.try_accept(patience);
        let accepted = match attempt() {
            Err(Errno::EAGAIN) if patience != Patience::None => {
                let accepted = wait(&self.incoming.readers, patience, attempt);
                self.pass_on(&self.incoming.readers, Readiness::READABLE);
                accepted
            }
            result => result,
        }?;
        self.incoming.wake(Wakes { writers: Wake::One, ..Wakes::NONE });
        collector::remove_pending(&accepted.incoming);
        accepted.want_credentials(self.wants_credentials());
        Ok(accepted)
    }

    fn try_accept(&self, patience: Patience) -> Result<Arc<Self>> {
        if self.connection.phase() != Phase::Listening {
            return Err(Errno::EINVAL);
        }
        let mut backlog = self.connection.backlog.lock();
        match backlog.pending.pop_front() {
            Some(accepted) => Ok(accepted),
            // As Linux has it: the end ends a wait, and is not seen without one.
            None if !backlog.open && patience != Patience::None => Err(Errno::EINVAL),
            None => Err(Errno::EAGAIN),
        }
    }

    /// Whether it accepts connections (SO_ACCEPTCONN).
    pub fn is_listening(&self) -> bool {
        self.connection.phase() == Phase::Listening
    }

    /// Whether nobody has it open any more.
    pub(super) fn is_closed(&self) -> bool {
        self.connection.phase() == Phase::Closed
    }

    /// Whom it talks to, or was connected to.
    ///
    /// # Errors
    /// ENOTCONN.
    pub fn peer_identity(&self) -> Result<Arc<Identity>> {
        match self.kind {
            SocketType::Datagram => self.correspondent().map(|peer| peer.identity.clone()),
            SocketType::Stream | SocketType::SeqPacket => self.connection.peer().cloned(),
        }
        .ok_or(Errno::ENOTCONN)
    }
}
