//! `/dev/hello`: who is let in when, and who gets which ring. Specification: seed 001 §3.2, §3.3, table 2; fifo(7) for what
//! the table leaves open; docs/hello.md.

use crate::check::{Outcome, expect, expect_eq, expect_errno};
use crate::sys::process::{self, Child};
use crate::sys::ready::revents;
use crate::sys::{Sys, fd, hello, memory, path, signal};
use libc::{O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, POLLHUP, POLLIN, POLLOUT};
use std::sync::atomic::Ordering;

crate::tests! {
    device_is_a_character_device_with_a_dynamic_major_number,
    loading_is_told_in_the_kernel_log,
    open_for_reading_waits_until_a_writer_exists,
    open_for_writing_waits_until_a_reader_exists,
    open_for_both_never_waits,
    open_counts_readers_and_writers,
    release_counts_them_down,
    open_for_reading_with_nonblock_returns_at_once,
    open_for_writing_with_nonblock_and_no_reader_gives_enxio,
    open_for_writing_with_nonblock_and_a_reader_succeeds,
    open_that_fails_with_enxio_leaves_the_counts,
    open_interrupted_by_a_handler_gives_eintr_and_leaves_the_counts,
    open_interrupted_with_sa_restart_goes_on_waiting,
    killed_opener_leaves_the_counts,
    every_waiting_opener_is_let_in_by_one_peer,
    peer_that_comes_and_goes_at_once_still_lets_the_opener_in,
    openers_wait_on_a_queue_of_their_own_and_take_no_wakeup_from_readers,
    openers_take_no_wakeup_from_a_writer_that_waits_for_room,
    nonblocking_reader_sees_no_hang_up_before_the_first_writer,
    last_close_drops_the_unread_bytes,
    last_close_keeps_the_pages_for_the_next_open,
    processes_of_one_group_share_one_ring,
    concurrent_first_opens_of_a_channel_make_one_ring,
    open_of_an_unknown_minor_gives_enxio,
}

/// Skips elsewhere; then a process that opens with `flags` and closes again.
fn opener(flags: i32) -> Sys<Child> {
    process::spawn(move || Ok(fd::close(hello::open(flags)?)?))
}

fn device_is_a_character_device_with_a_dynamic_major_number() -> Outcome {
    hello::needed()?;
    let stat = path::stat(hello::PATH)?;
    expect_eq(stat.st_mode, libc::S_IFCHR | 0o666, "type and permissions")?;
    let major = libc::major(stat.st_rdev);
    expect((234..=254).contains(&major) || (384..=511).contains(&major), "the major number is a dynamic one")?;
    let devices = std::fs::read_to_string("/proc/devices")?;
    expect(devices.lines().any(|line| line.trim() == format!("{major} hello")), "/proc/devices lists it")
}

fn loading_is_told_in_the_kernel_log() -> Outcome {
    hello::needed()?;
    let major = libc::major(path::stat(hello::PATH)?.st_rdev);
    let log = path::open("/dev/kmsg", O_RDONLY | O_NONBLOCK, 0)?;
    let wanted = format!("hello_driver_init: major {major}");
    let mut text = String::new();
    let mut record = [0; 1024];
    while let Ok(count @ 1..) = fd::read(log, &mut record) {
        text.push_str(&String::from_utf8_lossy(&record[..count]));
    }
    expect(text.contains(&wanted), "the log holds hello_driver_init with the major number")
}

fn open_for_reading_waits_until_a_writer_exists() -> Outcome {
    hello::needed()?;
    let reader = opener(O_RDONLY)?;
    reader.wait_until_asleep()?;
    let writer = hello::open(O_WRONLY)?;
    reader.expect_success()?;
    Ok(fd::close(writer)?)
}

fn open_for_writing_waits_until_a_reader_exists() -> Outcome {
    hello::needed()?;
    let writer = opener(O_WRONLY)?;
    writer.wait_until_asleep()?;
    let reader = hello::open(O_RDONLY)?;
    writer.expect_success()?;
    Ok(fd::close(reader)?)
}

