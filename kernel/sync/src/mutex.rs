//! [`Mutex`]: mutual exclusion by sleeping, for state that is held across page faults. One atomic word and a wait queue.

use crate::atomic::{AtomicU8, Ordering};
use crate::platform::Platform;
use crate::rank::{Rank, RankTag};
use crate::wait::{ANY_EVENT, Interrupted, Mode, WaitQueue};
use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

const FREE: u8 = 0;
const HELD: u8 = 1;
/// Held, and somebody may be on the queue: whoever frees it wakes the first.
const CONTENDED: u8 = 2;

/// Mutual exclusion by sleeping. Without contention, one atomic operation to lock and one to unlock.
///
/// Sleepers are woken in order of arrival, one per unlocking. A task that runs may take a free mutex before the woken one
/// does, which then keeps its place at the head: this trades strict fairness for not switching tasks at every unlocking.
pub struct Mutex<T, P: Platform> {
    state: AtomicU8,
    queue: WaitQueue<P>,
    rank: RankTag,
    value: UnsafeCell<T>,
}

// SAFETY: the value is only reached through a guard, of which there is one at a time, or an exclusive borrow.
unsafe impl<T: Send, P: Platform> Sync for Mutex<T, P> {}

impl<T, P: Platform> Mutex<T, P> {
    const_unless_loom! {
        /// A free mutex around `value`, at `rank` (one made by [`Rank::sleeping`]) in the lock order.
        pub fn new(rank: Rank, value: T) -> Self {
            Self {
                state: AtomicU8::new(FREE),
                queue: WaitQueue::new(),
                rank: RankTag::new(rank),
                value: UnsafeCell::new(value),
            }
        }
    }

    /// Takes the mutex, sleeping until it is free. No signal ends that sleep.
    #[inline]
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn lock(&self) -> MutexGuard<'_, T, P> {
        self.rank.acquire::<P>();
        self.lock_ranked()
    }

    /// [`lock`](Self::lock), allowed also while a lock of the same rank is held. The caller has an order of its own
    /// among the locks of this rank.
    #[inline]
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn lock_nested(&self) -> MutexGuard<'_, T, P> {
        self.rank.acquire_nested::<P>();
        self.lock_ranked()
    }

    /// [`lock`](Self::lock), which a signal may end.
    ///
    /// # Errors
    /// [`Interrupted`]: the mutex is not taken.
    #[inline]
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn lock_interruptible(&self) -> Result<MutexGuard<'_, T, P>, Interrupted> {
        self.rank.acquire::<P>();
        if !self.take_if_free() {
            self.queue
                .wait_interruptible(Mode::Exclusive, || self.take_contended())
                .inspect_err(|_| self.rank.release::<P>())?;
        }
        Ok(self.guard())
    }

    /// Takes the mutex if it is free. Never sleeps, and is not bound by the lock order.
    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T, P>> {
        if !self.take_if_free() {
            return None;
        }
        self.rank.acquired_by_trying::<P>();
        Some(self.guard())
    }

    /// The value, without locking: the exclusive borrow proves that nobody else has the mutex.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    #[inline]
    fn lock_ranked(&self) -> MutexGuard<'_, T, P> {
        if !self.take_if_free() {
            self.wait_for_it();
        }
        self.guard()
    }

    #[inline]
    fn take_if_free(&self) -> bool {
        // Acquire: what the previous holder wrote; pairs with the Release of unlock.
        self.state.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[cold]
    fn wait_for_it(&self) {
        self.queue.wait(Mode::Exclusive, || self.take_contended());
    }

    /// The attempt of a waiter. It leaves CONTENDED behind whether or not it succeeds: the holder must wake, and the
    /// waiter cannot know that it was the last.
    fn take_contended(&self) -> Option<()> {
        // Acquire: as in take_if_free.
        (self.state.swap(CONTENDED, Ordering::Acquire) == FREE).then_some(())
    }

    #[inline]
    fn unlock(&self) {
        // Release: what this holder wrote, to the next.
        if self.state.swap(FREE, Ordering::Release) == CONTENDED {
            self.wake_first();
        }
    }

    #[cold]
    fn wake_first(&self) {
        self.queue.wake_one(ANY_EVENT);
    }

    #[inline]
    fn guard(&self) -> MutexGuard<'_, T, P> {
        MutexGuard { mutex: self, stays_with_task: PhantomData }
    }
}

impl<T, P: Platform> fmt::Debug for Mutex<T, P> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Mutex").finish_non_exhaustive()
    }
}

/// The right to the value of a [`Mutex`]; dropping it gives the mutex back.
#[must_use = "the mutex is given back at once when the guard is dropped"]
pub struct MutexGuard<'a, T, P: Platform> {
    mutex: &'a Mutex<T, P>,
    /// The rank is noted with the task: the guard must not be sent to another.
    stays_with_task: PhantomData<*mut ()>,
}

impl<T, P: Platform> Deref for MutexGuard<'_, T, P> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard exists, so its mutex is held, and by nobody else.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T, P: Platform> DerefMut for MutexGuard<'_, T, P> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed exclusively.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T, P: Platform> Drop for MutexGuard<'_, T, P> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.rank.release::<P>();
        self.mutex.unlock();
    }
}

impl<T: fmt::Debug, P: Platform> fmt::Debug for MutexGuard<'_, T, P> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, out)
    }
}
