//! Where a random program is played: who does which step, and what each came to, as text.
//!
//! One process runs at a time. The stage tells it to do a step and waits until it has done it, sleeps in it (`/proc/PID/stat` says
//! so while the process says that it is at work) or has ended. One may stay asleep while others go on, and what wakes it is told
//! after the step that did. A second that falls asleep is interrupted by SIGALRM, so that nothing depends on who of two is
//! quicker; and so is one whom nobody is left to wake. So the text is the same every time, and on every kernel that does the same.

use super::actor::{self, Actor, Board, DONE, IDLE, NO_STEP, RUNNING, TOLD};
use super::step::{PROCESSES, Step};
use crate::check::{Failure, failed};
use crate::sys::{path, process, time};
use std::fmt::Write;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Between two looks at a process that may be asleep.
const PAUSE: Duration = Duration::from_micros(200);

/// How sure the stage makes that a process sleeps. Kernels say so of one that is about to, or that has been woken and looks once
/// more, before it has seen what it was woken for; a machine that is busy with others may stop it there for some time.
#[derive(Clone, Copy)]
pub enum Care {
    /// For very many programs, of which those that matter are played again.
    Quick,
    /// For a test.
    Sure,
}

impl Care {
    /// How often in a row a process must look asleep, with a pause after each.
    const fn looks(self) -> u32 {
        match self {
            Self::Quick => 2,
            Self::Sure => 20,
        }
    }

    /// For one step on a busy machine. Linux lets some wait for a lock that a sleeper holds: such programs end here.
    const fn patience(self) -> Duration {
        match self {
            Self::Quick => Duration::from_secs(1),
            Self::Sure => Duration::from_secs(10),
        }
    }
}

/// Where a process is after a step.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Absent,
    Waiting,
    Asleep,
}

/// How a process came to rest.
enum Rest {
    Answered(String),
    Asleep,
    Ended,
}

struct Stage<'a> {
    board: Board,
    steps: &'a [Step],
    care: Care,
    states: [State; PROCESSES],
    text: String,
}

/// Plays a program in the working directory; returns a line for each step, and one for each process that a step woke or ended.
///
/// # Errors
/// If the kernel refuses what the stage itself needs, or a process neither answers nor sleeps nor ends.
pub fn play(steps: &[Step], care: Care) -> Result<String, Failure> {
    process::set_child_subreaper(true)?;
    // What is named so is of the program before.
    let _ = path::unlink("fifo");
    crate::sys::attack::mkfifo("fifo")?;
    let mut stage =
        Stage { board: Board::new()?, steps, care, states: [State::Absent; PROCESSES], text: String::new() };
    let outcome = stage.run();
    stage.clear()?;
    outcome.map(|()| stage.text)
}

