//! What may be ready: filled by wake-ups of the watched files, emptied by those who collect.
//!
//! Owns the list. Lock: READY_LIST (spin), taken within a wait queue's by callbacks, which may run in interrupt handlers. A file
//! is looked at with no spin lock held. Never sleeps.

use super::{Event, Flags};
use crate::fs::file::{FileOps, Readiness};
use crate::sync::{SpinLock, WaitQueue, rank};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use postern_core::errno::{Errno, Result};
use postern_sync::{Answer, Interest, WakeCallback};

/// A file and what is wanted of it. Changed with the set locked; looked at by callbacks without.
pub(super) struct Item {
    ops: Arc<dyn FileOps>,
    /// Zero from the telling of a one-shot until it is modified.
    interest: Interest,
    flags: AtomicU32,
    data: AtomicU64,
    /// Changed with the list locked, hence Relaxed.
    is_listed: AtomicBool,
}

impl Item {
    pub(super) fn new(ops: Arc<dyn FileOps>, event: Event) -> Self {
        let item = Self {
            ops,
            interest: Interest::new(0),
            flags: AtomicU32::new(0),
            data: AtomicU64::new(0),
            is_listed: AtomicBool::new(false),
        };
        item.set(event);
        item
    }

    pub(super) fn ops(&self) -> &Arc<dyn FileOps> {
        &self.ops
    }

    pub(super) fn flags(&self) -> Flags {
        Flags::from_bits_retain(self.flags.load(Ordering::Relaxed))
    }

    /// What is wanted from now on. A look has to follow.
    pub(super) fn set(&self, event: Event) {
        let always = Readiness::ERR | Readiness::HUP;
        // Relaxed: they are read with the set locked.
        self.data.store(event.data, Ordering::Relaxed);
        self.flags.store(event.flags.bits(), Ordering::Relaxed);
        // With one of several instances woken a change that leaves the file as ready as it was is for the next of them.
        if event.flags.intersects(Flags::EDGE | Flags::EXCLUSIVE) {
            self.ops.note_edge_waiter();
        }
        self.interest.set(((event.events | always) - Readiness::NVAL).bits());
    }

    /// What is wanted, as epoll_ctl(2) has it, and what comes with it.
    pub(super) fn event(&self) -> (u32, u64) {
        (self.interest().bits() | self.flags().bits(), self.data.load(Ordering::Relaxed))
    }

    fn interest(&self) -> Readiness {
        Readiness::from_bits_retain(self.interest.keys())
    }

    /// What is ready of what is wanted.
    pub(super) fn look(&self) -> Option<Event> {
        let interest = self.interest();
        if interest.is_empty() {
            return None;
        }
        let events = self.ops.readiness() & interest;
        let data = self.data.load(Ordering::Relaxed);
        (!events.is_empty()).then_some(Event { events, flags: Flags::empty(), data })
    }

    /// The program has been told. Whether it is to be told again as long as nothing changes.
    pub(super) fn told(&self) -> bool {
        let flags = self.flags();
        if flags.contains(Flags::ONE_SHOT) {
            self.interest.clear();
        }
        !flags.intersects(Flags::ONE_SHOT | Flags::EDGE)
    }
}

/// What waking those in epoll_wait has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Waiter {
    /// There was nobody.
    None,
    /// One comes.
    Woken,
}

impl Waiter {
    /// Whether a wake-up for `key` can end with an instance that watches exclusively, as ep_poll_callback of Linux has it: one
    /// comes for it. What concerns readers and writers alike, as the other side's end, is for all.
    fn answer(self, key: Readiness, interest: Readiness) -> Answer {
        let directions = key & (Readiness::IN | Readiness::OUT);
        let is_for_one = directions != (Readiness::IN | Readiness::OUT) && interest.contains(directions);
        if self == Self::Woken && is_for_one { Answer::Taken } else { Answer::Left }
    }
}

