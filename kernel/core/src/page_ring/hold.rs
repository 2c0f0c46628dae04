//! Holding newcomers back: a ring that is to look empty, or full, to whoever is not told otherwise.
//!
//! Costs those who come to an ordinary ring nothing: the one comparison that finds a full ring finds a held one too, and what is
//! behind it is out of line. No locks, never sleeps.

use super::PageRing;

/// Who is held back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Party {
    /// Those who drain.
    Readers = 1,
    /// Those who fill slots. Small writes may still go behind the last bytes.
    Writers = 2,
}

/// A set of [`Party`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Held(u8);

impl Held {
    pub(super) const NOBODY: Self = Self(0);

    const fn contains(self, party: Party) -> bool {
        self.0 & party as u8 != 0
    }
}

impl<P> PageRing<P> {
    /// From now on `party` finds nothing to do.
    pub fn hold_back(&mut self, party: Party) {
        self.held.0 |= party as u8;
        self.note_crowd();
    }

    /// Ends that.
    pub fn let_in(&mut self, party: Party) {
        self.held.0 &= !(party as u8);
        self.note_crowd();
    }

    /// Whether `party` finds nothing to do, whatever there is.
    #[must_use]
    pub fn holds_back(&self, party: Party) -> bool {
        self.held.contains(party)
    }

    /// Full, or somebody is held back: not the usual case.
    #[inline(always)]
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.occupancy() >= self.crowded_at
    }

    /// Whether a crowded ring has no room for writers.
    #[cold]
    #[inline(never)]
    pub(super) fn refuses_writers(&self) -> bool {
        self.is_full() || self.holds_back(Party::Writers)
    }

    /// Sets from how many used slots on the ring is crowded. To be called after its size or who is held has changed.
    pub(super) fn note_crowd(&mut self) {
        self.crowded_at = if self.held == Held::NOBODY { self.capacity() } else { 0 };
    }
}
