//! The kernel heap: size-class caches on each CPU, a depot of each class behind them, and
//! `linked_list_allocator` at the bottom, for large blocks and for the pages that classes carve up.
//!
//! Locks: HEAP around depots and the bottom allocator; none for the caches. Never sleeps.
//! The heap grows by whole chunks of frames while at least half of [`SPARE_SLABS`] are left, because
//! the frame allocator keeps its own nodes here and must never find the heap empty: growth happens
//! before need, and never from inside the frame allocator ([`without_growth`]).

use super::kernel_space;
use super::layout::{HEAP, HEAP_MAX};
use crate::arch::cpu::MAX_CPUS;
use crate::sync::{PerCpu, SpinLock, rank};
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicI64, Ordering};
use linked_list_allocator::Heap;

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
/// Bytes it grows by.
const GROWTH: usize = 256 * 1024;
/// Slabs kept in stock; the heap grows when half of them are gone.
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
    growing: bool,
}

static BOTTOM: SpinLock<Bottom> = SpinLock::new(
    rank::HEAP,
    Bottom {
        heap: Heap::empty(),
        depots: [const { FreeList::new() }; CLASSES],
        spare: FreeList::new(),
        growing: false,
    },
);

struct Local {
    lists: [FreeList; CLASSES],
    growth_forbidden: u32,
}

static LOCAL: PerCpu<Local> =
    PerCpu::new([const { Local { lists: [const { FreeList::new() }; CLASSES], growth_forbidden: 0 } }; MAX_CPUS]);
/// Bytes handed out by each CPU less bytes freed there; only the sum means anything. Written by its CPU alone: Relaxed.
static IN_USE: PerCpu<AtomicI64> = PerCpu::new([const { AtomicI64::new(0) }; MAX_CPUS]);

fn account(bytes: usize, sign: i64) {
    // The frame allocator's own nodes come and go with fragmentation: they are nobody's leak.
    if LOCAL.with(|local| local.growth_forbidden != 0) {
        return;
    }
    IN_USE.with(|in_use| {
        in_use.store(in_use.load(Ordering::Relaxed) + sign * bytes as i64, Ordering::Relaxed);
    });
}

/// Bytes allocated, each rounded up to its class; the frame allocator's nodes are not counted.
pub fn in_use_bytes() -> i64 {
    let mut sum = 0;
    IN_USE.for_each(|_, in_use| sum += in_use.load(Ordering::Relaxed));
    sum
}

/// Bytes the heap spans.
pub fn size_bytes() -> usize {
    BOTTOM.lock().heap.size()
}

/// Gives the heap its first [`INITIAL`] bytes.
///
/// # Safety
/// They are mapped at [`HEAP`], and this is called once.
pub unsafe fn init() {
    let start = core::ptr::with_exposed_provenance_mut(HEAP);
    // SAFETY: the caller's promise.
    unsafe { BOTTOM.lock().heap.init(start, INITIAL) };
    BOTTOM.lock().stock_up();
}

