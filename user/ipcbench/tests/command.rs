//! The program as its users meet it: run on this machine's Linux, judged by what it prints and its status.

use std::collections::HashMap;
use std::process::{Command, Output, Stdio};

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

/// Whether this system has none of the gates that are Postern's own: then they are skipped.
fn is_skipped(line: &Value) -> bool {
    let own = ["myipc", "hello", "hello-mmap", "hello-splice"];
    line["status"] == "skipped" && own.iter().any(|gate| line["mechanism"] == **gate)
}

/// Checks that a line's figures agree with each other.
fn check_plausible(line: &Value) {
    assert_eq!((line["schema"].as_u64(), line["status"].as_str()), (Some(2), Some("ok")), "{line}");
    let (operations, elapsed) = (number(line, "operations"), number(line, "elapsed"));
    assert!(operations >= 16 && elapsed > 0, "{line}");
    let per_operation = line["per_operation"].as_f64().expect("a figure");
    assert!((per_operation * operations as f64 / elapsed as f64 - 1.0).abs() < 0.01, "{line}");
    let ranks = ["min", "median", "p90", "p99", "max"].map(|rank| number(line, rank));
    assert!(ranks.is_sorted() && (16..=operations).contains(&number(line, "samples")), "{line}");
    let buckets = line["histogram"].as_array().expect("an array");
    let numbers: Vec<[u64; 3]> =
        buckets.iter().map(|it| [0, 1, 2].map(|at| it[at].as_u64().expect("a number"))).collect();
    assert_eq!(numbers.iter().map(|[_, _, count]| count).sum::<u64>(), number(line, "samples"), "{line}");
    let (first, last) = (numbers[0], numbers[numbers.len() - 1]);
    assert!((first[0]..first[1]).contains(&ranks[0]) && (last[0]..last[1]).contains(&ranks[4]), "{line}");
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
    lines.iter().filter(|line| !is_skipped(line)).for_each(check_plausible);
    let names: Vec<_> = lines.iter().filter_map(|line| line["benchmark"].as_str()).collect();
    assert_eq!(names, listed());

    let operations: HashMap<_, _> =
        names.iter().copied().zip(lines.iter().map(|line| line["operations"].as_u64().unwrap_or(0))).collect();
    assert_eq!(operations["pipe/latency/1"], 1000);
    assert_eq!(operations["shm/messages/64"], 2000);
    assert_eq!(operations["pipe/chunks/65536"], 16);
    assert!(operations["process/yield"] > 2000, "the second process's yields count too");
}

#[test]
fn equal_traffic_has_equal_checksums_whatever_carries_it() {
    // So many that both warm up with a tenth of the count, and not with their own least number.
    let output = ipcbench(&["--only", "*/messages/256", "--count", "20000", "--json"]);
    let lines = text(&output.stdout).lines().map(|line| serde_json::from_str::<Value>(line).expect("a JSON line"));
    let sums: Vec<Value> = lines.filter(|line| !is_skipped(line)).map(|line| line["checksum"].clone()).collect();
    assert!(sums.len() >= 3);
    assert!(sums[0].is_string() && sums.iter().all(|sum| *sum == sums[0]), "{sums:?}");
}

