//! What a forbidden access does: SIGSEGV and SIGBUS with their siginfo. Specification: sigaction(2), mmap(2), mprotect(2).

use crate::check::{Failure, Outcome, expect, expect_eq, failed, skip};
use crate::sys::memory::{self, Mapping, PAGE, Request};
use crate::sys::{process, signal, zeroed};
use libc::{MAP_PRIVATE, MAP_SHARED, PROT_EXEC, PROT_NONE, PROT_READ, SIGBUS, SIGSEGV};
use std::sync::atomic::{AtomicUsize, Ordering};

crate::tests! {
    load_from_unmapped_memory_raises_sigsegv_with_maperr,
    store_to_unmapped_memory_raises_sigsegv_with_maperr,
    store_to_read_only_memory_raises_sigsegv_with_accerr,
    load_from_memory_without_access_raises_sigsegv_with_accerr,
    load_from_the_null_page_raises_sigsegv,
    load_from_a_kernel_address_raises_sigsegv,
    jump_to_memory_without_execute_permission_raises_sigsegv,
    jump_to_a_misaligned_address_raises_sigbus,
    jump_to_a_misaligned_unmapped_address_raises_sigbus_or_sigsegv,
    load_beyond_end_of_file_raises_sigbus,
    store_beyond_end_of_file_in_a_private_mapping_raises_sigbus,
    load_after_the_file_was_truncated_raises_sigbus,
    unhandled_fault_kills_with_sigsegv,
    fault_in_a_blocked_sigsegv_kills_all_the_same,
    handler_that_maps_the_page_lets_the_access_go_on,
    overflow_of_the_stack_raises_sigsegv_on_the_alternate_stack,
}

/// Runs `access` in a child whose handler for `signal` reports, and returns what it reported: (si_code, si_addr).
pub(super) fn fault_of(expected: i32, access: impl FnOnce()) -> Result<(i32, usize), Failure> {
    fault_of_any(&[expected], access)
}

/// As [`fault_of`], for whichever of `signals` comes.
fn fault_of_any(signals: &[i32], access: impl FnOnce()) -> Result<(i32, usize), Failure> {
    let report = memory::shared(1)?;
    REPORT.store(report.address, Ordering::SeqCst);
    let child = process::spawn(|| {
        for &signal in signals {
            signal::handle(signal, reporting_handler, 0, &[])?;
        }
        access();
        Err(failed("the access went through"))
    })?;
    let status = child.wait()?;
    expect_eq(status.exited(), Some(HANDLED), "the exit code, which the handler sets")?;
    let halves = [8, 4].map(|offset| report.word(offset).load(Ordering::SeqCst));
    let address = usize::try_from(u64::from(halves[0]) << 32 | u64::from(halves[1])).unwrap_or(0);
    Ok((report.word(0).load(Ordering::SeqCst).cast_signed(), address))
}

/// Takes what a load returned: that it was loaded is all that matters.
fn touch(_byte: u8) {}

const HANDLED: i32 = 77;

/// Where the handler writes: a shared page.
static REPORT: AtomicUsize = AtomicUsize::new(0);

extern "C" fn reporting_handler(_signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes a filled siginfo.
    let info = unsafe { &*info };
    // SAFETY: SIGSEGV and SIGBUS from faults fill si_addr.
    let address = unsafe { info.si_addr() } as usize;
    let report = Mapping { address: REPORT.load(Ordering::SeqCst), length: PAGE };
    report.word(0).store(info.si_code.cast_unsigned(), Ordering::SeqCst);
    for (offset, bits) in [(4, address), (8, address >> 32)] {
        report.word(offset).store(u32::try_from(bits & 0xffff_ffff).unwrap_or(0), Ordering::SeqCst);
    }
    process::exit(HANDLED)
}

/// `SEGV_MAPERR`: nothing is mapped there.
pub(super) const SEGV_MAPERR: i32 = 1;
/// `SEGV_ACCERR`: the protection forbids it.
pub(super) const SEGV_ACCERR: i32 = 2;
/// `BUS_ADRALN`: a misaligned address.
const BUS_ADRALN: i32 = 1;
/// `BUS_ADRERR`: there is no such memory behind the mapping.
const BUS_ADRERR: i32 = 2;

