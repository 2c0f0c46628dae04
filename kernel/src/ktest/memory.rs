//! Frames, heap, kernel stacks, address spaces.

use crate::arch::exception::Access;
use crate::arch::mmu::PAGE_SIZE;
use crate::mm::address_space::{AddressSpace, PageBacking, Placement};
use crate::mm::contiguous::ContiguousMemory;
use crate::mm::fault::Failure;
use crate::mm::frame::{self, Frame};
use crate::mm::kernel_space::KernelStack;
use crate::mm::layout::{HEAP_MAX, USER_LOW};
use crate::mm::shared::SharedPages;
use crate::mm::{PageIntent, PageSource, heap, reverse};
use alloc::sync::Arc;
use alloc::vec::Vec;
use postern_core::areas::{AreaFlags, Protection};
use postern_core::errno::Errno;

/// The table.
pub const TESTS: &[(&str, fn())] = &[
    ("frames_are_distinct_and_come_back", frames_are_distinct_and_come_back),
    ("a_shared_frame_is_freed_once", a_shared_frame_is_freed_once),
    ("the_page_cache_can_be_switched_off", the_page_cache_can_be_switched_off),
    ("users_cannot_take_the_reserve", users_cannot_take_the_reserve),
    ("frames_come_back_in_any_order", frames_come_back_in_any_order),
    ("heap_blocks_keep_their_contents", heap_blocks_keep_their_contents),
    ("a_refused_block_is_not_in_use", a_refused_block_is_not_in_use),
    ("large_blocks_go_back_to_the_frames", large_blocks_go_back_to_the_frames),
    ("small_blocks_grow_the_heap_although_it_is_in_pieces", small_blocks_grow_the_heap_although_it_is_in_pieces),
    ("idle_slabs_go_back", idle_slabs_go_back),
    ("stacks_can_be_written_to_the_top", stacks_can_be_written_to_the_top),
    ("a_page_is_there_on_demand_and_zero", a_page_is_there_on_demand_and_zero),
    ("what_is_not_mapped_is_not_there", what_is_not_mapped_is_not_there),
    ("protection_is_respected", protection_is_respected),
    ("a_fork_copies_on_write", a_fork_copies_on_write),
    ("shared_memory_is_shared_with_a_fork", shared_memory_is_shared_with_a_fork),
    ("a_part_can_be_unmapped", a_part_can_be_unmapped),
    ("a_fixed_mapping_replaces", a_fixed_mapping_replaces),
    ("moved_pages_keep_their_contents", moved_pages_keep_their_contents),
    ("a_move_without_memory_changes_nothing", a_move_without_memory_changes_nothing),
    ("an_object_is_cut_in_every_space", an_object_is_cut_in_every_space),
    ("a_replacement_counts_once", a_replacement_counts_once),
    ("a_forked_space_outlives_its_parent", a_forked_space_outlives_its_parent),
    ("pages_far_apart_are_all_found", pages_far_apart_are_all_found),
    ("a_fork_leaves_out_what_is_wiped_or_not_inherited", a_fork_leaves_out_what_is_wiped_or_not_inherited),
    ("an_old_table_is_a_page_of_zeroes", an_old_table_is_a_page_of_zeroes),
    ("bytes_are_copied_at_any_length_and_alignment", bytes_are_copied_at_any_length_and_alignment),
    ("bytes_are_filled_at_any_length_and_alignment", bytes_are_filled_at_any_length_and_alignment),
];

fn read_write() -> Protection {
    Protection::READ | Protection::WRITE
}

fn space_with(pages: usize, flags: AreaFlags) -> (Arc<AddressSpace>, usize) {
    let space = AddressSpace::new().unwrap();
    let address =
        space.map(Placement::Hint(0), pages * PAGE_SIZE, read_write(), flags, PageBacking::Anonymous, 0).unwrap();
    (space, address)
}

fn put(space: &AddressSpace, address: usize, value: u8) {
    space.with_page(address, PageIntent::Write, |page| page.write(address % PAGE_SIZE, &[value])).unwrap();
}

fn get(space: &AddressSpace, address: usize) -> u8 {
    let mut byte = [0];
    space.with_page(address, PageIntent::Read, |page| page.read(address % PAGE_SIZE, &mut byte)).unwrap();
    byte[0]
}

