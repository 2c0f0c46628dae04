//! Holding newcomers back: a ring that is to look empty, or full, to whoever is not told otherwise.
//!
//! For two reasons, which do not know of each other: somebody waits whose turn it is; or one side is *claimed* by somebody who
//! is away with references to the first bytes, or for bytes to fill the room, and comes back to end it. An owner of the ring with
//! rules of its own can have it look crowded as well, and nothing else.
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

/// Sets of [`Party`]: those held back for their turn, those whose side is claimed, and those of the latter who have come meanwhile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Held(u8);

impl Held {
    pub(super) const NOBODY: Self = Self(0);
    const CLAIMED: u32 = 2;
    const CAME: u32 = 4;
    const BY_RULES: u8 = 1 << 6;

    const fn contains(self, party: Party) -> bool {
        self.0 & party as u8 != 0
    }

    const fn is_claimed(self, party: Party) -> bool {
        self.0 & (party as u8) << Self::CLAIMED != 0
    }
}

impl<P> PageRing<P> {
    /// From now on `party` finds nothing to do.
    pub fn hold_back(&mut self, party: Party) {
        self.held.0 |= party as u8;
        self.note_crowd();
    }

    /// From now on it looks crowded, whatever is in it: transfers go by rules that it does not know.
    pub fn begin_rules(&mut self) {
        self.held.0 |= Held::BY_RULES;
        self.note_crowd();
    }

    /// Ends that.
    pub fn end_rules(&mut self) {
        self.held.0 &= !Held::BY_RULES;
        self.note_crowd();
    }

    /// Ends holding `party` back.
    pub fn let_in(&mut self, party: Party) {
        self.held.0 &= !(party as u8);
        self.note_crowd();
    }

    /// Whether `party` finds nothing to do for that reason, whatever there is.
    #[must_use]
    pub fn holds_back(&self, party: Party) -> bool {
        self.held.contains(party)
    }

    /// Whether the side of `party` is claimed.
    #[must_use]
    pub fn is_claimed(&self, party: Party) -> bool {
        self.held.is_claimed(party)
    }

    /// From now on `party` finds nothing to do until [`PageRing::unclaim`].
    pub(crate) fn claim(&mut self, party: Party) {
        debug_assert!(!self.is_claimed(party), "claimed twice");
        self.held.0 |= (party as u8) << Held::CLAIMED;
        self.note_crowd();
    }

    /// Ends that. Whether somebody came in vain meanwhile.
    pub(crate) fn unclaim(&mut self, party: Party) -> bool {
        let came = (party as u8) << Held::CAME;
        let has_come = self.held.0 & came != 0;
        self.held.0 &= !(came | (party as u8) << Held::CLAIMED);
        self.note_crowd();
        has_come
    }

    /// An attempt of `party`: whether it finds nothing to do for either reason. If it is a claim, that is remembered.
    pub(crate) fn turns_away(&mut self, party: Party) -> bool {
        let is_claimed = self.is_claimed(party);
        if is_claimed {
            self.held.0 |= (party as u8) << Held::CAME;
        }
        is_claimed || self.holds_back(party)
    }

    /// Full, or somebody is held back, or there are rules: not the usual case.
    #[inline(always)]
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.occupancy() >= self.crowded_at
    }

    /// Whether a crowded ring has no room for writers.
    #[cold]
    #[inline(never)]
    pub(super) fn refuses_writers(&mut self) -> bool {
        self.is_full() || self.turns_away(Party::Writers)
    }

    /// Sets from how many used slots on the ring is crowded. To be called after its size or who is held has changed.
    pub(super) fn note_crowd(&mut self) {
        self.crowded_at = if self.held == Held::NOBODY { self.capacity() } else { 0 };
    }
}
