//! `find`: the names in a tree that fit an expression. Specification: POSIX.1-2024, utility `find`.

use crate::invocation::{At, Failure, Invocation, Outcome, Output, finish, output};
use regex_lite::Regex;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A condition or action.
enum Test {
    Name(Regex),
    Path(Regex),
    Kind(u32),
    Empty,
    Newer(i64, i64),
    Size(char, u64),
    Permissions(u32),
    Print(u8),
    Delete,
    Prune,
    Execute(Vec<OsString>),
    Not(Box<Test>),
    And(Box<Test>, Box<Test>),
    Or(Box<Test>, Box<Test>),
    True,
}

/// `find [path…] [expression]`
pub fn find(invocation: &Invocation) -> Outcome {
    let words = &invocation.arguments;
    let starts_expression = |word: &OsString| {
        word == "!" || word == "(" || word.as_bytes().starts_with(b"-") && word.len() > 1
    };
    let count = words
        .iter()
        .position(starts_expression)
        .unwrap_or(words.len());
    let mut parser = Parser {
        words: &words[count..],
        at: 0,
        acts: false,
        depth_min: 0,
        depth_max: usize::MAX,
        nesting: 0,
    };
    let mut test = parser.or()?;
    if parser.at < parser.words.len() {
        return Err(Failure::usage(format!(
            "unexpected '{}'",
            parser.words[parser.at].display()
        )));
    }
    if !parser.acts {
        test = Test::And(Box::new(test), Box::new(Test::Print(b'\n')));
    }
    let mut walk = Walk {
        invocation,
        test,
        contents_first: false,
        depths: (parser.depth_min, parser.depth_max),
        output: output()?,
    };
    walk.contents_first = words[count..]
        .iter()
        .any(|word| word == "-delete" || word == "-depth");
    let here = [OsString::from(".")];
    for path in if count == 0 { &here } else { &words[..count] } {
        walk.visit(&PathBuf::from(path), 0)?;
    }
    finish(invocation, walk.output)
}

/// Parentheses and negations beyond this are refused, for the stack's sake.
const NESTING_MAX: usize = 100;

