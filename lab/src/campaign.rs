//! Every mechanism on every system. A mechanism gets boots of its own, so that what was measured before it, or beside it, or
//! on another machine, changes nothing; each is booted twice, and two runs that differ by a byte are no figure.
//!
//! Owns the progress bar, the survey's too. Threads boot; what they bring is put in order again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use crate::figure::{Figure, Header, Row, printed};
use crate::machine::{Boot, Clock, System};

/// Real time for one boot, in seconds. Linux with a fork a turn takes a minute on a slow machine.
pub const TIMEOUT_S: u32 = 900;

/// A share of a campaign: the `index`th of `count`, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1 to `count`.
    pub index: usize,
    /// How many shares there are.
    pub count: usize,
}

impl std::str::FromStr for Shard {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        let (index, count) = parsed.with_context(|| format!("'{text}' is not like 1/4"))?;
        ensure!((1..=count).contains(&index), "'{text}' is not one of its own shares");
        Ok(Self { index, count })
    }
}

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// On which systems, in the order of the columns.
    pub systems: Vec<System>,
    /// As `ipcbench --only`; everything if `None`.
    pub filter: Option<String>,
    /// Which part of it.
    pub shard: Shard,
    /// How many boots at a time.
    pub jobs: usize,
    /// Further words for ipcbench.
    pub words: &'static str,
}

/// Boots of one mechanism on one system.
struct Task {
    system: System,
    mechanism: String,
}

/// What a campaign came to.
pub struct Outcome {
    /// In the order of the plan.
    pub figures: Vec<Figure>,
    /// Boots that failed or were not repeatable: one line each, or a few.
    pub failures: Vec<String>,
}

impl Plan {
    /// The benchmarks that the guest's own ipcbench lists, mechanism by mechanism.
    fn mechanisms(&self) -> Result<Vec<(String, Vec<String>)>> {
        self.systems.iter().try_for_each(|system| system.check())?;
        let shard = self.shard;
        Ok(listed(&self.only())?
            .into_iter()
            .enumerate()
            .filter(|(at, _)| at % shard.count == shard.index - 1)
            .map(|(_, it)| it)
            .collect())
    }

    fn only(&self) -> String {
        self.filter.as_ref().map_or_else(String::new, |filter| format!(" --only '{filter}'"))
    }

    /// Counts instructions.
    ///
    /// # Errors
    /// If nothing could be begun; what fails later is among [`Outcome::failures`].
    pub fn count(&self) -> Result<Outcome> {
        let mut tasks = Vec::new();
        for (mechanism, names) in self.mechanisms()? {
            for &system in &self.systems {
                tasks.push((Task { system, mechanism: mechanism.clone() }, names.join(",")));
            }
        }
        let bar = Progress::new(tasks.len() * 2);
        let done = in_parallel(&tasks, self.jobs, |(task, names)| {
            let boots = format!("{} on {}", task.mechanism, task.system.name());
            let command = format!("ipcbench --json --pin 0{} --skip-absent --only '{names}'", self.words);
            twice(
                &Boot { system: task.system, clock: Clock::Instructions, cpus: None, command, timeout_s: TIMEOUT_S },
                || bar.done(&boots),
            )
        });
        bar.finish();
        let mut outcome = Outcome { figures: Vec::new(), failures: Vec::new() };
        for (result, (task, _)) in done.into_iter().zip(&tasks) {
            match result {
                Ok(figures) => outcome.figures.extend(figures),
                Err(error) => {
                    outcome.failures.push(format!("{} on {}: {error:#}", task.mechanism, task.system.name()));
                }
            }
        }
        Ok(outcome)
    }

    /// Times what was `counted` on all systems, mechanism by mechanism: a boot of each system in turn, `rounds` times, so that what
    /// else this machine does meets both alike. One boot at a time, whatever the plan says.
    ///
    /// # Errors
    /// If `counted` cannot be read; a mechanism whose boots fail is among [`Timed::failures`].
    pub fn time(&self, rounds: usize, counted: &[Figure]) -> Result<Timed> {
        let mechanisms = shared(counted, &self.systems)?;
        let bar = Progress::new(mechanisms.len() * rounds * self.systems.len());
        let mut timed = Timed { rounds: Vec::new(), failures: Vec::new() };
        for (mechanism, names) in &mechanisms {
            match self.time_one(rounds, names, |system| bar.done(&format!("{mechanism} on {}, timed", system.name()))) {
                Ok(found) => timed.rounds.extend(found),
                Err(error) => timed.failures.push(format!("{mechanism}, timed: {error:#}")),
            }
        }
        bar.finish();
        Ok(timed)
    }

