//! Terminals: the line discipline between a port and the programs that have it open.
//!
//! Owns a terminal's state. Locks: TTY (sleeping), one for readers and one for writers, each over one user copy; TTY_LINE (spin)
//! around the discipline, which the input interrupt takes too. A driver that, unlike others, asks who calls: a terminal
//! belongs to a session, and only its foreground group may read. Sleeps in the TTY locks and user copies only.
//! Specification: termios(3), tty(4), ioctl_tty(2); n_tty.c and tty_jobctrl.c of Linux 6.12.

mod devices;
mod ioctl;
mod job_control;
mod timing;

pub use devices::{console, open_console, register};

use crate::fs::blocking::TooLong;
use crate::fs::file::{Direction, FileOps, Io, Readiness};
use crate::mm::user::{Sink, Source};
use crate::sync::{Kernel, Mutex, Platform, SpinGuard, SpinLock, WaitQueue, rank};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use arrayvec::ArrayVec;
use job_control::{Access, Ownership};
use linux_raw_sys::general::winsize;
use postern_core::errno::{Errno, Result};
use postern_core::line_discipline::{BUFFER_BYTES, Input, LineDiscipline};
use postern_core::termios::Termios;
use timing::{Pause, Timing};

/// Bytes of output taken from a program at once.
const CHUNK: usize = 128;
/// What a chunk may become on its way: a tab, eight spaces.
const LONGEST_CHUNK: usize = CHUNK * 8;

/// Where a terminal's bytes come from and go to.
pub trait Port: Send + Sync {
    /// Sends bytes. Does not sleep; may be called from interrupt handlers and under spin locks.
    fn send(&self, bytes: &[u8]);

    /// Stops asking for what is received: there is no room for it.
    fn pause_input(&self);

    /// Takes that back.
    fn resume_input(&self);
}

/// A terminal.
pub struct Terminal {
    me: Weak<Self>,
    port: &'static dyn Port,
    line: SpinLock<Line>,
    /// What a read has planned; held by whoever reads.
    reading: Mutex<Vec<u8>>,
    /// Held by whoever writes.
    writing: Mutex<()>,
    readers: WaitQueue,
    writers: WaitQueue,
}

/// What the line lock guards.
struct Line {
    discipline: LineDiscipline,
    window: winsize,
    ownership: Ownership,
    /// How often typed bytes were forgotten; wraps.
    flushes: u32,
    /// How often it was hung up; wraps.
    hang_ups: u32,
    /// The port is not to be read until there is room.
    input_paused: bool,
    last_input_ns: u64,
    pause: Pause,
}

