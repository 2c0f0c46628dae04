//! Tasks, sleeping, waking, timeouts, on as many CPUs as there are.

use crate::arch::timer::now_ns;
use crate::sched::{self, Task, Work, run_queue};
use crate::sync::{Mutex, SpinLock, WaitQueue, rank};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use postern_sync::{ANY_EVENT, Mode, Sleep, WaitError};

/// The table.
pub const TESTS: &[(&str, fn())] = &[
    ("tasks_run_and_end", tasks_run_and_end),
    ("a_yield_lets_others_run", a_yield_lets_others_run),
    ("every_event_is_consumed_once", every_event_is_consumed_once),
    ("exclusive_waiters_are_woken_in_order", exclusive_waiters_are_woken_in_order),
    ("a_wait_times_out_and_not_early", a_wait_times_out_and_not_early),
    ("a_mutex_excludes_across_sleeps", a_mutex_excludes_across_sleeps),
    ("affinity_is_obeyed", affinity_is_obeyed),
    ("a_wakeup_before_the_sleep_counts", a_wakeup_before_the_sleep_counts),
    ("woken_tasks_go_in_the_order_of_the_wakeups", woken_tasks_go_in_the_order_of_the_wakeups),
    ("a_woken_task_keeps_its_place_when_the_slice_ends", a_woken_task_keeps_its_place_when_the_slice_ends),
    ("the_woken_go_before_who_has_yielded", the_woken_go_before_who_has_yielded),
];

static DONE: AtomicUsize = AtomicUsize::new(0);
static DONE_QUEUE: WaitQueue = WaitQueue::new();
static SUM: AtomicUsize = AtomicUsize::new(0);
static ITEMS: SpinLock<Vec<usize>> = SpinLock::new(rank::OBJECT, Vec::new());
static QUEUE: WaitQueue = WaitQueue::new();
static COUNTER: Mutex<usize> = Mutex::new(rank::PIPE, 0);

/// Starts `count` tasks of `body` and waits until all have called [`finish`] and gone.
fn run_tasks(count: usize, body: extern "C" fn(usize) -> !) {
    let tasks = spawn(count, body);
    join(tasks, count);
}

fn spawn(count: usize, body: extern "C" fn(usize) -> !) -> Vec<alloc::sync::Arc<Task>> {
    DONE.store(0, Ordering::SeqCst);
    let tasks: Vec<_> = (0..count).map(|index| Task::new(None, None, body, index).unwrap()).collect();
    for task in &tasks {
        sched::start(task.clone());
    }
    tasks
}

fn join(mut tasks: Vec<alloc::sync::Arc<Task>>, count: usize) {
    DONE_QUEUE.wait(Mode::Exclusive, || (DONE.load(Ordering::SeqCst) == count).then_some(()));
    // The stack of an ended task is given back by the next one on its CPU: wait until ours is the only reference.
    while let Some(task) = tasks.pop() {
        while alloc::sync::Arc::strong_count(&task) != 1 {
            sched::yield_now();
            sched::preemption_point();
        }
    }
}

fn finish() -> ! {
    DONE.fetch_add(1, Ordering::SeqCst);
    DONE_QUEUE.wake_one(ANY_EVENT);
    sched::exit()
}

fn tasks_run_and_end() {
    extern "C" fn body(index: usize) -> ! {
        SUM.fetch_add(index, Ordering::SeqCst);
        finish()
    }
    SUM.store(0, Ordering::SeqCst);
    run_tasks(64, body);
    assert_eq!(SUM.load(Ordering::SeqCst), 64 * 63 / 2);
}

fn a_yield_lets_others_run() {
    extern "C" fn body(_index: usize) -> ! {
        for _ in 0..200 {
            SUM.fetch_add(1, Ordering::SeqCst);
            sched::yield_now();
        }
        finish()
    }
    SUM.store(0, Ordering::SeqCst);
    run_tasks(8, body);
    assert_eq!(SUM.load(Ordering::SeqCst), 1600);
}

