//! Splicing: what goes from pipe to pipe, into a pipe and out of it together with the pages it lies in.
//!
//! Part of [`PipeState`]; the caller holds the mutex of each pipe that takes part. No locks, never sleeps. Whom to wake is in
//! the outcome, once for each pipe. Specification: splice(2), tee(2); fs/splice.c of Linux 6.12.

use super::PipeState;
use crate::effects::{Step, Wake, Wakes};
use crate::errno::{Errno, Result};
use crate::page_ring::{Offer, Piece};

/// Why nothing was moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// There are no bytes yet where they should come from.
    NoData,
    /// There is no room yet where they should go.
    NoRoom,
    /// For good.
    Failed(Errno),
}

impl From<Errno> for Refusal {
    fn from(error: Errno) -> Self {
        Self::Failed(error)
    }
}

/// What was moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moved {
    /// Bytes; 0 is the end of what can come.
    pub bytes: usize,
    /// Pieces of pages, of whatever length.
    pub pieces: usize,
}

impl Moved {
    pub(super) fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.pieces += 1;
    }
}

/// What was moved between two pipes, and whom that concerns: settle it once both locks are dropped.
#[derive(Debug)]
pub struct Crossing {
    /// For those who wait at the pipe it came from.
    pub source: Wakes,
    /// What was moved, for those who wait at the pipe it went to.
    pub target: Step<Moved>,
}

impl<P> PipeState<P> {
    /// How many pieces it can take: at least one.
    ///
    /// # Errors
    /// `EPIPE` without a reader; no room.
    pub fn room_for_pieces(&mut self) -> core::result::Result<usize, Refusal> {
        match self.ring.room() {
            _ if self.readers.open == 0 => Err(Errno::EPIPE.into()),
            0 => Err(Refusal::NoRoom),
            _ if self.has_lent_room() => Err(Refusal::NoRoom),
            room => Ok(room),
        }
    }

    /// Puts pieces in, as many as there are slots for; the others are dropped.
    ///
    /// # Errors
    /// As [`PipeState::room_for_pieces`].
    pub fn try_accept(
        &mut self,
        pieces: impl IntoIterator<Item = Piece<P>>,
    ) -> core::result::Result<Step<Moved>, Refusal> {
        let room = self.room_for_pieces()?;
        Ok(self.accept(room, pieces))
    }

    /// Puts pieces into `room` slots that are there.
    pub(super) fn accept(&mut self, room: usize, pieces: impl IntoIterator<Item = Piece<P>>) -> Step<Moved> {
        let was_empty = self.ring.is_empty();
        let mut moved = Moved::default();
        for piece in pieces.into_iter().take(room) {
            moved.add(piece.len());
            if let Ok(Some(idle)) = self.ring.push(piece) {
                drop(self.ring.keep_idle(idle));
            }
        }
        Step::new(moved, self.wakes_after_input(was_empty, moved))
    }

    /// Offers up to `len` bytes, slot by slot, to `take`, which says how many it took, and ends it by taking fewer than offered.
    /// No bytes of a `len` above zero: the end of file.
    ///
    /// # Errors
    /// No data, though there is a writer; what `take` says of the first bytes, where `EAGAIN` is no room.
    pub fn try_offer(
        &mut self,
        len: usize,
        mut take: impl FnMut(&mut Offer<'_, P>) -> Result<usize>,
    ) -> core::result::Result<Step<Moved>, Refusal> {
        if self.ring.is_empty() && self.writers.open != 0 || self.has_lent_bytes() {
            return Err(Refusal::NoData);
        }
        let was_full = self.ring.is_full();
        let mut moved = Moved::default();
        while moved.bytes < len {
            let mut offered = 0;
            let mut take = |offer: &mut Offer<'_, P>| {
                offered = offer.range().len();
                take(offer)
            };
            match self.ring.offer(len - moved.bytes, &mut take) {
                None => break,
                Some(Ok(taken)) => {
                    moved.add(taken);
                    if taken < offered {
                        break;
                    }
                }
                Some(Err(Errno::EAGAIN)) if moved.bytes == 0 => return Err(Refusal::NoRoom),
                Some(Err(error)) if moved.bytes == 0 => return Err(error.into()),
                Some(Err(_)) => break,
            }
        }
        Ok(Step::new(moved, self.wakes_after_output(was_full)))
    }

    fn wakes_after_input(&self, was_empty: bool, moved: Moved) -> Wakes {
        let readers = Wake::one_if(moved.bytes != 0 && (was_empty || self.has_pollers));
        Wakes { readers, ..Wakes::NONE }
    }

    pub(super) fn wakes_after_output(&self, was_full: bool) -> Wakes {
        Wakes { writers: Wake::one_if(was_full && !self.ring.is_full()), ..Wakes::NONE }
    }
}

impl<P: Clone> PipeState<P> {
    /// What splice(2) and tee(2) look at before they move anything; the outcome says whether there is something to move.
    fn can_cross(source: &mut Self, target: &mut Self) -> core::result::Result<bool, Refusal> {
        if source.ring.is_empty() && source.writers.open != 0 || source.has_lent_bytes() {
            return Err(Refusal::NoData);
        }
        if target.readers.open == 0 {
            return Err(Errno::EPIPE.into());
        }
        if source.ring.is_empty() {
            return Ok(false);
        }
        if target.ring.is_full() || target.has_lent_room() { Err(Refusal::NoRoom) } else { Ok(true) }
    }

    /// Moves up to `len` bytes from `source` to `target`. An idle page that was in the way goes to `source` in exchange.
    ///
    /// # Errors
    /// No data, though there is a writer; `EPIPE` without a reader; no room.
    pub fn splice(source: &mut Self, target: &mut Self, len: usize) -> core::result::Result<Crossing, Refusal> {
        let mut moved = Moved::default();
        let (was_full, was_empty) = (source.ring.is_full(), target.ring.is_empty());
        if Self::can_cross(source, target)? {
            while moved.bytes < len
                && !target.ring.is_full()
                && let Some(piece) = source.ring.take(len - moved.bytes)
            {
                moved.add(piece.len());
                if let Ok(Some(idle)) = target.ring.push(piece)
                    && let Some(idle) = source.ring.keep_idle(idle)
                {
                    drop(target.ring.keep_idle(idle));
                }
            }
        }
        let target = Step::new(moved, target.wakes_after_input(was_empty, moved));
        Ok(Crossing { source: source.wakes_after_output(was_full), target })
    }

    /// Gives `target` references to the first bytes of `source`, up to `len`, which stay where they are.
    ///
    /// # Errors
    /// As [`PipeState::splice`].
    pub fn tee(source: &mut Self, target: &mut Self, len: usize) -> core::result::Result<Crossing, Refusal> {
        let mut moved = Moved::default();
        let was_empty = target.ring.is_empty();
        if Self::can_cross(source, target)? {
            while !target.ring.is_full()
                && let Some(piece) = source.ring.share(moved.pieces, len - moved.bytes)
            {
                moved.add(piece.len());
                if let Ok(Some(idle)) = target.ring.push(piece) {
                    drop(target.ring.keep_idle(idle));
                }
            }
        }
        let target = Step::new(moved, target.wakes_after_input(was_empty, moved));
        Ok(Crossing { source: Wakes::NONE, target })
    }
}
