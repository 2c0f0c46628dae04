//! One direction of a connected pair of Unix sockets: what was sent and not yet received.
//!
//! Owns the messages, the accounting of memory that bounds the sender, and whether either side has ended this direction. It moves
//! no bytes itself: buffers are handed to the caller to fill and to copy from, and a message counts as sent or received only when
//! that went well. Locks: none, the caller holds one. Never sleeps. Specification: unix(7), socket(7), shutdown(2);
//! net/unix/af_unix.c of Linux 6.12.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::effects::{Step, Wake, Wakes};
use crate::errno::{Errno, Result};
use crate::readiness::Readiness;

/// Bytes that a sender may have under way, unless SO_SNDBUF says otherwise (net.core.wmem_default).
pub const DEFAULT_CAPACITY_BYTES: usize = 212_992;
/// What a message costs besides its bytes, as in Linux about.
const OVERHEAD_BYTES: usize = 576;
/// Costs are multiples of this.
const GRAIN_BYTES: usize = 256;
/// What of the capacity no message can use.
const UNUSABLE_BYTES: usize = 32;
/// The longest piece of a stream that is kept in one buffer.
const PIECE_BYTES: usize = 32 * 1024;

/// SOCK_STREAM and its kin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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

/// What becomes of the bytes that are received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taking {
    /// They are gone from the queue.
    Consume,
    /// They stay (MSG_PEEK).
    Peek,
}

/// Whether one call may receive what several senders have put into a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Senders {
    /// It may.
    Mixed,
    /// It stops where another sender's bytes begin (SO_PASSCRED).
    Separate,
}

/// What a receiver asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request<S> {
    /// Bytes that it has room for.
    pub room: usize,
    /// What becomes of them here.
    pub taking: Taking,
    /// Of whom.
    pub senders: Senders,
    /// Whose bytes of the stream the same call has received already: files may not follow.
    pub after: Option<S>,
}

/// What a receiver gets, before it is gone from the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delivery<'a, S, F> {
    /// Bytes that were copied.
    pub bytes: usize,
    /// Bytes that there were, of a message that did not fit more than were copied.
    pub length: usize,
    /// Who sent it; `None` at the end.
    pub sender: Option<S>,
    /// The files sent along.
    pub files: Option<&'a F>,
}

/// What was received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received<F> {
    /// Bytes that were copied.
    pub bytes: usize,
    /// Bytes that there were.
    pub length: usize,
    /// The files, which are nobody's now.
    pub files: Option<F>,
}

/// A message, or a piece of a stream.
struct Message<S, F> {
    data: Vec<u8>,
    /// How many bytes of it were received.
    taken: usize,
    sender: S,
    files: Option<F>,
}

impl<S, F> Message<S, F> {
    fn rest(&self) -> &[u8] {
        &self.data[self.taken..]
    }

    fn cost(&self) -> usize {
        cost(self.data.len())
    }
}

/// The memory that a message of `length` bytes counts for.
fn cost(length: usize) -> usize {
    (length + OVERHEAD_BYTES).next_multiple_of(GRAIN_BYTES)
}

