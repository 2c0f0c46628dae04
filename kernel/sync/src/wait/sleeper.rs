//! `wait_until`: queueing, attempting and sleeping, again and again. Sleeps; holds the queue's lock only while it links and
//! unlinks the sleeper's node, which lies in this function's stack frame.

use super::node::{Node, QUEUED, RELEASED, Target};
use super::queue::{Selection, WaitQueue};
use super::turn::{PassedOver, Place, Unserved};
use super::{ANY_EVENT, Interrupted, Mode, Sleep, WaitError};
use crate::atomic::Ordering;
use crate::platform::Platform;
use core::cell::Cell;

impl<P: Platform> WaitQueue<P> {
    /// Sleeps until `attempt` returns something, and returns that.
    ///
    /// The caller is queued before the first attempt, which comes at once; every later one follows a wake-up that
    /// selected the caller. The attempt may itself take locks and sleep. `deadline_ns` is on the clock of
    /// [`Platform::now_ns`]. A caller that expects success tries by itself first, which saves the queueing.
    ///
    /// # Errors
    /// [`WaitError::Interrupted`] when `sleep` allows it, [`WaitError::TimedOut`] when there is a deadline; both only
    /// after at least one attempt.
    pub fn wait_until<T>(
        &self,
        mode: Mode,
        sleep: Sleep,
        deadline_ns: Option<u64>,
        attempt: impl FnMut() -> Option<T>,
    ) -> Result<T, WaitError> {
        self.wait_until_for(ANY_EVENT, mode, sleep, deadline_ns, attempt)
    }

    /// [`wait_until`](Self::wait_until) for wake-ups whose key intersects `interest` only (a futex's bitset, say).
    ///
    /// # Errors
    /// As for [`wait_until`](Self::wait_until).
    pub fn wait_until_for<T>(
        &self,
        interest: u32,
        mode: Mode,
        sleep: Sleep,
        deadline_ns: Option<u64>,
        mut attempt: impl FnMut() -> Option<T>,
    ) -> Result<T, WaitError> {
        let node = Node::new(mode, interest, Target::Sleeper(P::current()));
        let sleeper = Sleeper::queue(self, &node);
        loop {
            if let Some(value) = attempt() {
                sleeper.selection.set(Selection::Needless);
                return Ok(value);
            }
            sleep_until_selected(&node, sleep, deadline_ns)?;
            // A selected sleeper is off the queue: success needs no lock to leave.
            let value = attempt();
            sleeper.selection.set(Selection::Answered);
            if let Some(value) = value {
                return Ok(value);
            }
            sleeper.queue_again();
        }
    }

    /// [`wait_until`](Self::wait_until) of an exclusive waiter, up to the first selection that comes to nothing: who is to come
    /// before all who arrived later then goes on with [`wait_passed_over`](Self::wait_passed_over).
    ///
    /// # Errors
    /// As for [`wait_until`](Self::wait_until); and the place of who was passed over.
    #[inline(always)]
    pub fn wait_in_turn<T>(
        &self,
        sleep: Sleep,
        deadline_ns: Option<u64>,
        mut attempt: impl FnMut() -> Option<T>,
    ) -> Result<T, Unserved> {
        let node = Node::new(Mode::Exclusive, ANY_EVENT, Target::Sleeper(P::current()));
        let sleeper = Sleeper::queue(self, &node);
        if let Some(value) = attempt() {
            sleeper.selection.set(Selection::Needless);
            return Ok(value);
        }
        if let Err(error) = sleep_until_selected(&node, sleep, deadline_ns) {
            return Err(Unserved::Ended(error));
        }
        let value = attempt();
        sleeper.selection.set(Selection::Answered);
        if let Some(value) = value {
            return Ok(value);
        }
        Err(Unserved::PassedOver(Place::of(&node)))
    }

