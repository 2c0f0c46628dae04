//! Links over file descriptors: `read(2)` and `write(2)`. A pipe, a FIFO, a socket, a device: whatever
//! yields two descriptors an end. Sleeps in those calls; takes no lock.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::Link;
use crate::system::raw;

/// An end that reads from one descriptor and writes to another.
pub struct DescriptorLink {
    incoming: OwnedFd,
    outgoing: OwnedFd,
}

impl DescriptorLink {
    /// An end that receives from `incoming` and sends to `outgoing`; both block.
    pub fn new(incoming: OwnedFd, outgoing: OwnedFd) -> Self {
        Self { incoming, outgoing }
    }
}

impl Link for DescriptorLink {
    #[inline]
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let mut rest = message;
        loop {
            let count = write_some(&self.outgoing, rest)?;
            if count == rest.len() {
                return Ok(());
            }
            rest = &rest[count..];
        }
    }

    #[inline]
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        loop {
            filled += read_some(&self.incoming, &mut buffer[filled..])?;
            if filled == buffer.len() {
                return Ok(());
            }
        }
    }
}

/// One `write(2)` of `bytes`: how many it took, 0 when a signal came first.
///
/// # Errors
/// What the call says, but EINTR.
#[inline]
pub fn write_some(to: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    let count = raw::write(to.as_raw_fd(), bytes);
    usize::try_from(count).or_else(|_| interrupted_or_failed(count))
}

/// One `read(2)` into `buffer`, which is not empty: how much came, 0 when a signal came first.
///
/// # Errors
/// `UnexpectedEof` at the end of the stream; else what the call says, but EINTR.
#[inline]
pub fn read_some(from: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
    let count = raw::read(from.as_raw_fd(), buffer);
    match usize::try_from(count) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(count) => Ok(count),
        Err(_) => interrupted_or_failed(count),
    }
}

/// The error of a failed transfer, a negated errno; EINTR is no failure but a transfer of nothing.
#[cold]
fn interrupted_or_failed(result: isize) -> io::Result<usize> {
    let errno = i32::try_from(result.unsigned_abs()).unwrap_or(libc::EIO);
    match io::Error::from_raw_os_error(errno) {
        error if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        error => Err(error),
    }
}
