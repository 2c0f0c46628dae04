//! Postern's shell as somebody at a terminal uses it: editing, jobs, the keys that interrupt and stop. A program plays the user
//! over a pseudo-terminal. Specification: sh(1) of POSIX, "Job control"; docs/testing.md.

use crate::check::{Failure, Outcome, expect, expect_eq, failed, is_postern, needs_own_machine, skip};
use crate::patience::expect_soon;
use crate::probe;
use crate::sys::process::{self, Child};
use crate::sys::terminal::{self, Pair};
use crate::sys::{fd, ready};
use std::time::{Duration, Instant};

crate::tests! {
    line_is_edited_before_it_is_run,
    last_line_comes_back_by_the_arrow_key,
    unfinished_line_is_given_up_by_the_interrupt_key,
    interrupt_key_ends_the_command_and_not_the_shell,
    stop_key_stops_the_command_and_fg_and_bg_take_it_on,
    background_job_that_reads_is_stopped,
    pipeline_has_the_terminal_as_one_job,
    end_of_file_key_ends_the_shell,
    closed_terminal_ends_the_shell_and_its_job,
    command_sees_the_window_size,
    command_that_reads_has_the_terminal_as_it_was_before_the_prompt,
    script_gives_a_command_a_terminal_and_records_it,
}

const PATIENCE: Duration = Duration::from_secs(8);
const PROMPT: &str = "ready> ";
const INTERRUPT: &str = "\x03";
const END_OF_FILE: &str = "\x04";
const STOP: &str = "\x1a";

/// A shell and who types at it.
struct Shell {
    pair: Pair,
    child: Child,
    /// What was shown and not yet looked for.
    seen: String,
}

/// Postern's shell: the guest's, or the one built beside this program.
fn shell_program() -> Result<String, Failure> {
    if is_postern() {
        return Ok("/bin/sh".into());
    }
    let beside = std::path::Path::new(&probe::program()?).with_file_name("sh");
    if beside.exists() { Ok(beside.to_string_lossy().into_owned()) } else { skip("needs Postern's shell") }
}

impl Shell {
    /// Starts one and waits for its prompt.
    fn start() -> Result<Self, Failure> {
        let program = shell_program()?;
        let pair = Pair::open()?;
        terminal::set_window(pair.master, 24, 80)?;
        let child = process::spawn(|| {
            process::setsid()?;
            terminal::ioctl(pair.terminal, 0x540e, 0)?;
            (0..3).try_for_each(|stream| fd::dup2(pair.terminal, stream).map(drop))?;
            let prompt = format!("PS1={PROMPT}");
            process::execve(&program, &["sh", "-i"], &["PATH=/bin:/usr/bin", "TERM=xterm", "HOME=/", &prompt])?;
            Ok(())
        })?;
        fd::close(pair.terminal)?;
        let mut shell = Self { pair, child, seen: String::new() };
        shell.until(PROMPT)?;
        Ok(shell)
    }

