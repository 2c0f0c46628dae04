//! POSIX timers. Specification: timer_create(2), timer_settime(2), timer_getoverrun(2), timer_delete(2).

use crate::check::{Outcome, expect, expect_eq, expect_errno};
use crate::probe;
use crate::sys::time::{clock_gettime, nanosleep, timespec};
use crate::sys::timer::{
    Event, Setting, Told, timer_create, timer_delete, timer_getoverrun, timer_gettime, timer_settime,
    timer_settime_raw, wait_for_timer,
};
use crate::sys::{fd, process, signal};
use libc::{
    CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME, EAGAIN, EINVAL, EOPNOTSUPP, SI_TIMER, SIGALRM, SIGUSR1, SIGUSR2,
    TIMER_ABSTIME,
};
use std::time::Duration;

crate::tests! {
    an_expiry_sends_the_signal_with_its_value,
    without_an_event_sigalrm_tells_the_timers_number,
    a_handler_is_told_of_the_timer,
    it_does_not_expire_early_on_any_clock,
    a_single_expiry_comes_once,
    an_interval_expires_again_and_again,
    expiries_while_the_signal_is_pending_are_overruns,
    a_signal_that_is_taken_at_once_has_no_overruns,
    only_one_signal_of_a_timer_is_pending,
    two_timers_with_one_standard_signal_both_are_told,
    an_absolute_time_in_the_past_expires_at_once,
    an_absolute_time_in_the_past_counts_what_was_missed,
    setting_zero_stops_it,
    settime_returns_what_was_left,
    gettime_tells_what_is_left_and_the_interval,
    gettime_of_an_expired_timer_is_zero,
    a_timer_without_a_signal_passes_silently,
    a_thread_gets_the_signal_it_asked_for,
    the_thread_must_be_one_of_the_process,
    an_ignored_signal_is_heard_of_once_it_is_not_ignored,
    a_deleted_timer_does_not_expire,
    a_deleted_timer_is_einval,
    numbers_differ,
    a_child_has_no_timers,
    a_timer_and_its_signal_do_not_outlive_exec,
    bad_clocks_give_einval_and_those_that_are_only_read_eopnotsupp,
    bad_signals_and_events_give_einval,
    times_that_are_none_give_einval,
    rlimit_sigpending_bounds_timers,
    a_signalfd_tells_of_timers,
}

const SHORT: Duration = Duration::from_millis(10);
const LONG: Duration = Duration::from_secs(1000);
const PATIENCE: Duration = Duration::from_secs(10);
const NO_TIME: Duration = Duration::from_millis(30);

fn sleep(time: Duration) -> Outcome {
    Ok(nanosleep(timespec(time)).0?)
}

/// A timer on the monotonic clock with `signal`, which is blocked.
fn create(signal: i32) -> Result<i32, crate::check::Failure> {
    signal::block(&[signal])?;
    Ok(timer_create(CLOCK_MONOTONIC, Some(Event::signal(signal, 77)))?)
}

fn next(signal: i32) -> Result<Told, crate::check::Failure> {
    Ok(wait_for_timer(&[signal], PATIENCE)?)
}

fn expect_none(signal: i32) -> Outcome {
    expect_errno(wait_for_timer(&[signal], NO_TIME), EAGAIN)
}

fn an_expiry_sends_the_signal_with_its_value() -> Outcome {
    signal::block(&[SIGUSR1])?;
    let value = 0x1234_5678_9abc_usize;
    let timer = timer_create(CLOCK_MONOTONIC, Some(Event::signal(SIGUSR1, value)))?;
    timer_settime(timer, 0, Setting::once(SHORT))?;
    let expected = Told { signal: SIGUSR1, code: SI_TIMER, timer, overruns: 0, value };
    expect_eq(next(SIGUSR1)?, expected, "what is told")
}

