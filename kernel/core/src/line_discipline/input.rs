//! What comes from the keyboard: signals, flow control, editing, lines.
//!
//! Part of [`LineDiscipline`]. No locks, never sleeps. Specification: termios(3), `c_iflag`, "Canonical and noncanonical mode".

use super::{BUFFER_BYTES, Cell, Input, LineDiscipline};
use crate::signal_set::Signal;
use crate::termios::{Control, InputFlags, LocalFlags};

/// What one key erases.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Erase {
    Character,
    Word,
    Line,
}

/// Whether a byte belongs to a word, for `VWERASE`: letters and digits of Latin-1, as in Linux, whatever the encoding. So most
/// first bytes of UTF-8 characters do.
fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || matches!(byte, 0xc0..=0xff) && !matches!(byte, 0xd7 | 0xf7)
}

impl LineDiscipline {
    /// Takes one byte from the device; its echo goes to `screen`.
    pub fn input(&mut self, byte: u8, mut screen: impl FnMut(u8)) -> Input {
        self.receive(byte, &mut screen)
    }

    fn receive(&mut self, byte: u8, screen: &mut dyn FnMut(u8)) -> Input {
        let has = |flag| self.termios.input.contains(flag);
        let byte = if has(InputFlags::ISTRIP) { byte & 0x7f } else { byte };
        let small = has(InputFlags::IUCLC) && self.local(LocalFlags::IEXTEN);
        let byte = if small { byte.to_ascii_lowercase() } else { byte };
        if core::mem::take(&mut self.literal) {
            return self.accept(byte, Self::echo, screen);
        }
        if let Some(effect) = self.control_flow(byte).or_else(|| self.raise(byte, screen)) {
            return effect;
        }
        let wake_writers = self.held && !self.suspended && self.termios.input.contains(InputFlags::IXANY);
        self.held &= !wake_writers;
        let has = |flag| self.termios.input.contains(flag);
        let typed = byte;
        let byte = match typed {
            b'\r' if has(InputFlags::IGNCR) => {
                return Input { wake_writers, ..Input::default() };
            }
            b'\r' if has(InputFlags::ICRNL) => b'\n',
            b'\n' if has(InputFlags::INLCR) => b'\r',
            _ => typed,
        };
        let effect = if self.is_canonical() {
            self.edit(byte, screen)
        } else if typed == b'\r' && byte == b'\n' {
            // Linux shows the newline made of a carriage return as one, but a typed one as `^J`.
            self.accept(byte, Self::put, screen)
        } else {
            self.accept(byte, Self::echo, screen)
        };
        Input { wake_writers, ..effect }
    }

    /// `VSTOP` and `VSTART`.
    fn control_flow(&mut self, byte: u8) -> Option<Input> {
        if !self.termios.input.contains(InputFlags::IXON) {
            return None;
        }
        let stop = self.termios.is(Control::Stop, byte);
        if !stop && !self.termios.is(Control::Start, byte) {
            return None;
        }
        if self.suspended {
            return Some(Input::default());
        }
        let was_held = core::mem::replace(&mut self.held, stop);
        Some(Input { holds_output: stop && !was_held, wake_writers: was_held && !stop, ..Input::default() })
    }

    /// The keys that send signals.
    fn raise(&mut self, byte: u8, screen: &mut dyn FnMut(u8)) -> Option<Input> {
        if !self.local(LocalFlags::ISIG) {
            return None;
        }
        let keys = [(Control::Intr, Signal::INT), (Control::Quit, Signal::QUIT), (Control::Susp, Signal::TSTP)];
        let (_, signal) = keys.into_iter().find(|(control, _)| self.termios.is(*control, byte))?;
        let flush_output = !self.local(LocalFlags::NOFLSH);
        if flush_output {
            self.flush_input();
        }
        let wake_writers = self.held && !self.suspended && self.termios.input.contains(InputFlags::IXON);
        self.held &= !wake_writers;
        if self.local(LocalFlags::ECHO) {
            self.echo(byte, screen);
            self.line_column = self.column;
        }
        Some(Input { signal: Some(signal), flush_output, wake_writers, ..Input::default() })
    }

