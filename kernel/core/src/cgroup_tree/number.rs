//! Numbers as the files of control groups take them. Pure. Specification: kstrtoll in lib/kstrtox.c of Linux, base 0.

use crate::errno::{Errno, Result};
use crate::number::parse_unsigned;

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
    let magnitude = parse_unsigned(digits)?;
    let value = if is_negative { 0_i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() };
    value.ok_or(Errno::ERANGE)
}

/// The same, or `max` for none.
///
/// # Errors
/// As [`parse_integer`].
pub fn parse_limit(text: &[u8]) -> Result<Option<i64>> {
    let text = text.trim_ascii();
    if text == b"max" { Ok(None) } else { parse_integer(text).map(Some) }
}
