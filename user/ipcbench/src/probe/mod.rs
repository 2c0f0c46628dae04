//! Probes: questions that a figure per operation does not answer. Each makes tables of its own.
//!
//! | probe | asks |
//! |---|---|
//! | [`herd`] | what an event costs when many wait for it |
//! | [`fair`] | which of those who wait gets how much, in what order |
//! | [`cpus`] | what several CPUs get done together |
//! | [`groups`] | what an open and a message cost with many control groups |
//! | [`ablate`] | what each switch of /dev/hello is worth |
//! | [`model`] | what a transfer is made of |
//!
//! All but `model`, `cpus` and the pipe of `herd` need /dev/hello, and say so where it is not. Sleep where what they measure does.

mod ablate;
mod cpus;
mod crowd;
mod fair;
mod figures;
mod fit;
mod groups;
mod herd;
mod model;

use std::io::{self, Write};
use std::process::ExitCode;

use crate::benchmark::Effort;
use crate::failure::Failure;
use crate::options::{Options, Suite};
use figures::Figures;

/// Makes a probe's tables.
type Probe = fn(&Options, &mut Print<'_>) -> Result<(), Failure>;

/// Runs the probe `suite` and prints its tables as they come.
///
/// # Errors
/// Of the output.
pub fn run(suite: Suite, options: &Options) -> io::Result<ExitCode> {
    let (name, summary, tables): (_, _, Probe) = match suite {
        Suite::Fair => ("fair", "which of several waiters gets how much, and in what order", fair::probe),
        Suite::Cpus => ("cpus", "what several CPUs get done together, each with a pair of processes", cpus::probe),
        Suite::Cgroups => ("cgroups", "the cost of an open and of a message with many control groups", groups::probe),
        Suite::Ablate => {
            ("ablate", "the usual loads of /dev/hello, with each of its switches off in turn", ablate::probe)
        }
        Suite::Model => ("model", "what a transfer is made of: four terms fitted, and the seed's two", model::probe),
        _ => ("herd", "wakes, switches and cost of an event for 1 to 64 waiters", herd::probe),
    };
    if options.list {
        writeln!(io::stdout(), "{name}  {summary}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut print = Print { suite: name, options, is_first: true, error: None };
    let made = tables(options, &mut print);
    match (made, print.error) {
        (_, Some(error)) => Err(error),
        (Ok(()), None) => Ok(ExitCode::SUCCESS),
        (Err(failure), None) => {
            writeln!(io::stderr(), "ipcbench: {name}: {failure}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Prints tables.
struct Print<'a> {
    suite: &'static str,
    options: &'a Options,
    is_first: bool,
    /// Of the output, which is not the probe's failure.
    error: Option<io::Error>,
}

impl Print<'_> {
    /// Prints `figures`. An error of the output ends the probe, and is kept for the end.
    fn table(&mut self, figures: &Figures) -> Result<(), Failure> {
        self.write(figures).map_err(|error| {
            let failure = Failure::during("standard output", &error);
            self.error = Some(error);
            failure
        })
    }

    fn write(&mut self, figures: &Figures) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.options.json {
            let lines = figures.json_lines(self.suite, self.options.unit.name())?;
            return lines.iter().try_for_each(|line| writeln!(out, "{line}"));
        }
        if !self.is_first {
            writeln!(out)?;
        }
        self.is_first = false;
        figures.lines().iter().try_for_each(|line| writeln!(out, "{line}"))
    }
}

/// How many of something: `full`, `quick`, or what --count says.
fn amount(options: &Options, full: u64, quick: u64) -> u64 {
    match options.plan().effort {
        Effort::Full => full,
        Effort::Quick => quick,
        Effort::Exactly(count) => count,
    }
}
