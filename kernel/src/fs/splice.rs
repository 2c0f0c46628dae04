//! splice, tee, vmsplice and sendfile: bytes that go from file to file with the pages they lie in, where both ends allow it.
//!
//! Owns the ways between a ring of pages ([`PageQueue`]: a pipe, a driver's ring) and another file, whose two attempts in
//! `FileOps` share pages out and take them in, or copy. Locks: FILE_POSITION and FILE_WRITE of a regular file, then either that of
//! the ring, with PAGES inside, or what an attempt takes, with no ring locked; none over a wait. Sleeps in those, and,
//! interruptibly, for data or room.
//! Specification: splice(2), tee(2), vmsplice(2), sendfile(2); fs/splice.c of Linux 6.12. Who owns a page when: docs/splice.md.
//!
//! | file | owns |
//! |---|---|
//! | `queue` | rings, and the order of their locks |
//! | `loan` | a ring and a file that has no pages, which is asked with the ring unlocked |
//! | `direct` | sendfile between files that are no rings |
//! | `memory` | vmsplice |
//! | `waiting` | the loop around attempts |
//! | `counters` | `/proc/postern/splice` |

mod counters;
mod direct;
mod loan;
mod memory;
mod queue;
mod waiting;

#[cfg(test)]
pub use counters::pages;
pub use counters::{Call, init};
pub use direct::send;
pub use memory::{from_memory, to_memory};
pub use queue::{BATCH_PAGES, Batch, Family, Nesting, PageQueue, Ring};

use crate::arch::mmu::PAGE_SIZE;
use crate::fs::file::{Direction, Io, Seeking};
use crate::fs::flags::OpenFlags;
use crate::fs::inode::Node;
use crate::fs::open_file::{At, OpenFile};
use crate::fs::poll::Patience;
use crate::mm::Frame;
use crate::mm::user::Sink;
use crate::sched;
use arrayvec::ArrayVec;
use counters::{Passage, count};
use postern_core::effects::{Step, Wakes};
use postern_core::errno::{Errno, Result};
use postern_core::page_ring::{Hold, Offer, Piece};
use postern_core::pipe::{Crossing, Moved, Refusal};
use queue::{Attempt, is_same, with_both, with_ring};
use waiting::{Party, drain, until_moved};

/// One end of a transfer.
#[derive(Clone, Copy)]
pub struct End<'a> {
    /// The file.
    pub file: &'a OpenFile,
    /// Where in it; a ring has no places, and takes the position.
    pub at: At,
    /// SPLICE_F_NONBLOCK, or that the other end is O_NONBLOCK too; O_NONBLOCK of the file itself counts anyway.
    pub patience: Patience,
}

impl<'a> End<'a> {
    fn party(&self) -> Party<'a> {
        let is_nonblocking = self.file.flags().contains(OpenFlags::NONBLOCK);
        Party { file: self.file, patience: if is_nonblocking { Patience::None } else { self.patience } }
    }

    /// A file that is no ring and has no places, towards a ring that says whether to wait.
    fn as_stream(&self, of_ring: Patience) -> Party<'a> {
        let patience = if self.file.ops().heeds_splice_flags() { of_ring } else { Patience::Forever };
        End { patience, ..*self }.party()
    }

    fn queue(&self) -> Option<&'a dyn PageQueue> {
        self.file.ops().page_queue()
    }

    /// Calls `f` with where the next bytes are, and moves on by as many as it says.
    fn with_place<T>(&mut self, direction: Direction, f: impl FnOnce(&mut Io) -> T) -> T {
        let file = self.file;
        let has_position = file.seeking() == Seeking::Position;
        let mut position = (has_position && self.at == At::Position).then(|| file.lock_position());
        let inode = file.location().inode();
        let is_written = direction == Direction::Write && has_position && matches!(inode.node(), Node::File(_));
        let _writers = is_written.then(|| inode.lock_writers());
        let offset = match self.at {
            At::Offset(offset) => Some(offset),
            At::Position => position.as_deref().copied(),
        };
        let mut io = Io { offset, flags: file.flags() };
        let result = f(&mut io);
        if let Some(after) = io.offset {
            match &mut position {
                Some(position) => **position = after,
                None => self.at = At::Offset(after),
            }
        }
        result
    }
}

