//! [`EventRing`]: what one CPU has to tell, for one reader elsewhere. Lock free; never sleeps, on either side.
//!
//! It tells the oldest: what comes while it is full is lost, and counted.

use crate::atomic::{AtomicU64, AtomicUsize, Ordering};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Events of `WORDS` words each.
///
/// The writer is the CPU that owns the ring, with interrupts masked; the reader is whoever has made sure that there is no other.
#[derive(Debug)]
pub struct EventRing<const WORDS: usize> {
    slots: Box<[[AtomicU64; WORDS]]>,
    /// Events ever put in. The writer's.
    head: AtomicUsize,
    /// Events ever taken out. The reader's.
    tail: AtomicUsize,
    /// Events that found no room since [`take_lost`](Self::take_lost).
    lost: AtomicU64,
}

impl<const WORDS: usize> EventRing<WORDS> {
    /// An empty ring for `slots` events; `None` without memory for it.
    pub fn try_new(slots: usize) -> Option<Self> {
        let mut room = Vec::new();
        room.try_reserve_exact(slots).ok()?;
        room.resize_with(slots, || [const { 0 }; WORDS].map(AtomicU64::new));
        let (head, tail, lost) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicU64::new(0));
        Some(Self { slots: room.into_boxed_slice(), head, tail, lost })
    }

    /// Puts `event` in, or counts it as lost. For the writer alone.
    #[inline]
    pub fn push(&self, event: [u64; WORDS]) {
        // Relaxed: the writer's own.
        let head = self.head.load(Ordering::Relaxed);
        // Acquire: pairs with `pop`, which has read what lay in the slots that it gives back.
        let tail = self.tail.load(Ordering::Acquire);
        if head.wrapping_sub(tail) >= self.slots.len() {
            // Relaxed: a sum.
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let slot = &self.slots[head % self.slots.len()];
        for (to, word) in slot.iter().zip(event) {
            // Relaxed: the reader gets here by the head.
            to.store(word, Ordering::Relaxed);
        }
        // Release: who sees the head sees the slot.
        self.head.store(head.wrapping_add(1), Ordering::Release);
    }

    /// Takes the oldest event out. For the reader alone.
    pub fn pop(&self) -> Option<[u64; WORDS]> {
        // Relaxed: the reader's own.
        let tail = self.tail.load(Ordering::Relaxed);
        // Acquire: pairs with `push`.
        if self.head.load(Ordering::Acquire) == tail {
            return None;
        }
        // Relaxed: ordered by the head.
        let event = self.slots[tail % self.slots.len()].each_ref().map(|word| word.load(Ordering::Relaxed));
        // Release: the slot has been read.
        self.tail.store(tail.wrapping_add(1), Ordering::Release);
        Some(event)
    }

    /// How many events were lost since this was asked last. Each is told once.
    pub fn take_lost(&self) -> u64 {
        // Relaxed: a sum.
        self.lost.swap(0, Ordering::Relaxed)
    }
}
