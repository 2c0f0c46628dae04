//! The short way: stream bytes that lie in one page of the ring's own, while nobody is held back and there is room.
//!
//! What nearly every transfer is. [`PageRing::plan_write`] and [`PageRing::plan_read`] are the specification; these two do the
//! same in one piece, or nothing at all (a test compares them). No locks, never sleeps.

use super::step::within_page;
use super::{Kind, PAGE_SIZE, PageRing, Recycle, Sink, Source, count};
use crate::errno::{Errno, Result};

impl<P> PageRing<P> {
    /// Writes `len` stream bytes, that `source` has. `None`: that takes more than the short way, and
    /// nothing has happened.
    ///
    /// # Errors
    /// `EFAULT` if it has fewer. None is in the ring then.
    #[inline(always)]
    pub fn write_short(&mut self, len: usize, source: &mut impl Source<P>) -> Option<Result<()>> {
        let (head, used, mask) = (self.head, self.head - self.tail, self.slots.len() - 1);
        if len > PAGE_SIZE {
            return None;
        }
        if used != 0 {
            let last = &mut self.slots[count(head - 1) & mask];
            let end = last.end();
            // No whole page fits behind the byte that is there at least.
            if last.kind == Kind::PLAIN && end + len <= PAGE_SIZE {
                if source.fill(last.page.as_mut()?, end..end + len) < len {
                    return Some(Err(Errno::EFAULT));
                }
                last.len += within_page(len);
                self.written_bytes += len as u64;
                self.merges += 1;
                return Some(Ok(()));
            }
        }
        if count(used) >= self.crowded_at {
            return None;
        }
        let slot = &mut self.slots[count(head) & mask];
        if source.fill(slot.page.as_mut()?, 0..len) < len {
            return Some(Err(Errno::EFAULT));
        }
        (slot.offset, slot.len, slot.kind) = (0, within_page(len), Kind::PLAIN);
        self.written_bytes += len as u64;
        self.head = head + 1;
        Some(Ok(()))
    }

    /// Reads at most `len` stream bytes, to `sink`. How many; `None`: that takes more
    /// than the short way, and nothing has happened.
    ///
    /// # Errors
    /// `EFAULT` if fewer arrive there. All are in the ring still.
    #[inline(always)]
    pub fn read_short(&mut self, len: usize, sink: &mut impl Sink<P>) -> Option<Result<usize>> {
        let Self { slots, head, tail, .. } = self;
        let mask = slots.len() - 1;
        let slot = &mut slots[count(*tail) & mask];
        let (offset, present) = (usize::from(slot.offset), usize::from(slot.len));
        // What the slot of an empty ring says is old.
        if head == tail || slot.kind.is_special() || (len > present && *head - *tail > 1) {
            return None;
        }
        let bytes = len.min(present);
        if sink.drain(slot.page.as_ref()?, offset..offset + bytes) < bytes {
            return Some(Err(Errno::EFAULT));
        }
        self.gone_bytes += bytes as u64;
        if bytes < present {
            slot.offset += within_page(bytes);
            slot.len -= within_page(bytes);
            return Some(Ok(bytes));
        }
        *tail += 1;
        if self.recycle == Recycle::Release {
            // As `retire`: the next slot to fill is free, and usually its page is the one that is missing.
            let page = slot.page.take();
            let next = &mut slots[count(*head) & mask].page;
            if next.is_none() {
                *next = page;
            } else {
                self.let_go(page);
            }
        } else if self.recycle == Recycle::Free {
            let page = slot.page.take();
            self.let_go(page);
        }
        Some(Ok(bytes))
    }

    /// Finds a place for a page of which the next slot to fill has no need, or drops it.
    #[inline(never)]
    fn let_go(&mut self, page: Option<P>) {
        if self.recycle == Recycle::Release {
            drop(self.keep_spare(page));
        }
    }
}
