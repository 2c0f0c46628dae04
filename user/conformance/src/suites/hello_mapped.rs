//! The ring of `/dev/hello` in shared memory. Specification: abi/src/ring, abi/src/hello.rs, docs/hello.md.

use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno, failed};
use crate::sys::hello;
use crate::sys::memory::{self, Mapping, PAGE, Request};
use crate::sys::process::{self, Child};
use crate::sys::splice::splice;
use crate::sys::{fd, ready, signal};
use libc::{EBADF, EBUSY, EINTR, EINVAL, EIO, EPIPE, MAP_SHARED, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, SIGBUS};
use postern_abi::hello::{HELLO_IOC_RING, HELLO_ROLE_CONSUMER, HELLO_ROLE_PRODUCER};
use postern_abi::ring::Corrupt;
use postern_abi::ring::layout::{CONSUMER_PAGE, PRODUCER_PAGE, SLOT_TABLE_OFFSET};
use postern_abi::ring::mapped::{Consumer, Producer};
use postern_abi::ring::protocol::{Doorbell, Verdict};
use std::os::fd::RawFd;
use std::sync::atomic::Ordering;

crate::tests! {
    producer_and_consumer_exchange_records_in_order_and_sleep_at_the_edges,
    records_past_the_edge_ring_no_doorbell,
    ring_has_the_slots_of_the_instance,
    role_without_o_rdwr_gives_ebadf,
    unknown_role_gives_einval,
    second_role_of_a_file_gives_ebusy,
    role_that_another_file_has_gives_ebusy,
    role_while_the_ring_holds_data_gives_ebusy,
    bad_pointer_to_the_role_gives_efault_and_leaves_none,
    mapping_without_a_role_gives_einval,
    mapping_beyond_the_end_gives_einval,
    doorbell_and_wait_without_a_role_give_einval,
    store_to_what_is_not_ones_own_raises_sigbus,
    read_gets_what_a_mapped_producer_publishes_as_a_stream,
    mapped_consumer_gets_what_write_puts_in_a_record_a_page,
    write_to_a_full_shared_ring_sleeps_until_the_consumer_rings,
    splice_copies_between_a_shared_ring_and_an_ordinary_one,
    read_sleeps_until_the_producer_rings,
    read_of_a_file_whose_instance_has_a_mapped_consumer_gives_ebusy,
    poll_reports_records_and_room_and_wakes_on_the_doorbell,
    wait_is_interrupted_by_a_signal,
    consumer_of_a_killed_producer_sees_the_hang_up_after_its_records,
    producer_of_a_killed_consumer_sees_the_error,
    write_without_a_consumer_gives_epipe,
    mapping_keeps_the_role_after_close,
    role_that_was_given_back_can_be_taken_again,
    slots_of_a_shared_ring_cannot_be_changed,
    hostile_head_gives_eio_and_leaves_other_channels_alone,
    hostile_tail_gives_eio_to_who_writes,
    hostile_descriptor_gives_eio,
    hostile_index_is_refused_by_the_other_side,
    last_close_brings_the_ordinary_ring_back,
}

/// A channel that no other test uses.
fn channel() -> Result<String, Failure> {
    hello::needed()?;
    Ok(format!("mapped-{}", process::getpid()))
}

fn open(name: &str, flags: i32) -> Result<RawFd, Failure> {
    // Lets one end in alone, on the group's own ring, from where it goes on to the channel.
    let door = hello::open(O_RDWR)?;
    let file = hello::open(flags)?;
    fd::close(door)?;
    hello::channel(file, name.as_bytes())?;
    Ok(file)
}

/// One side of a channel's ring.
struct Side {
    file: RawFd,
    memory: Mapping,
    ring: postern_abi::ring::mapped::Mapping,
}

fn side(name: &str, role: u32) -> Result<Side, Failure> {
    let file = open(name, O_RDWR)?;
    let (memory, ring) = hello::map_ring(file, hello::take_role(file, role)?)?;
    Ok(Side { file, memory, ring })
}

fn corrupt(_: Corrupt) -> Failure {
    failed("the ring is corrupt")
}

impl Side {
    fn producer(&self) -> Result<Producer, Failure> {
        Producer::new(self.ring).map_err(corrupt)
    }

