//! Whose children orphans become. Specification: prctl(2), PR_SET_CHILD_SUBREAPER.

use crate::check::{Failure, Outcome, expect_eq};
use crate::sys::fd::{self, Pipe};
use crate::sys::process::{self, Child};

crate::tests! {
    an_orphan_goes_to_the_nearest_subreaper,
    an_orphan_passes_by_ancestors_that_are_none,
    a_subreaper_can_wait_for_orphans_that_had_ended,
    a_child_of_a_subreaper_is_none_itself,
    being_a_subreaper_can_be_asked_for_and_ended,
}

/// Makes a child that makes a child and ends once that has begun; the grandchild runs `body`. The grandchild's number.
fn orphan(body: fn() -> Outcome) -> Result<Child, Failure> {
    let pipe = Pipe::anonymous(0)?;
    process::spawn(|| {
        let grandchild = process::spawn(body)?;
        fd::write(pipe.write, &grandchild.pid.to_ne_bytes())?;
        Ok(())
    })?
    .expect_success()?;
    let mut bytes = [0; 4];
    fd::read(pipe.read, &mut bytes)?;
    Ok(Child { pid: i32::from_ne_bytes(bytes) })
}

fn sleep_for_ever() -> Outcome {
    loop {
        process::pause();
    }
}

fn parent_of(child: Child) -> Result<i32, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.pid))?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    line.and_then(|number| number.trim().parse().ok()).ok_or_else(|| crate::check::failed("no PPid"))
}

fn an_orphan_goes_to_the_nearest_subreaper() -> Outcome {
    process::set_child_subreaper(true)?;
    let child = orphan(sleep_for_ever)?;
    expect_eq(parent_of(child)?, process::getpid(), "the orphan's parent")?;
    child.kill_and_wait()
}

fn an_orphan_passes_by_ancestors_that_are_none() -> Outcome {
    process::set_child_subreaper(true)?;
    let pipe = Pipe::anonymous(0)?;
    let middle = process::spawn(|| {
        let child = orphan(sleep_for_ever)?;
        fd::write(pipe.write, &child.pid.to_ne_bytes())?;
        sleep_for_ever()
    })?;
    let mut bytes = [0; 4];
    fd::read(pipe.read, &mut bytes)?;
    let child = Child { pid: i32::from_ne_bytes(bytes) };
    expect_eq(parent_of(child)?, process::getpid(), "the orphan's parent")?;
    child.kill_and_wait()?;
    middle.kill_and_wait()
}

fn a_subreaper_can_wait_for_orphans_that_had_ended() -> Outcome {
    process::set_child_subreaper(true)?;
    let pipe = Pipe::anonymous(0)?;
    let middle = process::spawn(|| {
        let child = process::spawn_exit(7)?;
        process::wait_for_state(child.pid, 'Z')?;
        fd::write(pipe.write, &child.pid.to_ne_bytes())?;
        Ok(())
    })?;
    middle.expect_success()?;
    let mut bytes = [0; 4];
    fd::read(pipe.read, &mut bytes)?;
    expect_eq(Child { pid: i32::from_ne_bytes(bytes) }.wait()?.exited(), Some(7), "the orphan's exit code")
}

fn a_child_of_a_subreaper_is_none_itself() -> Outcome {
    process::set_child_subreaper(true)?;
    process::spawn(|| expect_eq(process::is_child_subreaper()?, false, "whether the child is one"))?.expect_success()
}

fn being_a_subreaper_can_be_asked_for_and_ended() -> Outcome {
    expect_eq(process::is_child_subreaper()?, false, "whether it is one at first")?;
    process::set_child_subreaper(true)?;
    expect_eq(process::is_child_subreaper()?, true, "whether it is one")?;
    process::set_child_subreaper(false)?;
    expect_eq(process::is_child_subreaper()?, false, "whether it is one afterwards")?;
    let child = orphan(sleep_for_ever)?;
    let parent = parent_of(child)?;
    child.kill(libc::SIGKILL)?;
    crate::check::expect(parent != process::getpid(), "the orphan is another's")
}