fn without_an_event_sigalrm_tells_the_timers_number() -> Outcome {
    signal::block(&[SIGALRM])?;
    timer_create(CLOCK_MONOTONIC, None)?;
    let timer = timer_create(CLOCK_MONOTONIC, None)?;
    timer_settime(timer, 0, Setting::once(SHORT))?;
    let told = next(SIGALRM)?;
    expect_eq(told.timer, timer, "the timer")?;
    // The low half: what the other holds is nobody's affair.
    expect_eq(told.value & 0xffff_ffff, timer.unsigned_abs() as usize, "the value")
}

fn a_handler_is_told_of_the_timer() -> Outcome {
    signal::count(SIGUSR1, 0)?;
    signal::block(&[SIGUSR1])?;
    let timer = timer_create(CLOCK_MONOTONIC, Some(Event::signal(SIGUSR1, 1)))?;
    timer_settime(timer, 0, Setting::once(SHORT))?;
    expect_errno(signal::sigsuspend(&[]), libc::EINTR)?;
    expect_eq((signal::caught(SIGUSR1), signal::last_code()), (1, SI_TIMER), "handlers run, and si_code")
}

fn it_does_not_expire_early_on_any_clock() -> Outcome {
    signal::block(&[SIGUSR1])?;
    for clock in [CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, libc::CLOCK_TAI] {
        let timer = timer_create(clock, Some(Event::signal(SIGUSR1, 0)))?;
        let start = clock_gettime(CLOCK_MONOTONIC)?;
        timer_settime(timer, 0, Setting::once(SHORT))?;
        expect_eq(next(SIGUSR1)?.timer, timer, "the timer")?;
        expect(clock_gettime(CLOCK_MONOTONIC)? >= start + SHORT, "the time is over")?;
    }
    let timer = timer_create(CLOCK_REALTIME, Some(Event::signal(SIGUSR1, 0)))?;
    let target = clock_gettime(CLOCK_REALTIME)? + SHORT;
    timer_settime(timer, TIMER_ABSTIME, Setting::once(target))?;
    next(SIGUSR1)?;
    expect(clock_gettime(CLOCK_REALTIME)? >= target, "the time has come")
}

fn a_single_expiry_comes_once() -> Outcome {
    let timer = create(SIGUSR1)?;
    timer_settime(timer, 0, Setting::once(SHORT))?;
    next(SIGUSR1)?;
    expect_none(SIGUSR1)
}

fn an_interval_expires_again_and_again() -> Outcome {
    let timer = create(SIGUSR1)?;
    let start = clock_gettime(CLOCK_MONOTONIC)?;
    timer_settime(timer, 0, Setting::every(SHORT))?;
    let mut expiries = 0;
    for _ in 0..5 {
        expiries += 1 + next(SIGUSR1)?.overruns.unsigned_abs();
    }
    expect(clock_gettime(CLOCK_MONOTONIC)? >= start + SHORT * expiries, "no expiry was early")
}

fn expiries_while_the_signal_is_pending_are_overruns() -> Outcome {
    let timer = create(SIGUSR1)?;
    timer_settime(timer, 0, Setting::every(Duration::from_millis(5)))?;
    sleep(Duration::from_millis(52))?;
    let told = next(SIGUSR1)?;
    expect(told.overruns >= 9, &format!("{} overruns are at least nine", told.overruns))?;
    expect_eq(timer_getoverrun(timer)?, told.overruns, "the overruns of the last signal")
}

fn a_signal_that_is_taken_at_once_has_no_overruns() -> Outcome {
    let timer = create(SIGUSR1)?;
    expect_eq(timer_getoverrun(timer)?, 0, "overruns before any signal")?;
    timer_settime(timer, 0, Setting { interval: LONG, value: SHORT })?;
    expect_eq(next(SIGUSR1)?.overruns, 0, "overruns told")?;
    expect_eq(timer_getoverrun(timer)?, 0, "overruns asked for")
}

