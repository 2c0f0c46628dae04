//! The ring of page slots under a pipe and under `/dev/hello`.
//!
//! Owns: the slots, the free-running head and tail, the small-write merge rule, what becomes of a drained page. It moves no
//! bytes and knows no addresses: it says which range of which page comes next, the caller copies, and then commits what was
//! really copied. A plan borrows the ring, so it cannot outlive the caller's lock, and one that is dropped changed nothing.
//! Pages come and go by reference as well ([`Piece`]); one that somebody else holds is marked so, and is neither written to
//! nor kept for a later write.
//! No locks, never sleeps. Specification: fs/pipe.c of Linux; seed 001 §3.4, 4.2–4.4 as corrected in seed-notes.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::errno::{Errno, Result};

pub use copies::{Sink, Source};
pub use head_tail::HeadTail;
pub use hold::Party;
pub use piece::{Hold, Offer, Piece};
pub use step::{ReadStep, WriteRoom};

mod copies;
mod head_tail;
mod hold;
mod piece;
mod short;
mod step;

/// Bytes in the page behind a slot.
pub const PAGE_SIZE: usize = 4096;

/// Drained pages that a ring which releases its pages still keeps, for the next writes.
const SPARE_PAGES: usize = 2;

/// What happens to a page once a reader has drained it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recycle {
    /// It stays in its slot for the next writer that lands there: after one lap, no allocation at all.
    Keep,
    /// Up to two wait in the next slots to fill, as in Linux's pipe; others are handed back to whoever committed the read.
    Release,
    /// Each is handed back to whoever committed the read.
    Free,
}

/// Whether a slot is part of a byte stream or a message of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Framing {
    /// Bytes without boundaries: small writes merge, reads may stop anywhere.
    Stream = 0,
    /// The same, but each write begins a slot of its own: nothing merges.
    Separate = Kind::SEPARATE,
    /// One packet a slot (`O_DIRECT`): never merged, read as a whole, the excess discarded.
    Packet = Kind::PACKET,
}

/// A slot's [`Framing`] and [`Hold`] in one byte, so that one comparison finds the usual case: stream bytes in a page of the
/// ring's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Kind(u8);

impl Kind {
    const PLAIN: Self = Self(0);
    const PACKET: u8 = 1;
    const SHARED: u8 = 2;
    const SEPARATE: u8 = 4;

    #[inline]
    const fn new(framing: Framing, hold: Hold) -> Self {
        match hold {
            Hold::Exclusive => Self(framing as u8),
            Hold::Shared => Self(framing as u8 | Self::SHARED),
        }
    }

    #[inline]
    const fn framing(self) -> Framing {
        match self.0 & (Self::PACKET | Self::SEPARATE) {
            0 => Framing::Stream,
            Self::SEPARATE => Framing::Separate,
            _ => Framing::Packet,
        }
    }

    #[inline]
    const fn is_packet(self) -> bool {
        self.0 & Self::PACKET != 0
    }

    /// Whether draining it takes more than to count the bytes.
    #[inline]
    const fn is_special(self) -> bool {
        self.0 & (Self::PACKET | Self::SHARED) != 0
    }

    const fn hold(self) -> Hold {
        if self.0 & Self::SHARED == 0 { Hold::Exclusive } else { Hold::Shared }
    }
}

/// One page and the bytes in it that wait for a reader.
///
/// A slot outside `tail..head` may still hold a page, which is the ring's alone; its `len` then means nothing and is never read.
// So large that an index becomes an address by a shift.
#[repr(align(16))]
struct Slot<P> {
    page: Option<P>,
    offset: u16,
    len: u16,
    kind: Kind,
}

impl<P> Slot<P> {
    const EMPTY: Self = Self { page: None, offset: 0, len: 0, kind: Kind::PLAIN };

    #[inline]
    fn end(&self) -> usize {
        usize::from(self.offset) + usize::from(self.len)
    }
}

/// The ring itself; `P` is whatever owns one page.
pub struct PageRing<P> {
    /// A power of two of them, so that `index & mask` finds the slot.
    slots: Box<[Slot<P>]>,
    /// The next slot to fill. Runs freely; published modulo 2³².
    head: u64,
    /// The next slot to drain. `head - tail` slots hold data, each at least one byte.
    tail: u64,
    /// Bytes that were ever put in.
    written_bytes: u64,
    /// Bytes that are gone again: those between the two are the sum of the lengths of `tail..head`.
    gone_bytes: u64,
    /// Writes that went, as a whole or with their first bytes, behind those of the one before.
    merges: u64,
    /// Slots that were filled before `head` was last set back, less those that were filled by reference.
    filled_before: u64,
    /// With so many used slots or more it is crowded: see `hold`.
    crowded_at: usize,
    recycle: Recycle,
    held: hold::Held,
}

