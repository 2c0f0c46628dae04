//! A process's file descriptors: which numbers are open, and what they stand for.
//!
//! Owns: the references (`F`, usually an `Arc`), the numbers in use, the close-on-exec flags. The caller's lock guards it. Files
//! that leave the table are handed back, so that the last reference is dropped outside that lock. No locks, never sleeps.
//! Specification: dup(2), fcntl(2), close_range(2), execve(2), getrlimit(2) of Linux.

use alloc::vec::Vec;

use crate::bitmap::Bitmap;
use crate::errno::{Errno, Result};

/// A descriptor as programs pass it; negative ones are never open.
pub type RawFd = i32;

/// What becomes of a descriptor when its process calls `execve`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnExec {
    /// It stays open.
    Keep,
    /// It is closed (`FD_CLOEXEC`).
    Close,
}

/// The table; `F` refers to an open file description.
#[derive(Debug)]
pub struct FdTable<F> {
    /// `None` for a number that is free or only reserved.
    files: Vec<Option<F>>,
    /// Numbers that are open or reserved. Never shorter than `files`.
    used: Bitmap,
    close_on_exec: Bitmap,
    /// Every number below it is used.
    full_below: usize,
}

/// The position of a descriptor that may be negative: those lie beyond every table, since no limit exceeds an `int`.
#[inline]
fn position(fd: RawFd) -> usize {
    fd.cast_unsigned() as usize
}

/// The descriptor of a position. Positions lie below a limit, which is an `int` at most.
fn descriptor(position: usize) -> RawFd {
    RawFd::try_from(position).expect("a descriptor is bounded by its limit, an int")
}

impl<F: Clone> FdTable<F> {
    /// A table without descriptors, which allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { files: Vec::new(), used: Bitmap::new(), close_on_exec: Bitmap::new(), full_below: 0 }
    }

    /// The file behind `fd`.
    ///
    /// # Errors
    /// `EBADF` if it is not open.
    #[inline]
    pub fn get(&self, fd: RawFd) -> Result<&F> {
        match self.files.get(position(fd)) {
            Some(Some(file)) => Ok(file),
            _ => Err(Errno::EBADF),
        }
    }

    /// Reserves the lowest free descriptor at or above `min`, below `limit` (RLIMIT_NOFILE). It is not open yet:
    /// [`FdTable::install`] it or [`FdTable::release`] it.
    ///
    /// # Errors
    /// `EMFILE` if there is none; `ENOMEM`.
    pub fn reserve(&mut self, min: RawFd, on_exec: OnExec, limit: u32) -> Result<RawFd> {
        let min = position(min);
        let free = self.used.next_gap(min.max(self.full_below));
        if free >= limit_position(limit) {
            return Err(Errno::EMFILE);
        }
        self.grow_to(free)?;
        self.used.insert(free);
        self.flag(free, on_exec);
        if min <= self.full_below {
            self.full_below = free + 1;
        }
        Ok(descriptor(free))
    }

    /// Opens a reserved descriptor.
    ///
    /// # Panics
    /// If it was not reserved.
    pub fn install(&mut self, fd: RawFd, file: F) {
        let at = position(fd);
        assert!(self.used.contains(at) && self.files[at].is_none(), "descriptor {fd} was not reserved");
        self.files[at] = Some(file);
    }

    /// Gives a reserved descriptor back.
    ///
    /// # Panics
    /// If it was not reserved.
    pub fn release(&mut self, fd: RawFd) {
        let at = position(fd);
        assert!(self.used.contains(at) && self.files[at].is_none(), "descriptor {fd} was not reserved");
        self.free(at);
    }

    /// Opens the lowest free descriptor for `file`.
    ///
    /// # Errors
    /// As [`FdTable::reserve`]; `file` is then dropped here.
    pub fn insert(&mut self, file: F, on_exec: OnExec, limit: u32) -> Result<RawFd> {
        let fd = self.reserve(0, on_exec, limit)?;
        self.install(fd, file);
        Ok(fd)
    }

    /// Closes `fd` and hands its file back.
    ///
    /// # Errors
    /// `EBADF` if it is not open.
    pub fn remove(&mut self, fd: RawFd) -> Result<F> {
        let at = position(fd);
        let file = self.files.get_mut(at).and_then(Option::take).ok_or(Errno::EBADF)?;
        self.free(at);
        Ok(file)
    }

    /// Whether `fd` survives `execve`.
    ///
    /// # Errors
    /// `EBADF` if it is not open.
    pub fn on_exec(&self, fd: RawFd) -> Result<OnExec> {
        self.get(fd)?;
        Ok(if self.close_on_exec.contains(position(fd)) { OnExec::Close } else { OnExec::Keep })
    }

    /// Says whether `fd` is to survive `execve`.
    ///
    /// # Errors
    /// `EBADF` if it is not open.
    pub fn set_on_exec(&mut self, fd: RawFd, on_exec: OnExec) -> Result<()> {
        self.get(fd)?;
        self.flag(position(fd), on_exec);
        Ok(())
    }

    /// All open descriptors in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (RawFd, &F)> {
        self.files.iter().enumerate().filter_map(|(at, file)| Some((descriptor(at), file.as_ref()?)))
    }

    fn flag(&mut self, at: usize, on_exec: OnExec) {
        match on_exec {
            OnExec::Keep => self.close_on_exec.remove(at),
            OnExec::Close => self.close_on_exec.insert(at),
        }
    }

    fn free(&mut self, at: usize) {
        self.used.remove(at);
        self.close_on_exec.remove(at);
        self.full_below = self.full_below.min(at);
    }

    /// Makes room for the descriptor at `position`.
    fn grow_to(&mut self, position: usize) -> Result<()> {
        if position >= self.files.len() {
            self.used.try_grow(position + 1)?;
            self.close_on_exec.try_grow(position + 1)?;
            self.files.try_reserve(self.used.len() - self.files.len()).map_err(|_| Errno::ENOMEM)?;
            self.files.resize_with(self.used.len(), || None);
        }
        Ok(())
    }
}

/// The first position a limit forbids; no limit reaches beyond an `int`.
fn limit_position(limit: u32) -> usize {
    limit.min(RawFd::MAX.unsigned_abs()) as usize
}

impl<F: Clone> Default for FdTable<F> {
    fn default() -> Self {
        Self::new()
    }
}

mod several;
#[cfg(test)]
mod tests;
