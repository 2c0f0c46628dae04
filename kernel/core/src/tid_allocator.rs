//! Which numbers processes and threads get.
//!
//! Owns the numbers in use. The caller's lock guards it. No locks, never sleeps. Specification: Linux's rule: always the next
//! higher free number, so that a number is not used again soon; after `pid_max` on from 300, below which the early daemons live.

use crate::bitmap::Bitmap;
use crate::errno::{Errno, Result};

/// Numbers stay below it unless `/proc/sys/kernel/pid_max` says otherwise.
pub const PID_MAX_DEFAULT: u32 = 32_768;
/// What `pid_max` can be at most, as on Linux.
pub const PID_MAX_LIMIT: u32 = 1 << 22;
/// The lowest number to be used a second time.
pub const RESERVED_PIDS: u32 = 300;

/// The number of a thread; that of a process is the number of its first thread.
pub type Tid = u32;

/// The allocator.
#[derive(Debug)]
pub struct TidAllocator {
    used: Bitmap,
    /// Where the search begins: one above the number given last.
    next: Tid,
    /// No number from here on was ever given.
    fresh: Tid,
}

impl TidAllocator {
    /// All numbers from 1 (init's) on are free. Allocates nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { used: Bitmap::new(), next: 1, fresh: 1 }
    }

    /// Takes the next free number below `pid_max`, which may have changed: numbers in use above it stay so.
    /// `is_borne` says of one that was given before whether something else than a thread still bears it: a process group, a
    /// session.
    ///
    /// # Errors
    /// `EAGAIN` if all are in use; `ENOMEM`.
    pub fn try_allocate(&mut self, pid_max: Tid, is_borne: impl Fn(Tid) -> bool) -> Result<Tid> {
        let lowest = if self.next > RESERVED_PIDS { RESERVED_PIDS } else { 1 };
        let tid = self
            .free_within(self.next, pid_max, &is_borne)
            .or_else(|| self.free_within(lowest, pid_max, &is_borne))
            .ok_or(Errno::EAGAIN)?;
        // At once what an ordinary system needs, so that the table does not grow while somebody counts what is left behind.
        self.used.try_grow((tid + 1).max(PID_MAX_DEFAULT) as usize)?;
        self.used.insert(tid as usize);
        self.next = tid + 1;
        self.fresh = self.fresh.max(self.next);
        Ok(tid)
    }

    /// Gives a number back, once no thread has it any more and no process that is to be waited for.
    ///
    /// # Panics
    /// If the number is not in use.
    pub fn release(&mut self, tid: Tid) {
        assert!(self.is_used(tid), "thread number {tid} released twice");
        self.used.remove(tid as usize);
    }

    /// Whether the number is in use.
    #[must_use]
    pub fn is_used(&self, tid: Tid) -> bool {
        self.used.contains(tid as usize)
    }

    fn free_within(&self, from: Tid, end: Tid, is_borne: &impl Fn(Tid) -> bool) -> Option<Tid> {
        let gap_from = |from: Tid| Tid::try_from(self.used.next_gap(from as usize)).ok().filter(|&tid| tid < end);
        core::iter::successors(gap_from(from), |&tid| gap_from(tid + 1))
            .find(|&tid| tid >= self.fresh || !is_borne(tid))
    }
}

impl Default for TidAllocator {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    fn nobody(_: Tid) -> bool {
        false
    }

    fn allocator(pid_max: Tid, count: Tid) -> TidAllocator {
        let mut tids = TidAllocator::new();
        for expected in 1..=count {
            assert_eq!(tids.try_allocate(pid_max, nobody), Ok(expected));
        }
        tids
    }

    #[test]
    fn a_number_is_not_used_again_at_once() {
        let mut tids = allocator(PID_MAX_DEFAULT, 5);
        tids.release(3);
        assert_eq!(tids.try_allocate(PID_MAX_DEFAULT, nobody), Ok(6));
        assert!(!tids.is_used(3) && tids.is_used(6));
    }

