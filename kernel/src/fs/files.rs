//! A process's table of descriptors, shared by CLONE_FILES.
//!
//! Owns the references to open file descriptions. Lock: FD_TABLE (spin); a file that leaves the table is dropped after the lock,
//! since the last reference may do much, and after the thread has let go of those that it has used last (`recent`). Never sleeps
//! itself. Specification: dup(2), close(2), close_range(2), execve(2).

use crate::fs::open_file::OpenFile;
use crate::fs::record_lock::{self, Owner};
use crate::process;
use crate::sync::{SpinLock, rank};
use alloc::sync::Arc;
use core::ops::RangeInclusive;
use postern_core::errno::{Errno, Result};
use postern_core::fd_table::{FdTable, OnExec, RawFd};

/// The descriptors of a process.
pub struct Files {
    table: SpinLock<FdTable<Arc<OpenFile>>>,
}

impl Files {
    /// No descriptors.
    pub fn new() -> Arc<Self> {
        Self::with(FdTable::new())
    }

    fn with(table: FdTable<Arc<OpenFile>>) -> Arc<Self> {
        Arc::new(Self { table: SpinLock::new(rank::FD_TABLE, table) })
    }

    /// The file behind `fd`.
    ///
    /// # Errors
    /// EBADF.
    pub fn get(&self, fd: RawFd) -> Result<Arc<OpenFile>> {
        self.table.lock().get(fd).cloned()
    }

    /// The owner of the record locks of the process.
    pub fn lock_owner(&self) -> Owner {
        Owner::Process(core::ptr::from_ref(self).addr())
    }

    /// A descriptor of `file` was closed, which ends the record locks of the process on it, whatever other descriptors it has.
    fn forget(&self, file: Arc<OpenFile>) {
        if let Some(current) = process::current_if_any() {
            current.forget_recent_files();
        }
        record_lock::release_file(file.location().inode(), self.lock_owner());
        let_go(file);
    }

    /// The file behind `fd`, unless only its path is open (O_PATH).
    ///
    /// # Errors
    /// EBADF.
    pub fn get_usable(&self, fd: RawFd) -> Result<Arc<OpenFile>> {
        let file = self.get(fd)?;
        if file.is_path_only() { Err(Errno::EBADF) } else { Ok(file) }
    }

    /// Opens the lowest free descriptor below `limit` (RLIMIT_NOFILE) for `file`.
    ///
    /// # Errors
    /// EMFILE, ENOMEM.
    pub fn insert(&self, file: Arc<OpenFile>, on_exec: OnExec, limit: u32) -> Result<RawFd> {
        let mut table = self.table.lock();
        // In two steps: the table must not drop `file` when it refuses it.
        let fd = table.reserve(0, on_exec, limit)?;
        table.install(fd, file);
        Ok(fd)
    }

