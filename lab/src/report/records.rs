//! Figures, found by what they are of: benchmarks that were counted in instructions, and probes, counted or timed. What else was
//! timed is left alone. Pure values.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde::Deserialize;
use serde_json::Map;
use serde_json::value::RawValue;

use crate::figure::{Figure, Header, Row};
use crate::machine::{Clock, System};

/// Every mechanism, in the order of tables and charts; others come after them.
pub const MECHANISMS: [&str; 16] = [
    "calibration",
    "syscall",
    "process",
    "futex",
    "eventfd",
    "pipe",
    "fifo",
    "unix-stream",
    "unix-dgram",
    "unix-seqpacket",
    "shm",
    "shm-futex",
    "myipc",
    "hello",
    "hello-mmap",
    "hello-splice",
];
/// The name of the benchmarks that are of no suite.
pub const USUAL: &str = "";

/// System, suite, number of CPUs, name.
type Key = (System, String, u32, String);

/// A row of a probe's table.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ProbeRow {
    /// Of the probe.
    pub suite: String,
    /// Title of its table.
    pub table: String,
    /// Its name there.
    pub row: String,
    /// What the figures are counted in, where they are costs.
    pub unit: String,
    /// By the columns' names.
    pub figures: Map<String, serde_json::Value>,
}

impl ProbeRow {
    /// The figure in `column`.
    pub fn figure(&self, column: &str) -> Option<f64> {
        self.figures.get(column)?.as_f64()
    }
}

/// All figures of some files.
pub struct Records {
    rows: BTreeMap<Key, Row>,
    /// Keys in the order in which they were first met.
    order: Vec<Key>,
    probes: Vec<(System, Clock, ProbeRow)>,
}

impl Records {
    /// Of `files`.
    ///
    /// # Errors
    /// If a figure cannot be read, or two are of the same thing.
    pub fn of(files: &[(Header, Vec<Figure>)]) -> Result<Self> {
        let mut records = Self { rows: BTreeMap::new(), order: Vec::new(), probes: Vec::new() };
        for figure in files.iter().flat_map(|(_, figures)| figures) {
            if is_probe(&figure.figure) {
                records.probes.push((figure.system, figure.clock, serde_json::from_str(figure.figure.get())?));
                continue;
            }
            if figure.clock == Clock::WallClock {
                continue;
            }
            let row = figure.row()?;
            let suite = figure.suite.clone().unwrap_or_default();
            let key = (figure.system, suite, figure.cpus.unwrap_or(1), row.benchmark.clone());
            records.order.push(key.clone());
            let name = format!("{} {} {}", key.0.name(), key.1, key.3);
            ensure!(records.rows.insert(key, row).is_none(), "two figures of {name}");
        }
        Ok(records)
    }

    /// What was said of `name`, measured or not.
    pub fn row(&self, system: System, suite: &str, name: &str) -> Option<&Row> {
        self.row_on(system, suite, 1, name)
    }

    /// The same on a machine of `cpus`.
    pub fn row_on(&self, system: System, suite: &str, cpus: u32, name: &str) -> Option<&Row> {
        self.rows.get(&(system, suite.to_owned(), cpus, name.to_owned()))
    }

    /// What an operation of `name` costs, in instructions.
    pub fn cost(&self, system: System, suite: &str, name: &str) -> Option<f64> {
        self.row(system, suite, name)?.per_operation
    }

    /// Names of the benchmarks of `suite` on one CPU, on either system: by mechanism, then in the order of the files.
    pub fn names(&self, suite: &str) -> Vec<String> {
        let mut names: Vec<(usize, String, String)> = Vec::new();
        for (_, of, cpus, name) in &self.order {
            if of != suite || *cpus != 1 || names.iter().any(|(_, _, other)| other == name) {
                continue;
            }
            let mechanism = name.split('/').next().unwrap_or_default();
            names.push((rank(mechanism), mechanism.to_owned(), name.clone()));
        }
        names.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        names.into_iter().map(|(_, _, name)| name).collect()
    }

