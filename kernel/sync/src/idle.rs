//! [`IdleCpus`] and [`ReadyCount`]: who waits for work, and where work waits. Lock free; never sleeps.
//!
//! # The protocol
//! ```text
//!   a CPU that runs out of work        who has queued a task elsewhere
//!   announce itself as idle            the queue's count += 1
//!   fence(SeqCst)                      fence(SeqCst)
//!   look at every queue's count        who is idle?
//!   nothing: wait for an interrupt     somebody: interrupt it
//! ```
//! Of the two fences one is first. If the idle CPU's, it is seen and interrupted; if the other's, it sees the task. So a CPU
//! never waits while a task that it could have is queued by somebody who looked.
//!
//! The CPU on whose queue the task is gets an interrupt in any case, after the count has changed. That alone makes sure that
//! it does not wait with a task of its own: an interrupt that comes before the wait ends it.

use crate::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

/// The tasks in one run queue, readable without its lock.
#[derive(Debug)]
pub struct ReadyCount(AtomicUsize);

impl ReadyCount {
    const_unless_loom! {
        /// None.
        pub fn new() -> Self {
            Self(AtomicUsize::new(0))
        }
    }

    /// One more. The caller holds the queue's lock.
    #[inline]
    pub fn add_one(&self) {
        // Relaxed, and no atomic addition: only the holder of the lock writes. Readers are ordered by the fences.
        self.0.store(self.0.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// One less; how many are left. The caller holds the queue's lock, and there was one.
    #[inline]
    pub fn take_one(&self) -> usize {
        // Relaxed: as above.
        let left = self.0.load(Ordering::Relaxed) - 1;
        self.0.store(left, Ordering::Relaxed);
        left
    }

    /// How many. Of use as part of the protocol above, on the CPU that owns the queue, or as a guess.
    #[inline]
    pub fn get(&self) -> usize {
        // Relaxed: the task itself is taken with the lock held.
        self.0.load(Ordering::Relaxed)
    }
}

impl Default for ReadyCount {
    fn default() -> Self {
        Self::new()
    }
}

/// Which CPUs wait for work: a bit each.
#[derive(Debug)]
pub struct IdleCpus(AtomicU64);

impl IdleCpus {
    const_unless_loom! {
        /// None does.
        pub fn new() -> Self {
            Self(AtomicU64::new(0))
        }
    }

    /// CPU number `cpu`, which executes this, is about to wait. It has to look at every queue's count next.
    #[inline]
    pub fn begin(&self, cpu: usize) {
        // Relaxed: the fence publishes it.
        self.0.fetch_or(1 << cpu, Ordering::Relaxed);
        // SeqCst: the idle CPU's half of the protocol above.
        fence(Ordering::SeqCst);
    }

    /// It has work, or has been interrupted.
    #[inline]
    pub fn end(&self, cpu: usize) {
        // Relaxed: seen late it costs an interrupt for nothing.
        self.0.fetch_and(!(1 << cpu), Ordering::Relaxed);
    }

    /// Who is idle, for somebody whose task has been counted. Interrupt one of them that may have it.
    #[inline]
    pub fn after_queueing(&self) -> u64 {
        // SeqCst: the other half of the protocol above.
        fence(Ordering::SeqCst);
        self.0.load(Ordering::Relaxed)
    }

    /// Who seems to be idle: to choose a queue by, not to rely on.
    #[inline]
    pub fn guess(&self) -> u64 {
        // Relaxed: it may be outdated at once.
        self.0.load(Ordering::Relaxed)
    }
}

impl Default for IdleCpus {
    fn default() -> Self {
        Self::new()
    }
}
