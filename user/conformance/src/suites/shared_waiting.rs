//! What processes wait for each other with, through libc, but for mutexes: read-write locks, barriers, condition variables,
//! semaphores, spin locks. Specification: pthread_rwlock_rdlock(3p), pthread_barrier_wait(3p), pthread_cond_timedwait(3p),
//! pthread_condattr_setclock(3p), sem_wait(3), pthread_spin_lock(3).

use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno};
use crate::sys::shared::{Shared, within};
use crate::sys::thread::done;
use crate::sys::{Sys, checked, process, time};
use libc::{EBUSY, ETIMEDOUT, PTHREAD_PROCESS_SHARED};
use std::sync::atomic::Ordering;
use std::time::Duration;

crate::tests! {
    readers_share_a_lock_and_keep_a_writer_out,
    a_writer_keeps_readers_of_other_processes_out,
    a_read_write_lock_times_out,
    a_barrier_releases_processes_together_and_one_is_told,
    a_barrier_serves_round_after_round,
    a_condition_variable_waits_by_the_monotonic_clock,
    a_condition_variable_times_out_and_has_the_mutex_again,
    signalling_one_of_three_processes_wakes_one,
    a_semaphore_passes_a_token_among_four_processes,
    a_killed_waiter_leaves_the_semaphore_to_the_others,
    a_spin_lock_excludes_processes,
}

const SHORT: Duration = Duration::from_millis(20);

fn readers_share_a_lock_and_keep_a_writer_out() -> Outcome {
    let shared = Shared::new()?;
    let lock = shared.read_write_lock()?;
    lock.read()?;
    process::spawn(|| {
        lock.read()?;
        expect_errno(lock.try_write(), EBUSY)?;
        Ok(lock.unlock()?)
    })?
    .expect_success()?;
    let writer = process::spawn(|| {
        lock.write()?;
        shared.counter().store(1, Ordering::SeqCst);
        Ok(lock.unlock()?)
    })?;
    writer.wait_until_asleep()?;
    expect_eq(shared.counter().load(Ordering::SeqCst), 0, "what the writer has written")?;
    lock.unlock()?;
    writer.expect_success()?;
    expect_eq(shared.counter().load(Ordering::SeqCst), 1, "what the writer has written")
}

fn a_writer_keeps_readers_of_other_processes_out() -> Outcome {
    let shared = Shared::new()?;
    let lock = shared.read_write_lock()?;
    lock.write()?;
    let reader = || {
        process::spawn(|| {
            expect_errno(lock.try_read(), EBUSY)?;
            lock.read()?;
            expect_eq(shared.counter().load(Ordering::SeqCst), 9, "what a reader sees")?;
            Ok(lock.unlock()?)
        })
    };
    let readers = [reader()?, reader()?, reader()?];
    readers.iter().try_for_each(|child| child.wait_until_asleep())?;
    shared.counter().store(9, Ordering::SeqCst);
    lock.unlock()?;
    readers.into_iter().try_for_each(process::Child::expect_success)
}

fn a_read_write_lock_times_out() -> Outcome {
    let lock = Shared::new()?.read_write_lock()?;
    lock.write()?;
    process::spawn(|| {
        let deadline = within(libc::CLOCK_REALTIME, SHORT)?;
        expect_errno(lock.read_until(deadline), ETIMEDOUT)?;
        expect_errno(lock.write_until(deadline), ETIMEDOUT)
    })?
    .expect_success()
}

/// Waits at a barrier; whether this is the one that is told.
fn arrive(barrier: *mut libc::pthread_barrier_t) -> Result<bool, Failure> {
    // SAFETY: initialised.
    let value = unsafe { libc::pthread_barrier_wait(barrier) };
    if value == libc::PTHREAD_BARRIER_SERIAL_THREAD {
        return Ok(true);
    }
    done("pthread_barrier_wait", value)?;
    Ok(false)
}

fn a_barrier_releases_processes_together_and_one_is_told() -> Outcome {
    let shared = Shared::new()?;
    let barrier = shared.barrier(4)?;
    let told = shared.0.word(3000);
    let arriver = || {
        process::spawn(|| {
            shared.counter().fetch_add(1, Ordering::SeqCst);
            let serial = arrive(barrier)?;
            told.fetch_add(u32::from(serial), Ordering::SeqCst);
            expect_eq(shared.counter().load(Ordering::SeqCst), 4, "how many have arrived behind the barrier")
        })
    };
    let three = [arriver()?, arriver()?, arriver()?];
    three.iter().try_for_each(|child| child.wait_until_asleep())?;
    arriver()?.expect_success()?;
    three.into_iter().try_for_each(process::Child::expect_success)?;
    expect_eq(told.load(Ordering::SeqCst), 1, "how many were told")
}

fn a_barrier_serves_round_after_round() -> Outcome {
    const ROUNDS: u32 = 100;
    let shared = Shared::new()?;
    let barrier = shared.barrier(3)?;
    let rounds = || {
        process::spawn(|| {
            for round in 0..ROUNDS {
                shared.counter().fetch_add(1, Ordering::SeqCst);
                arrive(barrier)?;
                expect_eq(shared.counter().load(Ordering::SeqCst), 3 * (round + 1), "arrivals in this round")?;
                arrive(barrier)?;
            }
            Ok(())
        })
    };
    [rounds()?, rounds()?, rounds()?].into_iter().try_for_each(process::Child::expect_success)
}

