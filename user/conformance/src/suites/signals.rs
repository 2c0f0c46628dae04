//! Signals: sending, blocking, waiting. Specification: signal(7), kill(2), sigprocmask(2), sigsuspend(2), sigtimedwait(2), POSIX.

use crate::check::{Outcome, expect, expect_eq, expect_errno, needs_root};
use crate::sys::fd::{self, Pipe};
use crate::sys::process::{self, kill, tgkill, tkill};
use crate::sys::{signal, time};
use libc::{
    EINTR, EINVAL, EPERM, ESRCH, SIGALRM, SIGCHLD, SIGKILL, SIGSTOP, SIGTERM, SIGUSR1, SIGUSR2,
};
use std::time::{Duration, Instant};

crate::tests! {
    blocked_signal_stays_pending_until_unblocked,
    pending_signal_is_delivered_before_unblocking_returns,
    standard_signals_do_not_queue,
    different_pending_signals_are_all_delivered,
    kill_and_stop_cannot_be_blocked,
    sigprocmask_blocks_unblocks_and_sets,
    sigprocmask_with_an_unknown_how_gives_einval,
    sigsuspend_waits_with_its_mask_and_restores_the_old,
    pause_returns_after_a_handler,
    sigtimedwait_takes_a_pending_signal_without_running_its_handler,
    sigtimedwait_times_out_with_eagain,
    sigtimedwait_wakes_when_the_signal_comes,
    sigtimedwait_is_interrupted_by_another_signal,
    kill_with_signal_zero_only_checks,
    kill_of_a_missing_process_gives_esrch,
    kill_with_a_bad_signal_gives_einval,
    kill_of_a_group_reaches_every_member,
    kill_of_somebody_elses_process_gives_eperm,
    tgkill_reaches_the_thread_and_checks_its_group,
    tkill_and_tgkill_with_bad_ids_give_einval,
    default_action_of_most_signals_is_to_terminate,
    default_action_of_sigchld_is_to_ignore,
    ignored_pending_signal_vanishes,
    sigkill_ends_a_process_that_blocks_everything,
    sigkill_ends_a_process_asleep_in_a_call,
    setitimer_raises_sigalrm_after_its_time,
    setitimer_with_an_interval_repeats,
    setitimer_with_zero_stops,
    setitimer_with_bad_microseconds_gives_einval,
    getitimer_tells_what_is_left,
    alarm_interrupts_a_read,
    stopped_process_goes_on_with_sigcont,
}

fn blocked_signal_stays_pending_until_unblocked() -> Outcome {
    signal::count(SIGUSR1, 0)?;
    signal::block(&[SIGUSR1])?;
    signal::raise(SIGUSR1)?;
    expect_eq(
        signal::caught(SIGUSR1),
        0,
        "handlers run while it is blocked",
    )?;
    expect_eq(signal::pending()?, [SIGUSR1], "the pending signals")?;
    signal::unblock(&[SIGUSR1])?;
    expect_eq(signal::caught(SIGUSR1), 1, "handlers run afterwards")?;
    expect_eq(signal::pending()?, [], "the pending signals afterwards")
}

fn pending_signal_is_delivered_before_unblocking_returns() -> Outcome {
    signal::count(SIGUSR1, 0)?;
    for round in 1..=20 {
        signal::block(&[SIGUSR1])?;
        signal::raise(SIGUSR1)?;
        signal::set_mask(&[])?;
        expect_eq(signal::caught(SIGUSR1), round, "handlers run")?;
    }
    Ok(())
}

fn standard_signals_do_not_queue() -> Outcome {
    signal::count(SIGUSR1, 0)?;
    signal::block(&[SIGUSR1])?;
    for _ in 0..5 {
        signal::raise(SIGUSR1)?;
    }
    signal::unblock(&[SIGUSR1])?;
    expect_eq(signal::caught(SIGUSR1), 1, "handlers run")
}

fn different_pending_signals_are_all_delivered() -> Outcome {
    let all = [SIGUSR1, SIGUSR2, SIGTERM, SIGALRM];
    for number in all {
        signal::count(number, 0)?;
    }
    signal::block(&all)?;
    for number in all {
        signal::raise(number)?;
    }
    signal::unblock(&all)?;
    expect_eq(all.map(signal::caught), [1; 4], "handlers run")
}

