//! The top byte of an address, which loads, stores and branches of programs ignore on AArch64. Specification:
//! Documentation/arch/arm64/tagged-pointers.rst of Linux.

use super::mmap_fault::{SEGV_ACCERR, SEGV_MAPERR, fault_of};
use crate::check::{Outcome, expect_eq, expect_errno, skip};
use crate::sys::memory::{self, Mapping, PAGE};
use crate::sys::{Sys, fd, raw};
use libc::{EFAULT, PROT_NONE, SIGSEGV};

crate::tests! {
    loads_and_stores_ignore_the_tag,
    a_branch_ignores_the_tag,
    the_address_of_a_fault_comes_without_the_tag,
    a_system_call_refuses_a_tagged_pointer,
}

const TAGS: [usize; 3] = [0x01, 0x5a, 0xff];

fn tagged(address: usize, tag: usize) -> usize {
    address | tag << 56
}

/// The same memory by tagged addresses.
fn by_tag(mapping: &Mapping, tag: usize) -> Mapping {
    Mapping { address: tagged(mapping.address, tag), ..*mapping }
}

/// Ends a test where the machine has no such thing.
fn needs_tags() -> Outcome {
    if cfg!(target_arch = "aarch64") { Ok(()) } else { skip("other machines do not ignore any byte of an address") }
}

fn loads_and_stores_ignore_the_tag() -> Outcome {
    needs_tags()?;
    // Two pages: the second is first touched by its tagged address.
    let mapping = memory::private(2)?;
    for (value, tag) in (1..).zip(TAGS) {
        for offset in [8, PAGE + 8] {
            by_tag(&mapping, tag).store(offset, value);
            expect_eq(mapping.load(offset), value, &format!("what a store with tag {tag:#x} left"))?;
            expect_eq(by_tag(&mapping, tag).load(offset), value, &format!("what a load with tag {tag:#x} finds"))?;
        }
    }
    Ok(())
}

extern "C" fn thrice(number: usize) -> usize {
    number * 3
}

fn a_branch_ignores_the_tag() -> Outcome {
    needs_tags()?;
    let plain = thrice as extern "C" fn(usize) -> usize as usize;
    for tag in TAGS {
        let pointer = std::ptr::with_exposed_provenance::<u8>(tagged(plain, tag));
        // SAFETY: the machine takes the address without its top byte: that of the function.
        let function = unsafe { std::mem::transmute::<*const u8, extern "C" fn(usize) -> usize>(pointer) };
        expect_eq(
            std::hint::black_box(function)(14),
            42,
            &format!("what a function called with tag {tag:#x} returns"),
        )?;
    }
    Ok(())
}

fn the_address_of_a_fault_comes_without_the_tag() -> Outcome {
    needs_tags()?;
    let hole = memory::before_hole(1)?;
    for tag in TAGS {
        let found = fault_of(SIGSEGV, || by_tag(&hole, tag).store(PAGE + 12, 1))?;
        expect_eq(found, (SEGV_MAPERR, hole.address + PAGE + 12), "si_code and si_addr where nothing is mapped")?;
    }
    hole.protect(0, PAGE, PROT_NONE)?;
    let found = fault_of(SIGSEGV, || by_tag(&hole, TAGS[1]).store(4, 1))?;
    expect_eq(found, (SEGV_ACCERR, hole.address + 4), "si_code and si_addr where nothing may be done")
}

fn a_system_call_refuses_a_tagged_pointer() -> Outcome {
    needs_tags()?;
    let mapping = memory::private(1)?;
    let pipe = fd::Pipe::new()?;
    let wakes = |address: usize| -> Sys<usize> {
        let operation = libc::FUTEX_WAKE.cast_unsigned() as usize;
        // SAFETY: it changes no memory.
        unsafe { raw("futex", libc::SYS_futex, [address, operation, 1, 0, 0, 0]) }
    };
    for tag in TAGS {
        expect_errno(fd::write_from(pipe.write, &by_tag(&mapping, tag), 0, 1), EFAULT)?;
        expect_errno(wakes(tagged(mapping.address, tag)), EFAULT)?;
    }
    Ok(())
}
