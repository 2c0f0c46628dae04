//! File systems: one tree of inodes in memory with a budget and a device number of its own.
//!
//! Every type (ramfs, tmpfs, devtmpfs, proc, sysfs, cgroup2) is this one structure; they differ in limits, in who may change the
//! tree, and in computed entries. Lock: NAMESPACE (sleeping) puts changes of the tree in order, see `change`.
//! Specification: statfs(2), tmpfs(5).

use crate::fs::attributes::DeviceNumber;
use crate::fs::budget::Budget;
use crate::fs::dentry::Dentry;
use crate::fs::directory::{Computed, Directory, Length};
use crate::fs::inode::{Inode, Node, Owner};
use crate::sync::{Mutex, rank};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use linux_raw_sys::general::TMPFS_MAGIC;
use postern_core::errno::{Errno, Result};

/// Who may create, remove and rename.
#[derive(Clone, Copy)]
pub enum Changes {
    /// Programs, as permissions allow.
    ByPrograms,
    /// The kernel alone.
    ByKernel,
    /// The kernel alone, which knows every name that there could be.
    ByLookup,
    /// Programs may make and remove directories, of which somebody keeps account, and nothing else.
    Directories(&'static dyn DirectoryKeeper),
}

/// What of a tree is to be changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// A directory is made or removed.
    Directory,
    /// Anything else.
    Other,
}

/// For whom directories stand for something.
pub trait DirectoryKeeper: Send + Sync {
    /// Makes the inode of a directory that is going to be `name` in `parent`. If it cannot be entered, it is dropped.
    ///
    /// # Errors
    /// What mkdir(2) should say.
    fn make(
        &self,
        file_system: &FileSystem,
        parent: &Inode,
        name: &[u8],
        owner: Owner,
        permissions: u32,
    ) -> Result<Arc<Inode>>;

    /// The directory is to be removed, and is if this succeeds. NAMESPACE is locked.
    ///
    /// # Errors
    /// What rmdir(2) should say.
    fn remove(&self, directory: &Inode) -> Result<()>;

    /// It was removed. No lock is held.
    fn removed(&self, directory: &Inode);
}

/// What a new file system is to be like.
pub struct Options {
    /// The type's name, as mount(2) and /proc/mounts have it.
    pub type_name: &'static str,
    /// `f_type` of statfs(2).
    pub magic: u32,
    /// Pages of contents, `usize::MAX` for no limit.
    pub limit_pages: usize,
    /// Inodes, `usize::MAX` for no limit.
    pub limit_inodes: usize,
    /// Who may change the tree.
    pub changes: Changes,
    /// The root's owner.
    pub owner: Owner,
    /// The root's permissions.
    pub permissions: u32,
    /// The root's computed entries.
    pub computed: Option<Box<dyn Computed>>,
}

/// One file system.
pub struct FileSystem {
    type_name: &'static str,
    magic: u32,
    device: DeviceNumber,
    changes: Changes,
    budget: Arc<Budget>,
    /// Relaxed, as the next: they only tell things apart.
    next_number: AtomicU64,
    root: Arc<Dentry>,
    /// Held by whoever checks and changes names.
    pub(super) namespace: Mutex<()>,
}

/// The minor numbers of file systems without a device: major 0, from 1 on.
static NEXT_MINOR: AtomicU32 = AtomicU32::new(1);

impl FileSystem {
    /// An empty file system.
    pub fn new(options: Options) -> Arc<Self> {
        const ROOT_NUMBER: u64 = 1;
        let device = DeviceNumber::new(0, NEXT_MINOR.fetch_add(1, Ordering::Relaxed) & DeviceNumber::MAX_MINOR);
        let length = if options.magic == TMPFS_MAGIC { Length::OfNames } else { Length::Zero };
        let node = Node::Directory(Directory::new(length, options.computed));
        let root = Inode::new(device, ROOT_NUMBER, node, options.owner, options.permissions);
        Arc::new(Self {
            type_name: options.type_name,
            magic: options.magic,
            device,
            changes: options.changes,
            budget: Arc::new(Budget::new(options.limit_pages, options.limit_inodes)),
            next_number: AtomicU64::new(ROOT_NUMBER + 1),
            root: Dentry::root(Arc::new(root)),
            namespace: Mutex::new(rank::NAMESPACE, ()),
        })
    }

    /// The type's name.
    pub fn type_name(&self) -> &'static str {
        self.type_name
    }

    /// `f_type` of statfs(2).
    pub fn magic(&self) -> u32 {
        self.magic
    }

    /// `st_dev` of its files.
    pub fn device(&self) -> DeviceNumber {
        self.device
    }

    /// What it may hold and does.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// The root directory.
    pub fn root(&self) -> &Arc<Dentry> {
        &self.root
    }

    /// Checks that programs may change that of the tree.
    ///
    /// # Errors
    /// EPERM.
    pub fn check_changes(&self, change: Change) -> Result<()> {
        match (self.changes, change) {
            (Changes::ByPrograms, _) | (Changes::Directories(_), Change::Directory) => Ok(()),
            (Changes::ByKernel | Changes::ByLookup, _) | (Changes::Directories(_), Change::Other) => Err(Errno::EPERM),
        }
    }

    /// Checks that there can be a name that was looked up in vain.
    ///
    /// # Errors
    /// ENOENT.
    pub fn check_new_name(&self) -> Result<()> {
        if matches!(self.changes, Changes::ByLookup) { Err(Errno::ENOENT) } else { Ok(()) }
    }

    /// Who keeps account of the directories.
    pub fn keeper(&self) -> Option<&'static dyn DirectoryKeeper> {
        if let Changes::Directories(keeper) = self.changes { Some(keeper) } else { None }
    }

    /// A new inode without a name.
    ///
    /// # Errors
    /// ENOSPC.
    pub fn new_inode(&self, node: Node, owner: Owner, permissions: u32) -> Result<Arc<Inode>> {
        self.budget.inodes.take(1)?;
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(Inode::new(self.device, number, node, owner, permissions).counted(self.budget.clone())))
    }
}

impl Drop for FileSystem {
    /// Takes the tree apart from its leaves. Left to itself it would drop recursively, as deep as programs care to nest; and
    /// this takes no memory, of which there may be none.
    fn drop(&mut self) {
        let mut at = Some(self.root.clone());
        while let Some(here) = at {
            at = self.take_apart(here);
        }
    }
}

impl FileSystem {
    /// Lets go of the first entry of the directory `here` if nothing is in it; where to go on.
    fn take_apart(&self, here: Arc<Dentry>) -> Option<Arc<Dentry>> {
        let directory = here.inode().directory().ok()?;
        match directory.first() {
            Some(child) if child.inode().directory().is_ok_and(|inside| inside.first().is_some()) => Some(child),
            Some(_) => {
                drop(directory.take_first());
                Some(here)
            }
            None if Arc::ptr_eq(&here, &self.root) => None,
            None => here.parent(),
        }
    }
}