/// Runs `f`, whose allocations must be served from what the heap has: the frame allocator's, which
/// growing would call. They are not counted as in use, since they depend on how free memory lies.
pub fn without_growth<R>(f: impl FnOnce() -> R) -> R {
    LOCAL.with(|local| local.growth_forbidden += 1);
    let before = IN_USE.with(|in_use| in_use.load(Ordering::Relaxed));
    let result = f();
    IN_USE.with(|in_use| in_use.store(before, Ordering::Relaxed));
    LOCAL.with(|local| local.growth_forbidden -= 1);
    result
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

// SAFETY: blocks come from lists that own them or from linked_list_allocator; a class's objects are
// aligned to its size, a power of two not below the layout's alignment.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = match class_of(&layout) {
            Some(class) => {
                account(class_size(class), 1);
                LOCAL.with(|local| local.lists[class].pop()).or_else(|| refill(class))
            }
            None => {
                account(layout.size(), 1);
                alloc_large(layout)
            }
        };
        block.map_or(core::ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(block) = NonNull::new(block) else { return };
        if let Some(class) = class_of(&layout) {
            account(class_size(class), -1);
            let overfull = LOCAL.with(|local| {
                let list = &mut local.lists[class];
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
            unsafe { BOTTOM.lock().heap.deallocate(block, layout) };
        }
    }
}

/// Moves objects of `class` to this CPU, carving up a slab if the depot is empty; returns one.
#[cold]
fn refill(class: usize) -> Option<NonNull<u8>> {
    let mut bottom = BOTTOM.lock();
    if bottom.depots[class].head.is_none() && !bottom.carve_slab(class) {
        drop(bottom);
        // Growth by somebody else counts as well: try again in any case.
        grow_by(GROWTH);
        bottom = BOTTOM.lock();
        if bottom.depots[class].head.is_none() && !bottom.carve_slab(class) {
            return None;
        }
    }
    let object = bottom.depots[class].pop();
    LOCAL.with(|local| {
        for _ in 0..CACHE_LIMIT / 4 {
            let Some(object) = bottom.depots[class].pop() else { break };
            // SAFETY: the depot owned it.
            unsafe { local.lists[class].push(object) };
        }
    });
    let is_low = bottom.is_low();
    drop(bottom);
    if is_low {
        grow_by(GROWTH);
    }
    object
}

impl Bottom {
    /// Whether it is time to grow. Free bytes alone do not tell: they may lie in holes too small for a
    /// slab. The stock of slabs does.
    fn is_low(&self) -> bool {
        self.spare.length < SPARE_SLABS / 2
    }

    /// Cuts a spare slab into objects of `class`. False if there is none.
    fn carve_slab(&mut self, class: usize) -> bool {
        let Some(slab) = self.spare.pop().or_else(|| self.new_slab()) else { return false };
        for offset in (0..SLAB).step_by(class_size(class)) {
            // SAFETY: within the slab, which is ours.
            let object = unsafe { slab.add(offset) };
            // SAFETY: the object is unused, and large and aligned enough.
            unsafe { self.depots[class].push(object) };
        }
        true
    }

    fn new_slab(&mut self) -> Option<NonNull<u8>> {
        let layout = Layout::from_size_align(SLAB, SLAB).ok()?;
        self.heap.allocate_first_fit(layout).ok()
    }

    /// Fills the stock of slabs.
    fn stock_up(&mut self) {
        while self.spare.length < SPARE_SLABS {
            let Some(slab) = self.new_slab() else { break };
            // SAFETY: a new slab, unused and large enough.
            unsafe { self.spare.push(slab) };
        }
    }
}

/// Gives half of this CPU's objects of `class` back.
#[cold]
fn drain(class: usize) {
    let mut bottom = BOTTOM.lock();
    LOCAL.with(|local| {
        for _ in 0..CACHE_LIMIT / 2 {
            let Some(object) = local.lists[class].pop() else { break };
            // SAFETY: the local list owned it.
            unsafe { bottom.depots[class].push(object) };
        }
    });
}

fn alloc_large(layout: Layout) -> Option<NonNull<u8>> {
    let first = BOTTOM.lock().heap.allocate_first_fit(layout).ok();
    if first.is_some() {
        return first;
    }
    // Larger than what is free in one piece: grow by that much and try again.
    grow_by(layout.size() + layout.align() + GROWTH);
    BOTTOM.lock().heap.allocate_first_fit(layout).ok()
}

/// Maps more memory at the heap's end. False when that is impossible now.
fn grow_by(bytes: usize) -> bool {
    if LOCAL.with(|local| local.growth_forbidden != 0) {
        return false;
    }
    let bytes = super::layout::page_up(bytes);
    let start = loop {
        let mut bottom = BOTTOM.lock();
        if bottom.heap.size() + bytes > HEAP_MAX {
            return false;
        }
        if !bottom.growing {
            bottom.growing = true;
            break bottom.heap.top().addr();
        }
        // Another CPU is at it. It waits for none of our locks: those of the frame allocator and of the
        // kernel's tables are never held here (`growth_forbidden`).
        drop(bottom);
        crate::arch::cpu::relax();
    };
    let mapped = kernel_space::map_heap(start, bytes).is_ok();
    let mut bottom = BOTTOM.lock();
    if mapped {
        // SAFETY: the bytes behind the heap's end have just been mapped, by the one who grows it.
        unsafe { bottom.heap.extend(bytes) };
        bottom.stock_up();
    }
    bottom.growing = false;
    mapped
}

/// ENOMEM unless the heap can take `bytes` more without the frames kept for the kernel: for calls that
/// make kernel objects, and for requests whose size a user chooses.
pub fn admit(bytes: usize) -> postern_core::errno::Result<()> {
    let pages = super::layout::page_up(bytes) / crate::arch::mmu::PAGE_SIZE;
    if super::frame::available() > pages { Ok(()) } else { Err(postern_core::errno::Errno::ENOMEM) }
}
