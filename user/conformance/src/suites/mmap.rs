//! Memory mappings: anonymous, private and shared; parts of them; brk; growth of the stack. Specification: mmap(2), munmap(2),
//! mprotect(2), brk(2), POSIX mmap().

use crate::check::{Outcome, expect, expect_eq, expect_errno, failed};
use crate::sys::memory::{self, Mapping, PAGE, READ_WRITE, Request};
use crate::sys::{Sys, fd, process};
use libc::{EINVAL, ENOMEM, MAP_ANONYMOUS, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_PRIVATE, PROT_NONE, PROT_READ};
use std::sync::atomic::Ordering;

crate::tests! {
    anonymous_memory_reads_as_zero,
    anonymous_memory_is_page_aligned,
    length_is_rounded_up_to_a_page,
    zero_length_gives_einval,
    neither_shared_nor_private_gives_einval,
    unaligned_fixed_address_gives_einval,
    more_than_the_address_space_gives_enomem,
    growing_beyond_the_address_space_fails,
    hint_is_taken_if_the_place_is_free,
    fixed_replaces_what_was_there,
    fixed_noreplace_gives_eexist_if_something_is_there,
    munmap_of_the_middle_leaves_both_ends,
    munmap_of_what_is_not_mapped_succeeds,
    munmap_of_an_unaligned_address_gives_einval,
    munmap_of_length_zero_gives_einval,
    unmapped_memory_comes_back_zeroed,
    mprotect_of_the_middle_leaves_both_ends_writable,
    mprotect_over_a_hole_gives_enomem,
    mprotect_of_an_unaligned_address_gives_einval,
    mprotect_keeps_the_content,
    shared_anonymous_memory_is_seen_by_children_forked_later,
    shared_memory_of_a_child_outlives_its_unmapping,
    large_sparse_mapping_costs_only_what_is_touched,
    brk_grows_and_shrinks_the_data_segment,
    brk_below_the_start_changes_nothing,
    stack_grows_on_demand,
    mremap_grows_and_keeps_the_content,
    mremap_without_maymove_gives_enomem_if_there_is_no_room,
    madvise_dontneed_zeroes_private_memory,
    mincore_of_unmapped_memory_gives_enomem,
}

fn anonymous_memory_reads_as_zero() -> Outcome {
    let mapping = memory::private(3)?;
    expect(mapping.load_all(0, 3 * PAGE).iter().all(|byte| *byte == 0), "every byte is zero")
}

fn anonymous_memory_is_page_aligned() -> Outcome {
    expect_eq(memory::private(1)?.address % PAGE, 0, "the address modulo the page size")
}

fn length_is_rounded_up_to_a_page() -> Outcome {
    let mapping = Mapping { length: PAGE, ..memory::map(Request::private(1))? };
    mapping.store(PAGE - 1, 1);
    expect_eq(mapping.load(PAGE - 1), 1, "the last byte of the page")
}

fn zero_length_gives_einval() -> Outcome {
    expect_errno(memory::map(Request::private(0)), EINVAL)
}

fn neither_shared_nor_private_gives_einval() -> Outcome {
    expect_errno(memory::map(Request { flags: MAP_ANONYMOUS, ..Request::private(PAGE) }), EINVAL)
}

fn unaligned_fixed_address_gives_einval() -> Outcome {
    let mapping = memory::private(2)?;
    expect_errno(mapping.replace(1, Request::private(PAGE), MAP_FIXED), EINVAL)
}