fn kill_and_stop_cannot_be_blocked() -> Outcome {
    signal::block(&[SIGKILL, SIGSTOP, SIGUSR1])?;
    expect_eq(signal::mask()?, [SIGUSR1], "the mask")
}

fn sigprocmask_blocks_unblocks_and_sets() -> Outcome {
    expect_eq(
        signal::block(&[SIGUSR1, SIGUSR2])?,
        [],
        "the mask before blocking",
    )?;
    expect_eq(
        signal::unblock(&[SIGUSR1])?,
        [SIGUSR1, SIGUSR2],
        "the mask before unblocking",
    )?;
    expect_eq(
        signal::set_mask(&[SIGTERM])?,
        [SIGUSR2],
        "the mask before setting",
    )?;
    expect_eq(signal::mask()?, [SIGTERM], "the mask in the end")
}

fn sigprocmask_with_an_unknown_how_gives_einval() -> Outcome {
    expect_errno(signal::sigprocmask(99, &[SIGUSR1]), EINVAL)
}

fn sigsuspend_waits_with_its_mask_and_restores_the_old() -> Outcome {
    let waiter = process::spawn(|| {
        signal::count(SIGUSR1, libc::SA_RESTART)?;
        signal::count(SIGUSR2, 0)?;
        signal::block(&[SIGUSR1])?;
        expect_errno(signal::sigsuspend(&[SIGUSR2]), EINTR)?;
        expect_eq(signal::caught(SIGUSR1), 1, "handlers run")?;
        expect_eq(signal::mask()?, [SIGUSR1], "the mask afterwards")
    })?;
    waiter.wait_until_asleep()?;
    // Blocked by sigsuspend's mask: this one must not wake it.
    waiter.kill(SIGUSR2)?;
    waiter.wait_until_asleep()?;
    waiter.kill(SIGUSR1)?;
    waiter.expect_success()
}

fn pause_returns_after_a_handler() -> Outcome {
    let waiter = process::spawn(|| {
        signal::count(SIGUSR1, libc::SA_RESTART)?;
        process::pause();
        expect_eq(signal::caught(SIGUSR1), 1, "handlers run")
    })?;
    waiter.wait_until_asleep()?;
    waiter.kill(SIGUSR1)?;
    waiter.expect_success()
}

fn sigtimedwait_takes_a_pending_signal_without_running_its_handler() -> Outcome {
    signal::count(SIGUSR1, 0)?;
    signal::block(&[SIGUSR1])?;
    signal::raise(SIGUSR1)?;
    let taken = signal::sigtimedwait(&[SIGUSR1, SIGUSR2], Duration::ZERO)?;
    expect_eq(taken, (SIGUSR1, process::getpid()), "signal and sender")?;
    expect_eq(signal::pending()?, [], "the pending signals")?;
    signal::unblock(&[SIGUSR1])?;
    expect_eq(signal::caught(SIGUSR1), 0, "handlers run")
}

fn sigtimedwait_times_out_with_eagain() -> Outcome {
    signal::block(&[SIGUSR1])?;
    let start = Instant::now();
    expect_errno(
        signal::sigtimedwait(&[SIGUSR1], Duration::from_millis(20)),
        libc::EAGAIN,
    )?;
    expect(
        start.elapsed() >= Duration::from_millis(20),
        "twenty milliseconds are over",
    )
}

fn sigtimedwait_wakes_when_the_signal_comes() -> Outcome {
    let sender = process::getpid();
    signal::block(&[SIGUSR1])?;
    let waiter = process::spawn(|| {
        let taken = signal::sigtimedwait(&[SIGUSR1], Duration::from_secs(10))?;
        expect_eq(taken, (SIGUSR1, sender), "signal and sender")
    })?;
    waiter.wait_until_asleep()?;
    waiter.kill(SIGUSR1)?;
    waiter.expect_success()
}

fn sigtimedwait_is_interrupted_by_another_signal() -> Outcome {
    let waiter = process::spawn(|| {
        signal::count(SIGUSR2, libc::SA_RESTART)?;
        signal::block(&[SIGUSR1])?;
        expect_errno(
            signal::sigtimedwait(&[SIGUSR1], Duration::from_secs(10)),
            EINTR,
        )
    })?;
    waiter.wait_until_asleep()?;
    waiter.kill(SIGUSR2)?;
    waiter.expect_success()
}

