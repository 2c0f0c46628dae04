//! wait4, waitid and how processes end. Specification: wait(2), exit(2), POSIX waitid().

use crate::check::{Outcome, expect, expect_eq, expect_errno};
use crate::sys::process::{self, ChildInfo, wait4, waitid};
use crate::sys::{fd, memory, path, signal};
use libc::{
    CLD_EXITED, CLD_KILLED, ECHILD, EINVAL, P_ALL, P_PGID, P_PID, SIGCHLD, WCONTINUED, WEXITED, WNOHANG, WNOWAIT,
    WUNTRACED,
};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

crate::tests! {
    wait_returns_the_exit_code,
    exit_code_keeps_only_eight_bits,
    wait_returns_the_signal_that_killed,
    wait_blocks_until_the_child_ends,
    wait_without_children_gives_echild,
    wait_for_a_process_that_is_no_child_gives_echild,
    wait_reaps_a_child_only_once,
    wait_with_wnohang_returns_zero_while_the_child_lives,
    wait_for_any_child_returns_each_once,
    wait_for_a_group_ignores_other_groups,
    wait_with_unknown_options_gives_einval,
    wait_is_interrupted_by_a_handler_without_sa_restart,
    wait_goes_on_after_a_handler_with_sa_restart,
    ended_child_stays_a_zombie_until_waited_for,
    zombie_can_still_be_signalled,
    waitid_fills_siginfo_for_an_exit,
    waitid_fills_siginfo_for_a_kill,
    waitid_with_wnowait_leaves_the_child_waitable,
    waitid_with_wnohang_and_nothing_ended_clears_the_pid,
    waitid_without_states_to_wait_for_gives_einval,
    waitid_for_a_process_that_is_no_child_gives_echild,
    ignoring_sigchld_makes_children_vanish,
    sa_nocldwait_makes_children_vanish,
    sigchld_comes_when_a_child_ends,
    wait_reports_the_usage_of_the_child,
    continuing_is_reported_after_every_stop_that_was,
    exit_closes_the_descriptors,
    exit_group_ends_all_threads,
    thread_that_exits_alone_leaves_the_process_running,
}

fn wait_returns_the_exit_code() -> Outcome {
    for code in [0, 1, 42, 255] {
        expect_eq(process::spawn_exit(code)?.wait()?.exited(), Some(code), "the exit code")?;
    }
    Ok(())
}

fn exit_code_keeps_only_eight_bits() -> Outcome {
    expect_eq(process::spawn_exit(0x1234)?.wait()?.exited(), Some(0x34), "the exit code")
}

fn wait_returns_the_signal_that_killed() -> Outcome {
    for number in [libc::SIGKILL, libc::SIGTERM, libc::SIGUSR1, libc::SIGALRM] {
        let child = process::spawn_sleeper()?;
        child.kill(number)?;
        let status = child.wait()?;
        expect_eq(status.signalled(), Some(number), "the signal")?;
        expect_eq(status.exited(), None, "the exit code")?;
    }
    Ok(())
}

fn wait_blocks_until_the_child_ends() -> Outcome {
    let gate = fd::Pipe::new()?;
    let waiter = process::spawn(|| {
        let child = process::spawn(|| {
            fd::close(gate.write)?;
            fd::read(gate.read, &mut [0; 1])?;
            Ok(())
        })?;
        fd::close(gate.write)?;
        child.expect_success()
    })?;
    waiter.wait_until_asleep()?;
    expect(wait4(waiter.pid, WNOHANG)?.is_none(), "the waiter still waits")?;
    fd::close(gate.write)?;
    waiter.expect_success()
}

fn wait_without_children_gives_echild() -> Outcome {
    expect_errno(wait4(-1, 0), ECHILD)?;
    expect_errno(wait4(-1, WNOHANG), ECHILD)
}

fn wait_for_a_process_that_is_no_child_gives_echild() -> Outcome {
    let child = process::spawn_sleeper()?;
    expect_errno(wait4(process::getppid(), 0), ECHILD)?;
    expect_errno(wait4(process::getpid(), 0), ECHILD)?;
    child.kill_and_wait()
}

fn wait_reaps_a_child_only_once() -> Outcome {
    let child = process::spawn_exit(0)?;
    child.wait()?;
    expect_errno(wait4(child.pid, 0), ECHILD)?;
    expect_errno(process::kill(child.pid, 0), libc::ESRCH)
}

fn wait_with_wnohang_returns_zero_while_the_child_lives() -> Outcome {
    let child = process::spawn_sleeper()?;
    expect(wait4(child.pid, WNOHANG)?.is_none(), "nobody has ended")?;
    child.kill_and_wait()
}

