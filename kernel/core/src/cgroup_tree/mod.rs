//! Control groups: the hierarchy, who is populated, what the pids controller has charged, what may be done where.
//!
//! Owns the groups, by id. The caller's lock guards it; a change says in [`Notices`] whom it concerns, to be told once that lock
//! is dropped. No locks, never sleeps. Specification: cgroups(7), Documentation/admin-guide/cgroup-v2.rst of Linux 6.12
//! (`/sys/fs/cgroup` as a whole, "Populated notification", "Controlling controllers", "PID"); kernel/cgroup/{cgroup,pids}.c where
//! those are silent.
//!
//! | file | has |
//! |---|---|
//! | `mod` | making and removing groups, members, moving |
//! | `pids` | charges and their limit |
//! | `control` | controllers, kinds of group, limits of the hierarchy |
//! | `arena` | where groups lie |
//! | `number` | numbers as these files take them |
//!
//! What is done at each fork and end of a thread takes one search for the group by its id, and then a step for each group above it,
//! of which there are at most [`DEEPEST`]; what is done at a change of controllers takes as long with however many groups.

mod arena;
mod control;
mod number;
mod pids;
#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod tests;

pub use control::{Controllers, Kind, Shape};
pub use number::{parse_integer, parse_limit};
pub use pids::{PIDS_MAX, Pids};

use crate::errno::{Errno, Result};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use arena::{Arena, Place};
use core::cmp::Ordering;

/// The number of a control group: never used again, and its directory's inode number.
pub type CgroupId = u64;
/// The root group's.
pub const ROOT: CgroupId = 1;
/// How deep groups may lie below the root, whatever `cgroup.max.depth` says: every fork takes a step for each level, and the caller
/// a spin lock over them.
pub const DEEPEST: u32 = 128;

/// A file of a group whose contents have changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// `cgroup.events`
    Events,
    /// `pids.events`
    PidsEvents,
    /// `pids.events.local`
    PidsEventsLocal,
}

/// Whom a change concerns.
#[must_use = "tell those whom the change concerns once the lock is dropped"]
#[derive(Debug)]
pub struct Notices<H>(Vec<(H, Notice)>);

impl<H> Default for Notices<H> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<H> Notices<H> {
    /// Hands each to `tell`.
    pub fn settle(self, tell: impl FnMut((H, Notice))) {
        self.0.into_iter().for_each(tell);
    }
}

/// Whether a group's directory is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Life {
    /// It is.
    Alive,
    /// It was removed; what was charged to the group still is, to it and those above.
    Removed,
}

/// A group.
#[derive(Debug)]
struct Group<H> {
    id: CgroupId,
    handle: H,
    parent: Option<Place>,
    /// How many groups are above it.
    depth: u32,
    name: Box<[u8]>,
    life: Life,
    /// Processes in it that have not ended.
    members: u32,
    /// Groups right below it, and how many of those are populated.
    children: u32,
    populated_children: u32,
    /// How many of them hand something down themselves.
    delegating_children: u32,
    shape: Shape,
    /// The controllers it hands to its children (`cgroup.subtree_control`).
    delegated: Controllers,
    /// How often that was changed.
    delegations: u32,
    pids: Pids,
}

impl<H> Group<H> {
    fn new(id: CgroupId, handle: H, parent: Option<(Place, &Self)>, name: &[u8]) -> Self {
        Self {
            id,
            handle,
            parent: parent.map(|(place, _)| place),
            depth: parent.map_or(0, |(_, parent)| parent.depth + 1),
            name: name.into(),
            life: Life::Alive,
            members: 0,
            children: 0,
            populated_children: 0,
            delegating_children: 0,
            shape: Shape::default(),
            delegated: Controllers::empty(),
            delegations: 0,
            pids: Pids::since(parent.map_or(0, |(_, parent)| parent.delegations)),
        }
    }

    fn is_populated(&self) -> bool {
        self.members != 0 || self.populated_children != 0
    }
}

/// The hierarchy. `H` is what the kernel keeps for each group.
#[derive(Debug)]
pub struct Hierarchy<H> {
    groups: Arena<Group<H>>,
    /// Where each is.
    places: BTreeMap<CgroupId, Place>,
    next: CgroupId,
}

