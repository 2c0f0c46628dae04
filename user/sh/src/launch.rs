//! Starting children and waiting for them: process groups, the terminal, signals.
//! Specification: POSIX.1-2024, Shell Command Language, sections 2.9.3.1 and 2.11, `set -m`.

use crate::jobs::State;
use crate::shell::{Flow, Run, Shell};
use crate::system::{self, Disposition};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::unistd::{Pid, setpgid};
use std::fs::File;
use std::os::fd::AsRawFd;

/// Signals an interactive shell ignores and its children do not.
const SHELL_IGNORES: &[Signal] = &[Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU];

/// Blocks the signals that an interactive shell treats otherwise than its children do; returns the mask before.
fn hold_signals() -> SigSet {
    let signals: SigSet = [Signal::SIGINT].iter().chain(SHELL_IGNORES).copied().collect();
    // Refused only for a wrong `how`.
    signals.thread_swap_mask(SigmaskHow::SIG_BLOCK).unwrap_or_else(|_| SigSet::empty())
}

/// Waits until the terminal is this process group's, which stops until then like any job that wants to read in the background.
/// `false`: there is no terminal, or the group is nobody's job and cannot stop.
fn wait_for_foreground() -> bool {
    /// So often somebody may continue it in the background.
    const CONTINUATIONS: usize = 64;
    for _ in 0..CONTINUATIONS {
        match system::terminal_group() {
            Ok(group) if group == nix::unistd::getpgrp() => return true,
            // Fails only for a wrong signal.
            Ok(_) => drop(nix::sys::signal::kill(Pid::from_raw(0), Signal::SIGTTIN)),
            Err(_) => return false,
        }
    }
    false
}

fn release_signals(mask: SigSet) {
    // The same.
    let _ = mask.thread_set_mask();
}

/// What the children are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// The shell waits; with job control they own the terminal meanwhile.
    Foreground,
    /// The shell goes on.
    Background,
    /// A command substitution: the shell waits, in the same process group.
    Substitution,
}

/// The children of one pipeline.
pub struct Launch {
    purpose: Purpose,
    job_control: bool,
    group: Option<Pid>,
    children: Vec<Pid>,
}

impl Launch {
    /// For a pipeline the shell waits for.
    pub fn foreground(shell: &Shell) -> Self {
        Self::new(Purpose::Foreground, shell.options.job_control)
    }

    /// For a list ended by `&`.
    pub fn background(shell: &Shell) -> Self {
        Self::new(Purpose::Background, shell.options.job_control)
    }

    /// For a command substitution.
    pub fn quiet(_shell: &Shell) -> Self {
        Self::new(Purpose::Substitution, false)
    }

    fn new(purpose: Purpose, job_control: bool) -> Self {
        Self { purpose, job_control, group: None, children: Vec::new() }
    }

    /// Forks; `true` in the child, which is set up as a subshell.
    pub fn start(&mut self, shell: &mut Shell) -> Run<bool> {
        let interactive = shell.options.interactive;
        // A signal sent to the child before it has its own dispositions must wait: what the shell ignores would be lost.
        let held = interactive.then(hold_signals);
        match system::fork() {
            Ok(Some(child)) => {
                held.into_iter().for_each(release_signals);
                self.place(shell, child);
                self.children.push(child);
                Ok(false)
            }
            Ok(None) => {
                self.set_up_child(shell, interactive);
                held.into_iter().for_each(release_signals);
                Ok(true)
            }
            Err(error) => {
                held.into_iter().for_each(release_signals);
                shell.complain(&format!("cannot fork: {}", system::describe(&error)));
                // The stages already running would have nobody to wait for them.
                if !self.children.is_empty() {
                    shell.jobs.add(self.group, &self.children, b"");
                }
                shell.status = 2;
                Err(Flow::Abort)
            }
        }
    }

    /// Puts a child into the group of the job. Parent and child both do it, so that neither runs
    /// ahead of the other.
    fn place(&mut self, shell: &Shell, child: Pid) {
        if !self.job_control {
            return;
        }
        let group = *self.group.get_or_insert(child);
        match setpgid(child, group) {
            // The parent comes after the child's exec, or, if it ignores SIGCHLD, after its end: the child has done it.
            Ok(()) | Err(Errno::EACCES | Errno::ESRCH) => {}
            Err(error) => {
                shell.complain(&format!("cannot put {child} into process group {group}: {}", error.desc()));
            }
        }
        if self.purpose == Purpose::Foreground {
            let _ = system::set_terminal_group(group);
        }
    }

    fn set_up_child(&mut self, shell: &mut Shell, interactive: bool) {
        if interactive {
            // Before the child owns the terminal: a ^C from then on is for it.
            for signal in [Signal::SIGINT].iter().chain(SHELL_IGNORES) {
                if *signal != Signal::SIGTTOU {
                    system::set_disposition(*signal, Disposition::Default);
                }
            }
        }
        if self.job_control {
            // While SIGTTOU is ignored, since a background process may not take the terminal.
            self.place(shell, nix::unistd::getpid());
        }
        if interactive {
            system::set_disposition(Signal::SIGTTOU, Disposition::Default);
        }
        shell.enter_subshell();
        if self.purpose == Purpose::Background && !self.job_control {
            // The keyboard belongs to the foreground: neither its signals nor its input are ours.
            system::set_disposition(Signal::SIGINT, Disposition::Ignore);
            system::set_disposition(Signal::SIGQUIT, Disposition::Ignore);
            if let Ok(null) = File::open("/dev/null") {
                // A child without its own input keeps the shell's; there is nothing better to do.
                let _ = system::duplicate(null.as_raw_fd(), 0);
            }
        }
    }

