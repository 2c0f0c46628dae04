//! `/dev/hello`: the ring, its wake-ups, poll. Specification: seed 001 §3.4, §3.5, §3.6, §4.2–4.5, tables 3 and 4, with the
//! corrections of seed-notes; docs/hello.md. What it shares with a pipe is tested by `hello_as_pipe`.

use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno};
use crate::sys::fd::{self, Pipe};
use crate::sys::hello;
use crate::sys::memory::{self, PAGE};
use crate::sys::process::{self, Child};
use crate::sys::ready::{self, FdSet, epoll_add, epoll_create, epoll_ready, poll, revents, wanting};
use libc::{EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, POLLERR, POLLHUP, POLLIN, POLLOUT};
use std::sync::atomic::Ordering;

crate::tests! {
    writer_publishing_a_page_wakes_readers_with_pollin,
    reader_draining_a_page_wakes_writers_with_pollout,
    last_writer_closing_wakes_readers_with_pollhup,
    last_reader_closing_wakes_writers_with_pollerr,
    select_sees_the_same_as_poll,
    level_triggered_epoll_sees_the_masks_of_table_4,
    edge_triggered_epoll_tells_each_arrival_once,
    small_writes_share_a_page_and_are_counted_as_merges,
    write_that_does_not_fit_behind_the_last_takes_a_page_of_its_own,
    merge_goes_on_where_the_data_end_after_a_partial_read,
    recycled_slot_is_never_merged_into,
    merging_writers_and_a_draining_reader_lose_no_byte,
    fault_half_way_in_a_merge_leaves_the_ring_as_it_was,
    nonempty_ring_does_not_look_full,
    full_ring_looks_full_and_not_empty,
    pages_are_recycled_and_nothing_is_allocated_after_the_first_lap,
    poll_never_sees_a_torn_pair_of_indices,
    one_event_wakes_one_of_1_to_64_readers,
    one_freed_page_wakes_one_of_many_writers,
    readers_are_woken_in_order_of_arrival,
    one_write_for_all_reaches_every_reader_by_the_chain,
    killed_reader_leaves_the_line_to_the_next,
    killed_in_read_write_and_poll_leaves_the_counts,
    peer_of_a_killed_writer_gets_end_of_file,
    peer_of_a_killed_reader_gets_epipe,
    counters_of_the_instance_are_in_the_sums_of_proc,
}

fn channel() -> Result<Pipe, Failure> {
    hello::needed()?;
    Ok(hello::pipe(0)?)
}

/// A process that polls `end` for `events` and expects `expected`.
fn poller(end: i32, events: i16, expected: i16, close: i32) -> Result<Child, Failure> {
    let child = process::spawn(move || {
        fd::close(close)?;
        let mut entries = [wanting(end, events)];
        expect_eq(poll(&mut entries, 10_000)?, 1, "what poll returns")?;
        expect_eq(entries[0].revents, expected, "revents")
    })?;
    child.wait_until_asleep()?;
    Ok(child)
}

fn fill(pipe: &Pipe) -> Outcome {
    expect_eq(fd::write(pipe.write, &[b'f'; 16 * PAGE])?, 16 * PAGE, "bytes of a full ring")
}

fn writer_publishing_a_page_wakes_readers_with_pollin() -> Outcome {
    let pipe = channel()?;
    let poller = poller(pipe.read, POLLIN, POLLIN, pipe.write)?;
    fd::write(pipe.write, b"x")?;
    poller.expect_success()
}

fn reader_draining_a_page_wakes_writers_with_pollout() -> Outcome {
    let pipe = channel()?;
    fill(&pipe)?;
    let poller = poller(pipe.write, POLLOUT, POLLOUT, pipe.read)?;
    fd::read(pipe.read, &mut [0; PAGE - 1])?;
    expect_eq(revents(pipe.write, POLLOUT)?, 0, "revents while the page is not drained")?;
    fd::read(pipe.read, &mut [0; 1])?;
    poller.expect_success()
}

fn last_writer_closing_wakes_readers_with_pollhup() -> Outcome {
    let pipe = channel()?;
    let poller = poller(pipe.read, POLLIN, POLLHUP, pipe.write)?;
    fd::close(pipe.write)?;
    poller.expect_success()
}

fn last_reader_closing_wakes_writers_with_pollerr() -> Outcome {
    let pipe = channel()?;
    fill(&pipe)?;
    // The ring stays full, so POLLERR comes alone.
    let poller = poller(pipe.write, POLLOUT, POLLERR, pipe.read)?;
    fd::close(pipe.read)?;
    poller.expect_success()
}

