//! The instructions of one benchmark, function by function: exact, since each is counted and none sampled.
//!
//! `tools/instruction-counter`, a plugin for QEMU, counts what is executed between two marks that ipcbench passes before and
//! after the operations that it times as a whole; here the addresses become names. `window` reads the plugin's file,
//! `functions` knows the kernel's symbols and `sources` what was inlined where; `cost` sums up, `show` prints,
//! `against` compares with an earlier profile. Owns the plugin's file while the guest runs.

pub mod against;
pub mod cost;
pub mod functions;
mod show;
pub mod sources;
pub mod window;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use postern_abi::window::{BEGIN, END};
use serde::{Deserialize, Serialize};

use crate::campaign::TIMEOUT_S;
use crate::figure::{self, Header, printed};
use crate::machine::{Boot, Clock, System, root};
use against::{Earlier, Head};
use cost::{ELSEWHERE, Place, Row, function_of};
use functions::Functions;
use sources::Sources;
use window::Window;

/// Of what `--json` prints.
pub const SCHEMA: u32 = 1;

/// What the rows are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// Functions that have a symbol, with what the compiler inlined into them
    Function,
    /// Functions of this project's source, wherever they were inlined, with what is inlined there of others
    Inlined,
    /// Lines of this project's source, the same way
    Line,
    /// Files of this project's source, the same way
    File,
}

impl By {
    /// As it is written in files and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Inlined => "inlined",
            Self::Line => "line",
            Self::File => "file",
        }
    }
}

/// Which benchmark, where, and what to show of it.
#[derive(Args, Clone, Debug)]
pub struct Request {
    /// Its whole name, as `ipcbench --list` has it
    pub benchmark: String,
    /// On which kernel; Linux's functions are those of its /proc/kallsyms
    #[arg(long, default_value = "postern")]
    pub system: System,
    /// Of which suite of ipcbench, if not of the usual benchmarks
    #[arg(long)]
    pub suite: Option<String>,
    /// How many operations, if not as many as --quick
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// What a row is of; all but functions need the debug information of Postern
    #[arg(long, default_value = "function")]
    pub by: By,
    /// Only what is in functions whose symbols contain this; the rest is one row
    #[arg(long, value_name = "PART")]
    pub within: Option<String>,
    /// Show only so many rows, and the others as one
    #[arg(long, value_name = "N", conflicts_with = "json")]
    pub top: Option<usize>,
    /// Show who calls the functions whose names contain this, instead
    #[arg(long, value_name = "PART", conflicts_with_all = ["json", "top", "by", "within"])]
    pub callers: Option<String>,
    /// Show what changed since this profile, which was printed with --json, instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "callers", "within"])]
    pub against: Option<PathBuf>,
    /// Print a JSON object a line: how it came about, then each function
    #[arg(long)]
    pub json: bool,
    /// The kernel that the image was made of, if not that of `make image`
    #[arg(long, value_name = "FILE")]
    pub elf: Option<PathBuf>,
}

/// A benchmark's instructions.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Where.
    pub system: System,
    /// What ipcbench itself says.
    pub figure: figure::Row,
    /// All that was executed.
    pub window: Window,
    /// The kernel's.
    pub functions: Functions,
    /// The file that has them; empty for Linux's.
    elf: Vec<u8>,
}

impl Profile {
    /// The largest first; they add up to all that was executed.
    ///
    /// # Errors
    /// If there is no debug information, and the rows need it.
    pub fn rows(&self, by: By, within: Option<&str>) -> Result<Vec<Row>> {
        let sources = if by == By::Function { None } else { Some(Sources::read(&self.elf)?) };
        cost::rows(&self.window, |executed| {
            let function = function_of(executed, &self.functions);
            if !executed.is_kernel() {
                return Ok(function);
            }
            if within.is_some_and(|part| !function.name.contains(part)) {
                return Ok(Place::nameless(ELSEWHERE));
            }
            let Some(sources) = &sources else { return Ok(function) };
            let source = sources.at(executed.address)?;
            let name = source.function.unwrap_or(function.name);
            Ok(Place::nameless(&match (by, source.place) {
                (By::Line, Some((file, line))) => format!("{file}:{line} {name}"),
                (By::File, Some((file, _))) => file,
                _ => name,
            }))
        })
    }
}

impl Request {
    /// Boots, counts, and returns what is to be shown.
    ///
    /// # Errors
    /// If something to boot or to count with is missing, the benchmark is none or several, it fails, or symbols and image are not
    /// of the same kernel.
    pub fn profile(&self) -> Result<String> {
        ensure!(
            self.by == By::Function || self.system == System::Postern,
            "Debian's Linux has no debug information: --by function"
        );
        // Before the boot, as all that can be wrong.
        let earlier = self.against.as_ref().map(|file| Earlier::read(file)).transpose()?;
        if let Some(earlier) = &earlier {
            let benchmark = self.benchmark.clone();
            earlier.must_be_like(&Head { schema: SCHEMA, system: self.system, benchmark, by: self.by })?;
        }
        let profile = self.count()?;
        if let Some(part) = &self.callers {
            return Ok(profile.callers(part));
        }
        let rows = profile.rows(self.by, self.within.as_deref())?;
        if let Some(earlier) = earlier {
            return Ok(profile.changes(&rows, &earlier, self.top.unwrap_or(usize::MAX)));
        }
        match self.json {
            true => profile.json(&rows, self.by, &self.header()?),
            false => Ok(profile.table(&rows, self.top.unwrap_or(usize::MAX))),
        }
    }

