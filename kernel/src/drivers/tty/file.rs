//! An open file of a terminal, which a hang-up cuts off.
//!
//! Owns which hang-ups concern it. Locks and sleeps: those of the terminal. Specification: tty(4), vhangup(2); `hung_up_tty_fops`
//! of Linux.

use super::Terminal;
use super::ioctl::{self, Side};
use super::timing::Timing;
use crate::fs::blocking::TooLong;
use crate::fs::file::{Direction, FileOps, Io, Readiness};
use crate::fs::flags::OpenFlags;
use crate::mm::user::{Sink, Source};
use crate::sync::WaitQueue;
use alloc::sync::Arc;
use linux_raw_sys::ioctl::TIOCSPGRP;
use postern_core::errno::{Errno, Result};

/// Whether a hang-up cuts an open file off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HangUps {
    /// It does, if it comes after this many.
    After(u32),
    /// /dev/console stays usable for whoever has it.
    Ignored,
}

/// What a descriptor of a terminal has.
pub(super) struct TerminalFile {
    terminal: Arc<Terminal>,
    hang_ups: HangUps,
}

impl TerminalFile {
    pub fn new(terminal: Arc<Terminal>, hang_ups: HangUps) -> Self {
        terminal.port.opened();
        Self { terminal, hang_ups }
    }

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

    /// Whoever is at the other side of the line.
    fn serves(&self, _: Direction) -> Option<&WaitQueue> {
        None
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

    fn ioctl(&self, _: OpenFlags, command: u32, argument: usize) -> Result<usize> {
        match command {
            // As on Linux: it belongs to nobody any more.
            TIOCSPGRP if self.is_hung_up() => Err(Errno::ENOTTY),
            _ if self.is_hung_up() => Err(Errno::EIO),
            _ => ioctl::ioctl(&self.terminal, Side::Terminal, command, argument),
        }
    }
}

impl Drop for TerminalFile {
    fn drop(&mut self) {
        self.terminal.port.closed();
    }
}
