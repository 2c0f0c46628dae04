//! Pages by reference: bytes that move from ring to ring, or between a ring and a file, with the page they lie in.
//!
//! Owns the rule of who may write to a page: a slot is *exclusive* while its page belongs to nobody but the ring, and only such a
//! page takes merged bytes or is kept for later writes. A page that is pushed as shared, or of which a reference is given away,
//! makes its slot *shared* until it is drained; then the ring lets go of it. No locks, never sleeps.
//! Specification: splice(2), tee(2); fs/splice.c of Linux 6.12 and the history of its `PIPE_BUF_FLAG_CAN_MERGE`.

use core::ops::Range;

use super::step::within_page;
use super::{Framing, Kind, PAGE_SIZE, PageRing, Recycle, Slot};

/// Whether anybody but its owner may hold a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hold {
    /// Nobody: whoever owns the reference may write to the page.
    Exclusive,
    /// Perhaps a file, another ring or a program: the page may be read only.
    Shared,
}

/// A page by reference, and the bytes of it that are meant: never none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece<P> {
    page: P,
    offset: u16,
    len: u16,
    kind: Kind,
}

impl<P> Piece<P> {
    /// The bytes `range` of `page`, part of a stream.
    ///
    /// # Panics
    /// If the range is empty or not within a page.
    #[must_use]
    pub fn new(page: P, range: Range<usize>, hold: Hold) -> Self {
        assert!(range.start < range.end && range.end <= PAGE_SIZE, "no piece of a page: {range:?}");
        let kind = Kind::new(Framing::Stream, hold);
        Self { page, offset: within_page(range.start), len: within_page(range.len()), kind }
    }

    /// The page.
    #[must_use]
    pub fn page(&self) -> &P {
        &self.page
    }

    /// The page, without the range.
    #[must_use]
    pub fn into_page(self) -> P {
        self.page
    }

    /// The bytes of the page that are meant.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        usize::from(self.offset)..usize::from(self.offset) + usize::from(self.len)
    }

    /// How many bytes those are.
    #[expect(clippy::len_without_is_empty, reason = "a piece is never empty")]
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether anybody else may hold the page.
    #[must_use]
    pub fn hold(&self) -> Hold {
        self.kind.hold()
    }

    /// The piece without its bytes from `len` on.
    fn cut(mut self, len: usize) -> Self {
        self.len = self.len.min(within_page(len.min(PAGE_SIZE)));
        self
    }
}

/// Bytes that somebody may take from a page: by copying some of them, or by taking the page itself.
pub struct Offer<'a, P> {
    page: &'a mut Option<P>,
    range: Range<usize>,
    is_whole: bool,
}

impl<'a, P> Offer<'a, P> {
    /// All the bytes of a piece; `page` holds its page.
    pub fn whole(page: &'a mut Option<P>, range: Range<usize>) -> Self {
        Self { page, range, is_whole: true }
    }

    /// Some of the bytes of a piece: the page itself cannot be had.
    pub fn part(page: &'a mut Option<P>, range: Range<usize>) -> Self {
        Self { page, range, is_whole: false }
    }

    /// The page.
    ///
    /// # Panics
    /// If it has been taken.
    #[must_use]
    pub fn page(&self) -> &P {
        self.page.as_ref().expect("a page that has been taken is not looked at")
    }

    /// The bytes on offer, never none.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Takes the page and with it all bytes, unless only a part of those that wait in it is on offer.
    #[must_use]
    pub fn take_page(&mut self) -> Option<P> {
        if self.is_whole { self.page.take() } else { None }
    }

    /// Whether the page was taken.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.page.is_none()
    }
}

impl<P> PageRing<P> {
    /// Slots without data.
    #[must_use]
    pub fn room(&self) -> usize {
        self.capacity() - self.occupancy()
    }

    /// Puts a piece into the next slot. Hands out the page that lay there idle: it is the ring's alone.
    ///
    /// # Errors
    /// The piece, if the ring is full.
    pub fn push(&mut self, piece: Piece<P>) -> core::result::Result<Option<P>, Piece<P>> {
        if self.is_full() {
            return Err(piece);
        }
        let index = self.index(self.head);
        let Piece { page, offset, len, kind } = piece;
        let idle = self.slots[index].page.take();
        self.slots[index] = Slot { page: Some(page), offset, len, kind };
        self.head += 1;
        self.filled_before = self.filled_before.wrapping_sub(1);
        self.written_bytes += u64::from(len);
        Ok(idle)
    }

