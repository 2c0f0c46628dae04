//! A process that is killed in a long read or write, wherever it is at that moment: between two pages, in the copy of one, in a
//! fault of that copy, or asleep. What went through came in order and without a gap, and nothing of the process stays.
//! Specification: pipe(7), write(2); /proc/postern/objects.

use super::leaks::leaves_nothing;
use crate::check::{Failure, Outcome, expect, expect_eq};
use crate::sys::fd::{self, Pipe};
use crate::sys::memory::{self, PAGE};
use crate::sys::{hello, path, process};
use std::cell::Cell;

crate::tests! {
    a_pipe_keeps_its_bytes_and_nothing_else,
    a_channel_keeps_its_bytes_and_nothing_else,
    a_myipc_device_keeps_its_bytes_and_nothing_else,
}

/// Bytes of a read or write that is too long to be over at once.
const LONG: usize = 1 << 20;
const ROUNDS: usize = 40;

/// `length` bytes of a long write, from `start` on.
fn pattern(start: usize, length: usize) -> Vec<u8> {
    (0..=250).cycle().skip(start % 251).take(length).collect()
}

/// A process is killed in a long write, after `moved` bytes of it have been read.
fn writer_killed(pipe: &Pipe, moved: usize) -> Outcome {
    let writer = process::spawn(|| Ok(fd::write(pipe.write, &pattern(0, LONG)).map(drop)?))?;
    expect(fd::read_up_to(pipe.read, moved)? == pattern(0, moved), "the bytes came in order")?;
    writer.kill_and_wait()?;
    let left = fd::fionread(pipe.read)?;
    expect(fd::read_up_to(pipe.read, left)? == pattern(moved, left), "what it left follows")?;
    expect_eq(fd::fionread(pipe.read)?, 0, "bytes after those")
}

/// A process is killed in a long read, after `moved` bytes have been written for it.
fn reader_killed(pipe: &Pipe, moved: usize) -> Outcome {
    let reader = process::spawn(|| {
        loop {
            // Fresh memory: each page of the copy faults.
            let place = memory::private(LONG / PAGE)?;
            fd::read_into(pipe.read, &place, 0, LONG)?;
            place.unmap(0, LONG)?;
        }
    })?;
    fd::write(pipe.write, &pattern(0, moved))?;
    reader.kill_and_wait()?;
    let left = fd::fionread(pipe.read)?;
    expect(left <= moved, "no byte is doubled")?;
    expect(fd::read_up_to(pipe.read, left)? == pattern(moved - left, left), "what it left are the last")
}

/// Both, with ever other lengths, so that the end comes at other points. Each round has a process of its own, whose memory goes.
fn killed_in_long_copies(open: impl Fn() -> Result<Pipe, Failure>) -> Outcome {
    let moved = Cell::new(1);
    leaves_nothing(ROUNDS, || {
        moved.set((moved.get() * 7 + 4093) % 150_000);
        process::spawn(|| {
            let pipe = open()?;
            writer_killed(&pipe, moved.get())?;
            reader_killed(&pipe, moved.get())
        })?
        .expect_success()
    })
}

fn a_pipe_keeps_its_bytes_and_nothing_else() -> Outcome {
    killed_in_long_copies(|| Ok(Pipe::new()?))
}

fn a_channel_keeps_its_bytes_and_nothing_else() -> Outcome {
    hello::needed()?;
    killed_in_long_copies(|| {
        let file = hello::open(libc::O_RDWR)?;
        hello::channel(file, b"killed-in-a-copy")?;
        Ok(Pipe { read: file, write: file })
    })
}

fn a_myipc_device_keeps_its_bytes_and_nothing_else() -> Outcome {
    hello::needed()?;
    killed_in_long_copies(|| {
        let file = path::open("/dev/myipc0", libc::O_RDWR, 0)?;
        Ok(Pipe { read: file, write: file })
    })
}
