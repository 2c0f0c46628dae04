//! A process of a random program: waits for its turn, does a step, tells what it came to.
//!
//! Owns the process's mappings and its place in the memory that all processes of the program and the stage share. The descriptors
//! from 3 on are the program's alone.

use super::answers::{Answer, error, none, number};
use super::step::{PROCESSES, Step};
use crate::sys::bare::call;
use crate::sys::memory::{self, Mapping, PAGE, Request};
use crate::sys::{Sys, SysError, fd, process, signal};
use libc::{FUTEX_WAIT, FUTEX_WAKE};
use std::sync::atomic::{AtomicU32, Ordering};

/// Waits for its turn.
pub const IDLE: u32 = 0;
/// Has been given a step, and has not begun.
pub const TOLD: u32 = 1;
/// Does it: if it sleeps now, the step does.
pub const RUNNING: u32 = 2;
/// Its answer is there.
pub const DONE: u32 = 3;

/// The number of a step that is none: the answer only says that the process is alive.
pub const NO_STEP: u32 = u32::MAX;

const PLACE: usize = 1024;
const TEXT: usize = 16;
/// Signals whose arrival is told with the next answer.
const TOLD_SIGNALS: [(i32, &str); 3] = [(libc::SIGUSR1, "USR1"), (libc::SIGUSR2, "USR2"), (libc::SIGPIPE, "PIPE")];
/// Of what a program maps.
const MAPPED: usize = 2 * PAGE;

/// The memory that the stage and the processes share.
#[derive(Clone, Copy)]
pub struct Board(pub Mapping);

impl Board {
    /// An empty one.
    pub fn new() -> Sys<Self> {
        memory::shared(2).map(Self)
    }

    /// What `process` is about: [`IDLE`] and so on.
    pub fn phase(&self, process: usize) -> &'static AtomicU32 {
        self.0.word(process * PLACE)
    }

    /// Which step it is to do.
    pub fn step(&self, process: usize) -> &'static AtomicU32 {
        self.0.word(process * PLACE + 4)
    }

    /// Its number for the kernel; 0 if it was never there, or has been waited for.
    pub fn pid(&self, process: usize) -> &'static AtomicU32 {
        self.0.word(process * PLACE + 8)
    }

    fn length(&self, process: usize) -> &'static AtomicU32 {
        self.0.word(process * PLACE + 12)
    }

    /// A word of the program's own.
    fn word(&self, number: i32) -> &'static AtomicU32 {
        self.0.word(PAGE + 4 * number.unsigned_abs() as usize)
    }

    fn tell(&self, process: usize, answer: &str) {
        let text = &answer.as_bytes()[..answer.len().min(PLACE - TEXT)];
        self.0.store_all(process * PLACE + TEXT, text);
        self.length(process).store(u32::try_from(text.len()).unwrap_or(0), Ordering::Relaxed);
    }

    /// The last answer.
    pub fn told(&self, process: usize) -> String {
        let length = self.length(process).load(Ordering::Relaxed) as usize;
        String::from_utf8_lossy(&self.0.load_all(process * PLACE + TEXT, length)).into_owned()
    }
}

/// Sleeps while the word is `value`, for `timeout` at most; `None` for ever.
pub fn wait_on(word: &AtomicU32, value: u32, timeout: Option<&libc::timespec>) {
    let timeout = timeout.map_or(0, |timeout| std::ptr::from_ref(timeout).expose_provenance());
    // Whatever ends it: the caller looks at the word again.
    let _ = call(libc::SYS_futex, [address(word), FUTEX_WAIT as usize, value as usize, timeout]);
}

/// Sets the word, and wakes who sleeps on it.
pub fn set(word: &AtomicU32, value: u32) {
    word.store(value, Ordering::Release);
    let _ = call(libc::SYS_futex, [address(word), FUTEX_WAKE as usize, i32::MAX as usize]);
}

fn address(word: &AtomicU32) -> usize {
    word.as_ptr().expose_provenance()
}

/// One process, seen by itself.
pub struct Actor<'a> {
    board: Board,
    steps: &'a [Step],
    me: usize,
    /// The number of the step under way.
    at: usize,
    maps: [Option<Mapping>; 2],
    /// How many of each signal have been told.
    caught: [u32; TOLD_SIGNALS.len()],
}

impl<'a> Actor<'a> {
    /// The first process.
    pub fn first(board: Board, steps: &'a [Step]) -> Sys<Self> {
        call(libc::SYS_close_range, [3, u32::MAX as usize, 0])?;
        for (number, _) in TOLD_SIGNALS.iter().chain(&[(libc::SIGALRM, "")]) {
            signal::count(*number, 0)?;
        }
        Ok(Self { board, steps, me: 0, at: 0, maps: [None; 2], caught: [0; 3] })
    }

    /// Does the steps that it is told to, until it ends.
    pub fn play(mut self) -> ! {
        loop {
            let phase = self.board.phase(self.me);
            match phase.load(Ordering::Acquire) {
                TOLD => {}
                other => {
                    wait_on(phase, other, None);
                    continue;
                }
            }
            phase.store(RUNNING, Ordering::Release);
            let number = self.board.step(self.me).load(Ordering::Relaxed);
            if number != NO_STEP {
                self.at = number as usize;
                let answer = self.answer();
                self.board.tell(self.me, &answer);
            }
            set(self.board.phase(self.me), DONE);
        }
    }

