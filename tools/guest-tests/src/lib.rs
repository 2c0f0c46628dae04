//! Counts the results in a stream of KTAP lines, as the guest's test programs print them.
//!
//! Owns no stream: lines go in one at a time. The guest's exit status, not this count, decides whether a suite passed;
//! the count is for people, and it catches a suite that ends well without having run what it planned.
//! Specification: Linux's Documentation/dev-tools/ktap.rst; only results at the outermost level count.

pub mod machine;

/// What a suite has said so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// `ok` without a SKIP directive.
    pub passed: usize,
    /// `not ok`.
    pub failed: usize,
    /// `ok … # SKIP`.
    pub skipped: usize,
    /// From the plan line `1..N`; the sum if several programs ran, one after the other.
    pub planned: Option<usize>,
}

impl Count {
    /// Takes the next line in; lines that are not KTAP, as the console also has, change nothing.
    pub fn on_line(&mut self, line: &str) {
        let line = line.trim_end();
        if let Some(planned) = line.strip_prefix("1..") {
            if let Ok(planned) = planned.parse::<usize>() {
                self.planned = Some(self.planned.unwrap_or(0) + planned);
            }
        } else if is_result(line, "not ok ") {
            self.failed += 1;
        } else if is_result(line, "ok ") {
            if line.to_ascii_uppercase().contains("# SKIP") {
                self.skipped += 1;
            } else {
                self.passed += 1;
            }
        }
    }

    /// What is wrong with the count itself: `None` when every planned test, and at least one, gave its result.
    pub fn complaint(&self) -> Option<String> {
        let seen = self.passed + self.failed + self.skipped;
        match self.planned {
            None => Some("no test plan (1..N) was printed".to_owned()),
            Some(planned) if planned != seen => Some(format!("{planned} tests were planned, {seen} gave a result")),
            Some(0) => Some("no test was run".to_owned()),
            Some(_) if self.failed > 0 => Some(format!("{} failed", self.failed)),
            Some(_) => None,
        }
    }
}

/// `prefix` and then the test's number.
fn is_result(line: &str, prefix: &str) -> bool {
    line.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> Count {
        let mut count = Count::default();
        text.lines().for_each(|line| count.on_line(line));
        count
    }

    #[test]
    fn plans_of_several_programs_add_up() {
        let count = count("1..1\nok 1 a\n1..2\nok 1 b\nok 2 c\n");
        assert_eq!((count.planned, count.passed, count.complaint()), (Some(3), 3, None));
    }

    #[test]
    fn results_are_counted_among_other_console_lines() {
        let count = count(
            "booting\r\nKTAP version 1\r\n1..4\r\nok 1 a\r\nnot ok 2 b\r\nok 3 c # SKIP no clock\r\nok then\r\nok 4 d\r\n",
        );
        assert_eq!(count, Count { passed: 2, failed: 1, skipped: 1, planned: Some(4) });
    }

    #[test]
    fn subtests_do_not_count() {
        let count = count("1..1\n    1..2\n    ok 1 x\n    not ok 2 y\nok 1 both");
        assert_eq!(count, Count { passed: 1, planned: Some(1), ..Count::default() });
        assert_eq!(count.complaint(), None);
    }

    #[test]
    fn a_suite_that_stops_early_or_runs_nothing_is_reported() {
        assert!(count("").complaint().is_some());
        assert!(count("ok 1 a").complaint().is_some());
        assert!(count("1..0").complaint().is_some());
        assert!(count("1..2\nok 1 a").complaint().is_some());
        assert!(count("1..1\nnot ok 1 a").complaint().is_some());
        assert!(count("1..1\nok 1 a\nok 2 b").complaint().is_some());
    }
}
