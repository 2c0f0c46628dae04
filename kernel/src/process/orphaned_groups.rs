//! Process groups that nobody outside them, in their session, could continue once they have stopped (POSIX: orphaned), and what
//! becomes of stopped members when a group is left so.
//!
//! Lock: PROCESS_TREE, and SIGNALS inside it. Never sleeps.
//! Specification: `_exit`(2) of POSIX.1-2024, "Consequences of Process Termination"; setpgid(2); `kill_orphaned_pgrp` of Linux.

use super::process::Process;
use super::signal;
use super::tree::{self, INIT, Tree};
use postern_core::tid_allocator::Tid;

/// Whether a group is orphaned. The ended in it need nobody.
pub fn is_orphaned(group: Tid) -> bool {
    is_orphaned_without(&tree::lock(), group, None)
}

/// The same once `leaving` has ended.
fn is_orphaned_without(tree: &Tree, group: Tid, leaving: Option<Tid>) -> bool {
    let staying = tree.living().filter(|process| process.group() == group && Some(process.pid()) != leaving);
    // Init controls nobody's jobs, whatever its session.
    let mut controllable = staying.filter(|process| process.parent() != INIT);
    !controllable.any(|process| tree.node(process.parent()).is_some_and(|parent| controls(&parent.process, process)))
}

/// Whether `parent` could continue the group of its child `process` from outside.
fn controls(parent: &Process, process: &Process) -> bool {
    parent.group() != process.group() && parent.session() == process.session()
}

/// The processes of `group` have lost `parent` as parent of `process`, which has another now. If that has orphaned the group, and
/// some of it are stopped, it gets SIGHUP and SIGCONT, and is returned: the parents are to be told that it goes on.
pub(super) fn on_reparent(tree: &Tree, process: &Process, parent: &Process) -> Option<Tid> {
    hang_up_if_orphaned(tree, process, parent, None)
}

/// The same when `process` itself is about to end.
pub(super) fn on_end(tree: &Tree, process: &Process) -> Option<Tid> {
    let parent = &tree.node(process.parent())?.process;
    hang_up_if_orphaned(tree, process, parent, Some(process.pid()))
}

fn hang_up_if_orphaned(tree: &Tree, process: &Process, parent: &Process, leaving: Option<Tid>) -> Option<Tid> {
    let group = process.group();
    let is_stopped = |member: &Process| member.group() == group && member.signals.is_stopped();
    let is_left = controls(parent, process)
        && is_orphaned_without(tree, group, leaving)
        && tree.living().any(|member| is_stopped(member));
    is_left.then(|| {
        signal::hang_up_group(tree, group);
        group
    })
}
