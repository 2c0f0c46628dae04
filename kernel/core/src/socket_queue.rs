//! One direction of a connection of Unix sockets, or what a socket for datagrams was sent: messages not yet received.
//!
//! Owns the messages, the accounting of memory that bounds the sender, and whether either side has ended this direction. Over a
//! connection one sender's messages lie here and are charged here. Datagrams come from many: they lie in a queue of the receiver's
//! ([`SocketQueue::of_many`]) and are charged to one of the sender's, which holds nothing else. It moves no bytes itself: buffers
//! are handed to the caller to fill and to copy from, and a message counts as sent or received only when that went well. Locks:
//! none, the caller holds one. Never sleeps. Specification: unix(7), socket(7), shutdown(2); net/unix/af_unix.c of Linux 6.12.

use alloc::collections::VecDeque;

use crate::effects::{Step, Wake, Wakes};
use crate::errno::{Errno, Result};
use crate::readiness::Readiness;

pub use ends::Unreceived;
use pieces::Pieces;
pub use receive::{Delivery, Received, Request, Senders, Taking};

mod ends;
mod pieces;
mod receive;

/// Bytes that a sender may have under way, unless SO_SNDBUF says otherwise (net.core.wmem_default).
pub const DEFAULT_CAPACITY_BYTES: usize = 212_992;
/// What a message costs besides its bytes, as in Linux about.
const OVERHEAD_BYTES: usize = 576;
/// Costs are multiples of this.
const GRAIN_BYTES: usize = 256;
/// What of the capacity no message can use.
const UNUSABLE_BYTES: usize = 32;
/// The longest piece of a stream that is kept as one message.
const PIECE_BYTES: usize = 32 * 1024;

/// SOCK_STREAM and its kin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum SocketType {
    /// A stream of bytes.
    Stream,
    /// Messages, without a connection: a side learns that the other has gone when it sends.
    Datagram,
    /// Messages over a connection.
    SeqPacket,
}

impl SocketType {
    /// Whether boundaries between messages are kept.
    #[must_use]
    pub const fn has_messages(self) -> bool {
        matches!(self, Self::Datagram | Self::SeqPacket)
    }

    /// Whether what ends at one side ends at the other too.
    #[must_use]
    pub const fn is_connected(self) -> bool {
        matches!(self, Self::Stream | Self::SeqPacket)
    }
}

/// A message, or a piece of a stream.
struct Message<S, F> {
    data: Pieces,
    /// How many bytes of it were received.
    taken: usize,
    sender: S,
    files: Option<F>,
}

impl<S, F> Message<S, F> {
    /// Bytes not yet received.
    fn left(&self) -> usize {
        self.data.length() - self.taken
    }

    /// Hands the first `wanted` of them to `copy`, which says how many it took of each part; how many in all.
    fn copy(&self, wanted: usize, copy: &mut impl FnMut(&[u8]) -> usize) -> usize {
        let mut copied = 0;
        for part in self.data.parts(self.taken..self.taken + wanted) {
            let taken = copy(part);
            copied += taken;
            if taken < part.len() {
                break;
            }
        }
        copied
    }

    fn cost(&self) -> usize {
        cost(self.data.length())
    }
}

/// The memory that a message of `length` bytes counts for.
fn cost(length: usize) -> usize {
    (length + OVERHEAD_BYTES).next_multiple_of(GRAIN_BYTES)
}

/// Datagrams that wait for a receiver before those who are not its only peer have to wait (net.unix.max_dgram_qlen).
pub const MAX_WAITING: usize = 10;

/// The queue. `S` says who sent a message, `F` keeps the files in it.
pub struct SocketQueue<S, F> {
    kind: SocketType,
    messages: VecDeque<Message<S, F>>,
    /// Bytes not yet received.
    bytes: usize,
    /// The cost of all messages.
    charged: usize,
    capacity: usize,
    sender_shut: bool,
    receiver_shut: bool,
    receiver_closed: bool,
}

impl<S: Copy + Eq, F> SocketQueue<S, F> {
    /// An empty queue between two sockets that may do everything.
    #[must_use]
    pub const fn new(kind: SocketType) -> Self {
        Self {
            kind,
            messages: VecDeque::new(),
            bytes: 0,
            charged: 0,
            capacity: DEFAULT_CAPACITY_BYTES,
            sender_shut: false,
            receiver_shut: false,
            receiver_closed: false,
        }
    }

    /// An empty queue for the messages of any number of senders, who are charged elsewhere.
    #[must_use]
    pub const fn of_many(kind: SocketType) -> Self {
        let mut queue = Self::new(kind);
        queue.capacity = usize::MAX / 4;
        queue
    }

