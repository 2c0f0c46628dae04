//! A platform of host threads: `park` is a [`ParkState`] as the kernel's scheduler uses it, with a thread's own parking in
//! the place of the switch to another task. The lock order is checked, per thread.

use postern_sync::{HeldLocks, Notify, ParkState, Platform, Rank, Sleep, SwitchOut};
use std::cell::{Cell, RefCell};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

pub struct Threads;

/// One thread, as a task. Never freed, so that a handle is always valid.
pub struct ThreadTask {
    thread: Thread,
    state: ParkState,
    /// "On a run queue": set by whoever wakes the task.
    scheduled: AtomicBool,
    interrupted: AtomicBool,
}

thread_local! {
    static ME: Cell<Option<&'static ThreadTask>> = const { Cell::new(None) };
    static SPINNING: RefCell<HeldLocks> = const { RefCell::new(HeldLocks::new()) };
    static SLEEPING: RefCell<HeldLocks> = const { RefCell::new(HeldLocks::new()) };
}

impl ThreadTask {
    /// Sends a signal.
    pub fn interrupt(&'static self) {
        self.interrupted.store(true, Ordering::Release);
        Threads::unpark(self);
    }

    fn enqueue(&self) {
        self.scheduled.store(true, Ordering::Release);
        self.thread.unpark();
    }

    /// "The other CPUs run something else": until scheduled, or until the timer interrupt wakes the task.
    fn switched_out(&self, deadline_ns: Option<u64>) {
        while !self.scheduled.swap(false, Ordering::Acquire) {
            let Some(deadline_ns) = deadline_ns else {
                thread::park();
                continue;
            };
            let left_ns = deadline_ns.saturating_sub(Threads::now_ns());
            if left_ns > 0 {
                thread::park_timeout(Duration::from_nanos(left_ns));
            } else if self.state.notify() == Notify::MustEnqueue {
                self.enqueue();
            }
        }
    }
}

impl Platform for Threads {
    type Task = &'static ThreadTask;

    fn current() -> &'static ThreadTask {
        if let Some(me) = ME.get() {
            return me;
        }
        let me: &'static ThreadTask = Box::leak(Box::new(ThreadTask {
            thread: thread::current(),
            state: ParkState::new(),
            scheduled: AtomicBool::new(false),
            interrupted: AtomicBool::new(false),
        }));
        ME.set(Some(me));
        me
    }

    fn is_current(task: &'static ThreadTask) -> bool {
        std::ptr::eq(task, Self::current())
    }

    fn park(_sleep: Sleep, deadline_ns: Option<u64>) {
        SPINNING.with_borrow(|held| held.assert_none("park"));
        let me = Self::current();
        if me.state.begin_park() && me.state.finish_switch_out() == SwitchOut::Parked {
            me.switched_out(deadline_ns);
        }
    }

    fn unpark(task: &'static ThreadTask) {
        if task.state.notify() == Notify::MustEnqueue {
            task.enqueue();
        }
    }

    fn interrupted() -> bool {
        Self::current().interrupted.load(Ordering::Acquire)
    }

    fn now_ns() -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        let elapsed = START.get_or_init(Instant::now).elapsed();
        u64::try_from(elapsed.as_nanos()).expect("a test does not run for centuries")
    }

    fn relax() {
        std::hint::spin_loop();
    }

    fn lock_acquired(rank: Rank) {
        if rank.is_sleeping() {
            SPINNING.with_borrow(|held| held.assert_none("a mutex is wanted"));
            SLEEPING.with_borrow_mut(|held| held.acquire(rank));
        } else {
            SPINNING.with_borrow_mut(|held| held.acquire(rank));
        }
    }

    fn lock_released(rank: Rank) {
        let held = if rank.is_sleeping() { &SLEEPING } else { &SPINNING };
        held.with_borrow_mut(|held| held.release(rank));
    }
}
