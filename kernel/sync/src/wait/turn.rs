//! Whose turn it is: those who were woken and found that somebody quicker had taken it all are *passed over*, and come before
//! everybody who arrived after them.
//!
//! Owns the mark that a waiter who was passed over leaves with its queue, under the queue's lock, until it leaves. Never sleeps.

use super::node::{Node, Target};
use super::queue::{Selection, WaitQueue};
use super::{ANY_EVENT, Mode, WaitError};
use crate::platform::Platform;
use core::cell::Cell;

/// A sleeper that has been selected for nothing: back in its place, and marked as passed over until this is dropped.
pub(super) struct PassedOver<'a, P: Platform> {
    queue: &'a WaitQueue<P>,
    node: &'a Node<P>,
    mark: &'a Node<P>,
    /// What has come of the last selection.
    pub(super) selection: Cell<Selection>,
}

/// Why a wait in turn has not come to success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unserved {
    /// It is over.
    Ended(WaitError),
    /// It was selected for nothing. Its place is free meanwhile, not lost.
    PassedOver(Place),
}

/// The place in a queue of a waiter that has been passed over: its number in the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u64);

impl Place {
    pub(super) fn of<P: Platform>(node: &Node<P>) -> Self {
        Self(node.arrival.get())
    }

    /// A node of the current task in this place.
    pub(super) fn node<P: Platform>(self) -> Node<P> {
        let node = Node::new(Mode::Exclusive, ANY_EVENT, Target::Sleeper(P::current()));
        node.arrival.set(self.0);
        node
    }
}

impl<'a, P: Platform> PassedOver<'a, P> {
    /// Goes back into the line, with a mark.
    ///
    /// # Safety
    /// `node` and `mark` are in no queue, and of the same place, which is one of `queue`. The value is dropped, not leaked.
    pub(super) unsafe fn queue(queue: &'a WaitQueue<P>, node: &'a Node<P>, mark: &'a Node<P>) -> Self {
        // SAFETY: the caller's promises; the borrows outlive this value, whose drop takes both off.
        unsafe { queue.link_passed_over(node, mark) };
        Self { queue, node, mark, selection: Cell::new(Selection::Unanswered) }
    }

    /// The same once more, after a further selection for nothing.
    pub(super) fn queue_again(&self) {
        self.selection.set(Selection::Unanswered);
        // SAFETY: as in `queue`; the caller has seen the selection.
        unsafe { self.queue.link_again(self.node) };
    }
}

impl<P: Platform> Drop for PassedOver<'_, P> {
    fn drop(&mut self) {
        // SAFETY: `queue` has linked both, and every selection was followed by `queue_again` or by this.
        unsafe { self.queue.leave_passed_over(self.node, self.mark, self.selection.get()) };
        self.node.retire();
        self.mark.retire();
    }
}
