//! The pids controller of control groups, and how controllers go down the tree. Specification: cgroup-v2.rst, "PID", "Controlling
//! controllers", "Threads".

use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno, failed};
use crate::patience::expect_soon;
use crate::sys::cgroup::{self, Group};
use crate::sys::fd::{self, Pipe};
use crate::sys::{Sys, path, process, ready};
use libc::{EAGAIN, EBUSY, EINVAL, ENOENT, EOPNOTSUPP, ERANGE, O_RDONLY, POLLPRI};

crate::tests! {
    group_has_files_of_pids_where_its_parent_hands_the_controller_down,
    controller_goes_down_a_level_at_a_time_and_up_likewise,
    processes_do_not_compete_with_groups_below,
    every_process_and_thread_counts_once,
    exec_by_a_thread_leaves_one_charge,
    zombie_counts_until_it_is_waited_for,
    zombie_of_a_removed_group_counts_above,
    fork_beyond_the_limit_is_eagain_and_an_event,
    thread_beyond_the_limit_is_eagain,
    limit_of_a_group_above_binds_too,
    limit_below_what_is_there_only_stops_forks,
    moving_ignores_the_limit,
    limit_lives_as_long_as_its_controller,
    bad_limits_are_refused_and_change_nothing,
    refusals_wake_pollers_of_pids_events,
    fork_bomb_stays_within_the_limit_and_is_killed,
}

/// Runs `body` in a child that is in the group.
fn within(group: &Group, body: impl FnOnce() -> Outcome) -> Outcome {
    process::spawn(|| {
        group.enter()?;
        body()
    })?
    .expect_success()
}

fn events(group: &Group) -> Result<u64, Failure> {
    let text = group.read("pids.events")?;
    let count = text.lines().find_map(|line| line.strip_prefix("max "));
    count.and_then(|count| count.parse().ok()).ok_or_else(|| failed("pids.events has no line max"))
}

fn control(path: &str, word: &str) -> Sys<()> {
    cgroup::write(&format!("{path}/cgroup.subtree_control"), word)
}

fn group_has_files_of_pids_where_its_parent_hands_the_controller_down() -> Outcome {
    let group = Group::with_pids()?;
    expect_eq(group.read("pids.max")?, "max\n", "pids.max")?;
    expect_eq(group.number("pids.current")?, 0, "pids.current")?;
    expect_eq(events(&group)?, 0, "pids.events")?;
    let below = group.below("below")?;
    expect_errno(path::stat(&format!("{below}/pids.max")).map(drop), ENOENT)?;
    control(&group.path, "+pids")?;
    expect_eq(group.read("cgroup.subtree_control")?, "pids\n", "cgroup.subtree_control")?;
    expect_eq(cgroup::read(&format!("{below}/cgroup.controllers"))?, "pids\n", "what there is below")?;
    expect_eq(cgroup::read(&format!("{below}/pids.max"))?, "max\n", "pids.max below")
}

fn controller_goes_down_a_level_at_a_time_and_up_likewise() -> Outcome {
    let group = Group::with_pids()?;
    let (middle, low) = (group.below("middle")?, group.below("middle/low")?);
    expect_errno(control(&middle, "+pids"), ENOENT)?;
    control(&group.path, "+pids")?;
    control(&middle, "+pids")?;
    path::stat(&format!("{low}/pids.current"))?;
    expect_errno(control(&group.path, "-pids"), EBUSY)?;
    control(&middle, "+pids -pids")?;
    control(&group.path, "-pids")?;
    expect_errno(path::stat(&format!("{middle}/pids.current")).map(drop), ENOENT)
}

fn processes_do_not_compete_with_groups_below() -> Outcome {
    let group = Group::with_pids()?;
    let low = group.below("low")?;
    let kind = |path: &str| cgroup::read(&format!("{path}/cgroup.type"));
    let (one, two) = (process::spawn_sleeper()?, process::spawn_sleeper()?);
    let move_to = |path: &str, pid: i32| cgroup::write(&format!("{path}/cgroup.procs"), &pid.to_string());
    move_to(&group.path, one.pid)?;
    move_to(&low, two.pid)?;
    expect_errno(control(&group.path, "+pids"), EBUSY)?;
    move_to(&cgroup::root()?, one.pid)?;
    control(&group.path, "+pids")?;
    expect_errno(move_to(&group.path, one.pid), EBUSY)?;
    move_to(&cgroup::root()?, two.pid)?;
    // pids is a threaded controller: a group that begins with it may have processes, but none below.
    move_to(&group.path, one.pid)?;
    expect_eq(kind(&group.path)?, "domain threaded\n", "the type of the group")?;
    expect_eq(kind(&low)?, "domain invalid\n", "the type of the one below")?;
    expect_errno(move_to(&low, two.pid), EOPNOTSUPP)?;
    for child in [one, two] {
        child.kill_and_wait()?;
    }
    expect_eq(kind(&low)?, "domain\n", "the type once they have ended")
}

