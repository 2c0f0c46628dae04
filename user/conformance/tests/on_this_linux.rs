//! Runs the whole program on the Linux that builds it: the oracle must agree with every sentence.

use std::process::{Command, Output};

fn conformance(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_conformance");
    Command::new(program).args(arguments).output().expect("the program under test runs")
}

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

#[test]
fn every_sentence_holds_here() {
    let output = conformance(&[]);
    let report = text(&output.stdout);
    let failures: Vec<&str> = report.lines().filter(|line| !line.starts_with("ok ")).collect();
    assert_eq!(output.status.code(), Some(0), "{failures:#?}");
    assert!(report.starts_with("KTAP version 1\n1.."), "a KTAP report begins with version and plan");
}

#[test]
fn list_names_the_tests_and_only_selects_among_them() {
    let all = text(&conformance(&["--list"]).stdout);
    let some = text(&conformance(&["--list", "--only", "epipe"]).stdout);
    assert!(all.lines().count() > some.lines().count());
    assert!(some.lines().count() > 0 && some.lines().all(|name| name.contains("epipe")));
    let suite = text(&conformance(&["--list", "--suite", "pipe"]).stdout);
    assert!(suite.lines().all(|name| name.starts_with("pipe.")));
}

#[test]
fn wrong_arguments_give_one_line_and_status_2() {
    for arguments in [&["--unknown"][..], &["--only"], &["--timeout", "soon"], &["--suite", "nothing"]] {
        let output = conformance(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(text(&output.stderr).lines().count(), 1, "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}
