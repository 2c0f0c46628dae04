//! The settings of a terminal, one by one, as a program at a pseudo-terminal sees them.
//! Specification: termios(3), ioctl_tty(2); where they are silent, n_tty.c of Linux.

use crate::check::{Outcome, expect, expect_eq, expect_errno, is_postern};
use crate::patience::expect_soon;
use crate::sys::terminal::{self, Pair, expect_silence, read_bytes};
use crate::sys::{fd, process, ready};
use libc::{
    EAGAIN, ECHO, ECHOCTL, ECHOE, ECHOK, ECHOKE, ECHONL, ECHOPRT, EINVAL, ICANON, ICRNL, IEXTEN, IGNCR, INLCR, ISIG,
    ISTRIP, IUCLC, IUTF8, IXANY, IXON, O_NONBLOCK, OCRNL, OLCUC, ONLCR, ONLRET, ONOCR, OPOST, PARMRK, POLLIN, POLLOUT,
    VEOF, VEOL, VEOL2, VERASE, VKILL, VMIN, VQUIT, VTIME,
};
use std::time::{Duration, Instant};

crate::tests! {
    first_settings_are_those_of_linux,
    unknown_flags_are_kept,
    line_is_there_when_it_is_complete,
    read_gives_one_line_at_most,
    long_line_comes_in_parts,
    line_has_4096_bytes_at_most,
    end_of_file_key_reads_as_nothing,
    end_of_file_key_in_a_line_hands_it_over,
    other_line_ends_are_part_of_their_line,
    second_other_line_end_needs_iexten,
    erase_takes_a_character,
    erase_without_echoe_shows_the_key,
    erase_with_echoprt_shows_what_is_taken,
    erase_of_utf8_takes_a_whole_character,
    erase_of_a_control_character_takes_two_columns,
    erase_of_a_tab_goes_back_to_its_start,
    word_erase_takes_a_word,
    word_erase_needs_iexten,
    kill_takes_the_line,
    kill_without_echoke_shows_the_key_and_a_newline,
    disabled_key_is_an_ordinary_byte,
    keys_can_be_changed,
    literal_next_takes_the_meaning_of_a_key,
    literal_next_takes_a_newline_into_the_line,
    reprint_shows_the_line_again,
    control_characters_are_shown_with_a_caret,
    control_characters_are_shown_raw_without_echoctl,
    nothing_is_shown_without_echo,
    newline_is_shown_by_echonl,
    without_isig_the_keys_are_bytes,
    signal_key_flushes_what_was_typed,
    signal_key_keeps_what_was_typed_with_noflsh,
    carriage_return_becomes_newline_by_icrnl,
    carriage_return_is_dropped_by_igncr,
    newline_becomes_carriage_return_by_inlcr,
    eighth_bit_is_cut_by_istrip,
    capitals_become_small_by_iuclc,
    parity_marks_are_doubled_by_parmrk,
    stop_key_holds_output_until_the_start_key,
    any_key_starts_output_with_ixany,
    stop_key_is_a_byte_without_ixon,
    output_is_stopped_and_started_by_tcflow,
    tcflow_types_the_stop_and_start_keys,
    output_newlines_get_carriage_returns_by_onlcr,
    output_is_left_alone_without_opost,
    output_carriage_returns_become_newlines_by_ocrnl,
    output_has_no_carriage_return_in_the_first_column_by_onocr,
    output_newline_goes_to_the_first_column_by_onlret,
    output_tabs_become_spaces_by_xtabs,
    output_becomes_capitals_by_olcuc,
    raw_bytes_are_there_at_once,
    raw_read_waits_for_min_bytes,
    raw_read_that_wants_fewer_than_min_gets_them,
    raw_read_ends_at_once_with_neither_min_nor_time,
    raw_read_ends_after_time_without_min,
    raw_read_ends_after_a_pause_between_bytes,
    raw_read_has_no_time_limit_before_the_first_byte,
    poll_waits_for_min_bytes,
    non_blocking_read_has_no_minimum,
    leaving_canonical_mode_frees_the_unfinished_line,
    entering_canonical_mode_makes_a_line_of_what_was_typed,
    tcsetattr_with_tcsaflush_forgets_what_was_typed,
    tcsetattr_with_tcsadrain_keeps_what_was_typed,
    tcsendbreak_and_tcdrain_succeed,
    unknown_arguments_are_refused,
}