fn kill_with_signal_zero_only_checks() -> Outcome {
    let child = process::spawn_sleeper()?;
    child.kill(0)?;
    expect(
        process::wait4(child.pid, libc::WNOHANG)?.is_none(),
        "the child lives",
    )?;
    child.kill(SIGKILL)?;
    child.wait().map(drop)
}

fn kill_of_a_missing_process_gives_esrch() -> Outcome {
    let child = process::spawn_exit(0)?;
    child.wait()?;
    for number in [0, SIGTERM] {
        expect_errno(kill(child.pid, number), ESRCH)?;
        expect_errno(kill(-child.pid, number), ESRCH)?;
    }
    Ok(())
}

fn kill_with_a_bad_signal_gives_einval() -> Outcome {
    for number in [-1, 65, 1000] {
        expect_errno(kill(process::getpid(), number), EINVAL)?;
    }
    Ok(())
}

fn kill_of_a_group_reaches_every_member() -> Outcome {
    let leader = process::spawn_sleeper()?;
    let member = process::spawn_sleeper()?;
    let outsider = process::spawn_sleeper()?;
    process::setpgid(leader.pid, leader.pid)?;
    process::setpgid(member.pid, leader.pid)?;
    kill(-leader.pid, SIGTERM)?;
    for child in [leader, member] {
        expect_eq(
            child.wait()?.signalled(),
            Some(SIGTERM),
            "the signal that killed a member",
        )?;
    }
    expect(
        process::wait4(outsider.pid, libc::WNOHANG)?.is_none(),
        "the outsider lives",
    )?;
    outsider.kill(SIGKILL)?;
    outsider.wait().map(drop)
}

fn kill_of_somebody_elses_process_gives_eperm() -> Outcome {
    needs_root()?;
    let child = process::spawn_sleeper()?;
    process::spawn(|| {
        process::become_user(12_345)?;
        expect_errno(child.kill(SIGTERM), EPERM)?;
        expect_errno(child.kill(0), EPERM)
    })?
    .expect_success()?;
    child.kill(SIGKILL)?;
    child.wait().map(drop)
}

fn tgkill_reaches_the_thread_and_checks_its_group() -> Outcome {
    signal::count(SIGUSR1, 0)?;
    let (pid, thread) = (process::getpid(), process::gettid());
    expect_eq(pid, thread, "the main thread's id")?;
    tgkill(pid, thread, SIGUSR1)?;
    expect_eq(signal::caught(SIGUSR1), 1, "handlers run")?;
    tkill(thread, SIGUSR1)?;
    expect_eq(signal::caught(SIGUSR1), 2, "handlers run after tkill")?;
    expect_errno(tgkill(process::getppid(), thread, SIGUSR1), ESRCH)
}

fn tkill_and_tgkill_with_bad_ids_give_einval() -> Outcome {
    expect_errno(tkill(0, SIGUSR1), EINVAL)?;
    expect_errno(tkill(-1, SIGUSR1), EINVAL)?;
    expect_errno(tgkill(0, process::gettid(), SIGUSR1), EINVAL)?;
    expect_errno(tgkill(process::getpid(), process::gettid(), 65), EINVAL)
}

fn default_action_of_most_signals_is_to_terminate() -> Outcome {
    for number in [
        libc::SIGHUP,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGPIPE,
        SIGALRM,
        SIGTERM,
        SIGUSR1,
        libc::SIGABRT,
    ] {
        let child = process::spawn(|| {
            signal::default(number)?;
            Ok(signal::raise(number)?)
        })?;
        expect_eq(
            child.wait()?.signalled(),
            Some(number),
            "the signal that killed",
        )?;
    }
    Ok(())
}

fn default_action_of_sigchld_is_to_ignore() -> Outcome {
    for number in [SIGCHLD, libc::SIGURG, libc::SIGWINCH, libc::SIGCONT] {
        signal::raise(number)?;
    }
    Ok(())
}

fn ignored_pending_signal_vanishes() -> Outcome {
    signal::count(SIGUSR1, 0)?;
    signal::block(&[SIGUSR1])?;
    signal::raise(SIGUSR1)?;
    signal::ignore(SIGUSR1)?;
    expect_eq(signal::pending()?, [], "the pending signals")?;
    signal::count(SIGUSR1, 0)?;
    signal::unblock(&[SIGUSR1])?;
    expect_eq(signal::caught(SIGUSR1), 0, "handlers run")
}

