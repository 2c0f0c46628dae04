//! [`WaitQueue`]: the list of waiters and the wake-ups. One spin lock ([`Rank::WAIT_QUEUE`]) guards the lists; nothing in
//! this file sleeps. Waiting itself is in `sleeper.rs`.

use super::Mode;
use super::node::{Node, NodeAdapter, QUEUED, Target};
use crate::atomic::{AtomicU32, Ordering, fence};
use crate::platform::Platform;
use crate::rank::Rank;
use crate::spin_lock::SpinLock;
use core::fmt;
use intrusive_collections::{LinkedList, UnsafeRef};

/// Where tasks wait for something to change.
///
/// # The protocol
/// A waiter *queues, then attempts*; a waker *changes the state, then wakes*:
/// ```text
///   waiter                          waker
///   link the node, waiters += 1     change the state
///   fence(SeqCst)                   fence(SeqCst)
///   attempt (reads the state)       waiters == 0 ? done : lock and select
///   sleep unless selected
/// ```
/// Of the two fences one is first. If the waiter's, the waker sees `waiters` and selects it; if the waker's, the attempt
/// sees the new state. So no wake-up is lost whatever guards the state, and a wake-up of an empty queue takes no lock.
///
/// # Who is woken
/// A wake-up reaches every shared waiter and callback and, in order of arrival, as many exclusive waiters as it says,
/// all of them only when their interest intersects the wake-up's key. A waiter keeps its place while it sleeps, and
/// gets it back when it was selected but somebody quicker left it nothing. A selection that no later attempt has
/// answered (the waiter timed out, was interrupted or had just succeeded by itself) passes to the next exclusive waiter.
///
/// A waiter that was selected, succeeds, and leaves the state such that another could succeed too, has to wake the next one
/// itself: only the owner of the state knows.
pub struct WaitQueue<P: Platform> {
    /// The number of linked nodes. Written with the lock held.
    waiters: AtomicU32,
    lists: SpinLock<Lists<P>, P>,
}

pub(super) struct Lists<P: Platform> {
    /// Shared waiters and callbacks.
    shared: LinkedList<NodeAdapter<P>>,
    /// Exclusive waiters by rising `arrival`.
    exclusive: LinkedList<NodeAdapter<P>>,
    next_arrival: u64,
}

impl<P: Platform> WaitQueue<P> {
    const_unless_loom! {
        /// A queue without waiters.
        pub fn new() -> Self {
            Self {
                waiters: AtomicU32::new(0),
                lists: SpinLock::new(
                    Rank::WAIT_QUEUE,
                    Lists {
                        shared: LinkedList::new(NodeAdapter::NEW),
                        exclusive: LinkedList::new(NodeAdapter::NEW),
                        next_arrival: 0,
                    },
                ),
            }
        }
    }

    /// Is nobody waiting? To be asked after the change of state that a waiter might wait for: the fence in here then makes
    /// "nobody" mean that whoever comes later will see that change.
    #[inline]
    pub fn is_empty(&self) -> bool {
        // SeqCst: the waker's half of the protocol above.
        fence(Ordering::SeqCst);
        // Relaxed: the fence orders it.
        self.waiters.load(Ordering::Relaxed) == 0
    }

    /// Wakes the shared waiters and the first exclusive one that `key` concerns; returns how many were reached. Never
    /// sleeps; may be called from interrupt handlers.
    #[inline]
    pub fn wake_one(&self, key: u32) -> usize {
        self.wake(1, key)
    }

    /// Wakes every waiter that `key` concerns; otherwise like [`wake_one`](Self::wake_one).
    #[inline]
    pub fn wake_all(&self, key: u32) -> usize {
        self.wake(usize::MAX, key)
    }

    /// Wakes the shared waiters and up to `exclusive_limit` exclusive ones that `key` concerns; otherwise like
    /// [`wake_one`](Self::wake_one).
    #[inline]
    pub fn wake(&self, exclusive_limit: usize, key: u32) -> usize {
        if self.is_empty() {
            return 0;
        }
        self.wake_waiters(exclusive_limit, key)
    }

    #[inline(never)]
    fn wake_waiters(&self, exclusive_limit: usize, key: u32) -> usize {
        // Nested: a callback on another queue may have led here.
        let mut lists = self.lists.lock_nested();
        let shared = self.wake_list(&mut lists.shared, usize::MAX, key);
        shared + self.wake_list(&mut lists.exclusive, exclusive_limit, key)
    }

    /// Wakes up to `limit` nodes of one list, first come, first served.
    fn wake_list(&self, list: &mut LinkedList<NodeAdapter<P>>, limit: usize, key: u32) -> usize {
        let mut woken = 0;
        let mut cursor = list.front_mut();
        while woken < limit
            && let Some(node) = cursor.get()
        {
            if node.interest.get() & key == 0 {
                cursor.move_next();
                continue;
            }
            woken += 1;
            match node.target {
                Target::Sleeper(task) => {
                    let node = cursor.remove();
                    self.count_unlinked();
                    if let Some(node) = node {
                        node.select(task, key);
                    }
                }
                Target::Callback(callback) => {
                    // SAFETY: the callback lives while its node is linked (contract of `link`), which it is: it was
                    // just found in the list, whose lock is held.
                    let callback = unsafe { callback.as_ref() };
                    callback.on_wake(key);
                    cursor.move_next();
                }
            }
        }
        woken
    }

