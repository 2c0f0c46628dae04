//! Memory at boot: from the early tables and a list of RAM to the frame allocator and the heap.
//! Runs once, on the boot CPU.

use super::layout::{direct, page_down, page_up};
use super::{frame, frame_nodes, heap, kernel_space};
use crate::arch::boot;
use crate::arch::mmu::{PAGE_SHIFT, PAGE_SIZE};
use arrayvec::ArrayVec;
use core::fmt::{self, Display, Formatter};
use core::ops::Range;

/// RAM, less what is in use. At most as many pieces as the two lists can make.
type Ranges = ArrayVec<Range<usize>, 16>;

/// Takes pages from the front of a free range, before there is an allocator.
struct Bump {
    free: Ranges,
    from: usize,
}

impl Bump {
    fn new(free: Ranges) -> Self {
        let from = (0..free.len()).max_by_key(|index| free[*index].len()).unwrap_or(0);
        Self { free, from }
    }

    /// How many pages it can give.
    fn pages(&self) -> usize {
        self.free.get(self.from).map_or(0, |range| page_down(range.end) - page_up(range.start)) >> PAGE_SHIFT
    }

    fn take(&mut self, pages: usize) -> usize {
        let range = &mut self.free[self.from];
        let start = page_up(range.start);
        let end = start + pages * PAGE_SIZE;
        assert!(end <= range.end, "not enough memory to boot");
        range.start = end;
        let pointer = core::ptr::with_exposed_provenance_mut::<u8>(direct(start));
        // SAFETY: free RAM, in the early direct map; nobody else has it.
        unsafe { core::ptr::write_bytes(pointer, 0, pages * PAGE_SIZE) };
        start
    }
}

/// From the lowest to the highest page of RAM.
fn span(ram: &[Range<usize>]) -> Range<usize> {
    let lowest = ram.iter().map(|range| page_down(range.start)).min().unwrap_or(0);
    lowest..ram.iter().map(|range| page_up(range.end)).max().unwrap_or(0)
}

/// Pages for the frames' reference counts, four bytes for each.
fn count_pages(ram: &[Range<usize>]) -> usize {
    page_up(span(ram).len() >> PAGE_SHIFT << 2) >> PAGE_SHIFT
}

/// Pages for the frame allocator's nodes.
fn node_pages(ram: &[Range<usize>]) -> usize {
    let frames = ram.iter().map(Range::len).sum::<usize>() >> PAGE_SHIFT;
    page_up(frame_nodes::bytes_for(frames)) >> PAGE_SHIFT
}

/// At least as many pages as [`start`] takes in a row: RAM's tables are one for each gigabyte and a few at the ends of
/// each range, the image and the heap have few.
fn pages_needed(ram: &[Range<usize>]) -> usize {
    let tables: usize = ram.iter().map(|range| (range.len() >> 30) + 8).sum();
    64 + tables + heap::INITIAL / PAGE_SIZE + count_pages(ram) + node_pages(ram)
}

/// The largest free piece of RAM is too small for what the kernel sets up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotEnoughMemory {
    pages: usize,
    needed: usize,
}

impl Display for NotEnoughMemory {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "not enough memory: {} free pages in a row of the {} needed", self.pages, self.needed)
    }
}

/// Sets up tables, frames and heap. `reserved`: the image, the device tree and the initramfs, whose
/// pages the caller may hand to [`frame::add_memory`] later.
/// Called once, by `kernel_main`, while the early tables are active.
pub fn start(ram: &[Range<usize>], reserved: &[Range<usize>], image: usize) -> Result<(), NotEnoughMemory> {
    let mut free = Ranges::new();
    for range in ram {
        subtract(range.clone(), reserved, &mut free);
    }
    let mut bump = Bump::new(free);
    let (pages, needed) = (bump.pages(), pages_needed(ram));
    if pages < needed {
        return Err(NotEnoughMemory { pages, needed });
    }
    // SAFETY: the early tables are active (see above); the bump allocator gives zeroed pages.
    unsafe { kernel_space::init(ram, image, || bump.take(1)) };
    // SAFETY: kernel_space has just mapped the heap's first bytes.
    unsafe { heap::init() };
    let table = bump.take(count_pages(ram));
    // SAFETY: zeroed pages that are never given away.
    unsafe { frame::init(span(ram), direct(table)) };
    let node_pages = node_pages(ram);
    let nodes = bump.take(node_pages);
    // SAFETY: as above.
    unsafe { frame_nodes::init(direct(nodes), node_pages * PAGE_SIZE) };
    for range in bump.free {
        frame::add_memory(range);
    }
    Ok(())
}

/// Appends `range` less all of `holes` to `out`.
fn subtract(range: Range<usize>, holes: &[Range<usize>], out: &mut Ranges) {
    let Some((hole, rest)) = holes.split_first() else {
        if page_up(range.start) < page_down(range.end) {
            out.push(range);
        }
        return;
    };
    let hole = page_down(hole.start)..page_up(hole.end);
    subtract(range.start..range.end.min(hole.start), rest, out);
    subtract(range.start.max(hole.end)..range.end, rest, out);
}

/// Size of the image in memory.
pub fn image_bytes() -> usize {
    boot::kernel_end() - boot::kernel_start()
}

/// The bytes of a range that was reserved at boot and not yet given to the frame allocator.
pub fn reserved_memory(range: &Range<usize>) -> &'static [u8] {
    let pointer = core::ptr::with_exposed_provenance(direct(range.start));
    // SAFETY: RAM in the direct map that nobody writes; the caller gives it away only after its last use.
    unsafe { core::slice::from_raw_parts(pointer, range.len()) }
}
