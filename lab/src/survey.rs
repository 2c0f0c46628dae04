//! All that the report draws, part by part: every usual benchmark and the sweep over sizes, each mechanism in boots of its own; the
//! seeds' suites and the probes; what more CPUs cost; and what they get done together, which can only be timed. What a file has
//! already is not measured again, so a survey that was interrupted goes on where it was.
//!
//! Owns the file. Each part that is counted is booted twice, and is no figure unless the two agree to the
//! byte. What is timed comes at the end, alone and once: `ipcbench` has its rounds in one boot.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, ensure};

use crate::campaign::{self, Progress, Shard, TIMEOUT_S, in_parallel, listed, twice};
use crate::figure::{self, Figure, Header, printed};
use crate::machine::{Boot, Clock, System};
use crate::room;

const BOTH: [System; 2] = [System::Linux, System::Postern];
/// Suites that are measured whole, and where.
const WHOLE: [(&str, &[System]); 6] = [
    ("seed-000", &BOTH),
    ("seed-001", &BOTH),
    ("seed-002", &BOTH),
    ("herd", &BOTH),
    ("cgroups", &[System::Postern]),
    ("ablate", &[System::Postern]),
];
/// The suite that is timed, with as many CPUs as this clock has by default.
const TIMED: &str = "cpus";
/// Sizes of machines whose first CPU alone works; one is among the usual ones.
const MACHINES: [u32; 3] = [2, 4, 8];
/// What is measured there.
const ON_MACHINES: &str =
    "syscall/null,process/yield,futex/latency/1,eventfd/latency/1,pipe/write-read/1,pipe/latency/1";

/// What to measure of all that, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Only parts whose names contain this.
    pub filter: Option<String>,
    /// Which share of the parts.
    pub shard: Shard,
    /// How many boots at a time.
    pub jobs: usize,
    /// Further words for ipcbench.
    pub words: &'static str,
}

/// One boot, twice if it is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    system: System,
    clock: Clock,
    suite: Option<&'static str>,
    /// The mechanism, and the names of its benchmarks; the whole suite if `None`.
    mechanism: Option<(String, String)>,
    cpus: Option<u32>,
}

impl Part {
    /// `system/suite/mechanism`.
    pub fn name(&self) -> String {
        let suite = self.suite.unwrap_or("usual");
        let mechanism = self.mechanism.as_ref().map_or("all", |(mechanism, _)| mechanism);
        let cpus = self.cpus.map_or_else(String::new, |cpus| format!("/{cpus}-cpus"));
        format!("{}/{suite}/{mechanism}{cpus}", self.system.name())
    }

    fn command(&self, words: &str) -> String {
        let suite = self.suite.map_or_else(String::new, |suite| format!(" --suite {suite}"));
        let only = self.mechanism.as_ref().map_or_else(String::new, |(_, names)| {
            // Where one process is measured beside idle CPUs, it must stay where it is.
            format!(" --pin 0 --skip-absent --only '{names}'")
        });
        format!("ipcbench --json{words}{suite}{only}")
    }

