//! [`References`]: how many handles share a thing that the last of them frees. [`Uses`]: how many use a thing that somebody else
//! takes away once nobody does. Lock free; never sleeps.

use crate::atomic::{AtomicU32, AtomicUsize, Ordering};

/// The handles of one thing, as a count. Zeroed memory is a valid one, of no handle.
///
/// # The shortcut
/// Who reads 1 while it has a handle has the only one, and nobody can make another: a handle is made from a handle, by who has
/// that one or holds the lock under which it lies. So it lets go without an atomic decrement, and leaves the 1 where it is; the
/// next owner begins anew. Each handle takes four bytes at least somewhere: there is no memory for as many as would overflow.
#[derive(Debug)]
#[repr(transparent)]
pub struct References(AtomicU32);

impl References {
    const_unless_loom! {
        /// No handle.
        pub fn none() -> Self {
            Self(AtomicU32::new(0))
        }
    }

    /// There is one handle now: the caller's, whom the thing has just been given.
    #[inline]
    pub fn begin(&self) {
        // Relaxed: nobody else knows the thing yet; whoever is told later is told by other means, whose ordering this has.
        self.0.store(1, Ordering::Relaxed);
    }

    /// Another handle, made from one that exists throughout the call.
    #[inline]
    pub fn share(&self) {
        // Relaxed: that one keeps the thing; to let go of the new one comes after this, whoever does it.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there are. To who has a handle, or holds the lock under which all are that could be shared, 1 means that it is
    /// alone, and stays so until it shares.
    #[inline]
    pub fn count(&self) -> u32 {
        // Acquire: pairs with the Release of `let_go`; who finds itself alone comes after all that the others did.
        self.0.load(Ordering::Acquire)
    }

    /// A handle is given up. Whether it was the last: then the caller frees the thing.
    #[inline]
    #[must_use = "nobody else frees it"]
    pub fn let_go(&self) -> bool {
        // Release: what was done with this handle comes before the end of the thing, or before who is left finds itself alone.
        // Acquire, of the last: what was done with the others comes before too. Those between continue the release sequence.
        self.count() == 1 || self.0.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

/// The uses of one thing. They begin under a lock, and end anywhere.
#[derive(Debug)]
pub struct Uses(AtomicUsize);

impl Uses {
    const_unless_loom! {
        /// None.
        pub fn none() -> Self {
            Self(AtomicUsize::new(0))
        }
    }

    /// A use begins, with the lock held under which the thing is found.
    pub fn begin(&self) {
        // Relaxed: who takes the thing away looks with the same lock held.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// A use is over.
    pub fn end(&self) {
        // Release: pairs with `count`.
        self.0.fetch_sub(1, Ordering::Release);
    }

    /// How many there are. To who holds the lock, 0 means that all are over, and stays true as long as the lock is held.
    pub fn count(&self) -> usize {
        // Acquire: all that the uses did comes before what follows.
        self.0.load(Ordering::Acquire)
    }
}
