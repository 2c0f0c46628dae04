//! Who waits for whom, in a system that hangs: `/proc/postern/waits`. Specification: docs/tracing.md.

use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno, failed, needs_postern};
use crate::harness::{self, Test, Verdict};
use crate::patience::expect_soon;
use crate::sys::bare::call;
use crate::sys::fd::{self, Pipe};
use crate::sys::process::{self, Child};
use crate::sys::ready::{self, poll, wanting};
use crate::sys::{memory, path, socket};
use libc::{EACCES, FUTEX_PRIVATE_FLAG, FUTEX_WAIT, POLLIN};
use std::time::Duration;

crate::tests! {
    two_processes_that_wait_for_each_other_over_two_pipes_are_a_circle,
    a_reader_of_an_empty_pipe_is_helped_by_the_writer_that_lives,
    a_writer_to_a_full_pipe_is_helped_by_the_reader_that_lives,
    a_reader_that_is_the_only_writer_itself_waits_for_itself,
    a_process_that_waits_for_one_in_a_circle_is_stuck_too,
    a_socket_s_reader_is_helped_by_its_mate,
    a_wait_at_a_futex_is_told_of_with_the_address,
    a_parent_that_waits_is_helped_by_its_children,
    a_sleep_for_a_time_is_told_of_with_what_is_left_of_it,
    a_poll_waits_for_any_of_its_files,
    an_epoll_wait_is_told_of,
    who_has_not_run_since_the_last_look_has_slept_for_that_long_at_least,
    a_test_that_times_out_shows_who_waited_for_whom,
    only_root_may_read_it,
}

const FILE: &str = "/proc/postern/waits";

/// A line about one sleeper.
#[derive(Debug)]
struct Sleeper {
    state: String,
    asleep_ms: u64,
    left_ms: Option<u64>,
    helpers: Vec<i32>,
    waits_for: String,
}

/// All that the file says.
fn text() -> Result<String, Failure> {
    needs_postern("tells of Postern's kernel")?;
    Ok(std::fs::read_to_string(FILE)?)
}

fn sleeper(text: &str, pid: i32) -> Result<Sleeper, Failure> {
    let absent = || failed(format!("no line of {pid} in\n{text}"));
    let line = text.lines().find(|line| line.split(' ').next() == Some(&pid.to_string())).ok_or_else(absent)?;
    let (facts, waits_for) = line.split_once(": ").ok_or_else(absent)?;
    let words: Vec<&str> = facts.split(' ').collect();
    let [_, _, state, asleep, left, helpers, ..] = words[..] else { return Err(absent()) };
    let helpers = helpers.split(',').filter_map(|helper| helper.parse().ok()).collect();
    Ok(Sleeper {
        state: state.to_string(),
        asleep_ms: asleep.parse().map_err(|_| absent())?,
        left_ms: left.parse().ok(),
        helpers,
        waits_for: waits_for.to_string(),
    })
}

/// The numbers in the lines that begin with a word.
fn numbers(text: &str, word: &str) -> Vec<Vec<i32>> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix(':'));
    lines.map(|line| line.split_whitespace().filter_map(|number| number.parse().ok()).collect()).collect()
}

/// Whether nobody who is awake can help it.
fn is_stuck(text: &str, pid: i32) -> bool {
    numbers(text, "stuck").concat().contains(&pid)
}

/// What /proc/PID/fd calls a descriptor of this process.
fn name(fd: i32) -> Result<String, Failure> {
    Ok(std::fs::read_link(format!("/proc/self/fd/{fd}"))?.to_string_lossy().into_owned())
}

/// A child that closes `unwanted` and then sleeps in a read of `from`.
fn reader(from: i32, unwanted: &[i32]) -> Result<Child, Failure> {
    let child = process::spawn(|| {
        unwanted.iter().try_for_each(|fd| fd::close(*fd))?;
        fd::read(from, &mut [0])?;
        Ok(())
    })?;
    child.wait_until_asleep()?;
    Ok(child)
}

/// Two children, each of which reads what only the other could write.
fn deadlock() -> Result<[Child; 2], Failure> {
    let (there, back) = (Pipe::anonymous(0)?, Pipe::anonymous(0)?);
    let one = reader(there.read, &[there.write, back.read])?;
    let other = reader(back.read, &[back.write, there.read])?;
    for fd in [there.read, there.write, back.read, back.write] {
        fd::close(fd)?;
    }
    Ok([one, other])
}

/// Ends them, whatever the end of one does to another.
fn end(children: &[Child]) -> Outcome {
    children.iter().try_for_each(|child| child.kill(libc::SIGKILL))?;
    children.iter().try_for_each(|child| child.wait().map(|_| ()))
}

/// A child that waits for its children, and what the file says then.
fn waiting_parent(body: impl FnOnce() -> Outcome) -> Result<(Child, String), Failure> {
    let parent = process::spawn(body)?;
    let mut told = String::new();
    let waits = || {
        told = text()?;
        Ok(sleeper(&told, parent.pid).is_ok_and(|sleeper| sleeper.waits_for == "a child"))
    };
    expect_soon(waits, "the parent waits for a child")?;
    Ok((parent, told))
}

