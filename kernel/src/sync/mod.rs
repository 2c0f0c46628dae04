//! Locks and wait queues: `postern-sync` (where they are model-checked) applied to this kernel.
//! Owns the lock order. The kernel runs with interrupts masked and is not preempted, so there is
//! one kind of spin lock; it may be taken in interrupt handlers too.

mod own;
pub mod per_cpu;
pub mod rank;

use crate::sched::{self, TaskHandle};
use core::sync::atomic::{AtomicI32, Ordering};
pub use own::Own;
pub use per_cpu::PerCpu;
use postern_sync::Sleep;
pub use postern_sync::{Platform, Rank, WaitError};

/// This kernel, as the primitives see it.
pub struct Kernel;

/// Spins; may be held neither over a sleep nor over a user copy.
pub type SpinLock<T> = postern_sync::SpinLock<T, Kernel>;
/// Guard of [`SpinLock`].
pub type SpinGuard<'a, T> = postern_sync::SpinGuard<'a, T, Kernel>;
/// Sleeps; may be held over a user copy.
pub type Mutex<T> = postern_sync::Mutex<T, Kernel>;
/// Guard of [`Mutex`].
pub type MutexGuard<'a, T> = postern_sync::MutexGuard<'a, T, Kernel>;
/// Where tasks wait.
pub type WaitQueue = postern_sync::WaitQueue<Kernel>;

/// Places taken on all wait queues; only counted with debug assertions, since waiting is measured.
static WAITERS: AtomicI32 = AtomicI32::new(0);

/// How many waiters and callbacks are on wait queues now. `None` in builds that do not count them.
pub fn waiter_count() -> Option<i32> {
    cfg!(debug_assertions).then(|| WAITERS.load(Ordering::Relaxed))
}

impl Platform for Kernel {
    type Task = TaskHandle;

    fn current() -> TaskHandle {
        sched::current_handle()
    }

    fn is_current(task: TaskHandle) -> bool {
        task == sched::current_handle()
    }

    fn park(sleep: Sleep, deadline_ns: Option<u64>) {
        match sleep {
            Sleep::Interruptible => sched::park(deadline_ns),
            Sleep::Uninterruptible => sched::park_uninterruptibly(deadline_ns),
        }
    }

    fn unpark(task: TaskHandle) {
        sched::unpark(task);
    }

    fn interrupted() -> bool {
        sched::current().is_interrupted()
    }

    fn now_ns() -> u64 {
        crate::arch::timer::now_ns()
    }

    fn relax() {
        crate::arch::cpu::relax();
    }

    fn lock_acquired(rank: Rank) {
        per_cpu::lock_acquired(rank);
    }

    fn waiters_changed(change: i32) {
        // Relaxed: a counter that orders nothing else.
        WAITERS.fetch_add(change, Ordering::Relaxed);
    }

    #[inline(always)]
    fn queued(queue: usize) {
        crate::arch::trace_point::enqueue(queue as u64);
    }

    fn lock_released(rank: Rank) {
        per_cpu::lock_released(rank);
    }
}
