//! eventfd. Specification: eventfd(2).

use crate::check::{Outcome, expect_eq, expect_errno};
use crate::sys::{Sys, fd, process, ready};
use libc::{EAGAIN, EFD_NONBLOCK, EFD_SEMAPHORE, EINVAL, POLLIN, POLLOUT};

crate::tests! {
    read_returns_the_counter_and_clears_it,
    semaphore_mode_takes_one_at_a_time,
    read_of_zero_blocks_until_a_write,
    nonblocking_read_of_zero_gives_eagain,
    nonblocking_write_that_would_overflow_gives_eagain,
    write_that_would_overflow_blocks_until_a_read,
    write_of_all_ones_gives_einval,
    short_buffers_give_einval,
    write_of_more_than_a_word_gives_einval,
    each_part_of_a_vector_is_a_write,
    poll_says_readable_above_zero_and_writable_below_the_limit,
    unknown_flags_give_einval,
    counter_is_shared_across_fork,
}

fn add(event: i32, value: u64) -> Sys<usize> {
    fd::write(event, &value.to_ne_bytes())
}

fn take(event: i32) -> Sys<u64> {
    let mut bytes = [0; 8];
    fd::read(event, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

fn read_returns_the_counter_and_clears_it() -> Outcome {
    let event = fd::eventfd(3, EFD_NONBLOCK)?;
    add(event, 4)?;
    expect_eq(take(event)?, 7, "the counter")?;
    expect_errno(take(event), EAGAIN)
}

fn semaphore_mode_takes_one_at_a_time() -> Outcome {
    let event = fd::eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE)?;
    expect_eq((take(event)?, take(event)?), (1, 1), "what two reads return")?;
    expect_errno(take(event), EAGAIN)
}

fn read_of_zero_blocks_until_a_write() -> Outcome {
    let event = fd::eventfd(0, 0)?;
    let reader = process::spawn(|| expect_eq(take(event)?, 5, "the counter"))?;
    reader.wait_until_asleep()?;
    add(event, 5)?;
    reader.expect_success()
}

fn nonblocking_read_of_zero_gives_eagain() -> Outcome {
    expect_errno(take(fd::eventfd(0, EFD_NONBLOCK)?), EAGAIN)
}

fn nonblocking_write_that_would_overflow_gives_eagain() -> Outcome {
    let event = fd::eventfd(1, EFD_NONBLOCK)?;
    expect_errno(add(event, u64::MAX - 1), EAGAIN)?;
    expect_eq(add(event, u64::MAX - 2)?, 8, "bytes of the write up to the limit")?;
    expect_eq(take(event)?, u64::MAX - 1, "the counter")
}

fn write_that_would_overflow_blocks_until_a_read() -> Outcome {
    let event = fd::eventfd(1, 0)?;
    let writer = process::spawn(|| expect_eq(add(event, u64::MAX - 1)?, 8, "bytes written"))?;
    writer.wait_until_asleep()?;
    expect_eq(take(event)?, 1, "the counter before")?;
    writer.expect_success()?;
    expect_eq(take(event)?, u64::MAX - 1, "the counter after")
}

fn write_of_all_ones_gives_einval() -> Outcome {
    expect_errno(add(fd::eventfd(0, 0)?, u64::MAX), EINVAL)
}

fn short_buffers_give_einval() -> Outcome {
    let event = fd::eventfd(1, 0)?;
    expect_errno(fd::read(event, &mut [0; 7]), EINVAL)?;
    expect_errno(fd::write(event, &[0; 7]), EINVAL)?;
    expect_eq(fd::read(event, &mut [0; 100])?, 8, "bytes read into a long buffer")
}

fn write_of_more_than_a_word_gives_einval() -> Outcome {
    let event = fd::eventfd(1, 0)?;
    expect_errno(fd::write(event, &[0; 9]), EINVAL)?;
    expect_errno(fd::write(event, &[0; 16]), EINVAL)?;
    expect_eq(take(event)?, 1, "the counter")
}

fn each_part_of_a_vector_is_a_write() -> Outcome {
    let event = fd::eventfd(0, libc::EFD_NONBLOCK)?;
    let (two, most) = (2_u64.to_ne_bytes(), (u64::MAX - 1).to_ne_bytes());
    expect_eq(fd::writev(event, &[&two, &[], &two])?, 16, "bytes of two words")?;
    expect_eq(fd::writev(event, &[&two, &two[..7]])?, 8, "bytes before a part of no word")?;
    expect_eq(fd::writev(event, &[&two, &most])?, 8, "bytes before one that there is no room for")?;
    expect_errno(fd::writev(event, &[&[], &two]), EINVAL)?;
    expect_errno(fd::writev(event, &[&two[..4], &two[4..]]), EINVAL)?;
    expect_eq(take(event)?, 8, "the counter")
}

fn poll_says_readable_above_zero_and_writable_below_the_limit() -> Outcome {
    let event = fd::eventfd(0, 0)?;
    let both = POLLIN | POLLOUT;
    expect_eq(ready::revents(event, both)?, POLLOUT, "revents at zero")?;
    add(event, 1)?;
    expect_eq(ready::revents(event, both)?, both, "revents at one")?;
    add(event, u64::MAX - 2)?;
    expect_eq(ready::revents(event, both)?, POLLIN, "revents at the limit")
}

fn unknown_flags_give_einval() -> Outcome {
    expect_errno(fd::eventfd(0, 1 << 20), EINVAL)
}

fn counter_is_shared_across_fork() -> Outcome {
    let event = fd::eventfd(0, 0)?;
    process::spawn(|| Ok(add(event, 9).map(drop)?))?.expect_success()?;
    expect_eq(take(event)?, 9, "the counter")
}
