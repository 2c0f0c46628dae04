//! Terminals: the line discipline between a port and the programs that have it open.
//!
//! Owns a terminal's state. Locks: TTY (sleeping), one for readers and one for writers, each over one user copy; TTY_LINE (spin)
//! around the discipline, which the input interrupt takes too. A driver that, unlike others, asks who calls: a terminal
//! belongs to a session, and only its foreground group may read. Sleeps in the TTY locks and user copies only.
//! Specification: termios(3), tty(4), ioctl_tty(2); n_tty.c and tty_jobctrl.c of Linux 6.12.

mod devices;
mod file;
mod ioctl;
mod job_control;
mod port;
pub mod pty;
mod timing;
mod typing;

pub use devices::{UART_DEVICE, console, open_console, register};
pub use port::{Notice, Port};

use crate::fs::file::{FileOps, Io, Readiness};
use crate::mm::user::{Sink, Source};
use crate::process::Credentials;
use crate::sync::{Mutex, SpinGuard, SpinLock, WaitQueue, rank};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use arrayvec::ArrayVec;
use file::{HangUps, TerminalFile};
use job_control::{Access, Ownership};
use linux_raw_sys::general::winsize;
use postern_core::errno::{Errno, Result};
use postern_core::line_discipline::{BUFFER_BYTES, LineDiscipline};
use postern_core::termios::Termios;
use timing::Pause;

/// Bytes of output taken from a program at once.
const CHUNK: usize = 128;
/// What a byte may become on its way: a tab, eight spaces.
const WIDEST: usize = 8;

/// A terminal.
pub struct Terminal {
    me: Weak<Self>,
    port: Arc<dyn Port>,
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
    /// Only the privileged may open it once more (TIOCEXCL).
    is_exclusive: bool,
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
    pub fn try_new(port: Arc<dyn Port>) -> Result<Arc<Self>> {
        let mut planned = Vec::new();
        planned.try_reserve_exact(BUFFER_BYTES).map_err(|_| Errno::ENOMEM)?;
        planned.resize(BUFFER_BYTES, 0);
        let line = Line {
            discipline: LineDiscipline::try_new(Termios::default())?,
            window: winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 },
            ownership: Ownership::default(),
            flushes: 0,
            hang_ups: 0,
            is_exclusive: false,
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
    ///
    /// # Errors
    /// EBUSY: for the privileged only (TIOCEXCL).
    pub fn open(self: &Arc<Self>, by: &Credentials) -> Result<Arc<dyn FileOps>> {
        let hang_ups = HangUps::After(self.check_opening(by)?.hang_ups);
        Ok(Arc::new(TerminalFile::new(self.clone(), hang_ups)))
    }

    /// Opens it as /dev/console, which a hang-up does not concern.
    ///
    /// # Errors
    /// As [`Terminal::open`].
    pub fn open_as_console(self: &Arc<Self>, by: &Credentials) -> Result<Arc<dyn FileOps>> {
        drop(self.check_opening(by)?);
        Ok(Arc::new(TerminalFile::new(self.clone(), HangUps::Ignored)))
    }

    fn check_opening(&self, by: &Credentials) -> Result<SpinGuard<'_, Line>> {
        let line = self.lock();
        if line.is_exclusive && !by.is_privileged() { Err(Errno::EBUSY) } else { Ok(line) }
    }

    fn lock(&self) -> SpinGuard<'_, Line> {
        self.line.lock()
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
        let room = self.port.room() / WIDEST;
        if room == 0 || self.lock().discipline.output_is_held() {
            return Err(Errno::EAGAIN);
        }
        let mut chunk = [0; CHUNK];
        let taken = source.remaining().min(CHUNK).min(room);
        let taken = source.copy_to_slice(&mut chunk[..taken])?;
        let mut fit = ArrayVec::<u8, { CHUNK * WIDEST }>::new();
        self.lock().discipline.output(&chunk[..taken], |byte| fit.push(byte));
        self.port.send(&fit);
        drop(writing);
        Ok(taken)
    }

    fn readiness(&self) -> Readiness {
        let mut readiness = self.lock().discipline.readiness();
        if self.port.room() < WIDEST {
            readiness -= Readiness::WRITABLE;
        }
        readiness
    }

    /// Output that was held, or had no room, may go on.
    fn wake_writers(&self) {
        self.writers.wake_all(Readiness::WRITABLE.bits());
    }

    /// Forgets what was typed and not read.
    fn flush_input(&self) {
        let mut line = self.lock();
        line.discipline.flush_input();
        line.flushes = line.flushes.wrapping_add(1);
        self.resume_input(line);
        self.port.notice(Notice::InputFlushed);
    }

    /// New settings.
    fn set_termios(&self, termios: Termios) {
        // A reader between planning and committing must not find other cells there.
        let reading = self.reading.lock();
        let mut line = self.lock();
        let had_keys = line.discipline.termios().has_flow_control_keys();
        let wakes_readers = line.discipline.set_termios(termios);
        self.resume_input(line);
        drop(reading);
        match (had_keys, termios.has_flow_control_keys()) {
            (false, true) => self.port.notice(Notice::FlowControlByKeys),
            (true, false) => self.port.notice(Notice::NoFlowControl),
            _ => {}
        }
        if wakes_readers {
            self.readers.wake_one(Readiness::READABLE.bits());
        }
    }
}
