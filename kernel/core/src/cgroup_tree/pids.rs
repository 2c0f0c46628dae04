//! The pids controller: one charge a thread, taken when it is made and given back when its number is free again, so that a process
//! that has ended counts until its parent has waited for it.
//!
//! Counts are kept for every group, as a group's count is that of its whole subtree; the limit binds, and the files are there,
//! where the parent hands the controller down. Specification: cgroup-v2.rst, "PID"; kernel/cgroup/pids.c.

use super::arena::Place;
use super::{CgroupId, Group, Hierarchy, Life, Notice, Notices};
use crate::errno::{Errno, Result};
use alloc::vec::Vec;

/// Limits are below it: PID_MAX_LIMIT of Linux, plus one.
pub const PIDS_MAX: i64 = (1 << 22) + 1;

/// What the controller knows of a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pids {
    current: u32,
    peak: u32,
    limit: Option<u32>,
    /// How often a limit was in the way, of this group or one below.
    hits: u64,
    /// How often this group's was.
    own_hits: u64,
    /// As of which change of what the parent hands down this is: the controller has come or gone with each later one, and all but
    /// the count is void.
    delegations: u32,
}

impl Pids {
    /// Charges now (`pids.current`).
    pub fn current(&self) -> u32 {
        self.current
    }

    /// The most there have been (`pids.peak`).
    pub fn peak(&self) -> u32 {
        self.peak
    }

    /// The most there may be (`pids.max`); `None`: no limit.
    pub fn limit(&self) -> Option<u32> {
        self.limit
    }

    /// How often a limit of this group or one below refused something (`pids.events`).
    pub fn hits(&self) -> u64 {
        self.hits
    }

    /// How often this group's limit did (`pids.events.local`).
    pub fn own_hits(&self) -> u64 {
        self.own_hits
    }

    /// No charges, since the parent's change of this number.
    pub(super) fn since(delegations: u32) -> Self {
        Self { delegations, ..Self::default() }
    }

    /// What it is after so many changes of the parent: if the controller has come to the group, or left it, only the count is kept.
    fn after(self, delegations: u32) -> Self {
        if self.delegations == delegations {
            self
        } else {
            Self { current: self.current, peak: self.current, delegations, ..Self::default() }
        }
    }

    fn has_room(&self, charges: u32) -> bool {
        self.limit.is_none_or(|limit| self.current.saturating_add(charges) <= limit)
    }

    fn add(&mut self, charges: u32) {
        self.current += charges;
        self.peak = self.peak.max(self.current);
    }
}

impl<H: Clone> Hierarchy<H> {
    /// Charges one thread, if no limit of the group or those above it is in the way.
    ///
    /// # Errors
    /// Whom a limit that is concerns: the call is to say EAGAIN.
    pub fn try_charge(&mut self, id: CgroupId) -> core::result::Result<(), Notices<H>> {
        let own = self.place(id);
        let mut at = own;
        while let Some((place, group)) = at.and_then(|place| self.groups.get(place).map(|group| (place, group))) {
            if !self.pids_of(group).has_room(1) {
                return Err(self.note_hit(place));
            }
            at = group.parent;
        }
        self.add(own, 1);
        Ok(())
    }

    /// What is true of `group` now.
    fn pids_of(&self, group: &Group<H>) -> Pids {
        let above = group.parent.and_then(|place| self.groups.get(place));
        above.map_or(group.pids, |above| group.pids.after(above.delegations))
    }

    /// Changes what is known of the group at `at` and of all above it.
    fn for_pids(&mut self, mut at: Option<Place>, mut change: impl FnMut(&mut Group<H>)) {
        while let Some(place) = at
            && let Some(group) = self.groups.get(place)
        {
            let now = self.pids_of(group);
            at = group.parent;
            if let Some(group) = self.groups.get_mut(place) {
                group.pids = now;
                change(group);
            }
        }
    }

    fn add(&mut self, at: Option<Place>, charges: u32) {
        self.for_pids(at, |group| group.pids.add(charges));
    }

    /// Charges threads, whatever the limits.
    pub(super) fn charge(&mut self, id: CgroupId, charges: u32) {
        self.add(self.place(id), charges);
    }

    /// Gives charges back. A removed group without any is forgotten.
    pub fn uncharge(&mut self, id: CgroupId, charges: u32) {
        let mut forgotten: Vec<CgroupId> = Vec::new();
        self.for_pids(self.place(id), |group| {
            group.pids.current = group.pids.current.saturating_sub(charges);
            // Those below it come first.
            group.shape.removed_descendants -= u32::try_from(forgotten.len()).unwrap_or(u32::MAX);
            if group.life == Life::Removed && group.pids.current == 0 {
                forgotten.push(group.id);
            }
        });
        for id in forgotten {
            self.forget(id);
        }
    }

    fn note_hit(&mut self, full: Place) -> Notices<H> {
        let mut notices = Notices::default();
        let mut is_own = true;
        self.for_pids(Some(full), |group| {
            if is_own {
                group.pids.own_hits += 1;
                notices.0.push((group.handle.clone(), Notice::PidsEventsLocal));
            }
            is_own = false;
            group.pids.hits += 1;
            notices.0.push((group.handle.clone(), Notice::PidsEvents));
        });
        notices
    }

    /// What the controller knows of a group.
    ///
    /// # Errors
    /// ENODEV if it was removed.
    pub fn pids(&self, id: CgroupId) -> Result<Pids> {
        self.alive(id).map(|group| self.pids_of(group))
    }

    /// Sets `pids.max`; what is charged already stays.
    ///
    /// # Errors
    /// ENODEV if the group was removed, or the controller is not there; EINVAL from [`PIDS_MAX`] on and below 0.
    pub fn set_pids_limit(&mut self, id: CgroupId, limit: Option<i64>) -> Result<()> {
        if !self.has_pids_files(id) {
            return Err(Errno::ENODEV);
        }
        let limit = match limit {
            None => None,
            Some(limit) if limit >= PIDS_MAX => return Err(Errno::EINVAL),
            Some(limit) => Some(u32::try_from(limit).map_err(|_| Errno::EINVAL)?),
        };
        let now = self.pids(id)?;
        self.alive_mut(id)?.pids = Pids { limit, ..now };
        Ok(())
    }
}
