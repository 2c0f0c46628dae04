//! The FIFO: `mkfifo(3)`, one for each direction; fifo(7). A pipe with a name, which it needs for the opening only. Sleeps on full
//! and empty.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Mechanism;
use super::descriptor::DescriptorLink;

/// Two FIFOs, one each way.
pub struct Fifo;

impl Mechanism for Fifo {
    type Link = DescriptorLink;

    fn name(&self) -> &'static str {
        "fifo"
    }

    fn summary(&self) -> &'static str {
        "mkfifo(3), one each way, opened by name"
    }

    fn connect(&self, _message_bytes: usize) -> io::Result<(DescriptorLink, DescriptorLink)> {
        let (a_incoming, b_outgoing) = fifo()?;
        let (b_incoming, a_outgoing) = fifo()?;
        Ok((DescriptorLink::new(a_incoming, a_outgoing), DescriptorLink::new(b_incoming, b_outgoing)))
    }
}

/// A FIFO's two ends, both blocking; its name is gone already.
fn fifo() -> io::Result<(OwnedFd, OwnedFd)> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Relaxed: nothing but different numbers is wanted.
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("ipcbench-{}-{number}", std::process::id()));
    make(&path)?;
    let ends = open_both(&path);
    std::fs::remove_file(&path)?;
    ends
}

fn make(path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_encoded_bytes())?;
    // SAFETY: a C string.
    match unsafe { libc::mkfifo(path.as_ptr(), 0o600) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Without waiting for the other side the reader may open first, and blocks from then on.
fn open_both(path: &Path) -> io::Result<(OwnedFd, OwnedFd)> {
    let reader = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let writer: File = OpenOptions::new().write(true).open(path)?;
    // SAFETY: fcntl takes numbers here.
    match unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_SETFL, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok((reader.into(), writer.into())),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::Fifo;
    use crate::mechanism::{Link, Mechanism};
    use crate::system::process::alone;

    #[test]
    fn each_end_receives_what_the_other_sent() {
        let (mut a, mut b) = Fifo.connect(5).expect("connects");
        let mut buffer = [0; 5];
        a.send(b"hello").expect("sends");
        b.receive(&mut buffer).expect("receives");
        assert_eq!(&buffer, b"hello");
        b.send(b"reply").expect("sends");
        a.receive(&mut buffer).expect("receives");
        assert_eq!(&buffer, b"reply");
    }

    #[test]
    fn a_dropped_peer_is_an_end_of_file() {
        let _turn = alone();
        let (mut a, b) = Fifo.connect(1).expect("connects");
        drop(b);
        assert_eq!(a.receive(&mut [0]).expect_err("no peer").kind(), io::ErrorKind::UnexpectedEof);
    }
}
