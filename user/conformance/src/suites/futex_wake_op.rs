//! futex: FUTEX_WAKE_OP, which changes one word and wakes the waiters of two. Specification: futex(2), FUTEX_WAKE_OP(2const).

use super::futex::{address_of, sleepers, wake};
use crate::check::{Failure, Outcome, expect_eq, expect_errno};
use crate::sys::memory::{self, Mapping, PAGE};
use crate::sys::{Sys, process, raw};
use libc::{EFAULT, EINVAL, ENOSYS, FUTEX_PRIVATE_FLAG, FUTEX_WAIT, FUTEX_WAKE};
use std::sync::atomic::{AtomicU32, Ordering};

crate::tests! {
    each_operation_changes_the_second_word,
    a_shifted_operand_is_a_bit_number,
    each_comparison_is_with_the_value_before_the_change,
    comparisons_are_signed,
    waiters_of_both_words_are_woken_up_to_each_count,
    counts_of_zero_wake_one_each,
    both_words_may_be_the_same,
    a_bad_first_word_leaves_the_second_as_it_was,
    a_bad_second_word_wakes_nobody,
    an_unknown_operation_changes_nothing_and_wakes_nobody,
    an_unknown_comparison_wakes_nobody,
}

const SET: u32 = 0;
const ADD: u32 = 1;
const OR: u32 = 2;
const AND_NOT: u32 = 3;
const XOR: u32 = 4;
/// The operand is the number of a bit.
const SHIFTED: u32 = 8;

const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;
const LESS: u32 = 2;
const LESS_OR_EQUAL: u32 = 3;
const GREATER: u32 = 4;
const GREATER_OR_EQUAL: u32 = 5;

/// What is to be done to the second word and asked of it, as the call takes it: FUTEX_OP().
fn encoded(operation: (u32, i32), comparison: (u32, i32)) -> u32 {
    let twelve_bits = |number: i32| number.cast_unsigned() & 0xfff;
    operation.0 << 28 | comparison.0 << 24 | twelve_bits(operation.1) << 12 | twelve_bits(comparison.1)
}

/// A comparison that nobody waits for.
const ANY: (u32, i32) = (EQUAL, 0);

/// The call, with addresses and a flag added to its number.
fn wake_op_at(one: usize, two: usize, flag: i32, counts: (u32, usize), encoded: u32) -> Sys<usize> {
    let operation = (libc::FUTEX_WAKE_OP | flag).cast_unsigned() as usize;
    // SAFETY: it changes no more than the second word, which is one of a test's own or none at all.
    unsafe { raw("futex", libc::SYS_futex, [one, operation, counts.0 as usize, counts.1, two, encoded as usize]) }
}

fn wake_op(one: &AtomicU32, two: &AtomicU32, counts: (u32, usize), encoded: u32) -> Sys<usize> {
    wake_op_at(address_of(one), address_of(two), 0, counts, encoded)
}

/// Two words of memory that children share.
fn words() -> Sys<(&'static AtomicU32, &'static AtomicU32)> {
    let mapping = memory::shared(1)?;
    Ok((mapping.word(0), mapping.word(64)))
}

/// What the second word becomes.
fn changed(old: u32, operation: (u32, i32)) -> Result<u32, Failure> {
    let (one, two) = words()?;
    two.store(old, Ordering::SeqCst);
    expect_eq(wake_op(one, two, (1, 1), encoded(operation, ANY))?, 0, "how many are woken where nobody waits")?;
    Ok(two.load(Ordering::SeqCst))
}

fn each_operation_changes_the_second_word() -> Outcome {
    let cases = [
        (7, (SET, 5), 5),
        (7, (SET, -1), u32::MAX),
        (7, (ADD, 5), 12),
        (7, (ADD, -8), u32::MAX),
        (u32::MAX, (ADD, 1), 0),
        (0b1100, (OR, 0b1010), 0b1110),
        (0b1100, (AND_NOT, 0b1010), 0b0100),
        (0b1100, (XOR, 0b1010), 0b0110),
    ];
    for (old, operation, new) in cases {
        expect_eq(changed(old, operation)?, new, &format!("{old:#x} after {operation:?}"))?;
    }
    Ok(())
}

