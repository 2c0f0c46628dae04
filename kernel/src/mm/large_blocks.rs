//! Blocks of the heap that are pages of their own: mapped when they are allocated, from frames that lie anywhere, and given back
//! when they are freed. So what a program makes the kernel keep, as in messages that nobody reads, goes back with it.
//!
//! Locks: LARGE_BLOCKS around the places in the address space; then KERNEL_SPACE and FRAMES to map. Never sleeps.

use super::kernel_space;
use super::layout::{HEAP, HEAP_MAX};
use crate::arch::mmu::PAGE_SIZE;
use crate::sync::{SpinLock, rank};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};
use postern_core::bitmap::Bitmap;
use postern_core::errno::Result;

/// The first address: behind what the heap has from the start.
const START: usize = HEAP + super::heap::INITIAL;
/// Pages there is room for.
const ROOM: usize = (HEAP_MAX - super::heap::INITIAL) / PAGE_SIZE;

/// The pages that belong to blocks, counted from [`START`].
static PLACES: SpinLock<Bitmap> = SpinLock::new(rank::LARGE_BLOCKS, Bitmap::new());
/// How many pages are mapped. Relaxed: a sum.
static MAPPED: AtomicUsize = AtomicUsize::new(0);

/// Makes room to note all places, once. Until then there are no such blocks. ENOMEM.
pub fn init() -> Result<()> {
    let mut places = Bitmap::new();
    places.try_grow(ROOM)?;
    *PLACES.lock() = places;
    Ok(())
}

/// Bytes of frames that are blocks.
pub fn size_bytes() -> usize {
    MAPPED.load(Ordering::Relaxed) * PAGE_SIZE
}

/// Whether a block of the heap is one of these.
pub fn contains(block: NonNull<u8>) -> bool {
    (START..HEAP + HEAP_MAX).contains(&block.addr().get())
}

/// A block, aligned to a page. `None` without so many frames or addresses in a row.
pub fn alloc(bytes: usize) -> Option<NonNull<u8>> {
    let pages = bytes.div_ceil(PAGE_SIZE);
    let first = take_places(pages)?;
    let start = START + first * PAGE_SIZE;
    if kernel_space::map_block(start, pages * PAGE_SIZE).is_err() {
        give_places(first, pages);
        return None;
    }
    MAPPED.fetch_add(pages, Ordering::Relaxed);
    NonNull::new(core::ptr::with_exposed_provenance_mut(start))
}

/// Gives the block's frames and addresses back.
///
/// # Safety
/// It came from [`alloc`] with the same size, and is not used any more.
pub unsafe fn free(block: NonNull<u8>, bytes: usize) {
    let pages = bytes.div_ceil(PAGE_SIZE);
    let start = block.addr().get();
    // SAFETY: the caller's promise; `alloc` has mapped it, and nobody else is given these addresses yet.
    unsafe { kernel_space::unmap_block(start, pages * PAGE_SIZE) };
    MAPPED.fetch_sub(pages, Ordering::Relaxed);
    give_places((start - START) / PAGE_SIZE, pages);
}

/// The lowest places in a row that are free: the first of them.
fn take_places(pages: usize) -> Option<usize> {
    let mut places = PLACES.lock();
    let room = places.len().min(ROOM);
    let mut first = places.next_gap(0);
    while pages <= room.saturating_sub(first) {
        match places.next_member(first) {
            Some(end) if end < first + pages => first = places.next_gap(end),
            _ => {
                (first..first + pages).for_each(|place| places.insert(place));
                return Some(first);
            }
        }
    }
    None
}

fn give_places(first: usize, pages: usize) {
    let mut places = PLACES.lock();
    (first..first + pages).for_each(|place| places.remove(place));
}
