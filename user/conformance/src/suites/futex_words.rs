//! futex: which words are the same, and the operations beyond WAIT and WAKE. Specification: futex(2), FUTEX_CMP_REQUEUE(2const),
//! FUTEX_WAIT_BITSET(2const), set_tid_address(2).

use super::futex::{address_of, futex_at, sleepers, wait_on, wake};
use crate::check::{Outcome, expect, expect_eq, expect_errno};
use crate::sys::memory::{self, PAGE};
use crate::sys::{Sys, process, raw, time};
use libc::{FUTEX_PRIVATE_FLAG, FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_WAKE, FUTEX_WAKE_BITSET};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

crate::tests! {
    shared_futex_works_across_processes,
    shared_futex_in_a_file_works_at_different_addresses,
    private_futex_does_not_reach_other_processes,
    private_wake_does_not_wake_a_shared_waiter_of_other_memory,
    wait_bitset_timeout_is_absolute,
    wake_bitset_wakes_only_matching_waiters,
    bitset_of_zero_gives_einval,
    shared_word_without_any_access_gives_efault,
    requeue_moves_waiters_to_another_word,
    cmp_requeue_with_another_value_gives_eagain,
    ending_thread_clears_its_tid_and_wakes,
}

fn shared_futex_works_across_processes() -> Outcome {
    let word = memory::shared(1)?.word(128);
    let children = sleepers(word, FUTEX_WAIT, 2)?;
    let waker = process::spawn(|| expect_eq(wake(word, FUTEX_WAKE, 2)?, 2, "what the sibling's wake returns"))?;
    waker.expect_success()?;
    children.into_iter().try_for_each(process::Child::expect_success)
}

fn shared_futex_in_a_file_works_at_different_addresses() -> Outcome {
    let file = memory::memfd(8192)?;
    let request = memory::Request::file(file, 2 * PAGE, libc::MAP_SHARED);
    let (one, two) = (memory::map(request)?, memory::map(request)?);
    let children = sleepers(one.word(PAGE + 8), FUTEX_WAIT, 1)?;
    expect_eq(wake(two.word(8), FUTEX_WAKE, 1)?, 0, "what a wake of another word returns")?;
    expect_eq(wake(two.word(PAGE + 8), FUTEX_WAKE, 1)?, 1, "what a wake at the other address returns")?;
    children.into_iter().try_for_each(process::Child::expect_success)
}

fn private_futex_does_not_reach_other_processes() -> Outcome {
    let word = memory::shared(1)?.word(0);
    let children = sleepers(word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1)?;
    expect_eq(wake(word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1)?, 0, "what the wake returns")?;
    children.into_iter().try_for_each(|child| child.kill_and_wait())
}

fn private_wake_does_not_wake_a_shared_waiter_of_other_memory() -> Outcome {
    // The same address in two processes, but private memory: two different futexes even without the private flag.
    let mapping = memory::private(1)?;
    let children = sleepers(mapping.word(0), FUTEX_WAIT, 1)?;
    expect_eq(wake(mapping.word(0), FUTEX_WAKE, 1)?, 0, "what the wake returns")?;
    children.into_iter().try_for_each(|child| child.kill_and_wait())
}

fn wait_bitset_timeout_is_absolute() -> Outcome {
    let word = AtomicU32::new(0);
    let past = time::clock_gettime(libc::CLOCK_MONOTONIC)?;
    expect_errno(wait_on(&word, FUTEX_WAIT_BITSET, 0, Some(past)), libc::ETIMEDOUT)?;
    let soon = past + Duration::from_millis(20);
    expect_errno(wait_on(&word, FUTEX_WAIT_BITSET, 0, Some(soon)), libc::ETIMEDOUT)?;
    expect(time::clock_gettime(libc::CLOCK_MONOTONIC)? >= soon, "the time has come")?;
    let realtime = time::clock_gettime(libc::CLOCK_REALTIME)?;
    let operation = FUTEX_WAIT_BITSET | libc::FUTEX_CLOCK_REALTIME;
    expect_errno(wait_on(&word, operation, 0, Some(realtime)), libc::ETIMEDOUT)
}

