//! Devices: there or not, and open. Opening may sleep, as the device has it.

use std::ffi::CString;
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::failure::Failure;

/// `open(2)` with `flags`, close-on-exec.
///
/// # Errors
/// What the call says.
pub fn open(path: &str, flags: libc::c_int) -> io::Result<OwnedFd> {
    let path = CString::new(path)?;
    // SAFETY: the path is a C string that outlives the call.
    let fd: RawFd = unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: open just returned the descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Locks `file` for its open file description, until that is closed: `flock(2)` without waiting. `false` if somebody else has it.
///
/// # Errors
/// What the call says besides that.
pub fn lock(file: &OwnedFd) -> io::Result<bool> {
    // SAFETY: flock takes two numbers.
    if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    if error.kind() == ErrorKind::WouldBlock { Ok(false) } else { Err(error) }
}

/// Whether the device at `path`, of the module `module`, can be opened here.
///
/// # Errors
/// An absence; or what open(2) says besides that.
pub fn presence(path: &str, module: &str) -> Result<(), Failure> {
    match open(path, libc::O_RDWR | libc::O_NONBLOCK) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(Failure::absent(format!("no {path} (is the module {module} loaded?)")))
        }
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENXIO | libc::ENODEV)) => {
            Err(Failure::absent(format!("nothing behind {path} (is the module {module} loaded?)")))
        }
        Err(error) => Err(Failure::during(&format!("open {path}"), &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::{lock, open, presence};

    #[test]
    fn a_device_that_is_not_there_is_an_absence_and_one_that_is_is_not() {
        let absence = presence("/dev/no-such-gate", "gate").expect_err("not there");
        assert!(absence.is_absence());
        assert_eq!(absence.to_string(), "no /dev/no-such-gate (is the module gate loaded?)");
        assert!(presence("/dev/null", "null").is_ok());
        assert!(!presence("/dev/null/below", "null").expect_err("not a directory").is_absence());
    }

    #[test]
    fn a_lock_is_one_opens_alone_until_its_last_copy_is_closed() {
        let _turn = crate::system::process::alone();
        let path = std::env::temp_dir().join(format!("ipcbench-lock-{}", std::process::id()));
        std::fs::write(&path, "").expect("a file");
        let opened = || open(path.to_str().expect("ASCII"), libc::O_RDONLY).expect("opens");
        let (first, second) = (opened(), opened());
        assert!(lock(&first).expect("nobody has it"));
        let copy = first.try_clone().expect("dup");
        drop(first);
        assert!(!lock(&second).expect("no error"), "the copy still holds it");
        drop(copy);
        assert!(lock(&second).expect("free again"));
        std::fs::remove_file(&path).expect("it is there");
    }
}
