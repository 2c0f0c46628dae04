//! Sockets for datagrams: whom they send to, who may, and who has to wait.
//!
//! Datagrams lie in the receiver's queue and are charged to the sender's `outgoing` direction, in which nothing else lies. A
//! receiver with too many of them keeps a list of those who would send more, and wakes them. Locks: OBJECT (spin) around the
//! peer; SOCKET (sleeping) of the sender's direction, then of the receiver's queue, not at once. Sleeps in those only.
//! Specification: unix(7), connect(2), send(2); net/unix/af_unix.c of Linux 6.12.

use super::Socket;
use super::message::Sender;
use super::parcel::{Charge, InFlight, Parcel};
use crate::mm::heap;
use crate::mm::user::Source;
use alloc::sync::Arc;
use postern_core::effects::{Wake, Wakes};
use postern_core::errno::{Errno, Result};

impl Socket {
    /// Whom it sends to unless it is told otherwise.
    pub(super) fn correspondent(&self) -> Option<Arc<Self>> {
        self.correspondent.lock().clone()
    }

    /// Sends to `peer` from now on, or to nobody in particular. What is there of another one is lost, who is told if it is
    /// connected to this socket.
    ///
    /// # Errors
    /// EPERM: `peer` is connected to somebody else.
    pub fn correspond(self: &Arc<Self>, peer: Option<Arc<Self>>) -> Result<()> {
        if let Some(peer) = &peer
            && !peer.receives_from(self)
        {
            return Err(Errno::EPERM);
        }
        let old = core::mem::replace(&mut *self.correspondent.lock(), peer.clone());
        if let Some(old) = old
            && !peer.is_some_and(|peer| Arc::ptr_eq(&peer, &old))
        {
            self.part_from(&old);
        }
        // Who waited for the old peer may send now.
        self.outgoing.wake(Wakes { writers: Wake::All, ..Wakes::NONE });
        Ok(())
    }

    /// This socket and `old` have nothing to do with each other any more.
    fn part_from(&self, old: &Arc<Self>) {
        let was_empty = self.incoming.look(super::channel::Queue::is_empty);
        let lost = self.incoming.set(|queue| queue.discard());
        if !was_empty && !old.is_closed() && old.corresponds_with(self) {
            old.incoming.set_error(Errno::ECONNRESET);
            old.incoming.wake(Wakes { readers: Wake::All, ..Wakes::NONE });
        }
        drop(lost);
    }

    fn corresponds_with(&self, other: &Self) -> bool {
        self.correspondent.lock().as_ref().is_some_and(|peer| core::ptr::eq(&raw const **peer, other))
    }

    /// Whether it takes what `other` sends: it is connected to nobody, or to just that one.
    fn receives_from(&self, other: &Self) -> bool {
        self.correspondent.lock().as_ref().is_none_or(|peer| core::ptr::eq(&raw const **peer, other))
    }

    /// Attempts to send a datagram to `to`, or to the peer.
    pub(super) fn try_send_datagram(
        &self,
        source: &mut Source<'_>,
        sender: Option<Sender>,
        files: &mut Option<InFlight>,
        to: Option<&Arc<Self>>,
    ) -> Result<usize> {
        let receiver = match to {
            Some(to) => to.clone(),
            None => self.correspondent().ok_or(Errno::ENOTCONN)?,
        };
        if !receiver.receives_from(self) {
            return Err(Errno::EPERM);
        }
        let length = source.remaining();
        let incoming = &receiver.incoming;
        let may_crowd = receiver.corresponds_with(self) || core::ptr::eq(self, &raw const *receiver);
        if !may_crowd && incoming.keeps_waiting(&self.outgoing)? {
            // Before anything is charged: to give that back would be news to those who wait for it, this task among them.
            self.outgoing.look(|queue| queue.admit(length))?;
            incoming.look(|queue| queue.admit(length))?;
            return Err(Errno::EAGAIN);
        }
        let sender = sender.unwrap_or_else(|| self.sender(incoming));
        let cost = self.outgoing.try_set(|queue| queue.charge(length))?;
        let charge = Charge::new(self.outgoing.clone(), cost);
        let mut parcel = Some(Parcel::datagram(files.take(), self.identity.clone(), charge));
        let sent = incoming.change(|queue| {
            heap::admit(length)?;
            if !may_crowd && queue.is_crowded() {
                incoming.add_onlooker(&self.outgoing)?;
                return Err(Errno::EAGAIN);
            }
            incoming.post(&mut parcel, |parcel| {
                queue.try_send(length, sender, parcel, |room| source.copy_to_slice(room).unwrap_or(0))
            })
        });
        *files = parcel.and_then(Parcel::into_files);
        match sent {
            Ok(_) => incoming.wake_for_edges(Wakes { readers: Wake::One, ..Wakes::NONE }),
            Err(Errno::ECONNREFUSED) => self.notice_end_of(&receiver),
            Err(_) => {}
        }
        sent
    }

    /// `receiver` is closed: if it was the peer, there is none any more.
    fn notice_end_of(&self, receiver: &Arc<Self>) {
        let mut peer = self.correspondent.lock();
        let gone = peer.take_if(|peer| Arc::ptr_eq(peer, receiver));
        drop(peer);
        if let Some(gone) = gone {
            self.part_from(&gone);
        }
    }

    /// Whether the peer has so many datagrams that one more would have to wait. If so, the end of that will be announced.
    pub(super) fn is_kept_waiting(&self) -> bool {
        self.correspondent().is_some_and(|peer| {
            // Without memory for the announcement it is as good as ready: an attempt will tell.
            !peer.corresponds_with(self) && peer.incoming.keeps_waiting(&self.outgoing).unwrap_or(false)
        })
    }
}