    fn answer(&mut self) -> String {
        // One that is asleep is why the stage has made this one calm.
        let steps = self.steps;
        let step = &steps[self.at];
        let is_calm =
            (0..PROCESSES).any(|other| other != self.me && self.board.phase(other).load(Ordering::Relaxed) == RUNNING);
        let values = if is_calm { step.calm().values() } else { step.values() };
        let mut text = (step.operation.perform)(self, &values).unwrap_or_else(error);
        for (told, (number, name)) in self.caught.iter_mut().zip(TOLD_SIGNALS) {
            let now = signal::caught(number);
            for _ in *told..now {
                text.push_str(", caught ");
                text.push_str(name);
            }
            *told = now;
        }
        text
    }

    /// Bytes that tell by which step they were written.
    pub fn bytes(&self, length: usize) -> Vec<u8> {
        (b'a'..=b'z').cycle().skip(self.at % 26).take(length).collect()
    }

    /// A child that plays the process `child`, unless there is one.
    pub fn fork(&mut self, child: i32) -> Answer {
        let child = child.unsigned_abs() as usize;
        if self.board.pid(child).load(Ordering::Relaxed) != 0 {
            return Ok("there is one".to_owned());
        }
        self.board.phase(child).store(IDLE, Ordering::Relaxed);
        let copy = Self { me: child, ..*self };
        let pid = process::fork_then(|| copy.play())?;
        self.board.pid(child).store(pid.unsigned_abs(), Ordering::Relaxed);
        Ok(none(()))
    }

    /// Takes leave of a child that has ended.
    pub fn wait(&self) -> Answer {
        let Some((pid, status)) = process::wait4(-1, libc::WNOHANG)? else {
            return Ok("none has ended".to_owned());
        };
        let child = (0..PROCESSES).find(|child| self.pid(*child) == pid);
        let Some(child) = child else { return Ok("a stranger".to_owned()) };
        self.board.pid(child).store(0, Ordering::Relaxed);
        Ok(format!("{child} ended with {:x}", status.0))
    }

    fn pid(&self, process: usize) -> i32 {
        self.board.pid(process).load(Ordering::Relaxed).cast_signed()
    }

    /// Sends a signal to a process that is there.
    pub fn kill(&self, process: i32, signal: i32) -> Answer {
        match self.pid(process.unsigned_abs() as usize) {
            0 => Ok("there is none".to_owned()),
            pid => process::kill(pid, signal).map(none),
        }
    }

    fn futex(&self, word: i32, operation: i32, rest: [usize; 4]) -> Sys<usize> {
        let [value, timeout, second, third] = rest;
        let arguments =
            [address(self.board.word(word)), operation.unsigned_abs() as usize, value, timeout, second, third];
        call(libc::SYS_futex, arguments)
    }

    /// Sleeps on a word while it has a value.
    pub fn futex_wait(&self, word: i32, value: i32) -> Answer {
        self.futex(word, FUTEX_WAIT, [value.unsigned_abs() as usize, 0, 0, 0]).map(number)
    }

    /// Wakes some that sleep on a word.
    pub fn futex_wake(&self, word: i32, count: i32) -> Answer {
        self.futex(word, FUTEX_WAKE, [count.unsigned_abs() as usize, 0, 0, 0]).map(number)
    }

    /// Lets one that sleeps on the first word sleep on the other, while the first has a value.
    pub fn futex_requeue(&self, word: i32, other: i32, value: i32) -> Answer {
        let other = address(self.board.word(other));
        self.futex(word, libc::FUTEX_CMP_REQUEUE, [0, 1, other, value.unsigned_abs() as usize]).map(number)
    }

    /// Sets a word.
    pub fn store(&self, word: i32, value: i32) -> Answer {
        self.board.word(word).store(value.unsigned_abs(), Ordering::SeqCst);
        Ok(none(()))
    }

    /// Maps two pages of a file in the place of what was mapped there.
    pub fn map(&mut self, place: i32, fd: i32, sharing: i32) -> Answer {
        let mapping = memory::map(Request::file(fd, MAPPED, sharing))?;
        if let Some(before) = self.maps[place.unsigned_abs() as usize].replace(mapping) {
            before.unmap(0, MAPPED)?;
        }
        Ok(none(()))
    }

    fn mapped(&self, place: i32) -> Sys<Mapping> {
        self.maps[place.unsigned_abs() as usize].ok_or(SysError { call: "map", errno: libc::ENOENT })
    }

    /// Loads a byte; what is not there ends the process.
    pub fn peek(&self, place: i32, offset: i32) -> Answer {
        let mapping = self.mapped(place)?;
        Ok(number(mapping.load(offset.unsigned_abs() as usize % MAPPED)))
    }

    /// Stores a byte; what is not there ends the process.
    pub fn poke(&self, place: i32, offset: i32) -> Answer {
        self.mapped(place)?.store(offset.unsigned_abs() as usize % MAPPED, b'0' + u8::try_from(self.at).unwrap_or(0));
        Ok(none(()))
    }

    /// Reads into the last bytes of what is mapped.
    pub fn read_into(&self, fd: i32, place: i32, length: usize) -> Answer {
        let mapping = self.mapped(place)?;
        let length = length.min(MAPPED);
        fd::read_into(fd, &mapping, MAPPED - length, length).map(number)
    }

    /// Writes the last bytes of what is mapped.
    pub fn write_from(&self, fd: i32, place: i32, length: usize) -> Answer {
        let mapping = self.mapped(place)?;
        let length = length.min(MAPPED);
        fd::write_from(fd, &mapping, MAPPED - length, length).map(number)
    }
}
