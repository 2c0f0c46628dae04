//! The pids controller: one charge a thread, taken when it is made and given back when its number is free again, so that a process
//! that has ended counts until its parent has waited for it.
//!
//! Counts are kept for every group, as a group's count is that of its whole subtree; the limit binds, and the files are there, where
//! the parent hands the controller down. Specification: cgroup-v2.rst, "PID"; kernel/cgroup/pids.c.

use super::{CgroupId, Hierarchy, Life, Notice, Notices};
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

    /// The controller has come to the group, or leaves it: only the count is kept.
    pub(super) fn reset(&mut self) {
        *self = Self { current: self.current, peak: self.current, ..Self::default() };
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
        let full = self.upwards(id).find(|at| self.groups.get(at).is_some_and(|group| !group.pids.has_room(1)));
        match full {
            None => {
                self.charge(id, 1);
                Ok(())
            }
            Some(full) => Err(self.note_hit(full)),
        }
    }

    /// Charges threads, whatever the limits.
    pub(super) fn charge(&mut self, id: CgroupId, charges: u32) {
        self.for_ancestors(id, |group| group.pids.add(charges));
    }

    /// Gives charges back. A removed group without any is forgotten.
    pub fn uncharge(&mut self, id: CgroupId, charges: u32) {
        let mut forgotten: Vec<CgroupId> = Vec::new();
        let mut at = Some(id);
        while let Some((id, group)) = at.and_then(|id| self.groups.get_mut(&id).map(|group| (id, group))) {
            group.pids.current = group.pids.current.saturating_sub(charges);
            // Those below it come first.
            group.shape.removed_descendants -= u32::try_from(forgotten.len()).unwrap_or(u32::MAX);
            if group.life == Life::Removed && group.pids.current == 0 {
                forgotten.push(id);
            }
            at = group.parent;
        }
        for id in forgotten {
            self.groups.remove(&id);
        }
    }

    fn note_hit(&mut self, full: CgroupId) -> Notices<H> {
        let mut notices = Notices::default();
        let mut is_own = true;
        self.for_ancestors(full, |group| {
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
        self.alive(id).map(|group| group.pids)
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
        self.alive_mut(id)?.pids.limit = limit;
        Ok(())
    }
}
