//! Loans: the first bytes, or the room, are promised to one who goes away with them, without the caller's mutex, and comes back.
//!
//! Part of [`PipeState`]; the caller holds its mutex for each call, not in between. A file that is no ring is asked so to take
//! bytes, or to give some: whatever it locks meanwhile, no ring is locked, and whatever it answers, no byte is lost or doubled
//! and none overtakes another. While something is lent, attempts at that end say `EAGAIN`; whoever came for it is woken when it
//! is given back. No locks, never sleeps.

use super::{Moved, PipeState, Refusal};
use crate::effects::{Step, Wake, Wakes};
use crate::page_ring::{Party, Piece};

impl<P> PipeState<P> {
    /// Whether the bytes are lent: an attempt to have some is to wait.
    pub(super) fn has_lent_bytes(&mut self) -> bool {
        self.ring.is_claimed(Party::Readers) && self.ring.turns_away(Party::Readers)
    }

    /// Whether the room is lent: an attempt to have some is to wait.
    pub(super) fn has_lent_room(&mut self) -> bool {
        self.ring.is_claimed(Party::Writers) && self.ring.turns_away(Party::Writers)
    }

    /// Whether anything is lent.
    #[must_use]
    pub fn has_lent(&self) -> bool {
        self.ring.is_claimed(Party::Readers) || self.ring.is_claimed(Party::Writers)
    }

    /// Lends the room: how many pieces it will take, at least one, whatever happens until [`PipeState::fill_room`].
    ///
    /// # Errors
    /// As [`PipeState::room_for_pieces`]; nothing is lent then.
    pub fn lend_room(&mut self) -> core::result::Result<usize, Refusal> {
        let room = self.room_for_pieces()?;
        self.ring.claim(Party::Writers);
        Ok(room)
    }

    /// Ends a loan of room: puts pieces in, at most as many as was said, or none. If nobody is left to read them they go in all
    /// the same, as though they had come a moment earlier.
    pub fn fill_room(&mut self, pieces: impl IntoIterator<Item = Piece<P>>) -> Step<Moved> {
        let has_come = self.ring.unclaim(Party::Writers);
        let room = self.ring.room();
        let mut wakes = Wakes::NONE;
        let moved = self.accept(room, pieces).settle(|wanted| wakes = wanted);
        Step::new(moved, Wakes { writers: Wake::one_if(has_come && self.wake_next_writer()), ..wakes })
    }

    /// Ends a loan of bytes, of which the first `taken` are gone.
    pub fn take_back(&mut self, taken: usize) -> Step<()> {
        let has_come = self.ring.unclaim(Party::Readers);
        let was_full = self.ring.is_full();
        self.ring.drop_first(taken);
        let readers = Wake::one_if(has_come && self.wake_next_reader());
        Step::new((), Wakes { readers, ..self.wakes_after_output(was_full) })
    }
}

impl<P: Clone> PipeState<P> {
    /// Lends the first bytes, at most `len`, in at most `most` pieces, each handed to `give`; they stay where they are until
    /// [`PipeState::take_back`]. Without any, at the end of the file, nothing is lent: false.
    ///
    /// # Errors
    /// No data, though there is a writer, or others have it.
    pub fn lend(
        &mut self,
        len: usize,
        most: usize,
        mut give: impl FnMut(Piece<P>),
    ) -> core::result::Result<bool, Refusal> {
        if self.ring.is_empty() && self.writers.open != 0 || self.has_lent_bytes() {
            return Err(Refusal::NoData);
        }
        let mut lent = Moved::default();
        while lent.pieces < most
            && let Some(piece) = self.ring.share(lent.pieces, len - lent.bytes)
        {
            lent.add(piece.len());
            give(piece);
        }
        if lent.pieces != 0 {
            self.ring.claim(Party::Readers);
        }
        Ok(lent.pieces != 0)
    }
}
