//! Process groups as a shell with job control makes them, whose members may end at any time.
//! Specification: setpgid(2), setsid(2), tcsetpgrp(3): a process is in its group until it has been waited for.

use crate::check::{Failure, Outcome, expect_eq, expect_errno, skip};
use crate::patience::expect_soon;
use crate::sys::fd::{self, Pipe};
use crate::sys::process::{self, Child, getpgid, kill, setpgid};
use crate::sys::thread::{End, Thread};
use crate::sys::{Sys, checked, path, signal};
use libc::{EINVAL, EPERM, ESRCH, O_RDWR, SIGTERM};

crate::tests! {
    zombie_leader_holds_its_group_for_more_members,
    zombie_can_be_put_into_a_group,
    group_is_gone_once_its_last_zombie_was_waited_for,
    setsid_fails_while_a_zombie_is_in_the_group_of_that_number,
    group_of_a_zombie_can_have_the_terminal,
    number_of_a_thread_reaches_its_process_but_names_no_group,
    setpgid_of_a_negative_number_gives_einval_or_esrch,
}

/// A child that has ended and has not been waited for.
fn zombie() -> Result<Child, Failure> {
    let child = process::spawn_exit(0)?;
    process::wait_for_state(child.pid, 'Z')?;
    Ok(child)
}

fn zombie_leader_holds_its_group_for_more_members() -> Outcome {
    let leader = process::spawn(|| Ok(setpgid(0, 0)?))?;
    process::wait_for_state(leader.pid, 'Z')?;
    let member = process::spawn_sleeper()?;
    setpgid(member.pid, leader.pid)?;
    expect_eq(getpgid(member.pid)?, leader.pid, "the member's group")?;
    kill(-leader.pid, SIGTERM)?;
    expect_eq(member.wait()?.signalled(), Some(SIGTERM), "the signal that ended the member")?;
    leader.expect_success()
}

fn zombie_can_be_put_into_a_group() -> Outcome {
    let (first, second) = (zombie()?, zombie()?);
    setpgid(first.pid, first.pid)?;
    setpgid(second.pid, first.pid)?;
    expect_eq(getpgid(first.pid)?, first.pid, "the leader's group")?;
    expect_eq(getpgid(second.pid)?, first.pid, "the other's group")?;
    first.expect_success()?;
    second.expect_success()
}

fn group_is_gone_once_its_last_zombie_was_waited_for() -> Outcome {
    let leader = zombie()?;
    setpgid(leader.pid, leader.pid)?;
    leader.expect_success()?;
    let late = zombie()?;
    expect_errno(setpgid(late.pid, leader.pid), EPERM)?;
    late.expect_success()
}

fn setsid_fails_while_a_zombie_is_in_the_group_of_that_number() -> Outcome {
    let gate = Pipe::new()?;
    let caller = process::spawn(|| {
        fd::read(gate.read, &mut [0; 1])?;
        expect_errno(process::setsid(), EPERM)
    })?;
    let member = zombie()?;
    setpgid(caller.pid, caller.pid)?;
    setpgid(member.pid, caller.pid)?;
    setpgid(caller.pid, getpgid(0)?)?;
    fd::write(gate.write, b"x")?;
    caller.expect_success()?;
    member.expect_success()
}

fn number_of_a_thread_reaches_its_process_but_names_no_group() -> Outcome {
    let gate: &'static Pipe = Box::leak(Box::new(Pipe::new()?));
    let thread = Thread::start(|gate: &Pipe| fd::read(gate.read, &mut [0; 1]).unwrap_or(0), gate)?;
    kill(thread.id, 0)?;
    signal::count(SIGTERM, libc::SA_RESTART)?;
    kill(thread.id, SIGTERM)?;
    expect_soon(|| Ok(signal::caught(SIGTERM) == 1), "the process gets the signal")?;
    expect_errno(setpgid(thread.id, 0), EINVAL)?;
    fd::write(gate.write, b"x")?;
    expect_eq(thread.join()?, End::Returned(1), "how the thread ended")
}

fn setpgid_of_a_negative_number_gives_einval_or_esrch() -> Outcome {
    expect_errno(setpgid(-1, 0), EINVAL)?;
    expect_errno(setpgid(-1, -1), EINVAL)?;
    expect_errno(setpgid(-1, getpgid(0)?), ESRCH)
}

fn put_into_foreground(terminal: i32, group: i32) -> Sys<()> {
    // SAFETY: takes no pointers.
    checked("tcsetpgrp", unsafe { libc::tcsetpgrp(terminal, group) }).map(drop)
}

fn foreground(terminal: i32) -> Sys<i32> {
    // SAFETY: takes no pointers.
    checked("tcgetpgrp", unsafe { libc::tcgetpgrp(terminal) })
}

fn group_of_a_zombie_can_have_the_terminal() -> Outcome {
    let Ok(terminal) = path::open("/dev/tty", O_RDWR, 0) else {
        return skip("needs a controlling terminal");
    };
    // The test runs in the background.
    signal::block(&[libc::SIGTTOU])?;
    let before = foreground(terminal)?;
    let leader = zombie()?;
    setpgid(leader.pid, leader.pid)?;
    let taken = put_into_foreground(terminal, leader.pid);
    let during = foreground(terminal);
    put_into_foreground(terminal, before)?;
    taken?;
    expect_eq(during?, leader.pid, "the group in the foreground")?;
    leader.expect_success()?;
    expect_errno(put_into_foreground(terminal, leader.pid), ESRCH)
}
