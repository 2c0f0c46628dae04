//! A module's parameters, by /sys. What is changed is put back when the change is dropped, also when a signal is to end the
//! program.

use std::fs;
use std::io;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use super::device;
use super::interruption::Deferral;

/// The parameter `name` of `module`.
fn path(module: &str, name: &str) -> PathBuf {
    ["/sys/module", module, "parameters", name].iter().collect()
}

/// The names of `module`'s parameters that are on and can be switched off, sorted.
///
/// # Errors
/// `NotFound` if there is no such module.
pub fn switches(module: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path(module, ""))? {
        let entry = entry?;
        let is_on = fs::read_to_string(entry.path())?.trim_end() == "Y";
        let can_change = std::os::unix::fs::PermissionsExt::mode(&entry.metadata()?.permissions()) & 0o200 != 0;
        if is_on && can_change {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The right to change a module's parameters: one run at a time, or two would put back each other's changes. Held until dropped.
pub struct Claim {
    module: &'static str,
    /// flock(2) on the directory of the parameters.
    _lock: OwnedFd,
}

impl Claim {
    /// The claim to `module`.
    ///
    /// # Errors
    /// `NotFound` if there is no such module; `ResourceBusy` while another run has it.
    pub fn to(module: &'static str) -> io::Result<Self> {
        let directory = path(module, "");
        let file = device::open(&directory.to_string_lossy(), libc::O_RDONLY | libc::O_DIRECTORY)?;
        if !device::lock(&file)? {
            let line = format!("another run is changing the switches of {module}");
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, line));
        }
        Ok(Self { module, _lock: file })
    }

    /// Sets the parameter `name` to `value`, for as long as the change lives.
    ///
    /// # Errors
    /// What reading and writing it say.
    pub fn change(&self, name: &str, value: &str) -> io::Result<Changed<'_>> {
        let path = path(self.module, name);
        let old = fs::read_to_string(&path)?;
        let deferral = Deferral::begin();
        fs::write(&path, value)?;
        Ok(Changed { path, old, _deferral: deferral, _claim: PhantomData })
    }
}

/// A changed parameter.
pub struct Changed<'a> {
    path: PathBuf,
    old: String,
    /// Goes last: a signal waits until the old value is there again.
    _deferral: Deferral,
    _claim: PhantomData<&'a Claim>,
}

impl Drop for Changed<'_> {
    fn drop(&mut self) {
        // What could be written a moment ago; and if not, nobody is left to tell.
        let _ = fs::write(&self.path, &self.old);
    }
}
