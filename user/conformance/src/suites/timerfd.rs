//! timerfd. Specification: timerfd_create(2).

use crate::check::{Outcome, expect, expect_eq, expect_errno, failed, needs_own_machine};
use crate::sys::time::{clock_gettime, clock_settime, nanosleep, timespec};
use crate::sys::timer::{Setting, timerfd_create, timerfd_gettime, timerfd_settime, timerfd_settime_raw};
use crate::sys::{Sys, fd, memory, process, ready, signal};
use libc::{
    CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME, EAGAIN, EBADF, ECANCELED, EINTR, EINVAL, EPOLLET, EPOLLIN, POLLIN,
    POLLOUT, TFD_CLOEXEC, TFD_NONBLOCK, TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET,
};
use std::time::Duration;

crate::tests! {
    read_waits_for_the_expiry_and_gives_one,
    it_does_not_expire_early_on_any_clock,
    a_second_read_of_a_single_expiry_gives_eagain,
    read_before_the_expiry_gives_eagain_if_nonblocking,
    a_timer_that_is_not_set_never_becomes_readable,
    an_interval_expires_again_and_again,
    a_late_read_counts_all_expiries,
    the_rhythm_of_an_interval_is_kept,
    an_absolute_time_in_the_past_expires_at_once,
    an_absolute_time_in_the_past_with_an_interval_counts_what_was_missed,
    an_absolute_time_of_the_realtime_clock_is_waited_for,
    setting_zero_stops_it,
    setting_it_anew_forgets_expiries_that_were_not_read,
    settime_returns_what_was_left,
    gettime_tells_what_is_left_and_the_interval,
    gettime_of_an_absolute_timer_is_relative,
    gettime_of_an_expired_timer_is_zero_but_for_the_interval,
    poll_says_readable_after_the_expiry_until_it_is_read,
    poll_waits_for_the_expiry,
    edge_triggered_epoll_tells_of_each_expiry_that_follows_a_read,
    a_buffer_below_eight_bytes_gives_einval,
    a_longer_buffer_gets_eight_bytes,
    write_gives_einval,
    a_read_that_faults_gives_efault,
    unknown_flags_give_einval,
    clocks_that_cannot_be_waited_for_give_einval,
    times_that_are_none_give_einval,
    other_descriptors_give_einval_and_closed_ones_ebadf,
    it_is_shared_across_fork,
    two_descriptors_of_it_share_one_timer,
    a_signal_interrupts_a_read,
    cloexec_and_nonblock_are_taken_at_creation,
    its_link_in_proc_says_what_it_is,
    setting_the_clock_cancels_a_read_that_asked_for_it,
    an_absolute_timer_follows_the_clock_that_is_set,
    a_relative_timer_does_not_care_for_the_clock_that_is_set,
}

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(1000);

