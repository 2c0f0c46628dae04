//! poll, ppoll and select. Specification: poll(2), select(2), POSIX poll() and pselect().

use crate::check::{Outcome, expect, expect_eq, expect_errno};
use crate::sys::fd::{self, Pipe};
use crate::sys::ready::{self, FdSet, poll, ppoll, pselect, wanting};
use crate::sys::{process, signal, time};
use libc::{POLLIN, POLLNVAL, POLLOUT};
use std::time::{Duration, Instant};

crate::tests! {
    poll_returns_the_number_of_entries_with_events,
    poll_with_zero_timeout_returns_at_once,
    poll_waits_at_least_its_timeout,
    poll_of_no_descriptors_is_a_sleep,
    poll_of_a_closed_descriptor_says_pollnval,
    poll_skips_negative_descriptors_and_clears_their_revents,
    poll_wakes_when_a_byte_comes,
    poll_wakes_when_the_other_end_closes,
    poll_of_a_regular_file_is_always_ready,
    poll_reports_one_descriptor_twice_if_listed_twice,
    poll_is_interrupted_by_a_handler_even_with_sa_restart,
    poll_of_more_entries_than_rlimit_nofile_gives_einval,
    ppoll_lets_a_blocked_signal_in_only_while_it_waits,
    ppoll_delivers_a_pending_signal_at_once,
    ppoll_with_a_bad_timeout_gives_einval,
    ppoll_without_timeout_waits_for_ever,
    select_leaves_only_what_is_ready_in_the_sets,
    select_counts_each_set_on_its_own,
    select_clears_the_sets_on_timeout,
    select_of_a_closed_descriptor_gives_ebadf,
    select_with_a_negative_count_gives_einval,
    select_looks_only_below_its_count,
    select_says_readable_at_end_of_file,
    pselect_lets_a_blocked_signal_in_only_while_it_waits,
    pselect_with_nothing_to_watch_is_a_sleep,
}

fn poll_returns_the_number_of_entries_with_events() -> Outcome {
    let (one, two) = (Pipe::new()?, Pipe::new()?);
    fd::write(one.write, b"x")?;
    let mut entries = [wanting(one.read, POLLIN), wanting(two.read, POLLIN), wanting(two.write, POLLOUT)];
    expect_eq(poll(&mut entries, -1)?, 2, "what poll returns")?;
    expect_eq(entries.map(|entry| entry.revents), [POLLIN, 0, POLLOUT], "revents")
}

fn poll_with_zero_timeout_returns_at_once() -> Outcome {
    let pipe = Pipe::new()?;
    expect_eq(poll(&mut [wanting(pipe.read, POLLIN)], 0)?, 0, "what poll returns")
}

fn poll_waits_at_least_its_timeout() -> Outcome {
    let pipe = Pipe::new()?;
    let start = Instant::now();
    expect_eq(poll(&mut [wanting(pipe.read, POLLIN)], 30)?, 0, "what poll returns")?;
    expect(start.elapsed() >= Duration::from_millis(30), "thirty milliseconds are over")
}

fn poll_of_no_descriptors_is_a_sleep() -> Outcome {
    let start = Instant::now();
    expect_eq(poll(&mut [], 20)?, 0, "what poll returns")?;
    expect(start.elapsed() >= Duration::from_millis(20), "twenty milliseconds are over")
}

fn poll_of_a_closed_descriptor_says_pollnval() -> Outcome {
    let pipe = Pipe::new()?;
    fd::close(pipe.read)?;
    let mut entries = [wanting(pipe.read, POLLIN)];
    expect_eq(poll(&mut entries, -1)?, 1, "what poll returns")?;
    expect_eq(entries[0].revents, POLLNVAL, "revents")
}

fn poll_skips_negative_descriptors_and_clears_their_revents() -> Outcome {
    let pipe = Pipe::new()?;
    let mut entries = [wanting(-1, POLLIN), wanting(pipe.write, POLLOUT)];
    entries[0].revents = POLLIN;
    expect_eq(poll(&mut entries, 0)?, 1, "what poll returns")?;
    expect_eq(entries.map(|entry| entry.revents), [0, POLLOUT], "revents")
}

fn poll_wakes_when_a_byte_comes() -> Outcome {
    let pipe = Pipe::new()?;
    let waiter = process::spawn(|| expect_eq(poll(&mut [wanting(pipe.read, POLLIN)], 10_000)?, 1, "poll returns"))?;
    waiter.wait_until_asleep()?;
    fd::write(pipe.write, b"x")?;
    waiter.expect_success()
}