fn every_event_is_consumed_once() {
    const EVENTS: usize = 4000;
    extern "C" fn body(index: usize) -> ! {
        if index < 4 {
            for event in 0..EVENTS / 4 {
                ITEMS.lock().push(event);
                QUEUE.wake_one(ANY_EVENT);
                if event % 16 == index {
                    sched::yield_now();
                }
            }
        } else {
            for _ in 0..EVENTS / 4 {
                let item = QUEUE.wait(Mode::Exclusive, || ITEMS.lock().pop());
                SUM.fetch_add(item, Ordering::SeqCst);
            }
        }
        finish()
    }
    SUM.store(0, Ordering::SeqCst);
    run_tasks(8, body);
    let quarter = EVENTS / 4;
    assert_eq!(SUM.load(Ordering::SeqCst), 4 * (quarter * (quarter - 1) / 2));
    assert!(ITEMS.lock().is_empty());
    *ITEMS.lock() = Vec::new();
}

fn exclusive_waiters_are_woken_in_order() {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    static WAITING: AtomicUsize = AtomicUsize::new(0);
    static TOKENS: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn body(index: usize) -> ! {
        // Queue up in order of the index.
        while TURN.load(Ordering::SeqCst) != index {
            sched::yield_now();
            sched::preemption_point();
        }
        let mut announced = false;
        QUEUE.wait(Mode::Exclusive, || {
            if !announced {
                announced = true;
                TURN.fetch_add(1, Ordering::SeqCst);
                WAITING.fetch_add(1, Ordering::SeqCst);
            }
            let taken = TOKENS.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |tokens| tokens.checked_sub(1));
            taken.ok().map(|_| ITEMS.lock().push(index))
        });
        finish()
    }
    TURN.store(0, Ordering::SeqCst);
    WAITING.store(0, Ordering::SeqCst);
    let tasks = spawn(5, body);
    while WAITING.load(Ordering::SeqCst) != 5 {
        sched::yield_now();
        sched::preemption_point();
    }
    for woken in 1..=5 {
        TOKENS.fetch_add(1, Ordering::SeqCst);
        QUEUE.wake_one(ANY_EVENT);
        while ITEMS.lock().len() != woken {
            sched::yield_now();
            sched::preemption_point();
        }
    }
    join(tasks, 5);
    assert_eq!(*ITEMS.lock(), [0, 1, 2, 3, 4]);
    *ITEMS.lock() = Vec::new();
}

fn a_wait_times_out_and_not_early() {
    let begin = now_ns();
    let result = QUEUE.wait_until(Mode::Exclusive, Sleep::Interruptible, Some(begin + 3_000_000), || None::<()>);
    assert_eq!(result, Err(WaitError::TimedOut));
    assert!(now_ns() >= begin + 3_000_000);
}

fn a_mutex_excludes_across_sleeps() {
    extern "C" fn body(_index: usize) -> ! {
        for _ in 0..50 {
            let mut counter = COUNTER.lock();
            let seen = *counter;
            sched::yield_now();
            *counter = seen + 1;
        }
        finish()
    }
    *COUNTER.lock() = 0;
    run_tasks(6, body);
    assert_eq!(*COUNTER.lock(), 300);
}

fn affinity_is_obeyed() {
    extern "C" fn body(_index: usize) -> ! {
        for _ in 0..50 {
            let allowed = sched::current().affinity();
            SUM.fetch_add(usize::from(allowed & 1 << crate::arch::cpu::index() == 0), Ordering::SeqCst);
            sched::yield_now();
        }
        finish()
    }
    SUM.store(0, Ordering::SeqCst);
    DONE.store(0, Ordering::SeqCst);
    let online = run_queue::online();
    let tasks: Vec<_> = (0..8).map(|index| Task::new(None, None, body, index).unwrap()).collect();
    for (index, task) in tasks.iter().enumerate() {
        let cpu = index % online.count_ones() as usize;
        task.set_affinity(1 << cpu);
        sched::start(task.clone());
    }
    join(tasks, 8);
    assert_eq!(SUM.load(Ordering::SeqCst), 0);
}