    fn consumer(&self) -> Result<Consumer, Failure> {
        Consumer::new(self.ring).map_err(corrupt)
    }

    fn ring_if(&self, doorbell: Doorbell) -> Outcome {
        if doorbell == Doorbell::Ring { Ok(hello::doorbell(self.file)?) } else { Ok(()) }
    }

    fn close(self) -> Outcome {
        self.memory.unmap(0, self.memory.length)?;
        Ok(fd::close(self.file)?)
    }
}

/// Publishes a record, sleeping for room.
fn push(side: &Side, producer: &mut Producer, record: &[u8]) -> Outcome {
    loop {
        if let Some(doorbell) = producer.push(record).map_err(corrupt)? {
            return side.ring_if(doorbell);
        }
        if producer.prepare_wait().map_err(corrupt)? == Verdict::Sleep {
            hello::wait(side.file)?;
            producer.finish_wait();
        }
    }
}

/// Takes a record, sleeping for it; `None` when there is none and never will be.
fn pop(side: &Side, consumer: &mut Consumer, buffer: &mut [u8]) -> Result<Option<usize>, Failure> {
    loop {
        if let Some((length, doorbell)) = consumer.pop(buffer).map_err(corrupt)? {
            side.ring_if(doorbell)?;
            return Ok(Some(length));
        }
        if consumer.prepare_wait().map_err(corrupt)? == Verdict::Sleep {
            let mask = hello::wait(side.file)?;
            consumer.finish_wait();
            if mask & i32::from(libc::POLLIN) == 0 && mask & i32::from(libc::POLLHUP) != 0 {
                return Ok(None);
            }
        }
    }
}

fn producer_and_consumer_exchange_records_in_order_and_sleep_at_the_edges() -> Outcome {
    const RECORDS: u32 = 3_000;
    let name = channel()?;
    let side_of_consumer = side(&name, HELLO_ROLE_CONSUMER)?;
    let child = process::spawn(|| {
        let side = side(&name, HELLO_ROLE_PRODUCER)?;
        let mut producer = side.producer()?;
        for number in 0..RECORDS {
            push(&side, &mut producer, &number.to_le_bytes())?;
        }
        Ok(())
    })?;
    let mut consumer = side_of_consumer.consumer()?;
    let mut buffer = [0; 4];
    for number in 0..RECORDS {
        expect_eq(pop(&side_of_consumer, &mut consumer, &mut buffer)?, Some(4), "the record's length")?;
        expect_eq(u32::from_le_bytes(buffer), number, "the record")?;
    }
    child.expect_success()?;
    expect_eq(pop(&side_of_consumer, &mut consumer, &mut buffer)?, None, "a record after the last")
}

fn records_past_the_edge_ring_no_doorbell() -> Outcome {
    let name = channel()?;
    let (consuming, producing) = (side(&name, HELLO_ROLE_CONSUMER)?, side(&name, HELLO_ROLE_PRODUCER)?);
    let (mut consumer, mut producer) = (consuming.consumer()?, producing.producer()?);
    expect_eq(producer.push(b"awake"), Ok(Some(Doorbell::Silent)), "a record for one who does not wait")?;
    expect(consumer.pop(&mut [0; 8]).is_ok_and(|popped| popped.is_some()), "the record is there")?;
    expect_eq(consumer.prepare_wait(), Ok(Verdict::Sleep), "an empty ring")?;
    expect_eq(producer.push(b"1"), Ok(Some(Doorbell::Ring)), "the first record for a sleeper")?;
    expect_eq(producer.push(b"2"), Ok(Some(Doorbell::Silent)), "the second")?;
    expect_eq(producer.push(b"3"), Ok(Some(Doorbell::Silent)), "the third")
}

