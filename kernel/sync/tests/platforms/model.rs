//! Two platforms of loom threads: [`Model`] parks on a plain token, which keeps the state space small; [`Scheduled`] goes
//! through a [`ParkState`], as the kernel does. (loom's own `park` loses a token that comes while its thread is blocked
//! on a lock.)
#![allow(dead_code, reason = "each test uses its part")]

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Condvar, Mutex};
use loom::thread;
use postern_sync::{Notify, ParkState, Platform, Rank, Sleep, SwitchOut};

pub struct Model;
pub struct Scheduled;

/// One thread, as a task; leaked, so that a handle is always valid.
pub struct ModelTask {
    token: Mutex<bool>,
    token_came: Condvar,
    interrupted: AtomicBool,
    state: ParkState,
}

loom::thread_local! {
    static ME: &'static ModelTask = Box::leak(Box::new(ModelTask {
        token: Mutex::new(false),
        token_came: Condvar::new(),
        interrupted: AtomicBool::new(false),
        state: ParkState::new(),
    }));
}

loom::lazy_static! {
    /// The clock stands at 0 until somebody calls [`let_time_pass`].
    static ref TIME_HAS_PASSED: AtomicBool = AtomicBool::new(false);
}

/// Every deadline passes.
pub fn let_time_pass() {
    TIME_HAS_PASSED.store(true, Ordering::Release);
}

fn now_ns() -> u64 {
    u64::from(TIME_HAS_PASSED.load(Ordering::Acquire))
}

impl ModelTask {
    /// Sends a signal.
    pub fn interrupt(&'static self) {
        self.interrupted.store(true, Ordering::Release);
        Model::unpark(self);
    }

    fn take_token(&self) {
        let mut token = self.token.lock().expect("loom's locks are never poisoned");
        while !*token {
            token = self.token_came.wait(token).expect("loom's locks are never poisoned");
        }
        *token = false;
    }

    /// Says whether a token was there already.
    fn leave_token(&self) -> bool {
        let mut token = self.token.lock().expect("loom's locks are never poisoned");
        let was_there = std::mem::replace(&mut *token, true);
        self.token_came.notify_one();
        was_there
    }
}

impl Platform for Model {
    type Task = &'static ModelTask;

    fn current() -> &'static ModelTask {
        ME.with(|me| *me)
    }

    fn is_current(task: &'static ModelTask) -> bool {
        std::ptr::eq(task, Self::current())
    }

    fn park(_sleep: Sleep, _deadline_ns: Option<u64>) {
        Self::current().take_token();
    }

    fn unpark(task: &'static ModelTask) {
        task.leave_token();
    }

    fn interrupted() -> bool {
        Self::current().interrupted.load(Ordering::Acquire)
    }

    fn now_ns() -> u64 {
        now_ns()
    }

    fn relax() {
        thread::yield_now();
    }

    fn lock_acquired(_rank: Rank) {}

    fn lock_released(_rank: Rank) {}
}

impl Platform for Scheduled {
    type Task = &'static ModelTask;

    fn current() -> &'static ModelTask {
        Model::current()
    }

    fn is_current(task: &'static ModelTask) -> bool {
        std::ptr::eq(task, Self::current())
    }

    fn park(_sleep: Sleep, _deadline_ns: Option<u64>) {
        let me = Self::current();
        if me.state.begin_park() && me.state.finish_switch_out() == SwitchOut::Parked {
            me.take_token();
        }
    }

    fn unpark(task: &'static ModelTask) {
        if task.state.notify() == Notify::MustEnqueue {
            assert!(!task.leave_token(), "enqueued twice");
        }
    }

    fn interrupted() -> bool {
        Model::interrupted()
    }

    fn now_ns() -> u64 {
        now_ns()
    }

    fn relax() {
        thread::yield_now();
    }

    fn lock_acquired(_rank: Rank) {}

    fn lock_released(_rank: Rank) {}
}

/// Explores all interleavings with at most `preemptions` forced switches.
pub fn explore(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(body);
}

/// A number without any protection of its own: loom fails the test when two accesses race.
pub struct Unprotected(UnsafeCell<u32>);

// SAFETY: loom, which runs one thread at a time, reports every race.
unsafe impl Sync for Unprotected {}

impl Unprotected {
    pub fn zero() -> Self {
        Self(UnsafeCell::new(0))
    }

    pub fn add(&self, number: u32) {
        // SAFETY: loom passes a valid pointer, to which there is no other reference.
        self.0.with_mut(|value| unsafe { *value += number });
    }

    pub fn get(&self) -> u32 {
        // SAFETY: as above.
        self.0.with(|value| unsafe { *value })
    }
}
