//! Mutexes that processes share: their kinds, and what becomes of them when their owners end. Specification:
//! pthread_mutexattr_settype(3p), pthread_mutexattr_setrobust(3), pthread_mutex_timedlock(3p).

use crate::check::{Failure, Outcome, expect_errno};
use crate::sys::process;
use crate::sys::shared::{Mutex, Shared};
use crate::sys::thread::Thread;
use libc::{EBUSY, EDEADLK, ENOTRECOVERABLE, EOWNERDEAD, EPERM, ETIMEDOUT};
use std::time::Duration;

crate::tests! {
    a_mutex_times_out_while_another_process_has_it,
    trylock_of_a_mutex_of_another_process_gives_ebusy,
    an_error_checking_mutex_knows_its_owner,
    a_recursive_mutex_is_free_after_as_many_unlocks,
    a_waiting_process_gets_the_mutex_of_one_that_was_killed,
    a_mutex_that_was_not_made_consistent_is_lost_to_all,
    a_thread_that_ends_leaves_its_robust_mutex_to_others,
    every_robust_mutex_of_a_killed_process_is_told,
}

const SHORT: Duration = Duration::from_millis(20);

fn a_mutex_times_out_while_another_process_has_it() -> Outcome {
    let mutex = Shared::new()?.plain_mutex()?;
    mutex.lock()?;
    process::spawn(|| expect_errno(mutex.lock_within(SHORT)?, ETIMEDOUT))?.expect_success()?;
    mutex.unlock()?;
    process::spawn(|| Ok(mutex.lock_within(SHORT)??))?.expect_success()
}

fn trylock_of_a_mutex_of_another_process_gives_ebusy() -> Outcome {
    let mutex = Shared::new()?.plain_mutex()?;
    mutex.lock()?;
    process::spawn(|| expect_errno(mutex.try_lock(), EBUSY))?.expect_success()?;
    mutex.unlock()?;
    Ok(mutex.try_lock()?)
}

fn an_error_checking_mutex_knows_its_owner() -> Outcome {
    let mutex = Shared::new()?.mutex(0, libc::PTHREAD_MUTEX_ERRORCHECK, libc::PTHREAD_MUTEX_STALLED)?;
    mutex.lock()?;
    expect_errno(mutex.lock(), EDEADLK)?;
    process::spawn(|| expect_errno(mutex.unlock(), EPERM))?.expect_success()?;
    mutex.unlock()?;
    expect_errno(mutex.unlock(), EPERM)
}

fn a_recursive_mutex_is_free_after_as_many_unlocks() -> Outcome {
    let mutex = Shared::new()?.mutex(0, libc::PTHREAD_MUTEX_RECURSIVE, libc::PTHREAD_MUTEX_STALLED)?;
    mutex.lock()?;
    mutex.lock()?;
    mutex.unlock()?;
    process::spawn(|| expect_errno(mutex.try_lock(), EBUSY))?.expect_success()?;
    mutex.unlock()?;
    process::spawn(|| Ok(mutex.try_lock()?))?.expect_success()
}

/// A child that locks `mutexes` and sleeps with them.
fn owner_of(mutexes: &[Mutex]) -> Result<process::Child, Failure> {
    let child = process::spawn(|| {
        mutexes.iter().try_for_each(|mutex| mutex.lock())?;
        process::pause();
        Ok(())
    })?;
    child.wait_until_asleep()?;
    Ok(child)
}

fn a_waiting_process_gets_the_mutex_of_one_that_was_killed() -> Outcome {
    let mutex = Shared::new()?.robust_mutex(0)?;
    let owner = owner_of(&[mutex])?;
    let waiter = process::spawn(|| {
        expect_errno(mutex.lock(), EOWNERDEAD)?;
        mutex.make_consistent()?;
        Ok(mutex.unlock()?)
    })?;
    waiter.wait_until_asleep()?;
    owner.kill_and_wait()?;
    waiter.expect_success()?;
    Ok(mutex.lock()?)
}

fn a_mutex_that_was_not_made_consistent_is_lost_to_all() -> Outcome {
    let mutex = Shared::new()?.robust_mutex(0)?;
    owner_of(&[mutex])?.kill_and_wait()?;
    expect_errno(mutex.lock(), EOWNERDEAD)?;
    let waiter = process::spawn(|| expect_errno(mutex.lock(), ENOTRECOVERABLE))?;
    waiter.wait_until_asleep()?;
    mutex.unlock()?;
    waiter.expect_success()?;
    expect_errno(mutex.lock(), ENOTRECOVERABLE)
}

fn a_thread_that_ends_leaves_its_robust_mutex_to_others() -> Outcome {
    let mutex: &Mutex = Box::leak(Box::new(Shared::new()?.robust_mutex(0)?));
    let thread = Thread::start(|mutex: &Mutex| usize::from(mutex.lock().is_err()), mutex)?;
    thread.join()?;
    expect_errno(mutex.lock(), EOWNERDEAD)?;
    mutex.make_consistent()?;
    Ok(mutex.unlock()?)
}

fn every_robust_mutex_of_a_killed_process_is_told() -> Outcome {
    let shared = Shared::new()?;
    let mutexes: Vec<Mutex> = (0..8).map(|place| shared.robust_mutex(place)).collect::<Result<_, _>>()?;
    owner_of(&mutexes)?.kill_and_wait()?;
    for mutex in mutexes {
        expect_errno(mutex.lock(), EOWNERDEAD)?;
        mutex.make_consistent()?;
        mutex.unlock()?;
    }
    Ok(())
}