fn a_shifted_operand_is_a_bit_number() -> Outcome {
    expect_eq(changed(7, (SHIFTED | SET, 31))?, 1 << 31, "after setting to bit 31")?;
    expect_eq(changed(7, (SHIFTED | ADD, 0))?, 8, "after adding bit 0")?;
    expect_eq(changed(7, (SHIFTED | OR, 20))?, 7 | 1 << 20, "after adding bit 20")?;
    expect_eq(changed(7, (SHIFTED | AND_NOT, 1))?, 5, "after taking bit 1")?;
    expect_eq(changed(7, (SHIFTED | XOR, 2))?, 3, "after turning bit 2")
}

/// Expects that the second word's waiter is woken just where the comparison holds of its old value. It is set to 0.
fn compare(old: i32, comparison: (u32, i32), holds: bool) -> Outcome {
    let (one, two) = words()?;
    let children = sleepers(two, FUTEX_WAIT, 1)?;
    two.store(old.cast_unsigned(), Ordering::SeqCst);
    let woken = wake_op(one, two, (1, 1), encoded((SET, 0), comparison))?;
    expect_eq(woken, usize::from(holds), &format!("how many are woken by {old} compared {comparison:?}"))?;
    expect_eq(wake(two, FUTEX_WAKE, 1)?, usize::from(!holds), "waiters left")?;
    expect_eq(two.load(Ordering::SeqCst), 0, "the word")?;
    children.into_iter().try_for_each(process::Child::expect_success)
}

fn each_comparison_is_with_the_value_before_the_change() -> Outcome {
    // With 4, 5 and 6.
    let cases = [
        (EQUAL, [false, true, false]),
        (NOT_EQUAL, [true, false, true]),
        (LESS, [false, false, true]),
        (LESS_OR_EQUAL, [false, true, true]),
        (GREATER, [true, false, false]),
        (GREATER_OR_EQUAL, [true, true, false]),
    ];
    for (comparison, results) in cases {
        for (operand, holds) in (4..).zip(results) {
            compare(5, (comparison, operand), holds)?;
        }
    }
    Ok(())
}

fn comparisons_are_signed() -> Outcome {
    compare(-1, (EQUAL, -1), true)?;
    compare(-1, (LESS, 0), true)?;
    compare(0, (GREATER, -2048), true)?;
    compare(i32::MIN, (GREATER, 1), false)
}

fn waiters_of_both_words_are_woken_up_to_each_count() -> Outcome {
    let (one, two) = words()?;
    let mut children = sleepers(one, FUTEX_WAIT, 3)?;
    children.extend(sleepers(two, FUTEX_WAIT, 3)?);
    let operation = encoded((ADD, 1), (EQUAL, 0));
    expect_eq(wake_op(one, two, (2, 1), operation)?, 3, "how many the first call wakes")?;
    // Now the comparison does not hold.
    expect_eq(wake_op(one, two, (2, 1), operation)?, 1, "how many the second call wakes")?;
    expect_eq(wake(two, FUTEX_WAKE, 10)?, 2, "waiters left at the second word")?;
    children.into_iter().try_for_each(process::Child::expect_success)
}

fn counts_of_zero_wake_one_each() -> Outcome {
    // Not in the man-page, but so on Linux.
    let (one, two) = words()?;
    let mut children = sleepers(one, FUTEX_WAIT, 2)?;
    children.extend(sleepers(two, FUTEX_WAIT, 2)?);
    expect_eq(wake_op(one, two, (0, 0), encoded((SET, 0), ANY))?, 2, "how many are woken")?;
    expect_eq((wake(one, FUTEX_WAKE, 9)?, wake(two, FUTEX_WAKE, 9)?), (1, 1), "waiters left")?;
    children.into_iter().try_for_each(process::Child::expect_success)
}