/// What has gone through a ring since it was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Through {
    /// Bytes put in, in whichever way.
    pub bytes: u64,
    /// Slots begun by copying bytes into a page of the ring's own.
    pub slots: u64,
    /// Writes that went, as a whole or with their first bytes, behind those of the one before.
    pub merges: u64,
}

/// What a writer can do next.
pub enum WriteStep<'a, P> {
    /// Copy into this room, then commit it.
    Room(WriteRoom<'a, P>),
    /// The next slot has no page: call [`PageRing::supply_page`], then plan again.
    NeedsPage,
    /// Every slot holds data, and the last cannot take these bytes as well; or writers are held back.
    Full,
}

impl<P> PageRing<P> {
    /// An empty ring of `capacity` slots without pages.
    ///
    /// # Errors
    /// `EINVAL` unless `capacity` is a power of two of at most 2³¹; `ENOMEM`.
    pub fn try_new(capacity: usize, recycle: Recycle) -> Result<Self> {
        let (slots, held) = (empty_slots(capacity)?, hold::Held::NOBODY);
        Ok(Self {
            slots,
            head: 0,
            tail: 0,
            written_bytes: 0,
            gone_bytes: 0,
            merges: 0,
            filled_before: 0,
            crowded_at: capacity,
            recycle,
            held,
        })
    }

    /// Slots, used or not.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Slots that hold data.
    #[inline]
    #[must_use]
    pub fn occupancy(&self) -> usize {
        count(self.head - self.tail)
    }

