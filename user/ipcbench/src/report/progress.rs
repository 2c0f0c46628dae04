//! The progress bar: one line on standard error while benchmarks run, if a person looks on. Nothing at all
//! is written when standard output or standard error is not a terminal, when the terminal cannot erase a
//! line (`TERM` unset or `dumb`), or with JSON lines, which a bar would spoil where both go to one console.

use std::ffi::OsStr;
use std::io::{self, IsTerminal, Write};

/// Cells of the bar.
const CELLS: usize = 24;
/// Back to the left edge, and erase the line (ECMA-48 EL).
const ERASE: &str = "\r\x1b[K";

/// A bar over so many benchmarks.
pub struct Progress {
    total: usize,
    shown: bool,
}

impl Progress {
    /// A bar over `total` benchmarks, shown if both outputs are terminals that can erase a line.
    pub fn for_table(total: usize) -> Self {
        let terminals = io::stdout().is_terminal() && io::stderr().is_terminal();
        Self { total, shown: terminals && can_erase(std::env::var_os("TERM").as_deref()) }
    }

    /// No bar at all.
    pub fn none() -> Self {
        Self { total: 0, shown: false }
    }

    /// `done` are finished and `name` begins.
    ///
    /// # Errors
    /// The terminal's.
    pub fn show(&self, done: usize, name: &str) -> io::Result<()> {
        if !self.shown {
            return Ok(());
        }
        write!(io::stderr(), "{ERASE}{}", bar(done, self.total, name))
    }

    /// Takes the bar away, to print something in its place.
    ///
    /// # Errors
    /// The terminal's.
    pub fn hide(&self) -> io::Result<()> {
        if self.shown { write!(io::stderr(), "{ERASE}") } else { Ok(()) }
    }
}

/// Whether a terminal of the kind `term` is one whose lines can be erased.
fn can_erase(term: Option<&OsStr>) -> bool {
    term.is_some_and(|term| !term.is_empty() && term != "dumb")
}

fn bar(done: usize, total: usize, name: &str) -> String {
    let filled = CELLS * done / total.max(1);
    format!("[{}{}] {}/{total} {name}", "#".repeat(filled), ".".repeat(CELLS - filled), done + 1)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::{bar, can_erase};

    #[test]
    fn a_dumb_terminal_gets_no_bar() {
        assert!(can_erase(Some(OsStr::new("linux"))));
        assert!(!can_erase(Some(OsStr::new("dumb"))));
        assert!(!can_erase(None));
    }

    #[test]
    fn the_bar_grows_with_what_is_done() {
        assert_eq!(bar(0, 4, "a"), "[........................] 1/4 a");
        assert_eq!(bar(3, 4, "d"), "[##################......] 4/4 d");
    }
}
