//! An empty directory for each test that wants one.
//!
//! Owns `<TMPDIR or /tmp>/conformance-PID`, where PID is the test's process; the harness removes it when the test is
//! over, however it ended. Does not sleep beyond what file calls do.

use crate::check::Failure;
use crate::sys::path;
use std::path::PathBuf;

fn directory_of(pid: u32) -> PathBuf {
    std::env::temp_dir().join(format!("conformance-{pid}"))
}

/// Creates the calling test's directory, open to every user, and makes it the working directory.
///
/// # Errors
/// Says what the kernel refused.
pub fn enter() -> Result<PathBuf, Failure> {
    let directory = directory_of(std::process::id());
    std::fs::create_dir(&directory)?;
    let name = directory.to_string_lossy().into_owned();
    path::chmod(&name, 0o777)?;
    path::chdir(&name)?;
    Ok(directory)
}

/// Removes the directory of the test that ran as `pid`, if it made one.
pub fn remove_of(pid: i32) {
    let directory = directory_of(pid.unsigned_abs());
    match std::fs::remove_dir_all(&directory) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => println!("# {} stays behind: {error}", directory.display()),
    }
}