fn load_from_unmapped_memory_raises_sigsegv_with_maperr() -> Outcome {
    let hole = memory::before_hole(1)?;
    let found = fault_of(SIGSEGV, || touch(hole.load(PAGE + 12)))?;
    expect_eq(found, (SEGV_MAPERR, hole.address + PAGE + 12), "si_code and si_addr")
}

fn store_to_unmapped_memory_raises_sigsegv_with_maperr() -> Outcome {
    let hole = memory::before_hole(1)?;
    let found = fault_of(SIGSEGV, || hole.store(PAGE + 1, 1))?;
    expect_eq(found, (SEGV_MAPERR, hole.address + PAGE + 1), "si_code and si_addr")
}

fn store_to_read_only_memory_raises_sigsegv_with_accerr() -> Outcome {
    let mapping = memory::private(3)?;
    mapping.protect(PAGE, PAGE, PROT_READ)?;
    let found = fault_of(SIGSEGV, || mapping.store(PAGE + 5, 1))?;
    expect_eq(found, (SEGV_ACCERR, mapping.address + PAGE + 5), "si_code and si_addr")
}

fn load_from_memory_without_access_raises_sigsegv_with_accerr() -> Outcome {
    let mapping = memory::private(1)?;
    mapping.store(7, 1);
    mapping.protect(0, PAGE, PROT_NONE)?;
    let found = fault_of(SIGSEGV, || touch(mapping.load(7)))?;
    expect_eq(found, (SEGV_ACCERR, mapping.address + 7), "si_code and si_addr")
}

fn load_from_the_null_page_raises_sigsegv() -> Outcome {
    let null_page = Mapping { address: 0, length: PAGE };
    let found = fault_of(SIGSEGV, || touch(null_page.load(16)))?;
    expect_eq(found, (SEGV_MAPERR, 16), "si_code and si_addr")
}

fn load_from_a_kernel_address_raises_sigsegv() -> Outcome {
    let kernel = Mapping { address: 0xffff_ffff_8000_0000, length: PAGE };
    // The code and the address differ between machines; that the process gets the signal does not.
    fault_of(SIGSEGV, || touch(kernel.load(0))).map(drop)
}

fn jump_to_memory_without_execute_permission_raises_sigsegv() -> Outcome {
    let mapping = memory::private(1)?;
    mapping.store(0, 0);
    let (code, address) = fault_of(SIGSEGV, || {
        let pointer = mapping.pointer(0, 4).cast_const();
        // SAFETY: the jump traps before any instruction runs: the page may not be executed.
        let function = unsafe { std::mem::transmute::<*const u8, extern "C" fn()>(pointer) };
        function();
    })?;
    expect_eq((code, address), (SEGV_ACCERR, mapping.address), "si_code and si_addr")
}

fn jump_to_a_misaligned_address_raises_sigbus() -> Outcome {
    if !cfg!(target_arch = "aarch64") {
        return skip("other machines' instructions may lie anywhere");
    }
    let mapping = memory::private(1)?;
    mapping.protect(0, PAGE, PROT_READ | PROT_EXEC)?;
    let address = mapping.address + 6;
    expect_eq(fault_of(SIGBUS, || jump_to(address))?, (BUS_ADRALN, address), "si_code and si_addr")
}

/// The architecture looks at the alignment first, which makes it SIGBUS on Linux and on Postern. QEMU looks for the page
/// first, and Linux passes on what it is told.
fn jump_to_a_misaligned_unmapped_address_raises_sigbus_or_sigsegv() -> Outcome {
    if !cfg!(target_arch = "aarch64") {
        return skip("other machines' instructions may lie anywhere");
    }
    let hole = memory::before_hole(1)?;
    let address = hole.address + PAGE + 3;
    let found = fault_of_any(&[SIGBUS, SIGSEGV], || jump_to(address))?;
    expect(
        found == (BUS_ADRALN, address) || found == (SEGV_MAPERR, address),
        "BUS_ADRALN or SEGV_MAPERR, and the address",
    )
}

/// Only for an address that is no multiple of 4.
fn jump_to(misaligned: usize) {
    let pointer = std::ptr::with_exposed_provenance::<u8>(misaligned);
    // SAFETY: the jump traps before any instruction runs: none lies at such an address.
    let jump = unsafe { std::mem::transmute::<*const u8, extern "C" fn()>(pointer) };
    jump();
}

