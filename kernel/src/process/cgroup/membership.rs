//! Which process is in which control group: from fork to the parent's wait, and when it is moved.
//!
//! All threads of a process are in one group. A process that has ended is no member any more, but charged until its parent has
//! waited for it. Lock: CGROUPS, inside PROCESS_TREE (and PROCESS at a fork), so that nobody slips past a move or a kill. Never
//! sleeps.
//! Specification: cgroup-v2.rst, "Processes"; cgroup_fork, cgroup_exit, cgroup_release in kernel/cgroup/cgroup.c.

use super::{CgroupId, Notices, hierarchy};
use crate::process::{self, Process, signal, tree};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use postern_core::cgroup_tree::ROOT;
use postern_core::errno::Result;
use postern_core::signal_set::Signal;
use postern_core::tid_allocator::Tid;

/// A process's place. Written with CGROUPS locked.
pub struct Membership {
    group: AtomicU64,
    /// Threads charged to the group for it.
    charges: AtomicU32,
}

impl Membership {
    /// Nowhere yet: nothing is charged.
    pub const fn new() -> Self {
        Self { group: AtomicU64::new(ROOT), charges: AtomicU32::new(0) }
    }

    /// The group.
    pub fn group(&self) -> CgroupId {
        self.group.load(Ordering::Relaxed)
    }

    fn charges(&self) -> u32 {
        self.charges.load(Ordering::Relaxed)
    }

    fn set(&self, group: CgroupId, charges: u32) {
        self.group.store(group, Ordering::Relaxed);
        self.charges.store(charges, Ordering::Relaxed);
    }
}

/// The group of the process that makes this call; the root for the kernel's own tasks.
pub fn of_caller() -> CgroupId {
    process::current_if_any().map_or(ROOT, |thread| thread.process().cgroup())
}

/// A limit refused a new thread: the call fails with EAGAIN, and somebody may hear of it.
#[must_use = "tell those whom the refusal concerns once the locks are dropped"]
pub struct Refused(Notices);

impl Refused {
    /// Wakes who waits for `pids.events`.
    pub fn announce(self) {
        self.0.announce();
    }
}

/// The first process enters the root group.
pub fn on_first_process(process: &Process) {
    let notices = hierarchy().enter(ROOT);
    process.cgroup.set(ROOT, 1);
    Notices(notices).announce();
}

/// `maker` makes a thread of `process`, which is `maker` itself or a new process. The tree is locked.
///
/// # Errors
/// A limit is in the way; nothing has changed.
pub fn on_fork(maker: &Process, process: &Process) -> core::result::Result<(), Refused> {
    let mut hierarchy = hierarchy();
    let group = maker.cgroup.group();
    hierarchy.try_charge(group).map_err(|notices| Refused(Notices(notices)))?;
    if !core::ptr::eq(maker, process) {
        // Its maker is in the group and lives: nobody can hear of a first member.
        let _unchanged = hierarchy.add_member(group);
    }
    process.cgroup.set(group, process.cgroup.charges() + 1);
    Ok(())
}

/// A thread of `process` is gone, and its number free again. The tree is locked.
pub fn on_thread_gone(process: &Process) {
    give_back(process, 1);
}

/// The only thread of `process` has taken the number of the first one, which is gone: its own is free again. The tree is locked.
pub fn on_exec_rename(process: &Process) {
    give_back(process, 1);
}

/// The last thread of `process` is gone: whom it concerns, once the tree, which is locked, no longer is.
pub fn on_process_end(process: &Process) -> Notices {
    let mut hierarchy = hierarchy();
    if process.cgroup.charges() == 0 {
        return Notices::default();
    }
    Notices(hierarchy.remove_member(process.cgroup.group()))
}

/// The parent has waited for `process`, or does not care. The tree is locked.
pub fn on_reap(process: &Process) {
    give_back(process, process.cgroup.charges());
}

fn give_back(process: &Process, charges: u32) {
    let mut hierarchy = hierarchy();
    let charges = charges.min(process.cgroup.charges());
    process.cgroup.charges.fetch_sub(charges, Ordering::Relaxed);
    hierarchy.uncharge(process.cgroup.group(), charges);
}

/// Moves `process`, with all its threads, to the group `to`. One that has ended stays where it is. The caller holds CGROUP_CHANGES.
///
/// # Errors
/// ENODEV, EBUSY, EOPNOTSUPP: those of [`postern_core::cgroup_tree::Hierarchy::migrate`].
pub fn migrate(process: &Process, to: CgroupId) -> Result<()> {
    let tree = tree::lock();
    let mut hierarchy = hierarchy();
    hierarchy.check_target(to)?;
    if tree.node(process.pid()).is_none_or(|node| node.ended.is_some()) {
        return Ok(());
    }
    let (from, charges) = (process.cgroup.group(), process.cgroup.charges());
    let notices = hierarchy.migrate(from, to, charges)?;
    process.cgroup.set(to, charges);
    drop(hierarchy);
    drop(tree);
    Notices(notices).announce();
    Ok(())
}

/// Calls `visit` with the number of each process in a group that has not ended, in order of these.
pub fn for_each_member(group: CgroupId, mut visit: impl FnMut(Tid)) {
    tree::for_each_living(|process| process.cgroup.group() == group, |process| visit(process.pid()));
}

/// Calls `visit` with the numbers of their threads.
pub fn for_each_thread(group: CgroupId, mut visit: impl FnMut(Tid)) {
    tree::for_each_living(
        |process| process.cgroup.group() == group,
        |process| process.for_each_task(|task| visit(task.thread().tid())),
    );
}

/// Kills every process in a group and below it, those included that are being made.
pub fn kill_all(group: CgroupId) {
    let is_meant = |process: &Process| hierarchy().is_within(process.cgroup.group(), group);
    // An empty group has been killed too.
    let _ = signal::send_to_each(is_meant, Signal::KILL);
}
