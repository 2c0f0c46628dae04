//! How many pages rings keep that nobody has open.
//!
//! Those pages wait for the next opening, and no descriptor stands for them: only this bounds them. Owns the count of all of
//! them, and the limit. Atomic numbers that order nothing else; no locks, never sleeps. Specification: seed 001 §4.2;
//! docs/hello.md, "Closed rings".

use crate::mm::frame;
use core::sync::atomic::{AtomicUsize, Ordering};
use postern_core::channel::{ChannelKey, ChannelName};
use postern_core::pipe::DEFAULT_CAPACITY_SLOTS;

/// What a channel with a name keeps at most. A group's own ring may keep all it has.
const NAMED_MAX: usize = DEFAULT_CAPACITY_SLOTS;

/// Pages that closed rings keep.
static KEPT: AtomicUsize = AtomicUsize::new(0);
/// How many that may be.
static LIMIT: AtomicUsize = AtomicUsize::new(0);

/// From now on all closed rings together keep at most one page in `share` of the machine's.
pub fn set_share(share: u64) {
    let total = frame::statistics().total;
    LIMIT.store(usize::try_from(share).map_or(0, |share| total / share.max(1)), Ordering::Relaxed);
}

/// Pages of one closed ring, counted as long as this is there.
pub struct Kept {
    pages: usize,
}

impl Kept {
    /// None.
    pub const NOTHING: Self = Self { pages: 0 };

    /// What the ring of `key`, which has `pages`, may keep now that it is closed: nothing, if others keep too much already. The
    /// last half of what there is to be had is for those without a name: so no names, of whatever group, cost another group its
    /// pages.
    pub fn of_closed(key: &ChannelKey, pages: usize) -> Self {
        let limit = LIMIT.load(Ordering::Relaxed);
        let (pages, limit) =
            if key.name == ChannelName::NONE { (pages, limit) } else { (pages.min(NAMED_MAX), limit / 2) };
        let sum_within = |kept: usize| Some(kept + pages).filter(|sum| *sum <= limit);
        let is_counted = pages != 0 && KEPT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum_within).is_ok();
        if is_counted { Self { pages } } else { Self::NOTHING }
    }

    /// How many.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// The ring has no more than `pages` left.
    pub fn shrink_to(&mut self, pages: usize) {
        let less = self.pages.saturating_sub(pages);
        KEPT.fetch_sub(less, Ordering::Relaxed);
        self.pages -= less;
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if self.pages != 0 {
            self.shrink_to(0);
        }
    }
}