fn load_beyond_end_of_file_raises_sigbus() -> Outcome {
    let mapping = memory::map(Request::file(memory::memfd(100)?, 2 * PAGE, MAP_SHARED))?;
    expect_eq(mapping.load(PAGE - 1), 0, "the last byte of the last page")?;
    let found = fault_of(SIGBUS, || touch(mapping.load(PAGE)))?;
    expect_eq(found, (BUS_ADRERR, mapping.address + PAGE), "si_code and si_addr")
}

fn store_beyond_end_of_file_in_a_private_mapping_raises_sigbus() -> Outcome {
    let mapping = memory::map(Request::file(memory::memfd(100)?, 2 * PAGE, MAP_PRIVATE))?;
    let found = fault_of(SIGBUS, || mapping.store(PAGE + 3, 1))?;
    expect_eq(found, (BUS_ADRERR, mapping.address + PAGE + 3), "si_code and si_addr")
}

fn load_after_the_file_was_truncated_raises_sigbus() -> Outcome {
    let file = memory::memfd(8192)?;
    let mapping = memory::map(Request::file(file, 2 * PAGE, MAP_SHARED))?;
    mapping.store(PAGE, 1);
    crate::sys::path::ftruncate(file, 4096)?;
    let found = fault_of(SIGBUS, || touch(mapping.load(PAGE)))?;
    expect_eq(found, (BUS_ADRERR, mapping.address + PAGE), "si_code and si_addr")
}

fn unhandled_fault_kills_with_sigsegv() -> Outcome {
    let hole = memory::before_hole(1)?;
    let child = process::spawn(|| {
        signal::default(SIGSEGV)?;
        hole.store(PAGE, 1);
        Ok(())
    })?;
    expect_eq(child.wait()?.signalled(), Some(SIGSEGV), "the signal that killed")
}

fn fault_in_a_blocked_sigsegv_kills_all_the_same() -> Outcome {
    let hole = memory::before_hole(1)?;
    for prepare in [|| signal::block(&[SIGSEGV]).map(drop), || signal::ignore(SIGSEGV)] {
        let child = process::spawn(|| {
            signal::default(SIGSEGV)?;
            prepare()?;
            hole.store(PAGE, 1);
            Ok(())
        })?;
        expect_eq(child.wait()?.signalled(), Some(SIGSEGV), "the signal that killed")?;
    }
    Ok(())
}

extern "C" fn opening_handler(_signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes a filled siginfo.
    let info = unsafe { &*info };
    // SAFETY: SIGSEGV from a fault fills si_addr.
    let address = unsafe { info.si_addr() } as usize;
    let page = Mapping { address: address & !(PAGE - 1), length: PAGE };
    // A failure shows as another fault, and in the end as a time-out.
    let _ = page.protect(0, PAGE, memory::READ_WRITE);
}

fn handler_that_maps_the_page_lets_the_access_go_on() -> Outcome {
    let mapping = memory::private(2)?;
    mapping.protect(0, 2 * PAGE, PROT_NONE)?;
    signal::handle(SIGSEGV, opening_handler, 0, &[])?;
    mapping.store(PAGE + 9, 5);
    expect_eq(mapping.load(PAGE + 9), 5, "the byte stored by the access that was repeated")
}

/// Recurses until the stack is used up.
#[inline(never)]
fn overflow(depth: usize) -> usize {
    let frame = std::hint::black_box([depth; 1024]);
    if depth == usize::MAX { 0 } else { overflow(depth + 1) + frame[depth % 1024] }
}

fn overflow_of_the_stack_raises_sigsegv_on_the_alternate_stack() -> Outcome {
    let stack = memory::private(16)?;
    let mut alternate: libc::stack_t = zeroed();
    alternate.ss_sp = stack.pointer(0, 16 * PAGE).cast();
    alternate.ss_size = 16 * PAGE;
    let child = process::spawn(|| {
        let report = memory::shared(1)?;
        REPORT.store(report.address, Ordering::SeqCst);
        // SAFETY: the memory stays mapped until the process ends.
        let value = unsafe { libc::sigaltstack(&raw const alternate, std::ptr::null_mut()) };
        crate::sys::checked("sigaltstack", value)?;
        signal::handle(SIGSEGV, reporting_handler, libc::SA_ONSTACK, &[])?;
        std::hint::black_box(overflow(0));
        Ok(())
    })?;
    expect_eq(child.wait()?.exited(), Some(HANDLED), "the exit code, which the handler sets")
}