fn frames_are_distinct_and_come_back() {
    let before = frame::in_use();
    let mut frames: Vec<Frame> = (0..300).map(|_| Frame::alloc_zeroed().unwrap()).collect();
    let mut addresses: Vec<usize> = frames.iter().map(Frame::physical).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), frames.len());
    assert_eq!(frame::in_use(), before + 300);
    frames.clear();
    assert_eq!(frame::in_use(), before);
}

fn a_shared_frame_is_freed_once() {
    let before = frame::in_use();
    let one = Frame::alloc().unwrap();
    let other = one.clone();
    assert_eq!(one.share_count(), 2);
    drop(one);
    assert_eq!(other.share_count(), 1);
    assert_eq!(frame::in_use(), before + 1);
    drop(other);
    assert_eq!(frame::in_use(), before);
}

fn the_page_cache_can_be_switched_off() {
    frame::set_cache_enabled(false);
    let before = frame::statistics();
    for _ in 0..200 {
        drop(Frame::alloc().unwrap());
    }
    let after = frame::statistics();
    frame::set_cache_enabled(true);
    assert_eq!(after.free, before.free);
    // Frames still cached are used up first; then every allocation goes to the buddy allocator.
    assert!(after.refills - before.refills >= 100, "{before:?} {after:?}");
}

fn users_cannot_take_the_reserve() {
    let mut frames = Vec::new();
    frames.try_reserve(frame::statistics().total).unwrap();
    let error = loop {
        match Frame::alloc() {
            Ok(frame) => frames.push(frame),
            Err(error) => break error,
        }
    };
    assert_eq!(error, Errno::ENOMEM);
    // The kernel still gets some: the heap, a stack.
    assert!(frame::statistics().free > 64);
    drop(KernelStack::new().unwrap());
    drop(frames);
}

/// All of a user's memory, given back so that no free frame has a free neighbour until the last half: the frame allocator then
/// has as many blocks to keep account of as there can be.
fn frames_come_back_in_any_order() {
    const CONTIGUOUS: usize = 64;
    let mut frames: Vec<Option<Frame>> = Vec::new();
    frames.try_reserve(frame::statistics().total).unwrap();
    let before = frame::in_use();
    let mut pieces: Vec<ContiguousMemory> = Vec::new();
    pieces.extend((0..CONTIGUOUS).map(|_| ContiguousMemory::new(4 * PAGE_SIZE).unwrap()));
    while let Ok(frame) = Frame::alloc() {
        frames.push(Some(frame));
    }
    frames.sort_unstable_by_key(|frame| frame.as_ref().map(Frame::physical));
    for offset in [1, 0] {
        frames.iter_mut().skip(offset).step_by(2).for_each(|frame| *frame = None);
        let mut index = 0;
        pieces.retain(|_| {
            index += 1;
            index % 2 == 0
        });
    }
    assert_eq!(frame::in_use(), before);
    // They have become large blocks again.
    drop(ContiguousMemory::new(256 * PAGE_SIZE).unwrap());
}

fn heap_blocks_keep_their_contents() {
    let before = heap::in_use_bytes();
    let blocks: Vec<Vec<u8>> =
        (0..400_usize).map(|index| alloc::vec![index.to_le_bytes()[0]; 1 + index * 37 % 5000]).collect();
    for (index, block) in blocks.iter().enumerate() {
        assert!(block.iter().all(|byte| *byte == index.to_le_bytes()[0]));
    }
    drop(blocks);
    assert_eq!(heap::in_use_bytes(), before);
}

/// More than the heap may ever span, and more than there is memory: both are refused, and neither counts.
fn a_refused_block_is_not_in_use() {
    let before = heap::in_use_bytes();
    for bytes in [2 * HEAP_MAX, frame::statistics().total * PAGE_SIZE] {
        let mut block: Vec<u8> = Vec::new();
        assert!(block.try_reserve_exact(bytes).is_err());
        assert_eq!(heap::in_use_bytes(), before);
    }
}

