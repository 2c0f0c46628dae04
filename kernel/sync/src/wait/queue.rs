//! [`WaitQueue`]: the list of waiters and the wake-ups. One spin lock ([`Rank::WAIT_QUEUE`]) guards the lists; nothing in
//! this file sleeps. Waiting itself is in `sleeper.rs`.

use super::list::List;
use super::node::{Node, QUEUED, Standing, Target};
use super::{ANY_EVENT, Answer};
use crate::atomic::{AtomicU32, Ordering, fence};
use crate::platform::Platform;
use crate::rank::Rank;
use crate::spin_lock::{SpinGuard, SpinLock};
use core::fmt;

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
/// A wake-up reaches every shared waiter and callback, then, in order of arrival, as many exclusive ones as it says (of the
/// callbacks those that answer [`Answer::Taken`] count), all of them only when their interest intersects the wake-up's
/// key. A waiter keeps its place while it sleeps, and gets it back when it was selected but somebody quicker left it
/// nothing. A selection that no later attempt has answered (the waiter timed out, was interrupted or had just succeeded by
/// itself) passes to the next exclusive waiter.
///
/// A waiter that was selected, succeeds, and leaves the state such that another could succeed too, has to wake the next one
/// itself: only the owner of the state knows.
///
/// # Whose turn it is
/// Between a selection and the attempt that answers it others may be quicker, and again at the next. A waiter that was selected
/// for nothing is therefore marked as *passed over* until it leaves, and [`is_turn_of_current`](Self::is_turn_of_current) tells
/// those who come to the state after it to stand back. Whether they are asked is the affair of the state's owner; who is told so
/// queues. Nobody waits for ever by that: the first in the order of arrival is always either selected, or asleep because the state
/// allows nothing, and whoever changes that wakes the first.
pub struct WaitQueue<P: Platform> {
    /// The number of linked nodes. Written with the lock held.
    waiters: AtomicU32,
    /// The number of marks of those who were passed over. Written with the lock held.
    passed_over: AtomicU32,
    pub(super) line: SpinLock<Line<P>, P>,
}

pub(super) struct Line<P: Platform> {
    /// Shared waiters and callbacks first, then exclusive waiters by rising `arrival`.
    pub(super) list: List<P>,
    /// The marks of those who were passed over, in no order.
    marks: List<P>,
    /// Of exclusive waiters.
    next_arrival: u64,
    /// Exclusive waiters that queued again after a selection.
    returned: u64,
    /// Exclusive waiters that were taken off without a selection.
    left: u64,
    /// Exclusive waiters that succeeded before they slept.
    stayed_awake: u64,
}

/// What waiting in a queue has come to for exclusive waiters. Exact, but for one who was interrupted as soon as he had queued,
/// whose sleep is counted although he had none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How often one went to sleep.
    pub sleeps: u64,
    /// How often one was selected by a wake-up.
    pub wakes: u64,
    /// How often one that had been selected found nothing and queued again.
    pub spurious_wakes: u64,
}

