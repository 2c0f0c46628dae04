//! Which numbers processes and threads get.
//!
//! Owns the numbers in use. The caller's lock guards it. No locks, never sleeps. Specification: Linux's rule: always the next
//! higher free number, so that a number is not used again soon; after `pid_max` on from 300, below which the early daemons live.

use crate::bitmap::Bitmap;
use crate::errno::{Errno, Result};

/// Numbers stay below it unless `/proc/sys/kernel/pid_max` says otherwise.
pub const PID_MAX_DEFAULT: u32 = 32_768;
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
    pid_max: Tid,
}

impl TidAllocator {
    /// All numbers from 1 (init's) to `pid_max - 1` are free. Allocates nothing yet.
    #[must_use]
    pub const fn new(pid_max: Tid) -> Self {
        Self { used: Bitmap::new(), next: 1, pid_max }
    }

    /// Takes the next free number.
    ///
    /// # Errors
    /// `EAGAIN` if all are in use; `ENOMEM`.
    pub fn try_allocate(&mut self) -> Result<Tid> {
        let lowest = if self.next > RESERVED_PIDS { RESERVED_PIDS } else { 1 };
        let tid = self
            .free_within(self.next, self.pid_max)
            .or_else(|| self.free_within(lowest, self.next))
            .ok_or(Errno::EAGAIN)?;
        self.used.try_grow(tid as usize + 1)?;
        self.used.insert(tid as usize);
        self.next = tid + 1;
        Ok(tid)
    }

    /// Gives a number back, once nothing bears it any more: no thread, no process group, no session.
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

    fn free_within(&self, from: Tid, end: Tid) -> Option<Tid> {
        let gap = self.used.next_gap(from as usize);
        Tid::try_from(gap).ok().filter(|&tid| tid < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    fn allocator(pid_max: Tid, count: Tid) -> TidAllocator {
        let mut tids = TidAllocator::new(pid_max);
        for expected in 1..=count {
            assert_eq!(tids.try_allocate(), Ok(expected));
        }
        tids
    }

    #[test]
    fn a_number_is_not_used_again_at_once() {
        let mut tids = allocator(PID_MAX_DEFAULT, 5);
        tids.release(3);
        assert_eq!(tids.try_allocate(), Ok(6));
        assert!(!tids.is_used(3) && tids.is_used(6));
    }

    #[test]
    fn after_the_last_number_the_search_goes_on_from_300() {
        let mut tids = allocator(PID_MAX_DEFAULT, PID_MAX_DEFAULT - 1);
        for tid in [7, 299, 302, 300] {
            tids.release(tid);
        }
        assert_eq!([tids.try_allocate(), tids.try_allocate()], [Ok(300), Ok(302)]);
        assert_eq!(tids.try_allocate(), Err(Errno::EAGAIN), "the low numbers stay reserved");
        tids.release(31_000);
        assert_eq!(tids.try_allocate(), Ok(31_000));
    }

    #[test]
    fn numbers_run_out_as_eagain() {
        let mut tids = allocator(301, 300);
        assert_eq!(tids.try_allocate(), Err(Errno::EAGAIN));
        tids.release(300);
        assert_eq!(tids.try_allocate(), Ok(300));
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
            let (mut tids, mut model) = (TidAllocator::new(PID_MAX), BTreeSet::new());
            for (allocate, which) in actions {
                if allocate || model.is_empty() {
                    match tids.try_allocate() {
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
