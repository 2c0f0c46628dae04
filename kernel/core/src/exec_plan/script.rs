//! The `#!` line of a script.
//!
//! No locks, never sleeps. As fs/binfmt_script.c: one interpreter, at most one argument, which is the rest of the line.

use super::{ExecFault, HEAD_SIZE};

/// The longest `#!` line of which nothing is lost, in bytes, `#!` included and the newline not.
pub const SCRIPT_LINE_MAX: usize = HEAD_SIZE - 1;

/// A script: what to execute in its stead.
///
/// The new arguments are the interpreter, the argument if there is one, the script's own path, and the old arguments but the
/// first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script<'head> {
    /// Path of the interpreter; never empty.
    pub interpreter: &'head [u8],
    /// The rest of the line, blanks inside included.
    pub argument: Option<&'head [u8]>,
}

impl<'head> Script<'head> {
    pub(super) fn parse(head: &'head [u8]) -> Result<Self, ExecFault> {
        let line = trimmed_start(line_of(head)?);
        let name_len = line.iter().position(is_blank).unwrap_or(line.len());
        let (interpreter, rest) = line.split_at(name_len);
        if interpreter.is_empty() {
            return Err(ExecFault::BadScriptLine);
        }
        let argument = trimmed_start(rest);
        Ok(Self { interpreter, argument: (!argument.is_empty()).then_some(argument) })
    }
}

/// What follows the `#!`, to the end of the line.
fn line_of(head: &[u8]) -> Result<&[u8], ExecFault> {
    let head = &head[..head.len().min(HEAD_SIZE)];
    let text = &head[2..];
    match text.iter().position(|&byte| byte == b'\n' || byte == 0) {
        Some(end) if text[end] == b'\n' => Ok(trimmed_end(&text[..end])),
        // A line that ends with the file, or in a NUL, keeps the blanks at its end.
        Some(end) => Ok(&text[..end]),
        None if head.len() < HEAD_SIZE => Ok(text),
        None => {
            // The line goes on beyond what was read. That may cut the argument short, but must not cut the interpreter's name.
            let text = &head[2..SCRIPT_LINE_MAX];
            if trimmed_start(text).iter().any(is_blank) { Ok(trimmed_end(text)) } else { Err(ExecFault::BadScriptLine) }
        }
    }
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn trimmed_start(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !is_blank(byte));
    &text[start.unwrap_or(text.len())..]
}

fn trimmed_end(text: &[u8]) -> &[u8] {
    let last = text.iter().rposition(|byte| !is_blank(byte));
    &text[..last.map_or(0, |last| last + 1)]
}
