//! The kernel heap: size-class caches on each CPU, a depot of each class behind them, which carves up slabs of a frame each;
//! and for larger blocks `linked_list_allocator` over what the heap has from the start, then pages of their own (`large_blocks`).
//!
//! Locks: HEAP around depots and the allocator of larger blocks; none for the caches. Never sleeps.
//! Slabs are taken from the frame allocator while at least half of [`SPARE_SLABS`] are left: some are at hand for those who
//! cannot be refused when frames run out. The frame allocator's own nodes do not come from here (`frame_nodes`). When frames
//! run out, slabs of which nothing is in use go back ([`reclaim`]).

use super::frame::{Frame, Purpose};
use super::layout::{HEAP, direct, physical};
use super::{frame, frame_nodes, large_blocks};
use crate::arch::cpu::MAX_CPUS;
use crate::sync::{PerCpu, SpinLock, rank};
use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicI64, Ordering};
use linked_list_allocator::Heap;
use postern_core::errno::{Errno, Result};
use postern_sync::References;

/// Sizes of the classes: powers of two.
const SMALLEST: usize = 16;
const CLASSES: usize = 8;
const LARGEST: usize = SMALLEST << (CLASSES - 1);
/// Bytes a class takes from the bottom at once.
const SLAB: usize = 4096;
/// Objects a CPU keeps of a class before it gives half back.
const CACHE_LIMIT: usize = 64;
/// Bytes mapped before the heap is used, by kernel_space.
pub const INITIAL: usize = 1 << 20;
/// Blocks larger than this never come out of the frames kept for the kernel: they are refused before. Whoever asks for more
/// must be able to hear that there is none (`try_reserve`).
const LARGEST_FROM_RESERVE: usize = 64 * 1024;
/// Idle bytes in the depots, beyond what the last [`reclaim`] had to leave there, that make another one worth its time.
const WORTH_RECLAIMING: usize = 64 * 1024;
/// Slabs kept in stock; more are taken when half of them are gone.
const SPARE_SLABS: usize = 48;

/// A singly linked list of free objects, linked through their first word.
struct FreeList {
    head: Option<NonNull<Node>>,
    length: usize,
}

struct Node {
    next: Option<NonNull<Node>>,
}

// SAFETY: the nodes belong to the list, whoever holds it.
unsafe impl Send for FreeList {}

impl FreeList {
    const fn new() -> Self {
        Self { head: None, length: 0 }
    }

    /// # Safety
    /// `object` is at least [`SMALLEST`] bytes, aligned to a word, and free.
    unsafe fn push(&mut self, object: NonNull<u8>) {
        let node = object.cast::<Node>();
        // SAFETY: the caller gives the object's memory to the list.
        unsafe { node.write(Node { next: self.head }) };
        self.head = Some(node);
        self.length += 1;
    }

    fn pop(&mut self) -> Option<NonNull<u8>> {
        let node = self.head?;
        // SAFETY: the list owns its nodes, and `push` initialised this one.
        self.head = unsafe { node.as_ref() }.next;
        self.length -= 1;
        Some(node.cast())
    }
}

struct Bottom {
    heap: Heap,
    depots: [FreeList; CLASSES],
    /// Slabs set aside, so that classes can grow although the rest of the heap is in pieces.
    spare: FreeList,
    /// Frames that are slabs.
    slabs: usize,
    /// Bytes of the objects in the depots.
    idle_bytes: usize,
    /// What of them the last [`reclaim`] could not give back.
    pinned_bytes: usize,
}

static BOTTOM: SpinLock<Bottom> = SpinLock::new(
    rank::HEAP,
    Bottom {
        heap: Heap::empty(),
        depots: [const { FreeList::new() }; CLASSES],
        spare: FreeList::new(),
        slabs: 0,
        idle_bytes: 0,
        pinned_bytes: 0,
    },
);

