//! The command line. Wrong arguments become one line and status 2. Pure values.

use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::benchmark::{Effort, Plan};
use crate::catalogue::SIZE_LIMIT;
use crate::system::affinity::CPU_LIMIT;

/// What the clock's ticks are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Unit {
    /// Nanoseconds.
    Ns,
    /// Guest instructions.
    Instructions,
}

impl Unit {
    /// As written in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ns => "ns",
            Self::Instructions => "instructions",
        }
    }

    /// As written at the head of a column.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Ns => "ns",
            Self::Instructions => "instr",
        }
    }
}

/// A set of benchmarks of its own, instead of the usual ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// The workloads of seed 000: tables 1 to 3, and its bulk transfer
    #[value(name = "seed-000")]
    Seed000,
    /// The workloads of seed 001: tables 8 to 10
    #[value(name = "seed-001")]
    Seed001,
    /// The workloads of seed 002: round trip, bandwidth, and its options A and B
    #[value(name = "seed-002")]
    Seed002,
    /// Wakes, switches and cost of an event for 1 to 64 waiters
    Herd,
    /// Which of several waiters gets how much, and in what order
    Fair,
    /// Every mechanism with messages of 1 B to 1 MiB
    Sweep,
    /// What several CPUs get done together: a pair of processes on each
    Cpus,
    /// 1 to 1,000 control groups: the cost of an open and of a message
    Cgroups,
    /// Each switch of /dev/hello off in turn
    Ablate,
    /// What a transfer is made of: four terms fitted to figures, and where shared memory becomes cheaper
    Model,
}

/// Measure the latency and throughput of inter-process communication.
///
/// Each figure per operation is a bulk loop timed as a whole and divided; min, median, p90, p99 and max
/// are of operations timed one by one in a pass of their own. What arrives is checked by checksums: every byte
/// during warm-up, both ends of every message while timing.
#[derive(Debug, Parser)]
#[command(name = "ipcbench", version, after_help = AFTER_HELP)]
pub struct Options {
    /// List the benchmarks (those of --only) and what one operation of each is
    #[arg(long)]
    pub list: bool,

    /// Run only these: names, beginnings of names, or patterns with * and ?
    #[arg(long, value_name = "NAME", value_delimiter = ',', num_args = 1)]
    pub only: Vec<String>,

    /// Run this instead of the usual benchmarks
    #[arg(long, value_enum)]
    pub suite: Option<Suite>,

    /// Time N operations of each benchmark
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub count: Option<u64>,

    /// Send messages of this size (512, 4K, 1M) where the mechanism leaves a choice
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    pub size: Option<usize>,

    /// Keep the first process on one CPU and the second on another (or the same)
    #[arg(long, value_name = "CPU[,CPU]", value_parser = parse_pin)]
    pub pin: Option<Pin>,

    /// Small counts: a look, not a figure to quote
    #[arg(long)]
    pub quick: bool,

    /// What is not here is no failure, even if --only asks for it by its name
    #[arg(long)]
    pub skip_absent: bool,

    /// Print one JSON object a line instead of the table
    #[arg(long, conflicts_with = "list")]
    pub json: bool,

    /// What the clock counts
    #[arg(long, value_enum, env = "IPCBENCH_UNIT", default_value_t = Unit::Ns)]
    pub unit: Unit,

    /// Give up on a benchmark that takes longer
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub timeout: u32,
}

const AFTER_HELP: &str = "\
`--unit instructions` only names the unit; nothing is converted. It is true under `qemu -icount shift=0`, where the
guest's clock advances one nanosecond an instruction (of all its CPUs together), and nowhere else. Instructions are
not time, so no rates are given then. calibration/loop should come to 1000 and a few; if not, a warning says so.

On a terminal a bar shows the progress; TERM=dumb switches it off, and so does --json.

What this system does not have (/dev/hello on another kernel) is skipped, unless --only asks for it by its name and
--skip-absent is not given.

Exit status: 0 when everything ran and every checksum was right, 1 when not, 2 for wrong arguments.";

/// Where the two processes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    first: usize,
    second: usize,
}

impl Pin {
    /// The CPUs of the first and the second process.
    pub fn cpus(self) -> [usize; 2] {
        [self.first, self.second]
    }
}

impl Options {
    /// Reads `arguments`, the program's name first.
    ///
    /// # Errors
    /// [`Refusal`] says what to print and how to exit.
    pub fn read<I: IntoIterator<Item = std::ffi::OsString>>(arguments: I) -> Result<Self, Refusal> {
        Self::try_parse_from(arguments).map_err(|error| {
            let text = error.render().to_string();
            if error.use_stderr() { Refusal::Wrong(one_line(&text)) } else { Refusal::Answered(text) }
        })
    }

    /// Whether --only asks for `mechanism` by its name: what is asked for so must be there, unless --skip-absent says otherwise.
    pub fn asks_for(&self, mechanism: &str) -> bool {
        !self.skip_absent && self.only.iter().any(|pattern| pattern.split('/').next() == Some(mechanism))
    }

    /// How benchmarks are to be run.
    pub fn plan(&self) -> Plan {
        let effort = match (self.count, self.quick) {
            (Some(count), _) => Effort::Exactly(count),
            (None, true) => Effort::Quick,
            (None, false) => Effort::Full,
        };
        Plan {
            effort,
            cpus: self.pin.map_or([None; 2], |pin| pin.cpus().map(Some)),
            deadline: Duration::from_secs(self.timeout.into()),
        }
    }
}

