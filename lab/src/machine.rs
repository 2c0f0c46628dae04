//! One boot: which kernel, under which pins, and what the shell in it runs. Owns no file; the guest's status decides.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Which kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum System {
    /// Debian's, of `make packages`, or that of LINUX_IMAGE.
    Linux,
    /// This project's, of `make image`.
    Postern,
}

/// How the machine counts time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// One nanosecond an instruction: with one CPU the same run every time.
    Instructions,
    /// As fast as this machine emulates it.
    WallClock,
}

impl System {
    /// As it is written in files and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Postern => "postern",
        }
    }

    /// What it boots, from the project's root, as `tools/run` knows too.
    pub fn image(self) -> PathBuf {
        match self {
            Self::Linux => std::env::var_os("LINUX_IMAGE").map_or_else(|| "target/debian/Image".into(), PathBuf::from),
            Self::Postern => "target/postern/Image".into(),
        }
    }

    /// What to do where there is no such kernel.
    ///
    /// # Errors
    /// If there is none.
    pub fn check(self) -> Result<()> {
        let image = root().join(self.image());
        ensure!(
            image.is_file(),
            "no kernel {}: {}",
            image.display(),
            match self {
                Self::Linux => "run 'make packages', or name one in LINUX_IMAGE",
                Self::Postern => "run 'make image'",
            }
        );
        Ok(())
    }

    /// What the shell runs before: Linux's own threads are busy with the boot for some seconds, which cost nothing where idle
    /// time is skipped. Where time passes, Linux may complain of a host that lets its CPUs wait, and do so in the middle of a
    /// line of figures: that goes into its log alone.
    const fn settle(self, clock: Clock) -> &'static str {
        match (self, clock) {
            (Self::Linux, Clock::Instructions) => "sleep 30; ",
            (Self::Linux, Clock::WallClock) => "echo 1 >/proc/sys/kernel/printk; ",
            _ => "",
        }
    }
}

/// One boot of `system`.
#[derive(Clone, Debug)]
pub struct Boot {
    /// The kernel.
    pub system: System,
    /// The pins.
    pub clock: Clock,
    /// How many CPUs, if not as many as the clock has by default.
    pub cpus: Option<u32>,
    /// For the guest's shell; no double quotes.
    pub command: String,
    /// Real time after which the guest is ended, in seconds.
    pub timeout_s: u32,
}

/// The project's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

impl Boot {
    /// The words after `tools/run`, which knows the rest, but for the command.
    pub fn options(&self) -> Vec<&'static str> {
        let system = (self.system == System::Linux).then_some("--linux");
        let clock = (self.clock == Clock::Instructions).then_some("--bench");
        system.into_iter().chain(clock).collect()
    }

    /// What `tools/run` does, to be run from the project's root.
    fn process(&self) -> Command {
        let mut run = Command::new("tools/run");
        run.args(self.options()).args(["--", &format!("{}{}", self.system.settle(self.clock), self.command)]);
        run.env_remove("MEM").env_remove("PLUGIN").env("TIMEOUT", self.timeout_s.to_string());
        match (self.cpus, self.clock) {
            (Some(cpus), _) => run.env("SMP", cpus.to_string()),
            (None, Clock::Instructions) => run.env_remove("SMP"),
            (None, Clock::WallClock) => run.env("SMP", "2"),
        };
        run
    }

    /// Boots, and returns what was printed.
    ///
    /// # Errors
    /// If the guest's status is not 0; the message says which, and ends with the last lines that the guest printed.
    pub fn run(&self) -> Result<String> {
        self.output(self.process())
    }

    /// The same, with a plugin for QEMU: a file and its arguments, as of `qemu.sh --plugin`.
    ///
    /// # Errors
    /// As of [`Self::run`].
    pub fn run_watched(&self, plugin: &str) -> Result<String> {
        let mut process = self.process();
        process.env("PLUGIN", plugin);
        self.output(process)
    }

    fn output(&self, process: Command) -> Result<String> {
        let ended = Self::follow_process(process, |_| ())?;
        ensure!(ended.status.success(), "{}", ended.complaint(self));
        Ok(ended.printed)
    }

    /// Boots, and hands on each line as it is printed.
    ///
    /// # Errors
    /// If `tools/run` cannot be run. The guest's status is among what is returned.
    pub fn follow(&self, on_line: impl FnMut(&str)) -> Result<Ended> {
        Self::follow_process(self.process(), on_line)
    }

    fn follow_process(mut process: Command, mut on_line: impl FnMut(&str)) -> Result<Ended> {
        process.current_dir(root()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = process.spawn().context("tools/run cannot be run")?;
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let told = thread::spawn(move || {
            let mut told = Vec::new();
            errors.map_or(Ok(0), |mut errors| errors.read_to_end(&mut told)).map(|_| told)
        });
        let mut printed = String::new();
        // The console is bytes: what is not UTF-8 is shown as well as it can be.
        for line in output.into_iter().flat_map(|output| BufReader::new(output).split(b'\n')) {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            on_line(&line);
            printed.push_str(&line);
            printed.push('\n');
        }
        let told =
            told.join().map_err(|_| anyhow!("the thread that reads what tools/run complains of has failed"))??;
        let status = child.wait()?;
        Ok(Ended { status, printed, told: String::from_utf8_lossy(&told).into_owned() })
    }
}

/// A boot that is over.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The guest's; 124 if its time was over.
    pub status: ExitStatus,
    /// All of the console.
    pub printed: String,
    /// What was complained of beside it.
    pub told: String,
}

impl Ended {
    /// Which boot it was, how it ended, and the last lines that it printed.
    pub fn complaint(&self, boot: &Boot) -> String {
        let lines: Vec<&str> = self.printed.lines().chain(self.told.lines()).collect();
        let last = lines[lines.len().saturating_sub(5)..].join("\n  ");
        let late = if self.status.code() == Some(124) { ", its time was over" } else { "" };
        format!("{} running '{}': {}{late}\n  {last}", boot.system.name(), boot.command, self.status)
    }
}
