//! A process that is killed at `/dev/hello`, in whichever call it sleeps or with a ring mapped: its peers hear of it, and the
//! kernel has as much of everything afterwards as before. In the middle of a copy: `killed_in_a_copy`.
//! Specification: docs/hello.md; fifo(7), pipe(7); /proc/postern/objects.

use super::leaks::leaves_nothing;
use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno};
use crate::sys::fd::{self, Pipe};
use crate::sys::memory::{Mapping, PAGE};
use crate::sys::process::{self, Child};
use crate::sys::ready::{self, epoll_add, epoll_create, revents, wanting};
use crate::sys::{hello, signal};
use libc::{ENXIO, EPIPE, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, POLLERR, POLLHUP, POLLIN, SIGPIPE};
use postern_abi::hello::{HELLO_ROLE_CONSUMER, HELLO_ROLE_PRODUCER};
use std::os::fd::RawFd;

crate::tests! {
    killed_in_open_leaves_nothing,
    killed_on_the_way_to_a_channel_leaves_nothing,
    killed_in_read_gives_the_writer_epipe_and_leaves_nothing,
    killed_in_write_gives_the_reader_end_of_file_and_leaves_nothing,
    killed_in_poll_and_in_epoll_leaves_nothing,
    killed_with_the_ring_mapped_gives_the_consumer_a_hang_up_and_leaves_nothing,
    killed_in_a_wait_at_the_mapped_ring_gives_the_producer_an_error_and_leaves_nothing,
}

const ROUNDS: usize = 30;

/// Kills `child` in its sleep.
fn kill(child: Child) -> Outcome {
    child.wait_until_asleep()?;
    child.kill_and_wait()
}

/// Both ends of the channel `name`.
fn ends(name: &str) -> Result<Pipe, Failure> {
    let door = hello::open(O_RDWR)?;
    let read = hello::open(O_RDONLY | O_NONBLOCK)?;
    hello::channel(read, name.as_bytes())?;
    fd::fcntl(read, libc::F_SETFL, 0)?;
    let write = hello::open(O_WRONLY)?;
    hello::channel(write, name.as_bytes())?;
    fd::close(door)?;
    Ok(Pipe { read, write })
}

fn killed_in_open_leaves_nothing() -> Outcome {
    hello::needed()?;
    leaves_nothing(ROUNDS, || {
        for flags in [O_RDONLY, O_WRONLY] {
            kill(process::spawn(|| Ok(hello::open(flags).map(drop)?))?)?;
            // No reader is counted any more.
            expect_errno(hello::open(O_WRONLY | O_NONBLOCK), ENXIO)?;
        }
        Ok(())
    })
}

fn killed_on_the_way_to_a_channel_leaves_nothing() -> Outcome {
    hello::needed()?;
    leaves_nothing(ROUNDS, || {
        let door = hello::open(O_RDWR)?;
        for flags in [O_RDONLY, O_WRONLY] {
            kill(process::spawn(|| Ok(hello::channel(hello::open(flags)?, b"killed-on-the-way")?))?)?;
        }
        let stat = hello::stat(door)?;
        expect_eq((stat.readers, stat.writers), (1, 1), "readers and writers of the ring that was to be left")?;
        hello::channel(door, b"killed-on-the-way")?;
        let stat = hello::stat(door)?;
        expect_eq((stat.readers, stat.writers), (1, 1), "readers and writers of the channel")?;
        Ok(fd::close(door)?)
    })
}

fn killed_in_read_gives_the_writer_epipe_and_leaves_nothing() -> Outcome {
    hello::needed()?;
    signal::ignore(SIGPIPE)?;
    leaves_nothing(ROUNDS, || {
        let pipe = ends("killed-in-read")?;
        let reader = process::spawn(|| {
            fd::close(pipe.write)?;
            Ok(fd::read(pipe.read, &mut [0; 1]).map(drop)?)
        })?;
        fd::close(pipe.read)?;
        kill(reader)?;
        expect_errno(fd::write(pipe.write, b"x"), EPIPE)?;
        Ok(fd::close(pipe.write)?)
    })
}

