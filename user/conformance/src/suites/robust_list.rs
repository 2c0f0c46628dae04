//! What the kernel does with the list of robust mutexes of a thread that ends, as no C library lets one see it. Specification:
//! set_robust_list(2), get_robust_list(2); Documentation/locking/robust-futex-ABI of Linux.

use super::futex::{address_of, sleepers, wake};
use crate::check::{Outcome, expect_eq};
use crate::sys::memory::{self, Mapping};
use crate::sys::{process, raw};
use libc::{FUTEX_OWNER_DIED, FUTEX_WAIT, FUTEX_WAITERS, FUTEX_WAKE};
use std::sync::atomic::{AtomicU32, Ordering};

crate::tests! {
    a_listed_mutex_of_the_dead_is_marked_and_a_waiter_woken,
    a_listed_mutex_without_waiters_is_marked_and_wakes_nobody,
    a_listed_mutex_of_nobody_is_left_alone,
    a_mutex_of_somebody_else_is_left_alone,
    a_pending_mutex_of_the_dead_is_marked_and_a_waiter_woken,
    a_pending_mutex_of_nobody_has_a_waiter_woken,
    a_pending_mutex_whose_owner_had_died_has_a_waiter_woken,
    a_pending_mutex_that_is_also_listed_is_seen_to_once,
    a_priority_inheriting_mutex_of_nobody_wakes_nobody,
}

/// How the thread that ends holds its mutex.
#[derive(Clone, Copy)]
enum Held {
    /// It is in the list.
    Listed,
    /// It was being locked or unlocked.
    Pending,
    /// Both.
    ListedAndPending,
    /// It was being locked or unlocked, and is one that inherits priorities.
    PendingInheriting,
}

/// Where the links of the list are: its head, and the one entry.
const HEAD: usize = 0;
const ENTRY: usize = 64;

/// Tells the kernel, in the process that is to end, of a list in `memory` that leads to `word`.
fn hold(memory: &Mapping, word: &AtomicU32, held: Held) -> Outcome {
    let (head, entry) = (memory.address + HEAD, memory.address + ENTRY);
    let (first, pending) = match held {
        Held::Listed => (entry, 0),
        Held::Pending => (head, entry),
        Held::ListedAndPending => (entry, entry),
        Held::PendingInheriting => (head, entry | 1),
    };
    let from_entry_to_word = address_of(word).wrapping_sub(entry);
    for (index, link) in [first, from_entry_to_word, pending].into_iter().enumerate() {
        memory.store_all(HEAD + index * 8, &link.to_ne_bytes());
    }
    memory.store_all(ENTRY, &head.to_ne_bytes());
    // SAFETY: the list is read when the process ends, and the word changed, which is a test's own.
    unsafe { raw("set_robust_list", libc::SYS_set_robust_list, [head, 24, 0, 0, 0, 0]) }?;
    Ok(())
}

/// Two wait for a word; then a process ends that holds it so and has written there what `value` makes of its thread id. Expects
/// that `woken` of the two have been woken, and the word to be `after`.
fn dies(held: Held, value: fn(u32) -> u32, woken: usize, after: fn(u32) -> u32) -> Outcome {
    let word = memory::shared(1)?.word(0);
    let memory = memory::private(1)?;
    let children = sleepers(word, FUTEX_WAIT, 2)?;
    let dying = process::spawn(|| {
        word.store(value(process::gettid().cast_unsigned()), Ordering::SeqCst);
        hold(&memory, word, held)
    })?;
    let tid = dying.pid.cast_unsigned();
    dying.expect_success()?;
    expect_eq(word.load(Ordering::SeqCst), after(tid), "the word")?;
    expect_eq(wake(word, FUTEX_WAKE, 9)?, 2 - woken, "waiters left")?;
    children.into_iter().try_for_each(process::Child::expect_success)
}

fn a_listed_mutex_of_the_dead_is_marked_and_a_waiter_woken() -> Outcome {
    dies(Held::Listed, |tid| tid | FUTEX_WAITERS, 1, |_| FUTEX_OWNER_DIED | FUTEX_WAITERS)
}

fn a_listed_mutex_without_waiters_is_marked_and_wakes_nobody() -> Outcome {
    dies(Held::Listed, |tid| tid, 0, |_| FUTEX_OWNER_DIED)
}

fn a_listed_mutex_of_nobody_is_left_alone() -> Outcome {
    dies(Held::Listed, |_| FUTEX_WAITERS, 0, |_| FUTEX_WAITERS)
}

fn a_mutex_of_somebody_else_is_left_alone() -> Outcome {
    dies(Held::Listed, |_| 1 | FUTEX_WAITERS, 0, |_| 1 | FUTEX_WAITERS)?;
    dies(Held::Pending, |_| 1 | FUTEX_WAITERS, 0, |_| 1 | FUTEX_WAITERS)
}

fn a_pending_mutex_of_the_dead_is_marked_and_a_waiter_woken() -> Outcome {
    dies(Held::Pending, |tid| tid | FUTEX_WAITERS, 1, |_| FUTEX_OWNER_DIED | FUTEX_WAITERS)
}

fn a_pending_mutex_of_nobody_has_a_waiter_woken() -> Outcome {
    // As after the store that unlocks it, before the wake-up that is to follow.
    dies(Held::Pending, |_| 0, 1, |_| 0)
}

fn a_pending_mutex_whose_owner_had_died_has_a_waiter_woken() -> Outcome {
    // As after a wake-up, before the word is taken.
    let left = |_| FUTEX_OWNER_DIED | FUTEX_WAITERS;
    dies(Held::Pending, left, 1, left)
}

fn a_pending_mutex_that_is_also_listed_is_seen_to_once() -> Outcome {
    dies(Held::ListedAndPending, |tid| tid | FUTEX_WAITERS, 1, |_| FUTEX_OWNER_DIED | FUTEX_WAITERS)
}

fn a_priority_inheriting_mutex_of_nobody_wakes_nobody() -> Outcome {
    dies(Held::PendingInheriting, |_| 0, 0, |_| 0)
}
