//! Deadlines: each CPU keeps its own, in order, and programs its comparator for the first.
//!
//! Lock: TIMERS, one a CPU (a timer may be cancelled from another). Expired targets are called from
//! the interrupt handler, after the lock has been dropped; they must not sleep.

use super::run_queue;
use super::task::TaskHandle;
use crate::arch::cpu::{self, MAX_CPUS};
use crate::arch::timer as clock;
use crate::sync::{PerCpu, SpinLock, rank};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

/// Called when a deadline has passed, in interrupt context. A return of `Some` asks to be called again then.
pub trait Expire: Send + Sync {
    /// The deadline `deadline_ns` has passed.
    fn on_expiry(&self, deadline_ns: u64) -> Option<u64>;
}

enum Target {
    Task(TaskHandle),
    Callback(Arc<dyn Expire>),
}

struct Timers {
    queue: BTreeMap<(u64, u64), Target>,
    programmed_ns: u64,
}

static TIMERS: [SpinLock<Timers>; MAX_CPUS] =
    [const { SpinLock::new(rank::TIMERS, Timers { queue: BTreeMap::new(), programmed_ns: u64::MAX }) }; MAX_CPUS];

/// Tells timers with the same deadline apart.
static SEQUENCE: AtomicU64 = AtomicU64::new(0);
/// Set while a CPU is in [`on_interrupt`], which programs the comparator at its end.
static HANDLING: PerCpu<bool> = PerCpu::new([false; MAX_CPUS]);

/// A running timer. Dropping it leaves it running; [`Timer::cancel`] stops it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    cpu: usize,
    key: (u64, u64),
}

/// Calls `unpark` for `task` at `deadline_ns`. Must be cancelled before the task may finish.
pub fn wake_at(deadline_ns: u64, task: TaskHandle) -> Timer {
    add(deadline_ns, Target::Task(task))
}

/// Calls `callback` at `deadline_ns`.
pub fn call_at(deadline_ns: u64, callback: Arc<dyn Expire>) -> Timer {
    add(deadline_ns, Target::Callback(callback))
}

fn add(deadline_ns: u64, target: Target) -> Timer {
    let cpu = cpu::index();
    // Relaxed: it only tells keys apart.
    let key = (deadline_ns, SEQUENCE.fetch_add(1, Ordering::Relaxed));
    let mut timers = TIMERS[cpu].lock();
    timers.queue.insert(key, target);
    timers.program();
    Timer { cpu, key }
}

impl Timer {
    /// Stops it. False if it has expired (its target has been or is being called). A callback that
    /// restarted itself is not found under this handle.
    pub fn cancel(self) -> bool {
        // A comparator programmed for it fires in vain at worst.
        let removed = TIMERS[self.cpu].lock().queue.remove(&self.key);
        removed.is_some()
    }
}

impl Timers {
    /// Programs this CPU's comparator for the earliest deadline.
    fn program(&mut self) {
        let first = self.queue.first_key_value().map_or(u64::MAX, |(key, _)| key.0);
        let next = first.min(run_queue::slice_end_ns().unwrap_or(u64::MAX));
        if next == self.programmed_ns {
            return;
        }
        self.programmed_ns = next;
        if next == u64::MAX {
            clock::cancel();
        } else {
            clock::set_deadline(next);
        }
    }
}

/// The end of this CPU's slice has changed.
pub(super) fn on_slice_changed() {
    if !HANDLING.with(|handling| *handling) {
        TIMERS[cpu::index()].lock().program();
    }
}

/// The comparator fired.
pub fn on_interrupt() {
    let me = cpu::index();
    let now = clock::now_ns();
    HANDLING.with(|handling| *handling = true);
    loop {
        let mut timers = TIMERS[me].lock();
        let expired = timers.queue.first_entry().filter(|entry| entry.key().0 <= now).map(|entry| entry.remove_entry());
        let Some(((deadline, _), target)) = expired else { break };
        if let Target::Task(task) = &target {
            // Under the lock: once `cancel` has returned, the task may finish.
            super::unpark(*task);
            continue;
        }
        drop(timers);
        if let Target::Callback(callback) = target
            && let Some(next) = callback.on_expiry(deadline)
        {
            call_at(next, callback);
        }
    }
    if run_queue::slice_end_ns().is_some_and(|end| end <= now) {
        run_queue::on_slice_end();
    }
    HANDLING.with(|handling| *handling = false);
    let mut timers = TIMERS[me].lock();
    timers.programmed_ns = 0; // whatever it is, program it anew: the comparator has fired
    timers.program();
}

/// Calls `see` with each task that is to be woken at a deadline, and that; with a CPU's timers locked.
pub fn for_each_sleeper(mut see: impl FnMut(TaskHandle, u64)) {
    for timers in &TIMERS {
        for ((deadline_ns, _), target) in &timers.lock().queue {
            if let Target::Task(task) = target {
                see(*task, *deadline_ns);
            }
        }
    }
}

/// Timers running on all CPUs, for leak counts. Gives back the memory of empty queues.
pub fn count() -> usize {
    let mut count = 0;
    for timers in &TIMERS {
        let mut timers = timers.lock();
        if timers.queue.is_empty() {
            timers.queue = BTreeMap::new();
        }
        count += timers.queue.len();
    }
    count
}
