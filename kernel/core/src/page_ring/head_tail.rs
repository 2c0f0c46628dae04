//! Head and tail of a ring in one word, so that `poll` can look without the lock and never sees a torn pair.
//!
//! A value: who publishes the word, and with which ordering, is the kernel's affair. Specification: seed 001 §4.4, whose
//! listings 11 and 12 take the head from the wrong half.

/// Both free-running indices of a ring at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeadTail {
    head: u32,
    tail: u32,
}

impl HeadTail {
    /// The indices as the ring holds them.
    #[inline]
    #[must_use]
    pub const fn new(head: u32, tail: u32) -> Self {
        Self { head, tail }
    }

    /// The indices from a word that was read in one piece.
    #[inline]
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        Self { head: (word & 0xffff_ffff) as u32, tail: (word >> 32) as u32 }
    }

    /// The word to publish in one store: tail in the upper half, head in the lower.
    #[inline]
    #[must_use]
    pub const fn word(self) -> u64 {
        (self.tail as u64) << 32 | self.head as u64
    }

    /// The next slot to fill.
    #[inline]
    #[must_use]
    pub const fn head(self) -> u32 {
        self.head
    }

    /// Slots between tail and head.
    #[inline]
    #[must_use]
    pub const fn occupancy(self) -> u32 {
        self.head.wrapping_sub(self.tail)
    }

    /// Nothing to read.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.head == self.tail
    }

    /// No slot left of `capacity` slots.
    #[inline]
    #[must_use]
    pub const fn is_full(self, capacity: u32) -> bool {
        self.occupancy() >= capacity
    }
}