fn ring_has_the_slots_of_the_instance() -> Outcome {
    let name = channel()?;
    let first = open(&name, O_RDWR)?;
    hello::set_slots(first, 64)?;
    let side = side(&name, HELLO_ROLE_PRODUCER)?;
    expect_eq(side.ring.geometry().slots(), 64, "slots in the header")?;
    expect_eq(side.memory.length, side.ring.geometry().bytes(), "the bytes that the ioctl told")?;
    let mut producer = side.producer()?;
    let mut records = 0;
    while producer.push(&[7; PAGE]).map_err(corrupt)?.is_some() {
        records += 1;
    }
    expect_eq(records, 64, "records that a ring of 64 slots takes")?;
    let stat = hello::stat(first)?;
    expect_eq((stat.used_slots, stat.waiting_bytes), (64, 64 * PAGE as u64), "slots and bytes of HELLO_IOC_STAT")?;
    expect_eq(fd::fionread(first)?, 64 * PAGE, "FIONREAD")
}

fn role_without_o_rdwr_gives_ebadf() -> Outcome {
    let name = channel()?;
    let both = open(&name, O_RDWR)?;
    for flags in [O_RDONLY, O_WRONLY] {
        let file = open(&name, flags)?;
        expect_errno(hello::take_role(file, HELLO_ROLE_PRODUCER), EBADF)?;
        expect_errno(hello::take_role(file, HELLO_ROLE_CONSUMER), EBADF)?;
        fd::close(file)?;
    }
    Ok(fd::close(both)?)
}

fn unknown_role_gives_einval() -> Outcome {
    let file = open(&channel()?, O_RDWR)?;
    for role in [0, 3, u32::MAX] {
        expect_errno(hello::take_role(file, role), EINVAL)?;
    }
    hello::take_role(file, HELLO_ROLE_CONSUMER)?;
    Ok(())
}

fn second_role_of_a_file_gives_ebusy() -> Outcome {
    let file = open(&channel()?, O_RDWR)?;
    hello::take_role(file, HELLO_ROLE_CONSUMER)?;
    expect_errno(hello::take_role(file, HELLO_ROLE_CONSUMER), EBUSY)?;
    expect_errno(hello::take_role(file, HELLO_ROLE_PRODUCER), EBUSY)
}

fn role_that_another_file_has_gives_ebusy() -> Outcome {
    let name = channel()?;
    let _first = side(&name, HELLO_ROLE_PRODUCER)?;
    let second = open(&name, O_RDWR)?;
    expect_errno(hello::take_role(second, HELLO_ROLE_PRODUCER), EBUSY)?;
    // It has none then, and can have the other.
    hello::take_role(second, HELLO_ROLE_CONSUMER)?;
    Ok(())
}

fn role_while_the_ring_holds_data_gives_ebusy() -> Outcome {
    let file = open(&channel()?, O_RDWR)?;
    fd::write(file, b"unread")?;
    expect_errno(hello::take_role(file, HELLO_ROLE_PRODUCER), EBUSY)?;
    expect_eq(fd::read_up_to(file, 6)?, b"unread", "the bytes")?;
    hello::take_role(file, HELLO_ROLE_PRODUCER)?;
    Ok(())
}

fn bad_pointer_to_the_role_gives_efault_and_leaves_none() -> Outcome {
    let file = open(&channel()?, O_RDWR)?;
    for address in [0, usize::MAX - 4095, memory::before_hole(1)?.address + PAGE - 2] {
        expect_errno(hello::ioctl(file, HELLO_IOC_RING, address), libc::EFAULT)?;
    }
    hello::take_role(file, HELLO_ROLE_CONSUMER)?;
    Ok(())
}

fn mapping_without_a_role_gives_einval() -> Outcome {
    let file = open(&channel()?, O_RDWR)?;
    expect_errno(memory::map(Request::file(file, PAGE, MAP_SHARED)), EINVAL)
}

fn mapping_beyond_the_end_gives_einval() -> Outcome {
    let file = open(&channel()?, O_RDWR)?;
    let bytes = hello::take_role(file, HELLO_ROLE_CONSUMER)?;
    expect_errno(memory::map(Request::file(file, bytes + PAGE, MAP_SHARED)), EINVAL)?;
    let offset = i64::try_from(bytes).map_err(|_| failed("the ring is too large"))?;
    expect_errno(memory::map(Request { offset, ..Request::file(file, PAGE, MAP_SHARED) }), EINVAL)?;
    expect_errno(
        memory::map(Request { offset: i64::MAX - 4095, ..Request::file(file, PAGE, MAP_SHARED) }),
        libc::EOVERFLOW,
    )?;
    memory::map(Request { offset: offset - 4096, ..Request::file(file, PAGE, MAP_SHARED) })?;
    Ok(())
}