fn only_one_signal_of_a_timer_is_pending() -> Outcome {
    const REAL_TIME: i32 = 40;
    let timer = create(REAL_TIME)?;
    let signals = signal::signalfd(-1, &[REAL_TIME], 0)?;
    timer_settime(timer, 0, Setting::every(Duration::from_millis(5)))?;
    sleep(NO_TIME)?;
    expect_eq(signal::read_records(signals, 8)?.len(), 1, "signals that one read finds")
}

fn two_timers_with_one_standard_signal_both_are_told() -> Outcome {
    let (one, other) = (create(SIGUSR1)?, create(SIGUSR1)?);
    timer_settime(one, 0, Setting::once(Duration::from_millis(1)))?;
    timer_settime(other, 0, Setting::once(Duration::from_millis(2)))?;
    sleep(NO_TIME)?;
    expect_eq((next(SIGUSR1)?.timer, next(SIGUSR1)?.timer), (one, other), "the timers")?;
    expect_none(SIGUSR1)
}

fn an_absolute_time_in_the_past_expires_at_once() -> Outcome {
    let timer = create(SIGUSR1)?;
    timer_settime(timer, TIMER_ABSTIME, Setting::once(Duration::from_nanos(1)))?;
    expect_eq(next(SIGUSR1)?.timer, timer, "the timer")
}

fn an_absolute_time_in_the_past_counts_what_was_missed() -> Outcome {
    let timer = create(SIGUSR1)?;
    let now = clock_gettime(CLOCK_MONOTONIC)?;
    let first = now.saturating_sub(Duration::from_millis(100)).max(Duration::from_nanos(1));
    let expected = i32::try_from((now - first).as_millis() / 10).unwrap_or(0);
    timer_settime(timer, TIMER_ABSTIME, Setting { interval: SHORT, value: first })?;
    let overruns = next(SIGUSR1)?.overruns;
    expect(overruns >= expected, &format!("{overruns} overruns are at least {expected}"))
}

fn setting_zero_stops_it() -> Outcome {
    let timer = create(SIGUSR1)?;
    timer_settime(timer, 0, Setting::every(SHORT))?;
    timer_settime(timer, 0, Setting { interval: SHORT, value: Duration::ZERO })?;
    expect_eq(timer_gettime(timer)?.value, Duration::ZERO, "what is left")?;
    // Unless it was quicker than the call that stopped it.
    let _ = wait_for_timer(&[SIGUSR1], Duration::ZERO);
    expect_none(SIGUSR1)
}

fn settime_returns_what_was_left() -> Outcome {
    let timer = create(SIGUSR1)?;
    expect_eq(timer_settime(timer, 0, Setting { interval: SHORT, value: LONG })?, Setting::default(), "at first")?;
    let old = timer_settime(timer, 0, Setting::default())?;
    expect_eq(old.interval, SHORT, "the interval")?;
    expect(old.value <= LONG && old.value > LONG / 2, "most of the time is left")
}

fn gettime_tells_what_is_left_and_the_interval() -> Outcome {
    let timer = timer_create(CLOCK_REALTIME, Some(Event::signal(SIGUSR1, 0)))?;
    let value = clock_gettime(CLOCK_REALTIME)? + LONG;
    timer_settime(timer, TIMER_ABSTIME, Setting { interval: SHORT, value })?;
    let now = timer_gettime(timer)?;
    expect_eq(now.interval, SHORT, "the interval")?;
    expect(now.value <= LONG && now.value > LONG / 2, "most of the time is left")
}

fn gettime_of_an_expired_timer_is_zero() -> Outcome {
    let timer = create(SIGUSR1)?;
    timer_settime(timer, 0, Setting::once(Duration::from_millis(1)))?;
    next(SIGUSR1)?;
    expect_eq(timer_gettime(timer)?, Setting::default(), "what is left")
}

