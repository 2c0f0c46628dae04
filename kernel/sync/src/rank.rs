//! Lock order: what a [`Rank`] is and how a CPU or a task remembers the ranks it holds. Takes no lock, never sleeps.
//!
//! The order is checked in builds with debug assertions; in others a lock does not even store its rank.

use crate::platform::Platform;
use core::fmt;

/// A place in the lock order, with the name that a report of a violation gives.
///
/// A lock may be taken only when every lock held has a lower rank. Every spinning lock ranks above every sleeping one,
/// so that "never sleep on a mutex with a spin lock held" is part of the same check. The ranks themselves are
/// constants of the kernel; only [`Rank::WAIT_QUEUE`] belongs to this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rank {
    level: u16,
    name: &'static str,
    order: Order,
}

/// How strictly one acquisition is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Above everything held.
    Above,
    /// Above, or equal to the highest held: the caller has another order among equals.
    AboveOrEqual,
    /// Not waited for, so it cannot deadlock.
    Unordered,
}

/// The levels of spinning locks begin here.
const FIRST_SPINNING: u16 = 256;

impl Rank {
    /// The lock inside every [`WaitQueue`](crate::WaitQueue): below the scheduler's locks and those that a
    /// [`WakeCallback`](crate::WakeCallback) takes, above everything else. Wait queues nest, by callbacks only.
    pub const WAIT_QUEUE: Self = Self::spinning(128, "wait queue");

    /// The rank of a [`Mutex`](crate::Mutex).
    pub const fn sleeping(level: u8, name: &'static str) -> Self {
        Self::with_level(u8_to_u16(level), name)
    }

    /// The rank of a [`SpinLock`](crate::SpinLock): above all sleeping ones.
    pub const fn spinning(level: u8, name: &'static str) -> Self {
        Self::with_level(FIRST_SPINNING + u8_to_u16(level), name)
    }

    const fn with_level(level: u16, name: &'static str) -> Self {
        Self { level, name, order: Order::Above }
    }

    /// This rank, for an acquisition that may find equals held: the caller has another order among them.
    pub const fn nested(self) -> Self {
        Self { order: Order::AboveOrEqual, ..self }
    }

    /// This rank, for a lock that was got without waiting, which cannot deadlock.
    pub const fn tried(self) -> Self {
        Self { order: Order::Unordered, ..self }
    }

    /// Is this the rank of a lock that is held across sleeps? Those belong to the task, the others to the CPU.
    pub const fn is_sleeping(self) -> bool {
        self.level < FIRST_SPINNING
    }

    /// The name given to it.
    pub const fn name(self) -> &'static str {
        self.name
    }
}

/// `u16::from` in a constant.
const fn u8_to_u16(value: u8) -> u16 {
    u16::from_be_bytes([0, value])
}

impl fmt::Display for Rank {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_sleeping() { "mutex" } else { "spin lock" };
        write!(out, "{kind} '{}' (rank {})", self.name, self.level)
    }
}

/// The ranks that one CPU (spinning) or one task (sleeping) holds, in order of acquisition.
///
/// A kernel keeps one per CPU and one per task. For a spinning rank only the CPU's needs to be asked, since every
/// sleeping rank is lower. For a sleeping one, the CPU's must pass [`assert_none`](Self::assert_none) too.
#[derive(Debug)]
pub struct HeldLocks {
    ranks: [Rank; Self::CAPACITY],
    count: usize,
}

impl HeldLocks {
    /// The deepest nesting of locks that is still believed to be on purpose.
    pub const CAPACITY: usize = 16;

    /// Nothing held.
    pub const fn new() -> Self {
        Self { ranks: [Rank::sleeping(0, "none"); Self::CAPACITY], count: 0 }
    }

    /// Notes that a lock of `rank` is about to be taken.
    ///
    /// # Panics
    /// When that breaks the lock order, naming both locks; when more than [`CAPACITY`](Self::CAPACITY) are held.
    #[track_caller]
    pub fn acquire(&mut self, rank: Rank) {
        let held = &self.ranks[..self.count];
        if let Some(highest) = held.iter().max_by_key(|held| held.level) {
            let in_order = match rank.order {
                Order::Above => rank.level > highest.level,
                Order::AboveOrEqual => rank.level >= highest.level,
                Order::Unordered => true,
            };
            assert!(in_order, "lock order: {rank} wanted with {highest} held");
        }
        assert!(self.count < Self::CAPACITY, "lock order: {rank} is one lock too many");
        self.ranks[self.count] = rank;
        self.count += 1;
    }

    /// Notes that a lock of `rank` is given back; locks may go in any order.
    ///
    /// # Panics
    /// When none of that rank is held.
    #[track_caller]
    pub fn release(&mut self, rank: Rank) {
        let held = &mut self.ranks[..self.count];
        let Some(index) = held.iter().rposition(|held| held.level == rank.level) else {
            panic!("lock order: {rank} released but not held");
        };
        held[index..].rotate_left(1);
        self.count -= 1;
    }

    /// Is nothing held?
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// For places that sleep or return to user mode.
    ///
    /// # Panics
    /// When a lock is held, naming the newest and `what` was about to happen.
    #[track_caller]
    pub fn assert_none(&self, what: &str) {
        if let Some(newest) = self.ranks[..self.count].last() {
            panic!("lock order: {what} with {newest} held");
        }
    }
}

impl Default for HeldLocks {
    fn default() -> Self {
        Self::new()
    }
}

/// The rank as a lock stores it: nothing at all where the order is not checked.
#[derive(Clone, Copy)]
pub(crate) struct RankTag {
    #[cfg(debug_assertions)]
    rank: Rank,
}

#[cfg(debug_assertions)]
impl RankTag {
    pub(crate) const fn new(rank: Rank) -> Self {
        Self { rank }
    }

    #[track_caller]
    pub(crate) fn acquire<P: Platform>(self) {
        P::lock_acquired(self.rank);
    }

    #[track_caller]
    pub(crate) fn acquire_nested<P: Platform>(self) {
        P::lock_acquired(self.rank.nested());
    }

    pub(crate) fn acquired_by_trying<P: Platform>(self) {
        P::lock_acquired(self.rank.tried());
    }

    pub(crate) fn release<P: Platform>(self) {
        P::lock_released(self.rank);
    }
}

#[cfg(not(debug_assertions))]
impl RankTag {
    pub(crate) const fn new(_rank: Rank) -> Self {
        Self {}
    }
    pub(crate) fn acquire<P: Platform>(self) {}
    pub(crate) fn acquire_nested<P: Platform>(self) {}
    pub(crate) fn acquired_by_trying<P: Platform>(self) {}
    pub(crate) fn release<P: Platform>(self) {}
}
