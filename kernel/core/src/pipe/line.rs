//! Standing back for those who wait: while an end is held, attempts at it come to nothing although something is there.
//!
//! Part of [`PipeState`]; the caller holds its mutex, knows who waits since when, and decides who is let in. No locks, never
//! sleeps.

use super::{End, PipeState};
use crate::page_ring::Party;

impl End {
    fn party(self) -> Party {
        match self {
            Self::Read => Party::Readers,
            Self::Write => Party::Writers,
        }
    }
}

impl<P> PipeState<P> {
    /// Somebody who waits at `end` was passed over: until [`PipeState::let_in`], attempts there say `EAGAIN`. Only an end of the
    /// file, a broken pipe, and small writes that merge go before.
    pub fn hold_back(&mut self, end: End) {
        self.ring.hold_back(end.party());
    }

    /// Whether an attempt at `end` says `EAGAIN` for that reason alone.
    #[must_use]
    pub fn holds_back(&self, end: End) -> bool {
        let is_possible = match end {
            End::Read => !self.ring.is_empty(),
            End::Write => !self.ring.is_full(),
        };
        is_possible && self.ring.holds_back(end.party()) && !self.ring.is_claimed(end.party())
    }

    /// From now on it looks [crowded](Self::is_crowded) always: its owner has rules of its own.
    pub fn begin_rules(&mut self) {
        self.ring.begin_rules();
    }

    /// Ends that.
    pub fn end_rules(&mut self) {
        self.ring.end_rules();
    }

    /// Full, or somebody is held back, or there are rules.
    #[inline(always)]
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.ring.is_crowded()
    }

    /// Ends it: it is the turn of the one whose attempt follows.
    pub fn let_in(&mut self, end: End) {
        self.ring.let_in(end.party());
    }
}
