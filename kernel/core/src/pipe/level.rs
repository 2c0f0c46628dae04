//! What a write has done to a ring, for who counts it: seen from how the ring stood before and after, so that the path of who
//! does not count has nothing of it.
//!
//! Values. No locks, never sleeps.

use super::PipeState;
use crate::page_ring::PAGE_SIZE;

/// How the writing end of a ring stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Level {
    bytes: usize,
    head: u32,
}

/// What one write has put in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Written {
    /// Bytes.
    pub bytes: usize,
    /// Slots that it began.
    pub slots: u32,
    /// Whether some of it went behind the bytes of the write before, into the same page: 1 or 0.
    pub merges: u32,
}

impl<P> PipeState<P> {
    /// How it stands.
    #[inline]
    #[must_use]
    pub fn level(&self) -> Level {
        Level { bytes: self.ring.bytes(), head: self.ring.head_tail().head() }
    }

    /// What the one write has put in that came since it stood at `before`, and nothing else with it.
    #[inline]
    #[must_use]
    pub fn written_since(&self, before: Level) -> Written {
        let (bytes, slots) = (self.ring.bytes() - before.bytes, self.ring.head_tail().head().wrapping_sub(before.head));
        // A slot that a write begins holds at most a page of it: what is more lies in a slot that was there.
        let merges = u32::from(bytes > slots as usize * PAGE_SIZE);
        Written { bytes, slots, merges }
    }
}
