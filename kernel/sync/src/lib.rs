//! Locks, wait queues and the park token of the Postern kernel, as a crate of their own so that the very code that runs in
//! the kernel is model-checked on the host (`RUSTFLAGS="--cfg loom" cargo test -p postern-sync --profile models`).
//!
//! Everything is generic over [`Platform`]: the kernel supplies tasks, parking and time and instantiates the types once.
//!
//! | type | sleeps | for |
//! |---|---|---|
//! | [`SpinLock`] | never | short sections, interrupt handlers |
//! | [`Mutex`] | yes | state that is held across a page fault |
//! | [`WaitQueue`] | `wait_*` only | "wait until this attempt succeeds" |
//! | [`Poller`] | `wait_until` only | waiting on many queues at once (`ppoll`, `pselect6`) |
//! | [`Registration`] | never | a callback that stays on a queue (`epoll`) |
//! | [`ParkState`] | never | the scheduler's per-task wake-up token |
//! | [`HeldLocks`] | never | lock order, debug builds |
//! | [`Glimpse`], [`Interest`] | never | looking at a state without its lock; hearing of its changes |
//! | [`Asids`] | never | address space identifiers, and when a TLB must be flushed |
//! | [`EventRing`] | never | what a CPU has to tell a reader elsewhere |
//! | [`HandOff`] | never | the task that goes next on a CPU, before its run queue |
//! | [`IdleCpus`], [`ReadyCount`] | never | no CPU waits for work while work waits for a CPU |
//! | [`Requests`] | never | what a task must look at before it returns to user mode |
//! | [`RunTime`] | never | for how long a task has run, also while it does |
//! | [`References`], [`Uses`] | never | who is the last, and frees; whether nobody is left, so that it can be taken away |
//! | [`SetOnce`] | never | a value set once, and read without a lock |
//! | [`Changes`] | never | whether there is news since the last look |
//! | [`Presence`] | never | whether it is worth while to take a lock |
//!
//! The kernel runs with interrupts masked and is not preempted while it holds a [`SpinLock`], so no lock here saves or
//! restores the interrupt state.
#![no_std]

extern crate alloc;

/// Declares a function `const`, except under loom, whose atomics cannot be built in a constant.
macro_rules! const_unless_loom {
    ($(#[$attribute:meta])* $visibility:vis fn $($rest:tt)*) => {
        #[cfg(not(loom))]
        $(#[$attribute])*
        $visibility const fn $($rest)*
        #[cfg(loom)]
        $(#[$attribute])*
        $visibility fn $($rest)*
    };
}

mod asid;
mod atomic;
mod changes;
mod event_ring;
mod glimpse;
mod hand_off;
mod idle;
mod mutex;
mod park;
mod platform;
mod presence;
mod rank;
mod references;
mod requests;
mod run_time;
mod set_once;
mod spin_lock;
mod wait;

pub use asid::{AsidContext, Asids, TranslationControl};
pub use changes::Changes;
pub use event_ring::EventRing;
pub use glimpse::{Glimpse, Interest};
pub use hand_off::HandOff;
pub use idle::{IdleCpus, ReadyCount};
pub use mutex::{Mutex, MutexGuard};
pub use park::{Notify, ParkState, SwitchOut};
pub use platform::Platform;
pub use presence::Presence;
pub use rank::{HeldLocks, Rank};
pub use references::{References, Uses};
pub use requests::Requests;
pub use run_time::RunTime;
pub use set_once::SetOnce;
#[cfg(not(loom))]
pub use spin_lock::Relax;
pub use spin_lock::{SpinGuard, SpinLock};
pub use wait::{
    ANY_EVENT, Answer, Interrupted, Mode, Place, Poller, Registration, Sleep, Tally, Unserved, WaitError, WaitQueue,
    WakeCallback,
};

/// A value set once; readers that come meanwhile spin with the platform's relax.
#[cfg(not(loom))]
pub type Once<T, P> = spin::once::Once<T, Relax<P>>;
/// A value computed at its first use; users that come meanwhile spin with the platform's relax.
#[cfg(not(loom))]
pub type Lazy<T, P, F = fn() -> T> = spin::lazylock::LazyLock<T, F, Relax<P>>;
