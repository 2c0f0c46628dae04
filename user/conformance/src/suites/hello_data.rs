//! `/dev/hello`: sentences of seed 001 about open, the data path, locking and poll that say more than the suites `hello_open`
//! and `hello_ring` try. Specification: seed 001 §2.2, §3.3–3.6, §4.1–4.3, tables 1, 3 and 4; docs/hello.md.

use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno};
use crate::sys::cgroup::Group;
use crate::sys::fd::{self, Pipe};
use crate::sys::memory::{self, PAGE, Request, pattern};
use crate::sys::ready::{self, revents, wanting};
use crate::sys::{hello, path, process};
use libc::{
    EAGAIN, ENXIO, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM,
};

crate::tests! {
    first_open_of_a_group_makes_its_ring_and_later_ones_find_it,
    one_node_serves_all_rings,
    concurrent_opens_and_closes_leave_the_counts_exact,
    write_takes_a_slot_a_page,
    odd_bytes_of_a_long_write_go_behind_the_last_data,
    bytes_one_by_one_fill_a_page_before_they_take_another,
    one_read_drains_several_slots,
    slot_is_free_when_it_is_drained_and_not_before,
    writer_to_a_full_ring_sleeps_without_the_ring_s_lock,
    memory_that_is_not_there_yet_is_copied_from_and_to,
    poll_tells_each_mode_its_own_bits,
    poll_watches_the_device_beside_other_files,
    poll_hears_of_the_ring_s_other_side_whatever_it_asked_for,
}

const READ_BITS: i16 = POLLIN | POLLRDNORM;
const WRITE_BITS: i16 = POLLOUT | POLLWRNORM;

fn channel() -> Result<Pipe, Failure> {
    hello::needed()?;
    Ok(hello::pipe(0)?)
}

fn used_slots(pipe: &Pipe) -> Result<u32, Failure> {
    Ok(hello::stat(pipe.read)?.used_slots)
}

/// §3.3: "either locates an existing `data_node` in the rbtree or allocates a new one on first use".
fn first_open_of_a_group_makes_its_ring_and_later_ones_find_it() -> Outcome {
    hello::needed()?;
    let group = Group::new()?;
    let before = hello::counter("instances")?;
    group.enter()?;
    let mut opens = 0;
    for _ in 0..3 {
        let file = hello::open(O_RDWR)?;
        opens += 1;
        expect_eq(hello::stat(file)?.counters.opens, opens, "openings of the one ring")?;
        expect_eq(hello::counter("instances")? - before, 1, "rings made")?;
        fd::close(file)?;
    }
    crate::sys::cgroup::leave()
}

/// §4.1: "only a single device node is exposed".
fn one_node_serves_all_rings() -> Outcome {
    hello::needed()?;
    let nodes = || -> Result<Vec<String>, Failure> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir("/dev")? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    };
    let before = nodes()?;
    let group = Group::new()?;
    group.enter()?;
    let file = hello::open(O_RDWR)?;
    let of_a_channel = hello::open(O_RDWR)?;
    hello::channel(of_a_channel, b"no-node")?;
    expect_eq(nodes()?, before, "what is in /dev")?;
    fd::close(file)?;
    crate::sys::cgroup::leave()
}

/// Table 3: `readers` and `writers` are guarded while many open and release.
fn concurrent_opens_and_closes_leave_the_counts_exact() -> Outcome {
    const ROUNDS: usize = 200;
    hello::needed()?;
    let keeper = hello::open(O_RDWR)?;
    let before = hello::stat(keeper)?;
    let mut children = Vec::new();
    for mode in [O_RDONLY, O_WRONLY, O_RDWR, O_RDWR] {
        children.push(process::spawn(move || (0..ROUNDS).try_for_each(|_| Ok(fd::close(hello::open(mode)?)?)))?);
    }
    children.into_iter().try_for_each(process::Child::expect_success)?;
    let after = hello::stat(keeper)?;
    expect_eq((after.readers, after.writers), (1, 1), "readers and writers")?;
    expect_eq(after.counters.opens - before.counters.opens, 4 * ROUNDS as u64, "openings")
}

