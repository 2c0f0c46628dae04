//! flock(2): whole-file locks that belong to open file descriptions.
//!
//! Owns the table of files that are locked. Locks: OBJECT (spin) around it. Sleeps, interruptibly, on the one wait queue of
//! all such locks: they are rare, and whoever is woken in vain goes back to sleep. Specification: flock(2).

use crate::arch::mmu::PAGE_SIZE;
use crate::fs::open_file::OpenFile;
use crate::mm::heap;
use crate::sync::{SpinLock, WaitQueue, rank};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use postern_core::errno::{Errno, Result};
use postern_sync::{ANY_EVENT, Interrupted, Mode, Presence};

/// What is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lock {
    /// Together with other readers (LOCK_SH).
    Shared,
    /// Alone (LOCK_EX).
    Exclusive,
}

/// Whether to wait for others to unlock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Patience {
    /// Wait.
    Wait,
    /// EAGAIN (LOCK_NB).
    Now,
}

/// Who holds a file: addresses of open file descriptions, which live while they hold.
struct Holders {
    lock: Lock,
    descriptions: Vec<usize>,
}

static HELD: SpinLock<BTreeMap<usize, Holders>> = SpinLock::new(rank::OBJECT, BTreeMap::new());
/// How many files are locked, so that closing a file costs nothing while there are none.
static COUNT: Presence = Presence::none();
static RELEASED: WaitQueue = WaitQueue::new();

fn key(file: &OpenFile) -> usize {
    Arc::as_ptr(file.location().inode()).addr()
}

fn identity(file: &OpenFile) -> usize {
    core::ptr::from_ref(file).addr()
}

/// Locks the file, in the place of a lock that this description may hold.
///
/// # Errors
/// EAGAIN, ERESTARTSYS (a signal); a lock held before is lost then, as on Linux. ENOLCK: no memory for it.
pub fn acquire(file: &OpenFile, lock: Lock, patience: Patience) -> Result<()> {
    heap::admit(PAGE_SIZE).map_err(|_| Errno::ENOLCK)?;
    release_unless(file, Some(lock));
    if try_acquire(file, lock) {
        return Ok(());
    }
    if patience == Patience::Now {
        return Err(Errno::EAGAIN);
    }
    let waited = RELEASED.wait_interruptible(Mode::Shared, || try_acquire(file, lock).then_some(()));
    waited.map_err(|Interrupted| Errno::ERESTARTSYS)
}

fn try_acquire(file: &OpenFile, lock: Lock) -> bool {
    let mut held = HELD.lock();
    let Some(holders) = held.get_mut(&key(file)) else {
        let descriptions = vec![identity(file)];
        held.insert(key(file), Holders { lock, descriptions });
        COUNT.add();
        return true;
    };
    if holders.descriptions.contains(&identity(file)) {
        return true;
    }
    let compatible = (holders.lock, lock) == (Lock::Shared, Lock::Shared);
    if compatible {
        holders.descriptions.push(identity(file));
    }
    compatible
}

/// Unlocks what the description holds, if it holds anything.
pub fn release(file: &OpenFile) {
    release_unless(file, None);
}

/// Unlocks, unless the description holds `kept` already.
fn release_unless(file: &OpenFile, kept: Option<Lock>) {
    // Whoever locked by this description has counted it, and the caller is that one or has heard from it. Otherwise the two calls
    // race, and this one is the first.
    if !COUNT.any() {
        return;
    }
    let mut held = HELD.lock();
    let Some(holders) = held.get_mut(&key(file)) else {
        return;
    };
    if kept == Some(holders.lock) {
        return;
    }
    let before = holders.descriptions.len();
    holders.descriptions.retain(|&description| description != identity(file));
    if holders.descriptions.len() == before {
        return;
    }
    if holders.descriptions.is_empty() {
        held.remove(&key(file));
        COUNT.remove();
    }
    drop(held);
    RELEASED.wake_all(ANY_EVENT);
}