    /// Goes on waiting in the old place. From now on it is the caller's turn before all who arrived later, as
    /// [`is_turn_of_current`](Self::is_turn_of_current) says.
    ///
    /// # Errors
    /// As for [`wait_until`](Self::wait_until).
    #[cold]
    pub fn wait_passed_over<T>(
        &self,
        place: Place,
        sleep: Sleep,
        deadline_ns: Option<u64>,
        mut attempt: impl FnMut() -> Option<T>,
    ) -> Result<T, WaitError> {
        let (node, mark) = (place.node(), place.node());
        // SAFETY: both are new, and the value is not leaked.
        let waiter = unsafe { PassedOver::queue(self, &node, &mark) };
        loop {
            if let Some(value) = attempt() {
                waiter.selection.set(Selection::Needless);
                return Ok(value);
            }
            sleep_until_selected(&node, sleep, deadline_ns)?;
            let value = attempt();
            waiter.selection.set(Selection::Answered);
            if let Some(value) = value {
                return Ok(value);
            }
            waiter.queue_again();
        }
    }

    /// [`wait_until`](Self::wait_until) that neither signals nor a deadline can end.
    pub fn wait<T>(&self, mode: Mode, attempt: impl FnMut() -> Option<T>) -> T {
        match self.wait_until(mode, Sleep::Uninterruptible, None, attempt) {
            Ok(value) => value,
            Err(error) => unreachable!("an unlimited, uninterruptible wait was {error}"),
        }
    }

    /// [`wait_until`](Self::wait_until) that only signals can end.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub fn wait_interruptible<T>(&self, mode: Mode, attempt: impl FnMut() -> Option<T>) -> Result<T, Interrupted> {
        self.wait_until(mode, Sleep::Interruptible, None, attempt).map_err(|_| Interrupted)
    }
}

/// A node in the queue or selected from it; dropping this takes it off, on every way out.
struct Sleeper<'a, P: Platform> {
    queue: &'a WaitQueue<P>,
    node: &'a Node<P>,
    selection: Cell<Selection>,
}

impl<'a, P: Platform> Sleeper<'a, P> {
    #[inline(always)]
    fn queue(queue: &'a WaitQueue<P>, node: &'a Node<P>) -> Self {
        // SAFETY: the node is new. Queue and node are borrowed for as long as this value lives, whose drop takes the
        // node off; the value is private to `wait_until_for`, which does not leak it.
        unsafe { queue.link(node) };
        Self { queue, node, selection: Cell::new(Selection::Unanswered) }
    }

    fn queue_again(&self) {
        self.selection.set(Selection::Unanswered);
        // SAFETY: as in `queue`; `sleep_until_selected` has seen the selection.
        unsafe { self.queue.link_again(self.node) };
    }
}

#[inline(always)]
fn sleep_until_selected<P: Platform>(node: &Node<P>, sleep: Sleep, deadline_ns: Option<u64>) -> Result<(), WaitError> {
    // Acquire: what the waker changed is visible to the attempt that follows.
    while node.state.load(Ordering::Acquire) == QUEUED {
        if sleep == Sleep::Interruptible && P::interrupted() {
            return Err(WaitError::Interrupted);
        }
        if deadline_ns.is_some_and(|deadline_ns| P::now_ns() >= deadline_ns) {
            return Err(WaitError::TimedOut);
        }
        // Another's wake-up may end this (the attempt's own locks park, too): hence the loop.
        P::park(sleep, deadline_ns);
    }
    Ok(())
}

impl<P: Platform> Drop for Sleeper<'_, P> {
    #[inline(always)]
    fn drop(&mut self) {
        let selection = self.selection.get();
        // Acquire: pairs with the waker's last store; the node's memory may be reused from here on.
        let released = self.node.state.load(Ordering::Acquire) == RELEASED;
        if !(released && selection == Selection::Answered) {
            // SAFETY: `queue` has linked the node, and every selection was followed by `queue_again` or by this.
            unsafe { self.queue.leave(self.node, selection) };
        }
        self.node.retire();
    }
}