/// Free objects of each class, at hand on each CPU.
static LOCAL: PerCpu<[FreeList; CLASSES]> = PerCpu::new([const { [const { FreeList::new() }; CLASSES] }; MAX_CPUS]);
/// Bytes handed out by each CPU less bytes freed there; only the sum means anything. Written by its CPU alone: Relaxed.
static IN_USE: PerCpu<AtomicI64> = PerCpu::new([const { AtomicI64::new(0) }; MAX_CPUS]);

fn account(bytes: usize, sign: i64) {
    IN_USE.with(|in_use| {
        in_use.store(in_use.load(Ordering::Relaxed) + sign * bytes as i64, Ordering::Relaxed);
    });
}

/// Bytes allocated, each rounded up to its class.
pub fn in_use_bytes() -> i64 {
    let mut sum = 0;
    IN_USE.for_each(|_, in_use| sum += in_use.load(Ordering::Relaxed));
    sum
}

/// Bytes the heap spans.
pub fn size_bytes() -> usize {
    let bottom = BOTTOM.lock();
    bottom.heap.size() + bottom.slabs * SLAB + large_blocks::size_bytes()
}

/// Gives the heap its first [`INITIAL`] bytes.
///
/// # Safety
/// They are mapped at [`HEAP`], and this is called once.
pub unsafe fn init() {
    let start = core::ptr::with_exposed_provenance_mut(HEAP);
    // SAFETY: the caller's promise.
    unsafe { BOTTOM.lock().heap.init(start, INITIAL) };
    BOTTOM.lock().stock_up_at_first();
    large_blocks::init().expect("room in the first bytes of the heap");
}

/// The allocator behind `alloc`.
pub struct KernelHeap;

#[global_allocator]
static ALLOCATOR: KernelHeap = KernelHeap;

fn class_of(layout: &Layout) -> Option<usize> {
    let size = layout.size().max(layout.align()).max(SMALLEST);
    (size <= LARGEST).then(|| size.next_power_of_two().trailing_zeros() as usize - SMALLEST.trailing_zeros() as usize)
}

const fn class_size(class: usize) -> usize {
    SMALLEST << class
}

// SAFETY: blocks come from lists that own them, from frame_nodes or from linked_list_allocator; a class's objects are
// aligned to its size, a power of two not below the layout's alignment.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if frame_nodes::is_serving() {
            return frame_nodes::alloc(&layout).map_or(core::ptr::null_mut(), NonNull::as_ptr);
        }
        let (block, bytes) = match class_of(&layout) {
            Some(class) => (LOCAL.with(|local| local[class].pop()).or_else(|| refill(class)), class_size(class)),
            None => (alloc_large(layout), layout.size()),
        };
        if block.is_some() {
            account(bytes, 1);
        }
        block.map_or(core::ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(block) = NonNull::new(block) else { return };
        if frame_nodes::is_serving() {
            // SAFETY: what is freed in the frame allocator was allocated there.
            unsafe { frame_nodes::free(block, &layout) };
        } else if let Some(class) = class_of(&layout) {
            account(class_size(class), -1);
            let overfull = LOCAL.with(|local| {
                let list = &mut local[class];
                // SAFETY: the caller frees an object that this class handed out.
                unsafe { list.push(block) };
                list.length > CACHE_LIMIT
            });
            if overfull {
                drain(class);
            }
        } else {
            account(layout.size(), -1);
            // SAFETY: the block came from `alloc_large` with the same layout.
            unsafe { free_large(block, layout) };
        }
    }
}

