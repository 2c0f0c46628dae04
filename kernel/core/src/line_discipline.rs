//! A terminal's line discipline (Linux's N_TTY): from keys to lines and signals, from program output to the screen.
//!
//! Owns: the settings, the bytes typed and not yet read, the cursor's column. The caller's lock guards it; bytes for the screen
//! go to a sink the caller brings, at most a few for each call except when a whole line is erased. No locks, never sleeps: `VMIN`
//! and `VTIME` are the caller's, who gets to know how much is there. Not done: breaks and parity errors, which no port reports, and
//! what Linux does not do either: `FLUSHO`, `IMAXBEL`.
//! Specification: termios(3), n_tty.c of Linux 6.12.

use alloc::collections::VecDeque;

use crate::errno::{Errno, Result};
use crate::readiness::Readiness;
use crate::signal_set::Signal;
use crate::termios::{Control, InputFlags, LocalFlags, Termios};

/// What can be typed ahead; so also the longest line, its newline included.
pub const BUFFER_BYTES: usize = 4096;

/// What stands in the buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cell {
    /// A byte within a line.
    Byte(u8),
    /// The byte that ends a line.
    LineEnd(u8),
    /// The end of file: it ends a line, too, but gives no byte.
    EndOfFile,
}

/// What one byte of input leads to, besides its echo.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Input {
    /// To be sent to the foreground process group.
    pub signal: Option<Signal>,
    /// Whether output that still waits is to be dropped (a signal without `NOFLSH`).
    pub flush_output: bool,
    /// Whether a reader may find something now.
    pub wake_readers: bool,
    /// Whether output is held from now on.
    pub holds_output: bool,
    /// Whether output that was held may go on.
    pub wake_writers: bool,
}

impl Input {
    /// What this and the `next` byte lead to together. Of two signals the first counts: the caller acts on one before the next.
    pub fn and(self, next: Self) -> Self {
        Self {
            signal: self.signal.or(next.signal),
            flush_output: self.flush_output || next.flush_output,
            wake_readers: self.wake_readers || next.wake_readers,
            holds_output: next.holds_output || self.holds_output && !next.wake_writers,
            wake_writers: next.wake_writers || self.wake_writers && !next.holds_output,
        }
    }
}

/// What a read takes, once it is committed.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LineRead {
    /// Bytes copied; zero is the end of file.
    pub bytes: usize,
    cells: usize,
}

/// The line discipline of one terminal.
#[derive(Debug)]
pub struct LineDiscipline {
    termios: Termios,
    cells: VecDeque<Cell>,
    /// How many cells a canonical reader may have: complete lines. The rest is the line being edited.
    complete: usize,
    /// The next byte is meant literally (`VLNEXT`).
    literal: bool,
    /// Output is held by a key (`VSTOP`).
    held: bool,
    /// Output is held by a program (`TCOOFF`), whatever is typed.
    suspended: bool,
    /// What is erased is being shown, after a `\` (`ECHOPRT`).
    erasing: bool,
    /// Where the cursor is, as far as what went through here tells.
    column: usize,
    /// Where it was when the line being edited began.
    line_column: usize,
}

