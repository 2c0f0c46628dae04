//! [`Changes`]: a number that each change of something else moves, so that who has looked can tell later whether there is news.
//! Lock free; never sleeps.
//!
//! # The protocol
//! ```text
//!   who changes it              who looks
//!   change                      seen := now
//!   tell                        look
//!   wake the queue              wait on the queue until `is_news(seen)`
//! ```
//! The look is at least as new as the number. What it has missed has a later number, which the queue's fences show to the waiter
//! or else the waiter to the waker.

use crate::atomic::{AtomicU64, Ordering};

/// How often something has changed.
#[derive(Debug)]
pub struct Changes(AtomicU64);

impl Changes {
    /// The number of one who has not looked: everything is news.
    pub const UNSEEN: u64 = 0;

    const_unless_loom! {
        /// Of something that has its first state.
        pub fn new() -> Self {
            Self(AtomicU64::new(Self::UNSEEN + 1))
        }
    }

    /// There was a change. Whoever waits is to be woken after this.
    pub fn tell(&self) {
        // Release: who sees the number sees the change. Not a store: there may be two at once, and the later number stands for
        // both.
        self.0.fetch_add(1, Ordering::Release);
    }

    /// The number of the last change. A look has to follow, and shows that change or a later one.
    pub fn now(&self) -> u64 {
        // Acquire: pairs with `tell`, and keeps the look behind it.
        self.0.load(Ordering::Acquire)
    }

    /// Whether there was a change since `seen`.
    pub fn is_news(&self, seen: u64) -> bool {
        // Relaxed: asked on a queue, behind its fence; who wants to know what the change was begins again with `now`.
        self.0.load(Ordering::Relaxed) != seen
    }
}

impl Default for Changes {
    fn default() -> Self {
        Self::new()
    }
}
