//! What concerns several descriptors of a table at once: duplicating, `close_range`, `fork`, `execve`.
//!
//! Part of [`FdTable`]; the caller's lock guards it. Files come out one at a time, so that each can be dropped with the lock
//! released, and nothing is allocated in order to close. No locks, never sleeps.

use alloc::vec::Vec;
use core::ops::RangeInclusive;

use super::{FdTable, OnExec, RawFd, descriptor, limit_position, position};
use crate::bitmap::Bitmap;
use crate::errno::{Errno, Result};

impl<F: Clone> FdTable<F> {
    /// Opens the lowest free descriptor at or above `min` for the file behind `fd` (`dup` with 0; `F_DUPFD`).
    ///
    /// # Errors
    /// `EBADF` if `fd` is not open; `EINVAL` if `min` is negative or not below `limit`; `EMFILE`; `ENOMEM`.
    pub fn duplicate(&mut self, fd: RawFd, min: RawFd, on_exec: OnExec, limit: u32) -> Result<RawFd> {
        let file = self.get(fd)?.clone();
        if position(min) >= limit_position(limit) {
            return Err(Errno::EINVAL);
        }
        let copy = self.reserve(min, on_exec, limit)?;
        self.install(copy, file);
        Ok(copy)
    }

    /// Makes `target` stand for the file behind `fd` and hands back the file it stood for (`dup2`, `dup3`).
    ///
    /// With `fd == target` nothing changes, not even the flag; `dup3` refuses that case before.
    ///
    /// # Errors
    /// `EBADF` if `fd` is not open or `target` is negative or not below `limit`; `EBUSY` if another thread has reserved
    /// `target` and not installed it yet; `ENOMEM`.
    pub fn duplicate_at(&mut self, fd: RawFd, target: RawFd, on_exec: OnExec, limit: u32) -> Result<Option<F>> {
        let file = self.get(fd)?.clone();
        let at = position(target);
        if at >= limit_position(limit) {
            return Err(Errno::EBADF);
        }
        if fd == target {
            return Ok(None);
        }
        self.grow_to(at)?;
        if self.used.contains(at) && self.files[at].is_none() {
            return Err(Errno::EBUSY);
        }
        self.used.insert(at);
        self.flag(at, on_exec);
        Ok(self.files[at].replace(file))
    }

    /// Closes the lowest open descriptor within `range` and hands it back; `None` if there is none (left).
    pub fn take_next(&mut self, range: RangeInclusive<u32>) -> Option<(RawFd, F)> {
        let last = *range.end() as usize;
        let mut at = *range.start() as usize;
        loop {
            at = self.used.next_member(at).filter(|&at| at <= last)?;
            if let Some(file) = self.files[at].take() {
                self.free(at);
                return Some((descriptor(at), file));
            }
            at += 1;
        }
    }

    /// Says for all open descriptors within `range` whether they are to survive `execve` (`CLOSE_RANGE_CLOEXEC`).
    pub fn set_on_exec_within(&mut self, range: RangeInclusive<u32>, on_exec: OnExec) {
        let last = *range.end() as usize;
        let mut from = *range.start() as usize;
        while let Some(at) = self.used.next_member(from).filter(|&at| at <= last) {
            self.flag(at, on_exec);
            from = at + 1;
        }
    }

    /// Closes the lowest descriptor that does not survive `execve` and hands it back; `None` if there is none (left).
    pub fn take_next_close_on_exec(&mut self) -> Option<(RawFd, F)> {
        let mut from = 0;
        loop {
            let at = self.close_on_exec.next_member(from)?;
            if let Some(file) = self.files[at].take() {
                self.free(at);
                return Some((descriptor(at), file));
            }
            from = at + 1;
        }
    }

    /// A copy for a child process: the same open descriptors with the same flags, without what is only reserved.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn try_clone(&self) -> Result<Self> {
        let mut copy = Self { files: Vec::new(), used: Bitmap::new(), close_on_exec: Bitmap::new(), full_below: 0 };
        let Some(last) = self.used.last_member() else { return Ok(copy) };
        copy.grow_to(last)?;
        let mut from = 0;
        while let Some(at) = self.used.next_member(from) {
            if let Some(file) = &self.files[at] {
                copy.files[at] = Some(file.clone());
                copy.used.insert(at);
                if self.close_on_exec.contains(at) {
                    copy.close_on_exec.insert(at);
                }
            }
            from = at + 1;
        }
        Ok(copy)
    }
}