    fn time_one(&self, rounds: usize, names: &[String], on_run: impl Fn(System)) -> Result<Vec<Vec<Figure>>> {
        let mut found = Vec::new();
        for _ in 0..rounds {
            let mut round = Vec::new();
            for &system in &self.systems {
                let command = format!("ipcbench --json --quick --pin 0,1 --only '{}'", names.join(","));
                let text = Boot { system, clock: Clock::WallClock, cpus: None, command, timeout_s: TIMEOUT_S }.run()?;
                round.extend(printed(system, Clock::WallClock, &text)?);
                on_run(system);
            }
            found.push(round);
        }
        Ok(found)
    }
}

/// What runs by this machine's clock came to.
pub struct Timed {
    /// Figures of all systems, taken in turn.
    pub rounds: Vec<Vec<Figure>>,
    /// Mechanisms of which a boot failed: a line each, or a few.
    pub failures: Vec<String>,
}

/// Benchmarks of which all `systems` have a figure, mechanism by mechanism in the order of `figures`.
fn shared(figures: &[Figure], systems: &[System]) -> Result<Vec<(String, Vec<String>)>> {
    let mut seen: BTreeMap<String, BTreeSet<System>> = BTreeMap::new();
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for figure in figures {
        let Row { benchmark, mechanism, per_operation: Some(_), .. } = figure.row()? else { continue };
        let on = seen.entry(benchmark.clone()).or_default();
        if !on.insert(figure.system) || !systems.iter().all(|system| on.contains(system)) {
            continue;
        }
        match found.iter_mut().find(|(other, _)| *other == mechanism) {
            Some((_, names)) => names.push(benchmark),
            None => found.push((mechanism, vec![benchmark])),
        }
    }
    Ok(found)
}

/// How far long work has come: a bar on a terminal, a line for each step elsewhere.
pub struct Progress(ProgressBar);

impl Progress {
    /// Of so many steps.
    pub fn new(steps: usize) -> Self {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {msg}");
        // The template is a constant: if this version does not know it, its own will do.
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(steps as u64).with_style(style);
        bar.tick();
        Self(bar)
    }

    /// One more is done.
    pub fn done(&self, step: &str) {
        let Self(bar) = self;
        bar.inc(1);
        bar.set_message(step.to_owned());
        if bar.is_hidden() {
            eprintln!("lab: {} of {}: {step}", bar.position(), bar.length().unwrap_or_default());
        }
    }