    fn is_in(&self, figures: &[Figure]) -> Result<bool> {
        for figure in figures {
            let of = (figure.system, figure.clock, figure.suite.as_deref(), figure.cpus);
            let is_of = of == (self.system, self.clock, self.suite, self.cpus);
            let Some((mechanism, _)) = self.mechanism.as_ref().filter(|_| self.cpus.is_none()) else {
                if is_of {
                    return Ok(true);
                }
                continue;
            };
            if is_of && figure.row()?.mechanism == *mechanism {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn measure(&self, words: &str) -> Result<Vec<Figure>> {
        let Self { system, clock, cpus, .. } = *self;
        // A few noisy rounds would be cheaper, and no figure.
        let words = if clock == Clock::WallClock { "" } else { words };
        let boot = Boot { system, clock, cpus, command: self.command(words), timeout_s: TIMEOUT_S };
        let figures = match clock {
            Clock::Instructions => twice(&boot, || ())?,
            Clock::WallClock => printed(system, clock, &boot.run()?)?,
        };
        ensure!(!figures.is_empty(), "ipcbench printed no figure");
        let suite = self.suite.map(str::to_owned);
        Ok(figures.into_iter().map(|figure| Figure { suite: suite.clone(), cpus, ..figure }).collect())
    }
}

/// All parts, given what the guest's ipcbench lists of the usual benchmarks and of the sweep.
fn parts(usual: &[(String, Vec<String>)], sweep: &[(String, Vec<String>)]) -> Vec<Part> {
    let counted = |system, suite, mechanism, cpus| Part { system, clock: Clock::Instructions, suite, mechanism, cpus };
    let mut parts = Vec::new();
    for (suite, mechanisms) in [(None, usual), (Some("sweep"), sweep)] {
        for (mechanism, names) in mechanisms {
            let mechanism = Some((mechanism.clone(), names.join(",")));
            parts.extend(BOTH.map(|system| counted(system, suite, mechanism.clone(), None)));
        }
    }
    for (suite, systems) in WHOLE {
        parts.extend(systems.iter().map(|&system| counted(system, Some(suite), None, None)));
    }
    for cpus in MACHINES {
        let mechanism = Some(("several".to_owned(), ON_MACHINES.to_owned()));
        parts.extend(BOTH.map(|system| counted(system, None, mechanism.clone(), Some(cpus))));
    }
    let timed = |system| Part { clock: Clock::WallClock, ..counted(system, Some(TIMED), None, None) };
    parts.extend(BOTH.map(timed));
    parts
}

/// Measures what the file at `path` lacks, and adds it part by part. Figures of other sources, another QEMU or other pins are
/// dropped. Returns what failed, a line or a few each.
///
/// # Errors
/// If nothing could be begun, or the file cannot be written.
pub fn complete(path: &Path, plan: &Plan) -> Result<Vec<String>> {
    BOTH.iter().try_for_each(|system| system.check())?;
    room::for_figures(path)?;
    let wanted: Vec<Part> = parts(&listed("")?, &listed(" --suite sweep")?)
        .into_iter()
        .filter(|part| plan.filter.as_ref().is_none_or(|filter| part.name().contains(filter)))
        .enumerate()
        .filter(|(at, _)| at % plan.shard.count == plan.shard.index - 1)
        .map(|(_, part)| part)
        .collect();
    let header = campaign::header(&BOTH)?;
    let known = known(path, &header)?;
    let mut missing = Vec::new();
    for part in wanted {
        if !part.is_in(&known)? {
            missing.push(part);
        }
    }
    let bar = Progress::new(missing.len());
    let figures = Mutex::new(known);
    let measure = |part: &Part| {
        let added = part.measure(plan.words).and_then(|more| {
            let mut figures = figures.lock().unwrap_or_else(PoisonError::into_inner);
            figures.extend(more);
            figure::write(path, &header, &figures)
        });
        bar.done(&part.name());
        added
    };
    let (counted, timed) = missing.split_at(missing.partition_point(|part| part.clock == Clock::Instructions));
    let mut measured = in_parallel(counted, plan.jobs, measure);
    measured.extend(in_parallel(timed, 1, measure));
    bar.finish();
    let failed = measured.into_iter().zip(&missing).filter_map(|(result, part)| Some((part, result.err()?)));
    Ok(failed.map(|(part, error)| format!("{}: {error:#}", part.name())).collect())
}

/// The figures that are there, if they came about as what is to be added.
fn known(path: &Path, header: &Header) -> Result<Vec<Figure>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let (other, figures) = figure::read(path)?;
    if other == *header && !header.commit.ends_with("-dirty") {
        return Ok(figures);
    }
    eprintln!("lab: {} is of {}, {}; measuring anew", path.display(), other.commit, other.qemu);
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::{Part, parts};
    use crate::figure::{Figure, printed};
    use crate::machine::{Clock, System};

    fn listed(mechanisms: &[&str]) -> Vec<(String, Vec<String>)> {
        mechanisms.iter().map(|name| ((*name).to_owned(), vec![format!("{name}/latency/1")])).collect()
    }

    fn all() -> Vec<Part> {
        parts(&listed(&["syscall", "pipe"]), &listed(&["pipe"]))
    }

    fn figure(system: System, suite: Option<&str>, cpus: Option<u32>) -> Figure {
        let line = r#"{"schema":1,"benchmark":"pipe/latency/1","mechanism":"pipe","status":"ok","per_operation":1.0}"#;
        let figure = printed(system, Clock::Instructions, line).unwrap().remove(0);
        Figure { suite: suite.map(str::to_owned), cpus, ..figure }
    }

    #[test]
    fn every_part_has_a_name_of_its_own_and_a_command() {
        let names: Vec<String> = all().iter().map(Part::name).collect();
        for name in [
            "linux/usual/pipe",
            "postern/sweep/pipe",
            "linux/herd/all",
            "postern/ablate/all",
            "linux/usual/several/8-cpus",
            "postern/cpus/all",
        ] {
            assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "{name}");
        }
        assert_eq!(names.len(), names.iter().collect::<std::collections::HashSet<_>>().len());
        let command = all().iter().find(|part| part.name() == "linux/sweep/pipe").unwrap().command(" --quick");
        assert_eq!(command, "ipcbench --json --quick --suite sweep --pin 0 --skip-absent --only 'pipe/latency/1'");
    }

    #[test]
    fn what_is_timed_comes_after_all_that_is_counted() {
        let clocks: Vec<Clock> = all().iter().map(|part| part.clock).collect();
        assert!(clocks.is_sorted() && clocks.ends_with(&[Clock::Instructions, Clock::WallClock, Clock::WallClock]));
    }

    #[test]
    fn what_a_file_has_is_found_there_and_nothing_else() {
        let found = |figure: Figure| -> Vec<String> {
            let figures = [figure];
            all().iter().filter(|part| part.is_in(&figures).unwrap()).map(Part::name).collect()
        };
        assert_eq!(found(figure(System::Linux, None, None)), ["linux/usual/pipe"]);
        assert_eq!(found(figure(System::Postern, Some("sweep"), None)), ["postern/sweep/pipe"]);
        assert_eq!(found(figure(System::Linux, Some("seed-000"), None)), ["linux/seed-000/all"]);
        assert_eq!(found(figure(System::Linux, None, Some(4))), ["linux/usual/several/4-cpus"]);
        let timed = Figure { clock: Clock::WallClock, ..figure(System::Postern, Some("cpus"), None) };
        assert_eq!(found(timed), ["postern/cpus/all"]);
    }
}