/// What the heap took for many small blocks is there for others when they are gone.
fn idle_slabs_go_back() {
    const BLOCKS: usize = 4096;
    let mut blocks: Vec<Vec<u8>> = Vec::with_capacity(BLOCKS);
    blocks.extend((0..BLOCKS).map(|index| alloc::vec![0xa5; 500 + index % 500]));
    let grown = heap::size_bytes();
    assert!(grown > BLOCKS * 500);
    assert!(blocks.iter().all(|block| block.iter().all(|byte| *byte == 0xa5)));
    blocks.clear();
    let slabs = heap::reclaim();
    // All but what the processors keep at hand, and the stock.
    assert!(slabs * PAGE_SIZE > BLOCKS * 500 / 2, "{slabs} slabs");
    assert_eq!(heap::size_bytes(), grown - slabs * PAGE_SIZE);
    assert_eq!(heap::reclaim(), 0, "nothing more at once");
    drop(blocks);
}

/// Blocks of one page, of several, and larger than the buddy allocator has in one piece: also while every second frame is in use.
fn large_blocks_go_back_to_the_frames() {
    const ROUNDS: usize = 4;
    let (before, free) = (heap::size_bytes(), frame::statistics().free);
    let mut frames: Vec<Frame> = Vec::new();
    frames.try_reserve(frame::statistics().total).unwrap();
    while let Ok(frame) = Frame::alloc() {
        frames.push(frame);
    }
    frames.sort_unstable_by_key(Frame::physical);
    let mut index = 0;
    frames.retain(|_| {
        index += 1;
        index % 2 == 0
    });
    let sizes = || (0..ROUNDS).flat_map(|_| [3000, 5 * PAGE_SIZE, 200_000, 3 << 20]);
    let mut blocks: Vec<Vec<u8>> = Vec::with_capacity(4 * ROUNDS);
    for (index, bytes) in sizes().enumerate() {
        let mut block = Vec::new();
        block.try_reserve_exact(bytes).unwrap();
        block.resize(bytes, index.to_le_bytes()[0]);
        blocks.push(block);
    }
    assert!(heap::size_bytes() >= before + ROUNDS * (3 << 20));
    assert!(blocks.iter().enumerate().all(|(index, block)| block.iter().all(|byte| *byte == index.to_le_bytes()[0])));
    drop(blocks);
    drop(frames);
    // Only tables stay, for addresses that had none.
    assert!(heap::size_bytes() <= before);
    assert!(frame::statistics().free + 16 > free);
}

fn small_blocks_grow_the_heap_although_it_is_in_pieces() {
    // Holes of less than a slab, more of them than the heap ever has free at once.
    let large: Vec<Vec<u8>> = (0..400).map(|_| alloc::vec![1; 3000]).collect();
    let kept: Vec<Vec<u8>> =
        large.into_iter().enumerate().filter(|(index, _)| index % 2 == 0).map(|(_, block)| block).collect();
    let small: Vec<Vec<u8>> = (0..3000).map(|_| alloc::vec![2; 1312]).collect();
    assert!(small.iter().all(|block| block.iter().all(|byte| *byte == 2)));
    assert!(kept.iter().all(|block| block.iter().all(|byte| *byte == 1)));
}

fn stacks_can_be_written_to_the_top() {
    let stacks: Vec<KernelStack> = (0..100).map(|_| KernelStack::new().unwrap()).collect();
    let mut tops: Vec<usize> = stacks.iter().map(KernelStack::top).collect();
    tops.dedup();
    assert_eq!(tops.len(), 100);
    for top in tops {
        crate::mm::kernel_space::translate(top - 8).unwrap();
        // The guard below is not mapped.
        assert_eq!(crate::mm::kernel_space::translate(top - crate::mm::layout::STACK_SIZE - 8), Err(Errno::EFAULT));
    }
}

fn a_page_is_there_on_demand_and_zero() {
    let (space, address) = space_with(4, AreaFlags::empty());
    assert_eq!(space.resident_pages(), 0);
    assert_eq!(get(&space, address + PAGE_SIZE), 0);
    assert_eq!(space.resident_pages(), 1);
    put(&space, address + PAGE_SIZE, 7);
    assert_eq!(get(&space, address + PAGE_SIZE), 7);
    assert_eq!(space.resident_pages(), 1);
}