#[test]
fn the_table_ends_with_a_comparison() {
    let output = ipcbench(&["--only", "*/latency/1", "--count", "50", "--pin", "0"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines: Vec<_> = text(&output.stdout).lines().collect();
    assert!(lines[0].starts_with("benchmark ") && lines[0].ends_with(" MB/s"));
    assert_eq!(lines.len(), 17, "a head, nine rows and four more or why not, and a comparison of one load: {lines:#?}");
    let compared: Vec<_> = lines[15].split_whitespace().collect();
    assert_eq!(compared[..5], ["ns/op", "futex", "eventfd", "pipe", "fifo"]);
    assert_eq!(compared[5..10], ["unix-stream", "unix-dgram", "unix-seqpacket", "shm", "shm-futex"]);
    assert!(lines[16].starts_with("latency/1 "));
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
fn the_environment_may_name_the_unit_and_an_option_is_stronger() {
    let unit = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ipcbench"));
        command.args(["--only", "pipe/latency/1", "--count", "20", "--json"]).args(arguments);
        let output = command.env("IPCBENCH_UNIT", "instructions").output().expect("ipcbench starts");
        let line: Value = serde_json::from_slice(&output.stdout).expect("one JSON line");
        line["unit"].as_str().map(str::to_owned)
    };
    assert_eq!(unit(&[]).as_deref(), Some("instructions"));
    assert_eq!(unit(&["--unit", "ns"]).as_deref(), Some("ns"));
}

#[test]
fn wrong_arguments_give_one_line_and_status_2() {
    let lone = [
        &["--only", "tube"][..],
        &["--only", "a\nb"],
        &["--count", "many"],
        &["--pin", "0,0,0"],
        &["--frob"],
        &["pipe"],
    ];
    let together = [
        &["--only", "pipe/latency/1", "--size", "4K"][..],
        &["--only", "futex", "--size", "4K"],
        &["--suite", "herd", "--only", "pipe"],
        &["--suite", "cpus", "--unit", "instructions"],
        &["--suite", "seed-000", "--size", "1"],
        &["--list", "--json"],
        &["--pin", "1023"],
    ];
    for arguments in lone.into_iter().chain(together) {
        let output = ipcbench(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(text(&output.stdout), "");
        let complaint = text(&output.stderr);
        assert!(complaint.starts_with("ipcbench: ") && complaint.lines().count() == 1, "{complaint}");
    }
}

#[test]
fn a_failed_benchmark_is_reported_and_the_status_is_1() {
    // Standard input, output and error, and one descriptor more: no benchmark has the two of a pipe.
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 4 && exec \"$0\" --only pipe/latency/1,syscall --count 20 --json"])
        .arg(env!("CARGO_BIN_EXE_ipcbench"))
        .output()
        .expect("sh starts");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let statuses: Vec<_> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a JSON line")["status"].clone())
        .collect();
    assert_eq!(statuses, ["failed", "failed"]);
    let complaints: Vec<_> = text(&output.stderr).lines().collect();
    assert!(complaints[0].starts_with("ipcbench: syscall/null: pipe: Too many open files"), "{complaints:?}");
    assert!(complaints[1].starts_with("ipcbench: pipe/latency/1: connect: Too many open files"), "{complaints:?}");
    assert_eq!(complaints.len(), 2);
}

#[test]
fn output_that_nobody_reads_ends_it_quietly() {
    for arguments in ["--quick --only pipe", "--quick --only pipe --json", "--suite seed-001 --count 20"] {
        let mut ipcbench = Command::new(env!("CARGO_BIN_EXE_ipcbench"))
            .args(arguments.split(' '))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ipcbench starts");
        drop(ipcbench.stdout.take());
        let output = ipcbench.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), ""), "{arguments}");
    }
}

#[test]
fn output_that_cannot_be_written_is_one_line_and_status_1() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let output = Command::new(env!("CARGO_BIN_EXE_ipcbench")).arg("--list").stdout(full).output().expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "ipcbench: standard output: No space left on device (os error 28)\n");
}

/// Whether this system lacks the device at `path`.
fn is_missing(path: &str) -> bool {
    !std::path::Path::new(path).exists()
}

