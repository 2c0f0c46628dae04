//! Two reports of one test program, test by test, and the file of differences that are as they should be.
//!
//! A line of that file is `PATTERN LINUX POSTERN REASON`: `*` in the pattern stands for anything, and the two words are the
//! verdicts (passed, failed, skipped). It is exact: it holds for every test that it matches, and it matches one at least. `#`
//! begins a remark.

use anyhow::{Context, Result, ensure};

use crate::ktap::{Report, Verdict};

/// A line of the file: what it matches differs in this way, for a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// For the names of tests.
    pub pattern: String,
    /// On Linux.
    pub linux: Verdict,
    /// On Postern.
    pub postern: Verdict,
    /// Why this is right.
    pub reason: String,
}

/// How much of the program ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of it: a line of the file that matches nothing is wrong.
    Everything,
    /// Some tests.
    Part,
}

/// What a comparison came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Tests that gave the same on both, and did not fail.
    pub alike: usize,
    /// Tests that differ as the file says.
    pub accepted: usize,
    /// A line each: what differs and is not in the file, what is in the file and does not differ so.
    pub complaints: Vec<String>,
}

/// Reads the file.
///
/// # Errors
/// If a line is not of its form; the message names it.
pub fn read(text: &str) -> Result<Vec<Accepted>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|(at, line)| accepted(line).with_context(|| format!("line {}", at + 1))).collect()
}

fn accepted(line: &str) -> Result<Accepted> {
    let mut words = line.split_whitespace();
    let mut word = || words.next().context("is not PATTERN LINUX POSTERN REASON");
    let (pattern, linux, postern) = (word()?.to_owned(), word()?.parse()?, word()?.parse()?);
    let reason = words.collect::<Vec<_>>().join(" ");
    ensure!(!reason.is_empty(), "'{pattern}' has no reason");
    Ok(Accepted { pattern, linux, postern, reason })
}

/// Whether `name` is as `pattern` says.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|left| {
            left.char_indices().map(|(at, _)| at).chain([left.len()]).any(|at| matches(rest, &left[at..]))
        }),
    }
}

/// Compares.
pub fn compare(linux: &Report, postern: &Report, file: &[Accepted], scope: Scope) -> Comparison {
    let mut comparison = Comparison::default();
    let mut is_used = vec![false; file.len()];
    let only_there = postern.keys().filter(|name| !linux.contains_key(*name));
    for name in linux.keys().chain(only_there) {
        let here = (linux.get(name).copied(), postern.get(name).copied());
        let mut lines = file.iter().enumerate().filter(|(_, line)| matches(&line.pattern, name));
        match (lines.next(), lines.next()) {
            (None, _) if here.0 == here.1 && here.0 != Some(Verdict::Failed) => comparison.alike += 1,
            (None, _) => comparison.complaints.push(format!("{name}: {}", told(here))),
            (Some((at, line)), None) => {
                is_used[at] = true;
                if here == (Some(line.linux), Some(line.postern)) {
                    comparison.accepted += 1;
                } else {
                    let pattern = &line.pattern;
                    comparison.complaints.push(format!("{name}: {}, which is not as '{pattern}' has it", told(here)));
                }
            }
            (Some((at, one)), Some((_, other))) => {
                is_used[at] = true;
                comparison.complaints.push(format!("{name}: both '{}' and '{}' match", one.pattern, other.pattern));
            }
        }
    }
    if scope == Scope::Everything {
        let unused = file.iter().zip(is_used).filter(|(_, is_used)| !is_used);
        comparison.complaints.extend(unused.map(|(line, _)| format!("'{}' matches no test", line.pattern)));
    }
    comparison
}

fn told((linux, postern): (Option<Verdict>, Option<Verdict>)) -> String {
    let word = |verdict: Option<Verdict>| verdict.map_or_else(|| "absent".to_owned(), |verdict| verdict.to_string());
    format!("{} on Linux, {} on Postern", word(linux), word(postern))
}

