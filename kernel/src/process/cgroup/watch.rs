//! Waiting for a change of a generated file: `cgroup.events` and its like.
//!
//! Owns a count of the changes. No lock; never sleeps itself. Specification: kernfs_notify and kernfs_generic_poll of Linux: POLLPRI
//! and POLLERR from a change until the file is read, and before it is read for the first time.

use crate::sync::WaitQueue;
use core::sync::atomic::{AtomicU64, Ordering};
use postern_core::readiness::Readiness;

/// The changes of one file.
pub struct Watch {
    changes: AtomicU64,
    queue: WaitQueue,
}

impl Watch {
    /// Which no reader has seen.
    pub const UNSEEN: u64 = 0;

    pub(super) fn new() -> Self {
        Self { changes: AtomicU64::new(Self::UNSEEN + 1), queue: WaitQueue::new() }
    }

    /// The number of the last change: what is read now is at least as new.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Where to wait for the next.
    pub fn queue(&self) -> &WaitQueue {
        &self.queue
    }

    /// The file has changed.
    pub(super) fn tell(&self) {
        self.changes.fetch_add(1, Ordering::Release);
        self.queue.wake_all((Readiness::PRI | Readiness::ERR).bits());
    }
}
