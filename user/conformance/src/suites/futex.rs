//! futex: WAIT and WAKE. Specification: futex(2), FUTEX_WAIT(2const), FUTEX_WAKE(2const).

use crate::check::{Outcome, expect, expect_eq, expect_errno};
use crate::sys::memory::{self, PAGE};
use crate::sys::{Sys, process, raw, signal, time};
use libc::{FUTEX_PRIVATE_FLAG, FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_WAKE};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

crate::tests! {
    wait_with_another_value_gives_eagain_at_once,
    wake_without_waiters_returns_zero,
    wake_returns_the_number_woken,
    wake_wakes_at_most_the_count,
    wait_returns_zero_when_woken,
    wait_times_out_with_etimedout_and_not_early,
    wait_with_a_bad_timeout_gives_einval,
    wait_is_interrupted_by_a_handler,
    wait_with_timeout_is_interrupted_by_a_handler,
    wait_with_timeout_is_not_restarted_after_a_handler,
    wait_stopped_and_continued_keeps_its_deadline,
    misaligned_address_gives_einval,
    unmapped_address_gives_efault,
    a_word_is_what_is_mapped_at_its_address_now,
    unknown_operation_gives_enosys,
    no_wake_up_is_lost_between_two_processes,
    waiters_wake_in_the_order_in_which_they_came,
}

/// The raw futex call; `timeout` is the pointer or the second count, as the operation has it.
pub(super) fn futex_at(
    address: usize,
    operation: i32,
    value: u32,
    timeout: usize,
    second: usize,
    third: u32,
) -> Sys<usize> {
    let arguments = [address, operation.cast_unsigned() as usize, value as usize, timeout, second, third as usize];
    // SAFETY: the operations used read the word, and CMP_REQUEUE a second one; none writes.
    unsafe { raw("futex", libc::SYS_futex, arguments) }
}

pub(super) fn address_of(word: &AtomicU32) -> usize {
    word.as_ptr().expose_provenance()
}

pub(super) fn wait_on(word: &AtomicU32, operation: i32, value: u32, timeout: Option<Duration>) -> Sys<usize> {
    let timeout = timeout.map(time::timespec);
    let pointer = timeout.as_ref().map_or(0, |time| std::ptr::from_ref(time).expose_provenance());
    futex_at(address_of(word), operation, value, pointer, 0, u32::MAX)
}

pub(super) fn wake(word: &AtomicU32, operation: i32, count: u32) -> Sys<usize> {
    futex_at(address_of(word), operation, count, 0, 0, u32::MAX)
}

/// Starts children that wait on the word until it is woken, and waits until all sleep.
pub(super) fn sleepers(
    word: &'static AtomicU32,
    operation: i32,
    count: usize,
) -> Result<Vec<process::Child>, crate::check::Failure> {
    let mut children = Vec::new();
    for _ in 0..count {
        children.push(process::spawn(|| expect_eq(wait_on(word, operation, 0, None)?, 0, "what the wait returns"))?);
    }
    children.iter().try_for_each(|child| child.wait_until_asleep())?;
    Ok(children)
}

fn wait_with_another_value_gives_eagain_at_once() -> Outcome {
    let word = AtomicU32::new(5);
    for operation in [FUTEX_WAIT, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, FUTEX_WAIT_BITSET] {
        expect_errno(wait_on(&word, operation, 6, None), libc::EAGAIN)?;
    }
    Ok(())
}

fn wake_without_waiters_returns_zero() -> Outcome {
    let word = AtomicU32::new(0);
    expect_eq(wake(&word, FUTEX_WAKE, 10)?, 0, "what the wake returns")
}

fn wake_returns_the_number_woken() -> Outcome {
    let word = memory::shared(1)?.word(0);
    let children = sleepers(word, FUTEX_WAIT, 3)?;
    expect_eq(wake(word, FUTEX_WAKE, 100)?, 3, "what the wake returns")?;
    children.into_iter().try_for_each(process::Child::expect_success)
}

fn wake_wakes_at_most_the_count() -> Outcome {
    let word = memory::shared(1)?.word(0);
    let children = sleepers(word, FUTEX_WAIT, 3)?;
    expect_eq(wake(word, FUTEX_WAKE, 2)?, 2, "what the first wake returns")?;
    expect_eq(wake(word, FUTEX_WAKE, 2)?, 1, "what the second wake returns")?;
    children.into_iter().try_for_each(process::Child::expect_success)
}

fn wait_returns_zero_when_woken() -> Outcome {
    let word = memory::shared(1)?.word(0);
    let children = sleepers(word, FUTEX_WAIT, 1)?;
    word.store(1, Ordering::SeqCst);
    expect_eq(wake(word, FUTEX_WAKE, 1)?, 1, "what the wake returns")?;
    children.into_iter().try_for_each(process::Child::expect_success)
}

fn wait_times_out_with_etimedout_and_not_early() -> Outcome {
    let word = AtomicU32::new(0);
    let start = Instant::now();
    expect_errno(wait_on(&word, FUTEX_WAIT, 0, Some(Duration::from_millis(20))), libc::ETIMEDOUT)?;
    expect(start.elapsed() >= Duration::from_millis(20), "twenty milliseconds are over")
}

fn wait_with_a_bad_timeout_gives_einval() -> Outcome {
    let word = AtomicU32::new(0);
    for (tv_sec, tv_nsec) in [(0, 1_000_000_000), (0, -1), (-1, 0)] {
        let time = libc::timespec { tv_sec, tv_nsec };
        let pointer = (&raw const time).expose_provenance();
        expect_errno(futex_at(address_of(&word), FUTEX_WAIT, 0, pointer, 0, 0), libc::EINVAL)?;
    }
    Ok(())
}

