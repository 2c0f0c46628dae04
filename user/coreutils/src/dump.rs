//! Bytes made visible, and compared: od, hexdump, cmp.

use crate::grep::reader;
use crate::invocation::{At, Failure, Invocation, Outcome, Output, finish, open, output};
use std::io::{self, Read, Write};

const LINE_BYTES: usize = 16;

/// Which form `od` gives the bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Hexadecimal(usize),
    Octal(usize),
    Decimal(usize),
    Character,
}

/// `od [-A d|o|x|n] [-t x1|x2|x4|x8|o1…|d1…|u1…|c] [-bcdox] [-N bytes] [-j skip] [-v] [file…]`
pub fn od(invocation: &Invocation) -> Outcome {
    let options = invocation.options("A:t:N:j:vcbxdo")?;
    let form = match (options.text('t')?, options.last_of("cbxdo")) {
        (Some(text), _) => form(text).ok_or_else(|| Failure::usage(format!("-t: unknown type '{text}'")))?,
        (None, Some('c')) => Form::Character,
        (None, Some('b')) => Form::Octal(1),
        (None, Some('x')) => Form::Hexadecimal(2),
        (None, Some('d')) => Form::Decimal(2),
        (None, _) => Form::Octal(2),
    };
    let address = options.text('A')?.unwrap_or("o").chars().next().unwrap_or('o');
    let skip: u64 = options.parsed('j')?.unwrap_or(0);
    let limit: u64 = options.parsed('N')?.unwrap_or(u64::MAX);
    let content = gather(invocation, &options.files(), skip, limit);
    let mut output = output()?;
    let show_address = |output: &mut Output, at: u64| match address {
        'x' => write!(output, "{at:06x}"),
        'd' => write!(output, "{at:07}"),
        'n' => Ok(()),
        _ => write!(output, "{at:07o}"),
    };
    let mut at = skip;
    let mut last: Option<&[u8]> = None;
    let mut starred = false;
    for line in content.chunks(LINE_BYTES) {
        if last == Some(line) && !options.has('v') && line.len() == LINE_BYTES {
            if !std::mem::replace(&mut starred, true) {
                writeln!(output, "*")?;
            }
        } else {
            starred = false;
            show_address(&mut output, at)?;
            writeln!(output, "{}", formatted(line, form))?;
        }
        last = Some(line);
        at += u64::try_from(line.len()).unwrap_or(0);
    }
    if address != 'n' {
        show_address(&mut output, at)?;
        writeln!(output)?;
    }
    finish(invocation, output)
}

/// The bytes of all files, one after the other.
fn gather(invocation: &Invocation, files: &[std::ffi::OsString], skip: u64, limit: u64) -> Vec<u8> {
    let mut content = Vec::new();
    let wanted = skip.saturating_add(limit);
    for path in files {
        let left = wanted.saturating_sub(u64::try_from(content.len()).unwrap_or(u64::MAX));
        if let Err(error) = open(path).and_then(|file| file.take(left).read_to_end(&mut content)) {
            invocation.report(path, error);
        }
    }
    let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(content.len());
    content.drain(..skip);
    content
}

fn form(text: &str) -> Option<Form> {
    let (kind, size) = text.split_at(1);
    let size = match size.trim_end_matches('z') {
        "" => 4,
        size => size.parse().ok().filter(|size| [1, 2, 4, 8].contains(size))?,
    };
    match kind {
        "x" => Some(Form::Hexadecimal(size)),
        "o" => Some(Form::Octal(size)),
        "d" | "u" => Some(Form::Decimal(size)),
        "c" | "a" => Some(Form::Character),
        _ => None,
    }
}

fn formatted(line: &[u8], form: Form) -> String {
    let (size, show): (usize, fn(u64, usize) -> String) = match form {
        Form::Hexadecimal(size) => (size, |value, size| format!(" {value:00$x}", size * 2)),
        Form::Octal(size) => (size, |value, size| format!(" {value:00$o}", (size * 8).div_ceil(3))),
        Form::Decimal(size) => (size, |value, size| {
            let width = match size {
                1 => 3,
                2 => 5,
                4 => 10,
                _ => 20,
            };
            format!(" {value:width$}")
        }),
        Form::Character => {
            return line.iter().map(|byte| format!(" {:>3}", character(*byte))).collect();
        }
    };
    let mut text = String::new();
    for chunk in line.chunks(size) {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        text.push_str(&show(u64::from_le_bytes(bytes), size));
    }
    text
}