fn doorbell_and_wait_without_a_role_give_einval() -> Outcome {
    let file = open(&channel()?, O_RDWR)?;
    expect_errno(hello::doorbell(file), EINVAL)?;
    expect_errno(hello::wait(file), EINVAL)
}

/// What the other side or the kernel owns can be read but not written, whatever the mapping's protection says.
fn store_to_what_is_not_ones_own_raises_sigbus() -> Outcome {
    let name = channel()?;
    let (consuming, producing) = (side(&name, HELLO_ROLE_CONSUMER)?, side(&name, HELLO_ROLE_PRODUCER)?);
    let geometry = producing.ring.geometry();
    let [consumer, producer, data] =
        [CONSUMER_PAGE, PRODUCER_PAGE, geometry.data_page()].map(|page| page as usize * PAGE);
    let forbidden =
        [(&consuming, 0), (&consuming, producer), (&consuming, data), (&producing, 0), (&producing, consumer)];
    for (side, offset) in forbidden {
        // Read first, so that the page is there when the store comes.
        let _ = side.memory.load(offset);
        let child = process::spawn(|| {
            side.memory.store(offset, 1);
            Ok(())
        })?;
        expect_eq(child.wait()?.signalled(), Some(SIGBUS), "the end of who stored")?;
    }
    for (side, offset) in [(&consuming, consumer + 64), (&producing, producer + 32), (&producing, data)] {
        side.memory.store(offset, 1);
    }
    Ok(())
}

fn read_gets_what_a_mapped_producer_publishes_as_a_stream() -> Outcome {
    let name = channel()?;
    let producing = side(&name, HELLO_ROLE_PRODUCER)?;
    let reader = open(&name, O_RDONLY | O_NONBLOCK)?;
    let mut producer = producing.producer()?;
    for record in [&b"one "[..], b"two ", b"three"] {
        push(&producing, &mut producer, record)?;
    }
    expect_eq(fd::read_up_to(reader, 2)?, b"on", "a part of a record")?;
    expect_eq(fd::read_up_to(reader, 11)?, b"e two three", "the rest")?;
    expect_errno(fd::read(reader, &mut [0; 1]), libc::EAGAIN)?;
    producing.close()?;
    expect_eq(fd::read(reader, &mut [0; 1])?, 0, "bytes at the end")
}

fn mapped_consumer_gets_what_write_puts_in_a_record_a_page() -> Outcome {
    let name = channel()?;
    let consuming = side(&name, HELLO_ROLE_CONSUMER)?;
    let writer = open(&name, O_WRONLY)?;
    let content: Vec<u8> = (0..=255).cycle().take(2 * PAGE + 100).collect();
    expect_eq(fd::write(writer, &content)?, content.len(), "bytes written")?;
    let mut consumer = consuming.consumer()?;
    let mut buffer = [0; PAGE];
    for part in content.chunks(PAGE) {
        expect_eq(pop(&consuming, &mut consumer, &mut buffer)?, Some(part.len()), "the record's length")?;
        expect(&buffer[..part.len()] == part, "the record's bytes")?;
    }
    fd::close(writer)?;
    expect_eq(pop(&consuming, &mut consumer, &mut buffer)?, None, "a record after the last writer went")
}

fn write_to_a_full_shared_ring_sleeps_until_the_consumer_rings() -> Outcome {
    let name = channel()?;
    let consuming = side(&name, HELLO_ROLE_CONSUMER)?;
    let writer = open(&name, O_WRONLY)?;
    expect_eq(fd::write(writer, &[b'x'; 16 * PAGE])?, 16 * PAGE, "bytes that fill the ring")?;
    let child = process::spawn(|| expect_eq(fd::write(writer, b"last")?, 4, "bytes written"))?;
    child.wait_until_asleep()?;
    let (mut consumer, mut buffer) = (consuming.consumer()?, [0; PAGE]);
    for _ in 0..16 {
        expect_eq(pop(&consuming, &mut consumer, &mut buffer)?, Some(PAGE), "the record's length")?;
    }
    child.expect_success()?;
    expect_eq(pop(&consuming, &mut consumer, &mut buffer)?, Some(4), "the last record's length")
}