/// A wait that a handler interrupts; `flags` are the handler's.
fn interrupted(timeout: Option<Duration>, flags: i32) -> Outcome {
    let word = memory::shared(1)?.word(0);
    let child = process::spawn(|| {
        signal::count(libc::SIGUSR1, flags)?;
        expect_errno(wait_on(word, FUTEX_WAIT, 0, timeout), libc::EINTR)
    })?;
    child.wait_until_asleep()?;
    child.kill(libc::SIGUSR1)?;
    child.expect_success()
}

fn wait_is_interrupted_by_a_handler() -> Outcome {
    interrupted(None, 0)
}

fn wait_with_timeout_is_interrupted_by_a_handler() -> Outcome {
    interrupted(Some(Duration::from_secs(10)), 0)
}

fn wait_with_timeout_is_not_restarted_after_a_handler() -> Outcome {
    interrupted(Some(Duration::from_secs(10)), libc::SA_RESTART)
}

fn wait_stopped_and_continued_keeps_its_deadline() -> Outcome {
    const TIMEOUT: Duration = Duration::from_millis(1200);
    let word = memory::shared(1)?.word(0);
    let child = process::spawn(|| {
        let start = Instant::now();
        expect_errno(wait_on(word, FUTEX_WAIT, 0, Some(TIMEOUT)), libc::ETIMEDOUT)?;
        expect(start.elapsed() >= TIMEOUT, "the timeout is over")?;
        expect(start.elapsed() < TIMEOUT * 5 / 3, "it does not begin again with every stop")
    })?;
    child.wait_until_asleep()?;
    for _ in 0..5 {
        std::thread::sleep(TIMEOUT / 6);
        child.kill(libc::SIGSTOP)?;
        child.kill(libc::SIGCONT)?;
    }
    child.expect_success()
}

fn misaligned_address_gives_einval() -> Outcome {
    let address = memory::private(1)?.address;
    for operation in [FUTEX_WAIT, FUTEX_WAKE] {
        expect_errno(futex_at(address + 2, operation, 0, 0, 0, 0), libc::EINVAL)?;
    }
    Ok(())
}

fn unmapped_address_gives_efault() -> Outcome {
    let hole = memory::before_hole(1)?;
    expect_errno(futex_at(hole.address + PAGE, FUTEX_WAIT, 0, 0, 0, 0), libc::EFAULT)?;
    expect_errno(futex_at(0, FUTEX_WAIT, 0, 0, 0, 0), libc::EFAULT)
}

fn a_word_is_what_is_mapped_at_its_address_now() -> Outcome {
    let object = || memory::memfd(4096).map(|fd| memory::Request::file(fd, PAGE, libc::MAP_SHARED));
    let (one, other) = (object()?, object()?);
    let (here, there) = (memory::map(one)?, memory::map(other)?);
    let children = sleepers(there.word(0), FUTEX_WAIT, 1)?;
    expect_eq(wake(here.word(0), FUTEX_WAKE, 1)?, 0, "what the wake returns before the other object is there")?;
    here.replace(0, other, libc::MAP_FIXED)?;
    expect_eq(wake(here.word(0), FUTEX_WAKE, 1)?, 1, "what the wake returns after that")?;
    children.into_iter().try_for_each(process::Child::expect_success)?;
    here.unmap(0, PAGE)?;
    expect_errno(futex_at(here.address, FUTEX_WAKE, 1, 0, 0, 0), libc::EFAULT)
}

fn unknown_operation_gives_enosys() -> Outcome {
    let word = AtomicU32::new(0);
    expect_errno(wake(&word, 99, 0), libc::ENOSYS)
}

fn no_wake_up_is_lost_between_two_processes() -> Outcome {
    const ROUNDS: u32 = 500;
    let mapping = memory::shared(1)?;
    let (ping, pong) = (mapping.word(0), mapping.word(64));
    let await_round = |word: &'static AtomicU32, round: u32| -> Outcome {
        while word.load(Ordering::SeqCst) != round {
            match wait_on(word, FUTEX_WAIT, round - 1, None) {
                Ok(_) => {}
                Err(error) => expect_eq(error.errno, libc::EAGAIN, "errno of the wait")?,
            }
        }
        Ok(())
    };
    let child = process::spawn(|| {
        for round in 1..=ROUNDS {
            await_round(ping, round)?;
            pong.store(round, Ordering::SeqCst);
            wake(pong, FUTEX_WAKE, 1)?;
        }
        Ok(())
    })?;
    for round in 1..=ROUNDS {
        ping.store(round, Ordering::SeqCst);
        wake(ping, FUTEX_WAKE, 1)?;
        await_round(pong, round)?;
    }
    child.expect_success()
}

fn waiters_wake_in_the_order_in_which_they_came() -> Outcome {
    let mapping = memory::shared(1)?;
    let (word, turn) = (mapping.word(0), mapping.word(64));
    let mut children = Vec::new();
    for place in 0..3 {
        let child = process::spawn(|| {
            wait_on(word, FUTEX_WAIT, 0, None)?;
            expect_eq(turn.load(Ordering::SeqCst), place, "who is woken")
        })?;
        child.wait_until_asleep()?;
        children.push(child);
    }
    for (place, child) in (0..).zip(children) {
        turn.store(place, Ordering::SeqCst);
        expect_eq(wake(word, FUTEX_WAKE, 1)?, 1, "what the wake returns")?;
        child.expect_success()?;
    }
    Ok(())
}
