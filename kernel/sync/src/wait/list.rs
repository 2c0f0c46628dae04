//! A doubly linked list through the nodes themselves, with no more instructions than it needs. It belongs to whoever
//! holds the queue's lock, as do the links in the nodes.

use super::node::Node;
use crate::platform::Platform;
use core::cell::Cell;
use core::ptr::NonNull;

type Pointer<P> = Option<NonNull<Node<P>>>;

/// The links in a node; of no meaning while it is in no list.
pub(super) struct Links<P: Platform> {
    previous: Cell<Pointer<P>>,
    next: Cell<Pointer<P>>,
}

impl<P: Platform> Links<P> {
    pub(super) const fn new() -> Self {
        Self { previous: Cell::new(None), next: Cell::new(None) }
    }
}

/// Invariant: every node in the list is alive and does not move, by the contract of the functions that insert.
pub(super) struct List<P: Platform> {
    first: Cell<Pointer<P>>,
    last: Cell<Pointer<P>>,
}

// SAFETY: a list is two pointers to nodes, which are Sync.
unsafe impl<P: Platform> Send for List<P> {}

impl<P: Platform> List<P> {
    pub(super) const fn new() -> Self {
        Self { first: Cell::new(None), last: Cell::new(None) }
    }

    #[inline(always)]
    pub(super) fn first(&self) -> Option<&Node<P>> {
        self.node(self.first.get())
    }

    /// The node behind `node`, which is in this list.
    #[inline(always)]
    pub(super) fn after(&self, node: &Node<P>) -> Option<&Node<P>> {
        self.node(node.links.next.get())
    }

    /// # Safety
    /// `node` is in no list; it neither moves nor goes before it is unlinked.
    #[inline(always)]
    pub(super) unsafe fn push_front(&self, node: &Node<P>) {
        self.insert(None, self.first.get(), node);
    }

    /// # Safety
    /// As for [`push_front`](Self::push_front).
    #[inline(always)]
    pub(super) unsafe fn push_back(&self, node: &Node<P>) {
        self.insert(self.last.get(), None, node);
    }

    /// # Safety
    /// As for [`push_front`](Self::push_front), and `successor` is in this list.
    pub(super) unsafe fn insert_before(&self, successor: &Node<P>, node: &Node<P>) {
        self.insert(successor.links.previous.get(), Some(successor.into()), node);
    }

    /// # Safety
    /// `node` is in this list.
    #[inline(always)]
    pub(super) unsafe fn unlink(&self, node: &Node<P>) {
        let (previous, next) = (node.links.previous.get(), node.links.next.get());
        self.link_after(previous).set(next);
        self.link_before(next).set(previous);
    }

    #[inline(always)]
    fn insert(&self, previous: Pointer<P>, next: Pointer<P>, node: &Node<P>) {
        node.links.previous.set(previous);
        node.links.next.set(next);
        self.link_after(previous).set(Some(node.into()));
        self.link_before(next).set(Some(node.into()));
    }

    /// What points forward from `node`, or to the first node.
    #[inline(always)]
    fn link_after(&self, node: Pointer<P>) -> &Cell<Pointer<P>> {
        self.node(node).map_or(&self.first, |node| &node.links.next)
    }

    /// What points back from `node`, or to the last node.
    #[inline(always)]
    fn link_before(&self, node: Pointer<P>) -> &Cell<Pointer<P>> {
        self.node(node).map_or(&self.last, |node| &node.links.previous)
    }

    /// The node that a link of this list, or of a node in it, points to.
    #[inline(always)]
    fn node(&self, pointer: Pointer<P>) -> Option<&Node<P>> {
        // SAFETY: private, and called with such links only: by the invariant what they point to is alive. Nodes are
        // only ever shared, never borrowed exclusively.
        pointer.map(|node| unsafe { node.as_ref() })
    }
}