fn open_for_both_never_waits() -> Outcome {
    hello::needed()?;
    let both = hello::open(O_RDWR)?;
    fd::write(both, b"to myself")?;
    expect_eq(fd::read_up_to(both, 9)?, b"to myself", "what comes back")
}

fn open_counts_readers_and_writers() -> Outcome {
    hello::needed()?;
    let both = hello::open(O_RDWR)?;
    let counts = || hello::stat(both).map(|stat| (stat.readers, stat.writers));
    expect_eq(counts()?, (1, 1), "after O_RDWR")?;
    let reader = hello::open(O_RDONLY)?;
    expect_eq(counts()?, (2, 1), "after O_RDONLY")?;
    hello::open(O_WRONLY)?;
    expect_eq(counts()?, (2, 2), "after O_WRONLY")?;
    fd::dup(reader)?;
    expect_eq(counts()?, (2, 2), "after dup, which opens nothing")
}

fn release_counts_them_down() -> Outcome {
    hello::needed()?;
    let watcher = hello::open(O_RDONLY | O_NONBLOCK)?;
    let writer = hello::open(O_WRONLY)?;
    let duplicate = fd::dup(writer)?;
    fd::close(writer)?;
    expect_eq(hello::stat(watcher)?.writers, 1, "writers while a duplicate is open")?;
    fd::close(duplicate)?;
    expect_eq(hello::stat(watcher)?.writers, 0, "writers after the last close")
}

fn open_for_reading_with_nonblock_returns_at_once() -> Outcome {
    hello::needed()?;
    let reader = hello::open(O_RDONLY | O_NONBLOCK)?;
    expect_eq(fd::read(reader, &mut [0; 1])?, 0, "bytes read without a writer")
}

fn open_for_writing_with_nonblock_and_no_reader_gives_enxio() -> Outcome {
    hello::needed()?;
    expect_errno(hello::open(O_WRONLY | O_NONBLOCK), libc::ENXIO)
}

fn open_for_writing_with_nonblock_and_a_reader_succeeds() -> Outcome {
    hello::needed()?;
    let reader = hello::open(O_RDONLY | O_NONBLOCK)?;
    let writer = hello::open(O_WRONLY | O_NONBLOCK)?;
    fd::write(writer, b"x")?;
    expect_eq(fd::read_up_to(reader, 1)?, b"x", "the byte")
}

fn open_that_fails_with_enxio_leaves_the_counts() -> Outcome {
    hello::needed()?;
    expect_errno(hello::open(O_WRONLY | O_NONBLOCK), libc::ENXIO)?;
    let reader = hello::open(O_RDONLY | O_NONBLOCK)?;
    expect_eq(hello::stat(reader)?.writers, 0, "writers")?;
    expect_eq(revents(reader, POLLIN)?, 0, "revents: no writer has come and gone")
}

fn open_interrupted_by_a_handler_gives_eintr_and_leaves_the_counts() -> Outcome {
    hello::needed()?;
    let opener = process::spawn(|| {
        signal::count(libc::SIGUSR1, 0)?;
        expect_errno(hello::open(O_RDONLY), libc::EINTR)
    })?;
    opener.wait_until_asleep()?;
    opener.kill(libc::SIGUSR1)?;
    opener.expect_success()?;
    expect_errno(hello::open(O_WRONLY | O_NONBLOCK), libc::ENXIO)
}

fn open_interrupted_with_sa_restart_goes_on_waiting() -> Outcome {
    hello::needed()?;
    let opener = process::spawn(|| {
        signal::count(libc::SIGUSR1, libc::SA_RESTART)?;
        fd::close(hello::open(O_RDONLY)?)?;
        expect_eq(signal::caught(libc::SIGUSR1), 1, "handlers run")
    })?;
    opener.wait_until_asleep()?;
    opener.kill(libc::SIGUSR1)?;
    opener.wait_until_asleep()?;
    let writer = hello::open(O_WRONLY)?;
    opener.expect_success()?;
    Ok(fd::close(writer)?)
}

