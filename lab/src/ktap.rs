//! What a test program said, from the KTAP lines among whatever else a console shows.
//!
//! A report is whole or it is none: every planned test has its result, once. Specification: Linux's
//! Documentation/dev-tools/ktap.rst, of which only results at the outermost level count.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result, bail, ensure};

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// `ok`.
    Passed,
    /// `not ok`.
    Failed,
    /// `ok … # SKIP`: it could not be tried.
    Skipped,
}

impl Verdict {
    const ALL: [Self; 3] = [Self::Passed, Self::Failed, Self::Skipped];

    const fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl std::str::FromStr for Verdict {
    type Err = anyhow::Error;

    fn from_str(word: &str) -> Result<Self> {
        let verdict = Self::ALL.into_iter().find(|verdict| verdict.word() == word);
        verdict.with_context(|| format!("'{word}' is none of passed, failed and skipped"))
    }
}

/// The verdict of each test, by its name.
pub type Report = BTreeMap<String, Verdict>;

/// The number of planned tests, if this line is the plan.
pub fn plan(line: &str) -> Option<usize> {
    line.trim_end().strip_prefix("1..")?.parse().ok()
}

/// The result that this line is, if it is one: number, name, verdict.
pub fn result(line: &str) -> Option<(usize, &str, Verdict)> {
    let (rest, ok) = match line.strip_prefix("not ok ") {
        Some(rest) => (rest, false),
        None => (line.strip_prefix("ok ")?, true),
    };
    let (number, rest) = rest.split_once(' ')?;
    let (name, directive) = rest.split_once(" # ").unwrap_or((rest, ""));
    let verdict = match ok {
        false => Verdict::Failed,
        true if directive.to_ascii_uppercase().starts_with("SKIP") => Verdict::Skipped,
        true => Verdict::Passed,
    };
    Some((number.parse().ok()?, name.trim_end(), verdict))
}

/// Reads a whole report.
///
/// # Errors
/// If there is no plan, a planned test has no result, or a name has two; the message says after which test it broke off.
pub fn parse(text: &str) -> Result<Report> {
    let planned = text.lines().find_map(plan).context("no test plan (1..N) was printed")?;
    let mut report = Report::new();
    let mut last = "the plan";
    for (number, name, verdict) in text.lines().filter_map(result) {
        ensure!(number == report.len() + 1, "result {number} follows {last}, which is number {}", report.len());
        ensure!(report.insert(name.to_owned(), verdict).is_none(), "'{name}' has two results");
        last = name;
    }
    if report.len() != planned {
        bail!("{planned} tests were planned, {} gave a result; the last was {last}", report.len());
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::{Verdict, parse};

    fn verdicts(text: &str) -> Vec<(String, Verdict)> {
        parse(text).unwrap().into_iter().collect()
    }

    fn complaint(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn results_are_read_among_other_lines_of_the_console() {
        let text = "booting\nKTAP version 1\n1..4\nok 1 a.x\n# why\nnot ok 2 a.y # timed out\nok 3 b.x # SKIP no clock\n\
                    ok then\n    ok 1 part\nok 4 b.y # skip too\n3 passed, 1 failed\n";
        let expected =
            [("a.x", Verdict::Passed), ("a.y", Verdict::Failed), ("b.x", Verdict::Skipped), ("b.y", Verdict::Skipped)];
        assert_eq!(verdicts(text), expected.map(|(name, verdict)| (name.to_owned(), verdict)));
    }

    #[test]
    fn a_report_that_breaks_off_is_none_and_names_the_last_test() {
        assert_eq!(complaint("1..2\nok 1 a"), "2 tests were planned, 1 gave a result; the last was a");
        assert!(complaint("ok 1 a").contains("no test plan"));
    }

    #[test]
    fn a_lost_line_and_a_name_twice_are_told() {
        assert!(complaint("1..3\nok 1 a\nok 3 c").contains("result 3 follows a"));
        assert_eq!(complaint("1..2\nok 1 a\nok 2 a"), "'a' has two results");
    }
}
