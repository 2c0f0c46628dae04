//! `sort` and `uniq`: lines in order.

use crate::grep::reader;
use crate::invocation::{At, Failure, Invocation, Options, Outcome, finish, output};
use std::cmp::Ordering;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufWriter, Write};

/// What `-k` names: fields and characters from one, and how they compare.
struct Key {
    start: (usize, usize),
    end: Option<(usize, usize)>,
    numeric: bool,
    reverse: bool,
    fold: bool,
}

/// `sort [-nrufbsc] [-k key] [-t separator] [-o file] [file…]`
pub fn sort(invocation: &Invocation) -> Outcome {
    let options = invocation.options("nrufbsck:t:o:")?;
    let keys =
        options.values('k').map(|text| parse_key(&text.to_string_lossy(), &options)).collect::<Result<Vec<_>, _>>()?;
    let separator = match options.value('t') {
        Some(text) if text.len() == 1 => Some(text.as_encoded_bytes()[0]),
        Some(_) => return Err(Failure::usage("-t: the separator must be one byte")),
        None => None,
    };
    let mut lines = Vec::new();
    for path in options.files() {
        for line in reader(&path)?.split(b'\n') {
            lines.push(line.at(&path)?);
        }
    }
    let compare_keys = |left: &[u8], right: &[u8]| {
        if keys.is_empty() {
            let order = compare(left, right, options.has('n'), options.has('f'));
            return if options.has('r') { order.reverse() } else { order };
        }
        let orders = keys.iter().map(|key| {
            let order = compare(field(left, key, separator), field(right, key, separator), key.numeric, key.fold);
            if key.reverse { order.reverse() } else { order }
        });
        orders.fold(Ordering::Equal, Ordering::then)
    };
    if options.has('c') {
        return match lines.windows(2).find(|pair| compare_keys(&pair[0], &pair[1]) == Ordering::Greater) {
            Some(pair) => Err(Failure::new(format!("disorder: {}", String::from_utf8_lossy(&pair[1])))),
            None => Ok(0),
        };
    }
    // Lines whose keys are equal are ordered as a whole, so that the result is always the same.
    let last_resort = |left: &[u8], right: &[u8]| {
        let order = if options.has('s') || options.has('u') { Ordering::Equal } else { left.cmp(right) };
        if options.has('r') { order.reverse() } else { order }
    };
    lines.sort_by(|left, right| compare_keys(left, right).then_with(|| last_resort(left, right)));
    if options.has('u') {
        lines.dedup_by(|right, left| compare_keys(left, right) == Ordering::Equal);
    }
    let target = match options.value('o') {
        Some(path) => BufWriter::new(File::create(path).at(path)?),
        None => output()?,
    };
    let mut target = target;
    for line in &lines {
        target.write_all(line)?;
        target.write_all(b"\n")?;
    }
    finish(invocation, target)
}

/// `field[.character][nrf][,field[.character]]`
fn parse_key(text: &str, options: &Options) -> Result<Key, Failure> {
    let wrong = || Failure::usage(format!("-k: invalid key '{text}'"));
    let letters: String = text.chars().filter(char::is_ascii_alphabetic).collect();
    if letters.chars().any(|letter| !"nrfb".contains(letter)) {
        return Err(wrong());
    }
    let place = |text: &str| -> Option<(usize, usize)> {
        let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        let (field, character) = digits.split_once('.').unwrap_or((digits, "0"));
        Some((field.parse().ok().filter(|field| *field > 0)?, character.parse().ok()?))
    };
    let (start, end) = text.split_once(',').map_or((text, None), |(start, end)| (start, Some(end)));
    let start = place(start).ok_or_else(wrong)?;
    let end = end.map(|end| place(end).ok_or_else(wrong)).transpose()?;
    // Letters at a key stand instead of the options for all keys.
    let has = |letter| {
        if letters.is_empty() { options.has(letter) } else { letters.contains(letter) }
    };
    Ok(Key { start: (start.0, start.1.max(1)), end, numeric: has('n'), reverse: has('r'), fold: has('f') })
}

