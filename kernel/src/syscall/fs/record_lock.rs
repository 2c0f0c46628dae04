//! The record locks of fcntl: `struct flock` to locks and back. Specification: fcntl(2).

use crate::fs::files::Files;
use crate::fs::flags::AccessMode;
use crate::fs::open_file::{OpenFile, Whence};
use crate::fs::record_lock::{self, Kind, Record, Span};
use crate::mm::user::UserPtr;
use crate::process;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct flock`
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Flock {
    kind: i16,
    whence: i16,
    padding1: u32,
    start: i64,
    length: i64,
    pid: i32,
    padding2: u32,
}

const _: () = assert!(size_of::<Flock>() == size_of::<abi::flock>());

impl Flock {
    /// The bytes it means; a length of 0 reaches to the end, a negative one lies before the start.
    fn span(&self, file: &OpenFile) -> Result<Span> {
        let base = match u32::from(self.whence.cast_unsigned()) {
            abi::SEEK_SET => 0,
            abi::SEEK_CUR => file.seek(0, Whence::Current)?.cast_signed(),
            abi::SEEK_END => file.location().inode().size().cast_signed(),
            _ => return Err(Errno::EINVAL),
        };
        let start = base.checked_add(self.start).ok_or(Errno::EOVERFLOW)?;
        let end = start.checked_add(self.length).ok_or(Errno::EOVERFLOW)?;
        let (first, after) = if self.length < 0 { (end, start) } else { (start, end) };
        let first = u64::try_from(first).map_err(|_| Errno::EINVAL)?;
        let last = if self.length == 0 { u64::MAX } else { after.cast_unsigned() - 1 };
        Ok(Span { first, last })
    }

    /// `None` to unlock.
    fn kind(&self) -> Result<Option<Kind>> {
        match u32::from(self.kind.cast_unsigned()) {
            abi::F_RDLCK => Ok(Some(Kind::Read)),
            abi::F_WRLCK => Ok(Some(Kind::Write)),
            abi::F_UNLCK => Ok(None),
            _ => Err(Errno::EINVAL),
        }
    }

    /// The answer of F_GETLK.
    fn answer(self, found: Option<Record>) -> Self {
        let raw = |kind: u32| i16::try_from(kind).unwrap_or(0);
        let Some(record) = found else {
            return Self { kind: raw(abi::F_UNLCK), ..self };
        };
        let Span { first, last } = record.span;
        Self {
            kind: raw(if record.kind == Kind::Read { abi::F_RDLCK } else { abi::F_WRLCK }),
            whence: raw(abi::SEEK_SET),
            padding1: 0,
            start: first.cast_signed(),
            length: if last == u64::MAX { 0 } else { (last - first + 1).cast_signed() },
            pid: record.pid,
            padding2: 0,
        }
    }
}

/// F_GETLK, F_SETLK, F_SETLKW, and the same for open file descriptions.
///
/// # Errors
/// EBADF if the file is not open for what the lock is about; EINVAL, EOVERFLOW, EFAULT; EAGAIN, EDEADLK, ERESTARTSYS.
pub fn control(files: &Files, file: &OpenFile, operation: u32, argument: usize) -> Result<usize> {
    let pointer = UserPtr::<Flock>::new(argument);
    let request = pointer.read()?;
    let of_description = matches!(operation, abi::F_OFD_GETLK | abi::F_OFD_SETLK | abi::F_OFD_SETLKW);
    if of_description && request.pid != 0 {
        return Err(Errno::EINVAL);
    }
    let (span, kind) = (request.span(file)?, request.kind()?);
    let (owner, pid) = if of_description {
        (file.lock_owner(), -1)
    } else {
        let pid = i32::try_from(process::current().process().pid()).unwrap_or(-1);
        (files.lock_owner(), pid)
    };
    let inode = file.location().inode();
    if matches!(operation, abi::F_GETLK | abi::F_OFD_GETLK) {
        let kind = kind.ok_or(Errno::EINVAL)?;
        let found = record_lock::conflict(inode, &Record { owner, pid, kind, span });
        pointer.write(&request.answer(found))?;
        return Ok(0);
    }
    let Some(kind) = kind else {
        record_lock::unlock(inode, owner, span)?;
        return Ok(0);
    };
    file.check_access(if kind == Kind::Read { AccessMode::READ } else { AccessMode::WRITE })?;
    let wanted = Record { owner, pid, kind, span };
    if matches!(operation, abi::F_SETLKW | abi::F_OFD_SETLKW) {
        record_lock::acquire(inode, &wanted)?;
    } else {
        record_lock::try_acquire(inode, &wanted)?;
    }
    Ok(0)
}
