//! /dev/mailbox, the worked example of docs/write-your-own-driver.md: the test that goes with it. Skipped without Postern.

use super::modules::{reload, unloaded};
use crate::check::{Failure, Outcome, expect_eq, expect_errno};
use crate::sys::splice::splice;
use crate::sys::{fd, hello, memory, path, process, ready};
use libc::{EAGAIN, EBUSY, EFAULT, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, POLLIN, POLLOUT, SPLICE_F_NONBLOCK};

crate::tests! {
    a_byte_goes_in_and_comes_out,
    a_reader_waits_for_a_byte_and_a_writer_for_room,
    a_longer_write_is_delivered_byte_by_byte,
    o_nonblock_gives_eagain,
    poll_tells_which_of_both_is_possible,
    transfers_of_no_bytes_never_wait,
    poll_tells_an_opening_only_of_what_it_may_do,
    a_fault_leaves_the_byte_where_it_is,
    the_parameter_is_what_is_in_the_box_at_first,
    an_open_mailbox_cannot_be_unloaded,
    splice_carries_bytes_from_and_to_every_ring,
    splice_waits_for_room_in_the_box_and_others_read_the_ring_meanwhile,
}

fn open(parameters: &str, flags: i32) -> Result<i32, Failure> {
    reload("mailbox", parameters)?;
    Ok(path::open("/dev/mailbox", O_RDWR | flags, 0)?)
}

fn a_byte_goes_in_and_comes_out() -> Outcome {
    let file = open("", O_NONBLOCK)?;
    expect_eq(fd::write(file, b"x")?, 1, "bytes written")?;
    expect_eq(fd::read_up_to(file, 1)?, b"x".to_vec(), "the byte")
}

fn a_reader_waits_for_a_byte_and_a_writer_for_room() -> Outcome {
    let file = open("", 0)?;
    let reader = process::spawn(|| expect_eq(fd::read_up_to(file, 1)?, b"1".to_vec(), "what the reader got"))?;
    reader.wait_until_asleep()?;
    fd::write(file, b"1")?;
    reader.expect_success()?;
    fd::write(file, b"2")?;
    let writer = process::spawn(|| expect_eq(fd::write(file, b"3")?, 1, "bytes of the writer"))?;
    writer.wait_until_asleep()?;
    expect_eq(fd::read_up_to(file, 1)?, b"2".to_vec(), "the first byte")?;
    writer.expect_success()?;
    expect_eq(fd::read_up_to(file, 1)?, b"3".to_vec(), "the second")
}

fn a_longer_write_is_delivered_byte_by_byte() -> Outcome {
    let file = open("", 0)?;
    let writer = process::spawn(|| expect_eq(fd::write(file, b"letters")?, 7, "bytes written"))?;
    expect_eq(fd::read_up_to(file, 7)?, b"letters".to_vec(), "the bytes")?;
    writer.expect_success()
}

fn o_nonblock_gives_eagain() -> Outcome {
    let file = open("", O_NONBLOCK)?;
    expect_errno(fd::read(file, &mut [0]), EAGAIN)?;
    fd::write(file, b"x")?;
    expect_errno(fd::write(file, b"y"), EAGAIN)
}

fn poll_tells_which_of_both_is_possible() -> Outcome {
    let file = open("", 0)?;
    let both = POLLIN | POLLOUT;
    expect_eq(ready::revents(file, both)?, POLLOUT, "revents of an empty box")?;
    fd::write(file, b"x")?;
    expect_eq(ready::revents(file, both)?, POLLIN, "revents of a full one")
}

fn transfers_of_no_bytes_never_wait() -> Outcome {
    for flags in [0, O_NONBLOCK] {
        let file = open("", flags)?;
        expect_eq(fd::read(file, &mut [])?, 0, "bytes read of an empty box")?;
        fd::write(file, b"x")?;
        expect_eq(fd::read(file, &mut [])?, 0, "bytes read of a full box")?;
        expect_eq(fd::write(file, b"")?, 0, "bytes written to a full box")?;
        expect_eq(fd::read_up_to(file, 1)?, b"x".to_vec(), "the byte")?;
        expect_eq(fd::write(file, b"")?, 0, "bytes written to an empty box")?;
        expect_eq(ready::revents(file, POLLIN | POLLOUT)?, POLLOUT, "revents of the empty box")?;
        fd::close(file)?;
    }
    Ok(())
}

