//! `grep`: lines that match. The matching is `regex-lite`'s; what is owned here is the translation
//! of POSIX regular expressions (XBD 9) into its syntax.

use crate::grep_context::Context;
use crate::invocation::{At, Failure, Invocation, Options, Outcome, Output, finish, open, output};
use regex_lite::{Regex, RegexBuilder};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

/// `grep [-EFGHLRachilnoqrsvwx] [-A n] [-B n] [-C n] [-m n] [-e pattern] [pattern] [file…]`: status 0 if something matched, 1 if
/// nothing did, 2 after an error.
pub fn grep(invocation: &Invocation) -> Outcome {
    let options = invocation.options("EFGHLRachilnoqrsvwxA:B:C:m:e:")?;
    let mut operands = options.operands.clone();
    let mut patterns: Vec<OsString> = options.values('e').cloned().collect();
    if patterns.is_empty() {
        if operands.is_empty() {
            return Err(Failure::usage("usage: grep [-EFHLachilnoqrsvwx] [-ABCm number] pattern [file...]"));
        }
        patterns.push(operands.remove(0));
    }
    let regex = compile(&patterns, &options)?;
    let recursive = options.last_of("rR").is_some();
    if operands.is_empty() {
        operands.push(if recursive { ".".into() } else { "-".into() });
    }
    let named = !options.has('h') && (options.has('H') || operands.len() > 1 || recursive);
    let context = Context::from_options(&options)?;
    let mut search = Search { invocation, options: &options, regex, named, context, matched: false, output: output()? };
    for operand in &operands {
        if recursive && Path::new(operand).is_dir() {
            search.tree(Path::new(operand))?;
        } else {
            search.file(operand)?;
        }
        if search.matched && options.has('q') {
            return Ok(0);
        }
    }
    let matched = search.matched;
    let failed = finish(invocation, search.output)? != 0;
    Ok(if failed { 2 } else { u8::from(!matched) })
}

fn compile(patterns: &[OsString], options: &Options) -> Result<Regex, Failure> {
    let mut alternatives = Vec::new();
    // A newline separates patterns, as POSIX has it.
    for pattern in
        patterns.iter().flat_map(|list| list.to_string_lossy().split('\n').map(str::to_owned).collect::<Vec<_>>())
    {
        let translated = match options.last_of("EFG") {
            Some('E') => translate(&pattern, Syntax::Extended),
            Some('F') => regex_lite::escape(&pattern),
            _ => translate(&pattern, Syntax::Basic),
        };
        alternatives.push(if options.has('x') {
            format!("^(?:{translated})$")
        } else if options.has('w') {
            format!(r"\b(?:{translated})\b")
        } else {
            format!("(?:{translated})")
        });
    }
    let regex = RegexBuilder::new(&alternatives.join("|")).case_insensitive(options.has('i')).build();
    regex.map_err(|error| Failure::usage(format!("{}: {error}", patterns[0].display())))
}

struct Search<'a> {
    invocation: &'a Invocation,
    options: &'a Options,
    regex: Regex,
    named: bool,
    context: Context,
    matched: bool,
    output: Output,
}