    /// All is: nothing stays on a terminal.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

/// The benchmarks that the guest's own ipcbench lists with `words`, mechanism by mechanism.
///
/// # Errors
/// If it cannot be asked, or lists none.
pub fn listed(words: &str) -> Result<Vec<(String, Vec<String>)>> {
    let command = format!("ipcbench --list{words}");
    let list = Boot { system: System::Postern, clock: Clock::Instructions, cpus: None, command, timeout_s: 60 };
    let text = list.run().context("the list of benchmarks")?;
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for name in text.lines().filter_map(|line| line.split_whitespace().next()) {
        let Some((mechanism, _)) = name.split_once('/') else { continue };
        match found.last_mut() {
            Some((last, names)) if last == mechanism => names.push(name.to_owned()),
            _ => found.push((mechanism.to_owned(), vec![name.to_owned()])),
        }
    }
    ensure!(!found.is_empty(), "no benchmark matches");
    Ok(found)
}

/// How figures of `systems` come about here and now. Linux is booted for it, and given little time: one that hangs should not take
/// an hour to be found out.
///
/// # Errors
/// If Linux, git or QEMU cannot be asked.
pub fn header(systems: &[System]) -> Result<Header> {
    const BRIEF_S: u32 = 240;
    let boot = |system, command: &str| {
        let command = command.to_owned();
        Boot { system, clock: Clock::Instructions, cpus: None, command, timeout_s: BRIEF_S }
    };
    systems.iter().try_for_each(|system| system.check())?;
    let mut linux = None;
    if systems.contains(&System::Linux) {
        let told = boot(System::Linux, "cat /proc/version").run().context("Linux does not come up")?;
        let line = told.lines().find(|line| line.starts_with("Linux version"));
        linux = Some(line.context("Linux does not tell its version")?.to_owned());
    }
    let pins = systems.iter().map(|&system| boot(system, "").options().join(" "));
    Header::of_now(pins.collect(), linux)
}

/// What two runs of `boot` print, alike to the byte.
///
/// # Errors
/// If one fails, they differ, or a benchmark failed.
pub fn twice(boot: &Boot, on_run: impl Fn()) -> Result<Vec<Figure>> {
    let first = boot.run()?;
    on_run();
    let second = boot.run()?;
    on_run();
    alike(printed(boot.system, boot.clock, &first)?, &printed(boot.system, boot.clock, &second)?)
}

/// The figures of one run, if those of another are the same to the byte.
///
/// # Errors
/// If there are none, they differ, or a benchmark failed.
fn alike(figures: Vec<Figure>, again: &[Figure]) -> Result<Vec<Figure>> {
    ensure!(!figures.is_empty(), "ipcbench printed no figure");
    for (one, other) in figures.iter().zip(again) {
        let (one, other) = (one.figure.get(), other.figure.get());
        ensure!(one == other, "two runs differ:\n  {one}\n  {other}");
    }
    ensure!(figures.len() == again.len(), "one run printed {} figures, the other {}", figures.len(), again.len());
    for figure in &figures {
        let row = figure.row()?;
        if row.status == "failed" {
            bail!("{}: {}", row.benchmark, row.error.unwrap_or_default());
        }
    }
    Ok(figures)
}

/// What `work` makes of each of `items`, at most `jobs` at a time; the results in the items' order.
pub fn in_parallel<T: Sync, R: Send>(items: &[T], jobs: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    // Which is next is all that the threads agree on; what they bring goes through the mutex.
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, items.len().max(1)) {
            scope.spawn(|| {
                while let Some((at, item)) = {
                    // Relaxed: only the number counts.
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    items.get(at).map(|item| (at, item))
                } {
                    let result = work(item);
                    found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((at, result));
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::{Shard, alike, in_parallel, shared};
    use crate::figure::{Figure, printed};
    use crate::machine::{Clock, System};

    fn run(lines: &[&str]) -> Vec<Figure> {
        printed(System::Linux, Clock::Instructions, &lines.join("\n")).unwrap()
    }

    #[test]
    fn two_runs_that_differ_by_a_byte_are_no_figure() {
        const ONE: &str = r#"{"schema":2,"benchmark":"pipe/latency/1","status":"ok","per_operation":12.0}"#;
        const OTHER: &str = r#"{"schema":2,"benchmark":"pipe/latency/1","status":"ok","per_operation":12.1}"#;
        assert_eq!(alike(run(&[ONE]), &run(&[ONE])).unwrap().len(), 1);
        let told = |first: &[&str], second: &[&str]| alike(run(first), &run(second)).unwrap_err().to_string();
        assert_eq!(told(&[ONE], &[OTHER]), format!("two runs differ:\n  {ONE}\n  {OTHER}"));
        assert_eq!(told(&[ONE, OTHER], &[ONE]), "one run printed 2 figures, the other 1");
        assert_eq!(told(&[], &[ONE]), "ipcbench printed no figure");
        let failed = r#"{"schema":2,"benchmark":"pipe/latency/1","status":"failed","error":"killed"}"#;
        assert_eq!(told(&[failed], &[failed]), "pipe/latency/1: killed");
    }

    #[test]
    fn shards_are_parsed_and_checked() {
        assert_eq!("2/3".parse::<Shard>().unwrap(), Shard { index: 2, count: 3 });
        for wrong in ["", "1", "0/3", "4/3", "1/0", "a/b", "-1/2"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_every_system_has_is_found_mechanism_by_mechanism() {
        let line = |name: &str, cost: &str| {
            let mechanism = name.split('/').next().unwrap();
            format!(
                r#"{{"schema":2,"benchmark":"{name}","mechanism":"{mechanism}","status":"ok","per_operation":{cost}}}"#
            )
        };
        let figures = |system, lines: &[(&str, &str)]| {
            let text: Vec<String> = lines.iter().map(|(name, cost)| line(name, cost)).collect();
            printed(system, Clock::Instructions, &text.join("\n")).unwrap()
        };
        let mut all = figures(System::Linux, &[("pipe/a", "1"), ("pipe/b", "1"), ("hello/a", "null"), ("shm/a", "1")]);
        all.extend(figures(System::Postern, &[("pipe/a", "1"), ("pipe/b", "1"), ("hello/a", "1"), ("shm/b", "1")]));
        let both = shared(&all, &[System::Linux, System::Postern]).unwrap();
        assert_eq!(both, [("pipe".to_owned(), vec!["pipe/a".to_owned(), "pipe/b".to_owned()])]);
        let postern = shared(&all, &[System::Postern]).unwrap();
        assert_eq!(
            postern.iter().map(|(mechanism, _)| mechanism.as_str()).collect::<Vec<_>>(),
            ["pipe", "hello", "shm"]
        );
    }

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<usize> = (0..100).collect();
        for jobs in [1, 3, 200] {
            assert_eq!(
                in_parallel(&items, jobs, |item| item * 2),
                items.iter().map(|item| item * 2).collect::<Vec<_>>()
            );
        }
        assert!(in_parallel(&[], 4, |item: &usize| *item).is_empty());
    }
}
