//! What goes to the screen: program output, and the echo of input.
//!
//! Part of [`LineDiscipline`]. No locks, never sleeps. Specification: termios(3), `c_oflag` and the `ECHO` flags.

use super::{Cell, LineDiscipline};
use crate::termios::{Control, InputFlags, LocalFlags, OutputFlags};

/// Columns from one tab stop to the next.
const TAB: usize = 8;

/// Whether a byte shows nothing by itself.
pub(super) fn is_control(byte: u8) -> bool {
    byte < b' ' || byte == 0x7f
}

impl LineDiscipline {
    /// Sends a program's bytes to the screen, with `OPOST` made fit for it.
    pub fn output(&mut self, bytes: &[u8], mut screen: impl FnMut(u8)) {
        for &byte in bytes {
            self.put(byte, &mut screen);
        }
    }

    /// One byte on its way to the screen.
    pub(super) fn put(&mut self, byte: u8, screen: &mut dyn FnMut(u8)) {
        let flags = self.termios.output;
        let has = |flag| flags.contains(flag);
        if !has(OutputFlags::OPOST) {
            return screen(byte);
        }
        match byte {
            b'\n' => {
                if has(OutputFlags::ONLCR) {
                    screen(b'\r');
                }
                if has(OutputFlags::ONLCR) || has(OutputFlags::ONLRET) {
                    self.column = 0;
                }
                self.line_column = self.column;
                screen(b'\n');
            }
            b'\r' if has(OutputFlags::ONOCR) && self.column == 0 => {}
            b'\r' if has(OutputFlags::OCRNL) => {
                if has(OutputFlags::ONLRET) {
                    self.column = 0;
                }
                screen(b'\n');
            }
            b'\r' => {
                (self.column, self.line_column) = (0, 0);
                screen(b'\r');
            }
            b'\t' => {
                let width = TAB - self.column % TAB;
                self.column += width;
                if has(OutputFlags::XTABS) {
                    (0..width).for_each(|_| screen(b' '));
                } else {
                    screen(b'\t');
                }
            }
            _ => {
                self.column = self.column_after(self.column, byte);
                screen(if has(OutputFlags::OLCUC) { byte.to_ascii_uppercase() } else { byte });
            }
        }
    }

    /// Where the cursor stands after a byte that is neither tab nor line end.
    fn column_after(&self, column: usize, byte: u8) -> usize {
        match byte {
            0x08 => column.saturating_sub(1),
            _ if is_control(byte) || self.continues_character(byte) => column,
            _ => column + 1,
        }
    }

    /// Whether a byte is one of the later ones of a UTF-8 character.
    pub(super) fn continues_character(&self, byte: u8) -> bool {
        self.termios.input.contains(InputFlags::IUTF8) && byte & 0xc0 == 0x80
    }

    /// Shows a byte as typed: control characters as `^X` if `ECHOCTL` says so.
    pub(super) fn echo(&mut self, byte: u8, screen: &mut dyn FnMut(u8)) {
        if self.local(LocalFlags::ECHOCTL) && is_control(byte) && byte != b'\t' {
            self.put(b'^', screen);
            self.put(byte ^ 0x40, screen);
        } else {
            self.put(byte, screen);
        }
    }

    /// Shows the last `len` bytes of the line being edited as erased (`ECHOPRT`).
    pub(super) fn show_erased(&mut self, len: usize, screen: &mut dyn FnMut(u8)) {
        if !core::mem::replace(&mut self.erasing, true) {
            self.put(b'\\', screen);
        }
        let start = self.cells.len() - len;
        for at in start..self.cells.len() {
            let byte = self.cells.get(at).copied().map_or(0, Cell::byte);
            // The later bytes of a character stay together with the first.
            if at == start { self.echo(byte, screen) } else { self.put(byte, screen) }
        }
    }

    /// Ends what [`LineDiscipline::show_erased`] has begun.
    pub(super) fn finish_erasing(&mut self, screen: &mut dyn FnMut(u8)) {
        if core::mem::take(&mut self.erasing) {
            self.put(b'/', screen);
        }
    }

    /// Takes a character, that is no longer in the buffer, off the screen; `first` is its first byte.
    pub(super) fn echo_erase(&mut self, first: u8, screen: &mut dyn FnMut(u8)) {
        let columns = match first {
            b'\t' => TAB - self.column_of_line_end() % TAB,
            _ if !is_control(first) => 1,
            _ if self.local(LocalFlags::ECHOCTL) => 2,
            _ => 0,
        };
        for _ in 0..columns {
            self.put(0x08, screen);
            if first != b'\t' {
                self.put(b' ', screen);
                self.put(0x08, screen);
            }
        }
    }

    /// Where the cursor would stand after what is left of the line being edited, to the tab stop. Like Linux, it takes the line
    /// for what was shown, whatever else went to the screen meanwhile.
    fn column_of_line_end(&self) -> usize {
        let line = self.cells.iter().skip(self.complete).map(|cell| cell.byte());
        line.fold(self.line_column, |column, byte| match byte {
            b'\t' => 0,
            _ if is_control(byte) => column + if self.local(LocalFlags::ECHOCTL) { 2 } else { 0 },
            _ if self.continues_character(byte) => column,
            _ => column + 1,
        })
    }

    /// Shows the line being edited once more, on a line of its own.
    pub(super) fn echo_reprint(&mut self, screen: &mut dyn FnMut(u8)) {
        self.echo(self.termios.character(Control::Reprint), screen);
        self.put(b'\n', screen);
        self.line_column = self.column;
        for at in self.complete..self.cells.len() {
            let byte = self.cells.get(at).copied().map_or(0, Cell::byte);
            self.echo(byte, screen);
        }
    }
}
