//! epoll. Specification: epoll(7), epoll_ctl(2), epoll_wait(2).

use crate::check::{Outcome, expect, expect_eq, expect_errno};
use crate::patience::expect_soon;
use crate::scratch;
use crate::sys::fd::{self, Pipe};
use crate::sys::ready::{epoll_add, epoll_claiming, epoll_create, epoll_create1, epoll_ctl, epoll_pwait, epoll_ready};
use crate::sys::{path, process, ready, signal};
use libc::{
    EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLERR, EPOLLET, EPOLLEXCLUSIVE, EPOLLHUP, EPOLLIN, EPOLLONESHOT,
    EPOLLOUT,
};
use std::time::{Duration, Instant};

crate::tests! {
    level_triggered_reports_as_long_as_it_is_ready,
    edge_triggered_reports_once_per_arrival,
    edge_triggered_reports_what_was_ready_when_added,
    one_shot_reports_once_until_rearmed,
    datum_comes_back_as_given,
    hang_up_and_error_are_reported_unasked,
    wait_blocks_until_something_is_ready,
    wait_returns_zero_after_its_timeout,
    wait_returns_at_most_as_many_events_as_asked,
    wait_takes_turns_when_more_is_ready_than_asked,
    wait_for_less_than_one_event_gives_einval,
    wait_for_more_than_int_max_bytes_of_events_gives_einval,
    wait_lets_a_blocked_signal_in_only_while_it_waits,
    add_of_what_is_there_gives_eexist,
    modify_and_delete_of_what_is_not_there_give_enoent,
    add_of_a_closed_descriptor_gives_ebadf,
    add_of_a_regular_file_gives_eperm,
    add_of_itself_gives_einval,
    control_of_something_else_than_epoll_gives_einval,
    unknown_operation_gives_einval,
    delete_ends_the_reports,
    modify_changes_events_and_datum,
    closing_the_last_descriptor_removes_it,
    duplicates_keep_a_closed_descriptor_registered,
    nested_epoll_is_readable_when_its_members_are,
    loop_of_epolls_gives_eloop,
    chain_of_six_epolls_gives_eloop,
    ways_over_two_epolls_to_a_file_are_500_at_most,
    ways_over_three_epolls_to_a_file_are_100_at_most,
    a_file_is_not_added_below_more_epolls_than_may_hear_of_it,
    a_file_in_too_many_ways_already_gives_eexist,
    exclusive_watchers_are_woken_one_by_one,
    exclusive_watcher_without_a_waiter_leaves_the_wake_up_to_the_next,
    exclusive_watchers_all_hear_that_the_writers_have_gone,
    exclusive_watch_for_what_is_neither_reading_nor_writing_gives_einval,
    exclusive_watch_of_an_epoll_gives_einval,
    exclusive_watch_is_neither_modified_nor_made_by_modifying,
    create1_sets_close_on_exec,
    epoll_is_readable_for_poll,
    edge_is_reported_again_when_a_reader_empties_and_a_writer_refills,
}

/// An epoll and a pipe whose read end is in it.
fn watched(events: i32) -> Result<(i32, Pipe), crate::check::Failure> {
    let (epoll, pipe) = (epoll_create()?, Pipe::new()?);
    epoll_ctl(epoll, EPOLL_CTL_ADD, pipe.read, events, 7)?;
    Ok((epoll, pipe))
}

fn level_triggered_reports_as_long_as_it_is_ready() -> Outcome {
    let (epoll, pipe) = watched(EPOLLIN)?;
    expect_eq(epoll_ready(epoll)?, [], "events of an empty pipe")?;
    fd::write(pipe.write, b"x")?;
    for _ in 0..3 {
        expect_eq(epoll_ready(epoll)?, [(7, EPOLLIN)], "events while a byte waits")?;
    }
    fd::read_up_to(pipe.read, 1)?;
    expect_eq(epoll_ready(epoll)?, [], "events after the byte was read")
}