fn every_process_and_thread_counts_once() -> Outcome {
    let group = Group::with_pids()?;
    within(&group, || {
        expect_eq(group.number("pids.current")?, 1, "one process")?;
        let gate = Pipe::new()?;
        let threads: Vec<_> =
            (0..3).map(|_| std::thread::spawn(move || fd::read(gate.read, &mut [0]).is_ok())).collect();
        let child = process::spawn_sleeper()?;
        let current = group.number("pids.current");
        fd::write(gate.write, b"xxx")?;
        for thread in threads {
            expect(thread.join().is_ok(), "the thread ends")?;
        }
        child.kill_and_wait()?;
        expect_eq(current?, 5, "two processes, one of them with four threads")
    })?;
    expect_eq(group.number("pids.current")?, 0, "pids.current once all have ended")
}

fn exec_by_a_thread_leaves_one_charge() -> Outcome {
    let group = Group::with_pids()?;
    let child = process::spawn(|| {
        group.enter()?;
        let probe = || process::execve("/proc/self/exe", &["conformance", "--probe", "await", "10"], &[]);
        match std::thread::spawn(probe).join() {
            Ok(Err(error)) => Err(error.into()),
            _ => Err(failed("the thread ended otherwise than by exec")),
        }
    })?;
    let runs = || Ok(cgroup::read(&format!("/proc/{}/cmdline", child.pid))?.contains("await"));
    expect_soon(runs, "the new program runs")?;
    expect_eq(group.number("pids.current")?, 1, "pids.current of a process with one thread")?;
    child.kill_and_wait()?;
    expect_eq(group.number("pids.current")?, 0, "pids.current after wait")
}

fn zombie_counts_until_it_is_waited_for() -> Outcome {
    let group = Group::with_pids()?;
    let child = process::spawn(|| Ok(group.enter()?))?;
    process::wait_for_state(child.pid, 'Z')?;
    expect_eq(group.number("pids.current")?, 1, "pids.current")?;
    child.expect_success()?;
    expect_eq(group.number("pids.current")?, 0, "pids.current after wait")
}

fn zombie_of_a_removed_group_counts_above() -> Outcome {
    let group = Group::with_pids()?;
    control(&group.path, "+pids")?;
    let low = group.below("low")?;
    let child = process::spawn(|| Ok(cgroup::write(&format!("{low}/cgroup.procs"), "0")?))?;
    process::wait_for_state(child.pid, 'Z')?;
    path::rmdir(&low)?;
    expect_eq(group.number("pids.current")?, 1, "pids.current above")?;
    child.expect_success()?;
    expect_eq(group.number("pids.current")?, 0, "pids.current above, after wait")
}

fn fork_beyond_the_limit_is_eagain_and_an_event() -> Outcome {
    let group = Group::with_pids()?;
    group.write("pids.max", "2")?;
    expect_eq(group.read("pids.max")?, "2\n", "pids.max")?;
    within(&group, || {
        let child = process::spawn_sleeper()?;
        expect_errno(process::fork_then(|| 0), EAGAIN)?;
        expect_eq((events(&group)?, group.number("pids.current")?), (1, 2), "events and current")?;
        child.kill_and_wait()?;
        process::spawn_exit(0)?.expect_success()
    })
}

fn thread_beyond_the_limit_is_eagain() -> Outcome {
    let group = Group::with_pids()?;
    group.write("pids.max", "1")?;
    within(&group, || {
        let refused = std::thread::Builder::new().spawn(|| ()).map(drop).map_err(|error| error.raw_os_error());
        expect_eq(refused, Err(Some(EAGAIN)), "starting a thread")?;
        group.write("pids.max", "2")?;
        expect(std::thread::Builder::new().spawn(|| ())?.join().is_ok(), "a thread runs where there is room")
    })
}