impl<H: Clone> Hierarchy<H> {
    /// The root group alone.
    pub fn new(root: H) -> Self {
        let mut groups = Arena::new();
        let place = groups.insert(Group::new(ROOT, root, None, b""));
        Self { groups, places: BTreeMap::from([(ROOT, place)]), next: ROOT + 1 }
    }

    /// Makes a group below `parent`; its id, for which `handle` makes what is kept.
    ///
    /// # Errors
    /// ENOENT if `parent` was removed; EINVAL for a name with a newline; EAGAIN beyond a limit of the hierarchy.
    pub fn create(&mut self, parent: CgroupId, name: &[u8], handle: impl FnOnce(CgroupId) -> H) -> Result<CgroupId> {
        let parent_place = self.place(parent).ok_or(Errno::ENOENT)?;
        self.alive(parent).map_err(|_| Errno::ENOENT)?;
        // It would make /proc/PID/cgroup ambiguous.
        if name.contains(&b'\n') {
            return Err(Errno::EINVAL);
        }
        self.check_room(parent)?;
        let id = self.next;
        self.next += 1;
        let above = self.groups.get(parent_place).map(|group| (parent_place, group));
        let place = self.groups.insert(Group::new(id, handle(id), above, name));
        self.places.insert(id, place);
        if let Some(parent) = self.groups.get_mut(parent_place) {
            parent.children += 1;
        }
        self.for_ancestors(Some(parent_place), |group| group.shape.descendants += 1);
        Ok(id)
    }

    /// Removes a group. It is still known, as removed, while something is charged to it.
    ///
    /// # Errors
    /// EBUSY for the root, and for a group with living processes or with groups below; ENODEV if it is removed already.
    pub fn remove(&mut self, id: CgroupId) -> Result<()> {
        let group = self.alive_mut(id)?;
        let Some(parent) = group.parent.filter(|_| group.children == 0 && !group.is_populated()) else {
            return Err(Errno::EBUSY);
        };
        group.life = Life::Removed;
        let is_charged = group.pids.current() != 0;
        let was_delegating = !group.delegated.is_empty();
        if !is_charged {
            self.forget(id);
        }
        if let Some(parent) = self.groups.get_mut(parent) {
            parent.children -= 1;
            // A removed child that still counts for something has nobody left to hand a controller to.
            parent.delegating_children -= u32::from(was_delegating);
        }
        self.for_ancestors(Some(parent), |group| {
            group.shape.descendants -= 1;
            group.shape.removed_descendants += u32::from(is_charged);
        });
        Ok(())
    }

    /// What the kernel keeps for a group that has not been removed.
    ///
    /// # Errors
    /// ENODEV.
    pub fn handle(&self, id: CgroupId) -> Result<&H> {
        self.alive(id).map(|group| &group.handle)
    }

    /// Whether the group is there.
    pub fn is_alive(&self, id: CgroupId) -> bool {
        self.alive(id).is_ok()
    }

    /// How many groups there are, the root and removed ones included.
    pub fn count(&self) -> usize {
        self.places.len()
    }

    /// Whether the group has living processes, in it or below.
    ///
    /// # Errors
    /// ENODEV.
    pub fn is_populated(&self, id: CgroupId) -> Result<bool> {
        self.alive(id).map(Group::is_populated)
    }

    /// The path of a group, also of a removed one, from the root group.
    pub fn path(&self, id: CgroupId) -> Vec<u8> {
        let mut names: Vec<&[u8]> = Vec::new();
        for group in self.upwards(id).filter(|group| group.parent.is_some()) {
            names.push(&group.name);
        }
        if names.is_empty() {
            return b"/".into();
        }
        names.iter().rev().flat_map(|name| [b"/".as_slice(), name]).flatten().copied().collect()
    }

    /// Whether `id` is `ancestor` or lies below it.
    pub fn is_within(&self, id: CgroupId, ancestor: CgroupId) -> bool {
        self.upwards(id).any(|at| at.id == ancestor)
    }

