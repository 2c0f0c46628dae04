//! The primitives under real threads: what needs time, many participants, or the lock order. The races themselves are
//! explored in `models.rs`.
#![cfg(not(loom))]
#![allow(missing_docs, reason = "tests document themselves by their names")]
#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

#[path = "platforms/threads.rs"]
mod platform;

use platform::{ThreadTask, Threads};
use postern_sync::{
    ANY_EVENT, Answer, Interrupted, Lazy, Mode, Mutex, Once, Platform, Poller, Rank, Registration, Sleep, SpinLock,
    Tally, Unserved, WaitError, WaitQueue, WakeCallback,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

const RANK: Rank = Rank::sleeping(0, "test");
const MILLISECOND_NS: u64 = 1_000_000;

/// A counter of things to be had, as a pipe is of bytes.
struct Units {
    count: Mutex<u32, Threads>,
    queue: WaitQueue<Threads>,
}

impl Units {
    fn none() -> Arc<Self> {
        Arc::new(Self { count: Mutex::new(RANK, 0), queue: WaitQueue::new() })
    }

    fn post(&self, units: u32) -> usize {
        *self.count.lock() += units;
        self.queue.wake_one(ANY_EVENT)
    }

    fn try_take(&self) -> Option<()> {
        let mut count = self.count.lock();
        *count = count.checked_sub(1)?;
        Some(())
    }

    fn take_until(&self, sleep: Sleep, deadline_ns: Option<u64>) -> Result<(), WaitError> {
        self.queue.wait_until(Mode::Exclusive, sleep, deadline_ns, || self.try_take())
    }

    /// A thread that takes one unit, then sends `name`. Returns once it is on the queue with an attempt behind it.
    fn spawn_taker(self: &Arc<Self>, name: u32, taken: &Sender<u32>) -> &'static ThreadTask {
        let (units, taken) = (self.clone(), taken.clone());
        let (announce, attempted) = mpsc::channel();
        thread::spawn(move || {
            units.queue.wait(Mode::Exclusive, || {
                let unit = units.try_take();
                // Nobody listens any more after the first attempt.
                let _ = announce.send(Threads::current());
                unit
            });
            taken.send(name).unwrap();
        });
        attempted.recv().unwrap()
    }
}

#[test]
fn exclusive_waiters_are_served_in_order_of_arrival() {
    let units = Units::none();
    let (taken, order) = mpsc::channel();
    for name in 0..16 {
        units.spawn_taker(name, &taken);
    }
    for name in 0..16 {
        assert_eq!(units.post(1), 1);
        assert_eq!(order.recv(), Ok(name));
    }
    assert!(units.queue.is_empty());
}

#[test]
fn a_spurious_return_keeps_the_place_in_the_queue() {
    let units = Units::none();
    let (taken, order) = mpsc::channel();
    let first = units.spawn_taker(0, &taken);
    units.spawn_taker(1, &taken);
    for _ in 0..100 {
        Threads::unpark(first);
    }
    units.post(1);
    assert_eq!(order.recv(), Ok(0));
    units.post(1);
    assert_eq!(order.recv(), Ok(1));
}

#[test]
fn a_selected_waiter_that_finds_nothing_keeps_its_place_in_the_queue() {
    let units = Units::none();
    let (taken, order) = mpsc::channel();
    let first = units.clone();
    let first_taken = taken.clone();
    let (announce, attempted) = mpsc::channel();
    thread::spawn(move || {
        first.queue.wait(Mode::Exclusive, || {
            let unit = first.try_take();
            announce.send(()).unwrap();
            unit
        });
        first_taken.send(0).unwrap();
    });
    attempted.recv().unwrap();
    units.spawn_taker(1, &taken);
    // Wakes the first for nothing. It attempts twice: off the queue, and back on it.
    assert_eq!(units.queue.wake_one(ANY_EVENT), 1);
    attempted.recv().unwrap();
    attempted.recv().unwrap();
    units.post(1);
    assert_eq!(order.recv(), Ok(0));
    units.post(1);
    assert_eq!(order.recv(), Ok(1));
}