    #[test]
    fn after_the_last_number_the_search_goes_on_from_300() {
        let mut tids = allocator(PID_MAX_DEFAULT, PID_MAX_DEFAULT - 1);
        for tid in [7, 299, 302, 300] {
            tids.release(tid);
        }
        assert_eq!(
            [tids.try_allocate(PID_MAX_DEFAULT, nobody), tids.try_allocate(PID_MAX_DEFAULT, nobody)],
            [Ok(300), Ok(302)]
        );
        assert_eq!(tids.try_allocate(PID_MAX_DEFAULT, nobody), Err(Errno::EAGAIN), "the low numbers stay reserved");
        tids.release(31_000);
        assert_eq!(tids.try_allocate(PID_MAX_DEFAULT, nobody), Ok(31_000));
    }

    #[test]
    fn numbers_run_out_as_eagain() {
        let mut tids = allocator(301, 300);
        assert_eq!(tids.try_allocate(301, nobody), Err(Errno::EAGAIN));
        tids.release(300);
        assert_eq!(tids.try_allocate(301, nobody), Ok(300));
    }

    #[test]
    fn a_lower_pid_max_binds_whoever_comes_later() {
        let mut tids = allocator(PID_MAX_DEFAULT, 1000);
        tids.release(310);
        tids.release(700);
        assert_eq!(tids.try_allocate(600, nobody), Ok(310));
        assert_eq!(tids.try_allocate(600, nobody), Err(Errno::EAGAIN));
        assert!(tids.is_used(999));
        tids.release(310);
        assert_eq!([tids.try_allocate(1001, nobody), tids.try_allocate(1001, nobody)], [Ok(700), Ok(310)]);
    }

    #[test]
    fn a_number_that_a_group_bears_is_passed_over() {
        let mut tids = allocator(302, 301);
        (300..=301).for_each(|tid| tids.release(tid));
        assert_eq!(tids.try_allocate(302, |tid| tid == 300), Ok(301));
        assert_eq!(tids.try_allocate(302, |tid| tid == 300), Err(Errno::EAGAIN));
        assert_eq!(tids.try_allocate(302, nobody), Ok(300));
    }

    #[test]
    fn of_a_number_that_was_never_given_nobody_is_asked() {
        let mut tids = allocator(PID_MAX_DEFAULT, 5);
        assert_eq!(tids.try_allocate(PID_MAX_DEFAULT, |_| unreachable!()), Ok(6));
    }

    #[test]
    fn a_search_that_begins_above_pid_max_goes_on_from_300() {
        let mut tids = allocator(PID_MAX_DEFAULT, 1000);
        (300..=1000).for_each(|tid| tids.release(tid));
        assert_eq!([tids.try_allocate(400, nobody), tids.try_allocate(400, nobody)], [Ok(300), Ok(301)]);
    }

    #[test]
    #[should_panic(expected = "released twice")]
    fn a_number_is_released_once() {
        let mut tids = allocator(PID_MAX_DEFAULT, 2);
        tids.release(2);
        tids.release(2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// `true` allocates, `false` releases one of those in use.
        #[test]
        fn no_number_is_given_twice(actions in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 1..600)) {
            const PID_MAX: Tid = 350;
            let (mut tids, mut model) = (TidAllocator::new(), BTreeSet::new());
            for (allocate, which) in actions {
                if allocate || model.is_empty() {
                    match tids.try_allocate(PID_MAX, nobody) {
                        Ok(tid) => prop_assert!((1..PID_MAX).contains(&tid) && model.insert(tid)),
                        Err(errno) => {
                            prop_assert_eq!(errno, Errno::EAGAIN);
                            prop_assert!((RESERVED_PIDS..PID_MAX).all(|tid| model.contains(&tid)));
                        }
                    }
                } else {
                    let used: Vec<Tid> = model.iter().copied().collect();
                    let tid = *which.get(&used);
                    tids.release(tid);
                    model.remove(&tid);
                }
            }
            prop_assert!((0..PID_MAX).all(|tid| tids.is_used(tid) == model.contains(&tid)));
        }
    }
}