    /// Registers the job and waits for it unless it runs in the background.
    pub fn finish(self, shell: &mut Shell, text: &[u8]) -> Run {
        let number = shell.jobs.add(self.group, &self.children, text);
        if self.purpose == Purpose::Background {
            let last = self.children.last().map(|pid| pid.as_raw());
            shell.last_background = last;
            if shell.options.interactive {
                shell.notify(&format!("[{number}] {}", last.unwrap_or(0)));
            }
            shell.status = 0;
            return Ok(());
        }
        shell.wait_foreground(number)
    }
}

impl Shell {
    /// Makes this shell interactive: signals of the keyboard do not end it, and if the terminal can
    /// be had, jobs are process groups.
    pub fn become_interactive(&mut self) {
        self.options.interactive = true;
        let is_foreground = wait_for_foreground();
        system::set_disposition(Signal::SIGINT, Disposition::Note);
        for signal in SHELL_IGNORES {
            system::set_disposition(*signal, Disposition::Ignore);
        }
        let own = nix::unistd::getpid();
        // A session leader is a group leader already and may not (and need not) move.
        let placed = setpgid(own, own).is_ok() || nix::unistd::getpgrp() == own;
        self.options.job_control = is_foreground && placed && system::set_terminal_group(own).is_ok();
    }

    /// Prints a message about jobs.
    pub fn notify(&self, message: &str) {
        // Without standard error there is nobody to tell.
        let _ = system::write_all(2, format!("{message}\n").as_bytes());
    }

    /// Waits for a job in the foreground; its status becomes `$?`.
    pub fn wait_foreground(&mut self, number: usize) -> Run {
        let state = self.wait_job(number);
        if self.options.job_control {
            // Fails only when the terminal is gone, and then the next read says so.
            let _ = system::set_terminal_group(nix::unistd::getpgrp());
        }
        self.status = state.status();
        if matches!(state, State::Stopped(_)) {
            if self.options.interactive {
                let line = self.jobs.get(number).map(job_line).unwrap_or_default();
                self.notify(&format!("\n{line}"));
            }
        } else {
            self.jobs.remove(number);
        }
        if let State::Killed(signal) = state {
            if signal == Signal::SIGINT as i32 {
                if self.options.interactive {
                    self.notify("");
                }
            } else if signal != Signal::SIGPIPE as i32 {
                self.notify(&signal_description(signal));
            }
        }
        self.check_signals()?;
        // ^C ends the whole command line, not only the program that was running.
        if self.options.interactive && state == State::Killed(Signal::SIGINT as i32) {
            return Err(Flow::Abort);
        }
        Ok(())
    }

    /// Sleeps until a job has ended or stopped.
    pub fn wait_job(&mut self, number: usize) -> State {
        loop {
            let state = self.jobs.get(number).map_or(State::Exited(127), crate::jobs::Job::state);
            if state != State::Running {
                return state;
            }
            match self.jobs.wait_any() {
                Ok(()) | Err(Errno::EINTR) => {}
                // No child left: somebody else reaped it, so its status is unknown.
                Err(_) => {
                    self.jobs.remove(number);
                    return State::Exited(127);
                }
            }
        }
    }

    /// Reports jobs that ended since the last prompt, and forgets them.
    pub fn report_finished(&mut self) {
        self.jobs.collect();
        let finished: Vec<_> = self
            .jobs
            .iter()
            .filter(|job| matches!(job.state(), State::Exited(_) | State::Killed(_)))
            .cloned()
            .collect();
        for job in finished {
            self.notify(&job_line(&job));
            self.jobs.remove(job.number);
        }
    }
}

/// A job as `jobs` shows it.
pub fn job_line(job: &crate::jobs::Job) -> String {
    let state = match job.state() {
        State::Running => "Running".to_owned(),
        State::Stopped(_) => "Stopped".to_owned(),
        State::Exited(0) => "Done".to_owned(),
        State::Exited(status) => format!("Done({status})"),
        State::Killed(signal) => signal_description(signal),
    };
    format!("[{}] {state:<22} {}", job.number, String::from_utf8_lossy(&job.text))
}

/// What is said about a process that a signal ended.
pub fn signal_description(signal: i32) -> String {
    match Signal::try_from(signal) {
        Ok(Signal::SIGTERM) => "Terminated".to_owned(),
        Ok(Signal::SIGKILL) => "Killed".to_owned(),
        Ok(Signal::SIGHUP) => "Hangup".to_owned(),
        Ok(Signal::SIGINT) => "Interrupt".to_owned(),
        Ok(Signal::SIGQUIT) => "Quit".to_owned(),
        Ok(Signal::SIGABRT) => "Aborted".to_owned(),
        Ok(Signal::SIGSEGV) => "Segmentation fault".to_owned(),
        Ok(Signal::SIGBUS) => "Bus error".to_owned(),
        Ok(Signal::SIGFPE) => "Floating point exception".to_owned(),
        Ok(Signal::SIGILL) => "Illegal instruction".to_owned(),
        Ok(Signal::SIGALRM) => "Alarm clock".to_owned(),
        Ok(signal) => signal.as_str().to_owned(),
        Err(_) => format!("Signal {signal}"),
    }
}
