//! The loop around attempts that have two sides: whoever has no data, or no room, is waited for, unless somebody said not to.
//!
//! Owns nothing; no locks. Sleeps, interruptibly, on the queue of one side at a time. Specification: splice(2) SPLICE_F_NONBLOCK,
//! signal(7).

use super::queue::Attempt;
use crate::fs::blocking;
use crate::fs::file::Direction;
use crate::fs::open_file::OpenFile;
use crate::fs::poll::Patience;
use crate::sched;
use crate::sync::{Kernel, Platform};
use postern_core::errno::{Errno, Result};
use postern_core::pipe::{Moved, Refusal};

/// A side that can be waited for.
#[derive(Clone, Copy)]
pub(super) struct Party<'a> {
    /// Whose queues to wait on.
    pub file: &'a OpenFile,
    /// Whether to.
    pub patience: Patience,
}

/// Repeats `attempt` until it succeeds or fails for good; a side that takes too long (VTIME) gives nothing.
pub(super) fn until_moved<T: Default>(
    input: Party<'_>,
    output: Party<'_>,
    mut attempt: impl FnMut() -> Attempt<T>,
) -> Result<T> {
    let mut result = attempt();
    loop {
        let (refusal, party, direction) = match result {
            Ok(outcome) => return Ok(outcome),
            Err(Refusal::Failed(error)) => return Err(error),
            Err(refusal @ Refusal::NoData) => (refusal, input, Direction::Read),
            Err(refusal @ Refusal::NoRoom) => (refusal, output, Direction::Write),
        };
        if party.patience == Patience::None {
            return Err(Errno::EAGAIN);
        }
        let answer = blocking::wait(&**party.file.ops(), direction, || {
            Some(attempt()).filter(|result| result.as_ref().err() != Some(&refusal))
        })?;
        result = answer.unwrap_or_else(|| Ok(T::default()));
    }
}

/// Repeats `attempt` with the bytes that are left until the input has no more at the moment, and waits for the output meanwhile.
/// For the first bytes it waits as well.
pub(super) fn drain(
    mut input: Party<'_>,
    output: Party<'_>,
    length: usize,
    mut attempt: impl FnMut(usize) -> Attempt<Moved>,
) -> Result<usize> {
    let mut total = 0;
    while total < length {
        match until_moved(input, output, || attempt(length - total)) {
            Ok(Moved { bytes: 0, .. }) => break,
            Ok(moved) => total += moved.bytes,
            Err(error) if total == 0 => return Err(error),
            Err(error) => {
                // The program will not hear of the error, but of the signal.
                if error == Errno::EPIPE {
                    blocking::tell_broken_pipe(&**output.file.ops(), total);
                }
                break;
            }
        }
        input.patience = Patience::None;
        sched::preemption_point();
        if Kernel::interrupted() {
            break;
        }
    }
    Ok(total)
}