fn edge_triggered_reports_once_per_arrival() -> Outcome {
    let (epoll, pipe) = watched(EPOLLIN | EPOLLET)?;
    for _ in 0..3 {
        fd::write(pipe.write, b"x")?;
        expect_eq(epoll_ready(epoll)?, [(7, EPOLLIN)], "events after an arrival")?;
        expect_eq(epoll_ready(epoll)?, [], "events without another arrival")?;
    }
    Ok(())
}

fn edge_triggered_reports_what_was_ready_when_added() -> Outcome {
    let (epoll, pipe) = (epoll_create()?, Pipe::new()?);
    fd::write(pipe.write, b"x")?;
    epoll_ctl(epoll, EPOLL_CTL_ADD, pipe.read, EPOLLIN | EPOLLET, 1)?;
    expect_eq(epoll_ready(epoll)?, [(1, EPOLLIN)], "events")?;
    expect_eq(epoll_ready(epoll)?, [], "events the second time")
}

fn one_shot_reports_once_until_rearmed() -> Outcome {
    let (epoll, pipe) = watched(EPOLLIN | EPOLLONESHOT)?;
    fd::write(pipe.write, b"x")?;
    expect_eq(epoll_ready(epoll)?, [(7, EPOLLIN)], "events")?;
    fd::write(pipe.write, b"y")?;
    expect_eq(epoll_ready(epoll)?, [], "events when disarmed")?;
    epoll_ctl(epoll, EPOLL_CTL_MOD, pipe.read, EPOLLIN | EPOLLONESHOT, 7)?;
    expect_eq(epoll_ready(epoll)?, [(7, EPOLLIN)], "events when armed again")
}

fn datum_comes_back_as_given() -> Outcome {
    let (epoll, pipe) = (epoll_create()?, Pipe::new()?);
    epoll_ctl(epoll, EPOLL_CTL_ADD, pipe.write, EPOLLOUT, 0xdead_beef_0123_4567)?;
    expect_eq(epoll_ready(epoll)?, [(0xdead_beef_0123_4567, EPOLLOUT)], "events")
}

fn hang_up_and_error_are_reported_unasked() -> Outcome {
    let (epoll, pipe) = watched(0)?;
    fd::close(pipe.write)?;
    expect_eq(epoll_ready(epoll)?, [(7, EPOLLHUP)], "events of the read end")?;
    let other = Pipe::new()?;
    epoll_ctl(epoll, EPOLL_CTL_DEL, pipe.read, 0, 0)?;
    epoll_ctl(epoll, EPOLL_CTL_ADD, other.write, 0, 8)?;
    fd::close(other.read)?;
    expect_eq(epoll_ready(epoll)?, [(8, EPOLLERR)], "events of the write end")
}

fn wait_blocks_until_something_is_ready() -> Outcome {
    let (epoll, pipe) = watched(EPOLLIN)?;
    let waiter = process::spawn(|| expect_eq(epoll_pwait(epoll, 4, -1, None)?, [(7, EPOLLIN)], "events"))?;
    waiter.wait_until_asleep()?;
    fd::write(pipe.write, b"x")?;
    waiter.expect_success()
}

fn wait_returns_zero_after_its_timeout() -> Outcome {
    let (epoll, _pipe) = watched(EPOLLIN)?;
    let start = Instant::now();
    expect_eq(epoll_pwait(epoll, 4, 20, None)?, [], "events")?;
    expect(start.elapsed() >= Duration::from_millis(20), "twenty milliseconds are over")
}

fn wait_returns_at_most_as_many_events_as_asked() -> Outcome {
    let epoll = epoll_create()?;
    for _ in 0..3 {
        epoll_add(epoll, Pipe::new()?.write, EPOLLOUT)?;
    }
    expect_eq(epoll_pwait(epoll, 2, 0, None)?.len(), 2, "events")
}

fn wait_takes_turns_when_more_is_ready_than_asked() -> Outcome {
    let epoll = epoll_create()?;
    for _ in 0..3 {
        epoll_add(epoll, Pipe::new()?.write, EPOLLOUT)?;
    }
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.extend(epoll_pwait(epoll, 1, 0, None)?.into_iter().map(|(datum, _)| datum));
    }
    seen.sort_unstable();
    seen.dedup();
    expect_eq(seen.len(), 3, "different descriptors reported by three waits for one event")
}