fn what_is_not_mapped_is_not_there() {
    let (space, address) = space_with(1, AreaFlags::empty());
    assert_eq!(space.resolve(address - PAGE_SIZE, Access::Read), Err(Failure::NotMapped));
    assert_eq!(space.resolve(0, Access::Read), Err(Failure::NotMapped));
    assert_eq!(space.resolve(USER_LOW, Access::Read), Err(Failure::NotMapped));
}

fn protection_is_respected() {
    let (space, address) = space_with(2, AreaFlags::empty());
    put(&space, address, 1);
    space.protect(address, PAGE_SIZE, Protection::READ).unwrap();
    assert_eq!(space.resolve(address, Access::Write), Err(Failure::NotAllowed));
    assert_eq!(space.resolve(address, Access::Execute), Err(Failure::NotAllowed));
    assert_eq!(space.resolve(address, Access::Read), Ok(()));
    assert_eq!(space.resolve(address + PAGE_SIZE, Access::Write), Ok(()));
    space.protect(address, PAGE_SIZE, Protection::empty()).unwrap();
    assert_eq!(space.resolve(address, Access::Read), Err(Failure::NotAllowed));
    space.protect(address, PAGE_SIZE, read_write()).unwrap();
    assert_eq!(get(&space, address), 1);
}

fn a_fork_copies_on_write() {
    let (parent, address) = space_with(2, AreaFlags::empty());
    put(&parent, address, 1);
    let frames = frame::in_use();
    let child = parent.fork().unwrap();
    put(&child, address, 2);
    assert_eq!((get(&parent, address), get(&child, address)), (1, 2));
    put(&parent, address, 3);
    assert_eq!((get(&parent, address), get(&child, address)), (3, 2));
    drop(child);
    assert_eq!(frame::in_use(), frames);
}

fn shared_memory_is_shared_with_a_fork() {
    let (parent, address) = space_with(2, AreaFlags::SHARED);
    put(&parent, address, 1);
    let child = parent.fork().unwrap();
    put(&child, address, 2);
    // A page first touched after the fork is shared as well.
    put(&child, address + PAGE_SIZE, 9);
    assert_eq!((get(&parent, address), get(&parent, address + PAGE_SIZE)), (2, 9));
}

fn a_part_can_be_unmapped() {
    let (space, address) = space_with(3, AreaFlags::empty());
    for page in 0..3_u8 {
        put(&space, address + usize::from(page) * PAGE_SIZE, page + 1);
    }
    space.unmap(address + PAGE_SIZE, PAGE_SIZE).unwrap();
    assert_eq!(space.resolve(address + PAGE_SIZE, Access::Read), Err(Failure::NotMapped));
    assert_eq!((get(&space, address), get(&space, address + 2 * PAGE_SIZE)), (1, 3));
    assert_eq!(space.resident_pages(), 2);
}

fn a_fixed_mapping_replaces() {
    let (space, address) = space_with(2, AreaFlags::empty());
    put(&space, address, 5);
    let again =
        |placement| space.map(placement, PAGE_SIZE, read_write(), AreaFlags::empty(), PageBacking::Anonymous, 0);
    assert_eq!(again(Placement::Exact(address)), Err(Errno::EEXIST));
    assert_eq!(get(&space, address), 5);
    assert_eq!(again(Placement::Replace(address)), Ok(address));
    assert_eq!(get(&space, address), 0);
}

fn moved_pages_keep_their_contents() {
    use postern_core::areas::{RemapFlags, RemapRequest};
    let (space, address) = space_with(2, AreaFlags::empty());
    put(&space, address, 4);
    // Something right behind it, so that it must move to grow.
    let request = RemapRequest {
        old_address: address,
        old_len: 2 * PAGE_SIZE,
        new_len: 64 * PAGE_SIZE,
        flags: RemapFlags::MAY_MOVE,
        new_address: 0,
    };
    let place = Placement::Replace(address + 2 * PAGE_SIZE);
    space.map(place, PAGE_SIZE, Protection::READ, AreaFlags::SHARED, PageBacking::Anonymous, 0).unwrap();
    let moved = space.remap(&request).unwrap();
    assert_ne!(moved, address);
    assert_eq!(get(&space, moved), 4);
    assert_eq!(space.resolve(address, Access::Read), Err(Failure::NotMapped));
}