fn limit_of_a_group_above_binds_too() -> Outcome {
    let group = Group::with_pids()?;
    control(&group.path, "+pids")?;
    let low = group.below("low")?;
    group.write("pids.max", "1")?;
    process::spawn(|| {
        cgroup::write(&format!("{low}/cgroup.procs"), "0")?;
        expect_errno(process::fork_then(|| 0), EAGAIN)
    })?
    .expect_success()?;
    expect_eq(events(&group)?, 1, "pids.events of the one that was full")
}

fn limit_below_what_is_there_only_stops_forks() -> Outcome {
    let group = Group::with_pids()?;
    within(&group, || {
        let child = process::spawn_sleeper()?;
        group.write("pids.max", "0")?;
        expect_errno(process::fork_then(|| 0), EAGAIN)?;
        expect_eq(group.number("pids.current")?, 2, "pids.current")?;
        child.kill_and_wait()?;
        expect_errno(process::fork_then(|| 0), EAGAIN)
    })
}

fn moving_ignores_the_limit() -> Outcome {
    let group = Group::with_pids()?;
    group.write("pids.max", "0")?;
    within(&group, || {
        expect_eq(group.number("pids.current")?, 1, "pids.current")?;
        expect_eq(events(&group)?, 0, "pids.events")
    })
}

fn limit_lives_as_long_as_its_controller() -> Outcome {
    let group = Group::with_pids()?;
    let low = group.below("low")?;
    control(&group.path, "+pids")?;
    cgroup::write(&format!("{low}/pids.max"), "7")?;
    control(&group.path, "-pids")?;
    control(&group.path, "+pids")?;
    expect_eq(cgroup::read(&format!("{low}/pids.max"))?, "max\n", "pids.max of a controller that came back")
}

fn bad_limits_are_refused_and_change_nothing() -> Outcome {
    let group = Group::with_pids()?;
    group.write("pids.max", "4194304\n")?;
    for text in ["x", "-1", "-max", "4194305", "1 2", "1.5", "\n"] {
        expect_errno(group.write("pids.max", text), EINVAL)?;
    }
    expect_errno(group.write("pids.max", "99999999999999999999"), ERANGE)?;
    expect_eq(group.read("pids.max")?, "4194304\n", "pids.max")?;
    group.write("pids.max", " 0x10 ")?;
    expect_eq(group.read("pids.max")?, "16\n", "pids.max, written in base 16")?;
    group.write("pids.max", "max\n")?;
    expect_eq(group.read("pids.max")?, "max\n", "pids.max")
}

fn refusals_wake_pollers_of_pids_events() -> Outcome {
    let group = Group::with_pids()?;
    group.write("pids.max", "1")?;
    let file = path::open(&group.file("pids.events"), O_RDONLY, 0)?;
    fd::read_up_to(file, 100)?;
    expect_eq(ready::revents(file, POLLPRI)?, 0, "what poll says once it was read")?;
    let child = process::spawn(|| {
        group.enter()?;
        expect_errno(process::fork_then(|| 0), EAGAIN)
    })?;
    let mut entries = [ready::wanting(file, POLLPRI)];
    expect_eq(ready::poll(&mut entries, 10_000)?, 1, "what poll waits for")?;
    child.expect_success()
}

fn fork_bomb_stays_within_the_limit_and_is_killed() -> Outcome {
    const LIMIT: u64 = 12;
    const REFUSALS: u64 = 30;
    let group = Group::with_pids()?;
    group.write("pids.max", &LIMIT.to_string())?;
    let bomb = process::fork_then(|| {
        if group.enter().is_err() {
            return 1;
        }
        loop {
            // Child and parent alike go on.
            let _ = process::fork_then(|| 0).map(|_| ());
            let _ = process::fork_then(|| {
                loop {
                    let _ = process::fork_then(|| 0);
                }
            });
        }
    })?;
    let mut is_full = false;
    while !is_full {
        is_full = events(&group)? >= REFUSALS;
        // Nobody in there ends or waits: once one was refused, as many as there may be are there.
        let current = group.number("pids.current")?;
        expect(current <= LIMIT && (current == LIMIT || !is_full), "as many as the limit allows, never more")?;
        std::thread::yield_now();
    }
    group.write("cgroup.kill", "1")?;
    expect_eq(process::Child { pid: bomb }.wait()?.signalled(), Some(libc::SIGKILL), "what ended the first of them")?;
    group.wait_until_empty()?;
    expect_eq(group.members()?, [0; 0], "cgroup.procs")
}
