//! The system calls on pipes and eventfds: arguments to typed calls of `crate::ipc`, results to user memory. No policy.
//! Specification: pipe(2), eventfd(2).

use crate::fs::flags::OpenFlags;
use crate::fs::open_file::OpenFile;
use crate::ipc::{eventfd, pipe};
use crate::mm::user::UserPtr;
use crate::process::limits::Resource;
use crate::process::{self, Thread};
use alloc::sync::Arc;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_core::fd_table::{OnExec, RawFd};

/// One more than the highest descriptor that the thread may open.
pub(super) fn descriptor_limit(thread: &Thread) -> u32 {
    u32::try_from(thread.process().limit(Resource::NOFILE).soft).unwrap_or(u32::MAX)
}

/// What O_CLOEXEC, under whatever name, says.
pub(super) fn on_exec(flags: u32) -> OnExec {
    if flags & abi::O_CLOEXEC == 0 { OnExec::Keep } else { OnExec::Close }
}

/// Opens the lowest free descriptor for `file`.
pub(super) fn install(thread: &Thread, file: Arc<OpenFile>, on_exec: OnExec) -> Result<usize> {
    let fd = thread.files().insert(file, on_exec, descriptor_limit(thread))?;
    usize::try_from(fd).map_err(|_| Errno::EMFILE)
}

/// pipe2(2). O_NOTIFICATION_PIPE, alias O_EXCL, is not known here.
pub fn pipe2(address: usize, flags: u32) -> Result<usize> {
    if flags & !(abi::O_CLOEXEC | abi::O_NONBLOCK | abi::O_DIRECT) != 0 {
        return Err(Errno::EINVAL);
    }
    let current = process::current();
    let status = OpenFlags::from_bits_truncate(flags & !abi::O_CLOEXEC);
    let ends = pipe::pipe(status, &current.credentials())?;
    let tell = |fds: [RawFd; 2]| UserPtr::new(address).write(&fds);
    current.files().insert_pair(ends, on_exec(flags), descriptor_limit(&current), tell)?;
    Ok(0)
}

/// eventfd2(2)
pub fn eventfd2(initial: u32, flags: u32) -> Result<usize> {
    if flags & !(abi::EFD_CLOEXEC | abi::EFD_NONBLOCK | abi::EFD_SEMAPHORE) != 0 {
        return Err(Errno::EINVAL);
    }
    let take = if flags & abi::EFD_SEMAPHORE == 0 { eventfd::Take::Everything } else { eventfd::Take::One };
    let current = process::current();
    let status = OpenFlags::from_bits_truncate(flags & abi::EFD_NONBLOCK);
    let file = eventfd::eventfd(initial, take, status, &current.credentials())?;
    install(&current, file, on_exec(flags))
}