fn select_sees_the_same_as_poll() -> Outcome {
    let pipe = channel()?;
    let look = || {
        let (mut readers, mut writers) = (FdSet::of(&[pipe.read]), FdSet::of(&[pipe.write]));
        let timeout = Some(std::time::Duration::ZERO);
        ready::pselect(pipe.read.max(pipe.write) + 1, &mut readers, &mut writers, timeout, None)?;
        Ok::<_, Failure>((readers.has(pipe.read), writers.has(pipe.write)))
    };
    expect_eq(look()?, (false, true), "empty")?;
    fd::write(pipe.write, b"x")?;
    expect_eq(look()?, (true, true), "with a byte")?;
    fd::read(pipe.read, &mut [0; 1])?;
    fill(&pipe)?;
    expect_eq(look()?, (true, false), "full")?;
    let second = channel()?;
    let (mut readers, mut writers) = (FdSet::of(&[second.read]), FdSet::of(&[pipe.write]));
    fd::close(second.write)?;
    fd::close(pipe.read)?;
    ready::pselect(second.read.max(pipe.write) + 1, &mut readers, &mut writers, Some(std::time::Duration::ZERO), None)?;
    expect_eq((readers.has(second.read), writers.has(pipe.write)), (true, true), "without the other side")
}

fn level_triggered_epoll_sees_the_masks_of_table_4() -> Outcome {
    let pipe = channel()?;
    let (of_reader, of_writer) = (epoll_create()?, epoll_create()?);
    epoll_add(of_reader, pipe.read, EPOLLIN)?;
    epoll_add(of_writer, pipe.write, EPOLLOUT)?;
    let events = |epoll| Ok::<_, Failure>(epoll_ready(epoll)?.first().map(|(_, events)| *events));
    expect_eq((events(of_reader)?, events(of_writer)?), (None, Some(EPOLLOUT)), "empty")?;
    fill(&pipe)?;
    for _ in 0..2 {
        expect_eq((events(of_reader)?, events(of_writer)?), (Some(EPOLLIN), None), "full, as often as it is asked")?;
    }
    fd::read_up_to(pipe.read, PAGE)?;
    expect_eq((events(of_reader)?, events(of_writer)?), (Some(EPOLLIN), Some(EPOLLOUT)), "with a free page")?;
    let second = channel()?;
    let of_second = epoll_create()?;
    epoll_add(of_second, second.write, EPOLLOUT)?;
    fd::close(second.read)?;
    expect_eq(events(of_second)?, Some(EPOLLOUT | EPOLLERR), "without a reader")?;
    fd::close(pipe.write)?;
    fd::read_up_to(pipe.read, 15 * PAGE)?;
    expect_eq(events(of_reader)?, Some(EPOLLHUP), "without a writer, drained")
}

fn edge_triggered_epoll_tells_each_arrival_once() -> Outcome {
    let pipe = channel()?;
    let epoll = epoll_create()?;
    epoll_add(epoll, pipe.read, EPOLLIN | EPOLLET)?;
    for _ in 0..3 {
        fd::write(pipe.write, b"x")?;
        expect_eq(epoll_ready(epoll)?.len(), 1, "reports after a write")?;
        expect_eq(epoll_ready(epoll)?.len(), 0, "reports without one")?;
    }
    Ok(())
}

fn small_writes_share_a_page_and_are_counted_as_merges() -> Outcome {
    let pipe = channel()?;
    let before = hello::stat(pipe.read)?;
    for piece in [&b"H"[..], b"E", b"LL", b"O"] {
        fd::write(pipe.write, piece)?;
    }
    let after = hello::stat(pipe.read)?;
    expect_eq((after.used_slots, after.waiting_bytes), (1, 5), "slots and bytes in use")?;
    expect_eq(after.counters.merges - before.counters.merges, 3, "merges")?;
    expect_eq(fd::read_up_to(pipe.read, 5)?, b"HELLO", "the bytes")
}

fn write_that_does_not_fit_behind_the_last_takes_a_page_of_its_own() -> Outcome {
    let pipe = channel()?;
    fd::write(pipe.write, &[1; 4000])?;
    fd::write(pipe.write, &[2; 97])?;
    expect_eq(hello::stat(pipe.read)?.used_slots, 2, "slots in use")?;
    fd::write(pipe.write, &[3; PAGE])?;
    expect_eq(hello::stat(pipe.read)?.used_slots, 3, "slots in use after a whole page")
}

