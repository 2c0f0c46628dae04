//! Runs tests, each in a process of its own, and reports them as KTAP.
//!
//! Owns the list of suites, the watchdog and the report pipe. A test is a forked child in a process group of its own, so a
//! crash fails one test only. Whatever it leaves behind is killed: with the group, or, if it has left that, as what it becomes
//! when its parent is gone, a child of this process (a subreaper). So nothing keeps this program's output open once it has ended.
//! What a test waited for that did not end in time is added to its report, by a kernel that tells it.
//! The parent sleeps in `ppoll` until SIGCHLD or the time limit; nothing here polls.
//! Format: <https://docs.kernel.org/dev-tools/ktap.html>.

use crate::check::{Failure, Outcome};
use crate::scratch;
use crate::sys::{fd, process, ready, signal};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

/// One sentence of a specification, and the code that tries it.
pub struct Test {
    /// The behaviour in words.
    pub name: String,
    /// Returns `Ok` if the system behaves as the name says.
    pub body: Box<dyn Fn() -> Outcome>,
}

/// Tests that belong together.
pub struct Suite {
    /// The first part of a test's full name.
    pub name: &'static str,
    /// The tests, in the order in which they run.
    pub tests: fn() -> Vec<Test>,
}

/// Makes a suite's `tests` function from the identifiers of its test functions: one line a test.
#[macro_export]
macro_rules! tests {
    ($($name:ident,)+) => {
        /// The tests of this suite.
        pub fn tests() -> Vec<$crate::harness::Test> {
            vec![$($crate::harness::Test { name: stringify!($name).to_string(), body: Box::new($name) }),+]
        }
    };
}

/// How a test ended.
pub enum Verdict {
    /// The system behaved as the sentence says.
    Passed,
    /// It did not; the reason in a few words.
    Failed(String),
    /// It could not be tried; the reason.
    Skipped(String),
}

const EXIT_FAILED: i32 = 1;
/// The exit status of a test, and of a part of it in a child, that could not be tried.
pub const EXIT_SKIPPED: i32 = 4;
const EXIT_PANICKED: i32 = 101;

/// The report pipe's descriptor in a test's processes is moved up here, out of the way of tests of "lowest free".
const REPORT_FD_FLOOR: i32 = 500;

/// The write end of the report pipe; -1 outside a test.
static REPORT_FD: AtomicI32 = AtomicI32::new(-1);

/// Prepares the parent: SIGCHLD is blocked except while waiting for a test, and what tests leave behind comes here.
///
/// # Errors
/// Says what the kernel refused.
pub fn prepare() -> Result<(), Failure> {
    // A shell that starts this in the background has the keyboard's signals ignored, and tests would inherit that.
    for number in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
        signal::default(number)?;
    }
    signal::count(libc::SIGCHLD, 0)?;
    signal::block(&[libc::SIGCHLD])?;
    process::set_child_subreaper(true)?;
    Ok(())
}

/// Adds a diagnostic line to the report of the running test.
pub fn diagnose(text: &str) {
    let mut line = text.replace('\n', "\n  ");
    line.push('\n');
    // A report that cannot be delivered has nowhere else to go: the exit status still tells the verdict.
    let _ = fd::write(REPORT_FD.load(Ordering::Relaxed), line.as_bytes());
}

/// Runs one test in a child; returns the verdict and the diagnostic text.
///
/// # Errors
/// Says what the kernel refused of the things the harness itself needs.
pub fn run(test: &Test, limit: Duration) -> Result<(Verdict, String), Failure> {
    let report = fd::Pipe::anonymous(libc::O_CLOEXEC | libc::O_NONBLOCK)?;
    let pid = process::fork_then(|| {
        be_a_test(report.write);
        verdict_to_status(&catch_unwind(AssertUnwindSafe(|| (test.body)())))
    })?;
    fd::close(report.write)?;
    let status = wait_within(pid, limit)?;
    let waits = if status.is_none() { waits() } else { String::new() };
    // ESRCH is the usual answer: a tidy test leaves nobody in its group.
    let _ = process::kill(-pid, libc::SIGKILL);
    let status = match status {
        Some(status) => Some(status),
        None => {
            process::wait4(pid, 0)?;
            None
        }
    };
    end_descendants()?;
    let text = drain(report.read) + &waits;
    fd::close(report.read)?;
    scratch::remove_of(pid);
    Ok((verdict(status, &text), text))
}

