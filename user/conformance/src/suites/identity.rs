//! Users, groups, sessions and limits. Specification: credentials(7), setpgid(2), setsid(2), getrlimit(2).

use crate::check::{Outcome, expect, expect_eq, expect_errno, needs_root};
use crate::sys::{Sys, checked, process, zeroed};
use libc::{EINVAL, EPERM, ESRCH};

crate::tests! {
    root_becomes_somebody_and_cannot_come_back,
    effective_user_can_be_switched_and_switched_back,
    groups_are_told,
    setsid_makes_a_session_and_a_group_leader_cannot,
    setpgid_of_a_missing_process_gives_esrch,
    setpgid_into_another_session_gives_eperm,
    limit_above_the_hard_limit_gives_einval,
    hard_limit_cannot_be_raised_without_privilege,
    limits_are_inherited,
}

fn root_becomes_somebody_and_cannot_come_back() -> Outcome {
    needs_root()?;
    process::become_user(12_345)?;
    expect_eq(process::geteuid(), 12_345, "the effective user")?;
    // SAFETY: takes no pointers.
    expect_errno(checked("setuid", unsafe { libc::setuid(0) }), EPERM)?;
    // SAFETY: takes no pointers.
    expect_errno(checked("setgid", unsafe { libc::setgid(0) }), EPERM)
}

fn effective_user_can_be_switched_and_switched_back() -> Outcome {
    needs_root()?;
    let set = |effective| {
        // SAFETY: takes no pointers.
        checked("setresuid", unsafe { libc::setresuid(u32::MAX, effective, u32::MAX) })
    };
    set(12_345)?;
    expect_eq(process::geteuid(), 12_345, "the effective user")?;
    set(0)?;
    expect_eq(process::geteuid(), 0, "the effective user again")
}

fn groups_are_told() -> Outcome {
    needs_root()?;
    let groups = [5, 1000, 70_000];
    // SAFETY: the kernel reads three numbers.
    checked("setgroups", unsafe { libc::setgroups(groups.len(), groups.as_ptr()) })?;
    let mut told = [0; 10];
    // SAFETY: room for ten numbers.
    let count = checked("getgroups", unsafe { libc::getgroups(10, told.as_mut_ptr()) })?;
    expect_eq(count, 3, "the number of groups")?;
    expect_eq(&told[..3], groups, "the groups")?;
    // SAFETY: room for two of the three.
    expect_errno(checked("getgroups", unsafe { libc::getgroups(2, told.as_mut_ptr()) }), EINVAL)
}

fn setsid_makes_a_session_and_a_group_leader_cannot() -> Outcome {
    let child = process::spawn(|| {
        let pid = process::getpid();
        expect_eq(process::setsid()?, pid, "what setsid returns")?;
        expect_eq((process::getsid(0)?, process::getpgid(0)?), (pid, pid), "session and group")?;
        expect_errno(process::setsid(), EPERM)
    })?;
    child.expect_success()?;
    // The test itself leads its group.
    expect_errno(process::setsid(), EPERM)
}

fn setpgid_of_a_missing_process_gives_esrch() -> Outcome {
    let child = process::spawn_exit(0)?;
    child.wait()?;
    expect_errno(process::setpgid(child.pid, 0), ESRCH)?;
    expect_errno(process::setpgid(process::getppid(), 0), ESRCH)?;
    expect_errno(process::setpgid(0, -1), EINVAL)
}

fn setpgid_into_another_session_gives_eperm() -> Outcome {
    let pipe = crate::sys::fd::Pipe::new()?;
    let child = process::spawn(|| {
        process::setsid()?;
        crate::sys::fd::write(pipe.write, b"x")?;
        process::pause();
        Ok(())
    })?;
    crate::sys::fd::read_up_to(pipe.read, 1)?;
    expect_errno(process::setpgid(child.pid, process::getpid()), EPERM)?;
    expect_errno(process::setpgid(0, child.pid), EPERM)?;
    child.kill_and_wait()
}

fn set_limit(limit: libc::rlimit) -> Sys<()> {
    // SAFETY: the kernel reads one struct.
    checked("setrlimit", unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }).map(drop)
}

fn limit_above_the_hard_limit_gives_einval() -> Outcome {
    let limit = process::getrlimit(libc::RLIMIT_NOFILE)?;
    expect(limit.rlim_cur <= limit.rlim_max, "the soft limit is not above the hard one")?;
    expect_errno(set_limit(libc::rlimit { rlim_cur: 100, rlim_max: 99 }), EINVAL)?;
    let mut other: libc::rlimit = zeroed();
    // SAFETY: room for the struct; there is no such resource.
    let value = unsafe { libc::getrlimit(1000, &raw mut other) };
    expect_errno(checked("getrlimit", value), EINVAL)
}

fn hard_limit_cannot_be_raised_without_privilege() -> Outcome {
    needs_root()?;
    set_limit(libc::rlimit { rlim_cur: 100, rlim_max: 200 })?;
    process::become_user(12_345)?;
    expect_errno(set_limit(libc::rlimit { rlim_cur: 100, rlim_max: 201 }), EPERM)?;
    set_limit(libc::rlimit { rlim_cur: 150, rlim_max: 150 })?;
    expect_eq(process::getrlimit(libc::RLIMIT_NOFILE)?.rlim_max, 150, "the hard limit")
}

fn limits_are_inherited() -> Outcome {
    process::set_soft_limit(libc::RLIMIT_NOFILE, 77)?;
    let child =
        process::spawn(|| expect_eq(process::getrlimit(libc::RLIMIT_NOFILE)?.rlim_cur, 77, "the child's limit"))?;
    child.expect_success()
}
