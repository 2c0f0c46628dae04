//! What a program sets of a socket, and can ask of it.
//!
//! Owns the options that are the socket's own; those that concern the other side are kept in the directions. Locks: SOCKET for
//! the capacity, OBJECT (spin) around who the peer is. Sleeps in the former only. Specification: socket(7), unix(7).

use super::message::Sender;
use super::{Socket, SocketType};
use crate::fs::poll::Patience;
use crate::sync::{Kernel, Platform, SpinLock, rank};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use postern_core::errno::Errno;
use postern_core::socket_queue::DEFAULT_CAPACITY_BYTES;

/// The most that a program may ask for without privilege (net.core.wmem_max, rmem_max).
const MAX_REQUEST_BYTES: usize = DEFAULT_CAPACITY_BYTES;
/// The least that it gets.
const MIN_SEND_BYTES: usize = 4608;
const MIN_RECEIVE_BYTES: usize = 2304;
/// No time limit.
const FOREVER_NS: u64 = u64::MAX;

/// A socket's options.
pub(super) struct Options {
    // Relaxed: values that stand for themselves.
    receive_timeout_ns: AtomicU64,
    send_timeout_ns: AtomicU64,
    /// Remembered and shown; what bounds the way here is the sender's capacity.
    receive_bytes: AtomicUsize,
    /// Who made the pair, listened or connected at the other end (SO_PEERCRED).
    peer: SpinLock<Sender>,
}

impl Options {
    /// The defaults, of a socket with `peer` at the other end.
    pub(super) fn new(peer: Sender) -> Self {
        Self {
            receive_timeout_ns: AtomicU64::new(FOREVER_NS),
            send_timeout_ns: AtomicU64::new(FOREVER_NS),
            receive_bytes: AtomicUsize::new(DEFAULT_CAPACITY_BYTES),
            peer: SpinLock::new(rank::OBJECT, peer),
        }
    }

    pub(super) fn timeout_ns(&self, way: Way) -> Option<u64> {
        let timeout_ns = self.slot(way).load(Ordering::Relaxed);
        (timeout_ns != FOREVER_NS).then_some(timeout_ns)
    }

    pub(super) fn set_peer(&self, peer: Sender) {
        *self.peer.lock() = peer;
    }

    fn slot(&self, way: Way) -> &AtomicU64 {
        match way {
            Way::Receive => &self.receive_timeout_ns,
            Way::Send => &self.send_timeout_ns,
        }
    }
}

/// Which way bytes go, seen from the socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// To the program.
    Receive,
    /// To the peer.
    Send,
}

/// Whether a limit holds for the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    /// It does.
    Enforced,
    /// It does not (SO_SNDBUFFORCE by the privileged).
    Waived,
}

impl Socket {
    /// Its type.
    pub fn kind(&self) -> SocketType {
        self.kind
    }

    /// Who is at the other end: made the pair, listened when this socket connected, or connected.
    pub fn peer(&self) -> Sender {
        *self.options.peer.lock()
    }

    /// SO_ERROR: the pending error, which is told once.
    pub fn take_error(&self) -> Option<Errno> {
        self.incoming.take_error()
    }

    /// SO_PASSCRED.
    pub fn wants_credentials(&self) -> bool {
        self.incoming.credentials_wanted()
    }

    /// Sets SO_PASSCRED.
    pub fn want_credentials(&self, wanted: bool) {
        self.incoming.want_credentials(wanted);
    }

    /// How long a call that goes this way waits: SO_RCVTIMEO, SO_SNDTIMEO.
    pub fn patience(&self, way: Way) -> Patience {
        match self.timeout_ns(way) {
            None => Patience::Forever,
            Some(0) => Patience::None,
            Some(timeout_ns) => Patience::Until(Kernel::now_ns().saturating_add(timeout_ns)),
        }
    }

    /// The time limit of calls that go this way, in nanoseconds.
    pub fn timeout_ns(&self, way: Way) -> Option<u64> {
        self.options.timeout_ns(way)
    }

    /// Sets it.
    pub fn set_timeout_ns(&self, way: Way, timeout_ns: Option<u64>) {
        self.options.slot(way).store(timeout_ns.unwrap_or(FOREVER_NS), Ordering::Relaxed);
    }

    /// SO_SNDBUF, SO_RCVBUF.
    pub fn buffer_bytes(&self, way: Way) -> usize {
        match way {
            Way::Receive => self.options.receive_bytes.load(Ordering::Relaxed),
            Way::Send => self.outgoing.look(|queue| queue.capacity()),
        }
    }

    /// Sets it: to twice what was asked for, as Linux does, within limits.
    pub fn set_buffer_bytes(&self, way: Way, bytes: usize, limit: Limit) {
        // What fits into an int, doubled.
        const LARGEST_REQUEST_BYTES: usize = (1 << 30) - 1;
        let largest = if limit == Limit::Enforced { MAX_REQUEST_BYTES } else { LARGEST_REQUEST_BYTES };
        let bytes = 2 * bytes.min(largest);
        match way {
            Way::Receive => self.options.receive_bytes.store(bytes.max(MIN_RECEIVE_BYTES), Ordering::Relaxed),
            Way::Send => self.outgoing.set(|queue| queue.set_capacity(bytes.max(MIN_SEND_BYTES))),
        }
    }
}
