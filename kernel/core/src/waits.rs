//! Who waits for whom: threads that nobody can help any more, and the circles among them. Pure; no locks, never sleeps.
//!
//! A thread that sleeps is *stuck* if it is known who could wake it, and each of those processes has only threads that are stuck.
//! So the stuck are the largest set of sleepers of whom none has a helper outside of it. A signal can always come, and is not
//! thought of.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::tid_allocator::Tid;

/// A thread.
#[derive(Clone, Copy, Debug)]
pub struct Thread<'a> {
    /// Its number.
    pub tid: Tid,
    /// Its process's.
    pub pid: Tid,
    /// What it waits for; `None` if it does not sleep.
    pub wait: Option<Wait<'a>>,
}

/// A wait.
#[derive(Clone, Copy, Debug)]
pub enum Wait<'a> {
    /// For what one of these processes can do, its own perhaps among them.
    For(&'a [Tid]),
    /// Something else may end it: a time that comes, or nobody knows who.
    Open,
}

impl Thread<'_> {
    fn helpers(&self) -> Option<&[Tid]> {
        match self.wait {
            Some(Wait::For(helpers)) if !helpers.is_empty() => Some(helpers),
            _ => None,
        }
    }
}

/// Which of the threads are stuck: their places in the slice, in order.
#[must_use]
pub fn stuck(threads: &[Thread<'_>]) -> Vec<usize> {
    let mut is_stuck: Vec<bool> = threads.iter().map(|thread| thread.helpers().is_some()).collect();
    // Processes with a thread that can go on.
    let mut able: BTreeSet<Tid> =
        threads.iter().zip(&is_stuck).filter(|(_, is_stuck)| !**is_stuck).map(|(thread, _)| thread.pid).collect();
    loop {
        let mut any_helped = false;
        for (thread, is_stuck) in threads.iter().zip(&mut is_stuck).filter(|(_, is_stuck)| **is_stuck) {
            if thread.helpers().is_some_and(|helpers| helpers.iter().any(|pid| able.contains(pid))) {
                *is_stuck = false;
                any_helped |= able.insert(thread.pid);
            }
        }
        if !any_helped {
            return (0..threads.len()).filter(|place| is_stuck[*place]).collect();
        }
    }
}

/// Circles among the stuck, each thread waiting for the process of the next: their places. Of each thread one way is followed,
/// to others rather than to its own process.
#[must_use]
pub fn circles(threads: &[Thread<'_>], stuck: &[usize]) -> Vec<Vec<usize>> {
    let first_of: BTreeMap<Tid, usize> = stuck.iter().rev().map(|place| (threads[*place].pid, *place)).collect();
    let next = |place: usize| {
        let thread = &threads[place];
        let helpers = thread.helpers()?;
        let other = helpers.iter().filter(|pid| **pid != thread.pid).find_map(|pid| first_of.get(pid));
        other.or_else(|| first_of.get(&thread.pid)).copied()
    };
    let mut seen = BTreeSet::new();
    let mut circles = Vec::new();
    for start in stuck {
        let mut way = Vec::new();
        let mut place = Some(*start);
        while let Some(here) = place.filter(|here| seen.insert(*here)) {
            way.push(here);
            place = next(here);
        }
        // It ends at a thread of this way, or of an earlier one.
        if let Some(from) = place.and_then(|end| way.iter().position(|passed| *passed == end)) {
            circles.push(way.split_off(from));
        }
    }
    circles
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn sleeper(number: Tid, helpers: &[Tid]) -> Thread<'_> {
        Thread { tid: number, pid: number, wait: Some(Wait::For(helpers)) }
    }

    fn awake(number: Tid) -> Thread<'static> {
        Thread { tid: number, pid: number, wait: None }
    }

    #[test]
    fn two_that_wait_for_each_other_are_a_circle() {
        let threads = [awake(1), sleeper(2, &[3]), sleeper(3, &[2])];
        let stuck = stuck(&threads);
        assert_eq!(stuck, [1, 2]);
        assert_eq!(circles(&threads, &stuck), [vec![1, 2]]);
    }

    #[test]
    fn one_helper_that_is_awake_is_enough() {
        assert_eq!(stuck(&[awake(1), sleeper(2, &[3, 1]), sleeper(3, &[2])]), [0; 0]);
    }

    #[test]
    fn help_goes_along_a_chain_whatever_its_order() {
        let chain = [sleeper(1, &[2]), sleeper(2, &[3]), sleeper(3, &[4]), awake(4)];
        assert_eq!(stuck(&chain), [0; 0]);
        let turned: Vec<_> = chain.into_iter().rev().collect();
        assert_eq!(stuck(&turned), [0; 0]);
    }

    #[test]
    fn who_waits_behind_a_circle_is_stuck_and_not_in_it() {
        let threads = [sleeper(1, &[2]), sleeper(2, &[3]), sleeper(3, &[2])];
        let stuck = stuck(&threads);
        assert_eq!(stuck, [0, 1, 2]);
        assert_eq!(circles(&threads, &stuck), [vec![1, 2]]);
    }

    #[test]
    fn the_last_thread_that_can_go_on_counts_for_its_process() {
        let second = |wait| Thread { tid: 9, pid: 2, wait };
        let [one, other] = [sleeper(2, &[3]), sleeper(3, &[2])];
        assert_eq!(stuck(&[one, other, second(None)]), [0; 0]);
        assert_eq!(stuck(&[one, other, second(Some(Wait::Open))]), [0; 0]);
        assert_eq!(stuck(&[one, other, second(Some(Wait::For(&[3])))]), [0, 1, 2]);
    }

    #[test]
    fn who_can_only_help_himself_waits_for_himself() {
        let threads = [sleeper(2, &[2]), sleeper(3, &[])];
        let stuck = stuck(&threads);
        assert_eq!(stuck, [0]);
        assert_eq!(circles(&threads, &stuck), [vec![0]]);
    }

    #[test]
    fn a_process_that_has_ended_helps_nobody() {
        assert_eq!(stuck(&[awake(1), sleeper(2, &[7])]), [1]);
    }

    #[test]
    fn every_circle_is_told_once() {
        let threads =
            [sleeper(1, &[2]), sleeper(2, &[1]), sleeper(3, &[3, 4]), sleeper(4, &[5]), sleeper(5, &[3]), awake(6)];
        let stuck = stuck(&threads);
        assert_eq!(circles(&threads, &stuck), [vec![0, 1], vec![2, 3, 4]]);
    }
}