/// Spaces for tabs, as a flag of the type that every C library has the others in.
const XTABS: libc::tcflag_t = 0o14000;

fn first_settings_are_those_of_linux() -> Outcome {
    let pair = Pair::open()?;
    let settings = terminal::settings(pair.terminal)?;
    expect_eq(settings.c_iflag, ICRNL | IXON, "c_iflag")?;
    expect_eq(settings.c_oflag, OPOST | ONLCR, "c_oflag")?;
    let local = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
    expect_eq(settings.c_lflag, local, "c_lflag")?;
    expect_eq(settings.c_cflag & (libc::CSIZE | libc::CREAD), libc::CS8 | libc::CREAD, "c_cflag")?;
    let keys = &settings.c_cc[..17];
    expect_eq(keys, &[3, 0x1c, 0x7f, 0x15, 4, 0, 1, 0, 0x11, 0x13, 0x1a, 0, 0x12, 0x0f, 0x17, 0x16, 0][..], "c_cc")
}

fn unknown_flags_are_kept() -> Outcome {
    let pair = Pair::open()?;
    terminal::change(pair.terminal, |settings| {
        settings.c_iflag |= libc::IGNBRK | libc::BRKINT;
        settings.c_lflag |= libc::FLUSHO;
    })?;
    let settings = terminal::settings(pair.terminal)?;
    expect_eq(settings.c_iflag & (libc::IGNBRK | libc::BRKINT), libc::IGNBRK | libc::BRKINT, "c_iflag")?;
    expect_eq(settings.c_lflag & libc::FLUSHO, libc::FLUSHO, "c_lflag")
}

fn line_is_there_when_it_is_complete() -> Outcome {
    let pair = Pair::silent()?;
    pair.type_in("ls -l")?;
    expect_silence(pair.terminal)?;
    pair.type_in("\n")?;
    pair.expect_line("ls -l\n")
}

fn read_gives_one_line_at_most() -> Outcome {
    let pair = Pair::silent()?;
    pair.type_in("one\ntwo\nthr")?;
    pair.expect_line("one\n")?;
    pair.expect_line("two\n")?;
    expect_silence(pair.terminal)
}

fn long_line_comes_in_parts() -> Outcome {
    let pair = Pair::silent()?;
    pair.type_in("abcdef\n")?;
    let mut part = [0; 4];
    expect_eq((fd::read(pair.terminal, &mut part)?, &part), (4, b"abcd"), "the first part")?;
    pair.expect_line("ef\n")
}

fn line_has_4096_bytes_at_most() -> Outcome {
    let pair = Pair::silent()?;
    pair.type_in([b'x'; 5000])?;
    pair.type_in("\n")?;
    let line = read_bytes(pair.terminal, 4096)?;
    expect_eq((line[0], line[4094], line[4095]), (b'x', b'x', b'\n'), "ends of the line")?;
    expect_silence(pair.terminal)?;
    pair.type_in("next\n")?;
    pair.expect_line("next\n")
}

fn end_of_file_key_reads_as_nothing() -> Outcome {
    let pair = Pair::open()?;
    pair.type_in("\x04")?;
    pair.expect_line("")?;
    expect_silence(pair.terminal)?;
    expect_silence(pair.master)
}

fn end_of_file_key_in_a_line_hands_it_over() -> Outcome {
    let pair = Pair::silent()?;
    pair.type_in("abc\x04")?;
    let mut line = [0; 3];
    terminal::until_ready(pair.terminal, POLLIN)?;
    expect_eq((fd::read(pair.terminal, &mut line)?, &line), (3, b"abc"), "the line")?;
    // It fitted exactly, and yet no end of file is left behind.
    expect_silence(pair.terminal)?;
    pair.type_in("de\x04\x04")?;
    pair.expect_line("de")?;
    pair.expect_line("")
}

fn other_line_ends_are_part_of_their_line() -> Outcome {
    let pair = Pair::with(|settings| {
        settings.c_cc[VEOL] = b';';
        settings.c_cc[VEOL2] = b'!';
    })?;
    pair.type_in("a;b!c\n")?;
    for line in ["a;", "b!", "c\n"] {
        pair.expect_line(line)?;
    }
    pair.expect_shown("a;b!c\r\n")
}

