//! What is sent, and how its arrival is proved.
//!
//! Every message carries its sequence number at both ends over a fixed pattern. During warm-up the
//! receiver sums **every byte** of every message; in the timed passes it sums the two stamps of every
//! message, which costs a handful of instructions whatever the size, so that the figure stays the
//! mechanism's. The sum depends on order: lost, doubled, swapped or shifted messages change it.
//! Pure values: no lock, no sleep.

use crate::measure::Schedule;

/// Bytes of one stamp. Messages with no room for two of them carry one byte of the number instead.
const STAMP_BYTES: usize = 8;

/// An order-dependent 64-bit sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum(u64);

impl Checksum {
    /// The sum of nothing.
    pub const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// The sum as a number, for reports.
    pub const fn value(self) -> u64 {
        self.0
    }

    /// Adds one word.
    #[inline]
    pub fn add_word(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }

    /// Adds the stamps of `message`.
    #[inline]
    pub fn add_stamps(&mut self, message: &[u8]) {
        match (message.first_chunk::<STAMP_BYTES>(), message.last_chunk::<STAMP_BYTES>()) {
            (Some(head), Some(tail)) if message.len() >= 2 * STAMP_BYTES => {
                self.add_word(u64::from_le_bytes(*head));
                self.add_word(u64::from_le_bytes(*tail));
            }
            _ => self.add_word(u64::from(message[0])),
        }
    }

    /// Adds every byte of `message`.
    pub fn add_all(&mut self, message: &[u8]) {
        let (words, rest) = message.as_chunks::<STAMP_BYTES>();
        for word in words {
            self.add_word(u64::from_le_bytes(*word));
        }
        for byte in rest {
            self.add_word(u64::from(*byte));
        }
    }
}

/// A message of `size` bytes (at least one), without stamps yet.
pub fn pattern(size: usize) -> Vec<u8> {
    (0..=u8::MAX).map(|byte| byte.wrapping_mul(31).wrapping_add(7)).cycle().take(size).collect()
}

/// Writes `sequence` over both ends of `message`.
#[inline]
pub fn stamp(message: &mut [u8], sequence: u64) {
    let word = sequence.to_le_bytes();
    if message.len() >= 2 * STAMP_BYTES {
        let tail = message.len() - STAMP_BYTES;
        message[..STAMP_BYTES].copy_from_slice(&word);
        message[tail..].copy_from_slice(&word);
    } else {
        message[0] = word[0];
    }
}

/// What a receiver of a whole `schedule` of `size`-byte messages must come to.
pub fn expected(schedule: Schedule, size: usize) -> Checksum {
    let mut message = pattern(size);
    let mut sum = Checksum::new();
    for sequence in schedule.warm_up() {
        stamp(&mut message, sequence);
        sum.add_all(&message);
    }
    for sequence in schedule.timed() {
        stamp(&mut message, sequence);
        sum.add_stamps(&message);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::{Checksum, pattern, stamp};

    fn sum_of(messages: &[Vec<u8>], add: fn(&mut Checksum, &[u8])) -> u64 {
        let mut sum = Checksum::new();
        for message in messages {
            add(&mut sum, message);
        }
        sum.value()
    }

    fn stamped(size: usize, count: u64) -> Vec<Vec<u8>> {
        (0..count)
            .map(|sequence| {
                let mut message = pattern(size);
                stamp(&mut message, sequence);
                message
            })
            .collect()
    }

    #[test]
    fn lost_doubled_and_swapped_messages_change_either_sum() {
        for size in [1, 8, 15, 16, 64, 1000] {
            let good = stamped(size, 20);
            let mut swapped = good.clone();
            swapped.swap(3, 4);
            let mut doubled = good.clone();
            doubled.insert(5, good[5].clone());
            for add in [Checksum::add_stamps, Checksum::add_all] {
                let sum = sum_of(&good, add);
                assert_ne!(sum, sum_of(&good[..19], add), "lost, size {size}");
                assert_ne!(sum, sum_of(&swapped, add), "swapped, size {size}");
                assert_ne!(sum, sum_of(&doubled, add), "doubled, size {size}");
            }
        }
    }

    #[test]
    fn the_full_sum_sees_every_byte() {
        let good = pattern(77);
        for position in 0..good.len() {
            let mut bad = good.clone();
            bad[position] ^= 0x10;
            assert_ne!(
                sum_of(std::slice::from_ref(&good), Checksum::add_all),
                sum_of(&[bad], Checksum::add_all),
                "byte {position}"
            );
        }
    }

    #[test]
    fn stamps_see_a_stream_shifted_by_one_byte() {
        let good = stamped(64, 3);
        let mut shifted = good[1].clone();
        shifted.rotate_left(1);
        assert_ne!(sum_of(&good[1..2], Checksum::add_stamps), sum_of(&[shifted], Checksum::add_stamps));
    }
}
