//! Directories: names in memory, and names that code computes.
//!
//! Owns the entries. Lock: DIRECTORY (sleeping), never two at once, never over a user copy. What checks and changes several
//! directories is in `change`, under the file system's NAMESPACE lock. Specification: getdents64(2), readdir(3).

use crate::fs::attributes::FileType;
use crate::fs::dentry::{Dentry, Name};
use crate::fs::inode::Inode;
use crate::process::Credentials;
use crate::sync::{Mutex, rank};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use postern_core::errno::{Errno, Result};

/// Where the cursor positions of computed entries start; those in memory lie below.
const COMPUTED_BASE: u64 = 1 << 40;
/// Cursor positions of `.` and `..`; entries follow.
const DOT: u64 = 0;
const DOT_DOT: u64 = 1;
pub(super) const FIRST_ORDINAL: u64 = 2;

/// The names which code computes, looked at after those in memory.
pub trait Computed: Send + Sync {
    /// The file called `name`.
    ///
    /// # Errors
    /// ENOENT.
    fn lookup(&self, name: &[u8]) -> Result<Arc<Inode>>;

    /// At most `limit` entries whose key is `from` or above, in ascending order of keys. A key stays with its entry.
    fn list(&self, from: u64, limit: usize) -> Vec<ComputedEntry>;

    /// Whether whoever has these credentials may look names up here and list them, though the permissions say so.
    ///
    /// # Errors
    /// What the call should say.
    fn check(&self, credentials: &Credentials) -> Result<()> {
        let _ = credentials;
        Ok(())
    }
}

/// One computed name.
pub struct ComputedEntry {
    /// Its place in the order, below 2^40.
    pub key: u64,
    /// Its inode's number.
    pub number: u64,
    /// What it is.
    pub file_type: FileType,
    /// The name.
    pub name: Name,
}

/// One entry as getdents64(2) reports it.
pub struct Listed {
    /// The cursor position of this entry.
    pub position: u64,
    /// Its inode's number.
    pub number: u64,
    /// What it is.
    pub file_type: FileType,
    /// The name.
    pub name: Name,
}

impl Listed {
    /// The cursor position after this entry (`d_off`).
    pub fn next(&self) -> u64 {
        self.position + 1
    }
}

/// What a directory says its length is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Length {
    /// Nothing, as where the kernel makes up the names.
    Zero,
    /// So much for each name, `.` and `..` among them, as on Linux's tmpfs.
    OfNames,
}

/// What a name counts in the length of a directory: BOGO_DIRENT_SIZE of Linux's tmpfs.
const NAME_BYTES: u64 = 20;

struct Entries {
    by_name: BTreeMap<Name, u64>,
    /// In order of creation, so that a cursor stays right whatever is removed.
    by_ordinal: BTreeMap<u64, Arc<Dentry>>,
    next_ordinal: u64,
    /// The directory was removed: nothing can be put in any more.
    closed: bool,
}

/// The contents of a directory.
pub struct Directory {
    entries: Mutex<Entries>,
    /// How many are in memory. Changed with them locked; Relaxed, for whoever asks without the lock asks for show.
    count: AtomicU64,
    length: Length,
    computed: Option<Box<dyn Computed>>,
}

impl Directory {
    /// An empty directory in this one, which tells its length as this one does.
    pub fn empty_inside(&self) -> Self {
        Self::new(self.length, None)
    }

    /// A directory with computed entries besides those in memory, and no length.
    pub fn with_computed(computed: Option<Box<dyn Computed>>) -> Self {
        Self::new(Length::Zero, computed)
    }

    /// A directory, perhaps with computed entries besides those in memory.
    pub fn new(length: Length, computed: Option<Box<dyn Computed>>) -> Self {
        let entries = Entries {
            by_name: BTreeMap::new(),
            by_ordinal: BTreeMap::new(),
            next_ordinal: FIRST_ORDINAL,
            closed: false,
        };
        Self { entries: Mutex::new(rank::DIRECTORY, entries), count: AtomicU64::new(0), length, computed }
    }

    /// Whether what computes its names lets whoever has these credentials in.
    ///
    /// # Errors
    /// What it says.
    pub fn check_computed(&self, credentials: &Credentials) -> Result<()> {
        self.computed.as_ref().map_or(Ok(()), |computed| computed.check(credentials))
    }