fn character(byte: u8) -> String {
    match byte {
        0 => r"\0".to_owned(),
        7 => r"\a".to_owned(),
        8 => r"\b".to_owned(),
        b'\t' => r"\t".to_owned(),
        b'\n' => r"\n".to_owned(),
        11 => r"\v".to_owned(),
        12 => r"\f".to_owned(),
        b'\r' => r"\r".to_owned(),
        32..=126 => char::from(byte).to_string(),
        _ => format!("{byte:03o}"),
    }
}

/// `hexdump [-C] [-n bytes] [-s skip] [file…]`: always the canonical form, bytes and text.
pub fn hexdump(invocation: &Invocation) -> Outcome {
    let options = invocation.options("Cn:s:v")?;
    let skip: u64 = options.parsed('s')?.unwrap_or(0);
    let content = gather(invocation, &options.files(), skip, options.parsed('n')?.unwrap_or(u64::MAX));
    let mut output = output()?;
    let mut at = skip;
    let mut last: Option<&[u8]> = None;
    let mut starred = false;
    for line in content.chunks(LINE_BYTES) {
        if last == Some(line) && !options.has('v') && line.len() == LINE_BYTES {
            if !std::mem::replace(&mut starred, true) {
                writeln!(output, "*")?;
            }
        } else {
            starred = false;
            let (left, right) = line.split_at(line.len().min(8));
            let show = |half: &[u8]| half.iter().map(|byte| format!(" {byte:02x}")).collect::<String>();
            let text: String =
                line.iter().map(|byte| if (32..127).contains(byte) { char::from(*byte) } else { '.' }).collect();
            writeln!(output, "{at:08x} {:<24} {:<24}  |{text}|", show(left), show(right))?;
        }
        last = Some(line);
        at += u64::try_from(line.len()).unwrap_or(0);
    }
    if !content.is_empty() {
        writeln!(output, "{at:08x}")?;
    }
    finish(invocation, output)
}

/// `cmp [-s] [-l] first second`: status 0 if equal, 1 if not, 2 after an error.
pub fn cmp(invocation: &Invocation) -> Outcome {
    let options = invocation.options("sl")?;
    let [first, second] = options.operands.as_slice() else {
        return Err(Failure::usage("usage: cmp [-s] file file"));
    };
    let trouble = |failure: Failure| Failure { status: 2, ..failure };
    let mut left = reader(first).map_err(trouble)?.bytes();
    let mut right = reader(second).map_err(trouble)?.bytes();
    let (mut at, mut line, mut differs) = (0_u64, 1_u64, false);
    let mut output = output()?;
    loop {
        at += 1;
        let one: Option<u8> = left.next().transpose().map_err(|error: io::Error| error).at(first).map_err(trouble)?;
        let other = right.next().transpose().at(second).map_err(trouble)?;
        match (one, other) {
            (None, None) => break,
            (None, Some(_)) | (Some(_), None) => {
                if !options.has('s') {
                    output.flush()?;
                    let name = if one.is_none() { first } else { second };
                    eprintln!("cmp: EOF on {} after byte {}", name.display(), at - 1);
                }
                return Ok(1);
            }
            (Some(one), Some(other)) if one != other => {
                differs = true;
                match options.last_of("sl") {
                    Some('s') => return Ok(1),
                    Some(_) => writeln!(output, "{at} {one:3o} {other:3o}")?,
                    None => {
                        writeln!(output, "{} {} differ: byte {at}, line {line}", first.display(), second.display())?;
                        break;
                    }
                }
            }
            (Some(byte), Some(_)) => line += u64::from(byte == b'\n'),
        }
    }
    finish(invocation, output)?;
    Ok(u8::from(differs))
}