    /// Sizes of `mechanism/load` and what each costs on `system`, from the smallest up.
    pub fn by_size(&self, system: System, suite: &str, mechanism: &str, load: &str) -> Vec<(u64, f64)> {
        let of = self.rows.iter().filter(|((on, of, cpus, _), _)| (*on, of.as_str(), *cpus) == (system, suite, 1));
        let of = of.map(|(_, row)| row).filter(|row| row.mechanism == mechanism && row.load == load);
        let mut sizes: Vec<(u64, f64)> = of.filter_map(|row| Some((row.size_bytes?, row.per_operation?))).collect();
        sizes.sort_by_key(|(size, _)| *size);
        sizes
    }

    /// Numbers of CPUs for which there is anything.
    pub fn machines(&self) -> Vec<u32> {
        let mut machines: Vec<u32> = self.order.iter().map(|(_, _, cpus, _)| *cpus).collect();
        machines.sort_unstable();
        machines.dedup();
        machines
    }

    /// Rows of the probe `suite` on `system`, counted in instructions, in the order of the file.
    pub fn probe(&self, system: System, suite: &str) -> Vec<&ProbeRow> {
        self.probe_by(Clock::Instructions, system, suite)
    }

    /// The same of a probe that was timed.
    pub fn timed_probe(&self, system: System, suite: &str) -> Vec<&ProbeRow> {
        self.probe_by(Clock::WallClock, system, suite)
    }

    fn probe_by(&self, clock: Clock, system: System, suite: &str) -> Vec<&ProbeRow> {
        let of = self.probes.iter().filter(|(on, by, row)| (*on, *by) == (system, clock) && row.suite == suite);
        of.map(|(_, _, row)| row).collect()
    }

    /// What could not be measured: system, suite, name and why.
    pub fn lacking(&self) -> Vec<(System, &str, &Row)> {
        let rows = self.order.iter().filter_map(|key| Some((key.0, key.1.as_str(), self.rows.get(key)?)));
        rows.filter(|(_, _, row)| row.per_operation.is_none()).collect()
    }
}

fn rank(mechanism: &str) -> usize {
    MECHANISMS.iter().position(|name| *name == mechanism).unwrap_or(MECHANISMS.len())
}

/// Whether an object of ipcbench is a row of a probe's table, and no benchmark.
fn is_probe(figure: &RawValue) -> bool {
    serde_json::from_str::<ProbeRow>(figure.get()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture;
    use super::{Records, USUAL};
    use crate::machine::System::{Linux, Postern};

    #[test]
    fn figures_are_found_by_system_suite_and_name() {
        let records = Records::of(&[fixture()]).unwrap();
        assert_eq!(records.cost(Linux, USUAL, "pipe/latency/1"), Some(12_516.0));
        assert_eq!(records.cost(Postern, USUAL, "pipe/latency/1"), Some(2_217.0));
        assert_eq!(records.cost(Linux, USUAL, "hello/latency/1"), None);
        assert_eq!(records.names(USUAL)[..2], ["syscall/null", "pipe/latency/1"], "mechanisms in their order");
        assert_eq!(records.by_size(Postern, "sweep", "pipe", "stream"), [(1, 600.0), (4096, 2_400.0)]);
        assert_eq!(records.probe(Postern, "herd").len(), 2);
        assert_eq!(records.machines(), [1, 2]);
    }

    #[test]
    fn what_could_not_be_measured_is_known_with_its_reason() {
        let records = Records::of(&[fixture()]).unwrap();
        let lacking = records.lacking();
        assert_eq!(lacking.len(), 1);
        assert_eq!((lacking[0].0, lacking[0].2.benchmark.as_str()), (Linux, "hello/latency/1"));
        assert_eq!(lacking[0].2.error.as_deref(), Some("no /dev/hello"));
    }

    #[test]
    fn two_figures_of_one_thing_are_an_error() {
        assert!(Records::of(&[fixture(), fixture()]).is_err());
    }
}
