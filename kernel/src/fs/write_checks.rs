//! What is asked of the writing program before a regular file changes: RLIMIT_FSIZE, and the set-id bits, which do not
//! outlive a change by an ordinary user.
//!
//! Owns nothing. Locks: INODE, PROCESS, SIGNALS. Never sleeps. What the kernel itself writes is not asked about.
//! Specification: getrlimit(2) RLIMIT_FSIZE, write(2), truncate(2); `generic_write_checks`, `inode_newsize_ok` and
//! `file_remove_privs` of Linux 6.12.

use crate::fs::inode::Inode;
use crate::fs::permission;
use crate::process;
use crate::process::limits::{INFINITY, Resource};
use crate::process::signal;
use postern_core::errno::{Errno, Result};
use postern_core::signal_set::Signal;

impl Inode {
    /// How many of `length` bytes the program may write at `offset`; takes the set-id bits from the file.
    ///
    /// # Errors
    /// EFBIG, with SIGXFSZ, for not even one.
    pub(super) fn before_write(&self, offset: u64, length: usize) -> Result<usize> {
        if length == 0 {
            return Ok(0);
        }
        let allowed = size_limit().saturating_sub(offset);
        if allowed == 0 {
            return Err(too_big());
        }
        self.drop_set_id();
        Ok(usize::try_from(allowed).map_or(length, |allowed| allowed.min(length)))
    }

    /// Checks that the program may make the file `size` bytes long; it may always leave it as long as it is.
    ///
    /// # Errors
    /// EFBIG, with SIGXFSZ.
    pub fn check_new_size(&self, size: u64) -> Result<()> {
        if size > self.size() && size > size_limit() { Err(too_big()) } else { Ok(()) }
    }

    /// Takes the set-id bits from the file, unless the program acts for the superuser.
    pub(super) fn drop_set_id(&self) {
        let Some(thread) = process::current_if_any() else { return };
        if !permission::has_set_id(&self.attributes()) {
            return;
        }
        let credentials = thread.credentials();
        if !permission::is_privileged(&credentials) {
            self.update(|attributes| {
                attributes.permissions = permission::without_set_id(&credentials, attributes);
            });
        }
    }
}

/// RLIMIT_FSIZE of the program.
fn size_limit() -> u64 {
    process::current_if_any().map_or(INFINITY, |thread| thread.process().limit(Resource::FSIZE).soft)
}

/// Tells the program that a file would get too large, and the error that goes with it.
fn too_big() -> Errno {
    signal::send_to_current(Signal::XFSZ);
    Errno::EFBIG
}