fn wake_bitset_wakes_only_matching_waiters() -> Outcome {
    let word = memory::shared(1)?.word(0);
    let child = process::spawn(|| {
        expect_eq(futex_at(address_of(word), FUTEX_WAIT_BITSET, 0, 0, 0, 0b01)?, 0, "what the wait returns")
    })?;
    child.wait_until_asleep()?;
    let woken = |bits| futex_at(address_of(word), FUTEX_WAKE_BITSET, 10, 0, 0, bits);
    expect_eq(woken(0b10)?, 0, "what a wake of other bits returns")?;
    expect_eq(woken(0b11)?, 1, "what a wake of its bit returns")?;
    child.expect_success()
}

fn bitset_of_zero_gives_einval() -> Outcome {
    let word = AtomicU32::new(0);
    for operation in [FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET] {
        expect_errno(futex_at(address_of(&word), operation, 0, 0, 0, 0), libc::EINVAL)?;
    }
    Ok(())
}

fn shared_word_without_any_access_gives_efault() -> Outcome {
    // Which memory a shared word is in the kernel finds by its page; a private one is its address, whatever is there.
    let (shared, private) = (memory::shared(1)?, memory::private(1)?);
    let cases = [
        (shared, libc::PROT_READ, Ok(0)),
        (shared, libc::PROT_WRITE, Ok(0)),
        (shared, libc::PROT_NONE, Err(libc::EFAULT)),
        // An anonymous page that nobody may write to does not change: not in futex(2), but so on Linux.
        (private, libc::PROT_READ, Err(libc::EFAULT)),
        (private, libc::PROT_WRITE, Ok(0)),
        (private, libc::PROT_NONE, Err(libc::EFAULT)),
    ];
    for (mapping, protection, result) in cases {
        let word = mapping.word(0);
        mapping.protect(0, PAGE, libc::PROT_READ | libc::PROT_WRITE)?;
        word.store(1, Ordering::SeqCst);
        mapping.protect(0, PAGE, protection)?;
        let woken = wake(word, FUTEX_WAKE, 1).map_err(|error| error.errno);
        expect_eq(woken, result, &format!("what the wake returns with protection {protection}"))?;
        expect_eq(wake(word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1)?, 0, "what a private wake returns")?;
    }
    Ok(())
}

fn requeue_moves_waiters_to_another_word() -> Outcome {
    let mapping = memory::shared(1)?;
    let (one, two) = (mapping.word(0), mapping.word(64));
    let children = sleepers(one, FUTEX_WAIT, 3)?;
    let moved = futex_at(address_of(one), libc::FUTEX_CMP_REQUEUE, 1, 2, address_of(two), 0)?;
    expect_eq(moved, 3, "the number woken and moved")?;
    expect_eq(wake(one, FUTEX_WAKE, 10)?, 0, "waiters left at the first word")?;
    expect_eq(wake(two, FUTEX_WAKE, 10)?, 2, "waiters at the second word")?;
    children.into_iter().try_for_each(process::Child::expect_success)
}

fn cmp_requeue_with_another_value_gives_eagain() -> Outcome {
    let mapping = memory::shared(1)?;
    let (one, two) = (mapping.word(0), mapping.word(64));
    let moved = futex_at(address_of(one), libc::FUTEX_CMP_REQUEUE, 1, 2, address_of(two), 7);
    expect_errno(moved, libc::EAGAIN)
}

fn ending_thread_clears_its_tid_and_wakes() -> Outcome {
    let word = memory::shared(1)?.word(0);
    word.store(1, Ordering::SeqCst);
    let address = address_of(word);
    // The kernel clears the word only while somebody else shares the memory: here the main thread.
    std::thread::spawn(move || {
        // SAFETY: the word stays mapped; the C library joins its threads by another word, which std does not use here.
        unsafe { raw("set_tid_address", libc::SYS_set_tid_address, [address, 0, 0, 0, 0, 0]) }.map(drop)?;
        // SAFETY: ends this thread alone; nobody joins it.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
        Sys::Ok(())
    });
    loop {
        match wait_on(word, FUTEX_WAIT, 1, Some(Duration::from_secs(5))) {
            Err(error) if error.errno == libc::EAGAIN => break,
            other => expect_eq(other?, 0, "what the wait returns")?,
        }
        if word.load(Ordering::SeqCst) == 0 {
            break;
        }
    }
    expect_eq(word.load(Ordering::SeqCst), 0, "the word when the thread is gone")
}
