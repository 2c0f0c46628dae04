//! The shell at a terminal: prompt, editing, keyboard signals, jobs. A pseudo-terminal stands for
//! the console; every step waits for the text it must bring, so that nothing depends on speed.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::openpty;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// A step that takes longer than this has failed.
const PATIENCE_MS: u16 = 20_000;

struct Terminal {
    keyboard: File,
    shell: Child,
    /// What the shell printed and no step has looked at yet.
    unseen: String,
}

impl Terminal {
    fn start() -> Self {
        let pair = openpty(None, None).expect("a pseudo-terminal can be had");
        let side = || Stdio::from(pair.slave.try_clone().expect("a descriptor can be copied"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_sh"));
        command.env("PS1", "ready> ").env("TERM", "xterm").stdin(side()).stdout(side()).stderr(side());
        let take_terminal = || {
            nix::unistd::setsid()?;
            // SAFETY: TIOCSCTTY takes a plain number.
            nix::errno::Errno::result(unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) })?;
            Ok(())
        };
        // SAFETY: between fork and exec only two system calls are made.
        unsafe { command.pre_exec(take_terminal) };
        let shell = command.spawn().expect("the shell starts");
        let mut terminal = Self { keyboard: File::from(pair.master), shell, unseen: String::new() };
        terminal.wait_for("ready> ");
        terminal
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Reads until `text` has come, and forgets everything up to it.
    fn wait_for(&mut self, text: &str) {
        loop {
            if let Some(at) = self.unseen.find(text) {
                self.unseen.drain(..at + text.len());
                return;
            }
            let mut watched = [PollFd::new(self.keyboard.as_fd(), PollFlags::POLLIN)];
            let ready = poll(&mut watched, PollTimeout::from(PATIENCE_MS)).expect("poll works");
            assert_ne!(ready, 0, "{text:?} did not come; instead: {:?}", self.unseen);
            let mut buffer = [0; 4096];
            let count = self.keyboard.read(&mut buffer).expect("the shell is there");
            self.unseen.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }

    /// Types a line and waits for a line of its output, which must not be part of what was typed.
    fn line(&mut self, line: &str, output: &str) {
        self.press(&format!("{line}\r"));
        self.wait_for(&format!("\n{output}\r\n"));
        self.wait_for("ready> ");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that failed leaves its shell behind; one that passed has ended it.
        if let Ok(None) = self.shell.try_wait() {
            let _ = self.shell.kill();
            let _ = self.shell.wait();
        }
    }
}

#[test]
fn lines_are_read_edited_and_remembered() {
    let mut terminal = Terminal::start();
    terminal.line("echo one", "one");
    terminal.line("echo wrong\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}right", "right");
    terminal.press("\u{1b}[A\u{1b}[A\r");
    terminal.wait_for("\none\r\n");
    terminal.wait_for("ready> ");
    terminal.press("for i in a b; do\r");
    terminal.wait_for("> ");
    terminal.line("echo loop-$i; done", "loop-a\r\nloop-b");
}

#[test]
fn the_interrupt_key_ends_the_program_and_not_the_shell() {
    let mut terminal = Terminal::start();
    terminal.press("sh -c 'echo run\\ning; exec sleep 100'\r");
    terminal.wait_for("\nrunning\r\n");
    terminal.press("\u{3}");
    terminal.wait_for("ready> ");
    terminal.line("echo status-$?", "status-130");
    terminal.press("echo go; while :; do :; done\r");
    terminal.wait_for("\ngo\r\n");
    terminal.press("\u{3}");
    terminal.wait_for("ready> ");
    terminal.line("echo status-$?", "status-130");
}

/// The leader of the pipeline's group is a zombie by the time the key is pressed, and often before the second is forked.
#[test]
fn the_interrupt_key_ends_a_pipeline_whose_first_program_has_ended() {
    let mut terminal = Terminal::start();
    for _ in 0..10 {
        terminal.press("true | sh -c 'echo run\\ning; exec sleep 100'\r");
        terminal.wait_for("\nrunning\r\n");
        terminal.press("\u{3}");
        terminal.wait_for("ready> ");
        terminal.line("echo status-$?", "status-130");
    }
}

#[test]
fn jobs_stop_go_on_and_end() {
    let mut terminal = Terminal::start();
    terminal.press("sh -c 'echo run\\ning; exec sleep 100'\r");
    terminal.wait_for("\nrunning\r\n");
    terminal.press("\u{1a}");
    terminal.wait_for("Stopped");
    terminal.wait_for("ready> ");
    terminal.press("bg\r");
    terminal.wait_for("ready> ");
    terminal.press("jobs\r");
    terminal.wait_for("Running");
    terminal.wait_for("ready> ");
    terminal.press("kill %1; wait; echo end\\ed\r");
    terminal.wait_for("\nended\r\n");
    terminal.wait_for("ready> ");
    terminal.press("sh -c 'echo aga\\in; exec sleep 100'\r");
    terminal.wait_for("\nagain\r\n");
    terminal.press("\u{1a}");
    terminal.wait_for("Stopped");
    terminal.wait_for("ready> ");
    terminal.line("kill %1; wait; echo en\\ded", "ended");
    terminal.press("exit 3\r");
    let status = terminal.shell.wait().expect("the shell is our child");
    assert_eq!(status.code(), Some(3));
}

#[test]
fn an_error_costs_the_line_only() {
    let mut terminal = Terminal::start();
    terminal.press("fi\r");
    terminal.wait_for("Syntax error");
    terminal.press("echo ${unset?gone}; echo no\r");
    terminal.wait_for("unset: gone");
    terminal.wait_for("ready> ");
    terminal.line("echo al\\ive", "alive");
}

#[test]
fn lines_typed_at_once_all_run() {
    let mut terminal = Terminal::start();
    terminal.press("echo fir\\st\recho sec\\ond\necho thi\\rd\r");
    for output in ["first", "second", "third"] {
        terminal.wait_for(&format!("\n{output}\r\n"));
    }
    terminal.press("sh -c 'exit 3'\rexit $?\r");
    let status = terminal.shell.wait().expect("the shell is our child");
    assert_eq!(status.code(), Some(3));
}

#[test]
fn what_is_typed_while_a_command_runs_is_run_after_it() {
    let mut terminal = Terminal::start();
    terminal.press("echo run\\ning; read line; echo got $line\r");
    terminal.wait_for("\nrunning\r\n");
    terminal.press("answer\recho af\\ter\recho la\\st\r");
    terminal.wait_for("\ngot answer\r\n");
    terminal.wait_for("\nafter\r\n");
    terminal.wait_for("\nlast\r\n");
}

#[test]
fn a_program_gets_the_lines_typed_behind_its_own() {
    let mut terminal = Terminal::start();
    terminal.press("sh -c 'read a; read b; echo $b-$a'\none\ntwo\necho af\\ter\n");
    terminal.wait_for("\ntwo-one\r\n");
    terminal.wait_for("\nafter\r\n");
    terminal.wait_for("ready> ");
}

#[test]
fn the_end_key_ends_the_shell_on_an_empty_line_only() {
    let mut terminal = Terminal::start();
    terminal.press("echo st\\ill\u{4}\r");
    terminal.wait_for("\nstill\r\n");
    terminal.wait_for("ready> ");
    terminal.press("sh -c 'exit 5'\r");
    // Typed while that runs, the key would be the terminal's, which gives the shell something else.
    terminal.wait_for("ready> ");
    terminal.press("\u{4}");
    let status = terminal.shell.wait().expect("the shell is our child");
    assert_eq!(status.code(), Some(5));
}

#[test]
fn the_interrupt_key_ends_reading_and_waiting() {
    let mut terminal = Terminal::start();
    terminal.press("echo rea\\dy; read line\r");
    terminal.wait_for("\nready\r\n");
    terminal.press("\u{3}");
    terminal.wait_for("ready> ");
    terminal.line("echo status-$?", "status-130");
    terminal.press("yes | cat >/dev/null & echo sta\\rted; wait; echo no\r");
    terminal.wait_for("\nstarted\r\n");
    terminal.press("\u{3}");
    terminal.wait_for("ready> ");
    terminal.line("kill %1; wait; echo go\\ne", "gone");
}

#[test]
fn the_end_key_inside_a_command_costs_the_command_only() {
    let mut terminal = Terminal::start();
    terminal.press("cat <<E\r");
    terminal.wait_for("> ");
    terminal.press("\u{4}");
    terminal.wait_for("Syntax error");
    terminal.wait_for("ready> ");
    terminal.line("echo al\\ive", "alive");
}
