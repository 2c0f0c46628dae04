//! vmsplice: a program's pages into a ring by reference, and a ring's bytes into a program's memory.
//!
//! A page that goes into a ring stays mapped, as in Linux: what the program stores there later, the reader may see. A gift
//! (SPLICE_F_GIFT) is the same; once the program has unmapped it the page is the ring's alone, and a file may take it.
//! Locks: that of the ring, over the look-up in the address space and over copies. Sleeps in those, and, interruptibly, for data
//! or room. Specification: vmsplice(2).

use super::PageQueue;
use super::counters::{Call, Passage, count};
use super::queue::with_ring;
use super::waiting::{Party, drain, until_moved};
use crate::fs::open_file::OpenFile;
use crate::fs::poll::Patience;
use crate::mm::AddressSpace;
use crate::mm::user::{Sink, Source};
use postern_core::errno::{Errno, Result};
use postern_core::page_ring::{Hold, Piece};
use postern_core::pipe::Refusal;

/// Puts the pages of `source`, which lies in `space`, into a ring, as many as there is room for.
///
/// # Errors
/// EAGAIN, ERESTARTSYS, EPIPE; EFAULT, ENOMEM if nothing went in.
pub fn from_memory(
    file: &OpenFile,
    target: &dyn PageQueue,
    source: &mut Source<'_>,
    space: &AddressSpace,
    patience: Patience,
) -> Result<usize> {
    let party = Party { file, patience };
    let moved = until_moved(party, party, || {
        let mut failure = None;
        let moved = with_ring(target, |ring| {
            ring.try_accept(core::iter::from_fn(|| match source.share_page(space) {
                Ok(page) => page.map(|(frame, range)| Piece::new(frame, range, Hold::Shared)),
                Err(error) => {
                    failure = Some(error);
                    None
                }
            }))
        })?;
        match failure {
            Some(error) if moved.bytes == 0 => Err(Refusal::Failed(error)),
            _ => Ok(moved),
        }
    })?;
    count(Call::Vmsplice, Passage::ByReference, moved.pieces, moved.bytes);
    Ok(moved.bytes)
}

/// Copies what waits in a ring to `sink`, packets or not.
///
/// # Errors
/// EAGAIN, ERESTARTSYS; EFAULT if nothing was copied, and then the bytes are still in the ring.
pub fn to_memory(file: &OpenFile, source: &dyn PageQueue, sink: &mut Sink<'_>, patience: Patience) -> Result<usize> {
    let party = Party { file, patience };
    drain(party, party, sink.remaining(), |left| {
        let moved = with_ring(source, |ring| {
            ring.try_offer(left, |offer| {
                let range = offer.range();
                match sink.move_from_frame(offer.page(), range) {
                    0 => Err(Errno::EFAULT),
                    bytes => Ok(bytes),
                }
            })
        })?;
        count(Call::Vmsplice, Passage::Copied, moved.pieces, moved.bytes);
        Ok(moved)
    })
}
