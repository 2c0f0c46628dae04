//! Pipes, FIFOs, and the calls that move data between files. Specification: pipe(7), fifo(7), splice(2), tee(2), vmsplice(2).

use super::{asleep_in, killed_in, places};
use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno};
use crate::scratch;
use crate::sys::attack::mkfifo;
use crate::sys::fd::{self, Pipe};
use crate::sys::memory::{self, PAGE};
use crate::sys::splice::{splice, tee, vmsplice};
use crate::sys::{Sys, path, process, ready, socket};
use libc::{ENXIO, EPIPE, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, POLLERR, POLLHUP, POLLIN, POLLOUT, SIGKILL};

places! {
    read_of_an_empty_pipe,
    write_to_a_full_pipe,
    write_of_more_than_a_pipe_holds,
    one_of_several_readers_of_a_pipe,
    writers_that_take_turns_at_a_full_pipe,
    opening_of_a_fifo_for_reading,
    opening_of_a_fifo_for_writing,
    read_of_an_empty_fifo,
    write_to_a_full_fifo,
    splice_from_an_empty_pipe,
    splice_to_a_full_pipe,
    splice_to_a_full_socket,
    tee_of_an_empty_pipe,
    tee_to_a_full_pipe,
    vmsplice_to_a_full_pipe,
    sendfile_to_a_full_pipe,
}

/// Fills it up; how many bytes that takes. Blocks again afterwards.
pub(super) fn fill(write: i32) -> Result<usize, Failure> {
    let count = fd::fill(write)?;
    fd::fcntl(write, libc::F_SETFL, 0)?;
    Ok(count)
}

/// What is left in it, to its end.
fn expect_rest(read: i32, count: usize) -> Outcome {
    expect_eq(fd::read_up_to(read, count + 1)?.len(), count, "bytes that come before the end")?;
    expect_eq(ready::revents(read, POLLIN)?, POLLHUP, "what poll says of a pipe without writers")
}

/// Nobody reads it any more.
fn expect_broken(write: i32) -> Outcome {
    expect(ready::revents(write, POLLOUT)? & POLLERR != 0, "poll says that nobody reads")?;
    expect_errno(fd::write(write, b"x"), EPIPE)
}

fn read_of_an_empty_pipe() -> Outcome {
    let pipe = Pipe::anonymous(0)?;
    killed_in(&[pipe.read], || fd::read(pipe.read, &mut [0; 1]))?;
    expect_broken(pipe.write)
}

fn write_to_a_full_pipe() -> Outcome {
    let pipe = Pipe::anonymous(0)?;
    let count = fill(pipe.write)?;
    killed_in(&[pipe.write], || fd::write(pipe.write, &[7; 100]))?;
    expect_rest(pipe.read, count)
}

fn write_of_more_than_a_pipe_holds() -> Outcome {
    let pipe = Pipe::anonymous(0)?;
    killed_in(&[pipe.write], || fd::write(pipe.write, &[7; 300_000]))?;
    expect_rest(pipe.read, 65_536)
}

/// The wake-up that was for it goes to the next.
fn one_of_several_readers_of_a_pipe() -> Outcome {
    let pipe = Pipe::anonymous(0)?;
    let killed_one = asleep_in(&[], || fd::read(pipe.read, &mut [0; 1]))?;
    let others = [(); 2].map(|()| process::spawn(|| expect_eq(fd::read(pipe.read, &mut [0; 1])?, 1, "bytes read")));
    let [second, third] = others;
    let (second, third) = (second?, third?);
    second.wait_until_asleep()?;
    third.wait_until_asleep()?;
    fd::write(pipe.write, b"23")?;
    // The first has been woken, or is on its way to one of the bytes.
    killed_one.kill(SIGKILL)?;
    killed_one.wait()?;
    fd::write(pipe.write, b"!")?;
    second.expect_success()?;
    third.expect_success()
}

/// Whoever has been passed over makes the others stand back: when it is killed, they go on.
fn writers_that_take_turns_at_a_full_pipe() -> Outcome {
    const WRITERS: usize = 6;
    let pipe = Pipe::anonymous(0)?;
    fill(pipe.write)?;
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        writers.push(asleep_in(&[], || -> Sys<()> {
            loop {
                fd::write(pipe.write, &[7; 65_536])?;
            }
        })?);
    }
    fd::close(pipe.write)?;
    for writer in writers {
        fd::read_up_to(pipe.read, 150_000)?;
        writer.kill_and_wait()?;
    }
    while fd::read(pipe.read, &mut [0; 4096])? != 0 {}
    Ok(())
}

