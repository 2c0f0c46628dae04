//! Sleeping for a time, for a signal, on a futex; and a stopped process. Specification: nanosleep(2), clock_nanosleep(2),
//! sigsuspend(2), sigtimedwait(2), pause(2), futex(2), signal(7).

use super::super::futex::{address_of, futex_at, wait_on, wake};
use super::{asleep_in, killed_in, places};
use crate::check::{Outcome, expect_eq};
use crate::sys::process;
use crate::sys::signal::{self, sigsuspend, sigtimedwait};
use crate::sys::time::{self, clock_nanosleep, nanosleep, timespec};
use crate::sys::{Sys, memory};
use libc::{
    CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME, FUTEX_CMP_REQUEUE, FUTEX_WAIT, FUTEX_WAIT_BITSET,
    FUTEX_WAKE, SIGCONT, SIGSTOP, SIGUSR1, TIMER_ABSTIME,
};
use std::time::Duration;

places! {
    nanosleep_of_long,
    clock_nanosleep_until_a_point_of_monotonic_time,
    clock_nanosleep_until_a_point_of_real_time,
    clock_nanosleep_by_cpu_time,
    pause_for_a_signal,
    sigsuspend_with_another_mask,
    sigtimedwait_for_a_signal,
    futex_wait,
    futex_wait_bitset_with_a_time_limit,
    futex_waiter_that_was_requeued,
    one_of_several_futex_waiters,
    stopped_process,
}

const LONG: Duration = Duration::from_secs(1000);

fn nanosleep_of_long() -> Outcome {
    killed_in(&[], || nanosleep(timespec(LONG)).0)
}

fn clock_nanosleep_until_a_point_of_monotonic_time() -> Outcome {
    let target = time::clock_gettime(CLOCK_MONOTONIC)? + LONG;
    killed_in(&[], || clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, timespec(target)).0)
}

fn clock_nanosleep_until_a_point_of_real_time() -> Outcome {
    let target = time::clock_gettime(CLOCK_REALTIME)? + LONG;
    killed_in(&[], || clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, timespec(target)).0)
}

fn clock_nanosleep_by_cpu_time() -> Outcome {
    killed_in(&[], || clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, timespec(LONG)).0)
}

fn pause_for_a_signal() -> Outcome {
    killed_in(&[], || {
        process::pause();
        Sys::Ok(())
    })
}

fn sigsuspend_with_another_mask() -> Outcome {
    killed_in(&[], || sigsuspend(&[SIGUSR1]))
}

fn sigtimedwait_for_a_signal() -> Outcome {
    signal::block(&[SIGUSR1])?;
    killed_in(&[], || sigtimedwait(&[SIGUSR1], LONG))
}

fn futex_wait() -> Outcome {
    let word = memory::shared(1)?.word(0);
    killed_in(&[], || wait_on(word, FUTEX_WAIT, 0, None))?;
    expect_eq(wake(word, FUTEX_WAKE, 9)?, 0, "waiters that are left")
}

fn futex_wait_bitset_with_a_time_limit() -> Outcome {
    let word = memory::shared(1)?.word(0);
    let target = time::clock_gettime(CLOCK_MONOTONIC)? + LONG;
    killed_in(&[], || wait_on(word, FUTEX_WAIT_BITSET, 0, Some(target)))?;
    expect_eq(wake(word, FUTEX_WAKE, 9)?, 0, "waiters that are left")
}

fn futex_waiter_that_was_requeued() -> Outcome {
    let memory = memory::shared(1)?;
    let (from, to) = (memory.word(0), memory.word(2048));
    let waiter = asleep_in(&[], || wait_on(from, FUTEX_WAIT, 0, None))?;
    // Wakes none, moves at most nine.
    let moved = futex_at(address_of(from), FUTEX_CMP_REQUEUE, 0, 9, address_of(to), 0)?;
    expect_eq(moved, 1, "waiters moved")?;
    waiter.kill_and_wait()?;
    expect_eq(wake(from, FUTEX_WAKE, 9)? + wake(to, FUTEX_WAKE, 9)?, 0, "waiters that are left")
}

fn one_of_several_futex_waiters() -> Outcome {
    let word = memory::shared(1)?.word(0);
    let waiters = super::super::futex::sleepers(word, FUTEX_WAIT, 3)?;
    waiters[1].kill_and_wait()?;
    expect_eq(wake(word, FUTEX_WAKE, 9)?, 2, "waiters that are woken")?;
    waiters[0].expect_success()?;
    waiters[2].expect_success()
}

fn stopped_process() -> Outcome {
    let child = process::spawn_sleeper()?;
    child.kill(SIGSTOP)?;
    process::wait_for_state(child.pid, 'T')?;
    child.kill_and_wait()?;
    // One that goes on and is stopped again as well.
    let child = process::spawn_sleeper()?;
    for signal in [SIGSTOP, SIGCONT, SIGSTOP] {
        child.kill(signal)?;
    }
    child.kill_and_wait()
}