#[test]
fn a_tally_counts_sleeps_selections_and_those_for_nothing() {
    let units = Units::none();
    let tally = |sleeps, wakes, spurious_wakes| Tally { sleeps, wakes, spurious_wakes };
    units.post(1);
    assert_eq!(units.take_until(Sleep::Uninterruptible, None), Ok(()));
    assert_eq!(units.queue.tally(), tally(0, 0, 0), "it succeeded at once");
    let deadline_ns = Threads::now_ns() + MILLISECOND_NS;
    assert_eq!(units.take_until(Sleep::Uninterruptible, Some(deadline_ns)), Err(WaitError::TimedOut));
    assert_eq!(units.queue.tally(), tally(1, 0, 0), "nobody woke it");
    let taker = units.clone();
    let (announce, attempted) = mpsc::channel();
    let taker = thread::spawn(move || {
        taker.queue.wait(Mode::Exclusive, || {
            let unit = taker.try_take();
            announce.send(()).unwrap();
            unit
        });
    });
    attempted.recv().unwrap();
    assert_eq!(units.queue.tally(), tally(2, 0, 0), "who waits has not been woken");
    // For nothing: it attempts off the queue, and back on it.
    assert_eq!(units.queue.wake_one(ANY_EVENT), 1);
    attempted.recv().unwrap();
    attempted.recv().unwrap();
    assert_eq!(units.queue.tally(), tally(3, 1, 1));
    units.post(1);
    taker.join().unwrap();
    assert_eq!(units.queue.tally(), tally(3, 2, 1));
}

#[test]
fn a_wait_ends_at_its_deadline() {
    let units = Units::none();
    let deadline_ns = Threads::now_ns() + 5 * MILLISECOND_NS;
    let result = units.take_until(Sleep::Uninterruptible, Some(deadline_ns));
    assert_eq!(result, Err(WaitError::TimedOut));
    assert!(Threads::now_ns() >= deadline_ns);
    assert!(units.queue.is_empty());
}

#[test]
fn a_deadline_in_the_past_still_allows_one_attempt() {
    let units = Units::none();
    units.post(1);
    assert_eq!(units.take_until(Sleep::Uninterruptible, Some(0)), Ok(()));
    assert_eq!(units.take_until(Sleep::Uninterruptible, Some(0)), Err(WaitError::TimedOut));
}

#[test]
fn a_signal_ends_an_interruptible_wait_only() {
    let units = Units::none();
    Threads::current().interrupt();
    assert_eq!(units.queue.wait_interruptible(Mode::Shared, || None::<()>), Err(Interrupted));
    let deadline_ns = Threads::now_ns() + MILLISECOND_NS;
    assert_eq!(units.take_until(Sleep::Uninterruptible, Some(deadline_ns)), Err(WaitError::TimedOut));
    assert!(units.queue.is_empty());
}

#[test]
fn success_comes_before_a_signal() {
    let units = Units::none();
    Threads::current().interrupt();
    units.post(1);
    assert_eq!(units.take_until(Sleep::Interruptible, None), Ok(()));
}

#[test]
fn an_attempt_that_panics_leaves_the_queue() {
    let units = Units::none();
    let task = units.clone();
    let result = thread::spawn(move || {
        task.queue.wait(Mode::Exclusive, || -> Option<()> { panic!("on purpose") });
    })
    .join();
    assert!(result.is_err());
    assert!(units.queue.is_empty());
}

#[test]
fn an_attempt_that_succeeds_although_it_was_selected_passes_the_selection_on() {
    let units = Units::none();
    let (taken, order) = mpsc::channel();
    let result = units.queue.wait_until(Mode::Exclusive, Sleep::Uninterruptible, None, || {
        units.spawn_taker(1, &taken);
        // Selects this task, the first, which needs nothing any more.
        assert_eq!(units.post(1), 1);
        Some(())
    });
    assert_eq!(result, Ok(()));
    assert_eq!(order.recv(), Ok(1));
}