fn second_other_line_end_needs_iexten() -> Outcome {
    let pair = Pair::with(|settings| {
        settings.c_cc[VEOL2] = b'!';
        settings.c_lflag &= !IEXTEN;
    })?;
    pair.type_in("b!c\n")?;
    pair.expect_line("b!c\n")
}

fn erase_takes_a_character() -> Outcome {
    let pair = Pair::open()?;
    pair.type_in("ab\x7f\x7f\x7fc\n")?;
    pair.expect_line("c\n")?;
    pair.expect_shown("ab\x08 \x08\x08 \x08c\r\n")
}

fn erase_without_echoe_shows_the_key() -> Outcome {
    let pair = Pair::with(|settings| {
        settings.c_lflag &= !ECHOE;
        settings.c_cc[VERASE] = b'#';
    })?;
    pair.type_in("ab#c\n")?;
    pair.expect_line("ac\n")?;
    pair.expect_shown("ab#c\r\n")
}

fn erase_with_echoprt_shows_what_is_taken() -> Outcome {
    let pair = Pair::with(|settings| settings.c_lflag |= ECHOPRT)?;
    pair.type_in("abc\x7f\x7fd\n")?;
    pair.expect_line("ad\n")?;
    pair.expect_shown("abc\\cb/d\r\n")?;
    pair.type_in("x\x7f\x7fy\x7f\n")?;
    pair.expect_line("\n")?;
    pair.expect_shown("x\\x/y\\y/\r\n")?;
    // The end is shown with what is typed next.
    pair.type_in("ab\x7f\nc")?;
    pair.expect_shown("ab\\b\r\n/c")
}

fn erase_of_utf8_takes_a_whole_character() -> Outcome {
    let pair = Pair::with(|settings| settings.c_iflag |= IUTF8)?;
    pair.type_in("aé€\x7f\x7f\n")?;
    pair.expect_line("a\n")?;
    pair.expect_shown("aé€\x08 \x08\x08 \x08\r\n")
}

fn erase_of_a_control_character_takes_two_columns() -> Outcome {
    let pair = Pair::open()?;
    pair.type_in("\x01\x7f\n")?;
    pair.expect_shown("^A\x08 \x08\x08 \x08\r\n")
}

fn erase_of_a_tab_goes_back_to_its_start() -> Outcome {
    let pair = Pair::open()?;
    pair.type_in("ab\t\x7f\n")?;
    pair.expect_line("ab\n")?;
    pair.expect_shown("ab\t\x08\x08\x08\x08\x08\x08\r\n")
}

fn word_erase_takes_a_word() -> Outcome {
    let pair = Pair::silent()?;
    pair.type_in("ls foo_1/bar2 \x17\x17x\n")?;
    pair.expect_line("ls x\n")
}

fn word_erase_needs_iexten() -> Outcome {
    let pair = Pair::with(|settings| settings.c_lflag &= !(IEXTEN | ECHO))?;
    pair.type_in("a b\x17\n")?;
    pair.expect_line("a b\x17\n")
}

fn kill_takes_the_line() -> Outcome {
    let pair = Pair::open()?;
    pair.type_in("abc\x15d\n")?;
    pair.expect_line("d\n")?;
    pair.expect_shown("abc\x08 \x08\x08 \x08\x08 \x08d\r\n")
}

fn kill_without_echoke_shows_the_key_and_a_newline() -> Outcome {
    let pair = Pair::with(|settings| settings.c_lflag &= !ECHOKE)?;
    pair.type_in("abc\x15d\n")?;
    pair.expect_line("d\n")?;
    pair.expect_shown("abc^U\r\nd\r\n")?;
    terminal::change(pair.terminal, |settings| settings.c_lflag &= !ECHOK)?;
    pair.type_in("abc\x15d\n")?;
    pair.expect_shown("abc^Ud\r\n")
}

