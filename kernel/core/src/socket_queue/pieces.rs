//! The bytes of a message, in pieces of a moderate size: the kernel's heap has no large blocks to count on.
//!
//! No locks, never sleeps.

use alloc::vec::Vec;
use core::ops::Range;

use crate::errno::{Errno, Result};

/// Bytes in each piece but the last.
pub(super) const PIECE_BYTES: usize = 2048;

/// So many bytes lie in the message itself.
const SHORT_BYTES: usize = 16;

/// Bytes that come in once, and go out any number of times. Few lie here, and more in one piece mostly.
#[derive(Debug)]
pub(super) struct Pieces {
    first: First,
    more: Vec<Vec<u8>>,
    length: usize,
}

/// The first bytes, or all.
#[derive(Debug)]
enum First {
    Short([u8; SHORT_BYTES]),
    Long(Vec<u8>),
}

impl Pieces {
    /// No bytes.
    #[inline]
    pub(super) const fn new() -> Self {
        Self { first: First::Short([0; SHORT_BYTES]), more: Vec::new(), length: 0 }
    }

    /// How many bytes.
    #[inline]
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Takes in `wanted` bytes that `fill` supplies, a piece at a time, or fewer: up to where `fill` supplies less than it is
    /// asked for. To be called once.
    ///
    /// # Errors
    /// `ENOMEM`; what was supplied before that stays.
    #[inline]
    pub(super) fn fill(&mut self, wanted: usize, fill: &mut impl FnMut(&mut [u8]) -> usize) -> Result<()> {
        if let First::Short(bytes) = &mut self.first
            && let Some(room) = bytes.get_mut(..wanted)
        {
            self.length = fill(room);
            return Ok(());
        }
        self.fill_pieces(wanted, fill)
    }

    fn fill_pieces(&mut self, wanted: usize, fill: &mut impl FnMut(&mut [u8]) -> usize) -> Result<()> {
        while self.length < wanted {
            let room = PIECE_BYTES.min(wanted - self.length);
            let mut piece = Vec::new();
            piece.try_reserve_exact(room).map_err(|_| Errno::ENOMEM)?;
            piece.resize(room, 0);
            if self.length > 0 && self.more.is_empty() {
                // Once for all, so that there is one allocation.
                let pieces = (wanted - self.length).div_ceil(PIECE_BYTES);
                self.more.try_reserve_exact(pieces).map_err(|_| Errno::ENOMEM)?;
            }
            let filled = fill(&mut piece);
            piece.truncate(filled);
            if self.length == 0 {
                self.first = First::Long(piece);
            } else {
                self.more.push(piece);
            }
            self.length += filled;
            if filled < room {
                break;
            }
        }
        Ok(())
    }

    /// The piece of this number.
    fn piece(&self, index: usize) -> &[u8] {
        match (index, &self.first) {
            (0, First::Short(bytes)) => &bytes[..self.length],
            (0, First::Long(piece)) => piece,
            (_, _) => &self.more[index - 1],
        }
    }

    /// The bytes of `range`, in order, in as many parts as they lie in.
    pub(super) fn parts(&self, range: Range<usize>) -> impl Iterator<Item = &[u8]> {
        let mut at = range.start;
        core::iter::from_fn(move || {
            if at >= range.end {
                return None;
            }
            let index = at / PIECE_BYTES;
            let piece = self.piece(index);
            let within = at - index * PIECE_BYTES;
            let end = piece.len().min(within + (range.end - at));
            at += end - within;
            Some(&piece[within..end])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The model: one vector. `fill` supplies at most `supply` bytes in all.
        #[test]
        fn any_part_comes_out_as_it_went_in(
            wanted in prop_oneof![0..2 * SHORT_BYTES, 0..9000_usize], supply in 0..9000_usize, from in 0..9000_usize, to in 0..9000_usize,
        ) {
            let model: Vec<u8> = (0..251).cycle().take(wanted.min(supply)).collect();
            let (mut pieces, mut supplied) = (Pieces::new(), 0);
            pieces.fill(wanted, &mut |room| {
                let part = room.len().min(model.len() - supplied);
                room[..part].copy_from_slice(&model[supplied..supplied + part]);
                supplied += part;
                part
            }).unwrap();
            prop_assert_eq!(pieces.length(), model.len());
            let range = from.min(model.len())..to.min(model.len());
            let parts: Vec<u8> = pieces.parts(range.clone()).flatten().copied().collect();
            prop_assert_eq!(&parts[..], model.get(range).unwrap_or(&[]));
            let longest = pieces.parts(0..model.len()).map(<[u8]>::len).max();
            prop_assert!(longest.is_none_or(|longest| longest <= PIECE_BYTES));
        }
    }
}
