//! Jobs: the processes a shell started, what became of them, and the waiting. Sleeps in `wait4`.
//! Specification: POSIX.1-2024, Shell Command Language, section 2.11.

use crate::system;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// State of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As far as is known.
    Running,
    /// By this signal.
    Stopped(i32),
    /// With this exit status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

impl State {
    /// The value `$?` has for it.
    pub fn status(self) -> i32 {
        match self {
            Self::Running => 0,
            Self::Exited(status) => status,
            Self::Stopped(signal) | Self::Killed(signal) => 128 + signal,
        }
    }

    fn is_over(self) -> bool {
        matches!(self, Self::Exited(_) | Self::Killed(_))
    }
}

/// A pipeline that runs in processes of its own.
#[derive(Clone, Debug)]
pub struct Job {
    /// The number in `%n`.
    pub number: usize,
    /// The process group, when there is job control.
    pub group: Option<Pid>,
    /// Process and state, in the order of the pipeline.
    pub processes: Vec<(Pid, State)>,
    /// The source text.
    pub text: Vec<u8>,
}

impl Job {
    /// State of the job: running if anything runs, else stopped if anything is stopped, else the
    /// state of the last process.
    pub fn state(&self) -> State {
        let states = || self.processes.iter().map(|(_, state)| *state);
        let running = states().find(|state| *state == State::Running);
        let stopped = states().find(|state| matches!(state, State::Stopped(_)));
        running.or(stopped).or_else(|| states().next_back()).unwrap_or(State::Exited(0))
    }
}

/// All jobs of a shell.
#[derive(Clone, Debug, Default)]
pub struct Jobs {
    table: Vec<Job>,
}

impl Jobs {
    /// Adds a job and returns its number.
    pub fn add(&mut self, group: Option<Pid>, processes: &[Pid], text: &[u8]) -> usize {
        let number = self.table.iter().map(|job| job.number).max().unwrap_or(0) + 1;
        let processes = processes.iter().map(|pid| (*pid, State::Running)).collect();
        self.table.push(Job { number, group, processes, text: text.to_vec() });
        number
    }

    /// The job of that number.
    pub fn get(&self, number: usize) -> Option<&Job> {
        self.table.iter().find(|job| job.number == number)
    }

    /// All jobs in the order of starting.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Job> {
        self.table.iter()
    }

    /// The job that has a process.
    pub fn with_process(&self, process: Pid) -> Option<&Job> {
        self.table.iter().find(|job| job.processes.iter().any(|(pid, _)| *pid == process))
    }

    /// Forgets a job.
    pub fn remove(&mut self, number: usize) {
        self.table.retain(|job| job.number != number);
    }

    /// Marks the stopped processes of a job as running again.
    pub fn resume(&mut self, number: usize) {
        for job in self.table.iter_mut().filter(|job| job.number == number) {
            for (_, state) in job.processes.iter_mut().filter(|(_, state)| !state.is_over()) {
                *state = State::Running;
            }
        }
    }

    /// Resolves `%n`, `%%`, `%+`, `%-`, `%text`.
    pub fn named(&self, name: &[u8]) -> Option<&Job> {
        match name.strip_prefix(b"%")? {
            b"" | b"%" | b"+" => self.table.last(),
            b"-" => self.table.iter().rev().nth(1).or(self.table.last()),
            rest => match str::from_utf8(rest).ok().and_then(|text| text.parse().ok()) {
                Some(number) => self.get(number),
                None => self.table.iter().rev().find(|job| job.text.starts_with(rest)),
            },
        }
    }

    /// Sleeps until some child changes state and takes note of it.
    ///
    /// # Errors
    /// ECHILD when there is none, EINTR when a signal came meanwhile.
    pub fn wait_any(&mut self) -> Result<(), Errno> {
        let status = waitpid(None, Some(WaitPidFlag::WUNTRACED))?;
        self.note(status);
        Ok(())
    }

    /// The same, unless a signal is pending.
    ///
    /// # Errors
    /// ECHILD when there is no child, EINTR when a signal is pending or comes first.
    pub fn wait_any_interruptibly(&mut self) -> Result<(), Errno> {
        if system::is_ignored(Signal::SIGCHLD) {
            // Nothing tells of one child's end then: waitpid(2) waits for that of all.
            return self.wait_any();
        }
        let status = system::wait_for_children(|| {
            let status = waitpid(None, Some(WaitPidFlag::WUNTRACED | WaitPidFlag::WNOHANG))?;
            Ok((status != WaitStatus::StillAlive).then_some(status))
        })?;
        self.note(status);
        Ok(())
    }

    /// Takes note of every change that has happened, without waiting.
    pub fn collect(&mut self) {
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WUNTRACED | WaitPidFlag::WNOHANG)) {
            if status == WaitStatus::StillAlive {
                return;
            }
            self.note(status);
        }
    }

    fn note(&mut self, status: WaitStatus) {
        let (process, state) = match status {
            WaitStatus::Exited(process, status) => (process, State::Exited(status)),
            WaitStatus::Signaled(process, signal, _) => (process, State::Killed(signal as i32)),
            WaitStatus::Stopped(process, signal) => (process, State::Stopped(signal as i32)),
            _ => return,
        };
        let entries = self.table.iter_mut().flat_map(|job| &mut job.processes);
        for (_, own) in entries.filter(|(pid, own)| *pid == process && !own.is_over()) {
            *own = state;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job_of(states: &[State]) -> Job {
        let processes = states.iter().zip(100..).map(|(state, pid)| (Pid::from_raw(pid), *state)).collect();
        Job { number: 1, group: None, processes, text: Vec::new() }
    }

    #[test]
    fn a_job_has_the_status_of_its_last_process() {
        assert_eq!(job_of(&[State::Exited(1), State::Exited(0)]).state(), State::Exited(0));
        assert_eq!(job_of(&[State::Exited(0), State::Killed(9)]).state().status(), 137);
    }

    #[test]
    fn a_job_runs_while_any_process_runs() {
        assert_eq!(job_of(&[State::Running, State::Exited(0)]).state(), State::Running);
        assert_eq!(job_of(&[State::Stopped(20), State::Exited(0)]).state(), State::Stopped(20));
    }

    #[test]
    fn jobs_are_found_by_number_order_and_text() {
        let mut jobs = Jobs::default();
        assert_eq!(jobs.add(None, &[Pid::from_raw(100)], b"sleep 1"), 1);
        assert_eq!(jobs.add(None, &[Pid::from_raw(101)], b"cat"), 2);
        let number = |name: &str| jobs.named(name.as_bytes()).map(|job| job.number);
        assert_eq!(number("%1"), Some(1));
        assert_eq!(number("%%"), Some(2));
        assert_eq!(number("%-"), Some(1));
        assert_eq!(number("%sle"), Some(1));
        assert_eq!(number("%9"), None);
        assert_eq!(number("1"), None);
    }
}