fn splice_copies_between_a_shared_ring_and_an_ordinary_one() -> Outcome {
    let name = channel()?;
    let (producing, pipe) = (side(&name, HELLO_ROLE_PRODUCER)?, hello::pipe(0)?);
    let reader = open(&name, O_RDONLY | O_NONBLOCK)?;
    push(&producing, &mut producing.producer()?, b"out")?;
    expect_eq(splice(reader, pipe.write, 9, 0)?, 3, "bytes out of the shared ring")?;
    expect_eq(fd::read_up_to(pipe.read, 3)?, b"out", "the bytes")?;
    let name = format!("{name}-back");
    let consuming = side(&name, HELLO_ROLE_CONSUMER)?;
    let writer = open(&name, O_WRONLY)?;
    fd::write(pipe.write, b"into")?;
    expect_eq(splice(pipe.read, writer, 4, 0)?, 4, "bytes into the shared ring")?;
    expect_eq(fd::fionread(consuming.file)?, 4, "bytes that wait there")
}

fn read_sleeps_until_the_producer_rings() -> Outcome {
    let name = channel()?;
    let producing = side(&name, HELLO_ROLE_PRODUCER)?;
    let reader = open(&name, O_RDONLY)?;
    let child = process::spawn(|| expect_eq(fd::read_up_to(reader, 4)?, b"ring", "the bytes"))?;
    child.wait_until_asleep()?;
    push(&producing, &mut producing.producer()?, b"ring")?;
    child.expect_success()
}

fn read_of_a_file_whose_instance_has_a_mapped_consumer_gives_ebusy() -> Outcome {
    let name = channel()?;
    let (_consuming, producing) = (side(&name, HELLO_ROLE_CONSUMER)?, side(&name, HELLO_ROLE_PRODUCER)?);
    let other = open(&name, O_RDWR)?;
    expect_errno(fd::read(other, &mut [0; 1]), EBUSY)?;
    expect_errno(fd::write(other, b"x"), EBUSY)?;
    expect_errno(fd::write(producing.file, b"x"), EBUSY)
}

fn poll_reports_records_and_room_and_wakes_on_the_doorbell() -> Outcome {
    let name = channel()?;
    let (consuming, producing) = (side(&name, HELLO_ROLE_CONSUMER)?, side(&name, HELLO_ROLE_PRODUCER)?);
    let all = libc::POLLIN | libc::POLLOUT;
    expect_eq(ready::revents(consuming.file, all)?, 0, "the consumer's events of an empty ring")?;
    expect_eq(ready::revents(producing.file, all)?, libc::POLLOUT, "the producer's")?;
    let poller = |file, events| -> Result<Child, Failure> {
        let child = process::spawn(move || {
            let mut entries = [ready::wanting(file, events)];
            expect_eq(ready::poll(&mut entries, 10_000)?, 1, "ready files")?;
            expect_eq(entries[0].revents, events, "its events")
        })?;
        child.wait_until_asleep()?;
        Ok(child)
    };
    let (mut consumer, mut producer) = (consuming.consumer()?, producing.producer()?);
    let waiting = poller(consuming.file, libc::POLLIN)?;
    for _ in 0..16 {
        push(&producing, &mut producer, b"x")?;
    }
    waiting.expect_success()?;
    expect_eq(ready::revents(producing.file, all)?, 0, "the producer's events of a full ring")?;
    let waiting = poller(producing.file, libc::POLLOUT)?;
    expect_eq(pop(&consuming, &mut consumer, &mut [0; 1])?, Some(1), "a record")?;
    waiting.expect_success()
}

fn wait_is_interrupted_by_a_signal() -> Outcome {
    let name = channel()?;
    let consuming = side(&name, HELLO_ROLE_CONSUMER)?;
    let _writer = open(&name, O_WRONLY)?;
    let child = process::spawn(|| {
        signal::count(libc::SIGUSR1, 0)?;
        expect_errno(hello::wait(consuming.file), EINTR)
    })?;
    child.wait_until_asleep()?;
    child.kill(libc::SIGUSR1)?;
    child.expect_success()
}

