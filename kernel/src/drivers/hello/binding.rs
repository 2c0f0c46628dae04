//! Which ring an open file works on: that of its opener's control group, until it is bound to a channel by name.
//!
//! Owns the binding. It may change until bytes have moved through the file or somebody has waited for it, and is fixed from
//! then on; a waiter therefore never loses its queue. Lock: BINDING (sleeping), held over transfers until the first that moves
//! bytes; a fixed binding is found without it. Specification: seed 001 §6.1, "single channel per cgroup".

use super::instance::Instance;
use crate::sync::{Mutex, MutexGuard, rank};
use alloc::sync::Arc;
use core::ops::Deref;
use postern_core::errno::{Errno, Result};
use postern_core::pipe::WriterOpens;
use spin::Once;

/// An instance with the ends that a file has open of it.
#[derive(Clone)]
pub struct Bound {
    /// The instance.
    pub instance: Arc<Instance>,
    /// Its count of writers when this came, if it came before any: no hang-up before that changes.
    pub unseen_writers: Option<WriterOpens>,
}

/// A binding that does not change as long as this lives.
pub enum Held<'a> {
    /// It never will.
    Fixed(&'a Bound),
    /// It could otherwise.
    Loose(MutexGuard<'a, Bound>),
}

impl Deref for Held<'_> {
    type Target = Bound;

    #[inline(always)]
    fn deref(&self) -> &Bound {
        match self {
            Self::Fixed(bound) => bound,
            Self::Loose(bound) => bound,
        }
    }
}

/// The binding of one open file.
pub struct Binding {
    loose: Mutex<Bound>,
    /// Set with `loose` locked.
    fixed: Once<Bound>,
}

impl Binding {
    /// A loose one.
    pub fn new(bound: Bound) -> Self {
        Self { loose: Mutex::new(rank::BINDING, bound), fixed: Once::new() }
    }

    /// What the file works on now.
    pub fn now(&self) -> Bound {
        match self.fixed.get() {
            Some(bound) => bound.clone(),
            None => self.loose.lock().clone(),
        }
    }

    /// What the file works on for good.
    #[inline(always)]
    pub fn if_fixed(&self) -> Option<&Bound> {
        self.fixed.get()
    }

    /// Fixes it as it is.
    pub fn fix(&self) -> &Bound {
        let loose = self.loose.lock();
        // With the lock held nobody else is in here, so nobody spins.
        self.fixed.call_once(|| loose.clone())
    }

    /// What the file works on during one transfer, to be given back to [`finish`](Self::finish).
    #[inline(always)]
    pub fn hold(&self) -> Held<'_> {
        match self.fixed.get() {
            Some(bound) => Held::Fixed(bound),
            // Should it have been fixed just now: to the same.
            None => Held::Loose(self.loose.lock()),
        }
    }

    /// The end of a transfer: if bytes have moved, the binding is fixed.
    #[inline(always)]
    pub fn finish(&self, held: Held<'_>, moved: Result<usize>) -> Result<usize> {
        if let Held::Loose(bound) = held {
            self.finish_loose(&bound, moved);
        }
        moved
    }

    #[cold]
    fn finish_loose(&self, bound: &Bound, moved: Result<usize>) {
        if moved.is_ok_and(|moved| moved != 0) {
            self.fixed.call_once(|| bound.clone());
        }
    }

    /// Binds the file to `new`; what it was bound to.
    ///
    /// # Errors
    /// EBUSY: the binding is fixed.
    pub fn replace(&self, new: Bound) -> Result<Bound> {
        let mut loose = self.loose.lock();
        if self.fixed.is_completed() {
            return Err(Errno::EBUSY);
        }
        Ok(core::mem::replace(&mut *loose, new))
    }
}
