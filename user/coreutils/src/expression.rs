//! The expressions of `test` and `[`. Specification: POSIX.1-2024, utility `test`, with `-a`, `-o`
//! and parentheses. Asks the file system; never sleeps.

use nix::unistd::{AccessFlags, access};
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

/// Evaluates a `test` expression (without the closing bracket).
///
/// # Errors
/// A message when the expression is wrong.
pub fn test(words: &[Vec<u8>]) -> Result<bool, String> {
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    // POSIX fixes the meaning by the number of words; only longer expressions have a grammar.
    match words.as_slice() {
        [] => Ok(false),
        [word] => Ok(!word.is_empty()),
        [b"!", rest @ ..] if rest.len() <= 3 && !is_binary(rest.first()) => {
            test(&rest.iter().map(|word| word.to_vec()).collect::<Vec<_>>()).map(|value| !value)
        }
        [left, operator, right] if is_binary(Some(operator)) => binary(left, operator, right),
        _ => {
            let mut parser = Expression { words: &words, at: 0, depth: 0 };
            let value = parser.or()?;
            match words.get(parser.at) {
                None => Ok(value),
                Some(word) => Err(format!("{}: unexpected operator", shown(word))),
            }
        }
    }
}

fn shown(word: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(word)
}

const BINARY: &[&str] = &["=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef"];

fn is_binary(word: Option<&&[u8]>) -> bool {
    word.is_some_and(|word| BINARY.iter().any(|operator| operator.as_bytes() == *word))
}

/// Parentheses and negations beyond this are refused, for the stack's sake.
const DEPTH_MAX: usize = 100;

struct Expression<'a> {
    words: &'a [&'a [u8]],
    at: usize,
    depth: usize,
}

impl Expression<'_> {
    fn accept(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at).is_some_and(|own| *own == word.as_bytes());
        self.at += usize::from(found);
        found
    }

    fn next(&mut self) -> Result<&[u8], String> {
        let word = self.words.get(self.at).ok_or("argument expected")?;
        self.at += 1;
        Ok(word)
    }

    fn or(&mut self) -> Result<bool, String> {
        let mut value = self.and()?;
        while self.accept("-o") {
            value |= self.and()?;
        }
        Ok(value)
    }

    fn and(&mut self) -> Result<bool, String> {
        let mut value = self.primary()?;
        while self.accept("-a") {
            value &= self.primary()?;
        }
        Ok(value)
    }

    fn primary(&mut self) -> Result<bool, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("expression nested too deeply".to_owned());
        }
        let value = self.operand();
        self.depth -= 1;
        value
    }

    fn operand(&mut self) -> Result<bool, String> {
        if is_binary(self.words.get(self.at + 1)) {
            let words = &self.words[self.at..];
            if let [left, operator, right, ..] = words {
                self.at += 3;
                return binary(left, operator, right);
            }
        }
        if self.accept("!") {
            return self.primary().map(|value| !value);
        }
        if self.accept("(") {
            let value = self.or()?;
            return if self.accept(")") { Ok(value) } else { Err("closing paren expected".to_owned()) };
        }
        let word = self.next()?.to_vec();
        match word.as_slice() {
            [b'-', letter] if letter.is_ascii_alphabetic() && self.at < self.words.len() => {
                let operand = self.next()?.to_vec();
                unary(*letter, &operand)
            }
            word => Ok(!word.is_empty()),
        }
    }
}

