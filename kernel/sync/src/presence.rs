//! [`Presence`]: whether there is anything in what a lock guards, for those who would rather not take the lock for nothing.
//! Lock free; never sleeps.
//!
//! # The protocol
//! Who enters something counts it before the lock is dropped under which it becomes visible, or leaves the place where it was
//! looked for; who takes something out takes it back from the count. A thread that has heard of an entry, because it made it, or
//! was told, or took the lock after that, therefore finds [`any`](Presence::any) true until it has been taken out. Of an entry
//! that is being made at the same time it need not know: then the look was first.

use crate::atomic::{AtomicU32, Ordering};

/// A count of entries, kept by those who enter them and take them out.
#[derive(Debug)]
pub struct Presence(AtomicU32);

impl Presence {
    const_unless_loom! {
        /// Of nothing.
        pub fn none() -> Self {
            Self(AtomicU32::new(0))
        }
    }

    /// Something is being entered.
    pub fn add(&self) {
        // Relaxed: coherence of this one word is enough. A thread that has heard of the entry comes after this, and reads the
        // result of it or of a later change; and each of those counts the entry until it is taken back.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Something has been taken out. Atomic, as `add` is: entries may be in places with locks of their own.
    pub fn remove(&self) {
        // Relaxed: as above. A thread that still sees the entry looks in vain.
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// There are so many now; instead of the two above, for places with one lock, which the caller holds.
    pub fn set(&self, count: usize) {
        // Relaxed: as above; the lock orders the changes.
        self.0.store(u32::try_from(count).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// Whether it is worth while to take the lock.
    #[inline]
    pub fn any(&self) -> bool {
        // Relaxed: as above. What is found is found with the lock held.
        self.0.load(Ordering::Relaxed) != 0
    }
}