/// Moves objects of `class` to this CPU, carving up a slab if the depot is empty; returns one.
#[cold]
fn refill(class: usize) -> Option<NonNull<u8>> {
    let mut bottom = BOTTOM.lock();
    if !bottom.has_some(class) {
        drop(bottom);
        if !stock_up() && reclaim() > 0 {
            stock_up();
        }
        // Others may have stocked up as well: look in any case.
        bottom = BOTTOM.lock();
        if !bottom.has_some(class) {
            return None;
        }
    }
    let object = bottom.take(class);
    LOCAL.with(|local| {
        for _ in 0..CACHE_LIMIT / 4 {
            let Some(object) = bottom.take(class) else { break };
            // SAFETY: the depot owned it.
            unsafe { local[class].push(object) };
        }
    });
    let is_low = bottom.is_low();
    drop(bottom);
    if is_low {
        stock_up();
    }
    object
}

impl Bottom {
    /// Whether it is time to stock up on slabs.
    fn is_low(&self) -> bool {
        self.spare.length < SPARE_SLABS / 2
    }

    /// Whether the depot of `class` has an object, perhaps of a slab carved up for it now.
    fn has_some(&mut self, class: usize) -> bool {
        self.depots[class].head.is_some() || self.carve_slab(class)
    }

    fn take(&mut self, class: usize) -> Option<NonNull<u8>> {
        let object = self.depots[class].pop()?;
        self.idle_bytes -= class_size(class);
        Some(object)
    }

    /// # Safety
    /// `object` is one of `class`, and free.
    unsafe fn put(&mut self, class: usize, object: NonNull<u8>) {
        // SAFETY: the caller's promise.
        unsafe { self.depots[class].push(object) };
        self.idle_bytes += class_size(class);
    }

    /// Cuts a spare slab into objects of `class`. False if there is none.
    fn carve_slab(&mut self, class: usize) -> bool {
        let Some(slab) = self.spare.pop() else { return false };
        for offset in (0..SLAB).step_by(class_size(class)) {
            // SAFETY: within the slab, which is ours.
            let object = unsafe { slab.add(offset) };
            // SAFETY: the object is unused, and large and aligned enough.
            unsafe { self.put(class, object) };
        }
        true
    }

    /// The first stock of slabs, before there are frames.
    fn stock_up_at_first(&mut self) {
        let Ok(layout) = Layout::from_size_align(SLAB, SLAB) else { return };
        while self.spare.length < SPARE_SLABS {
            let Ok(slab) = self.heap.allocate_first_fit(layout) else { break };
            // SAFETY: a new slab, unused and large enough.
            unsafe { self.spare.push(slab) };
        }
    }

    /// Takes the slabs out of which nothing is in use; they are whole, and the caller's.
    fn take_idle_slabs(&mut self) -> FreeList {
        let mut idle = FreeList::new();
        for class in 0..CLASSES {
            self.take_idle_slabs_of(class, &mut idle);
        }
        self.slabs -= idle.length;
        self.pinned_bytes = self.idle_bytes;
        idle
    }

    /// While a slab's objects are counted, the count is kept with its frame's references, of which a slab has just one.
    fn take_idle_slabs_of(&mut self, class: usize, idle: &mut FreeList) {
        let mut next = self.depots[class].head;
        while let Some(node) = next {
            if let Some(references) = slab_references(node.cast()) {
                references.share();
            }
            // SAFETY: the depot owns its nodes.
            next = unsafe { node.as_ref() }.next;
        }
        let all = u32::try_from(SLAB / class_size(class)).unwrap_or(u32::MAX);
        let mut kept = FreeList::new();
        while let Some(object) = self.take(class) {
            let whole = slab_references(object).is_some_and(|references| references.count() == 1 + all);
            if !whole {
                // SAFETY: the depot owned it.
                unsafe { kept.push(object) };
            } else if object.addr().get().is_multiple_of(SLAB) {
                // SAFETY: no object of the slab is in use, nor will one be: all of them leave the depot in this loop.
                unsafe { idle.push(object) };
            }
        }
        while let Some(object) = kept.pop() {
            if let Some(references) = slab_references(object) {
                references.begin();
            }
            // SAFETY: the depot owned it.
            unsafe { self.put(class, object) };
        }
    }
}

