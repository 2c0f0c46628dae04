//! The programs of tests, and small runs of the benchmarks, so that they cannot rot: each a command whose exit status is the
//! guest's. That status decides; lines of KTAP are counted as well.
//!
//! What a command prints is shown if it fails, or with `--nocapture`. Cargo has given up its lock on the build folder before a
//! test program starts, so a command may call cargo.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use guest_tests::Count;
use guest_tests::machine::{self, Built};

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

/// For one boot, on a machine that may be busy with others; the kernel's own tests have their limit in their runner.
const BOOT_TIMEOUT_S: &str = "300";

const KERNEL: &[&str] = &["cargo", "test", "--package", "postern", "--target", "aarch64-unknown-none-softfloat"];
/// On the kernel of the in-kernel tests, which has debug assertions and panics when a lock is taken out of order.
const CONFORMANCE_CHECKED: &[&str] = &["make", "run-tests-kernel", "CMD=conformance"];
const CONFORMANCE: &[&str] = &["tools/run", "--", "conformance"];
/// The oracle: what passes in the guest must pass there too.
const CONFORMANCE_ON_LINUX: &[&str] = &["tools/run", "--linux", "--", "conformance"];
/// All memory of a small machine, used up in every way.
const OUT_OF_MEMORY: &[&str] = &["env", "MEM=64M", "tools/run", "--", "conformance --suite out_of_memory"];
/// What uses things up and gives them back, on the same machine, whose memory was all in use before.
const EXHAUSTION: &[&str] =
    &["env", "MEM=64M", "tools/run", "--", "conformance --suite out_of_memory && conformance --suite exhaustion"];
const BENCHMARK: &[&str] = &[
    "tools/run",
    "--",
    "ipcbench --quick && for s in herd fair cgroups ablate cpus; do ipcbench --quick --suite $s || exit; done && \
     for s in seed-000 seed-001 seed-002; do ipcbench --count 20 --suite $s || exit; done",
];
/// Less of it: four CPUs wait for this machine's, which may be few and busy.
const BENCHMARK_4_CPUS: &[&str] = &[
    "tools/run",
    "--",
    "ipcbench --quick --only 'syscall,process,*/write-read/1,*/latency/1,*/messages/64,*/chunks/4096'",
];

/// Each line that is lost, or read by the wrong program, ends in a guest that fails or never powers off.
const LINES: &str = "sh -c 'read a; read b; test $a$b = onetwo' || echo 1 >/proc/postern/exit_status
one
two
read line; test $line = three || echo 2 >/proc/postern/exit_status
three
poweroff
";

#[test]
fn conformance_1_cpu_checked() {
    Built::Image.ensure();
    Suite::of_tests("conformance_1_cpu_checked", 1, CONFORMANCE_CHECKED).assert_passes();
}

#[test]
fn conformance_4_cpus() {
    Built::Image.ensure();
    Suite::of_tests("conformance_4_cpus", 4, CONFORMANCE).assert_passes();
}

#[test]
fn conformance_on_linux_2_cpus() {
    Built::Everything.ensure();
    Suite::of_tests("conformance_on_linux_2_cpus", 2, CONFORMANCE_ON_LINUX).assert_passes();
}

#[test]
fn exhaustion_after_out_of_memory_1_cpu() {
    Built::Image.ensure();
    Suite::of_tests("exhaustion_after_out_of_memory_1_cpu", 1, EXHAUSTION).assert_passes();
}

#[test]
fn ipcbench_1_cpu() {
    Built::Image.ensure();
    Suite::of_anything("ipcbench_1_cpu", 1, BENCHMARK).assert_passes();
}

#[test]
fn ipcbench_4_cpus() {
    Built::Image.ensure();
    Suite::of_anything("ipcbench_4_cpus", 4, BENCHMARK_4_CPUS).assert_passes();
}