impl Terminal {
    /// A terminal of nobody's behind `port`, with Linux's first settings.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn try_new(port: &'static dyn Port) -> Result<Arc<Self>> {
        let mut planned = Vec::new();
        planned.try_reserve_exact(BUFFER_BYTES).map_err(|_| Errno::ENOMEM)?;
        planned.resize(BUFFER_BYTES, 0);
        let line = Line {
            discipline: LineDiscipline::try_new(Termios::default())?,
            window: winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 },
            ownership: Ownership::default(),
            flushes: 0,
            hang_ups: 0,
            input_paused: false,
            last_input_ns: 0,
            pause: Pause::default(),
        };
        Ok(Arc::new_cyclic(|me| Self {
            me: me.clone(),
            port,
            line: SpinLock::new(rank::TTY_LINE, line),
            reading: Mutex::new(rank::TTY, planned),
            writing: Mutex::new(rank::TTY, ()),
            readers: WaitQueue::new(),
            writers: WaitQueue::new(),
        }))
    }

    /// Opens it, until it is hung up.
    pub fn open(self: &Arc<Self>) -> Arc<dyn FileOps> {
        let hang_ups = HangUps::After(self.lock().hang_ups);
        Arc::new(TerminalFile { terminal: self.clone(), hang_ups })
    }

    /// Opens it as /dev/console, which a hang-up does not concern.
    pub fn open_as_console(self: &Arc<Self>) -> Arc<dyn FileOps> {
        Arc::new(TerminalFile { terminal: self.clone(), hang_ups: HangUps::Ignored })
    }

    fn lock(&self) -> SpinGuard<'_, Line> {
        self.line.lock()
    }

    /// Takes what the port has received, as long as there is room. In the port's interrupt.
    pub fn receive(&self, mut next: impl FnMut() -> Option<u8>) {
        loop {
            let mut line = self.lock();
            if !line.discipline.has_room() {
                line.input_paused = true;
                self.port.pause_input();
                return;
            }
            let Some(byte) = next() else { return };
            let mut echo = Echo { port: self.port, bytes: ArrayVec::new() };
            let input = line.discipline.input(byte, |byte| echo.push(byte));
            drop(echo);
            line.last_input_ns = Kernel::now_ns();
            if input.signal.is_some() && input.flush_output {
                line.flushes = line.flushes.wrapping_add(1);
            }
            let foreground = line.ownership.foreground;
            drop(line);
            self.settle(input, foreground);
        }
    }

    fn settle(&self, input: Input, foreground: u32) {
        if let Some(signal) = input.signal {
            job_control::signal_group(foreground, signal);
        }
        if input.wake_readers {
            self.readers.wake_one(Readiness::READABLE.bits());
        }
        if input.wake_writers {
            self.writers.wake_all(Readiness::WRITABLE.bits());
        }
    }

    /// One attempt to read: plan under the line lock, copy without it, then commit.
    fn try_read(&self, io: &Io, sink: &mut Sink<'_>) -> Result<usize> {
        self.check_access(Access::Read)?;
        let wanted = sink.remaining().min(BUFFER_BYTES);
        let mut planned = self.reading.lock();
        let mut line = self.lock();
        if let Some(answer) = self.timed_answer(&mut line, io, wanted)? {
            return Ok(answer);
        }
        let read = line.discipline.plan_read(&mut planned[..wanted])?;
        let flushes = line.flushes;
        drop(line);
        if read.bytes != 0 && sink.copy_from_slice(&planned[..read.bytes])? < read.bytes {
            return Err(Errno::EFAULT);
        }
        let mut line = self.lock();
        // What ^C has swept away meanwhile is gone; what came since is not what was read.
        if line.flushes == flushes {
            line.discipline.commit_read(read);
        }
        self.resume_input(line);
        Ok(read.bytes)
    }

    /// Lets the port go on if there is room again.
    fn resume_input(&self, mut line: SpinGuard<'_, Line>) {
        if line.input_paused && line.discipline.has_room() {
            line.input_paused = false;
            drop(line);
            self.port.resume_input();
        }
    }

    /// One attempt to write: one chunk. The line lock is held while it is made fit for the screen, not while it is sent.
    fn try_write(&self, source: &mut Source<'_>) -> Result<usize> {
        self.check_access(Access::Write)?;
        let writing = self.writing.lock();
        if self.lock().discipline.output_is_held() {
            return Err(Errno::EAGAIN);
        }
        let mut chunk = [0; CHUNK];
        let taken = source.remaining().min(CHUNK);
        let taken = source.copy_to_slice(&mut chunk[..taken])?;
        let mut fit = ArrayVec::<u8, LONGEST_CHUNK>::new();
        self.lock().discipline.output(&chunk[..taken], |byte| fit.push(byte));
        self.port.send(&fit);
        drop(writing);
        Ok(taken)
    }

    fn readiness(&self) -> Readiness {
        self.lock().discipline.readiness()
    }

    /// Forgets what was typed and not read.
    fn flush_input(&self) {
        let mut line = self.lock();
        line.discipline.flush_input();
        line.flushes = line.flushes.wrapping_add(1);
        self.resume_input(line);
    }

    /// New settings.
    fn set_termios(&self, termios: Termios) {
        // A reader between planning and committing must not find other cells there.
        let reading = self.reading.lock();
        let wakes_readers = self.lock().discipline.set_termios(termios);
        drop(reading);
        if wakes_readers {
            self.readers.wake_one(Readiness::READABLE.bits());
        }
    }
}

/// Echo on its way, a few bytes at a time, under the line lock.
struct Echo {
    port: &'static dyn Port,
    bytes: ArrayVec<u8, 64>,
}

impl Echo {
    fn push(&mut self, byte: u8) {
        if self.bytes.is_full() {
            self.send();
        }
        self.bytes.push(byte);
    }

    fn send(&mut self) {
        self.port.send(&self.bytes);
        self.bytes.clear();
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.send();
        }
    }
}

/// Whether a hang-up cuts an open file off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum HangUps {
    /// It does, if it comes after this many.
    After(u32),
    /// /dev/console stays usable for whoever has it.
    Ignored,
}

/// What a descriptor of a terminal has.
struct TerminalFile {
    terminal: Arc<Terminal>,
    hang_ups: HangUps,
}

impl TerminalFile {
    fn is_hung_up(&self) -> bool {
        match self.hang_ups {
            HangUps::After(count) => self.terminal.lock().hang_ups != count,
            HangUps::Ignored => false,
        }
    }
}

impl FileOps for TerminalFile {
    fn try_read(&self, io: &Io, sink: &mut Sink<'_>) -> Result<usize> {
        if self.is_hung_up() { Ok(0) } else { self.terminal.try_read(io, sink) }
    }

    fn try_write(&self, _: &Io, source: &mut Source<'_>) -> Result<usize> {
        if self.is_hung_up() { Err(Errno::EIO) } else { self.terminal.try_write(source) }
    }

    fn readiness(&self) -> Readiness {
        if self.is_hung_up() {
            Readiness::READABLE | Readiness::WRITABLE | Readiness::ERR | Readiness::HUP
        } else {
            self.terminal.readiness()
        }
    }

    fn wait_queue(&self, direction: Direction) -> Option<&WaitQueue> {
        Some(match direction {
            Direction::Read => &self.terminal.readers,
            Direction::Write => &self.terminal.writers,
        })
    }

    fn time_limit_ns(&self, direction: Direction) -> Option<u64> {
        if direction == Direction::Write {
            return None;
        }
        Timing::of(self.terminal.lock().discipline.termios()).whole_read_ns()
    }

    fn at_time_limit(&self) -> TooLong {
        TooLong::NoBytes
    }

    fn ioctl(&self, command: u32, argument: usize) -> Result<usize> {
        if self.is_hung_up() { Err(Errno::EIO) } else { ioctl::ioctl(&self.terminal, command, argument) }
    }
}
