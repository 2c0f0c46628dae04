//! Inodes: one file, however many names and descriptors it has.
//!
//! Owns attributes and contents ([`Node`]). Locks: INODE (spin) around the attributes; FILE_WRITE (sleeping) puts writers of a
//! regular file in order, over their user copies. Sleeps for those and for PAGES. Specification: inode(7).

use crate::arch::mmu::PAGE_SIZE;
pub use crate::fs::attributes::Owner;
use crate::fs::attributes::{Attributes, DeviceNumber, FileType, Metadata, Timestamp};
use crate::fs::budget::Budget;
use crate::fs::dentry::Location;
use crate::fs::directory::Directory;
use crate::fs::file::{FileControl, FileOps, Io, MapRequest, Seeking, Writes};
use crate::fs::flags::OpenFlags;
use crate::fs::live::{self, Live};
use crate::fs::page_file::{self, PageFile};
use crate::fs::permission::{self, Access};
use crate::fs::special::{Attachment, Openable};
use crate::fs::splice::Batch;
use crate::mm::user::{Sink, Source};
use crate::mm::{self, Frame, PageIntent, PageSource, SourceId};
use crate::process::Credentials;
use crate::sync::{Mutex, MutexGuard, SpinLock, rank};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicI32, Ordering};
use linux_raw_sys::general::F_SEAL_WRITE;
use postern_core::errno::{Errno, Result};
use postern_core::page_ring::Offer;

/// A file's contents.
pub enum Node {
    /// A regular file in memory.
    File(PageFile),
    /// A regular file whose opening runs code (procfs).
    Generated(Arc<dyn Openable>),
    /// A directory.
    Directory(Directory),
    /// A symbolic link with this text.
    Symlink(Box<[u8]>),
    /// A symbolic link that leads to a place rather than a text (/proc/PID/fd/N).
    MagicLink(Box<dyn MagicLink>),
    /// A character device.
    CharDevice(DeviceNumber),
    /// A block device: nothing drives one.
    BlockDevice(DeviceNumber),
    /// A pipe; the pipe code keeps what it needs in the attachment.
    Fifo(Attachment),
    /// A socket's name; the socket code keeps what it needs in the attachment.
    Socket(Attachment),
    /// An object that has only descriptors: its name within `anon_inode:[…]`.
    Anonymous(&'static str),
}

/// A symbolic link that is computed.
pub trait MagicLink: Send + Sync {
    /// What readlink(2) says to a process with this root.
    ///
    /// # Errors
    /// ENOENT if its object is gone; EACCES.
    fn text(&self, credentials: &Credentials, root: &Location) -> Result<Vec<u8>>;

    /// Where following it leads.
    ///
    /// # Errors
    /// ENOENT if its object is gone; EACCES.
    fn follow(&self, credentials: &Credentials) -> Result<Destination>;
}

/// Where a computed symbolic link leads.
pub enum Destination {
    /// To this very place, whatever path it has.
    Place(Location),
    /// Where this path leads.
    Path(Vec<u8>),
}

/// One file.
pub struct Inode {
    number: u64,
    device: DeviceNumber,
    pages: SourceId,
    node: Node,
    born: Timestamp,
    attributes: SpinLock<Attributes>,
    writers: Mutex<()>,
    /// Openings for writing if positive; executions, which exclude them, if negative.
    write_access: AtomicI32,
    /// Its mode and times are those of a process.
    is_unchanging: bool,
    /// Where the inode is counted for as long as it lives.
    budget: Option<Arc<Budget>>,
    _live: Live<{ live::INODES }>,
}

impl Inode {
    /// An inode without names (`links` 0, or 2 for a directory's own entries).
    pub fn new(device: DeviceNumber, number: u64, node: Node, owner: Owner, permissions: u32) -> Self {
        let now = Timestamp::now();
        let links = if matches!(node, Node::Directory(_)) { 2 } else { 0 };
        let attributes = Attributes {
            permissions,
            uid: owner.uid,
            gid: owner.gid,
            links,
            accessed: now,
            modified: now,
            changed: now,
        };
        Self {
            number,
            device,
            pages: SourceId::next(),
            node,
            born: now,
            attributes: SpinLock::new(rank::INODE, attributes),
            writers: Mutex::new(rank::FILE_WRITE, ()),
            write_access: AtomicI32::new(0),
            is_unchanging: false,
            budget: None,
            _live: Live::new(),
        }
    }

    /// The same, whose mode and times are the kernel's to say.
    pub fn unchanging(mut self) -> Self {
        self.is_unchanging = true;
        self
    }

    /// Checks that programs may change mode and times.
    ///
    /// # Errors
    /// EPERM.
    pub fn check_changeable(&self) -> Result<()> {
        if self.is_unchanging { Err(Errno::EPERM) } else { Ok(()) }
    }