/// §3.4: "copies up to one page from user space, and finally publishes the slot".
fn write_takes_a_slot_a_page() -> Outcome {
    let pipe = channel()?;
    expect_eq(fd::write(pipe.write, &[1; 2 * PAGE + PAGE / 2])?, 2 * PAGE + PAGE / 2, "bytes written")?;
    expect_eq(used_slots(&pipe)?, 3, "slots in use")
}

/// Listing 8: `chars = len & (PAGE_SIZE - 1)` go into the last page, and whole pages follow.
fn odd_bytes_of_a_long_write_go_behind_the_last_data() -> Outcome {
    let pipe = channel()?;
    let sent = pattern(100 + PAGE + 50);
    fd::write(pipe.write, &sent[..100])?;
    fd::write(pipe.write, &sent[100..])?;
    expect_eq(used_slots(&pipe)?, 2, "slots in use")?;
    expect(fd::read_up_to(pipe.read, sent.len())? == sent, "the bytes come out in order")
}

/// §4.3: "compacts a stream of short writes into the fewest possible pages".
fn bytes_one_by_one_fill_a_page_before_they_take_another() -> Outcome {
    let pipe = channel()?;
    for _ in 0..PAGE {
        fd::write(pipe.write, b"x")?;
    }
    expect_eq(used_slots(&pipe)?, 1, "slots in use by a page of single bytes")?;
    fd::write(pipe.write, b"x")?;
    expect_eq(used_slots(&pipe)?, 2, "slots in use by one byte more")
}

/// Listing 10: the loop goes on to the next slot until the reader has what it asked for.
fn one_read_drains_several_slots() -> Outcome {
    let pipe = channel()?;
    let sent = pattern(5 * PAGE + 77);
    fd::write(pipe.write, &sent)?;
    let mut got = vec![0; 8 * PAGE];
    expect_eq(fd::read(pipe.read, &mut got)?, sent.len(), "bytes of one read")?;
    expect(got[..sent.len()] == sent, "they are as sent")
}

/// §3.4: "updates the slot's `offset/len`. When a slot is fully consumed, `tail` advances."
fn slot_is_free_when_it_is_drained_and_not_before() -> Outcome {
    let pipe = channel()?;
    fd::write(pipe.write, &pattern(2 * PAGE))?;
    for (bytes, left) in [(PAGE - 1, 2), (1, 1), (1, 1), (PAGE - 1, 0)] {
        expect_eq(fd::read(pipe.read, &mut vec![0; bytes])?, bytes, "bytes read")?;
        expect_eq(used_slots(&pipe)?, left, "slots in use")?;
    }
    Ok(())
}

/// §3.4: "When the ring is full, the writer releases the lock and blocks on `wq`"; the reader does likewise.
fn writer_to_a_full_ring_sleeps_without_the_ring_s_lock() -> Outcome {
    let pipe = channel()?;
    fd::write(pipe.write, &pattern(16 * PAGE))?;
    let writer = process::spawn(|| expect_eq(fd::write(pipe.write, b"last")?, 4, "bytes written"))?;
    writer.wait_until_asleep()?;
    expect_eq(hello::stat(pipe.read)?.used_slots, 16, "slots in use, asked under the lock")?;
    expect_eq(fd::read_up_to(pipe.read, 16 * PAGE)?, pattern(16 * PAGE), "the bytes")?;
    writer.expect_success()?;
    expect_eq(fd::read_up_to(pipe.read, 4)?, b"last", "the bytes that waited")?;
    let reader = process::spawn(|| expect_eq(fd::read(pipe.read, &mut [0; 4])?, 4, "bytes read"))?;
    reader.wait_until_asleep()?;
    expect_eq(hello::stat(pipe.read)?.used_slots, 0, "slots in use, asked under the lock")?;
    fd::write(pipe.write, b"more")?;
    reader.expect_success()
}

