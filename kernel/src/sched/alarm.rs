//! Alarms: being called when a clock that may be set says a time.
//!
//! Owns who follows the real-time clock. Lock: CLOCK_FOLLOWERS around that list; an alarm itself is guarded by its owner's
//! lock. Owners are called in interrupt context, without a lock. Never sleeps. Specification: timer_settime(2), "absolute
//! timers and a discontinuous change of the clock"; hrtimers of Linux.

use super::audience::{Audience, Membership};
use super::timer::{self, Expire, Timer};
use crate::arch::timer::now_ns;
use crate::sync::rank;
use crate::time::{realtime_ns, realtime_offset_ns};
use alloc::sync::{Arc, Weak};
use postern_core::clock::NS_MAX;

/// The clock whose times a timer goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timebase {
    /// Time since the machine started.
    Monotonic,
    /// Time since 1970, which may be set.
    Realtime,
}

impl Timebase {
    /// What it says.
    pub fn now_ns(self) -> u64 {
        match self {
            Self::Monotonic => now_ns(),
            Self::Realtime => realtime_ns(),
        }
    }

    /// When the monotonic clock will say what this one says at `ns`, if nobody sets it.
    fn monotonic_ns(self, ns: u64) -> u64 {
        match self {
            Self::Monotonic => ns,
            Self::Realtime => ns.saturating_sub(realtime_offset_ns()).min(NS_MAX),
        }
    }
}

/// Who is called by an [`Alarm`].
pub trait Owner: Send + Sync + 'static {
    /// The alarm set as number `setting` goes off. In interrupt context; the owner asks [`Alarm::goes_off`] under its lock
    /// whether a later setting has overtaken it.
    fn on_alarm(self: Arc<Self>, setting: u64);
}

/// Calls its owner at a time. Guarded by the owner's lock.
#[derive(Default)]
pub struct Alarm {
    running: Option<Timer>,
    /// Counts settings: what is expiring when it is set anew finds another number.
    setting: u64,
}

impl Alarm {
    /// One that is not set.
    pub const fn new() -> Self {
        Self { running: None, setting: 0 }
    }

    /// Sets it for `owner`, in the place of what it was set to. Asks for memory, which the caller has seen to be there.
    pub fn set<O: Owner>(&mut self, owner: &Weak<O>, base: Timebase, ns: u64) {
        self.cancel();
        let ring = Ring { owner: owner.clone(), setting: self.setting };
        self.running = Some(timer::call_at(base.monotonic_ns(ns), Arc::new(ring)));
    }

    /// Whether it is set and has not gone off.
    pub fn is_set(&self) -> bool {
        self.running.is_some()
    }

    /// It will not go off.
    pub fn cancel(&mut self) {
        self.setting += 1;
        if let Some(timer) = self.running.take() {
            // One that is expiring right now finds another number.
            timer.cancel();
        }
    }

    /// Whether the call with this number is the one that was set last; it is not set any more then.
    pub fn goes_off(&mut self, setting: u64) -> bool {
        let is_meant = setting == self.setting && self.running.is_some();
        if is_meant {
            self.running = None;
        }
        is_meant
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.cancel();
    }
}

struct Ring<O: Owner> {
    owner: Weak<O>,
    setting: u64,
}

impl<O: Owner> Expire for Ring<O> {
    fn on_expiry(&self, _: u64) -> Option<u64> {
        if let Some(owner) = self.owner.upgrade() {
            owner.on_alarm(self.setting);
        }
        None
    }
}

/// Who is told that the real-time clock was set.
pub trait Follower: Send + Sync + 'static {
    /// It was. With no lock held; must not sleep.
    fn on_clock_set(self: Arc<Self>);
}

static FOLLOWERS: Audience<dyn Follower> = Audience::new(rank::CLOCK_FOLLOWERS);

/// As long as there is this, its maker is told when the real-time clock is set.
pub type Following = Membership<dyn Follower>;

/// Begins to follow the real-time clock. Asks for memory, which the caller has seen to be there.
pub fn follow(follower: Weak<dyn Follower>) -> Following {
    FOLLOWERS.join(follower)
}

/// The real-time clock has been set: tells all who follow it.
pub fn on_clock_set() {
    FOLLOWERS.tell(Follower::on_clock_set);
}
