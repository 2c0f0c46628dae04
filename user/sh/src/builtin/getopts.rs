//! `getopts`: the options of a script or function, one a call.
//! Specification: POSIX.1-2024, utility `getopts`.

use super::{number, usage};
use crate::shell::{Run, Shell};
use crate::word::is_name;

/// Where the next option letter is. `OPTIND` holds the word's number too, and a script that sets it starts anew there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    /// Number of the word, from 1.
    word: usize,
    /// Byte in it; 0 if it was not looked at yet.
    byte: usize,
}

/// What one call found.
struct Found {
    /// What the variable becomes: the letter, `?` or `:`.
    value: u8,
    /// `OPTARG`.
    argument: Option<Vec<u8>>,
    /// What is wrong, if anything is.
    complaint: Option<String>,
}

impl Found {
    fn wrong(quiet: bool, value: u8, letter: u8, complaint: String) -> Self {
        if quiet {
            Self { value, argument: Some(vec![letter]), complaint: None }
        } else {
            Self { value: b'?', argument: None, complaint: Some(complaint) }
        }
    }
}

/// `getopts letters name [word…]`
pub fn getopts(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    let [_, letters, name, words @ ..] = arguments else {
        return usage(shell, "usage: getopts optstring var [arg...]");
    };
    if !is_name(name) {
        return usage(shell, "getopts: bad variable name");
    }
    let words = if words.is_empty() { shell.positional.clone() } else { words.to_vec() };
    let word = shell.variables.get(b"OPTIND").and_then(number).unwrap_or(1).max(1);
    let mut cursor = if shell.option_cursor.word == word { shell.option_cursor } else { Cursor { word, byte: 0 } };
    let found = next_option(letters, &words, &mut cursor);
    shell.option_cursor = cursor;
    shell.assign(b"OPTIND", cursor.word.to_string().as_bytes())?;
    let status = i32::from(found.is_none());
    let found = found.unwrap_or(Found { value: b'?', argument: None, complaint: None });
    if let Some(message) = found.complaint {
        shell.complain(&message);
    }
    match found.argument {
        Some(argument) => shell.assign(b"OPTARG", &argument)?,
        // Only a read-only variable refuses, and then a stale value is all that is left to have.
        None => shell.variables.unset(b"OPTARG").unwrap_or_default(),
    }
    shell.assign(name, &[found.value])?;
    Ok(status)
}

/// The option at the cursor, which moves on; `None` behind the last one.
fn next_option(letters: &[u8], words: &[Vec<u8>], cursor: &mut Cursor) -> Option<Found> {
    let word = words.get(cursor.word - 1)?;
    if cursor.byte == 0 {
        if word == b"--" {
            cursor.word += 1;
            return None;
        }
        if word.len() < 2 || word[0] != b'-' {
            return None;
        }
        cursor.byte = 1;
    }
    let letter = *word.get(cursor.byte)?;
    let rest = &word[cursor.byte + 1..];
    *cursor = if rest.is_empty() {
        Cursor { word: cursor.word + 1, byte: 0 }
    } else {
        Cursor { word: cursor.word, byte: cursor.byte + 1 }
    };
    let (quiet, letters) = letters.strip_prefix(b":").map_or((false, letters), |letters| (true, letters));
    let known = letters.iter().position(|own| *own == letter && letter != b':');
    let Some(at) = known else {
        return Some(Found::wrong(quiet, b'?', letter, format!("Illegal option -{}", letter.escape_ascii())));
    };
    if letters.get(at + 1) != Some(&b':') {
        return Some(Found { value: letter, argument: None, complaint: None });
    }
    let argument = if rest.is_empty() { words.get(cursor.word - 1).cloned() } else { Some(rest.to_vec()) };
    *cursor = Cursor { word: cursor.word + usize::from(argument.is_some()), byte: 0 };
    Some(match argument {
        None => Found::wrong(quiet, b':', letter, format!("No arg for -{} option", letter.escape_ascii())),
        argument => Found { value: letter, argument, complaint: None },
    })
}
