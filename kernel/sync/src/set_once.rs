//! [`SetOnce`]: a value that is set once and then read without a lock. Nobody ever waits: of two who would set it one is refused.
//! Lock free; never sleeps.
//!
//! # The protocol
//! ```text
//!   who sets                             who reads
//!   EMPTY -> RESERVED, or is refused     SET?
//!   make the value, store it             read the value
//!   SET (or EMPTY: it could not be made)
//! ```

use crate::atomic::{AtomicU8, Ordering};
use core::cell::UnsafeCell;
use core::convert::Infallible;
use core::mem::MaybeUninit;

// Zero, so that it is one instruction to ask.
const SET: u8 = 0;
const EMPTY: u8 = 1;
const RESERVED: u8 = 2;

/// A value, or none yet.
pub struct SetOnce<T> {
    state: AtomicU8,
    /// Initialised while the state is SET.
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: the value is written by the one thread that has reserved it, and only read, through shared references, from then on.
unsafe impl<T: Send + Sync> Sync for SetOnce<T> {}

impl<T> SetOnce<T> {
    const_unless_loom! {
        /// No value yet.
        pub fn new() -> Self {
            Self { state: AtomicU8::new(EMPTY), value: UnsafeCell::new(MaybeUninit::uninit()) }
        }
    }

    /// The value, once it is set.
    #[inline(always)]
    pub fn get(&self) -> Option<&T> {
        // Acquire: pairs with the Release of `set_with`; the value is read after it was written.
        if self.state.load(Ordering::Acquire) != SET {
            return None;
        }
        // SAFETY: it was written before the state became SET, and is not written again.
        let value = unsafe { &*self.value.get() };
        // SAFETY: as above.
        Some(unsafe { value.assume_init_ref() })
    }

    /// The value, which is what `make` gives if there was none. `None` while another thread sets it: callers with a lock for
    /// that do not meet it.
    pub fn get_or_set(&self, make: impl FnOnce() -> T) -> Option<&T> {
        if let Some(value) = self.get() {
            return Some(value);
        }
        match self.set_with(|| Ok::<_, Infallible>(make())) {
            Some(Ok(value)) => Some(value),
            // Another thread was first, and may be ready.
            None => self.get(),
        }
    }

    /// Sets it to what `make` gives. `None` if it is set, or being set; then `make` was not called. When `make` fails, it stays
    /// as it was, and somebody may try again.
    #[cold]
    pub fn set_with<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Option<Result<&T, E>> {
        // Acquire: pairs with the Release of one who could not make it, whose attempt is over before this one begins.
        if self.state.compare_exchange(EMPTY, RESERVED, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return None;
        }
        match make() {
            Ok(value) => {
                // SAFETY: this thread has reserved it: nobody else writes, and nobody reads before it is SET.
                let value = unsafe { &mut *self.value.get() }.write(value);
                // Release: see `get`.
                self.state.store(SET, Ordering::Release);
                Some(Ok(value))
            }
            Err(error) => {
                // Release: see above.
                self.state.store(EMPTY, Ordering::Release);
                Some(Err(error))
            }
        }
    }
}

impl<T> Drop for SetOnce<T> {
    fn drop(&mut self) {
        // Acquire: the value may have been set by another thread.
        if self.state.load(Ordering::Acquire) == SET {
            // SAFETY: it is initialised then, and nobody reads it any more.
            unsafe { self.value.get_mut().assume_init_drop() };
        }
    }
}

impl<T> Default for SetOnce<T> {
    fn default() -> Self {
        Self::new()
    }
}
