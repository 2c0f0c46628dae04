//! splice, tee, vmsplice, sendfile: what may be asked for, and the offsets in user memory that follow along.
//! Specification: splice(2), tee(2), vmsplice(2), sendfile(2); the order of the checks is that of fs/splice.c of Linux 6.12.

use super::transfer::{MAX_TRANSFER, written};
use crate::fs::file::Seeking;
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::fs::open_file::{At, OpenFile};
use crate::fs::poll::Patience;
use crate::fs::splice::{self, End};
use crate::mm::user::{Sink, Source, UserPtr};
use crate::process;
use crate::sched;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};

const KNOWN_FLAGS: u32 = abi::SPLICE_F_MOVE | abi::SPLICE_F_NONBLOCK | abi::SPLICE_F_MORE | abi::SPLICE_F_GIFT;

/// Checks the flags. MOVE and MORE are hints without effect, as in Linux.
fn patience(flags: u32) -> Result<Patience> {
    super::place::check_flags(flags, KNOWN_FLAGS)?;
    Ok(if flags & abi::SPLICE_F_NONBLOCK == 0 { Patience::Forever } else { Patience::None })
}

/// An offset that the caller keeps, if it passes one.
struct OffsetPointer {
    pointer: UserPtr<i64>,
    value: Option<i64>,
}

impl OffsetPointer {
    /// Fetches it: ESPIPE for a file without places.
    fn fetch(address: usize) -> Result<Self> {
        let pointer = UserPtr::new(address);
        let value = if pointer.is_null() { None } else { Some(pointer.read()?) };
        Ok(Self { pointer, value })
    }

    /// Where the transfer begins. EINVAL before the start of the file.
    fn at(&self) -> Result<At> {
        self.value.map_or(Ok(At::Position), |offset| u64::try_from(offset).map(At::Offset).map_err(|_| Errno::EINVAL))
    }

    /// Stores where it ended.
    fn store(&self, moved: usize) -> Result<()> {
        let Some(start) = self.value else { return Ok(()) };
        let moved = i64::try_from(moved).map_err(|_| Errno::EOVERFLOW)?;
        self.pointer.write(&start.checked_add(moved).ok_or(Errno::EOVERFLOW)?)
    }
}

fn is_ring(file: &OpenFile) -> bool {
    file.ops().page_queue().is_some()
}

fn check_directions(input: &OpenFile, output: &OpenFile) -> Result<()> {
    input.check_access(AccessMode::READ)?;
    output.check_access(AccessMode::WRITE)
}

/// The length, cut to what one call moves. EINVAL if it is negative as a `ssize_t`.
fn length(length: usize) -> Result<usize> {
    isize::try_from(length).map(|_| length.min(MAX_TRANSFER)).map_err(|_| Errno::EINVAL)
}

/// splice(2)
pub fn splice(in_fd: i32, in_offset: usize, out_fd: i32, out_offset: usize, count: usize, flags: u32) -> Result<usize> {
    if count == 0 {
        return Ok(0);
    }
    let patience = patience(flags)?;
    let current = process::current();
    let (input, output) = (current.file(in_fd)?, current.file(out_fd)?);
    if is_ring(&input) && in_offset != 0 || is_ring(&output) && out_offset != 0 {
        return Err(Errno::ESPIPE);
    }
    let (out_offset, in_offset) = (OffsetPointer::fetch(out_offset)?, OffsetPointer::fetch(in_offset)?);
    check_directions(&input, &output)?;
    let from = End { file: &input, at: in_offset.at()?, patience };
    let to = End { file: &output, at: out_offset.at()?, patience };
    let moved = written(&output, splice::splice(from, to, length(count)?))?;
    out_offset.store(moved)?;
    in_offset.store(moved)?;
    Ok(moved)
}

/// tee(2)
pub fn tee(in_fd: i32, out_fd: i32, count: usize, flags: u32) -> Result<usize> {
    let patience = patience(flags)?;
    if count == 0 {
        return Ok(0);
    }
    let current = process::current();
    let (input, output) = (current.file(in_fd)?, current.file(out_fd)?);
    check_directions(&input, &output)?;
    let end = |file| End { file, at: At::Position, patience };
    written(&output, splice::tee(end(&input), end(&output), count))
}

/// vmsplice(2). As in Linux, O_NONBLOCK of the pipe does not count.
pub fn vmsplice(fd: i32, vector: usize, count: usize, flags: u32) -> Result<usize> {
    let patience = patience(flags)?;
    let file = process::current().file(fd)?;
    if file.access().contains(AccessMode::WRITE) {
        let mut source = Source::user_iovecs(vector, count)?;
        if source.remaining() == 0 {
            return Ok(0);
        }
        let ring = file.ops().page_queue().ok_or(Errno::EBADF)?;
        let space = sched::current().address_space().ok_or(Errno::EFAULT)?;
        return written(&file, splice::from_memory(&file, ring, &mut source, &space, patience));
    }
    file.check_access(AccessMode::READ)?;
    let mut sink = Sink::user_iovecs(vector, count)?;
    if sink.remaining() == 0 {
        return Ok(0);
    }
    let ring = file.ops().page_queue().ok_or(Errno::EBADF)?;
    splice::to_memory(&file, ring, &mut sink, patience)
}

/// sendfile(2). The input must have places.
pub fn sendfile(out_fd: i32, in_fd: i32, offset: usize, count: usize) -> Result<usize> {
    let offset = OffsetPointer::fetch(offset)?;
    let current = process::current();
    let input = current.file(in_fd)?;
    input.check_access(AccessMode::READ)?;
    if offset.value.is_some() && input.seeking() == Seeking::Refused {
        return Err(Errno::ESPIPE);
    }
    let (at, count) = (offset.at()?, length(count)?);
    let output = current.file(out_fd)?;
    output.check_access(AccessMode::WRITE)?;
    let from = End { file: &input, at, patience: Patience::Forever };
    let is_nonblocking = is_ring(&output) && input.flags().contains(OpenFlags::NONBLOCK);
    let patience = if is_nonblocking { Patience::None } else { Patience::Forever };
    let to = End { file: &output, at: At::Position, patience };
    let sent = written(&output, splice::send(from, to, count))?;
    offset.store(sent)?;
    Ok(sent)
}
