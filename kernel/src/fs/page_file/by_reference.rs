//! A file's pages by reference: shared out to a ring, or taken from one.
//!
//! A page that is shared out stays the file's: whoever writes the file later changes what the ring shows, and cutting the file
//! takes nothing from the ring. Taken in is only a page that nobody else holds; all others are copied.
//! Lock: PAGES. Specification: splice(2); mm/shmem.c of Linux 6.12.

use super::{MAX_SIZE, PageFile, Span};
use crate::arch::mmu::PAGE_SIZE;
use crate::fs::splice::Batch;
use crate::mm::Frame;
use crate::mm::user::Source;
use core::sync::atomic::Ordering;
use linux_raw_sys::general::{F_SEAL_GROW, F_SEAL_WRITE};
use postern_core::errno::Result;
use postern_core::page_ring::{Hold, Offer, Piece};

/// What holes are read as: never written to.
static ZEROES: spin::Once<Frame> = spin::Once::new();

/// A page of zeroes, the same one each time. Never to be written to.
///
/// # Errors
/// ENOMEM.
pub fn zero_page() -> Result<Frame> {
    ZEROES.try_call_once(Frame::alloc_zeroed).cloned()
}

impl PageFile {
    /// References to the pages from `offset` on, for at most `length` bytes, as far as `batch` has room; 0 at and beyond the end.
    ///
    /// # Errors
    /// ENOMEM, EFBIG.
    pub fn share(&self, offset: u64, length: usize, batch: &mut Batch) -> Result<usize> {
        let zeroes = zero_page()?;
        let pages = self.pages.lock();
        let end = self.size().min(offset.saturating_add(length as u64));
        let mut at = offset;
        while at < end && !batch.is_full() {
            let span = Span::new(at, usize::try_from(end - at).unwrap_or(usize::MAX))?;
            let frame = pages.get(&span.index).unwrap_or(&zeroes).clone();
            batch.push(Piece::new(frame, span.offset..span.offset + span.length, Hold::Shared));
            at += span.length as u64;
        }
        Ok(usize::try_from(at.saturating_sub(offset)).unwrap_or(usize::MAX))
    }

    /// Takes the bytes on offer, at most `most`, to `offset`: with their page, if it is a whole one that nobody else holds and
    /// its place in the file is as free; else a copy. The caller holds the writers' lock of the inode.
    ///
    /// # Errors
    /// As [`PageFile::write`].
    pub fn take(&self, offset: u64, offer: &mut Offer<'_, Frame>, most: usize) -> Result<usize> {
        let is_page = offer.range() == (0..PAGE_SIZE) && most >= PAGE_SIZE && offset.is_multiple_of(PAGE_SIZE as u64);
        let fits = offset.checked_add(PAGE_SIZE as u64).is_some_and(|end| end <= MAX_SIZE);
        if is_page && fits && offer.page().share_count() == 1 && self.adopt(offset, offer)? {
            return Ok(PAGE_SIZE);
        }
        self.write(offset, &mut Source::from_frame(offer.page(), offer.range()), most)
    }

    /// Makes the page on offer the file's, unless somebody else uses the one that is there.
    fn adopt(&self, offset: u64, offer: &mut Offer<'_, Frame>) -> Result<bool> {
        let end = offset + PAGE_SIZE as u64;
        self.check_seal(F_SEAL_WRITE)?;
        if end > self.size() {
            self.check_seal(F_SEAL_GROW)?;
        }
        let index = Span::new(offset, PAGE_SIZE)?.index;
        let mut pages = self.pages.lock();
        let new = match pages.get(&index) {
            Some(old) if old.share_count() > 1 => return Ok(false),
            Some(_) => 0,
            None => 1,
        };
        self.budget.pages.take(new)?;
        let Some(page) = offer.take_page() else {
            self.budget.pages.give(new);
            return Ok(false);
        };
        let old = pages.insert(index, page);
        self.held.fetch_add(new as u64, Ordering::Relaxed);
        self.size.fetch_max(end, Ordering::Release);
        drop(pages);
        drop(old);
        Ok(true)
    }
}
