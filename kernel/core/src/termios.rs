//! A terminal's settings: Linux's `struct termios` for arm64 (the asm-generic one).
//!
//! A value, nothing more. Layout as programs see it: four 32-bit flag words (input, output, control, local), the line
//! discipline's number, 19 control characters; 36 bytes. Specification: termios(3), ioctl_tty(2) `TCGETS`, `TCSETS`.

use linux_raw_sys::general as abi;

/// Control characters in the table.
pub const CONTROL_CHARACTERS: usize = 19;
/// The size of the structure that `TCGETS` and `TCSETS` pass.
pub const TERMIOS_BYTES: usize = 36;
/// In the table of control characters: there is none.
pub const DISABLED: u8 = 0;

bitflags::bitflags! {
    /// What is done to bytes that come in (`c_iflag`). Bits that Postern does not act on are kept.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct InputFlags: u32 {
        /// A byte of 255 is doubled, since one alone would announce a damaged byte.
        const PARMRK = abi::PARMRK;
        /// Make small letters of capitals, with `IEXTEN`.
        const IUCLC = abi::IUCLC;
        /// Cut the eighth bit off.
        const ISTRIP = abi::ISTRIP;
        /// Make carriage returns of newlines.
        const INLCR = abi::INLCR;
        /// Drop carriage returns.
        const IGNCR = abi::IGNCR;
        /// Make newlines of carriage returns.
        const ICRNL = abi::ICRNL;
        /// `VSTOP` and `VSTART` hold the output and let it go on.
        const IXON = abi::IXON;
        /// Any byte lets the output go on.
        const IXANY = abi::IXANY;
        /// Bytes are UTF-8: an erase takes a whole character.
        const IUTF8 = abi::IUTF8;
        const _ = !0;
    }
}

bitflags::bitflags! {
    /// What is done to bytes that go out (`c_oflag`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct OutputFlags: u32 {
        /// Do any of it.
        const OPOST = abi::OPOST;
        /// Capitals for small letters.
        const OLCUC = abi::OLCUC;
        /// A carriage return before each newline.
        const ONLCR = abi::ONLCR;
        /// Newlines for carriage returns.
        const OCRNL = abi::OCRNL;
        /// No carriage return in the first column.
        const ONOCR = abi::ONOCR;
        /// A newline returns to the first column.
        const ONLRET = abi::ONLRET;
        /// Spaces for tabs.
        const XTABS = abi::XTABS;
        const _ = !0;
    }
}

bitflags::bitflags! {
    /// How a terminal behaves to its user (`c_lflag`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct LocalFlags: u32 {
        /// `VINTR`, `VQUIT`, `VSUSP` send signals.
        const ISIG = abi::ISIG;
        /// Input comes by lines, which the user can edit.
        const ICANON = abi::ICANON;
        /// Show what comes in.
        const ECHO = abi::ECHO;
        /// Show an erase by erasing.
        const ECHOE = abi::ECHOE;
        /// Show the kill of a line.
        const ECHOK = abi::ECHOK;
        /// Show newlines even without `ECHO`.
        const ECHONL = abi::ECHONL;
        /// A signal does not flush.
        const NOFLSH = abi::NOFLSH;
        /// Background output sends SIGTTOU.
        const TOSTOP = abi::TOSTOP;
        /// Show control characters as `^X`.
        const ECHOCTL = abi::ECHOCTL;
        /// Show what is erased, between `\\` and `/`.
        const ECHOPRT = abi::ECHOPRT;
        /// Show the kill of a line by erasing it.
        const ECHOKE = abi::ECHOKE;
        /// `VWERASE`, `VLNEXT`, `VREPRINT`, `VEOL2` work.
        const IEXTEN = abi::IEXTEN;
        const _ = !0;
    }
}

/// A control character's place in the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[expect(missing_docs, reason = "termios(3) has a table of them, under these names with a V in front")]
pub enum Control {
    Intr = 0,
    Quit = 1,
    Erase = 2,
    Kill = 3,
    Eof = 4,
    Time = 5,
    Min = 6,
    Swtc = 7,
    Start = 8,
    Stop = 9,
    Susp = 10,
    Eol = 11,
    Reprint = 12,
    Discard = 13,
    Werase = 14,
    Lnext = 15,
    Eol2 = 16,
}

