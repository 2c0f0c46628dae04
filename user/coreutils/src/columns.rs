//! `cut` and `tr`: parts of lines, and characters for others.

use crate::grep::reader;
use crate::invocation::{At, Failure, Invocation, Outcome, finish, output};
use std::io::{self, BufRead, Read, Write};
use std::os::unix::ffi::OsStrExt;

/// `cut -b list|-c list|-f list [-d separator] [-s] [file…]`
pub fn cut(invocation: &Invocation) -> Outcome {
    let options = invocation.options("b:c:f:d:s")?;
    let (letter, list) = match options.last_of("bcf") {
        Some(letter) => (letter, ranges(options.text(letter)?.unwrap_or_default())?),
        None => return Err(Failure::usage("one of -b, -c and -f is needed")),
    };
    let separator = match options.value('d').map(|text| text.as_bytes()) {
        None => b'\t',
        Some([byte]) => *byte,
        Some(_) => return Err(Failure::usage("-d: the separator must be one byte")),
    };
    let wanted = |number: usize| list.iter().any(|(low, high)| (*low..=*high).contains(&number));
    let mut output = output()?;
    for path in options.files() {
        let lines = match reader(&path) {
            Ok(reader) => reader.split(b'\n'),
            Err(failure) => {
                invocation.complain(failure.message);
                continue;
            }
        };
        for line in lines {
            let line = line.at(&path)?;
            let result = match letter {
                'f' if !line.contains(&separator) => {
                    if options.has('s') {
                        continue;
                    }
                    line
                }
                'f' => {
                    let fields = line.split(|byte| *byte == separator).zip(1..);
                    fields
                        .filter(|(_, number)| wanted(*number))
                        .map(|(field, _)| field)
                        .collect::<Vec<_>>()
                        .join(&separator)
                }
                'c' => {
                    let text = String::from_utf8_lossy(&line);
                    let chosen = text.chars().zip(1..).filter(|(_, number)| wanted(*number)).map(|(letter, _)| letter);
                    chosen.collect::<String>().into_bytes()
                }
                _ => line.iter().zip(1..).filter(|(_, number)| wanted(*number)).map(|(byte, _)| *byte).collect(),
            };
            output.write_all(&result)?;
            output.write_all(b"\n")?;
        }
    }
    finish(invocation, output)
}

/// `1,3-5,7-` as pairs of bounds.
fn ranges(text: &str) -> Result<Vec<(usize, usize)>, Failure> {
    let wrong = || Failure::usage(format!("invalid list '{text}'"));
    let number = |digits: &str, preset: usize| {
        if digits.is_empty() { Ok(preset) } else { digits.parse().map_err(|_| wrong()) }
    };
    let mut list = Vec::new();
    for part in text.split(',') {
        let (low, high) = match part.split_once('-') {
            Some(("", "")) => return Err(wrong()),
            Some((low, high)) => (number(low, 1)?, number(high, usize::MAX)?),
            None => (number(part, 0)?, number(part, 0)?),
        };
        if low == 0 || high < low {
            return Err(wrong());
        }
        list.push((low, high));
    }
    Ok(list)
}

/// `tr [-cds] set1 [set2]`, over bytes.
pub fn tr(invocation: &Invocation) -> Outcome {
    let options = invocation.options("cCds")?;
    let complement = options.last_of("cC").is_some();
    let (delete, squeeze) = (options.has('d'), options.has('s'));
    let mut first = set(options.required()?[0].as_bytes())?;
    if complement {
        first = (0..=u8::MAX).filter(|byte| !first.contains(byte)).collect();
    }
    let second = options.operands.get(1).map(|text| set(text.as_bytes())).transpose()?;
    if second.is_none() && !delete && !squeeze {
        return Err(Failure::usage("two sets are needed"));
    }
    let mut map: Vec<u8> = (0..=u8::MAX).collect();
    if let (Some(second), false) = (&second, delete) {
        let last = *second.last().ok_or_else(|| Failure::usage("the second set is empty"))?;
        for (index, byte) in first.iter().enumerate() {
            map[usize::from(*byte)] = second.get(index).copied().unwrap_or(last);
        }
    }
    let squeezed = second.as_ref().unwrap_or(&first);
    let mut output = output()?;
    let mut buffer = vec![0; 65536];
    let mut last = None;
    loop {
        let length = io::stdin().read(&mut buffer).at("standard input")?;
        if length == 0 {
            return finish(invocation, output);
        }
        let mut result = Vec::with_capacity(length);
        for byte in &buffer[..length] {
            if delete && first.contains(byte) {
                continue;
            }
            let mapped = map[usize::from(*byte)];
            if squeeze && last == Some(mapped) && squeezed.contains(&mapped) {
                continue;
            }
            last = Some(mapped);
            result.push(mapped);
        }
        output.write_all(&result)?;
        output.flush()?;
    }
}

