//! Page frames: reference-counted handles over `buddy_system_allocator`'s frame allocator, with a
//! cache of free frames on each CPU in front (switchable, counted), and another of such as are full of zeroes: old page tables.
//!
//! Locks: FRAMES around the buddy allocator (whose nodes come from `frame_nodes`); none for the
//! caches. Never sleeps. Allocations for users fail with ENOMEM while a reserve is left for the
//! kernel itself, see [`Purpose`].

use super::frame_nodes;
use super::layout::direct;
use crate::arch::cpu::MAX_CPUS;
use crate::arch::memory;
use crate::arch::mmu::{PAGE_SHIFT, PAGE_SIZE};
use crate::sync::{PerCpu, SpinLock, rank};
use arrayvec::ArrayVec;
use buddy_system_allocator::FrameAllocator;
use core::num::NonZeroU32;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use postern_core::errno::{Errno, Result};
use postern_sync::References;

/// Frames a cache holds at most.
const CACHE_CAPACITY: usize = 64;
/// Frames moved at once between cache and buddy allocator.
const CACHE_BATCH: usize = 32;
/// log2 of the largest block, in pages, plus one: 2 GiB.
pub(super) const ORDERS: usize = 20;

static BUDDY: SpinLock<FrameAllocator<ORDERS>> = SpinLock::new(rank::FRAMES, FrameAllocator::new());
static CACHES: PerCpu<ArrayVec<NonZeroU32, CACHE_CAPACITY>> = PerCpu::new([const { ArrayVec::new_const() }; MAX_CPUS]);
/// Frames full of zeroes that a CPU keeps for [`Frame::alloc_zeroed`] at most.
const ZEROED_CAPACITY: usize = 32;
static ZEROED: PerCpu<ArrayVec<NonZeroU32, ZEROED_CAPACITY>> = PerCpu::new([const { ArrayVec::new_const() }; MAX_CPUS]);
/// Frames in the buddy allocator.
static BUDDY_FREE: AtomicUsize = AtomicUsize::new(0);
/// Frames handed to [`add_memory`].
static TOTAL: AtomicUsize = AtomicUsize::new(0);
/// Frames left to the kernel when users get ENOMEM.
static RESERVE: AtomicUsize = AtomicUsize::new(0);
/// Frames in contiguous blocks.
static CONTIGUOUS: AtomicUsize = AtomicUsize::new(0);
static CACHE_ENABLED: AtomicBool = AtomicBool::new(true);
static COUNTERS: PerCpu<Counters> = PerCpu::new([const { Counters::new() }; MAX_CPUS]);

/// The reference counts, one a frame of RAM, set up once at boot.
static REFERENCES: spin::Once<Table> = spin::Once::new();

/// The reference counts of all frames.
#[derive(Clone, Copy)]
pub struct Table {
    first: u32,
    counts: &'static [References],
}

impl Table {
    /// Panics outside RAM.
    fn references(self, physical: usize) -> &'static References {
        &self.counts[(physical >> PAGE_SHIFT).wrapping_sub(self.first as usize)]
    }

    /// As [`Frame::share_physical`] and [`Frame::into_physical`]: another entry gets a handle.
    ///
    /// # Safety
    /// As for the former; the new handle is taken back once.
    #[inline]
    pub unsafe fn share(self, physical: usize) {
        self.references(physical).share();
    }

    /// Drops the handle that [`Frame::into_physical`] or [`Table::share`] gave away.
    ///
    /// # Safety
    /// As [`Frame::from_physical`].
    #[inline]
    pub unsafe fn let_go(self, physical: usize) {
        if self.references(physical).let_go() {
            free(number_of(physical));
        }
    }

    /// As [`Table::let_go`], but if the handle is the last one, it is returned.
    ///
    /// # Safety
    /// As [`Frame::from_physical`].
    pub unsafe fn let_go_unless_last(self, physical: usize) -> Option<Frame> {
        let references = self.references(physical);
        references.let_go().then(|| {
            references.begin();
            Frame(number_of(physical))
        })
    }

    /// How many handles there are, as [`Frame::share_count`].
    pub fn share_count(self, physical: usize) -> u32 {
        self.references(physical).count()
    }
}