#[test]
fn a_gate_that_is_not_here_is_skipped_in_one_line_unless_it_is_asked_for() {
    if !is_missing("/dev/hello") {
        return;
    }
    let skipping = ipcbench(&["--only", "*/latency/1", "--count", "20"]);
    assert!(skipping.status.success() && skipping.stderr.is_empty(), "{}", text(&skipping.stderr));
    let lines = text(&skipping.stdout).lines().filter(|line| line.contains("skipped: no /dev/hello"));
    let gates: Vec<_> = lines.filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(gates, ["hello", "hello-mmap", "hello-splice"]);

    for asking in ["hello", "hello/latency/1", "pipe/latency/1,hello/latency/1", "hello-mm"] {
        let output = ipcbench(&["--only", asking, "--count", "20"]);
        assert_eq!(output.status.code(), Some(1), "{asking}");
        let complaint = text(&output.stderr);
        assert!(complaint.contains("no /dev/hello") || complaint.contains("nothing of that is here"), "{complaint}");
    }
}

#[test]
fn the_seeds_suites_run_with_what_is_here() {
    for (suite, row) in
        [("seed-000", "shm/table-2/256"), ("seed-001", "pipe/table-9-rtt/1"), ("seed-002", "pipe/latency/1")]
    {
        let output = ipcbench(&["--suite", suite, "--count", "20"]);
        assert!(output.status.success(), "{suite}: {}", text(&output.stderr));
        assert!(text(&output.stdout).lines().any(|line| line.starts_with(row)), "{suite}: {row}");
    }
    let deviations = ipcbench(&["--suite", "seed-001", "--count", "20"]);
    assert!(text(&deviations.stdout).contains("std dev"));
}

#[test]
fn a_sweep_goes_through_all_sizes_and_says_what_is_too_long() {
    let output =
        ipcbench(&["--suite", "sweep", "--count", "3", "--skip-absent", "--only", "pipe,unix-dgram,hello", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = text(&output.stdout).lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let statuses: Vec<(String, String)> = lines
        .map(|line| (line["benchmark"].as_str().unwrap().to_owned(), line["status"].as_str().unwrap().to_owned()))
        .collect();
    for (name, status) in
        [("pipe/stream/1048576", "ok"), ("unix-dgram/stream/64", "ok"), ("unix-dgram/stream/1048576", "skipped")]
    {
        assert!(statuses.contains(&(name.to_owned(), status.to_owned())), "{name} {status}: {statuses:?}");
    }
}

#[test]
fn the_model_is_fitted_to_the_pipe_wherever_it_is() {
    let output = ipcbench(&["--suite", "model", "--count", "50"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines: Vec<_> = text(&output.stdout).lines().collect();
    for start in
        ["pipe, ns", "syscall/null", "write-read/4096", "latency/1", "W ", "round trips, ns", "16384", "shm-futex: "]
    {
        assert!(lines.iter().any(|line| line.starts_with(start)), "no line begins with {start}: {lines:?}");
    }
}

#[test]
fn cpus_at_work_together_have_a_row_each() {
    let output = ipcbench(&["--suite", "cpus", "--quick", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for table in ["loop", "futex", "pipe", "unix-stream"] {
        let start = format!(r#"{{"schema":2,"suite":"cpus","table":"{table}","row":"1","unit":"ns","figures":{{"#);
        assert!(text(&output.stdout).lines().any(|line| line.starts_with(&start)), "{table}: {}", text(&output.stdout));
    }
}

#[test]
fn probes_say_what_they_lack() {
    if !is_missing("/dev/hello") {
        return;
    }
    let herd = ipcbench(&["--suite", "herd", "--quick"]);
    assert!(herd.status.success() && text(&herd.stdout).starts_with("pipe\n"), "the pipe's herd is everywhere");
    for probe in ["herd", "fair", "cgroups", "ablate"] {
        assert!(text(&ipcbench(&["--suite", probe, "--list"]).stdout).starts_with(probe));
    }
    for probe in ["fair", "cgroups", "ablate"] {
        let output = ipcbench(&["--suite", probe, "--quick"]);
        assert_eq!(output.status.code(), Some(1), "{probe}");
        assert!(
            text(&output.stderr).starts_with(&format!("ipcbench: {probe}: no /dev/hello")),
            "{}",
            text(&output.stderr)
        );
    }
}
