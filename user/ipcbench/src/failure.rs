//! Why a benchmark has no figure: one sentence for people. Holds no lock, never sleeps.

use std::fmt;
use std::io;

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// It went wrong.
    Failed,
    /// This system has no such thing: nothing was tried.
    Absent,
}

/// A benchmark that could not be finished, or finished wrongly.
#[derive(Debug)]
pub struct Failure {
    cause: Cause,
    sentence: String,
}

impl Failure {
    /// A failure described by `sentence` (lower case, no full stop, one line).
    pub fn new(sentence: impl Into<String>) -> Self {
        Self { cause: Cause::Failed, sentence: sentence.into() }
    }

    /// What was to be measured is not there, as `sentence` says.
    pub fn absent(sentence: impl Into<String>) -> Self {
        Self { cause: Cause::Absent, sentence: sentence.into() }
    }

    /// `error`, with what was being attempted in front.
    pub fn during(attempt: &str, error: &io::Error) -> Self {
        Self::new(format!("{attempt}: {error}"))
    }

    /// Whether nothing was tried, because what was to be measured is not there.
    pub fn is_absence(&self) -> bool {
        self.cause == Cause::Absent
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(error.to_string())
    }
}