/// For who deals with many entries in turn.
pub fn table() -> Table {
    // `init` runs before the first frame exists.
    *REFERENCES.get().expect("frame table")
}

/// The number of the frame at `physical`.
#[inline]
fn number_of(physical: usize) -> NonZeroU32 {
    u32::try_from(physical >> PAGE_SHIFT).ok().and_then(NonZeroU32::new).expect("a frame's address")
}

/// The last handle is gone.
fn free(number: NonZeroU32) {
    count(|counters| &counters.freed);
    give(number);
}

/// What the allocator has done, per CPU. Relaxed: they are statistics.
struct Counters {
    allocated: AtomicU64,
    freed: AtomicU64,
    refills: AtomicU64,
    drains: AtomicU64,
}

impl Counters {
    const fn new() -> Self {
        Self {
            allocated: AtomicU64::new(0),
            freed: AtomicU64::new(0),
            refills: AtomicU64::new(0),
            drains: AtomicU64::new(0),
        }
    }
}

fn count(counter: impl Fn(&Counters) -> &AtomicU64) {
    // Only this CPU writes its counters: a plain add, without a bus-locked one.
    COUNTERS.with(|counters| {
        let counter = counter(counters);
        counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    });
}

/// Who a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A user's page, file or pipe: fails while the kernel's reserve is untouched.
    User,
    /// Heap, stacks, tables: may take the reserve.
    Kernel,
}

/// One 4 KiB page frame. Clones share it; the last one to go frees it.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame(NonZeroU32);

impl Frame {
    /// A frame with unspecified contents. ENOMEM.
    pub fn alloc() -> Result<Self> {
        Self::alloc_for(Purpose::User)
    }

    /// A frame for `purpose`. ENOMEM.
    pub fn alloc_for(purpose: Purpose) -> Result<Self> {
        let number = take(purpose).ok_or(Errno::ENOMEM)?;
        Ok(Self::first_handle(number))
    }

    /// The handle of a frame that was free.
    fn first_handle(number: NonZeroU32) -> Self {
        references(number).begin();
        count(|counters| &counters.allocated);
        Self(number)
    }

    /// A frame of zeroes. ENOMEM.
    pub fn alloc_zeroed() -> Result<Self> {
        Self::alloc_zeroed_for(Purpose::User)
    }

    /// A frame of zeroes for `purpose`. ENOMEM.
    pub fn alloc_zeroed_for(purpose: Purpose) -> Result<Self> {
        if let Some(number) = ZEROED.with(ArrayVec::pop) {
            return Ok(Self::first_handle(number));
        }
        let frame = Self::alloc_for(purpose)?;
        // SAFETY: a frame that nobody else has, in the direct map.
        unsafe { memory::zero_page(frame.address()) };
        Ok(frame)
    }

    /// Its physical address.
    pub fn physical(&self) -> usize {
        (self.0.get() as usize) << PAGE_SHIFT
    }

    /// Its direct-mapped address.
    pub fn address(&self) -> usize {
        direct(self.physical())
    }

    fn pointer(&self, offset: usize, length: usize) -> *mut u8 {
        assert!(offset <= PAGE_SIZE && length <= PAGE_SIZE - offset, "outside the frame");
        core::ptr::with_exposed_provenance_mut(self.address() + offset)
    }

    /// How many handles there are: 1 means the caller's is the only one.
    pub fn share_count(&self) -> u32 {
        references(self.0).count()
    }