fn poll_tells_an_opening_only_of_what_it_may_do() -> Outcome {
    let both = POLLIN | POLLOUT;
    let file = open("", 0)?;
    let (reader, writer) = (path::open("/dev/mailbox", O_RDONLY, 0)?, path::open("/dev/mailbox", O_WRONLY, 0)?);
    expect_eq((ready::revents(reader, both)?, ready::revents(writer, both)?), (0, POLLOUT), "revents of an empty box")?;
    fd::write(file, b"x")?;
    expect_eq((ready::revents(reader, both)?, ready::revents(writer, both)?), (POLLIN, 0), "revents of a full one")
}

fn a_fault_leaves_the_byte_where_it_is() -> Outcome {
    let file = open("", O_NONBLOCK)?;
    let area = memory::before_hole(1)?;
    let end = area.length - memory::PAGE;
    expect_errno(fd::write_from(file, &area, end, 1), EFAULT)?;
    expect_errno(fd::read(file, &mut [0]), EAGAIN)?;
    fd::write(file, b"x")?;
    expect_errno(fd::read_into(file, &area, end, 1), EFAULT)?;
    expect_eq(fd::read_up_to(file, 1)?, b"x".to_vec(), "the byte")
}

fn the_parameter_is_what_is_in_the_box_at_first() -> Outcome {
    expect_eq(fd::read_up_to(open("letter=80", 0)?, 1)?, b"P".to_vec(), "the byte")
}

fn an_open_mailbox_cannot_be_unloaded() -> Outcome {
    let file = open("", 0)?;
    expect_errno(crate::sys::module::delete_module("mailbox", 0), EBUSY)?;
    fd::close(file)?;
    unloaded("mailbox")
}

fn splice_carries_bytes_from_and_to_every_ring() -> Outcome {
    hello::needed()?;
    let file = open("", O_NONBLOCK)?;
    for ring in [fd::Pipe::new()?, hello::pipe(0)?] {
        expect_errno(splice(file, ring.write, 9, 0), EAGAIN)?;
        fd::write(ring.write, b"abc")?;
        expect_eq(splice(ring.read, file, 9, 0)?, 1, "bytes into the box")?;
        expect_errno(splice(ring.read, file, 9, 0), EAGAIN)?;
        fd::write(ring.write, b"d")?;
        expect_eq(splice(file, ring.write, 9, 0)?, 1, "bytes out of the box")?;
        expect_eq(fd::read_up_to(ring.read, 4)?, b"bcda".to_vec(), "the ring")?;
    }
    Ok(())
}

fn splice_waits_for_room_in_the_box_and_others_read_the_ring_meanwhile() -> Outcome {
    let (file, pipe) = (open("letter=88", 0)?, fd::Pipe::new()?);
    fd::write(pipe.write, b"abc")?;
    let splicer = process::spawn(|| expect_eq(splice(pipe.read, file, 1, 0)?, 1, "bytes spliced"))?;
    splicer.wait_until_asleep()?;
    expect_errno(splice(pipe.read, file, 1, SPLICE_F_NONBLOCK).map(drop), EAGAIN)?;
    expect_eq(fd::read_up_to(pipe.read, 1)?, b"a".to_vec(), "the first byte of the pipe")?;
    expect_eq(fd::read_up_to(file, 1)?, b"X".to_vec(), "what was in the box")?;
    splicer.expect_success()?;
    expect_eq(fd::read_up_to(file, 1)?, b"b".to_vec(), "the letter")?;
    expect_eq(fd::read_up_to(pipe.read, 1)?, b"c".to_vec(), "the rest")
}