fn more_than_the_address_space_gives_enomem() -> Outcome {
    let object = memory::memfd(4096)?;
    let page = memory::private(1)?;
    let everything = Mapping { length: usize::MAX, ..page };
    // The last of these is the largest number of whole pages; one byte more is none at all.
    for length in [1 << 52, 1 << 60, 1 << 63, 0_usize.wrapping_sub(PAGE), usize::MAX] {
        expect_errno(memory::map(Request::private(length)), ENOMEM)?;
        expect_errno(memory::map(Request::shared(length)), ENOMEM)?;
        expect_errno(memory::map(Request::file(object, length, libc::MAP_SHARED)), ENOMEM)?;
        for placement in [0, MAP_FIXED, MAP_FIXED_NOREPLACE] {
            expect_errno(everything.replace(0, Request::private(length), placement), ENOMEM)?;
        }
    }
    Ok(())
}

fn growing_beyond_the_address_space_fails() -> Outcome {
    let page = memory::private(1)?;
    let before = brk(0)?;
    for length in [1 << 52, 1 << 63, 0_usize.wrapping_sub(PAGE), usize::MAX] {
        for flags in [0, libc::MREMAP_MAYMOVE] {
            // ENOMEM or, of newer kernels, EINVAL.
            expect(mremap(&page, length, flags).is_err(), "mremap refuses")?;
        }
        expect_eq(brk(length)?, before, "the break")?;
    }
    Ok(())
}

fn hint_is_taken_if_the_place_is_free() -> Outcome {
    let mapping = memory::private(3)?;
    mapping.unmap(PAGE, PAGE)?;
    expect_eq(mapping.replace(PAGE, Request::private(PAGE), 0)?.address, mapping.address + PAGE, "the address")
}

fn fixed_replaces_what_was_there() -> Outcome {
    let mapping = memory::private(3)?;
    mapping.store_all(0, &[1; 3 * PAGE]);
    let replaced = mapping.replace(PAGE, Request::private(PAGE), MAP_FIXED)?;
    expect_eq(replaced.address, mapping.address + PAGE, "the address")?;
    let around = [PAGE - 1, PAGE, 2 * PAGE - 1, 2 * PAGE].map(|offset| mapping.load(offset));
    expect_eq(around, [1, 0, 0, 1], "the bytes at the borders")
}

fn fixed_noreplace_gives_eexist_if_something_is_there() -> Outcome {
    let mapping = memory::private(2)?;
    mapping.unmap(PAGE, PAGE)?;
    expect_errno(mapping.replace(0, Request::private(2 * PAGE), MAP_FIXED_NOREPLACE), libc::EEXIST)?;
    let free = mapping.replace(PAGE, Request::private(PAGE), MAP_FIXED_NOREPLACE)?;
    expect_eq(free.address, mapping.address + PAGE, "the address where nothing was")
}

fn munmap_of_the_middle_leaves_both_ends() -> Outcome {
    let mapping = memory::private(3)?;
    mapping.store(0, 1);
    mapping.store(2 * PAGE, 3);
    mapping.unmap(PAGE, PAGE)?;
    expect_eq((mapping.load(0), mapping.load(2 * PAGE)), (1, 3), "the bytes of the ends")?;
    expect(is_unmapped(&mapping, PAGE)?, "the middle is gone")
}

/// Whether the kernel finds nothing to read at `offset`.
fn is_unmapped(mapping: &Mapping, offset: usize) -> Sys<bool> {
    let pipe = fd::Pipe::new()?;
    Ok(fd::write_from(pipe.write, mapping, offset, 1).is_err_and(|error| error.errno == libc::EFAULT))
}

fn munmap_of_what_is_not_mapped_succeeds() -> Outcome {
    let mapping = memory::private(2)?;
    mapping.unmap(0, 2 * PAGE)?;
    Ok(mapping.unmap(0, 2 * PAGE)?)
}

fn munmap_of_an_unaligned_address_gives_einval() -> Outcome {
    let mapping = memory::private(2)?;
    expect_errno(mapping.unmap(1, PAGE), EINVAL)
}

fn munmap_of_length_zero_gives_einval() -> Outcome {
    expect_errno(memory::private(1)?.unmap(0, 0), EINVAL)
}