fn a_timer_without_a_signal_passes_silently() -> Outcome {
    signal::block(&[SIGALRM])?;
    let timer = timer_create(CLOCK_MONOTONIC, Some(Event::NONE))?;
    timer_settime(timer, 0, Setting { interval: LONG, value: Duration::from_millis(1) })?;
    sleep(SHORT)?;
    let left = timer_gettime(timer)?.value;
    expect(left <= LONG && left > LONG / 2, "the next expiry is an interval away")?;
    timer_settime(timer, 0, Setting::once(Duration::from_millis(1)))?;
    sleep(SHORT)?;
    expect_eq(timer_gettime(timer)?.value, Duration::ZERO, "what is left of a single expiry")?;
    expect_none(SIGALRM)
}

fn a_thread_gets_the_signal_it_asked_for() -> Outcome {
    signal::block(&[SIGUSR1])?;
    let thread = std::thread::spawn(|| -> Outcome {
        let mine = Event { notify: libc::SIGEV_THREAD_ID, thread: process::gettid(), ..Event::signal(SIGUSR1, 5) };
        let timer = timer_create(CLOCK_MONOTONIC, Some(mine))?;
        timer_settime(timer, 0, Setting::every(SHORT))?;
        for _ in 0..3 {
            expect_eq(next(SIGUSR1)?.value, 5, "the value")?;
        }
        Ok(timer_delete(timer)?)
    });
    // The main thread waits for the same signal, in vain.
    let other = wait_for_timer(&[SIGUSR1], Duration::from_millis(40));
    thread.join().map_err(|_| crate::check::failed("the thread panicked"))??;
    expect_errno(other, EAGAIN)
}

fn the_thread_must_be_one_of_the_process() -> Outcome {
    let child = process::spawn_sleeper()?;
    for thread in [0, -1, child.pid, 1 << 30] {
        let event = Event { notify: libc::SIGEV_THREAD_ID, thread, ..Event::signal(SIGUSR1, 0) };
        expect_errno(timer_create(CLOCK_MONOTONIC, Some(event)), EINVAL)?;
    }
    child.kill_and_wait()
}

fn an_ignored_signal_is_heard_of_once_it_is_not_ignored() -> Outcome {
    signal::ignore(SIGUSR2)?;
    let timer = timer_create(CLOCK_MONOTONIC, Some(Event::signal(SIGUSR2, 0)))?;
    timer_settime(timer, 0, Setting::every(Duration::from_millis(2)))?;
    sleep(NO_TIME)?;
    signal::block(&[SIGUSR2])?;
    signal::default(SIGUSR2)?;
    expect_eq(next(SIGUSR2)?.timer, timer, "the timer")
}

fn a_deleted_timer_does_not_expire() -> Outcome {
    let timer = create(SIGUSR1)?;
    timer_settime(timer, 0, Setting::once(NO_TIME))?;
    timer_delete(timer)?;
    sleep(NO_TIME)?;
    expect_none(SIGUSR1)
}

fn a_deleted_timer_is_einval() -> Outcome {
    let timer = create(SIGUSR1)?;
    timer_delete(timer)?;
    for id in [timer, -1, 12_345] {
        expect_errno(timer_settime(id, 0, Setting::default()), EINVAL)?;
        expect_errno(timer_gettime(id), EINVAL)?;
        expect_errno(timer_getoverrun(id), EINVAL)?;
        expect_errno(timer_delete(id), EINVAL)?;
    }
    Ok(())
}

fn numbers_differ() -> Outcome {
    let timers: Vec<_> = (0..20).map(|_| timer_create(CLOCK_MONOTONIC, None)).collect::<Result<_, _>>()?;
    let mut different = timers.clone();
    different.dedup();
    expect_eq(different.len(), timers.len(), "how many numbers there are")
}

fn a_child_has_no_timers() -> Outcome {
    let timer = create(SIGUSR1)?;
    timer_settime(timer, 0, Setting::every(SHORT))?;
    process::spawn(|| {
        expect_errno(timer_gettime(timer), EINVAL)?;
        expect_none(SIGUSR1)
    })?
    .expect_success()?;
    expect_eq(next(SIGUSR1)?.timer, timer, "the parent's timer")
}