/// Whom a sender finds at the other end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Receiver {
    Present,
    /// Closed, which the sender was not told yet.
    Gone,
    /// Closed, as the sender knows.
    Forgotten,
}

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
    receiver: Receiver,
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
            receiver: Receiver::Present,
        }
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
        self.messages
            .front()
            .map_or(0, |message| message.rest().len())
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

    /// Whether the sender knows that nobody is there any more.
    #[must_use]
    pub fn is_forgotten(&self) -> bool {
        self.receiver == Receiver::Forgotten
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
    /// EPIPE; ECONNREFUSED once and ENOTCONN then if the receiver of datagrams is gone; EMSGSIZE; EAGAIN.
    pub fn admit(&mut self, length: usize) -> Result<()> {
        if self.kind.has_messages() && length > self.capacity.saturating_sub(UNUSABLE_BYTES) {
            return Err(Errno::EMSGSIZE);
        }
        if self.sender_shut || self.receiver_shut {
            return Err(Errno::EPIPE);
        }
        match self.receiver {
            Receiver::Present if self.charged >= self.capacity => Err(Errno::EAGAIN),
            Receiver::Present => Ok(()),
            Receiver::Gone => {
                self.receiver = Receiver::Forgotten;
                Err(Errno::ECONNREFUSED)
            }
            Receiver::Forgotten => Err(Errno::ENOTCONN),
        }
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
            Ok(()) | Err(_) => Ok(Step::new(
                sent,
                Wakes {
                    readers: Wake::one_if(was_empty && !self.is_empty()),
                    ..Wakes::NONE
                },
            )),
        }
    }

    fn last_length(&self) -> usize {
        self.messages.back().map_or(0, |message| message.data.len())
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
        let wanted = if self.kind.has_messages() {
            length
        } else {
            length.min(PIECE_BYTES)
        };
        self.messages.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let mut data = Vec::new();
        data.try_reserve_exact(wanted).map_err(|_| Errno::ENOMEM)?;
        data.resize(wanted, 0);
        let filled = if wanted == 0 { 0 } else { fill(&mut data) };
        if filled < wanted && (filled == 0 || self.kind.has_messages()) {
            return Err(Errno::EFAULT);
        }
        data.truncate(filled);
        let message = Message {
            data,
            taken: 0,
            sender,
            files: files.take(),
        };
        self.bytes += filled;
        self.charged += message.cost();
        self.messages.push_back(message);
        Ok(())
    }

    /// Receives what `request` asks for: `copy` takes bytes and says how many it could; then `deliver` sees what comes with
    /// them, and may refuse it. At the end of all 0 bytes are received, of no sender.
    ///
    /// # Errors
    /// EAGAIN; EFAULT: `copy` took nothing, or less than it should of a message; what `deliver` says. Nothing has changed then.
    pub fn try_receive(
        &mut self,
        request: Request<S>,
        copy: impl FnMut(&[u8]) -> usize,
        deliver: impl FnOnce(Delivery<'_, S, F>) -> Result<()>,
    ) -> Result<Step<Received<F>>> {
        if self.is_empty() && !self.receiver_shut {
            return Err(Errno::EAGAIN);
        }
        let delivery = if self.kind.has_messages() {
            self.copy_message(request.room, copy)?
        } else {
            self.copy_stream(request, copy)?
        };
        let (bytes, length) = (delivery.bytes, delivery.length);
        deliver(delivery)?;
        let was_writable = self.is_writable();
        let files = match request.taking {
            Taking::Peek => None,
            Taking::Consume => self.consume(bytes),
        };
        let wakes = Wakes {
            writers: Wake::one_if(!was_writable && self.is_writable()),
            ..Wakes::NONE
        };
        let received = Received {
            bytes,
            length,
            files,
        };
        Ok(Step::new(received, wakes))
    }

    /// Copies from the first message, which is all of it for the receiver whatever its room.
    fn copy_message(
        &self,
        room: usize,
        mut copy: impl FnMut(&[u8]) -> usize,
    ) -> Result<Delivery<'_, S, F>> {
        let Some(message) = self.messages.front() else {
            return Ok(Delivery::END);
        };
        let wanted = &message.data[..message.data.len().min(room)];
        if !wanted.is_empty() && copy(wanted) < wanted.len() {
            return Err(Errno::EFAULT);
        }
        Ok(Delivery {
            bytes: wanted.len(),
            length: message.data.len(),
            sender: Some(message.sender),
            files: message.files.as_ref(),
        })
    }

    /// Copies pieces of the stream up to the one that has files.
    fn copy_stream(
        &self,
        request: Request<S>,
        mut copy: impl FnMut(&[u8]) -> usize,
    ) -> Result<Delivery<'_, S, F>> {
        let mut delivery = Delivery {
            sender: request.after,
            ..Delivery::END
        };
        for message in &self.messages {
            if request.after.is_some() && message.files.is_some() {
                break;
            }
            let first = *delivery.sender.get_or_insert(message.sender);
            if first != message.sender && request.senders == Senders::Separate {
                break;
            }
            let rest = message.rest();
            let wanted = &rest[..rest.len().min(request.room - delivery.bytes)];
            if wanted.is_empty() {
                break;
            }
            let copied = copy(wanted);
            if copied == 0 {
                if delivery.bytes == 0 {
                    return Err(Errno::EFAULT);
                }
                break;
            }
            delivery.bytes += copied;
            delivery.files = message.files.as_ref();
            if copied < rest.len() || delivery.files.is_some() {
                break;
            }
        }
        delivery.length = delivery.bytes;
        Ok(delivery)
    }

    /// Removes what was delivered. The files are those of the only message, or the last piece, that had some.
    fn consume(&mut self, bytes: usize) -> Option<F> {
        if self.kind.has_messages() {
            return self.remove_first().and_then(|message| message.files);
        }
        let mut left = bytes;
        let mut files = None;
        while left > 0 {
            let Some(message) = self.messages.front_mut() else {
                break;
            };
            let part = left.min(message.rest().len());
            files = message.files.take().or(files);
            message.taken += part;
            self.bytes -= part;
            left -= part;
            if message.rest().is_empty() {
                self.remove_first();
            }
        }
        files
    }

    fn remove_first(&mut self) -> Option<Message<S, F>> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.rest().len();
        self.charged -= message.cost();
        Some(message)
    }
}

