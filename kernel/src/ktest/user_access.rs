//! Copies to and from user memory: faults resolved, faults reported, counts exact.

use crate::arch::mmu::PAGE_SIZE;
use crate::mm::address_space::{AddressSpace, PageBacking, Placement};
use crate::mm::user::{self, Sink, Source, UserPtr};
use crate::sched::Task;
use alloc::sync::Arc;
use alloc::vec;
use postern_core::areas::{AreaFlags, Protection};
use postern_core::errno::Errno;

/// The table.
pub const TESTS: &[(&str, fn())] = &[
    ("a_copy_brings_pages_in", a_copy_brings_pages_in),
    ("a_bad_address_is_efault", a_bad_address_is_efault),
    ("a_copy_stops_at_the_byte_where_the_page_ends", a_copy_stops_at_the_byte_where_the_page_ends),
    ("a_copy_that_faults_at_its_start_changes_nothing", a_copy_that_faults_at_its_start_changes_nothing),
    ("a_read_only_page_refuses", a_read_only_page_refuses),
    ("strings_may_end_at_the_edge", strings_may_end_at_the_edge),
    ("a_futex_word_is_exchanged", a_futex_word_is_exchanged),
];

/// Runs `f` with an address space active on the test's task: two pages at the address given, nothing behind.
fn with_space(protection: Protection, f: impl FnOnce(&Arc<AddressSpace>, usize)) {
    let space = AddressSpace::new().unwrap();
    let address = 0x10_0000;
    space
        .map(Placement::Exact(address), 2 * PAGE_SIZE, protection, AreaFlags::empty(), PageBacking::Anonymous, 0)
        .unwrap();
    drop(Task::change_address_space(Some(space.clone())));
    f(&space, address);
    drop(Task::change_address_space(None));
}

fn read_write() -> Protection {
    Protection::READ | Protection::WRITE
}

fn a_copy_brings_pages_in() {
    with_space(read_write(), |space, address| {
        for length in [1, 7, 8, 15, 16, 63, 64, 65, 127, 128, 200, 255, 256, 257, 500, 4096, 5000] {
            let out: alloc::vec::Vec<u8> =
                (0..length).map(|index: usize| (index * 7 + length).to_le_bytes()[0]).collect();
            user::write_bytes(address + 3, &out).unwrap();
            let mut back = vec![0; length];
            user::read_bytes(address + 3, &mut back).unwrap();
            assert_eq!(out, back);
        }
        assert_eq!(space.resident_pages(), 2);
    });
}

fn a_bad_address_is_efault() {
    with_space(read_write(), |_, address| {
        for bad in [0, 8, address - 1, address + 2 * PAGE_SIZE, 0xffff_8000_0000_0000, usize::MAX - 3, (1 << 48) - 2] {
            assert_eq!(UserPtr::<u32>::new(bad).read(), Err(Errno::EFAULT), "{bad:#x}");
            assert_eq!(UserPtr::<u32>::new(bad).write(&1), Err(Errno::EFAULT), "{bad:#x}");
        }
    });
}

fn a_copy_stops_at_the_byte_where_the_page_ends() {
    with_space(read_write(), |_, address| {
        let end = address + 2 * PAGE_SIZE;
        for before in [1, 2, 3, 8, 15, 16, 17, 63, 64, 100, 129, 192, 255, 256, 257] {
            let data: alloc::vec::Vec<u8> = (0..300_usize).map(|index| index.to_le_bytes()[0]).collect();
            let mut sink = Sink::user(end - before, 300).unwrap();
            assert_eq!(sink.copy_from_slice(&data), Ok(before));
            let mut source = Source::user(end - before, 300).unwrap();
            let mut back = vec![0; 300];
            assert_eq!(source.copy_to_slice(&mut back), Ok(before));
            assert_eq!(back[..before], data[..before]);
            assert_eq!(source.copy_to_slice(&mut back), Err(Errno::EFAULT));
        }
    });
}

/// Before the first page there is nothing: none of the bytes counts, so none may have changed, though the last ones could be had.
fn a_copy_that_faults_at_its_start_changes_nothing() {
    with_space(read_write(), |_, address| {
        for before in [1, 8, 16, 17, 48, 63, 64, 65, 127, 128, 200, 255, 256] {
            let length = before + 64;
            user::write_bytes(address, &[7; 64]).unwrap();
            let mut kernel = vec![1; length];
            let mut source = Source::user(address - before, length).unwrap();
            assert_eq!(source.copy_to_slice(&mut kernel), Err(Errno::EFAULT), "{before}");
            assert!(kernel.iter().all(|byte| *byte == 1), "{before}: bytes beyond the fault came in");
            let mut sink = Sink::user(address - before, length).unwrap();
            assert_eq!(sink.copy_from_slice(&kernel), Err(Errno::EFAULT), "{before}");
            let mut there = [0; 64];
            user::read_bytes(address, &mut there).unwrap();
            assert_eq!(there, [7; 64], "{before}: bytes beyond the fault went out");
        }
    });
}

fn a_read_only_page_refuses() {
    with_space(Protection::READ, |_, address| {
        assert_eq!(UserPtr::<u64>::new(address).read(), Ok(0));
        assert_eq!(UserPtr::<u64>::new(address).write(&1), Err(Errno::EFAULT));
    });
}

fn strings_may_end_at_the_edge() {
    with_space(read_write(), |_, address| {
        let end = address + 2 * PAGE_SIZE;
        user::write_bytes(end - 6, b"hello\0").unwrap();
        assert_eq!(user::read_c_string(end - 6, 4096).unwrap(), b"hello");
        assert_eq!(user::read_c_string(end - 6, 4), Err(Errno::ENAMETOOLONG));
        user::write_bytes(end - 1, b"x").unwrap();
        assert_eq!(user::read_c_string(end - 6, 4096), Err(Errno::EFAULT));
    });
}

fn a_futex_word_is_exchanged() {
    with_space(read_write(), |_, address| {
        assert_eq!(user::compare_exchange_u32(address, 0, 5), Ok(0));
        assert_eq!(user::compare_exchange_u32(address, 0, 6), Ok(5));
        assert_eq!(user::load_u32(address), Ok(5));
        assert_eq!(user::load_u32(address + 2), Err(Errno::EINVAL));
        assert_eq!(user::compare_exchange_u32(address + 2 * PAGE_SIZE, 0, 1), Err(Errno::EFAULT));
    });
}
