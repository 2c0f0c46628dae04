//! Waiting for children to end, stop or go on. Specification: wait4(2), waitid(2).
//! Lock: PROCESS_TREE around one look at the children, and inside it SIGNALS. Sleeps.

use super::signal::StateChange;
use super::tree::{self, Ended, Node};
use super::{Process, current};
use crate::sched::TaskHandle;
use core::sync::atomic::Ordering;
use postern_core::errno::{Errno, Result};
use postern_core::tid_allocator::Tid;
use postern_sync::Mode;

/// Which children a wait is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Any child.
    Any,
    /// The child with this number.
    Child(Tid),
    /// Any child in this process group.
    Group(Tid),
}

/// Which kind of children a wait is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Those whose end SIGCHLD tells: all but what clone(2) made to end with another signal or none.
    Ordinary,
    /// The others (__WCLONE).
    Clone,
    /// Both (__WALL).
    All,
}

bitflags::bitflags! {
    /// What of children a wait is about.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Events: u32 {
        /// Their end.
        const ENDED = 1 << 0;
        /// That they were stopped by a signal.
        const STOPPED = 1 << 1;
        /// That they go on.
        const CONTINUED = 1 << 2;
    }
}

/// What a wait is about: these events of these children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which children.
    pub which: Which,
    /// Of which kind.
    pub kind: Kind,
    /// What of them.
    pub events: Events,
}

/// Whether what is found is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It has been heard of: a child that has ended goes.
    Reap,
    /// It stays to be waited for again (WNOWAIT).
    Keep,
}

/// Whether to sleep until something has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Sleep.
    Wait,
    /// Say at once that there is nothing yet (WNOHANG).
    Poll,
}

/// What has happened to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It has ended.
    Ended(Ended),
    /// It has stopped or goes on.
    Changed(StateChange),
}

/// A child to which something has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub pid: Tid,
    /// What has happened.
    pub event: Event,
}

/// Waits for a child; `None` only with [`Patience::Poll`]. ECHILD, ERESTARTSYS.
pub fn wait(wanted: Wanted, patience: Patience, keep: Keep) -> Result<Option<Found>> {
    let thread = current();
    let process = thread.process();
    if patience == Patience::Poll {
        return attempt(process, wanted, keep);
    }
    process
        .child_changed
        .wait_interruptible(Mode::Shared, || attempt(process, wanted, keep).transpose())
        .unwrap_or(Err(Errno::ERESTARTSYS))
        .map(Some)
}

/// Calls `see` with each of the process's threads that waits for a child, with their queue locked.
pub fn for_each_waiter(process: &Process, see: impl FnMut(TaskHandle)) {
    process.child_changed.for_each_waiter(see);
}

/// What one child means to a wait.
enum Look {
    /// It is not what the wait is about, or nothing that it is about can happen to it any more.
    Nothing,
    /// It may bring something later.
    Later,
    /// Something has happened to it.
    Now(Event),
}

/// One look at the children: what has happened to one, `None` if something may later, ECHILD if nothing can.
fn attempt(process: &Process, wanted: Wanted, keep: Keep) -> Result<Option<Found>> {
    let mut tree = tree::lock();
    let mut any = false;
    let mut found = None;
    for child in tree.children(process.pid()) {
        match look(child, wanted, keep) {
            Look::Nothing => {}
            Look::Later => any = true,
            Look::Now(event) => {
                found = Some(Found { pid: child.process.pid(), event });
                break;
            }
        }
    }
    let Some(found) = found else {
        return if any { Ok(None) } else { Err(Errno::ECHILD) };
    };
    if let (Event::Ended(ended), Keep::Reap) = (found.event, keep) {
        let reaped = tree.reap(found.pid);
        drop(tree);
        process.children_ns.fetch_add(ended.run_ns, Ordering::Relaxed);
        drop(reaped);
    }
    Ok(Some(found))
}

fn matches(child: &Process, wanted: Wanted) -> bool {
    let is_meant = match wanted.which {
        Which::Any => true,
        Which::Child(pid) => pid == child.pid(),
        Which::Group(group) => group == child.group(),
    };
    let is_of_kind = match wanted.kind {
        Kind::Ordinary => child.ends_with_sigchld(),
        Kind::Clone => !child.ends_with_sigchld(),
        Kind::All => true,
    };
    is_meant && is_of_kind
}

/// Looks at one child; that it has stopped or goes on is forgotten, unless it is to be kept.
fn look(child: &Node, wanted: Wanted, keep: Keep) -> Look {
    if !matches(&child.process, wanted) {
        return Look::Nothing;
    }
    if let Some(ended) = child.ended {
        // It will neither stop nor go on.
        return if wanted.events.contains(Events::ENDED) { Look::Now(Event::Ended(ended)) } else { Look::Nothing };
    }
    if !wanted.events.intersects(Events::STOPPED | Events::CONTINUED) {
        return Look::Later;
    }
    let is_wanted = |change| match change {
        StateChange::Stopped(_) => wanted.events.contains(Events::STOPPED),
        StateChange::Continued => wanted.events.contains(Events::CONTINUED),
    };
    let change = child.process.signals.state_change(is_wanted, keep);
    change.map_or(Look::Later, |change| Look::Now(Event::Changed(change)))
}