#[test]
fn waking_counts_all_shared_and_one_exclusive_waiter() {
    let queue = Arc::new(WaitQueue::<Threads>::new());
    let go = Arc::new(AtomicU32::new(0));
    let (announce, attempted) = mpsc::channel();
    let modes = [Mode::Exclusive, Mode::Shared, Mode::Exclusive, Mode::Shared];
    let waiters = modes.map(|mode| {
        let (queue, go, announce) = (queue.clone(), go.clone(), announce.clone());
        thread::spawn(move || {
            queue.wait(mode, || {
                let gone = (go.load(Ordering::Acquire) > 0).then_some(());
                let _ = announce.send(());
                gone
            });
        })
    });
    for _ in modes {
        attempted.recv().unwrap();
    }
    go.store(1, Ordering::Release);
    assert_eq!(queue.wake_one(ANY_EVENT), 3);
    assert_eq!(queue.wake_all(ANY_EVENT), 1);
    assert_eq!(queue.wake_all(ANY_EVENT), 0);
    for waiter in waiters {
        waiter.join().unwrap();
    }
}

#[test]
fn a_shared_waiter_that_found_nothing_is_still_reached_before_the_exclusive_ones() {
    let units = Units::none();
    let (taken, order) = mpsc::channel();
    for name in 0..3 {
        units.spawn_taker(name, &taken);
    }
    let done = Arc::new(AtomicU32::new(0));
    let (announce, attempted) = mpsc::channel();
    let shared = thread::spawn({
        let (units, done) = (units.clone(), done.clone());
        move || {
            units.queue.wait(Mode::Shared, || {
                let finished = (done.load(Ordering::Acquire) > 0).then_some(());
                announce.send(()).unwrap();
                finished
            });
        }
    });
    attempted.recv().unwrap();
    assert_eq!(units.queue.wake_one(ANY_EVENT), 2);
    // Off the queue, and back on it.
    attempted.recv().unwrap();
    attempted.recv().unwrap();
    done.store(1, Ordering::Release);
    assert_eq!(units.queue.wake_one(ANY_EVENT), 2);
    attempted.recv().unwrap();
    shared.join().unwrap();
    for _ in 0..3 {
        units.post(1);
        order.recv().unwrap();
    }
}

#[test]
fn a_wake_up_skips_waiters_whose_interest_it_does_not_concern() {
    let queue = Arc::new(WaitQueue::<Threads>::new());
    let (announce, events) = mpsc::channel();
    for interest in [0b01, 0b10] {
        let (queue, announce) = (queue.clone(), announce.clone());
        thread::spawn(move || {
            let mut attempts = 0;
            queue
                .wait_until_for(interest, Mode::Exclusive, Sleep::Uninterruptible, None, || {
                    attempts += 1;
                    announce.send((interest, attempts)).unwrap();
                    (attempts == 2).then_some(())
                })
                .unwrap();
        });
        assert_eq!(events.recv(), Ok((interest, 1)));
    }
    assert_eq!(queue.wake_all(0b100), 0);
    assert_eq!(queue.wake_one(0b10), 1);
    assert_eq!(events.recv(), Ok((0b10, 2)));
    assert_eq!(queue.wake(usize::MAX, 0b11), 1);
    assert_eq!(events.recv(), Ok((0b01, 2)));
}

#[test]
fn many_tasks_pass_many_units_through_chained_wake_ups() {
    const TAKERS: u32 = 4;
    const EACH: u32 = 2_000;
    let units = Units::none();
    let takers: Vec<_> = (0..TAKERS)
        .map(|_| {
            let units = units.clone();
            thread::spawn(move || {
                for _ in 0..EACH {
                    units.queue.wait(Mode::Exclusive, || units.try_take());
                    let more_to_have = *units.count.lock() > 0;
                    if more_to_have {
                        units.queue.wake_one(ANY_EVENT);
                    }
                }
            })
        })
        .collect();
    for _ in 0..TAKERS * EACH / 4 {
        units.post(4);
    }
    for taker in takers {
        taker.join().unwrap();
    }
    assert_eq!(*units.count.lock(), 0);
    assert!(units.queue.is_empty());
}