/// §2.2 and table 1: `copy_from_user` and `copy_to_user` may fault and sleep, so the lock over them is a mutex.
fn memory_that_is_not_there_yet_is_copied_from_and_to() -> Outcome {
    const LENGTH: usize = 4 * PAGE;
    let pipe = channel()?;
    let file = memory::memfd(i64::try_from(LENGTH).unwrap_or(i64::MAX))?;
    fd::pwrite(file, &pattern(LENGTH), 0)?;
    // Neither mapping has been touched: each page of both is a fault in the middle of a copy.
    let from = memory::map(Request::file(file, LENGTH, libc::MAP_SHARED))?;
    let to = memory::private(4)?;
    expect_eq(fd::write_from(pipe.write, &from, 0, LENGTH)?, LENGTH, "bytes written")?;
    expect_eq(fd::read_into(pipe.read, &to, 0, LENGTH)?, LENGTH, "bytes read")?;
    expect(to.load_all(0, LENGTH) == pattern(LENGTH), "they are the file's")
}

/// Listing 12: the mask has the bits of the file's mode alone, and the NORM bits with the others.
fn poll_tells_each_mode_its_own_bits() -> Outcome {
    let pipe = channel()?;
    let all = READ_BITS | WRITE_BITS;
    expect_eq((revents(pipe.read, all)?, revents(pipe.write, all)?), (0, WRITE_BITS), "reader and writer, empty")?;
    fd::write(pipe.write, &[0; 16 * PAGE])?;
    expect_eq((revents(pipe.read, all)?, revents(pipe.write, all)?), (READ_BITS, 0), "reader and writer, full")?;
    let both = hello::open(O_RDWR)?;
    expect_eq(revents(both, all)?, WRITE_BITS, "both ends, empty")?;
    fd::write(both, b"x")?;
    expect_eq(revents(both, all)?, all, "both ends, with a byte")?;
    // Its own ends keep it from ever seeing a hang-up or an error.
    Ok(fd::close(both)?)
}

/// §3.6: "allowing a process to monitor `/dev/hello` alongside other file descriptors".
fn poll_watches_the_device_beside_other_files() -> Outcome {
    let (channel, pipe) = (channel()?, Pipe::anonymous(0)?);
    let event = fd::eventfd(0, 0)?;
    let look = || -> Result<[i16; 3], Failure> {
        let mut entries = [channel.read, pipe.read, event].map(|file| wanting(file, POLLIN));
        ready::poll(&mut entries, -1)?;
        Ok(entries.map(|entry| entry.revents))
    };
    for (step, expected) in [[POLLIN, 0, 0], [0, POLLIN, 0], [0, 0, POLLIN]].into_iter().enumerate() {
        let watcher = process::spawn(|| expect_eq(look()?, expected, "revents of device, pipe and eventfd"))?;
        watcher.wait_until_asleep()?;
        match step {
            0 => fd::write(channel.write, b"x")?,
            1 => fd::write(pipe.write, b"x")?,
            _ => fd::write(event, &1_u64.to_ne_bytes())?,
        };
        watcher.expect_success()?;
        for file in [channel.read, pipe.read] {
            if revents(file, POLLIN)? != 0 {
                fd::read(file, &mut [0; 1])?;
            }
        }
    }
    Ok(())
}

/// Table 4, rows 3 and 4: POLLHUP and POLLERR are told unasked.
fn poll_hears_of_the_ring_s_other_side_whatever_it_asked_for() -> Outcome {
    let (one, other) = (channel()?, channel()?);
    let waiting = |end: i32, peer: i32, expected: i16| -> Outcome {
        let poller = process::spawn(|| {
            fd::close(peer)?;
            let mut entries = [wanting(end, 0)];
            expect_eq(ready::poll(&mut entries, -1)?, 1, "what poll returns")?;
            expect_eq(entries[0].revents, expected, "revents")
        })?;
        poller.wait_until_asleep()?;
        fd::close(peer)?;
        poller.expect_success()
    };
    waiting(one.read, one.write, POLLHUP)?;
    waiting(other.write, other.read, POLLERR)?;
    // And the device's own ring knows nothing of the channels' ends.
    expect_errno(hello::open(O_WRONLY | O_NONBLOCK), ENXIO)?;
    let reader = hello::open(O_RDONLY | O_NONBLOCK)?;
    expect_eq(fd::read(reader, &mut [0; 1])?, 0, "bytes read without a writer")?;
    let writer = hello::open(O_WRONLY | O_NONBLOCK)?;
    expect_errno(fd::read(reader, &mut [0; 1]), EAGAIN)?;
    expect_eq(path::fstat(writer)?.st_rdev, path::stat(hello::PATH)?.st_rdev, "the device of the file")
}
