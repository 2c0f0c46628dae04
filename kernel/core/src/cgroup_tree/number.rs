//! Numbers as the files of control groups take them. Pure. Specification: kstrtoll in lib/kstrtox.c of Linux, base 0.

use crate::errno::{Errno, Result};

/// An integer in C's notation (`10`, `0x1f`, `017`, with a sign or without); blanks around it do not matter.
///
/// # Errors
/// EINVAL if it is none; ERANGE if it is too large.
pub fn parse_integer(text: &[u8]) -> Result<i64> {
    let text = text.trim_ascii();
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let (radix, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] if rest.first().is_some_and(u8::is_ascii_hexdigit) => (16, rest),
        [b'0', rest @ ..] if !rest.is_empty() => (8, rest),
        digits => (10, digits),
    };
    if digits.is_empty() {
        return Err(Errno::EINVAL);
    }
    let mut value: i64 = 0;
    let mut fits = true;
    for &byte in digits {
        let digit = char::from(byte).to_digit(radix).ok_or(Errno::EINVAL)?;
        let digit = if is_negative { -i64::from(digit) } else { i64::from(digit) };
        match value.checked_mul(i64::from(radix)).and_then(|value| value.checked_add(digit)) {
            Some(next) => value = next,
            None => fits = false,
        }
    }
    if fits { Ok(value) } else { Err(Errno::ERANGE) }
}

/// The same, or `max` for none.
///
/// # Errors
/// As [`parse_integer`].
pub fn parse_limit(text: &[u8]) -> Result<Option<i64>> {
    let text = text.trim_ascii();
    if text == b"max" { Ok(None) } else { parse_integer(text).map(Some) }
}
