//! Descriptors: close, dup, fcntl, ioctl, flock.
//! Specification: close(2), dup(2), fcntl(2), ioctl(2), flock(2), close_range(2).

use super::contents::descriptor_limit;
use super::place::{self, as_caller};
use super::record_lock;
use crate::drivers::tty::pty;
use crate::fs::attributes::FileType;
use crate::fs::file::{FileControl, Seeking};
use crate::fs::flags::OpenFlags;
use crate::fs::flock::{self, Lock, Patience};
use crate::fs::open::How;
use crate::fs::open_file::{OpenFile, Switch, Whence};
use crate::mm::user::UserPtr;
use crate::process;
use linux_raw_sys::{general as abi, ioctl as command};
use postern_core::errno::{Errno, Result};
use postern_core::fd_table::OnExec;

/// close(2)
pub fn close(fd: i32) -> Result<usize> {
    process::current().files().close(fd).map(|()| 0)
}

/// close_range(2). CLOSE_RANGE_UNSHARE is not known, as unshare(2) is not: EINVAL.
pub fn close_range(first: u32, last: u32, flags: u32) -> Result<usize> {
    const CLOEXEC: u32 = 4;
    place::check_flags(flags, CLOEXEC)?;
    if first > last {
        return Err(Errno::EINVAL);
    }
    let files = process::current().files();
    if flags & CLOEXEC != 0 {
        files.set_on_exec_within(first..=last, OnExec::Close);
    } else {
        files.close_range(first..=last);
    }
    Ok(0)
}

/// dup(2)
pub fn dup(fd: i32) -> Result<usize> {
    place::descriptor(process::current().files().duplicate(fd, 0, OnExec::Keep, descriptor_limit())?)
}

/// dup3(2)
pub fn dup3(fd: i32, target: i32, flags: u32) -> Result<usize> {
    place::check_flags(flags, abi::O_CLOEXEC)?;
    if fd == target {
        return Err(Errno::EINVAL);
    }
    let on_exec = if flags & abi::O_CLOEXEC != 0 { OnExec::Close } else { OnExec::Keep };
    process::current().files().duplicate_at(fd, target, on_exec, descriptor_limit())?;
    place::descriptor(target)
}

/// fcntl(2)
pub fn fcntl(fd: i32, operation: u32, argument: usize) -> Result<usize> {
    let current = process::current();
    let files = current.files();
    let file = files.get(fd)?;
    // The kernel takes an int or a flag word from the register.
    let word = u32::try_from(argument & 0xffff_ffff).unwrap_or(0);
    match operation {
        abi::F_DUPFD | abi::F_DUPFD_CLOEXEC => {
            let on_exec = if operation == abi::F_DUPFD { OnExec::Keep } else { OnExec::Close };
            place::descriptor(files.duplicate(fd, word.cast_signed(), on_exec, descriptor_limit())?)
        }
        abi::F_GETFD => Ok(usize::from(files.on_exec(fd)? == OnExec::Close)),
        abi::F_SETFD => {
            let on_exec = if word & abi::FD_CLOEXEC != 0 { OnExec::Close } else { OnExec::Keep };
            files.set_on_exec(fd, on_exec).map(|()| 0)
        }
        abi::F_GETFL => Ok((file.access().bits_for_getfl() | file.flags().bits()) as usize),
        _ if file.is_path_only() => Err(Errno::EBADF),
        abi::F_SETFL => {
            file.set_flags(OpenFlags::from_bits_truncate(word));
            Ok(0)
        }
        abi::F_GETLK | abi::F_SETLK | abi::F_SETLKW | abi::F_OFD_GETLK | abi::F_OFD_SETLK | abi::F_OFD_SETLKW => {
            record_lock::control(&files, &file, operation, argument)
        }
        abi::F_GETPIPE_SZ => file.ops().control(FileControl::PipeSize, &current.credentials()),
        abi::F_SETPIPE_SZ => {
            // A negative int is a size nobody can have.
            let size = usize::try_from(word.cast_signed()).map_err(|_| Errno::EINVAL)?;
            file.ops().control(FileControl::SetPipeSize(size), &current.credentials())
        }
        abi::F_GET_SEALS => file.ops().control(FileControl::Seals, &current.credentials()),
        abi::F_ADD_SEALS => add_seals(&file, word),
        _ => Err(Errno::EINVAL),
    }
}

