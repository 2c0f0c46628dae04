//! What the C library puts into memory for processes to wait for each other with. See `sys` for the rules.

use super::memory::{self, Mapping};
use super::thread::done;
use super::{Sys, checked, time, zeroed};
use crate::check::Failure;
use libc::PTHREAD_PROCESS_SHARED;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

unsafe extern "C" {
    fn pthread_rwlock_timedrdlock(lock: *mut libc::pthread_rwlock_t, deadline: *const libc::timespec) -> i32;
    fn pthread_rwlock_timedwrlock(lock: *mut libc::pthread_rwlock_t, deadline: *const libc::timespec) -> i32;
}

/// Shared memory with an object of libc's at each of eight places, 128 bytes apart, and counters behind them.
#[derive(Clone, Copy)]
pub struct Shared(pub &'static Mapping);

impl Shared {
    /// A page of it.
    pub fn new() -> Result<Self, Failure> {
        Ok(Self(Box::leak(Box::new(memory::shared(1)?))))
    }

    /// The place of an object.
    pub fn object<T>(self, place: usize) -> *mut T {
        self.0.pointer(place * 128, size_of::<T>()).cast()
    }

    /// A word that is nobody's.
    pub fn counter(self) -> &'static AtomicU32 {
        self.0.word(2048)
    }

    /// A mutex that processes share at a place, of a type (`PTHREAD_MUTEX_*`) and robustness.
    pub fn mutex(self, place: usize, kind: i32, robust: i32) -> Result<Mutex, Failure> {
        let mut attributes: libc::pthread_mutexattr_t = zeroed();
        let mutex = self.object(place);
        // SAFETY: attributes of our own.
        done("pthread_mutexattr_init", unsafe { libc::pthread_mutexattr_init(&raw mut attributes) })?;
        // SAFETY: initialised.
        let value = unsafe { libc::pthread_mutexattr_setpshared(&raw mut attributes, PTHREAD_PROCESS_SHARED) };
        done("pthread_mutexattr_setpshared", value)?;
        // SAFETY: initialised.
        done("pthread_mutexattr_settype", unsafe { libc::pthread_mutexattr_settype(&raw mut attributes, kind) })?;
        // SAFETY: initialised.
        done("pthread_mutexattr_setrobust", unsafe { libc::pthread_mutexattr_setrobust(&raw mut attributes, robust) })?;
        // SAFETY: aligned zeroed memory that stays mapped.
        done("pthread_mutex_init", unsafe { libc::pthread_mutex_init(mutex, &raw const attributes) })?;
        Ok(Mutex(mutex))
    }

    /// The mutex at the first place, of the plain kind.
    pub fn plain_mutex(self) -> Result<Mutex, Failure> {
        self.mutex(0, libc::PTHREAD_MUTEX_NORMAL, libc::PTHREAD_MUTEX_STALLED)
    }

    /// A robust mutex.
    pub fn robust_mutex(self, place: usize) -> Result<Mutex, Failure> {
        self.mutex(place, libc::PTHREAD_MUTEX_NORMAL, libc::PTHREAD_MUTEX_ROBUST)
    }

    /// A condition variable whose deadlines are on `clock`.
    pub fn condition(self, clock: i32) -> Result<*mut libc::pthread_cond_t, Failure> {
        let mut attributes: libc::pthread_condattr_t = zeroed();
        let condition = self.object(8);
        // SAFETY: attributes of our own.
        done("pthread_condattr_init", unsafe { libc::pthread_condattr_init(&raw mut attributes) })?;
        // SAFETY: initialised.
        let value = unsafe { libc::pthread_condattr_setpshared(&raw mut attributes, PTHREAD_PROCESS_SHARED) };
        done("pthread_condattr_setpshared", value)?;
        // SAFETY: initialised.
        done("pthread_condattr_setclock", unsafe { libc::pthread_condattr_setclock(&raw mut attributes, clock) })?;
        // SAFETY: aligned zeroed memory that stays mapped.
        done("pthread_cond_init", unsafe { libc::pthread_cond_init(condition, &raw const attributes) })?;
        Ok(condition)
    }

    /// A semaphore.
    pub fn semaphore(self, value: u32) -> Result<*mut libc::sem_t, Failure> {
        let semaphore = self.object(9);
        // SAFETY: aligned zeroed memory that stays mapped.
        checked("sem_init", unsafe { libc::sem_init(semaphore, 1, value) })?;
        Ok(semaphore)
    }

    /// A read-write lock.
    pub fn read_write_lock(self) -> Result<Lock, Failure> {
        let mut attributes: libc::pthread_rwlockattr_t = zeroed();
        let lock = self.object(10);
        // SAFETY: attributes of our own.
        done("pthread_rwlockattr_init", unsafe { libc::pthread_rwlockattr_init(&raw mut attributes) })?;
        // SAFETY: initialised.
        let value = unsafe { libc::pthread_rwlockattr_setpshared(&raw mut attributes, PTHREAD_PROCESS_SHARED) };
        done("pthread_rwlockattr_setpshared", value)?;
        // SAFETY: aligned zeroed memory that stays mapped.
        done("pthread_rwlock_init", unsafe { libc::pthread_rwlock_init(lock, &raw const attributes) })?;
        Ok(Lock(lock))
    }

    /// A barrier for `count`.
    pub fn barrier(self, count: u32) -> Result<*mut libc::pthread_barrier_t, Failure> {
        let mut attributes: libc::pthread_barrierattr_t = zeroed();
        let barrier = self.object(11);
        // SAFETY: attributes of our own.
        done("pthread_barrierattr_init", unsafe { libc::pthread_barrierattr_init(&raw mut attributes) })?;
        // SAFETY: initialised.
        let value = unsafe { libc::pthread_barrierattr_setpshared(&raw mut attributes, PTHREAD_PROCESS_SHARED) };
        done("pthread_barrierattr_setpshared", value)?;
        // SAFETY: aligned zeroed memory that stays mapped.
        let value = unsafe { libc::pthread_barrier_init(barrier, &raw const attributes, count) };
        done("pthread_barrier_init", value)?;
        Ok(barrier)
    }
}