/// A move needs tables for its new place, and there are frames for some of them only.
fn a_move_without_memory_changes_nothing() {
    use postern_core::areas::{RemapFlags, RemapRequest};
    const PAGES: usize = 1200;
    let (space, address) = space_with(PAGES, AreaFlags::empty());
    let values = [(0, 4), (PAGES / 2, 5), (PAGES - 1, 6)];
    values.iter().for_each(|(page, value)| put(&space, address + page * PAGE_SIZE, *value));
    let to = USER_LOW + (64 << 30);
    let request = RemapRequest {
        old_address: address,
        old_len: PAGES * PAGE_SIZE,
        new_len: PAGES * PAGE_SIZE,
        flags: RemapFlags::MAY_MOVE | RemapFlags::FIXED,
        new_address: to,
    };
    let mut frames = Vec::new();
    frames.try_reserve(frame::statistics().total).unwrap();
    while let Ok(frame) = Frame::alloc() {
        frames.push(frame);
    }
    for left in 0..3 {
        // Of the tables of two levels, and three of the last.
        frames.truncate(frames.len() - left.min(1));
        assert_eq!(space.remap(&request), Err(Errno::ENOMEM), "with a table more than at the last try");
        values.iter().for_each(|(page, value)| assert_eq!(get(&space, address + page * PAGE_SIZE), *value));
        assert_eq!(space.resolve(to, Access::Read), Err(Failure::NotMapped));
    }
    drop(frames);
    assert_eq!(space.remap(&request), Ok(to));
    values.iter().for_each(|(page, value)| assert_eq!(get(&space, to + page * PAGE_SIZE), *value));
    assert_eq!(space.resolve(address, Access::Read), Err(Failure::NotMapped));
    assert_eq!(space.resident_pages(), values.len());
}

/// In more spaces than are looked at at once.
fn an_object_is_cut_in_every_space() {
    const SPACES: usize = 50;
    let object = SharedPages::new(1);
    let spaces: Vec<_> = (0..SPACES)
        .map(|_| {
            let space = AddressSpace::new().unwrap();
            let backing = PageBacking::Object(object.clone());
            let address =
                space.map(Placement::Hint(0), PAGE_SIZE, read_write(), AreaFlags::SHARED, backing, 0).unwrap();
            put(&space, address, 1);
            space
        })
        .collect();
    let page = object.page(0, PageIntent::Read).unwrap();
    reverse::forget_pages(PageSource::identity(&*object), 0, core::iter::once(&page));
    assert!(spaces.iter().all(|space| space.resident_pages() == 0));
}

/// What is mapped over does not count against the limit of the address space.
fn a_replacement_counts_once() {
    const PAGES: usize = 64;
    let (space, address) = space_with(PAGES, AreaFlags::empty());
    space.set_limits(0, (PAGES * PAGE_SIZE + PAGE_SIZE) as u64);
    let map = |placement, pages: usize| {
        space.map(placement, pages * PAGE_SIZE, read_write(), AreaFlags::empty(), PageBacking::Anonymous, 0)
    };
    assert_eq!(map(Placement::Replace(address), PAGES), Ok(address));
    assert_eq!(map(Placement::Replace(address + PAGE_SIZE), PAGES), Ok(address + PAGE_SIZE));
    assert_eq!(map(Placement::Replace(address + 2 * PAGE_SIZE), PAGES), Err(Errno::ENOMEM));
    assert_eq!(map(Placement::Hint(0), 1), Err(Errno::ENOMEM));
}

fn a_forked_space_outlives_its_parent() {
    let (parent, address) = space_with(1, AreaFlags::empty());
    put(&parent, address, 6);
    let child = parent.fork().unwrap();
    drop(parent);
    assert_eq!(get(&child, address), 6);
    put(&child, address, 7);
    assert_eq!(get(&child, address), 7);
}

