//! One direction of a connection, or of a socket for datagrams: `postern_core::socket_queue` in a sleeping mutex, with a queue for
//! each kind of waiter.
//!
//! Owns what is under way in that direction, and the list of those who would send more datagrams than fit. Locks: SOCKET
//! (sleeping), held over user copies, which may fault; wake-ups come after it, and so does the dropping of files; OBJECT (spin)
//! around the list. Sleeps in the former and in those copies only. Specification: unix(7).

use super::collector;
use super::message::Sender;
use super::parcel::Parcel;
use crate::fs::file::Readiness;
use crate::mm::heap;
use crate::sync::{Mutex, SpinLock, WaitQueue, rank};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use postern_core::effects::{Step, Wake, Wakes};
use postern_core::errno::{Errno, Result};
use postern_core::socket_queue::{SocketQueue, SocketType};

/// What is under way.
pub(super) type Queue = SocketQueue<Sender, Parcel>;

/// What concerns those who wait for data: some, or that there will be none, or an error.
const FOR_READERS: Readiness = Readiness::READABLE.union(Readiness::RDHUP).union(Readiness::HUP).union(Readiness::ERR);
/// What concerns those who wait for room.
const FOR_WRITERS: Readiness = Readiness::WRITABLE.union(Readiness::WRBAND).union(Readiness::HUP).union(Readiness::ERR);

/// One direction.
pub(super) struct Channel {
    /// Tells it from all others.
    pub(super) id: u64,
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
    /// Datagrams wait in such number that others have to wait. Changed with the queue locked.
    crowded: AtomicBool,
    /// The `outgoing` of those who would send and have to wait for the end of that.
    onlookers: SpinLock<Vec<Weak<Self>>>,
    /// Wait for data.
    pub(super) readers: WaitQueue,
    /// Wait for room.
    pub(super) writers: WaitQueue,
}

impl Channel {
    /// For one sender.
    pub(super) fn new(kind: SocketType) -> Arc<Self> {
        Self::with(Queue::new(kind))
    }

    /// For many senders, who are charged elsewhere.
    pub(super) fn of_many(kind: SocketType) -> Arc<Self> {
        Self::with(Queue::of_many(kind))
    }

    fn with(queue: Queue) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new(Self {
            // Relaxed: nothing but different numbers is wanted.
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            readiness: AtomicU32::new(queue.readiness().bits()),
            queue: Mutex::new(rank::SOCKET, queue),
            error: AtomicU32::new(0),
            credentials_wanted: AtomicBool::new(false),
            edge_waiters: AtomicBool::new(false),
            crowded: AtomicBool::new(false),
            onlookers: SpinLock::new(rank::OBJECT, Vec::new()),
            readers: WaitQueue::new(),
            writers: WaitQueue::new(),
        })
    }

    /// Changes the queue, then tells whom it concerns.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Queue) -> Result<Step<T>>) -> Result<T> {
        let mut queue = self.queue.lock();
        let step = change(&mut queue);
        let has_room_again = self.publish(&queue);
        drop(queue);
        if has_room_again {
            self.call_onlookers();
        }
        Ok(step?.settle(|wakes| self.wake(wakes)))
    }

    /// As `change`, where nothing can go wrong.
    pub(super) fn set<T>(&self, change: impl FnOnce(&mut Queue) -> Step<T>) -> T {
        let mut queue = self.queue.lock();
        let step = change(&mut queue);
        let has_room_again = self.publish(&queue);
        drop(queue);
        if has_room_again {
            self.call_onlookers();
        }
        step.settle(|wakes| self.wake(wakes))
    }

    /// As `change`, where nobody is concerned.
    pub(super) fn try_set<T>(&self, change: impl FnOnce(&mut Queue) -> Result<T>) -> Result<T> {
        let mut queue = self.queue.lock();
        let result = change(&mut queue);
        self.publish(&queue);
        result
    }

    /// Says what has become of the queue, which is locked; whether onlookers need to wait no more.
    fn publish(&self, queue: &Queue) -> bool {
        // Relaxed: who looks for a change looks after a fence of the wait queue's, or takes the lock.
        self.readiness.store(queue.readiness().bits(), Ordering::Relaxed);
        let is_crowded = queue.is_crowded();
        // Relaxed: an onlooker looks again with the list locked since, which the one who calls them takes after this.
        let was_crowded = self.crowded.load(Ordering::Relaxed);
        if was_crowded != is_crowded {
            self.crowded.store(is_crowded, Ordering::Relaxed);
        }
        was_crowded && !is_crowded
    }

    /// Whether so many datagrams wait here that somebody else's has to wait; `outgoing`, that one's, will then hear of the end of
    /// it.
    ///
    /// # Errors
    /// ENOMEM.
    pub(super) fn keeps_waiting(&self, outgoing: &Arc<Self>) -> Result<bool> {
        if !self.crowded.load(Ordering::Relaxed) {
            return Ok(false);
        }
        self.add_onlooker(outgoing)?;
        Ok(self.crowded.load(Ordering::Relaxed))
    }

    /// `outgoing` will hear when there is room again.
    ///
    /// # Errors
    /// ENOMEM.
    pub(super) fn add_onlooker(&self, outgoing: &Arc<Self>) -> Result<()> {
        heap::admit(size_of::<Weak<Self>>())?;
        let mut onlookers = self.onlookers.lock();
        // Those who have gone meanwhile are not to add up.
        onlookers.retain(|onlooker| onlooker.strong_count() > 0);
        if !onlookers.iter().any(|onlooker| core::ptr::eq(onlooker.as_ptr(), Arc::as_ptr(outgoing))) {
            onlookers.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            onlookers.push(Arc::downgrade(outgoing));
        }
        Ok(())
    }

    fn call_onlookers(&self) {
        let onlookers = core::mem::take(&mut *self.onlookers.lock());
        for onlooker in onlookers.iter().filter_map(Weak::upgrade) {
            onlooker.wake(Wakes { writers: Wake::All, ..Wakes::NONE });
        }
    }

    /// Puts `parcel` into the queue, which is locked, by `send`, and into the register of files under way; not so if `send` fails.
    ///
    /// # Errors
    /// Those of `send`; ENOMEM.
    pub(super) fn post<T>(
        &self,
        parcel: &mut Option<Parcel>,
        send: impl FnOnce(&mut Option<Parcel>) -> Result<T>,
    ) -> Result<T> {
        if let Some(parcel) = parcel {
            collector::post(self.id, parcel)?;
        }
        let result = send(parcel);
        if let Some(parcel) = parcel {
            collector::withdraw(parcel);
        }
        result
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
