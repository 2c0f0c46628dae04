//! read, write, their kin, lseek, copy_file_range.
//! Specification: read(2), readv(2), pread(2), lseek(2), copy_file_range(2).

use crate::arch::mmu::PAGE_SIZE;
use crate::fs::file::{Direction, Seeking};
use crate::fs::flags::AccessMode;
use crate::fs::open_file::{At, OpenFile, Whence};
use crate::fs::page_file::Extent;
use crate::mm::user::{Sink, Source, UserPtr};
use crate::process::{self, signal};
use crate::sched;
use alloc::sync::Arc;
use alloc::vec::Vec;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_core::signal_set::Signal;

/// The most one call moves (Linux's MAX_RW_COUNT).
pub(super) const MAX_TRANSFER: usize = 0x7fff_f000;

fn offset(raw: i64) -> Result<At> {
    u64::try_from(raw).map(At::Offset).map_err(|_| Errno::EINVAL)
}

/// What a failed write means besides its error: a broken pipe is told by signal as well.
pub(super) fn written(file: &OpenFile, result: Result<usize>) -> Result<usize> {
    if result == Err(Errno::EPIPE) && file.ops().raises_sigpipe(0) {
        signal::send_to_current(Signal::PIPE);
    }
    result
}

/// read(2)
pub fn read(fd: i32, address: usize, length: usize) -> Result<usize> {
    process::current().with_file(fd, |file| file.read(&mut Sink::user(address, length)?, At::Position))
}

/// write(2)
pub fn write(fd: i32, address: usize, length: usize) -> Result<usize> {
    process::current()
        .with_file(fd, |file| written(file, file.write(&mut Source::user(address, length)?, At::Position)))
}

/// The file behind `fd`, which must have places. That comes before what it is open for: EBADF, ESPIPE.
fn with_places(fd: i32) -> Result<Arc<OpenFile>> {
    let file = process::current().files().get_usable(fd)?;
    if file.seeking() == Seeking::Refused { Err(Errno::ESPIPE) } else { Ok(file) }
}

/// pread64(2)
pub fn pread64(fd: i32, address: usize, length: usize, at: i64) -> Result<usize> {
    let at = offset(at)?;
    let file = with_places(fd)?;
    file.read(&mut Sink::user(address, length)?, at)
}

/// pwrite64(2)
pub fn pwrite64(fd: i32, address: usize, length: usize, at: i64) -> Result<usize> {
    let at = offset(at)?;
    let file = with_places(fd)?;
    written(&file, file.write(&mut Source::user(address, length)?, at))
}

/// readv(2)
pub fn readv(fd: i32, vector: usize, count: usize) -> Result<usize> {
    process::current().with_file(fd, |file| file.read(&mut Sink::user_iovecs(vector, count)?, At::Position))
}

/// writev(2)
pub fn writev(fd: i32, vector: usize, count: usize) -> Result<usize> {
    let write = |file: &OpenFile| write_vector(file, &mut Source::user_iovecs(vector, count)?, At::Position);
    process::current().with_file(fd, write)
}

/// Writes what a vector names. Of one without bytes nothing is written, not even the empty message that write(2) would send:
/// vfs_writev of Linux.
fn write_vector(file: &OpenFile, source: &mut Source<'_>, at: At) -> Result<usize> {
    // Whoever can have to wait here can be written to; of all others an attempt says whether they can.
    if source.remaining() == 0 && file.ops().wait_queue(Direction::Write).is_some() {
        return file.check_access(AccessMode::WRITE).map(|()| 0);
    }
    written(file, file.write(source, at))
}

/// preadv(2)
pub fn preadv(fd: i32, vector: usize, count: usize, at: i64) -> Result<usize> {
    let at = offset(at)?;
    let file = with_places(fd)?;
    file.read(&mut Sink::user_iovecs(vector, count)?, at)
}

/// pwritev(2)
pub fn pwritev(fd: i32, vector: usize, count: usize, at: i64) -> Result<usize> {
    let at = offset(at)?;
    let file = with_places(fd)?;
    write_vector(&file, &mut Source::user_iovecs(vector, count)?, at)
}

/// The file behind `fd` of preadv2 or pwritev2, and where it is used: -1 means the position.
fn with_places_or_position(fd: i32, at: i64) -> Result<(Arc<OpenFile>, At)> {
    if at == -1 {
        return Ok((process::current().file(fd)?, At::Position));
    }
    let at = offset(at)?;
    Ok((with_places(fd)?, at))
}

/// preadv2(2): no RWF_ flag is known but those that change nothing here; who asks for no bytes is not asked about flags. The
/// upper half of the offset, which machines with 32 bits need, is passed on others too, and ignored.
pub fn preadv2(fd: i32, vector: usize, count: usize, at: i64, _upper_half: u64, flags: u32) -> Result<usize> {
    let (file, at) = with_places_or_position(fd, at)?;
    file.check_access(AccessMode::READ)?;
    let mut sink = Sink::user_iovecs(vector, count)?;
    if sink.remaining() != 0 {
        check_rwf(flags)?;
    }
    file.read(&mut sink, at)
}

