//! The line discipline as its user and its readers see it.

use super::*;
use crate::termios::{InputFlags, OutputFlags};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::string::String;
use std::vec;
use std::vec::Vec;

struct Terminal {
    line: LineDiscipline,
    screen: Vec<u8>,
}

impl Terminal {
    fn new(change: impl FnOnce(&mut Termios)) -> Self {
        let mut termios = Termios::default();
        change(&mut termios);
        Self { line: LineDiscipline::try_new(termios).unwrap(), screen: Vec::new() }
    }

    fn raw(change: impl FnOnce(&mut Termios)) -> Self {
        Self::new(|termios| {
            termios.local.remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG);
            change(termios);
        })
    }

    fn key(&mut self, byte: u8) -> Input {
        let screen = &mut self.screen;
        self.line.input(byte, |byte| screen.push(byte))
    }

    fn type_in(&mut self, keys: impl AsRef<[u8]>) {
        let _ = self.effect_of(keys);
    }

    /// Types, and returns what the last key led to.
    fn effect_of(&mut self, keys: impl AsRef<[u8]>) -> Input {
        keys.as_ref().iter().fold(Input::default(), |_, &byte| self.key(byte))
    }

    fn read(&mut self, len: usize) -> Result<Vec<u8>> {
        let mut buffer = vec![0; len];
        let count = self.line.read(&mut buffer)?;
        buffer.truncate(count);
        Ok(buffer)
    }

    fn shown(&mut self) -> String {
        String::from_utf8(core::mem::take(&mut self.screen)).unwrap()
    }
}

fn line(bytes: &[u8]) -> Result<Vec<u8>> {
    Ok(bytes.to_vec())
}

#[test]
fn a_line_is_there_when_it_is_complete() {
    let mut tty = Terminal::new(|_| ());
    assert!(!tty.effect_of("ls -l").wake_readers);
    assert_eq!(tty.read(64), Err(Errno::EAGAIN));
    assert_eq!(tty.line.readiness(), Readiness::WRITABLE);
    assert!(tty.effect_of("\r").wake_readers);
    assert_eq!(tty.line.readiness(), Readiness::READABLE | Readiness::WRITABLE);
    assert_eq!(tty.line.available(), 6);
    assert_eq!(tty.read(64), line(b"ls -l\n"));
    assert_eq!(tty.shown(), "ls -l\r\n");
}

#[test]
fn a_read_gets_at_most_one_line_and_a_small_one_a_part() {
    let mut tty = Terminal::new(|_| ());
    tty.type_in("one\ntwo\nthr");
    assert_eq!(tty.read(64), line(b"one\n"));
    assert_eq!([tty.read(2), tty.read(64)], [line(b"tw"), line(b"o\n")]);
    assert_eq!(tty.read(64), Err(Errno::EAGAIN));
}

#[test]
fn a_plan_without_commit_takes_nothing() {
    let mut tty = Terminal::new(|_| ());
    tty.type_in("x\n");
    assert_eq!(tty.line.plan_read(&mut [0; 8]).unwrap().bytes, 2);
    assert_eq!(tty.read(8), line(b"x\n"));
    assert_eq!(tty.read(0), line(b""));
}

#[test]
fn end_of_file_at_the_start_of_a_line_reads_as_nothing() {
    let mut tty = Terminal::new(|_| ());
    assert!(tty.effect_of("\x04").wake_readers);
    assert!(tty.line.readiness().contains(Readiness::IN));
    assert_eq!(tty.line.available(), 0);
    assert_eq!(tty.read(64), line(b""));
    assert_eq!(tty.read(64), Err(Errno::EAGAIN));
    assert_eq!(tty.shown(), "");
}

#[test]
fn end_of_file_within_a_line_only_hands_it_over() {
    let mut tty = Terminal::new(|_| ());
    tty.type_in("abc\x04");
    assert_eq!(tty.read(3), line(b"abc"));
    assert_eq!(tty.read(64), Err(Errno::EAGAIN), "the exact fit must not leave an end of file behind");
    tty.type_in("abc\x04\x04");
    assert_eq!([tty.read(2), tty.read(9), tty.read(9)], [line(b"ab"), line(b"c"), line(b"")]);
}