    /// Pages that lie in the slots, used or not. Counts them.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.slots.iter().filter(|slot| slot.page.is_some()).count()
    }

    /// Bytes that wait for a reader.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> usize {
        count(self.written_bytes - self.gone_bytes)
    }

    /// What has gone through it.
    #[must_use]
    pub fn through(&self) -> Through {
        let slots = self.filled_before.wrapping_add(self.head);
        Through { bytes: self.written_bytes, slots, merges: self.merges }
    }

    /// Nothing to read.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head == self.tail
    }

    /// No free slot. A small write may still merge into the last one.
    #[inline]
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.occupancy() >= self.capacity()
    }

    /// Both indices, to be published for readers without the lock.
    #[inline]
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "modulo 2³² is meant")]
    pub fn head_tail(&self) -> HeadTail {
        HeadTail::new(self.head as u32, self.tail as u32)
    }

    #[inline]
    fn index(&self, position: u64) -> usize {
        count(position) & (self.slots.len() - 1)
    }

    /// Whether the odd bytes of a write (`len` modulo a page) fit behind the last slot's data.
    ///
    /// Only a slot between tail and head is looked at, so a recycled one with a stale length never is.
    #[inline]
    fn merges(&self, odd: usize, framing: Framing) -> bool {
        if odd == 0 || framing != Framing::Stream || self.is_empty() {
            return false;
        }
        let last = &self.slots[self.index(self.head - 1)];
        last.kind == Kind::PLAIN && last.end() + odd <= PAGE_SIZE
    }

    /// The next step of a write of which `len` bytes are left.
    ///
    /// At most a page a step. A write of at most a page takes one step or none, which makes it atomic.
    #[inline]
    pub fn plan_write(&mut self, len: usize, framing: Framing) -> WriteStep<'_, P> {
        let odd = len % PAGE_SIZE;
        if self.merges(odd, framing) {
            let index = self.index(self.head - 1);
            let (offset, next_head) = (self.slots[index].end(), self.head);
            return WriteStep::Room(WriteRoom { ring: self, index, next_head, offset, len: odd });
        }
        if self.is_crowded() && self.refuses_writers() {
            return WriteStep::Full;
        }
        let index = self.index(self.head);
        let slot = &mut self.slots[index];
        if slot.page.is_none() {
            return WriteStep::NeedsPage;
        }
        (slot.offset, slot.len, slot.kind) = (0, 0, Kind::new(framing, Hold::Exclusive));
        let next_head = self.head + 1;
        WriteStep::Room(WriteRoom { ring: self, index, next_head, offset: 0, len: len.min(PAGE_SIZE) })
    }

    /// Puts a page into the next slot to fill, where it stays until a write uses it. The ring must not be full.
    #[inline]
    pub fn supply_page(&mut self, page: P) {
        debug_assert!(!self.is_full(), "a page for a ring without a free slot");
        let index = self.index(self.head);
        self.slots[index].page = Some(page);
    }

    /// The next step of a read of at most `len` bytes, or `None` if the ring is empty.
    #[inline]
    pub fn plan_read(&mut self, len: usize) -> Option<ReadStep<'_, P>> {
        if self.is_empty() {
            return None;
        }
        let index = self.index(self.tail);
        let slot = &self.slots[index];
        let (offset, len) = (usize::from(slot.offset), len.min(usize::from(slot.len)));
        Some(ReadStep { ring: self, index, offset, len })
    }

    /// Moves the tail past the drained slot at `index` and finds a place for its page, or hands it out.
    #[inline(always)]
    fn retire(&mut self, index: usize) -> Option<P> {
        self.tail += 1;
        match self.recycle {
            Recycle::Keep => None,
            Recycle::Release => {
                let page = self.slots[index].page.take();
                // The slot just drained is free, so the next to fill is: usually its page is the one that is missing.
                let next = self.index(self.head);
                let place = &mut self.slots[next].page;
                if place.is_none() {
                    *place = page;
                    return None;
                }
                self.keep_spare(page)
            }
            Recycle::Free => self.slots[index].page.take(),
        }
    }

    /// Puts a page into one of the next [`SPARE_PAGES`] slots to fill that has none, or hands it out again.
    #[inline(never)]
    fn keep_spare(&mut self, page: Option<P>) -> Option<P> {
        let free = self.capacity() - self.occupancy();
        for place in 0..SPARE_PAGES.min(free) {
            let index = self.index(self.head + place as u64);
            let place = &mut self.slots[index].page;
            if place.is_none() {
                *place = page;
                return None;
            }
        }
        page
    }

    /// Changes the number of slots, keeping what waits for readers, and kept pages as far as they find a slot.
    ///
    /// # Errors
    /// As [`PageRing::try_new`], and `EBUSY` if more slots than `capacity` hold data, or the room is claimed. The ring is then
    /// unchanged.
    pub fn resize(&mut self, capacity: usize) -> Result<()> {
        let occupancy = self.head - self.tail;
        if capacity < self.occupancy() || capacity < self.capacity() && self.is_claimed(Party::Writers) {
            return Err(Errno::EBUSY);
        }
        let mut slots = empty_slots(capacity)?;
        let old_slots = self.slots.len();
        // In ring order: first the data, then the idle slots in the order in which writers would have come to them.
        for (position, slot) in slots.iter_mut().enumerate().take(old_slots) {
            let index = count(self.tail).wrapping_add(position) & (old_slots - 1);
            core::mem::swap(slot, &mut self.slots[index]);
        }
        self.filled_before = self.filled_before.wrapping_add(self.head - occupancy);
        (self.slots, self.tail, self.head) = (slots, 0, occupancy);
        self.note_crowd();
        Ok(())
    }

    /// Drops every byte, as after the last close, and every page but those of a ring that keeps them.
    pub fn clear(&mut self) {
        if self.recycle != Recycle::Keep {
            self.slots.fill_with(|| Slot::EMPTY);
        }
        while !self.is_empty() {
            let index = self.index(self.tail);
            let slot = &mut self.slots[index];
            if slot.kind.hold() == Hold::Shared {
                slot.page = None;
            }
            self.tail += 1;
        }
        self.gone_bytes = self.written_bytes;
    }

    /// Changes what becomes of drained pages. Those that lie idle already go as far as the new rule does not keep them.
    pub fn set_recycle(&mut self, recycle: Recycle) {
        self.recycle = recycle;
        let kept = match recycle {
            Recycle::Keep => return,
            Recycle::Release => SPARE_PAGES,
            Recycle::Free => 0,
        };
        let idle = self.capacity() - self.occupancy();
        for place in kept..idle {
            self.slot_to_fill(place).page = None;
        }
    }

    /// Lets go of the pages that lie idle, but for `kept` of them, those that would be filled first.
    pub fn release_idle_pages(&mut self, kept: usize) {
        let mut left = kept;
        for place in 0..self.capacity() - self.occupancy() {
            let page = &mut self.slot_to_fill(place).page;
            match left.checked_sub(usize::from(page.is_some())) {
                Some(rest) => left = rest,
                None => *page = None,
            }
        }
    }

    /// The slot that would be filled after `place` others.
    fn slot_to_fill(&mut self, place: usize) -> &mut Slot<P> {
        let index = self.index(self.head + place as u64);
        &mut self.slots[index]
    }
}

/// A number of slots or bytes that are there, or an index to be taken modulo their number: the machine has 64 bits.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "see above")]
const fn count(number: u64) -> usize {
    number as usize
}

/// `capacity` slots without pages, from memory that may be short.
fn empty_slots<P>(capacity: usize) -> Result<Box<[Slot<P>]>> {
    if !capacity.is_power_of_two() || capacity > 1 << 31 {
        return Err(Errno::EINVAL);
    }
    let mut slots = Vec::new();
    slots.try_reserve_exact(capacity).map_err(|_| Errno::ENOMEM)?;
    slots.resize_with(capacity, || Slot::EMPTY);
    Ok(slots.into_boxed_slice())
}

#[cfg(test)]
mod piece_tests;
#[cfg(test)]
mod short_tests;
#[cfg(test)]
mod tests;
