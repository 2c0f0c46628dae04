//! The laboratory's command line. What it can do is in the library; here are only options and exit statuses: 0, 1 if
//! something failed or became dearer, 2 for wrong arguments.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Parser, Subcommand};
use lab::campaign::{self, Shard};
use lab::change::changes;
use lab::conformance;
use lab::figure::{self, Figure, Header};
use lab::fuzz::Plan;
use lab::machine::{Boot, Clock, System};
use lab::trace::Recording;
use lab::{report, room, survey, table};

/// Measure Postern and Linux with the same program, on the same emulated machine.
#[derive(Parser)]
#[command(name = "lab", version)]
struct Options {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Count every benchmark on Linux and on Postern, each twice, and print both with the ratio
    Compare {
        #[command(flatten)]
        share: Share,
        /// Time N interleaved runs as well, by this machine's clock and with two CPUs
        #[arg(long, value_name = "N", default_value_t = 3)]
        rounds: usize,
    },
    /// Run every test of the conformance program on Linux and on Postern, and compare; status 1 if a difference is not in
    /// user/conformance/differences.txt, or one there is not found
    Conformance {
        /// Only the tests whose names contain this
        #[arg(long, value_name = "PART")]
        only: Option<String>,
    },
    /// Play random programs of calls between processes on Linux and on Postern; what does not do the same is made small and shown,
    /// with status 1
    Fuzz {
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The number of the first program
        #[arg(long, default_value_t = 0)]
        first: u64,
        /// How many
        #[arg(long, default_value_t = 10_000)]
        programs: u64,
        /// How many in a boot
        #[arg(long, default_value_t = 2_500)]
        batch: u64,
        /// How many differences to show
        #[arg(long, default_value_t = 8)]
        most: usize,
    },
    /// Count on one system, twice, and write the figures as JSON lines
    Measure {
        system: System,
        #[command(flatten)]
        share: Share,
        /// Small counts
        #[arg(long)]
        quick: bool,
    },
    /// Count all that the report draws and FILE lacks, and add it there; takes a while, and can be interrupted
    Survey {
        file: PathBuf,
        /// Only parts whose names (system/suite/mechanism) contain this
        #[arg(long, value_name = "TEXT")]
        filter: Option<String>,
        /// Boots at a time
        #[arg(long, default_value_t = std::thread::available_parallelism().map_or(1, std::num::NonZero::get))]
        jobs: usize,
        /// Only this share of the parts, such as 1/4
        #[arg(long, value_name = "I/N", default_value = "1/1")]
        shard: Shard,
        /// Small counts
        #[arg(long)]
        quick: bool,
    },
    /// Draw files of figures as one HTML page that works offline; measures nothing
    Report {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The page
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Compare two files of figures; status 1 if a row of the second costs more than the limit
    Diff {
        before: PathBuf,
        after: PathBuf,
        /// In percent
        #[arg(long, default_value_t = 2.0)]
        limit: f64,
    },
    /// Count one benchmark's instructions, function by function: exact, not sampled
    Profile(lab::profile::Request),
    /// Draw a recording of the kernel's trace points as JSON for ui.perfetto.dev and chrome://tracing
    Trace {
        /// Boot Postern, counting instructions, and record this command there
        #[arg(required_unless_present = "from")]
        command: Option<String>,
        /// A recording, of `trace -o`, or what a console printed during `trace -x`
        #[arg(long, value_name = "FILE", conflicts_with = "command")]
        from: Option<PathBuf>,
        /// Where to write the drawing
        #[arg(long, value_name = "FILE", default_value = "trace.json")]
        out: PathBuf,
    },
}

#[derive(Args)]
struct Share {
    /// Only these benchmarks, as of `ipcbench --only`
    #[arg(long, value_name = "NAMES")]
    filter: Option<String>,
    /// Boots at a time
    #[arg(long, default_value_t = std::thread::available_parallelism().map_or(1, std::num::NonZero::get))]
    jobs: usize,
    /// Only this share of the mechanisms, such as 1/4
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    shard: Shard,
    /// Write the figures to this file too
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Share {
    fn plan(&self, systems: &[System], words: &'static str) -> campaign::Plan {
        let filter = self.filter.clone();
        campaign::Plan { systems: systems.to_vec(), filter, shard: self.shard, jobs: self.jobs, words }
    }
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<ExitCode> {
    match options.command {
        Task::Compare { share, rounds } => compare(&share, rounds),
        Task::Conformance { only } => conformance(only.as_deref()),
        Task::Fuzz { seed, first, programs: count, batch, most } => fuzz(&Plan { seed, first, count, batch, most }),
        Task::Measure { system, share, quick } => {
            let (_, figures) = count(&share, &[system], if quick { " --quick" } else { "" })?;
            for figure in &figures {
                println!("{}", figure.figure.get());
            }
            Ok(ExitCode::SUCCESS)
        }
        Task::Survey { file, filter, jobs, shard, quick } => {
            let words = if quick { " --quick" } else { "" };
            let failures = survey::complete(&file, &survey::Plan { filter, shard, jobs, words })?;
            if !failures.is_empty() {
                bail!("{}", failures.join("\nlab: "));
            }
            Ok(ExitCode::SUCCESS)
        }
        Task::Report { files, out } => {
            let files = files.iter().map(|file| figure::read(file)).collect::<Result<Vec<_>>>()?;
            room::write(&out, report::render(&files)?.as_bytes())?;
            println!("{}", out.display());
            Ok(ExitCode::SUCCESS)
        }
        Task::Diff { before, after, limit } => {
            let changes = changes(&figure::read(&before)?.1, &figure::read(&after)?.1)?;
            changes.iter().for_each(|change| println!("{change}"));
            let worse = changes.iter().filter(|change| change.is_worse(limit)).count();
            if worse > 0 {
                bail!("{worse} of {} rows cost more than {limit} % more, or are gone", changes.len());
            }
            Ok(ExitCode::SUCCESS)
        }
        Task::Profile(request) => {
            print!("{}", request.profile()?);
            Ok(ExitCode::SUCCESS)
        }
        Task::Trace { command, from, out } => trace(command.as_deref(), from.as_deref(), &out),
    }
}

fn trace(command: Option<&str>, from: Option<&Path>, out: &Path) -> Result<ExitCode> {
    let recorded = match (command, from) {
        (_, Some(file)) => fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?,
        (command, None) => record(command.unwrap_or_default())?.into_bytes(),
    };
    let recording = Recording::read(&recorded)?;
    room::write(out, recording.to_chrome().to_string().as_bytes())?;
    println!("{}: {} events; {} more found no room", out.display(), recording.records.len(), recording.lost());
    Ok(ExitCode::SUCCESS)
}

/// What the console printed while Postern recorded `command`.
fn record(command: &str) -> Result<String> {
    const TIMEOUT_S: u32 = 300;
    System::Postern.check()?;
    let command = format!("trace -x {command}");
    Boot { system: System::Postern, clock: Clock::Instructions, cpus: None, command, timeout_s: TIMEOUT_S }.run()
}

/// Counts, writes the file if one is wanted, and is an error if anything failed: half a table is none.
fn count(share: &Share, systems: &[System], words: &'static str) -> Result<(Header, Vec<Figure>)> {
    share.out.as_ref().map_or(Ok(()), |path| room::for_figures(path))?;
    let header = campaign::header(systems)?;
    let outcome = share.plan(systems, words).count()?;
    if !outcome.failures.is_empty() {
        bail!("{}", outcome.failures.join("\nlab: "));
    }
    if let Some(path) = &share.out {
        figure::write(path, &header, &outcome.figures)?;
    }
    Ok((header, outcome.figures))
}

fn compare(share: &Share, rounds: usize) -> Result<ExitCode> {
    const BOTH: [System; 2] = [System::Linux, System::Postern];
    let (header, figures) = count(share, &BOTH, "")?;
    println!("{}", table::side_by_side(&figures)?);
    println!("\nCounted under -icount, twice, the same to the byte. Instructions are not time.");
    println!("Postern {}; {}; {}", header.commit, header.linux.unwrap_or_default(), header.qemu);
    if rounds > 0 {
        let timed = share.plan(&BOTH, "").time(rounds, &figures)?;
        println!("\n{}", table::ratios(&timed.rounds)?);
        println!("\nTimed with two CPUs by this machine's clock, {rounds} interleaved runs of --quick.");
        ensure!(timed.failures.is_empty(), "{}", timed.failures.join("\nlab: "));
    }
    Ok(ExitCode::SUCCESS)
}

fn conformance(only: Option<&str>) -> Result<ExitCode> {
    let comparison = conformance::compare(only)?;
    comparison.complaints.iter().for_each(|complaint| println!("{complaint}"));
    println!(
        "{} tests alike on Linux and Postern, {} different as user/conformance/differences.txt has it",
        comparison.alike, comparison.accepted
    );
    ensure!(comparison.complaints.is_empty(), "{} not as they should be", comparison.complaints.len());
    Ok(ExitCode::SUCCESS)
}

fn fuzz(plan: &Plan) -> Result<ExitCode> {
    let outcome = plan.run()?;
    for difference in &outcome.differences {
        println!("{}\n--- on Linux\n{}--- on Postern\n{}", difference.program, difference.linux, difference.postern);
    }
    println!("{} programs played on Linux and on Postern, {} different", outcome.compared, outcome.differing);
    println!("({} more that differed once did not do the same again)", outcome.unsteady);
    ensure!(outcome.differing == 0, "Linux and Postern differ");
    Ok(ExitCode::SUCCESS)
}