fn merge_goes_on_where_the_data_end_after_a_partial_read() -> Outcome {
    let pipe = channel()?;
    fd::write(pipe.write, b"abcdef")?;
    fd::read_up_to(pipe.read, 4)?;
    fd::write(pipe.write, b"ghi")?;
    expect_eq(hello::stat(pipe.read)?.used_slots, 1, "slots in use")?;
    expect_eq(fd::read_up_to(pipe.read, 5)?, b"efghi", "the bytes")
}

/// A drained slot keeps its page and, in the seed, its length: neither may be taken for data to append to.
fn recycled_slot_is_never_merged_into() -> Outcome {
    let pipe = channel()?;
    // Around the ring, so that every slot has held something before.
    for lap in 0..40_u8 {
        fd::write(pipe.write, &[lap; 100])?;
        expect_eq(fd::read_up_to(pipe.read, 100)?, [lap; 100], "the bytes")?;
        expect_eq(hello::stat(pipe.read)?.used_slots, 0, "slots in use")?;
    }
    let before = hello::stat(pipe.read)?.counters.merges;
    fd::write(pipe.write, b"new")?;
    expect_eq(hello::stat(pipe.read)?.counters.merges - before, 0, "merges into a drained slot")?;
    expect_eq(fd::read_up_to(pipe.read, 3)?, b"new", "the bytes")
}

fn merging_writers_and_a_draining_reader_lose_no_byte() -> Outcome {
    const WRITES: usize = 3000;
    let pipe = channel()?;
    let writer = process::spawn(|| {
        fd::close(pipe.read)?;
        let mut numbers = (0..251).cycle();
        for length in (1..=37).cycle().take(WRITES) {
            let bytes: Vec<u8> = numbers.by_ref().take(length).collect();
            expect_eq(fd::write(pipe.write, &bytes)?, length, "bytes written")?;
        }
        Ok(())
    })?;
    fd::close(pipe.write)?;
    let total: usize = (1..=37).cycle().take(WRITES).sum();
    let mut got = Vec::new();
    let mut piece = [0; 53];
    loop {
        let count = fd::read(pipe.read, &mut piece)?;
        if count == 0 {
            break;
        }
        got.extend_from_slice(&piece[..count]);
    }
    expect(got.iter().enumerate().all(|(at, byte)| usize::from(*byte) == at % 251), "every byte is in its place")?;
    expect_eq(got.len(), total, "bytes")?;
    writer.expect_success()
}

fn fault_half_way_in_a_merge_leaves_the_ring_as_it_was() -> Outcome {
    let pipe = channel()?;
    let memory = memory::before_hole(1)?;
    memory.store_all(0, &[b'n'; PAGE]);
    fd::write(pipe.write, b"old")?;
    let before = hello::stat(pipe.read)?;
    expect_errno(fd::write_from(pipe.write, &memory, PAGE - 10, 20), libc::EFAULT)?;
    let after = hello::stat(pipe.read)?;
    expect_eq((after.used_slots, after.waiting_bytes), (1, 3), "slots and bytes in use")?;
    expect_eq(after.counters.merges - before.counters.merges, 0, "merges")?;
    fd::write(pipe.write, b" and new")?;
    expect_eq(fd::read_up_to(pipe.read, 11)?, b"old and new", "the bytes")
}

/// Seed 001, listings 11 and 12, take the head from the wrong half: every ring with data looks full.
fn nonempty_ring_does_not_look_full() -> Outcome {
    let pipe = channel()?;
    // Not at the start, where head and tail are small numbers.
    for _ in 0..100 {
        fd::write(pipe.write, &[0; PAGE])?;
        fd::read_up_to(pipe.read, PAGE)?;
    }
    fd::write(pipe.write, &[0; PAGE])?;
    expect_eq(revents(pipe.read, POLLIN)?, POLLIN, "revents of the reader")?;
    expect_eq(revents(pipe.write, POLLOUT)?, POLLOUT, "revents of the writer")
}

fn full_ring_looks_full_and_not_empty() -> Outcome {
    let pipe = channel()?;
    fill(&pipe)?;
    expect_eq(revents(pipe.read, POLLIN)?, POLLIN, "revents of the reader")?;
    expect_eq(revents(pipe.write, POLLOUT)?, 0, "revents of the writer")
}