    /// Puts `node` behind all others of its list, then fences: an attempt may follow.
    ///
    /// # Safety
    /// `node` is not linked. Until it is taken off ([`unlink`](Self::unlink), [`leave`](Self::leave), or, for a sleeper, a
    /// selection) this queue, the node, and the callback that it may name stay where they are, alive.
    pub(super) unsafe fn link(&self, node: &Node<P>) {
        let mut lists = self.lists.lock();
        node.arrival.set(lists.next_arrival);
        lists.next_arrival += 1;
        // SAFETY: the caller promises that the node outlives its time in the list.
        let entry = unsafe { UnsafeRef::from_raw(node) };
        lists.of(node.mode).push_back(entry);
        self.count_linked(lists);
    }

    /// Puts a sleeper that was selected back to the place that its arrival gives it, then fences.
    ///
    /// # Safety
    /// As for [`link`](Self::link), and the node has been selected since it was last linked into this queue.
    pub(super) unsafe fn link_again(&self, node: &Node<P>) {
        let mut lists = self.lists.lock();
        // Relaxed: guarded by the lock.
        node.state.store(QUEUED, Ordering::Relaxed);
        let mut cursor = lists.of(node.mode).front_mut();
        // A node is selected as the first, so those to pass are at most the others selected meanwhile.
        while cursor
            .get()
            .is_some_and(|other| other.arrival.get() < node.arrival.get())
        {
            cursor.move_next();
        }
        // SAFETY: the caller promises that the node outlives its time in the list.
        let entry = unsafe { UnsafeRef::from_raw(node) };
        // Before the first that came later; at the null element behind the last, this is the end of the list.
        cursor.insert_before(entry);
        self.count_linked(lists);
    }

    /// Takes a callback's node off.
    ///
    /// # Safety
    /// `node` is linked into this queue.
    pub(super) unsafe fn unlink(&self, node: &Node<P>) {
        let mut lists = self.lists.lock();
        // SAFETY: the caller's promise is the same.
        unsafe { self.unlink_from(&mut lists, node) };
    }

    /// Takes a sleeper's node off, or passes its selection on when `unanswered`. No waker touches the node afterwards.
    ///
    /// # Safety
    /// `node` is linked into this queue, or has been selected since it was.
    pub(super) unsafe fn leave(&self, node: &Node<P>, selection: Selection) {
        let mut lists = self.lists.lock();
        // Relaxed: guarded by the lock, with which wakers also finish what they do to the node.
        if node.state.load(Ordering::Relaxed) == QUEUED {
            // SAFETY: linked by the caller, and not selected since, for a selection would show in the state.
            unsafe { self.unlink_from(&mut lists, node) };
        } else if selection == Selection::Unanswered && node.mode == Mode::Exclusive {
            self.wake_list(&mut lists.exclusive, 1, node.selected_by.get());
        }
    }

    /// Changes which wake-ups a linked node hears of.
    pub(super) fn set_interest(&self, node: &Node<P>, interest: u32) {
        let _lists = self.lists.lock();
        node.interest.set(interest);
    }

    /// # Safety
    /// `node` is linked into this queue, whose lists are `lists`.
    unsafe fn unlink_from(&self, lists: &mut Lists<P>, node: &Node<P>) {
        // SAFETY: the caller promises that the node is linked, and `link` put it into the list of its mode.
        let mut cursor = unsafe { lists.of(node.mode).cursor_mut_from_ptr(node) };
        cursor.remove();
        self.count_unlinked();
    }

    fn count_linked(&self, lists: crate::SpinGuard<'_, Lists<P>, P>) {
        // Relaxed: only the holder of the lock writes, and readers are ordered by the fences.
        let count = self.waiters.load(Ordering::Relaxed);
        self.waiters.store(count + 1, Ordering::Relaxed);
        drop(lists);
        // SeqCst: the waiter's half of the protocol above.
        fence(Ordering::SeqCst);
    }

    fn count_unlinked(&self) {
        // Relaxed: as in count_linked; a waker that reads the old count merely takes the lock for nothing.
        let count = self.waiters.load(Ordering::Relaxed);
        self.waiters.store(count - 1, Ordering::Relaxed);
    }
}

/// What has come of the selection of a sleeper that leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// An attempt has run since.
    Answered,
    /// None has.
    Unanswered,
}

impl<P: Platform> Lists<P> {
    fn of(&mut self, mode: Mode) -> &mut LinkedList<NodeAdapter<P>> {
        match mode {
            Mode::Exclusive => &mut self.exclusive,
            Mode::Shared => &mut self.shared,
        }
    }
}

impl<P: Platform> Default for WaitQueue<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Platform> fmt::Debug for WaitQueue<P> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiters = self.waiters.load(Ordering::Relaxed);
        out.debug_struct("WaitQueue")
            .field("waiters", &waiters)
            .finish_non_exhaustive()
    }
}