fn a_timer_and_its_signal_do_not_outlive_exec() -> Outcome {
    let program = probe::program()?;
    let child = process::spawn(|| {
        let timer = create(SIGUSR1)?;
        timer_settime(timer, 0, Setting::every(Duration::from_millis(1)))?;
        sleep(SHORT)?;
        expect_eq(signal::pending()?, [SIGUSR1], "what is pending")?;
        let words = [program.as_str(), probe::FLAG, "await-nothing", &SIGUSR1.to_string()];
        Ok(process::execve(&program, &words, &[])?)
    })?;
    expect_eq(child.wait()?.exited(), Some(0), "the program's exit code")
}

fn bad_clocks_give_einval_and_those_that_are_only_read_eopnotsupp() -> Outcome {
    for clock in [99, i32::MAX] {
        expect_errno(timer_create(clock, None), EINVAL)?;
    }
    for clock in [libc::CLOCK_MONOTONIC_RAW, libc::CLOCK_MONOTONIC_COARSE, libc::CLOCK_REALTIME_COARSE] {
        expect_errno(timer_create(clock, None), EOPNOTSUPP)?;
    }
    Ok(())
}

fn bad_signals_and_events_give_einval() -> Outcome {
    for number in [0, -1, 65] {
        expect_errno(timer_create(CLOCK_MONOTONIC, Some(Event::signal(number, 0))), EINVAL)?;
    }
    for notify in [3, 5, -1] {
        let event = Event { notify, ..Event::signal(SIGUSR1, 0) };
        expect_errno(timer_create(CLOCK_MONOTONIC, Some(event)), EINVAL)?;
    }
    // Without a signal its number does not matter.
    timer_create(CLOCK_MONOTONIC, Some(Event { signal: 1000, ..Event::NONE }))?;
    Ok(())
}

fn times_that_are_none_give_einval() -> Outcome {
    let timer = create(SIGUSR1)?;
    let good = timespec(LONG);
    for (tv_sec, tv_nsec) in [(0, 1_000_000_000), (0, -1), (-1, 0)] {
        let bad = libc::timespec { tv_sec, tv_nsec };
        expect_errno(timer_settime_raw(timer, 0, libc::itimerspec { it_interval: good, it_value: bad }), EINVAL)?;
        expect_errno(timer_settime_raw(timer, 0, libc::itimerspec { it_interval: bad, it_value: good }), EINVAL)?;
    }
    expect_eq(timer_gettime(timer)?, Setting::default(), "what it is set to")
}

fn rlimit_sigpending_bounds_timers() -> Outcome {
    process::spawn(|| {
        process::set_soft_limit(libc::RLIMIT_SIGPENDING, 0)?;
        expect_errno(timer_create(CLOCK_MONOTONIC, None), EAGAIN)
    })?
    .expect_success()
}

fn a_signalfd_tells_of_timers() -> Outcome {
    signal::block(&[SIGUSR1])?;
    let signals = signal::signalfd(-1, &[SIGUSR1], 0)?;
    let timer = timer_create(CLOCK_MONOTONIC, Some(Event::signal(SIGUSR1, 99)))?;
    timer_settime(timer, 0, Setting::every(Duration::from_millis(5)))?;
    sleep(Duration::from_millis(42))?;
    let records = signal::read_records(signals, 4)?;
    let [record] = records[..] else { return Err(crate::check::failed(format!("{} records", records.len()))) };
    let told = (record.ssi_code, record.ssi_tid, record.ssi_int, record.ssi_ptr);
    expect_eq(told, (SI_TIMER, timer.unsigned_abs(), 99, 99), "code, timer and value")?;
    expect(record.ssi_overrun >= 7, &format!("{} overruns are at least seven", record.ssi_overrun))?;
    expect_eq(fd::close(signals), Ok(()), "what close says")
}
