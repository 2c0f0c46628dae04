//! Signals: blocking, pending, waiting. Specification: signal(7), sigprocmask(2), sigsuspend(2), sigtimedwait(2).

use crate::check::{Outcome, expect, expect_eq, expect_errno};
use crate::sys::process::{self};
use crate::sys::signal;
use libc::{EINTR, EINVAL, SIGALRM, SIGKILL, SIGSTOP, SIGTERM, SIGUSR1, SIGUSR2};
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
    ignored_pending_signal_vanishes,
}

fn blocked_signal_stays_pending_until_unblocked() -> Outcome {
    signal::count(SIGUSR1, 0)?;
    signal::block(&[SIGUSR1])?;
    signal::raise(SIGUSR1)?;
    expect_eq(signal::caught(SIGUSR1), 0, "handlers run while it is blocked")?;
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
    expect_eq(signal::block(&[SIGUSR1, SIGUSR2])?, [], "the mask before blocking")?;
    expect_eq(signal::unblock(&[SIGUSR1])?, [SIGUSR1, SIGUSR2], "the mask before unblocking")?;
    expect_eq(signal::set_mask(&[SIGTERM])?, [SIGUSR2], "the mask before setting")?;
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
    expect_errno(signal::sigtimedwait(&[SIGUSR1], Duration::from_millis(20)), libc::EAGAIN)?;
    expect(start.elapsed() >= Duration::from_millis(20), "twenty milliseconds are over")
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
        expect_errno(signal::sigtimedwait(&[SIGUSR1], Duration::from_secs(10)), EINTR)
    })?;
    waiter.wait_until_asleep()?;
    waiter.kill(SIGUSR2)?;
    waiter.expect_success()
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