fn take(timer: i32) -> Sys<u64> {
    let mut bytes = [0; 8];
    fd::read(timer, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// A timer on the monotonic clock, set.
fn set(flags: i32, setting: Setting) -> Sys<i32> {
    let timer = timerfd_create(CLOCK_MONOTONIC, flags)?;
    timerfd_settime(timer, 0, setting)?;
    Ok(timer)
}

fn sleep(time: Duration) -> Outcome {
    Ok(nanosleep(timespec(time)).0?)
}

fn read_waits_for_the_expiry_and_gives_one() -> Outcome {
    let start = clock_gettime(CLOCK_MONOTONIC)?;
    let timer = set(0, Setting::once(SHORT))?;
    expect_eq(take(timer)?, 1, "the expiries")?;
    expect(clock_gettime(CLOCK_MONOTONIC)? >= start + SHORT, "the time is over")
}

fn it_does_not_expire_early_on_any_clock() -> Outcome {
    for clock in [CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME] {
        let timer = timerfd_create(clock, 0)?;
        let start = clock_gettime(CLOCK_MONOTONIC)?;
        timerfd_settime(timer, 0, Setting::once(Duration::from_millis(5)))?;
        expect_eq(take(timer)?, 1, "the expiries")?;
        expect(clock_gettime(CLOCK_MONOTONIC)? >= start + Duration::from_millis(5), "the time is over")?;
    }
    Ok(())
}

fn a_second_read_of_a_single_expiry_gives_eagain() -> Outcome {
    let timer = set(TFD_NONBLOCK, Setting::once(Duration::from_millis(1)))?;
    ready::poll(&mut [ready::wanting(timer, POLLIN)], -1)?;
    expect_eq(take(timer)?, 1, "the expiries")?;
    expect_errno(take(timer), EAGAIN)
}

fn read_before_the_expiry_gives_eagain_if_nonblocking() -> Outcome {
    expect_errno(take(set(TFD_NONBLOCK, Setting::once(LONG))?), EAGAIN)
}

fn a_timer_that_is_not_set_never_becomes_readable() -> Outcome {
    let timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)?;
    expect_errno(take(timer), EAGAIN)?;
    expect_eq(timerfd_gettime(timer)?, Setting::default(), "what it is set to")?;
    let waited = ready::poll(&mut [ready::wanting(timer, POLLIN)], 10)?;
    expect_eq(waited, 0, "ready descriptors")
}

fn an_interval_expires_again_and_again() -> Outcome {
    let start = clock_gettime(CLOCK_MONOTONIC)?;
    let timer = set(0, Setting::every(Duration::from_millis(5)))?;
    let mut total = 0;
    while total < 6 {
        total += take(timer)?;
    }
    let expired = u32::try_from(total).unwrap_or(u32::MAX);
    let passed = clock_gettime(CLOCK_MONOTONIC)? - start;
    expect(passed >= Duration::from_millis(5) * expired, "no expiry was early")
}

fn a_late_read_counts_all_expiries() -> Outcome {
    let timer = set(0, Setting { interval: Duration::from_millis(10), value: Duration::from_millis(1) })?;
    sleep(Duration::from_millis(45))?;
    let count = take(timer)?;
    expect(count >= 5, &format!("{count} expiries are at least five"))
}

fn the_rhythm_of_an_interval_is_kept() -> Outcome {
    let timer = timerfd_create(CLOCK_MONOTONIC, 0)?;
    let first = clock_gettime(CLOCK_MONOTONIC)? + SHORT;
    timerfd_settime(timer, TFD_TIMER_ABSTIME, Setting { interval: SHORT, value: first })?;
    sleep(Duration::from_millis(47))?;
    take(timer)?;
    let left = timerfd_gettime(timer)?.value;
    let next = clock_gettime(CLOCK_MONOTONIC)? + left - first;
    let from_the_beat = next.as_micros() % SHORT.as_micros();
    // The two calls take a moment: what they see lies a little after the beat.
    expect(from_the_beat < 9_000, &format!("the next expiry is {from_the_beat} us off a multiple of the interval"))
}

fn an_absolute_time_in_the_past_expires_at_once() -> Outcome {
    for clock in [CLOCK_REALTIME, CLOCK_MONOTONIC] {
        let timer = timerfd_create(clock, 0)?;
        timerfd_settime(timer, TFD_TIMER_ABSTIME, Setting::once(Duration::from_nanos(1)))?;
        expect_eq(take(timer)?, 1, "the expiries")?;
    }
    Ok(())
}

fn an_absolute_time_in_the_past_with_an_interval_counts_what_was_missed() -> Outcome {
    let timer = timerfd_create(CLOCK_MONOTONIC, 0)?;
    let now = clock_gettime(CLOCK_MONOTONIC)?;
    let first = now.saturating_sub(Duration::from_millis(100)).max(Duration::from_nanos(1));
    timerfd_settime(timer, TFD_TIMER_ABSTIME, Setting { interval: Duration::from_millis(10), value: first })?;
    let expected = u64::try_from((now - first).as_millis() / 10).unwrap_or(0) + 1;
    let count = take(timer)?;
    expect(count >= expected, &format!("{count} expiries are at least {expected}"))
}

fn an_absolute_time_of_the_realtime_clock_is_waited_for() -> Outcome {
    let timer = timerfd_create(CLOCK_REALTIME, 0)?;
    let target = clock_gettime(CLOCK_REALTIME)? + SHORT;
    timerfd_settime(timer, TFD_TIMER_ABSTIME, Setting::once(target))?;
    expect_eq(take(timer)?, 1, "the expiries")?;
    expect(clock_gettime(CLOCK_REALTIME)? >= target, "the time has come")
}

fn setting_zero_stops_it() -> Outcome {
    let timer = set(TFD_NONBLOCK, Setting::every(Duration::from_millis(10)))?;
    // The interval alone means nothing.
    timerfd_settime(timer, 0, Setting { interval: SHORT, value: Duration::ZERO })?;
    expect_eq(timerfd_gettime(timer)?.value, Duration::ZERO, "what is left")?;
    expect_eq(ready::poll(&mut [ready::wanting(timer, POLLIN)], 30)?, 0, "ready descriptors")?;
    expect_errno(take(timer), EAGAIN)
}

fn setting_it_anew_forgets_expiries_that_were_not_read() -> Outcome {
    let timer = set(TFD_NONBLOCK, Setting::once(Duration::from_millis(1)))?;
    ready::poll(&mut [ready::wanting(timer, POLLIN)], -1)?;
    timerfd_settime(timer, 0, Setting::once(LONG))?;
    expect_eq(ready::revents(timer, POLLIN)?, 0, "revents")?;
    expect_errno(take(timer), EAGAIN)
}

fn settime_returns_what_was_left() -> Outcome {
    let timer = set(0, Setting { interval: SHORT, value: LONG })?;
    let old = timerfd_settime(timer, 0, Setting::default())?;
    expect_eq(old.interval, SHORT, "the interval")?;
    expect(old.value <= LONG && old.value > LONG / 2, "most of the time is left")?;
    expect_eq(timerfd_settime(timer, 0, Setting::default())?.value, Duration::ZERO, "what a stopped one has left")
}

fn gettime_tells_what_is_left_and_the_interval() -> Outcome {
    let timer = set(0, Setting { interval: SHORT, value: LONG })?;
    let now = timerfd_gettime(timer)?;
    expect_eq(now.interval, SHORT, "the interval")?;
    expect(now.value <= LONG && now.value > LONG / 2, "most of the time is left")
}

fn gettime_of_an_absolute_timer_is_relative() -> Outcome {
    let timer = timerfd_create(CLOCK_REALTIME, 0)?;
    timerfd_settime(timer, TFD_TIMER_ABSTIME, Setting::once(clock_gettime(CLOCK_REALTIME)? + LONG))?;
    let left = timerfd_gettime(timer)?.value;
    expect(left <= LONG && left > LONG / 2, &format!("{left:?} is the time from now"))
}

fn gettime_of_an_expired_timer_is_zero_but_for_the_interval() -> Outcome {
    let timer = set(0, Setting::once(Duration::from_millis(1)))?;
    ready::poll(&mut [ready::wanting(timer, POLLIN)], -1)?;
    expect_eq(timerfd_gettime(timer)?, Setting::default(), "what is left of a single expiry")?;
    let timer = set(0, Setting { interval: LONG, value: Duration::from_millis(1) })?;
    ready::poll(&mut [ready::wanting(timer, POLLIN)], -1)?;
    let now = timerfd_gettime(timer)?;
    expect(now.interval == LONG && now.value > LONG / 2 && now.value <= LONG, "the next expiry is an interval away")?;
    expect_eq(take(timer)?, 1, "the expiries, which asking has not taken")
}

fn poll_says_readable_after_the_expiry_until_it_is_read() -> Outcome {
    let timer = set(0, Setting::once(Duration::from_millis(5)))?;
    let mut entry = [ready::wanting(timer, POLLIN | POLLOUT)];
    expect_eq(ready::poll(&mut entry, -1)?, 1, "ready descriptors")?;
    // It is never writable.
    expect_eq(entry[0].revents, POLLIN, "revents")?;
    expect_eq(ready::revents(timer, POLLIN)?, POLLIN, "revents when asked again")?;
    take(timer)?;
    expect_eq(ready::revents(timer, POLLIN)?, 0, "revents after the read")
}

fn poll_waits_for_the_expiry() -> Outcome {
    let timer = timerfd_create(CLOCK_MONOTONIC, 0)?;
    let poller = process::spawn(|| {
        expect_eq(ready::poll(&mut [ready::wanting(timer, POLLIN)], 10_000)?, 1, "ready descriptors")
    })?;
    poller.wait_until_asleep()?;
    timerfd_settime(timer, 0, Setting::once(Duration::from_millis(5)))?;
    poller.expect_success()
}

fn edge_triggered_epoll_tells_of_each_expiry_that_follows_a_read() -> Outcome {
    let timer = set(0, Setting::every(Duration::from_millis(5)))?;
    let epoll = ready::epoll_create()?;
    ready::epoll_add(epoll, timer, EPOLLIN | EPOLLET)?;
    for _ in 0..3 {
        let events = ready::epoll_pwait(epoll, 1, 10_000, None)?;
        expect_eq(events, [(u64::from(timer.unsigned_abs()), EPOLLIN)], "the events")?;
        // Nobody has read: the timer is not started again, and there is no further edge.
        expect_eq(ready::epoll_pwait(epoll, 1, 30, None)?, [], "events before the read")?;
        expect(take(timer)? >= 4, "the expiries meanwhile were counted")?;
    }
    Ok(())
}

fn a_buffer_below_eight_bytes_gives_einval() -> Outcome {
    let timer = set(TFD_NONBLOCK, Setting::once(Duration::from_millis(1)))?;
    expect_errno(fd::read(timer, &mut [0; 7]), EINVAL)
}

fn a_longer_buffer_gets_eight_bytes() -> Outcome {
    let timer = set(0, Setting::once(Duration::from_millis(1)))?;
    expect_eq(fd::read(timer, &mut [0; 100])?, 8, "bytes read")
}

fn write_gives_einval() -> Outcome {
    expect_errno(fd::write(set(0, Setting::once(LONG))?, &[1; 8]), EINVAL)
}

fn a_read_that_faults_gives_efault() -> Outcome {
    let hole = memory::before_hole(1)?;
    let timer = set(0, Setting::once(Duration::from_millis(1)))?;
    ready::poll(&mut [ready::wanting(timer, POLLIN)], -1)?;
    expect_errno(fd::read_into(timer, &hole, memory::PAGE, 8), libc::EFAULT)
}

fn unknown_flags_give_einval() -> Outcome {
    expect_errno(timerfd_create(CLOCK_MONOTONIC, 1 << 20), EINVAL)?;
    let timer = timerfd_create(CLOCK_MONOTONIC, 0)?;
    expect_errno(timerfd_settime(timer, 4, Setting::once(LONG)), EINVAL)?;
    // Only what is absolute can be cancelled; the flag alone is not an error.
    timerfd_settime(timer, TFD_TIMER_CANCEL_ON_SET, Setting::once(LONG))?;
    Ok(())
}

fn clocks_that_cannot_be_waited_for_give_einval() -> Outcome {
    for clock in [libc::CLOCK_MONOTONIC_RAW, libc::CLOCK_PROCESS_CPUTIME_ID, libc::CLOCK_TAI, 99, -1] {
        expect_errno(timerfd_create(clock, 0), EINVAL)?;
    }
    Ok(())
}

fn times_that_are_none_give_einval() -> Outcome {
    let timer = timerfd_create(CLOCK_MONOTONIC, 0)?;
    let good = timespec(LONG);
    for (tv_sec, tv_nsec) in [(0, 1_000_000_000), (0, -1), (-1, 0)] {
        let bad = libc::timespec { tv_sec, tv_nsec };
        expect_errno(timerfd_settime_raw(timer, 0, libc::itimerspec { it_interval: good, it_value: bad }), EINVAL)?;
        expect_errno(timerfd_settime_raw(timer, 0, libc::itimerspec { it_interval: bad, it_value: good }), EINVAL)?;
    }
    expect_eq(timerfd_gettime(timer)?, Setting::default(), "what it is set to")
}

fn other_descriptors_give_einval_and_closed_ones_ebadf() -> Outcome {
    let event = fd::eventfd(0, 0)?;
    expect_errno(timerfd_settime(event, 0, Setting::once(LONG)), EINVAL)?;
    expect_errno(timerfd_gettime(event), EINVAL)?;
    expect_errno(timerfd_settime(-1, 0, Setting::once(LONG)), EBADF)?;
    expect_errno(timerfd_gettime(1000), EBADF)
}

fn it_is_shared_across_fork() -> Outcome {
    let timer = set(TFD_NONBLOCK, Setting::once(Duration::from_millis(1)))?;
    process::spawn(|| {
        ready::poll(&mut [ready::wanting(timer, POLLIN)], -1)?;
        expect_eq(take(timer)?, 1, "the expiries")
    })?
    .expect_success()?;
    expect_errno(take(timer), EAGAIN)
}

fn two_descriptors_of_it_share_one_timer() -> Outcome {
    let timer = set(TFD_NONBLOCK, Setting::once(LONG))?;
    let other = fd::dup(timer)?;
    timerfd_settime(other, 0, Setting::once(Duration::from_millis(1)))?;
    ready::poll(&mut [ready::wanting(timer, POLLIN)], -1)?;
    expect_eq(take(other)?, 1, "the expiries")?;
    expect_errno(take(timer), EAGAIN)
}

fn a_signal_interrupts_a_read() -> Outcome {
    let timer = set(0, Setting::once(LONG))?;
    let reader = process::spawn(|| {
        signal::count(libc::SIGUSR1, 0)?;
        expect_errno(take(timer), EINTR)
    })?;
    reader.wait_until_asleep()?;
    reader.kill(libc::SIGUSR1)?;
    reader.expect_success()
}

fn cloexec_and_nonblock_are_taken_at_creation() -> Outcome {
    let timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)?;
    expect_eq(fd::fcntl(timer, libc::F_GETFD, 0)?, libc::FD_CLOEXEC, "the descriptor's flags")?;
    expect(fd::fcntl(timer, libc::F_GETFL, 0)? & libc::O_NONBLOCK != 0, "it is non-blocking")
}