fn wait_for_less_than_one_event_gives_einval() -> Outcome {
    let epoll = epoll_create()?;
    expect_errno(epoll_pwait(epoll, 0, 0, None), libc::EINVAL)
}

fn wait_for_more_than_int_max_bytes_of_events_gives_einval() -> Outcome {
    let (epoll, pipe) = watched(EPOLLIN)?;
    let most = i32::MAX / i32::try_from(size_of::<libc::epoll_event>()).unwrap_or(i32::MAX);
    fd::write(pipe.write, b"x")?;
    expect_errno(epoll_claiming(epoll, most + 1), libc::EINVAL)?;
    expect_errno(epoll_claiming(epoll, i32::MAX), libc::EINVAL)?;
    // Of the room only one page can be written: only what is written may fault.
    expect_eq(epoll_claiming(epoll, most)?, 1, "events when many are asked for")?;
    fd::read_up_to(pipe.read, 1)?;
    expect_eq(epoll_claiming(epoll, most)?, 0, "events of an empty pipe")
}

fn wait_lets_a_blocked_signal_in_only_while_it_waits() -> Outcome {
    let (epoll, _pipe) = watched(EPOLLIN)?;
    let waiter = process::spawn(|| {
        signal::count(libc::SIGUSR1, libc::SA_RESTART)?;
        signal::block(&[libc::SIGUSR1])?;
        expect_errno(epoll_pwait(epoll, 4, -1, Some(&[])), libc::EINTR)?;
        expect_eq(signal::caught(libc::SIGUSR1), 1, "handlers run")?;
        expect_eq(signal::mask()?, [libc::SIGUSR1], "the mask afterwards")
    })?;
    waiter.wait_until_asleep()?;
    waiter.kill(libc::SIGUSR1)?;
    waiter.expect_success()
}

fn add_of_what_is_there_gives_eexist() -> Outcome {
    let (epoll, pipe) = watched(EPOLLIN)?;
    expect_errno(epoll_add(epoll, pipe.read, EPOLLIN), libc::EEXIST)
}

fn modify_and_delete_of_what_is_not_there_give_enoent() -> Outcome {
    let (epoll, pipe) = (epoll_create()?, Pipe::new()?);
    expect_errno(epoll_ctl(epoll, EPOLL_CTL_MOD, pipe.read, EPOLLIN, 0), libc::ENOENT)?;
    expect_errno(epoll_ctl(epoll, EPOLL_CTL_DEL, pipe.read, 0, 0), libc::ENOENT)
}

fn add_of_a_closed_descriptor_gives_ebadf() -> Outcome {
    let (epoll, pipe) = (epoll_create()?, Pipe::new()?);
    fd::close(pipe.read)?;
    expect_errno(epoll_add(epoll, pipe.read, EPOLLIN), libc::EBADF)?;
    fd::close(epoll)?;
    expect_errno(epoll_add(epoll, pipe.write, EPOLLIN), libc::EBADF)
}

fn add_of_a_regular_file_gives_eperm() -> Outcome {
    scratch::enter()?;
    expect_errno(epoll_add(epoll_create()?, path::create("file")?, EPOLLIN), libc::EPERM)
}

fn add_of_itself_gives_einval() -> Outcome {
    let epoll = epoll_create()?;
    expect_errno(epoll_add(epoll, epoll, EPOLLIN), libc::EINVAL)
}

fn control_of_something_else_than_epoll_gives_einval() -> Outcome {
    let pipe = Pipe::new()?;
    expect_errno(epoll_add(pipe.read, pipe.write, EPOLLIN), libc::EINVAL)?;
    expect_errno(epoll_ready(pipe.read), libc::EINVAL)
}

fn unknown_operation_gives_einval() -> Outcome {
    let (epoll, pipe) = watched(EPOLLIN)?;
    expect_errno(epoll_ctl(epoll, 99, pipe.read, EPOLLIN, 0), libc::EINVAL)
}