/// The reference count of the slab's frame that `object` lies in; `None` for one of the first stock, which has no frame.
fn slab_references(object: NonNull<u8>) -> Option<&'static References> {
    let address = object.addr().get();
    (address < HEAP).then(|| frame::references_at(physical(address)))
}

/// Fills the stock of slabs. False if not one could be had.
fn stock_up() -> bool {
    let mut any = false;
    while BOTTOM.lock().spare.length < SPARE_SLABS {
        // Without the lock, which ranks after the frame allocator's.
        let Ok(frame) = Frame::alloc_for(Purpose::Kernel) else { break };
        let slab = core::ptr::with_exposed_provenance_mut(direct(frame.into_physical()));
        let Some(slab) = NonNull::new(slab) else { break };
        let mut bottom = BOTTOM.lock();
        // SAFETY: a frame of our own.
        unsafe { bottom.spare.push(slab) };
        bottom.slabs += 1;
        any = true;
    }
    any
}

/// Gives slabs of which nothing is in use back to the frame allocator, if there is a prospect of some; how many.
pub fn reclaim() -> usize {
    let mut bottom = BOTTOM.lock();
    bottom.pinned_bytes = bottom.pinned_bytes.min(bottom.idle_bytes);
    if bottom.idle_bytes < bottom.pinned_bytes + WORTH_RECLAIMING {
        return 0;
    }
    let mut idle = bottom.take_idle_slabs();
    drop(bottom);
    let count = idle.length;
    while let Some(slab) = idle.pop() {
        let physical = physical(slab.addr().get());
        frame::references_at(physical).begin();
        // SAFETY: the slab's own reference, which `stock_up` gave away.
        drop(unsafe { Frame::from_physical(physical) });
    }
    count
}

/// Gives half of this CPU's objects of `class` back.
#[cold]
fn drain(class: usize) {
    let mut bottom = BOTTOM.lock();
    LOCAL.with(|local| {
        for _ in 0..CACHE_LIMIT / 2 {
            let Some(object) = local[class].pop() else { break };
            // SAFETY: the local list owned it.
            unsafe { bottom.put(class, object) };
        }
    });
}

fn alloc_large(layout: Layout) -> Option<NonNull<u8>> {
    let first = BOTTOM.lock().heap.allocate_first_fit(layout).ok();
    if first.is_some() || layout.align() > SLAB {
        return first;
    }
    if layout.size() > LARGEST_FROM_RESERVE && admit(layout.size()).is_err() {
        return None;
    }
    // Without the lock, which ranks after those of the kernel's tables and of the frame allocator.
    let mapped = || large_blocks::alloc(layout.size());
    mapped().or_else(|| if reclaim() > 0 { mapped() } else { None })
}

/// # Safety
/// `block` came from [`alloc_large`] with the same layout, and is not used any more.
unsafe fn free_large(block: NonNull<u8>, layout: Layout) {
    if large_blocks::contains(block) {
        // SAFETY: the caller's promise.
        unsafe { large_blocks::free(block, layout.size()) };
    } else {
        // SAFETY: the caller's promise; what is no mapped block is the allocator's.
        unsafe { BOTTOM.lock().heap.deallocate(block, layout) };
    }
}

/// ENOMEM unless the heap can take `bytes` more without the frames kept for the kernel: for calls that
/// make kernel objects, and for requests whose size a user chooses.
pub fn admit(bytes: usize) -> Result<()> {
    let pages = super::layout::page_up(bytes) / SLAB;
    let fits = || frame::available() > pages;
    if fits() || (reclaim() > 0 && fits()) { Ok(()) } else { Err(Errno::ENOMEM) }
}

/// An empty vector with room for as many elements as a user has asked for. ENOMEM.
pub fn vec_with_room<T>(count: usize) -> Result<Vec<T>> {
    admit(count.checked_mul(size_of::<T>()).ok_or(Errno::ENOMEM)?)?;
    let mut vec = Vec::new();
    vec.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    Ok(vec)
}