fn disabled_key_is_an_ordinary_byte() -> Outcome {
    let pair = Pair::with(|settings| {
        settings.c_cc[VKILL] = 0;
        settings.c_cc[VEOF] = 0;
        settings.c_lflag &= !ECHO;
    })?;
    pair.type_in("a\x15\x04\0\n")?;
    pair.expect_line("a\x15\x04\0\n")
}

fn keys_can_be_changed() -> Outcome {
    let pair = Pair::with(|settings| {
        settings.c_cc[VERASE] = b'#';
        settings.c_cc[VKILL] = b'@';
        settings.c_cc[VEOF] = b'$';
        settings.c_lflag &= !ECHO;
    })?;
    pair.type_in("gone@ab#c\x7f$")?;
    pair.expect_line("ac\x7f")
}

fn literal_next_takes_the_meaning_of_a_key() -> Outcome {
    let pair = Pair::open()?;
    pair.type_in("\x16\x03\x16\x7f\n")?;
    pair.expect_line("\x03\x7f\n")?;
    pair.expect_shown("^\x08^C^\x08^?\r\n")
}

fn literal_next_takes_a_newline_into_the_line() -> Outcome {
    let pair = Pair::silent()?;
    pair.type_in("a\x16\nb\x16\r\n")?;
    pair.expect_line("a\nb\r\n")
}

fn reprint_shows_the_line_again() -> Outcome {
    let pair = Pair::open()?;
    pair.type_in("ab\x12c\n")?;
    pair.expect_line("abc\n")?;
    pair.expect_shown("ab^R\r\nabc\r\n")
}

fn control_characters_are_shown_with_a_caret() -> Outcome {
    let pair = Pair::open()?;
    pair.type_in("\x01\t\x1b[A\n")?;
    pair.expect_shown("^A\t^[[A\r\n")
}

fn control_characters_are_shown_raw_without_echoctl() -> Outcome {
    let pair = Pair::with(|settings| settings.c_lflag &= !ECHOCTL)?;
    pair.type_in("\x01\x1b[A\n")?;
    pair.expect_shown("\x01\x1b[A\r\n")
}

fn nothing_is_shown_without_echo() -> Outcome {
    let pair = Pair::silent()?;
    pair.type_in("secret\x7f\x15\n")?;
    expect_silence(pair.master)
}

fn newline_is_shown_by_echonl() -> Outcome {
    let pair = Pair::with(|settings| {
        settings.c_lflag &= !ECHO;
        settings.c_lflag |= ECHONL;
    })?;
    pair.type_in("secret\n")?;
    pair.expect_shown("\r\n")
}

fn without_isig_the_keys_are_bytes() -> Outcome {
    let pair = Pair::with(|settings| settings.c_lflag &= !(ISIG | ECHO))?;
    pair.type_in("\x03\x1c\x1a\n")?;
    pair.expect_line("\x03\x1c\x1a\n")
}

fn signal_key_flushes_what_was_typed() -> Outcome {
    let pair = Pair::open()?;
    pair.type_in("line\nedit")?;
    // Echo that the master has not read is flushed as well, on Linux.
    pair.expect_shown("line\r\nedit")?;
    pair.type_in("\x03")?;
    pair.expect_shown("^C")?;
    expect_silence(pair.terminal)?;
    pair.type_in("x\n")?;
    pair.expect_line("x\n")
}

fn signal_key_keeps_what_was_typed_with_noflsh() -> Outcome {
    let pair = Pair::with(|settings| settings.c_lflag |= libc::NOFLSH)?;
    pair.type_in("ke\x03pt\n")?;
    pair.expect_line("kept\n")?;
    terminal::change(pair.terminal, |settings| settings.c_cc[VQUIT] = b'q')?;
    pair.type_in("qx\n")?;
    pair.expect_line("x\n")
}

/// What a program without canonical mode reads.
fn raw_reads(input_flags: libc::tcflag_t, typed: &[u8], read: &[u8]) -> Outcome {
    let pair = Pair::raw()?;
    terminal::change(pair.terminal, |settings| settings.c_iflag = input_flags)?;
    pair.type_in(typed)?;
    expect_eq(read_bytes(pair.terminal, read.len())?, read, "what is read")?;
    expect_silence(pair.terminal)
}

