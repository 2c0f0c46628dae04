//! `xargs`: words from the input as arguments. Specification: POSIX.1-2024, utility `xargs`.

use crate::invocation::{At, Failure, Invocation, Outcome};
use crate::run::{cannot_run, command_of};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::process::Stdio;

/// `xargs [-0r] [-n count] [-I text] [command…]`
pub fn xargs(invocation: &Invocation) -> Outcome {
    let options = invocation.options("+0rtn:I:")?;
    let replace = options.value('I');
    let count: usize = options.parsed('n')?.unwrap_or(if replace.is_some() { 1 } else { 1000 });
    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input).at("standard input")?;
    let words = if options.has('0') {
        input.split(|byte| *byte == 0).filter(|word| !word.is_empty()).map(os_string).collect()
    } else if replace.is_some() {
        input
            .split(|byte| *byte == b'\n')
            .map(<[u8]>::trim_ascii)
            .filter(|line| !line.is_empty())
            .map(os_string)
            .collect()
    } else {
        split_words(&input)?
    };
    let echo = [OsString::from("echo")];
    let command = if options.operands.is_empty() { &echo[..] } else { &options.operands };
    let empty = [Vec::new()];
    let chunks: Vec<Vec<OsString>> = words.chunks(count.max(1)).map(<[_]>::to_vec).collect();
    let chunks = if chunks.is_empty() && !options.has('r') && replace.is_none() { &empty[..] } else { &chunks };
    let mut status = 0;
    for chunk in chunks {
        let words: Vec<OsString> = match replace {
            Some(text) => command.iter().map(|word| replaced(word, text, &chunk[0])).collect(),
            None => command.iter().chain(chunk).cloned().collect(),
        };
        let (mut command, program) = command_of(&words)?;
        let ended = command.stdin(Stdio::null()).status().map_err(|error| cannot_run(program, &error))?;
        match ended.code() {
            Some(0) => {}
            Some(255) => {
                return Err(Failure { status: 124, message: format!("{}: exited with status 255", program.display()) });
            }
            Some(_) => status = 123,
            None => {
                return Err(Failure { status: 125, message: format!("{}: ended by a signal", program.display()) });
            }
        }
    }
    Ok(status)
}

fn os_string(bytes: &[u8]) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec())
}

fn replaced(word: &OsString, text: &OsStr, value: &OsStr) -> OsString {
    match (word.to_str(), text.to_str(), value.to_str()) {
        (Some(word), Some(text), Some(value)) => word.replace(text, value).into(),
        _ if word == text => value.to_owned(),
        _ => word.clone(),
    }
}

/// Words between blanks, with the quotes of `xargs`.
fn split_words(input: &[u8]) -> Result<Vec<OsString>, Failure> {
    let mut words = Vec::new();
    let mut current: Option<Vec<u8>> = None;
    let mut bytes = input.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            quote @ (b'"' | b'\'') => {
                let word = current.get_or_insert_default();
                loop {
                    match bytes.next() {
                        Some(byte) if byte == quote => break,
                        Some(b'\n') | None => return Err(Failure::new("unmatched quote")),
                        Some(byte) => word.push(*byte),
                    }
                }
            }
            b'\\' => current.get_or_insert_default().extend(bytes.next()),
            blank if blank.is_ascii_whitespace() => words.extend(current.take().as_deref().map(os_string)),
            byte => current.get_or_insert_default().push(*byte),
        }
    }
    words.extend(current.as_deref().map(os_string));
    Ok(words)
}