#[test]
fn kernel_1_cpu() {
    Suite::of_tests("kernel_1_cpu", 1, KERNEL).assert_passes();
}

#[test]
fn kernel_4_cpus() {
    Suite::of_tests("kernel_4_cpus", 4, KERNEL).assert_passes();
}

#[test]
fn out_of_memory_2_cpus() {
    Built::Image.ensure();
    Suite::of_tests("out_of_memory_2_cpus", 2, OUT_OF_MEMORY).assert_passes();
}

#[test]
fn typed_ahead() {
    Built::Image.ensure();
    let suite = Suite::of_anything("typed_ahead", 1, &["tools/run"]);
    Suite { keys: LINES, timeout_s: "60", ..suite }.assert_passes();
}

impl Suite {
    /// A command that prints KTAP.
    const fn of_tests(name: &'static str, cpus: u8, words: &'static [&'static str]) -> Self {
        Self { name, cpus, output: Output::Ktap, words, keys: "", timeout_s: BOOT_TIMEOUT_S }
    }

    /// A command of which nothing but the status counts.
    const fn of_anything(name: &'static str, cpus: u8, words: &'static [&'static str]) -> Self {
        Self { output: Output::Free, ..Self::of_tests(name, cpus, words) }
    }

    /// Runs it, and tells what it came to, also where the output of tests is not shown.
    fn assert_passes(&self) {
        let start = Instant::now();
        let mut count = Count::default();
        let mut failures = Vec::new();
        let verdict = self.run(&mut count, &mut failures);
        let took = start.elapsed().as_secs_f32();
        let results = match self.output {
            Output::Ktap => format!(" {} passed, {} failed, {} skipped", count.passed, count.failed, count.skipped),
            Output::Free => String::new(),
        };
        let told = verdict.as_ref().map_or_else(|complaint| format!("FAILED ({complaint})"), |()| "ok".to_owned());
        // Not by a macro: those are what libtest captures. That nobody reads is no reason to fail.
        let _ = writeln!(std::io::stderr(), "guest: {}: {told}{results} ({took:.1} s)", self.name);
        if let Err(complaint) = verdict {
            panic!("{}: {complaint}\n{}", self.name, failures.join("\n"));
        }
    }

    /// Shows the output as it comes, if anybody is shown it, and returns what is wrong, with the lines that say so.
    fn run(&self, count: &mut Count, failures: &mut Vec<String>) -> Result<(), String> {
        let mut child = self.command().spawn().map_err(|error| format!("{} did not start: {error}", self.words[0]))?;
        if let Some(mut keyboard) = child.stdin.take() {
            // A suite that ends before it has taken the keys has a status that says why.
            let _ = keyboard.write_all(self.keys.as_bytes());
        }
        if let Some(output) = child.stdout.take() {
            let mut remarks = Vec::new();
            // The console is bytes: a line that is not UTF-8 is shown as well as it can be.
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
                println!("{line}");
                count.on_line(&line);
                // Remarks stand before the result that they are about.
                if line.starts_with('#') {
                    remarks.push(line);
                } else if line.starts_with("not ok ") {
                    failures.extend(remarks.drain(..).chain([line]));
                } else {
                    remarks.clear();
                }
            }
        }
        let status = child.wait().map_err(|error| format!("lost: {error}"))?;
        if !status.success() {
            return Err(status.to_string());
        }
        match count.complaint() {
            Some(complaint) if self.output == Output::Ktap => Err(complaint),
            _ => Ok(()),
        }
    }

    fn command(&self) -> Command {
        let cpus = self.cpus.to_string();
        let mut command = Command::new(self.words[0]);
        command.args(&self.words[1..]).current_dir(machine::root());
        command.env("POSTERN_SMP", &cpus).env("SMP", &cpus).env("TIMEOUT", self.timeout_s);
        command.stdin(if self.keys.is_empty() { Stdio::null() } else { Stdio::piped() }).stdout(Stdio::piped());
        command
    }
}