fn a_wakeup_before_the_sleep_counts() {
    let me = sched::current_handle();
    sched::unpark(me);
    // Returns at once: without the token this would sleep for ever.
    sched::park(None);
}

fn woken_tasks_go_in_the_order_of_the_wakeups() {
    // The first is handed the CPU, or queues.
    assert_eq!(order_after(|| wake_handed_off(1), || wake_handed_off(1)), [0, 1]);
    assert_eq!(order_after(|| wake_into_lists(1), || wake_handed_off(1)), [0, 1]);
    assert_eq!(order_after(|| wake_into_lists(1), || wake_into_lists(1)), [0, 1]);
}

fn a_woken_task_keeps_its_place_when_the_slice_ends() {
    let end_of_slice = || {
        sched::current().ask(Work::RESCHEDULE);
        sched::preemption_point();
    };
    assert_eq!(order_after(|| wake_handed_off(2), end_of_slice), [0, 1]);
}

fn the_woken_go_before_who_has_yielded() {
    static YIELDING: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn sleep_or_yield(index: usize) -> ! {
        if index == 0 {
            sleep_until_woken();
        } else {
            YIELDING.store(1, Ordering::SeqCst);
            sched::yield_now();
        }
        ITEMS.lock().push(index);
        finish()
    }
    YIELDING.store(0, Ordering::SeqCst);
    let order = pinned(|| {
        let sleeper = start_here(sleep_or_yield, 0);
        while QUEUE.waiters() == 0 {
            sched::yield_now();
        }
        let yielder = start_here(sleep_or_yield, 1);
        while YIELDING.load(Ordering::SeqCst) == 0 {
            sched::yield_now();
        }
        // The other has yielded to this one, for there is nobody else.
        wake_handed_off(1);
        join(alloc::vec![sleeper, yielder], 2);
    });
    assert_eq!(order, [0, 1]);
}

fn wake_handed_off(count: usize) {
    assert!(run_queue::hands_off(), "as it is when nobody has switched it");
    assert_eq!(QUEUE.wake(count, ANY_EVENT), count);
}

fn wake_into_lists(count: usize) {
    run_queue::set_hands_off(false);
    QUEUE.wake(count, ANY_EVENT);
    run_queue::set_hands_off(true);
}

/// Puts two tasks to sleep, 0 first, on the CPU of this one, and does both things without leaving it; in which order they ran.
fn order_after(first: impl FnOnce(), second: impl FnOnce()) -> Vec<usize> {
    extern "C" fn body(index: usize) -> ! {
        sleep_until_woken();
        ITEMS.lock().push(index);
        finish()
    }
    pinned(|| {
        let mut tasks = Vec::new();
        for index in 0..2 {
            tasks.push(start_here(body, index));
            while QUEUE.waiters() <= index {
                sched::yield_now();
            }
        }
        // Both are parked, not on their way there: this CPU can only be here when they have left it.
        first();
        second();
        join(tasks, 2);
    })
}

/// Sleeps on the queue until the first wake-up.
fn sleep_until_woken() {
    let mut sleeps = false;
    // The first attempt comes before the sleep, every other one after a wake-up.
    QUEUE.wait(Mode::Exclusive, || core::mem::replace(&mut sleeps, true).then_some(()));
}

/// Does `actions` without leaving this CPU.
pub(super) fn on_this_cpu(actions: impl FnOnce()) {
    let everywhere = sched::current().affinity();
    sched::current().set_affinity(1 << crate::arch::cpu::index());
    actions();
    sched::current().set_affinity(everywhere);
}

/// Does `actions` without leaving this CPU, and returns what has been noted by the tasks that they started.
fn pinned(actions: impl FnOnce()) -> Vec<usize> {
    DONE.store(0, Ordering::SeqCst);
    on_this_cpu(actions);
    core::mem::take(&mut *ITEMS.lock())
}

/// Starts a task that stays on this CPU.
fn start_here(body: extern "C" fn(usize) -> !, index: usize) -> alloc::sync::Arc<Task> {
    let task = Task::new(None, None, body, index).unwrap();
    task.set_affinity(1 << crate::arch::cpu::index());
    sched::start(task.clone());
    task
}
