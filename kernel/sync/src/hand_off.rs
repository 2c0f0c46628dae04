//! [`HandOff`]: the place for the one task that goes next on a CPU, before all that wait in its run queue. Lock free; never
//! sleeps.
//!
//! The CPU that owns the place puts tasks into it. The CPU itself takes them out, or another that has nothing to do: whoever
//! is first.

use crate::atomic::{AtomicPtr, Ordering};
use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;
use core::ptr;

/// A place for one `T`.
pub struct HandOff<T> {
    next: AtomicPtr<T>,
    owns: PhantomData<Arc<T>>,
}

impl<T> HandOff<T> {
    const_unless_loom! {
        /// An empty one.
        pub fn new() -> Self {
            Self { next: AtomicPtr::new(ptr::null_mut()), owns: PhantomData }
        }
    }

    /// Puts `item` there, unless there is one. Only for the CPU that owns the place: of two that put at the same time, one
    /// might be lost.
    ///
    /// # Errors
    /// `item` itself, if the place is taken.
    #[inline]
    pub fn put(&self, item: Arc<T>) -> Result<(), Arc<T>> {
        // Relaxed: nobody else makes it anything but empty.
        if !self.next.load(Ordering::Relaxed).is_null() {
            return Err(item);
        }
        // Release: whoever takes it sees what was done to it before.
        self.next.store(Arc::into_raw(item).cast_mut(), Ordering::Release);
        Ok(())
    }

    /// Takes out what is there.
    #[inline]
    pub fn take(&self) -> Option<Arc<T>> {
        if self.is_empty() {
            return None;
        }
        // Acquire: pairs with the Release of `put`.
        let item = self.next.swap(ptr::null_mut(), Ordering::Acquire);
        // SAFETY: what is not null is from `into_raw` in `put`, and only one swap got it.
        (!item.is_null()).then(|| unsafe { Arc::from_raw(item.cast_const()) })
    }

    /// Whether nothing is there: for certain on the CPU that owns it, if it has put nothing there; a guess elsewhere.
    #[inline]
    pub fn is_empty(&self) -> bool {
        // Relaxed: what is there is only touched after a swap.
        self.next.load(Ordering::Relaxed).is_null()
    }
}

impl<T> Default for HandOff<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for HandOff<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl<T> fmt::Debug for HandOff<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("HandOff").field("is_empty", &self.is_empty()).finish_non_exhaustive()
    }
}