fn poll_wakes_when_the_other_end_closes() -> Outcome {
    let pipe = Pipe::new()?;
    let waiter = process::spawn(|| {
        fd::close(pipe.write)?;
        let mut entries = [wanting(pipe.read, POLLIN)];
        expect_eq(poll(&mut entries, 10_000)?, 1, "what poll returns")?;
        expect_eq(entries[0].revents, libc::POLLHUP, "revents")
    })?;
    waiter.wait_until_asleep()?;
    fd::close(pipe.write)?;
    waiter.expect_success()
}

fn poll_of_a_regular_file_is_always_ready() -> Outcome {
    crate::scratch::enter()?;
    let file = crate::sys::path::create("file")?;
    expect_eq(ready::revents(file, POLLIN | POLLOUT)?, POLLIN | POLLOUT, "revents")
}

fn poll_reports_one_descriptor_twice_if_listed_twice() -> Outcome {
    let pipe = Pipe::new()?;
    let mut entries = [wanting(pipe.write, POLLOUT), wanting(pipe.write, POLLOUT)];
    expect_eq(poll(&mut entries, -1)?, 2, "what poll returns")
}

fn poll_is_interrupted_by_a_handler_even_with_sa_restart() -> Outcome {
    let pipe = Pipe::new()?;
    let waiter = process::spawn(|| {
        signal::count(libc::SIGUSR1, libc::SA_RESTART)?;
        expect_errno(poll(&mut [wanting(pipe.read, POLLIN)], -1), libc::EINTR)
    })?;
    waiter.wait_until_asleep()?;
    waiter.kill(libc::SIGUSR1)?;
    waiter.expect_success()
}

fn poll_of_more_entries_than_rlimit_nofile_gives_einval() -> Outcome {
    process::set_soft_limit(libc::RLIMIT_NOFILE, 10)?;
    expect_errno(poll(&mut [wanting(-1, 0); 11], 0), libc::EINVAL)?;
    expect_eq(poll(&mut [wanting(-1, 0); 10], 0)?, 0, "what poll of ten entries returns")
}

fn ppoll_lets_a_blocked_signal_in_only_while_it_waits() -> Outcome {
    let pipe = Pipe::new()?;
    let waiter = process::spawn(|| {
        signal::count(libc::SIGUSR1, 0)?;
        signal::block(&[libc::SIGUSR1])?;
        expect_errno(ppoll(&mut [wanting(pipe.read, POLLIN)], None, Some(&[])), libc::EINTR)?;
        expect_eq(signal::caught(libc::SIGUSR1), 1, "handlers run")?;
        expect_eq(signal::mask()?, [libc::SIGUSR1], "the mask afterwards")
    })?;
    waiter.wait_until_asleep()?;
    waiter.kill(libc::SIGUSR1)?;
    waiter.expect_success()
}

fn ppoll_delivers_a_pending_signal_at_once() -> Outcome {
    signal::count(libc::SIGUSR1, 0)?;
    signal::block(&[libc::SIGUSR1])?;
    signal::raise(libc::SIGUSR1)?;
    expect_eq(signal::caught(libc::SIGUSR1), 0, "handlers run while it is blocked")?;
    expect_errno(ppoll(&mut [], None, Some(&[])), libc::EINTR)?;
    expect_eq(signal::caught(libc::SIGUSR1), 1, "handlers run afterwards")
}

fn ppoll_with_a_bad_timeout_gives_einval() -> Outcome {
    for (tv_sec, tv_nsec) in [(0, 1_000_000_000), (0, -1), (-1, 0)] {
        let timeout = libc::timespec { tv_sec, tv_nsec };
        let (none, mask) = (std::ptr::null_mut(), std::ptr::null());
        // SAFETY: no entries, and the kernel reads one struct.
        let value = unsafe { libc::ppoll(none, 0, &raw const timeout, mask) };
        expect_errno(crate::sys::checked("ppoll", value), libc::EINVAL)?;
    }
    Ok(())
}

fn ppoll_without_timeout_waits_for_ever() -> Outcome {
    let pipe = Pipe::new()?;
    let waiter =
        process::spawn(|| expect_eq(ppoll(&mut [wanting(pipe.read, POLLIN)], None, None)?, 1, "what ppoll returns"))?;
    waiter.wait_until_asleep()?;
    expect(process::wait4(waiter.pid, libc::WNOHANG)?.is_none(), "the waiter still waits")?;
    fd::write(pipe.write, b"x")?;
    waiter.expect_success()
}

