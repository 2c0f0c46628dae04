//! Leaves of translation tables that a process and its forks share until one of them changes something there.

use crate::arch::mmu::PAGE_SIZE;
use crate::mm::PageIntent;
use crate::mm::address_space::{AddressSpace, PageBacking, Placement};
use crate::mm::frame::{self, Frame};
use crate::mm::heap;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use postern_core::areas::{AreaFlags, Protection};
use postern_core::errno::Errno;

/// The table.
pub const TESTS: &[(&str, fn())] = &[
    ("a_fork_needs_no_leaf_until_somebody_writes", a_fork_needs_no_leaf_until_somebody_writes),
    ("what_one_does_to_a_shared_leaf_is_its_own", what_one_does_to_a_shared_leaf_is_its_own),
    ("a_shared_leaf_outlives_any_of_its_spaces", a_shared_leaf_outlives_any_of_its_spaces),
    ("without_memory_a_shared_leaf_stays_as_it_is", without_memory_a_shared_leaf_stays_as_it_is),
    ("spaces_leave_a_leaf_at_the_same_time", spaces_leave_a_leaf_at_the_same_time),
];

const PAGES: usize = 40;
/// Within one leaf.
const START: usize = (3 << 30) + 100 * PAGE_SIZE;

fn place(page: usize) -> usize {
    START + page * PAGE_SIZE
}

fn value(page: usize) -> u8 {
    page.to_le_bytes()[0]
}

fn put(space: &AddressSpace, page: usize, value: u8) -> Result<(), Errno> {
    space.with_page(place(page), PageIntent::Write, |frame| frame.write(0, &[value]))
}

fn get(space: &AddressSpace, page: usize) -> u8 {
    let mut byte = [0];
    space.with_page(place(page), PageIntent::Read, |frame| frame.read(0, &mut byte)).unwrap();
    byte[0]
}

/// A space each of whose pages holds its number.
fn space() -> Arc<AddressSpace> {
    let space = AddressSpace::new().unwrap();
    let protection = Protection::READ | Protection::WRITE;
    let (flags, backing) = (AreaFlags::empty(), PageBacking::Anonymous);
    space.map(Placement::Exact(START), PAGES * PAGE_SIZE, protection, flags, backing, 0).unwrap();
    (0..PAGES).for_each(|page| put(&space, page, value(page)).unwrap());
    space
}

fn assert_untouched(space: &AddressSpace, pages: impl Iterator<Item = usize>) {
    pages.for_each(|page| assert_eq!(get(space, page), value(page), "page {page}"));
}

fn a_fork_needs_no_leaf_until_somebody_writes() {
    let parent = space();
    // What the heap takes for a fork it has from here on.
    drop(parent.fork().unwrap());
    let before = frames_in_use();
    let child = parent.fork().unwrap();
    assert_eq!(child.resident_pages(), PAGES);
    let upper_tables = 3;
    assert_eq!(frames_in_use() - before, upper_tables);
    put(&child, 0, 77).unwrap();
    assert_eq!(frames_in_use() - before, upper_tables + 2, "a leaf and a page");
    put(&parent, 1, 78).unwrap();
    assert_eq!(frames_in_use() - before, upper_tables + 3, "the old leaf is the parent's alone");
    assert_eq!([get(&parent, 0), get(&parent, 1), get(&child, 0), get(&child, 1)], [0, 78, 77, 1]);
    assert_untouched(&parent, 2..PAGES);
    assert_untouched(&child, 2..PAGES);
    drop(child);
    put(&parent, 2, 79).unwrap();
    assert_eq!(frames_in_use(), before);
}

fn what_one_does_to_a_shared_leaf_is_its_own() {
    let before = frames_in_use();
    let parent = space();
    let [unmaps, protects, discards] = [(); 3].map(|()| parent.fork().unwrap());
    unmaps.unmap(place(0), 20 * PAGE_SIZE).unwrap();
    protects.protect(place(0), 10 * PAGE_SIZE, Protection::READ).unwrap();
    discards.discard(place(5)..place(10)).unwrap();
    assert_eq!([&unmaps, &discards].map(|space| space.resident_pages()), [PAGES - 20, PAGES - 5]);
    assert_eq!(put(&protects, 3, 1), Ok(()), "which does not ask for rights");
    (5..10).for_each(|page| assert_eq!(get(&discards, page), 0));
    (20..PAGES).for_each(|page| put(&unmaps, page, 1).unwrap());
    assert_untouched(&parent, 0..PAGES);
    assert_untouched(&protects, (0..PAGES).filter(|page| *page != 3));
    assert_untouched(&discards, (0..5).chain(10..PAGES));
    (0..PAGES).for_each(|page| put(&parent, page, 99).unwrap());
    assert_untouched(&discards, (0..5).chain(10..PAGES));
    drop((parent, unmaps, protects, discards));
    assert_eq!(frames_in_use(), before);
}

fn a_shared_leaf_outlives_any_of_its_spaces() {
    let before = frames_in_use();
    let parent = space();
    let child = parent.fork().unwrap();
    let grandchild = child.fork().unwrap();
    drop(child);
    drop(parent);
    assert_untouched(&grandchild, 0..PAGES);
    (0..PAGES).for_each(|page| put(&grandchild, page, 5).unwrap());
    assert_eq!(grandchild.resident_pages(), PAGES);
    drop(grandchild);
    assert_eq!(frames_in_use(), before);
}

fn without_memory_a_shared_leaf_stays_as_it_is() {
    let parent = space();
    let child = parent.fork().unwrap();
    let mut frames = Vec::new();
    frames.try_reserve(frame::statistics().total).unwrap();
    while let Ok(frame) = Frame::alloc() {
        frames.push(frame);
    }
    assert_eq!(child.unmap(place(0), PAGE_SIZE), Err(Errno::ENOMEM));
    assert_eq!(put(&child, 0, 1), Err(Errno::ENOMEM));
    assert_eq!(child.discard(place(1)..place(2)), Err(Errno::ENOMEM));
    drop(frames);
    assert_untouched(&parent, 0..PAGES);
    assert_untouched(&child, 0..PAGES);
    assert_eq!(child.unmap(place(0), PAGE_SIZE), Ok(()));
}

/// Frames in use, but for those of the heap, which takes two dozen when it runs low.
fn frames_in_use() -> u64 {
    frame::in_use() - (heap::size_bytes() / PAGE_SIZE) as u64
}

/// On several CPUs, if there are: to leave by a copy, to find oneself alone and to end, in any order.
fn spaces_leave_a_leaf_at_the_same_time() {
    const TURNS: usize = 100;
    let before = frames_in_use();
    for turn in 0..TURNS {
        let parent = space();
        let mut spaces: Vec<_> = (0..3).map(|_| parent.fork().unwrap()).collect();
        spaces.push(parent);
        let write = |(number, space): (usize, Arc<AddressSpace>)| -> super::ipc::Job {
            Box::new(move || {
                let first = number * 3 + turn % 20;
                if number != turn % 5 {
                    (first..first + 5).for_each(|page| put(&space, page, 200).unwrap());
                    (first..first + 5).for_each(|page| assert_eq!(get(&space, page), 200));
                    assert_untouched(&space, (0..first).chain(first + 5..PAGES));
                }
            })
        };
        super::ipc::start(spaces.into_iter().enumerate().map(write).collect()).join();
    }
    assert_eq!(frames_in_use(), before);
}