    /// Reads what is shown until `text` comes.
    #[track_caller]
    fn until(&mut self, text: &str) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return Ok(());
            }
            let left_ms = i32::try_from(deadline.saturating_duration_since(Instant::now()).as_millis()).unwrap_or(0);
            let mut bytes = [0; 4096];
            let polled = ready::poll(&mut [ready::wanting(self.pair.master, libc::POLLIN)], left_ms)?;
            let count = if polled == 0 { 0 } else { fd::read(self.pair.master, &mut bytes)? };
            if count == 0 {
                return Err(failed(format!("{text:?} did not come, but {:?}", self.seen)));
            }
            self.seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }

    fn type_in(&self, keys: &str) -> Outcome {
        self.pair.type_in(keys)
    }

    /// Runs a line and waits for what it prints and for the next prompt.
    #[track_caller]
    fn run(&mut self, line: &str, printed: &str) -> Outcome {
        self.type_in(&format!("{line}\r"))?;
        self.until(printed)?;
        self.until(PROMPT)
    }

    /// Starts a command that goes on, and waits until it is in the foreground.
    #[track_caller]
    fn start_job(&mut self, line: &str) -> Result<i32, Failure> {
        self.type_in(&format!("{line}\r"))?;
        self.until("\n")?;
        self.until_foreground(|group| group != self.child.pid)
    }

    fn until_foreground(&self, is_wanted: impl Fn(i32) -> bool) -> Result<i32, Failure> {
        let mut group = 0;
        let changes = || {
            group = terminal::foreground(self.pair.master)?;
            Ok(is_wanted(group))
        };
        expect_soon(changes, "the foreground group changes")?;
        Ok(group)
    }

    /// Whether `jobs` says this of a job.
    fn lists(&mut self, word: &str) -> Result<bool, Failure> {
        self.type_in("jobs; echo li''sted\r")?;
        let mut all = String::new();
        while !all.contains("\nlisted\r\n") {
            all.push_str(&String::from_utf8_lossy(&terminal::read_some(self.pair.master)?));
        }
        self.seen = all.split_once("\nlisted\r\n").map(|(_, rest)| rest.into()).unwrap_or_default();
        self.until(PROMPT)?;
        Ok(all.contains(word))
    }

    fn leave(self) -> Outcome {
        self.type_in("exit 7\r")?;
        expect_eq(self.child.wait()?.exited(), Some(7), "the shell's exit status")
    }
}

fn line_is_edited_before_it_is_run() -> Outcome {
    let mut shell = Shell::start()?;
    // To the front, one key more there; to the end, and one taken away.
    shell.run("cho fi''nex\x01e\x05\x7f", "\nfine\r\n")?;
    shell.run("echo a''c\x1b[Db", "\nabc\r\n")?;
    shell.leave()
}

fn last_line_comes_back_by_the_arrow_key() -> Outcome {
    let mut shell = Shell::start()?;
    shell.run("echo on''ce", "\nonce\r\n")?;
    shell.run("\x1b[A", "\nonce\r\n")?;
    shell.leave()
}

fn unfinished_line_is_given_up_by_the_interrupt_key() -> Outcome {
    let mut shell = Shell::start()?;
    shell.type_in("echo never")?;
    shell.until("never")?;
    shell.type_in(INTERRUPT)?;
    shell.until(PROMPT)?;
    shell.run("echo af''ter", "\nafter\r\n")?;
    shell.leave()
}

fn interrupt_key_ends_the_command_and_not_the_shell() -> Outcome {
    let mut shell = Shell::start()?;
    shell.start_job("sleep 100")?;
    shell.type_in(INTERRUPT)?;
    shell.until(PROMPT)?;
    shell.run("echo sta''tus $?", "\nstatus 130\r\n")?;
    shell.leave()
}

fn stop_key_stops_the_command_and_fg_and_bg_take_it_on() -> Outcome {
    let mut shell = Shell::start()?;
    let group = shell.start_job("sleep 100")?;
    shell.type_in(STOP)?;
    shell.until(PROMPT)?;
    process::wait_for_state(group, 'T')?;
    shell.run("jobs", "Stopped")?;
    shell.run("bg", "sleep")?;
    process::wait_for_state(group, 'S')?;
    shell.run("jobs", "Running")?;
    shell.type_in("fg\r")?;
    expect_eq(shell.until_foreground(|now| now != shell.child.pid)?, group, "the group in the foreground")?;
    // First it gives the terminal away, then it lets the job go on, which would undo a stop in between; then it waits.
    process::wait_for_state(shell.child.pid, 'S')?;
    shell.type_in(STOP)?;
    shell.until(PROMPT)?;
    shell.type_in("fg %1\r")?;
    shell.until_foreground(|now| now == group)?;
    shell.type_in(INTERRUPT)?;
    shell.until(PROMPT)?;
    shell.run("echo sta''tus $?", "\nstatus 130\r\n")?;
    shell.leave()
}