fn killed_in_write_gives_the_reader_end_of_file_and_leaves_nothing() -> Outcome {
    hello::needed()?;
    leaves_nothing(ROUNDS, || {
        let pipe = ends("killed-in-write")?;
        let writer = process::spawn(|| {
            fd::close(pipe.read)?;
            Ok(fd::write(pipe.write, &[b'w'; 20 * PAGE]).map(drop)?)
        })?;
        fd::close(pipe.write)?;
        kill(writer)?;
        expect_eq(fd::read_up_to(pipe.read, 16 * PAGE)?, [b'w'; 16 * PAGE], "what went in")?;
        expect_eq(fd::read(pipe.read, &mut [0; 1])?, 0, "bytes read after that")?;
        Ok(fd::close(pipe.read)?)
    })
}

fn killed_in_poll_and_in_epoll_leaves_nothing() -> Outcome {
    hello::needed()?;
    leaves_nothing(ROUNDS, || {
        let pipe = ends("killed-in-poll")?;
        // Few, so that all have their page before it is counted.
        hello::set_slots(pipe.read, 4)?;
        kill(process::spawn(|| Ok(ready::poll(&mut [wanting(pipe.read, POLLIN)], -1).map(drop)?))?)?;
        kill(process::spawn(|| {
            let epoll = epoll_create()?;
            epoll_add(epoll, pipe.read, libc::EPOLLIN | libc::EPOLLET)?;
            Ok(ready::poll(&mut [wanting(epoll, POLLIN)], -1).map(drop)?)
        })?)?;
        // Whoever comes now is told, and nobody else was to be.
        fd::write(pipe.write, b"x")?;
        expect_eq(revents(pipe.read, POLLIN)?, POLLIN, "revents")?;
        fd::close(pipe.read)?;
        Ok(fd::close(pipe.write)?)
    })
}

/// A file that has `role` on the channel `name`, with the ring mapped.
fn side(name: &str, role: u32) -> Result<(RawFd, Mapping), Failure> {
    let file = hello::open(O_RDWR)?;
    hello::channel(file, name.as_bytes())?;
    let (memory, _) = hello::map_ring(file, hello::take_role(file, role)?)?;
    Ok((file, memory))
}

fn leave((file, memory): (RawFd, Mapping)) -> Outcome {
    memory.unmap(0, memory.length)?;
    Ok(fd::close(file)?)
}

fn killed_with_the_ring_mapped_gives_the_consumer_a_hang_up_and_leaves_nothing() -> Outcome {
    hello::needed()?;
    leaves_nothing(ROUNDS, || {
        let consuming = side("killed-while-mapped", HELLO_ROLE_CONSUMER)?;
        kill(process::spawn(|| {
            let (file, _memory) = side("killed-while-mapped", HELLO_ROLE_PRODUCER)?;
            // The mapping alone keeps the role.
            fd::close(file)?;
            process::pause();
            Ok(())
        })?)?;
        expect_eq(revents(consuming.0, POLLIN)?, POLLHUP, "revents of the consumer")?;
        leave(consuming)
    })
}

fn killed_in_a_wait_at_the_mapped_ring_gives_the_producer_an_error_and_leaves_nothing() -> Outcome {
    hello::needed()?;
    leaves_nothing(ROUNDS, || {
        let producing = side("killed-in-a-wait", HELLO_ROLE_PRODUCER)?;
        kill(process::spawn(|| {
            let (file, _memory) = side("killed-in-a-wait", HELLO_ROLE_CONSUMER)?;
            Ok(hello::wait(file).map(drop)?)
        })?)?;
        expect(revents(producing.0, 0)? & POLLERR != 0, "POLLERR for the producer")?;
        leave(producing)
    })
}