fn advance(io: &mut Io, bytes: usize) {
    io.offset = io.offset.map(|offset| offset + bytes as u64);
}

/// EAGAIN of a file means what is missing on its side.
fn refusal(error: Errno, missing: Refusal) -> Refusal {
    if error == Errno::EAGAIN { missing } else { Refusal::Failed(error) }
}

/// splice(2): moves up to `length` bytes, of which one end is a ring.
///
/// # Errors
/// EINVAL: neither end is a ring, or both are the same; the output appends. EAGAIN, ERESTARTSYS, EPIPE, and what the files say,
/// if nothing was moved.
pub fn splice(input: End<'_>, output: End<'_>, length: usize) -> Result<usize> {
    match (input.queue(), output.queue()) {
        (Some(source), Some(target)) => {
            cross(Call::Splice, (input, source), (output, target), |from, to| Ring::splice(from, to, length))
        }
        (Some(source), None) => empty_to_file(source, input, output, length),
        (None, Some(target)) => fill_from_file(Call::Splice, input, output, target, length),
        (None, None) => Err(Errno::EINVAL),
    }
}

/// tee(2): gives the output references to the first bytes of the input, up to `length`, both rings.
///
/// # Errors
/// EINVAL unless they are two rings. EAGAIN, ERESTARTSYS, EPIPE.
pub fn tee(input: End<'_>, output: End<'_>, length: usize) -> Result<usize> {
    let (source, target) = input.queue().zip(output.queue()).ok_or(Errno::EINVAL)?;
    cross(Call::Tee, (input, source), (output, target), |from, to| Ring::tee(from, to, length))
}