fn background_job_that_reads_is_stopped() -> Outcome {
    let mut shell = Shell::start()?;
    shell.type_in("cat &\r")?;
    shell.until(PROMPT)?;
    // The job comes to its read some time; then it is stopped, and the shell says so before a prompt.
    expect_soon(|| shell.lists("Stopped"), "the job is stopped")?;
    shell.type_in("fg\r")?;
    shell.until_foreground(|now| now != shell.child.pid)?;
    shell.type_in("thr''ough\r")?;
    shell.until("\nthr''ough\r\n")?;
    shell.type_in(END_OF_FILE)?;
    shell.until(PROMPT)?;
    shell.leave()
}

fn pipeline_has_the_terminal_as_one_job() -> Outcome {
    let mut shell = Shell::start()?;
    shell.start_job("cat | cat")?;
    shell.type_in("he''re\r")?;
    shell.until("he''re\r\nhe''re\r\n")?;
    shell.type_in(END_OF_FILE)?;
    shell.until(PROMPT)?;
    // Once the last of them speaks, all are there.
    shell.start_job("sleep 100 | (echo ea''ch; sleep 200)")?;
    shell.until("each\r\n")?;
    shell.type_in(INTERRUPT)?;
    shell.until(PROMPT)?;
    shell.leave()
}

fn end_of_file_key_ends_the_shell() -> Outcome {
    let mut shell = Shell::start()?;
    shell.run("echo go''ing", "\ngoing\r\n")?;
    shell.type_in(END_OF_FILE)?;
    expect_eq(shell.child.wait()?.exited(), Some(0), "the shell's exit status")
}

fn closed_terminal_ends_the_shell_and_its_job() -> Outcome {
    let mut shell = Shell::start()?;
    let group = shell.start_job("sleep 100")?;
    fd::close(shell.pair.master)?;
    let status = shell.child.wait()?;
    expect(status.exited() != Some(0), "the shell does not end well")?;
    let is_over = || process::kill(group, 0).is_err() || process::state_of(group).is_ok_and(|state| state == 'Z');
    expect_soon(|| Ok(is_over()), "the job ends, too")
}

fn command_sees_the_window_size() -> Outcome {
    let mut shell = Shell::start()?;
    let line = format!("{} {} window", probe::program()?, probe::FLAG);
    shell.run(&line, "\n24 80\r\n")?;
    terminal::set_window(shell.pair.master, 50, 132)?;
    shell.run(&line, "\n50 132\r\n")?;
    shell.leave()
}

fn command_that_reads_has_the_terminal_as_it_was_before_the_prompt() -> Outcome {
    let mut shell = Shell::start()?;
    shell.start_job("cat")?;
    // The line discipline edits here, not the shell.
    shell.type_in("ab\x7fc\r")?;
    shell.until("ab\x08 \x08c\r\nac\r\n")?;
    shell.type_in(END_OF_FILE)?;
    shell.until(PROMPT)?;
    shell.leave()
}

fn script_gives_a_command_a_terminal_and_records_it() -> Outcome {
    // Elsewhere there is none, or another.
    needs_own_machine()?;
    let record = crate::scratch::enter()?.join("record");
    let mut script = std::process::Command::new("/bin/script");
    let output = script.args(["-q", "-e", "-c", "tty; read line; echo got $line; exit 5"]).arg(&record);
    let mut running = output.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn()?;
    if let Some(mut stdin) = running.stdin.take() {
        std::io::Write::write_all(&mut stdin, b"this\n")?;
    }
    let ended = running.wait_with_output()?;
    let shown = String::from_utf8_lossy(&ended.stdout).into_owned();
    expect_eq(ended.status.code(), Some(5), "the status")?;
    expect(shown.starts_with("/dev/pts/") || shown.starts_with("this\r\n/dev/pts/"), "a terminal of its own")?;
    expect(shown.ends_with("got this\r\n"), "what the command says last")?;
    expect_eq(std::fs::read_to_string(record)?, shown, "the record")
}
