//! [`Poller`]: one task that waits on many queues at once, for `ppoll` and `pselect6`. `wait_until` sleeps; the rest only
//! takes the lock of the queue that is joined or left.

use super::node::{Node, Target};
use super::queue::WaitQueue;
use super::{Answer, Mode, Sleep, WaitError, WakeCallback};
use crate::atomic::{AtomicBool, Ordering, fence};
use crate::platform::Platform;
use alloc::collections::TryReserveError;
use alloc::vec::Vec;
use core::any::Any;
use core::cell::{Cell, OnceCell, RefCell};
use core::fmt;
use core::ptr::NonNull;

/// Queues joined without an allocation.
const INLINE: usize = 8;
/// Queues for which one allocation makes room after that.
const CHUNK: usize = 32;

/// The calling task's places on any number of wait queues, all left at the end of [`Poller::scope`].
///
/// ```
/// # use postern_sync::{ANY_EVENT, Platform, Poller, Sleep, WaitQueue};
/// fn wait_on_both<P: Platform>(queues: &[WaitQueue<P>; 2], ready: impl Fn(usize) -> bool) -> usize {
///     Poller::scope(|poller| {
///         for queue in queues {
///             poller.join(queue, ANY_EVENT).expect("two queues need no memory");
///         }
///         let found = poller.wait_until(Sleep::Uninterruptible, None, || (0..2).find(|&n| ready(n)));
///         found.expect("nothing else ends this wait")
///     })
/// }
/// ```
/// The queues must outlive the scope:
/// ```compile_fail,E0597
/// # use postern_sync::{ANY_EVENT, Platform, Poller, WaitQueue};
/// fn join_what_goes_first<P: Platform>() {
///     Poller::<P>::scope(|poller| {
///         let queue = WaitQueue::new();
///         poller.join(&queue, ANY_EVENT).expect("one queue needs no memory");
///     });
/// }
/// ```
pub struct Poller<'q, P: Platform> {
    bell: Bell<P>,
    joined: Cell<usize>,
    inline: [OnceCell<Place<'q, P>>; INLINE],
    /// Vectors that never grow beyond their first allocation, since places must not move.
    overflow: RefCell<Vec<Vec<Place<'q, P>>>>,
}

struct Place<'q, P: Platform> {
    node: Node<P>,
    queue: &'q WaitQueue<P>,
}

/// What the wake-ups of all the queues ring.
struct Bell<P: Platform> {
    rung: AtomicBool,
    task: P::Task,
}

impl<P: Platform> WakeCallback for Bell<P> {
    fn on_wake(&self, _key: u32) -> Answer {
        // Release: the task that sees the bell rung sees what it was rung for. Before unpark, so that the park which
        // consumes the token finds it.
        self.rung.store(true, Ordering::Release);
        P::unpark(self.task);
        Answer::Taken
    }

    fn sleeper(&self) -> Option<&dyn Any> {
        Some(&self.task)
    }
}

impl<'q, P: Platform> Poller<'q, P> {
    /// Runs `body` with a poller that is on no queue yet, then leaves every queue it has joined.
    pub fn scope<R>(body: impl FnOnce(&Self) -> R) -> R {
        let poller = Self {
            bell: Bell { rung: AtomicBool::new(false), task: P::current() },
            joined: Cell::new(0),
            inline: [const { OnceCell::new() }; INLINE],
            overflow: RefCell::new(Vec::new()),
        };
        let leave = LeaveAll(&poller);
        let result = body(leave.0);
        drop(leave);
        result
    }

    /// Joins `queue` as a shared waiter, to be woken by keys that intersect `interest`. To be followed by a look at the
    /// state that it stands for: [`wait_until`](Self::wait_until)'s attempt, which may also be what calls this.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn join(&self, queue: &'q WaitQueue<P>, interest: u32) -> Result<(), TryReserveError> {
        let bell: NonNull<dyn WakeCallback> = NonNull::from(&self.bell);
        let node = Node::new(Mode::Shared, interest, Target::Callback(bell));
        let place = Place { node, queue };
        let joined = self.joined.get();
        if let Some(cell) = self.inline.get(joined) {
            let place = cell.get_or_init(|| place);
            // SAFETY: `LeaveAll` unlinks the node before `scope` ends, and until then the poller, which owns node and
            // bell, is only borrowed and never moved; 'q outlives `scope`.
            unsafe { queue.link(&place.node) };
        } else {
            let mut overflow = self.overflow.borrow_mut();
            let place = Self::push(&mut overflow, place)?;
            // SAFETY: as above; the vectors' elements stay where they are (`push`).
            unsafe { queue.link(&place.node) };
        }
        self.joined.set(joined + 1);
        Ok(())
    }

    /// Appends without ever moving an element.
    fn push<'a>(
        overflow: &'a mut Vec<Vec<Place<'q, P>>>,
        place: Place<'q, P>,
    ) -> Result<&'a Place<'q, P>, TryReserveError> {
        if overflow.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            overflow.try_reserve(1)?;
            let mut chunk = Vec::new();
            chunk.try_reserve_exact(CHUNK)?;
            overflow.push(chunk);
        }
        let last = overflow.len() - 1;
        let chunk = &mut overflow[last];
        chunk.push(place);
        Ok(&chunk[chunk.len() - 1])
    }

    /// Sleeps until `attempt` returns something, and returns that. The attempt runs at once and then after every wake-up
    /// of a joined queue; wake-ups that come while it runs are not lost.
    ///
    /// # Errors
    /// As for [`WaitQueue::wait_until`].
    pub fn wait_until<T>(
        &self,
        sleep: Sleep,
        deadline_ns: Option<u64>,
        mut attempt: impl FnMut() -> Option<T>,
    ) -> Result<T, WaitError> {
        loop {
            // A ringing before this is answered by the attempt, one after it stays. Relaxed: ordered by the fence. A
            // swap, since a store that races with ringings is more than loom can follow (it loses track of their order
            // and reports wake-ups as lost that are not).
            self.bell.rung.swap(false, Ordering::Relaxed);
            // SeqCst: the waiter's half of the wait queue's protocol, with `rung` in the place of the node.
            fence(Ordering::SeqCst);
            if let Some(value) = attempt() {
                return Ok(value);
            }
            // Acquire: what the waker changed is visible to the next attempt.
            while !self.bell.rung.load(Ordering::Acquire) {
                if sleep == Sleep::Interruptible && P::interrupted() {
                    return Err(WaitError::Interrupted);
                }
                if deadline_ns.is_some_and(|deadline_ns| P::now_ns() >= deadline_ns) {
                    return Err(WaitError::TimedOut);
                }
                P::park(sleep, deadline_ns);
            }
        }
    }
}

/// Leaves all queues when `scope` ends, however it ends. A separate value that *shares* the poller: the queues point into
/// it, and an exclusive borrow, as a `Drop` of its own would have, would cut those pointers off.
struct LeaveAll<'a, 'q, P: Platform>(&'a Poller<'q, P>);

impl<P: Platform> Drop for LeaveAll<'_, '_, P> {
    fn drop(&mut self) {
        let inline = self.0.inline.iter().filter_map(OnceCell::get);
        let overflow = self.0.overflow.borrow();
        for place in inline.chain(overflow.iter().flatten()) {
            // SAFETY: every place that exists was linked by `join`, and only this unlinks it.
            unsafe { place.queue.unlink(&place.node) };
        }
    }
}

impl<P: Platform> fmt::Debug for Poller<'_, P> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Poller").field("joined", &self.joined.get()).finish_non_exhaustive()
    }
}