fn pages_are_recycled_and_nothing_is_allocated_after_the_first_lap() -> Outcome {
    let pipe = channel()?;
    let mebibyte = || -> Outcome {
        for _ in 0..16 {
            fill(&pipe)?;
            expect_eq(fd::read_up_to(pipe.read, 16 * PAGE)?.len(), 16 * PAGE, "bytes read")?;
        }
        Ok(())
    };
    mebibyte()?;
    let before = hello::stat(pipe.read)?;
    expect(before.counters.allocations <= 16, "the first lap allocates at most a page a slot")?;
    mebibyte()?;
    let after = hello::stat(pipe.read)?;
    expect_eq(after.counters.allocations - before.counters.allocations, 0, "pages allocated for a mebibyte")?;
    expect_eq(after.counters.recycles - before.counters.recycles, 256, "pages recycled for a mebibyte")
}

/// One byte goes round and round: whoever asks always finds the ring neither full nor, for long, empty.
fn poll_never_sees_a_torn_pair_of_indices() -> Outcome {
    let pipe = channel()?;
    let worker = process::spawn(|| {
        for _ in 0..3000 {
            fd::write(pipe.write, &[0; 3000])?;
            fd::read_up_to(pipe.read, 3000)?;
        }
        Ok(())
    })?;
    while process::wait4(worker.pid, libc::WNOHANG)?.is_none() {
        // At most one slot of sixteen is ever in use.
        expect_eq(revents(pipe.write, POLLOUT)?, POLLOUT, "revents of the writer")?;
    }
    Ok(())
}

/// `count` processes that read a byte each and add up what they got; asleep one after the other.
fn sleeping_readers(pipe: &Pipe, count: usize, got: memory::Mapping) -> Result<Vec<Child>, Failure> {
    let mut readers = Vec::new();
    for number in 0..count {
        let reader = process::spawn(|| {
            let mut byte = [0];
            expect_eq(fd::read(pipe.read, &mut byte)?, 1, "bytes read")?;
            // Who got which byte, as it was sent: their number.
            got.word(4 * (1 + number)).store(u32::from(byte[0]), Ordering::SeqCst);
            got.word(0).fetch_add(1, Ordering::SeqCst);
            Ok(())
        })?;
        reader.wait_until_asleep()?;
        readers.push(reader);
    }
    Ok(readers)
}

fn one_event_wakes_one_of_1_to_64_readers() -> Outcome {
    for count in [1, 2, 5, 64] {
        let pipe = channel()?;
        let got = memory::shared(1)?;
        let readers = sleeping_readers(&pipe, count, got)?;
        let mut before = hello::stat(pipe.read)?;
        for (served, reader) in readers.into_iter().enumerate() {
            fd::write(pipe.write, b"x")?;
            reader.expect_success()?;
            let after = hello::stat(pipe.read)?;
            expect_eq(after.counters.wakes - before.counters.wakes, 1, "waiters woken by one event")?;
            expect_eq(after.counters.spurious_wakes - before.counters.spurious_wakes, 0, "wake-ups for nothing")?;
            expect_eq(got.word(0).load(Ordering::SeqCst) as usize, served + 1, "readers served")?;
            before = after;
        }
        fd::close(pipe.read)?;
        fd::close(pipe.write)?;
    }
    Ok(())
}

fn one_freed_page_wakes_one_of_many_writers() -> Outcome {
    const WRITERS: usize = 5;
    let pipe = channel()?;
    fill(&pipe)?;
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        let writer = process::spawn(|| expect_eq(fd::write(pipe.write, &[1; PAGE])?, PAGE, "bytes written"))?;
        writer.wait_until_asleep()?;
        writers.push(writer);
    }
    for writer in writers {
        let before = hello::stat(pipe.read)?.counters.wakes;
        fd::read_up_to(pipe.read, PAGE)?;
        // In order of arrival.
        writer.expect_success()?;
        expect_eq(hello::stat(pipe.read)?.counters.wakes - before, 1, "writers woken by one event")?;
    }
    Ok(())
}

fn readers_are_woken_in_order_of_arrival() -> Outcome {
    const READERS: usize = 8;
    let pipe = channel()?;
    let got = memory::shared(1)?;
    let readers = sleeping_readers(&pipe, READERS, got)?;
    for (number, reader) in (1..).zip(&readers) {
        fd::write(pipe.write, &[number])?;
        reader.expect_success()?;
    }
    let order: Vec<u32> = (1..=READERS).map(|reader| got.word(4 * reader).load(Ordering::SeqCst)).collect();
    expect_eq(order, (1..).take(READERS).collect::<Vec<_>>(), "which byte each reader got")
}