/// The part of a line that a key names.
fn field<'a>(line: &'a [u8], key: &Key, separator: Option<u8>) -> &'a [u8] {
    let bounds = bounds(line, separator);
    let (first, character) = key.start;
    let Some(&(start, _)) = bounds.get(first - 1) else {
        return b"";
    };
    let start = (start + character - 1).min(line.len());
    let end = match key.end {
        None => line.len(),
        Some((last, 0)) => bounds.get(last - 1).map_or(line.len(), |(_, end)| *end),
        Some((last, character)) => {
            bounds.get(last - 1).map_or(line.len(), |(start, _)| (start + character).min(line.len()))
        }
    };
    line.get(start..end).unwrap_or_default()
}

/// Start and end of every field: between separators, or, without one, a word with the blanks
/// before it.
fn bounds(line: &[u8], separator: Option<u8>) -> Vec<(usize, usize)> {
    let mut bounds = Vec::new();
    let mut start = 0;
    if let Some(separator) = separator {
        for part in line.split(|byte| *byte == separator) {
            bounds.push((start, start + part.len()));
            start += part.len() + 1;
        }
        return bounds;
    }
    while start < line.len() {
        let blanks = line[start..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let word = line[start + blanks..].iter().take_while(|byte| !byte.is_ascii_whitespace()).count();
        bounds.push((start, start + blanks + word));
        start += blanks + word;
    }
    bounds
}

fn compare(left: &[u8], right: &[u8], numeric: bool, fold: bool) -> Ordering {
    if numeric {
        return number(left).total_cmp(&number(right));
    }
    if fold { left.to_ascii_uppercase().cmp(&right.to_ascii_uppercase()) } else { left.cmp(right) }
}

/// The number at the start of a text; zero if there is none.
fn number(text: &[u8]) -> f64 {
    let text = text.trim_ascii_start();
    let sign = usize::from(text.first() == Some(&b'-'));
    let length = text[sign..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let number = str::from_utf8(&text[..sign + length]).ok().and_then(|text| text.parse::<f64>().ok());
    // Minus zero is zero.
    number.unwrap_or(0.0) + 0.0
}

/// `uniq [-cdui] [-f fields] [input [output]]`
pub fn uniq(invocation: &Invocation) -> Outcome {
    let options = invocation.options("cduif:")?;
    let skip: usize = options.parsed('f')?.unwrap_or(0);
    let input = options.operands.first().cloned().unwrap_or_else(|| OsString::from("-"));
    let mut target = match options.operands.get(1) {
        Some(path) => BufWriter::new(File::create(path).at(path)?),
        None => output()?,
    };
    let key = |line: &[u8]| {
        let start = if skip == 0 { 0 } else { bounds(line, None).get(skip - 1).map_or(line.len(), |(_, end)| *end) };
        let rest = &line[start..];
        if options.has('i') { rest.to_ascii_lowercase() } else { rest.to_vec() }
    };
    let mut show = |line: &[u8], count: u64| -> Result<(), Failure> {
        let wanted = if options.has('d') { count > 1 } else { !options.has('u') || count == 1 };
        if wanted {
            if options.has('c') {
                write!(target, "{count:7} ")?;
            }
            target.write_all(&[line, b"\n"].concat())?;
        }
        Ok(())
    };
    let mut current: Option<(Vec<u8>, u64)> = None;
    for line in reader(&input)?.split(b'\n') {
        let line = line.at(&input)?;
        match &mut current {
            Some((first, count)) if key(first) == key(&line) => *count += 1,
            _ => {
                if let Some((first, count)) = current.replace((line, 1)) {
                    show(&first, count)?;
                }
            }
        }
    }
    if let Some((first, count)) = current {
        show(&first, count)?;
    }
    finish(invocation, target)
}
