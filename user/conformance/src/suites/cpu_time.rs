//! Timers and limits that go by CPU time. Specification: setitimer(2), getrlimit(2), clock_nanosleep(2), timer_create(2).

use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno};
use crate::sys::time::{clock_gettime, clock_nanosleep, nanosleep, timespec};
use crate::sys::timer::{
    Event, Setting, getitimer, setitimer, timer_create, timer_gettime, timer_settime, wait_for_timer,
};
use crate::sys::{process, signal};
use libc::{
    CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, EAGAIN, EINVAL, ITIMER_PROF, ITIMER_VIRTUAL,
    RLIMIT_CPU, SIGKILL, SIGPROF, SIGUSR1, SIGVTALRM, SIGXCPU,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

crate::tests! {
    itimer_prof_and_virtual_raise_their_signals_after_cpu_time,
    they_stand_still_while_the_process_sleeps,
    their_intervals_repeat,
    getitimer_tells_what_cpu_time_is_left,
    setting_them_to_zero_stops_them,
    a_child_has_none_of_them,
    a_posix_timer_goes_by_the_cpu_time_of_the_process,
    a_posix_timer_goes_by_the_cpu_time_of_a_thread,
    a_sleep_until_cpu_time_ends_when_others_have_used_it,
    a_sleep_until_cpu_time_that_has_passed_returns_at_once,
    a_sleep_on_the_clock_of_the_thread_itself_gives_einval,
    rlimit_cpu_sends_sigxcpu_at_the_soft_limit_and_raises_that,
    rlimit_cpu_kills_at_the_hard_limit,
    a_child_inherits_rlimit_cpu_and_starts_at_zero,
}

const WORK: Duration = Duration::from_millis(50);

/// Uses CPU time until the process has used so much more.
fn work(time: Duration) -> Outcome {
    let end = clock_gettime(CLOCK_PROCESS_CPUTIME_ID)? + time;
    while clock_gettime(CLOCK_PROCESS_CPUTIME_ID)? < end {
        std::hint::black_box(0);
    }
    Ok(())
}

/// What Linux counts for these timers and limits are ticks, charged whole to whom they interrupt: the signal may be early by
/// some, and on a machine where others run too by any part of the CPU time. Time that passes is a bound there.
fn expect_nearly(used: Duration, wanted: Duration) -> Outcome {
    const TICKS: Duration = Duration::from_millis(20);
    let early = wanted.saturating_sub(used);
    expect(early <= wanted / 10 + TICKS, &format!("{used:?} are about {wanted:?}"))
}

/// Uses CPU time until the counting handler has run `times` for `signal`; how much.
fn work_until_caught(signal: i32, times: u32) -> Result<Duration, Failure> {
    let start = clock_gettime(CLOCK_PROCESS_CPUTIME_ID)?;
    // Ends when the signal comes; if it never does, the watchdog says so.
    while signal::caught(signal) < times {
        std::hint::black_box(0);
    }
    Ok(clock_gettime(CLOCK_PROCESS_CPUTIME_ID)? - start)
}

fn itimer_prof_and_virtual_raise_their_signals_after_cpu_time() -> Outcome {
    for (timer, number) in [(ITIMER_PROF, SIGPROF), (ITIMER_VIRTUAL, SIGVTALRM)] {
        signal::count(number, 0)?;
        let start = clock_gettime(CLOCK_MONOTONIC)?;
        setitimer(timer, Setting::once(WORK))?;
        work_until_caught(number, 1)?;
        expect_nearly(clock_gettime(CLOCK_MONOTONIC)? - start, WORK)?;
        expect_eq(signal::last_code(), libc::SI_KERNEL, "si_code")?;
        expect_eq(getitimer(timer)?, Setting::default(), "what is left")?;
    }
    Ok(())
}

fn they_stand_still_while_the_process_sleeps() -> Outcome {
    signal::block(&[SIGPROF, SIGVTALRM])?;
    for timer in [ITIMER_PROF, ITIMER_VIRTUAL] {
        setitimer(timer, Setting::once(Duration::from_secs(1)))?;
    }
    nanosleep(timespec(Duration::from_millis(100))).0?;
    for timer in [ITIMER_PROF, ITIMER_VIRTUAL] {
        let left = getitimer(timer)?.value;
        expect(left > Duration::from_millis(930), &format!("{left:?} are nearly all"))?;
    }
    Ok(())
}

fn their_intervals_repeat() -> Outcome {
    for (timer, number) in [(ITIMER_PROF, SIGPROF), (ITIMER_VIRTUAL, SIGVTALRM)] {
        signal::count(number, 0)?;
        setitimer(timer, Setting::every(Duration::from_millis(10)))?;
        work_until_caught(number, 3)?;
        setitimer(timer, Setting::default())?;
    }
    Ok(())
}

fn getitimer_tells_what_cpu_time_is_left() -> Outcome {
    const LONG: Duration = Duration::from_secs(100);
    for timer in [ITIMER_PROF, ITIMER_VIRTUAL] {
        setitimer(timer, Setting { interval: WORK, value: LONG })?;
        let now = getitimer(timer)?;
        expect_eq(now.interval, WORK, "the interval")?;
        // Linux counts in ticks here, and rounds up.
        expect(now.value > LONG / 2 && now.value <= LONG + Duration::from_millis(10), "nearly all is left")?;
        let old = setitimer(timer, Setting::default())?;
        expect(old.interval == WORK && old.value > LONG / 2, "the same is told by setitimer")?;
    }
    Ok(())
}

fn setting_them_to_zero_stops_them() -> Outcome {
    signal::block(&[SIGPROF])?;
    setitimer(ITIMER_PROF, Setting::once(WORK))?;
    setitimer(ITIMER_PROF, Setting::default())?;
    work(WORK * 2)?;
    expect_errno(signal::sigtimedwait(&[SIGPROF], Duration::ZERO), EAGAIN)
}

fn a_child_has_none_of_them() -> Outcome {
    setitimer(ITIMER_PROF, Setting::once(Duration::from_secs(100)))?;
    setitimer(ITIMER_VIRTUAL, Setting::once(Duration::from_secs(100)))?;
    process::spawn(|| {
        expect_eq(getitimer(ITIMER_PROF)?, Setting::default(), "the child's ITIMER_PROF")?;
        expect_eq(getitimer(ITIMER_VIRTUAL)?, Setting::default(), "the child's ITIMER_VIRTUAL")
    })?
    .expect_success()
}

fn a_posix_timer_goes_by_the_cpu_time_of_the_process() -> Outcome {
    signal::count(SIGUSR1, 0)?;
    let timer = timer_create(CLOCK_PROCESS_CPUTIME_ID, Some(Event::signal(SIGUSR1, 0)))?;
    let start = clock_gettime(CLOCK_PROCESS_CPUTIME_ID)?;
    timer_settime(timer, 0, Setting::every(WORK))?;
    work_until_caught(SIGUSR1, 2)?;
    expect(clock_gettime(CLOCK_PROCESS_CPUTIME_ID)? >= start + WORK * 2, "the time has been used")?;
    let left = timer_gettime(timer)?;
    expect(left.interval == WORK && left.value <= WORK + Duration::from_millis(10), "the next expiry is near")
}

fn a_posix_timer_goes_by_the_cpu_time_of_a_thread() -> Outcome {
    signal::block(&[SIGUSR1])?;
    let timer = timer_create(CLOCK_THREAD_CPUTIME_ID, Some(Event::signal(SIGUSR1, 3)))?;
    let start = clock_gettime(CLOCK_THREAD_CPUTIME_ID)?;
    timer_settime(timer, 0, Setting::once(WORK))?;
    std::thread::spawn(|| work(WORK * 3)).join().map_err(|_| crate::check::failed("the thread panicked"))??;
    // The kernel looks at it at ticks, some time after it is due. If it never comes, the watchdog says so.
    let told = loop {
        match wait_for_timer(&[SIGUSR1], Duration::ZERO) {
            Err(error) if error.errno == EAGAIN => work(Duration::from_millis(1))?,
            told => break told?,
        }
    };
    expect_eq(told.value, 3, "the value")?;
    // What the other thread used does not count.
    expect_nearly(clock_gettime(CLOCK_THREAD_CPUTIME_ID)? - start, WORK)
}

fn a_sleep_until_cpu_time_ends_when_others_have_used_it() -> Outcome {
    static DONE: AtomicBool = AtomicBool::new(false);
    let worker = std::thread::spawn(|| {
        while !DONE.load(Ordering::Relaxed) {
            std::hint::black_box(0);
        }
    });
    for flags in [0, libc::TIMER_ABSTIME] {
        let start = clock_gettime(CLOCK_PROCESS_CPUTIME_ID)?;
        let time = if flags == 0 { WORK } else { start + WORK };
        let slept = clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, flags, timespec(time)).0;
        let used = clock_gettime(CLOCK_PROCESS_CPUTIME_ID)? - start;
        slept?;
        expect(used >= WORK, &format!("{used:?} have been used"))?;
    }
    DONE.store(true, Ordering::Relaxed);
    worker.join().map_err(|_| crate::check::failed("the thread panicked"))
}

