//! The optimisations of `/dev/hello`, each of which can be switched off, and the number of slots of new rings.
//!
//! Owns one word and one number, atomic, without locks. An instance has [`Rules`] made of them, which `routing` changes with the
//! word. Never sleeps. Specification: seed 001 §4.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use postern_core::page_ring::{Framing, Recycle};
use postern_core::pipe::{DEFAULT_CAPACITY_SLOTS, Detour};

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
    /// Those in force.
    #[inline(always)]
    pub fn now() -> Self {
        Self::from_bits_retain(IN_FORCE.load(Ordering::Relaxed))
    }

    /// Puts these in force for instances made from now on: `routing::put_in_force` tells the others.
    pub(super) fn put_in_force(self) {
        IN_FORCE.store(self.bits(), Ordering::Relaxed);
    }

    /// What becomes of drained pages.
    pub fn recycle(self) -> Recycle {
        if self.contains(Self::RECYCLE) { Recycle::Keep } else { Recycle::Free }
    }
}

bitflags::bitflags! {
    /// How an instance differs from the usual one, which has every optimisation and its bytes in its own ring: so that the
    /// usual one is known by one comparison.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Rules: u8 {
        /// MERGE is off.
        const SEPARATE = 1;
        /// EXCLUSIVE is off.
        const HERD = 1 << 1;
        /// CHAINED is off.
        const UNCHAINED = 1 << 2;
        /// SNAPSHOT is off.
        const LOCKED = 1 << 3;
        /// The bytes are in a ring that programs share.
        const ELSEWHERE = 1 << 4;
    }
}

impl Rules {
    /// Every optimisation, and its own ring.
    pub const USUAL: Self = Self::empty();
    /// Those that change who is woken.
    pub const OF_WAKES: Self = Self::UNCHAINED.union(Self::HERD);

    /// Those of an instance with a ring of its own.
    pub fn of(switches: Switches) -> Self {
        let mut rules = Self::USUAL;
        rules.set(Self::SEPARATE, !switches.contains(Switches::MERGE));
        rules.set(Self::HERD, !switches.contains(Switches::EXCLUSIVE));
        rules.set(Self::UNCHAINED, !switches.contains(Switches::CHAINED));
        rules.set(Self::LOCKED, !switches.contains(Switches::SNAPSHOT));
        rules
    }

    /// How the bytes of a stream lie in the ring.
    #[inline(always)]
    pub fn stream_framing(self) -> Framing {
        if self.contains(Self::SEPARATE) { Framing::Separate } else { Framing::Stream }
    }

    /// What those must know who look without the lock.
    pub fn detour(self) -> Detour {
        let mut detour = Detour::empty();
        detour.set(Detour::LOCKED, self.contains(Self::LOCKED));
        detour.set(Detour::ELSEWHERE, self.contains(Self::ELSEWHERE));
        detour.set(Detour::OTHER_WAKES, self.intersects(Self::OF_WAKES));
        detour
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
