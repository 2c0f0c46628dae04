//! A value for each CPU. No lock: interrupts are masked and the kernel is not preempted, so a
//! closure that neither sleeps nor re-enters has its CPU's value to itself.

use crate::arch::cpu::{self, MAX_CPUS};
use core::cell::UnsafeCell;
use postern_sync::{HeldLocks, Rank};

/// One `T` a CPU, each on cache lines of its own.
pub struct PerCpu<T>([Slot<T>; MAX_CPUS]);

#[repr(align(128))]
struct Slot<T>(UnsafeCell<T>);

// SAFETY: `with` gives each CPU access to its own slot only; T moves to other CPUs never, but it may
// be created on another one, hence Send.
unsafe impl<T: Send> Sync for PerCpu<T> {}

impl<T> PerCpu<T> {
    /// One value a CPU.
    pub const fn new(values: [T; MAX_CPUS]) -> Self {
        // `map` is not const.
        let values = core::mem::ManuallyDrop::new(values);
        // [T; N] is copied to [Slot<T>; N] element by element, each once.
        let pointer = (&raw const values).cast::<T>();
        let mut slots: [core::mem::MaybeUninit<Slot<T>>; MAX_CPUS] =
            [const { core::mem::MaybeUninit::uninit() }; MAX_CPUS];
        let mut index = 0;
        while index < MAX_CPUS {
            // SAFETY: `index` is within the array.
            let element = unsafe { pointer.add(index) };
            // SAFETY: an element of the array, read once.
            let value = unsafe { element.read() };
            slots[index] = core::mem::MaybeUninit::new(Slot(UnsafeCell::new(value)));
            index += 1;
        }
        // SAFETY: all slots are initialised.
        Self(unsafe { (&raw const slots).cast::<[Slot<T>; MAX_CPUS]>().read() })
    }

    /// Runs `f` with this CPU's value. `f` must not sleep, open an interrupt window or call `with`
    /// of the same variable.
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let slot = self.0[cpu::index()].0.get();
        // SAFETY: only this CPU uses the slot, and interrupts are masked; `f` does not re-enter.
        f(unsafe { &mut *slot })
    }

    /// The value of CPU `index`, of which all parts may be used from anywhere.
    #[inline]
    pub fn of(&self, index: usize) -> &T
    where
        T: Sync,
    {
        // SAFETY: T is Sync and owners change it through interior mutability only.
        unsafe { &*self.0[index].0.get() }
    }

    /// Reads something of every CPU's value, for statistics: each is a snapshot that may be torn
    /// unless `T`'s parts are atomics.
    pub fn for_each(&self, mut f: impl FnMut(usize, &T))
    where
        T: Sync,
    {
        for (index, slot) in self.0.iter().enumerate() {
            // SAFETY: T is Sync and owners change it through interior mutability only.
            f(index, unsafe { &*slot.0.get() });
        }
    }
}

static HELD: PerCpu<HeldLocks> = PerCpu::new([const { HeldLocks::new() }; MAX_CPUS]);

/// Notes a lock in the order check.
#[track_caller]
pub fn lock_acquired(rank: Rank) {
    if rank.is_sleeping() {
        HELD.with(|held| held.assert_none("taking a sleeping lock"));
        crate::sched::with_held_mutexes(|held| held.acquire(rank));
    } else {
        HELD.with(|held| held.acquire(rank));
    }
}

/// Notes a lock's release in the order check.
#[track_caller]
pub fn lock_released(rank: Rank) {
    if rank.is_sleeping() {
        crate::sched::with_held_mutexes(|held| held.release(rank));
    } else {
        HELD.with(|held| held.release(rank));
    }
}

/// Panics, in debug builds, when this CPU holds a spin lock: `what` is about to sleep or fault.
#[track_caller]
pub fn assert_no_spin_lock(what: &str) {
    if cfg!(debug_assertions) {
        HELD.with(|held| held.assert_none(what));
    }
}