/// Ends a parent's children, by which it ends as well.
fn end_children(parent: Child, children: &[i32]) -> Outcome {
    for child in children {
        // The end of one may have been that of the other, and of the parent.
        let _ = process::kill(*child, libc::SIGKILL);
    }
    parent.wait().map(|_| ())
}

fn two_processes_that_wait_for_each_other_over_two_pipes_are_a_circle() -> Outcome {
    needs_postern("tells of Postern's kernel")?;
    let children = deadlock()?;
    let [one, other] = children.map(|child| child.pid);
    let text = text()?;
    expect_eq(sleeper(&text, one)?.helpers, [other], "who could help the first")?;
    expect_eq(sleeper(&text, other)?.helpers, [one], "who could help the other")?;
    expect(numbers(&text, "circle").contains(&vec![one, other]), &format!("both are a circle in\n{text}"))?;
    expect(is_stuck(&text, one) && is_stuck(&text, other), "both are stuck")?;
    end(&children)
}

fn a_reader_of_an_empty_pipe_is_helped_by_the_writer_that_lives() -> Outcome {
    needs_postern("tells of Postern's kernel")?;
    let pipe = Pipe::anonymous(0)?;
    let child = reader(pipe.read, &[pipe.write])?;
    let text = text()?;
    let sleeper = sleeper(&text, child.pid)?;
    expect_eq(sleeper.waits_for.as_str(), format!("to read {}", name(pipe.read)?).as_str(), "what it waits for")?;
    expect_eq(sleeper.helpers, [process::getpid()], "who could help")?;
    expect_eq((sleeper.state.as_str(), sleeper.left_ms), ("S", None), "state and time left")?;
    expect(!is_stuck(&text, child.pid), "it is not stuck, since its writer is awake")?;
    end(&[child])
}

fn a_writer_to_a_full_pipe_is_helped_by_the_reader_that_lives() -> Outcome {
    needs_postern("tells of Postern's kernel")?;
    let pipe = Pipe::anonymous(0)?;
    let child = process::spawn(|| {
        fd::close(pipe.read)?;
        fd::write(pipe.write, &[0; 100_000])?;
        Ok(())
    })?;
    child.wait_until_asleep()?;
    let sleeper = sleeper(&text()?, child.pid)?;
    expect_eq(sleeper.waits_for.as_str(), format!("to write {}", name(pipe.write)?).as_str(), "what it waits for")?;
    expect_eq(sleeper.helpers, [process::getpid()], "who could help")?;
    end(&[child])
}

fn a_reader_that_is_the_only_writer_itself_waits_for_itself() -> Outcome {
    needs_postern("tells of Postern's kernel")?;
    let pipe = Pipe::anonymous(0)?;
    let child = reader(pipe.read, &[])?;
    fd::close(pipe.write)?;
    let text = text()?;
    expect_eq(sleeper(&text, child.pid)?.helpers, [child.pid], "who could help")?;
    expect(numbers(&text, "circle").contains(&vec![child.pid]), &format!("it is a circle by itself in\n{text}"))?;
    end(&[child])
}

fn a_process_that_waits_for_one_in_a_circle_is_stuck_too() -> Outcome {
    needs_postern("tells of Postern's kernel")?;
    let (parent, text) = waiting_parent(|| {
        let [one, _] = deadlock()?;
        one.expect_success()
    })?;
    let children = process::children_of(parent.pid)?;
    expect_eq(sleeper(&text, parent.pid)?.helpers, children.clone(), "who could help")?;
    expect(is_stuck(&text, parent.pid), &format!("the parent is stuck in\n{text}"))?;
    let circles = numbers(&text, "circle");
    expect(circles.contains(&children) && !circles.concat().contains(&parent.pid), "the circle is its children's")?;
    end_children(parent, &children)
}

fn a_socket_s_reader_is_helped_by_its_mate() -> Outcome {
    needs_postern("tells of Postern's kernel")?;
    let [here, there] = socket::pair(libc::SOCK_STREAM)?;
    let child = reader(there, &[here])?;
    fd::close(there)?;
    expect_eq(sleeper(&text()?, child.pid)?.helpers, [process::getpid()], "who could help")?;
    end(&[child])
}

fn a_wait_at_a_futex_is_told_of_with_the_address() -> Outcome {
    needs_postern("tells of Postern's kernel")?;
    let word = memory::private(1)?;
    let operation = (FUTEX_WAIT | FUTEX_PRIVATE_FLAG).unsigned_abs() as usize;
    let child = process::spawn(|| {
        call(libc::SYS_futex, [word.address + 8, operation, 0, 0])?;
        Ok(())
    })?;
    child.wait_until_asleep()?;
    let text = text()?;
    let sleeper = sleeper(&text, child.pid)?;
    expect_eq(sleeper.waits_for.as_str(), format!("futex {:#x}", word.address + 8).as_str(), "what it waits for")?;
    expect(is_stuck(&text, child.pid), "it is stuck: no other thread of its could wake it")?;
    end(&[child])
}

