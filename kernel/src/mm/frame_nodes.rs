//! Memory for the nodes of the frame allocator's sets of free blocks, set aside at boot: as much as they can take at most,
//! however the free frames lie. So a frame can always be given back, in any order, with nothing else to be had.
//!
//! `buddy_system_allocator` keeps the blocks in a `BTreeSet` for each size, whose nodes come from the global allocator;
//! [`serve`] marks the calls that are answered from here. What the sets give back stays here.
//!
//! Lock: FRAME_NODES (spin), inside FRAMES. Never sleeps.

use super::frame::ORDERS;
use crate::arch::cpu::MAX_CPUS;
use crate::sync::{PerCpu, SpinLock, rank};
use core::alloc::Layout;
use core::ptr::NonNull;

/// Bytes of a `BTreeSet<usize>`'s nodes: eleven keys, a link to the parent, a place in it and a length; above the leaves,
/// twelve links to children besides. An in-kernel test finds out if another standard library has larger ones.
const LEAF: usize = 104;
const INNER: usize = 200;
/// Keys of a node that is not the root, at least.
const LEAST_KEYS: usize = 5;
/// Ranges of memory that may be handed over.
const MOST_RANGES: usize = 20;

/// Bytes that the nodes take at most if the frame allocator has so many frames: 12 for each, about 0.3 % of memory.
pub const fn bytes_for(frames: usize) -> usize {
    // Of two buddies of one size at most one is free, else they were one block: a block of one frame goes with a frame in use,
    // every other one is two frames itself. The blocks that a range of memory is first cut into may be buddies of the next one's.
    let blocks = frames / 2 + MOST_RANGES * 2 * ORDERS;
    // Every inner node has at least one child more than keys, and each key is in one node: of a set's blocks there is one between
    // every two leaves. The root of each set need not have as many.
    let leaves = blocks / (LEAST_KEYS + 1) + ORDERS;
    let inner = leaves / LEAST_KEYS + ORDERS;
    leaves * LEAF + inner * INNER
}

struct Nodes {
    /// What has not been used yet.
    next: usize,
    end: usize,
    free_leaves: FreeList,
    free_inner: FreeList,
}

/// Free nodes, linked through their first word.
struct FreeList(Option<NonNull<FreeNode>>);

struct FreeNode(Option<NonNull<FreeNode>>);

// SAFETY: the nodes belong to the list, whoever holds it.
unsafe impl Send for FreeList {}

static NODES: SpinLock<Nodes> = SpinLock::new(
    rank::FRAME_NODES,
    Nodes { next: 0, end: 0, free_leaves: FreeList(None), free_inner: FreeList(None) },
);

/// Whether this CPU is in the frame allocator.
static SERVING: PerCpu<bool> = PerCpu::new([false; MAX_CPUS]);

/// Sets memory aside: [`bytes_for`] all frames, before the first of them is handed over.
///
/// # Safety
/// `bytes` at `start`, a multiple of 8, are memory that is used for nothing else for ever.
pub unsafe fn init(start: usize, bytes: usize) {
    let mut nodes = NODES.lock();
    nodes.next = start;
    nodes.end = start + bytes;
}

/// Runs `f`, in which the frame allocator makes and frees nodes, and nobody else allocates.
pub fn serve<R>(f: impl FnOnce() -> R) -> R {
    SERVING.with(|serving| *serving = true);
    let result = f();
    SERVING.with(|serving| *serving = false);
    result
}

/// Whether what is allocated or freed now is a node.
#[inline]
pub fn is_serving() -> bool {
    SERVING.with(|serving| *serving)
}

/// Memory for a node. `None` for larger ones than there are, and if there were more than can be.
pub fn alloc(layout: &Layout) -> Option<NonNull<u8>> {
    let mut nodes = NODES.lock();
    let (list, bytes) = nodes.list_for(layout)?;
    if let Some(node) = list.0 {
        // SAFETY: the list owns its nodes, and `free` has initialised this one.
        list.0 = unsafe { node.as_ref() }.0;
        return Some(node.cast());
    }
    if nodes.end - nodes.next < bytes {
        return None;
    }
    nodes.next += bytes;
    NonNull::new(core::ptr::with_exposed_provenance_mut(nodes.next - bytes))
}

/// Takes a node's memory back.
///
/// # Safety
/// It came from [`alloc`] with the same layout and is not used any more.
pub unsafe fn free(node: NonNull<u8>, layout: &Layout) {
    let mut nodes = NODES.lock();
    let Some((list, _)) = nodes.list_for(layout) else { return };
    let node = node.cast::<FreeNode>();
    // SAFETY: the caller gives up the memory, which is larger than a link and aligned to words.
    unsafe { node.write(FreeNode(list.0)) };
    list.0 = Some(node);
}

impl Nodes {
    fn list_for(&mut self, layout: &Layout) -> Option<(&mut FreeList, usize)> {
        match layout.size() {
            _ if layout.align() > align_of::<usize>() => None,
            size if size <= LEAF => Some((&mut self.free_leaves, LEAF)),
            size if size <= INNER => Some((&mut self.free_inner, INNER)),
            _ => None,
        }
    }
}

const _: () = assert!(LEAF.is_multiple_of(align_of::<usize>()) && INNER.is_multiple_of(align_of::<usize>()));
