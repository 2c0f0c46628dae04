//! `/dev/hello` and pipes exchange pages. What holds for two pipes alone, `hello_as_pipe` tries on two channels.
//! Specification: splice(2), tee(2); docs/splice.md.

use crate::check::{Failure, Outcome, expect, expect_eq, failed};
use crate::sys::fd::{self, Pipe};
use crate::sys::hello;
use crate::sys::memory::{PAGE, pattern};
use crate::sys::splice::{splice, tee};
use crate::sys::{path, process};

crate::tests! {
    pages_go_from_a_channel_to_a_pipe_and_back,
    pages_are_shared_between_a_channel_and_a_pipe,
    pages_that_move_by_reference_are_counted,
    a_channel_whose_pages_are_exchanged_allocates_none_after_the_first,
    a_channel_and_a_pipe_spliced_both_ways_at_once_do_not_lock_up,
    bytes_spliced_to_and_from_a_device_by_many_are_neither_lost_nor_doubled,
}

fn pages_go_from_a_channel_to_a_pipe_and_back() -> Outcome {
    hello::needed()?;
    let (channel, pipe) = (hello::pipe(0)?, Pipe::new()?);
    let sent = pattern(3 * PAGE + 9);
    fd::write(channel.write, &sent)?;
    expect_eq(splice(channel.read, pipe.write, 1 << 20, 0)?, sent.len(), "bytes moved to the pipe")?;
    expect_eq(splice(pipe.read, channel.write, 1 << 20, 0)?, sent.len(), "bytes moved back")?;
    expect(fd::read_up_to(channel.read, sent.len())? == sent, "the bytes are as sent")
}

fn pages_are_shared_between_a_channel_and_a_pipe() -> Outcome {
    hello::needed()?;
    let (channel, pipe) = (hello::pipe(0)?, Pipe::new()?);
    fd::write(channel.write, b"abc")?;
    expect_eq(tee(channel.read, pipe.write, 9, 0)?, 3, "bytes duplicated")?;
    fd::write(channel.write, b"def")?;
    fd::write(pipe.write, b"XYZ")?;
    expect_eq(fd::read_up_to(channel.read, 6)?, b"abcdef", "bytes of the channel")?;
    expect_eq(fd::read_up_to(pipe.read, 6)?, b"abcXYZ", "bytes of the pipe")
}

/// Pages that splice(2) has moved by reference, and copied: /proc/postern/splice.
fn moved() -> Result<[u64; 2], Failure> {
    let text = std::fs::read_to_string("/proc/postern/splice")?;
    let line = text.lines().find_map(|line| line.strip_prefix("splice ")).ok_or_else(|| failed("no line of splice"))?;
    let mut numbers = line.split_whitespace().map_while(|word| word.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(by_reference), Some(copied)) => Ok([by_reference, copied]),
        _ => Err(failed("the line of splice has no two numbers")),
    }
}

fn pages_that_move_by_reference_are_counted() -> Outcome {
    hello::needed()?;
    let (channel, pipe) = (hello::pipe(0)?, Pipe::new()?);
    let before = moved()?;
    fd::write(channel.write, &pattern(3 * PAGE))?;
    expect_eq(splice(channel.read, pipe.write, 1 << 20, 0)?, 3 * PAGE, "bytes moved to the pipe")?;
    expect_eq(moved()?, [before[0] + 3, before[1]], "pages moved by reference, and copied")?;
    expect_eq(splice(pipe.read, channel.write, 1 << 20, 0)?, 3 * PAGE, "bytes moved back")?;
    expect_eq(moved()?, [before[0] + 6, before[1]], "pages moved by reference, and copied")
}

fn a_channel_whose_pages_are_exchanged_allocates_none_after_the_first() -> Outcome {
    hello::needed()?;
    let (channel, pipe) = (hello::pipe(0)?, Pipe::new()?);
    let page = pattern(PAGE);
    let lap = || -> Outcome {
        fd::write(channel.write, &page)?;
        expect_eq(splice(channel.read, pipe.write, PAGE, 0)?, PAGE, "bytes moved")?;
        expect(fd::read_up_to(pipe.read, PAGE)? == page, "the page arrives")
    };
    (0..64).try_for_each(|_| lap())?;
    let before = hello::stat(channel.read)?.counters.allocations;
    (0..64).try_for_each(|_| lap())?;
    expect_eq(hello::stat(channel.read)?.counters.allocations, before, "allocations")
}

fn a_channel_and_a_pipe_spliced_both_ways_at_once_do_not_lock_up() -> Outcome {
    hello::needed()?;
    super::splice::exchange_pages(&hello::pipe(0)?, &Pipe::new()?)
}

/// Moves `length` bytes in parts of many lengths, `step` of them to begin with.
fn carry(from: i32, to: i32, length: usize, step: usize) -> Outcome {
    let mut moved = 0;
    while moved < length {
        let part = (moved * step + step) % (2 * PAGE) + 1;
        moved += splice(from, to, part.min(length - moved), 0)?;
    }
    Ok(())
}

fn bytes_spliced_to_and_from_a_device_by_many_are_neither_lost_nor_doubled() -> Outcome {
    const LENGTH: usize = 200 * PAGE;
    super::modules::reload("myipc", "")?;
    let device = path::open("/dev/myipc0", libc::O_RDWR, 0)?;
    for ring in [Pipe::new()?, hello::pipe(0)?] {
        let mut sent = pattern(5 * PAGE + 77);
        fd::write(ring.write, &sent)?;
        let mut children = Vec::new();
        for step in [1, 13, 1001, 4095] {
            let (from, to) = if step % 2 == 1 && step < 1000 { (ring.read, device) } else { (device, ring.write) };
            children.push(process::spawn(|| carry(from, to, LENGTH, step))?);
        }
        children.into_iter().try_for_each(process::Child::expect_success)?;
        expect_eq(fd::fionread(device)?, 0, "bytes in the device, which was empty before")?;
        let mut received = fd::read_up_to(ring.read, sent.len())?;
        expect_eq(fd::fionread(ring.read)?, 0, "further bytes in the ring")?;
        sent.sort_unstable();
        received.sort_unstable();
        expect(received == sent, "the bytes are those that were sent, in whatever order")?;
    }
    Ok(fd::close(device)?)
}