#[cfg(test)]
mod tests {
    use super::{Scope, compare, matches, read};
    use crate::ktap::parse;

    const FILE: &str = "# pattern linux postern reason\n\nhello_*.* skipped passed a device of Postern's\n";

    fn complaints(linux: &str, postern: &str, file: &str, scope: Scope) -> Vec<String> {
        let file = read(file).unwrap();
        compare(&parse(linux).unwrap(), &parse(postern).unwrap(), &file, scope).complaints
    }

    #[test]
    fn what_is_alike_and_what_differs_as_the_file_says_is_counted() {
        let linux = parse("1..3\nok 1 a.x\nok 2 hello_a.x # SKIP\nok 3 a.y # SKIP").unwrap();
        let postern = parse("1..3\nok 1 a.x\nok 2 hello_a.x\nok 3 a.y # SKIP").unwrap();
        let comparison = compare(&linux, &postern, &read(FILE).unwrap(), Scope::Everything);
        assert_eq!((comparison.alike, comparison.accepted, comparison.complaints), (2, 1, Vec::<String>::new()));
    }

    #[test]
    fn a_difference_that_is_not_in_the_file_is_told_with_both_verdicts() {
        let told = complaints("1..1\nok 1 a.x", "1..1\nok 1 a.x # SKIP", "", Scope::Everything);
        assert_eq!(told, ["a.x: passed on Linux, skipped on Postern"]);
        let told = complaints("1..1\nok 1 a.x", "1..1\nok 1 a.y", "", Scope::Everything);
        assert_eq!(told, ["a.x: passed on Linux, absent on Postern", "a.y: absent on Linux, passed on Postern"]);
    }

    #[test]
    fn a_test_that_fails_on_both_is_a_difference_from_what_was_expected() {
        let failing = "1..1\nnot ok 1 a.x";
        assert_eq!(complaints(failing, failing, "", Scope::Everything), ["a.x: failed on Linux, failed on Postern"]);
        assert!(complaints(failing, failing, "a.x failed failed known", Scope::Everything).is_empty());
    }

    #[test]
    fn a_line_that_matches_a_test_which_does_not_differ_so_is_told() {
        let both = "1..1\nok 1 hello_a.x";
        let told = complaints(both, both, FILE, Scope::Everything);
        assert_eq!(told, ["hello_a.x: passed on Linux, passed on Postern, which is not as 'hello_*.*' has it"]);
    }

    #[test]
    fn a_line_that_matches_nothing_is_told_if_everything_ran() {
        let both = "1..1\nok 1 a.x";
        assert_eq!(complaints(both, both, FILE, Scope::Everything), ["'hello_*.*' matches no test"]);
        assert!(complaints(both, both, FILE, Scope::Part).is_empty());
    }

    #[test]
    fn a_test_that_two_lines_match_is_told() {
        let file = format!("{FILE}hello_a.x skipped passed again\n");
        let told = complaints("1..1\nok 1 hello_a.x # SKIP", "1..1\nok 1 hello_a.x", &file, Scope::Part);
        assert_eq!(told, ["hello_a.x: both 'hello_*.*' and 'hello_a.x' match"]);
    }

    #[test]
    fn a_star_stands_for_anything_and_nothing() {
        for (pattern, name) in [("a.x", "a.x"), ("a.*", "a."), ("*x", "a.x"), ("a*b*c", "a-b-b-c"), ("*", "")] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a.x", "a.xy"), ("a.*", "b.x"), ("*x", "a.xy"), ("a*b*c", "a-c-b")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_line_without_reason_or_verdict_is_refused_by_its_number() {
        for line in ["a.x skipped passed", "a.x skipped", "a.x skipped good because"] {
            let error = read(&format!("# one\n{line}\n")).unwrap_err();
            assert_eq!(error.to_string(), "line 2", "{line}");
        }
    }
}
