//! `/dev/myipc0` for one direction and `/dev/myipc1` for the other: seed 000's driver. Sleeps on full and empty.
//!
//! The devices are the machine's, not a process's: two runs at the same time spoil each other, and each says so by its checksums.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;

use super::Mechanism;
use super::descriptor::{DescriptorLink, read_some};
use crate::failure::Failure;
use crate::system::device::{open, presence};

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
        for device in [FORWARD, BACKWARD] {
            drain(device)?;
        }
        let a = DescriptorLink::new(open(BACKWARD, libc::O_RDONLY)?, open(FORWARD, libc::O_WRONLY)?);
        let b = DescriptorLink::new(open(FORWARD, libc::O_RDONLY)?, open(BACKWARD, libc::O_WRONLY)?);
        Ok((a, b))
    }
}

/// One direction, empty, for reading and writing.
///
/// # Errors
/// What open(2) and read(2) say.
pub fn one_way() -> io::Result<(OwnedFd, OwnedFd)> {
    drain(FORWARD)?;
    Ok((open(FORWARD, libc::O_RDONLY)?, open(FORWARD, libc::O_WRONLY)?))
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