/// Who waits for whom at the moment, where the kernel tells it: Postern.
fn waits() -> String {
    std::fs::read_to_string("/proc/postern/waits").unwrap_or_default()
}

/// Makes the calling process what a test expects to run in: default signals, own group, report pipe out of the way.
fn be_a_test(report_write: i32) {
    let moved = fd::fcntl(report_write, libc::F_DUPFD_CLOEXEC, REPORT_FD_FLOOR);
    REPORT_FD.store(moved.unwrap_or(report_write), Ordering::Relaxed);
    if moved.is_ok() {
        let _ = fd::close(report_write);
    }
    let prepared =
        signal::default(libc::SIGCHLD).and_then(|()| signal::set_mask(&[])).and_then(|_| process::setpgid(0, 0));
    if let Err(error) = prepared {
        diagnose(&format!("preparing the test: {error}"));
    }
}

/// The exit status that carries a test's outcome to the parent; the reason goes into the report.
pub fn verdict_to_status(outcome: &std::thread::Result<Outcome>) -> i32 {
    match outcome {
        Ok(Ok(())) => 0,
        Ok(Err(Failure::Failed(reason))) => {
            diagnose(reason);
            EXIT_FAILED
        }
        Ok(Err(Failure::Skipped(reason))) => {
            diagnose(reason);
            EXIT_SKIPPED
        }
        Err(_) => EXIT_PANICKED,
    }
}

/// Kills all that an ended test has left alive, and waits for it. The children of those that end become children of this process.
fn end_descendants() -> Result<(), Failure> {
    loop {
        match process::wait4(-1, libc::WNOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => {
                for pid in process::children_of(process::getpid())? {
                    // One that has ended meanwhile is waited for all the same.
                    let _ = process::kill(pid, libc::SIGKILL);
                }
                process::wait4(-1, 0)?;
            }
            Err(error) if error.errno == libc::ECHILD => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sleeps until `pid` has ended or `limit` is over (`None`).
fn wait_within(pid: i32, limit: Duration) -> Result<Option<process::Status>, Failure> {
    let deadline = Instant::now() + limit;
    loop {
        // An orphan of the test, for whom nobody else waits, may be what has ended.
        while let Some((ended, status)) = process::wait4(-1, libc::WNOHANG)? {
            if ended == pid {
                return Ok(Some(status));
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        // SIGCHLD is blocked outside this call, so one that came since wait4 ends it at once with EINTR.
        match ready::ppoll(&mut [], Some(left), Some(&[])) {
            Ok(_) => {}
            Err(error) if error.errno == libc::EINTR => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn verdict(status: Option<process::Status>, text: &str) -> Verdict {
    let Some(status) = status else {
        return Verdict::Failed("timed out".to_string());
    };
    match (status.exited(), status.signalled()) {
        (Some(0), _) => Verdict::Passed,
        (Some(EXIT_SKIPPED), _) => Verdict::Skipped(text.trim().replace('\n', " ")),
        (Some(EXIT_FAILED), _) => Verdict::Failed(String::new()),
        (Some(EXIT_PANICKED), _) => Verdict::Failed("panicked".to_string()),
        (Some(code), _) => Verdict::Failed(format!("exited with {code}")),
        (None, Some(signal)) => Verdict::Failed(format!("killed by signal {signal}")),
        (None, None) => Verdict::Failed(format!("ended with wait status {:#x}", status.0)),
    }
}

/// Everything in the report pipe; it does not block, so a descendant still holding the other end does no harm.
fn drain(report_read: i32) -> String {
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = fd::read(report_read, &mut chunk) {
        text.extend_from_slice(&chunk[..count]);
    }
    String::from_utf8_lossy(&text).into_owned()
}