    /// The lowest group that both are, or lie below.
    pub fn common_ancestor(&self, one: CgroupId, other: CgroupId) -> CgroupId {
        let (mut one, mut other) = (self.upwards(one).peekable(), self.upwards(other).peekable());
        // A group's id is larger than its parent's: the larger of two different ones is not the common one.
        while let (Some(left), Some(right)) = (one.peek(), other.peek()) {
            match left.id.cmp(&right.id) {
                Ordering::Equal => return left.id,
                Ordering::Greater => drop(one.next()),
                Ordering::Less => drop(other.next()),
            }
        }
        ROOT
    }

    /// A first process comes from nowhere.
    pub fn enter(&mut self, id: CgroupId) -> Notices<H> {
        self.charge(id, 1);
        self.add_member(id)
    }

    /// A member has made another process, charged with [`Hierarchy::try_charge`].
    pub fn add_member(&mut self, id: CgroupId) -> Notices<H> {
        let mut notices = Notices::default();
        self.change_members(id, 1, &mut notices);
        notices
    }

    /// A member has ended. What is charged for it stays until [`Hierarchy::uncharge`].
    pub fn remove_member(&mut self, id: CgroupId) -> Notices<H> {
        let mut notices = Notices::default();
        self.change_members(id, -1, &mut notices);
        notices
    }

    /// Moves a living process, for which `charges` are charged, from one group to another. No limit is in its way.
    ///
    /// # Errors
    /// ENODEV if `to` was removed; EBUSY, EOPNOTSUPP if it may not have processes of its own ([`Hierarchy::check_target`]).
    pub fn migrate(&mut self, from: CgroupId, to: CgroupId, charges: u32) -> Result<Notices<H>> {
        self.check_target(to)?;
        let mut notices = Notices::default();
        if from != to {
            self.charge(to, charges);
            self.uncharge(from, charges);
            // In this order, lest what is above both seem empty in between.
            self.change_members(to, 1, &mut notices);
            self.change_members(from, -1, &mut notices);
        }
        Ok(notices)
    }

    fn alive(&self, id: CgroupId) -> Result<&Group<H>> {
        self.group(id).filter(|group| group.life == Life::Alive).ok_or(Errno::ENODEV)
    }

    fn alive_mut(&mut self, id: CgroupId) -> Result<&mut Group<H>> {
        let place = self.place(id).ok_or(Errno::ENODEV)?;
        self.groups.get_mut(place).filter(|group| group.life == Life::Alive).ok_or(Errno::ENODEV)
    }

    fn place(&self, id: CgroupId) -> Option<Place> {
        self.places.get(&id).copied()
    }

    fn group(&self, id: CgroupId) -> Option<&Group<H>> {
        self.groups.get(self.place(id)?)
    }

    fn forget(&mut self, id: CgroupId) {
        if let Some(place) = self.places.remove(&id) {
            drop(self.groups.remove(place));
        }
    }

    /// `id` and all above it, upwards.
    fn upwards(&self, id: CgroupId) -> impl Iterator<Item = &Group<H>> {
        core::iter::successors(self.group(id), |group| self.groups.get(group.parent?))
    }

    /// Changes the group at `at` and all above it.
    fn for_ancestors(&mut self, mut at: Option<Place>, mut change: impl FnMut(&mut Group<H>)) {
        while let Some(group) = at.and_then(|place| self.groups.get_mut(place)) {
            change(group);
            at = group.parent;
        }
    }

    /// A group has gained or lost a member: who becomes populated or empty by that hears of it.
    fn change_members(&mut self, id: CgroupId, change: i32, notices: &mut Notices<H>) {
        let mut is_own = true;
        let mut at = self.place(id);
        while let Some(group) = at.and_then(|place| self.groups.get_mut(place)) {
            let was_populated = group.is_populated();
            let count = if is_own { &mut group.members } else { &mut group.populated_children };
            *count = count.saturating_add_signed(change);
            if group.is_populated() == was_populated {
                return;
            }
            notices.0.push((group.handle.clone(), Notice::Events));
            is_own = false;
            at = group.parent;
        }
    }
}
