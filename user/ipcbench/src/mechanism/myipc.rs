//! `/dev/myipc0` for one direction and `/dev/myipc1` for the other: seed 000's driver. Sleeps on full and empty.
//!
//! The devices are the machine's, not a process's: two runs on them at the same time would take each other's bytes. So who uses a
//! direction holds a lock on its node (`flock(2)`) as long as its reader is open, and who comes meanwhile is refused.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;

use super::Mechanism;
use super::descriptor::{DescriptorLink, read_some};
use crate::failure::Failure;
use crate::system::device::{lock, open, presence};

const FORWARD: &str = "/dev/myipc0";
const BACKWARD: &str = "/dev/myipc1";

/// The two devices.
pub struct MyIpc;

impl Mechanism for MyIpc {
    type Link = DescriptorLink;

    fn name(&self) -> &'static str {
        "myipc"
    }

    fn summary(&self) -> &'static str {
        "/dev/myipc0 one way, /dev/myipc1 back"
    }

    fn availability(&self) -> Result<(), Failure> {
        presence(FORWARD, "myipc").and_then(|()| presence(BACKWARD, "myipc"))
    }

    fn connect(&self, _message_bytes: usize) -> io::Result<(DescriptorLink, DescriptorLink)> {
        let (b_incoming, a_outgoing) = direction(FORWARD)?;
        let (a_incoming, b_outgoing) = direction(BACKWARD)?;
        Ok((DescriptorLink::new(a_incoming, a_outgoing), DescriptorLink::new(b_incoming, b_outgoing)))
    }
}

/// One direction, empty, for reading and writing.
///
/// # Errors
/// What open(2) and read(2) say; `ResourceBusy` while somebody else measures there.
pub fn one_way() -> io::Result<(OwnedFd, OwnedFd)> {
    direction(FORWARD)
}

/// Both ends of `device`, for this run alone. The lock is the reader's: whoever still has it open may still read.
fn direction(device: &str) -> io::Result<(OwnedFd, OwnedFd)> {
    let reader = open(device, libc::O_RDONLY)?;
    if !lock(&reader)? {
        let line = format!("another run is using {device}");
        return Err(io::Error::new(ErrorKind::ResourceBusy, line));
    }
    drain(device)?;
    Ok((reader, open(device, libc::O_WRONLY)?))
}

/// Takes out what an earlier run has left: bytes stay in these devices when nobody has them open.
fn drain(device: &str) -> io::Result<()> {
    let old = open(device, libc::O_RDONLY | libc::O_NONBLOCK)?;
    let mut bytes = [0; 4096];
    loop {
        match read_some(&old, &mut bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            other => other?,
        };
    }
}