/// Why there is nothing to run.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The question (help, version) is answered by this text.
    Answered(String),
    /// The arguments are wrong, as this line says.
    Wrong(String),
}

/// The first paragraph of `text` as one line, without the leading "error: ".
fn one_line(text: &str) -> String {
    let paragraph = text.lines().take_while(|line| !line.trim().is_empty());
    let line = paragraph.map(str::trim).collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

fn parse_size(text: &str) -> Result<usize, String> {
    let (digits, factor) = match text.strip_suffix(['K', 'k']) {
        Some(digits) => (digits, 1 << 10),
        None => text.strip_suffix(['M', 'm']).map_or((text, 1), |digits| (digits, 1 << 20)),
    };
    digits
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .filter(|size| (1..=SIZE_LIMIT).contains(size))
        .ok_or_else(|| format!("not a size from 1 to {SIZE_LIMIT} bytes"))
}

fn parse_pin(text: &str) -> Result<Pin, String> {
    let cpu = |text: &str| {
        text.parse::<usize>()
            .ok()
            .filter(|cpu| *cpu < CPU_LIMIT)
            .ok_or_else(|| format!("not a CPU from 0 to {}, or two of them with a comma between", CPU_LIMIT - 1))
    };
    let (first, second) = text.split_once(',').unwrap_or((text, text));
    Ok(Pin { first: cpu(first)?, second: cpu(second)? })
}

#[cfg(test)]
mod tests {
    use super::{Options, Pin, Refusal, Suite, Unit};
    use crate::benchmark::Effort;

    fn read(arguments: &str) -> Result<Options, Refusal> {
        let arguments = arguments.split_whitespace().map(Into::into);
        Options::read(std::iter::once("ipcbench".into()).chain(arguments))
    }

    fn complaint(arguments: &str) -> String {
        match read(arguments) {
            Err(Refusal::Wrong(line)) => line,
            other => panic!("{arguments}: {other:?}"),
        }
    }

    #[test]
    fn nothing_said_means_everything_in_nanoseconds() {
        let options = read("").expect("valid");
        assert_eq!((options.unit, options.only.len(), options.json), (Unit::Ns, 0, false));
        assert_eq!(options.plan().effort, Effort::Full);
        assert_eq!(options.plan().cpus, [None, None]);
    }

    #[test]
    fn lists_are_separated_by_commas() {
        assert_eq!(read("--only pipe,shm/latency --only futex").expect("valid").only, ["pipe", "shm/latency", "futex"]);
        assert_eq!(read("--pin 0,3").expect("valid").pin, Some(Pin { first: 0, second: 3 }));
        assert_eq!(read("--pin 2").expect("valid").plan().cpus, [Some(2), Some(2)]);
    }

    #[test]
    fn a_count_is_stronger_than_quick() {
        assert_eq!(read("--quick").expect("valid").plan().effort, Effort::Quick);
        assert_eq!(read("--quick --count 7").expect("valid").plan().effort, Effort::Exactly(7));
    }

    #[test]
    fn only_a_whole_name_asks_for_a_mechanism() {
        let options = read("--only hello/latency,my*/latency,pipe").expect("valid");
        let asked = ["hello", "pipe", "myipc", "hello-mmap"].map(|mechanism| options.asks_for(mechanism));
        assert_eq!(asked, [true, true, false, false]);
    }

    #[test]
    fn what_may_be_absent_is_not_asked_for() {
        assert!(!read("--only hello/latency --skip-absent").expect("valid").asks_for("hello"));
    }

    #[test]
    fn suites_have_the_names_of_the_seeds() {
        assert_eq!(read("--suite seed-001").expect("valid").suite, Some(Suite::Seed001));
        assert_eq!(read("--suite herd").expect("valid").suite, Some(Suite::Herd));
        assert!(complaint("--suite seed-009").contains("seed-000"));
    }

    #[test]
    fn sizes_may_have_a_suffix() {
        let size = |text: &str| read(&format!("--size {text}")).expect("valid").size;
        assert_eq!([size("1"), size("4K"), size("16m")], [Some(1), Some(4096), Some(16 << 20)]);
    }

    #[test]
    fn wrong_arguments_are_one_clear_line() {
        for (arguments, named) in [
            ("--frob", "--frob"),
            ("extra", "extra"),
            ("--count 0", "--count"),
            ("--count 99999999999999999999", "--count"),
            ("--count", "--count"),
            ("--size 0", "not a size from 1"),
            ("--size 99999999999999999K", "not a size from 1"),
            ("--pin x", "not a CPU"),
            ("--pin 1,2,3", "not a CPU"),
            ("--pin 1024", "not a CPU"),
            ("--unit hours", "[possible values: ns, instructions]"),
            ("--json --json", "--json"),
            ("--json --list", "--list"),
            ("--timeout 0", "--timeout"),
        ] {
            let line = complaint(arguments);
            assert!(line.contains(named), "{arguments}: {line}");
            assert!(!line.contains('\n') && !line.starts_with("error"), "{arguments}: {line}");
        }
    }

    #[test]
    fn questions_are_answered() {
        assert!(matches!(read("--help"), Err(Refusal::Answered(text)) if text.contains("icount shift=0")));
        assert!(matches!(read("--version"), Err(Refusal::Answered(text)) if text.starts_with("ipcbench ")));
    }
}