fn delete_ends_the_reports() -> Outcome {
    let (epoll, pipe) = watched(EPOLLIN)?;
    fd::write(pipe.write, b"x")?;
    epoll_ctl(epoll, EPOLL_CTL_DEL, pipe.read, 0, 0)?;
    expect_eq(epoll_ready(epoll)?, [], "events")
}

fn modify_changes_events_and_datum() -> Outcome {
    let (epoll, pipe) = (epoll_create()?, Pipe::new()?);
    epoll_ctl(epoll, EPOLL_CTL_ADD, pipe.write, EPOLLIN, 1)?;
    expect_eq(epoll_ready(epoll)?, [], "events before")?;
    epoll_ctl(epoll, EPOLL_CTL_MOD, pipe.write, EPOLLOUT, 2)?;
    expect_eq(epoll_ready(epoll)?, [(2, EPOLLOUT)], "events after")
}

fn closing_the_last_descriptor_removes_it() -> Outcome {
    let (epoll, pipe) = watched(EPOLLIN)?;
    fd::write(pipe.write, b"x")?;
    fd::close(pipe.read)?;
    expect_eq(epoll_ready(epoll)?, [], "events")
}

fn duplicates_keep_a_closed_descriptor_registered() -> Outcome {
    let (epoll, pipe) = watched(EPOLLIN)?;
    let duplicate = fd::dup(pipe.read)?;
    fd::close(pipe.read)?;
    fd::write(pipe.write, b"x")?;
    expect_eq(epoll_ready(epoll)?, [(7, EPOLLIN)], "events while a duplicate is open")?;
    fd::close(duplicate)?;
    expect_eq(epoll_ready(epoll)?, [], "events when none is open")
}

fn nested_epoll_is_readable_when_its_members_are() -> Outcome {
    let (inner, pipe) = watched(EPOLLIN)?;
    let outer = epoll_create()?;
    epoll_ctl(outer, EPOLL_CTL_ADD, inner, EPOLLIN, 9)?;
    expect_eq(epoll_ready(outer)?, [], "events of the outer while nothing is ready")?;
    let waiter = process::spawn(|| expect_eq(epoll_pwait(outer, 4, -1, None)?, [(9, EPOLLIN)], "events of the outer"))?;
    waiter.wait_until_asleep()?;
    fd::write(pipe.write, b"x")?;
    waiter.expect_success()
}

fn loop_of_epolls_gives_eloop() -> Outcome {
    let (one, two) = (epoll_create()?, epoll_create()?);
    epoll_add(one, two, EPOLLIN)?;
    expect_errno(epoll_add(two, one, EPOLLIN), libc::ELOOP)
}

fn epolls(count: usize) -> Result<Vec<i32>, crate::check::Failure> {
    (0..count).map(|_| Ok(epoll_create()?)).collect()
}

fn add_all_to_all(watchers: &[i32], targets: &[i32]) -> Outcome {
    for watcher in watchers {
        for target in targets {
            epoll_add(*watcher, *target, EPOLLIN)?;
        }
    }
    Ok(())
}

fn chain_of_six_epolls_gives_eloop() -> Outcome {
    let chain = epolls(6)?;
    for pair in chain[..5].windows(2) {
        epoll_add(pair[1], pair[0], EPOLLIN)?;
    }
    expect_errno(epoll_add(chain[5], chain[4], EPOLLIN), libc::ELOOP)
}

fn ways_over_two_epolls_to_a_file_are_500_at_most() -> Outcome {
    let (pipe, lower, upper, one_more) = (Pipe::new()?, epolls(20)?, epolls(25)?, epoll_create()?);
    add_all_to_all(&lower, &[pipe.read])?;
    add_all_to_all(&upper, &lower)?;
    expect_errno(epoll_add(one_more, lower[0], EPOLLIN), libc::EINVAL)?;
    epoll_add(one_more, pipe.read, EPOLLIN)?;
    epoll_ctl(upper[0], EPOLL_CTL_DEL, lower[19], 0, 0)?;
    epoll_add(one_more, lower[0], EPOLLIN)?;
    expect_errno(epoll_add(upper[0], lower[19], EPOLLIN), libc::EINVAL)?;
    fd::write(pipe.write, b"x")?;
    let heard = epoll_pwait(upper[24], 50, 0, None)?.len();
    expect_eq(heard, 20, "epolls of the lower row that the upper row hears of")
}