fn unmapped_memory_comes_back_zeroed() -> Outcome {
    // A frame that goes round must not carry bytes of its former life.
    for _ in 0..20 {
        let mapping = memory::private(16)?;
        for page in 0..16 {
            expect_eq(mapping.load(page * PAGE + 100), 0, "a byte of new memory")?;
            mapping.store(page * PAGE + 100, 0xee);
        }
        mapping.unmap(0, 16 * PAGE)?;
    }
    Ok(())
}

fn mprotect_of_the_middle_leaves_both_ends_writable() -> Outcome {
    let mapping = memory::private(3)?;
    mapping.protect(PAGE, PAGE, PROT_READ)?;
    mapping.store(0, 1);
    mapping.store(2 * PAGE, 3);
    expect_eq((mapping.load(0), mapping.load(PAGE), mapping.load(2 * PAGE)), (1, 0, 3), "the bytes")?;
    let pipe = fd::Pipe::new()?;
    fd::write(pipe.write, b"x")?;
    expect_errno(fd::read_into(pipe.read, &mapping, PAGE, 1), libc::EFAULT)
}

fn mprotect_over_a_hole_gives_enomem() -> Outcome {
    let mapping = memory::private(3)?;
    mapping.unmap(PAGE, PAGE)?;
    expect_errno(mapping.protect(0, 3 * PAGE, PROT_READ), ENOMEM)
}

fn mprotect_of_an_unaligned_address_gives_einval() -> Outcome {
    expect_errno(memory::private(2)?.protect(1, PAGE, PROT_READ), EINVAL)
}

fn mprotect_keeps_the_content() -> Outcome {
    let mapping = memory::private(1)?;
    mapping.store_all(0, b"kept");
    mapping.protect(0, PAGE, PROT_NONE)?;
    mapping.protect(0, PAGE, READ_WRITE)?;
    expect_eq(mapping.load_all(0, 4), b"kept", "the bytes")
}

fn shared_anonymous_memory_is_seen_by_children_forked_later() -> Outcome {
    let mapping = memory::shared(2)?;
    mapping.word(PAGE).store(5, Ordering::SeqCst);
    let child = process::spawn(|| {
        expect_eq(mapping.word(PAGE).fetch_add(1, Ordering::SeqCst), 5, "the word as the child finds it")?;
        // A page nobody has touched before must be the same page for both, too.
        mapping.word(0).store(9, Ordering::SeqCst);
        Ok(())
    })?;
    child.expect_success()?;
    let words = [0, PAGE].map(|offset| mapping.word(offset).load(Ordering::SeqCst));
    expect_eq(words, [9, 6], "the words as the parent finds them")
}

fn shared_memory_of_a_child_outlives_its_unmapping() -> Outcome {
    let mapping = memory::shared(1)?;
    let child = process::spawn(|| {
        mapping.store(0, 8);
        Ok(mapping.unmap(0, PAGE)?)
    })?;
    child.expect_success()?;
    expect_eq(mapping.load(0), 8, "the byte after the child is gone")
}

fn large_sparse_mapping_costs_only_what_is_touched() -> Outcome {
    const LENGTH: usize = 1 << 30;
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | libc::MAP_NORESERVE;
    let mapping = memory::map(Request { flags, ..Request::private(LENGTH) })?;
    for place in (0..LENGTH).step_by(LENGTH / 8) {
        mapping.store(place, 1);
    }
    expect_eq(mapping.load(LENGTH / 8 + 1), 0, "a byte beside those stored")
}

/// The raw `brk`, which returns the break in force.
fn brk(address: usize) -> Sys<usize> {
    // SAFETY: the tests only raise the break or put it back where it was.
    unsafe { crate::sys::raw("brk", libc::SYS_brk, [address, 0, 0, 0, 0, 0]) }
}

