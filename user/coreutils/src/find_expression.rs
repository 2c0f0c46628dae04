//! The expression of `find`: from words to a tree of tests.

use crate::invocation::{At, Failure};
use regex_lite::Regex;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt;

/// A condition or action.
pub enum Test {
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

/// What a command line asks for.
pub struct Plan {
    /// Applied to every file found.
    pub test: Test,
    /// Files above this depth are not tested.
    pub depth_min: usize,
    /// Directories at this depth are not entered.
    pub depth_max: usize,
    /// Whether what is in a directory comes before the directory itself.
    pub contents_first: bool,
}

/// Parses the words behind the paths.
///
/// # Errors
/// A usage error naming what is wrong.
pub fn parse(words: &[OsString]) -> Result<Plan, Failure> {
    let mut parser = Parser { words, at: 0, acts: false, depth_min: 0, depth_max: usize::MAX, nesting: 0 };
    let mut test = parser.or()?;
    if parser.at < words.len() {
        return Err(Failure::usage(format!("unexpected '{}'", words[parser.at].display())));
    }
    if !parser.acts {
        test = Test::And(Box::new(test), Box::new(Test::Print(b'\n')));
    }
    let contents_first = words.iter().any(|word| word == "-delete" || word == "-depth");
    Ok(Plan { test, depth_min: parser.depth_min, depth_max: parser.depth_max, contents_first })
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
        let found = self.peek().is_some_and(|word| names.iter().any(|name| word == *name));
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, option: &str) -> Result<OsString, Failure> {
        let word = self.words.get(self.at).ok_or_else(|| Failure::usage(format!("{option}: missing argument")))?;
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
        while self.peek().is_some_and(|word| word != "-o" && word != "-or" && word != ")") {
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
            return if self.accept(&[")"]) { Ok(test) } else { Err(Failure::usage("')' expected")) };
        }
        let option = self.value("expression")?.to_string_lossy().into_owned();
        let wrong = |value: &OsStr| Failure::usage(format!("{option}: invalid argument '{}'", value.display()));
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
            "-size" => size_test(&self.value(&option)?).ok_or_else(|| Failure::usage("-size: invalid number"))?,
            "-perm" => {
                let value = self.value(&option)?;
                let mode = value.to_str().and_then(|text| u32::from_str_radix(text, 8).ok());
                Test::Permissions(mode.ok_or_else(|| wrong(&value))?)
            }
            "-maxdepth" | "-mindepth" => {
                let value = self.value(&option)?;
                let depth = value.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| wrong(&value))?;
                *(if option == "-maxdepth" { &mut self.depth_max } else { &mut self.depth_min }) = depth;
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
            '\\' => result.push_str(&regex_lite::escape(&letters.next().unwrap_or('\\').to_string())),
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
    let with_unit =
        if text.ends_with(|last: char| last.is_ascii_digit()) { format!("{text}b") } else { text.to_owned() };
    Some(Test::Size(sign.unwrap_or('='), crate::size::with_suffix(&with_unit)?))
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