    /// Copies bytes at `offset` out. User programs may be changing them: then they are torn, not unsound.
    pub fn read(&self, offset: usize, to: &mut [u8]) {
        let from = self.pointer(offset, to.len());
        // SAFETY: within the frame, which this handle keeps allocated; `to` is ours. The frame is raw
        // memory to Rust: no reference to it exists.
        unsafe { core::ptr::copy_nonoverlapping(from, to.as_mut_ptr(), to.len()) }
    }

    /// Copies bytes in at `offset`.
    pub fn write(&self, offset: usize, from: &[u8]) {
        let to = self.pointer(offset, from.len());
        // SAFETY: as in `read`.
        unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), to, from.len()) }
    }

    /// Stores a number in one access: whoever has the frame mapped sees the old one or the new one.
    /// `offset` is a multiple of 8.
    pub fn store_u64(&self, offset: usize, value: u64) {
        assert!(offset.is_multiple_of(8), "misaligned");
        let to = self.pointer(offset, 8).cast::<u64>();
        // SAFETY: as in `read`; aligned, and volatile: one store.
        unsafe { to.write_volatile(value) }
    }

    /// The frame as atomic words, for protocols with programs that have it mapped. Whoever uses these uses none of the copies
    /// above on the same bytes.
    pub fn words(&self) -> &[AtomicU32; PAGE_SIZE / size_of::<u32>()] {
        let words = self.pointer(0, PAGE_SIZE).cast::<[AtomicU32; PAGE_SIZE / size_of::<u32>()]>();
        // SAFETY: the frame, page-aligned, is allocated for as long as this handle exists, and always mapped; atomics bear it
        // that others, programs too, change them.
        unsafe { &*words }
    }

    /// Zeroes `length` bytes at `offset`.
    pub fn zero(&self, offset: usize, length: usize) {
        let to = self.pointer(offset, length);
        // SAFETY: as in `read`.
        unsafe { core::ptr::write_bytes(to, 0, length) }
    }

    /// Copies the whole of `other`.
    pub fn copy_from(&self, other: &Self) {
        let from = other.pointer(0, PAGE_SIZE);
        let to = self.pointer(0, PAGE_SIZE);
        assert_ne!(self.0, other.0, "a frame copied to itself");
        // SAFETY: as in `read`; two frames never overlap.
        unsafe { core::ptr::copy_nonoverlapping(from, to, PAGE_SIZE) }
    }

    /// Gives the handle to a page table entry: [`Frame::from_physical`] takes it back.
    pub fn into_physical(self) -> usize {
        let physical = self.physical();
        core::mem::forget(self);
        physical
    }

    /// The handle that [`Frame::into_physical`] gave away.
    ///
    /// # Safety
    /// `physical` came from `into_physical`, and that reference is taken back once.
    pub unsafe fn from_physical(physical: usize) -> Self {
        Self(number_of(physical))
    }

    /// Frees a frame of which this is the only handle, and which has been filled with zeroes: it need not be when it is wanted
    /// for what must be zero.
    pub fn free_zeroed(self) {
        debug_assert_eq!(self.share_count(), 1, "somebody else may write to it");
        debug_assert!(self.words().iter().all(|word| word.load(Ordering::Relaxed) == 0), "it is not zero");
        let number = self.0;
        core::mem::forget(self);
        count(|counters| &counters.freed);
        if !CACHE_ENABLED.load(Ordering::Relaxed) || ZEROED.with(|cache| cache.try_push(number)).is_err() {
            give(number);
        }
    }

    /// A further handle to a frame that a page table entry holds.
    ///
    /// # Safety
    /// The entry's reference exists throughout the call (the caller holds the table's lock).
    pub unsafe fn share_physical(physical: usize) -> Self {
        // SAFETY: the entry's own reference is not consumed: `ManuallyDrop` leaves it where it is.
        let held = core::mem::ManuallyDrop::new(unsafe { Self::from_physical(physical) });
        Self::clone(&held)
    }
}

impl Clone for Frame {
    fn clone(&self) -> Self {
        references(self.0).share();
        Self(self.0)
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        if references(self.0).let_go() {
            free(self.0);
        }
    }
}

