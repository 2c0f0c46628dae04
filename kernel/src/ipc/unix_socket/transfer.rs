//! Sending and receiving: attempts, and the calls that wait until one succeeds.
//!
//! Owns nothing. Locks: SOCKET of one direction over the user copies of an attempt. Sleeps in those, and, interruptibly, for data
//! or room. Specification: send(2), recv(2), socket(7) SO_RCVTIMEO.

use super::channel::Channel;
use super::connection::Phase;
use super::message::Sender;
use super::parcel::{InFlight, Parcel};
use super::{Socket, SocketType, collector};
use crate::fs::file::{FileOps, Readiness};
use crate::fs::flags::OpenFlags;
use crate::fs::poll::Patience;
use crate::mm::heap;
use crate::mm::user::{Sink, Source};
use crate::sched;
use crate::sync::{Kernel, Platform, WaitError, WaitQueue};
use alloc::sync::Arc;
use postern_core::effects::{Wake, Wakes};
use postern_core::errno::{Errno, Result};
use postern_core::socket_queue::{Delivery, Received, Request, Senders, Taking};
use postern_sync::{Mode, Sleep};

/// What is sent besides bytes.
#[derive(Default)]
pub struct Outgoing {
    /// Files (SCM_RIGHTS).
    pub files: Option<InFlight>,
    /// Who sends, if the program says so itself (SCM_CREDENTIALS); it must have been checked.
    pub sender: Option<Sender>,
    /// Whom a datagram goes to, if not to the peer.
    pub to: Option<Arc<Socket>>,
}

/// When enough of a stream was received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Amount {
    /// With the first bytes.
    Any,
    /// When there is no more room (MSG_WAITALL).
    Full,
}

/// How to receive.
#[derive(Clone, Copy, Debug)]
pub struct Receiving {
    /// Whether what is received leaves the socket.
    pub taking: Taking,
    /// How much.
    pub amount: Amount,
    /// How long to wait.
    pub patience: Patience,
}

impl Receiving {
    /// As read(2) does with these status flags.
    pub(super) fn by(flags: OpenFlags) -> Self {
        let patience = if flags.contains(OpenFlags::NONBLOCK) { Patience::None } else { Patience::Forever };
        Self { taking: Taking::Consume, amount: Amount::Any, patience }
    }
}