/// The settings of one terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Termios {
    /// `c_iflag`.
    pub input: InputFlags,
    /// `c_oflag`.
    pub output: OutputFlags,
    /// `c_cflag`: speed and framing, kept for programs that look.
    pub control: u32,
    /// `c_lflag`.
    pub local: LocalFlags,
    /// `c_line`.
    pub line: u8,
    /// `c_cc`.
    pub characters: [u8; CONTROL_CHARACTERS],
}

impl Termios {
    /// The entry of the table.
    #[must_use]
    pub const fn character(&self, control: Control) -> u8 {
        self.characters[control as usize]
    }

    /// Whether `byte` is that control character; a disabled one never matches.
    #[must_use]
    pub const fn is(&self, control: Control, byte: u8) -> bool {
        byte != DISABLED && byte == self.character(control)
    }

    /// Whether ^S and ^Q hold the output and let it go on, as the master of a pseudo-terminal may want to know (`TIOCPKT_DOSTOP`).
    #[must_use]
    pub const fn has_flow_control_keys(&self) -> bool {
        const CONTROL_S: u8 = 0x13;
        const CONTROL_Q: u8 = 0x11;
        self.input.contains(InputFlags::IXON)
            && self.character(Control::Stop) == CONTROL_S
            && self.character(Control::Start) == CONTROL_Q
    }

    /// The structure as programs see it.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; TERMIOS_BYTES] {
        let mut bytes = [0; TERMIOS_BYTES];
        let words = [self.input.bits(), self.output.bits(), self.control, self.local.bits()];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes[16] = self.line;
        bytes[17..].copy_from_slice(&self.characters);
        bytes
    }

    /// The settings from the structure as programs see it.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; TERMIOS_BYTES]) -> Self {
        let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let mut characters = [0; CONTROL_CHARACTERS];
        characters.copy_from_slice(&bytes[17..]);
        Self {
            input: InputFlags::from_bits_retain(word(0)),
            output: OutputFlags::from_bits_retain(word(4)),
            control: word(8),
            local: LocalFlags::from_bits_retain(word(12)),
            line: bytes[16],
            characters,
        }
    }
}

/// What a terminal starts with on Linux: lines, echo, signals, newlines made whole.
impl Default for Termios {
    fn default() -> Self {
        let mut characters = [DISABLED; CONTROL_CHARACTERS];
        for (control, character) in [
            (Control::Intr, 0x03),
            (Control::Quit, 0x1c),
            (Control::Erase, 0x7f),
            (Control::Kill, 0x15),
            (Control::Eof, 0x04),
            (Control::Min, 1),
            (Control::Start, 0x11),
            (Control::Stop, 0x13),
            (Control::Susp, 0x1a),
            (Control::Reprint, 0x12),
            (Control::Discard, 0x0f),
            (Control::Werase, 0x17),
            (Control::Lnext, 0x16),
        ] {
            characters[control as usize] = character;
        }
        Self {
            input: InputFlags::ICRNL | InputFlags::IXON,
            output: OutputFlags::OPOST | OutputFlags::ONLCR,
            control: abi::B38400 | abi::CS8 | abi::CREAD | abi::HUPCL,
            local: LocalFlags::ISIG
                | LocalFlags::ICANON
                | LocalFlags::ECHO
                | LocalFlags::ECHOE
                | LocalFlags::ECHOK
                | LocalFlags::ECHOCTL
                | LocalFlags::ECHOKE
                | LocalFlags::IEXTEN,
            line: 0,
            characters,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_comes_back_as_it_went_in() {
        let mut bytes = [0; TERMIOS_BYTES];
        for (at, byte) in (0..).zip(&mut bytes) {
            *byte = at;
        }
        assert_eq!(Termios::from_bytes(&bytes).to_bytes(), bytes);
    }

    #[test]
    fn the_table_is_in_linux_order() {
        let places = [
            (Control::Intr, abi::VINTR),
            (Control::Eof, abi::VEOF),
            (Control::Time, abi::VTIME),
            (Control::Min, abi::VMIN),
            (Control::Susp, abi::VSUSP),
            (Control::Reprint, abi::VREPRINT),
            (Control::Lnext, abi::VLNEXT),
            (Control::Eol2, abi::VEOL2),
        ];
        for (control, place) in places {
            assert_eq!(control as u32, place);
        }
        assert_eq!(abi::NCCS, 19);
    }

    #[test]
    fn a_disabled_character_never_matches() {
        assert!(!Termios::default().is(Control::Eol, DISABLED));
        assert!(Termios::default().is(Control::Intr, 3));
    }
}