    /// The same, counted in `budget` until it is dropped; it has been taken there.
    pub fn counted(mut self, budget: Arc<Budget>) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Its number within the file system.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The contents.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The contents of a directory.
    ///
    /// # Errors
    /// ENOTDIR.
    pub fn directory(&self) -> Result<&Directory> {
        if let Node::Directory(directory) = &self.node { Ok(directory) } else { Err(Errno::ENOTDIR) }
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self.node, Node::Directory(_))
    }

    /// What kind of file.
    pub fn file_type(&self) -> FileType {
        match self.node {
            Node::File(_) | Node::Generated(_) => FileType::Regular,
            Node::Directory(_) => FileType::Directory,
            Node::Symlink(_) | Node::MagicLink(_) => FileType::Symlink,
            Node::CharDevice(_) => FileType::CharDevice,
            Node::BlockDevice(_) => FileType::BlockDevice,
            Node::Fifo(_) => FileType::Fifo,
            Node::Socket(_) => FileType::Socket,
            Node::Anonymous(_) => FileType::Anonymous,
        }
    }

    /// A copy of the attributes.
    pub fn attributes(&self) -> Attributes {
        *self.attributes.lock()
    }

    /// Changes the attributes under their lock; `change` neither sleeps nor takes locks. Not for the status-change time: it is
    /// set here.
    pub fn update<R>(&self, change: impl FnOnce(&mut Attributes) -> R) -> R {
        let now = Timestamp::now();
        let mut attributes = self.attributes.lock();
        let result = change(&mut attributes);
        attributes.changed = now;
        result
    }

    /// The same for a change that may be refused, and then changes nothing.
    ///
    /// # Errors
    /// What `change` says.
    pub fn try_update<R>(&self, change: impl FnOnce(&mut Attributes) -> Result<R>) -> Result<R> {
        let now = Timestamp::now();
        let mut attributes = self.attributes.lock();
        let mut changed = *attributes;
        let result = change(&mut changed)?;
        changed.changed = now;
        *attributes = changed;
        Ok(result)
    }

    /// Length in bytes as stat(2) reports it.
    pub fn size(&self) -> u64 {
        match &self.node {
            Node::File(file) => file.size(),
            Node::Symlink(text) => text.len() as u64,
            Node::Directory(directory) => directory.size(),
            _ => 0,
        }
    }

    /// Everything stat(2) reports.
    pub fn metadata(&self) -> Metadata {
        const BLOCKS_PER_PAGE: u64 = PAGE_SIZE as u64 / 512;
        Metadata {
            device: self.device,
            number: self.number,
            file_type: self.file_type(),
            represents: match self.node {
                Node::CharDevice(number) | Node::BlockDevice(number) => number,
                _ => DeviceNumber::default(),
            },
            attributes: self.attributes(),
            born: self.born,
            size: self.size(),
            blocks: if let Node::File(file) = &self.node { file.held_pages() * BLOCKS_PER_PAGE } else { 0 },
        }
    }

    /// Checks the mode bits, and asks what computes the names of a directory.
    ///
    /// # Errors
    /// EACCES; what that says.
    pub fn check(&self, credentials: &Credentials, wanted: Access) -> Result<()> {
        if let Node::Directory(directory) = &self.node {
            directory.check_computed(credentials)?;
        }
        permission::check(credentials, self.file_type(), &self.attributes(), wanted)
    }

    /// Notes a read, by Linux's `relatime` rule: only if the file changed since the last one noted, or a day went by.
    pub fn note_access(&self) {
        const DAY_SECONDS: i64 = 86_400;
        let now = Timestamp::now();
        let mut attributes = self.attributes.lock();
        let last = attributes.accessed;
        if last <= attributes.modified || last <= attributes.changed || last.seconds + DAY_SECONDS <= now.seconds {
            attributes.accessed = now;
        }
    }

    /// Notes a change of the contents.
    pub fn note_change(&self) {
        let now = Timestamp::now();
        let mut attributes = self.attributes.lock();
        attributes.modified = now;
        attributes.changed = now;
    }

