//! Semaphores between processes, in memory they share: POSIX's, and the least that `futex(2)` needs.
//! `down` sleeps while the value is zero.

use std::cell::UnsafeCell;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::system::raw::{futex_wait, futex_wake_one};

/// A semaphore in shared memory. Threads and processes use it through shared references.
///
/// # Safety
/// Memory filled with zeroes must be a valid value.
pub unsafe trait Semaphore: 'static {
    /// Gives it its first value, before anyone uses it.
    ///
    /// # Errors
    /// What `sem_init(3)` says.
    fn start(&self, value: u32) -> io::Result<()>;

    /// Takes one, when there is one.
    ///
    /// # Errors
    /// What `sem_wait(3)` says, but EINTR.
    fn down(&self) -> io::Result<()>;

    /// Gives one.
    ///
    /// # Errors
    /// What `sem_post(3)` says.
    fn up(&self) -> io::Result<()>;
}

/// `sem_t`, process-shared.
#[repr(transparent)]
pub struct PosixSemaphore(UnsafeCell<libc::sem_t>);

// SAFETY: sem_t is an array or union of integers.
unsafe impl Semaphore for PosixSemaphore {
    fn start(&self, value: u32) -> io::Result<()> {
        // SAFETY: the memory is live, shared between the processes, and not in use yet.
        match unsafe { libc::sem_init(self.0.get(), 1, value) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    #[inline]
    fn down(&self) -> io::Result<()> {
        loop {
            // SAFETY: initialised by `start` before anyone else got at it, and alive.
            if unsafe { libc::sem_wait(self.0.get()) } == 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }

    #[inline]
    fn up(&self) -> io::Result<()> {
        // SAFETY: as for `down`.
        match unsafe { libc::sem_post(self.0.get()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// A count, and a mark for a sleeper: one word. At most one process may sleep at a time, as between a sender
/// and a receiver; so `up` can take the mark away, and wakes a sleeper once and not until it has run.
#[repr(transparent)]
pub struct FutexSemaphore(AtomicU32);

/// Somebody sleeps, or is about to. The other bits are the count.
const SLEEPER: u32 = 1 << 31;

impl FutexSemaphore {
    #[inline]
    fn try_down(&self) -> bool {
        let take = |word: u32| {
            if word & !SLEEPER == 0 { None } else { Some(word - 1) }
        };
        // Acquire: pairs with `up`, so that what was done before it is seen.
        self.0.fetch_update(Ordering::Acquire, Ordering::Relaxed, take).is_ok()
    }

    #[cold]
    fn sleep_until_down(&self) {
        while !self.try_down() {
            // Fails when the mark is there already, and when the count has risen: then the wait returns at once.
            let _ = self.0.compare_exchange(0, SLEEPER, Ordering::Relaxed, Ordering::Relaxed);
            futex_wait(&self.0, SLEEPER);
        }
    }

    #[cold]
    fn wake(&self) {
        // The mark first: a sleeper that marks and sleeps again in between is woken for nothing, not forgotten.
        self.0.fetch_and(!SLEEPER, Ordering::Relaxed);
        futex_wake_one(&self.0);
    }
}

// SAFETY: an integer.
unsafe impl Semaphore for FutexSemaphore {
    fn start(&self, value: u32) -> io::Result<()> {
        self.0.store(value, Ordering::Relaxed);
        Ok(())
    }

    #[inline]
    fn down(&self) -> io::Result<()> {
        if !self.try_down() {
            self.sleep_until_down();
        }
        Ok(())
    }

    #[inline]
    fn up(&self) -> io::Result<()> {
        // Release: pairs with `try_down`.
        if self.0.fetch_add(1, Ordering::Release) & SLEEPER != 0 {
            self.wake();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::{FutexSemaphore, PosixSemaphore, Semaphore};
    use crate::system::mapping::SharedMapping;

    /// Two threads take turns; each count that is lost or doubled would hang or end it early.
    fn alternate<S: Semaphore>() {
        const TURNS: u32 = 20_000;
        // Addresses, because semaphores are shared by address and not by Rust's rules for threads.
        let mapping = SharedMapping::anonymous(4096).expect("maps");
        let base = mapping.base().addr().get();
        let semaphore = |index: usize| -> &S {
            // SAFETY: inside the page, aligned to 64, valid as zeroes, alive until the threads are joined.
            unsafe { &*std::ptr::with_exposed_provenance::<S>(base + index * 64) }
        };
        mapping.base().expose_provenance();
        semaphore(0).start(0).expect("starts");
        semaphore(1).start(1).expect("starts");
        thread::scope(|scope| {
            for (mine, other) in [(0, 1), (1, 0)] {
                scope.spawn(move || {
                    for _ in 0..TURNS {
                        semaphore(mine).down().expect("taken");
                        semaphore(other).up().expect("given");
                    }
                });
            }
        });
        // One token is left, where it began.
        semaphore(1).down().expect("there");
        semaphore(0).up().expect("given");
        semaphore(0).down().expect("there");
    }

    #[test]
    fn posix_semaphores_lose_no_wake_up() {
        alternate::<PosixSemaphore>();
    }

    #[test]
    fn futex_semaphores_lose_no_wake_up() {
        alternate::<FutexSemaphore>();
    }
}
