//! Everything that is tested inside QEMU, as one of cargo's own tests: `cargo test` at the root runs it.
//!
//! Each suite is a command whose exit status is the guest's; that status decides. A word on the command line is a filter
//! on the names, as with cargo's own test programs; `--list` shows them. No lock is held: cargo has given up its own on
//! the build folder before a test program starts, so suites may call cargo.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use guest_tests::Count;

/// Whether a suite prints KTAP, whose results are then counted.
#[derive(Clone, Copy, PartialEq)]
enum Output {
    Ktap,
    Free,
}

struct Suite {
    name: &'static str,
    cpus: u8,
    output: Output,
    words: &'static [&'static str],
    /// What is typed at the console, all at once, before anybody asks for it.
    keys: &'static str,
    timeout_s: &'static str,
}

const KERNEL: &[&str] = &["cargo", "test", "--package", "postern", "--target", "aarch64-unknown-none-softfloat"];
const CONFORMANCE: &[&str] = &["make", "run", "CMD=conformance"];
/// On the kernel of the in-kernel tests, which has debug assertions and panics when a lock is taken out of order.
const CONFORMANCE_CHECKED: &[&str] = &["make", "run-tests-kernel", "CMD=conformance"];
/// The oracle: what passes in the guest must pass there too.
const CONFORMANCE_ON_LINUX: &[&str] = &["make", "linux", "CMD=conformance"];
/// All memory of a small machine, used up in every way.
const OUT_OF_MEMORY: &[&str] = &["make", "run", "MEM=64M", "CMD=conformance --suite out_of_memory"];
/// What uses things up and gives them back, on the same machine, whose memory was all in use before.
const EXHAUSTION: &[&str] =
    &["make", "run", "MEM=64M", "CMD=conformance --suite out_of_memory && conformance --suite exhaustion"];
const BENCHMARK: &[&str] = &[
    "make",
    "run",
    "CMD=ipcbench --quick && for s in herd fair cgroups ablate; do ipcbench --quick --suite $s || exit; done && \
     for s in seed-000 seed-001 seed-002; do ipcbench --count 20 --suite $s || exit; done",
];
/// Less of it: four CPUs wait for this machine's, which may be few and busy.
const BENCHMARK_4_CPUS: &[&str] = &[
    "make",
    "run",
    "CMD=ipcbench --quick --only 'syscall,process,*/write-read/1,*/latency/1,*/messages/64,*/chunks/4096'",
];

const SHELL: &[&str] = &["make", "run"];

/// Each line that is lost, or read by the wrong program, ends in a guest that fails or never powers off.
const LINES: &str = "sh -c 'read a; read b; test $a$b = onetwo' || echo 1 >/proc/postern/exit_status
one
two
read line; test $line = three || echo 2 >/proc/postern/exit_status
three
poweroff
";

const SUITES: &[Suite] = &[
    Suite { name: "kernel_1_cpu", cpus: 1, output: Output::Ktap, words: KERNEL, keys: "", timeout_s: BOOT_TIMEOUT_S },
    Suite { name: "kernel_4_cpus", cpus: 4, output: Output::Ktap, words: KERNEL, keys: "", timeout_s: BOOT_TIMEOUT_S },
    Suite {
        name: "conformance_1_cpu_checked",
        cpus: 1,
        output: Output::Ktap,
        words: CONFORMANCE_CHECKED,
        keys: "",
        timeout_s: BOOT_TIMEOUT_S,
    },
    Suite {
        name: "conformance_4_cpus",
        cpus: 4,
        output: Output::Ktap,
        words: CONFORMANCE,
        keys: "",
        timeout_s: BOOT_TIMEOUT_S,
    },
    Suite {
        name: "conformance_on_linux_2_cpus",
        cpus: 2,
        output: Output::Ktap,
        words: CONFORMANCE_ON_LINUX,
        keys: "",
        timeout_s: BOOT_TIMEOUT_S,
    },
    Suite {
        name: "out_of_memory_2_cpus",
        cpus: 2,
        output: Output::Ktap,
        words: OUT_OF_MEMORY,
        keys: "",
        timeout_s: BOOT_TIMEOUT_S,
    },
    Suite {
        name: "exhaustion_after_out_of_memory_1_cpu",
        cpus: 1,
        output: Output::Ktap,
        words: EXHAUSTION,
        keys: "",
        timeout_s: BOOT_TIMEOUT_S,
    },
    // Small runs, so that the benchmarks cannot rot.
    Suite {
        name: "ipcbench_1_cpu",
        cpus: 1,
        output: Output::Free,
        words: BENCHMARK,
        keys: "",
        timeout_s: BOOT_TIMEOUT_S,
    },
    Suite {
        name: "ipcbench_4_cpus",
        cpus: 4,
        output: Output::Free,
        words: BENCHMARK_4_CPUS,
        keys: "",
        timeout_s: BOOT_TIMEOUT_S,
    },
    Suite { name: "typed_ahead", cpus: 1, output: Output::Free, words: SHELL, keys: LINES, timeout_s: "60" },
];

