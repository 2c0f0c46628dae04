//! Why a benchmark has no figure: one sentence for people. Holds no lock, never sleeps.

use std::fmt;
use std::io;

/// A benchmark that could not be finished, or finished wrongly.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    /// A failure described by `sentence` (lower case, no full stop, one line).
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// `error`, with what was being attempted in front.
    pub fn during(attempt: &str, error: &io::Error) -> Self {
        Self(format!("{attempt}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}
