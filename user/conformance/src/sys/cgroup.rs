//! Control groups for tests: a group of the test's own below the root of the mounted hierarchy, and its files.
//!
//! Owns the directories it makes; they go with the [`Group`], processes and all. Takes no locks; sleeps where the calls do.

use super::{Sys, SysError, fd, path, process};
use crate::check::{Failure, Outcome, failed, needs_root, skip};
use libc::{O_CLOEXEC, O_RDONLY, O_WRONLY};
use std::time::{Duration, Instant};

/// A control group that exists as long as this value.
pub struct Group {
    /// Its directory.
    pub path: String,
}

/// Where cgroup2 is mounted.
///
/// # Errors
/// The skip, where it is not, or where the test may not change it.
pub fn root() -> Result<String, Failure> {
    needs_root()?;
    let mounts = std::fs::read_to_string("/proc/mounts")?;
    let mut lines = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    match lines.find(|words| words.get(2) == Some(&"cgroup2")) {
        Some(words) => Ok(words[1].to_owned()),
        None => skip("needs a mounted cgroup2"),
    }
}

/// What is written goes to the kernel in one call.
///
/// # Errors
/// What open(2) or write(2) says.
pub fn write(path: &str, text: &str) -> Sys<()> {
    let file = path::open(path, O_WRONLY | O_CLOEXEC, 0)?;
    let written = fd::write(file, text.as_bytes());
    fd::close(file)?;
    written.map(drop)
}

/// The whole of a file.
///
/// # Errors
/// What open(2) or read(2) says.
pub fn read(path: &str) -> Sys<String> {
    let file = path::open(path, O_RDONLY | O_CLOEXEC, 0)?;
    let text = fd::read_up_to(file, 1 << 20);
    fd::close(file)?;
    text.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The group of a process, as `/proc/PID/cgroup` has it, from the root.
///
/// # Errors
/// A failure if there is no line of cgroup2.
pub fn of_process(pid: i32) -> Result<String, Failure> {
    let text = read(&format!("/proc/{pid}/cgroup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("0::"));
    line.map(str::to_owned).ok_or_else(|| failed("/proc/PID/cgroup has no line of hierarchy 0"))
}

/// The test's process returns to the root group.
///
/// # Errors
/// What the kernel says.
pub fn leave() -> Outcome {
    Ok(write(&format!("{}/cgroup.procs", root()?), "0")?)
}

impl Group {
    /// A group below the root.
    ///
    /// # Errors
    /// The skip; what mkdir(2) says.
    pub fn new() -> Result<Self, Failure> {
        let path = format!("{}/conformance-{}", root()?, process::getpid());
        path::mkdir(&path, 0o755)?;
        Ok(Self { path })
    }

    /// The same with the pids controller.
    ///
    /// # Errors
    /// The skip; what the kernel says.
    pub fn with_pids() -> Result<Self, Failure> {
        let root = root()?;
        if !read(&format!("{root}/cgroup.controllers"))?.split_whitespace().any(|name| name == "pids") {
            return skip("needs the pids controller in cgroup2");
        }
        write(&format!("{root}/cgroup.subtree_control"), "+pids")?;
        Self::new()
    }

    /// A group in it, which goes with it.
    ///
    /// # Errors
    /// What mkdir(2) says.
    pub fn below(&self, name: &str) -> Sys<String> {
        let path = self.file(name);
        path::mkdir(&path, 0o755)?;
        Ok(path)
    }

    /// The path of something in it.
    pub fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// Its path from the root of the hierarchy.
    ///
    /// # Errors
    /// The skip.
    pub fn name(&self) -> Result<String, Failure> {
        Ok(self.path[root()?.len()..].to_owned())
    }

    /// Reads one of its files.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn read(&self, name: &str) -> Sys<String> {
        read(&self.file(name))
    }

    /// Writes to one of its files.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn write(&self, name: &str, text: &str) -> Sys<()> {
        write(&self.file(name), text)
    }

    /// The calling process moves there.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn enter(&self) -> Sys<()> {
        self.write("cgroup.procs", "0")
    }

    /// The processes in it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn members(&self) -> Sys<Vec<i32>> {
        members(&self.path)
    }

    /// A number that stands in one of its files.
    ///
    /// # Errors
    /// What the kernel says; a failure if it is none.
    pub fn number(&self, name: &str) -> Result<u64, Failure> {
        let text = self.read(name)?;
        text.trim().parse().map_err(|_| failed(format!("{name} is no number: {text:?}")))
    }

    /// Waits, at most ten seconds, until nobody is in it or below.
    ///
    /// # Errors
    /// A failure if somebody stays.
    pub fn wait_until_empty(&self) -> Outcome {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.read("cgroup.events")?.contains("populated 1") {
            if Instant::now() > deadline {
                return Err(failed("somebody is still in the group after ten seconds"));
            }
            let file = path::open(&self.file("cgroup.events"), O_RDONLY, 0)?;
            let _ = fd::read_up_to(file, 64)?;
            super::ready::poll(&mut [super::ready::wanting(file, libc::POLLPRI)], 100)?;
            fd::close(file)?;
        }
        Ok(())
    }
}

/// The processes in the group at `path`, in ascending order.
///
/// # Errors
/// What the kernel says.
pub fn members(path: &str) -> Sys<Vec<i32>> {
    let text = read(&format!("{path}/cgroup.procs"))?;
    let mut pids: Vec<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
    pids.sort_unstable();
    Ok(pids)
}

/// Removes a group and those below it.
fn remove(path: &str) -> Result<(), SysError> {
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path().to_string_lossy())?;
        }
    }
    path::rmdir(path)
}

impl Drop for Group {
    /// Removes it, once everybody in it has been killed; a test may have done so itself.
    fn drop(&mut self) {
        if leave().is_ok() && self.write("cgroup.kill", "1").is_ok() && self.wait_until_empty().is_ok() {
            let _ = remove(&self.path);
        }
    }
}
