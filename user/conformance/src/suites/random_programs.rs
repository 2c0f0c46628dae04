//! Random programs that once told two kernels apart, and some that did not: what they did on Linux, they do.
//!
//! Owns `random_programs.txt`: a title, and what `conformance --random --told` printed on Linux. Specification: Linux.

use crate::check::{Failure, Outcome, expect_eq, failed};
use crate::harness::Test;
use crate::random::{Care, Step, play};
use crate::scratch;

const PROGRAMS: &str = include_str!("random_programs.txt");

/// The tests: a program each, by its title.
pub fn tests() -> Vec<Test> {
    let told = PROGRAMS.split("\n\n").filter_map(|part| part.trim().strip_prefix("# "));
    let program = |(title, told): (&str, &'static str)| Test {
        name: title.replace(' ', "_"),
        body: Box::new(move || does_what_it_did(told)),
    };
    told.filter_map(|part| part.split_once('\n')).map(program).collect()
}

/// The steps in what a program did: its lines, but for those of processes that others woke or ended.
fn steps(told: &str) -> Result<Vec<Step>, Failure> {
    let lines = told.lines().filter(|line| !line.starts_with("  "));
    let step = |line: &str| Step::parse(line.split_once(" =").map_or(line, |(step, _)| step));
    lines.map(|line| step(line).map_err(|word| failed(format!("'{word}' in '{line}'")))).collect()
}

fn does_what_it_did(told: &str) -> Outcome {
    let steps = steps(told)?;
    scratch::enter()?;
    let text = play(&steps, Care::Sure)?;
    text.lines().zip(told.lines()).try_for_each(|(here, there)| expect_eq(here, there, "what is done"))?;
    expect_eq(text.lines().count(), told.lines().count(), "lines")
}