    /// Reserves the lowest free descriptor below `limit` for a file that is still to be opened.
    ///
    /// # Errors
    /// EMFILE, ENOMEM.
    pub fn reserve(&self, on_exec: OnExec, limit: u32) -> Result<Reserved<'_>> {
        let fd = self.table.lock().reserve(0, on_exec, limit)?;
        Ok(Reserved { files: self, fd })
    }

    /// Opens two descriptors, or none (pipe2, socketpair), once `tell` has told the program their numbers: what is open may be
    /// closed by another thread, and its number be another file's, before that turns out to have failed.
    ///
    /// # Errors
    /// EMFILE, ENOMEM; those of telling.
    pub fn insert_pair(
        &self,
        [one, other]: [Arc<OpenFile>; 2],
        on_exec: OnExec,
        limit: u32,
        tell: impl FnOnce([RawFd; 2]) -> Result<()>,
    ) -> Result<()> {
        let [first, second] = [self.reserve(on_exec, limit)?, self.reserve(on_exec, limit)?];
        tell([first.fd, second.fd])?;
        first.install(one);
        second.install(other);
        Ok(())
    }

    /// Closes `fd`.
    ///
    /// # Errors
    /// EBADF.
    pub fn close(&self, fd: RawFd) -> Result<()> {
        let file = self.table.lock().remove(fd)?;
        self.forget(file);
        Ok(())
    }

    /// Closes all descriptors within `range` (close_range(2)).
    pub fn close_range(&self, range: RangeInclusive<u32>) {
        loop {
            let taken = self.table.lock().take_next(range.clone());
            let Some((_, file)) = taken else { return };
            self.forget(file);
        }
    }

    /// Sets the close-on-exec flag of all descriptors within `range`.
    pub fn set_on_exec_within(&self, range: RangeInclusive<u32>, on_exec: OnExec) {
        self.table.lock().set_on_exec_within(range, on_exec);
    }

    /// Closes what does not survive `execve`.
    pub fn close_on_exec(&self) {
        loop {
            let taken = self.table.lock().take_next_close_on_exec();
            let Some((_, file)) = taken else { return };
            self.forget(file);
        }
    }

    /// The lowest free descriptor from `min` on for the file behind `fd` (dup, F_DUPFD).
    ///
    /// # Errors
    /// EBADF, EINVAL, EMFILE, ENOMEM.
    pub fn duplicate(&self, fd: RawFd, min: RawFd, on_exec: OnExec, limit: u32) -> Result<RawFd> {
        self.table.lock().duplicate(fd, min, on_exec, limit)
    }

    /// Makes `target` stand for the file behind `fd` (dup2, dup3).
    ///
    /// # Errors
    /// EBADF, EBUSY, ENOMEM.
    pub fn duplicate_at(&self, fd: RawFd, target: RawFd, on_exec: OnExec, limit: u32) -> Result<()> {
        let old = self.table.lock().duplicate_at(fd, target, on_exec, limit)?;
        if let Some(old) = old {
            self.forget(old);
        }
        Ok(())
    }

    /// The close-on-exec flag of `fd`.
    ///
    /// # Errors
    /// EBADF.
    pub fn on_exec(&self, fd: RawFd) -> Result<OnExec> {
        self.table.lock().on_exec(fd)
    }

    /// Sets the close-on-exec flag of `fd`.
    ///
    /// # Errors
    /// EBADF.
    pub fn set_on_exec(&self, fd: RawFd, on_exec: OnExec) -> Result<()> {
        self.table.lock().set_on_exec(fd, on_exec)
    }

    /// A copy for a child without CLONE_FILES.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn fork_copy(&self) -> Result<Arc<Self>> {
        let copy = self.table.lock().try_clone()?;
        Ok(Self::with(copy))
    }

    /// The open descriptors from `from` on, at most `limit`, for /proc/PID/fd.
    pub fn descriptors(&self, from: RawFd, limit: usize) -> alloc::vec::Vec<RawFd> {
        self.table.lock().iter().map(|(fd, _)| fd).filter(|&fd| fd >= from).take(limit).collect()
    }

    /// How many descriptors are open, for tests and leak counts.
    pub fn count(&self) -> usize {
        self.table.lock().iter().count()
    }
}

/// A descriptor that is nobody else's, and not open yet. Given back unless it is opened.
pub struct Reserved<'a> {
    files: &'a Files,
    fd: RawFd,
}

impl Reserved<'_> {
    /// Opens it for `file`.
    pub fn install(self, file: Arc<OpenFile>) -> RawFd {
        let fd = self.fd;
        self.files.table.lock().install(fd, file);
        // It is open now, not to be given back.
        core::mem::forget(self);
        fd
    }

    /// Its number.
    pub fn number(&self) -> RawFd {
        self.fd
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.files.table.lock().release(self.fd);
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        record_lock::release_all(self.lock_owner());
        loop {
            let taken = self.table.lock().take_next(0..=u32::MAX);
            let Some((_, file)) = taken else { return };
            let_go(file);
        }
    }
}

/// Drops what a descriptor referred to; the object hears of it where others refer to it still.
fn let_go(file: Arc<OpenFile>) {
    if Arc::strong_count(&file) > 1 {
        let ops = file.ops().clone();
        drop(file);
        ops.descriptor_closed();
    }
}
