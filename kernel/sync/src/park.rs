//! [`ParkState`]: the wake-up token of one task, lock free. It decides who puts the task on a run queue, so that a
//! wake-up that races with going to sleep is neither lost nor carried out twice. Never sleeps itself.
//!
//! ```text
//!            begin_park             finish_switch_out
//!  RUNNING ──────────────► PARKING ───────────────────► PARKED
//!   ▲ │ ▲                     │                           │
//!   │ │ └─────────────────────┼──── notify: MustEnqueue ──┘
//!   │ │ notify                │ notify
//!   │ ▼                       ▼
//!   └ NOTIFIED          NOTIFIED ── finish_switch_out: WakeNow ──► RUNNING
//!     begin_park: false
//! ```
//! Only the task itself, or the CPU that switches it out, leaves NOTIFIED; only `notify` leaves PARKED.

use crate::atomic::{AtomicU8, Ordering};
use core::fmt;

/// On a CPU or on a run queue, no wake-up pending.
const RUNNING: u8 = 0;
/// Has decided to sleep; its context is not saved yet.
const PARKING: u8 = 1;
/// Sleeps; its context is saved and whoever wakes it must put it on a run queue.
const PARKED: u8 = 2;
/// As RUNNING or PARKING, with a wake-up that the next park consumes.
const NOTIFIED: u8 = 3;

/// What the CPU that has switched away from a parking task must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwitchOut {
    /// Nothing: the task sleeps, and may already run elsewhere.
    Parked,
    /// The task was woken while it was being switched out: put it on a run queue.
    WakeNow,
}

/// What the caller of [`ParkState::notify`] must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    /// The task slept: put it on a run queue. Nobody else will.
    MustEnqueue,
    /// Nothing: the task runs, or somebody else enqueues it.
    Already,
}

/// The wake-up token of one task; starts as that of a running task.
pub struct ParkState(AtomicU8);

impl ParkState {
    const_unless_loom! {
        /// A task that runs, without a pending wake-up.
        pub fn new() -> Self {
            Self(AtomicU8::new(RUNNING))
        }
    }

    /// Called by the task. `false`: a wake-up was pending and is consumed; do not sleep. `true`: switch to another task,
    /// after which [`finish_switch_out`](Self::finish_switch_out) must be called on this CPU.
    #[inline]
    #[must_use = "false means that the task must not sleep"]
    pub fn begin_park(&self) -> bool {
        // Relaxed: nothing is published or read here. The sleeper's context is published by finish_switch_out, and
        // what its waker wrote is acquired where the wake-up is consumed.
        let begun = self.0.compare_exchange(RUNNING, PARKING, Ordering::Relaxed, Ordering::Relaxed);
        if begun.is_ok() {
            return true;
        }
        self.consume();
        false
    }

    /// Called once the context of a task for which [`begin_park`](Self::begin_park) said `true` is saved and its stack
    /// no longer in use. After `Parked` the task may be running elsewhere, or gone: do not touch it.
    #[inline]
    #[must_use = "a task that is to wake now must be put on a run queue"]
    pub fn finish_switch_out(&self) -> SwitchOut {
        // Release: publishes the saved context. Pairs with the Acquire of the notify that finds PARKED and hands the
        // task to a CPU that will load that context.
        // Relaxed on failure: consume() does the acquiring.
        let parked = self.0.compare_exchange(PARKING, PARKED, Ordering::Release, Ordering::Relaxed);
        if parked.is_ok() {
            return SwitchOut::Parked;
        }
        self.consume();
        SwitchOut::WakeNow
    }

    /// Called by whoever wakes the task, which must not have finished.
    #[inline]
    #[must_use = "a task that slept must be put on a run queue"]
    pub fn notify(&self) -> Notify {
        // The usual case, straight: the task sleeps. Orderings as in `notify_from`.
        match self.0.compare_exchange(PARKED, RUNNING, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => Notify::MustEnqueue,
            Err(seen) => self.notify_from(seen),
        }
    }

    /// `notify`, beginning with the guess that the state is `seen`.
    fn notify_from(&self, mut seen: u8) -> Notify {
        loop {
            let (next, answer) =
                if seen == PARKED { (RUNNING, Notify::MustEnqueue) } else { (NOTIFIED, Notify::Already) };
            // Release: what the waker did before is visible to whoever consumes the wake-up. It is written even when
            // NOTIFIED stands there already, since the consumer must see the work of this waker too.
            // Acquire: on PARKED, the task's saved context (see finish_switch_out). The run queue's lock carries
            // both on to the CPU that runs the task.
            // Relaxed on failure: the value is only the next guess.
            match self.0.compare_exchange(seen, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return answer,
                Err(now) => seen = now,
            }
        }
    }

    /// Is a wake-up pending that the next park would consume? For reports only: it may change at once.
    pub fn is_notified(&self) -> bool {
        self.0.load(Ordering::Relaxed) == NOTIFIED
    }

    /// NOTIFIED → RUNNING.
    fn consume(&self) {
        // Acquire: what the wakers did before. A swap, not a store: it reads the newest of several wake-ups, where a
        // store would overwrite one whose waker's work then stays unseen.
        let token = self.0.swap(RUNNING, Ordering::Acquire);
        debug_assert_eq!(token, NOTIFIED, "a task parks itself, and once at a time");
    }
}

impl Default for ParkState {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ParkState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0.load(Ordering::Relaxed) {
            RUNNING => "Running",
            PARKING => "Parking",
            PARKED => "Parked",
            _ => "Notified",
        };
        out.write_str(name)
    }
}
