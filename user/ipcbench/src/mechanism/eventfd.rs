//! eventfd(2), one for each direction. The counter carries the byte, plus one because a counter of zero
//! is nothing to read. Sleeps on an empty counter.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use super::descriptor::{read_some, write_some};
use super::{Link, Mechanism};

/// Two event counters, one each way.
pub struct EventFd;

impl Mechanism for EventFd {
    type Link = EventFdLink;

    fn name(&self) -> &'static str {
        "eventfd"
    }

    fn summary(&self) -> &'static str {
        "eventfd(2), one each way; the counter carries the byte"
    }

    fn connect(&self, _message_bytes: usize) -> io::Result<(EventFdLink, EventFdLink)> {
        let (forward, backward) = (event_counter()?, event_counter()?);
        let b = EventFdLink { incoming: forward.try_clone()?, outgoing: backward.try_clone()? };
        Ok((EventFdLink { incoming: backward, outgoing: forward }, b))
    }
}

fn event_counter() -> io::Result<OwnedFd> {
    // SAFETY: eventfd takes two numbers.
    match unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: eventfd just returned the descriptor, and nobody else knows it.
        fd => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
    }
}

/// One end, for messages of one byte.
pub struct EventFdLink {
    incoming: OwnedFd,
    outgoing: OwnedFd,
}

impl Link for EventFdLink {
    #[inline]
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let count = u64::from(message[0]) + 1;
        while write_some(&self.outgoing, &count.to_ne_bytes())? == 0 {}
        Ok(())
    }

    #[inline]
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let mut count = [0; 8];
        while read_some(&self.incoming, &mut count)? == 0 {}
        // Two messages read as one make a sum that need not be a byte's.
        buffer[0] = u8::try_from(u64::from_ne_bytes(count) - 1).map_err(|_| io::ErrorKind::InvalidData)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::EventFd;
    use crate::mechanism::{Link, Mechanism};

    #[test]
    fn every_byte_value_passes() {
        let (mut a, mut b) = EventFd.connect(1).expect("connects");
        for byte in 0..=u8::MAX {
            let mut buffer = [!byte];
            a.send(&[byte]).expect("sends");
            b.receive(&mut buffer).expect("receives");
            assert_eq!(buffer, [byte]);
        }
    }
}