fn one_write_for_all_reaches_every_reader_by_the_chain() -> Outcome {
    const READERS: usize = 16;
    let pipe = channel()?;
    let got = memory::shared(1)?;
    let readers = sleeping_readers(&pipe, READERS, got)?;
    let before = hello::stat(pipe.read)?.counters.wakes;
    fd::write(pipe.write, &[7; READERS])?;
    readers.into_iter().try_for_each(Child::expect_success)?;
    expect_eq(
        hello::stat(pipe.read)?.counters.wakes - before,
        READERS as u64,
        "wake-ups: one for each who got something",
    )
}

fn killed_reader_leaves_the_line_to_the_next() -> Outcome {
    let pipe = channel()?;
    let got = memory::shared(1)?;
    let readers = sleeping_readers(&pipe, 3, got)?;
    readers[0].kill_and_wait()?;
    for reader in &readers[1..] {
        fd::write(pipe.write, b"x")?;
        reader.expect_success()?;
    }
    Ok(())
}

fn killed_in_read_write_and_poll_leaves_the_counts() -> Outcome {
    let pipe = channel()?;
    let counts = |pipe: &Pipe| hello::stat(pipe.read).map(|stat| (stat.readers, stat.writers, stat.waiting_bytes));
    let kill = |child: Child| -> Outcome {
        child.wait_until_asleep()?;
        child.kill_and_wait()
    };
    kill(process::spawn(|| Ok(fd::read(pipe.read, &mut [0; 1]).map(drop)?))?)?;
    kill(process::spawn(|| Ok(poll(&mut [wanting(pipe.read, POLLIN)], -1).map(drop)?))?)?;
    expect_eq(counts(&pipe)?, (1, 1, 0), "readers, writers and bytes")?;
    fill(&pipe)?;
    kill(process::spawn(|| Ok(fd::write(pipe.write, &[1; 10]).map(drop)?))?)?;
    // The ring is full to the last byte, so nothing of it went in.
    expect_eq(counts(&pipe)?, (1, 1, 16 * PAGE as u64), "readers, writers and bytes")?;
    expect_eq(fd::read_up_to(pipe.read, 16 * PAGE)?, [b'f'; 16 * PAGE], "the bytes")
}

fn peer_of_a_killed_writer_gets_end_of_file() -> Outcome {
    let pipe = channel()?;
    let writer = process::spawn(|| {
        fd::write(pipe.write, b"last words")?;
        process::pause();
        Ok(())
    })?;
    fd::close(pipe.write)?;
    expect_eq(fd::read_up_to(pipe.read, 10)?, b"last words", "the bytes")?;
    let reader = process::spawn(|| expect_eq(fd::read(pipe.read, &mut [0; 1])?, 0, "bytes read"))?;
    reader.wait_until_asleep()?;
    writer.kill(libc::SIGKILL)?;
    reader.expect_success()
}

fn peer_of_a_killed_reader_gets_epipe() -> Outcome {
    let pipe = channel()?;
    let reader = process::spawn(|| {
        fd::close(pipe.write)?;
        process::pause();
        Ok(())
    })?;
    fd::close(pipe.read)?;
    fill(&pipe)?;
    let writer = process::spawn(|| {
        crate::sys::signal::ignore(libc::SIGPIPE)?;
        expect_errno(fd::write(pipe.write, b"x"), libc::EPIPE)
    })?;
    writer.wait_until_asleep()?;
    reader.kill(libc::SIGKILL)?;
    writer.expect_success()
}

fn counters_of_the_instance_are_in_the_sums_of_proc() -> Outcome {
    let pipe = channel()?;
    let before = (hello::counter("bytes")?, hello::counter("merges")?, hello::stat(pipe.read)?);
    fd::write(pipe.write, b"ab")?;
    fd::write(pipe.write, b"c")?;
    let after = (hello::counter("bytes")?, hello::counter("merges")?, hello::stat(pipe.read)?);
    expect_eq((after.0 - before.0, after.1 - before.1), (3, 1), "bytes and merges in /proc/postern/hello")?;
    expect_eq(after.2.counters.bytes - before.2.counters.bytes, 3, "bytes of the instance")?;
    for name in ["opens", "instances", "allocations", "recycles", "wakes", "spurious_wakes", "sleeps"] {
        hello::counter(name)?;
    }
    Ok(())
}
