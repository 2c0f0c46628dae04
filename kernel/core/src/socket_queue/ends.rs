//! The ends of one direction, and its size: shutdown, close, SO_SNDBUF.
//!
//! Part of [`SocketQueue`]; the caller holds its lock. Never sleeps. Specification: shutdown(2), unix(7).

use alloc::vec::Vec;

use super::{Message, SocketQueue};
use crate::effects::{Step, Wake, Wakes};

/// What a receiver that is closed has not received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreceived<F> {
    /// The files in it, to be dropped without a lock.
    pub files: Vec<F>,
    /// Whether the sender of a connection is to hear of it (ECONNRESET). As Linux since 6.12, which takes a first message without
    /// bytes for urgent data that was received.
    pub resets: bool,
}

/// The ends of a direction, and its size.
impl<S: Copy + Eq, F> SocketQueue<S, F> {
    const ENDED: Wakes = Wakes { readers: Wake::All, writers: Wake::All, openers: Wake::None };

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
        let ended = if self.kind.is_connected() { Self::ENDED } else { Wakes::NONE };
        Step::new((), ended)
    }

    /// The receiver is closed: what it did not receive.
    pub fn close_receiver(&mut self) -> Step<Unreceived<F>> {
        let first_is_empty = self.messages.front().is_some_and(|message| message.left() == 0);
        let resets = self.messages.len() > usize::from(first_is_empty);
        let files = self.take_all();
        if self.kind.is_connected() {
            (self.sender_shut, self.receiver_shut) = (true, true);
        }
        self.receiver_closed = true;
        Step::new(Unreceived { files, resets }, Self::ENDED)
    }

    /// Nobody will receive what there is. The files in it, to be dropped without a lock.
    pub fn discard(&mut self) -> Step<Vec<F>> {
        let was_writable = self.is_writable();
        let files = self.take_all();
        let wakes = Wakes { writers: Wake::all_if(!was_writable && self.is_writable()), ..Wakes::NONE };
        Step::new(files, wakes)
    }

    fn take_all(&mut self) -> Vec<F> {
        let messages = core::mem::take(&mut self.messages);
        self.bytes = 0;
        self.charged -= messages.iter().map(Message::cost).sum::<usize>();
        messages.into_iter().filter_map(|message| message.files).collect()
    }

    /// Sets what may be under way before the sender has to wait.
    pub fn set_capacity(&mut self, bytes: usize) -> Step<()> {
        let was_writable = self.is_writable();
        self.capacity = bytes;
        let wakes = Wakes { writers: Wake::all_if(!was_writable && self.is_writable()), ..Wakes::NONE };
        Step::new((), wakes)
    }
}