/// For one boot of the built image; the kernel's own tests have their limit in their runner.
const BOOT_TIMEOUT_S: &str = "300";

fn main() -> ExitCode {
    let filters: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let chosen: Vec<&Suite> = SUITES
        .iter()
        .filter(|suite| filters.is_empty() || filters.iter().any(|filter| suite.name.contains(filter.as_str())))
        .collect();
    if std::env::args().any(|word| word == "--list") {
        chosen.iter().for_each(|suite| println!("{}: test", suite.name));
        return ExitCode::SUCCESS;
    }
    if chosen.is_empty() {
        return ExitCode::SUCCESS;
    }
    let failures = run_all(&chosen);
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the suites one after another (each may use every CPU of this machine) and returns how many failed.
fn run_all(suites: &[&Suite]) -> usize {
    let mut total = Count::default();
    let mut verdicts = Vec::new();
    let mut failures = 0;
    for suite in suites {
        progress(suite.name);
        let start = Instant::now();
        let (count, complaint) = run(suite);
        let verdict = complaint.as_deref().unwrap_or("ok");
        verdicts.push(format!("guest: {}: {verdict} ({:.1} s)", suite.name, start.elapsed().as_secs_f32()));
        failures += usize::from(complaint.is_some());
        total.passed += count.passed;
        // A suite that fails without a failed test in its output (a panic, a timeout) is one failure itself.
        total.failed += count.failed.max(usize::from(complaint.is_some()));
        total.skipped += count.skipped;
    }
    println!("\n{}\n", verdicts.join("\n"));
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    failures
}

/// Runs one suite with its output shown as it comes. Returns its count and what is wrong, if anything is.
fn run(suite: &Suite) -> (Count, Option<String>) {
    let mut count = Count::default();
    let cpus = suite.cpus.to_string();
    let child = command(suite.words)
        .env("POSTERN_SMP", &cpus)
        .env("SMP", &cpus)
        .env("TIMEOUT", suite.timeout_s)
        .stdin(if suite.keys.is_empty() { Stdio::null() } else { Stdio::piped() })
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            return (count, Some(format!("{} did not start: {error}", suite.words[0])));
        }
    };
    if let Some(mut keyboard) = child.stdin.take() {
        // A suite that ends before it has taken the keys has a status that says why.
        let _ = keyboard.write_all(suite.keys.as_bytes());
    }
    if let Some(output) = child.stdout.take() {
        // The console is bytes: a line that is not UTF-8 is shown as well as it can be.
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            println!("{}", line.trim_end_matches('\r'));
            count.on_line(&line);
        }
    }
    let complaint = match child.wait() {
        Ok(status) if !status.success() => Some(format!("FAILED ({status})")),
        Ok(_) if suite.output == Output::Ktap => count.complaint().map(|complaint| format!("FAILED ({complaint})")),
        Ok(_) => {
            count.passed = 1;
            None
        }
        Err(error) => Some(format!("FAILED (lost: {error})")),
    };
    (count, complaint)
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    command
}

fn progress(what: &str) {
    println!("\nguest: ---- {what} ----");
}
