//! [`Glimpse`]: what a lock guards, in two words that can be looked at without it. [`Interest`]: what somebody wants to hear of.
//! Lock free; never sleeps.
//!
//! Both are for use with a [`WaitQueue`](crate::WaitQueue), whose fences make sure that no wake-up is missed: who changes the
//! state publishes it and then wakes; who waits queues himself (or states his interest) and then looks. Without that, a look
//! shows a state that was, and may have changed since.

use crate::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// Two words about one state: one that every change moves, and one that changes seldom. Published by the holder of the lock.
#[derive(Debug)]
pub struct Glimpse {
    moving: AtomicU64,
    settled: AtomicU64,
}

impl Glimpse {
    const_unless_loom! {
        /// A state that nobody has changed.
        pub fn new(moving: u64, settled: u64) -> Self {
            Self { moving: AtomicU64::new(moving), settled: AtomicU64::new(settled) }
        }
    }

    /// Publishes the moving word.
    #[inline(always)]
    pub fn publish_moving(&self, moving: u64) {
        // Relaxed: who must not miss it looks after a fence of the wait queue's, or takes the lock.
        self.moving.store(moving, Ordering::Relaxed);
    }

    /// Publishes both, after a change of the settled word.
    pub fn publish(&self, moving: u64, settled: u64) {
        self.publish_moving(moving);
        // Release: see `both`.
        self.settled.store(settled, Ordering::Release);
    }

    /// The moving word alone.
    #[inline(always)]
    pub fn moving(&self) -> u64 {
        // Relaxed: as for `publish_moving`.
        self.moving.load(Ordering::Relaxed)
    }

    /// The settled word alone.
    #[inline(always)]
    pub fn settled(&self) -> u64 {
        // Relaxed: as for `publish_moving`.
        self.settled.load(Ordering::Relaxed)
    }

    /// Both: the moving word is at least as new as the settled one. (Who sees "closed" sees all that came before the close.)
    #[inline]
    pub fn both(&self) -> (u64, u64) {
        // Acquire: pairs with `publish`, and keeps the other load behind this one.
        let settled = self.settled.load(Ordering::Acquire);
        (self.moving(), settled)
    }
}

/// The wake-up keys that a [`WakeCallback`](crate::WakeCallback) acts on, changed while it stands on a queue.
#[derive(Debug)]
pub struct Interest(AtomicU32);

impl Interest {
    const_unless_loom! {
        /// Interest in `keys`.
        pub fn new(keys: u32) -> Self {
            Self(AtomicU32::new(keys))
        }
    }

    /// Changes it. A look at the state has to follow: either the callback sees these keys, or the look what the wake-up was for.
    pub fn set(&self, keys: u32) {
        self.0.store(keys, Ordering::Relaxed);
        // SeqCst: pairs with the fence of every wake-up.
        fence(Ordering::SeqCst);
    }

    /// Takes it all back: what comes from now on may, and what came before need not, be ignored.
    pub fn clear(&self) {
        // Relaxed: no look follows.
        self.0.store(0, Ordering::Relaxed);
    }

    /// The keys.
    #[inline]
    pub fn keys(&self) -> u32 {
        // Relaxed: in a callback, ordered by the fence of the wake-up.
        self.0.load(Ordering::Relaxed)
    }
}
