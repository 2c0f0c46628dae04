//! Which children a wait is about, by its options. Specification: wait(2), "Linux notes"; clone(2), "The child termination
//! signal".

use crate::check::{Failure, Outcome, expect_eq, expect_errno};
use crate::sys::fd::{self, Pipe};
use crate::sys::process::{self, Child, fork_with_flags, wait4, waitid};
use crate::sys::signal;
use libc::{__WALL, __WCLONE, ECHILD, P_ALL, P_PID, SIGUSR1, WCONTINUED, WEXITED, WNOHANG, WNOWAIT, WSTOPPED};

crate::tests! {
    waitid_not_about_ends_gives_echild_if_all_children_are_zombies,
    waitid_not_about_ends_gives_echild_as_soon_as_the_child_ends,
    waitid_not_about_ends_waits_for_the_living_beside_a_zombie,
    wclone_does_not_wait_for_an_ordinary_child,
    wait_without_wclone_does_not_wait_for_a_child_without_sigchld,
    wall_waits_for_both_kinds_of_children,
    child_without_sigchld_that_executes_is_an_ordinary_child,
    child_whose_exit_signal_is_no_signal_ends_without_one,
}

/// Sleeps until `pid` has ended, whatever it ends with, and leaves it a zombie.
fn leave_to_end(pid: i32) -> Outcome {
    expect_eq(waitid(P_PID, pid, WEXITED | WNOWAIT | __WALL)?.pid, pid, "who ended")
}

/// A zombie whose parent was told of its end with `number` (0: not at all).
fn zombie_told_with(number: i32) -> Result<Child, Failure> {
    let child = fork_with_flags(number, || 5)?;
    leave_to_end(child.pid)?;
    Ok(child)
}

fn waitid_not_about_ends_gives_echild_if_all_children_are_zombies() -> Outcome {
    let child = zombie_told_with(libc::SIGCHLD)?;
    for patience in [WNOHANG, 0] {
        for events in [WSTOPPED, WCONTINUED, WSTOPPED | WCONTINUED] {
            expect_errno(waitid(P_PID, child.pid, events | patience), ECHILD)?;
            expect_errno(waitid(P_ALL, 0, events | patience), ECHILD)?;
        }
    }
    expect_eq(child.wait()?.exited(), Some(5), "the exit code")
}

fn waitid_not_about_ends_gives_echild_as_soon_as_the_child_ends() -> Outcome {
    let gate = Pipe::new()?;
    let waiter = process::spawn(|| {
        let child = process::spawn(|| {
            fd::close(gate.write)?;
            fd::read(gate.read, &mut [0; 1])?;
            Ok(())
        })?;
        fd::close(gate.write)?;
        expect_errno(waitid(P_PID, child.pid, WSTOPPED), ECHILD)?;
        child.expect_success()
    })?;
    waiter.wait_until_asleep()?;
    fd::close(gate.write)?;
    waiter.expect_success()
}

fn waitid_not_about_ends_waits_for_the_living_beside_a_zombie() -> Outcome {
    let ended = zombie_told_with(libc::SIGCHLD)?;
    let living = process::spawn_sleeper()?;
    expect_eq(waitid(P_ALL, 0, WSTOPPED | WNOHANG)?.pid, 0, "who has stopped")?;
    living.kill(libc::SIGSTOP)?;
    expect_eq(waitid(P_ALL, 0, WSTOPPED)?.pid, living.pid, "who has stopped by now")?;
    living.kill_and_wait()?;
    ended.wait().map(drop)
}

fn wclone_does_not_wait_for_an_ordinary_child() -> Outcome {
    let child = zombie_told_with(libc::SIGCHLD)?;
    for pid in [child.pid, -1] {
        expect_errno(wait4(pid, __WCLONE), ECHILD)?;
        expect_errno(wait4(pid, __WCLONE | WNOHANG), ECHILD)?;
    }
    expect_errno(waitid(P_PID, child.pid, WEXITED | __WCLONE), ECHILD)?;
    expect_eq(child.wait()?.exited(), Some(5), "the exit code")
}

fn wait_without_wclone_does_not_wait_for_a_child_without_sigchld() -> Outcome {
    signal::ignore(SIGUSR1)?;
    for number in [0, SIGUSR1] {
        let child = zombie_told_with(number)?;
        for pid in [child.pid, -1] {
            expect_errno(wait4(pid, 0), ECHILD)?;
            expect_errno(wait4(pid, WNOHANG), ECHILD)?;
        }
        expect_errno(waitid(P_PID, child.pid, WEXITED), ECHILD)?;
        let (pid, status) = wait4(-1, __WCLONE)?.unzip();
        expect_eq((pid, status.and_then(process::Status::exited)), (Some(child.pid), Some(5)), "who ended, and how")?;
    }
    Ok(())
}

fn wall_waits_for_both_kinds_of_children() -> Outcome {
    for number in [libc::SIGCHLD, 0] {
        for both in [__WALL, __WALL | __WCLONE] {
            let child = zombie_told_with(number)?;
            expect_eq(wait4(-1, both)?.map(|(pid, _)| pid), Some(child.pid), "who ended")?;
        }
    }
    Ok(())
}

fn child_without_sigchld_that_executes_is_an_ordinary_child() -> Outcome {
    let program = crate::probe::program()?;
    let child = fork_with_flags(0, || {
        // Returns only if it failed, which the exit code tells.
        let _ = process::execve(&program, &[&program, crate::probe::FLAG, "exit", "23"], &[]);
        99
    })?;
    leave_to_end(child.pid)?;
    expect_errno(wait4(child.pid, __WCLONE), ECHILD)?;
    expect_eq(child.wait()?.exited(), Some(23), "the exit code")
}

fn child_whose_exit_signal_is_no_signal_ends_without_one() -> Outcome {
    for number in [65, 255] {
        let child = zombie_told_with(number)?;
        expect_errno(wait4(child.pid, 0), ECHILD)?;
        expect_eq(wait4(child.pid, __WCLONE)?.and_then(|(_, status)| status.exited()), Some(5), "the exit code")?;
    }
    Ok(())
}
