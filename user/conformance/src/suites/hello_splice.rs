//! `/dev/hello` and pipes exchange pages. What holds for two pipes alone, `hello_as_pipe` tries on two channels.
//! Specification: splice(2), tee(2); docs/splice.md.

use crate::check::{Failure, Outcome, expect, expect_eq, failed};
use crate::sys::fd::{self, Pipe};
use crate::sys::hello;
use crate::sys::memory::{PAGE, pattern};
use crate::sys::splice::{splice, tee};

crate::tests! {
    pages_go_from_a_channel_to_a_pipe_and_back,
    pages_are_shared_between_a_channel_and_a_pipe,
    pages_that_move_by_reference_are_counted,
    a_channel_whose_pages_are_exchanged_allocates_none_after_the_first,
    a_channel_and_a_pipe_spliced_both_ways_at_once_do_not_lock_up,
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