#[test]
fn keys_send_signals_and_flush() {
    let mut tty = Terminal::new(|_| ());
    for (key, signal, echo) in [(3, Signal::INT, "^C"), (0x1c, Signal::QUIT, "^\\"), (0x1a, Signal::TSTP, "^Z")] {
        tty.type_in("line\nedit");
        tty.shown();
        let effect = tty.key(key);
        assert_eq!((effect.signal, effect.flush_output), (Some(signal), true));
        assert_eq!((tty.read(64), tty.shown().as_str()), (Err(Errno::EAGAIN), echo));
    }
}

#[test]
fn noflsh_keeps_what_was_typed() {
    let mut tty = Terminal::new(|termios| termios.local |= LocalFlags::NOFLSH);
    let effect = tty.effect_of("kept\x03");
    assert_eq!((effect.signal, effect.flush_output), (Some(Signal::INT), false));
    tty.type_in("\n");
    assert_eq!(tty.read(64), line(b"kept\n"));
}

#[test]
fn without_isig_the_keys_are_bytes() {
    let mut tty = Terminal::new(|termios| termios.local.remove(LocalFlags::ISIG));
    assert_eq!(tty.effect_of("\x03").signal, None);
    tty.type_in("\n");
    assert_eq!(tty.read(64), line(b"\x03\n"));
}

#[test]
fn erase_takes_the_last_character_but_never_of_a_finished_line() {
    let mut tty = Terminal::new(|_| ());
    tty.type_in("done\nab\x7f\x7f\x7fc\n");
    assert_eq!([tty.read(64), tty.read(64)], [line(b"done\n"), line(b"c\n")]);
    assert_eq!(tty.shown(), "done\r\nab\x08 \x08\x08 \x08c\r\n");
}

#[test]
fn erase_takes_a_whole_utf8_character() {
    let mut tty = Terminal::new(|termios| termios.input |= InputFlags::IUTF8);
    tty.type_in("aé€\x7f\x7f\n");
    assert_eq!(tty.read(64), line(b"a\n"));
    assert_eq!(tty.shown(), "aé€\x08 \x08\x08 \x08\r\n");
    let mut tty = Terminal::new(|_| ());
    tty.type_in("aé\x7f\n");
    assert_eq!(tty.read(64), line(b"a\xc3\n"));
}

#[test]
fn erasing_a_control_character_takes_both_columns_and_a_tab_all_of_its() {
    let mut tty = Terminal::new(|_| ());
    tty.type_in("\x01\x7f");
    assert_eq!(tty.shown(), "^A\x08 \x08\x08 \x08");
    tty.type_in("ab\t\x7f");
    assert_eq!(tty.shown(), "ab\t\x08\x08\x08\x08\x08\x08");
}

#[test]
fn word_erase_takes_the_last_word_and_what_follows_it() {
    let mut tty = Terminal::new(|_| ());
    tty.type_in("ls foo_1/bar2 \x17\x17x\n");
    assert_eq!(tty.read(64), line(b"ls x\n"));
}

#[test]
fn kill_takes_the_line() {
    let mut tty = Terminal::new(|_| ());
    tty.type_in("abc\x15d\n");
    assert_eq!(tty.read(64), line(b"d\n"));
    assert_eq!(tty.shown(), "abc\x08 \x08\x08 \x08\x08 \x08d\r\n");
    let mut tty = Terminal::new(|termios| termios.local.remove(LocalFlags::ECHOKE));
    tty.type_in("abc\x15d\n");
    assert_eq!((tty.read(64), tty.shown().as_str()), (line(b"d\n"), "abc^U\r\nd\r\n"));
}

#[test]
fn the_next_key_can_be_taken_literally() {
    let mut tty = Terminal::new(|_| ());
    assert_eq!(tty.effect_of("\x16\x03").signal, None);
    tty.type_in("\x16\x7f\n");
    assert_eq!(tty.read(64), line(b"\x03\x7f\n"));
    assert_eq!(tty.shown(), "^\x08^C^\x08^?\r\n");
}

#[test]
fn reprint_shows_the_line_again() {
    let mut tty = Terminal::new(|_| ());
    tty.type_in("ab\x12c\n");
    assert_eq!((tty.read(64), tty.shown().as_str()), (line(b"abc\n"), "ab^R\r\nabc\r\n"));
}

#[test]
fn carriage_returns_and_newlines_are_exchanged_as_asked() {
    let typed = |input: InputFlags| {
        let mut tty = Terminal::raw(|termios| termios.input = input);
        tty.type_in("a\rb\n");
        tty.read(64).unwrap()
    };
    assert_eq!(typed(InputFlags::empty()), b"a\rb\n");
    assert_eq!(typed(InputFlags::ICRNL), b"a\nb\n");
    assert_eq!(typed(InputFlags::IGNCR | InputFlags::ICRNL), b"ab\n");
    assert_eq!(typed(InputFlags::INLCR), b"a\rb\r");
}