fn wait_for_any_child_returns_each_once() -> Outcome {
    let mut started: Vec<i32> = Vec::new();
    for code in 0..10 {
        started.push(process::spawn_exit(code)?.pid);
    }
    for _ in 0..10 {
        let Some((pid, status)) = wait4(-1, 0)? else {
            continue;
        };
        let place = started.iter().position(|started| *started == pid);
        expect_eq(status.exited(), place.and_then(|place| i32::try_from(place).ok()), "the exit code")?;
    }
    expect_errno(wait4(-1, 0), ECHILD)
}

fn wait_for_a_group_ignores_other_groups() -> Outcome {
    let outsider = process::spawn_exit(1)?;
    let member = process::spawn_sleeper()?;
    process::setpgid(member.pid, member.pid)?;
    expect(wait4(-member.pid, WNOHANG)?.is_none(), "nobody of the group has ended")?;
    member.kill(libc::SIGKILL)?;
    expect_eq(wait4(-member.pid, 0)?.map(|(pid, _)| pid), Some(member.pid), "who ended in the group")?;
    expect_eq(wait4(0, 0)?.map(|(pid, _)| pid), Some(outsider.pid), "who ended in the caller's group")
}

fn wait_with_unknown_options_gives_einval() -> Outcome {
    expect_errno(wait4(-1, 0x100), EINVAL)
}

fn wait_is_interrupted_by_a_handler_without_sa_restart() -> Outcome {
    let waiter = process::spawn(|| {
        signal::count(libc::SIGUSR1, 0)?;
        let child = process::spawn_sleeper()?;
        expect_errno(wait4(child.pid, 0), libc::EINTR)?;
        child.kill_and_wait()
    })?;
    waiter.wait_until_asleep()?;
    waiter.kill(libc::SIGUSR1)?;
    waiter.expect_success()
}

fn wait_goes_on_after_a_handler_with_sa_restart() -> Outcome {
    let (handled, gate) = (fd::Pipe::new()?, fd::Pipe::new()?);
    let waiter = process::spawn(|| {
        signal::count(libc::SIGUSR1, libc::SA_RESTART)?;
        let child = process::spawn(|| {
            fd::read(gate.read, &mut [0; 1])?;
            Ok(())
        })?;
        child.expect_success()?;
        expect_eq(signal::caught(libc::SIGUSR1), 1, "handlers run")?;
        fd::write(handled.write, b"x")?;
        Ok(())
    })?;
    waiter.wait_until_asleep()?;
    waiter.kill(libc::SIGUSR1)?;
    waiter.wait_until_asleep()?;
    fd::write(gate.write, b"x")?;
    waiter.expect_success()?;
    expect_eq(fd::fionread(handled.read)?, 1, "what the waiter said at the end")
}

fn ended_child_stays_a_zombie_until_waited_for() -> Outcome {
    let child = process::spawn_exit(0)?;
    process::wait_for_state(child.pid, 'Z')?;
    child.expect_success()?;
    expect(path::stat(&format!("/proc/{}", child.pid)).is_err(), "the child is gone from /proc")
}

fn zombie_can_still_be_signalled() -> Outcome {
    let child = process::spawn_exit(0)?;
    process::wait_for_state(child.pid, 'Z')?;
    child.kill(libc::SIGTERM)?;
    child.expect_success()
}

fn waitid_fills_siginfo_for_an_exit() -> Outcome {
    let child = process::spawn_exit(9)?;
    let uid = process::geteuid();
    let expected = ChildInfo { signal: SIGCHLD, code: CLD_EXITED, pid: child.pid, uid, status: 9 };
    expect_eq(waitid(P_PID, child.pid, WEXITED)?, expected, "siginfo")
}

fn waitid_fills_siginfo_for_a_kill() -> Outcome {
    let child = process::spawn_sleeper()?;
    child.kill(libc::SIGTERM)?;
    let uid = process::geteuid();
    let expected = ChildInfo { signal: SIGCHLD, code: CLD_KILLED, pid: child.pid, uid, status: libc::SIGTERM };
    expect_eq(waitid(P_ALL, 0, WEXITED)?, expected, "siginfo")
}

fn waitid_with_wnowait_leaves_the_child_waitable() -> Outcome {
    let child = process::spawn_exit(3)?;
    for _ in 0..2 {
        expect_eq(waitid(P_PID, child.pid, WEXITED | WNOWAIT)?.status, 3, "the exit code")?;
    }
    expect_eq(child.wait()?.exited(), Some(3), "the exit code")
}

fn waitid_with_wnohang_and_nothing_ended_clears_the_pid() -> Outcome {
    let child = process::spawn_sleeper()?;
    let info = waitid(P_PID, child.pid, WEXITED | WNOHANG)?;
    expect_eq((info.signal, info.pid), (0, 0), "signal and pid")?;
    child.kill_and_wait()
}

fn waitid_without_states_to_wait_for_gives_einval() -> Outcome {
    expect_errno(waitid(P_ALL, 0, 0), EINVAL)?;
    expect_errno(waitid(99, 0, WEXITED), EINVAL)
}

