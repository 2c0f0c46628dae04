//! Devices: there or not, and open. Opening may sleep, as the device has it.

use std::ffi::CString;
use std::io::{self, ErrorKind};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

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
    use super::presence;

    #[test]
    fn a_device_that_is_not_there_is_an_absence_and_one_that_is_is_not() {
        let absence = presence("/dev/no-such-gate", "gate").expect_err("not there");
        assert!(absence.is_absence());
        assert_eq!(absence.to_string(), "no /dev/no-such-gate (is the module gate loaded?)");
        assert!(presence("/dev/null", "null").is_ok());
        assert!(!presence("/dev/null/below", "null").expect_err("not a directory").is_absence());
    }
}