fn references(number: NonZeroU32) -> &'static References {
    table().references((number.get() as usize) << PAGE_SHIFT)
}

/// The reference count of the frame at `physical`, for the heap, whose slabs are frames.
pub(super) fn references_at(physical: usize) -> &'static References {
    table().references(physical)
}

fn take(purpose: Purpose) -> Option<NonZeroU32> {
    if let Some(number) = CACHES.with(ArrayVec::pop) {
        return Some(number);
    }
    refill(purpose).or_else(|| ZEROED.with(ArrayVec::pop)).or_else(|| {
        // What the heap has and does not use. Not for the heap itself: it looks there before it asks.
        let reclaimed = purpose == Purpose::User && super::heap::reclaim() > 0;
        if reclaimed { CACHES.with(ArrayVec::pop).or_else(|| refill(purpose)) } else { None }
    })
}

/// Takes a batch from the buddy allocator, keeps all but one in this CPU's cache.
#[cold]
fn refill(purpose: Purpose) -> Option<NonZeroU32> {
    let free = BUDDY_FREE.load(Ordering::Relaxed);
    let reserve = match purpose {
        Purpose::User => RESERVE.load(Ordering::Relaxed),
        Purpose::Kernel => 0,
    };
    let available = free.saturating_sub(reserve);
    let wanted = if CACHE_ENABLED.load(Ordering::Relaxed) { CACHE_BATCH } else { 1 };
    let wanted = if available >= wanted { wanted } else { available.min(1) };
    if wanted == 0 {
        return None;
    }
    count(|counters| &counters.refills);
    let first = alloc_block(wanted).or_else(|| alloc_block(1).filter(|_| wanted > 1))?;
    let got = if wanted > 1 && first.1 == wanted { wanted } else { 1 };
    CACHES.with(|cache| {
        for offset in (1..got).rev() {
            #[expect(clippy::cast_possible_truncation, reason = "less than CACHE_BATCH")]
            let number = NonZeroU32::new(first.0 + offset as u32);
            if let Some(number) = number {
                cache.push(number);
            }
        }
    });
    NonZeroU32::new(first.0)
}

/// A block of `pages` (a power of two) from the buddy allocator: first frame number and size.
fn alloc_block(pages: usize) -> Option<(u32, usize)> {
    let first = frame_nodes::serve(|| BUDDY.lock().alloc(pages))?;
    BUDDY_FREE.fetch_sub(pages, Ordering::Relaxed);
    Some((u32::try_from(first).ok()?, pages))
}

fn give(number: NonZeroU32) {
    if !CACHE_ENABLED.load(Ordering::Relaxed) {
        give_to_buddy(&[number]);
        return;
    }
    let surplus: Option<ArrayVec<NonZeroU32, CACHE_BATCH>> = CACHES.with(|cache| {
        let surplus = cache.is_full().then(|| cache.drain(..CACHE_BATCH).collect());
        cache.push(number);
        surplus
    });
    if let Some(surplus) = surplus {
        count(|counters| &counters.drains);
        give_to_buddy(&surplus);
    }
}

#[cold]
fn give_to_buddy(numbers: &[NonZeroU32]) {
    frame_nodes::serve(|| {
        let mut buddy = BUDDY.lock();
        for number in numbers {
            buddy.dealloc(number.get() as usize, 1);
        }
    });
    BUDDY_FREE.fetch_add(numbers.len(), Ordering::Relaxed);
}

/// Contiguous frames for the kernel, given back by [`free_contiguous`]: first physical address. ENOMEM.
pub fn alloc_contiguous(pages: usize) -> Result<usize> {
    let pages = pages.next_power_of_two();
    let (first, _) = alloc_block(pages).ok_or(Errno::ENOMEM)?;
    CONTIGUOUS.fetch_add(pages, Ordering::Relaxed);
    Ok((first as usize) << PAGE_SHIFT)
}