    /// Finds a place for a page that is the caller's alone, so that the next write need not allocate one, or hands it back.
    pub fn keep_idle(&mut self, page: P) -> Option<P> {
        if self.recycle == Recycle::Keep && !self.is_full() {
            // Not full, so the slot before the tail holds no data: the one a piece was just taken from.
            let drained = self.index(self.tail.wrapping_sub(1));
            let place = &mut self.slots[drained].page;
            if place.is_none() {
                *place = Some(page);
                return None;
            }
        }
        if self.recycle == Recycle::Free { Some(page) } else { self.keep_spare(Some(page)) }
    }

    /// Offers the first bytes, at most `len` of those in one slot, to `take`, and drops as many as it says it took, or all if it
    /// took the page. `None` if the ring is empty. `Err` leaves everything as it was.
    pub fn offer<E>(
        &mut self,
        len: usize,
        take: impl FnOnce(&mut Offer<'_, P>) -> core::result::Result<usize, E>,
    ) -> Option<core::result::Result<usize, E>> {
        if self.is_empty() {
            return None;
        }
        let index = self.index(self.tail);
        let slot = &mut self.slots[index];
        let (start, waiting) = (usize::from(slot.offset), usize::from(slot.len));
        let range = start..start + len.min(waiting);
        let mut offer = Offer { page: &mut slot.page, is_whole: len >= waiting, range };
        let taken = take(&mut offer);
        let consumed = if offer.is_taken() { waiting } else { taken.as_ref().map_or(0, |&taken| taken.min(len)) };
        drop(self.consume(consumed.min(waiting)));
        Some(taken.map(|_| consumed))
    }

    /// Drops the first `count` bytes, in however many slots they lie.
    pub fn drop_first(&mut self, count: usize) {
        let mut left = count;
        while left != 0 && !self.is_empty() {
            let here = left.min(usize::from(self.slots[self.index(self.tail)].len));
            drop(self.consume(here));
            left -= here;
        }
    }

    /// Drops the first `count` bytes, which lie in the slot at the tail. The page, if that drained the slot and the ring does not
    /// keep it.
    pub(super) fn consume(&mut self, count: usize) -> Option<P> {
        let index = self.index(self.tail);
        let slot = &mut self.slots[index];
        slot.offset += within_page(count);
        slot.len -= within_page(count);
        self.gone_bytes += count as u64;
        if slot.len != 0 {
            return None;
        }
        match slot.kind.hold() {
            Hold::Exclusive => self.retire(index),
            Hold::Shared => {
                self.tail += 1;
                self.slots[index].page.take()
            }
        }
    }
}

impl<P: Clone> PageRing<P> {
    /// A further reference to the bytes of the `position`-th slot that holds data, at most `len` of them; the slot keeps them.
    /// `None` if there are fewer slots with data, or `len` is 0.
    pub fn share(&mut self, position: usize, len: usize) -> Option<Piece<P>> {
        if position >= self.occupancy() || len == 0 {
            return None;
        }
        let index = super::count(self.tail).wrapping_add(position) & (self.slots.len() - 1);
        let slot = &mut self.slots[index];
        slot.kind = Kind::new(slot.kind.framing(), Hold::Shared);
        let page = slot.page.clone()?;
        Some(Piece { page, offset: slot.offset, len: slot.len, kind: slot.kind }.cut(len))
    }

    /// Takes the first bytes with their page, at most `len` of those in one slot. If that is not all of them, the page is shared
    /// from then on. `None` if the ring is empty or `len` is 0.
    pub fn take(&mut self, len: usize) -> Option<Piece<P>> {
        if self.is_empty() || len == 0 {
            return None;
        }
        let index = self.index(self.tail);
        let slot = &mut self.slots[index];
        if len < usize::from(slot.len) {
            let piece = self.share(0, len)?;
            self.consume(len);
            return Some(piece);
        }
        let Slot { page, offset, len, kind } = core::mem::replace(slot, Slot::EMPTY);
        self.tail += 1;
        self.gone_bytes += u64::from(len);
        page.map(|page| Piece { page, offset, len, kind })
    }
}
