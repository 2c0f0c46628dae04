//! How many tasks there are and whose: what fork(2) asks before it makes another.
//!
//! Owns the counts. The caller's lock guards it. No locks, never sleeps. Specification: the EAGAIN of fork(2); RLIMIT_NPROC of
//! getrlimit(2); `threads-max` of proc_sys_kernel(5). As on Linux a task counts until its number is free again, so that who
//! does not wait for its children has no more of them.

use crate::errno::{Errno, Result};
use crate::tid_allocator::Tid;
use alloc::collections::BTreeMap;

/// Of so many tasks the last one is root's: somebody must be able to end a bomb that has used up the others.
const ROOTS_SHARE: u64 = 32;

/// How many tasks memory of so many pages is good for, of `pages_per_task` each: they take an eighth of it at most.
#[must_use]
pub const fn threads_max(pages: u64, pages_per_task: u64) -> u64 {
    pages / (8 * pages_per_task)
}

/// Who wants to add a task, and what bounds that.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// The real user to whom it will count.
    pub uid: u32,
    /// RLIMIT_NPROC; `None` for those whom it does not bind, who may also take the tasks that are kept for root.
    pub user_limit: Option<u64>,
    /// `threads-max`, which binds everybody.
    pub threads_max: u64,
}

/// The counts.
#[derive(Debug)]
pub struct TaskCensus {
    owners: BTreeMap<Tid, u32>,
    users: BTreeMap<u32, u64>,
}

impl TaskCensus {
    /// Nobody.
    #[must_use]
    pub const fn new() -> Self {
        Self { owners: BTreeMap::new(), users: BTreeMap::new() }
    }

    /// Whether another task may be added.
    ///
    /// # Errors
    /// `EAGAIN`.
    pub fn check(&self, claim: &Claim) -> Result<()> {
        let total = self.owners.len() as u64;
        let free = match claim.user_limit {
            None => total < claim.threads_max,
            Some(limit) => {
                let kept = claim.threads_max.div_ceil(ROOTS_SHARE);
                total < claim.threads_max.saturating_sub(kept) && self.of_user(claim.uid) < limit
            }
        };
        if free { Ok(()) } else { Err(Errno::EAGAIN) }
    }

    /// Counts a task; its number was free.
    pub fn add(&mut self, tid: Tid, uid: u32) {
        self.owners.insert(tid, uid);
        *self.users.entry(uid).or_insert(0) += 1;
    }

    /// The number is free again.
    pub fn remove(&mut self, tid: Tid) {
        if let Some(uid) = self.owners.remove(&tid) {
            self.leave(uid);
        }
    }

    /// The task has another real user. A number that is not counted stays so.
    pub fn change_owner(&mut self, tid: Tid, uid: u32) {
        if let Some(owner) = self.owners.get_mut(&tid) {
            let old = core::mem::replace(owner, uid);
            *self.users.entry(uid).or_insert(0) += 1;
            self.leave(old);
        }
    }

    /// To whom the task counts.
    #[must_use]
    pub fn owner(&self, tid: Tid) -> Option<u32> {
        self.owners.get(&tid).copied()
    }

    /// How many tasks count to a user.
    #[must_use]
    pub fn of_user(&self, uid: u32) -> u64 {
        self.users.get(&uid).copied().unwrap_or(0)
    }

    fn leave(&mut self, uid: u32) {
        if let Some(count) = self.users.get_mut(&uid) {
            *count -= 1;
            if *count == 0 {
                self.users.remove(&uid);
            }
        }
    }
}

impl Default for TaskCensus {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: u32 = 1000;

    fn filled(count: Tid, uid: u32) -> TaskCensus {
        let mut census = TaskCensus::new();
        (1..=count).for_each(|tid| census.add(tid, uid));
        census
    }

    fn of(uid: u32, user_limit: Option<u64>, threads_max: u64) -> Claim {
        Claim { uid, user_limit, threads_max }
    }

    #[test]
    fn the_limit_of_a_user_binds_that_user() {
        let census = filled(10, USER);
        assert_eq!(census.check(&of(USER, Some(11), 1000)), Ok(()));
        assert_eq!(census.check(&of(USER, Some(10), 1000)), Err(Errno::EAGAIN));
        assert_eq!(census.check(&of(USER + 1, Some(10), 1000)), Ok(()));
        assert_eq!(census.check(&of(USER, None, 1000)), Ok(()));
    }

    #[test]
    fn the_machines_limit_binds_root_too_and_users_before_it() {
        let census = filled(62, USER);
        assert_eq!(census.check(&of(USER, Some(u64::MAX), 64)), Err(Errno::EAGAIN));
        assert_eq!(census.check(&of(USER, Some(u64::MAX), 65)), Err(Errno::EAGAIN));
        assert_eq!(census.check(&of(USER, Some(u64::MAX), 66)), Ok(()));
        assert_eq!(census.check(&of(0, None, 63)), Ok(()));
        assert_eq!(census.check(&of(0, None, 62)), Err(Errno::EAGAIN));
    }

    #[test]
    fn tasks_count_to_their_present_user_until_they_are_gone() {
        let mut census = filled(3, 0);
        census.change_owner(2, USER);
        census.change_owner(9, USER);
        assert_eq!((census.of_user(0), census.of_user(USER), census.owner(2)), (2, 1, Some(USER)));
        census.change_owner(2, USER);
        census.remove(2);
        census.remove(2);
        assert_eq!((census.of_user(0), census.of_user(USER), census.owner(2)), (2, 0, None));
    }

    #[test]
    fn half_a_gigabyte_is_good_for_two_thousand() {
        assert_eq!(threads_max((512 << 20) / 4096, 8), 2048);
    }
}
