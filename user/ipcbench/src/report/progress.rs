//! The progress bar: one line on standard error while benchmarks run, if a person looks on. Nothing at all
//! is written when standard output or standard error is not a terminal.

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
    /// A bar over `total` benchmarks, shown if both outputs are terminals.
    pub fn new(total: usize) -> Self {
        Self {
            total,
            shown: io::stdout().is_terminal() && io::stderr().is_terminal(),
        }
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
        if self.shown {
            write!(io::stderr(), "{ERASE}")
        } else {
            Ok(())
        }
    }
}

fn bar(done: usize, total: usize, name: &str) -> String {
    let filled = CELLS * done / total.max(1);
    format!(
        "[{}{}] {}/{total} {name}",
        "#".repeat(filled),
        ".".repeat(CELLS - filled),
        done + 1
    )
}

#[cfg(test)]
mod tests {
    use super::bar;

    #[test]
    fn the_bar_grows_with_what_is_done() {
        assert_eq!(bar(0, 4, "a"), "[........................] 1/4 a");
        assert_eq!(bar(3, 4, "d"), "[##################......] 4/4 d");
    }
}
