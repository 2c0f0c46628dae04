//! One place in a wait queue, as the queue sees it: on the stack of a sleeper or in the memory of a registration. Plain
//! data; its links, `arrival`, `interest` and `selected_by` belong to whoever holds the queue's lock.

use super::list::Links;
use super::{Mode, WakeCallback};
use crate::atomic::{AtomicU8, Ordering};
use crate::platform::Platform;
use core::cell::Cell;
use core::ptr::NonNull;

/// Linked into the queue. Changes to and from this value happen under the queue's lock.
pub(super) const QUEUED: u8 = 0;
/// Taken off the queue by a waker, which may still read the node.
pub(super) const SELECTED: u8 = 1;
/// Taken off the queue, and the waker will not touch the node again.
pub(super) const RELEASED: u8 = 2;

/// Whom a wake-up reaches.
pub(super) enum Target<P: Platform> {
    /// A task in `wait_until`; a wake-up takes its node off the queue.
    Sleeper(P::Task),
    /// A callback; its node stays on the queue. It lives as long as the node is linked.
    Callback(NonNull<dyn WakeCallback>),
}

/// Where it stands, and for how much of a wake-up: in one value, because the usual wake-up asks for the first of these. For
/// sleepers the numbers are those of [`Mode`], so that there is nothing to convert.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// In line, an exclusive sleeper.
    Sleeper = Mode::Exclusive as isize,
    /// Before the line.
    Shared = Mode::Shared as isize,
    /// In line, an exclusive callback.
    Callback,
}

pub(super) struct Node<P: Platform> {
    pub(super) links: Links<P>,
    /// Of a sleeper: QUEUED, SELECTED or RELEASED. Of a callback: QUEUED throughout.
    pub(super) state: AtomicU8,
    pub(super) standing: Standing,
    /// The wake-up keys it wants to hear of.
    pub(super) interest: Cell<u32>,
    /// The key of the wake-up that selected it.
    pub(super) selected_by: Cell<u32>,
    /// Its number in the order of arrival, which it keeps when it queues again.
    pub(super) arrival: Cell<u64>,
    pub(super) target: Target<P>,
    #[cfg(loom)]
    lifetime: loom::cell::UnsafeCell<()>,
}

// SAFETY: every field that is not read-only is an atomic, or is accessed by the holder of the queue's lock alone
// (queue.rs). Tasks are Send + Sync by the bound on `Platform::Task`, callbacks by that on `WakeCallback`.
unsafe impl<P: Platform> Sync for Node<P> {}
// SAFETY: as above.
unsafe impl<P: Platform> Send for Node<P> {}

impl<P: Platform> Node<P> {
    /// Whether it stands in line, in order of arrival.
    #[inline(always)]
    pub(super) fn is_in_line(&self) -> bool {
        self.standing != Standing::Shared
    }

    #[inline(always)]
    pub(super) fn new(mode: Mode, interest: u32, target: Target<P>) -> Self {
        let standing = match (mode, &target) {
            (Mode::Exclusive, Target::Sleeper(_)) => Standing::Sleeper,
            (Mode::Exclusive, Target::Callback(_)) => Standing::Callback,
            (Mode::Shared, _) => Standing::Shared,
        };
        Self {
            links: Links::new(),
            state: AtomicU8::new(QUEUED),
            standing,
            interest: Cell::new(interest),
            selected_by: Cell::new(0),
            arrival: Cell::new(0),
            target,
            #[cfg(loom)]
            lifetime: loom::cell::UnsafeCell::new(()),
        }
    }

    /// Wakes the sleeper of a node that has just been taken off its queue. The caller holds the queue's lock, and does
    /// not touch the node afterwards.
    #[inline(always)]
    pub(super) fn select(&self, task: P::Task, key: u32) {
        self.selected_by.set(key);
        // Release: the sleeper that sees SELECTED sees the change of state that it was woken for. This store comes
        // before unpark, so that the park which consumes the token finds it.
        self.state.store(SELECTED, Ordering::Release);
        P::unpark(task);
        #[cfg(loom)]
        self.lifetime.with(|_| ());
        // Release: every access of ours to the node comes before the sleeper's reuse of its memory.
        self.state.store(RELEASED, Ordering::Release);
    }

    /// Tells the model checker that the memory of the node is about to be reused; nothing on a real machine.
    pub(super) fn retire(&self) {
        #[cfg(loom)]
        self.lifetime.with_mut(|_| ());
    }
}