impl Search<'_> {
    fn tree(&mut self, directory: &Path) -> Result<(), Failure> {
        let mut entries = match fs::read_dir(directory) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect::<Vec<_>>(),
            Err(error) => {
                self.invocation.report(directory, error);
                return Ok(());
            }
        };
        entries.sort();
        for path in entries {
            // Links are not followed: they may lead in circles. Pipes and devices may never end.
            match fs::symlink_metadata(&path) {
                Ok(data) if data.is_dir() => self.tree(&path)?,
                Ok(data) if data.is_file() => self.file(path.as_os_str())?,
                _ => {}
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &OsStr) -> Result<(), Failure> {
        match open(path).map(BufReader::new) {
            Ok(reader) => self.lines(reader, path),
            Err(_) if self.options.has('s') => {
                self.invocation.fail();
                Ok(())
            }
            Err(error) => {
                self.invocation.report(path, error);
                Ok(())
            }
        }
    }

    fn lines(&mut self, mut reader: impl BufRead, path: &OsStr) -> Result<(), Failure> {
        let name = if path == "-" { "(standard input)".into() } else { path.to_string_lossy() };
        self.context.start_file();
        let count_max = self.options.parsed('m')?.unwrap_or(u64::MAX);
        let (mut number, mut count) = (0_u64, 0_u64);
        let mut line = Vec::new();
        while count < count_max {
            line.clear();
            match reader.read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) => number += 1,
                Err(error) => {
                    self.invocation.report(path, error);
                    break;
                }
            }
            let bytes = line.strip_suffix(b"\n").unwrap_or(&line);
            let text = String::from_utf8_lossy(bytes);
            if self.regex.is_match(&text) == self.options.has('v') {
                if self.options.last_of("qlLc").is_none() && self.context.pass(number, bytes) {
                    self.show(&name, number, '-', bytes)?;
                }
                continue;
            }
            count += 1;
            self.matched = true;
            match self.options.last_of("qlLc") {
                Some('q' | 'L') => return Ok(()),
                Some('l') => {
                    writeln!(self.output, "{name}")?;
                    return Ok(());
                }
                Some(_) => continue,
                None => {}
            }
            let (separated, before) = self.context.meet(number);
            if separated {
                self.output.write_all(b"--\n")?;
            }
            for (number, line) in before {
                self.show(&name, number, '-', &line)?;
            }
            if self.options.has('o') {
                let regex = self.regex.clone();
                for found in regex.find_iter(&text).filter(|found| !found.is_empty()) {
                    self.show(&name, number, ':', found.as_str().as_bytes())?;
                }
            } else {
                self.show(&name, number, ':', bytes)?;
            }
        }
        match self.options.last_of("qlLc") {
            Some('c') if self.named => writeln!(self.output, "{name}:{count}")?,
            Some('c') => writeln!(self.output, "{count}")?,
            Some('L') if count == 0 => writeln!(self.output, "{name}")?,
            _ => {}
        }
        Ok(())
    }

    /// Prints a line, with the file and the number if they are wanted; `mark` tells a match from its context.
    fn show(&mut self, name: &str, number: u64, mark: char, line: &[u8]) -> Result<(), Failure> {
        if self.named {
            write!(self.output, "{name}{mark}")?;
        }
        if self.options.has('n') {
            write!(self.output, "{number}{mark}")?;
        }
        self.output.write_all(line)?;
        Ok(self.output.write_all(b"\n")?)
    }
}

/// The two kinds of POSIX regular expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// `\(`, `\{` and (as in GNU) `\|`, `\+`, `\?` are special.
    Basic,
    /// `(`, `{`, `|`, `+`, `?` are.
    Extended,
}

/// Rewrites a POSIX regular expression in the syntax of `regex-lite`.
pub fn translate(pattern: &str, syntax: Syntax) -> String {
    let mut result = String::new();
    let mut letters = pattern.chars().peekable();
    // Whether a `*` would stand for itself here: at the start of an expression.
    let mut at_start = true;
    while let Some(letter) = letters.next() {
        let was_start = std::mem::take(&mut at_start);
        match letter {
            '[' => result.push_str(&bracket(&mut letters)),
            '\\' => match letters.next() {
                Some(special @ ('(' | '|')) if syntax == Syntax::Basic => {
                    result.push(special);
                    at_start = true;
                }
                Some(special @ (')' | '{' | '}' | '+' | '?')) if syntax == Syntax::Basic => result.push(special),
                Some(class @ ('w' | 'W' | 'b' | 'B' | 's' | 'S')) => result.extend(['\\', class]),
                Some('<') => result.push_str(r"\b"),
                Some('>') => result.push_str(r"\b"),
                Some(other) => result.push_str(&regex_lite::escape(&other.to_string())),
                None => result.push_str(r"\\"),
            },
            '*' if was_start => result.push_str(r"\*"),
            '^' if syntax == Syntax::Basic && !was_start => result.push_str(r"\^"),
            '$' if syntax == Syntax::Basic && !ends_expression(&letters) => result.push_str(r"\$"),
            '(' | ')' | '{' | '}' | '|' | '+' | '?' if syntax == Syntax::Basic => result.extend(['\\', letter]),
            '(' | '|' => {
                result.push(letter);
                at_start = true;
            }
            '^' => {
                result.push('^');
                at_start = true;
            }
            other => result.push(other),
        }
    }
    result
}

