//! Clocks and sleeping. Specification: clock_gettime(2), clock_nanosleep(2), nanosleep(2), time(7).

use crate::check::{Outcome, expect, expect_eq, expect_errno};
use crate::sys::time::{clock_getres, clock_gettime, clock_nanosleep, nanosleep, timespec};
use crate::sys::{process, signal, zeroed};
use libc::{
    CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME, CLOCK_THREAD_CPUTIME_ID, EINTR, EINVAL, TIMER_ABSTIME,
};
use std::time::Duration;

crate::tests! {
    monotonic_clock_never_goes_back,
    monotonic_clock_goes_on_at_the_same_rate_as_the_realtime_clock,
    realtime_clock_and_gettimeofday_agree,
    unknown_clock_gives_einval,
    resolution_is_a_millisecond_or_finer,
    processor_time_grows_with_work_and_not_with_sleep,
    nanosleep_sleeps_at_least_its_time,
    nanosleep_of_zero_returns_at_once,
    nanosleep_with_bad_nanoseconds_gives_einval,
    interrupted_nanosleep_tells_the_rest,
    sleep_goes_on_after_an_ignored_signal,
    absolute_sleep_ends_at_its_time,
    absolute_sleep_in_the_past_returns_at_once,
    interrupted_absolute_sleep_leaves_the_rest_alone,
    clock_nanosleep_with_an_unknown_clock_gives_einval,
    monotonic_clock_agrees_between_processes,
    times_returns_growing_ticks,
    coarse_clocks_lag_little,
}

fn monotonic_clock_never_goes_back() -> Outcome {
    let mut last = clock_gettime(CLOCK_MONOTONIC)?;
    for _ in 0..10_000 {
        let now = clock_gettime(CLOCK_MONOTONIC)?;
        expect(now >= last, "a later reading is not smaller")?;
        last = now;
    }
    Ok(())
}

fn monotonic_clock_goes_on_at_the_same_rate_as_the_realtime_clock() -> Outcome {
    let before = (clock_gettime(CLOCK_MONOTONIC)?, clock_gettime(CLOCK_REALTIME)?);
    nanosleep(timespec(Duration::from_millis(50))).0?;
    let after = (clock_gettime(CLOCK_MONOTONIC)?, clock_gettime(CLOCK_REALTIME)?);
    let (one, two) = (after.0 - before.0, after.1.saturating_sub(before.1));
    expect(one.abs_diff(two) < Duration::from_millis(40), &format!("the same time passes: {one:?} and {two:?}"))
}

fn realtime_clock_and_gettimeofday_agree() -> Outcome {
    let mut time: libc::timeval = zeroed();
    let before = clock_gettime(CLOCK_REALTIME)?;
    // SAFETY: room for the struct; no time zone is asked for.
    let value = unsafe { libc::gettimeofday(&raw mut time, std::ptr::null_mut()) };
    crate::sys::checked("gettimeofday", value)?;
    let told = Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_micros(time.tv_usec.unsigned_abs());
    let after = clock_gettime(CLOCK_REALTIME)?;
    expect(told + Duration::from_micros(1) >= before && told <= after, "it lies between two readings of the clock")
}

fn unknown_clock_gives_einval() -> Outcome {
    expect_errno(clock_gettime(1000), EINVAL)?;
    expect_errno(clock_getres(1000), EINVAL)
}

fn resolution_is_a_millisecond_or_finer() -> Outcome {
    for clock in [CLOCK_MONOTONIC, CLOCK_REALTIME] {
        let resolution = clock_getres(clock)?;
        expect(resolution > Duration::ZERO && resolution <= Duration::from_millis(1), "the resolution is fine")?;
    }
    Ok(())
}

fn processor_time_grows_with_work_and_not_with_sleep() -> Outcome {
    for clock in [CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID] {
        let before = clock_gettime(clock)?;
        nanosleep(timespec(Duration::from_millis(100))).0?;
        let slept = clock_gettime(clock)?;
        expect(slept - before < Duration::from_millis(60), "sleeping costs little processor time")?;
        // Ends when the clock has moved; if it never does, the watchdog says so.
        while clock_gettime(clock)? < slept + Duration::from_millis(2) {
            std::hint::black_box(0);
        }
    }
    Ok(())
}

fn nanosleep_sleeps_at_least_its_time() -> Outcome {
    for time in [Duration::from_micros(100), Duration::from_millis(15)] {
        let start = clock_gettime(CLOCK_MONOTONIC)?;
        nanosleep(timespec(time)).0?;
        expect(clock_gettime(CLOCK_MONOTONIC)? >= start + time, "the time is over")?;
    }
    Ok(())
}