fn consumer_of_a_killed_producer_sees_the_hang_up_after_its_records() -> Outcome {
    let name = channel()?;
    let consuming = side(&name, HELLO_ROLE_CONSUMER)?;
    let child = process::spawn(|| {
        let side = side(&name, HELLO_ROLE_PRODUCER)?;
        let mut producer = side.producer()?;
        push(&side, &mut producer, b"last")?;
        process::pause();
        Ok(())
    })?;
    let (mut consumer, mut buffer) = (consuming.consumer()?, [0; 8]);
    expect_eq(pop(&consuming, &mut consumer, &mut buffer)?, Some(4), "the record's length")?;
    child.wait_until_asleep()?;
    child.kill_and_wait()?;
    expect_eq(pop(&consuming, &mut consumer, &mut buffer)?, None, "a record of the dead")?;
    expect_eq(ready::revents(consuming.file, libc::POLLIN)?, libc::POLLHUP, "poll's events")
}

fn producer_of_a_killed_consumer_sees_the_error() -> Outcome {
    let name = channel()?;
    let producing = side(&name, HELLO_ROLE_PRODUCER)?;
    let child = process::spawn(|| {
        let _side = side(&name, HELLO_ROLE_CONSUMER)?;
        process::pause();
        Ok(())
    })?;
    child.wait_until_asleep()?;
    child.kill_and_wait()?;
    let mask = hello::wait(producing.file)?;
    expect(mask & i32::from(libc::POLLERR) != 0, "POLLERR")
}

fn write_without_a_consumer_gives_epipe() -> Outcome {
    let name = channel()?;
    let consuming = side(&name, HELLO_ROLE_CONSUMER)?;
    let writer = open(&name, O_WRONLY)?;
    fd::write(writer, b"x")?;
    consuming.close()?;
    signal::ignore(libc::SIGPIPE)?;
    expect_errno(fd::write(writer, b"x"), EPIPE)
}

fn mapping_keeps_the_role_after_close() -> Outcome {
    let name = channel()?;
    let producing = side(&name, HELLO_ROLE_PRODUCER)?;
    let reader = open(&name, O_RDONLY | O_NONBLOCK)?;
    let mut producer = producing.producer()?;
    fd::close(producing.file)?;
    expect_errno(fd::read(reader, &mut [0; 1]), libc::EAGAIN)?;
    expect(producer.push(b"still").is_ok_and(|pushed| pushed.is_some()), "the producer goes on")?;
    expect_eq(fd::read_up_to(reader, 5)?, b"still", "the bytes")?;
    producing.memory.unmap(0, producing.memory.length)?;
    expect_eq(fd::read(reader, &mut [0; 1])?, 0, "bytes after munmap")
}

fn role_that_was_given_back_can_be_taken_again() -> Outcome {
    let name = channel()?;
    let reader = open(&name, O_RDONLY | O_NONBLOCK)?;
    for round in 0..3_u8 {
        let producing = side(&name, HELLO_ROLE_PRODUCER)?;
        push(&producing, &mut producing.producer()?, &[round])?;
        producing.close()?;
        // Between two producers the kernel is the producer.
        let writer = open(&name, O_WRONLY)?;
        fd::write(writer, &[100 + round])?;
        fd::close(writer)?;
    }
    expect_eq(fd::read_up_to(reader, 6)?, [0, 100, 1, 101, 2, 102], "the bytes of all")
}

fn slots_of_a_shared_ring_cannot_be_changed() -> Outcome {
    let file = open(&channel()?, O_RDWR)?;
    hello::take_role(file, HELLO_ROLE_PRODUCER)?;
    expect_errno(hello::set_slots(file, 32), EBUSY)?;
    expect_errno(fd::fcntl(file, libc::F_SETPIPE_SZ, 65536 * 2), EBUSY)
}