type Letters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Whether a `$` before these letters is an anchor in a basic expression.
fn ends_expression(letters: &Letters<'_>) -> bool {
    let rest: String = letters.clone().take(2).collect();
    rest.is_empty() || rest == r"\)" || rest == r"\|"
}

/// A bracket expression behind its `[`: a backslash is ordinary there, a first `]` too.
fn bracket(letters: &mut Letters<'_>) -> String {
    let mut result = String::from("[");
    result.extend(letters.next_if_eq(&'^'));
    if letters.next_if_eq(&']').is_some() {
        result.push_str(r"\]");
    }
    while let Some(letter) = letters.next() {
        match letter {
            ']' => {
                result.push(']');
                return result;
            }
            '[' if letters.peek() == Some(&':') => {
                result.push('[');
                let mut last = '[';
                for letter in letters.by_ref() {
                    result.push(letter);
                    if last == ':' && letter == ']' {
                        break;
                    }
                    last = letter;
                }
            }
            '\\' | '[' | '&' | '~' => result.extend(['\\', letter]),
            other => result.push(other),
        }
    }
    // Without an end it is an error, and the compiler of expressions says so.
    result
}

/// `expr` and others need one match at the start of a text.
pub fn anchored(pattern: &str) -> Result<Regex, Failure> {
    Regex::new(&format!("^(?:{})", translate(pattern, Syntax::Basic)))
        .map_err(|error| Failure::usage(error.to_string()))
}

/// Opens a file for reading by lines.
///
/// # Errors
/// Those of open(2), with the file's name.
pub fn reader(path: &OsStr) -> Result<BufReader<fs::File>, Failure> {
    open(path).map(BufReader::new).at(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posix_expressions_match_what_posix_says() {
        let table = [
            (Syntax::Basic, "a+", "a+", true),
            (Syntax::Basic, "^a+$", "aa", false),
            (Syntax::Basic, r"^a\+$", "aa", true),
            (Syntax::Basic, r"\(ab\)*c", "ababc", true),
            (Syntax::Basic, r"a\{2\}", "aa", true),
            (Syntax::Basic, "a{2}", "a{2}", true),
            (Syntax::Basic, "*a", "*a", true),
            (Syntax::Basic, "a|b", "b", false),
            (Syntax::Basic, r"a\|b", "b", true),
            (Syntax::Basic, "a$b", "a$b", true),
            (Syntax::Basic, "[.]", "x", false),
            (Syntax::Basic, r"[\d]", "d", true),
            (Syntax::Basic, r"[\d]", "5", false),
            (Syntax::Basic, "[]x]", "]", true),
            (Syntax::Basic, "[^]]", "]", false),
            (Syntax::Basic, r"\.", "x", false),
            (Syntax::Basic, "[[:digit:]]", "5", true),
            (Syntax::Extended, "(ab)+c", "ababc", true),
            (Syntax::Extended, "a|b", "b", true),
            (Syntax::Extended, r"a\+", "a+", true),
            (Syntax::Extended, "^(a|b){2}$", "ba", true),
        ];
        for (syntax, pattern, text, expected) in table {
            let regex = Regex::new(&translate(pattern, syntax)).expect(pattern);
            assert_eq!(regex.is_match(text), expected, "{pattern} on {text}");
        }
    }
}
