//! What rustyline needs of the crate `buffer-redux`, without the buffer: the line editor reads its terminal byte by byte.
//!
//! Bytes behind the line that the editor returns belong to the program which that line starts, or to the next prompt.
//! rustyline reads up to 1,024 bytes at once and offers no setting for it; which reader it uses, its feature `buffer-redux`
//! decides, and the workspace's `[patch.crates-io]` puts this crate there. A line is typed by a person: a system call for each
//! byte is no cost. Owns nothing; sleeps where the reader below sleeps. Decision 0006 has the alternatives.

use std::io::{self, Read};

/// What is left over between two lines: nothing.
#[derive(Debug, Default)]
pub struct Buffer;

/// A reader that asks the one below for one byte at a time.
#[derive(Debug)]
pub struct BufReader<R> {
    inner: R,
}

impl<R> BufReader<R> {
    /// Reads from `inner`. The capacity is a wish that is not granted.
    pub fn with_capacity(_capacity_bytes: usize, inner: R) -> Self {
        Self { inner }
    }

    /// Reads from `inner`; nothing was left over.
    pub fn with_buffer(_left_over: Buffer, inner: R) -> Self {
        Self { inner }
    }

    /// What was read and not yet delivered: never anything.
    pub fn buffer(&self) -> &[u8] {
        &[]
    }

    /// The reader below.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// Gives the reader below back, and what is left over.
    pub fn into_inner_with_buffer(self) -> (R, Buffer) {
        (self.inner, Buffer)
    }
}

impl<R: Read> Read for BufReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let one = buffer.len().min(1);
        self.inner.read(&mut buffer[..one])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_asked_for_stays_below() {
        let mut below = &b"line\nrest"[..];
        let mut reader = BufReader::with_capacity(1024, &mut below);
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let mut byte = [0];
            assert_eq!(reader.read(&mut byte).ok(), Some(1));
            line.extend(byte);
        }
        assert_eq!(line, b"line\n");
        assert!(reader.buffer().is_empty());
        assert_eq!(below, b"rest");
    }
}
