//! Sending and receiving: what the calls have in common, sendto and recvfrom. Specification: send(2), recv(2).

use super::address::{self, Address, bytes_of};
use crate::fs::flags::OpenFlags;
use crate::fs::open_file::OpenFile;
use crate::fs::poll::Patience;
use crate::ipc::unix_socket::{
    Amount, Deliver, Delivery, Name, Outgoing, Parcel, Receiving, Sender, Socket, SocketType, Taking, Way,
};
use crate::mm::user::{Sink, Source, UserPtr};
use crate::process::{self, signal};
use alloc::sync::Arc;
use linux_raw_sys::net;
use postern_core::errno::{Errno, Result};
use postern_core::signal_set::Signal;

/// A socket, and the open file that it is.
pub(super) struct Target {
    file: Arc<OpenFile>,
    socket: Arc<Socket>,
}

impl Target {
    pub(super) fn new(fd: i32) -> Result<Self> {
        let file = process::current().file(fd)?;
        let socket = Socket::behind(&file)?;
        Ok(Self { file, socket })
    }

    pub(super) fn kind(&self) -> SocketType {
        self.socket.kind()
    }

    pub(super) fn wants_credentials(&self) -> bool {
        self.socket.wants_credentials()
    }

    /// The name of who sent what is delivered: with a datagram it comes along, a connection's peer has it.
    pub(super) fn origin(&self, delivery: &Delivery<'_, Sender, Parcel>) -> Option<Name> {
        match self.kind() {
            SocketType::Datagram => delivery.files.and_then(Parcel::origin_name),
            SocketType::Stream | SocketType::SeqPacket => {
                delivery.sender.and_then(|_| self.socket.peer_identity().ok()?.name())
            }
        }
    }

    fn patience(&self, way: Way, flags: u32) -> Patience {
        if flags & net::MSG_DONTWAIT != 0 || self.file.flags().contains(OpenFlags::NONBLOCK) {
            Patience::None
        } else {
            self.socket.patience(way)
        }
    }

    /// Sends; a broken stream is told by signal as well.
    pub(super) fn send(&self, source: &mut Source<'_>, outgoing: Outgoing, flags: u32) -> Result<usize> {
        if flags & net::MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        if self.kind() == SocketType::Datagram {
            self.socket.bind_if_asked_who_sends()?;
        }
        let result = self.socket.send(source, outgoing, self.patience(Way::Send, flags));
        let silent = flags & net::MSG_NOSIGNAL != 0 || self.kind() != SocketType::Stream;
        if result == Err(Errno::EPIPE) && !silent {
            signal::send_to_current(Signal::PIPE);
        }
        result
    }

    /// Receives; bytes received, or those that there were if `flags` has MSG_TRUNC.
    pub(super) fn receive(&self, sink: &mut Sink<'_>, flags: u32, deliver: Deliver<'_>) -> Result<usize> {
        if flags & net::MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        let receiving = Receiving {
            taking: if flags & net::MSG_PEEK == 0 { Taking::Consume } else { Taking::Peek },
            amount: if flags & net::MSG_WAITALL == 0 { Amount::Any } else { Amount::Full },
            patience: self.patience(Way::Receive, flags),
        };
        let received = self.socket.receive(sink, &receiving, deliver)?;
        Ok(if flags & net::MSG_TRUNC == 0 { received.bytes } else { received.length })
    }
}

/// The socket that a message of `target` goes to, if it says so.
///
/// # Errors
/// EISCONN, EOPNOTSUPP for a stream; those of the address.
pub(super) fn destination(target: &Target, address: usize, length: u32) -> Result<Option<Arc<Socket>>> {
    let socket = &target.socket;
    match socket.kind() {
        _ if address == 0 || length == 0 => Ok(None),
        SocketType::Stream if socket.peer_identity().is_ok() => Err(Errno::EISCONN),
        SocketType::Stream => Err(Errno::EOPNOTSUPP),
        // As Linux has it: it goes to the peer.
        SocketType::SeqPacket => Ok(None),
        SocketType::Datagram => Address::read(address, length)?.find(SocketType::Datagram).map(Some),
    }
}

/// sendto(2)
pub fn sendto(fd: i32, address: usize, length: usize, flags: u32, to: usize, to_length: u32) -> Result<usize> {
    let target = Target::new(fd)?;
    let mut source = Source::user(address, length)?;
    let to = destination(&target, to, to_length)?;
    target.send(&mut source, Outgoing { to, ..Outgoing::default() }, flags)
}

/// recvfrom(2)
pub fn recvfrom(fd: i32, address: usize, length: usize, flags: u32, from: usize, from_length: usize) -> Result<usize> {
    let target = Target::new(fd)?;
    target.receive(&mut Sink::user(address, length)?, flags, &mut |delivery| match target.origin(&delivery) {
        _ if from == 0 => Ok(()),
        // Nothing is said of a sender without a name, nor of the end.
        None => UserPtr::<u32>::new(from_length).write(&0),
        Some(name) => address::write(&bytes_of(Some(&name)), from, from_length),
    })
}
