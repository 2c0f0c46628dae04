//! `ipcbench`: what inter-process communication costs, on Postern and on any Linux.
//!
//! The map: `catalogue` says what there is, `mechanism/` moves bytes, `workload` says who sends what to whom,
//! `operation/` holds what is measured without a mechanism, `measure` times, `payload` proves that what was
//! sent arrived, `supervise` runs the processes and never hangs on them, `report/` prints.

mod benchmark;
mod catalogue;
mod clock;
mod failure;
mod histogram;
mod measure;
mod mechanism;
mod operation;
mod options;
mod payload;
mod probe;
mod refusal;
mod report;
mod seeds;
mod selection;
mod statistics;
mod supervise;
mod sweep;
mod system;
mod workload;

use std::io::{self, Write};
use std::process::ExitCode;

use benchmark::{Benchmark, Id};
use failure::Failure;
use operation::calibration;
use options::{Options, Refusal, Suite, Unit};
use report::progress::Progress;
use report::table::Table;
use report::{Row, comparison, json};

/// The status for wrong arguments.
const WRONG_ARGUMENTS: u8 = 2;

fn main() -> ExitCode {
    let options = match Options::read(std::env::args_os()) {
        Ok(options) => options,
        Err(Refusal::Answered(text)) => return finish(print(&text)),
        Err(Refusal::Wrong(line)) => return complain(&line),
    };
    if let Some(line) = refusal::beside_suite(&options).or_else(|| refusal::missing_cpu(&options)) {
        return complain(&line);
    }
    let mut benchmarks = match options.suite {
        None => catalogue::catalogue(options.size),
        Some(suite @ (Suite::Seed000 | Suite::Seed001 | Suite::Seed002)) => seeds::workloads(suite),
        Some(Suite::Sweep) => sweep::workloads(),
        Some(suite) => return finish(probe::run(suite, &options).inspect(|_| doubt_unit(&options))),
    };
    let names: Vec<String> = benchmarks.iter().map(|benchmark| benchmark.id().to_string()).collect();
    match selection::select(&options.only, &names) {
        Ok(chosen) => {
            let mut chosen = chosen.into_iter();
            benchmarks.retain(|_| chosen.next() == Some(true));
        }
        Err(pattern) => return complain(&refusal::nothing_called(pattern, &options)),
    }
    let chosen: Vec<Id> = benchmarks.iter().map(|benchmark| benchmark.id()).collect();
    if let Some(line) = refusal::size_of_nothing(&chosen, &options) {
        return complain(&line);
    }
    if options.list {
        return finish(list(&benchmarks));
    }
    finish(run(&benchmarks, &options).inspect(|_| doubt_unit(&options)))
}

/// A line on standard error if what was printed as instructions cannot be.
fn doubt_unit(options: &Options) {
    if options.unit == Unit::Instructions
        && let Some(doubt) = calibration::doubt()
    {
        // As in `complain`.
        let _ = writeln!(io::stderr(), "ipcbench: {doubt}");
    }
}

/// One line on standard error, and the status for wrong arguments.
fn complain(line: &str) -> ExitCode {
    // An argument may hold anything, line breaks too.
    let line: String = line.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    // Where even this cannot be written, the status still tells.
    let _ = writeln!(io::stderr(), "ipcbench: {line} (see --help, --list)");
    ExitCode::from(WRONG_ARGUMENTS)
}

/// The status for how everything went. Output that nobody reads any more is a failure without a message.
fn finish(result: io::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        if error.kind() != io::ErrorKind::BrokenPipe {
            // As in `complain`.
            let _ = writeln!(io::stderr(), "ipcbench: standard output: {error}");
        }
        ExitCode::FAILURE
    })
}

fn print(text: &str) -> io::Result<ExitCode> {
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Names and meanings.
fn list(benchmarks: &[Box<dyn Benchmark>]) -> io::Result<ExitCode> {
    let width = benchmarks.iter().map(|benchmark| benchmark.id().to_string().len()).max().unwrap_or(0);
    let mut out = io::stdout().lock();
    for benchmark in benchmarks {
        writeln!(out, "{:<width$}  {}", benchmark.id().to_string(), benchmark.summary())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs everything, printing as it goes. One failure does not stop the others, but the status tells.
fn run(benchmarks: &[Box<dyn Benchmark>], options: &Options) -> io::Result<ExitCode> {
    let names: Vec<String> = benchmarks.iter().map(|benchmark| benchmark.id().to_string()).collect();
    let table = Table::new(names.iter(), options.unit);
    let progress = if options.json { Progress::none() } else { Progress::for_table(benchmarks.len()) };
    let plan = options.plan();
    if !options.json {
        writeln!(io::stdout(), "{}", table.head())?;
    }
    let mut rows = Vec::with_capacity(benchmarks.len());
    for (done, (benchmark, name)) in benchmarks.iter().zip(&names).enumerate() {
        progress.show(done, name)?;
        let row = Row { id: benchmark.id(), streamed_bytes: benchmark.streamed_bytes(), result: benchmark.run(&plan) };
        progress.hide()?;
        let is_news = !rows.iter().any(|earlier: &Row| is_same_absence(earlier, &row));
        if options.json {
            writeln!(io::stdout(), "{}", json::line(&row, options.unit)?)?;
        } else if is_news {
            writeln!(io::stdout(), "{}", table.row(&row))?;
        }
        if let Err(failure) = &row.result
            && is_news
            && !is_skipped(&row, options)
        {
            writeln!(io::stderr(), "ipcbench: {name}: {failure}")?;
        }
        rows.push(row);
    }
    if !options.json {
        compare(&rows, options)?;
    }
    if !options.skip_absent && !rows.is_empty() && rows.iter().all(|row| is_skipped(row, options)) {
        writeln!(io::stderr(), "ipcbench: nothing of that is here")?;
        return Ok(ExitCode::FAILURE);
    }
    let is_fine = |row: &Row| row.result.is_ok() || is_skipped(row, options);
    Ok(if rows.iter().all(is_fine) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether `row` has no figure because its mechanism is not here, and nobody asked for that.
fn is_skipped(row: &Row, options: &Options) -> bool {
    row.result.as_ref().is_err_and(Failure::is_absence) && !options.asks_for(row.id.mechanism)
}

/// Whether both say that the same mechanism is not here: once is enough for people.
fn is_same_absence(earlier: &Row, later: &Row) -> bool {
    let is_absent = |row: &Row| row.result.as_ref().is_err_and(Failure::is_absence);
    is_absent(earlier) && is_absent(later) && earlier.id.mechanism == later.id.mechanism
}

fn compare(rows: &[Row], options: &Options) -> io::Result<()> {
    if options.suite == Some(Suite::Seed001) {
        let deviations = comparison::deviations(rows, options.unit);
        writeln!(io::stdout(), "\n{}", deviations.join("\n"))?;
    }
    let lines = comparison::lines(rows, options.unit);
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(io::stdout(), "\n{}", lines.join("\n"))
}