fn waitid_for_a_process_that_is_no_child_gives_echild() -> Outcome {
    expect_errno(waitid(P_PID, process::getppid(), WEXITED), ECHILD)?;
    expect_errno(waitid(P_PGID, process::getpgid(0)?, WEXITED), ECHILD)
}

fn ignoring_sigchld_makes_children_vanish() -> Outcome {
    signal::ignore(SIGCHLD)?;
    process::spawn_exit(0)?;
    process::spawn_exit(1)?;
    // POSIX: wait blocks until all children have ended and then fails.
    expect_errno(wait4(-1, 0), ECHILD)
}

fn sa_nocldwait_makes_children_vanish() -> Outcome {
    signal::count(SIGCHLD, libc::SA_NOCLDWAIT | libc::SA_RESTART)?;
    process::spawn_exit(0)?;
    expect_errno(wait4(-1, 0), ECHILD)
}

fn sigchld_comes_when_a_child_ends() -> Outcome {
    signal::block(&[SIGCHLD])?;
    let child = process::spawn_exit(0)?;
    let (number, sender) = signal::sigtimedwait(&[SIGCHLD], Duration::from_secs(10))?;
    expect_eq((number, sender), (SIGCHLD, child.pid), "signal and si_pid")?;
    child.expect_success()
}

fn wait_reports_the_usage_of_the_child() -> Outcome {
    let child = process::spawn_exit(0)?;
    let mut usage: libc::rusage = crate::sys::zeroed();
    usage.ru_maxrss = -1;
    // SAFETY: a null status is allowed, and there is room for the usage.
    let pid = unsafe { libc::wait4(child.pid, std::ptr::null_mut(), 0, &raw mut usage) };
    expect_eq(pid, child.pid, "what wait4 returns")?;
    expect(usage.ru_maxrss >= 0 && usage.ru_utime.tv_sec >= 0, "the usage has been filled in")
}

/// Stops and continues `target` at once, round by round, as the caller says and is told by two words.
fn stop_and_continue(target: process::Child, [asked, done]: [&AtomicU32; 2]) -> Outcome {
    for round in 1.. {
        while asked.load(Ordering::Acquire) < round {
            std::thread::yield_now();
        }
        target.kill(libc::SIGSTOP)?;
        // In some rounds the target has stopped by then, in others not.
        for _ in 0..round % 7 * 200 {
            std::hint::spin_loop();
        }
        target.kill(libc::SIGCONT)?;
        done.store(round, Ordering::Release);
    }
    Ok(())
}

fn continuing_is_reported_after_every_stop_that_was() -> Outcome {
    // What went wrong did so in one round of a few.
    const LENGTH: Duration = Duration::from_millis(300);
    let memory = memory::shared(1)?;
    let [asked, done] = [memory.word(0), memory.word(64)];
    let target = process::spawn(|| {
        loop {
            process::getppid();
        }
    })?;
    let sender = process::spawn(|| stop_and_continue(target, [asked, done]))?;
    let began = Instant::now();
    for round in 1.. {
        asked.store(round, Ordering::Release);
        let mut is_stopped = false;
        loop {
            // Before the look: one more after the last signal was sent.
            let is_done = done.load(Ordering::Acquire) == round;
            match wait4(target.pid, WUNTRACED | WCONTINUED | WNOHANG)? {
                Some((_, status)) => is_stopped = libc::WIFSTOPPED(status.0),
                None if is_done => break,
                None => {}
            }
        }
        expect(!is_stopped, "after the stop it is reported that the child goes on")?;
        if began.elapsed() > LENGTH {
            break;
        }
    }
    sender.kill_and_wait()?;
    target.kill_and_wait()
}

fn exit_closes_the_descriptors() -> Outcome {
    let pipe = fd::Pipe::new()?;
    let child = process::spawn_exit(0)?;
    fd::close(pipe.write)?;
    expect_eq(fd::read(pipe.read, &mut [0; 1])?, 0, "bytes read when the child is gone")?;
    child.expect_success()
}

fn exit_group_ends_all_threads() -> Outcome {
    let child = process::spawn(|| {
        let started = std::sync::Arc::new(std::sync::Barrier::new(4));
        for _ in 0..3 {
            let started = started.clone();
            std::thread::spawn(move || {
                started.wait();
                process::pause();
            });
        }
        started.wait();
        process::exit(6)
    })?;
    expect_eq(child.wait()?.exited(), Some(6), "the exit code")
}

fn thread_that_exits_alone_leaves_the_process_running() -> Outcome {
    let child = process::spawn(|| {
        std::thread::spawn(|| {
            // SAFETY: SYS_exit ends this thread alone; it holds nothing that somebody waits for.
            unsafe { libc::syscall(libc::SYS_exit, 5) };
        });
        // The process ends with this thread's status only.
        std::thread::sleep(Duration::from_millis(10));
        process::exit(7)
    })?;
    expect_eq(child.wait()?.exited(), Some(7), "the exit code")
}
