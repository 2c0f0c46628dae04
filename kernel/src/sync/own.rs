//! [`Own`]: a part of a task that nobody but the task itself looks at, while it runs. No lock, and no atomics.

use crate::arch::cpu;
use crate::sched::Task;
use crate::sched::switch::Current;

/// A `T` inside a task, for that task alone.
pub struct Own<T>(T);

// SAFETY: `of` gives it to the task of which it is a part, when that runs, and to no other, nor to an interrupt handler; what keeps
// a task from running on two CPUs at a time hands its parts from one CPU to the next as well.
unsafe impl<T: Send> Sync for Own<T> {}

impl<T> Own<T> {
    /// A part of a task that is being made.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// What it is, for the task that runs this, of which it must be a part.
    #[inline(always)]
    pub fn of<'a>(&'a self, current: &'a Current) -> &'a T {
        let (part, task): (_, &Task) = (&raw const *self, current);
        // Known at compile time where it is found by way of `current`.
        let offset = part.addr().wrapping_sub((&raw const *task).addr());
        assert!(offset < size_of::<Task>(), "a part of another task");
        debug_assert!(!cpu::is_in_interrupt(), "an interrupt handler has no task");
        &self.0
    }
}
