//! Conformance tests: one per sentence of POSIX and of Linux's man pages, reported as KTAP.
//!
//! The same binary runs on any Linux, which is the oracle, and in Postern's guest. Arguments: `--list`,
//! `--only SUBSTRING`, `--suite NAME`, `--timeout SECONDS`. Exit status: 0 if nothing failed, 1 if something did, 2 for wrong
//! arguments, 3 if the harness itself could not work. To add a test, write a function in the suite's file and name it in
//! the `tests!` list there.

pub mod check;
mod counts;
pub mod harness;
mod patience;
mod probe;
pub mod random;
mod scratch;
mod suites;
pub mod sys;

use check::Failure;
use harness::{Suite, Test, Verdict};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "usage: conformance [--help] [--list] [--only SUBSTRING] [--suite NAME] [--timeout SECONDS]";

/// What the command line asks for.
struct Request {
    list: bool,
    only: Option<String>,
    suite: Option<String>,
    limit: Duration,
}

/// The whole program: its arguments are the process's, its exit status is returned.
pub fn run() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(code) = probe::run_if_asked(&arguments) {
        return code;
    }
    if let Some(code) = random::run_if_asked(&arguments) {
        return code;
    }
    if arguments.iter().any(|word| word == "--help") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let request = match parse(&arguments) {
        Ok(request) => request,
        Err(reason) => {
            eprintln!("conformance: {reason}; {USAGE}");
            return ExitCode::from(2);
        }
    };
    let chosen = select(&request);
    if chosen.is_empty() {
        eprintln!("conformance: no test matches; --list shows them all");
        return ExitCode::from(2);
    }
    if request.list {
        let names: Vec<_> = chosen.iter().map(|(name, _)| name.as_str()).collect();
        // Whoever reads may have seen enough: no error of ours.
        let told = std::io::stdout().write_all((names.join("\n") + "\n").as_bytes());
        return if told.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    match report(&chosen, request.limit) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(Failure::Failed(reason) | Failure::Skipped(reason)) => {
            println!("Bail out! {reason}");
            ExitCode::from(3)
        }
    }
}

fn parse(arguments: &[String]) -> Result<Request, String> {
    let mut request = Request { list: false, only: None, suite: None, limit: Duration::from_secs(20) };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().cloned().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--list" => request.list = true,
            "--only" => request.only = Some(value()?),
            "--suite" => request.suite = Some(value()?),
            "--timeout" => request.limit = seconds(&value()?)?,
            _ => return Err(format!("unknown argument '{word}'")),
        }
    }
    Ok(request)
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("--timeout takes whole seconds from 1 up, not '{text}'")),
    }
}

/// The tests that the request names, each with its full name.
fn select(request: &Request) -> Vec<(String, Test)> {
    let wanted = |suite: &&Suite| request.suite.as_ref().is_none_or(|name| name == suite.name);
    let mut chosen = Vec::new();
    for suite in suites::ALL.iter().filter(wanted) {
        for test in (suite.tests)() {
            let name = format!("{}.{}", suite.name, test.name);
            if request.only.as_ref().is_none_or(|part| name.contains(part.as_str())) {
                chosen.push((name, test));
            }
        }
    }
    chosen
}

/// Runs the tests and prints the KTAP report; returns the number of failures.
fn report(chosen: &[(String, Test)], limit: Duration) -> Result<usize, Failure> {
    harness::prepare()?;
    println!("KTAP version 1");
    println!("1..{}", chosen.len());
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (number, (name, test)) in chosen.iter().enumerate().map(|(index, entry)| (index + 1, entry)) {
        let (verdict, text) = harness::run(test, limit)?;
        match verdict {
            Verdict::Passed => {
                passed += 1;
                println!("ok {number} {name}");
            }
            Verdict::Skipped(reason) => {
                skipped += 1;
                println!("ok {number} {name} # SKIP {reason}");
            }
            Verdict::Failed(reason) => {
                failed += 1;
                for line in text.lines() {
                    println!("# {line}");
                }
                let reason = if reason.is_empty() { reason } else { format!(" # {reason}") };
                println!("not ok {number} {name}{reason}");
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    println!("# {passed} passed, {failed} failed, {skipped} skipped");
    Ok(failed)
}
