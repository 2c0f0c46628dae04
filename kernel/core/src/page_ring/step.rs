//! One step of a write or a read: a range of one page, and what committing it changes in the ring.
//!
//! A step borrows the ring it was planned on: nothing can move under it, and dropping it changes nothing. No locks, never sleeps.

use core::ops::Range;

use super::{Framing, PAGE_SIZE, Recycle, Slot};

/// A range of one page that a writer may fill.
pub struct WriteRoom<'a, P> {
    pub(super) slot: &'a mut Slot<P>,
    pub(super) head: &'a mut u32,
    pub(super) bytes: &'a mut usize,
    /// The head once these bytes are in: unchanged by a merge, one further by a fresh slot.
    pub(super) next_head: u32,
    pub(super) offset: usize,
    pub(super) len: usize,
}

/// A range of one page that a reader may take.
pub struct ReadStep<'a, P> {
    pub(super) slot: &'a mut Slot<P>,
    pub(super) tail: &'a mut u32,
    pub(super) bytes: &'a mut usize,
    pub(super) recycle: Recycle,
    pub(super) len: usize,
}

/// Narrows a count that a page bounds.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "callers pass at most PAGE_SIZE"
)]
fn within_page(count: usize) -> u16 {
    debug_assert!(count <= PAGE_SIZE, "a page holds no {count} bytes");
    count as u16
}

impl<P> WriteRoom<'_, P> {
    /// The bytes of the page to fill; never empty unless the write was.
    #[inline]
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.len
    }

    /// The page to fill, of which readers may own the part before the range.
    #[inline]
    pub fn page_mut(&mut self) -> &mut P {
        self.slot.page.as_mut().expect("a planned slot has a page")
    }

    /// Publishes the first `copied` bytes of the range; the rest of it stays free.
    #[inline]
    pub fn commit(self, copied: usize) {
        let copied = copied.min(self.len);
        if copied == 0 {
            return;
        }
        self.slot.len += within_page(copied);
        *self.bytes += copied;
        *self.head = self.next_head;
    }
}

impl<P> ReadStep<'_, P> {
    /// The bytes of the page to copy out.
    #[inline]
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        let offset = usize::from(self.slot.offset);
        offset..offset + self.len
    }

    /// The page to copy from.
    #[inline]
    #[must_use]
    pub fn page(&self) -> &P {
        self.slot
            .page
            .as_ref()
            .expect("a slot with data has a page")
    }

    /// Whether the read must end with this step.
    #[inline]
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.slot.framing
    }

    /// Consumes the first `copied` bytes of the range (all of a packet, unless nothing was copied). Returns the page if that
    /// drained the slot and the ring does not keep it.
    #[inline]
    pub fn commit(self, copied: usize) -> Option<P> {
        let copied = copied.min(self.len);
        if copied == 0 {
            return None;
        }
        let consumed = match self.slot.framing {
            Framing::Stream => within_page(copied),
            Framing::Packet => self.slot.len,
        };
        self.slot.offset += consumed;
        self.slot.len -= consumed;
        *self.bytes -= usize::from(consumed);
        if self.slot.len != 0 {
            return None;
        }
        *self.tail = self.tail.wrapping_add(1);
        match self.recycle {
            Recycle::Keep => None,
            Recycle::Release => self.slot.page.take(),
        }
    }
}