    /// Its length in bytes as stat(2) reports it.
    pub fn size(&self) -> u64 {
        match self.length {
            Length::Zero => 0,
            Length::OfNames => NAME_BYTES * (2 + self.count.load(Ordering::Relaxed)),
        }
    }

    fn counted(&self, entries: &Entries) {
        self.count.store(entries.by_name.len() as u64, Ordering::Relaxed);
    }

    /// The entry called `name`; `here` is the directory's own name.
    ///
    /// # Errors
    /// ENOENT.
    pub fn lookup(&self, here: &Arc<Dentry>, name: &[u8]) -> Result<Arc<Dentry>> {
        if let Some(dentry) = self.held(name) {
            return Ok(dentry);
        }
        let computed = self.computed.as_ref().ok_or(Errno::ENOENT)?;
        Ok(Dentry::computed_by(here, name, computed.lookup(name)?))
    }

    /// The entry in memory called `name`.
    pub fn held(&self, name: &[u8]) -> Option<Arc<Dentry>> {
        let entries = self.entries.lock();
        let ordinal = entries.by_name.get(name)?;
        entries.by_ordinal.get(ordinal).cloned()
    }

    /// Puts `dentry` under `name`, in the place of what was there; hands that back.
    ///
    /// # Errors
    /// ENOENT if the directory was removed.
    pub fn put(&self, name: Name, dentry: Arc<Dentry>) -> Result<Option<Arc<Dentry>>> {
        let mut entries = self.entries.lock();
        if entries.closed {
            return Err(Errno::ENOENT);
        }
        if let Some(&ordinal) = entries.by_name.get(&name) {
            return Ok(entries.by_ordinal.insert(ordinal, dentry));
        }
        let ordinal = entries.next_ordinal;
        entries.next_ordinal += 1;
        entries.by_name.insert(name, ordinal);
        entries.by_ordinal.insert(ordinal, dentry);
        self.counted(&entries);
        Ok(None)
    }

    /// Takes the entry in memory called `name` out.
    pub fn take(&self, name: &[u8]) -> Option<Arc<Dentry>> {
        let mut entries = self.entries.lock();
        let ordinal = entries.by_name.remove(name)?;
        self.counted(&entries);
        entries.by_ordinal.remove(&ordinal)
    }

    /// Closes an empty directory for good.
    ///
    /// # Errors
    /// ENOTEMPTY.
    pub fn close(&self) -> Result<()> {
        let mut entries = self.entries.lock();
        if !entries.by_name.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        entries.closed = true;
        Ok(())
    }

    /// Takes the oldest entry in memory out, for the end of a file system.
    pub fn take_first(&self) -> Option<Arc<Dentry>> {
        let mut entries = self.entries.lock();
        let (_, dentry) = entries.by_ordinal.pop_first()?;
        entries.by_name.remove(&dentry.name());
        Some(dentry)
    }

    /// The oldest entry in memory.
    pub fn first(&self) -> Option<Arc<Dentry>> {
        self.entries.lock().by_ordinal.first_key_value().map(|(_, dentry)| dentry.clone())
    }

    /// At most `limit` entries from the cursor position `from` on, `.` and `..` first.
    pub fn list(&self, here: &Arc<Dentry>, from: u64, limit: usize) -> Vec<Listed> {
        let mut listed = Vec::new();
        for (position, name) in [(DOT, b".".as_slice()), (DOT_DOT, b"..")] {
            if from <= position {
                let of = if position == DOT { here.clone() } else { here.parent().unwrap_or_else(|| here.clone()) };
                listed.push(entry(position, of.inode(), name.into()));
            }
        }
        if from < COMPUTED_BASE {
            let entries = self.entries.lock();
            let room = limit.saturating_sub(listed.len());
            let held = entries.by_ordinal.range(from..).take(room);
            listed.extend(held.map(|(&position, dentry)| entry(position, dentry.inode(), dentry.name())));
        }
        let room = limit.saturating_sub(listed.len());
        if let Some(computed) = self.computed.as_ref().filter(|_| room > 0) {
            let found = computed.list(from.saturating_sub(COMPUTED_BASE), room);
            listed.extend(found.into_iter().map(|found| Listed {
                position: COMPUTED_BASE + found.key,
                number: found.number,
                file_type: found.file_type,
                name: found.name,
            }));
        }
        listed
    }
}

fn entry(position: u64, inode: &Inode, name: Name) -> Listed {
    Listed { position, number: inode.number(), file_type: inode.file_type(), name }
}
