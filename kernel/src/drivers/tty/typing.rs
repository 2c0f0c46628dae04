//! What comes from the port: keys, their echo, and what they lead to.
//!
//! Owns nothing of its own; the state is in the terminal, under TTY_LINE, which is never held while signals are sent. Never sleeps:
//! a UART's interrupt comes here, and the master of a pseudo-terminal.

use super::port::Echo;
use super::{Line, Notice, Terminal, job_control};
use crate::fs::file::Readiness;
use crate::sync::{Kernel, Platform, SpinGuard};
use postern_core::line_discipline::Input;

impl Terminal {
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
            let input = self.key(&mut line, byte);
            self.settle(line, input);
        }
    }

    /// How many bytes can be typed now so that none is lost for want of room. If none, the port hears when that changes.
    pub(super) fn room_to_type(&self) -> usize {
        let mut line = self.lock();
        let room = line.discipline.room();
        line.input_paused |= room == 0;
        room
    }

    /// Types `bytes`; a reader finds all of them at once, unless a signal comes between.
    pub(super) fn type_in(&self, bytes: &[u8]) {
        let mut left = bytes.iter();
        while !left.as_slice().is_empty() {
            let mut line = self.lock();
            let mut all = Input::default();
            while all.signal.is_none()
                && let Some(byte) = left.next()
            {
                all = all.and(self.key(&mut line, *byte));
            }
            self.settle(line, all);
        }
    }

    /// One byte, with its echo.
    fn key(&self, line: &mut Line, byte: u8) -> Input {
        let mut echo = Echo::new(&self.port);
        let input = line.discipline.input(byte, |byte| echo.push(byte));
        drop(echo);
        line.last_input_ns = Kernel::now_ns();
        if input.signal.is_some() && input.flush_output {
            line.flushes = line.flushes.wrapping_add(1);
        }
        input
    }

    /// Does what the keys lead to, and lets go of the line.
    fn settle(&self, line: SpinGuard<'_, Line>, input: Input) {
        let foreground = line.ownership.foreground;
        drop(line);
        if input.flush_output {
            self.resume_input(self.lock());
            self.port.notice(Notice::OutputFlushed);
            self.port.notice(Notice::InputFlushed);
            self.wake_writers();
        }
        if let Some(signal) = input.signal {
            job_control::signal_group(foreground, signal);
        }
        if input.wake_readers {
            self.readers.wake_one(Readiness::READABLE.bits());
        }
        if input.holds_output {
            self.port.notice(Notice::Stopped);
        }
        if input.wake_writers {
            self.port.notice(Notice::Started);
            self.wake_writers();
        }
    }
}