#[test]
fn timeouts_lose_no_unit() {
    const POSTED: u32 = 2_000;
    let units = Units::none();
    let taken = Arc::new(AtomicU32::new(0));
    let takers: Vec<_> = (0..4)
        .map(|number| {
            let (units, taken) = (units.clone(), taken.clone());
            thread::spawn(move || {
                let mut deadline_ns = None;
                while taken.load(Ordering::Relaxed) < POSTED {
                    if units.take_until(Sleep::Uninterruptible, deadline_ns).is_ok() {
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                    deadline_ns = Some(Threads::now_ns() + number * 5_000);
                }
            })
        })
        .collect();
    // Each taker's first wait has no deadline: the extra units make sure that all of those end.
    for _ in 0..POSTED + 4 {
        units.post(1);
    }
    for taker in takers {
        taker.join().unwrap();
    }
    let left = *units.count.lock();
    assert_eq!(taken.load(Ordering::Relaxed) + left, POSTED + 4);
}

#[test]
fn a_mutex_protects_a_plain_counter() {
    const EACH: u32 = 20_000;
    let counter = Arc::new(Mutex::<u32, Threads>::new(RANK, 0));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let counter = counter.clone();
            thread::spawn(move || {
                for _ in 0..EACH {
                    let mut value = counter.lock();
                    *value += 1;
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(*counter.lock(), 4 * EACH);
}

#[test]
fn a_held_mutex_refuses_those_who_try_and_those_who_are_interrupted() {
    let mutex = Arc::new(Mutex::<_, Threads>::new(RANK, 7));
    let held = mutex.lock();
    let other = mutex.clone();
    thread::spawn(move || {
        assert!(other.try_lock().is_none());
        Threads::current().interrupt();
        assert_eq!(other.lock_interruptible().err(), Some(Interrupted));
        // The rank was given back: another lock of that order may be taken.
        drop(Mutex::<_, Threads>::new(RANK, ()).lock());
    })
    .join()
    .unwrap();
    drop(held);
    assert_eq!(mutex.try_lock().as_deref(), Some(&7));
    assert_eq!(mutex.lock_interruptible().as_deref(), Ok(&7));
}

/// Sends the key of every wake-up.
struct Reporter(Sender<u32>);

impl WakeCallback for Reporter {
    fn on_wake(&self, key: u32) -> Answer {
        self.0.send(key).unwrap();
        Answer::Taken
    }
}

fn keys(reports: &Receiver<u32>) -> Vec<u32> {
    reports.try_iter().collect()
}

#[test]
fn a_registration_hears_what_interests_it_until_it_is_dropped() {
    let units = Units::none();
    let (sender, reports) = mpsc::channel();
    let registration =
        Registration::new(units.clone(), |units| &units.queue, Mode::Shared, 0b11, Reporter(sender)).unwrap();
    assert!(!units.queue.is_empty());
    assert_eq!(units.queue.wake_one(0b01), 1);
    assert_eq!(units.queue.wake_one(0b100), 0);
    assert_eq!(units.queue.wake_all(0b110), 1);
    registration.set_interest(0b100);
    assert_eq!(units.queue.wake_all(0b11), 0);
    assert_eq!(units.queue.wake_all(0b100), 1);
    // Moving it does not move what the queue refers to.
    let boxed = Box::new(registration);
    assert_eq!(units.queue.wake_all(0b101), 1);
    drop(boxed);
    assert_eq!(units.queue.wake_all(ANY_EVENT), 0);
    assert_eq!(keys(&reports), [0b01, 0b110, 0b100, 0b101]);
    assert!(units.queue.is_empty());
    assert_eq!(Arc::strong_count(&units), 1);
}

/// Has the number of every wake-up sent that it is told of, and answers as it is told to.
struct Clerk {
    number: u32,
    answer: Answer,
    told: Sender<u32>,
}

impl WakeCallback for Clerk {
    fn on_wake(&self, _: u32) -> Answer {
        self.told.send(self.number).unwrap();
        self.answer
    }
}

#[test]
fn a_wake_up_ends_at_the_first_exclusive_registration_that_takes_it_and_at_no_shared_one() {
    let units = Units::none();
    let (told, reports) = mpsc::channel();
    let clerks = [
        (Mode::Exclusive, Answer::Left),
        (Mode::Exclusive, Answer::Taken),
        (Mode::Exclusive, Answer::Taken),
        (Mode::Shared, Answer::Taken),
    ];
    let clerks = clerks.into_iter().zip(0..).map(|((mode, answer), number)| {
        let clerk = Clerk { number, answer, told: told.clone() };
        Registration::new(units.clone(), |units| &units.queue, mode, ANY_EVENT, clerk).unwrap()
    });
    let mut clerks: Vec<_> = clerks.collect();
    assert_eq!(units.queue.wake_one(ANY_EVENT), 3);
    assert_eq!(keys(&reports), [3, 0, 1]);
    units.queue.wake_all(ANY_EVENT);
    assert_eq!(keys(&reports), [3, 0, 1, 2]);
    drop(clerks.remove(1));
    units.queue.wake_one(ANY_EVENT);
    assert_eq!(keys(&reports), [3, 0, 2]);
    assert_eq!(units.queue.tally(), Tally::default(), "nobody slept");
    drop(clerks);
    assert_eq!(units.queue.tally(), Tally::default());
}

#[test]
fn others_stand_back_for_who_was_passed_over_and_pollers_hear_when_it_gives_up() {
    let units = Units::none();
    let (announce, attempted) = mpsc::channel();
    let waiter = thread::spawn({
        let units = units.clone();
        move || {
            let nothing = || {
                announce.send((Threads::current(), units.queue.is_turn_of_current())).unwrap();
                None::<()>
            };
            let Err(Unserved::PassedOver(place)) = units.queue.wait_in_turn(Sleep::Interruptible, None, nothing) else {
                panic!("served by nothing");
            };
            units.queue.wait_passed_over(place, Sleep::Interruptible, None, nothing)
        }
    });
    attempted.recv().unwrap();
    assert!(units.queue.is_turn_of_current(), "nobody was passed over so far");
    // Woken for nothing; the third attempt is the first in its old place.
    assert_eq!(units.queue.wake_one(ANY_EVENT), 1);
    attempted.recv().unwrap();
    let (task, is_its_turn) = attempted.recv().unwrap();
    assert!(is_its_turn && !units.queue.is_turn_of_current());
    let (sender, reports) = mpsc::channel();
    let poller = Registration::new(units.clone(), |units| &units.queue, Mode::Shared, 0b1, Reporter(sender)).unwrap();
    task.interrupt();
    assert_eq!(waiter.join().unwrap(), Err(WaitError::Interrupted));
    assert!(units.queue.is_turn_of_current());
    assert_eq!(keys(&reports), [ANY_EVENT]);
    drop(poller);
}

/// As an epoll instance does: notes readiness under a lock of its own, then wakes its own waiters.
struct ReadyList {
    ready: SpinLock<Vec<u32>, Threads>,
    queue: WaitQueue<Threads>,
}

struct Member(Arc<ReadyList>);

impl WakeCallback for Member {
    fn on_wake(&self, key: u32) -> Answer {
        self.0.ready.lock().push(key);
        self.0.queue.wake_one(key);
        Answer::Taken
    }
}

#[test]
fn a_callback_may_take_a_higher_lock_and_wake_another_queue() {
    let source = Arc::new(WaitQueue::<Threads>::new());
    let list = Arc::new(ReadyList {
        ready: SpinLock::new(Rank::spinning(200, "ready list"), Vec::new()),
        queue: WaitQueue::new(),
    });
    let member = Member(list.clone());
    let registration = Registration::new(source.clone(), |queue| queue, Mode::Shared, ANY_EVENT, member).unwrap();
    let waker = thread::spawn(move || source.wake_one(5));
    let ready = list.queue.wait(Mode::Exclusive, || list.ready.lock().pop());
    assert_eq!(ready, 5);
    assert_eq!(waker.join().unwrap(), 1);
    drop(registration);
}

#[test]
fn a_poller_waits_on_many_queues_and_leaves_them_all() {
    // More than fit without an allocation, and more than one allocation's worth.
    let all: Vec<_> = (0..50).map(|_| Units::none()).collect();
    for chosen in [0, 7, 8, 9, 40, 49] {
        let poster = all[chosen].clone();
        Poller::scope(|poller| {
            for units in &all {
                poller.join(&units.queue, ANY_EVENT).unwrap();
            }
            let poster = thread::spawn(move || poster.post(1));
            let found = poller
                .wait_until(Sleep::Uninterruptible, None, || all.iter().position(|units| units.try_take().is_some()));
            assert_eq!(found, Ok(chosen));
            assert_eq!(poster.join().unwrap(), 1);
        });
        assert!(all.iter().all(|units| units.queue.is_empty()));
    }
}

#[test]
fn a_poller_ends_by_deadline_and_signal() {
    let units = Units::none();
    Poller::scope(|poller| {
        poller.join(&units.queue, ANY_EVENT).unwrap();
        let deadline_ns = Some(Threads::now_ns() + MILLISECOND_NS);
        assert_eq!(poller.wait_until(Sleep::Interruptible, deadline_ns, || None::<()>), Err(WaitError::TimedOut));
        Threads::current().interrupt();
        assert_eq!(poller.wait_until(Sleep::Interruptible, None, || None::<()>), Err(WaitError::Interrupted));
    });
    assert!(units.queue.is_empty());
}

#[test]
fn a_poller_whose_body_panics_leaves_its_queues() {
    let units = Units::none();
    let polled = units.clone();
    let result = thread::spawn(move || {
        Poller::<Threads>::scope(|poller| {
            poller.join(&polled.queue, ANY_EVENT).unwrap();
            panic!("on purpose");
        });
    })
    .join();
    assert!(result.is_err());
    assert!(units.queue.is_empty());
}

#[test]
fn a_look_at_a_queue_finds_sleepers_and_pollers_and_no_other_callbacks() {
    struct Deaf;
    impl WakeCallback for Deaf {
        fn on_wake(&self, _: u32) -> Answer {
            Answer::Left
        }
    }
    let units = Units::none();
    let (taken, order) = mpsc::channel();
    let sleeper = units.spawn_taker(1, &taken);
    let registration = Registration::new(units.clone(), |units| &units.queue, Mode::Shared, ANY_EVENT, Deaf).unwrap();
    let look = || {
        let mut found = Vec::new();
        units.queue.for_each_waiter(|task| found.push(core::ptr::from_ref(task)));
        found
    };
    Poller::scope(|poller| {
        poller.join(&units.queue, ANY_EVENT).unwrap();
        // Those before the line come first.
        assert_eq!(look(), [core::ptr::from_ref(Threads::current()), core::ptr::from_ref(sleeper)]);
    });
    assert_eq!(look(), [core::ptr::from_ref(sleeper)]);
    units.post(1);
    assert_eq!(order.recv(), Ok(1));
    assert_eq!(look(), []);
    drop(registration);
}

#[test]
fn once_and_lazy_run_their_initialiser_once() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    static ONCE: Once<u32, Threads> = Once::new();
    static LAZY: Lazy<u32, Threads> = Lazy::new(|| CALLS.fetch_add(1, Ordering::Relaxed));
    let threads = [(); 4].map(|()| {
        thread::spawn(|| {
            ONCE.call_once(|| CALLS.fetch_add(1, Ordering::Relaxed));
            *LAZY
        })
    });
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(CALLS.load(Ordering::Relaxed), 2);
}
