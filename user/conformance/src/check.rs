//! What a test returns and how it states what it expects.
//!
//! Owns nothing, takes no locks, never sleeps. Every helper remembers the line of its caller, so that a failed
//! expectation names the line of the test and not of this file.

use crate::sys::{Sys, SysError, process};
use std::fmt::Debug;
use std::panic::Location;

/// Why a test did not pass.
#[derive(Debug)]
pub enum Failure {
    /// An expectation did not hold; the text says which, with file and line.
    Failed(String),
    /// The environment lacks something the test cannot do without.
    Skipped(String),
}

/// The result of a test, and of a child process that a test starts.
pub type Outcome = Result<(), Failure>;

impl From<SysError> for Failure {
    #[track_caller]
    fn from(error: SysError) -> Self {
        failed(format!("unexpected failure: {error}"))
    }
}

impl From<std::io::Error> for Failure {
    #[track_caller]
    fn from(error: std::io::Error) -> Self {
        failed(format!("unexpected failure: {error}"))
    }
}

/// A failure with `reason` at the caller's line.
#[track_caller]
pub fn failed(reason: impl AsRef<str>) -> Failure {
    let place = Location::caller();
    Failure::Failed(format!("{}:{}: {}", place.file(), place.line(), reason.as_ref()))
}

/// Leaves the test as skipped for `reason`.
///
/// # Errors
/// Always: the skip travels as an error so that `?` ends the test.
pub fn skip<T>(reason: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Skipped(reason.into()))
}

/// Skips the test unless it runs as root, who can become others and whom no permission stops.
///
/// # Errors
/// The skip.
pub fn needs_root() -> Outcome {
    if process::geteuid() == 0 { Ok(()) } else { skip("needs root to become somebody else") }
}

/// Whether this kernel is Postern.
pub fn is_postern() -> bool {
    std::path::Path::new("/proc/postern").exists()
}

/// Skips the test on a Linux before this release. Postern says that it is a release, too.
///
/// # Errors
/// The skip; that of reading which one it is.
pub fn needs_linux(major: u32, minor: u32) -> Outcome {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let mut numbers = release.split(|other: char| !other.is_ascii_digit()).map_while(|word| word.parse::<u32>().ok());
    if (numbers.next(), numbers.next()) >= (Some(major), Some(minor)) {
        Ok(())
    } else {
        skip(format!("needs Linux {major}.{minor}"))
    }
}

/// Skips the test elsewhere than on Postern, for `reason`.
///
/// # Errors
/// The skip.
pub fn needs_postern(reason: &str) -> Outcome {
    if is_postern() { Ok(()) } else { skip(reason) }
}

/// Skips the test unless the machine is there for tests alone: a guest that runs Postern, or Linux started with a word
/// `POSTERN_…` on its command line. Others are not to have their clocks set.
///
/// # Errors
/// The skip; that of reading the command line.
pub fn needs_own_machine() -> Outcome {
    let is_ours = is_postern()
        || std::fs::read_to_string("/proc/cmdline")?.split_whitespace().any(|word| word.starts_with("POSTERN_"));
    if is_ours { Ok(()) } else { skip("changes the whole machine, which only guests may") }
}

/// Expects `condition`; `sentence` says what should have been true.
///
/// # Errors
/// A failure naming the sentence.
#[track_caller]
pub fn expect(condition: bool, sentence: &str) -> Outcome {
    if condition { Ok(()) } else { Err(failed(format!("expected: {sentence}"))) }
}

/// Expects two values to be equal; `what` names the value.
///
/// # Errors
/// A failure showing both values.
#[track_caller]
pub fn expect_eq<A, B>(actual: A, expected: B, what: &str) -> Outcome
where
    A: PartialEq<B> + Debug,
    B: Debug,
{
    if actual == expected {
        Ok(())
    } else {
        Err(failed(format!("{what}: expected {}, got {}", shown(&expected), shown(&actual))))
    }
}

/// Expects a call to fail with `errno`.
///
/// # Errors
/// A failure if the call succeeded or failed otherwise.
#[track_caller]
pub fn expect_errno<T: Debug>(result: Sys<T>, errno: i32) -> Outcome {
    let wanted = std::io::Error::from_raw_os_error(errno);
    match result {
        Err(error) if error.errno == errno => Ok(()),
        Err(error) => Err(failed(format!("expected {wanted}, got: {error}"))),
        Ok(value) => Err(failed(format!("expected {wanted}, but the call succeeded with {value:?}"))),
    }
}

/// A value for a diagnostic line: long ones (buffers) are cut.
fn shown(value: &impl Debug) -> String {
    const LONGEST: usize = 160;
    let mut text = format!("{value:?}");
    if text.len() > LONGEST {
        text = text.chars().take(LONGEST).chain("…".chars()).collect();
    }
    text
}
