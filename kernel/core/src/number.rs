//! Numbers as programs write them to the kernel's files and parameters, in C's notation. Pure.
//! Specification: kstrtoull in lib/kstrtox.c of Linux, base 0.

use crate::errno::{Errno, Result};

/// A number without sign: `10`, `0x1f`, `017`. Nothing may be around it.
///
/// # Errors
/// EINVAL if it is none; ERANGE if it is too large.
pub fn parse_unsigned(text: &[u8]) -> Result<u64> {
    let (radix, digits) = match text {
        [b'0', b'x' | b'X', rest @ ..] if rest.first().is_some_and(u8::is_ascii_hexdigit) => (16, rest),
        [b'0', rest @ ..] if !rest.is_empty() => (8, rest),
        digits => (10, digits),
    };
    if digits.is_empty() {
        return Err(Errno::EINVAL);
    }
    let mut value = Some(0_u64);
    for &byte in digits {
        let digit = char::from(byte).to_digit(radix).ok_or(Errno::EINVAL)?;
        value = value.and_then(|value| value.checked_mul(radix.into())?.checked_add(digit.into()));
    }
    value.ok_or(Errno::ERANGE)
}

#[cfg(test)]
mod tests {
    use super::parse_unsigned;
    use crate::errno::Errno;

    #[test]
    fn numbers_are_decimal_octal_or_hexadecimal() {
        for (text, number) in [("0", 0), ("10", 10), ("010", 8), ("0x1f", 31), ("0XFF", 255), ("00", 0)] {
            assert_eq!(parse_unsigned(text.as_bytes()), Ok(number), "{text}");
        }
        assert_eq!(parse_unsigned(b"18446744073709551615"), Ok(u64::MAX));
    }

    #[test]
    fn what_is_no_number_is_einval_and_what_is_too_large_erange() {
        for text in ["", "-1", "+1", "08", "0x", "0xg", "1 ", " 1", "1K", "99999999999999999999x"] {
            assert_eq!(parse_unsigned(text.as_bytes()), Err(Errno::EINVAL), "{text}");
        }
        assert_eq!(parse_unsigned(b"18446744073709551616"), Err(Errno::ERANGE));
    }
}