fn carriage_return_becomes_newline_by_icrnl() -> Outcome {
    raw_reads(0, b"a\rb\n", b"a\rb\n")?;
    raw_reads(ICRNL, b"a\rb\n", b"a\nb\n")
}

fn carriage_return_is_dropped_by_igncr() -> Outcome {
    raw_reads(IGNCR | ICRNL, b"a\rb\n", b"ab\n")
}

fn newline_becomes_carriage_return_by_inlcr() -> Outcome {
    raw_reads(INLCR, b"a\rb\n", b"a\rb\r")
}

fn eighth_bit_is_cut_by_istrip() -> Outcome {
    raw_reads(ISTRIP, b"\xe1\x62\xff", b"ab\x7f")
}

fn capitals_become_small_by_iuclc() -> Outcome {
    let pair = Pair::raw()?;
    terminal::change(pair.terminal, |settings| {
        settings.c_iflag = IUCLC;
        settings.c_lflag = IEXTEN;
    })?;
    pair.type_in("AbC1")?;
    expect_eq(read_bytes(pair.terminal, 4)?, b"abc1", "what is read")?;
    raw_reads(IUCLC, b"AbC", b"AbC")
}

fn parity_marks_are_doubled_by_parmrk() -> Outcome {
    raw_reads(PARMRK, b"a\xffb", b"a\xff\xffb")?;
    raw_reads(0, b"a\xffb", b"a\xffb")?;
    raw_reads(PARMRK | ISTRIP, b"\xff", b"\x7f")
}

fn stop_key_holds_output_until_the_start_key() -> Outcome {
    let pair = Pair::silent()?;
    pair.type_in("\x13")?;
    let mut held = [ready::wanting(pair.terminal, POLLOUT)];
    // The key is on its way.
    expect_soon(|| Ok(ready::poll(&mut held, 0)? == 0), "there is no room for output")?;
    let writer = process::spawn(|| expect_eq(fd::write(pair.terminal, b"on")?, 2, "bytes written"))?;
    writer.wait_until_asleep()?;
    expect_silence(pair.master)?;
    pair.type_in("\x11")?;
    pair.expect_shown("on")?;
    writer.expect_success()
}

/// Whether output is held.
fn is_held(pair: Pair) -> Result<bool, crate::check::Failure> {
    let side = terminal::open_peer(pair.master, libc::O_RDWR | libc::O_NOCTTY | O_NONBLOCK)?;
    match fd::write(side, b"!") {
        Err(error) if error.errno == EAGAIN => Ok(true),
        written => {
            written?;
            pair.expect_shown("!")?;
            Ok(false)
        }
    }
}

fn any_key_starts_output_with_ixany() -> Outcome {
    let pair = Pair::silent()?;
    pair.type_in("\x13x\n")?;
    pair.expect_line("x\n")?;
    expect(is_held(pair)?, "output is held still")?;
    terminal::change(pair.terminal, |settings| settings.c_iflag |= IXANY)?;
    pair.type_in("y\n")?;
    pair.expect_line("y\n")?;
    expect(!is_held(pair)?, "output goes on")
}

fn stop_key_is_a_byte_without_ixon() -> Outcome {
    let pair = Pair::with(|settings| {
        settings.c_iflag &= !IXON;
        settings.c_lflag &= !ECHO;
    })?;
    pair.type_in("\x13\x11\n")?;
    pair.expect_line("\x13\x11\n")
}

fn output_is_stopped_and_started_by_tcflow() -> Outcome {
    let pair = Pair::silent()?;
    terminal::flow(pair.terminal, libc::TCOOFF)?;
    expect(is_held(pair)?, "output is held")?;
    // The key is not enough: who has stopped it starts it.
    pair.type_in("\x11x\n")?;
    pair.expect_line("x\n")?;
    expect(is_held(pair)?, "output is held still")?;
    terminal::flow(pair.terminal, libc::TCOON)?;
    expect(!is_held(pair)?, "output goes on")
}

fn tcflow_types_the_stop_and_start_keys() -> Outcome {
    let pair = Pair::open()?;
    terminal::flow(pair.terminal, libc::TCIOFF)?;
    pair.expect_shown("\x13")?;
    terminal::flow(pair.terminal, libc::TCION)?;
    pair.expect_shown("\x11")
}

