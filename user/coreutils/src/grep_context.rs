//! The lines around a match that `grep -A`, `-B` and `-C` show. Owns what it must remember of one file.

use crate::invocation::{Failure, Options};
use std::collections::VecDeque;

/// A line with its number in the file.
pub type Numbered = (u64, Vec<u8>);

/// Which lines near a match are shown.
pub struct Context {
    before: usize,
    after: usize,
    /// The last lines that did not match and were not shown.
    held: VecDeque<Numbered>,
    /// How many lines are still to be shown behind the last match.
    due: usize,
    last_shown: Option<u64>,
    /// Whether a group of lines was shown, so that the next one needs a separator.
    shown: bool,
}

impl Context {
    /// As the options say; without them no line but the match.
    ///
    /// # Errors
    /// A usage error about a number.
    pub fn from_options(options: &Options) -> Result<Self, Failure> {
        let around = options.parsed('C')?.unwrap_or(0);
        let before = options.parsed('B')?.unwrap_or(around);
        let after = options.parsed('A')?.unwrap_or(around);
        Ok(Self { before, after, held: VecDeque::new(), due: 0, last_shown: None, shown: false })
    }

    /// Begins another file.
    pub fn start_file(&mut self) {
        self.held.clear();
        self.due = 0;
        self.last_shown = None;
    }

    /// Takes a line that does not match; says whether it is shown.
    pub fn pass(&mut self, number: u64, line: &[u8]) -> bool {
        if self.due > 0 {
            self.due -= 1;
            self.last_shown = Some(number);
            return true;
        }
        if self.before > 0 {
            if self.held.len() == self.before {
                self.held.pop_front();
            }
            self.held.push_back((number, line.to_vec()));
        }
        false
    }

    /// A line matches: whether a separator comes before it, and which lines.
    pub fn meet(&mut self, number: u64) -> (bool, Vec<Numbered>) {
        let lines: Vec<_> = self.held.drain(..).collect();
        let first = lines.first().map_or(number, |(first, _)| *first);
        let apart = self.last_shown.is_none_or(|last| last + 1 < first);
        let separated = self.shown && apart && self.before + self.after > 0;
        self.shown = true;
        self.due = self.after;
        self.last_shown = Some(number);
        (separated, lines)
    }
}
