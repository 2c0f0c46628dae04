//! [`SpinLock`]: the `spin` crate's lock with the platform's relax and the lock order in front of it. Never sleeps.
//!
//! There is one kind only, for there is nothing to save: the kernel holds interrupts masked wherever it takes locks.

use crate::platform::Platform;
use crate::rank::{Rank, RankTag};
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
#[cfg(not(loom))]
use machine as raw;
#[cfg(loom)]
use model as raw;

#[cfg(not(loom))]
pub use machine::Relax;

/// The lock on a real machine.
#[cfg(not(loom))]
mod machine {
    use super::{PhantomData, Platform};
    use spin::RelaxStrategy;
    use spin::mutex::{SpinMutex, SpinMutexGuard};

    /// Spins with [`Platform::relax`]; for the `spin` crate's types.
    #[derive(Debug)]
    pub struct Relax<P>(PhantomData<fn() -> P>);

    impl<P: Platform> RelaxStrategy for Relax<P> {
        #[inline(always)]
        fn relax() {
            P::relax();
        }
    }

    pub(super) type Lock<T, P> = SpinMutex<T, Relax<P>>;
    pub(super) type Guard<'a, T, P> = SpinMutexGuard<'a, T, Relax<P>>;

    pub(super) const fn new<T, P: Platform>(value: T) -> Lock<T, P> {
        SpinMutex::new(value)
    }

    #[inline(always)]
    pub(super) fn lock<T, P: Platform>(lock: &Lock<T, P>) -> Guard<'_, T, P> {
        lock.lock()
    }

    #[inline(always)]
    pub(super) fn try_lock<T, P: Platform>(lock: &Lock<T, P>) -> Option<Guard<'_, T, P>> {
        lock.try_lock()
    }

    pub(super) fn get_mut<T, P: Platform>(lock: &mut Lock<T, P>) -> &mut T {
        lock.get_mut()
    }
}

/// The lock as loom's model: mutual exclusion without the turns of a spin loop, which would blow up the state space.
#[cfg(loom)]
mod model {
    use super::Platform;
    use core::marker::PhantomData;
    use loom::sync::{Mutex, MutexGuard};

    pub(super) struct Lock<T, P>(Mutex<T>, PhantomData<fn() -> P>);
    pub(super) struct Guard<'a, T, P>(MutexGuard<'a, T>, PhantomData<fn() -> P>);

    impl<T, P> core::ops::Deref for Guard<'_, T, P> {
        type Target = T;
        fn deref(&self) -> &T {
            &self.0
        }
    }

    impl<T, P> core::ops::DerefMut for Guard<'_, T, P> {
        fn deref_mut(&mut self) -> &mut T {
            &mut self.0
        }
    }

    pub(super) fn new<T, P: Platform>(value: T) -> Lock<T, P> {
        Lock(Mutex::new(value), PhantomData)
    }

    pub(super) fn lock<T, P: Platform>(lock: &Lock<T, P>) -> Guard<'_, T, P> {
        Guard(lock.0.lock().expect("loom's locks are never poisoned"), PhantomData)
    }

    pub(super) fn try_lock<T, P: Platform>(lock: &Lock<T, P>) -> Option<Guard<'_, T, P>> {
        Some(Guard(lock.0.try_lock().ok()?, PhantomData))
    }

    pub(super) fn get_mut<T, P: Platform>(lock: &mut Lock<T, P>) -> &mut T {
        lock.0.get_mut().expect("loom's locks are never poisoned")
    }
}

/// Mutual exclusion by spinning, for sections that never sleep and are over within some hundred instructions.
pub struct SpinLock<T, P: Platform> {
    raw: raw::Lock<T, P>,
    rank: RankTag,
}

impl<T, P: Platform> SpinLock<T, P> {
    const_unless_loom! {
        /// A free lock around `value`, at `rank` (one made by [`Rank::spinning`]) in the lock order.
        pub fn new(rank: Rank, value: T) -> Self {
            Self { raw: raw::new(value), rank: RankTag::new(rank) }
        }
    }

    /// Spins until the lock is free, and takes it.
    #[inline]
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn lock(&self) -> SpinGuard<'_, T, P> {
        self.rank.acquire::<P>();
        self.guard(raw::lock(&self.raw))
    }

    /// [`lock`](Self::lock), allowed also while a lock of the same rank is held. The caller has an order of its own
    /// among the locks of this rank, such as their addresses.
    #[inline]
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn lock_nested(&self) -> SpinGuard<'_, T, P> {
        self.rank.acquire_nested::<P>();
        self.guard(raw::lock(&self.raw))
    }

    /// Takes the lock if it is free. Not bound by the lock order, since it does not wait.
    #[inline]
    pub fn try_lock(&self) -> Option<SpinGuard<'_, T, P>> {
        let guard = raw::try_lock(&self.raw)?;
        self.rank.acquired_by_trying::<P>();
        Some(self.guard(guard))
    }

    /// The value, without locking: the exclusive borrow proves that nobody else has the lock.
    pub fn get_mut(&mut self) -> &mut T {
        raw::get_mut(&mut self.raw)
    }

    #[inline]
    fn guard<'a>(&self, raw: raw::Guard<'a, T, P>) -> SpinGuard<'a, T, P> {
        SpinGuard { raw, rank: self.rank, stays_on_cpu: PhantomData }
    }
}

impl<T, P: Platform> fmt::Debug for SpinLock<T, P> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SpinLock").finish_non_exhaustive()
    }
}

/// The right to the value of a [`SpinLock`]; dropping it gives the lock back.
#[must_use = "the lock is given back at once when the guard is dropped"]
pub struct SpinGuard<'a, T, P: Platform> {
    raw: raw::Guard<'a, T, P>,
    rank: RankTag,
    /// Held by a CPU: the guard must not be sent to another.
    stays_on_cpu: PhantomData<*mut ()>,
}

impl<T, P: Platform> Deref for SpinGuard<'_, T, P> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        &self.raw
    }
}

impl<T, P: Platform> DerefMut for SpinGuard<'_, T, P> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.raw
    }
}

impl<T, P: Platform> Drop for SpinGuard<'_, T, P> {
    #[inline(always)]
    fn drop(&mut self) {
        self.rank.release::<P>();
    }
}

impl<T: fmt::Debug, P: Platform> fmt::Debug for SpinGuard<'_, T, P> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, out)
    }
}
