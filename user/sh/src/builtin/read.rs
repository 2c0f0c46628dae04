//! `read`: one line of input, split into variables.
//! Specification: POSIX.1-2024, utility `read`.

use super::usage;
use crate::shell::{Run, Shell};
use crate::system;
use crate::word::is_name;
use std::io;

/// `read [-r] [-p prompt] name…`
pub fn read(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    let mut raw = false;
    let mut names = Vec::new();
    let mut rest = arguments[1..].iter();
    while let Some(argument) = rest.next() {
        match argument.as_slice() {
            b"-r" => raw = true,
            b"-p" => {
                let prompt = rest.next().map(Vec::as_slice).unwrap_or_default();
                // A prompt nobody can see is no error.
                let _ = system::write_all(2, prompt);
            }
            name if is_name(name) => names.push(name),
            _ => return usage(shell, "usage: read [-r] [-p prompt] name..."),
        }
    }
    if names.is_empty() {
        return usage(shell, "read: arg count");
    }
    let (line, complete) = match read_line(shell, raw)? {
        Ok(result) => result,
        Err(error) => {
            shell.complain(&format!("read: {}", system::describe(&error)));
            return Ok(2);
        }
    };
    assign_fields(shell, &line, &names)?;
    Ok(i32::from(!complete))
}

/// A byte of the line, and whether a backslash protects it from splitting.
type Marked = (u8, bool);

/// Reads up to a newline, byte by byte, since what follows belongs to the next command. The flag
/// says whether the newline came. A signal runs its trap; ^C at a terminal gives up.
fn read_line(shell: &mut Shell, raw: bool) -> Run<io::Result<(Vec<Marked>, bool)>> {
    let mut line = Vec::new();
    let mut escaped = false;
    let mut byte = [0];
    loop {
        match system::read_interruptibly(0, &mut byte) {
            Ok(0) => return Ok(Ok((line, false))),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                shell.check_signals()?;
                continue;
            }
            Err(error) => return Ok(Err(error)),
        }
        match byte[0] {
            b'\n' if escaped => escaped = false,
            b'\n' => return Ok(Ok((line, true))),
            b'\\' if !raw && !escaped => escaped = true,
            0 => {}
            other => {
                line.push((other, escaped));
                escaped = false;
            }
        }
    }
}

/// Gives each name a field, and the last one all that is left.
fn assign_fields(shell: &mut Shell, line: &[Marked], names: &[&[u8]]) -> Run {
    let separators = shell.variables.get(b"IFS").unwrap_or(b" \t\n").to_vec();
    let is_separator = |(byte, escaped): &Marked| !escaped && separators.contains(byte);
    let is_blank = |marked: &Marked| is_separator(marked) && b" \t\n".contains(&marked.0);
    let mut rest = trim_start(line, is_blank);
    for (index, name) in names.iter().enumerate() {
        let field = if index + 1 == names.len() {
            last_field(rest, &is_separator, &is_blank)
        } else {
            let length = rest.iter().position(is_separator).unwrap_or(rest.len());
            let (field, after) = rest.split_at(length);
            rest = trim_start(after, is_blank);
            if rest.first().is_some_and(is_separator) {
                rest = trim_start(&rest[1..], is_blank);
            }
            field
        };
        let value: Vec<u8> = field.iter().map(|(byte, _)| *byte).collect();
        shell.assign(name, &value)?;
    }
    Ok(())
}

fn trim_start(text: &[Marked], is_blank: impl Fn(&Marked) -> bool) -> &[Marked] {
    &text[text.iter().take_while(|marked| is_blank(marked)).count()..]
}

/// What the last name gets: all of the rest without the blanks at its end; a separator that ends
/// the only field in it goes too.
fn last_field<'a>(
    rest: &'a [Marked],
    is_separator: &impl Fn(&Marked) -> bool,
    is_blank: &impl Fn(&Marked) -> bool,
) -> &'a [Marked] {
    let trim_end = |text: &'a [Marked]| {
        let blanks = text.iter().rev().take_while(|marked| is_blank(marked)).count();
        &text[..text.len() - blanks]
    };
    let text = trim_end(rest);
    match text.split_last() {
        Some((last, before)) if is_separator(last) && !before.iter().any(is_separator) => trim_end(before),
        _ => text,
    }
}
