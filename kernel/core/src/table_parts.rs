//! Which sixteenths of a translation table have held an entry, kept in the descriptor that leads to the table.
//!
//! The MMU ignores 18 bits of a table descriptor (Arm ARM D8.3, 2 to 11 and 51 to 58). 16 of them say where to look, so that
//! whoever visits all of a sparse table reads tens of entries and not 512. A part that was marked stays marked: a mark is
//! "may hold", its absence is "holds nothing".

use core::ops::Range;

/// Entries of a table.
pub const ENTRIES: usize = 512;
/// Entries that one mark stands for.
pub const PART: usize = ENTRIES / 16;

/// Marks 0 to 7 are bits 2 to 9, and 8 to 15 are bits 51 to 58.
const LOW: usize = 2;
const HIGH: usize = 51;

/// `descriptor` with the part of entry `index` marked.
#[inline]
pub const fn mark(descriptor: u64, index: usize) -> u64 {
    let part = index / PART;
    descriptor | 1 << (part + if part < 8 { LOW } else { HIGH - 8 })
}

/// The marks of `descriptor`, and nothing else of it.
#[inline]
pub const fn marks(descriptor: u64) -> u64 {
    descriptor & (0xff << LOW | 0xff << HIGH)
}

/// The numbers of the parts that are marked and have an entry whose index is in `indices`, lowest first.
#[inline]
pub fn marked_within(descriptor: u64, indices: Range<usize>) -> impl Iterator<Item = usize> {
    let all = (descriptor >> LOW & 0xff) | (descriptor >> HIGH & 0xff) << 8;
    // The parts below that of the first index, and those up to that of the last: none for an empty range.
    let below = (1 << (indices.start / PART)) - 1;
    let up_to = (1 << indices.end.div_ceil(PART)) - 1;
    let mut left = if indices.is_empty() { 0 } else { all & up_to & !below };
    core::iter::from_fn(move || {
        let part = left.trailing_zeros();
        left &= left.wrapping_sub(1);
        (part < 16).then_some(part as usize)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    /// The bits of a table descriptor that are marks.
    const MASK: u64 = 0xff << LOW | 0xff << HIGH;
    /// The bits by which the MMU goes: kind, address, and the attributes of a table.
    const MEANT: u64 = 0b11 | 0x0000_ffff_ffff_f000 | 0x1f << 59;

    #[test]
    fn no_mark_is_in_a_bit_that_means_something() {
        assert_eq!(MASK & MEANT, 0);
        assert_eq!((0..ENTRIES).fold(0, mark), MASK);
    }

    proptest! {
        #[test]
        fn the_parts_of_the_entries_that_were_marked_and_no_others_are_found(
            descriptor: u64, indices in prop::collection::vec(0..ENTRIES, 0..40), first in 0..=ENTRIES, end in 0..=ENTRIES,
        ) {
            let empty = descriptor & !MASK;
            let full = indices.iter().fold(empty, |descriptor, index| mark(descriptor, *index));
            let parts: BTreeSet<usize> = indices.iter().map(|index| index / PART).collect();
            let found: Vec<usize> = marked_within(full, 0..ENTRIES).collect();
            prop_assert_eq!(&found, &parts.into_iter().collect::<Vec<_>>());
            let has_one = |part: &usize| (first..end).any(|index| index / PART == *part);
            let expected: Vec<usize> = found.into_iter().filter(has_one).collect();
            prop_assert_eq!(marked_within(full, first..end).collect::<Vec<_>>(), expected);
            prop_assert_eq!(full & !MASK, empty);
            prop_assert_eq!(marks(full), full & MASK);
        }
    }
}
