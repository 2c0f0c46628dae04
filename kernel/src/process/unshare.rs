//! Giving up what clone(2) made a thread share with others. Specification: unshare(2).
//! Lock: PROCESS around the references; the copies may sleep.

use super::current;
use postern_core::errno::Result;

/// From now on the current thread has descriptors of its own. ENOMEM.
pub fn unshare_files() -> Result<()> {
    let thread = current();
    let copy = thread.files().fork_copy()?;
    drop(thread.replace_files(Some(copy)));
    Ok(())
}

/// From now on the current thread has a root, a working directory and a umask of its own.
pub fn unshare_fs() {
    let thread = current();
    let copy = thread.fs().fork_copy();
    drop(thread.replace_fs(Some(copy)));
}
