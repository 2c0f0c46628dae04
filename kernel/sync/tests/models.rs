//! Model checks: every interleaving (up to a bound on preemptions) of small programs on the real primitives, with the
//! weak memory that loom knows. `RUSTFLAGS="--cfg loom" cargo test -p postern-sync --profile models --test models`
//!
//! A lost wake-up shows as loom's report of a deadlock.
#![cfg(loom)]
#![allow(missing_docs, reason = "tests document themselves by their names")]
#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

#[path = "platforms/model.rs"]
mod model;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use model::{Model, ModelTask, Scheduled, Unprotected, explore, let_time_pass};
use postern_sync::{
    ANY_EVENT, Answer, Glimpse, Interest, Mode, Mutex, Notify, ParkState, Platform, Poller, Rank, Registration, Sleep,
    SpinLock, WaitError, WaitQueue, WakeCallback,
};

const RANK: Rank = Rank::sleeping(0, "test");

/// Units to be had, one each, and those who wait for them. The count is relaxed throughout: all ordering must come from
/// the wait queue's protocol.
struct Units<P: Platform> {
    count: AtomicU32,
    queue: WaitQueue<P>,
}

impl<P: Platform> Units<P> {
    fn none() -> Arc<Self> {
        Arc::new(Self { count: AtomicU32::new(0), queue: WaitQueue::new() })
    }

    fn post(&self, units: u32) {
        self.count.fetch_add(units, Ordering::Relaxed);
        self.queue.wake_one(ANY_EVENT);
    }

    fn try_take(&self) -> Option<()> {
        let mut count = self.count.load(Ordering::Relaxed);
        while count > 0 {
            match self.count.compare_exchange(count, count - 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(()),
                Err(now) => count = now,
            }
        }
        None
    }

    fn take(&self, mode: Mode) {
        self.queue.wait(mode, || self.try_take());
    }
}

fn one_waiter_one_waker<P: Platform>(mode: Mode) {
    let units = Units::<P>::none();
    let waiter = thread::spawn({
        let units = units.clone();
        move || units.take(mode)
    });
    units.post(1);
    waiter.join().unwrap();
    assert!(units.queue.is_empty());
}

#[test]
fn a_change_between_attempt_and_sleep_is_not_lost() {
    explore(4, || one_waiter_one_waker::<Model>(Mode::Exclusive));
}

#[test]
fn a_change_between_attempt_and_sleep_is_not_lost_on_a_shared_waiter() {
    explore(4, || one_waiter_one_waker::<Model>(Mode::Shared));
}

#[test]
fn the_same_through_park_state() {
    explore(3, || one_waiter_one_waker::<Scheduled>(Mode::Exclusive));
}

#[test]
fn the_attempt_after_a_selection_sees_what_it_was_for() {
    explore(4, || {
        let units = Units::<Model>::none();
        let poster = thread::spawn({
            let units = units.clone();
            move || units.post(1)
        });
        let mut attempts = 0;
        units.queue.wait(Mode::Exclusive, || {
            attempts += 1;
            units.try_take()
        });
        assert!(attempts <= 2);
        poster.join().unwrap();
    });
}

#[test]
fn what_the_waker_wrote_is_visible_to_the_woken() {
    struct Shared {
        written: Unprotected,
        ready: AtomicU32,
        queue: WaitQueue<Model>,
    }
    explore(3, || {
        let shared =
            Arc::new(Shared { written: Unprotected::zero(), ready: AtomicU32::new(0), queue: WaitQueue::new() });
        let waker = thread::spawn({
            let shared = shared.clone();
            move || {
                shared.written.add(7);
                shared.ready.store(1, Ordering::Release);
                shared.queue.wake_all(ANY_EVENT);
            }
        });
        shared.queue.wait(Mode::Exclusive, || (shared.ready.load(Ordering::Acquire) == 1).then_some(()));
        assert_eq!(shared.written.get(), 7);
        waker.join().unwrap();
    });
}

#[test]
fn two_units_posted_one_by_one_reach_two_waiters() {
    explore(2, || {
        let units = Units::<Model>::none();
        let waiters = [(); 2].map(|()| {
            let units = units.clone();
            thread::spawn(move || units.take(Mode::Exclusive))
        });
        units.post(1);
        units.post(1);
        for waiter in waiters {
            waiter.join().unwrap();
        }
    });
}

#[test]
fn one_wake_up_for_two_units_is_chained_by_the_first_woken() {
    explore(2, || {
        let units = Units::<Model>::none();
        let waiters = [(); 2].map(|()| {
            let units = units.clone();
            thread::spawn(move || {
                units.take(Mode::Exclusive);
                if units.count.load(Ordering::Relaxed) > 0 {
                    units.queue.wake_one(ANY_EVENT);
                }
            })
        });
        units.post(2);
        for waiter in waiters {
            waiter.join().unwrap();
        }
    });
}

