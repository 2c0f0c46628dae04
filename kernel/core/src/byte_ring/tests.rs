//! The flat ring against a queue of bytes, which is too simple to be wrong: every arithmetic gives the same bytes.

use super::*;
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

/// A ring with the memory that it speaks of.
struct Full {
    ring: ByteRing,
    memory: Vec<u8>,
}

impl Full {
    fn new(size: usize, arithmetic: Arithmetic) -> Self {
        Self { ring: ByteRing::new(size, arithmetic).unwrap(), memory: vec![0xee; size] }
    }

    /// Writes `bytes`, of which only the first `reachable` can be copied.
    fn write(&mut self, bytes: &[u8], reachable: usize) -> Result<usize> {
        let mut done = 0;
        let memory = &mut self.memory;
        let step = self.ring.try_write(bytes.len(), |range| {
            let part = range.len().min(reachable - done);
            memory[range.start..range.start + part].copy_from_slice(&bytes[done..done + part]);
            done += part;
            part
        })?;
        Ok(step.settle(|wakes| assert_eq!(wakes, Wakes { readers: Wake::All, ..Wakes::NONE })))
    }

    /// Reads into room for `wanted` bytes, of which only the first `reachable` can be stored.
    fn read(&mut self, wanted: usize, reachable: usize) -> Result<Vec<u8>> {
        let mut taken = Vec::new();
        let memory = &self.memory;
        let step = self.ring.try_read(wanted, |range| {
            let part = range.len().min(reachable - taken.len());
            taken.extend_from_slice(&memory[range.start..range.start + part]);
            part
        })?;
        let moved = step.settle(|wakes| assert_eq!(wakes, Wakes { writers: Wake::All, ..Wakes::NONE }));
        assert_eq!(moved, taken.len());
        Ok(taken)
    }
}

const ALL: [Arithmetic; 3] = [Arithmetic::OpenSlot, Arithmetic::Modulo, Arithmetic::Mask];

#[test]
fn it_is_empty_when_head_is_tail_and_full_when_one_more_would_make_it_so() {
    for arithmetic in [Arithmetic::OpenSlot, Arithmetic::Modulo] {
        let mut full = Full::new(8, arithmetic);
        assert_eq!((full.ring.bytes(), full.ring.room(), full.ring.capacity()), (0, 7, 7));
        assert_eq!(full.write(&[1; 9], 9), Ok(7));
        assert_eq!((full.ring.bytes(), full.ring.room()), (7, 0));
        assert_eq!((full.ring.head + 1) % 8, full.ring.tail);
        assert_eq!(full.write(&[1], 1), Err(Errno::EAGAIN));
        assert_eq!(full.read(9, 9).unwrap().len(), 7);
        assert_eq!(full.ring.head, full.ring.tail);
        assert_eq!(full.read(1, 1), Err(Errno::EAGAIN));
    }
}

#[test]
fn the_mask_uses_every_byte_and_outlives_its_counters() {
    let mut full = Full::new(8, Arithmetic::Mask);
    (full.ring.head, full.ring.tail) = (usize::MAX - 2, usize::MAX - 2);
    assert_eq!(full.write(&[1, 2, 3, 4, 5, 6, 7, 8, 9], 9), Ok(8));
    assert_eq!((full.ring.bytes(), full.ring.room()), (8, 0));
    assert_eq!(full.read(9, 9), Ok(vec![1, 2, 3, 4, 5, 6, 7, 8]));
    assert_eq!(full.ring.bytes(), 0);
}

#[test]
fn a_transfer_that_wraps_is_two_copies() {
    for arithmetic in ALL {
        let mut full = Full::new(8, arithmetic);
        full.write(&[0; 6], 6).unwrap();
        full.read(6, 6).unwrap();
        let mut ranges = Vec::new();
        let step = full.ring.try_write(5, |range| {
            ranges.push(range.clone());
            range.len()
        });
        assert_eq!(step.unwrap().settle(|_| {}), 5);
        assert_eq!(ranges, [6..8, 0..3]);
        ranges.clear();
        let step = full.ring.try_read(9, |range| {
            ranges.push(range.clone());
            range.len()
        });
        assert_eq!(step.unwrap().settle(|_| {}), 5);
        assert_eq!(ranges, [6..8, 0..3]);
    }
}

