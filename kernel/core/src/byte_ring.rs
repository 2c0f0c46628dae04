//! The flat ring of MyIPC: a fixed number of bytes in one piece of memory, a place to write and a place to read.
//!
//! Owns the two indices; moves no bytes: it says which ranges of the memory a transfer concerns, at most two, since one may wrap.
//! Three ways to compute indices, for what each costs; all give the same bytes. No locks, never sleeps.
//! Specification: seed 000 §3.1 (`head`, `tail`, one slot open), seed 002 (modulo; mask).

#[cfg(test)]
mod tests;

use crate::effects::{Step, Wake, Wakes};
use crate::errno::{Errno, Result};
use core::ops::Range;

/// How an index follows from its predecessor, and what full means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arithmetic {
    /// Indices below the size, back to 0 by comparison; one byte always stays free (seed 000).
    OpenSlot,
    /// The same with `% size` in the place of the comparison: a division (seed 002, step 1).
    Modulo,
    /// Indices that only grow, `& (size - 1)` when they are used; every byte is used, and the size is a power of two (seed 002,
    /// reference 2).
    Mask,
}

/// A ring of bytes.
#[derive(Clone, Debug)]
pub struct ByteRing {
    size: usize,
    /// Where the next byte is written; with [`Arithmetic::Mask`] the number of bytes ever written, as is `tail` of those read.
    head: usize,
    /// Where the next byte is read. The ring is empty when both are the same.
    tail: usize,
    arithmetic: Arithmetic,
}

impl ByteRing {
    /// An empty ring over `size` bytes of memory; `None` unless at least one byte fits in, and the arithmetic suits the size.
    #[must_use]
    pub const fn new(size: usize, arithmetic: Arithmetic) -> Option<Self> {
        let suits = match arithmetic {
            Arithmetic::OpenSlot | Arithmetic::Modulo => size >= 2 && size <= usize::MAX / 2,
            Arithmetic::Mask => size.is_power_of_two(),
        };
        if suits { Some(Self { size, head: 0, tail: 0, arithmetic }) } else { None }
    }

    /// How many bytes fit in.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        match self.arithmetic {
            Arithmetic::OpenSlot | Arithmetic::Modulo => self.size - 1,
            Arithmetic::Mask => self.size,
        }
    }

    /// How many bytes are in.
    #[inline]
    #[must_use]
    pub const fn bytes(&self) -> usize {
        match self.arithmetic {
            Arithmetic::OpenSlot if self.head >= self.tail => self.head - self.tail,
            Arithmetic::OpenSlot => self.size - self.tail + self.head,
            Arithmetic::Modulo => (self.head + self.size - self.tail) % self.size,
            Arithmetic::Mask => self.head.wrapping_sub(self.tail),
        }
    }

    /// How many more fit in.
    #[inline]
    #[must_use]
    pub const fn room(&self) -> usize {
        self.capacity() - self.bytes()
    }

    /// The place in memory that an index means.
    #[inline]
    const fn place(&self, index: usize) -> usize {
        match self.arithmetic {
            Arithmetic::OpenSlot | Arithmetic::Modulo => index,
            Arithmetic::Mask => index & (self.size - 1),
        }
    }

    /// The index `bytes` after another, with at most the size between them.
    #[inline]
    const fn advanced(&self, index: usize, bytes: usize) -> usize {
        match self.arithmetic {
            Arithmetic::OpenSlot if index + bytes >= self.size => index + bytes - self.size,
            Arithmetic::OpenSlot => index + bytes,
            Arithmetic::Modulo => (index + bytes) % self.size,
            Arithmetic::Mask => index.wrapping_add(bytes),
        }
    }

    /// The places of `length` bytes from an index on: up to the end of the memory, and from its start.
    #[inline]
    fn ranges(&self, index: usize, length: usize) -> [Range<usize>; 2] {
        let start = self.place(index);
        let first = length.min(self.size - start);
        [start..start + first, 0..length - first]
    }

    /// Puts up to `wanted` bytes in; `copy` moves those of a range of the memory and says how many it could. How many went in;
    /// all readers are woken if any did, as by Linux's `wake_up_interruptible`.
    ///
    /// # Errors
    /// EAGAIN: full. EFAULT: none could be moved. In both cases nothing has changed.
    #[inline]
    pub fn try_write(&mut self, wanted: usize, copy: impl FnMut(Range<usize>) -> usize) -> Result<Step> {
        let planned = wanted.min(self.room());
        let moved = carry_out(self.ranges(self.head, planned), wanted, planned, copy)?;
        self.head = self.advanced(self.head, moved);
        Ok(Step::new(moved, Wakes { readers: Wake::all_if(moved != 0), ..Wakes::NONE }))
    }

    /// Takes up to `wanted` bytes out, as [`try_write`](Self::try_write) puts them in. All writers are woken.
    ///
    /// # Errors
    /// EAGAIN: empty. EFAULT: none could be moved. In both cases nothing has changed.
    #[inline]
    pub fn try_read(&mut self, wanted: usize, copy: impl FnMut(Range<usize>) -> usize) -> Result<Step> {
        let planned = wanted.min(self.bytes());
        let moved = carry_out(self.ranges(self.tail, planned), wanted, planned, copy)?;
        self.tail = self.advanced(self.tail, moved);
        Ok(Step::new(moved, Wakes { writers: Wake::all_if(moved != 0), ..Wakes::NONE }))
    }
}

/// Moves the bytes of two ranges, as far as it goes; how many. A byte counts only once it has been moved.
#[inline]
fn carry_out(
    ranges: [Range<usize>; 2],
    wanted: usize,
    planned: usize,
    mut copy: impl FnMut(Range<usize>) -> usize,
) -> Result<usize> {
    if planned == 0 {
        return if wanted == 0 { Ok(0) } else { Err(Errno::EAGAIN) };
    }
    let mut moved = 0;
    for range in ranges {
        let length = range.len();
        if length == 0 {
            break;
        }
        let part = copy(range);
        moved += part;
        if part < length {
            break;
        }
    }
    if moved == 0 { Err(Errno::EFAULT) } else { Ok(moved) }
}
