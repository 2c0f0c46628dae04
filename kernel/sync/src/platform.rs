//! What the primitives need from the system they run on: tasks, parking, time. No locks; `park` alone sleeps.

use crate::rank::Rank;
use crate::wait::Sleep;

/// The system under the primitives: the kernel's scheduler and clock, or threads in a host test.
pub trait Platform: Sized + 'static {
    /// A copyable handle of a task, valid until that task has finished (a task that sleeps or is queued never finishes).
    type Task: Copy + Send + Sync + 'static;

    /// The task that calls.
    fn current() -> Self::Task;

    /// Whether `task` is the one that calls.
    fn is_current(task: Self::Task) -> bool;

    /// Sleeps until [`unpark`](Self::unpark) (one that came before is consumed at once), or until the monotonic clock
    /// has passed `deadline_ns`. May return for no reason at all. `sleep` is for reports: the caller looks at
    /// [`interrupted`](Self::interrupted) itself.
    fn park(sleep: Sleep, deadline_ns: Option<u64>);

    /// Makes the current or the next [`park`](Self::park) of `task` return. What the caller did before is visible to
    /// `task` after that return. Never sleeps; may be called from interrupt handlers and with spin locks held, up to
    /// the rank of the scheduler's own.
    fn unpark(task: Self::Task);

    /// Has the current task a reason to leave an interruptible sleep (an unblocked signal, or being killed)? Whoever
    /// makes this true must call [`unpark`](Self::unpark) afterwards.
    fn interrupted() -> bool;

    /// The monotonic clock, in nanoseconds.
    fn now_ns() -> u64;

    /// One turn of a spin loop: `yield` on AArch64 (not `isb`, with which emulated CPUs starve one another).
    fn relax();

    /// A lock of `rank` is about to be taken. Called before the wait for it, so that a wrong order panics instead of
    /// hanging, and in builds with debug assertions only. Usually ends in [`HeldLocks::acquire`](crate::HeldLocks::acquire).
    fn lock_acquired(rank: Rank);

    /// A place on a wait queue was taken (`1`) or left (`-1`), for leak counts. Builds with debug assertions only.
    fn waiters_changed(change: i32) {
        let _ = change;
    }

    /// The current task has taken a place on a wait queue, which `queue` tells apart: for traces. Called with the queue locked.
    #[inline(always)]
    fn queued(queue: usize) {
        let _ = queue;
    }

    /// A lock of `rank` is about to be given back, or was not got after all. Debug builds only, as above.
    fn lock_released(rank: Rank);
}