impl LineDiscipline {
    /// A terminal with these settings and nothing typed.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn try_new(termios: Termios) -> Result<Self> {
        let mut cells = VecDeque::new();
        cells.try_reserve_exact(BUFFER_BYTES).map_err(|_| Errno::ENOMEM)?;
        Ok(Self {
            termios,
            cells,
            complete: 0,
            literal: false,
            held: false,
            suspended: false,
            erasing: false,
            column: 0,
            line_column: 0,
        })
    }

    /// The settings (`TCGETS`).
    #[must_use]
    pub fn termios(&self) -> &Termios {
        &self.termios
    }

    /// Changes the settings (`TCSETS`); `TCSETSF` flushes before. Returns whether a reader may find something now.
    ///
    /// Into canonical mode, what was typed so far becomes one line; out of it, everything typed can be read.
    #[must_use]
    pub fn set_termios(&mut self, termios: Termios) -> bool {
        let changed = (self.termios.local ^ termios.local).contains(LocalFlags::ICANON);
        self.termios = termios;
        if changed {
            (self.literal, self.erasing) = (false, false);
            self.cells.retain(|cell| *cell != Cell::EndOfFile);
            self.cells.iter_mut().for_each(|cell| *cell = Cell::Byte(cell.byte()));
            self.complete = if self.is_canonical() { self.cells.len() } else { 0 };
            self.line_column = self.column;
        }
        changed && !self.cells.is_empty()
    }

    fn local(&self, flag: LocalFlags) -> bool {
        self.termios.local.contains(flag)
    }

    fn is_canonical(&self) -> bool {
        self.local(LocalFlags::ICANON)
    }

    /// Forgets everything typed (`TCFLSH`, and signals).
    pub fn flush_input(&mut self) {
        self.cells.clear();
        self.complete = 0;
        (self.literal, self.erasing) = (false, false);
        self.line_column = self.column;
    }

    /// How many bytes can be read at once (`FIONREAD`): complete lines, or without `ICANON` all of it.
    #[must_use]
    pub fn available(&self) -> usize {
        self.readable().filter(|cell| **cell != Cell::EndOfFile).count()
    }

    /// The cells a reader may have.
    fn readable(&self) -> impl Iterator<Item = &Cell> {
        let count = if self.is_canonical() { self.complete } else { self.cells.len() };
        self.cells.iter().take(count)
    }

    /// Whether there is room for more input; without it the device is better left unread.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.cells.len() < BUFFER_BYTES - 1 || (self.is_canonical() && self.complete == 0)
    }

    /// How many bytes of input surely find room; at least one as long as [`LineDiscipline::has_room`].
    #[must_use]
    pub fn room(&self) -> usize {
        let free = (BUFFER_BYTES - 1).saturating_sub(self.cells.len());
        // One byte may take two places.
        let free = if self.termios.input.contains(InputFlags::PARMRK) { free / 2 } else { free };
        free.max(usize::from(self.has_room()))
    }

    /// Whether `VSTOP` or `TCOOFF` holds the output.
    #[must_use]
    pub fn output_is_held(&self) -> bool {
        self.held || self.suspended
    }

    /// Holds the output, whatever is typed (`TCOOFF`). Whether that is news.
    #[must_use]
    pub fn suspend_output(&mut self) -> bool {
        !core::mem::replace(&mut self.suspended, true) && !self.held
    }

    /// Lets the output go on that a program has held, and with it what a key has held since (`TCOON`). Whether that is news.
    #[must_use]
    pub fn resume_output(&mut self) -> bool {
        let was_held = core::mem::replace(&mut self.suspended, false);
        if was_held {
            self.held = false;
        }
        was_held
    }

    /// What `poll` reports: a complete line, or without `ICANON` `VMIN` bytes (one if `VTIME` is set).
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let enough = match (self.termios.character(Control::Time), self.termios.character(Control::Min)) {
            (0, least @ 1..) if !self.is_canonical() => usize::from(least),
            _ => 1,
        };
        let mut readiness = Readiness::empty();
        readiness.set(Readiness::READABLE, self.readable().count() >= enough);
        readiness.set(Readiness::WRITABLE, !self.output_is_held());
        readiness
    }

    /// Copies what a read of this size gets: at most one line, or without `ICANON` what there is. Nothing is taken before
    /// [`LineDiscipline::commit_read`], so that a fault on the way to the program loses nothing.
    ///
    /// # Errors
    /// `EAGAIN` if there is nothing (for a canonical reader: no complete line).
    pub fn plan_read(&self, buffer: &mut [u8]) -> Result<LineRead> {
        let mut read = LineRead { bytes: 0, cells: 0 };
        if buffer.is_empty() {
            return Ok(read);
        }
        for cell in self.readable() {
            if *cell == Cell::EndOfFile {
                read.cells += 1;
                return Ok(read);
            }
            // A full buffer ends here, but only after the look at what follows: an end of file right behind the last byte
            // belongs to this line and must not look like one of its own.
            let Some(place) = buffer.get_mut(read.bytes) else {
                return Ok(read);
            };
            *place = cell.byte();
            read.bytes += 1;
            read.cells += 1;
            if matches!(cell, Cell::LineEnd(_)) {
                return Ok(read);
            }
        }
        if read.cells == 0 { Err(Errno::EAGAIN) } else { Ok(read) }
    }

    /// Takes what was planned, under the same hold of the lock.
    pub fn commit_read(&mut self, read: LineRead) {
        self.cells.drain(..read.cells.min(self.cells.len()));
        self.complete = self.complete.saturating_sub(read.cells);
    }

    /// Both at once, for a buffer that cannot fault.
    ///
    /// # Errors
    /// As [`LineDiscipline::plan_read`].
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.plan_read(buffer)?;
        self.commit_read(read);
        Ok(read.bytes)
    }
}

impl Cell {
    fn byte(self) -> u8 {
        match self {
            Self::Byte(byte) | Self::LineEnd(byte) => byte,
            Self::EndOfFile => 0,
        }
    }
}

mod input;
mod screen;
#[cfg(test)]
mod tests;