/// The ends of a direction, and its size.
impl<S: Copy + Eq, F> SocketQueue<S, F> {
    const ENDED: Wakes = Wakes {
        readers: Wake::All,
        writers: Wake::All,
        openers: Wake::None,
    };

    /// The sender sends no more (SHUT_WR). Over a connection the receiver hears of it.
    pub fn shut_sender(&mut self) -> Step<()> {
        self.sender_shut = true;
        self.receiver_shut |= self.kind.is_connected();
        Step::new((), Self::ENDED)
    }

    /// The receiver wants no more than there is (SHUT_RD), and nothing can be sent.
    pub fn shut_receiver(&mut self) -> Step<()> {
        self.receiver_shut = true;
        self.sender_shut |= self.kind.is_connected();
        Step::new((), Self::ENDED)
    }

    /// The sender is closed. Whoever receives datagrams does not hear of it.
    pub fn close_sender(&mut self) -> Step<()> {
        self.sender_shut = true;
        self.receiver_shut |= self.kind.is_connected();
        let ended = if self.kind.is_connected() {
            Self::ENDED
        } else {
            Wakes::NONE
        };
        Step::new((), ended)
    }

    /// The receiver is closed. The files that it did not receive, to be dropped without a lock; `None` if it received all.
    pub fn close_receiver(&mut self) -> Step<Option<Vec<F>>> {
        let unread = !self.is_empty();
        let messages = core::mem::take(&mut self.messages);
        (self.bytes, self.charged) = (0, 0);
        if self.kind.is_connected() {
            (self.sender_shut, self.receiver_shut) = (true, true);
        } else if self.receiver == Receiver::Present {
            self.receiver = Receiver::Gone;
        }
        let files = messages
            .into_iter()
            .filter_map(|message| message.files)
            .collect();
        Step::new(unread.then_some(files), Self::ENDED)
    }

    /// Sets what may be under way before the sender has to wait.
    pub fn set_capacity(&mut self, bytes: usize) -> Step<()> {
        let was_writable = self.is_writable();
        self.capacity = bytes;
        let wakes = Wakes {
            writers: Wake::all_if(!was_writable && self.is_writable()),
            ..Wakes::NONE
        };
        Step::new((), wakes)
    }
}

impl<S, F> Delivery<'_, S, F> {
    /// Nothing, since nothing will come.
    const END: Self = Self {
        bytes: 0,
        length: 0,
        sender: None,
        files: None,
    };
}

#[cfg(test)]
mod tests;