impl Stage<'_> {
    fn run(&mut self) -> Result<(), Failure> {
        let (board, steps) = (self.board, self.steps);
        let pid = process::fork_then(|| match Actor::first(board, steps) {
            Ok(actor) => actor.play(),
            Err(_) => 1,
        })?;
        self.board.pid(0).store(pid.unsigned_abs(), Ordering::Relaxed);
        self.states[0] = State::Waiting;
        for (at, step) in steps.iter().enumerate() {
            self.perform(at, step)?;
        }
        Ok(())
    }

    fn perform(&mut self, at: usize, step: &Step) -> Result<(), Failure> {
        let actor = step.process;
        let answer = match self.states[actor] {
            State::Absent => "(absent)".to_owned(),
            State::Asleep => "(asleep)".to_owned(),
            State::Waiting => {
                let number = u32::try_from(at).map_err(|_| failed("a program is too long"))?;
                self.tell(actor, number);
                self.outcome(actor)?
            }
        };
        self.line(&format!("{step} = {answer}"));
        // A sleeper that the step has woken comes to rest again, before anybody else runs.
        for other in (0..PROCESSES).filter(|other| *other != actor) {
            if self.states[other] == State::Asleep {
                match self.rest(other)? {
                    Rest::Asleep => {}
                    Rest::Answered(answer) => {
                        self.states[other] = State::Waiting;
                        self.line(&format!("  {other} = {answer}"));
                    }
                    Rest::Ended => self.end(other),
                }
            }
        }
        self.look_for_births_and_deaths(step)
    }

    /// After what may have made or ended others that have no step to do.
    fn look_for_births_and_deaths(&mut self, step: &Step) -> Result<(), Failure> {
        for other in 0..PROCESSES {
            let is_new = self.pid(other) != 0 && self.board.phase(other).load(Ordering::Relaxed) == IDLE;
            match self.states[other] {
                State::Absent if is_new => self.states[other] = State::Waiting,
                State::Waiting if step.operation.name == "kill" => {
                    self.tell(other, NO_STEP);
                    if matches!(self.rest(other)?, Rest::Ended) {
                        self.end(other);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{line}");
    }

    fn end(&mut self, process: usize) {
        self.states[process] = State::Absent;
        // One that is born in its place begins anew; until then nobody does.
        self.board.phase(process).store(DONE, Ordering::Relaxed);
        self.line(&format!("  {process} ended"));
    }

    fn tell(&self, process: usize, step: u32) {
        self.board.step(process).store(step, Ordering::Relaxed);
        actor::set(self.board.phase(process), TOLD);
    }

    /// The answer to the step under way, in words.
    fn outcome(&mut self, actor: usize) -> Result<String, Failure> {
        match self.rest(actor)? {
            Rest::Answered(answer) => Ok(answer),
            Rest::Ended => {
                self.states[actor] = State::Absent;
                self.board.phase(actor).store(DONE, Ordering::Relaxed);
                Ok("ended".to_owned())
            }
            Rest::Asleep if !self.has_a_waker(actor) => {
                process::kill(self.pid(actor), libc::SIGALRM)?;
                match self.rest(actor)? {
                    Rest::Answered(answer) => Ok(format!("interrupted, {answer}")),
                    Rest::Ended => Err(failed("a signal that is handled has ended a process")),
                    Rest::Asleep => Err(failed(format!("process {actor} sleeps on through a signal:\n{}", self.text))),
                }
            }
            Rest::Asleep => {
                self.states[actor] = State::Asleep;
                Ok("sleeps".to_owned())
            }
        }
    }

    /// Whether nobody else is asleep, and somebody is there who could end this sleep.
    fn has_a_waker(&self, actor: usize) -> bool {
        let mut others = (0..PROCESSES).filter(|other| *other != actor).map(|other| self.states[other]);
        let is_there = others.clone().any(|state| state == State::Waiting);
        is_there && others.all(|state| state != State::Asleep)
    }

    fn pid(&self, process: usize) -> i32 {
        self.board.pid(process).load(Ordering::Relaxed).cast_signed()
    }

    /// Waits until a process that has a step to do comes to rest.
    fn rest(&self, process: usize) -> Result<Rest, Failure> {
        let phase = self.board.phase(process);
        let deadline = Instant::now() + self.care.patience();
        let pause = time::timespec(PAUSE);
        let mut looks = 0;
        loop {
            let now = phase.load(Ordering::Acquire);
            if now == DONE {
                return Ok(Rest::Answered(self.board.told(process)));
            }
            // One that its parent has waited for is not to be seen any more.
            let state = process::state_of(self.pid(process)).unwrap_or('Z');
            let is_done = phase.load(Ordering::Acquire) == DONE;
            looks = if state == 'S' && now == RUNNING { looks + 1 } else { 0 };
            match state {
                _ if is_done => {}
                'Z' => return Ok(Rest::Ended),
                _ if looks > self.care.looks() => return Ok(Rest::Asleep),
                _ if Instant::now() > deadline => {
                    let text = &self.text;
                    return Err(failed(format!("process {process} is in state {state} for too long, after\n{text}")));
                }
                _ => actor::wait_on(phase, now, Some(&pause)),
            }
        }
    }

    /// Ends all processes of the program, whoever their parents are.
    fn clear(&mut self) -> Result<(), Failure> {
        for process in 0..PROCESSES {
            let pid = self.pid(process);
            if pid != 0 {
                // It may have ended, and nobody waited for it.
                let _ = process::kill(pid, libc::SIGKILL);
            }
        }
        loop {
            match process::wait4(-1, 0) {
                Ok(_) => {}
                Err(error) if error.errno == libc::ECHILD => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.board.0.unmap(0, self.board.0.length)?)
    }
}