#[test]
fn wake_all_reaches_every_waiter() {
    explore(2, || {
        let units = Units::<Model>::none();
        let waiters = [Mode::Exclusive, Mode::Shared].map(|mode| {
            let units = units.clone();
            thread::spawn(move || units.take(mode))
        });
        units.count.fetch_add(2, Ordering::Relaxed);
        units.queue.wake_all(ANY_EVENT);
        for waiter in waiters {
            waiter.join().unwrap();
        }
    });
}

/// One waiter that can end early, one that cannot, and one unit: whoever does not end early must have it.
fn a_waiter_that_gives_up(sleep: Sleep, deadline_ns: Option<u64>, give_up: fn(&'static ModelTask), error: WaitError) {
    let units = Units::<Model>::none();
    let quitter_task = Arc::new(loom::sync::Mutex::new(None));
    let quitter = thread::spawn({
        let (units, quitter_task) = (units.clone(), quitter_task.clone());
        move || {
            *quitter_task.lock().unwrap() = Some(Model::current());
            let result = units.queue.wait_until(Mode::Exclusive, sleep, deadline_ns, || units.try_take());
            assert!(result == Ok(()) || result == Err(error));
            if result.is_ok() {
                // The other one needs a unit, too.
                units.post(1);
            }
        }
    });
    let stayer = thread::spawn({
        let units = units.clone();
        move || units.take(Mode::Exclusive)
    });
    let poster = thread::spawn({
        let units = units.clone();
        move || units.post(1)
    });
    // Stands for the timer interrupt or the sender of the signal.
    let task = *quitter_task.lock().unwrap();
    if let Some(task) = task {
        give_up(task);
    }
    poster.join().unwrap();
    stayer.join().unwrap();
    if task.is_none() {
        let_time_pass();
        units.post(1);
    }
    quitter.join().unwrap();
}

#[test]
fn a_waiter_selected_while_it_times_out_passes_the_wake_up_on() {
    explore(2, || {
        a_waiter_that_gives_up(
            Sleep::Uninterruptible,
            Some(1),
            |task| {
                let_time_pass();
                Model::unpark(task);
            },
            WaitError::TimedOut,
        );
    });
}

#[test]
fn a_waiter_selected_while_it_is_interrupted_passes_the_wake_up_on() {
    explore(2, || {
        a_waiter_that_gives_up(Sleep::Interruptible, None, |task| task.interrupt(), WaitError::Interrupted);
    });
}

#[test]
fn the_first_to_wait_is_the_first_to_be_woken() {
    explore(2, || {
        let units = Units::<Model>::none();
        // Who is queued, and has nothing left to do but sleep.
        let queued = Arc::new((loom::sync::Mutex::new(0), loom::sync::Condvar::new()));
        let mut waiters = Vec::new();
        for number in 1..=2 {
            let (units, announce) = (units.clone(), queued.clone());
            waiters.push(thread::spawn(move || {
                units.queue.wait(Mode::Exclusive, || {
                    let taken = units.try_take();
                    let (count, came) = &*announce;
                    *count.lock().unwrap() = number;
                    came.notify_all();
                    taken
                });
            }));
            let (count, came) = &*queued;
            let mut count = count.lock().unwrap();
            while *count < number {
                count = came.wait(count).unwrap();
            }
        }
        let second = waiters.pop().unwrap();
        let first = waiters.pop().unwrap();
        units.post(1);
        // A deadlock here: the second was selected.
        first.join().unwrap();
        units.post(1);
        second.join().unwrap();
    });
}

fn mutual_exclusion<P: Platform>(tasks: u32) {
    let mutex = Arc::new(Mutex::<_, P>::new(RANK, Unprotected::zero()));
    let others: Vec<_> = (1..tasks)
        .map(|_| {
            let mutex = mutex.clone();
            thread::spawn(move || mutex.lock().add(1))
        })
        .collect();
    mutex.lock().add(1);
    for other in others {
        other.join().unwrap();
    }
    assert_eq!(mutex.lock().get(), tasks);
}

#[test]
fn a_mutex_is_held_by_one_of_two_and_strands_none() {
    explore(4, || mutual_exclusion::<Model>(2));
}

#[test]
fn a_mutex_is_held_by_one_of_three_and_strands_none() {
    explore(2, || mutual_exclusion::<Model>(3));
}

#[test]
fn a_mutex_through_park_state() {
    explore(2, || mutual_exclusion::<Scheduled>(2));
}

#[test]
fn a_waiter_for_a_mutex_that_is_interrupted_strands_none() {
    explore(2, || {
        let mutex = Arc::new(Mutex::<(), Model>::new(RANK, ()));
        let held = mutex.lock();
        let stayer = thread::spawn({
            let mutex = mutex.clone();
            move || drop(mutex.lock())
        });
        let quitter = thread::spawn({
            let mutex = mutex.clone();
            move || {
                Model::current().interrupt();
                drop(mutex.lock_interruptible());
            }
        });
        drop(held);
        stayer.join().unwrap();
        quitter.join().unwrap();
        assert!(mutex.try_lock().is_some());
    });
}

#[test]
fn an_attempt_that_sleeps_on_a_mutex_does_not_lose_the_selection() {
    struct Guarded {
        value: Mutex<u32, Model>,
        queue: WaitQueue<Model>,
    }
    explore(3, || {
        let guarded = Arc::new(Guarded { value: Mutex::new(RANK, 0), queue: WaitQueue::new() });
        let poster = thread::spawn({
            let guarded = guarded.clone();
            move || {
                *guarded.value.lock() += 1;
                guarded.queue.wake_one(ANY_EVENT);
            }
        });
        guarded.queue.wait(Mode::Exclusive, || (*guarded.value.lock() > 0).then_some(()));
        poster.join().unwrap();
    });
}

#[test]
fn a_poller_hears_of_a_change_on_any_queue() {
    explore(2, || {
        let units = [Units::<Model>::none(), Units::none()];
        let posters = [0, 1].map(|index| {
            let units = units[index].clone();
            thread::spawn(move || units.post(1))
        });
        Poller::scope(|poller| {
            for units in &units {
                poller.join(&units.queue, ANY_EVENT).unwrap();
            }
            for _ in 0..2 {
                poller
                    .wait_until(Sleep::Uninterruptible, None, || units.iter().find_map(|units| units.try_take()))
                    .unwrap();
            }
        });
        for poster in posters {
            poster.join().unwrap();
        }
    });
}

/// Counts its calls, and tells loom when it is freed.
struct Counter {
    calls: Arc<AtomicU32>,
    alive: Unprotected,
}

impl WakeCallback for Counter {
    fn on_wake(&self, _key: u32) -> Answer {
        assert_eq!(self.alive.get(), 0);
        self.calls.fetch_add(1, Ordering::Relaxed);
        Answer::Taken
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.alive.add(1);
    }
}

#[test]
fn a_callback_is_not_called_once_its_registration_is_gone() {
    explore(3, || {
        let queue = std::sync::Arc::new(WaitQueue::<Model>::new());
        let calls = Arc::new(AtomicU32::new(0));
        let counter = Counter { calls: calls.clone(), alive: Unprotected::zero() };
        let registration = Registration::new(queue.clone(), |queue| queue, Mode::Shared, ANY_EVENT, counter).unwrap();
        let waker = thread::spawn({
            let queue = queue.clone();
            move || queue.wake_one(ANY_EVENT)
        });
        drop(registration);
        let calls_so_far = calls.load(Ordering::Relaxed);
        let woken = waker.join().unwrap();
        assert_eq!(woken, calls.load(Ordering::Relaxed) as usize);
        assert_eq!(calls_so_far, calls.load(Ordering::Relaxed));
    });
}

/// A ring of bytes, as far as a reader that only looks is concerned: how many came, and whether the writer is gone.
struct Bytes {
    glimpse: Glimpse,
    readers: WaitQueue<Model>,
}

impl Bytes {
    fn none() -> Arc<Self> {
        Arc::new(Self { glimpse: Glimpse::new(0, 0), readers: WaitQueue::new() })
    }

    /// What a pipe does with its lock held, and then without.
    fn write(&self) {
        self.glimpse.publish_moving(1);
        self.readers.wake_one(ANY_EVENT);
    }

    fn close(&self) {
        self.glimpse.publish(1, 1);
        self.readers.wake_all(ANY_EVENT);
    }
}

#[test]
fn who_looks_without_the_lock_misses_no_wake_up() {
    explore(4, || {
        let bytes = Bytes::none();
        let writer = thread::spawn({
            let bytes = bytes.clone();
            move || bytes.write()
        });
        bytes.readers.wait(Mode::Exclusive, || (bytes.glimpse.moving() == 1).then_some(()));
        writer.join().unwrap();
    });
}

#[test]
fn a_poller_that_looks_without_the_lock_misses_no_hang_up() {
    explore(3, || {
        let bytes = Bytes::none();
        let writer = thread::spawn({
            let bytes = bytes.clone();
            move || bytes.close()
        });
        Poller::scope(|poller| {
            poller.join(&bytes.readers, ANY_EVENT).unwrap();
            let look = || (bytes.glimpse.both().1 == 1).then_some(());
            poller.wait_until(Sleep::Uninterruptible, None, look).unwrap();
        });
        writer.join().unwrap();
    });
}

#[test]
fn who_sees_that_the_writer_is_gone_sees_what_it_wrote() {
    explore(4, || {
        let bytes = Bytes::none();
        let writer = thread::spawn({
            let bytes = bytes.clone();
            move || {
                bytes.glimpse.publish_moving(1);
                bytes.glimpse.publish(1, 1);
            }
        });
        let (written, closed) = bytes.glimpse.both();
        assert!(closed == 0 || written == 1);
        writer.join().unwrap();
    });
}

/// Notes that it was called with a key of interest.
struct Listener {
    interest: Arc<Interest>,
    heard: Arc<AtomicU32>,
}

impl WakeCallback for Listener {
    fn on_wake(&self, key: u32) -> Answer {
        if self.interest.keys() & key != 0 {
            self.heard.store(1, Ordering::Relaxed);
        }
        Answer::Taken
    }
}

#[test]
fn a_change_is_heard_by_a_callback_or_seen_by_the_look_after_the_interest_was_set() {
    explore(4, || {
        let queue = std::sync::Arc::new(WaitQueue::<Model>::new());
        let (interest, heard) = (Arc::new(Interest::new(0)), Arc::new(AtomicU32::new(0)));
        let listener = Listener { interest: interest.clone(), heard: heard.clone() };
        let registration = Registration::new(queue.clone(), |queue| queue, Mode::Shared, ANY_EVENT, listener).unwrap();
        let state = Arc::new(AtomicU32::new(0));
        let waker = thread::spawn({
            let (queue, state) = (queue.clone(), state.clone());
            move || {
                state.store(1, Ordering::Relaxed);
                queue.wake_all(1);
            }
        });
        interest.set(1);
        let seen = state.load(Ordering::Relaxed) == 1;
        waker.join().unwrap();
        assert!(seen || heard.load(Ordering::Relaxed) == 1);
        drop(registration);
    });
}

/// Lost is a wake-up that leaves the task asleep (a deadlock); doubled one that puts it on a run queue twice (the platform
/// checks that). The work is relaxed: that it is seen at all is owed to the token.
#[test]
fn wakers_that_race_with_parking_are_neither_lost_nor_doubled() {
    explore(4, || {
        let task = Scheduled::current();
        let work = Arc::new(AtomicU32::new(0));
        let wakers = [1, 2].map(|bit| {
            let work = work.clone();
            thread::spawn(move || {
                work.fetch_or(bit, Ordering::Relaxed);
                Scheduled::unpark(task);
            })
        });
        while work.load(Ordering::Relaxed) != 3 {
            Scheduled::park(Sleep::Uninterruptible, None);
        }
        for waker in wakers {
            waker.join().unwrap();
        }
    });
}

/// The context that is saved between `begin_park` and `finish_switch_out` is loaded by the waker's CPU.
#[test]
fn the_context_of_a_parked_task_is_visible_to_who_enqueues_it() {
    explore(4, || {
        let task = Arc::new((ParkState::new(), Unprotected::zero()));
        let waker = thread::spawn({
            let task = task.clone();
            move || {
                if task.0.notify() == Notify::MustEnqueue {
                    assert_eq!(task.1.get(), 1);
                }
            }
        });
        if task.0.begin_park() {
            task.1.add(1);
            let _ = task.0.finish_switch_out();
        }
        waker.join().unwrap();
    });
}

/// Of two wake-ups that become one token, the work of both is visible to the one park that consumes it.
#[test]
fn a_token_carries_the_work_of_all_who_left_it() {
    explore(4, || {
        let state = Arc::new(ParkState::new());
        let work = Arc::new([Unprotected::zero(), Unprotected::zero()]);
        let arrived = Arc::new(AtomicU32::new(0));
        let waker = |index: usize| {
            let (state, work, arrived) = (state.clone(), work.clone(), arrived.clone());
            thread::spawn(move || {
                work[index].add(1);
                assert_eq!(state.notify(), Notify::Already);
                arrived.fetch_add(1, Ordering::Relaxed);
            })
        };
        let wakers = [waker(0), waker(1)];
        if arrived.load(Ordering::Relaxed) == 2 {
            assert!(!state.begin_park());
            for work in work.iter() {
                assert_eq!(work.get(), 1);
            }
        }
        for waker in wakers {
            waker.join().unwrap();
        }
    });
}

#[test]
fn a_spin_lock_excludes() {
    explore(3, || {
        let rank = Rank::spinning(0, "test");
        let lock = Arc::new(SpinLock::<_, Model>::new(rank, Unprotected::zero()));
        let other = thread::spawn({
            let lock = lock.clone();
            move || lock.lock().add(1)
        });
        lock.lock().add(1);
        other.join().unwrap();
        assert_eq!(lock.lock().get(), 2);
    });
}
