//! The tools for people around `/dev/hello`: `hello`, `cgrun`, `ipctop`, as they work in the guest. What they refuse is tested on
//! the host (`user/coreutils/tests`). Specification: docs/hello.md.

use super::modules::needs_root_on_postern;
use crate::check::{Failure, Outcome, expect, expect_eq};
use crate::sys::cgroup::Group;
use crate::sys::process::wait_for_state;
use crate::sys::{hello, path};
use std::process::{Child, Command, Stdio};

crate::tests! {
    hello_sends_what_hello_receives,
    hello_sends_its_input_to_a_channel,
    hello_follow_hears_one_sender_after_another,
    hello_stat_shows_a_line_for_the_channel,
    cgrun_runs_a_command_in_the_group_it_makes,
    cgrun_leads_to_the_ring_of_its_group,
    ipctop_shows_the_counters_of_hello,
}

/// A tool of the guest that runs beside the test.
fn start(words: &[&str]) -> Result<Child, Failure> {
    let mut command = Command::new(format!("/bin/{}", words[0]));
    Ok(command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?)
}

/// What a tool printed, after it ended well.
fn finished(child: Child, name: &str) -> Result<String, Failure> {
    let output = child.wait_with_output()?;
    expect_eq(output.status.code(), Some(0), &format!("status of {name}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn run(words: &[&str]) -> Result<String, Failure> {
    finished(start(words)?, words[0])
}

/// Waits until a tool sleeps: it has come as far as it can without the other side.
fn until_asleep(child: &Child) -> Outcome {
    wait_for_state(child.id().cast_signed(), 'S')
}

fn hello_sends_what_hello_receives() -> Outcome {
    needs_root_on_postern()?;
    let receiver = start(&["hello", "receive"])?;
    run(&["hello", "send", "through", "the", "gate"])?;
    expect_eq(finished(receiver, "hello receive")?, "through the gate\n", "what was received")
}

fn hello_sends_its_input_to_a_channel() -> Outcome {
    needs_root_on_postern()?;
    let receiver = start(&["hello", "receive", "-c", "tool-input"])?;
    let shell = "printf 'one\\ntwo\\n' | hello send -c tool-input";
    run(&["sh", "-c", shell])?;
    expect_eq(finished(receiver, "hello receive")?, "one\ntwo\n", "what was received")
}

fn hello_follow_hears_one_sender_after_another() -> Outcome {
    needs_root_on_postern()?;
    let follower = start(&["hello", "follow", "-c", "tool-follow", "-n", "8"])?;
    run(&["hello", "send", "-c", "tool-follow", "one"])?;
    until_asleep(&follower)?;
    run(&["hello", "send", "-c", "tool-follow", "two"])?;
    expect_eq(finished(follower, "hello follow")?, "one\ntwo\n", "what was heard")
}

fn hello_stat_shows_a_line_for_the_channel() -> Outcome {
    needs_root_on_postern()?;
    let file = hello::open(libc::O_RDWR)?;
    hello::channel(file, b"tool-stat")?;
    let text = run(&["hello", "stat", "-c", "tool-stat"])?;
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    expect_eq(rows.len(), 2, "lines: a head and the channel")?;
    expect_eq(rows[0][..3].to_vec(), ["cgroup", "name", "slots"], "the head")?;
    expect_eq(rows[1][1..3].to_vec(), ["tool-stat", "16"], "name and slots")
}

fn cgrun_runs_a_command_in_the_group_it_makes() -> Outcome {
    needs_root_on_postern()?;
    let group = Group::new()?;
    let inner = format!("{}/inner", group.name()?);
    let shown = run(&["cgrun", &inner, "cat", "/proc/self/cgroup"])?;
    expect_eq(shown.trim_end(), format!("0::{inner}"), "the command's group")?;
    Ok(path::rmdir(&group.file("inner"))?)
}

fn cgrun_leads_to_the_ring_of_its_group() -> Outcome {
    needs_root_on_postern()?;
    let group = Group::new()?;
    let inner = format!("{}/inner", group.name()?);
    let receivers = [start(&["cgrun", &inner, "hello", "receive"])?, start(&["hello", "receive"])?];
    run(&["cgrun", &inner, "hello", "send", "inside"])?;
    run(&["hello", "send", "outside"])?;
    let [inside, outside] = receivers.map(|receiver| finished(receiver, "hello receive"));
    expect_eq((inside?, outside?), ("inside\n".into(), "outside\n".into()), "what came inside, and outside")?;
    Ok(path::rmdir(&group.file("inner"))?)
}

fn ipctop_shows_the_counters_of_hello() -> Outcome {
    needs_root_on_postern()?;
    let text = run(&["ipctop"])?;
    let shown = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    expect_eq(shown("hello instances"), Some(hello::counter("instances")?.to_string().as_str()), "instances")?;
    expect(shown("hello spurious_wakes").is_some(), "spurious wakes are shown")?;
    let twice = run(&["ipctop", "-n", "2", "-d", "0"])?;
    expect_eq(twice.lines().filter(|line| line.starts_with("counter ")).count(), 2, "heads of two looks")
}
