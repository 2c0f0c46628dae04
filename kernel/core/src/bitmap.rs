//! A growing set of small numbers, one bit each, searched a word at a time.
//!
//! Owns the words. No locks, never sleeps; growing may fail for want of memory. Under the descriptor table and the process numbers.

use alloc::vec::Vec;

use crate::errno::{Errno, Result};

const WORD_BITS: usize = 64;

/// A set of numbers below its length.
#[derive(Debug, Default)]
pub struct Bitmap {
    words: Vec<u64>,
}

impl Bitmap {
    /// The empty set of length zero.
    #[must_use]
    pub const fn new() -> Self {
        Self { words: Vec::new() }
    }

    /// Numbers below this can be members; a multiple of 64.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.len() * WORD_BITS
    }

    /// Whether no number can be a member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Makes room for numbers below `len`.
    ///
    /// # Errors
    /// `ENOMEM`; nothing changed then.
    pub fn try_grow(&mut self, len: usize) -> Result<()> {
        let words = len.div_ceil(WORD_BITS);
        if words > self.words.len() {
            self.words.try_reserve(words - self.words.len()).map_err(|_| Errno::ENOMEM)?;
            self.words.resize(words, 0);
        }
        Ok(())
    }

    /// Whether `number` is a member.
    #[inline]
    #[must_use]
    pub fn contains(&self, number: usize) -> bool {
        self.words.get(number / WORD_BITS).is_some_and(|word| word >> (number % WORD_BITS) & 1 != 0)
    }

    /// Makes `number`, which must be below the length, a member.
    #[inline]
    pub fn insert(&mut self, number: usize) {
        self.words[number / WORD_BITS] |= 1 << (number % WORD_BITS);
    }

    /// Makes `number` no member.
    #[inline]
    pub fn remove(&mut self, number: usize) {
        if let Some(word) = self.words.get_mut(number / WORD_BITS) {
            *word &= !(1 << (number % WORD_BITS));
        }
    }

    /// The lowest member at or above `from`.
    #[inline]
    #[must_use]
    pub fn next_member(&self, from: usize) -> Option<usize> {
        self.search(from, |word| word)
    }

    /// The highest member.
    #[must_use]
    pub fn last_member(&self) -> Option<usize> {
        let (index, word) = self.words.iter().enumerate().rev().find(|(_, word)| **word != 0)?;
        Some(index * WORD_BITS + word.ilog2() as usize)
    }

    /// The lowest number at or above `from` which is no member; it may lie beyond the length.
    #[inline]
    #[must_use]
    pub fn next_gap(&self, from: usize) -> usize {
        self.search(from, |word| !word).unwrap_or_else(|| from.max(self.len()))
    }

    /// The lowest bit at or above `from` that is set in what `view` makes of the words.
    #[inline]
    fn search(&self, from: usize, view: impl Fn(u64) -> u64) -> Option<usize> {
        let mut index = from / WORD_BITS;
        let mut word = view(*self.words.get(index)?) & u64::MAX << (from % WORD_BITS);
        while word == 0 {
            index += 1;
            word = view(*self.words.get(index)?);
        }
        Some(index * WORD_BITS + word.trailing_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_gap_may_lie_beyond_the_end() {
        let mut bitmap = Bitmap::new();
        assert_eq!((bitmap.next_gap(0), bitmap.next_gap(7), bitmap.next_member(0)), (0, 7, None));
        bitmap.try_grow(64).unwrap();
        (0..64).for_each(|number| bitmap.insert(number));
        assert_eq!((bitmap.next_gap(3), bitmap.next_gap(100)), (64, 100));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn a_bitmap_is_a_set(changes in prop::collection::vec((0..300_usize, any::<bool>()), 0..200), from in 0..400_usize) {
            let (mut bitmap, mut model) = (Bitmap::new(), BTreeSet::new());
            bitmap.try_grow(300).unwrap();
            for (number, member) in changes {
                if member { bitmap.insert(number); model.insert(number); } else { bitmap.remove(number); model.remove(&number); }
            }
            prop_assert!((0..400).all(|number| bitmap.contains(number) == model.contains(&number)));
            prop_assert_eq!(bitmap.next_member(from), model.range(from..).next().copied());
            prop_assert_eq!(bitmap.last_member(), model.last().copied());
            prop_assert_eq!(Some(bitmap.next_gap(from)), (from..).find(|number| !model.contains(number)));
        }
    }
}
