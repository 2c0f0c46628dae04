//! The conformance program on Linux and on Postern, at the same time, and what it said there set side by side.
//!
//! Owns the progress bars. Two threads boot; the reports are compared when both guests have ended.

use std::fs;
use std::path::PathBuf;
use std::thread;

use anyhow::{Context, Result, anyhow};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::difference::{self, Comparison, Scope};
use crate::ktap::{self, Report};
use crate::machine::{Boot, Clock, System, root};

/// Real time for one boot with all tests, in seconds; alone it takes one to two minutes.
const TIMEOUT_S: u32 = 900;

/// The file of differences that are as they should be.
pub fn file() -> PathBuf {
    root().join("user/conformance/differences.txt")
}

/// Runs every test on both, or those whose names contain `only`, and compares.
///
/// # Errors
/// If a kernel is missing, or a guest ends without having said all; if the file cannot be read.
pub fn compare(only: Option<&str>) -> Result<Comparison> {
    let path = file();
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let accepted = difference::read(&text).with_context(|| path.display().to_string())?;
    [System::Linux, System::Postern].iter().try_for_each(|system| system.check())?;
    let bars = MultiProgress::new();
    let (postern, linux) = thread::scope(|scope| {
        let linux = scope.spawn(|| report(System::Linux, only, &bars));
        (report(System::Postern, only, &bars), linux.join())
    });
    bars.clear()?;
    let (postern, linux) = (postern?, linux.map_err(|_| anyhow!("the thread that boots Linux has failed"))??);
    let scope = if only.is_none() { Scope::Everything } else { Scope::Part };
    Ok(difference::compare(&linux, &postern, &accepted, scope))
}

/// What `system` says. That tests fail there is no error: what they came to is in the report.
fn report(system: System, only: Option<&str>, bars: &MultiProgress) -> Result<Report> {
    let bar = bars.add(ProgressBar::new(0).with_prefix(system.name()));
    if let Ok(style) = ProgressStyle::with_template("{prefix:8} {bar:30} {pos}/{len} {wide_msg}") {
        bar.set_style(style);
    }
    let only = only.map_or_else(String::new, |part| format!(" --only '{part}'"));
    let boot = Boot {
        system,
        clock: Clock::WallClock,
        cpus: None,
        command: format!("conformance{only}"),
        timeout_s: TIMEOUT_S,
    };
    let ended = boot.follow(|line| {
        if let Some(planned) = ktap::plan(line) {
            bar.set_length(planned as u64);
        } else if let Some((number, name, _)) = ktap::result(line) {
            bar.set_position(number as u64);
            bar.set_message(name.to_owned());
        }
    })?;
    bar.finish();
    // The failures' remarks are what whoever mends them needs.
    ktap::parse(&ended.printed).map_err(|error| anyhow!("{error}\n{}", ended.complaint(&boot)))
}
