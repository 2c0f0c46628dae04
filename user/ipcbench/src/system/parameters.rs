//! A module's parameters, by /sys. What is changed is put back when the change is dropped, also when a signal is to end the program.

use std::fs;
use std::io;
use std::path::PathBuf;

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

/// A changed parameter.
pub struct Changed {
    path: PathBuf,
    old: String,
    /// Goes last: a signal waits until the old value is there again.
    _deferral: Deferral,
}

impl Changed {
    /// Sets the parameter `name` of `module` to `value`.
    ///
    /// # Errors
    /// What reading and writing it say.
    pub fn to(module: &str, name: &str, value: &str) -> io::Result<Self> {
        let path = path(module, name);
        let old = fs::read_to_string(&path)?;
        let deferral = Deferral::begin();
        fs::write(&path, value)?;
        Ok(Self { path, old, _deferral: deferral })
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        // What could be written a moment ago; and if not, nobody is left to tell.
        let _ = fs::write(&self.path, &self.old);
    }
}
