//! [`Registration`]: a callback that stays on a wait queue, for `epoll`. Takes the queue's lock to come and go; never
//! sleeps.

use super::node::{Node, Target};
use super::queue::WaitQueue;
use super::{Mode, WakeCallback};
use crate::platform::Platform;
use alloc::collections::TryReserveError;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::OnceCell;
use core::fmt;
use core::ptr::NonNull;

/// A callback on a wait queue, from creation until this is dropped.
///
/// `owner` is what contains the queue; the registration shares its ownership, so that the queue cannot go first. To avoid a
/// cycle of owners the callback should hold a leaf (the ready list of an epoll instance), not what holds the registration.
pub struct Registration<O: ?Sized + 'static, C: WakeCallback + 'static, P: Platform> {
    /// Exactly one element. A vector, because of all owners of heap memory it alone can report that there is none left,
    /// and it does not claim exclusive access to the element when it is moved.
    place: Vec<Place<C, P>>,
    queue: NonNull<WaitQueue<P>>,
    owner: Arc<O>,
}

struct Place<C, P: Platform> {
    callback: C,
    /// Set once the callback has its final address.
    node: OnceCell<Node<P>>,
}

// SAFETY: the queue is Sync and kept alive by `owner`; the node's mutable parts are guarded by the queue's lock, and its
// cell is not written after `new`. The rest is bounded.
unsafe impl<O, C, P> Send for Registration<O, C, P>
where
    O: ?Sized + Send + Sync,
    C: WakeCallback,
    P: Platform,
{
}
// SAFETY: as above.
unsafe impl<O, C, P> Sync for Registration<O, C, P>
where
    O: ?Sized + Send + Sync,
    C: WakeCallback,
    P: Platform,
{
}

impl<O: ?Sized, C: WakeCallback, P: Platform> Registration<O, C, P> {
    /// Puts `callback` on the queue that `queue_of` finds in `owner`, to be called by wake-ups whose key intersects
    /// `interest`; an exclusive one stands in line with the exclusive waiters. The caller asks for the present readiness
    /// *afterwards*, so that no change falls in between.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn new(
        owner: Arc<O>,
        queue_of: impl FnOnce(&O) -> &WaitQueue<P>,
        mode: Mode,
        interest: u32,
        callback: C,
    ) -> Result<Self, TryReserveError> {
        let mut place = Vec::new();
        place.try_reserve_exact(1)?;
        place.push(Place { callback, node: OnceCell::new() });
        let queue = NonNull::from(queue_of(&owner));
        let registration = Self { place, queue, owner };
        let callback: &dyn WakeCallback = &registration.place[0].callback;
        let target = Target::Callback(NonNull::from(callback));
        let node = registration.place[0].node.get_or_init(|| Node::new(mode, interest, target));
        // SAFETY: the node is new. It and the callback lie in heap memory that only dropping this registration frees,
        // which unlinks first; leaking it leaks them too. The callback borrows nothing ('static), and the queue lives
        // in `owner`.
        unsafe { registration.queue().link_callback(node) };
        Ok(registration)
    }

    /// The object whose queue this is on.
    pub fn owner(&self) -> &Arc<O> {
        &self.owner
    }

    /// The callback.
    pub fn callback(&self) -> &C {
        &self.place[0].callback
    }

    /// Replaces the interest. As with [`new`](Self::new), the caller asks for the present readiness afterwards.
    pub fn set_interest(&self, interest: u32) {
        if let Some(node) = self.place[0].node.get() {
            self.queue().set_interest(node, interest);
        }
    }

    fn queue(&self) -> &WaitQueue<P> {
        // SAFETY: the queue was borrowed from `owner`, which an Arc neither moves nor frees while we hold a share.
        unsafe { self.queue.as_ref() }
    }
}

impl<O: ?Sized, C: WakeCallback, P: Platform> Drop for Registration<O, C, P> {
    /// No call of the callback is running or will come when this is done.
    fn drop(&mut self) {
        if let Some(node) = self.place[0].node.get() {
            // SAFETY: `new` has linked it, and only this unlinks it.
            unsafe { self.queue().unlink(node) };
        }
    }
}

impl<O: ?Sized, C: WakeCallback, P: Platform> fmt::Debug for Registration<O, C, P> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Registration").finish_non_exhaustive()
    }
}
