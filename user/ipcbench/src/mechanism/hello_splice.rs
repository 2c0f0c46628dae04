//! Messages through `/dev/hello` by splice(2): the sender writes into a pipe of its own and moves the pages from there to the
//! channel; the receiver moves them on into a pipe of its own and reads that. Sleeps on full and empty.
//!
//! The work of a relay, which has its data in a pipe anyway: beside `hello` it tells what two moves by reference cost that are
//! added to the two copies.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::descriptor::{read_some, write_some};
use super::hello::{self, NODE};
use super::{Link, Mechanism};
use crate::failure::Failure;
use crate::system::device::presence;
use crate::system::raw::{checked, splice};

/// What an empty pipe holds at least, whatever the sizes of the writes: so no message part waits in it for itself.
const PART_BYTES: usize = 65536;

/// Two channels, one each way, and four pipes.
pub struct HelloSplice;

impl Mechanism for HelloSplice {
    type Link = HelloSpliceLink;

    fn name(&self) -> &'static str {
        "hello-splice"
    }

    fn summary(&self) -> &'static str {
        "splice(2) from a pipe into /dev/hello and from there into a pipe"
    }

    fn availability(&self) -> Result<(), Failure> {
        presence(NODE, "hello")?;
        let mut probe = own_ring().map_err(|error| Failure::during("connect", &error))?;
        match probe.send(&[0]) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) => {
                Err(Failure::absent("this /dev/hello cannot be spliced"))
            }
            other => other.map_err(|error| Failure::during("splice", &error)),
        }
    }

    fn connect(&self, _message_bytes: usize) -> io::Result<(HelloSpliceLink, HelloSpliceLink)> {
        let (b_incoming, a_outgoing) = hello::one_way()?;
        let (a_incoming, b_outgoing) = hello::one_way()?;
        Ok((HelloSpliceLink::new(a_incoming, a_outgoing)?, HelloSpliceLink::new(b_incoming, b_outgoing)?))
    }
}

/// A link that sends to itself.
fn own_ring() -> io::Result<HelloSpliceLink> {
    let (incoming, outgoing) = hello::one_way()?;
    HelloSpliceLink::new(incoming, outgoing)
}

/// One end.
pub struct HelloSpliceLink {
    incoming: OwnedFd,
    outgoing: OwnedFd,
    departing: Conduit,
    arrived: Conduit,
}

/// A pipe with both its ends.
struct Conduit {
    exit: OwnedFd,
    entry: OwnedFd,
}

impl Conduit {
    fn new() -> io::Result<Self> {
        let (exit, entry) = io::pipe()?;
        Ok(Self { exit: exit.into(), entry: entry.into() })
    }

    #[inline]
    fn fill(&self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let count = write_some(&self.entry, rest)?;
            rest = &rest[count..];
        }
        Ok(())
    }

    #[inline]
    fn empty(&self, buffer: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            filled += read_some(&self.exit, &mut buffer[filled..])?;
        }
        Ok(())
    }
}

impl HelloSpliceLink {
    fn new(incoming: OwnedFd, outgoing: OwnedFd) -> io::Result<Self> {
        Ok(Self { incoming, outgoing, departing: Conduit::new()?, arrived: Conduit::new()? })
    }
}

impl Link for HelloSpliceLink {
    #[inline]
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        for part in message.chunks(PART_BYTES) {
            self.departing.fill(part)?;
            let mut moved = 0;
            while moved < part.len() {
                moved += move_some(&self.departing.exit, &self.outgoing, part.len() - moved)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            let wanted = (buffer.len() - filled).min(PART_BYTES);
            let moved = move_some(&self.incoming, &self.arrived.entry, wanted)?;
            self.arrived.empty(&mut buffer[filled..filled + moved])?;
            filled += moved;
        }
        Ok(())
    }
}

/// One `splice(2)`: how many bytes moved, 0 when a signal came first.
#[inline]
fn move_some(from: &OwnedFd, to: &OwnedFd, bytes: usize) -> io::Result<usize> {
    match checked(splice(from.as_raw_fd(), to.as_raw_fd(), bytes)) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        other => other,
    }
}
