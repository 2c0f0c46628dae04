//! What `poll` reports of a pipe, from two words: the ring's indices and the [`Shape`], which is all the rest.
//!
//! Values, to be published where readers have no lock (`postern_sync::Glimpse`). No locks, never sleeps.
//! Specification: poll(2), fifo(7); seed 001 table 4.

use super::{End, PipeState};
use crate::page_ring::{HeadTail, PAGE_SIZE};
use crate::readiness::Readiness;

/// Who has a pipe open, and how large it is: what openings, closings and resizings change. In one word:
///
/// | bits | |
/// |---|---|
/// | 3, 4 | ERR and HUP, where they stand in a poll mask |
/// | 5–7 | [`Detour`] |
/// | 8–31 | how often the write end was opened |
/// | 32–63 | slots |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape(u64);

bitflags::bitflags! {
    /// Why the words do not tell all: set by the owner of a pipe with more to it.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Detour: u64 {
        /// The bytes are not in the pipe's own ring.
        const ELSEWHERE = 1 << 5;
        /// Whoever looks is to take the lock.
        const LOCKED = 1 << 6;
        /// Waiters are not woken as usual: how, the state tells.
        const OTHER_WAKES = 1 << 7;
    }
}

impl Detour {
    /// Those that concern who looks whether he can go on.
    pub const OF_READINESS: Self = Self::ELSEWHERE.union(Self::LOCKED);
}

/// How often a write end was opened: only good to be compared; wraps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WriterOpens(u32);

const CLOSED_ENDS: u64 = Readiness::HUP.union(Readiness::ERR).bits() as u64;
const WRITER_OPENS: u64 = 0xffff_ff00;
const CAPACITY_SHIFT: u32 = 32;

const DETOUR: u64 = Detour::all().bits();

const _: () = assert!(CLOSED_ENDS & WRITER_OPENS == 0 && WRITER_OPENS >> CAPACITY_SHIFT == 0);
const _: () = assert!(DETOUR & (CLOSED_ENDS | WRITER_OPENS) == 0);

impl Shape {
    /// The word to publish.
    #[inline]
    #[must_use]
    pub const fn word(self) -> u64 {
        self.0
    }

    /// From a word that was published.
    #[inline]
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        Self(word)
    }

    /// What `poll` reports of both ends, united (they have no bit in common), if the ring stands like this.
    #[inline]
    #[must_use]
    pub fn readiness(self, ring: HeadTail) -> Readiness {
        let mut ready = self.closed_ends();
        if !ring.is_empty() {
            ready |= Readiness::READABLE;
        }
        if !ring.is_full((self.0 >> CAPACITY_SHIFT) as u32) {
            ready |= Readiness::WRITABLE;
        }
        ready
    }

    /// What `poll` reports of ends that nobody has open: HUP, ERR.
    #[inline]
    #[must_use]
    pub fn closed_ends(self) -> Readiness {
        Readiness::from_bits_truncate((self.0 & CLOSED_ENDS) as u32)
    }

    /// Whether nobody has the write end open: a reader of an empty ring is at its end.
    #[inline]
    #[must_use]
    pub const fn is_hung_up(self) -> bool {
        self.0 & Readiness::HUP.bits() as u64 != 0
    }

    /// Whether an empty ring means "not now" to a reader: somebody may still write, and there is no detour to that.
    #[inline]
    #[must_use]
    pub const fn lets_readers_wait(self) -> bool {
        self.0 & (Readiness::HUP.bits() as u64 | Detour::OF_READINESS.bits()) == 0
    }

    /// The same with `detour`.
    #[must_use]
    pub const fn with_detour(self, detour: Detour) -> Self {
        Self(self.0 & !DETOUR | detour.bits())
    }

    /// Why it does not tell all, if so.
    #[inline]
    #[must_use]
    pub const fn detour(self) -> Detour {
        Detour::from_bits_truncate(self.0)
    }

    /// How often the write end was opened.
    #[inline]
    #[must_use]
    pub const fn writer_opens(self) -> WriterOpens {
        WriterOpens((self.0 & WRITER_OPENS) as u32)
    }
}

impl<P> PipeState<P> {
    /// Its shape now.
    #[must_use]
    pub fn shape(&self) -> Shape {
        let ends = u64::from((self.readiness(End::Read) | self.readiness(End::Write)).bits()) & CLOSED_ENDS;
        let slots = (self.size_bytes() / PAGE_SIZE) as u64;
        let opens = u64::from(self.writers.opens) << WRITER_OPENS.trailing_zeros() & WRITER_OPENS;
        Shape(slots << CAPACITY_SHIFT | opens | ends)
    }
}
