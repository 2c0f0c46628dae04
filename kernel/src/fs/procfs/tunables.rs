//! /proc/sys: numbers that the administrator may read and set, and the names of the system.
//!
//! Owns the numbers that belong to nobody else, and the host and domain name. Others enter theirs with [`add`].
//! Lock: OBJECT (spin) around the names. Never sleeps. Specification: proc_sys_kernel(5), proc_sys_fs(5), uname(2).

use crate::fs::procfs::text::{Functions, Text, TextSource, parse_number, put};
use crate::fs::procfs::{add_source, add_text};
use crate::sync::{SpinLock, rank};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use postern_core::errno::{Errno, Result};
use postern_core::tid_allocator::{PID_MAX_DEFAULT, PID_MAX_LIMIT, RESERVED_PIDS};

/// `sysname` of uname(2).
pub const OS_TYPE: &str = "Linux";
/// `release` of uname(2): the Linux whose interface this is.
pub const OS_RELEASE: &str = "6.12.0-postern";
/// `version` of uname(2).
pub const OS_VERSION: &str = "#1 SMP";
/// Longest host or domain name.
const LONGEST_NAME: usize = 64;

/// A number with bounds.
pub struct Tunable {
    /// Relaxed: it stands for itself.
    value: AtomicU64,
    min: u64,
    max: u64,
}

impl Tunable {
    /// A number to begin with, and the bounds for changes.
    pub const fn new(value: u64, min: u64, max: u64) -> Self {
        Self { value: AtomicU64::new(value), min, max }
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }

    /// Sets the number.
    ///
    /// # Errors
    /// EINVAL outside the bounds.
    pub fn set(&self, value: u64) -> Result<()> {
        if !(self.min..=self.max).contains(&value) {
            return Err(Errno::EINVAL);
        }
        self.value.store(value, Ordering::Relaxed);
        Ok(())
    }
}

/// Largest pipe an ordinary user may ask for, in bytes.
pub static PIPE_MAX_SIZE: Tunable = Tunable::new(1 << 20, 4096, 1 << 31);
/// Pages in one user's pipes before new ones are small; 0: no limit.
pub static PIPE_USER_PAGES_SOFT: Tunable = Tunable::new(16384, 0, u64::MAX);
/// Pages in one user's pipes at most; 0: no limit.
pub static PIPE_USER_PAGES_HARD: Tunable = Tunable::new(0, 0, u64::MAX);
/// Ids are below it.
pub static PID_MAX: Tunable = Tunable::new(PID_MAX_DEFAULT as u64, RESERVED_PIDS as u64 + 1, PID_MAX_LIMIT as u64);
/// The least that [`THREADS_MAX`] may be.
pub const THREADS_MIN: u64 = 20;
/// Threads at most, of all users; set at boot by what memory is good for.
pub static THREADS_MAX: Tunable = Tunable::new(16384, THREADS_MIN, 1 << 22);
/// RLIMIT_NOFILE at most.
pub static NR_OPEN: Tunable = Tunable::new(1 << 20, 64, (1 << 31) - 64);
/// Open file descriptions at most; not enforced, memory ends before.
pub static FILE_MAX: Tunable = Tunable::new(1 << 20, 64, i64::MAX as u64);
/// Whether memory may be promised that is not there; reported only.
static OVERCOMMIT_MEMORY: Tunable = Tunable::new(1, 0, 2);

static HOST_NAME: SpinLock<Vec<u8>> = SpinLock::new(rank::OBJECT, Vec::new());
static DOMAIN_NAME: SpinLock<Vec<u8>> = SpinLock::new(rank::OBJECT, Vec::new());

struct TunableSource(&'static Tunable);

impl TextSource for TunableSource {
    fn show(&self, text: &mut Text) -> Result<()> {
        put!(text, "{}\n", self.0.get());
        Ok(())
    }

    fn store(&self, bytes: &[u8]) -> Result<()> {
        self.0.set(parse_number(bytes)?)
    }
}

/// Enters a number at `path` below /proc/sys.
///
/// # Errors
/// EEXIST, ENOTDIR.
pub fn add(path: &str, tunable: &'static Tunable) -> Result<()> {
    add_source(&alloc::format!("sys/{path}"), 0o644, Arc::new(TunableSource(tunable)))
}

/// Enters what this file owns.
///
/// # Errors
/// EEXIST.
pub fn init() -> Result<()> {
    let numbers: [(&str, &'static Tunable); 8] = [
        ("kernel/pid_max", &PID_MAX),
        ("kernel/threads-max", &THREADS_MAX),
        ("fs/pipe-max-size", &PIPE_MAX_SIZE),
        ("fs/pipe-user-pages-soft", &PIPE_USER_PAGES_SOFT),
        ("fs/pipe-user-pages-hard", &PIPE_USER_PAGES_HARD),
        ("fs/file-max", &FILE_MAX),
        ("fs/nr_open", &NR_OPEN),
        ("vm/overcommit_memory", &OVERCOMMIT_MEMORY),
    ];
    for (path, tunable) in numbers {
        add(path, tunable)?;
    }
    set_host_name(b"postern")?;
    set_domain_name(b"(none)")?;
    let host = Functions { show: |text| show_name(text, &HOST_NAME), store: Some(|bytes| set_host_name(line(bytes))) };
    let domain =
        Functions { show: |text| show_name(text, &DOMAIN_NAME), store: Some(|bytes| set_domain_name(line(bytes))) };
    add_source("sys/kernel/hostname", 0o644, Arc::new(host))?;
    add_source("sys/kernel/domainname", 0o644, Arc::new(domain))?;
    add_text("sys/kernel/ostype", |text| {
        put!(text, "{OS_TYPE}\n");
        Ok(())
    })?;
    add_text("sys/kernel/osrelease", |text| {
        put!(text, "{OS_RELEASE}\n");
        Ok(())
    })?;
    add_text("sys/kernel/version", |text| {
        put!(text, "{OS_VERSION}\n");
        Ok(())
    })
}

fn line(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\n").unwrap_or(bytes)
}

fn show_name(text: &mut Text, name: &SpinLock<Vec<u8>>) -> Result<()> {
    text.push(&name.lock());
    text.push(b"\n");
    Ok(())
}

fn set_name(name: &SpinLock<Vec<u8>>, new: &[u8]) -> Result<()> {
    if new.len() > LONGEST_NAME {
        return Err(Errno::EINVAL);
    }
    *name.lock() = new.to_vec();
    Ok(())
}

/// `nodename` of uname(2).
pub fn host_name() -> Vec<u8> {
    HOST_NAME.lock().clone()
}

/// sethostname(2).
///
/// # Errors
/// EINVAL if it is longer than 64 bytes.
pub fn set_host_name(new: &[u8]) -> Result<()> {
    set_name(&HOST_NAME, new)
}

/// `domainname` of uname(2).
pub fn domain_name() -> Vec<u8> {
    DOMAIN_NAME.lock().clone()
}

/// setdomainname(2).
///
/// # Errors
/// EINVAL if it is longer than 64 bytes.
pub fn set_domain_name(new: &[u8]) -> Result<()> {
    set_name(&DOMAIN_NAME, new)
}