impl<P: Platform> WaitQueue<P> {
    const_unless_loom! {
        /// A queue without waiters.
        pub fn new() -> Self {
            let (list, marks) = (List::new(), List::new());
            let line = Line { list, marks, next_arrival: 0, returned: 0, left: 0, stayed_awake: 0 };
            Self {
                waiters: AtomicU32::new(0),
                passed_over: AtomicU32::new(0),
                line: SpinLock::new(Rank::WAIT_QUEUE, line),
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

    /// How many wait, as of a moment ago: for reports.
    pub fn waiters(&self) -> usize {
        // Relaxed: a number to be looked at.
        self.waiters.load(Ordering::Relaxed) as usize
    }

    /// Whether nobody who was passed over comes before the current task, who may have queued, or merely tries. Never sleeps.
    pub fn is_turn_of_current(&self) -> bool {
        // Relaxed: whoever stands back queues first; the fence of queueing and that of a wake-up by who leaves order this.
        if self.passed_over.load(Ordering::Relaxed) == 0 {
            return true;
        }
        let line = self.line.lock();
        let (mut first, mut own) = (u64::MAX, u64::MAX);
        let mut next = line.marks.first();
        while let Some(mark) = next {
            first = first.min(mark.arrival.get());
            if matches!(mark.target, Target::Sleeper(task) if P::is_current(task)) {
                own = mark.arrival.get();
            }
            next = line.marks.after(mark);
        }
        own == first
    }

    /// What waiting here has come to, since the queue was made. Not for fast paths: goes through all who wait.
    pub fn tally(&self) -> Tally {
        let line = self.line.lock();
        let mut waiting = 0;
        let mut next = line.list.first();
        while let Some(node) = next {
            waiting += u64::from(node.is_in_line());
            next = line.list.after(node);
        }
        let queued = line.next_arrival + line.returned;
        Tally { sleeps: queued - line.stayed_awake, wakes: queued - line.left - waiting, spurious_wakes: line.returned }
    }

    /// Wakes the shared waiters and the first exclusive one that `key` concerns; returns how many were reached. Never
    /// sleeps; may be called from interrupt handlers.
    #[inline]
    pub fn wake_one(&self, key: u32) -> usize {
        if self.is_empty() {
            return 0;
        }
        self.wake_first(key)
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

    /// `wake_one` of a queue with waiters. In the most usual case, a single exclusive one, it goes the straight way.
    #[inline(never)]
    fn wake_first(&self, key: u32) -> usize {
        // Nested: a callback on another queue may have led here.
        let line = self.line.lock_nested();
        match line.list.first() {
            Some(node) if node.standing == Standing::Sleeper && node.interest.get() & key != 0 => {
                // SAFETY: the node was just found in this list, whose lock is held.
                unsafe { self.wake_node(&line.list, node, key) };
                1
            }
            _ => self.wake_line(&line, 1, key),
        }
    }

    #[inline(never)]
    fn wake_waiters(&self, exclusive_limit: usize, key: u32) -> usize {
        // Nested: as above.
        self.wake_line(&self.line.lock_nested(), exclusive_limit, key)
    }

    #[inline(never)]
    fn wake_line(&self, line: &Line<P>, exclusive_limit: usize, key: u32) -> usize {
        let mut exclusive_left = exclusive_limit;
        let mut woken = 0;
        let mut next = line.list.first();
        while let Some(node) = next {
            next = line.list.after(node);
            if node.interest.get() & key == 0 {
                continue;
            }
            let is_in_line = node.is_in_line();
            if is_in_line && exclusive_left == 0 {
                break;
            }
            // SAFETY: the node was just found in this list, whose lock is held.
            let answer = unsafe { self.wake_node(&line.list, node, key) };
            if is_in_line && answer == Answer::Taken {
                exclusive_left -= 1;
            }
            woken += 1;
        }
        woken
    }

    /// Wakes the first exclusive waiter that `key` concerns and that takes it, and no shared one.
    fn pass_on(&self, list: &List<P>, key: u32) {
        let mut next = list.first();
        while let Some(node) = next {
            next = list.after(node);
            if node.is_in_line() && node.interest.get() & key != 0 {
                // SAFETY: the node was just found in this list, whose lock is held.
                if unsafe { self.wake_node(list, node, key) } == Answer::Taken {
                    return;
                }
            }
        }
    }

    /// # Safety
    /// `node` is in `list`, which is this queue's. It is gone afterwards.
    #[inline(always)]
    unsafe fn wake_node(&self, list: &List<P>, node: &Node<P>, key: u32) -> Answer {
        match node.target {
            Target::Sleeper(task) => {
                // SAFETY: the caller promises that it is in the list.
                unsafe { list.unlink(node) };
                self.count_unlinked();
                node.select(task, key);
                Answer::Taken
            }
            Target::Callback(callback) => {
                // SAFETY: a callback lives while its node is linked (contract of `link`).
                let callback = unsafe { callback.as_ref() };
                callback.on_wake(key)
            }
        }
    }

    /// Puts `node` into the queue, an exclusive one behind all others, then fences: an attempt may follow.
    ///
    /// # Safety
    /// `node` is not linked. Until it is taken off ([`unlink`](Self::unlink), [`leave`](Self::leave), or, for a sleeper, a
    /// selection) this queue, the node, and the callback that it may name stay where they are, alive.
    #[inline(always)]
    pub(super) unsafe fn link(&self, node: &Node<P>) {
        let mut line = self.line.lock();
        match node.standing {
            Standing::Sleeper | Standing::Callback => {
                node.arrival.set(line.next_arrival);
                line.next_arrival += 1;
                // SAFETY: the caller promises that the node outlives its time in the list.
                unsafe { line.list.push_back(node) }
            }
            // SAFETY: as above.
            Standing::Shared => unsafe { line.list.push_front(node) },
        }
        self.count_linked_and_unlock(line);
    }

    /// [`link`](Self::link) for a callback, which does not count as one who sleeps.
    ///
    /// # Safety
    /// As for `link`.
    pub(super) unsafe fn link_callback(&self, node: &Node<P>) {
        if node.is_in_line() {
            self.line.lock().stayed_awake += 1;
        }
        // SAFETY: the caller's promises.
        unsafe { self.link(node) };
    }

    /// Puts a sleeper that was selected back to the place that its arrival gives it, then fences.
    ///
    /// # Safety
    /// As for [`link`](Self::link), and the node has been selected since it was last linked into this queue.
    pub(super) unsafe fn link_again(&self, node: &Node<P>) {
        // SAFETY: the caller's promises.
        unsafe { self.link_in_place(self.line.lock(), node) };
    }

    /// Puts a sleeper that was selected for nothing back to its place with another node, and marks it as passed over.
    ///
    /// # Safety
    /// As for [`link`](Self::link), of both, until [`leave_passed_over`](Self::leave_passed_over).
    pub(super) unsafe fn link_passed_over(&self, node: &Node<P>, mark: &Node<P>) {
        let line = self.line.lock();
        // SAFETY: the caller promises that the mark outlives its time in the list.
        unsafe { line.marks.push_back(mark) };
        // Relaxed: only the holder of the lock writes.
        let count = self.passed_over.load(Ordering::Relaxed);
        self.passed_over.store(count + 1, Ordering::Relaxed);
        // SAFETY: the caller's promises.
        unsafe { self.link_in_place(line, node) };
    }

    /// # Safety
    /// As for [`link`](Self::link).
    #[inline(never)]
    unsafe fn link_in_place(&self, mut line: SpinGuard<'_, Line<P>, P>, node: &Node<P>) {
        line.returned += u64::from(node.is_in_line());
        // Relaxed: guarded by the lock.
        node.state.store(QUEUED, Ordering::Relaxed);
        // Of the exclusive ones only those selected at the same time can have arrived earlier: this search is short.
        let mut successor = line.list.first();
        while let Some(other) = successor
            && (!other.is_in_line() || other.arrival.get() < node.arrival.get())
        {
            successor = line.list.after(other);
        }
        match (node.standing, successor) {
            // SAFETY: the caller promises that the node outlives its time in the list.
            (Standing::Shared, _) => unsafe { line.list.push_front(node) },
            // SAFETY: as above, and the successor was just found in the list.
            (_, Some(successor)) => unsafe { line.list.insert_before(successor, node) },
            // SAFETY: as above.
            (_, None) => unsafe { line.list.push_back(node) },
        }
        self.count_linked_and_unlock(line);
    }

    /// Takes a callback's node off.
    ///
    /// # Safety
    /// `node` is linked into this queue.
    pub(super) unsafe fn unlink(&self, node: &Node<P>) {
        let mut line = self.line.lock();
        line.left += u64::from(node.is_in_line());
        // SAFETY: the caller's promise is the same.
        unsafe { line.list.unlink(node) };
        self.count_unlinked();
    }

    /// Takes a sleeper's node off, or passes its selection on when `Unanswered`. No waker touches the node afterwards.
    ///
    /// # Safety
    /// `node` is linked into this queue, or has been selected since it was.
    #[inline(never)]
    pub(super) unsafe fn leave(&self, node: &Node<P>, selection: Selection) {
        // SAFETY: the caller's promise.
        unsafe { self.leave_line(&mut self.line.lock(), node, selection) };
    }

    /// [`leave`](Self::leave) for a sleeper that was passed over: its mark goes, too.
    ///
    /// # Safety
    /// As for `leave`, and [`link_passed_over`](Self::link_passed_over) was given the same two.
    pub(super) unsafe fn leave_passed_over(&self, node: &Node<P>, mark: &Node<P>, selection: Selection) {
        let mut line = self.line.lock();
        // SAFETY: linked by `link_passed_over`, and nothing else unlinks it.
        unsafe { line.marks.unlink(mark) };
        // Relaxed: only the holder of the lock writes.
        let count = self.passed_over.load(Ordering::Relaxed);
        self.passed_over.store(count - 1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { self.leave_line(&mut line, node, selection) };
        if selection == Selection::Unanswered {
            // It gives up. Who stood back for it and does not sleep in this line (a poller) hears of nobody's success.
            self.wake_line(&line, 0, ANY_EVENT);
        }
    }

    /// # Safety
    /// As for [`leave`](Self::leave).
    unsafe fn leave_line(&self, line: &mut Line<P>, node: &Node<P>, selection: Selection) {
        line.stayed_awake += u64::from(selection == Selection::Needless && node.is_in_line());
        // Relaxed: guarded by the lock, with which wakers also finish what they do to the node.
        if node.state.load(Ordering::Relaxed) == QUEUED {
            // SAFETY: linked by the caller, and not selected since, for a selection would show in the state.
            unsafe { line.list.unlink(node) };
            self.count_unlinked();
            line.left += u64::from(node.is_in_line());
        } else if selection != Selection::Answered && node.is_in_line() {
            self.pass_on(&line.list, node.selected_by.get());
        }
    }

    /// Changes which wake-ups a linked node hears of.
    pub(super) fn set_interest(&self, node: &Node<P>, interest: u32) {
        let _line = self.line.lock();
        node.interest.set(interest);
    }

    #[inline(always)]
    fn count_linked_and_unlock(&self, line: SpinGuard<'_, Line<P>, P>) {
        // Relaxed: only the holder of the lock writes, and readers are ordered by the fences.
        let count = self.waiters.load(Ordering::Relaxed);
        self.waiters.store(count + 1, Ordering::Relaxed);
        if cfg!(debug_assertions) {
            P::waiters_changed(1);
        }
        P::queued((&raw const *self).addr());
        drop(line);
        // SeqCst: the waiter's half of the protocol above.
        fence(Ordering::SeqCst);
    }

    #[inline(always)]
    fn count_unlinked(&self) {
        // Relaxed: as above; a waker that reads the old count merely takes the lock for nothing.
        let count = self.waiters.load(Ordering::Relaxed);
        self.waiters.store(count - 1, Ordering::Relaxed);
        if cfg!(debug_assertions) {
            P::waiters_changed(-1);
        }
    }
}

/// What has come of the selection of a sleeper that leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// An attempt has run since.
    Answered,
    /// None has.
    Unanswered,
    /// None has, and none will: the sleeper succeeded before it slept.
    Needless,
}

impl<P: Platform> Default for WaitQueue<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Platform> fmt::Debug for WaitQueue<P> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiters = self.waiters.load(Ordering::Relaxed);
        out.debug_struct("WaitQueue").field("waiters", &waiters).finish_non_exhaustive()
    }
}
