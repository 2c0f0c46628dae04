//! What many control groups cost: each has an instance of /dev/hello of its own. For 1, 10, 100 and 1,000 of them, what the
//! first open costs (it makes the instance), what a later one costs (it finds it among the others) and what a message costs.
//! Seed 001, section 4.1.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::figures::Figures;
use super::{Print, amount};
use crate::clock::now_ns;
use crate::failure::Failure;
use crate::mechanism::Mechanism;
use crate::mechanism::descriptor::{read_some, write_some};
use crate::mechanism::hello::{Hello, NODE};
use crate::options::Options;
use crate::statistics::ratio;
use crate::supervise::{Body, Report, Role, supervise};
use crate::system::device::open;
use crate::system::interruption::Deferral;

/// Where control groups are.
const ROOT: &str = "/sys/fs/cgroup";
/// How many there are.
const SIZES: [usize; 4] = [1, 10, 100, 1_000];

/// The probe.
pub fn probe(options: &Options, print: &mut Print<'_>) -> Result<(), Failure> {
    Hello.availability()?;
    if !Path::new(ROOT).join("cgroup.procs").exists() {
        return Err(Failure::absent(format!("no control groups at {ROOT}")));
    }
    let messages = amount(options, 10_000, 200);
    let columns = ["mkdir", "enter", "first open", "later open", "message", "rmdir"];
    let mut rows = Vec::new();
    for size in SIZES {
        // In a process of its own, which may move about; the groups go in any case, also when a signal is to end the program.
        let _deferral = Deferral::begin();
        let groups = Groups { base: Path::new(ROOT).join(format!("ipcbench-{}", std::process::id())), size };
        let own = groups.clone();
        let body: Body = Box::new(move || Ok(Report { counts: own.visit(messages)?, ..Report::default() }));
        let visited = supervise(vec![Role { name: "visitor", cpu: None, body }], options.plan().deadline);
        let removed = groups.remove();
        let report = visited?.into_iter().next().unwrap_or_default();
        let [mkdir, enter, first, later, message] = report.counts[..] else {
            return Err(Failure::new("the visitor did not count"));
        };
        let per_group = |sum| ratio(sum, size as u64);
        let removal = per_group(removed.map_err(|error| Failure::during("rmdir", &error))?);
        let each = [mkdir, enter, first, later].map(per_group);
        rows.push((size.to_string(), each.into_iter().chain([ratio(message, messages), removal]).collect()));
    }
    let unit = options.unit.short_name();
    print.table(&Figures {
        title: format!("{unit} per group, and per message (written and read, one byte) in the last one"),
        rows_are: "groups",
        columns: columns.map(str::to_owned).to_vec(),
        rows,
        notes: Vec::new(),
    })
}

/// Control groups below one of this run.
#[derive(Clone)]
struct Groups {
    base: PathBuf,
    size: usize,
}

impl Groups {
    fn group(&self, number: usize) -> PathBuf {
        self.base.join(number.to_string())
    }

    /// Makes the groups, goes into each and opens the node there, twice; what that took, and `messages` in the last one.
    fn visit(&self, messages: u64) -> io::Result<Vec<u64>> {
        let mut sums = [0; 5];
        fs::create_dir(&self.base)?;
        for number in 0..self.size {
            sums[0] += timed(|| fs::create_dir(self.group(number)))?.1;
        }
        for number in 0..self.size {
            let members = self.group(number).join("cgroup.procs");
            sums[1] += timed(|| fs::write(&members, "0"))?.1;
            sums[2] += timed(|| open(NODE, libc::O_RDWR))?.1;
        }
        let mut last = None;
        for number in 0..self.size {
            fs::write(self.group(number).join("cgroup.procs"), "0")?;
            let (file, took_ns) = timed(|| open(NODE, libc::O_RDWR))?;
            sums[3] += took_ns;
            last = Some(file);
        }
        if let Some(file) = last {
            // Once before: then the page is there.
            message(&file)?;
            sums[4] = timed(|| (0..messages).try_for_each(|_| message(&file)))?.1;
        }
        Ok(sums.to_vec())
    }

    /// Removes what is there of them; what that took.
    fn remove(&self) -> io::Result<u64> {
        let mut sum = 0;
        for number in 0..self.size {
            match timed(|| fs::remove_dir(self.group(number))) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => sum += other?.1,
            }
        }
        match fs::remove_dir(&self.base) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(sum),
            other => other.map(|()| sum),
        }
    }
}

/// One byte to oneself.
fn message(file: &OwnedFd) -> io::Result<()> {
    let mut byte = [0];
    while write_some(file, &[1])? == 0 {}
    while read_some(file, &mut byte)? == 0 {}
    Ok(())
}

/// `work`'s result and what it took.
fn timed<T>(work: impl FnOnce() -> io::Result<T>) -> io::Result<(T, u64)> {
    let started_ns = now_ns();
    let result = work()?;
    Ok((result, now_ns() - started_ns))
}