    /// Boots and counts.
    ///
    /// # Errors
    /// As of [`Self::profile`].
    pub fn count(&self) -> Result<Profile> {
        self.system.check()?;
        // Before the boot: what does not fit need not run.
        let (functions, elf) = match self.system {
            System::Postern => self.postern()?,
            System::Linux => (linux()?, Vec::new()),
        };
        let boot = self.boot();
        let file = CountsFile::new()?;
        let printed = boot.run_watched(&file.plugin()?)?;
        let figure = self.only_figure(&printed)?;
        let counts = fs::read_to_string(&file.0).context("the plugin wrote no counts: ipcbench passed no marks")?;
        Ok(Profile { system: self.system, figure, window: Window::read(&counts)?, functions, elf })
    }

    fn boot(&self) -> Boot {
        let amount = self.count.map_or_else(|| "--quick".to_owned(), |count| format!("--count {count}"));
        let suite = self.suite.as_ref().map_or_else(String::new, |suite| format!(" --suite {suite}"));
        let command = format!("ipcbench --json --pin 0 {amount}{suite} --only '{}'", self.benchmark);
        Boot { system: self.system, clock: Clock::Instructions, cpus: None, command, timeout_s: TIMEOUT_S }
    }

    fn header(&self) -> Result<Header> {
        Header::of_now(vec![self.boot().options().join(" ")], None)
    }

    fn only_figure(&self, text: &str) -> Result<figure::Row> {
        let figures = printed(self.system, Clock::Instructions, text)?;
        let mut rows = figures.iter().map(|figure| figure.row()).collect::<Result<Vec<_>>>()?;
        let row = rows.pop().context("ipcbench printed no figure")?;
        if !rows.is_empty() {
            let names: Vec<_> = rows.iter().chain([&row]).map(|row| row.benchmark.as_str()).collect();
            bail!("'{}' is {} benchmarks, and one can be profiled: {}", self.benchmark, names.len(), names.join(", "));
        }
        if let Some(error) = &row.error {
            bail!("{} {}: {error}", row.benchmark, row.status);
        }
        Ok(row)
    }

    fn postern(&self) -> Result<(Functions, Vec<u8>)> {
        let elf = self.elf.clone().unwrap_or_else(|| built("aarch64-unknown-none-softfloat/release/postern"));
        let bytes = fs::read(&elf).with_context(|| format!("no kernel {}: run 'make image'", elf.display()))?;
        let image = root().join(self.system.image());
        let image = fs::read(&image).with_context(|| format!("cannot read {}", image.display()))?;
        let functions = Functions::of_elf(&bytes, &image);
        let functions = functions.with_context(|| format!("{} has no names for the booted kernel", elf.display()))?;
        Ok((functions, bytes))
    }
}

/// Linux tells the names itself, in a boot of its own: at the same addresses, by the pins.
fn linux() -> Result<Functions> {
    let command = "cat /proc/kallsyms".to_owned();
    let boot = Boot { system: System::Linux, clock: Clock::Instructions, cpus: None, command, timeout_s: TIMEOUT_S };
    Functions::of_kallsyms(&boot.run()?)
}

/// A file that cargo built.
fn built(path: &str) -> PathBuf {
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    folder.join(path)
}

/// What the plugin writes; removed when dropped.
struct CountsFile(PathBuf);

impl CountsFile {
    fn new() -> Result<Self> {
        let file = root().join(format!("target/postern/counts.{}", std::process::id()));
        fs::write(&file, "").with_context(|| format!("cannot write {}", file.display()))?;
        Ok(Self(file))
    }

    /// As `qemu.sh --plugin` takes it.
    fn plugin(&self) -> Result<String> {
        let plugin = built("debug/libinstruction_counter.so");
        let is_there = plugin.is_file();
        ensure!(is_there, "no plugin {}: run 'cargo build --package instruction-counter'", plugin.display());
        // A comma would end the name.
        let path = |path: &Path| path.to_str().filter(|path| !path.contains(',')).map(str::to_owned);
        let both = path(&plugin).zip(path(&self.0));
        let (plugin, out) = both.context("QEMU takes no comma in a plugin's arguments: use other folders")?;
        Ok(format!("{plugin},out={out},begin={BEGIN:x},end={END:x}"))
    }
}

impl Drop for CountsFile {
    fn drop(&mut self) {
        // If it is gone already, so much the better.
        let _ = fs::remove_file(&self.0);
    }
}
