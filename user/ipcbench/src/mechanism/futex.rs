//! futex(2) in shared memory: the wake-up with nothing around it. Each direction is one word, empty or
//! holding a byte; the sender fills and wakes, the receiver sleeps while it is empty. Holds no lock.
//! One message may be under way in each direction: enough for handing over, not for a stream.

use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Link, Mechanism};
use crate::system::mapping::SharedMapping;
use crate::system::raw::{futex_wait, futex_wake_one};

/// No byte is under way.
const EMPTY: u32 = 0;
/// Set in a word that carries a byte in its lowest eight bits.
const FULL: u32 = 1 << 8;
/// The words lie this far apart: no cache line is written by both directions.
const WORDS_APART: usize = 64;

/// Two futex words, one each way.
pub struct Futex;

impl Mechanism for Futex {
    type Link = FutexLink;

    fn name(&self) -> &'static str {
        "futex"
    }

    fn summary(&self) -> &'static str {
        "futex(2) wait and wake on shared words that carry the byte"
    }

    fn connect(&self, _message_bytes: usize) -> io::Result<(FutexLink, FutexLink)> {
        let mapping = Rc::new(SharedMapping::anonymous(4096)?);
        let a = FutexLink { mapping: Rc::clone(&mapping), incoming: 0, outgoing: WORDS_APART };
        Ok((a, FutexLink { mapping, incoming: WORDS_APART, outgoing: 0 }))
    }
}

/// One end, for messages of one byte.
pub struct FutexLink {
    mapping: Rc<SharedMapping>,
    incoming: usize,
    outgoing: usize,
}

impl FutexLink {
    #[inline]
    fn word(&self, index: usize) -> &AtomicU32 {
        self.mapping.word(index)
    }
}

impl Link for FutexLink {
    #[inline]
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let word = self.word(self.outgoing);
        // Release: whoever sees the byte sees all that was done before it was sent.
        word.store(FULL | u32::from(message[0]), Ordering::Release);
        match i32::try_from(-futex_wake_one(word)) {
            Ok(errno @ 1..) => Err(io::Error::from_raw_os_error(errno)),
            _ => Ok(()),
        }
    }

    #[inline]
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let word = self.word(self.incoming);
        loop {
            // Acquire: pairs with the sender's release.
            let value = word.load(Ordering::Acquire);
            if value != EMPTY {
                // Nobody else writes a full word: the sender waits for an answer first.
                word.store(EMPTY, Ordering::Relaxed);
                buffer[0] = value.to_le_bytes()[0];
                return Ok(());
            }
            futex_wait(word, EMPTY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Futex;
    use crate::mechanism::{Link, Mechanism};

    #[test]
    fn every_byte_value_passes_both_ways() {
        let (mut a, mut b) = Futex.connect(1).expect("connects");
        for byte in 0..=u8::MAX {
            let mut buffer = [!byte];
            a.send(&[byte]).expect("sends");
            b.receive(&mut buffer).expect("receives");
            b.send(&buffer).expect("sends");
            a.receive(&mut buffer).expect("receives");
            assert_eq!(buffer, [byte]);
        }
    }
}