/// A count for select that covers the pipe's descriptors.
fn above(pipe: Pipe) -> i32 {
    pipe.read.max(pipe.write) + 1
}

fn select_leaves_only_what_is_ready_in_the_sets() -> Outcome {
    let (one, two) = (Pipe::new()?, Pipe::new()?);
    fd::write(two.write, b"x")?;
    let mut readers = FdSet::of(&[one.read, two.read]);
    let mut writers = FdSet::of(&[]);
    expect_eq(pselect(above(two), &mut readers, &mut writers, None, None)?, 1, "what select returns")?;
    expect_eq([readers.has(one.read), readers.has(two.read)], [false, true], "the set")
}

fn select_counts_each_set_on_its_own() -> Outcome {
    let pipe = Pipe::new()?;
    fd::write(pipe.write, b"x")?;
    let mut readers = FdSet::of(&[pipe.read]);
    let mut writers = FdSet::of(&[pipe.write]);
    expect_eq(pselect(above(pipe), &mut readers, &mut writers, None, None)?, 2, "what select returns")
}

fn select_clears_the_sets_on_timeout() -> Outcome {
    let pipe = Pipe::new()?;
    let mut readers = FdSet::of(&[pipe.read]);
    let mut writers = FdSet::of(&[]);
    let timeout = Some(Duration::from_millis(5));
    expect_eq(pselect(above(pipe), &mut readers, &mut writers, timeout, None)?, 0, "what select returns")?;
    expect(!readers.has(pipe.read), "the set is empty")
}

fn select_of_a_closed_descriptor_gives_ebadf() -> Outcome {
    let pipe = Pipe::new()?;
    fd::close(pipe.read)?;
    let mut readers = FdSet::of(&[pipe.read]);
    let timeout = Some(Duration::ZERO);
    expect_errno(pselect(above(pipe), &mut readers, &mut FdSet::of(&[]), timeout, None), libc::EBADF)
}

fn select_with_a_negative_count_gives_einval() -> Outcome {
    let (mut readers, mut writers) = (FdSet::of(&[]), FdSet::of(&[]));
    expect_errno(pselect(-1, &mut readers, &mut writers, Some(Duration::ZERO), None), libc::EINVAL)
}

fn select_looks_only_below_its_count() -> Outcome {
    let pipe = Pipe::new()?;
    let mut writers = FdSet::of(&[pipe.write]);
    let timeout = Some(Duration::ZERO);
    expect_eq(pselect(pipe.write, &mut FdSet::of(&[]), &mut writers, timeout, None)?, 0, "what select returns")
}

fn select_says_readable_at_end_of_file() -> Outcome {
    let pipe = Pipe::new()?;
    fd::close(pipe.write)?;
    let mut readers = FdSet::of(&[pipe.read]);
    expect_eq(pselect(above(pipe), &mut readers, &mut FdSet::of(&[]), None, None)?, 1, "what select returns")
}

fn pselect_lets_a_blocked_signal_in_only_while_it_waits() -> Outcome {
    let waiter = process::spawn(|| {
        signal::count(libc::SIGUSR1, 0)?;
        signal::block(&[libc::SIGUSR1])?;
        let (mut readers, mut writers) = (FdSet::of(&[]), FdSet::of(&[]));
        expect_errno(pselect(0, &mut readers, &mut writers, None, Some(&[])), libc::EINTR)?;
        expect_eq(signal::mask()?, [libc::SIGUSR1], "the mask afterwards")
    })?;
    waiter.wait_until_asleep()?;
    waiter.kill(libc::SIGUSR1)?;
    waiter.expect_success()
}

fn pselect_with_nothing_to_watch_is_a_sleep() -> Outcome {
    let (mut readers, mut writers) = (FdSet::of(&[]), FdSet::of(&[]));
    let start = time::clock_gettime(libc::CLOCK_MONOTONIC)?;
    let timeout = Duration::from_millis(20);
    expect_eq(pselect(0, &mut readers, &mut writers, Some(timeout), None)?, 0, "what select returns")?;
    expect(time::clock_gettime(libc::CLOCK_MONOTONIC)? >= start + timeout, "twenty milliseconds are over")
}
