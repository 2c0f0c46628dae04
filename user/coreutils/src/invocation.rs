//! What every applet shares: its arguments, its options, its output and the form of its errors.
//!
//! Specification: POSIX.1-2024, XBD 12.2 (utility syntax); errors read `name: object: reason`.

use nix::errno::Errno;
use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;

/// Why an applet gave up.
#[derive(Debug)]
pub struct Failure {
    /// Exit status.
    pub status: u8,
    /// Message without the applet's name; empty when everything was said.
    pub message: String,
}

/// Exit status, or why there was no going on.
pub type Outcome = Result<u8, Failure>;

/// An applet.
pub type Applet = fn(&Invocation) -> Outcome;

impl Failure {
    /// Wrong use: status 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { status: 2, message: message.into() }
    }

    /// Anything else: status 1.
    pub fn new(message: impl Into<String>) -> Self {
        Self { status: 1, message: message.into() }
    }
}

/// An input/output error without an object comes from writing the output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(format!("write error: {}", reason(&error)))
    }
}

/// Names the object of a failed call.
pub trait At<T> {
    /// Turns the error into `object: reason`.
    ///
    /// # Errors
    /// The same error, named.
    fn at(self, object: impl AsRef<OsStr>) -> Result<T, Failure>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, object: impl AsRef<OsStr>) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(format!("{}: {}", object.as_ref().display(), reason(&error))))
    }
}

impl<T> At<T> for Result<T, Errno> {
    fn at(self, object: impl AsRef<OsStr>) -> Result<T, Failure> {
        self.map_err(io::Error::from).at(object)
    }
}

/// A system error as `strerror` words it.
pub fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}

/// One run of an applet.
pub struct Invocation {
    /// The applet's name.
    pub name: &'static str,
    /// Its arguments, without the name.
    pub arguments: Vec<OsString>,
    failed: Cell<bool>,
}

impl Invocation {
    /// An invocation without failures so far.
    pub fn new(name: &'static str, arguments: Vec<OsString>) -> Self {
        Self { name, arguments, failed: Cell::new(false) }
    }

    /// Prints `name: message` and makes the status 1 in the end.
    pub fn complain(&self, message: impl Display) {
        self.failed.set(true);
        eprintln!("{}: {message}", self.name);
    }

    /// Makes the status 1 in the end, without a word.
    pub fn fail(&self) {
        self.failed.set(true);
    }

    /// Reports what went wrong with one object; the applet goes on with the others.
    pub fn report(&self, object: impl AsRef<OsStr>, error: impl Into<io::Error>) {
        self.complain(format_args!("{}: {}", object.as_ref().display(), reason(&error.into())));
    }

    /// 1 after a complaint, else 0.
    pub fn status(&self) -> u8 {
        u8::from(self.failed.get())
    }

    /// Parses the arguments by a specification as of `getopt`: letters, a colon behind those that
    /// take a value; `+` in front stops at the first operand; `#` allows a number as option (`-5`).
    ///
    /// # Errors
    /// A usage error naming the option.
    pub fn options(&self, specification: &str) -> Result<Options, Failure> {
        let mut options = Options::default();
        let mut parser = lexopt::Parser::from_args(&self.arguments);
        loop {
            if specification.starts_with('+')
                && let Some(rest) = parser.try_raw_args()
                && rest.peek().is_some_and(|next| !next.as_encoded_bytes().starts_with(b"-") || next == "-")
            {
                options.operands.extend(rest);
                return Ok(options);
            }
            let argument = parser.next().map_err(|error| Failure::usage(error.to_string()))?;
            match argument {
                None => return Ok(options),
                Some(lexopt::Arg::Value(operand)) => {
                    options.operands.push(operand);
                    if specification.starts_with('+') {
                        options.operands.extend(parser.raw_args().map_err(|error| Failure::usage(error.to_string()))?);
                        return Ok(options);
                    }
                }
                Some(lexopt::Arg::Short(digit)) if digit.is_ascii_digit() && specification.contains('#') => {
                    options.number.get_or_insert_default().push(digit);
                }
                Some(lexopt::Arg::Short(letter)) => {
                    match specification.find(letter).filter(|_| !"+:#".contains(letter)) {
                        Some(at) if specification[at + letter.len_utf8()..].starts_with(':') => {
                            let value = parser.value().map_err(|error| Failure::usage(error.to_string()))?;
                            options.given.push((letter, Some(value)));
                        }
                        Some(_) => options.given.push((letter, None)),
                        None => return Err(Failure::usage(format!("unknown option -{letter}"))),
                    }
                }
                Some(lexopt::Arg::Long(name)) => {
                    return Err(Failure::usage(format!("unknown option --{name}")));
                }
            }
        }
    }
}

