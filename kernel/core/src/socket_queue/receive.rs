//! Receiving: what is asked for, what is handed over, what leaves the queue.
//!
//! Part of [`SocketQueue`]; the caller holds its lock. Never sleeps. Specification: recv(2), unix(7).

use super::{Message, SocketQueue};
use crate::effects::{Step, Wake, Wakes};
use crate::errno::{Errno, Result};

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

impl<S, F> Delivery<'_, S, F> {
    /// Nothing, since nothing will come.
    const END: Self = Self { bytes: 0, length: 0, sender: None, files: None };
}

impl<S: Copy + Eq, F> SocketQueue<S, F> {
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
        let wakes = Wakes { writers: Wake::one_if(!was_writable && self.is_writable()), ..Wakes::NONE };
        let received = Received { bytes, length, files };
        Ok(Step::new(received, wakes))
    }

    /// Copies from the first message, which is all of it for the receiver whatever its room.
    fn copy_message(&self, room: usize, mut copy: impl FnMut(&[u8]) -> usize) -> Result<Delivery<'_, S, F>> {
        let Some(message) = self.messages.front() else {
            return Ok(Delivery::END);
        };
        let wanted = message.data.length().min(room);
        if message.copy(wanted, &mut copy) < wanted {
            return Err(Errno::EFAULT);
        }
        Ok(Delivery {
            bytes: wanted,
            length: message.data.length(),
            sender: Some(message.sender),
            files: message.files.as_ref(),
        })
    }

    /// Copies pieces of the stream up to the one that has files.
    fn copy_stream(&self, request: Request<S>, mut copy: impl FnMut(&[u8]) -> usize) -> Result<Delivery<'_, S, F>> {
        let mut delivery = Delivery { sender: request.after, ..Delivery::END };
        for message in &self.messages {
            if request.after.is_some() && message.files.is_some() {
                break;
            }
            let first = *delivery.sender.get_or_insert(message.sender);
            if first != message.sender && request.senders == Senders::Separate {
                break;
            }
            let wanted = message.left().min(request.room - delivery.bytes);
            if wanted == 0 {
                break;
            }
            let copied = message.copy(wanted, &mut copy);
            if copied == 0 {
                if delivery.bytes == 0 {
                    return Err(Errno::EFAULT);
                }
                break;
            }
            delivery.bytes += copied;
            delivery.files = message.files.as_ref();
            if copied < message.left() || delivery.files.is_some() {
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
            let part = left.min(message.left());
            files = message.files.take().or(files);
            message.taken += part;
            self.bytes -= part;
            left -= part;
            if message.left() == 0 {
                self.charged -= message.cost();
                self.messages.pop_front();
            }
        }
        files
    }

    fn remove_first(&mut self) -> Option<Message<S, F>> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.left();
        self.charged -= message.cost();
        Some(message)
    }
}