/// pwritev2(2): as preadv2.
pub fn pwritev2(fd: i32, vector: usize, count: usize, at: i64, _upper_half: u64, flags: u32) -> Result<usize> {
    let (file, at) = with_places_or_position(fd, at)?;
    file.check_access(AccessMode::WRITE)?;
    let mut source = Source::user_iovecs(vector, count)?;
    if source.remaining() != 0 {
        check_rwf(flags)?;
    }
    write_vector(&file, &mut source, at)
}

fn check_rwf(flags: u32) -> Result<()> {
    let harmless = abi::RWF_HIPRI | abi::RWF_DSYNC | abi::RWF_SYNC;
    if flags & !harmless == 0 { Ok(()) } else { Err(Errno::EOPNOTSUPP) }
}

/// lseek(2)
pub fn lseek(fd: i32, offset: i64, whence: u32) -> Result<usize> {
    let file = process::current().files().get_usable(fd)?;
    let whence = match whence {
        abi::SEEK_SET => Whence::Start,
        abi::SEEK_CUR => Whence::Current,
        abi::SEEK_END => Whence::End,
        abi::SEEK_DATA => Whence::Next(Extent::Data),
        abi::SEEK_HOLE => Whence::Next(Extent::Hole),
        _ => return Err(Errno::EINVAL),
    };
    usize::try_from(file.seek(offset, whence)?).map_err(|_| Errno::EOVERFLOW)
}

/// One side of a copy between files: its position, or an offset in user memory that follows along.
struct Side {
    pointer: UserPtr<i64>,
    offset: Option<u64>,
}

impl Side {
    fn new(pointer: usize) -> Result<Self> {
        let pointer = UserPtr::<i64>::new(pointer);
        let offset =
            if pointer.is_null() { None } else { Some(u64::try_from(pointer.read()?).map_err(|_| Errno::EINVAL)?) };
        Ok(Self { pointer, offset })
    }

    fn at(&self) -> At {
        self.offset.map_or(At::Position, At::Offset)
    }

    fn advance(&mut self, bytes: usize) {
        if let Some(offset) = &mut self.offset {
            *offset += bytes as u64;
        }
    }

    fn finish(&self) -> Result<()> {
        match self.offset {
            Some(offset) => self.pointer.write(&i64::try_from(offset).map_err(|_| Errno::EOVERFLOW)?),
            None => Ok(()),
        }
    }
}

/// Copies up to `count` bytes a page at a time. No lock is held between reading and writing, so two files of one kind are no
/// problem; what could not be written is given back to the position of the input.
fn copy(from: &OpenFile, input: &mut Side, to: &OpenFile, output: &mut Side, count: usize) -> Result<usize> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(PAGE_SIZE).map_err(|_| Errno::ENOMEM)?;
    buffer.resize(PAGE_SIZE, 0);
    let mut copied = 0;
    while copied < count {
        sched::preemption_point();
        let part = PAGE_SIZE.min(count - copied);
        let step = copy_part(from, input, to, output, &mut buffer[..part]);
        match step {
            Ok(0) => break,
            Ok(bytes) => copied += bytes,
            Err(error) if copied == 0 => return Err(error),
            Err(_) => break,
        }
    }
    input.finish()?;
    output.finish()?;
    Ok(copied)
}

fn copy_part(from: &OpenFile, input: &mut Side, to: &OpenFile, output: &mut Side, buffer: &mut [u8]) -> Result<usize> {
    let got = from.read(&mut Sink::from_slice(buffer), input.at())?;
    if got == 0 {
        return Ok(0);
    }
    let put = to.write(&mut Source::from_slice(&buffer[..got]), output.at());
    let taken = put.unwrap_or(0);
    if taken < got && input.offset.is_none() {
        let back = i64::try_from(got - taken).unwrap_or(0);
        from.seek(-back, Whence::Current)?;
    }
    input.advance(taken);
    output.advance(taken);
    put
}

/// copy_file_range(2), between regular files.
pub fn copy_file_range(
    in_fd: i32,
    in_offset: usize,
    out_fd: i32,
    out_offset: usize,
    count: usize,
    flags: u32,
) -> Result<usize> {
    use crate::fs::attributes::FileType;
    use crate::fs::flags::OpenFlags;
    super::place::check_flags(flags, 0)?;
    let files = process::current().files();
    let (from, to) = (files.get_usable(in_fd)?, files.get_usable(out_fd)?);
    for file in [&from, &to] {
        match file.location().inode().file_type() {
            FileType::Regular => {}
            FileType::Directory => return Err(Errno::EISDIR),
            _ => return Err(Errno::EINVAL),
        }
    }
    from.check_access(AccessMode::READ)?;
    to.check_access(AccessMode::WRITE)?;
    if to.flags().contains(OpenFlags::APPEND) {
        return Err(Errno::EBADF);
    }
    // Linux asks one file system to do it, and programs that hear this copy the bytes themselves.
    if from.location().inode().metadata().device != to.location().inode().metadata().device {
        return Err(Errno::EXDEV);
    }
    copy(&from, &mut Side::new(in_offset)?, &to, &mut Side::new(out_offset)?, count.min(MAX_TRANSFER))
}
