//! Record locks: ranges of bytes that belong to a process (F_SETLK) or to an open file description (F_OFD_SETLK).
//!
//! Owns the table of files with such locks. Lock: OBJECT (spin) around it. Sleeps, interruptibly, on the one wait queue of all
//! such locks: they are rare, and whoever is woken in vain goes back to sleep.
//! Specification: fcntl(2), "Advisory record locking" and "Open file description locks".

use crate::arch::mmu::PAGE_SIZE;
use crate::fs::inode::Inode;
use crate::mm::heap;
use crate::sync::{SpinLock, WaitQueue, rank};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use postern_core::errno::{Errno, Result};
use postern_sync::{ANY_EVENT, Mode, Presence};

/// Who holds a lock. Addresses of what lives at least as long as the lock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Owner {
    /// A table of descriptors, which stands for a process as on Linux.
    Process(usize),
    /// An open file description.
    Description(usize),
}

/// What a lock allows others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Read locks (F_RDLCK).
    Read,
    /// Nothing (F_WRLCK).
    Write,
}

/// A range of bytes, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// First byte.
    pub first: u64,
    /// Last byte; `u64::MAX` means the end of the file, wherever that comes to be.
    pub last: u64,
}

impl Span {
    fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// A lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// Whose.
    pub owner: Owner,
    /// Of which process it was, for F_GETLK; -1 for a description's.
    pub pid: i32,
    /// What it allows.
    pub kind: Kind,
    /// Which bytes.
    pub span: Span,
}

impl Record {
    fn conflicts(&self, other: &Self) -> bool {
        self.owner != other.owner
            && self.span.overlaps(other.span)
            && (self.kind, other.kind) != (Kind::Read, Kind::Read)
    }
}

struct Table {
    /// By the address of the inode, which is open as long as it is locked.
    held: BTreeMap<usize, Vec<Record>>,
    /// What processes wait for, to find circles.
    wanted: BTreeMap<Owner, (usize, Record)>,
}

static TABLE: SpinLock<Table> = SpinLock::new(rank::OBJECT, Table { held: BTreeMap::new(), wanted: BTreeMap::new() });
/// How many files are locked, so that closing a file costs nothing while there are none.
static COUNT: Presence = Presence::none();
static RELEASED: WaitQueue = WaitQueue::new();

fn key(inode: &Arc<Inode>) -> usize {
    Arc::as_ptr(inode).addr()
}

impl Table {
    fn conflict(&self, key: usize, wanted: &Record) -> Option<Record> {
        self.held.get(&key)?.iter().find(|held| held.conflicts(wanted)).copied()
    }

    /// Frees `span` of `owner`'s locks: those that reach beyond it are cut.
    fn clear(&mut self, key: usize, owner: Owner, span: Span) {
        let Some(records) = self.held.get_mut(&key) else {
            return;
        };
        // An owner's locks are disjoint: only one of them can reach beyond both ends.
        let mut rest = None;
        records.retain_mut(|record| {
            if record.owner != owner || !record.span.overlaps(span) {
                return true;
            }
            let (before, after) = (record.span.first < span.first, record.span.last > span.last);
            if before && after {
                rest = Some(Record { span: Span { first: span.last + 1, ..record.span }, ..*record });
            }
            if before {
                record.span.last = span.first - 1;
            } else if after {
                record.span.first = span.last + 1;
            }
            before || after
        });
        records.extend(rest);
        if records.is_empty() {
            self.held.remove(&key);
        }
    }

    /// Room for the lock that is to come, and for one that it cuts in two. ENOLCK.
    fn make_room(&mut self, key: usize) -> Result<()> {
        let room = |records: &Vec<Record>| records.capacity() - records.len();
        let Some(records) = self.held.get_mut(&key).filter(|records| room(records) < 2) else {
            return heap::admit(PAGE_SIZE).map_err(|_| Errno::ENOLCK);
        };
        heap::admit(2 * records.len() * size_of::<Record>()).map_err(|_| Errno::ENOLCK)?;
        records.try_reserve(2).map_err(|_| Errno::ENOLCK)
    }