#[test]
fn a_fault_at_once_changes_nothing_and_one_half_way_moves_what_was_moved() {
    for arithmetic in ALL {
        let mut full = Full::new(8, arithmetic);
        full.write(&[9; 5], 5).unwrap();
        full.read(5, 5).unwrap();
        assert_eq!(full.write(&[1, 2, 3, 4, 5], 0), Err(Errno::EFAULT));
        assert_eq!(full.ring.bytes(), 0);
        // Three bytes lie before the end of the memory: the fault comes in the second copy.
        assert_eq!(full.write(&[1, 2, 3, 4, 5], 4), Ok(4));
        assert_eq!(full.read(4, 0), Err(Errno::EFAULT));
        assert_eq!(full.read(4, 1), Ok(vec![1]));
        assert_eq!(full.read(4, 4), Ok(vec![2, 3, 4]));
    }
}

#[test]
fn an_empty_transfer_moves_nothing_and_wakes_nobody() {
    for arithmetic in ALL {
        let mut ring = ByteRing::new(8, arithmetic).unwrap();
        let nothing = |_| unreachable!("there is nothing to copy");
        assert_eq!(ring.try_write(0, nothing).unwrap().settle(|_| panic!("nobody is concerned")), 0);
        assert_eq!(ring.try_read(0, nothing).unwrap().settle(|_| panic!("nobody is concerned")), 0);
    }
}

#[test]
fn sizes_that_do_not_suit_are_refused() {
    for arithmetic in [Arithmetic::OpenSlot, Arithmetic::Modulo] {
        assert!(ByteRing::new(0, arithmetic).is_none() && ByteRing::new(1, arithmetic).is_none());
        assert!(ByteRing::new(2, arithmetic).is_some() && ByteRing::new(usize::MAX, arithmetic).is_none());
    }
    assert!(ByteRing::new(0, Arithmetic::Mask).is_none() && ByteRing::new(12, Arithmetic::Mask).is_none());
    assert!(ByteRing::new(1, Arithmetic::Mask).is_some());
}

proptest! {
    #[test]
    fn every_arithmetic_gives_the_bytes_of_a_queue(
        shift in 1_u32..7,
        operations in prop::collection::vec((any::<bool>(), 0_usize..100, 0_usize..110), 1..60),
    ) {
        // The mask has one byte more: for equal capacities the others get a size that is one larger, and odd.
        let size = 1_usize << shift;
        let mut rings = [
            Full::new(size + 1, Arithmetic::OpenSlot),
            Full::new(size + 1, Arithmetic::Modulo),
            Full::new(size, Arithmetic::Mask),
        ];
        let mut model = VecDeque::new();
        let mut next = 0_u8;
        for (is_write, length, reachable) in operations {
            let bytes: Vec<u8> = (0..length).map(|_| { next = next.wrapping_add(1); next }).collect();
            let limit = if is_write { size - model.len() } else { model.len() };
            let moved = length.min(limit).min(reachable);
            let outcome = match () {
                () if length == 0 => Ok(0),
                () if limit == 0 => Err(Errno::EAGAIN),
                () if moved == 0 => Err(Errno::EFAULT),
                () => Ok(moved),
            };
            let taken: Vec<u8> = if is_write {
                model.extend(&bytes[..outcome.unwrap_or(0)]);
                Vec::new()
            } else {
                model.drain(..outcome.unwrap_or(0)).collect()
            };
            for full in &mut rings {
                if length == 0 {
                    // Nobody is woken, which the helpers insist on otherwise.
                } else if is_write {
                    prop_assert_eq!(full.write(&bytes, reachable), outcome);
                } else {
                    prop_assert_eq!(full.read(length, reachable), outcome.map(|_| taken.clone()));
                }
                prop_assert_eq!((full.ring.bytes(), full.ring.room()), (model.len(), size - model.len()));
            }
        }
    }
}