/// In every part of a table, at the first and last entry of tables, and in several tables of each level.
fn pages_far_apart_are_all_found() {
    let before = frame::in_use();
    let space = AddressSpace::new().unwrap();
    let tables = [1 << 21, 1 << 30, 3 << 30, 1 << 39, 5 << 39];
    let places = tables.iter().flat_map(|table| [0, 31, 32, 200, 255, 256, 511].map(|page| table + page * PAGE_SIZE));
    let places: Vec<usize> = places.collect();
    for (&place, value) in places.iter().zip(1..) {
        let placement = Placement::Exact(place);
        space.map(placement, PAGE_SIZE, read_write(), AreaFlags::empty(), PageBacking::Anonymous, 0).unwrap();
        put(&space, place, value);
    }
    let child = space.fork().unwrap();
    assert_eq!(child.resident_pages(), places.len());
    space.unmap(places[0], places[places.len() - 1] + PAGE_SIZE - places[0]).unwrap();
    assert_eq!(space.resident_pages(), 0);
    for (&place, value) in places.iter().zip(1..) {
        assert_eq!(get(&child, place), value, "{place:#x}");
    }
    drop((space, child));
    assert_eq!(frame::in_use(), before);
}

/// Areas of every kind beside each other in one table, and one that goes on in the next.
fn a_fork_leaves_out_what_is_wiped_or_not_inherited() {
    let kinds =
        [AreaFlags::empty(), AreaFlags::WIPE_ON_FORK, AreaFlags::DONT_FORK, AreaFlags::SHARED, AreaFlags::empty()];
    let start = (1 << 30) + 480 * PAGE_SIZE;
    let pages = 10;
    let parent = AddressSpace::new().unwrap();
    let place = |kind: usize| start + kind * pages * PAGE_SIZE;
    for ((kind, flags), value) in kinds.into_iter().enumerate().zip(1..) {
        let (placement, length) = (Placement::Exact(place(kind)), pages * PAGE_SIZE);
        parent.map(placement, length, read_write(), flags, PageBacking::Anonymous, 0).unwrap();
        (0..pages).for_each(|page| put(&parent, place(kind) + page * PAGE_SIZE, value));
    }
    let child = parent.fork().unwrap();
    assert_eq!(child.resident_pages(), 3 * pages);
    for page in (0..pages).map(|page| page * PAGE_SIZE) {
        assert_eq!([0, 1, 3, 4].map(|kind| get(&child, place(kind) + page)), [1, 0, 4, 5]);
        assert!(child.with_page(place(2) + page, PageIntent::Read, |_| ()).is_err());
        [0, 3, 4].into_iter().for_each(|kind| put(&child, place(kind) + page, 9));
        assert_eq!([0, 1, 2, 3, 4].map(|kind| get(&parent, place(kind) + page)), [1, 2, 3, 9, 5]);
    }
}

fn an_old_table_is_a_page_of_zeroes() {
    let (space, address) = space_with(600, AreaFlags::empty());
    (0..600).for_each(|page| put(&space, address + page * PAGE_SIZE, 1));
    drop(space.fork().unwrap());
    drop(space);
    let mut contents = [1; PAGE_SIZE];
    for frame in (0..100).map(|_| Frame::alloc_zeroed().unwrap()).collect::<Vec<_>>() {
        frame.read(0, &mut contents);
        assert!(contents.iter().all(|byte| *byte == 0));
    }
}

fn bytes_are_filled_at_any_length_and_alignment() {
    for (start, length) in (0..17).flat_map(|start| (0..200).map(move |length| (start, length))) {
        let mut target = [0x55_u8; 256];
        target[start..start + core::hint::black_box(length)].fill(0xab);
        assert!(target[..start].iter().all(|byte| *byte == 0x55), "before {length} bytes");
        assert!(target[start..start + length].iter().all(|byte| *byte == 0xab), "{length} bytes from {start}");
        assert!(target[start + length..].iter().all(|byte| *byte == 0x55), "after {length} bytes");
    }
}

fn bytes_are_copied_at_any_length_and_alignment() {
    const ROOM: usize = 256;
    let source: Vec<u8> = (0..=u8::MAX).map(|place| place | 1).collect();
    for (from, to) in [(0, 0), (0, 1), (1, 0), (3, 3), (7, 2), (8, 12)] {
        for length in 0..=200 {
            let mut target = [0; ROOM];
            target[to..to + length].copy_from_slice(&source[from..from + length]);
            assert_eq!(target[to..to + length], source[from..from + length], "{length} bytes from {from} to {to}");
            assert!(target[..to].iter().all(|byte| *byte == 0), "before {length} bytes");
            assert!(target[to + length..].iter().all(|byte| *byte == 0), "after {length} bytes");
        }
    }
}