fn killed_opener_leaves_the_counts() -> Outcome {
    hello::needed()?;
    for flags in [O_RDONLY, O_WRONLY] {
        let opener = opener(flags)?;
        opener.wait_until_asleep()?;
        opener.kill_and_wait()?;
        let both = hello::open(O_RDWR)?;
        let stat = hello::stat(both)?;
        expect_eq((stat.readers, stat.writers), (1, 1), "readers and writers")?;
        fd::close(both)?;
    }
    Ok(())
}

fn every_waiting_opener_is_let_in_by_one_peer() -> Outcome {
    hello::needed()?;
    let readers = [opener(O_RDONLY)?, opener(O_RDONLY)?, opener(O_RDONLY)?];
    for reader in readers {
        reader.wait_until_asleep()?;
    }
    let writer = hello::open(O_WRONLY)?;
    readers.into_iter().try_for_each(Child::expect_success)?;
    Ok(fd::close(writer)?)
}

fn peer_that_comes_and_goes_at_once_still_lets_the_opener_in() -> Outcome {
    hello::needed()?;
    let reader = process::spawn(|| {
        let reader = hello::open(O_RDONLY)?;
        expect_eq(fd::read(reader, &mut [0; 1])?, 0, "bytes read from a writer that wrote none")
    })?;
    reader.wait_until_asleep()?;
    fd::close(hello::open(O_WRONLY | O_NONBLOCK)?)?;
    reader.expect_success()
}

/// Seed 001 has openers and I/O on one exclusive queue: the wake-up of the one may be lost on the other.
fn openers_wait_on_a_queue_of_their_own_and_take_no_wakeup_from_readers() -> Outcome {
    hello::needed()?;
    // A reader that never waited, so that it may wait for data while another waits in open for a writer.
    let early = hello::open(O_RDONLY | O_NONBLOCK)?;
    let opener = opener(O_RDONLY)?;
    opener.wait_until_asleep()?;
    let poller = process::spawn(|| {
        let mut entries = [crate::sys::ready::wanting(early, POLLIN)];
        expect_eq(crate::sys::ready::poll(&mut entries, 5000)?, 1, "what poll returns")?;
        expect_eq(entries[0].revents, POLLIN, "revents")
    })?;
    poller.wait_until_asleep()?;
    let writer = hello::open(O_WRONLY)?;
    opener.expect_success()?;
    fd::write(writer, b"x")?;
    poller.expect_success()?;
    Ok(fd::close(writer)?)
}

/// In the seed a lone reader waits in `open` where writers wait for room (table 2: `wq`): of those who came first, each might take
/// the wake-up of a writer.
fn openers_take_no_wakeup_from_a_writer_that_waits_for_room() -> Outcome {
    const SIZE: usize = 65536;
    hello::needed()?;
    let early = hello::open(O_RDONLY | O_NONBLOCK)?;
    hello::set_slots(early, 16)?;
    let openers = [opener(O_RDONLY)?, opener(O_RDONLY)?, opener(O_RDONLY)?];
    for opener in openers {
        opener.wait_until_asleep()?;
    }
    // Goes on from its open, fills the ring, and sleeps, perhaps before any opener has run.
    let writer = process::spawn(|| {
        let writer = hello::open(O_WRONLY)?;
        expect_eq(fd::write(writer, &[b'w'; SIZE + 1])?, SIZE + 1, "bytes written")
    })?;
    while hello::stat(early)?.used_slots != 16 {
        std::thread::yield_now();
    }
    writer.wait_until_asleep()?;
    expect_eq(fd::read_up_to(early, 4096)?, [b'w'; 4096], "a page")?;
    writer.expect_success()?;
    openers.into_iter().try_for_each(Child::expect_success)
}

fn nonblocking_reader_sees_no_hang_up_before_the_first_writer() -> Outcome {
    hello::needed()?;
    let reader = hello::open(O_RDONLY | O_NONBLOCK)?;
    expect_eq(revents(reader, POLLIN)?, 0, "revents before any writer")?;
    fd::close(hello::open(O_WRONLY)?)?;
    expect_eq(revents(reader, POLLIN)?, POLLHUP, "revents after one")
}

