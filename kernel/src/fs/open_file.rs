//! Open file descriptions: what descriptors refer to, several at once after dup(2) and fork(2).
//!
//! Owns the position and the status flags. Locks: FILE_POSITION (sleeping) over one transfer of a file with a position, so that
//! transfers by several threads do not overlap; FILE_WRITE below it for regular files. Streams take neither. Sleeps in those,
//! in user copies, and in `blocking` for streams. Specification: open(2), read(2), write(2), lseek(2), fcntl(2).

use crate::fs::blocking;
use crate::fs::dentry::Location;
use crate::fs::directory::Listed;
use crate::fs::epoll::WatchedBy;
use crate::fs::file::{FileOps, Io, MapRequest, Readiness, Seeking};
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::fs::flock;
use crate::fs::inode::Node;
use crate::fs::live::{self, Live};
use crate::fs::page_file::{Extent, MAX_SIZE};
use crate::fs::record_lock::{self, Owner};
use crate::fs::special::{Hold, Opened};
use crate::mm::user::{Sink, Source};
use crate::mm::{Frame, PageIntent, PageSource, SourceId};
use crate::sync::{Mutex, MutexGuard, rank};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use postern_core::errno::{Errno, Result};

/// Where a transfer takes place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    /// At the position, which it advances (read, write).
    Position,
    /// There, leaving the position alone (pread, pwrite).
    Offset(u64),
}

/// What lseek(2) counts from, or looks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whence {
    /// The start.
    Start,
    /// The position.
    Current,
    /// The end.
    End,
    /// The next byte of this kind at or after the offset.
    Next(Extent),
}

/// An open file description.
pub struct OpenFile {
    ops: Arc<dyn FileOps>,
    /// The object's, which never changes: asked once.
    seeking: Seeking,
    location: Location,
    access: AccessMode,
    /// Relaxed: flags that stand for themselves.
    status: AtomicU32,
    position: Mutex<u64>,
    /// A copy for show. Relaxed: it stands for itself.
    shown_position: AtomicU64,
    /// The epoll instances that it leaves when it goes.
    watched_by: WatchedBy,
    /// Counts the opening with a driver or an inode; mappings keep it too. Dropped last: a driver may go then.
    _hold: Option<Hold>,
    _live: Live<{ live::OPEN_FILES }>,
}

/// The position while somebody moves it.
pub(super) struct Moving<'a> {
    position: MutexGuard<'a, u64>,
    shown: &'a AtomicU64,
}

impl Deref for Moving<'_> {
    type Target = u64;

    fn deref(&self) -> &u64 {
        &self.position
    }
}

impl DerefMut for Moving<'_> {
    fn deref_mut(&mut self) -> &mut u64 {
        &mut self.position
    }
}

impl Drop for Moving<'_> {
    fn drop(&mut self) {
        self.shown.store(*self.position, Ordering::Relaxed);
    }
}

impl OpenFile {
    /// A description of what was opened at `location`.
    pub fn new(opened: Opened, location: Location, access: AccessMode, flags: OpenFlags) -> Arc<Self> {
        Arc::new(Self {
            seeking: opened.ops.seeking(),
            ops: opened.ops,
            location,
            access,
            status: AtomicU32::new(flags.difference(OpenFlags::CREATION).bits()),
            position: Mutex::new(rank::FILE_POSITION, 0),
            shown_position: AtomicU64::new(0),
            watched_by: WatchedBy::nobody(),
            _hold: opened.hold,
            _live: Live::new(),
        })
    }

    /// The object behind it.
    pub fn ops(&self) -> &Arc<dyn FileOps> {
        &self.ops
    }

    /// Who watches it by epoll.
    pub fn watched_by(&self) -> &WatchedBy {
        &self.watched_by
    }

