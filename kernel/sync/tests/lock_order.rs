//! The lock order: what `HeldLocks` allows and what it stops, alone and under real locks.
#![cfg(not(loom))]
#![allow(missing_docs, reason = "tests document themselves by their names")]

#[allow(dead_code, reason = "the platform of several tests, none of which needs all of it")]
#[path = "platforms/threads.rs"]
mod platform;

use postern_sync::{HeldLocks, Rank};

const INODE: Rank = Rank::sleeping(10, "inode");
const PIPE: Rank = Rank::sleeping(20, "pipe");
const TIMERS: Rank = Rank::spinning(5, "timers");
const RUN_QUEUE: Rank = Rank::spinning(250, "run queue");

#[test]
fn rising_ranks_are_in_order_and_may_be_released_in_any() {
    let mut held = HeldLocks::new();
    held.acquire(INODE);
    held.acquire(PIPE);
    held.acquire(TIMERS);
    held.release(PIPE);
    held.release(INODE);
    assert!(!held.is_empty());
    held.acquire(RUN_QUEUE);
    held.release(RUN_QUEUE);
    held.release(TIMERS);
    assert!(held.is_empty());
    held.assert_none("a test");
}

#[test]
#[should_panic(expected = "lock order: mutex 'inode' (rank 10) wanted with mutex 'pipe' (rank 20) held")]
fn a_lower_rank_is_refused_with_both_names() {
    let mut held = HeldLocks::new();
    held.acquire(PIPE);
    held.acquire(INODE);
}

#[test]
#[should_panic(expected = "mutex 'pipe' (rank 20) wanted with spin lock 'timers' (rank 261) held")]
fn a_mutex_is_refused_while_a_spin_lock_is_held() {
    let mut held = HeldLocks::new();
    held.acquire(TIMERS);
    held.acquire(PIPE);
}

#[test]
#[should_panic(expected = "mutex 'pipe' (rank 20) wanted with mutex 'pipe' (rank 20) held")]
fn an_equal_rank_is_refused() {
    let mut held = HeldLocks::new();
    held.acquire(PIPE);
    held.acquire(PIPE);
}

#[test]
fn an_equal_rank_is_allowed_when_nested() {
    let mut held = HeldLocks::new();
    held.acquire(PIPE);
    held.acquire(PIPE.nested());
    held.release(PIPE);
    held.release(PIPE);
    assert!(held.is_empty());
}

#[test]
#[should_panic(expected = "wanted with mutex 'pipe' (rank 20) held")]
fn a_lower_rank_is_refused_even_when_nested() {
    let mut held = HeldLocks::new();
    held.acquire(PIPE);
    held.acquire(INODE.nested());
}

#[test]
#[should_panic(expected = "mutex 'inode' (rank 10) wanted with mutex 'pipe' (rank 20) held")]
fn a_lock_that_was_tried_out_of_order_does_not_hide_a_higher_one() {
    let mut held = HeldLocks::new();
    held.acquire(PIPE);
    held.acquire(Rank::sleeping(1, "low").tried());
    held.acquire(INODE);
}

#[test]
#[should_panic(expected = "spin lock 'timers' (rank 261) released but not held")]
fn releasing_what_is_not_held_is_refused() {
    let mut held = HeldLocks::new();
    held.acquire(PIPE);
    held.release(TIMERS);
}

#[test]
#[should_panic(expected = "lock order: park with spin lock 'timers' (rank 261) held")]
fn sleeping_with_a_lock_is_refused() {
    let mut held = HeldLocks::new();
    held.acquire(TIMERS);
    held.assert_none("park");
}

#[test]
#[should_panic(expected = "one lock too many")]
fn nesting_beyond_belief_is_refused() {
    let mut held = HeldLocks::new();
    for _ in 0..=HeldLocks::CAPACITY {
        held.acquire(PIPE.nested());
    }
}

/// Locks report their ranks in builds with debug assertions only.
#[cfg(debug_assertions)]
mod locks {
    use super::platform::Threads;
    use super::{INODE, PIPE, RUN_QUEUE, TIMERS};
    use postern_sync::{ANY_EVENT, Mode, Mutex, SpinLock, WaitQueue};

    #[test]
    #[should_panic(expected = "mutex 'inode' (rank 10) wanted with mutex 'pipe' (rank 20) held")]
    fn mutexes_are_checked() {
        let (pipe, inode) = (Mutex::<_, Threads>::new(PIPE, ()), Mutex::new(INODE, ()));
        let _pipe = pipe.lock();
        let _inode: postern_sync::MutexGuard<'_, (), Threads> = inode.lock();
    }

    #[test]
    #[should_panic(expected = "spin lock 'timers' (rank 261) wanted with spin lock 'run queue'")]
    fn spin_locks_are_checked() {
        let run_queue = SpinLock::<_, Threads>::new(RUN_QUEUE, ());
        let timers = SpinLock::<_, Threads>::new(TIMERS, ());
        let _run_queue = run_queue.lock();
        let _timers = timers.lock();
    }

    #[test]
    #[should_panic(expected = "'run queue' (rank 506) held")]
    fn waiting_under_a_spin_lock_is_refused() {
        let run_queue = SpinLock::<_, Threads>::new(RUN_QUEUE, ());
        let _run_queue = run_queue.lock();
        WaitQueue::<Threads>::new().wait(Mode::Shared, || None::<()>);
    }

    #[test]
    fn waking_nobody_needs_no_lock_and_so_no_order() {
        let run_queue = SpinLock::<_, Threads>::new(RUN_QUEUE, ());
        let _run_queue = run_queue.lock();
        assert_eq!(WaitQueue::<Threads>::new().wake_all(ANY_EVENT), 0);
    }

    #[test]
    fn two_locks_of_one_rank_may_be_nested_or_tried() {
        let locks = [(); 3].map(|()| SpinLock::<_, Threads>::new(RUN_QUEUE, ()));
        let _first = locks[0].lock();
        let _second = locks[1].lock_nested();
        let _third = locks[2].try_lock().unwrap();
        assert!(locks[2].try_lock().is_none());
    }
}
