//! Waiting: a queue of waiters, sleeping until an attempt succeeds, waiting on many queues at once, and callbacks that
//! stay on a queue. [`WaitQueue`] is the page to begin with.

mod list;
mod look;
mod node;
mod poller;
mod queue;
mod registration;
mod sleeper;
mod turn;

pub use poller::Poller;
pub use queue::{Tally, WaitQueue};
pub use registration::Registration;
pub use turn::{Place, Unserved};

use core::any::Any;
use core::fmt;

/// The key and the interest mask that have every bit: a wake-up that concerns everybody, a waiter that takes any.
pub const ANY_EVENT: u32 = u32::MAX;

/// How many waiters one wake-up selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One at a time, in order of arrival: for what only one waiter can have.
    Exclusive,
    /// Every one, at every wake-up.
    Shared,
}

/// What may end a sleep besides success and the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    /// Signals ([`Platform::interrupted`](crate::Platform::interrupted)).
    Interruptible,
    /// Nothing.
    Uninterruptible,
}

/// Why a wait ended without success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitError {
    /// The task has a signal to handle, or is being killed.
    Interrupted,
    /// The deadline has passed.
    TimedOut,
}

/// The wait ended because the task has a signal to handle, or is being killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

impl From<Interrupted> for WaitError {
    fn from(Interrupted: Interrupted) -> Self {
        Self::Interrupted
    }
}

impl fmt::Display for WaitError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Interrupted => "interrupted",
            Self::TimedOut => "timed out",
        })
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("interrupted")
    }
}

/// What a [`Registration`] does when its queue is woken.
pub trait WakeCallback: Send + Sync {
    /// `key` says what has become possible: readiness bits that intersect the registration's interest.
    ///
    /// Runs with the queue's spin lock held, perhaps in an interrupt handler: it must not sleep, and must neither wake
    /// nor leave this same queue, nor drop the last reference to anything that does. It may take locks ranked above
    /// [`Rank::WAIT_QUEUE`](crate::Rank::WAIT_QUEUE) and wake other queues.
    fn on_wake(&self, key: u32) -> Answer;

    /// The task (a [`Platform::Task`](crate::Platform::Task)) that sleeps until it is called, if one does: for reports.
    fn sleeper(&self) -> Option<&dyn Any> {
        None
    }
}

/// What has come of telling a [`WakeCallback`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Somebody comes to look. For an exclusive one, that is who the wake-up was for.
    Taken,
    /// Nobody does for its sake: an exclusive one leaves the wake-up to the next.
    Left,
}
