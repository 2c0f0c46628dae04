//! Effects as values: a state change says whom to wake, and gives up its result only once that is settled.
//!
//! A [`Step`] is made under the object's lock and settled after the lock is dropped. Its outcome is out of reach until then, so
//! a wake-up cannot be forgotten, and none is sent before the state says what the woken one will look for. No locks, never sleeps.

/// How many exclusive waiters of one queue a change lets go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Wake {
    /// None: nothing changed for them.
    #[default]
    None,
    /// The first: it passes the wake-up on if the state still allows progress.
    One,
    /// All: the change concerns each of them (an end of file, a hang-up).
    All,
}

impl Wake {
    /// [`Wake::One`] if `change` happened.
    #[inline]
    #[must_use]
    pub fn one_if(change: bool) -> Self {
        if change { Self::One } else { Self::None }
    }

    /// [`Wake::All`] if `change` happened.
    #[inline]
    #[must_use]
    pub fn all_if(change: bool) -> Self {
        if change { Self::All } else { Self::None }
    }
}

/// Whom to wake: one entry a wait queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wakes {
    /// Those who wait for data.
    pub readers: Wake,
    /// Those who wait for room.
    pub writers: Wake,
    /// Those who wait in `open` for the other side.
    pub openers: Wake,
}

impl Wakes {
    /// Nobody.
    pub const NONE: Self = Self { readers: Wake::None, writers: Wake::None, openers: Wake::None };

    /// Whether there is nobody to wake.
    #[inline]
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }
}

/// The outcome of a state change, sealed until its wake-ups are settled.
#[must_use = "settle the wake-ups after dropping the lock; only then is the outcome known"]
#[derive(Debug)]
pub struct Step<T = usize> {
    outcome: T,
    wakes: Wakes,
}

impl<T> Step<T> {
    /// An outcome, and whom it concerns.
    #[inline]
    pub const fn new(outcome: T, wakes: Wakes) -> Self {
        Self { outcome, wakes }
    }

    /// The outcome, for a trace to tell: it is not to be acted upon before it is [settled](Self::settle).
    #[inline]
    pub const fn outcome_for_trace(&self) -> &T {
        &self.outcome
    }

    /// Whether it wakes nobody.
    #[inline]
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.wakes.is_none()
    }

    /// Hands the wake-ups to `wake` (which is not called if there are none), then gives out the outcome.
    #[inline]
    pub fn settle(self, wake: impl FnOnce(Wakes)) -> T {
        if !self.wakes.is_none() {
            wake(self.wakes);
        }
        self.outcome
    }
}