/// Gives contiguous frames back.
pub fn free_contiguous(physical: usize, pages: usize) {
    let pages = pages.next_power_of_two();
    frame_nodes::serve(|| BUDDY.lock().dealloc(physical >> PAGE_SHIFT, pages));
    BUDDY_FREE.fetch_add(pages, Ordering::Relaxed);
    CONTIGUOUS.fetch_sub(pages, Ordering::Relaxed);
}

/// Installs the table of reference counts, which covers `ram` and lies at the direct-mapped address `table`.
///
/// # Safety
/// `table` is zeroed memory of 4 bytes a frame of `ram`, used for nothing else for ever.
pub unsafe fn init(ram: Range<usize>, table: usize) {
    let pointer = core::ptr::with_exposed_provenance::<References>(table);
    let length = ram.len() >> PAGE_SHIFT;
    // SAFETY: the caller's promise; zeroes are valid counts.
    let counts = unsafe { core::slice::from_raw_parts(pointer, length) };
    let first = u32::try_from(ram.start >> PAGE_SHIFT).expect("RAM below 16 TiB");
    REFERENCES.call_once(|| Table { first, counts });
}

/// Hands free RAM over to the allocator.
pub fn add_memory(range: Range<usize>) {
    let first = (range.start + PAGE_SIZE - 1) >> PAGE_SHIFT;
    let end = range.end >> PAGE_SHIFT;
    if first >= end {
        return;
    }
    frame_nodes::serve(|| BUDDY.lock().add_frame(first, end));
    BUDDY_FREE.fetch_add(end - first, Ordering::Relaxed);
    let total = TOTAL.fetch_add(end - first, Ordering::Relaxed) + end - first;
    RESERVE.store((total / 64).clamp(256, 2048), Ordering::Relaxed);
}

/// Whether the per-CPU caches are on.
pub fn is_cache_enabled() -> bool {
    CACHE_ENABLED.load(Ordering::Relaxed)
}

/// Turns the per-CPU caches on or off, for measurements. Frames already cached are used up.
pub fn set_cache_enabled(enabled: bool) {
    CACHE_ENABLED.store(enabled, Ordering::Relaxed);
}

/// Frames that users may still have, those in the CPUs' caches not counted.
pub fn available() -> usize {
    BUDDY_FREE.load(Ordering::Relaxed).saturating_sub(RESERVE.load(Ordering::Relaxed))
}

/// What there is and what has been done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Frames under management.
    pub total: usize,
    /// Frames free, caches included.
    pub free: usize,
    /// Frames kept from users.
    pub reserve: usize,
    /// Allocations.
    pub allocated: u64,
    /// Frees.
    pub freed: u64,
    /// Batches taken from the buddy allocator.
    pub refills: u64,
    /// Batches given back.
    pub drains: u64,
}

/// A snapshot of the statistics.
pub fn statistics() -> Statistics {
    let mut sum = Statistics {
        total: TOTAL.load(Ordering::Relaxed),
        reserve: RESERVE.load(Ordering::Relaxed),
        ..Statistics::default()
    };
    COUNTERS.for_each(|_, counters| {
        sum.allocated += counters.allocated.load(Ordering::Relaxed);
        sum.freed += counters.freed.load(Ordering::Relaxed);
        sum.refills += counters.refills.load(Ordering::Relaxed);
        sum.drains += counters.drains.load(Ordering::Relaxed);
    });
    #[expect(clippy::cast_possible_truncation, reason = "both are 64 bits here")]
    let used = (sum.allocated - sum.freed) as usize + CONTIGUOUS.load(Ordering::Relaxed);
    sum.free = sum.total.saturating_sub(used);
    sum
}

/// Frames handed out through [`Frame`] and not yet freed.
pub fn in_use() -> u64 {
    let statistics = statistics();
    statistics.allocated - statistics.freed
}
