//! Sending signals, and what they do by default. Specification: kill(2), tgkill(2), signal(7).

use crate::check::{Outcome, expect, expect_eq, expect_errno, needs_root};
use crate::sys::fd::{self, Pipe};
use crate::sys::process::{self, kill, tgkill, tkill};
use crate::sys::signal;
use libc::{EAGAIN, EINVAL, EPERM, ESRCH, SIGALRM, SIGCHLD, SIGKILL, SIGSTOP, SIGTERM, SIGUSR1};
use std::time::Duration;

crate::tests! {
    kill_with_signal_zero_only_checks,
    kill_of_a_missing_process_gives_esrch,
    kill_with_a_bad_signal_gives_einval,
    kill_of_a_group_reaches_every_member,
    kill_of_somebody_elses_process_gives_eperm,
    tgkill_reaches_the_thread_and_checks_its_group,
    tkill_and_tgkill_with_bad_ids_give_einval,
    thread_of_a_zombie_can_still_be_signalled,
    default_action_of_most_signals_is_to_terminate,
    default_action_of_sigchld_is_to_ignore,
    sigkill_ends_a_process_that_blocks_everything,
    sigkill_ends_a_process_asleep_in_a_call,
    stopped_process_goes_on_with_sigcont,
    sigcont_to_a_group_is_told_to_the_parent,
}

fn kill_with_signal_zero_only_checks() -> Outcome {
    let child = process::spawn_sleeper()?;
    child.kill(0)?;
    expect(process::wait4(child.pid, libc::WNOHANG)?.is_none(), "the child lives")?;
    child.kill_and_wait()
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
        expect_eq(child.wait()?.signalled(), Some(SIGTERM), "the signal that killed a member")?;
    }
    expect(process::wait4(outsider.pid, libc::WNOHANG)?.is_none(), "the outsider lives")?;
    outsider.kill_and_wait()
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
    child.kill_and_wait()
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

fn thread_of_a_zombie_can_still_be_signalled() -> Outcome {
    let child = process::spawn_exit(0)?;
    process::wait_for_state(child.pid, 'Z')?;
    for number in [0, SIGTERM] {
        tkill(child.pid, number)?;
        tgkill(child.pid, child.pid, number)?;
        expect_errno(tgkill(process::getpid(), child.pid, number), ESRCH)?;
    }
    expect_errno(tgkill(child.pid, child.pid, 65), EINVAL)?;
    child.expect_success()?;
    expect_errno(tkill(child.pid, 0), ESRCH)?;
    expect_errno(tgkill(child.pid, child.pid, 0), ESRCH)
}

fn default_action_of_most_signals_is_to_terminate() -> Outcome {
    for number in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGPIPE, SIGALRM, SIGTERM, SIGUSR1, libc::SIGABRT] {
        let child = process::spawn(|| {
            signal::default(number)?;
            Ok(signal::raise(number)?)
        })?;
        expect_eq(child.wait()?.signalled(), Some(number), "the signal that killed")?;
    }
    Ok(())
}

fn default_action_of_sigchld_is_to_ignore() -> Outcome {
    for number in [SIGCHLD, libc::SIGURG, libc::SIGWINCH, libc::SIGCONT] {
        signal::raise(number)?;
    }
    Ok(())
}

fn sigkill_ends_a_process_that_blocks_everything() -> Outcome {
    let all: Vec<i32> = (1..32).collect();
    signal::block(&all)?;
    let child = process::spawn_sleeper()?;
    child.kill(SIGTERM)?;
    expect(process::wait4(child.pid, libc::WNOHANG)?.is_none(), "a blocked SIGTERM does not end it")?;
    child.kill_and_wait()
}

fn sigkill_ends_a_process_asleep_in_a_call() -> Outcome {
    let pipe = Pipe::new()?;
    let child = process::spawn(|| {
        fd::read(pipe.read, &mut [0; 1])?;
        Ok(())
    })?;
    child.wait_until_asleep()?;
    child.kill_and_wait()
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
    expect_eq(stopped, Some(SIGSTOP << 8 | 0x7f), "the wait status of a stopped child")?;
    fd::write(pipe.write, b"x")?;
    process::wait_for_state(child.pid, 'T')?;
    child.kill(libc::SIGCONT)?;
    let continued = process::wait4(child.pid, libc::WCONTINUED)?.map(|(_, status)| status.0);
    // It may have ended before anybody asked: then the end is what is reported.
    if continued == Some(0xffff) { child.expect_success() } else { expect_eq(continued, Some(0), "the wait status") }
}

fn sigcont_to_a_group_is_told_to_the_parent() -> Outcome {
    signal::block(&[SIGCHLD])?;
    let children = [process::spawn_sleeper()?, process::spawn_sleeper()?, process::spawn_sleeper()?];
    let group = children[0].pid;
    children.iter().try_for_each(|child| process::setpgid(child.pid, group))?;
    kill(-group, SIGSTOP)?;
    for child in children {
        let stopped = process::wait4(child.pid, libc::WUNTRACED)?.map(|(_, status)| status.0);
        expect_eq(stopped, Some(SIGSTOP << 8 | 0x7f), "the wait status of a stopped child")?;
    }
    while signal::sigtimedwait(&[SIGCHLD], Duration::ZERO).is_ok() {}
    kill(-group, libc::SIGCONT)?;
    let (_, pid) = signal::sigtimedwait(&[SIGCHLD], Duration::from_secs(10))?;
    expect(children.iter().any(|child| child.pid == pid), "SIGCHLD is about one of them")?;
    for child in children {
        let continued = process::wait4(child.pid, libc::WCONTINUED)?.map(|(_, status)| status.0);
        expect_eq(continued, Some(0xffff), "the wait status of a child that goes on")?;
    }
    // wait4 can see the change before Linux has the child send SIGCHLD, which it does on its way back to sleep.
    children.iter().try_for_each(|child| child.wait_until_asleep())?;
    while signal::sigtimedwait(&[SIGCHLD], Duration::ZERO).is_ok() {}
    // Nobody was stopped.
    kill(-group, libc::SIGCONT)?;
    expect_errno(signal::sigtimedwait(&[SIGCHLD], Duration::ZERO), EAGAIN)?;
    kill(-group, SIGKILL)?;
    children.into_iter().try_for_each(|child| child.wait().map(drop))
}