struct Parser<'a> {
    words: &'a [OsString],
    at: usize,
    /// Whether some action makes the implied `-print` unneeded.
    acts: bool,
    depth_min: usize,
    depth_max: usize,
    nesting: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&OsStr> {
        self.words.get(self.at).map(OsString::as_os_str)
    }

    fn accept(&mut self, names: &[&str]) -> bool {
        let found = self
            .peek()
            .is_some_and(|word| names.iter().any(|name| word == *name));
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, option: &str) -> Result<OsString, Failure> {
        let word = self
            .words
            .get(self.at)
            .ok_or_else(|| Failure::usage(format!("{option}: missing argument")))?;
        self.at += 1;
        Ok(word.clone())
    }

    fn or(&mut self) -> Result<Test, Failure> {
        let mut left = self.and()?;
        while self.accept(&["-o", "-or"]) {
            left = Test::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Test, Failure> {
        let mut left = Test::True;
        while self
            .peek()
            .is_some_and(|word| word != "-o" && word != "-or" && word != ")")
        {
            self.accept(&["-a", "-and"]);
            left = Test::And(Box::new(left), Box::new(self.primary()?));
        }
        Ok(left)
    }

    fn primary(&mut self) -> Result<Test, Failure> {
        self.nesting += 1;
        if self.nesting > NESTING_MAX {
            return Err(Failure::usage("expression nested too deeply"));
        }
        let test = self.operand();
        self.nesting -= 1;
        test
    }

    fn operand(&mut self) -> Result<Test, Failure> {
        if self.accept(&["!", "-not"]) {
            return Ok(Test::Not(Box::new(self.primary()?)));
        }
        if self.accept(&["("]) {
            let test = self.or()?;
            return if self.accept(&[")"]) {
                Ok(test)
            } else {
                Err(Failure::usage("')' expected"))
            };
        }
        let option = self.value("expression")?.to_string_lossy().into_owned();
        let wrong = |value: &OsStr| {
            Failure::usage(format!("{option}: invalid argument '{}'", value.display()))
        };
        Ok(match option.as_str() {
            "-name" => Test::Name(name_pattern(&self.value(&option)?, "")?),
            "-iname" => Test::Name(name_pattern(&self.value(&option)?, "(?i)")?),
            "-path" => Test::Path(name_pattern(&self.value(&option)?, "")?),
            "-type" => {
                let value = self.value(&option)?;
                Test::Kind(match value.to_str() {
                    Some("f") => libc::S_IFREG,
                    Some("d") => libc::S_IFDIR,
                    Some("l") => libc::S_IFLNK,
                    Some("c") => libc::S_IFCHR,
                    Some("b") => libc::S_IFBLK,
                    Some("p") => libc::S_IFIFO,
                    Some("s") => libc::S_IFSOCK,
                    _ => return Err(wrong(&value)),
                })
            }
            "-empty" => Test::Empty,
            "-newer" => {
                let value = self.value(&option)?;
                let data = fs::metadata(&value).at(&value)?;
                Test::Newer(data.mtime(), data.mtime_nsec())
            }
            "-size" => size_test(&self.value(&option)?)
                .ok_or_else(|| Failure::usage("-size: invalid number"))?,
            "-perm" => {
                let value = self.value(&option)?;
                let mode = value
                    .to_str()
                    .and_then(|text| u32::from_str_radix(text, 8).ok());
                Test::Permissions(mode.ok_or_else(|| wrong(&value))?)
            }
            "-maxdepth" | "-mindepth" => {
                let value = self.value(&option)?;
                let depth = value
                    .to_str()
                    .and_then(|text| text.parse().ok())
                    .ok_or_else(|| wrong(&value))?;
                *(if option == "-maxdepth" {
                    &mut self.depth_max
                } else {
                    &mut self.depth_min
                }) = depth;
                Test::True
            }
            "-depth" | "-true" => Test::True,
            "-prune" => Test::Prune,
            "-print" | "-print0" => {
                self.acts = true;
                Test::Print(if option == "-print" { b'\n' } else { 0 })
            }
            "-delete" => {
                self.acts = true;
                Test::Delete
            }
            "-exec" => {
                self.acts = true;
                let mut command = Vec::new();
                loop {
                    let word = self.value("-exec: ';'")?;
                    if word == ";" || word == "+" {
                        break;
                    }
                    command.push(word);
                }
                if command.is_empty() {
                    return Err(Failure::usage("-exec: missing command"));
                }
                Test::Execute(command)
            }
            _ => return Err(Failure::usage(format!("unknown option '{option}'"))),
        })
    }
}

/// A shell pattern as a regular expression over the whole text.
fn name_pattern(pattern: &OsStr, flags: &str) -> Result<Regex, Failure> {
    let text = pattern.to_string_lossy();
    let mut result = format!("(?s){flags}^");
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '*' => result.push_str(".*"),
            '?' => result.push('.'),
            '[' if letters.clone().any(|letter| letter == ']') => {
                result.push('[');
                if letters.next_if(|letter| "!^".contains(*letter)).is_some() {
                    result.push('^');
                }
                for (index, letter) in letters.by_ref().enumerate() {
                    match letter {
                        ']' if index > 0 => break,
                        '-' => result.push('-'),
                        other => result.push_str(&regex_lite::escape(&other.to_string())),
                    }
                }
                result.push(']');
            }
            '\\' => result.push_str(&regex_lite::escape(
                &letters.next().unwrap_or('\\').to_string(),
            )),
            other => result.push_str(&regex_lite::escape(&other.to_string())),
        }
    }
    result.push('$');
    Regex::new(&result).map_err(|error| Failure::usage(format!("{text}: {error}")))
}

/// `[+-]n[ckM]`: `=` stands for no sign. The unit without a letter is 512 bytes.
fn size_test(text: &OsStr) -> Option<Test> {
    let text = text.to_str()?;
    let sign = text.chars().next().filter(|sign| "+-".contains(*sign));
    let text = text.trim_start_matches(['+', '-']);
    let with_unit = if text.ends_with(|last: char| last.is_ascii_digit()) {
        format!("{text}b")
    } else {
        text.to_owned()
    };
    Some(Test::Size(
        sign.unwrap_or('='),
        crate::size::with_suffix(&with_unit)?,
    ))
}

struct Walk<'a> {
    invocation: &'a Invocation,
    test: Test,
    contents_first: bool,
    depths: (usize, usize),
    output: Output,
}