/// From ring to ring. Here O_NONBLOCK of either end speaks for both.
fn cross(
    call: Call,
    (input, source): (End<'_>, &dyn PageQueue),
    (output, target): (End<'_>, &dyn PageQueue),
    rule: impl Fn(&mut Ring, &mut Ring) -> Attempt<Crossing>,
) -> Result<usize> {
    if is_same(source, target) {
        return Err(Errno::EINVAL);
    }
    let (mut input, mut output) = (input.party(), output.party());
    if input.patience == Patience::None || output.patience == Patience::None {
        (input.patience, output.patience) = (Patience::None, Patience::None);
    }
    let moved = until_moved(input, output, || with_both(source, target, &rule))?;
    count(call, Passage::ByReference, moved.pieces, moved.bytes);
    Ok(moved.bytes)
}

/// From a file that is no ring into one.
fn fill_from_file(
    call: Call,
    mut input: End<'_>,
    output: End<'_>,
    target: &dyn PageQueue,
    length: usize,
) -> Result<usize> {
    let is_stream = input.file.seeking() == Seeking::Refused;
    if is_stream && input.at != At::Position {
        return Err(Errno::EINVAL);
    }
    let target_party = output.party();
    let source_party = if is_stream { input.as_stream(target_party.patience) } else { input.party() };
    let moved = until_moved(source_party, target_party, || {
        if is_stream {
            loan::fill(call, input.file, target, length)
        } else {
            fill_from_place(call, &mut input, target, length)
        }
    })?;
    Ok(moved.bytes)
}

/// A file with places can be asked again for what did not fit: the ring is locked for the pieces alone.
fn fill_from_place(call: Call, input: &mut End<'_>, target: &dyn PageQueue, length: usize) -> Attempt<Moved> {
    let ops = input.file.ops();
    // First of all, as Linux: without a reader or without room the file is not even looked at.
    with_ring(target, |ring| ring.room_for_pieces().map(|_| Step::new((), Wakes::NONE)))?;
    input.with_place(Direction::Read, |io| {
        let mut total = Moved::default();
        let mut batch = Batch::new();
        while total.bytes < length {
            let moved = match ops.try_splice_out(io, length - total.bytes, &mut batch) {
                Ok(0) => break,
                Ok(got) => with_ring(target, |ring| accept(call, ring, &mut batch)).map(|moved| (moved, got)),
                Err(error) => Err(refusal(error, Refusal::NoData)),
            };
            match moved {
                Ok((moved, got)) => {
                    advance(io, moved.bytes);
                    total.bytes += moved.bytes;
                    total.pieces += moved.pieces;
                    if moved.bytes < got {
                        break;
                    }
                }
                Err(refusal) if total.bytes == 0 => return Err(refusal),
                Err(_) => break,
            }
            sched::preemption_point();
        }
        Ok(total)
    })
}

/// Empties a batch into a ring, as far as there is room, and counts what went in. A batch is all of one kind.
fn accept(call: Call, ring: &mut Ring, batch: &mut Batch) -> Attempt<Step<Moved>> {
    let is_shared = batch.first().is_some_and(|piece| piece.hold() == Hold::Shared);
    let step = ring.try_accept(batch.drain(..))?;
    let passage = if is_shared { Passage::ByReference } else { Passage::Copied };
    let mut wakes = Wakes::NONE;
    let moved = step.settle(|wanted| wakes = wanted);
    count(call, passage, moved.pieces, moved.bytes);
    Ok(Step::new(moved, wakes))
}

/// From a ring to a file that is none: all that is there, though the output may have to be waited for.
fn empty_to_file(source: &dyn PageQueue, input: End<'_>, mut output: End<'_>, length: usize) -> Result<usize> {
    if output.file.seeking() == Seeking::Refused && output.at != At::Position
        || output.file.flags().contains(OpenFlags::APPEND)
        || !output.file.ops().takes_splices()
    {
        return Err(Errno::EINVAL);
    }
    let (from, to) = (input.party(), output.party());
    let has_pages = to.file.ops().has_pages();
    drain(from, to, length, |left| {
        output.with_place(Direction::Write, |io| {
            if has_pages {
                with_ring(source, |ring| ring.try_offer(left, |offer| put(Call::Splice, to.file, io, offer)))
            } else {
                loan::empty(Call::Splice, source, to.file, io, left)
            }
        })
    })
}

/// Puts what is on offer into a file, and counts it.
fn put(call: Call, file: &OpenFile, io: &mut Io, offer: &mut Offer<'_, Frame>) -> Result<usize> {
    let bytes = file.ops().try_splice_in(io, offer)?;
    advance(io, bytes);
    let passage = if offer.is_taken() { Passage::ByReference } else { Passage::Copied };
    count(call, passage, usize::from(bytes != 0), bytes);
    Ok(bytes)
}

/// What a file does that has no pages to share: `read` is called once, for at most `length` bytes, with new pages as its sink.
///
/// # Errors
/// What `read` says; ENOMEM.
pub fn read_to_new_pages(
    length: usize,
    batch: &mut Batch,
    read: impl FnOnce(&mut Sink<'_>) -> Result<usize>,
) -> Result<usize> {
    let count = length.div_ceil(PAGE_SIZE).min(batch.remaining_capacity());
    let frames: ArrayVec<Frame, BATCH_PAGES> = (0..count).map(|_| Frame::alloc()).collect::<Result<_>>()?;
    let bytes = read(&mut Sink::from_frames(&frames, length.min(count * PAGE_SIZE))?)?;
    for (index, frame) in frames.into_iter().enumerate() {
        let here = bytes.saturating_sub(index * PAGE_SIZE).min(PAGE_SIZE);
        if here != 0 {
            batch.push(Piece::new(frame, 0..here, Hold::Exclusive));
        }
    }
    Ok(bytes)
}