fn a_parent_that_waits_is_helped_by_its_children() -> Outcome {
    needs_postern("tells of Postern's kernel")?;
    let (parent, text) = waiting_parent(|| process::spawn_sleeper()?.expect_success())?;
    let sleeper = sleeper(&text, parent.pid)?;
    let children = process::children_of(parent.pid)?;
    expect_eq(sleeper.helpers, children.clone(), "who could help")?;
    end_children(parent, &children)
}

fn a_sleep_for_a_time_is_told_of_with_what_is_left_of_it() -> Outcome {
    needs_postern("tells of Postern's kernel")?;
    let child = process::spawn(|| {
        std::thread::sleep(Duration::from_secs(1000));
        Ok(())
    })?;
    child.wait_until_asleep()?;
    let text = text()?;
    let sleeper = sleeper(&text, child.pid)?;
    expect_eq(sleeper.waits_for.as_str(), "a time", "what it waits for")?;
    let left_ms = sleeper.left_ms.unwrap_or(0);
    expect((900_000..=1_000_000).contains(&left_ms), &format!("{left_ms} ms are left of 1000 s"))?;
    expect(!is_stuck(&text, child.pid), "it is not stuck")?;
    end(&[child])
}

fn a_poll_waits_for_any_of_its_files() -> Outcome {
    needs_postern("tells of Postern's kernel")?;
    let (one, other) = (Pipe::anonymous(0)?, Pipe::anonymous(0)?);
    let child = process::spawn(|| {
        fd::close(one.write)?;
        poll(&mut [wanting(one.read, POLLIN), wanting(other.read, POLLIN)], -1)?;
        Ok(())
    })?;
    child.wait_until_asleep()?;
    fd::close(other.write)?;
    let sleeper = sleeper(&text()?, child.pid)?;
    for pipe in [one, other] {
        let name = format!("to read {}", name(pipe.read)?);
        expect(sleeper.waits_for.contains(&name), &format!("{name} is among {}", sleeper.waits_for))?;
    }
    expect_eq(sleeper.helpers, [process::getpid(), child.pid], "who could help")?;
    end(&[child])
}

fn an_epoll_wait_is_told_of() -> Outcome {
    needs_postern("tells of Postern's kernel")?;
    let (epoll, pipe) = (ready::epoll_create()?, Pipe::anonymous(0)?);
    ready::epoll_add(epoll, pipe.read, libc::EPOLLIN)?;
    let child = process::spawn(|| ready::epoll_pwait(epoll, 1, -1, None).map(drop).map_err(Failure::from))?;
    child.wait_until_asleep()?;
    let text = text()?;
    let waits_for = sleeper(&text, child.pid)?.waits_for;
    expect_eq(waits_for.as_str(), format!("events of {}", name(epoll)?).as_str(), "what it waits for")?;
    expect(!is_stuck(&text, child.pid), "who could help is not known, so it is not stuck")?;
    end(&[child])
}

fn who_has_not_run_since_the_last_look_has_slept_for_that_long_at_least() -> Outcome {
    needs_postern("tells of Postern's kernel")?;
    let pipe = Pipe::anonymous(0)?;
    let child = reader(pipe.read, &[])?;
    text()?;
    std::thread::sleep(Duration::from_millis(20));
    let asleep_ms = sleeper(&text()?, child.pid)?.asleep_ms;
    expect(asleep_ms >= 20, &format!("{asleep_ms} ms are 20 or more"))?;
    end(&[child])
}

fn reads_for_ever() -> Outcome {
    let pipe = Pipe::anonymous(0)?;
    fd::read(pipe.read, &mut [0])?;
    Ok(())
}

fn a_test_that_times_out_shows_who_waited_for_whom() -> Outcome {
    needs_postern("tells of Postern's kernel")?;
    // In a process of its own: the harness has a SIGCHLD of its own.
    let runner = process::spawn(|| {
        harness::prepare()?;
        let test = Test { name: "example".to_string(), body: Box::new(reads_for_ever) };
        let (verdict, text) = harness::run(&test, Duration::from_millis(200))?;
        expect(matches!(verdict, Verdict::Failed(reason) if reason == "timed out"), "the test times out")?;
        expect(text.contains(": to read pipe:["), &format!("what it waited for is in\n{text}"))?;
        expect(!numbers(&text, "circle").is_empty(), &format!("that nobody else could help is in\n{text}"))
    })?;
    runner.expect_success()
}

fn only_root_may_read_it() -> Outcome {
    needs_postern("tells of Postern's kernel")?;
    let other = process::spawn(|| {
        process::become_user(1000)?;
        expect_errno(path::open(FILE, libc::O_RDONLY, 0), EACCES)
    })?;
    other.expect_success()
}
