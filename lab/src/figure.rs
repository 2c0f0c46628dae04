//! One figure as ipcbench printed it, and the file of figures: JSON lines, schema 3.
//!
//! The first line says how all the others came about; each other line is one figure: on which system, by which clock, and
//! ipcbench's own object, byte for byte. docs/measuring.md describes every key.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::machine::{Clock, System, root};
use crate::room;

/// Of files that are written; 1 and 2, which lack some keys, are read as well, and a later one is refused.
pub const SCHEMA: u32 = 3;

/// How the figures of a file came about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The sources, as git names them; `-dirty` if changed since.
    pub commit: String,
    /// QEMU's own version line.
    pub qemu: String,
    /// The command line of a boot by `qemu.sh`, without the command that the guest runs.
    pub pins: Vec<String>,
    /// What the measured Linux calls itself; absent where it was not measured, and in schema 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linux: Option<String>,
}

/// What of ipcbench's object is used here; its README has the schema.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Row {
    /// Its name, `mechanism/load/size`.
    pub benchmark: String,
    /// `ok`, `skipped` or `failed`.
    pub status: String,
    /// In the clock's unit.
    pub per_operation: Option<f64>,
    /// Why there is no figure.
    pub error: Option<String>,
    /// What carries, or is measured.
    pub mechanism: String,
    /// What it does.
    pub load: String,
    /// Bytes of a message.
    pub size_bytes: Option<u64>,
    /// How many operations the figure is made of.
    pub operations: Option<u64>,
    /// What all of them took, in the clock's unit.
    pub elapsed: Option<u64>,
    /// How many single operations were timed.
    pub samples: Option<u64>,
    /// Of single operations.
    pub min: Option<f64>,
    /// Half of the single operations took at most this.
    pub median: Option<f64>,
    /// Nine in ten took at most this.
    pub p90: Option<f64>,
    /// Ninety-nine in a hundred took at most this.
    pub p99: Option<f64>,
    /// The longest took this.
    pub max: Option<f64>,
    /// Their standard deviation.
    pub deviation: Option<f64>,
    /// How many of them took how long: from, below, count. Absent before schema 3.
    pub histogram: Option<Vec<[u64; 3]>>,
}

/// One figure.
#[derive(Debug, Serialize, Deserialize)]
pub struct Figure {
    /// Where.
    pub system: System,
    /// How.
    pub clock: Clock,
    /// Of which suite of ipcbench; the usual benchmarks if absent, and in schema 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<String>,
    /// How many CPUs the machine had; absent if as many as the clock has by default, and in schema 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// ipcbench's object, as it was printed.
    pub figure: Box<RawValue>,
}

impl Figure {
    /// The object, read.
    ///
    /// # Errors
    /// If it lacks a key.
    pub fn row(&self) -> Result<Row> {
        serde_json::from_str(self.figure.get()).with_context(|| format!("not a figure: {}", self.figure.get()))
    }
}

/// The figures that a guest printed; other lines are the system's own.
///
/// # Errors
/// If a line begins like a figure and is none.
pub fn printed(system: System, clock: Clock, text: &str) -> Result<Vec<Figure>> {
    text.lines()
        .filter(|line| line.starts_with("{\"schema\":"))
        .map(|line| {
            let figure = RawValue::from_string(line.to_owned()).with_context(|| format!("not JSON: {line}"))?;
            Ok(Figure { system, clock, suite: None, cpus: None, figure })
        })
        .collect()
}

impl Header {
    /// Of what is booted here and now.
    ///
    /// # Errors
    /// If git or QEMU cannot be asked.
    pub fn of_now(pins: Vec<String>, linux: Option<String>) -> Result<Self> {
        let qemu = std::env::var("POSTERN_QEMU").unwrap_or("qemu-system-aarch64".to_owned());
        let version = first_line(Command::new(qemu).arg("--version"))?;
        let commit = first_line(Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(root()))?;
        Ok(Self { schema: SCHEMA, commit, qemu: version, pins, linux })
    }
}

fn first_line(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?} cannot be run"))?;
    ensure!(output.status.success(), "{command:?}: {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
}

/// Writes a file of figures.
///
/// # Errors
/// Those of the file system, or that there is no room for it.
pub fn write(path: &Path, header: &Header, figures: &[Figure]) -> Result<()> {
    let mut text = Vec::new();
    serde_json::to_writer(&mut text, header)?;
    text.push(b'\n');
    for figure in figures {
        serde_json::to_writer(&mut text, figure)?;
        text.push(b'\n');
    }
    room::write(path, &text)
}

/// Reads a file of figures.
///
/// # Errors
/// If it cannot be read, or is of another schema.
pub fn read(path: &Path) -> Result<(Header, Vec<Figure>)> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut lines = text.lines();
    let named = |line: usize| format!("{}:{line}: not a line of figures of schema 1 to {SCHEMA}", path.display());
    let header: Header = serde_json::from_str(lines.next().unwrap_or_default()).with_context(|| named(1))?;
    ensure!((1..=SCHEMA).contains(&header.schema), "{} (it is of {})", named(1), header.schema);
    let figures = lines.enumerate().map(|(at, line)| serde_json::from_str(line).with_context(|| named(at + 2)));
    Ok((header, figures.collect::<Result<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::{Clock, Figure, Header, SCHEMA, System, printed, read, write};

    const LINE: &str =
        r#"{"schema":1,"benchmark":"pipe/latency/1","status":"ok","per_operation":2347.392,"error":null,"new":[1, 2]}"#;

    #[test]
    fn figures_are_taken_from_what_a_console_prints() {
        let text = format!("[    0.1] Postern\n{LINE}\nipcbench: done\n");
        let figures = printed(System::Postern, Clock::Instructions, &text).unwrap();
        assert_eq!(figures.len(), 1);
        let row = figures[0].row().unwrap();
        assert_eq!((row.benchmark.as_str(), row.per_operation), ("pipe/latency/1", Some(2347.392)));
    }

    #[test]
    fn a_broken_line_is_an_error() {
        assert!(printed(System::Postern, Clock::Instructions, "{\"schema\":1,\"bench").is_err());
    }

    #[test]
    fn a_file_gives_back_what_was_written_byte_for_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("figures.jsonl");
        let header =
            Header { schema: SCHEMA, commit: "c".into(), qemu: "q".into(), pins: vec!["--icount".into()], linux: None };
        write(&path, &header, &printed(System::Linux, Clock::WallClock, LINE).unwrap()).unwrap();
        let (same, figures) = read(&path).unwrap();
        assert_eq!(same, header);
        let Figure { system, clock, suite, cpus, figure } = &figures[0];
        assert_eq!((*system, *clock, figure.get()), (System::Linux, Clock::WallClock, LINE));
        assert_eq!((suite, cpus), (&None, &None));
    }

    #[test]
    fn a_file_of_schema_1_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("figures.jsonl");
        let header = r#"{"schema":1,"commit":"c","qemu":"q","pins":[]}"#;
        let line = format!(r#"{{"system":"linux","clock":"instructions","figure":{LINE}}}"#);
        std::fs::write(&path, format!("{header}\n{line}\n")).unwrap();
        let (header, figures) = read(&path).unwrap();
        assert_eq!((header.schema, header.linux), (1, None));
        assert_eq!((figures.len(), figures[0].suite.as_ref()), (1, None));
    }

    #[test]
    fn another_schema_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("figures.jsonl");
        std::fs::write(&path, "{\"schema\":4,\"commit\":\"\",\"qemu\":\"\",\"pins\":[]}\n").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("schema 1 to 3"));
    }
}