/// The options and operands of an invocation.
#[derive(Debug, Default)]
pub struct Options {
    given: Vec<(char, Option<OsString>)>,
    number: Option<String>,
    /// What is left: files, mostly.
    pub operands: Vec<OsString>,
}

impl Options {
    /// Whether an option was given.
    pub fn has(&self, letter: char) -> bool {
        self.given.iter().any(|(own, _)| *own == letter)
    }

    /// The last of several options that exclude each other.
    pub fn last_of(&self, letters: &str) -> Option<char> {
        self.given.iter().rev().map(|(letter, _)| *letter).find(|letter| letters.contains(*letter))
    }

    /// All values of an option.
    pub fn values(&self, letter: char) -> impl DoubleEndedIterator<Item = &OsString> {
        self.given.iter().filter(move |(own, _)| *own == letter).filter_map(|(_, value)| value.as_ref())
    }

    /// The last value of an option.
    pub fn value(&self, letter: char) -> Option<&OsString> {
        self.values(letter).next_back()
    }

    /// The value of an option as text.
    ///
    /// # Errors
    /// A usage error if it is not UTF-8.
    pub fn text(&self, letter: char) -> Result<Option<&str>, Failure> {
        let Some(value) = self.value(letter) else {
            return Ok(None);
        };
        value.to_str().map(Some).ok_or_else(|| Failure::usage(format!("-{letter}: not valid text")))
    }

    /// The value of an option as a number.
    ///
    /// # Errors
    /// A usage error if it is none.
    pub fn parsed<T: std::str::FromStr>(&self, letter: char) -> Result<Option<T>, Failure> {
        let Some(text) = self.text(letter)? else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| Failure::usage(format!("-{letter}: invalid number '{text}'")))
    }

    /// The number given as `-5`.
    pub fn number(&self) -> Option<&str> {
        self.number.as_deref()
    }

    /// The operands, which must not be missing.
    ///
    /// # Errors
    /// A usage error.
    pub fn required(&self) -> Result<&[OsString], Failure> {
        if self.operands.is_empty() { Err(Failure::usage("missing operand")) } else { Ok(&self.operands) }
    }

    /// The operands as files, `-` (standard input) if there are none.
    pub fn files(&self) -> Vec<OsString> {
        if self.operands.is_empty() { vec!["-".into()] } else { self.operands.clone() }
    }
}

/// Buffered standard output.
pub type Output = BufWriter<File>;

/// Standard output, to be flushed by the applet through [`finish`].
///
/// # Errors
/// EBADF when it is closed.
pub fn output() -> Result<Output, Failure> {
    Ok(BufWriter::new(File::from(io::stdout().as_fd().try_clone_to_owned()?)))
}

/// Flushes the output; the status of the invocation.
///
/// # Errors
/// What the last write met with.
pub fn finish(invocation: &Invocation, mut output: Output) -> Outcome {
    output.flush()?;
    Ok(invocation.status())
}

/// Asks on standard error whether to do something, and reads the answer, one line, from standard input.
///
/// # Errors
/// Those of read(2). The end of input means no.
pub fn confirmed(invocation: &Invocation, action: &str, object: &OsStr) -> Result<bool, Failure> {
    eprint!("{}: {action} '{}'? ", invocation.name, object.display());
    // Without a buffer: what is typed behind the answer is somebody else's.
    let mut input = open(OsStr::new("-"))?;
    let mut answer = Vec::new();
    let mut byte = [0];
    while input.read(&mut byte).at("standard input")? == 1 && byte[0] != b'\n' {
        answer.push(byte[0]);
    }
    Ok(answer.starts_with(b"y") || answer.starts_with(b"Y"))
}

/// Opens a file for reading; `-` is standard input.
///
/// # Errors
/// Those of open(2).
pub fn open(path: &OsStr) -> io::Result<File> {
    if path == "-" {
        return Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?));
    }
    File::open(path)
}

/// A target inside `directory` if that is a directory, else `directory` itself.
pub fn inside(directory: &OsStr, source: &OsStr) -> PathBuf {
    let path = PathBuf::from(directory);
    match PathBuf::from(source).file_name() {
        Some(name) if path.is_dir() => path.join(name),
        _ => path,
    }
}
