//! Sending and receiving: what the calls have in common, sendto and recvfrom. Specification: send(2), recv(2).

use crate::fs::flags::OpenFlags;
use crate::fs::open_file::OpenFile;
use crate::fs::poll::Patience;
use crate::ipc::unix_socket::{Amount, Deliver, Outgoing, Receiving, Socket, SocketType, Taking, Way};
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

/// Whether a message may have this destination.
pub(super) fn check_destination(kind: SocketType, address: usize, length: u32) -> Result<()> {
    if address == 0 || length == 0 {
        return Ok(());
    }
    match kind {
        SocketType::Stream => Err(Errno::EISCONN),
        SocketType::SeqPacket => Ok(()),
        // No socket has a name.
        SocketType::Datagram => Err(Errno::ECONNREFUSED),
    }
}

/// sendto(2)
pub fn sendto(fd: i32, address: usize, length: usize, flags: u32, to: usize, to_length: u32) -> Result<usize> {
    let target = Target::new(fd)?;
    let mut source = Source::user(address, length)?;
    check_destination(target.kind(), to, to_length)?;
    target.send(&mut source, Outgoing::default(), flags)
}

/// recvfrom(2)
pub fn recvfrom(fd: i32, address: usize, length: usize, flags: u32, from: usize, from_length: usize) -> Result<usize> {
    let target = Target::new(fd)?;
    target.receive(&mut Sink::user(address, length)?, flags, &mut |_| {
        // The sender has no name.
        if from == 0 { Ok(()) } else { UserPtr::<u32>::new(from_length).write(&0) }
    })
}