fn last_close_drops_the_unread_bytes() -> Outcome {
    hello::needed()?;
    let first = hello::open(O_RDWR)?;
    fd::write(first, b"unread")?;
    fd::close(first)?;
    let second = hello::open(O_RDWR | O_NONBLOCK)?;
    expect_eq(hello::stat(second)?.waiting_bytes, 0, "bytes that wait")?;
    expect_errno(fd::read(second, &mut [0; 1]), libc::EAGAIN)
}

fn last_close_keeps_the_pages_for_the_next_open() -> Outcome {
    hello::needed()?;
    for warm in [false, true] {
        let both = hello::open(O_RDWR)?;
        hello::set_slots(both, 16)?;
        let before = hello::stat(both)?.counters.allocations;
        fd::write(both, &[1; 65536])?;
        fd::close(both)?;
        let both = hello::open(O_RDWR)?;
        let allocated = hello::stat(both)?.counters.allocations - before;
        expect(!warm || allocated == 0, "what was allocated for the first opening serves the second")?;
        fd::close(both)?;
    }
    Ok(())
}

fn processes_of_one_group_share_one_ring() -> Outcome {
    hello::needed()?;
    let writer = process::spawn(|| {
        let writer = hello::open(O_WRONLY)?;
        expect_eq(fd::write(writer, b"from another process")?, 20, "bytes written")
    })?;
    let reader = hello::open(O_RDONLY)?;
    expect_eq(fd::read_up_to(reader, 100)?, b"from another process", "what arrives, up to the end")?;
    writer.expect_success()
}

fn concurrent_first_opens_of_a_channel_make_one_ring() -> Outcome {
    hello::needed()?;
    const OPENERS: u8 = 8;
    let shared = memory::shared(1)?;
    let start = fd::Pipe::anonymous(0)?;
    let name = format!("first-{}", process::getpid());
    let mut openers = Vec::new();
    for _ in 0..OPENERS {
        openers.push(process::spawn(|| {
            let both = hello::open(O_RDWR)?;
            fd::read(start.read, &mut [0; 1])?;
            hello::channel(both, name.as_bytes())?;
            fd::write(both, b"x")?;
            shared.word(0).fetch_add(1, Ordering::SeqCst);
            process::pause();
            Ok(())
        })?);
    }
    fd::write(start.write, &[0; OPENERS as usize])?;
    for opener in &openers {
        opener.wait_until_asleep()?;
    }
    let both = hello::open(O_RDWR)?;
    hello::channel(both, name.as_bytes())?;
    while shared.word(0).load(Ordering::SeqCst) != u32::from(OPENERS) {
        std::thread::yield_now();
    }
    let stat = hello::stat(both)?;
    expect_eq(
        (stat.writers, stat.waiting_bytes),
        (u32::from(OPENERS) + 1, u64::from(OPENERS)),
        "writers, and their bytes",
    )?;
    expect_eq(revents(both, POLLIN | POLLOUT)?, POLLIN | POLLOUT, "revents")?;
    openers.iter().try_for_each(|opener| opener.kill(libc::SIGKILL))?;
    Ok(())
}

fn open_of_an_unknown_minor_gives_enxio() -> Outcome {
    hello::needed()?;
    crate::check::needs_root()?;
    let major = libc::major(path::stat(hello::PATH)?.st_rdev);
    let place = crate::scratch::enter()?.join("other");
    let name = std::ffi::CString::new(place.to_string_lossy().into_owned()).expect("a path without a NUL");
    // SAFETY: the name is a C string.
    let made = unsafe { libc::mknod(name.as_ptr(), libc::S_IFCHR | 0o600, libc::makedev(major, 1)) };
    crate::sys::checked("mknod", made)?;
    expect_errno(path::open(&place.to_string_lossy(), O_RDWR, 0), libc::ENXIO)
}
