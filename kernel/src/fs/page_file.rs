//! The contents of a regular file: pages of memory with holes between them.
//!
//! Owns the page map. The same frames serve read, write and every mapping, so all of them agree at once.
//! Locks: PAGES around the map, never over a copy to or from user memory: a page's frame is shared out first, then copied.
//! Writers are put in order by the inode's lock. Sleeps for PAGES, and in user copies. Specification: tmpfs(5), fallocate(2),
//! the seals of fcntl(2).
//! Who shortens a file takes the pages from its mappings. A hole that is punched into a mapped page leaves it there, zeroed.

use crate::arch::mmu::PAGE_SIZE;
use crate::fs::budget::Budget;
use crate::mm::Frame;
use crate::mm::user::{Sink, Source};
use crate::sched;
use crate::sync::{Mutex, rank};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::ops::Range;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use linux_raw_sys::general::{F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE};
use postern_core::errno::{Errno, Result};

/// The largest length, in bytes: every offset fits a signed 64-bit number, as `off_t` demands.
pub const MAX_SIZE: u64 = i64::MAX as u64;

const PAGE_BYTES: u64 = PAGE_SIZE as u64;

/// Pages that a transfer moves before it lets others run.
const PAGES_AT_A_TIME: usize = 64;

/// Lets interrupts and others have the CPU now and then during a long transfer. Only sleeping locks are held.
fn breathe(index: usize) {
    if index.is_multiple_of(PAGES_AT_A_TIME) {
        sched::preemption_point();
    }
}

mod by_reference;

pub use by_reference::zero_page;

/// The part of one page that a byte range touches.
struct Span {
    index: usize,
    offset: usize,
    length: usize,
}

impl Span {
    /// From `at`, at most `length` bytes, at most to the end of the page.
    fn new(at: u64, length: usize) -> Result<Self> {
        let index = usize::try_from(at / PAGE_BYTES).map_err(|_| Errno::EFBIG)?;
        let offset = usize::try_from(at % PAGE_BYTES).map_err(|_| Errno::EFBIG)?;
        Ok(Self { index, offset, length: length.min(PAGE_SIZE - offset) })
    }
}

/// A file's bytes.
pub struct PageFile {
    budget: Arc<Budget>,
    pages: Mutex<BTreeMap<usize, Frame>>,
    /// Changed with `pages` locked only; read without. Release and Acquire: who sees a length sees what was stored within it
    /// before it was set.
    size: AtomicU64,
    /// How many pages the map holds, for stat(2). Relaxed, as the seals: they stand for themselves.
    held: AtomicU64,
    seals: AtomicU32,
}

impl PageFile {
    /// An empty file whose pages are counted in `budget`. No seals can be added.
    pub fn new(budget: Arc<Budget>) -> Self {
        Self::with_seals(budget, F_SEAL_SEAL)
    }

    /// An empty file with these seals.
    pub fn with_seals(budget: Arc<Budget>, seals: u32) -> Self {
        Self {
            budget,
            pages: Mutex::new(rank::PAGES, BTreeMap::new()),
            size: AtomicU64::new(0),
            held: AtomicU64::new(0),
            seals: AtomicU32::new(seals),
        }
    }

    /// Length in bytes.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// Pages held.
    pub fn held_pages(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// The seals in force (`F_SEAL_*`).
    pub fn seals(&self) -> u32 {
        self.seals.load(Ordering::Relaxed)
    }

    /// Adds seals.
    ///
    /// # Errors
    /// EPERM once F_SEAL_SEAL is set.
    pub fn add_seals(&self, seals: u32) -> Result<()> {
        self.seals
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| (old & F_SEAL_SEAL == 0).then_some(old | seals))
            .map(|_| ())
            .map_err(|_| Errno::EPERM)
    }

