//! Between a ring and a file that has no pages of its own: a device, a socket, a file of a control group.
//!
//! Such a file may take any lock in its attempts, and drop any other file. So no ring is locked meanwhile: its first bytes, or its
//! room, are lent (`postern_core::pipe`), the file is asked, and the loan is settled by what came of it. Whoever else wants
//! the same of the ring is told "not now", and woken afterwards; nothing is lost, doubled or overtaken.
//! Locks: the ring's, twice, and in between what the attempt takes. Sleeps in those only. Specification: docs/splice.md, "Locks".

use super::counters::{Call, Passage, count};
use super::queue::{Attempt, BATCH_PAGES, Batch, PageQueue, with_ring};
use super::{put, refusal};
use crate::arch::mmu::PAGE_SIZE;
use crate::fs::file::Io;
use crate::fs::open_file::OpenFile;
use postern_core::effects::{Step, Wakes};
use postern_core::errno::Result;
use postern_core::page_ring::Offer;
use postern_core::pipe::{Moved, Refusal};

/// From a stream, which is asked only when there is room, for what it gives is gone from it.
pub(super) fn fill(call: Call, input: &OpenFile, target: &dyn PageQueue, length: usize) -> Attempt<Moved> {
    let room = with_ring(target, |ring| ring.lend_room().map(|room| Step::new(room, Wakes::NONE)))?;
    let mut batch = Batch::new();
    let io = Io { offset: None, flags: input.flags() };
    let length = length.min(room.saturating_mul(PAGE_SIZE));
    let outcome = input.ops().try_splice_out(&io, length, &mut batch);
    let moved = with_ring(target, |ring| Ok(ring.fill_room(batch.drain(..))))?;
    count(call, Passage::Copied, moved.pieces, moved.bytes);
    outcome.map(|_| moved).map_err(|error| refusal(error, Refusal::NoData))
}

/// To a file, as far as it takes what there is.
pub(super) fn empty(call: Call, source: &dyn PageQueue, file: &OpenFile, io: &mut Io, length: usize) -> Attempt<Moved> {
    let mut batch = Batch::new();
    let has_bytes = with_ring(source, |ring| {
        ring.lend(length, BATCH_PAGES, |piece| batch.push(piece)).map(|has_bytes| Step::new(has_bytes, Wakes::NONE))
    })?;
    if !has_bytes {
        return Ok(Moved::default());
    }
    let mut moved = Moved::default();
    let outcome = put_all(call, file, io, batch, &mut moved);
    with_ring(source, |ring| Ok(ring.take_back(moved.bytes)))?;
    match outcome {
        Err(error) if moved.bytes == 0 => Err(refusal(error, Refusal::NoRoom)),
        _ => Ok(moved),
    }
}

/// Puts piece after piece into a file, until it takes less than there is.
fn put_all(call: Call, file: &OpenFile, io: &mut Io, batch: Batch, moved: &mut Moved) -> Result<()> {
    for piece in batch {
        let range = piece.range();
        let offered = range.len();
        let bytes = put(call, file, io, &mut Offer::part(&mut Some(piece.into_page()), range))?;
        moved.bytes += bytes;
        moved.pieces += usize::from(bytes != 0);
        if bytes < offered {
            break;
        }
    }
    Ok(())
}