fn a_sleep_until_cpu_time_that_has_passed_returns_at_once() -> Outcome {
    Ok(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, libc::TIMER_ABSTIME, timespec(Duration::from_nanos(1))).0?)
}

fn a_sleep_on_the_clock_of_the_thread_itself_gives_einval() -> Outcome {
    // As pthread_getcpuclockid makes it.
    let own = (!process::gettid() << 3) | 6;
    expect_errno(clock_nanosleep(own, 0, timespec(WORK)).0, EINVAL)
}

fn rlimit_cpu_sends_sigxcpu_at_the_soft_limit_and_raises_that() -> Outcome {
    process::spawn(|| {
        let start = clock_gettime(CLOCK_MONOTONIC)?;
        signal::count(SIGXCPU, 0)?;
        process::set_soft_limit(RLIMIT_CPU, 1)?;
        work_until_caught(SIGXCPU, 1)?;
        expect_nearly(clock_gettime(CLOCK_MONOTONIC)? - start, Duration::from_secs(1))?;
        expect_eq(process::getrlimit(RLIMIT_CPU)?.rlim_cur, 2, "the soft limit")
    })?
    .expect_success()
}

fn rlimit_cpu_kills_at_the_hard_limit() -> Outcome {
    let child = process::spawn(|| {
        signal::ignore(SIGXCPU)?;
        process::set_both_limits(RLIMIT_CPU, 1)?;
        work(Duration::from_secs(1000))
    })?;
    expect_eq(child.wait()?.signalled(), Some(SIGKILL), "the signal that ended the child")
}

fn a_child_inherits_rlimit_cpu_and_starts_at_zero() -> Outcome {
    process::spawn(|| {
        process::set_soft_limit(RLIMIT_CPU, 1)?;
        work(Duration::from_millis(600))?;
        let start = clock_gettime(CLOCK_MONOTONIC)?;
        let child = process::spawn(|| work(Duration::from_secs(1000)))?;
        expect_eq(child.wait()?.signalled(), Some(SIGXCPU), "the signal that ended the child")?;
        let lived = clock_gettime(CLOCK_MONOTONIC)? - start;
        expect(lived >= Duration::from_millis(950), &format!("it lived {lived:?}, a second of its own"))
    })?
    .expect_success()
}