fn both_words_may_be_the_same() -> Outcome {
    let (word, _) = words()?;
    let children = sleepers(word, FUTEX_WAIT, 3)?;
    expect_eq(wake_op(word, word, (1, 1), encoded((SET, 9), ANY))?, 2, "how many are woken")?;
    expect_eq(word.load(Ordering::SeqCst), 9, "the word")?;
    expect_eq(wake(word, FUTEX_WAKE, 9)?, 1, "waiters left")?;
    children.into_iter().try_for_each(process::Child::expect_success)
}

/// In the half of the kernel.
const KERNEL_ADDRESS: usize = 0_usize.wrapping_sub(PAGE);

fn a_bad_first_word_leaves_the_second_as_it_was() -> Outcome {
    let hole = memory::before_hole(1)?;
    let word = hole.word(0);
    let cases = [
        (hole.address + 2, 0, EINVAL),
        (hole.address + 1, FUTEX_PRIVATE_FLAG, EINVAL),
        (KERNEL_ADDRESS, 0, EFAULT),
        (KERNEL_ADDRESS, FUTEX_PRIVATE_FLAG, EFAULT),
        // What is private is not looked at: its address is enough.
        (hole.address + PAGE, 0, EFAULT),
    ];
    for (address, flag, errno) in cases {
        let result = wake_op_at(address, address_of(word), flag, (1, 1), encoded((SET, 5), ANY));
        expect_errno(result, errno)?;
        expect_eq(word.load(Ordering::SeqCst), 0, &format!("the second word, where the first is {address:#x}"))?;
    }
    Ok(())
}

/// Expects that a call fails, and that the one waiter of `one` sleeps on.
fn wakes_nobody(one: &'static AtomicU32, call: impl FnOnce() -> Sys<usize>, errno: i32) -> Outcome {
    let children = sleepers(one, FUTEX_WAIT, 1)?;
    expect_errno(call(), errno)?;
    expect_eq(wake(one, FUTEX_WAKE, 1)?, 1, "waiters left")?;
    children.into_iter().try_for_each(process::Child::expect_success)
}

fn a_bad_second_word_wakes_nobody() -> Outcome {
    let (one, _) = words()?;
    let hole = memory::before_hole(1)?;
    let read_only = Mapping { length: PAGE, ..memory::shared(1)? };
    read_only.protect(0, PAGE, libc::PROT_READ)?;
    let cases = [
        (hole.address + 2, EINVAL),
        (hole.address + PAGE, EFAULT),
        (KERNEL_ADDRESS, EFAULT),
        (read_only.address, EFAULT),
    ];
    for (address, errno) in cases {
        wakes_nobody(one, || wake_op_at(address_of(one), address, 0, (1, 1), encoded((SET, 5), ANY)), errno)?;
    }
    Ok(())
}

fn an_unknown_operation_changes_nothing_and_wakes_nobody() -> Outcome {
    let (one, two) = words()?;
    for operation in [5, 6, 7] {
        wakes_nobody(one, || wake_op(one, two, (1, 1), encoded((operation, 5), ANY)), ENOSYS)?;
        expect_eq(two.load(Ordering::SeqCst), 0, "the second word")?;
    }
    Ok(())
}

fn an_unknown_comparison_wakes_nobody() -> Outcome {
    let (one, two) = words()?;
    for comparison in [6, 9, 15] {
        two.store(0, Ordering::SeqCst);
        wakes_nobody(one, || wake_op(one, two, (1, 1), encoded((SET, 5), (comparison, 0))), ENOSYS)?;
        // Linux changes the word before it looks at the comparison.
        expect_eq(two.load(Ordering::SeqCst), 5, "the second word")?;
    }
    Ok(())
}