fn ways_over_three_epolls_to_a_file_are_100_at_most() -> Outcome {
    let (pipe, lower, middle, top) = (Pipe::new()?, epolls(10)?, epolls(10)?, epolls(2)?);
    add_all_to_all(&lower, &[pipe.read])?;
    add_all_to_all(&middle, &lower)?;
    add_all_to_all(&top[..1], &middle)?;
    expect_errno(epoll_add(top[1], middle[0], EPOLLIN), libc::EINVAL)?;
    epoll_add(top[1], lower[0], EPOLLIN)?;
    fd::write(pipe.write, b"x")?;
    expect_eq(epoll_ready(top[1])?.len(), 1, "epolls of the lowest row that the highest hears of")
}

fn a_file_is_not_added_below_more_epolls_than_may_hear_of_it() -> Outcome {
    let (pipe, lower, upper) = (Pipe::new()?, epolls(20)?, epolls(26)?);
    // As many ways as anybody likes, as long as nothing is at their end.
    add_all_to_all(&upper, &lower)?;
    add_all_to_all(&lower[..19], &[pipe.read])?;
    expect_errno(epoll_add(lower[19], pipe.read, EPOLLIN), libc::EINVAL)?;
    epoll_add(lower[19], pipe.write, EPOLLIN)?;
    Ok(())
}

fn a_file_in_too_many_ways_already_gives_eexist() -> Outcome {
    let (pipe, lower, upper) = (Pipe::new()?, epolls(20)?, epolls(25)?);
    add_all_to_all(&lower, &[pipe.read])?;
    add_all_to_all(&upper, &lower)?;
    expect_errno(epoll_add(upper[0], lower[0], EPOLLIN), libc::EEXIST)?;
    expect_errno(epoll_add(lower[0], pipe.read, EPOLLIN), libc::EEXIST)
}

/// Processes that each wait for one event of an epoll of their own, which watches the pipe's read end exclusively.
fn exclusive_waiters(pipe: &Pipe, count: usize, event: i32) -> Result<Vec<process::Child>, crate::check::Failure> {
    let (read, write) = (pipe.read, pipe.write);
    let waiters = (0..count).map(|_| {
        let waiter = process::spawn(|| {
            fd::close(write)?;
            let epoll = epoll_create()?;
            epoll_ctl(epoll, EPOLL_CTL_ADD, read, EPOLLIN | EPOLLEXCLUSIVE, 7)?;
            expect_eq(epoll_pwait(epoll, 4, -1, None)?, [(7, event)], "events")
        })?;
        waiter.wait_until_asleep()?;
        Ok(waiter)
    });
    waiters.collect()
}

/// Those of the processes that have ended and were not waited for.
fn ended(waiters: &[process::Child]) -> Result<Vec<process::Child>, crate::check::Failure> {
    let mut ended = Vec::new();
    for waiter in waiters {
        if process::state_of(waiter.pid)? == 'Z' {
            ended.push(*waiter);
        }
    }
    Ok(ended)
}

fn exclusive_watchers_are_woken_one_by_one() -> Outcome {
    let pipe = Pipe::new()?;
    let mut asleep = exclusive_waiters(&pipe, 4, EPOLLIN)?;
    while !asleep.is_empty() {
        fd::write(pipe.write, b"x")?;
        expect_soon(|| Ok(!ended(&asleep)?.is_empty()), "a waiter is woken by a write")?;
        let ended = ended(&asleep)?;
        expect_eq(ended.len(), 1, "waiters woken by a write")?;
        ended[0].expect_success()?;
        asleep.retain(|waiter| waiter.pid != ended[0].pid);
    }
    Ok(())
}