    /// The position, kept from everybody else.
    pub(super) fn lock_position(&self) -> Moving<'_> {
        Moving { position: self.position.lock(), shown: &self.shown_position }
    }

    /// Where the next transfer begins, as of the end of the last one; 0 of what has no places. Takes no lock: who asks may be
    /// in a transfer of the same file, as he is who reads of it in /proc.
    pub fn shown_position(&self) -> u64 {
        self.shown_position.load(Ordering::Relaxed)
    }

    /// What lseek(2) does to it.
    pub fn seeking(&self) -> Seeking {
        self.seeking
    }

    /// Whether lseek(2) does not say ESPIPE: an object without a name is asked, in vain.
    pub fn can_be_sought(&self) -> bool {
        self.seeking != Seeking::Refused || matches!(self.location.inode().node(), Node::Anonymous(_))
    }

    /// The place in the tree; for pipes and their kin a place outside it.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// What it may be used for.
    pub fn access(&self) -> AccessMode {
        self.access
    }

    /// The status flags in force.
    pub fn flags(&self) -> OpenFlags {
        OpenFlags::from_bits_retain(self.status.load(Ordering::Relaxed))
    }

    /// Changes what F_SETFL may change to the bits of `flags`; ignores all others.
    pub fn set_flags(&self, flags: OpenFlags) {
        let set = flags.intersection(OpenFlags::SETTABLE).bits();
        let change = |old: u32| Some(old & !OpenFlags::SETTABLE.bits() | set);
        // The closure never refuses.
        let _ = self.status.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }

    /// Switches one status flag on or off (FIONBIO).
    pub fn set_flag(&self, flag: OpenFlags, state: Switch) {
        match state {
            Switch::On => self.status.fetch_or(flag.bits(), Ordering::Relaxed),
            Switch::Off => self.status.fetch_and(!flag.bits(), Ordering::Relaxed),
        };
    }

    /// Whether only a path is open (O_PATH): most calls say EBADF then.
    pub fn is_path_only(&self) -> bool {
        self.flags().contains(OpenFlags::PATH)
    }

    /// What is wrong with a file that is not of the kind a call needs, which says `error` then: EBADF if nothing but its path is
    /// open.
    pub fn unfit(&self, error: Errno) -> Errno {
        if self.is_path_only() { Errno::EBADF } else { error }
    }

    /// Checks that it is open for `wanted`.
    ///
    /// # Errors
    /// EBADF.
    pub fn check_access(&self, wanted: AccessMode) -> Result<()> {
        if self.access.contains(wanted) { Ok(()) } else { Err(Errno::EBADF) }
    }

    /// The owner of its record locks (F_OFD_SETLK).
    pub fn lock_owner(&self) -> Owner {
        Owner::Description(core::ptr::from_ref(self).addr())
    }

    /// Whether it is ready, and for what.
    pub fn readiness(&self) -> Readiness {
        self.ops.readiness()
    }

    /// What an attempt on a stream is told.
    #[inline(always)]
    fn io(&self) -> Io {
        Io { offset: None, flags: self.flags() }
    }

    /// read(2), pread(2) and their kin.
    ///
    /// # Errors
    /// EBADF, EISDIR, EINVAL, EFAULT; ESPIPE for an offset into a stream; EAGAIN, EINTR from streams.
    #[inline(always)]
    pub fn read(&self, sink: &mut Sink<'_>, at: At) -> Result<usize> {
        self.check_access(AccessMode::READ)?;
        if self.seeking == Seeking::Refused && at == At::Position {
            return self.ops.read(&self.io(), sink);
        }
        self.read_seekable(sink, at)
    }

    #[inline(never)]
    fn read_seekable(&self, sink: &mut Sink<'_>, at: At) -> Result<usize> {
        let flags = self.flags();
        match (self.seeking, at) {
            (Seeking::Position, At::Position) => {
                let mut position = self.lock_position();
                let bytes = self.ops.try_read(&Io { offset: Some(*position), flags }, sink)?;
                *position += bytes as u64;
                Ok(bytes)
            }
            (Seeking::Position, At::Offset(offset)) => self.ops.try_read(&Io { offset: Some(offset), flags }, sink),
            (Seeking::Refused, At::Offset(_)) => Err(Errno::ESPIPE),
            (Seeking::Ignored, _) | (Seeking::Refused, At::Position) => self.ops.read(&self.io(), sink),
        }
    }

    /// write(2), pwrite(2) and their kin.
    ///
    /// # Errors
    /// EBADF, EINVAL, EFAULT, ENOSPC, EFBIG; ESPIPE for an offset into a stream; EAGAIN, EINTR, EPIPE from streams.
    #[inline(always)]
    pub fn write(&self, source: &mut Source<'_>, at: At) -> Result<usize> {
        self.check_access(AccessMode::WRITE)?;
        if self.seeking == Seeking::Refused && at == At::Position {
            return blocking::write(&*self.ops, &self.io(), source);
        }
        self.write_seekable(source, at)
    }

    #[inline(never)]
    fn write_seekable(&self, source: &mut Source<'_>, at: At) -> Result<usize> {
        match (self.seeking, at) {
            (Seeking::Position, At::Position) => {
                let mut position = self.lock_position();
                let (start, bytes) = self.write_from(*position, source)?;
                *position = start + bytes as u64;
                Ok(bytes)
            }
            (Seeking::Position, At::Offset(offset)) => self.write_from(offset, source).map(|(_, bytes)| bytes),
            (Seeking::Refused, At::Offset(_)) => Err(Errno::ESPIPE),
            (Seeking::Ignored, _) | (Seeking::Refused, At::Position) => blocking::write(&*self.ops, &self.io(), source),
        }
    }

    /// Writes at `offset`, or at the end with O_APPEND; where that was, and how much.
    fn write_from(&self, offset: u64, source: &mut Source<'_>) -> Result<(u64, usize)> {
        let inode = self.location.inode();
        let _writers = matches!(inode.node(), Node::File(_)).then(|| inode.lock_writers());
        let flags = self.flags();
        let offset = if flags.contains(OpenFlags::APPEND) { inode.size() } else { offset };
        let bytes = self.ops.try_write(&Io { offset: Some(offset), flags }, source)?;
        Ok((offset, bytes))
    }

    /// Reads into kernel memory, as much as there is up to the end of the file.
    ///
    /// # Errors
    /// As [`OpenFile::read`].
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.read(&mut Sink::from_slice(buffer), At::Offset(offset))
    }

    /// lseek(2).
    ///
    /// # Errors
    /// EBADF (O_PATH), ESPIPE, EINVAL for a place before the start, ENXIO when there is no such byte.
    pub fn seek(&self, offset: i64, whence: Whence) -> Result<u64> {
        match self.seeking {
            _ if self.is_path_only() => return Err(Errno::EBADF),
            Seeking::Refused if self.can_be_sought() => return Ok(0),
            Seeking::Refused => return Err(Errno::ESPIPE),
            Seeking::Ignored => return Ok(0),
            Seeking::Position => {}
        }
        let inode = self.location.inode();
        let mut position = self.lock_position();
        let base = match whence {
            Whence::Start => 0,
            Whence::Current => *position,
            // What is made while it is read has no end yet, and the places in a directory are no numbers.
            Whence::End if !matches!(inode.node(), Node::File(_)) => return Err(Errno::EINVAL),
            Whence::End => inode.size(),
            Whence::Next(extent) => {
                let at = u64::try_from(offset).map_err(|_| Errno::ENXIO)?;
                let Node::File(file) = inode.node() else {
                    return Err(Errno::EINVAL);
                };
                *position = file.next(at, extent).ok_or(Errno::ENXIO)?;
                return Ok(*position);
            }
        };
        let target = base.checked_add_signed(offset).filter(|&target| target <= MAX_SIZE).ok_or(Errno::EINVAL)?;
        *position = target;
        Ok(target)
    }

    /// getdents64(2): hands entries from the position on to `emit` until it says that it is full; the position follows.
    ///
    /// # Errors
    /// ENOTDIR; ENOENT if the directory was removed; what `emit` says of the first entry.
    pub fn list(&self, mut emit: impl FnMut(&Listed) -> Result<Emitted>) -> Result<()> {
        const BATCH: usize = 32;
        let directory = self.location.inode().directory()?;
        if self.location.dentry.is_removed() {
            return Err(Errno::ENOENT);
        }
        let mut position = self.lock_position();
        loop {
            let batch: Vec<Listed> = directory.list(&self.location.dentry, *position, BATCH);
            if batch.is_empty() {
                self.location.inode().note_access();
                return Ok(());
            }
            for entry in &batch {
                if emit(entry)? == Emitted::Full {
                    return Ok(());
                }
                *position = entry.next();
            }
        }
    }

    /// The pages behind a mapping, which keep the file open. Access is the caller's affair.
    ///
    /// # Errors
    /// ENODEV, EPERM (sealed), and what a driver says.
    pub fn map(self: &Arc<Self>, request: &MapRequest) -> Result<Arc<dyn PageSource>> {
        let pages = self.ops.clone().map(request)?;
        Ok(Arc::new(FileMapping { pages, file: self.clone() }))
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        flock::release(self);
        record_lock::release_file(self.location.inode(), self.lock_owner());
        self.ops.released(self.flags());
    }
}

