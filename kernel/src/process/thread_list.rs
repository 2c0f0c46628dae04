//! The threads of a process. Each knows its place, so that the end of a process with many is not quadratic: a thread that
//! leaves gives its place to the latest. The lock of the process guards the list; never sleeps.

use super::thread::Thread;
use crate::sched::Task;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Deref;
use core::sync::atomic::Ordering;
use postern_core::errno::{Errno, Result};

/// The threads; the first one of the process comes first for as long as it is there.
#[derive(Default)]
pub struct ThreadList(Vec<Arc<Task>>);

impl ThreadList {
    /// None.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Makes room for one more. ENOMEM.
    pub fn try_reserve_one(&mut self) -> Result<()> {
        self.0.try_reserve(1).map_err(|_| Errno::ENOMEM)
    }

    /// Adds a thread.
    pub fn push(&mut self, task: Arc<Task>) {
        // Relaxed, here and below: read and written under the same lock.
        task.thread().place.store(self.0.len(), Ordering::Relaxed);
        self.0.push(task);
    }

    /// Takes out a thread, if it is here.
    pub fn remove(&mut self, thread: &Thread) -> Option<Arc<Task>> {
        let place = thread.place.load(Ordering::Relaxed);
        self.0.get(place).filter(|task| core::ptr::eq(task.thread(), thread))?;
        let removed = self.0.swap_remove(place);
        if let Some(moved) = self.0.get(place) {
            moved.thread().place.store(place, Ordering::Relaxed);
        }
        Some(removed)
    }
}

impl Deref for ThreadList {
    type Target = [Arc<Task>];

    fn deref(&self) -> &[Arc<Task>] {
        &self.0
    }
}