fn exclusive_watcher_without_a_waiter_leaves_the_wake_up_to_the_next() -> Outcome {
    let (pipe, first) = (Pipe::new()?, epoll_create()?);
    epoll_ctl(first, EPOLL_CTL_ADD, pipe.read, EPOLLIN | EPOLLEXCLUSIVE, 6)?;
    let waiters = exclusive_waiters(&pipe, 1, EPOLLIN)?;
    fd::write(pipe.write, b"x")?;
    waiters[0].expect_success()?;
    expect_eq(epoll_ready(first)?, [(6, EPOLLIN)], "events of the first")
}

fn exclusive_watchers_all_hear_that_the_writers_have_gone() -> Outcome {
    let pipe = Pipe::new()?;
    let waiters = exclusive_waiters(&pipe, 3, EPOLLHUP)?;
    fd::close(pipe.write)?;
    waiters.into_iter().try_for_each(process::Child::expect_success)
}

fn exclusive_watch_for_what_is_neither_reading_nor_writing_gives_einval() -> Outcome {
    let (epoll, pipe) = (epoll_create()?, Pipe::new()?);
    for other in [libc::EPOLLPRI, libc::EPOLLRDHUP, libc::EPOLLRDNORM, EPOLLONESHOT, 1 << 27] {
        expect_errno(epoll_add(epoll, pipe.read, EPOLLIN | other | EPOLLEXCLUSIVE), libc::EINVAL)?;
    }
    let all = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLET | libc::EPOLLWAKEUP;
    epoll_add(epoll, pipe.read, all | EPOLLEXCLUSIVE)?;
    Ok(())
}

fn exclusive_watch_of_an_epoll_gives_einval() -> Outcome {
    expect_errno(epoll_add(epoll_create()?, epoll_create()?, EPOLLIN | EPOLLEXCLUSIVE), libc::EINVAL)
}

fn exclusive_watch_is_neither_modified_nor_made_by_modifying() -> Outcome {
    let (epoll, pipe) = watched(EPOLLIN | EPOLLEXCLUSIVE)?;
    expect_errno(epoll_ctl(epoll, EPOLL_CTL_MOD, pipe.read, EPOLLIN, 0), libc::EINVAL)?;
    // Whether it is there or not.
    expect_errno(epoll_ctl(epoll, EPOLL_CTL_MOD, pipe.write, EPOLLOUT | EPOLLEXCLUSIVE, 0), libc::EINVAL)?;
    epoll_add(epoll, pipe.write, EPOLLIN)?;
    expect_errno(epoll_ctl(epoll, EPOLL_CTL_MOD, pipe.write, EPOLLOUT | EPOLLEXCLUSIVE, 0), libc::EINVAL)
}

fn create1_sets_close_on_exec() -> Outcome {
    let epoll = epoll_create1(libc::EPOLL_CLOEXEC)?;
    expect_eq(fd::fcntl(epoll, libc::F_GETFD, 0)?, libc::FD_CLOEXEC, "descriptor flags")?;
    expect_errno(epoll_create1(1), libc::EINVAL)
}

fn epoll_is_readable_for_poll() -> Outcome {
    let (epoll, pipe) = watched(EPOLLIN)?;
    expect_eq(ready::revents(epoll, libc::POLLIN)?, 0, "revents while nothing is ready")?;
    fd::write(pipe.write, b"x")?;
    expect_eq(ready::revents(epoll, libc::POLLIN)?, libc::POLLIN, "revents when something is ready")
}

fn edge_is_reported_again_when_a_reader_empties_and_a_writer_refills() -> Outcome {
    let (epoll, pipe) = watched(EPOLLIN | EPOLLET)?;
    fd::write(pipe.write, b"x")?;
    expect_eq(epoll_ready(epoll)?, [(7, EPOLLIN)], "events")?;
    fd::read_up_to(pipe.read, 1)?;
    expect_eq(epoll_ready(epoll)?, [], "events when empty")?;
    fd::write(pipe.write, b"y")?;
    expect_eq(epoll_ready(epoll)?, [(7, EPOLLIN)], "events when refilled")
}
