//! How many objects of some kinds there are: for leak counts, in tests and in /proc/postern/objects.
//!
//! Owns the counters. An object counts itself with a field of type [`Live`], which takes no room. No locks, never sleeps.

use core::sync::atomic::{AtomicUsize, Ordering};

/// Open file descriptions.
pub const OPEN_FILES: usize = 0;
/// Inodes of all file systems, and of objects without a name.
pub const INODES: usize = 1;
/// Names in all trees.
pub const DENTRIES: usize = 2;
/// Files watched by epoll instances.
pub const EPOLL_WATCHES: usize = 3;
const KINDS: usize = 4;

static COUNTS: [AtomicUsize; KINDS] = [const { AtomicUsize::new(0) }; KINDS];

/// Counts the object that it is a field of, for as long as that lives.
#[derive(Debug)]
pub struct Live<const KIND: usize>(());

impl<const KIND: usize> Live<KIND> {
    /// One object more.
    pub fn new() -> Self {
        // Relaxed: a counter that orders nothing else.
        COUNTS[KIND].fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl<const KIND: usize> Drop for Live<KIND> {
    fn drop(&mut self) {
        COUNTS[KIND].fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many objects of `kind` there are.
pub fn count(kind: usize) -> usize {
    COUNTS[kind].load(Ordering::Relaxed)
}