fn hostile_head_gives_eio_and_leaves_other_channels_alone() -> Outcome {
    let name = channel()?;
    let producing = side(&name, HELLO_ROLE_PRODUCER)?;
    let reader = open(&name, O_RDONLY | O_NONBLOCK)?;
    let head = producing.memory.word(PRODUCER_PAGE as usize * PAGE);
    for hostile in [17, 1000, u32::MAX] {
        head.store(hostile, Ordering::SeqCst);
        expect_errno(fd::read(reader, &mut [0; 1]), EIO)?;
        expect_errno(hello::doorbell(producing.file), EIO)?;
        expect_errno(hello::wait(producing.file), EIO)?;
    }
    // The kernel has not moved, so a producer that comes to its senses may go on.
    head.store(0, Ordering::SeqCst);
    push(&producing, &mut producing.producer()?, b"sane")?;
    expect_eq(fd::read_up_to(reader, 4)?, b"sane", "the bytes")?;
    head.store(99, Ordering::SeqCst);
    producing.close()?;
    let writer = open(&name, O_WRONLY)?;
    expect_errno(fd::write(writer, b"x"), EIO)?;
    let other = open(&format!("{name}-other"), O_RDWR)?;
    expect_eq(fd::write(other, b"unhurt")?, 6, "bytes written elsewhere")
}

fn hostile_tail_gives_eio_to_who_writes() -> Outcome {
    let name = channel()?;
    let consuming = side(&name, HELLO_ROLE_CONSUMER)?;
    let writer = open(&name, O_WRONLY | O_NONBLOCK)?;
    fd::write(writer, &[b'x'; 16 * PAGE])?;
    consuming.memory.word(CONSUMER_PAGE as usize * PAGE).store(17, Ordering::SeqCst);
    expect_errno(fd::write(writer, b"x"), EIO)?;
    expect_errno(hello::doorbell(consuming.file), EIO)
}

fn hostile_descriptor_gives_eio() -> Outcome {
    let name = channel()?;
    let producing = side(&name, HELLO_ROLE_PRODUCER)?;
    let reader = open(&name, O_RDONLY | O_NONBLOCK)?;
    push(&producing, &mut producing.producer()?, b"x")?;
    let descriptor = producing.memory.word(PRODUCER_PAGE as usize * PAGE + SLOT_TABLE_OFFSET);
    for hostile in [0, 4096, 0x1001_0000, u32::MAX] {
        descriptor.store(hostile, Ordering::SeqCst);
        expect_errno(fd::read(reader, &mut [0; 8]), EIO)?;
    }
    descriptor.store(1 << 16, Ordering::SeqCst);
    expect_eq(fd::read_up_to(reader, 1)?, b"x", "the byte")
}

fn hostile_index_is_refused_by_the_other_side() -> Outcome {
    let name = channel()?;
    let (consuming, producing) = (side(&name, HELLO_ROLE_CONSUMER)?, side(&name, HELLO_ROLE_PRODUCER)?);
    let (mut consumer, mut producer) = (consuming.consumer()?, producing.producer()?);
    producing.memory.word(PRODUCER_PAGE as usize * PAGE).store(500, Ordering::SeqCst);
    expect(matches!(consumer.peek(), Err(Corrupt)), "the consumer refuses")?;
    producing.memory.word(PRODUCER_PAGE as usize * PAGE).store(0, Ordering::SeqCst);
    while producer.push(b"x").map_err(corrupt)?.is_some() {}
    consuming.memory.word(CONSUMER_PAGE as usize * PAGE).store(500, Ordering::SeqCst);
    expect_eq(producer.push(b"x"), Err(Corrupt), "the producer's answer")
}

fn last_close_brings_the_ordinary_ring_back() -> Outcome {
    let name = channel()?;
    let producing = side(&name, HELLO_ROLE_PRODUCER)?;
    push(&producing, &mut producing.producer()?, b"dropped")?;
    producing.close()?;
    let file = open(&name, O_RDWR | O_NONBLOCK)?;
    expect_errno(fd::read(file, &mut [0; 8]), libc::EAGAIN)?;
    expect_eq(fd::write(file, b"small ")? + fd::write(file, b"writes")?, 12, "bytes written")?;
    expect_eq(hello::stat(file)?.used_slots, 1, "slots that two small writes take")?;
    expect_eq(fd::read_up_to(file, 12)?, b"small writes", "the bytes")
}