fn nanosleep_of_zero_returns_at_once() -> Outcome {
    Ok(nanosleep(timespec(Duration::ZERO)).0?)
}

fn nanosleep_with_bad_nanoseconds_gives_einval() -> Outcome {
    for (tv_sec, tv_nsec) in [(0, 1_000_000_000), (0, -1), (-1, 0)] {
        expect_errno(nanosleep(libc::timespec { tv_sec, tv_nsec }).0, EINVAL)?;
        expect_errno(clock_nanosleep(CLOCK_MONOTONIC, 0, libc::timespec { tv_sec, tv_nsec }).0, EINVAL)?;
    }
    Ok(())
}

fn interrupted_nanosleep_tells_the_rest() -> Outcome {
    let child = process::spawn(|| {
        signal::count(libc::SIGUSR1, libc::SA_RESTART)?;
        let (result, left) = nanosleep(timespec(Duration::from_secs(100)));
        expect_errno(result, EINTR)?;
        // Linux counts its timer slack as left: who is interrupted at once may have a little more than all.
        expect(left > Duration::from_secs(60) && left < Duration::from_secs(101), "most of the time is left")
    })?;
    child.wait_until_asleep()?;
    child.kill(libc::SIGUSR1)?;
    child.expect_success()
}

fn sleep_goes_on_after_an_ignored_signal() -> Outcome {
    let child = process::spawn(|| {
        let start = clock_gettime(CLOCK_MONOTONIC)?;
        nanosleep(timespec(Duration::from_millis(60))).0?;
        expect(clock_gettime(CLOCK_MONOTONIC)? >= start + Duration::from_millis(60), "the time is over")
    })?;
    child.wait_until_asleep()?;
    // Its default action is to ignore.
    child.kill(libc::SIGCHLD)?;
    child.expect_success()
}

fn absolute_sleep_ends_at_its_time() -> Outcome {
    for clock in [CLOCK_MONOTONIC, CLOCK_REALTIME] {
        let target = clock_gettime(clock)? + Duration::from_millis(15);
        clock_nanosleep(clock, TIMER_ABSTIME, timespec(target)).0?;
        expect(clock_gettime(clock)? >= target, "the time has come")?;
    }
    Ok(())
}

fn absolute_sleep_in_the_past_returns_at_once() -> Outcome {
    Ok(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, timespec(Duration::ZERO)).0?)
}

fn interrupted_absolute_sleep_leaves_the_rest_alone() -> Outcome {
    let child = process::spawn(|| {
        signal::count(libc::SIGUSR1, 0)?;
        let target = clock_gettime(CLOCK_MONOTONIC)? + Duration::from_secs(100);
        let (result, left) = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, timespec(target));
        expect_errno(result, EINTR)?;
        expect_eq(left, Duration::ZERO, "the rest, which nobody wrote")
    })?;
    child.wait_until_asleep()?;
    child.kill(libc::SIGUSR1)?;
    child.expect_success()
}

fn clock_nanosleep_with_an_unknown_clock_gives_einval() -> Outcome {
    expect_errno(clock_nanosleep(1000, 0, timespec(Duration::ZERO)).0, EINVAL)?;
    // The man page says EINVAL, which libc makes of what the call itself returns.
    let thread_clock = clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, timespec(Duration::ZERO)).0;
    expect_errno(thread_clock, libc::EOPNOTSUPP)
}

fn monotonic_clock_agrees_between_processes() -> Outcome {
    let before = clock_gettime(CLOCK_MONOTONIC)?;
    process::spawn(|| expect(clock_gettime(CLOCK_MONOTONIC)? >= before, "the child's reading is not smaller"))?
        .expect_success()
}

fn times_returns_growing_ticks() -> Outcome {
    let ticks = || {
        let mut buffer: libc::tms = zeroed();
        // SAFETY: room for the struct.
        crate::sys::checked("times", unsafe { libc::times(&raw mut buffer) })
    };
    let before = ticks()?;
    nanosleep(timespec(Duration::from_millis(30))).0?;
    expect(ticks()? > before, "thirty milliseconds are more than a hundredth of a second")
}

fn coarse_clocks_lag_little() -> Outcome {
    for (coarse, fine) in
        [(libc::CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC), (libc::CLOCK_REALTIME_COARSE, CLOCK_REALTIME)]
    {
        let (early, late) = (clock_gettime(coarse)?, clock_gettime(fine)?);
        expect(early <= late + Duration::from_millis(1), "the coarse clock is not ahead")?;
        expect(late.saturating_sub(early) < Duration::from_secs(1), "the coarse clock is near")?;
    }
    Ok(())
}