/// The list, and who waits for it to fill.
pub(super) struct Ready {
    list: SpinLock<VecDeque<Arc<Item>>>,
    /// In epoll_wait.
    waiters: WaitQueue,
    /// In poll, or other instances.
    pollers: WaitQueue,
}

impl Ready {
    pub(super) const fn new() -> Self {
        Self {
            list: SpinLock::new(rank::READY_LIST, VecDeque::new()),
            waiters: WaitQueue::new(),
            pollers: WaitQueue::new(),
        }
    }

    pub(super) fn waiters(&self) -> &WaitQueue {
        &self.waiters
    }

    pub(super) fn pollers(&self) -> &WaitQueue {
        &self.pollers
    }

    /// Sees to it that so many items can be listed without memory. ENOMEM.
    pub(super) fn make_room(&self, items: usize) -> Result<()> {
        let mut list = self.list.lock();
        let missing = items.saturating_sub(list.len());
        list.try_reserve(missing).map_err(|_| Errno::ENOMEM)
    }

    pub(super) fn count(&self) -> usize {
        self.list.lock().len()
    }

    /// Lists an item, unless it is, and wakes; whether somebody waits here and was woken.
    pub(super) fn announce(&self, item: &Arc<Item>) -> Waiter {
        let mut list = self.list.lock();
        if !item.is_listed.swap(true, Ordering::Relaxed) {
            list.push_back(item.clone());
        }
        drop(list);
        // Not `wake_one`: nobody asks that for its count, so that there is no instruction for it on the paths of pipes.
        let woken = self.waiters.wake(1, Readiness::READABLE.bits());
        self.pollers.wake_all(Readiness::READABLE.bits());
        if woken == 0 { Waiter::None } else { Waiter::Woken }
    }

    pub(super) fn announce_if_ready(&self, item: &Arc<Item>) {
        if item.look().is_some() {
            let _ = self.announce(item);
        }
    }

    /// From here on a wake-up lists it again, so its state is to be looked at after this.
    pub(super) fn take_first(&self) -> Option<Arc<Item>> {
        let mut list = self.list.lock();
        let item = list.pop_front()?;
        item.is_listed.store(false, Ordering::Relaxed);
        Some(item)
    }

    pub(super) fn put_first(&self, item: Arc<Item>) {
        self.put(item, VecDeque::push_front);
    }

    pub(super) fn put_last(&self, item: Arc<Item>) {
        self.put(item, VecDeque::push_back);
    }

    fn put(&self, item: Arc<Item>, push: fn(&mut VecDeque<Arc<Item>>, Arc<Item>)) {
        let mut list = self.list.lock();
        if !item.is_listed.swap(true, Ordering::Relaxed) {
            push(&mut list, item);
        }
    }

    pub(super) fn remove(&self, item: &Arc<Item>) {
        let mut list = self.list.lock();
        let place = list.iter().position(|listed| Arc::ptr_eq(listed, item));
        let removed = place.and_then(|place| list.remove(place));
        drop(list);
        drop(removed);
    }

    /// Wakes the next who waits if something is left: the chain of wake-ups.
    pub(super) fn pass_on(&self) {
        if !self.waiters.is_empty() && self.count() != 0 {
            self.waiters.wake_one(Readiness::READABLE.bits());
        }
    }
}

/// What stands on a watched file's queue. It owns the list, not the instance, so that there is no circle.
pub(super) struct Callback {
    ready: Arc<Ready>,
    item: Arc<Item>,
}

impl Callback {
    pub(super) fn new(ready: Arc<Ready>, item: Arc<Item>) -> Self {
        Self { ready, item }
    }
}

impl WakeCallback for Callback {
    fn on_wake(&self, key: u32) -> Answer {
        let interest = self.item.interest();
        if interest.bits() & key == 0 {
            return Answer::Left;
        }
        let waiter = self.ready.announce(&self.item);
        waiter.answer(Readiness::from_bits_truncate(key), interest)
    }
}
