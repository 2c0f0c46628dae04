//! Waiting for a change of a generated file: `cgroup.events` and its like.
//!
//! Owns a count of the changes. No lock; never sleeps itself. Specification: kernfs_notify and kernfs_generic_poll of Linux:
//! POLLPRI and POLLERR from a change until the file is read, and before it is read for the first time.

use crate::sync::WaitQueue;
use postern_core::readiness::Readiness;
use postern_sync::Changes;

/// The changes of one file.
pub struct Watch {
    changes: Changes,
    queue: WaitQueue,
}

impl Watch {
    /// Which no reader has seen.
    pub const UNSEEN: u64 = Changes::UNSEEN;

    pub(super) fn new() -> Self {
        Self { changes: Changes::new(), queue: WaitQueue::new() }
    }

    /// The number of the last change: what is read now is at least as new.
    pub fn changes(&self) -> u64 {
        self.changes.now()
    }

    /// Where to wait for the next.
    pub fn queue(&self) -> &WaitQueue {
        &self.queue
    }

    /// The file has changed.
    pub(super) fn tell(&self) {
        self.changes.tell();
        self.queue.wake_all((Readiness::PRI | Readiness::ERR).bits());
    }
}