fn brk_grows_and_shrinks_the_data_segment() -> Outcome {
    let start = brk(0)?;
    let grown = start.next_multiple_of(PAGE) + 4 * PAGE;
    expect_eq(brk(grown)?, grown, "what brk returns")?;
    let segment = Mapping { address: start.next_multiple_of(PAGE), length: 4 * PAGE };
    expect_eq(segment.load(4 * PAGE - 1), 0, "the last new byte")?;
    segment.store(0, 7);
    expect_eq(brk(start)?, start, "what brk returns when it shrinks")?;
    expect(is_unmapped(&segment, 0)?, "the pages are gone")?;
    brk(grown)?;
    expect_eq(segment.load(0), 0, "the byte after growing again")?;
    brk(start)?;
    Ok(())
}

fn brk_below_the_start_changes_nothing() -> Outcome {
    let start = brk(0)?;
    expect_eq(brk(PAGE)?, start, "what brk returns")
}

/// Uses about four kilobytes of stack for each level; returns a number that depends on all of them.
#[inline(never)]
fn recurse(levels: usize) -> usize {
    let frame = std::hint::black_box([u8::try_from(levels % 251).unwrap_or(0); PAGE]);
    if levels == 0 { 0 } else { recurse(levels - 1) + usize::from(frame[levels % PAGE]) }
}

fn stack_grows_on_demand() -> Outcome {
    // The limit is 8 MiB by default; use about 4.
    let expected = (1..=1000).map(|level| level % 251).sum::<usize>();
    expect_eq(recurse(1000), expected, "a sum over a thousand stack frames")
}

/// The raw `mremap` without a new address.
fn mremap(mapping: &Mapping, length: usize, flags: i32) -> Sys<Mapping> {
    let old = mapping.pointer(0, mapping.length);
    // SAFETY: the mapping holds nothing of Rust's.
    let start = unsafe { libc::syscall(libc::SYS_mremap, old, mapping.length, length, flags) };
    Ok(Mapping { address: crate::sys::counted("mremap", start)?, length })
}

fn mremap_grows_and_keeps_the_content() -> Outcome {
    let mapping = memory::private(2)?;
    mapping.store_all(PAGE, b"kept");
    let grown = mremap(&mapping, 64 * PAGE, libc::MREMAP_MAYMOVE)?;
    expect_eq(grown.load_all(PAGE, 4), b"kept", "the bytes")?;
    grown.store(64 * PAGE - 1, 1);
    if grown.address != mapping.address {
        expect(is_unmapped(&mapping, PAGE)?, "the old place is free")?;
    }
    Ok(())
}

fn mremap_without_maymove_gives_enomem_if_there_is_no_room() -> Outcome {
    let both = memory::private(3)?;
    both.protect(PAGE, PAGE, PROT_READ)?;
    let first = Mapping { length: PAGE, ..both };
    expect_errno(mremap(&first, 2 * PAGE, 0), ENOMEM)
}

fn madvise_dontneed_zeroes_private_memory() -> Outcome {
    let mapping = memory::private(2)?;
    mapping.store_all(0, &[1; 2 * PAGE]);
    let start = mapping.pointer(0, PAGE);
    // SAFETY: the mapping holds nothing of Rust's.
    if unsafe { libc::madvise(start.cast(), PAGE, libc::MADV_DONTNEED) } != 0 {
        return Err(failed("madvise refuses MADV_DONTNEED"));
    }
    expect_eq((mapping.load(0), mapping.load(PAGE)), (0, 1), "the byte given up and the one kept")
}

fn mincore_of_unmapped_memory_gives_enomem() -> Outcome {
    let mapping = memory::before_hole(1)?;
    let mut resident = [0_u8; 2];
    let start = mapping.pointer(0, 2 * PAGE);
    // SAFETY: the kernel writes a byte for each of the two pages.
    let value = unsafe { libc::mincore(start.cast(), 2 * PAGE, resident.as_mut_ptr()) };
    expect_errno(crate::sys::checked("mincore", value), ENOMEM)
}