    fn insert(&mut self, key: usize, record: Record) {
        self.clear(key, record.owner, record.span);
        self.held.entry(key).or_default().push(record);
    }

    /// Whether waiting for `wanted` would close a circle of processes that wait for each other.
    fn would_deadlock(&self, key: usize, wanted: &Record) -> bool {
        let mut next = (key, *wanted);
        // A chain is no longer than there are waiters.
        for _ in 0..=self.wanted.len() {
            let Some(blocker) = self.conflict(next.0, &next.1) else {
                return false;
            };
            if blocker.owner == wanted.owner {
                return true;
            }
            match self.wanted.get(&blocker.owner) {
                Some(&further) => next = further,
                None => return false,
            }
        }
        false
    }

    fn count(&self) {
        COUNT.set(self.held.len());
    }
}

/// The first lock that stands in the way of `wanted` (F_GETLK).
pub fn conflict(inode: &Arc<Inode>, wanted: &Record) -> Option<Record> {
    TABLE.lock().conflict(key(inode), wanted)
}

/// Locks, in the place of what the owner has locked of these bytes (F_SETLK).
///
/// # Errors
/// EAGAIN, ENOLCK.
pub fn try_acquire(inode: &Arc<Inode>, wanted: &Record) -> Result<()> {
    let mut table = TABLE.lock();
    if table.conflict(key(inode), wanted).is_some() {
        return Err(Errno::EAGAIN);
    }
    table.make_room(key(inode))?;
    table.insert(key(inode), *wanted);
    table.count();
    drop(table);
    // A write lock may have become a read lock.
    RELEASED.wake_all(ANY_EVENT);
    Ok(())
}

/// The same, waiting for others (F_SETLKW).
///
/// # Errors
/// EDEADLK if processes would wait for each other for ever; ENOLCK; ERESTARTSYS (a signal).
pub fn acquire(inode: &Arc<Inode>, wanted: &Record) -> Result<()> {
    let attempt = || {
        match try_acquire(inode, wanted) {
            Err(Errno::EAGAIN) => {}
            result => return Some(result),
        }
        let mut table = TABLE.lock();
        if matches!(wanted.owner, Owner::Process(_)) {
            if table.would_deadlock(key(inode), wanted) {
                return Some(Err(Errno::EDEADLK));
            }
            table.wanted.insert(wanted.owner, (key(inode), *wanted));
        }
        None
    };
    let waited = RELEASED.wait_interruptible(Mode::Shared, attempt);
    TABLE.lock().wanted.remove(&wanted.owner);
    waited.unwrap_or(Err(Errno::ERESTARTSYS))
}

/// Unlocks the owner's locks of these bytes (F_UNLCK).
///
/// # Errors
/// ENOLCK: a lock would be cut in two, and there is no memory for that.
pub fn unlock(inode: &Arc<Inode>, owner: Owner, span: Span) -> Result<()> {
    // An owner that holds a lock has counted it itself, in this thread or in one that this has heard from. Otherwise the two calls
    // race, and this one is the first.
    if !COUNT.any() {
        return Ok(());
    }
    let mut table = TABLE.lock();
    table.make_room(key(inode))?;
    table.clear(key(inode), owner, span);
    table.count();
    drop(table);
    RELEASED.wake_all(ANY_EVENT);
    Ok(())
}

/// Unlocks all that the owner has locked of the file: a descriptor of it was closed.
pub fn release_file(inode: &Arc<Inode>, owner: Owner) {
    if !COUNT.any() {
        return;
    }
    let mut table = TABLE.lock();
    // Everything: nothing is cut in two.
    table.clear(key(inode), owner, Span { first: 0, last: u64::MAX });
    table.count();
    drop(table);
    RELEASED.wake_all(ANY_EVENT);
}

/// Unlocks all that the owner has locked of any file: it is gone.
pub fn release_all(owner: Owner) {
    // As in `unlock`; the owner's last thread has heard from all others.
    if !COUNT.any() {
        return;
    }
    let mut table = TABLE.lock();
    table.held.retain(|_, records| {
        records.retain(|record| record.owner != owner);
        !records.is_empty()
    });
    table.count();
    drop(table);
    RELEASED.wake_all(ANY_EVENT);
}