/// A flag's state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Switch {
    /// Set.
    On,
    /// Not set.
    Off,
}

/// What became of a directory entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Emitted {
    /// It was taken.
    Taken,
    /// There was no room: it comes again next time.
    Full,
}

/// The object behind O_PATH: nothing works.
pub struct PathOnly;

impl FileOps for PathOnly {
    fn readiness(&self) -> Readiness {
        Readiness::NVAL
    }

    fn ioctl(&self, _: OpenFlags, _: u32, _: usize) -> Result<usize> {
        Err(Errno::EBADF)
    }

    fn map(self: Arc<Self>, _: &MapRequest) -> Result<Arc<dyn PageSource>> {
        Err(Errno::EBADF)
    }
}

/// A mapped file: its pages, and the description it was mapped from, which stays open and has the name for /proc/PID/maps.
struct FileMapping {
    pages: Arc<dyn PageSource>,
    file: Arc<OpenFile>,
}

impl PageSource for FileMapping {
    fn page(&self, index: usize, intent: PageIntent) -> Result<Frame> {
        self.pages.page(index, intent)
    }

    fn identity(&self) -> SourceId {
        self.pages.identity()
    }

    fn merge_identity(&self) -> usize {
        Arc::as_ptr(&self.file).addr()
    }

    fn description(&self) -> Option<(u64, u64, Vec<u8>)> {
        let location = &self.file.location;
        let metadata = location.inode().metadata();
        let path = match crate::fs::mount::root() {
            // One that is too long is left out.
            Ok(root) => location.path_from(&root).for_proc().unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        Some((u64::from(metadata.device.encode()), metadata.number, path))
    }
}
