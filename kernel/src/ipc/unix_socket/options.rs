//! What a program sets of a socket, and can ask of it.
//!
//! Owns the options that are the socket's own; those that concern the other side are kept in the directions. Locks: SOCKET for
//! the capacity. Sleeps in that lock only. Specification: socket(7), unix(7).

use super::message::Sender;
use super::{Socket, SocketType};
use crate::fs::poll::Patience;
use crate::sync::{Kernel, Platform};
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
    /// Who made the pair (SO_PEERCRED).
    peer: Sender,
}

impl Options {
    /// The defaults of a pair that the calling process makes.
    pub(super) fn of_pair() -> Self {
        Self {
            receive_timeout_ns: AtomicU64::new(FOREVER_NS),
            send_timeout_ns: AtomicU64::new(FOREVER_NS),
            receive_bytes: AtomicUsize::new(DEFAULT_CAPACITY_BYTES),
            peer: Sender::current_effective(),
        }
    }

    pub(super) fn timeout_ns(&self, way: Way) -> Option<u64> {
        let timeout_ns = self.slot(way).load(Ordering::Relaxed);
        (timeout_ns != FOREVER_NS).then_some(timeout_ns)
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

    /// Who made the pair.
    pub fn peer(&self) -> Sender {
        self.options.peer
    }

    /// Whether there is a peer, as far as the socket knows.
    pub fn is_connected(&self) -> bool {
        !self.outgoing.look(|queue| queue.is_forgotten())
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
