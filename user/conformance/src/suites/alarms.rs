//! Interval timers. Specification: setitimer(2), getitimer(2), alarm(2).

use crate::check::{Outcome, expect, expect_eq, expect_errno};
use crate::sys::fd::{self, Pipe};
use crate::sys::{signal, time};
use libc::{EINTR, EINVAL, SIGALRM};
use std::time::{Duration, Instant};

crate::tests! {
    setitimer_raises_sigalrm_after_its_time,
    setitimer_with_an_interval_repeats,
    setitimer_with_zero_stops,
    setitimer_with_bad_microseconds_gives_einval,
    getitimer_tells_what_is_left,
    alarm_interrupts_a_read,
}

fn setitimer_raises_sigalrm_after_its_time() -> Outcome {
    signal::block(&[SIGALRM])?;
    let start = Instant::now();
    time::alarm_after(Duration::from_millis(20), Duration::ZERO)?;
    expect_eq(signal::sigtimedwait(&[SIGALRM], Duration::from_secs(10))?.0, SIGALRM, "the signal")?;
    expect(start.elapsed() >= Duration::from_millis(20), "twenty milliseconds are over")?;
    expect_errno(signal::sigtimedwait(&[SIGALRM], Duration::from_millis(30)), libc::EAGAIN)
}

fn setitimer_with_an_interval_repeats() -> Outcome {
    signal::block(&[SIGALRM])?;
    time::alarm_after(Duration::from_millis(5), Duration::from_millis(5))?;
    for _ in 0..4 {
        expect_eq(signal::sigtimedwait(&[SIGALRM], Duration::from_secs(10))?.0, SIGALRM, "the signal")?;
    }
    Ok(())
}

fn setitimer_with_zero_stops() -> Outcome {
    signal::block(&[SIGALRM])?;
    time::alarm_after(Duration::from_millis(20), Duration::ZERO)?;
    time::alarm_after(Duration::ZERO, Duration::ZERO)?;
    expect_errno(signal::sigtimedwait(&[SIGALRM], Duration::from_millis(40)), libc::EAGAIN)?;
    expect_eq(time::alarm_left()?, Duration::ZERO, "what is left")
}

fn setitimer_with_bad_microseconds_gives_einval() -> Outcome {
    let bad = libc::timeval { tv_sec: 0, tv_usec: 1_000_000 };
    let timer = libc::itimerval { it_interval: bad, it_value: bad };
    let nothing = std::ptr::null_mut::<libc::itimerval>();
    // SAFETY: the kernel reads one struct.
    let value = unsafe { libc::syscall(libc::SYS_setitimer, 0, &raw const timer, nothing) };
    expect_errno(crate::sys::checked("setitimer", value), EINVAL)?;
    // SAFETY: as above; there is no fourth timer.
    let value = unsafe { libc::syscall(libc::SYS_setitimer, 3, nothing, nothing) };
    expect_errno(crate::sys::checked("setitimer", value), EINVAL)
}

fn getitimer_tells_what_is_left() -> Outcome {
    time::alarm_after(Duration::from_secs(50), Duration::ZERO)?;
    let left = time::alarm_left()?;
    expect(left > Duration::from_secs(40) && left <= Duration::from_secs(50), "about fifty seconds are left")
}

fn alarm_interrupts_a_read() -> Outcome {
    let pipe = Pipe::new()?;
    signal::count(SIGALRM, 0)?;
    time::alarm_after(Duration::from_millis(20), Duration::from_millis(20))?;
    expect_errno(fd::read(pipe.read, &mut [0; 1]), EINTR)
}