/// The bytes of a set: ranges, escapes and named classes.
fn set(text: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix(b"[:")
            && let Some(end) = inner.windows(2).position(|pair| pair == b":]")
        {
            let class = class(&inner[..end])?;
            bytes.extend((0..=u8::MAX).filter(class));
            rest = &inner[end + 2..];
            continue;
        }
        let (low, after) = element(rest);
        rest = after;
        match rest {
            [b'-', tail @ ..] if !tail.is_empty() => {
                let (high, after) = element(tail);
                if high < low {
                    return Err(Failure::usage("a range ends before it starts"));
                }
                bytes.extend(low..=high);
                rest = after;
            }
            _ => bytes.push(low),
        }
    }
    Ok(bytes)
}

/// One byte of a set, which may be an escape, and what follows.
fn element(text: &[u8]) -> (u8, &[u8]) {
    let octal = |byte: &&u8| (b'0'..=b'7').contains(*byte);
    match text {
        [b'\\', digits @ ..] if digits.first().as_ref().is_some_and(octal) => {
            let length = digits.iter().take(3).take_while(octal).count();
            let value = digits[..length].iter().fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0'));
            (value.to_le_bytes()[0], &digits[length..])
        }
        [b'\\', letter, after @ ..] => {
            let byte = match letter {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'a' => 7,
                b'b' => 8,
                b'f' => 12,
                b'v' => 11,
                other => *other,
            };
            (byte, after)
        }
        [byte, after @ ..] => (*byte, after),
        [] => (0, text),
    }
}

fn class(name: &[u8]) -> Result<fn(&u8) -> bool, Failure> {
    Ok(match name {
        b"alpha" => u8::is_ascii_alphabetic,
        b"digit" => u8::is_ascii_digit,
        b"alnum" => u8::is_ascii_alphanumeric,
        b"upper" => u8::is_ascii_uppercase,
        b"lower" => u8::is_ascii_lowercase,
        b"space" => |byte| byte.is_ascii_whitespace() || *byte == 0x0b,
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"punct" => u8::is_ascii_punctuation,
        b"cntrl" => u8::is_ascii_control,
        b"xdigit" => u8::is_ascii_hexdigit,
        b"print" => |byte| byte.is_ascii_graphic() || *byte == b' ',
        b"graph" => u8::is_ascii_graphic,
        _ => {
            return Err(Failure::usage(format!("unknown class '{}'", String::from_utf8_lossy(name))));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_name_ranges() {
        assert_eq!(ranges("1,3-5,7-").ok(), Some(vec![(1, 1), (3, 5), (7, usize::MAX)]));
        assert_eq!(ranges("-2").ok(), Some(vec![(1, 2)]));
        for text in ["", "0", "3-2", "-", "x"] {
            assert!(ranges(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sets_hold_ranges_escapes_and_classes() {
        assert_eq!(set(b"a-e").ok(), Some(b"abcde".to_vec()));
        assert_eq!(set(b"\\n\\101-").ok(), Some(b"\nA-".to_vec()));
        assert_eq!(set(b"[:digit:]x").ok(), Some(b"0123456789x".to_vec()));
        assert!(set(b"z-a").is_err() && set(b"[:none:]").is_err());
    }
}
