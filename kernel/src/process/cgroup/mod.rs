//! Control groups: which process is in which, what that charges, and who hears of it.
//!
//! The rules are `postern_core::cgroup_tree`'s; this is the one hierarchy, and the membership of processes in it. The file system
//! that shows it is `fs::cgroupfs`.
//!
//! | file | owns | locks |
//! |---|---|---|
//! | `mod` | the hierarchy; a group's handle | CGROUPS (spin) |
//! | `membership` | which process is where; fork, exit, moving | CGROUPS inside PROCESS_TREE and PROCESS |
//! | `watch` | who waits for a change of a file | – |
//! | `listener` | who hears that a group has gone | CGROUP_LISTENERS (sleeping) |
//!
//! CGROUP_CHANGES (sleeping) puts moving, making, removing and controllers in order. Nobody is woken and no listener runs under a
//! spin lock. Specification: cgroups(7), Documentation/admin-guide/cgroup-v2.rst of Linux 6.12.
//!
//! # For drivers that keep something for each group
//! `OpenContext::cgroup` is the opener's group. It may be removed between the moment it was read and the moment the driver has
//! entered its instance. So that no instance outlives its group:
//!
//! 1. register a [`Listener`] at start; it locks the driver's table, takes the instance of that id out, unlocks, drops it;
//! 2. in `open`: lock the table, find or enter the instance, and *with the table still locked* ask [`exists`]; if the group is
//!    gone, take an instance that was entered just now out again and fail with ENODEV.
//!
//! A group stops to exist before its listeners run. So if [`exists`] said yes under the table's lock, the listener has not yet
//! had that lock, and will find the instance; if the listener was there first, [`exists`] says no. Ids are never used again.

mod listener;
mod membership;
mod watch;

pub use listener::Registration;
pub use listener::{Listener, add_listener};
pub use membership::{Membership, for_each_member, for_each_thread, kill_all, migrate, of_caller};
pub(super) use membership::{on_exec_rename, on_first_process, on_fork, on_process_end, on_reap, on_thread_gone};
pub use postern_core::cgroup_tree::{CgroupId, ROOT};
pub use watch::Watch;

use crate::arch::mmu::PAGE_SIZE;
use crate::fs::inode::{Inode, Owner};
use crate::mm::heap;
use crate::sync::{Mutex, MutexGuard, SpinGuard, SpinLock, rank};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use postern_core::cgroup_tree::{Hierarchy, Notice, Notices as CoreNotices};
use postern_core::errno::Result;
use spin::Once;

/// A control group, as long as somebody cares: it may have been removed.
pub struct Cgroup {
    id: CgroupId,
    /// Its directory's owner, and its files' to begin with.
    owner: Owner,
    alive: AtomicBool,
    /// The files of its directory that have been looked at, by their place in the file system's table; they keep owner and
    /// permissions. Empty again once the group is removed.
    files: SpinLock<Vec<(u8, Arc<Inode>)>>,
    /// Changes of `cgroup.events`.
    pub events: Watch,
    /// Changes of `pids.events`.
    pub pids_events: Watch,
    /// Changes of `pids.events.local`.
    pub pids_events_local: Watch,
}

impl Cgroup {
    fn new(id: CgroupId, owner: Owner) -> Arc<Self> {
        Arc::new(Self {
            id,
            owner,
            alive: AtomicBool::new(true),
            files: SpinLock::new(rank::OBJECT, Vec::new()),
            events: Watch::new(),
            pids_events: Watch::new(),
            pids_events_local: Watch::new(),
        })
    }

    /// Its id.
    pub fn id(&self) -> CgroupId {
        self.id
    }

    /// Who made it.
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// Whether it has not been removed. Once false, always false; its listeners run after that.
    pub fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    /// The file number `slot` of its directory, made with `make` if nobody has looked at it before.
    ///
    /// # Errors
    /// ENOMEM: it stays, so there must be memory to spare, whatever call looks it up.
    pub fn file(&self, slot: u8, make: impl FnOnce() -> Inode) -> Result<Arc<Inode>> {
        let held =
            |files: &[(u8, Arc<Inode>)]| files.iter().find(|(known, _)| *known == slot).map(|(_, inode)| inode.clone());
        if let Some(inode) = held(&self.files.lock()) {
            return Ok(inode);
        }
        heap::admit(PAGE_SIZE)?;
        let made = Arc::new(make());
        let mut files = self.files.lock();
        if let Some(inode) = held(&files) {
            return Ok(inode);
        }
        if self.is_alive() {
            files.push((slot, made.clone()));
        }
        Ok(made)
    }

    /// It is gone: whoever reads or polls its files is to see that.
    fn close(&self) {
        self.alive.store(false, Ordering::Release);
        let files = core::mem::take(&mut *self.files.lock());
        drop(files);
        for watch in [&self.events, &self.pids_events, &self.pids_events_local] {
            watch.tell();
        }
    }
}

/// Whom a change concerns.
#[must_use = "tell those whom the change concerns once the locks are dropped"]
#[derive(Default)]
pub struct Notices(CoreNotices<Arc<Cgroup>>);

impl Notices {
    /// Wakes who waits for the files that have changed. Never sleeps.
    pub fn announce(self) {
        self.0.settle(|(group, notice)| match notice {
            Notice::Events => group.events.tell(),
            Notice::PidsEvents => group.pids_events.tell(),
            Notice::PidsEventsLocal => group.pids_events_local.tell(),
        });
    }
}

static HIERARCHY: Once<SpinLock<Hierarchy<Arc<Cgroup>>>> = Once::new();
static CHANGES: Mutex<()> = Mutex::new(rank::CGROUP_CHANGES, ());

/// The hierarchy, locked.
pub fn hierarchy() -> SpinGuard<'static, Hierarchy<Arc<Cgroup>>> {
    HIERARCHY.call_once(|| SpinLock::new(rank::CGROUPS, Hierarchy::new(Cgroup::new(ROOT, Owner::ROOT)))).lock()
}

/// Keeps everybody else from moving processes, making and removing groups until the guard is dropped. Sleeps.
pub fn lock_changes() -> MutexGuard<'static, ()> {
    CHANGES.lock()
}

/// The group with this id.
///
/// # Errors
/// ENODEV if it was removed, or never was.
pub fn find(id: CgroupId) -> Result<Arc<Cgroup>> {
    hierarchy().handle(id).cloned()
}

/// Whether there is a group with this id: false for ever once it has been removed, before its listeners run. Never sleeps.
pub fn exists(id: CgroupId) -> bool {
    hierarchy().is_alive(id)
}

/// Makes a group called `name` below `parent`; whoever made it must see to [`remove`].
///
/// # Errors
/// ENOENT, EINVAL, EAGAIN: those of [`Hierarchy::create`].
pub fn create(parent: CgroupId, name: &[u8], owner: Owner) -> Result<Arc<Cgroup>> {
    let _changes = lock_changes();
    let mut hierarchy = hierarchy();
    let id = hierarchy.create(parent, name, |id| Cgroup::new(id, owner))?;
    hierarchy.handle(id).cloned()
}

/// Removes a group. From now on it does not exist; [`announce_removal`] is to follow once no lock is held.
///
/// # Errors
/// EBUSY, ENODEV: those of [`Hierarchy::remove`].
pub fn remove(group: &Cgroup) -> Result<()> {
    let _changes = lock_changes();
    hierarchy().remove(group.id)?;
    group.close();
    Ok(())
}

/// Tells the listeners that the group with this id is gone. Sleeps; the caller holds no lock.
pub fn announce_removal(id: CgroupId) {
    listener::call_all(id);
}