/// Found by comparing with a pseudo-terminal of Linux 6.18.
#[test]
fn without_lines_a_typed_newline_is_a_control_character() {
    let mut tty = Terminal::new(|termios| termios.local.remove(LocalFlags::ICANON));
    tty.type_in("a\nb\r");
    assert_eq!((tty.read(64), tty.shown().as_str()), (line(b"a\nb\n"), "a^Jb\r\n"));
}

#[test]
fn newlines_can_be_shown_without_the_rest() {
    let mut tty = Terminal::new(|termios| {
        termios.local.remove(LocalFlags::ECHO);
        termios.local |= LocalFlags::ECHONL;
    });
    tty.type_in("secret\x7f\n");
    assert_eq!((tty.read(64), tty.shown().as_str()), (line(b"secre\n"), "\r\n"));
}

#[test]
fn stop_holds_the_output_until_start() {
    let mut tty = Terminal::new(|_| ());
    assert_eq!(tty.effect_of("\x13"), Input { holds_output: true, ..Input::default() });
    assert!(tty.line.output_is_held() && !tty.line.readiness().contains(Readiness::OUT));
    assert!(!tty.effect_of("x").wake_writers);
    assert!(tty.effect_of("\x11").wake_writers && !tty.line.output_is_held());
    tty.type_in("\x13");
    assert!(tty.effect_of("\x03").wake_writers, "an interrupt lets the output go on");
}

#[test]
fn what_a_program_holds_no_key_lets_go_on() {
    let mut tty = Terminal::new(|_| ());
    assert!(tty.line.suspend_output() && !tty.line.suspend_output());
    assert_eq!(tty.effect_of("\x11\x13"), Input::default());
    assert!(tty.line.output_is_held());
    assert!(tty.line.resume_output() && !tty.line.resume_output());
    assert!(!tty.line.output_is_held());
    tty.type_in("\x13");
    assert!(!tty.line.resume_output() && tty.line.output_is_held(), "a key has held it");
}

#[test]
fn what_is_erased_can_be_shown() {
    let mut tty = Terminal::new(|termios| termios.local |= LocalFlags::ECHOPRT);
    tty.type_in("abc\x7f\x7fd\n");
    assert_eq!((tty.read(64), tty.shown().as_str()), (line(b"ad\n"), "abc\\cb/d\r\n"));
    tty.type_in("x\x7f\x7fy\x15\n");
    assert_eq!((tty.read(64), tty.shown().as_str()), (line(b"\n"), "x\\x/y\\y/\r\n"));
    // As on Linux: the end is shown with what is typed next.
    tty.type_in("ab\x7f\nc");
    assert_eq!(tty.shown(), "ab\\b\r\n/c");
}

#[test]
fn bytes_of_255_can_be_doubled() {
    let mut tty = Terminal::raw(|termios| termios.input |= InputFlags::PARMRK);
    assert_eq!(tty.line.room(), (BUFFER_BYTES - 1) / 2);
    tty.type_in(b"a\xff");
    assert_eq!(tty.read(64), line(b"a\xff\xff"));
}

#[test]
fn letters_can_be_exchanged() {
    let mut tty = Terminal::new(|termios| {
        termios.input |= InputFlags::IUCLC;
        termios.output |= OutputFlags::OLCUC;
    });
    tty.type_in("aBc\n");
    assert_eq!((tty.read(64), tty.shown().as_str()), (line(b"abc\n"), "ABC\r\n"));
}

#[test]
fn room_is_what_surely_fits() {
    let mut tty = Terminal::new(|_| ());
    assert_eq!(tty.line.room(), BUFFER_BYTES - 1);
    tty.type_in(vec![b'x'; 5000]);
    assert_eq!(tty.line.room(), 1, "an overlong line is lost byte by byte, but can be ended");
    tty.type_in("\n");
    assert_eq!(tty.line.room(), 0);
}

#[test]
fn effects_of_several_keys_add_up() {
    let mut tty = Terminal::new(|_| ());
    let mut together = |keys: &str| keys.bytes().fold(Input::default(), |all, key| all.and(tty.key(key)));
    assert!(together("a\nb").wake_readers);
    let both = together("\x13\x11");
    assert!(both.wake_writers && !both.holds_output);
    let both = together("\x13\x11\x13");
    assert!(!both.wake_writers && both.holds_output);
    assert_eq!(together("x\x03\x1c").signal, Some(Signal::INT));
}