fn its_link_in_proc_says_what_it_is() -> Outcome {
    let timer = timerfd_create(CLOCK_MONOTONIC, 0)?;
    for (descriptor, text) in [
        (timer, "anon_inode:[timerfd]"),
        (fd::eventfd(0, 0)?, "anon_inode:[eventfd]"),
        (ready::epoll_create()?, "anon_inode:[eventpoll]"),
    ] {
        let link = std::fs::read_link(format!("/proc/self/fd/{descriptor}"))?;
        expect_eq(link.to_str(), Some(text), "the link's text")?;
    }
    Ok(())
}

/// Sets the real-time clock `by` ahead while `body` runs; then back.
fn with_the_clock_ahead(by: Duration, body: impl FnOnce() -> Outcome) -> Outcome {
    needs_own_machine()?;
    let set_by = |change: fn(Duration, Duration) -> Duration| {
        clock_settime(CLOCK_REALTIME, change(clock_gettime(CLOCK_REALTIME)?, by))
    };
    set_by(|now, by| now + by)?;
    let outcome = body();
    set_by(|now, by| now - by)?;
    outcome
}

const HOUR: Duration = Duration::from_secs(3600);

fn setting_the_clock_cancels_a_read_that_asked_for_it() -> Outcome {
    let (once, other) = (timerfd_create(CLOCK_REALTIME, 0)?, timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK)?);
    let far = Setting::once(clock_gettime(CLOCK_REALTIME)? + LONG * 1000);
    timerfd_settime(once, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, far)?;
    timerfd_settime(other, TFD_TIMER_ABSTIME, far)?;
    let reader = process::spawn(|| expect_errno(take(once), ECANCELED))?;
    reader.wait_until_asleep()?;
    let both = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
    with_the_clock_ahead(HOUR, || {
        reader.expect_success()?;
        expect_eq(ready::revents(once, POLLIN)?, 0, "revents once it has been told")?;
        expect_errno(take(other), EAGAIN)
    })?;
    // The clock was set once more. Setting the timer tells that, and sets it all the same.
    expect_eq(ready::revents(once, POLLIN)?, POLLIN, "revents after another change")?;
    expect_errno(timerfd_settime(once, both, far), ECANCELED)?;
    expect_eq(ready::revents(once, POLLIN)?, 0, "revents after it was set")?;
    expect(timerfd_gettime(once)?.value > LONG, "it is set")
}

fn an_absolute_timer_follows_the_clock_that_is_set() -> Outcome {
    let timer = timerfd_create(CLOCK_REALTIME, 0)?;
    let target = clock_gettime(CLOCK_REALTIME)? + HOUR / 2;
    timerfd_settime(timer, TFD_TIMER_ABSTIME, Setting { interval: HOUR / 60, value: target })?;
    let reader = process::spawn(|| match take(timer)? {
        // Half an hour late, a minute each.
        30..=32 => Ok(()),
        count => Err(failed(format!("{count} expiries in half an hour of a minute each"))),
    })?;
    reader.wait_until_asleep()?;
    with_the_clock_ahead(HOUR, || reader.expect_success())
}

fn a_relative_timer_does_not_care_for_the_clock_that_is_set() -> Outcome {
    let timer = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK)?;
    timerfd_settime(timer, 0, Setting::once(HOUR / 2))?;
    with_the_clock_ahead(HOUR, || {
        expect_errno(take(timer), EAGAIN)?;
        expect(timerfd_gettime(timer)?.value > HOUR / 4, "most of the time is left")
    })
}