/// What takes the things that come with bytes; it may be called for several attempts, of which it refused all but the last.
pub type Deliver<'a> = &'a mut dyn FnMut(Delivery<'_, Sender, Parcel>) -> Result<()>;

impl Socket {
    /// Who sends to `receiving`, as far as anybody wants to know.
    pub(super) fn sender(&self, receiving: &Channel) -> Sender {
        if self.incoming.credentials_wanted() || receiving.credentials_wanted() {
            Sender::current()
        } else {
            Sender::UNKNOWN
        }
    }

    /// Attempts to send `source`, with files, which are taken if it succeeds.
    pub(super) fn try_send(&self, source: &mut Source<'_>, with: &mut Outgoing) -> Result<usize> {
        match self.kind {
            SocketType::Datagram => self.try_send_datagram(source, with.sender, &mut with.files, with.to.as_ref()),
            SocketType::Stream | SocketType::SeqPacket => self.try_send_connected(source, with),
        }
    }

    fn try_send_connected(&self, source: &mut Source<'_>, with: &mut Outgoing) -> Result<usize> {
        if self.kind == SocketType::SeqPacket
            && let Some(error) = self.incoming.take_error()
        {
            return Err(error);
        }
        if self.connection.phase() != Phase::Connected {
            return Err(Errno::ENOTCONN);
        }
        let length = source.remaining();
        if self.kind == SocketType::Stream && length == 0 {
            let is_over = self.outgoing.readiness().contains(Readiness::HUP);
            return if is_over { Err(Errno::EPIPE) } else { Ok(0) };
        }
        let sender = with.sender.unwrap_or_else(|| self.sender(&self.outgoing));
        let mut parcel = with.files.take().map(Parcel::of_files);
        let sent = self.outgoing.change(|queue| {
            heap::admit(length.min(queue.capacity()))?;
            self.outgoing.post(&mut parcel, |parcel| {
                queue.try_send(length, sender, parcel, |room| source.copy_to_slice(room).unwrap_or(0))
            })
        });
        with.files = parcel.and_then(Parcel::into_files);
        let sent = sent?;
        self.outgoing.wake_for_edges(Wakes { readers: Wake::One, ..Wakes::NONE });
        Ok(sent)
    }

    /// Whether there is anything to receive from.
    ///
    /// # Errors
    /// EINVAL, ENOTCONN.
    fn check_receiver(&self) -> Result<()> {
        match (self.kind, self.connection.phase()) {
            (SocketType::Datagram, _) | (_, Phase::Connected) => Ok(()),
            (SocketType::Stream, _) => Err(Errno::EINVAL),
            (SocketType::SeqPacket, _) => Err(Errno::ENOTCONN),
        }
    }

    /// Attempts to receive into `sink`; `deliver` stores what comes with the bytes, and can still refuse.
    pub(super) fn try_receive(
        &self,
        sink: &mut Sink<'_>,
        receiving: &Receiving,
        after: Option<Sender>,
        deliver: Deliver<'_>,
    ) -> Result<Received<Parcel>> {
        self.check_receiver()?;
        let taking = receiving.taking;
        let senders = if self.incoming.credentials_wanted() { Senders::Separate } else { Senders::Mixed };
        let received = self.incoming.change(|queue| {
            let urgent = self.kind != SocketType::Stream || queue.is_empty();
            if let Some(error) = urgent.then(|| self.incoming.take_error()).flatten() {
                return Err(error);
            }
            // As Linux has it: the end of datagrams ends a wait, and is not seen without one.
            if self.kind == SocketType::Datagram && receiving.patience == Patience::None && queue.is_empty() {
                return Err(Errno::EAGAIN);
            }
            let request = Request { room: sink.remaining(), taking, senders, after };
            queue.try_receive(request, |bytes| sink.copy_from_slice(bytes).unwrap_or(0), deliver)
        })?;
        if taking == Taking::Consume && self.incoming.readiness().intersects(Readiness::WRITABLE) {
            self.incoming.wake_for_edges(Wakes { writers: Wake::One, ..Wakes::NONE });
        }
        Ok(received)
    }

    /// Sends `source`: all of it, if patience lasts.
    ///
    /// # Errors
    /// EAGAIN, EPIPE, ECONNRESET, ECONNREFUSED, ENOTCONN, EMSGSIZE, EFAULT, ENOMEM, ERESTARTSYS, if nothing was sent.
    pub fn send(&self, source: &mut Source<'_>, mut with: Outgoing, patience: Patience) -> Result<usize> {
        let wanted = source.remaining();
        let mut sent = 0;
        loop {
            let mut attempt = || self.try_send(source, &mut with);
            let result = match attempt() {
                Err(Errno::EAGAIN) if patience != Patience::None => {
                    let result = wait(&self.outgoing.writers, patience, attempt);
                    self.pass_on(&self.outgoing.writers, Readiness::WRITABLE);
                    result
                }
                result => result,
            };
            match result {
                Ok(bytes) => sent += bytes,
                Err(error) if sent == 0 => return Err(error),
                Err(_) => return Ok(sent),
            }
            // Less than all of a stream; or a fault ended it.
            if sent >= wanted || source.remaining() + sent != wanted || Kernel::interrupted() {
                return Ok(sent);
            }
            sched::preemption_point();
        }
    }

    /// Receives into `sink`. `deliver` stores what comes with the bytes while they can still stay where they are.
    ///
    /// # Errors
    /// EAGAIN, ECONNRESET, EFAULT, ERESTARTSYS, and what `deliver` says, if nothing was received.
    pub fn receive(
        &self,
        sink: &mut Sink<'_>,
        receiving: &Receiving,
        deliver: Deliver<'_>,
    ) -> Result<Received<Parcel>> {
        let mut sender = None;
        let mut has_files = false;
        let mut noting = |delivery: Delivery<'_, Sender, Parcel>| {
            sender = delivery.sender;
            has_files = delivery.files.is_some_and(|parcel| parcel.files().is_some());
            deliver(delivery)
        };
        let mut received = self.receive_once(sink, receiving, None, &mut noting)?;
        if receiving.taking == Taking::Peek && has_files {
            collector::pass();
        }
        if receiving.amount == Amount::Full && self.kind == SocketType::Stream && receiving.taking == Taking::Consume {
            while let Some(sender) = sender
                && received.files.is_none()
                && sink.remaining() > 0
            {
                match self.receive_once(sink, receiving, Some(sender), &mut |_| Ok(())) {
                    Ok(more) if more.bytes > 0 => received.bytes += more.bytes,
                    Ok(_) | Err(_) => break,
                }
                sched::preemption_point();
            }
            received.length = received.bytes;
        }
        Ok(received)
    }

    fn receive_once(
        &self,
        sink: &mut Sink<'_>,
        receiving: &Receiving,
        after: Option<Sender>,
        deliver: Deliver<'_>,
    ) -> Result<Received<Parcel>> {
        let mut attempt = || self.try_receive(sink, receiving, after, deliver);
        match attempt() {
            Err(Errno::EAGAIN) if receiving.patience != Patience::None => {
                let result = wait(&self.incoming.readers, receiving.patience, attempt);
                self.pass_on(&self.incoming.readers, Readiness::READABLE | Readiness::RDHUP);
                result
            }
            result => result,
        }
    }

    /// Wakes the next waiter if this one, which may have been woken for both, left something for it: the chain of wake-ups.
    pub(super) fn pass_on(&self, queue: &WaitQueue, concerns: Readiness) {
        if queue.is_empty() {
            return;
        }
        let ready = FileOps::readiness(self) & (concerns | Readiness::ALWAYS);
        if !ready.is_empty() {
            queue.wake_one(ready.bits());
        }
    }
}

/// Sleeps until an attempt says something else than EAGAIN.
pub(super) fn wait<T>(queue: &WaitQueue, patience: Patience, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline_ns = match patience {
        Patience::Until(deadline_ns) => Some(deadline_ns),
        Patience::None | Patience::Forever => None,
    };
    let waited = queue.wait_until(Mode::Exclusive, Sleep::Interruptible, deadline_ns, || match attempt() {
        Err(Errno::EAGAIN) => None,
        result => Some(result),
    });
    match waited {
        Ok(result) => result,
        Err(WaitError::TimedOut) => Err(Errno::EAGAIN),
        // As signal(7) says: a call with a time limit is never restarted.
        Err(WaitError::Interrupted) if deadline_ns.is_some() => Err(Errno::EINTR),
        Err(WaitError::Interrupted) => Err(Errno::ERESTARTSYS),
    }
}