    /// Nothing was sent that is not received.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Bytes not yet received.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of the next message.
    #[must_use]
    pub fn next_length(&self) -> usize {
        self.messages.front().map_or(0, Message::left)
    }

    /// The memory that what is under way counts for.
    #[must_use]
    pub fn charged(&self) -> usize {
        self.charged
    }

    /// What that may come to before the sender has to wait.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether so many messages wait that those who are not the receiver's only peer have to wait.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.messages.len() > MAX_WAITING
    }

    /// Worth announcing to senders: a quarter of the capacity at most is taken.
    fn is_writable(&self) -> bool {
        self.charged * 4 <= self.capacity
    }

    /// What `poll` says of this direction: IN and RDHUP to the receiver, OUT and HUP (it can send no more) to the sender.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let mut readiness = Readiness::empty();
        readiness.set(Readiness::READABLE, !self.is_empty() || self.receiver_shut);
        readiness.set(Readiness::RDHUP, self.receiver_shut);
        readiness.set(Readiness::HUP, self.sender_shut);
        readiness.set(Readiness::WRITABLE | Readiness::WRBAND, self.is_writable());
        readiness
    }

    /// Whether a message of `length` bytes may be sent now.
    ///
    /// # Errors
    /// EPIPE; ECONNREFUSED if the receiver of datagrams is closed; EMSGSIZE; EAGAIN.
    pub fn admit(&self, length: usize) -> Result<()> {
        if self.kind.has_messages() && length > self.capacity.saturating_sub(UNUSABLE_BYTES) {
            return Err(Errno::EMSGSIZE);
        }
        if self.sender_shut || self.receiver_shut {
            return Err(Errno::EPIPE);
        }
        if self.receiver_closed {
            return Err(Errno::ECONNREFUSED);
        }
        if self.charged >= self.capacity { Err(Errno::EAGAIN) } else { Ok(()) }
    }

    /// Counts a message of `length` bytes, which is going to lie in another queue; what has to be given back with
    /// [`refund`](Self::refund) when it no longer does.
    ///
    /// # Errors
    /// As [`admit`](Self::admit).
    pub fn charge(&mut self, length: usize) -> Result<usize> {
        self.admit(length)?;
        let cost = cost(length);
        self.charged += cost;
        Ok(cost)
    }

    /// Gives back what [`charge`](Self::charge) said.
    pub fn refund(&mut self, cost: usize) -> Step<()> {
        let was_writable = self.is_writable();
        self.charged -= cost;
        let wakes = Wakes { writers: Wake::one_if(!was_writable && self.is_writable()), ..Wakes::NONE };
        Step::new((), wakes)
    }

    /// Sends `length` bytes that `fill` supplies, a stream as many as there is room for. `fill` says how many it could supply.
    /// `files` go with the first byte and are left where they are if nothing is sent.
    ///
    /// # Errors
    /// As [`admit`](Self::admit), ENOMEM; EFAULT: `fill` supplied nothing, or less than a message. Nothing has changed then.
    pub fn try_send(
        &mut self,
        length: usize,
        sender: S,
        files: &mut Option<F>,
        mut fill: impl FnMut(&mut [u8]) -> usize,
    ) -> Result<Step> {
        let was_empty = self.is_empty();
        let mut sent = 0;
        let outcome = loop {
            if let Err(error) = self.send_one(length - sent, sender, files, &mut fill) {
                break Err(error);
            }
            let piece = self.last_length();
            sent += piece;
            if sent >= length || piece < PIECE_BYTES.min(length - (sent - piece)) {
                break Ok(());
            }
        };
        match outcome {
            Err(error) if sent == 0 => Err(error),
            Ok(()) | Err(_) => {
                Ok(Step::new(sent, Wakes { readers: Wake::one_if(was_empty && !self.is_empty()), ..Wakes::NONE }))
            }
        }
    }

    fn last_length(&self) -> usize {
        self.messages.back().map_or(0, |message| message.data.length())
    }

    /// Sends one message, or the first piece of what is left of a stream.
    fn send_one(
        &mut self,
        length: usize,
        sender: S,
        files: &mut Option<F>,
        fill: &mut impl FnMut(&mut [u8]) -> usize,
    ) -> Result<()> {
        self.admit(length)?;
        let wanted = if self.kind.has_messages() { length } else { length.min(PIECE_BYTES) };
        self.messages.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let mut data = Pieces::new();
        let outcome = data.fill(wanted, fill);
        let filled = data.length();
        if filled < wanted && (filled == 0 || self.kind.has_messages()) {
            return outcome.and(Err(Errno::EFAULT));
        }
        let message = Message { data, taken: 0, sender, files: files.take() };
        self.bytes += filled;
        self.charged += message.cost();
        self.messages.push_back(message);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
