//! Rings of pages as files show them, and the order in which two of them are locked.
//!
//! Owns the order: a pipe's ring before a driver's, within a family the one at the lower address first, so that a to b and b to a
//! at the same time cannot wait for each other. Locks: those of the rings, through [`PageQueue`]. Sleeps in those only.

use crate::mm::Frame;
use arrayvec::ArrayVec;
use postern_core::effects::{Step, Wakes};
use postern_core::errno::Errno;
use postern_core::page_ring::Piece;
use postern_core::pipe::{Crossing, Moved, PipeState, Refusal};

/// The rules of a ring whose pages are frames.
pub type Ring = PipeState<Frame>;

/// Pages that one attempt moves to or from a file at most.
pub const BATCH_PAGES: usize = 16;

/// Pages on their way.
pub type Batch = ArrayVec<Piece<Frame>, BATCH_PAGES>;

/// What an attempt says.
pub type Attempt<T> = core::result::Result<T, Refusal>;

/// Whose ring it is: the order of the ranks of their locks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Family {
    /// A pipe's: rank PIPE.
    Pipe,
    /// A driver's: rank DRIVER.
    Driver,
}

/// Whether another ring is locked already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nesting {
    /// None.
    Outer,
    /// One that comes before this one in the order: `Mutex::lock_nested`.
    Inner,
}

/// An object whose contents are a ring of pages: a pipe, `/dev/hello`.
pub trait PageQueue: Send + Sync {
    /// Where its lock stands.
    fn family(&self) -> Family;

    /// Locks the ring, calls `change` once, publishes what readers without the lock look at, unlocks, and wakes whom `change`
    /// names. The lock is one that sleeps.
    fn change_pages(&self, nesting: Nesting, change: &mut dyn FnMut(&mut Ring) -> Wakes);
}

/// Where a queue stands in the order of locks; also what it is the same as.
fn place(queue: &dyn PageQueue) -> (Family, usize) {
    (queue.family(), core::ptr::from_ref(queue).cast::<()>().addr())
}

/// Whether two queues are one.
pub fn is_same(one: &dyn PageQueue, other: &dyn PageQueue) -> bool {
    place(one) == place(other)
}

/// The outcome of a step, and whom to wake for it once the lock is dropped.
fn opened<T>(step: Step<T>) -> (T, Wakes) {
    let mut wakes = Wakes::NONE;
    let outcome = step.settle(|wanted| wakes = wanted);
    (outcome, wakes)
}

/// Says of a queue that did not call its closure: nobody should.
const NOT_CALLED: Refusal = Refusal::Failed(Errno::EIO);

/// Changes one ring.
pub fn with_ring<T>(queue: &dyn PageQueue, change: impl FnOnce(&mut Ring) -> Attempt<Step<T>>) -> Attempt<T> {
    let mut change = Some(change);
    let mut result = Err(NOT_CALLED);
    queue.change_pages(Nesting::Outer, &mut |ring| {
        let Some(change) = change.take() else { return Wakes::NONE };
        match change(ring).map(opened) {
            Ok((outcome, wakes)) => {
                result = Ok(outcome);
                wakes
            }
            Err(refusal) => {
                result = Err(refusal);
                Wakes::NONE
            }
        }
    });
    result
}

/// Changes two rings, which are not the same.
pub fn with_both(
    source: &dyn PageQueue,
    target: &dyn PageQueue,
    cross: impl FnOnce(&mut Ring, &mut Ring) -> Attempt<Crossing>,
) -> Attempt<Moved> {
    let is_source_first = place(source) < place(target);
    let (outer, inner) = if is_source_first { (source, target) } else { (target, source) };
    let mut cross = Some(cross);
    let mut result = Err(NOT_CALLED);
    outer.change_pages(Nesting::Outer, &mut |first| {
        let mut outer_wakes = Wakes::NONE;
        inner.change_pages(Nesting::Inner, &mut |second| {
            let Some(cross) = cross.take() else { return Wakes::NONE };
            let crossing = if is_source_first { cross(first, second) } else { cross(second, first) };
            match crossing {
                Ok(Crossing { source, target }) => {
                    let (moved, target) = opened(target);
                    result = Ok(moved);
                    let inner_wakes;
                    (outer_wakes, inner_wakes) = if is_source_first { (source, target) } else { (target, source) };
                    inner_wakes
                }
                Err(refusal) => {
                    result = Err(refusal);
                    Wakes::NONE
                }
            }
        });
        outer_wakes
    });
    result
}