    fn check_seal(&self, seal: u32) -> Result<()> {
        if self.seals() & seal == 0 { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// Copies bytes from `offset` on to `sink`, zeroes for holes; 0 at and beyond the end.
    ///
    /// # Errors
    /// EFAULT if nothing could be copied.
    pub fn read(&self, offset: u64, sink: &mut Sink) -> Result<usize> {
        let mut moved = 0;
        loop {
            let at = offset.saturating_add(moved as u64);
            let left = usize::try_from(self.size().saturating_sub(at)).unwrap_or(usize::MAX);
            let length = left.min(sink.remaining());
            if length == 0 {
                return Ok(moved);
            }
            let span = Span::new(at, length)?;
            if moved > 0 {
                breathe(span.index);
            }
            let frame = self.pages.lock().get(&span.index).cloned();
            let step = match frame {
                Some(frame) => sink.copy_from_frame(&frame, span.offset..span.offset + span.length),
                None => sink.clear(span.length),
            };
            if let Some(result) = advance(&mut moved, step, span.length) {
                return result;
            }
        }
    }

    /// Copies bytes, at most `most`, from `source` to `offset` on; the file grows as needed. The caller holds the writers' lock of
    /// the inode.
    ///
    /// # Errors
    /// EFAULT, ENOSPC, ENOMEM, EFBIG, EPERM (sealed), if nothing was written.
    pub fn write(&self, offset: u64, source: &mut Source, most: usize) -> Result<usize> {
        let wanted = source.remaining().min(most);
        if wanted == 0 {
            return Ok(0);
        }
        self.check_seal(F_SEAL_WRITE)?;
        if offset >= MAX_SIZE {
            return Err(Errno::EFBIG);
        }
        let end = offset.saturating_add(wanted as u64);
        if end > self.size() {
            self.check_seal(F_SEAL_GROW)?;
        }
        let wanted = usize::try_from(end.min(MAX_SIZE) - offset).unwrap_or(usize::MAX);
        let mut moved = 0;
        while moved < wanted {
            let at = offset + moved as u64;
            let span = Span::new(at, wanted - moved)?;
            if moved > 0 {
                breathe(span.index);
            }
            let step = self
                .page_for_writing(span.index)
                .and_then(|frame| source.copy_to_frame(&frame, span.offset..span.offset + span.length));
            if let Ok(bytes) = step {
                self.grow_to(at + bytes as u64);
            }
            if let Some(result) = advance(&mut moved, step, span.length) {
                return result;
            }
        }
        Ok(moved)
    }

    /// The page at `index`, made if it is a hole. `pages` are this file's.
    fn page_or_new(&self, pages: &mut BTreeMap<usize, Frame>, index: usize) -> Result<Frame> {
        if let Some(frame) = pages.get(&index) {
            return Ok(frame.clone());
        }
        self.budget.pages.take(1)?;
        match Frame::alloc_zeroed() {
            Ok(frame) => {
                pages.insert(index, frame.clone());
                self.held.fetch_add(1, Ordering::Relaxed);
                Ok(frame)
            }
            Err(error) => {
                self.budget.pages.give(1);
                Err(error)
            }
        }
    }

    fn page_for_writing(&self, index: usize) -> Result<Frame> {
        self.page_or_new(&mut self.pages.lock(), index)
    }

    /// The page at `index` for a mapping, made if it is a hole.
    ///
    /// # Errors
    /// EFAULT beyond the end of the file; ENOSPC, ENOMEM.
    pub fn page_for_mapping(&self, index: usize) -> Result<Frame> {
        // The size is looked at with the pages locked: a truncation comes before it, or finds the page.
        let mut pages = self.pages.lock();
        let end = usize::try_from(self.size().div_ceil(PAGE_BYTES)).unwrap_or(usize::MAX);
        if index >= end { Err(Errno::EFAULT) } else { self.page_or_new(&mut pages, index) }
    }

    fn grow_to(&self, end: u64) {
        let _pages = self.pages.lock();
        self.size.fetch_max(end, Ordering::Release);
    }

    /// Sets the length: bytes beyond are gone for good, new ones read as zero. Hands back the pages that are gone, and the
    /// index from which on: mappings may still show them.
    ///
    /// # Errors
    /// EFBIG; EPERM (sealed).
    pub fn resize(&self, size: u64) -> Result<(usize, BTreeMap<usize, Frame>)> {
        if size > MAX_SIZE {
            return Err(Errno::EFBIG);
        }
        let old = self.size();
        if size < old {
            self.check_seal(F_SEAL_SHRINK)?;
        } else if size > old {
            self.check_seal(F_SEAL_GROW)?;
        }
        let first_gone = usize::try_from(size.div_ceil(PAGE_BYTES)).map_err(|_| Errno::EFBIG)?;
        let mut pages = self.pages.lock();
        self.size.store(size, Ordering::Release);
        let gone = pages.split_off(&first_gone);
        let tail = Span::new(size, PAGE_SIZE)?;
        if tail.offset != 0
            && let Some(frame) = pages.get(&tail.index)
        {
            frame.zero(tail.offset, tail.length);
        }
        drop(pages);
        self.forget_pages(gone.len());
        // As they are: to gather them in another form would take memory, of which there may be none until they are gone.
        Ok((first_gone, gone))
    }

    fn forget_pages(&self, count: usize) {
        self.budget.pages.give(count);
        self.held.fetch_sub(count as u64, Ordering::Relaxed);
    }

    /// Makes sure that memory is there for the range (fallocate(2) mode 0). The length is the caller's affair.
    ///
    /// # Errors
    /// ENOSPC, ENOMEM: pages made on the way stay; EFBIG; EPERM (sealed).
    pub fn allocate(&self, range: Range<u64>) -> Result<()> {
        if range.end > MAX_SIZE {
            return Err(Errno::EFBIG);
        }
        let last = usize::try_from(range.end.div_ceil(PAGE_BYTES)).map_err(|_| Errno::EFBIG)?;
        let first = usize::try_from(range.start / PAGE_BYTES).map_err(|_| Errno::EFBIG)?;
        let quota = &self.budget.pages;
        if last - first > quota.limit() {
            return Err(Errno::ENOSPC);
        }
        (first..last).try_for_each(|index| {
            breathe(index + 1);
            self.page_for_writing(index).map(drop)
        })
    }

    /// Makes the range read as zeroes and frees its whole pages (FALLOC_FL_PUNCH_HOLE).
    ///
    /// # Errors
    /// EPERM (sealed); EFBIG.
    pub fn punch(&self, range: Range<u64>) -> Result<()> {
        self.check_seal(F_SEAL_WRITE)?;
        let end = range.end.min(self.size().next_multiple_of(PAGE_BYTES));
        let mut at = range.start;
        let mut pages = self.pages.lock();
        let first = usize::try_from(at.div_ceil(PAGE_BYTES)).map_err(|_| Errno::EFBIG)?;
        let last = usize::try_from(end / PAGE_BYTES).map_err(|_| Errno::EFBIG)?;
        let mut gone = BTreeMap::new();
        if first < last {
            gone = pages.split_off(&first);
            pages.append(&mut gone.split_off(&last));
            pages.append(&mut take_shared(&mut gone));
        }
        while at < end {
            let span = Span::new(at, usize::try_from(end - at).unwrap_or(usize::MAX))?;
            if (first..last).contains(&span.index) {
                at = last as u64 * PAGE_BYTES;
                continue;
            }
            if let Some(frame) = pages.get(&span.index) {
                frame.zero(span.offset, span.length);
            }
            at += span.length as u64;
        }
        drop(pages);
        self.forget_pages(gone.len());
        let_go(gone);
        Ok(())
    }

    /// The first byte at or after `at` that lies in a page (`true`) or in a hole (`false`); the end of the file is a hole.
    pub fn next(&self, at: u64, wanted: Extent) -> Option<u64> {
        let size = self.size();
        if at >= size {
            return None;
        }
        let pages = self.pages.lock();
        let mut at = at;
        while at < size {
            let index = usize::try_from(at / PAGE_BYTES).ok()?;
            let there = pages.contains_key(&index);
            if there == (wanted == Extent::Data) {
                return Some(at);
            }
            at = match pages.range(index + 1..).next() {
                Some((next, _)) if !there => *next as u64 * PAGE_BYTES,
                None if !there => size,
                _ => (index as u64 + 1) * PAGE_BYTES,
            };
        }
        (wanted == Extent::Hole).then_some(size)
    }
}

/// Lets go of pages that a file has lost. Only sleeping locks are held.
pub fn let_go(gone: BTreeMap<usize, Frame>) {
    for (index, frame) in gone.into_values().enumerate() {
        drop(frame);
        breathe(index + 1);
    }
}

/// Takes out of `gone` the pages that somebody else holds (a mapping, a transfer in progress), zeroed.
fn take_shared(gone: &mut BTreeMap<usize, Frame>) -> BTreeMap<usize, Frame> {
    let mut shared = BTreeMap::new();
    gone.retain(|&index, frame| {
        let is_shared = frame.share_count() > 1;
        if is_shared {
            frame.zero(0, PAGE_SIZE);
            shared.insert(index, frame.clone());
        }
        !is_shared
    });
    shared
}

/// What SEEK_DATA and SEEK_HOLE look for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// Bytes with memory behind them.
    Data,
    /// Bytes without, or the end of the file.
    Hole,
}

impl Drop for PageFile {
    fn drop(&mut self) {
        let held = self.pages.get_mut().len();
        self.forget_pages(held);
    }
}

/// Adds one step's bytes to `moved`; the result of the whole when the step was the last: short, or failed. What was moved
/// before a failure counts more than the failure.
fn advance(moved: &mut usize, step: Result<usize>, length: usize) -> Option<Result<usize>> {
    match step {
        Ok(bytes) => {
            *moved += bytes;
            (bytes < length).then_some(Ok(*moved))
        }
        Err(error) if *moved == 0 => Some(Err(error)),
        Err(_) => Some(Ok(*moved)),
    }
}
