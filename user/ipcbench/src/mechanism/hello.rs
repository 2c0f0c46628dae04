//! `/dev/hello`, read and written like a pipe: a named channel for each direction. Sleeps on full and empty.
//!
//! The channels are `ipcbench-0`, `ipcbench-1` and so on, the first that nobody has open: a few names used again and again, since
//! a channel stays until its control group goes. After a while their pages are there, as in a program that runs for long.

use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};

use postern_abi::hello::{HELLO_IOC_CHANNEL, HELLO_IOC_STAT, HelloStat};

use super::Mechanism;
use super::descriptor::DescriptorLink;
use crate::failure::Failure;
use crate::system::device::{open, presence};
use crate::system::raw::{checked, ioctl};

/// The node.
pub const NODE: &str = "/dev/hello";
/// So many channels are tried before all are said to be in use.
const NAMES: u32 = 64;

/// Two channels, one each way.
pub struct Hello;

impl Mechanism for Hello {
    type Link = DescriptorLink;

    fn name(&self) -> &'static str {
        "hello"
    }

    fn summary(&self) -> &'static str {
        "read(2) and write(2) on /dev/hello, a channel each way"
    }

    fn availability(&self) -> Result<(), Failure> {
        presence(NODE, "hello")
    }

    fn connect(&self, _message_bytes: usize) -> io::Result<(DescriptorLink, DescriptorLink)> {
        let (b_incoming, a_outgoing) = one_way()?;
        let (a_incoming, b_outgoing) = one_way()?;
        Ok((DescriptorLink::new(a_incoming, a_outgoing), DescriptorLink::new(b_incoming, b_outgoing)))
    }
}

/// Both ends, for reading and for writing, of a channel that nobody else has open.
///
/// # Errors
/// What the calls say; `AddrInUse` if all channels are in use.
pub fn one_way() -> io::Result<(OwnedFd, OwnedFd)> {
    // As long as it is open, the other two do not wait for each other.
    let keeper = open(NODE, libc::O_RDWR)?;
    let (reader, writer) = (open(NODE, libc::O_RDONLY)?, open(NODE, libc::O_WRONLY)?);
    let name = bind_to_unused(&keeper, "ipcbench")?;
    bind(&reader, &name)?;
    bind(&writer, &name)?;
    Ok((reader, writer))
}

/// Binds `file` to the first channel of `family` that nobody has open, and tells its name.
///
/// # Errors
/// As [`one_way`].
pub fn bind_to_unused(file: &OwnedFd, family: &str) -> io::Result<String> {
    for number in 0..NAMES {
        let name = format!("{family}-{number}");
        bind(file, &name)?;
        let stat = stat(file)?;
        if (stat.readers, stat.writers) == (1, 1) {
            return Ok(name);
        }
    }
    Err(ErrorKind::AddrInUse.into())
}

/// HELLO_IOC_CHANNEL.
///
/// # Errors
/// What it says.
pub fn bind(file: &OwnedFd, name: &str) -> io::Result<()> {
    let name = std::ffi::CString::new(name)?;
    // SAFETY: a string with its NUL, which outlives the call.
    checked(unsafe { ioctl(file.as_raw_fd(), HELLO_IOC_CHANNEL, name.as_ptr().addr()) }).map(drop)
}

/// HELLO_IOC_STAT.
///
/// # Errors
/// What it says.
pub fn stat(file: &OwnedFd) -> io::Result<HelloStat> {
    let mut stat = MaybeUninit::<HelloStat>::zeroed();
    // SAFETY: room for the answer, which outlives the call.
    checked(unsafe { ioctl(file.as_raw_fd(), HELLO_IOC_STAT, stat.as_mut_ptr().expose_provenance()) })?;
    // SAFETY: numbers and an array of bytes: any bytes are a value, and all were zero before.
    Ok(unsafe { stat.assume_init() })
}
