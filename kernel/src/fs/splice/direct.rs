//! sendfile: from a file that can be asked twice to any other, without a ring between them.
//!
//! The input's pages are shared out, the output takes or copies them, and the input's position moves on by what the output took.
//! Locks: FILE_POSITION of one file at a time, FILE_WRITE of the output. Sleeps in those, and, interruptibly, for data or room.
//! Specification: sendfile(2); `do_sendfile` of Linux 6.12.

use super::queue::with_ring;
use super::waiting::until_moved;
use super::{Batch, Call, End, PageQueue, advance, fill_from_file, put, refusal};
use crate::fs::blocking;
use crate::fs::file::{Direction, Seeking};
use crate::fs::flags::OpenFlags;
use crate::fs::open_file::At;
use crate::sched;
use crate::sync::{Kernel, Platform};
use postern_core::effects::{Step, Wakes};
use postern_core::errno::{Errno, Result};
use postern_core::page_ring::Offer;
use postern_core::pipe::Refusal;

/// sendfile(2): sends up to `length` bytes; into a ring only as many as there is room for.
///
/// # Errors
/// EINVAL: the input is a ring, or a stream for another output than a ring, or the output appends. EAGAIN, ERESTARTSYS, EPIPE, and
/// what the files say, if nothing was sent.
pub fn send(input: End<'_>, output: End<'_>, length: usize) -> Result<usize> {
    if let Some(target) = output.queue() {
        return send_to_ring(input, output, target, length);
    }
    if input.queue().is_some() || !input.file.can_be_sought() || output.file.flags().contains(OpenFlags::APPEND) {
        return Err(Errno::EINVAL);
    }
    let has_one_position = core::ptr::eq(input.file, output.file) && input.at == At::Position;
    if !has_one_position || input.file.seeking() != Seeking::Position {
        return send_batches(input, output, length);
    }
    // As Linux: each side begins at the position and goes on by itself, so that it has moved once in the end.
    let start = *input.file.lock_position();
    let at = At::Offset(start);
    let total = send_batches(End { at, ..input }, End { at, ..output }, length)?;
    *input.file.lock_position() = start + total as u64;
    Ok(total)
}

/// [`send`] of what may be sent.
fn send_batches(mut input: End<'_>, mut output: End<'_>, length: usize) -> Result<usize> {
    let mut total = 0;
    while total < length {
        match send_batch(&mut input, &mut output, length - total) {
            Ok(0) => break,
            Ok(bytes) => total += bytes,
            Err(error) if total == 0 => return Err(error),
            Err(error) => {
                if error == Errno::EPIPE {
                    blocking::tell_broken_pipe(&**output.file.ops(), total);
                }
                break;
            }
        }
        sched::preemption_point();
        if Kernel::interrupted() {
            break;
        }
    }
    Ok(total)
}

/// As Linux: a ring must have a reader and room, whatever is to go in; then no bytes are a success; and only then the input is
/// looked at, which may not be a ring.
fn send_to_ring(input: End<'_>, output: End<'_>, target: &dyn PageQueue, length: usize) -> Result<usize> {
    let is_from_ring = input.queue().is_some();
    if length != 0 && !is_from_ring {
        return fill_from_file(Call::Sendfile, input, output, target, length);
    }
    until_moved(input.party(), output.party(), || {
        with_ring(target, |ring| ring.room_for_pieces().map(|_| Step::new((), Wakes::NONE)))
    })?;
    if length == 0 { Ok(0) } else { Err(Errno::EINVAL) }
}

/// One batch of pages. The input stays where it was until the output has taken them.
fn send_batch(input: &mut End<'_>, output: &mut End<'_>, length: usize) -> Result<usize> {
    let (from, to) = (input.party(), output.party());
    let mut batch = Batch::new();
    until_moved(from, to, || {
        let ops = input.file.ops();
        input.with_place(Direction::Read, |io| {
            ops.try_splice_out(io, length, &mut batch).map_err(|error| refusal(error, Refusal::NoData))
        })
    })?;
    let mut sent = 0;
    let mut outcome = Ok(());
    'pieces: for piece in batch.drain(..) {
        let mut range = piece.range();
        let mut page = Some(piece.into_page());
        let mut is_untouched = true;
        while !range.is_empty() && page.is_some() {
            let result = until_moved(from, to, || {
                output.with_place(Direction::Write, |io| {
                    let range = range.clone();
                    let mut offer =
                        if is_untouched { Offer::whole(&mut page, range) } else { Offer::part(&mut page, range) };
                    put(Call::Sendfile, to.file, io, &mut offer).map_err(|error| refusal(error, Refusal::NoRoom))
                })
            });
            match result {
                Ok(0) => break 'pieces,
                Ok(bytes) => {
                    sent += bytes;
                    range.start += bytes;
                    is_untouched = false;
                }
                Err(error) => {
                    outcome = Err(error);
                    break 'pieces;
                }
            }
        }
    }
    if sent != 0 {
        input.with_place(Direction::Read, |io| advance(io, sent));
        return Ok(sent);
    }
    outcome.map(|()| 0)
}
