//! Waiting for children to end, stop or go on. Specification: wait4(2), waitid(2).
//! Lock: PROCESS_TREE around one look at the children, and inside it SIGNALS. Sleeps.

use super::signal::StateChange;
use super::tree::{self, Ended, Tree};
use super::{Process, current};
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
pub fn wait(which: Which, events: Events, patience: Patience, keep: Keep) -> Result<Option<Found>> {
    let thread = current();
    let process = thread.process();
    if patience == Patience::Poll {
        return attempt(process, which, events, keep);
    }
    process
        .child_changed
        .wait_interruptible(Mode::Shared, || attempt(process, which, events, keep).transpose())
        .unwrap_or(Err(Errno::ERESTARTSYS))
        .map(Some)
}

/// One look at the children: what has happened to one, `None` if something may later, ECHILD if there is none at all.
fn attempt(process: &Process, which: Which, events: Events, keep: Keep) -> Result<Option<Found>> {
    let mut tree = tree::lock();
    let node = tree.node(process.pid()).ok_or(Errno::ECHILD)?;
    let mut any = false;
    let mut found = None;
    for child in &node.children {
        if !matches(&tree, *child, which) {
            continue;
        }
        any = true;
        found = event_of(&tree, *child, events).map(|event| Found { pid: *child, event });
        if found.is_some() {
            break;
        }
    }
    let Some(found) = found else {
        return if any { Ok(None) } else { Err(Errno::ECHILD) };
    };
    match found.event {
        _ if keep == Keep::Keep => {}
        Event::Ended(ended) => {
            let reaped = tree.reap(found.pid);
            drop(tree);
            process.children_ns.fetch_add(ended.run_ns, Ordering::Relaxed);
            drop(reaped);
        }
        Event::Changed(_) => {
            if let Some(node) = tree.node(found.pid) {
                node.process.signals.forget_state_change();
            }
        }
    }
    Ok(Some(found))
}

fn matches(tree: &Tree, child: Tid, which: Which) -> bool {
    match which {
        Which::Any => true,
        Which::Child(pid) => pid == child,
        Which::Group(group) => tree.node(child).is_some_and(|node| node.process.group() == group),
    }
}

/// What has happened to a child, if the wait is about that.
fn event_of(tree: &Tree, child: Tid, events: Events) -> Option<Event> {
    let node = tree.node(child)?;
    if let Some(ended) = node.ended {
        return events.contains(Events::ENDED).then_some(Event::Ended(ended));
    }
    if !events.intersects(Events::STOPPED | Events::CONTINUED) {
        return None;
    }
    let change = node.process.signals.state_change()?;
    let wanted = match change {
        StateChange::Stopped(_) => Events::STOPPED,
        StateChange::Continued => Events::CONTINUED,
    };
    events.contains(wanted).then_some(Event::Changed(change))
}
