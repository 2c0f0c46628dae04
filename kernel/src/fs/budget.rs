//! How much memory a file system may hold: pages of data and number of inodes. Atomic counters; no locks, never sleeps.
//! Specification: tmpfs(5), `size=` and `nr_inodes=`.

use core::sync::atomic::{AtomicUsize, Ordering};
use postern_core::errno::{Errno, Result};

/// One counted resource and its limit.
#[derive(Debug)]
pub struct Quota {
    used: AtomicUsize,
    limit: usize,
}

impl Quota {
    /// Nothing used of `limit`.
    pub const fn new(limit: usize) -> Self {
        Self { used: AtomicUsize::new(0), limit }
    }

    /// Takes `amount`.
    ///
    /// # Errors
    /// ENOSPC, and nothing is taken.
    pub fn take(&self, amount: usize) -> Result<()> {
        // Relaxed: a counter that orders nothing else.
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(amount).filter(|&sum| sum <= self.limit)
            })
            .map(|_| ())
            .map_err(|_| Errno::ENOSPC)
    }

    /// Gives back what was taken.
    pub fn give(&self, amount: usize) {
        self.used.fetch_sub(amount, Ordering::Relaxed);
    }

    /// How much is taken.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// How much may be taken; `usize::MAX`: no limit.
    pub fn limit(&self) -> usize {
        self.limit
    }
}

/// What one file system may hold.
#[derive(Debug)]
pub struct Budget {
    /// Pages of file contents.
    pub pages: Quota,
    /// Inodes.
    pub inodes: Quota,
}

impl Budget {
    /// A budget with limits; `usize::MAX` for none.
    pub const fn new(pages: usize, inodes: usize) -> Self {
        Self { pages: Quota::new(pages), inodes: Quota::new(inodes) }
    }
}