/// What a program's bytes become on their way.
fn shows(output_flags: libc::tcflag_t, written: &str, shown: &str) -> Outcome {
    let pair = Pair::with(|settings| settings.c_oflag = output_flags)?;
    fd::write(pair.terminal, written.as_bytes())?;
    pair.expect_shown(shown)?;
    expect_silence(pair.master)
}

fn output_newlines_get_carriage_returns_by_onlcr() -> Outcome {
    shows(OPOST | ONLCR, "a\nb\n", "a\r\nb\r\n")?;
    shows(OPOST, "a\nb\n", "a\nb\n")
}

fn output_is_left_alone_without_opost() -> Outcome {
    shows(ONLCR | OCRNL | OLCUC | XTABS, "a\nb\rc\t", "a\nb\rc\t")
}

fn output_carriage_returns_become_newlines_by_ocrnl() -> Outcome {
    shows(OPOST | OCRNL, "a\rb", "a\nb")
}

fn output_has_no_carriage_return_in_the_first_column_by_onocr() -> Outcome {
    shows(OPOST | ONOCR, "\ra\rb", "a\rb")
}

fn output_newline_goes_to_the_first_column_by_onlret() -> Outcome {
    shows(OPOST | ONLRET | XTABS, "abc\n\tx", "abc\n        x")?;
    shows(OPOST | XTABS, "abc\n\tx", "abc\n     x")
}

fn output_tabs_become_spaces_by_xtabs() -> Outcome {
    shows(OPOST | XTABS, "ab\tc\t\td", "ab      c               d")?;
    shows(OPOST, "ab\tc", "ab\tc")
}

fn output_becomes_capitals_by_olcuc() -> Outcome {
    shows(OPOST | OLCUC, "abC1", "ABC1")
}

fn raw_bytes_are_there_at_once() -> Outcome {
    let pair = Pair::raw()?;
    pair.type_in(b"\x03\x7f\x04\r")?;
    expect_eq(read_bytes(pair.terminal, 4)?, b"\x03\x7f\x04\r", "what is read")?;
    expect_silence(pair.master)
}

/// A raw pair with these VMIN and VTIME.
fn timed(min: u8, tenths: u8) -> Result<Pair, crate::check::Failure> {
    let pair = Pair::raw()?;
    terminal::change(pair.terminal, |settings| {
        settings.c_cc[VMIN] = min;
        settings.c_cc[VTIME] = tenths;
    })?;
    Ok(pair)
}

fn raw_read_waits_for_min_bytes() -> Outcome {
    let pair = timed(3, 0)?;
    let reader = process::spawn(|| expect_eq(fd::read(pair.terminal, &mut [0; 8])?, 3, "bytes read"))?;
    for key in ["a", "b"] {
        reader.wait_until_asleep()?;
        pair.type_in(key)?;
    }
    expect_silence(pair.master)?;
    reader.wait_until_asleep()?;
    pair.type_in("c")?;
    reader.expect_success()
}

fn raw_read_that_wants_fewer_than_min_gets_them() -> Outcome {
    let pair = timed(3, 0)?;
    pair.type_in("a")?;
    expect_eq(fd::read(pair.terminal, &mut [0; 1])?, 1, "bytes read")
}

fn raw_read_ends_at_once_with_neither_min_nor_time() -> Outcome {
    let pair = timed(0, 0)?;
    expect_eq(fd::read(pair.terminal, &mut [0; 8])?, 0, "bytes read")?;
    pair.type_in("ab")?;
    terminal::until_ready(pair.terminal, POLLIN)?;
    expect_eq(fd::read(pair.terminal, &mut [0; 8])?, 2, "bytes read")
}

/// Linux counts them in ticks, and on a busy machine those come late and then all at once.
fn expect_two_tenths_since(start: Instant) -> Outcome {
    expect(!is_postern() || start.elapsed() >= Duration::from_millis(190), "two tenths of a second went by")
}

fn raw_read_ends_after_time_without_min() -> Outcome {
    let pair = timed(0, 2)?;
    let start = Instant::now();
    expect_eq(fd::read(pair.terminal, &mut [0; 8])?, 0, "bytes read")?;
    expect_two_tenths_since(start)?;
    pair.type_in("a")?;
    expect_eq(fd::read(pair.terminal, &mut [0; 8])?, 1, "bytes read")
}