impl Walk<'_> {
    fn visit(&mut self, path: &Path, depth: usize) -> Result<(), Failure> {
        let data = match fs::symlink_metadata(path) {
            Ok(data) => data,
            Err(error) => {
                self.invocation.report(path, error);
                return Ok(());
            }
        };
        let mut pruned = false;
        let counts = depth >= self.depths.0;
        if counts && !self.contents_first {
            self.apply(path, &data, &mut pruned)?;
        }
        if data.is_dir() && depth < self.depths.1 && !pruned {
            match fs::read_dir(path) {
                Ok(entries) => {
                    let mut names: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
                    names.sort();
                    for name in names {
                        self.visit(&name, depth + 1)?;
                    }
                }
                Err(error) => self.invocation.report(path, error),
            }
        }
        if counts && self.contents_first {
            self.apply(path, &data, &mut pruned)?;
        }
        Ok(())
    }

    fn apply(&mut self, path: &Path, data: &Metadata, pruned: &mut bool) -> Result<bool, Failure> {
        evaluate(
            &self.test,
            path,
            data,
            pruned,
            self.invocation,
            &mut self.output,
        )
    }
}

fn evaluate(
    test: &Test,
    path: &Path,
    data: &Metadata,
    pruned: &mut bool,
    invocation: &Invocation,
    output: &mut Output,
) -> Result<bool, Failure> {
    Ok(match test {
        Test::Name(pattern) => {
            let name = path.file_name().unwrap_or(path.as_os_str());
            pattern.is_match(&name.to_string_lossy())
        }
        Test::Path(pattern) => pattern.is_match(&path.to_string_lossy()),
        Test::Kind(kind) => data.mode() & libc::S_IFMT == *kind,
        Test::Empty if data.is_dir() => {
            fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
        }
        Test::Empty => data.is_file() && data.size() == 0,
        Test::Newer(seconds, nanoseconds) => {
            (data.mtime(), data.mtime_nsec()) > (*seconds, *nanoseconds)
        }
        Test::Size('+', bytes) => data.size() > *bytes,
        Test::Size('-', bytes) => data.size() < *bytes,
        Test::Size(_, bytes) => data.size() == *bytes,
        Test::Permissions(mode) => data.permissions().mode() & 0o7777 == *mode,
        Test::Print(end) => {
            output.write_all(path.as_os_str().as_bytes())?;
            output.write_all(&[*end])?;
            true
        }
        Test::Delete => {
            let result = if data.is_dir() {
                fs::remove_dir(path)
            } else {
                fs::remove_file(path)
            };
            result
                .map_err(|error| invocation.report(path, error))
                .is_ok()
        }
        Test::Prune => {
            *pruned = true;
            true
        }
        Test::Execute(command) => {
            // What was found so far comes before what the command prints.
            output.flush()?;
            execute(command, path)
                .map_err(|error| invocation.report(&command[0], error))
                .unwrap_or(false)
        }
        Test::Not(inner) => !evaluate(inner, path, data, pruned, invocation, output)?,
        Test::And(left, right) => {
            evaluate(left, path, data, pruned, invocation, output)?
                && evaluate(right, path, data, pruned, invocation, output)?
        }
        Test::Or(left, right) => {
            evaluate(left, path, data, pruned, invocation, output)?
                || evaluate(right, path, data, pruned, invocation, output)?
        }
        Test::True => true,
    })
}

/// Runs a command with the path in place of every `{}`.
fn execute(command: &[OsString], path: &Path) -> std::io::Result<bool> {
    let words = command
        .iter()
        .map(|word| if word == "{}" { path.as_os_str() } else { word });
    let mut words = words;
    let program = words.next().unwrap_or_default();
    Ok(Command::new(program).args(words).status()?.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_shell_patterns() {
        let table = [
            ("*.rs", "a.rs", true),
            ("*.rs", "a.rsx", false),
            ("?[a-c]", "xb", true),
            ("[!a]", "a", false),
            ("a.b", "axb", false),
            ("[", "[", true),
        ];
        for (pattern, name, expected) in table {
            let regex = name_pattern(OsStr::new(pattern), "").expect(pattern);
            assert_eq!(regex.is_match(name), expected, "{pattern} on {name}");
        }
    }
}