fn a_condition_variable_waits_by_the_monotonic_clock() -> Outcome {
    let shared = Shared::new()?;
    let (mutex, condition) = (shared.plain_mutex()?, shared.condition(libc::CLOCK_MONOTONIC)?);
    mutex.lock()?;
    let before = time::clock_gettime(libc::CLOCK_MONOTONIC)?;
    let deadline = time::timespec(before + SHORT);
    // SAFETY: both are initialised, the mutex is locked, one time is read.
    let value = unsafe { libc::pthread_cond_timedwait(condition, mutex.0, &raw const deadline) };
    expect_errno(done("pthread_cond_timedwait", value), ETIMEDOUT)?;
    expect(time::clock_gettime(libc::CLOCK_MONOTONIC)? - before >= SHORT, "it is not early")
}

fn a_condition_variable_times_out_and_has_the_mutex_again() -> Outcome {
    let shared = Shared::new()?;
    let (mutex, condition) = (shared.plain_mutex()?, shared.condition(libc::CLOCK_REALTIME)?);
    mutex.lock()?;
    let deadline = within(libc::CLOCK_REALTIME, SHORT)?;
    // SAFETY: both are initialised, the mutex is locked, one time is read.
    let value = unsafe { libc::pthread_cond_timedwait(condition, mutex.0, &raw const deadline) };
    expect_errno(done("pthread_cond_timedwait", value), ETIMEDOUT)?;
    process::spawn(|| expect_errno(mutex.try_lock(), EBUSY))?.expect_success()
}

fn signalling_one_of_three_processes_wakes_one() -> Outcome {
    let shared = Shared::new()?;
    let (mutex, condition) = (shared.plain_mutex()?, shared.condition(libc::CLOCK_REALTIME)?);
    let waiter = || {
        process::spawn(|| {
            mutex.lock()?;
            while shared.counter().load(Ordering::SeqCst) == 0 {
                // SAFETY: both are initialised, and the mutex is locked.
                done("pthread_cond_wait", unsafe { libc::pthread_cond_wait(condition, mutex.0) })?;
            }
            shared.counter().fetch_sub(1, Ordering::SeqCst);
            Ok(mutex.unlock()?)
        })
    };
    let children = [waiter()?, waiter()?, waiter()?];
    children.iter().try_for_each(|child| child.wait_until_asleep())?;
    for _ in &children {
        mutex.lock()?;
        shared.counter().fetch_add(1, Ordering::SeqCst);
        // SAFETY: initialised.
        done("pthread_cond_signal", unsafe { libc::pthread_cond_signal(condition) })?;
        mutex.unlock()?;
    }
    children.into_iter().try_for_each(process::Child::expect_success)?;
    expect_eq(shared.counter().load(Ordering::SeqCst), 0, "what is left of three units")
}

fn take(semaphore: *mut libc::sem_t) -> Sys<()> {
    // SAFETY: initialised.
    checked("sem_wait", unsafe { libc::sem_wait(semaphore) }).map(drop)
}

fn give(semaphore: *mut libc::sem_t) -> Sys<()> {
    // SAFETY: initialised.
    checked("sem_post", unsafe { libc::sem_post(semaphore) }).map(drop)
}

fn a_semaphore_passes_a_token_among_four_processes() -> Outcome {
    const ROUNDS: u32 = 200;
    let shared = Shared::new()?;
    let semaphore = shared.semaphore(1)?;
    let worker = || {
        process::spawn(|| {
            for _ in 0..ROUNDS {
                take(semaphore)?;
                // Not an atomic addition: the token alone makes it right.
                let value = shared.counter().load(Ordering::Relaxed);
                shared.counter().store(value + 1, Ordering::Relaxed);
                give(semaphore)?;
            }
            Ok(())
        })
    };
    [worker()?, worker()?, worker()?, worker()?].into_iter().try_for_each(process::Child::expect_success)?;
    expect_eq(shared.counter().load(Ordering::SeqCst), 4 * ROUNDS, "what they counted")
}

fn a_killed_waiter_leaves_the_semaphore_to_the_others() -> Outcome {
    let semaphore = Shared::new()?.semaphore(0)?;
    let waiter = || process::spawn(|| Ok(take(semaphore)?));
    let (first, second) = (waiter()?, waiter()?);
    first.wait_until_asleep()?;
    second.wait_until_asleep()?;
    first.kill_and_wait()?;
    give(semaphore)?;
    second.expect_success()
}

fn a_spin_lock_excludes_processes() -> Outcome {
    const ROUNDS: u32 = 200;
    let shared = Shared::new()?;
    let lock = shared.object::<libc::pthread_spinlock_t>(12);
    // SAFETY: aligned zeroed memory that stays mapped.
    done("pthread_spin_init", unsafe { libc::pthread_spin_init(lock, PTHREAD_PROCESS_SHARED) })?;
    let worker = || {
        process::spawn(|| {
            for _ in 0..ROUNDS {
                // SAFETY: initialised.
                done("pthread_spin_lock", unsafe { libc::pthread_spin_lock(lock) })?;
                let value = shared.counter().load(Ordering::Relaxed);
                shared.counter().store(value + 1, Ordering::Relaxed);
                // SAFETY: locked.
                done("pthread_spin_unlock", unsafe { libc::pthread_spin_unlock(lock) })?;
            }
            Ok(())
        })
    };
    [worker()?, worker()?, worker()?].into_iter().try_for_each(process::Child::expect_success)?;
    expect_eq(shared.counter().load(Ordering::SeqCst), 3 * ROUNDS, "what they counted")
}