fn sigkill_ends_a_process_that_blocks_everything() -> Outcome {
    let all: Vec<i32> = (1..32).collect();
    signal::block(&all)?;
    let child = process::spawn_sleeper()?;
    child.kill(SIGTERM)?;
    expect(
        process::wait4(child.pid, libc::WNOHANG)?.is_none(),
        "a blocked SIGTERM does not end it",
    )?;
    child.kill(SIGKILL)?;
    expect_eq(
        child.wait()?.signalled(),
        Some(SIGKILL),
        "the signal that killed",
    )
}

fn sigkill_ends_a_process_asleep_in_a_call() -> Outcome {
    let pipe = Pipe::new()?;
    let child = process::spawn(|| {
        fd::read(pipe.read, &mut [0; 1])?;
        Ok(())
    })?;
    child.wait_until_asleep()?;
    child.kill(SIGKILL)?;
    expect_eq(
        child.wait()?.signalled(),
        Some(SIGKILL),
        "the signal that killed",
    )
}

fn setitimer_raises_sigalrm_after_its_time() -> Outcome {
    signal::block(&[SIGALRM])?;
    let start = Instant::now();
    time::alarm_after(Duration::from_millis(20), Duration::ZERO)?;
    expect_eq(
        signal::sigtimedwait(&[SIGALRM], Duration::from_secs(10))?.0,
        SIGALRM,
        "the signal",
    )?;
    expect(
        start.elapsed() >= Duration::from_millis(20),
        "twenty milliseconds are over",
    )?;
    expect_errno(
        signal::sigtimedwait(&[SIGALRM], Duration::from_millis(30)),
        libc::EAGAIN,
    )
}

fn setitimer_with_an_interval_repeats() -> Outcome {
    signal::block(&[SIGALRM])?;
    time::alarm_after(Duration::from_millis(5), Duration::from_millis(5))?;
    for _ in 0..4 {
        expect_eq(
            signal::sigtimedwait(&[SIGALRM], Duration::from_secs(10))?.0,
            SIGALRM,
            "the signal",
        )?;
    }
    Ok(())
}

fn setitimer_with_zero_stops() -> Outcome {
    signal::block(&[SIGALRM])?;
    time::alarm_after(Duration::from_millis(20), Duration::ZERO)?;
    time::alarm_after(Duration::ZERO, Duration::ZERO)?;
    expect_errno(
        signal::sigtimedwait(&[SIGALRM], Duration::from_millis(40)),
        libc::EAGAIN,
    )?;
    expect_eq(time::alarm_left()?, Duration::ZERO, "what is left")
}

fn setitimer_with_bad_microseconds_gives_einval() -> Outcome {
    let bad = libc::timeval {
        tv_sec: 0,
        tv_usec: 1_000_000,
    };
    let timer = libc::itimerval {
        it_interval: bad,
        it_value: bad,
    };
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
    expect(
        left > Duration::from_secs(40) && left <= Duration::from_secs(50),
        "about fifty seconds are left",
    )
}

fn alarm_interrupts_a_read() -> Outcome {
    let pipe = Pipe::new()?;
    signal::count(SIGALRM, 0)?;
    time::alarm_after(Duration::from_millis(20), Duration::from_millis(20))?;
    expect_errno(fd::read(pipe.read, &mut [0; 1]), EINTR)
}

fn stopped_process_goes_on_with_sigcont() -> Outcome {
    let pipe = Pipe::new()?;
    let child = process::spawn(|| {
        fd::read(pipe.read, &mut [0; 1])?;
        Ok(())
    })?;
    child.wait_until_asleep()?;
    child.kill(SIGSTOP)?;
    let stopped = process::wait4(child.pid, libc::WUNTRACED)?.map(|(_, status)| status.0);
    expect_eq(
        stopped,
        Some(SIGSTOP << 8 | 0x7f),
        "the wait status of a stopped child",
    )?;
    fd::write(pipe.write, b"x")?;
    process::wait_for_state(child.pid, 'T')?;
    child.kill(libc::SIGCONT)?;
    let continued = process::wait4(child.pid, libc::WCONTINUED)?.map(|(_, status)| status.0);
    // It may have ended before anybody asked: then the end is what is reported.
    if continued == Some(0xffff) {
        child.expect_success()
    } else {
        expect_eq(continued, Some(0), "the wait status")
    }
}
