//! The number that all process numbers are below. Specification: `pid_max` of proc_sys_kernel(5); the EAGAIN of fork(2).
//!
//! The test that lowers it runs on Postern only: elsewhere it would take the numbers from everybody else on the machine.

use super::modules::needs_root_on_postern;
use crate::check::{Failure, Outcome, expect, expect_eq, failed, needs_root, skip};
use crate::sys::process;
use libc::{EACCES, EAGAIN, EINVAL, EROFS};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};

crate::tests! {
    values_out_of_bounds_are_refused,
    values_may_be_hexadecimal_or_octal,
    numbers_below_it_are_used_again_until_none_is_free,
    number_of_a_group_is_not_given_while_the_group_has_members,
}

const FILE: &str = "/proc/sys/kernel/pid_max";
/// The lowest number that is used again.
const FIRST_AGAIN: i32 = 300;
/// What the tests lower it to: some numbers are left, whichever of them this program itself has.
const LIMIT: i32 = 316;

fn pid_max() -> Result<u64, Failure> {
    let text = fs::read_to_string(FILE)?;
    text.trim().parse().map_err(|_| failed(format!("{FILE} is {text:?}")))
}

fn set(value: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(FILE)?.write_all(value.as_bytes())
}

fn values_out_of_bounds_are_refused() -> Outcome {
    needs_root()?;
    let before = pid_max()?;
    match set(&before.to_string()) {
        Err(error) if matches!(error.raw_os_error(), Some(EROFS | EACCES)) => {
            return skip("needs a writable /proc/sys");
        }
        other => other?,
    }
    for value in ["0", "300", "4194305", "-1", "many"] {
        let refusal = set(value).err().and_then(|error| error.raw_os_error());
        expect_eq(refusal, Some(EINVAL), &format!("errno for {value}"))?;
    }
    expect_eq(pid_max()?, before, "the value after that")
}

fn values_may_be_hexadecimal_or_octal() -> Outcome {
    needs_root()?;
    let before = pid_max()?;
    for text in [format!("{before:#x}\n"), format!(" 0{before:o}")] {
        match set(&text) {
            Err(error) if matches!(error.raw_os_error(), Some(EROFS | EACCES)) => {
                return skip("needs a writable /proc/sys");
            }
            other => other?,
        }
        expect_eq(pid_max()?, before, "the value after that")?;
    }
    Ok(())
}

/// The value that was in force before, which is put back.
struct Lowered(u64);

impl Lowered {
    fn to(value: i32) -> Result<Self, Failure> {
        let before = Self(pid_max()?);
        set(&value.to_string())?;
        Ok(before)
    }
}

impl Drop for Lowered {
    fn drop(&mut self) {
        // The next test that forks says so if it fails.
        let _ = set(&self.0.to_string());
    }
}

fn numbers_below_it_are_used_again_until_none_is_free() -> Outcome {
    needs_root()?;
    needs_root_on_postern()?;
    let lowered = Lowered::to(LIMIT)?;
    let mut sleepers = take_all_numbers()?;
    let again = FIRST_AGAIN..LIMIT;
    expect(sleepers.iter().all(|child| again.contains(&child.pid)), &format!("numbers of {again:?}: {sleepers:?}"))?;
    let ended = sleepers.swap_remove(sleepers.len() / 2);
    ended.kill_and_wait()?;
    let child = process::spawn_exit(0)?;
    expect_eq(child.pid, ended.pid, "the number that is free again")?;
    child.expect_success()?;
    drop(lowered);
    while sleepers.last().is_none_or(|child| child.pid < LIMIT) {
        expect(sleepers.len() <= again.len(), "numbers from there on are given again")?;
        sleepers.push(process::spawn_sleeper()?);
    }
    sleepers.into_iter().try_for_each(process::Child::kill_and_wait)
}

fn number_of_a_group_is_not_given_while_the_group_has_members() -> Outcome {
    needs_root()?;
    needs_root_on_postern()?;
    let _lowered = Lowered::to(LIMIT)?;
    let mut sleepers = take_all_numbers()?;
    let (Some(leader), Some(member)) = (sleepers.pop(), sleepers.pop()) else {
        return Err(failed("there are fewer than two numbers"));
    };
    process::setpgid(leader.pid, leader.pid)?;
    process::setpgid(member.pid, leader.pid)?;
    leader.kill_and_wait()?;
    let refusal = process::spawn_exit(0).err().map(|error| error.errno);
    member.kill_and_wait()?;
    expect_eq(refusal, Some(EAGAIN), "errno when the one number without a process is a group's")?;
    let children = [process::spawn_sleeper()?, process::spawn_sleeper()?];
    let mut numbers = children.map(|child| child.pid);
    numbers.sort_unstable();
    let mut both = [leader.pid, member.pid];
    both.sort_unstable();
    expect_eq(numbers, both, "the numbers given once the group is gone")?;
    sleepers.into_iter().chain(children).try_for_each(process::Child::kill_and_wait)
}

/// Uses numbers up to the one from which on they are used again, and then makes processes until there is none left.
fn take_all_numbers() -> Result<Vec<process::Child>, Failure> {
    for _ in 0..FIRST_AGAIN {
        let child = process::spawn_exit(0)?;
        child.expect_success()?;
        if child.pid >= FIRST_AGAIN {
            break;
        }
    }
    let mut sleepers = Vec::new();
    loop {
        match process::spawn_sleeper() {
            Ok(child) => sleepers.push(child),
            Err(error) => {
                expect_eq(error.errno, EAGAIN, "errno when no number is free")?;
                return Ok(sleepers);
            }
        }
        expect(sleepers.len() < LIMIT.unsigned_abs() as usize, "numbers come to an end")?;
    }
}
