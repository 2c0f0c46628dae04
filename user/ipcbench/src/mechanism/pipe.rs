//! The pipe: `pipe2(2)`, one for each direction; pipe(7). Sleeps on full and empty.

use std::io;

use super::Mechanism;
use super::descriptor::DescriptorLink;

/// Two pipes, one each way.
pub struct Pipe;

impl Mechanism for Pipe {
    type Link = DescriptorLink;

    fn name(&self) -> &'static str {
        "pipe"
    }

    fn summary(&self) -> &'static str {
        "pipe2(2), one each way"
    }

    fn connect(&self, _message_bytes: usize) -> io::Result<(DescriptorLink, DescriptorLink)> {
        let (a_incoming, b_outgoing) = io::pipe()?;
        let (b_incoming, a_outgoing) = io::pipe()?;
        let a = DescriptorLink::new(a_incoming.into(), a_outgoing.into());
        let b = DescriptorLink::new(b_incoming.into(), b_outgoing.into());
        Ok((a, b))
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::Pipe;
    use crate::mechanism::{Link, Mechanism};
    use crate::system::process::alone;

    #[test]
    fn each_end_receives_what_the_other_sent() {
        let (mut a, mut b) = Pipe.connect(5).expect("connects");
        let mut buffer = [0; 5];
        a.send(b"hello").expect("sends");
        b.receive(&mut buffer).expect("receives");
        assert_eq!(&buffer, b"hello");
        b.send(b"reply").expect("sends");
        a.receive(&mut buffer).expect("receives");
        assert_eq!(&buffer, b"reply");
    }

    #[test]
    fn a_dropped_peer_is_an_end_of_file_and_a_broken_pipe() {
        let _turn = alone();
        let (mut a, b) = Pipe.connect(1).expect("connects");
        drop(b);
        assert_eq!(a.receive(&mut [0]).expect_err("no peer").kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(a.send(&[0]).expect_err("no peer").kind(), io::ErrorKind::BrokenPipe);
    }
}