fn raw_read_ends_after_a_pause_between_bytes() -> Outcome {
    let pair = timed(5, 2)?;
    let start = Instant::now();
    pair.type_in("ab")?;
    expect_eq(fd::read(pair.terminal, &mut [0; 8])?, 2, "bytes read")?;
    expect_two_tenths_since(start)
}

fn raw_read_has_no_time_limit_before_the_first_byte() -> Outcome {
    let pair = timed(2, 1)?;
    let reader = process::spawn(|| expect_eq(fd::read(pair.terminal, &mut [0; 8])?, 2, "bytes read"))?;
    std::thread::sleep(Duration::from_millis(300));
    reader.wait_until_asleep()?;
    pair.type_in("ab")?;
    reader.expect_success()
}

fn poll_waits_for_min_bytes() -> Outcome {
    let pair = timed(3, 0)?;
    pair.type_in("ab")?;
    expect_silence(pair.terminal)?;
    pair.type_in("c")?;
    terminal::until_ready(pair.terminal, POLLIN)?;
    let timed = timed(3, 1)?;
    timed.type_in("a")?;
    terminal::until_ready(timed.terminal, POLLIN)
}

fn non_blocking_read_has_no_minimum() -> Outcome {
    let pair = timed(3, 0)?;
    let side = terminal::open_peer(pair.master, libc::O_RDWR | libc::O_NOCTTY | O_NONBLOCK)?;
    expect_errno(fd::read(side, &mut [0; 8]), EAGAIN)?;
    pair.type_in("ab")?;
    expect_soon(|| Ok(fd::fionread(side)? >= 2), "both bytes arrive")?;
    expect_eq(fd::read(side, &mut [0; 8])?, 2, "bytes read")
}

fn leaving_canonical_mode_frees_the_unfinished_line() -> Outcome {
    let pair = Pair::silent()?;
    pair.type_in("unfinished")?;
    expect_silence(pair.terminal)?;
    terminal::make_raw(pair.terminal)?;
    pair.expect_line("unfinished")
}

fn entering_canonical_mode_makes_a_line_of_what_was_typed() -> Outcome {
    let pair = Pair::raw()?;
    pair.type_in("typed")?;
    terminal::until_ready(pair.terminal, POLLIN)?;
    terminal::change(pair.terminal, |settings| settings.c_lflag |= ICANON)?;
    pair.expect_line("typed")
}

fn tcsetattr_with_tcsaflush_forgets_what_was_typed() -> Outcome {
    let pair = Pair::silent()?;
    pair.type_in("gone\n")?;
    terminal::until_ready(pair.terminal, POLLIN)?;
    terminal::set(pair.terminal, libc::TCSAFLUSH, &terminal::settings(pair.terminal)?)?;
    expect_silence(pair.terminal)
}

fn tcsetattr_with_tcsadrain_keeps_what_was_typed() -> Outcome {
    let pair = Pair::silent()?;
    pair.type_in("kept\n")?;
    terminal::until_ready(pair.terminal, POLLIN)?;
    terminal::set(pair.terminal, libc::TCSADRAIN, &terminal::settings(pair.terminal)?)?;
    pair.expect_line("kept\n")
}

fn tcsendbreak_and_tcdrain_succeed() -> Outcome {
    let pair = Pair::open()?;
    fd::write(pair.terminal, b"x")?;
    // TCSBRK: with 0 a break, with anything else nothing but waiting.
    terminal::ioctl(pair.terminal, 0x5409, 0)?;
    terminal::ioctl(pair.terminal, 0x5409, 1)?;
    pair.expect_shown("x")
}

fn unknown_arguments_are_refused() -> Outcome {
    let pair = Pair::open()?;
    expect_errno(terminal::flush(pair.terminal, 77), EINVAL)?;
    expect_errno(terminal::flow(pair.terminal, 77), EINVAL)?;
    // TIOCSETD of a line discipline that there is not.
    expect_errno(terminal::ioctl_set(pair.terminal, 0x5423, 30), EINVAL)?;
    terminal::ioctl_set(pair.terminal, 0x5423, 0).map(drop)?;
    Ok(())
}
