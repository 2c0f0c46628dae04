//! Which ring an open file works on: that of its opener's control group, until it is bound to a channel by name.
//!
//! Owns the binding. It may change until bytes have moved through the file or somebody has waited for it, and is fixed from
//! then on; a waiter therefore never loses its queue. Lock: BINDING (sleeping), held over transfers until the first that moves
//! bytes; a fixed binding is found without it. Specification: seed 001 §6.1, "single channel per cgroup".

use super::instance::Instance;
use crate::sync::{Mutex, rank};
use alloc::sync::Arc;
use postern_core::errno::{Errno, Result};
use postern_core::pipe::WriterOpens;
use postern_sync::SetOnce;

/// An instance with the ends that a file has open of it.
#[derive(Clone)]
pub struct Bound {
    /// The instance.
    pub instance: Arc<Instance>,
    /// Its count of writers when this came, if it came before any: no hang-up before that changes.
    pub unseen_writers: Option<WriterOpens>,
}

/// The binding of one open file.
pub struct Binding {
    loose: Mutex<Bound>,
    /// Set with `loose` locked.
    fixed: SetOnce<Bound>,
}

impl Binding {
    /// A loose one.
    pub fn new(bound: Bound) -> Self {
        Self { loose: Mutex::new(rank::BINDING, bound), fixed: SetOnce::new() }
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
    #[cold]
    pub fn fix(&self) -> &Bound {
        let loose = self.loose.lock();
        self.fix_as(&loose)
    }

    /// Fixes it, if it is not, as `loose`, what the caller has locked.
    fn fix_as(&self, loose: &Bound) -> &Bound {
        self.fixed.get_or_set(|| loose.clone()).expect("nobody sets it without the lock")
    }

    /// A transfer while it may still be loose: if bytes move, it is fixed.
    #[cold]
    pub fn transfer(&self, attempt: impl FnOnce(&Bound) -> Result<usize>) -> Result<usize> {
        // Should it have been fixed just now: to the same.
        let loose = self.loose.lock();
        let moved = attempt(&loose)?;
        if moved != 0 {
            self.fix_as(&loose);
        }
        Ok(moved)
    }

    /// Binds the file to `new`; what it was bound to.
    ///
    /// # Errors
    /// EBUSY: the binding is fixed.
    pub fn replace(&self, new: Bound) -> Result<Bound> {
        let mut loose = self.loose.lock();
        if self.fixed.get().is_some() {
            return Err(Errno::EBUSY);
        }
        Ok(core::mem::replace(&mut *loose, new))
    }
}