fn add_seals(file: &OpenFile, seals: u32) -> Result<usize> {
    let known = abi::F_SEAL_SEAL
        | abi::F_SEAL_SHRINK
        | abi::F_SEAL_GROW
        | abi::F_SEAL_WRITE
        | abi::F_SEAL_FUTURE_WRITE
        | abi::F_SEAL_EXEC;
    place::check_flags(seals, known)?;
    if !file.access().contains(crate::fs::flags::AccessMode::WRITE) {
        return Err(Errno::EPERM);
    }
    file.ops().control(FileControl::AddSeals(seals), &process::current().credentials())
}

/// ioctl(2): what any file knows; the rest is the file's.
pub fn ioctl(fd: i32, request: u32, argument: usize) -> Result<usize> {
    let files = process::current().files();
    let file = files.get_usable(fd)?;
    match request {
        command::FIOCLEX => files.set_on_exec(fd, OnExec::Close).map(|()| 0),
        command::FIONCLEX => files.set_on_exec(fd, OnExec::Keep).map(|()| 0),
        command::FIONBIO => set_flag(&file, OpenFlags::NONBLOCK, argument),
        command::FIOASYNC => set_flag(&file, OpenFlags::ASYNC, argument),
        command::FIONREAD if file.location().inode().file_type() == FileType::Regular => left_to_read(&file, argument),
        command::TIOCGPTPEER => open_peer(&file, argument),
        _ => file.ops().ioctl(file.flags(), request, argument),
    }
}

/// TIOCGPTPEER: opens the terminal of a pseudo-terminal's master, whatever /dev/pts leads to.
fn open_peer(master: &OpenFile, flags: usize) -> Result<usize> {
    let flags = u32::try_from(flags).map_err(|_| Errno::EINVAL)?;
    let how = How::from_raw(flags, 0)?;
    let place = pty::peer(master.ops())?;
    let files = process::current().files();
    let on_exec = if how.flags.contains(OpenFlags::CLOSE_ON_EXEC) { OnExec::Close } else { OnExec::Keep };
    let reserved = files.reserve(on_exec, descriptor_limit())?;
    let opened = as_caller(|caller| caller.open_existing(place, how))?;
    place::descriptor(reserved.install(opened))
}

fn set_flag(file: &OpenFile, flag: OpenFlags, argument: usize) -> Result<usize> {
    let wanted = UserPtr::<i32>::new(argument).read()?;
    file.set_flag(flag, if wanted == 0 { Switch::Off } else { Switch::On });
    Ok(0)
}

/// FIONREAD of a regular file: the bytes from the position to the end, less than none behind it; the low half, as on Linux.
fn left_to_read(file: &OpenFile, argument: usize) -> Result<usize> {
    if file.seeking() != Seeking::Position {
        return Err(Errno::ENOTTY);
    }
    let position = file.seek(0, Whence::Current)?;
    let left = file.location().inode().size().wrapping_sub(position);
    let [a, b, c, d, ..] = left.to_le_bytes();
    UserPtr::<i32>::new(argument).write(&i32::from_le_bytes([a, b, c, d]))?;
    Ok(0)
}

/// flock(2)
pub fn flock(fd: i32, operation: u32) -> Result<usize> {
    let file = process::current().files().get_usable(fd)?;
    let patience = if operation & abi::LOCK_NB != 0 { Patience::Now } else { Patience::Wait };
    match operation & !abi::LOCK_NB {
        abi::LOCK_SH => flock::acquire(&file, Lock::Shared, patience)?,
        abi::LOCK_EX => flock::acquire(&file, Lock::Exclusive, patience)?,
        abi::LOCK_UN => flock::release(&file),
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}