/// In `length` from now, by `clock`.
pub fn within(clock: i32, length: Duration) -> Result<libc::timespec, Failure> {
    Ok(time::timespec(time::clock_gettime(clock)? + length))
}

/// An initialised mutex in shared memory.
#[derive(Clone, Copy)]
pub struct Mutex(pub *mut libc::pthread_mutex_t);

// SAFETY: a mutex is for threads to share; the memory stays mapped.
unsafe impl Sync for Mutex {}

impl Mutex {
    /// `pthread_mutex_lock`.
    pub fn lock(self) -> Sys<()> {
        // SAFETY: initialised.
        done("pthread_mutex_lock", unsafe { libc::pthread_mutex_lock(self.0) })
    }

    /// `pthread_mutex_trylock`.
    pub fn try_lock(self) -> Sys<()> {
        // SAFETY: initialised.
        done("pthread_mutex_trylock", unsafe { libc::pthread_mutex_trylock(self.0) })
    }

    /// `pthread_mutex_timedlock` until `length` from now.
    pub fn lock_within(self, length: Duration) -> Result<Sys<()>, Failure> {
        let deadline = within(libc::CLOCK_REALTIME, length)?;
        // SAFETY: initialised, and one time is read.
        Ok(done("pthread_mutex_timedlock", unsafe { libc::pthread_mutex_timedlock(self.0, &raw const deadline) }))
    }

    /// Unlocks it.
    pub fn unlock(self) -> Sys<()> {
        // SAFETY: initialised.
        done("pthread_mutex_unlock", unsafe { libc::pthread_mutex_unlock(self.0) })
    }

    /// `pthread_mutex_consistent`.
    pub fn make_consistent(self) -> Sys<()> {
        // SAFETY: initialised.
        done("pthread_mutex_consistent", unsafe { libc::pthread_mutex_consistent(self.0) })
    }
}

/// An initialised read-write lock in shared memory.
#[derive(Clone, Copy)]
pub struct Lock(pub *mut libc::pthread_rwlock_t);

impl Lock {
    /// `pthread_rwlock_rdlock`.
    pub fn read(self) -> Sys<()> {
        // SAFETY: initialised.
        done("pthread_rwlock_rdlock", unsafe { libc::pthread_rwlock_rdlock(self.0) })
    }

    /// `pthread_rwlock_wrlock`.
    pub fn write(self) -> Sys<()> {
        // SAFETY: initialised.
        done("pthread_rwlock_wrlock", unsafe { libc::pthread_rwlock_wrlock(self.0) })
    }

    /// `pthread_rwlock_timedrdlock`.
    pub fn read_until(self, deadline: libc::timespec) -> Sys<()> {
        // SAFETY: initialised, and one time is read.
        done("pthread_rwlock_timedrdlock", unsafe { pthread_rwlock_timedrdlock(self.0, &raw const deadline) })
    }

    /// `pthread_rwlock_timedwrlock`.
    pub fn write_until(self, deadline: libc::timespec) -> Sys<()> {
        // SAFETY: as above.
        done("pthread_rwlock_timedwrlock", unsafe { pthread_rwlock_timedwrlock(self.0, &raw const deadline) })
    }

    /// `pthread_rwlock_tryrdlock`.
    pub fn try_read(self) -> Sys<()> {
        // SAFETY: initialised.
        done("pthread_rwlock_tryrdlock", unsafe { libc::pthread_rwlock_tryrdlock(self.0) })
    }

    /// `pthread_rwlock_trywrlock`.
    pub fn try_write(self) -> Sys<()> {
        // SAFETY: initialised.
        done("pthread_rwlock_trywrlock", unsafe { libc::pthread_rwlock_trywrlock(self.0) })
    }

    /// Unlocks it.
    pub fn unlock(self) -> Sys<()> {
        // SAFETY: locked by the caller.
        done("pthread_rwlock_unlock", unsafe { libc::pthread_rwlock_unlock(self.0) })
    }
}
