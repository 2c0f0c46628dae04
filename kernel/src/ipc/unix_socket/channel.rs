//! One direction of a pair of sockets: `postern_core::socket_queue` in a sleeping mutex, with a queue for each kind of waiter.
//!
//! Owns what is under way in that direction. Lock: SOCKET (sleeping), held over user copies, which may fault; wake-ups come after
//! it, and so does the dropping of files. Sleeps in that lock and in those copies only. Specification: unix(7).

use super::message::{InFlight, Sender};
use crate::fs::file::Readiness;
use crate::sync::{Mutex, WaitQueue, rank};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use postern_core::effects::{Step, Wake, Wakes};
use postern_core::errno::{Errno, Result};
use postern_core::socket_queue::{SocketQueue, SocketType};

/// What is under way.
pub(super) type Queue = SocketQueue<Sender, InFlight>;

/// What concerns those who wait for data: some, or that there will be none, or an error.
const FOR_READERS: Readiness = Readiness::READABLE.union(Readiness::RDHUP).union(Readiness::HUP).union(Readiness::ERR);
/// What concerns those who wait for room.
const FOR_WRITERS: Readiness = Readiness::WRITABLE.union(Readiness::WRBAND).union(Readiness::HUP).union(Readiness::ERR);

/// One direction.
pub(super) struct Channel {
    queue: Mutex<Queue>,
    // Relaxed, all four: who must not miss a change looks after a fence of the wait queue's, or takes the lock.
    /// What the queue says of its readiness, as of its last change.
    readiness: AtomicU32,
    /// The number of the error that the receiver was not told yet, or 0 (SO_ERROR).
    error: AtomicU32,
    /// The receiver wants to know who sends (SO_PASSCRED).
    credentials_wanted: AtomicBool,
    /// Somebody waits for edges.
    edge_waiters: AtomicBool,
    /// Wait for data.
    pub(super) readers: WaitQueue,
    /// Wait for room.
    pub(super) writers: WaitQueue,
}

impl Channel {
    pub(super) fn new(kind: SocketType) -> Arc<Self> {
        let queue = Queue::new(kind);
        Arc::new(Self {
            readiness: AtomicU32::new(queue.readiness().bits()),
            queue: Mutex::new(rank::SOCKET, queue),
            error: AtomicU32::new(0),
            credentials_wanted: AtomicBool::new(false),
            edge_waiters: AtomicBool::new(false),
            readers: WaitQueue::new(),
            writers: WaitQueue::new(),
        })
    }

    /// Changes the queue, then tells whom it concerns.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Queue) -> Result<Step<T>>) -> Result<T> {
        let mut queue = self.queue.lock();
        let step = change(&mut queue);
        // Relaxed: who looks for a change looks after a fence of the wait queue's, or takes the lock.
        self.readiness.store(queue.readiness().bits(), Ordering::Relaxed);
        drop(queue);
        Ok(step?.settle(|wakes| self.wake(wakes)))
    }

    /// As `change`, where nothing can go wrong.
    pub(super) fn set<T>(&self, change: impl FnOnce(&mut Queue) -> Step<T>) -> T {
        let mut queue = self.queue.lock();
        let step = change(&mut queue);
        self.readiness.store(queue.readiness().bits(), Ordering::Relaxed);
        drop(queue);
        step.settle(|wakes| self.wake(wakes))
    }

    /// Looks at the queue.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Queue) -> T) -> T {
        look(&self.queue.lock())
    }

    pub(super) fn wake(&self, wakes: Wakes) {
        wake(&self.readers, wakes.readers, FOR_READERS);
        wake(&self.writers, wakes.writers, FOR_WRITERS);
    }

    /// What the queue said of its readiness last, and whether the receiver has an error to be told.
    pub(super) fn readiness(&self) -> Readiness {
        let mut readiness = Readiness::from_bits_retain(self.readiness.load(Ordering::Relaxed));
        readiness.set(Readiness::ERR, self.error.load(Ordering::Relaxed) != 0);
        readiness
    }

    /// Leaves an error for the receiver. A change of the queue that wakes it follows.
    pub(super) fn set_error(&self, error: Errno) {
        self.error.store(error.raw(), Ordering::Relaxed);
    }

    /// The receiver's error, which is told once.
    pub(super) fn take_error(&self) -> Option<Errno> {
        if self.error.load(Ordering::Relaxed) == 0 {
            return None;
        }
        Errno::from_raw(self.error.swap(0, Ordering::Relaxed))
    }

    pub(super) fn credentials_wanted(&self) -> bool {
        self.credentials_wanted.load(Ordering::Relaxed)
    }

    pub(super) fn want_credentials(&self, wanted: bool) {
        self.credentials_wanted.store(wanted, Ordering::Relaxed);
    }

    pub(super) fn note_edge_waiter(&self) {
        self.edge_waiters.store(true, Ordering::Relaxed);
    }

    /// Every change is news to those who wait for edges, whether it changes readiness or not.
    pub(super) fn wake_for_edges(&self, wakes: Wakes) {
        if self.edge_waiters.load(Ordering::Relaxed) {
            self.wake(wakes);
        }
    }
}

fn wake(queue: &WaitQueue, wake: Wake, key: Readiness) {
    match wake {
        Wake::None => {}
        Wake::One => {
            queue.wake_one(key.bits());
        }
        Wake::All => {
            queue.wake_all(key.bits());
        }
    }
}