#[test]
fn raw_input_is_there_at_once() {
    let mut tty = Terminal::raw(|_| ());
    assert!(tty.effect_of("\x03\x7f\x04").wake_readers);
    assert_eq!((tty.line.available(), tty.read(2)), (3, line(b"\x03\x7f")));
    assert_eq!([tty.read(9), tty.read(9)], [line(b"\x04"), Err(Errno::EAGAIN)]);
    assert_eq!(tty.shown(), "");
}

#[test]
fn poll_waits_for_vmin_bytes_unless_vtime_is_set() {
    let readable = |min, time| {
        let mut tty = Terminal::raw(|termios| {
            termios.characters[Control::Min as usize] = min;
            termios.characters[Control::Time as usize] = time;
        });
        tty.type_in("ab");
        tty.line.readiness().contains(Readiness::IN)
    };
    assert_eq!([readable(0, 0), readable(2, 0), readable(3, 0), readable(3, 1)], [true, true, false, true]);
}

#[test]
fn leaving_canonical_mode_frees_the_unfinished_line() {
    let mut tty = Terminal::new(|_| ());
    tty.type_in("a\n\x04b");
    let mut raw = *tty.line.termios();
    raw.local.remove(LocalFlags::ICANON);
    assert!(tty.line.set_termios(raw));
    assert_eq!(tty.read(64), line(b"a\nb"));
}

#[test]
fn entering_canonical_mode_makes_one_line_of_what_was_typed() {
    let mut tty = Terminal::raw(|_| ());
    tty.type_in("a\nb");
    assert!(tty.line.set_termios(Termios::default()));
    assert_eq!(tty.read(64), line(b"a\nb"));
    assert!(!tty.line.set_termios(Termios::default()));
}

#[test]
fn a_line_has_at_most_4096_bytes_and_can_always_be_ended() {
    let mut tty = Terminal::new(|_| ());
    tty.type_in(vec![b'x'; 5000]);
    assert!(tty.line.has_room(), "the end of the line must still come in");
    tty.type_in("\n");
    assert!(!tty.line.has_room());
    let read = tty.read(8192).unwrap();
    assert_eq!((read.len(), read[4095]), (BUFFER_BYTES, b'\n'));
    tty.type_in("next\n");
    assert_eq!(tty.read(64), line(b"next\n"));
}

#[test]
fn output_is_made_fit_for_the_screen() {
    let shown = |flags, text: &str| {
        let mut tty = Terminal::new(|termios| termios.output = flags);
        let screen = &mut tty.screen;
        tty.line.output(text.as_bytes(), |byte| screen.push(byte));
        tty.shown()
    };
    let post = OutputFlags::OPOST;
    assert_eq!(shown(post | OutputFlags::ONLCR, "a\nb"), "a\r\nb");
    assert_eq!(shown(OutputFlags::ONLCR, "a\nb"), "a\nb");
    assert_eq!(shown(post | OutputFlags::OCRNL, "a\rb"), "a\nb");
    assert_eq!(shown(post | OutputFlags::ONOCR, "\ra\rb"), "a\rb");
    assert_eq!(shown(post | OutputFlags::XTABS, "ab\tc"), "ab      c");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// The model: lines as strings, edited by the three keys that matter.
    #[test]
    fn lines_are_what_was_typed_and_not_erased(
        keys in prop::collection::vec(prop::sample::select(&b"ab _\x7f\x15\n\x04"[..]), 0..200),
    ) {
        let mut tty = Terminal::new(|_| ());
        let (mut lines, mut edited) = (VecDeque::new(), Vec::new());
        for key in keys {
            let _ = tty.key(key);
            match key {
                0x7f => { edited.pop(); }
                0x15 => edited.clear(),
                0x04 => lines.push_back(core::mem::take(&mut edited)),
                b'\n' => { edited.push(key); lines.push_back(core::mem::take(&mut edited)); }
                _ => edited.push(key),
            }
        }
        prop_assert_eq!(tty.line.available(), lines.iter().map(Vec::len).sum::<usize>());
        for expected in lines {
            prop_assert_eq!(tty.read(4096), Ok(expected));
        }
        prop_assert_eq!(tty.read(4096), Err(Errno::EAGAIN));
    }
}
