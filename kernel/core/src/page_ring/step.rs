//! One step of a write or a read: a range of one page, and what committing it changes in the ring.
//!
//! A step borrows the ring it was planned on: nothing can move under it, and dropping it changes nothing. No locks, never sleeps.

use core::ops::Range;

use super::{Framing, PAGE_SIZE, PageRing};

/// A range of one page that a writer may fill.
pub struct WriteRoom<'a, P> {
    pub(super) ring: &'a mut PageRing<P>,
    pub(super) index: usize,
    /// The head once these bytes are in: unchanged by a merge, one further by a fresh slot.
    pub(super) next_head: u64,
    pub(super) offset: usize,
    pub(super) len: usize,
}

/// A range of one page that a reader may take.
pub struct ReadStep<'a, P> {
    pub(super) ring: &'a mut PageRing<P>,
    pub(super) index: usize,
    pub(super) offset: usize,
    pub(super) len: usize,
}

/// Narrows a count that a page bounds.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "callers pass at most PAGE_SIZE")]
pub(super) fn within_page(count: usize) -> u16 {
    debug_assert!(count <= PAGE_SIZE, "a page holds no {count} bytes");
    count as u16
}

impl<P> WriteRoom<'_, P> {
    /// The bytes of the page to fill; never empty unless the write was. They begin at 0 in a fresh slot, and further on where
    /// they merge with the bytes of an earlier write.
    #[inline]
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.len
    }

    /// The page to fill, of which readers may own the part before the range.
    #[inline]
    pub fn page_mut(&mut self) -> &mut P {
        self.ring.slots[self.index].page.as_mut().expect("a planned slot has a page")
    }

    /// Publishes the first `copied` bytes of the range; the rest of it stays free.
    #[inline(always)]
    pub fn commit(self, copied: usize) {
        let copied = copied.min(self.len);
        if copied == 0 {
            return;
        }
        self.ring.slots[self.index].len += within_page(copied);
        self.ring.written_bytes += copied as u64;
        if self.offset != 0 {
            self.ring.merges += 1;
        }
        self.ring.head = self.next_head;
    }
}

impl<P> ReadStep<'_, P> {
    /// The bytes of the page to copy out.
    #[inline]
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.len
    }

    /// The page to copy from.
    #[inline]
    #[must_use]
    pub fn page(&self) -> &P {
        self.ring.slots[self.index].page.as_ref().expect("a slot with data has a page")
    }

    /// Whether the read must end with this step.
    #[inline]
    #[must_use]
    pub fn is_packet(&self) -> bool {
        self.ring.slots[self.index].kind.is_packet()
    }

    /// What the bytes are part of.
    #[inline]
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.ring.slots[self.index].kind.framing()
    }

    /// Consumes the first `copied` bytes of the range (all of a packet, unless nothing was copied). Returns the page if that
    /// drained the slot and the ring has no use for it.
    #[inline(always)]
    pub fn commit(self, copied: usize) -> Option<P> {
        let copied = copied.min(self.len);
        if copied == 0 {
            return None;
        }
        let slot = &mut self.ring.slots[self.index];
        if slot.kind.is_special() {
            return self.commit_special(copied);
        }
        slot.offset += within_page(copied);
        slot.len -= within_page(copied);
        let drained = slot.len == 0;
        self.ring.gone_bytes += copied as u64;
        if drained { self.ring.retire(self.index) } else { None }
    }

    /// The same for a packet, and for a page that somebody else holds. Out of line, to keep the usual path short.
    #[inline(never)]
    fn commit_special(self, copied: usize) -> Option<P> {
        let slot = &self.ring.slots[self.index];
        let consumed = if slot.kind.is_packet() { usize::from(slot.len) } else { copied };
        self.ring.consume(consumed)
    }
}
