//! Child processes and signals: fork and exec, SIGCHLD, pipes to and from a child.

use crate::{Outcome, expect};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

const SIGKILL: i32 = 9;

fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(script).kill_on_drop(true);
    command
}

/// What goes in comes out, changed, with the status.
pub async fn children_get_input_and_give_output() -> Outcome {
    let mut command = shell("while read -r line; do echo \"<$line>\"; done; exit 3");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().ok_or("no input")?;
    input.write_all(b"one\ntwo\n").await?;
    drop(input);
    let output = child.wait_with_output().await?;
    expect(output.stdout == b"<one>\n<two>\n" && output.status.code() == Some(3), "output and status")
}

/// Twenty at a time, each with a status of its own.
pub async fn many_children_at_once() -> Outcome {
    let mut tasks = JoinSet::new();
    for number in 0..20 {
        tasks.spawn(async move {
            let status = shell(&format!("exit {number}")).status().await?;
            Ok::<bool, std::io::Error>(status.code() == Some(number))
        });
    }
    while let Some(done) = tasks.join_next().await {
        expect(done??, "each child's status is its own")?;
    }
    Ok(())
}

/// A child that would not end by itself.
pub async fn a_child_that_is_killed_says_so() -> Outcome {
    let mut child = shell("read -r line").stdin(Stdio::piped()).spawn()?;
    // Kept, so that the child waits.
    let _input = child.stdin.take();
    child.start_kill()?;
    let status: ExitStatus = child.wait().await?;
    expect(status.signal() == Some(SIGKILL), "the signal that ended it")
}

/// Signals from outside wake a task.
pub async fn signals_arrive() -> Outcome {
    let mut first = signal(SignalKind::user_defined1())?;
    let mut second = signal(SignalKind::user_defined2())?;
    for _ in 0..3 {
        let status = shell("kill -USR1 $PPID; kill -USR2 $PPID").status().await?;
        expect(status.success(), "the child sends them")?;
        expect(first.recv().await.is_some() && second.recv().await.is_some(), "both arrive")?;
    }
    Ok(())
}
