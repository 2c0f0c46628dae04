//! The optimisations of `/dev/hello`, each of which can be switched off, and the number of slots of new rings.
//!
//! Owns one word and one number, atomic, without locks. An instance looks at the word at each operation, so a change holds
//! from the next one on, for every instance. Never sleeps. Specification: seed 001 §4.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use postern_core::page_ring::{Framing, Recycle};
use postern_core::pipe::DEFAULT_CAPACITY_SLOTS;

bitflags::bitflags! {
    /// The optimisations that are on.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Switches: u32 {
        /// Drained pages stay in their slots. Off: each goes back to the page allocator.
        const RECYCLE = 1;
        /// A small write goes behind the bytes of the one before. Off: each write begins a slot.
        const MERGE = 1 << 1;
        /// An event wakes one waiter. Off: it wakes all of them.
        const EXCLUSIVE = 1 << 2;
        /// A woken one that leaves something wakes the next. Off: the event itself wakes as many as may go on.
        const CHAINED = 1 << 3;
        /// Readiness is read from a published word. Off: from the state, with the mutex.
        const SNAPSHOT = 1 << 4;
    }
}

impl Switches {
    /// Not a state of the switches: equal to none.
    pub const NEVER: Self = Self::from_bits_retain(1 << 31);

    /// Those in force.
    #[inline(always)]
    pub fn now() -> Self {
        Self::from_bits_retain(IN_FORCE.load(Ordering::Relaxed))
    }

    /// Puts these in force.
    pub fn put_in_force(self) {
        IN_FORCE.store(self.bits(), Ordering::Relaxed);
    }

    /// What becomes of drained pages.
    pub fn recycle(self) -> Recycle {
        if self.contains(Self::RECYCLE) { Recycle::Keep } else { Recycle::Free }
    }

    /// How the bytes of a stream lie in the ring.
    pub fn stream_framing(self) -> Framing {
        if self.contains(Self::MERGE) { Framing::Stream } else { Framing::Separate }
    }
}

static IN_FORCE: AtomicU32 = AtomicU32::new(Switches::all().bits());

/// The most slots a ring may have.
pub const SLOTS_MAX: usize = postern_abi::hello::HELLO_SLOTS_MAX as usize;

static SLOTS: AtomicUsize = AtomicUsize::new(DEFAULT_CAPACITY_SLOTS);

/// Slots of a new ring.
pub fn slots() -> usize {
    SLOTS.load(Ordering::Relaxed)
}

/// Sets the slots of rings made from now on. The caller has checked that it is a power of two of at most [`SLOTS_MAX`].
pub fn set_slots(slots: u64) {
    SLOTS.store(usize::try_from(slots).map_or(SLOTS_MAX, |slots| slots.min(SLOTS_MAX)), Ordering::Relaxed);
}