    /// Keeps other writers out of a regular file until the guard is dropped.
    pub fn lock_writers(&self) -> MutexGuard<'_, ()> {
        self.writers.lock()
    }

    /// Counts somebody who writes the file.
    ///
    /// # Errors
    /// ETXTBSY while it is executed.
    pub fn allow_write(self: &Arc<Self>) -> Result<WriteAccess> {
        self.count_access(1)
    }

    /// Counts somebody who executes the file.
    ///
    /// # Errors
    /// ETXTBSY while it is open for writing.
    pub fn deny_write(self: &Arc<Self>) -> Result<WriteAccess> {
        self.count_access(-1)
    }

    fn count_access(self: &Arc<Self>, change: i32) -> Result<WriteAccess> {
        // Relaxed: a counter that orders nothing else.
        self.write_access
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                (count.signum() != -change).then(|| count + change)
            })
            .map_err(|_| Errno::ETXTBSY)?;
        Ok(WriteAccess { inode: self.clone(), change })
    }

    /// Sets a regular file's length.
    ///
    /// # Errors
    /// EISDIR; EINVAL for what is neither; EFBIG beyond RLIMIT_FSIZE; those of [`PageFile::resize`].
    pub fn resize(&self, size: u64) -> Result<()> {
        match &self.node {
            Node::File(file) => {
                let _writers = self.lock_writers();
                self.check_new_size(size)?;
                let (first, gone) = file.resize(size)?;
                self.drop_set_id();
                if !gone.is_empty() {
                    mm::reverse::forget_pages(PageSource::identity(self), first, gone.values());
                    page_file::let_go(gone);
                }
                self.note_change();
                Ok(())
            }
            Node::Directory(_) => Err(Errno::EISDIR),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// Counts a writer or an execution of a file for as long as it lives.
pub struct WriteAccess {
    inode: Arc<Inode>,
    change: i32,
}

impl Drop for WriteAccess {
    fn drop(&mut self) {
        // Relaxed: as above.
        self.inode.write_access.fetch_sub(self.change, Ordering::Relaxed);
    }
}

impl Drop for Inode {
    fn drop(&mut self) {
        if let Some(budget) = &self.budget {
            budget.inodes.give(1);
        }
    }
}

/// A regular file in memory and a directory are their own open file.
impl FileOps for Inode {
    fn seeking(&self) -> Seeking {
        Seeking::Position
    }

    fn try_read(&self, io: &Io, sink: &mut Sink) -> Result<usize> {
        match &self.node {
            Node::File(file) => {
                let bytes = file.read(io.offset.ok_or(Errno::ESPIPE)?, sink)?;
                if !io.flags.contains(OpenFlags::NO_ACCESS_TIME) {
                    self.note_access();
                }
                Ok(bytes)
            }
            Node::Directory(_) => Err(Errno::EISDIR),
            _ => Err(Errno::EINVAL),
        }
    }

    fn try_write(&self, io: &Io, source: &mut Source) -> Result<usize> {
        match &self.node {
            Node::File(file) => {
                let offset = io.offset.ok_or(Errno::ESPIPE)?;
                let most = self.before_write(offset, source.remaining())?;
                let bytes = file.write(offset, source, most)?;
                if bytes > 0 {
                    self.note_change();
                }
                Ok(bytes)
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn has_pages(&self) -> bool {
        true
    }

    fn try_splice_out(&self, io: &Io, length: usize, batch: &mut Batch) -> Result<usize> {
        let Node::File(file) = &self.node else { return Err(Errno::EINVAL) };
        let bytes = file.share(io.offset.ok_or(Errno::ESPIPE)?, length, batch)?;
        if !io.flags.contains(OpenFlags::NO_ACCESS_TIME) {
            self.note_access();
        }
        Ok(bytes)
    }

    fn try_splice_in(&self, io: &Io, offer: &mut Offer<'_, Frame>) -> Result<usize> {
        let Node::File(file) = &self.node else { return Err(Errno::EINVAL) };
        let offset = io.offset.ok_or(Errno::ESPIPE)?;
        let most = self.before_write(offset, offer.range().len())?;
        let bytes = file.take(offset, offer, most)?;
        if bytes > 0 {
            self.note_change();
        }
        Ok(bytes)
    }

    fn control(&self, control: FileControl, _: &Credentials) -> Result<usize> {
        match (control, &self.node) {
            (FileControl::Seals, Node::File(file)) => Ok(file.seals() as usize),
            (FileControl::AddSeals(seals), Node::File(file)) => file.add_seals(seals).map(|()| 0),
            (FileControl::Seals | FileControl::AddSeals(_), _) => Err(Errno::EINVAL),
            (FileControl::PipeSize | FileControl::SetPipeSize(_), _) => Err(Errno::EBADF),
        }
    }

    fn map(self: Arc<Self>, request: &MapRequest) -> Result<Arc<dyn PageSource>> {
        match &self.node {
            Node::File(file) if request.writes == Writes::Shared && file.seals() & F_SEAL_WRITE != 0 => {
                Err(Errno::EPERM)
            }
            Node::File(_) => Ok(self),
            _ => Err(Errno::ENODEV),
        }
    }
}

impl PageSource for Inode {
    fn page(&self, index: usize, _: PageIntent) -> Result<Frame> {
        match &self.node {
            // A hole gets a page for readers too, so that mappings agree with later writes.
            Node::File(file) => file.page_for_mapping(index),
            _ => Err(Errno::EFAULT),
        }
    }

    fn identity(&self) -> SourceId {
        self.pages
    }
}