fn unary(letter: u8, operand: &[u8]) -> Result<bool, String> {
    let path = OsStr::from_bytes(operand);
    let check = |condition: fn(&Metadata) -> bool| fs::metadata(path).is_ok_and(|data| condition(&data));
    let permits = |flags| access(path, flags).is_ok();
    Ok(match letter {
        b'n' => !operand.is_empty(),
        b'z' => operand.is_empty(),
        b'e' => check(|_| true),
        b'f' => check(Metadata::is_file),
        b'd' => check(Metadata::is_dir),
        b'h' | b'L' => fs::symlink_metadata(path).is_ok_and(|data| data.is_symlink()),
        b'p' => check(|data| data.file_type().is_fifo()),
        b'S' => check(|data| data.file_type().is_socket()),
        b'b' => check(|data| data.file_type().is_block_device()),
        b'c' => check(|data| data.file_type().is_char_device()),
        b's' => check(|data| data.size() > 0),
        b'u' => check(|data| data.permissions().mode() & 0o4000 != 0),
        b'g' => check(|data| data.permissions().mode() & 0o2000 != 0),
        b'k' => check(|data| data.permissions().mode() & 0o1000 != 0),
        b'r' => permits(AccessFlags::R_OK),
        b'w' => permits(AccessFlags::W_OK),
        b'x' => permits(AccessFlags::X_OK),
        b'O' => check(|data| data.uid() == nix::unistd::geteuid().as_raw()),
        b'G' => check(|data| data.gid() == nix::unistd::getegid().as_raw()),
        b't' => {
            let descriptor = i32::try_from(integer(operand)?).map_err(|_| "no such descriptor")?;
            is_terminal(descriptor)
        }
        other => return Err(format!("-{}: unknown operator", other.escape_ascii())),
    })
}

fn is_terminal(descriptor: i32) -> bool {
    // SAFETY: isatty takes a plain number.
    unsafe { libc::isatty(descriptor) == 1 }
}

fn integer(word: &[u8]) -> Result<i64, String> {
    let number = str::from_utf8(word).ok().and_then(|text| text.trim().parse().ok());
    number.ok_or_else(|| format!("Illegal number: {}", shown(word)))
}

fn binary(left: &[u8], operator: &[u8], right: &[u8]) -> Result<bool, String> {
    let metadata = |word| fs::metadata(OsStr::from_bytes(word)).ok();
    let modified = |word| metadata(word).map(|data| (data.mtime(), data.mtime_nsec()));
    Ok(match operator {
        b"=" | b"==" => left == right,
        b"!=" => left != right,
        b"<" => left < right,
        b">" => left > right,
        b"-eq" => integer(left)? == integer(right)?,
        b"-ne" => integer(left)? != integer(right)?,
        b"-lt" => integer(left)? < integer(right)?,
        b"-le" => integer(left)? <= integer(right)?,
        b"-gt" => integer(left)? > integer(right)?,
        b"-ge" => integer(left)? >= integer(right)?,
        b"-nt" => modified(left) > modified(right),
        b"-ot" => modified(left) < modified(right),
        _ => match (metadata(left), metadata(right)) {
            (Some(left), Some(right)) => (left.dev(), left.ino()) == (right.dev(), right.ino()),
            _ => false,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<bool, String> {
        test(&text.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn expressions_have_the_values_posix_gives_them() {
        let table = [
            ("a", true),
            ("! a", false),
            ("a = a", true),
            ("a != a", false),
            ("1 -lt 2", true),
            ("-n x", true),
            ("-z x", false),
            ("-n = -n", true),
            ("! = !", true),
            ("( a = b ) -o x = x", true),
            ("a = a -a b = c", false),
            ("! a = b -a c = c", true),
            ("-d /", true),
            ("-f /", false),
            ("-n", true),
            ("! -d /", false),
        ];
        for (text, expected) in table {
            assert_eq!(value(text), Ok(expected), "{text}");
        }
        assert_eq!(test(&[]), Ok(false));
        assert_eq!(test(&[Vec::new()]), Ok(false));
    }

    #[test]
    fn wrong_expressions_are_refused() {
        for text in ["a b", "1 -eq x", "-Q x", "( a", "a = b c"] {
            assert!(value(text).is_err(), "{text}");
        }
        assert!(value(&"! ".repeat(10_000)).is_err());
    }
}
