//! The program as its users meet it: run on this machine's Linux, judged by what it prints and its status.

use std::collections::HashMap;
use std::process::{Command, Output};

use serde_json::Value;

fn ipcbench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ipcbench")).args(arguments).output().expect("ipcbench starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

/// The names `--list` begins its lines with.
fn listed() -> Vec<String> {
    let output = ipcbench(&["--list"]);
    assert!(output.status.success());
    let names = text(&output.stdout).lines().filter_map(|line| line.split_whitespace().next());
    names.map(str::to_owned).collect()
}

fn number(line: &Value, key: &str) -> u64 {
    line[key].as_u64().unwrap_or_else(|| panic!("{key} in {line}"))
}

/// Checks that a line's figures agree with each other.
fn check_plausible(line: &Value) {
    assert_eq!((line["schema"].as_u64(), line["status"].as_str()), (Some(1), Some("ok")), "{line}");
    let (operations, elapsed) = (number(line, "operations"), number(line, "elapsed"));
    assert!(operations >= 16 && elapsed > 0, "{line}");
    let per_operation = line["per_operation"].as_f64().expect("a figure");
    assert!((per_operation * operations as f64 / elapsed as f64 - 1.0).abs() < 0.01, "{line}");
    let ranks = ["min", "median", "p90", "p99", "max"].map(|rank| number(line, rank));
    assert!(ranks.is_sorted() && (16..=operations).contains(&number(line, "samples")), "{line}");
    if matches!(line["load"].as_str(), Some("messages" | "chunks")) {
        assert!(line["megabytes_per_second"].as_f64() > Some(0.0), "{line}");
    }
    assert_eq!(line["checksum"].is_string(), line["size_bytes"].is_u64(), "{line}");
}

#[test]
fn a_quick_run_measures_every_listed_benchmark() {
    let output = ipcbench(&["--quick", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "", "progress is for terminals only");
    let lines: Vec<Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    lines.iter().for_each(check_plausible);
    let names: Vec<_> = lines.iter().filter_map(|line| line["benchmark"].as_str()).collect();
    assert_eq!(names, listed());

    let operations: HashMap<_, _> =
        names.iter().copied().zip(lines.iter().map(|line| number(line, "operations"))).collect();
    assert_eq!(operations["pipe/latency/1"], 1000);
    assert_eq!(operations["shm/messages/64"], 2000);
    assert_eq!(operations["pipe/chunks/65536"], 16);
    assert!(operations["process/yield"] > 2000, "the second process's yields count too");
}

#[test]
fn equal_traffic_has_equal_checksums_whatever_carries_it() {
    // So many that both warm up with a tenth of the count, and not with their own least number.
    let output = ipcbench(&["--only", "*/messages/256", "--count", "20000", "--json"]);
    let lines = text(&output.stdout).lines();
    let sums: Vec<Value> =
        lines.map(|line| serde_json::from_str::<Value>(line).expect("a JSON line")["checksum"].clone()).collect();
    assert_eq!(sums.len(), 3);
    assert!(sums[0].is_string() && sums.iter().all(|sum| *sum == sums[0]), "{sums:?}");
}

#[test]
fn the_table_ends_with_a_comparison() {
    let output = ipcbench(&["--only", "*/latency/1", "--count", "50", "--pin", "0"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines: Vec<_> = text(&output.stdout).lines().collect();
    assert!(lines[0].starts_with("benchmark ") && lines[0].ends_with(" MB/s"));
    assert_eq!(lines.len(), 9, "a head, five rows, and a comparison of one load: {lines:#?}");
    assert_eq!(
        lines[7].split_whitespace().collect::<Vec<_>>(),
        ["ns/op", "futex", "eventfd", "pipe", "shm", "shm-futex"]
    );
    assert!(lines[8].starts_with("latency/1 "));
}

#[test]
fn sizes_and_units_are_the_ones_asked_for() {
    let output =
        ipcbench(&["--only", "pipe/latency", "--size", "3K", "--count", "20", "--unit", "instructions", "--json"]);
    let line: Value = serde_json::from_slice(&output.stdout).expect("one JSON line");
    assert_eq!(line["benchmark"], "pipe/latency/3072");
    assert_eq!(line["unit"], "instructions");
    assert!(line["messages_per_second"].is_null(), "instructions are not time");
}

#[test]
fn wrong_arguments_give_one_line_and_status_2() {
    for arguments in [&["--only", "tube"][..], &["--count", "many"], &["--pin", "0,0,0"], &["--frob"], &["pipe"]] {
        let output = ipcbench(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(text(&output.stdout), "");
        let complaint = text(&output.stderr);
        assert!(complaint.starts_with("ipcbench: ") && complaint.lines().count() == 1, "{complaint}");
    }
}

#[test]
fn a_failed_benchmark_is_reported_and_the_status_is_1() {
    let output = ipcbench(&["--only", "pipe/latency/1,syscall", "--count", "20", "--pin", "1023", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let statuses: Vec<_> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a JSON line")["status"].clone())
        .collect();
    assert_eq!(statuses, ["failed", "failed"]);
    assert!(text(&output.stderr).contains("pipe/latency/1: first process: pin to CPU 1023: Invalid argument"));
}