    /// One byte in canonical mode.
    fn edit(&mut self, byte: u8, screen: &mut dyn FnMut(u8)) -> Input {
        let is = |control| self.termios.is(control, byte);
        let extended = self.local(LocalFlags::IEXTEN);
        let erase = match byte {
            _ if is(Control::Erase) => Some(Erase::Character),
            _ if is(Control::Kill) => Some(Erase::Line),
            _ if is(Control::Werase) && extended => Some(Erase::Word),
            _ => None,
        };
        if let Some(what) = erase {
            self.erase(what, screen);
        } else if is(Control::Lnext) && extended {
            self.literal = true;
            if self.local(LocalFlags::ECHO) && self.local(LocalFlags::ECHOCTL) {
                self.put(b'^', screen);
                self.put(0x08, screen);
            }
        } else if is(Control::Reprint) && extended && self.local(LocalFlags::ECHO) {
            self.echo_reprint(screen);
        } else if byte == b'\n' {
            if self.local(LocalFlags::ECHO) || self.local(LocalFlags::ECHONL) {
                self.put(b'\n', screen);
            }
            return self.complete_line(Cell::LineEnd(byte));
        } else if is(Control::Eof) {
            return self.complete_line(Cell::EndOfFile);
        } else if is(Control::Eol) || is(Control::Eol2) && extended {
            if self.local(LocalFlags::ECHO) {
                self.echo(byte, screen);
            }
            return self.complete_line(Cell::LineEnd(byte));
        } else {
            return self.accept(byte, Self::echo, screen);
        }
        Input::default()
    }

    /// A byte that means only itself, shown by `show`. The last place is left for the end of the line, without which a full
    /// buffer would stay full for ever; what does not fit is lost.
    fn accept(&mut self, byte: u8, show: fn(&mut Self, u8, &mut dyn FnMut(u8)), screen: &mut dyn FnMut(u8)) -> Input {
        if self.local(LocalFlags::ECHO) {
            self.finish_erasing(screen);
            if self.cells.len() == self.complete {
                self.line_column = self.column;
            }
            show(self, byte, screen);
        }
        let marked = byte == 0xff && self.termios.input.contains(InputFlags::PARMRK);
        let places = if marked { 2 } else { 1 };
        if self.cells.len() + places < BUFFER_BYTES {
            (0..places).for_each(|_| self.cells.push_back(Cell::Byte(byte)));
        }
        Input { wake_readers: !self.is_canonical(), ..Input::default() }
    }

    /// Hands the line being edited to the readers.
    fn complete_line(&mut self, end: Cell) -> Input {
        if self.cells.len() < BUFFER_BYTES {
            self.cells.push_back(end);
        }
        self.complete = self.cells.len();
        self.line_column = self.column;
        Input { wake_readers: true, ..Input::default() }
    }

    fn erase(&mut self, what: Erase, screen: &mut dyn FnMut(u8)) {
        if self.cells.len() == self.complete {
            return;
        }
        let echo = self.local(LocalFlags::ECHO);
        let by_erasing = LocalFlags::ECHOK | LocalFlags::ECHOKE | LocalFlags::ECHOE;
        if what == Erase::Line && !(echo && self.local(by_erasing)) {
            self.cells.truncate(self.complete);
            if echo {
                self.finish_erasing(screen);
                self.echo(self.termios.character(Control::Kill), screen);
                if self.local(LocalFlags::ECHOK) {
                    self.put(b'\n', screen);
                }
            }
            return;
        }
        let mut in_word = false;
        while let Some((first, len)) = self.last_character() {
            if what == Erase::Word && !is_of_word(first) && in_word {
                break;
            }
            in_word |= is_of_word(first);
            if echo && self.local(LocalFlags::ECHOPRT) {
                self.show_erased(len, screen);
            }
            self.cells.truncate(self.cells.len() - len);
            if echo && self.local(LocalFlags::ECHOPRT) {
                // Shown.
            } else if echo && what == Erase::Character && !self.local(LocalFlags::ECHOE) {
                self.echo(self.termios.character(Control::Erase), screen);
            } else if echo {
                self.echo_erase(first, screen);
            }
            if what == Erase::Character {
                break;
            }
        }
        if self.cells.len() == self.complete {
            self.finish_erasing(screen);
        }
    }

    /// The first byte and the length of the last character of the line being edited; `None` if the line is empty or begins in
    /// the middle of a character, which is never erased in part.
    fn last_character(&self) -> Option<(u8, usize)> {
        let line = self.cells.iter().skip(self.complete).rev().map(|cell| cell.byte());
        (1..).zip(line).find(|(_, byte)| !self.continues_character(*byte)).map(|(len, first)| (first, len))
    }
}
