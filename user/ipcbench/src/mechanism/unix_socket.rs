//! Pairs of Unix sockets: `socketpair(2)`, both ways over one pair; unix(7). Sleep on empty, and where the peer has enough.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use super::descriptor::DescriptorLink;
use super::{Link, Mechanism};
use crate::failure::Failure;

/// Bytes of a message that fits into any socket's buffer as the systems set it.
const SURELY_HELD: usize = 65_536;

/// A pair of sockets of one type.
pub struct UnixSocket {
    name: &'static str,
    summary: &'static str,
    kind: i32,
}

/// A stream of bytes.
pub const STREAM: UnixSocket = UnixSocket {
    name: "unix-stream",
    summary: "socketpair(2), SOCK_STREAM, one pair for both ways",
    kind: libc::SOCK_STREAM,
};

/// Datagrams.
pub const DATAGRAM: UnixSocket = UnixSocket {
    name: "unix-dgram",
    summary: "socketpair(2), SOCK_DGRAM, one pair for both ways",
    kind: libc::SOCK_DGRAM,
};

/// Messages over a connection.
pub const SEQPACKET: UnixSocket = UnixSocket {
    name: "unix-seqpacket",
    summary: "socketpair(2), SOCK_SEQPACKET, one pair for both ways",
    kind: libc::SOCK_SEQPACKET,
};

impl Mechanism for UnixSocket {
    type Link = DescriptorLink;

    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    fn admits(&self, message_bytes: usize) -> Result<(), Failure> {
        // A stream is cut where it must be, and what every socket's buffer holds need not be tried.
        if self.kind == libc::SOCK_STREAM || message_bytes <= SURELY_HELD {
            return Ok(());
        }
        let (mut end, _peer) = self.connect(message_bytes)?;
        match end.send(&vec![0; message_bytes]) {
            Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => {
                Err(Failure::absent(format!("a message of {message_bytes} bytes is too long for {}", self.name)))
            }
            other => other.map_err(|error| Failure::during("send", &error)),
        }
    }

    fn connect(&self, _message_bytes: usize) -> io::Result<(DescriptorLink, DescriptorLink)> {
        let [a, b] = pair(self.kind)?;
        Ok((DescriptorLink::new(a.try_clone()?, a), DescriptorLink::new(b.try_clone()?, b)))
    }
}

fn pair(kind: i32) -> io::Result<[OwnedFd; 2]> {
    let mut fds = [-1; 2];
    // SAFETY: the array has room for the two numbers.
    match unsafe { libc::socketpair(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0, fds.as_mut_ptr()) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: socketpair just returned the descriptors, and nobody else knows them.
        _ => Ok(fds.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{DATAGRAM, SEQPACKET, STREAM};
    use crate::mechanism::{Link, Mechanism};
    use crate::system::process::alone;

    #[test]
    fn each_end_receives_what_the_other_sent() {
        for socket in [STREAM, DATAGRAM, SEQPACKET] {
            let (mut a, mut b) = socket.connect(5).expect("connects");
            let mut buffer = [0; 5];
            a.send(b"hello").expect("sends");
            b.receive(&mut buffer).expect("receives");
            assert_eq!(&buffer, b"hello", "{}", socket.name());
            b.send(b"reply").expect("sends");
            a.receive(&mut buffer).expect("receives");
            assert_eq!(&buffer, b"reply", "{}", socket.name());
        }
    }

    #[test]
    fn a_message_that_no_buffer_holds_is_not_tried() {
        for socket in [DATAGRAM, SEQPACKET] {
            assert!(socket.admits(65_536).is_ok(), "{}", socket.name());
            let failure = socket.admits(16 << 20).expect_err("longer than any buffer");
            assert!(failure.is_absence(), "{}: {failure}", socket.name());
        }
        assert!(STREAM.admits(16 << 20).is_ok());
    }

    #[test]
    fn a_dropped_peer_of_a_connection_is_an_end_of_file() {
        let _turn = alone();
        for socket in [STREAM, SEQPACKET] {
            let (mut a, b) = socket.connect(1).expect("connects");
            drop(b);
            let error = a.receive(&mut [0]).expect_err("no peer");
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{}", socket.name());
        }
    }
}