fn fifo() -> Result<String, Failure> {
    let directory = scratch::enter()?;
    mkfifo("fifo")?;
    Ok(directory.join("fifo").to_string_lossy().into_owned())
}

/// The directory that `fifo` made goes with its process; this one is below the test's, which only the harness knows.
fn without(name: &str) -> Outcome {
    path::unlink(name)?;
    path::chdir("/")?;
    Ok(path::rmdir(name.trim_end_matches("/fifo"))?)
}

fn opening_of_a_fifo_for_reading() -> Outcome {
    let name = fifo()?;
    killed_in(&[], || path::open(&name, O_RDONLY, 0))?;
    expect_errno(path::open(&name, O_WRONLY | O_NONBLOCK, 0), ENXIO)?;
    without(&name)
}

fn opening_of_a_fifo_for_writing() -> Outcome {
    let name = fifo()?;
    killed_in(&[], || path::open(&name, O_WRONLY, 0))?;
    let reader = path::open(&name, O_RDONLY | O_NONBLOCK, 0)?;
    expect_eq(fd::read(reader, &mut [0; 1])?, 0, "bytes of a FIFO without writers")?;
    without(&name)
}

/// Both ends of a FIFO.
fn fifo_ends(name: &str) -> Result<Pipe, Failure> {
    let door = path::open(name, O_RDWR, 0)?;
    let ends = Pipe { read: path::open(name, O_RDONLY, 0)?, write: path::open(name, O_WRONLY, 0)? };
    fd::close(door)?;
    Ok(ends)
}

fn read_of_an_empty_fifo() -> Outcome {
    let name = fifo()?;
    let ends = fifo_ends(&name)?;
    killed_in(&[ends.read], || fd::read(ends.read, &mut [0; 1]))?;
    expect_broken(ends.write)?;
    without(&name)
}

fn write_to_a_full_fifo() -> Outcome {
    let name = fifo()?;
    let ends = fifo_ends(&name)?;
    let count = fill(ends.write)?;
    killed_in(&[ends.write], || fd::write(ends.write, &[7; 100]))?;
    expect_rest(ends.read, count)?;
    without(&name)
}

/// splice or tee: the descriptors of two pipes, bytes, flags.
type Transfer = fn(i32, i32, usize, u32) -> Sys<usize>;

fn from_an_empty_pipe(transfer: Transfer) -> Outcome {
    let (from, to) = (Pipe::anonymous(0)?, Pipe::anonymous(0)?);
    killed_in(&[from.read, to.write], || transfer(from.read, to.write, 100, 0))?;
    expect_broken(from.write)?;
    expect_rest(to.read, 0)
}

fn to_a_full_pipe(transfer: Transfer) -> Outcome {
    let (from, to) = (Pipe::anonymous(0)?, Pipe::anonymous(0)?);
    let count = fill(to.write)?;
    fd::write(from.write, b"stays")?;
    killed_in(&[from.write, to.write], || transfer(from.read, to.write, 100, 0))?;
    expect_rest(to.read, count)?;
    expect_rest(from.read, 5)
}

fn splice_from_an_empty_pipe() -> Outcome {
    from_an_empty_pipe(splice)
}

fn splice_to_a_full_pipe() -> Outcome {
    to_a_full_pipe(splice)
}

fn splice_to_a_full_socket() -> Outcome {
    let from = Pipe::anonymous(0)?;
    let [here, there] = socket::pair(libc::SOCK_STREAM)?;
    let count = fill(here)?;
    fd::write(from.write, &[7; 50_000])?;
    killed_in(&[from.read, here], || splice(from.read, here, 50_000, 0))?;
    expect(fd::read_up_to(there, count + 50_001)?.len() >= count, "what was in the socket before comes")?;
    expect_broken(from.write)
}

fn tee_of_an_empty_pipe() -> Outcome {
    from_an_empty_pipe(tee)
}

fn tee_to_a_full_pipe() -> Outcome {
    to_a_full_pipe(tee)
}

fn vmsplice_to_a_full_pipe() -> Outcome {
    let pipe = Pipe::anonymous(0)?;
    let count = fill(pipe.write)?;
    let page = memory::private(1)?;
    page.store(0, 1);
    killed_in(&[pipe.write], || vmsplice(pipe.write, &page, 0, PAGE, 0))?;
    expect_rest(pipe.read, count)
}

fn sendfile_to_a_full_pipe() -> Outcome {
    let pipe = Pipe::anonymous(0)?;
    let count = fill(pipe.write)?;
    let file = memory::memfd(100_000)?;
    killed_in(&[pipe.write], || fd::sendfile(pipe.write, file, 100_000))?;
    expect_rest(pipe.read, count)
}
