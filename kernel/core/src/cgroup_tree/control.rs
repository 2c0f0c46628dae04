//! Controllers and where they are, what kind a group is by that, and the limits of the hierarchy itself.
//!
//! There is one controller, pids, which Linux calls threaded: it may work where a group and groups below it have processes at once,
//! as long as that begins with the group. Threaded groups proper (`cgroup.type` "threaded") do not exist here.
//! Specification: cgroup-v2.rst, "Controlling controllers" and "Threads"; kernel/cgroup/cgroup.c.

use super::{CgroupId, DEEPEST, Group, Hierarchy, ROOT};
use crate::errno::{Errno, Result};

bitflags::bitflags! {
    /// A set of controllers.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Controllers: u8 {
        /// How many threads there may be.
        const PIDS = 1 << 0;
    }
}

impl Controllers {
    /// The one called `name`.
    pub fn by_name(name: &[u8]) -> Option<Self> {
        (name == b"pids").then_some(Self::PIDS)
    }

    /// Their names.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.contains(Self::PIDS).then_some("pids").into_iter()
    }
}

/// What a group is, by what is in it and above (`cgroup.type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// An ordinary one.
    Domain,
    /// It has processes, and hands controllers down.
    DomainThreaded,
    /// It lies below such a one, and cannot have processes.
    DomainInvalid,
}

/// A group's place in the hierarchy, in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Shape {
    /// Groups below it, at any depth (`cgroup.stat`).
    pub descendants: u32,
    /// The same of removed ones that still count for something.
    pub removed_descendants: u32,
    /// The most there may be (`cgroup.max.descendants`); `None`: no limit.
    pub max_descendants: Option<u32>,
    /// How deep they may be (`cgroup.max.depth`).
    pub max_depth: Option<u32>,
}

impl<H: Clone> Hierarchy<H> {
    /// The controllers that a group has (`cgroup.controllers`): those its parent hands down.
    ///
    /// # Errors
    /// ENODEV if it was removed.
    pub fn controllers(&self, id: CgroupId) -> Result<Controllers> {
        Ok(match self.alive(id)?.parent {
            None => Controllers::all(),
            Some(parent) => self.groups.get(parent).ok_or(Errno::ENODEV)?.delegated,
        })
    }

    /// Whether the group has the files of the pids controller: all that have the controller, but the root.
    pub fn has_pids_files(&self, id: CgroupId) -> bool {
        id != ROOT && self.controllers(id).is_ok_and(|controllers| controllers.contains(Controllers::PIDS))
    }

    /// The controllers that a group hands to those below (`cgroup.subtree_control`).
    ///
    /// # Errors
    /// ENODEV if it was removed.
    pub fn delegated(&self, id: CgroupId) -> Result<Controllers> {
        self.alive(id).map(|group| group.delegated)
    }

    /// Changes what a group hands down.
    ///
    /// # Errors
    /// ENODEV if it was removed; ENOENT if it does not have a controller itself; EBUSY if a child hands one on that is to be taken
    /// from it, or if processes in the group and in its children would compete; EOPNOTSUPP below a group where that is so already.
    pub fn delegate(&mut self, id: CgroupId, enable: Controllers, disable: Controllers) -> Result<()> {
        let old = self.delegated(id)?;
        let (enable, disable) = (enable - old, disable & old);
        if !self.controllers(id)?.contains(enable) {
            return Err(Errno::ENOENT);
        }
        // There is one controller: a child that hands on anything hands on this one.
        if !disable.is_empty() && self.alive(id)?.delegating_children != 0 {
            return Err(Errno::EBUSY);
        }
        if !enable.is_empty() {
            self.check_delegation(id)?;
        }
        let new = (old | enable) - disable;
        let group = self.alive_mut(id)?;
        group.delegated = new;
        // The groups below learn from it, when they are next looked at, that what they know is void.
        group.delegations = group.delegations.wrapping_add(u32::from(new != old));
        let parent = group.parent;
        if let Some(parent) = parent.and_then(|place| self.groups.get_mut(place)) {
            match (old.is_empty(), new.is_empty()) {
                (true, false) => parent.delegating_children += 1,
                (false, true) => parent.delegating_children -= 1,
                _ => {}
            }
        }
        Ok(())
    }

    fn check_delegation(&self, id: CgroupId) -> Result<()> {
        if !self.is_valid_domain(id) {
            return Err(Errno::EOPNOTSUPP);
        }
        let has_members = self.alive(id)?.members != 0;
        if has_members && !self.can_be_threaded(id) { Err(Errno::EBUSY) } else { Ok(()) }
    }

    /// Whether a process may move into the group.
    ///
    /// # Errors
    /// ENODEV if it was removed; EOPNOTSUPP for a [`Kind::DomainInvalid`] one; EBUSY if it hands controllers down to groups that
    /// have processes.
    pub fn check_target(&self, id: CgroupId) -> Result<()> {
        let group = self.alive(id)?;
        if !self.is_valid_domain(id) {
            return Err(Errno::EOPNOTSUPP);
        }
        if self.can_be_threaded(id) || group.delegated.is_empty() { Ok(()) } else { Err(Errno::EBUSY) }
    }

    /// What kind the group is.
    ///
    /// # Errors
    /// ENODEV if it was removed.
    pub fn kind(&self, id: CgroupId) -> Result<Kind> {
        self.alive(id)?;
        Ok(if !self.is_valid_domain(id) {
            Kind::DomainInvalid
        } else if self.group(id).is_some_and(is_threaded_root) {
            Kind::DomainThreaded
        } else {
            Kind::Domain
        })
    }

    /// Whether nothing below would compete with processes in the group.
    fn can_be_threaded(&self, id: CgroupId) -> bool {
        id == ROOT || self.group(id).is_some_and(|group| group.populated_children == 0)
    }

    fn is_valid_domain(&self, id: CgroupId) -> bool {
        !self.upwards(id).skip(1).any(is_threaded_root)
    }

    /// A group's place in the hierarchy.
    ///
    /// # Errors
    /// ENODEV if it was removed.
    pub fn shape(&self, id: CgroupId) -> Result<Shape> {
        self.alive(id).map(|group| group.shape)
    }

    /// Sets `cgroup.max.descendants`; what is there stays.
    ///
    /// # Errors
    /// ENODEV if the group was removed.
    pub fn set_max_descendants(&mut self, id: CgroupId, limit: Option<u32>) -> Result<()> {
        self.alive_mut(id).map(|group| group.shape.max_descendants = limit)
    }

    /// Sets `cgroup.max.depth`; what is there stays.
    ///
    /// # Errors
    /// ENODEV if the group was removed.
    pub fn set_max_depth(&mut self, id: CgroupId, limit: Option<u32>) -> Result<()> {
        self.alive_mut(id).map(|group| group.shape.max_depth = limit)
    }

    /// Whether the limits allow one more group below `parent`.
    pub(super) fn check_room(&self, parent: CgroupId) -> Result<()> {
        if self.alive(parent)?.depth >= DEEPEST {
            return Err(Errno::EAGAIN);
        }
        for (group, depth) in self.upwards(parent).zip(1..) {
            let shape = group.shape;
            let is_full = shape.max_descendants.is_some_and(|max| shape.descendants >= max);
            if is_full || shape.max_depth.is_some_and(|max| depth > max) {
                return Err(Errno::EAGAIN);
            }
        }
        Ok(())
    }
}

/// Processes in the group compete with those below it. The root is above such rules.
fn is_threaded_root<H>(group: &Group<H>) -> bool {
    group.id != ROOT && group.members != 0 && !group.delegated.is_empty()
}
