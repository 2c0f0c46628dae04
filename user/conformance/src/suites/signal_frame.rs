//! What a handler finds in its `ucontext_t` on AArch64: the records behind the registers, and the address of a fault.
//! Specification: Linux's arch/arm64/include/uapi/asm/sigcontext.h; arch/arm64/kernel/signal.c and traps.c of 6.12.

use crate::check::{Failure, Outcome, expect, expect_eq, failed, skip};
use crate::sys::memory::{self, Mapping, PAGE};
use crate::sys::{process, signal};
use libc::{PROT_EXEC, PROT_READ, SIGILL, SIGSEGV, SIGTRAP, SIGUSR1};
use std::sync::atomic::{AtomicUsize, Ordering};

crate::tests! {
    memory_fault_comes_with_its_syndrome_and_address,
    fault_at_a_kernel_address_tells_nothing_of_what_is_there,
    signal_that_was_sent_comes_without_syndrome_and_address,
    illegal_instruction_comes_without_syndrome_and_address,
    breakpoint_comes_without_syndrome_and_address,
    next_signal_still_tells_of_the_last_fault,
    handler_of_a_fault_returns_past_its_syndrome,
}

/// From a `ucontext_t` to `fault_address`.
const FAULT_ADDRESS: usize = 176;
/// From a `ucontext_t` to the records.
const RECORDS: usize = 464;
const FPSIMD_MAGIC: u32 = 0x4650_8001;
const ESR_MAGIC: u32 = 0x4553_5201;
const HANDLED: i32 = 77;

/// Of a syndrome: the class of a data abort from user mode, and the bit for a store.
const DATA_ABORT: u64 = 0x24;
const WRITE: u64 = 1 << 6;

/// Where the handler writes: a shared page.
static REPORT: AtomicUsize = AtomicUsize::new(0);

/// What a handler found.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    fault_address: u64,
    /// The syndrome, if there is a record of it.
    syndrome: Option<u64>,
}

const NOTHING: Found = Found { fault_address: 0, syndrome: None };

/// Two words of what lies at `address`.
fn halves_at(address: usize) -> [u32; 2] {
    let pointer = std::ptr::with_exposed_provenance::<[u32; 2]>(address);
    // SAFETY: within the frame that the kernel has just written.
    unsafe { pointer.read_unaligned() }
}

extern "C" fn reporting_handler(_signal: i32, _info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    report_of(context);
    process::exit(HANDLED)
}

fn report_of(context: *mut libc::c_void) {
    let context = context.expose_provenance();
    let report = Mapping { address: REPORT.load(Ordering::SeqCst), length: PAGE };
    let put = |offset: usize, halves: [u32; 2]| {
        report.word(offset).store(halves[0], Ordering::SeqCst);
        report.word(offset + 4).store(halves[1], Ordering::SeqCst);
    };
    put(0, halves_at(context + FAULT_ADDRESS));
    let mut record = context + RECORDS;
    let mut order = 0;
    loop {
        let [magic, size] = halves_at(record);
        match (magic, size) {
            (0, _) => break,
            (FPSIMD_MAGIC, 528) if order == 0 => {}
            (ESR_MAGIC, 16) if order == 1 => {
                put(8, halves_at(record + 8));
                report.word(16).store(1, Ordering::SeqCst);
            }
            _ => process::exit(1),
        }
        order += 1;
        record += size as usize;
    }
}

/// Runs `act` in a child whose handler for `expected` reports; what it found.
fn found_by(expected: i32, act: impl FnOnce()) -> Result<Found, Failure> {
    if !cfg!(target_arch = "aarch64") {
        return skip("other machines' frames look different");
    }
    let report = memory::shared(1)?;
    REPORT.store(report.address, Ordering::SeqCst);
    let child = process::spawn(|| {
        signal::handle(expected, reporting_handler, 0, &[])?;
        act();
        Err(failed("the handler did not run"))
    })?;
    expect_eq(child.wait()?.exited(), Some(HANDLED), "the exit code, which the handler sets")?;
    Ok(reported(&report))
}

fn reported(report: &Mapping) -> Found {
    let word = |offset: usize| u64::from(report.word(offset).load(Ordering::SeqCst));
    let double = |offset: usize| word(offset) | word(offset + 4) << 32;
    Found { fault_address: double(0), syndrome: (word(16) == 1).then(|| double(8)) }
}

/// Takes what a load returned: that it was loaded is all that matters.
fn touch(_byte: u8) {}

/// Jumps to an instruction.
fn execute(instruction: u32) {
    let Ok(mapping) = memory::private(1) else { return };
    mapping.store_all(0, &instruction.to_le_bytes());
    if mapping.protect(0, PAGE, PROT_READ | PROT_EXEC).is_ok() {
        let pointer = mapping.pointer(0, 4).cast_const();
        // SAFETY: the instruction there traps.
        let jump = unsafe { std::mem::transmute::<*const u8, extern "C" fn()>(pointer) };
        jump();
    }
}

fn memory_fault_comes_with_its_syndrome_and_address() -> Outcome {
    let hole = memory::before_hole(1)?;
    for (bits, offset) in [(0, 12), (WRITE, 20)] {
        let found = found_by(SIGSEGV, || match bits {
            WRITE => hole.store(PAGE + offset, 1),
            _ => touch(hole.load(PAGE + offset)),
        })?;
        expect_eq(found.fault_address, (hole.address + PAGE + offset) as u64, "fault_address")?;
        let Some(syndrome) = found.syndrome else { return Err(failed("there is no record of the syndrome")) };
        expect_eq((syndrome >> 26, syndrome & WRITE), (DATA_ABORT, bits), "class and store bit of the syndrome")?;
        expect(matches!(syndrome & 0x3f, 4..=7), "the syndrome says that nothing is mapped there")?;
    }
    Ok(())
}

fn fault_at_a_kernel_address_tells_nothing_of_what_is_there() -> Outcome {
    // Near the start and the end of the kernel's half.
    for address in [0xffff_0000_0000_0010_u64, 0xffff_ffff_ffff_f000] {
        let found = found_by(SIGSEGV, || {
            let pointer = std::ptr::with_exposed_provenance_mut::<u8>(usize::try_from(address).unwrap_or(0));
            // SAFETY: the store traps: no program may reach the kernel's half.
            unsafe { pointer.write_volatile(1) };
        })?;
        let syndrome = found.syndrome.map(|syndrome| syndrome & !(1 << 25));
        expect_eq(found.fault_address, address, "fault_address")?;
        expect_eq(syndrome, Some(DATA_ABORT << 26 | WRITE | 4), "the syndrome but for the instruction's length")?;
    }
    Ok(())
}

/// That it was sent is seen by the handler's report.
fn send_to_oneself() {
    let _ = signal::raise(SIGUSR1);
}

fn signal_that_was_sent_comes_without_syndrome_and_address() -> Outcome {
    expect_eq(found_by(SIGUSR1, send_to_oneself)?, NOTHING, "what the handler found")
}

fn illegal_instruction_comes_without_syndrome_and_address() -> Outcome {
    const UDF: u32 = 0;
    const READ_OF_SCTLR_EL1: u32 = 0xd538_1000;
    for instruction in [UDF, READ_OF_SCTLR_EL1] {
        expect_eq(found_by(SIGILL, || execute(instruction))?, NOTHING, "what the handler found")?;
    }
    Ok(())
}

fn breakpoint_comes_without_syndrome_and_address() -> Outcome {
    const BRK: u32 = 0xd420_0020;
    expect_eq(found_by(SIGTRAP, || execute(BRK))?, NOTHING, "what the handler found")
}

/// Makes the page of the fault readable and writable, and goes on.
extern "C" fn mending_handler(_signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes a filled siginfo.
    let info = unsafe { &*info };
    // SAFETY: SIGSEGV from faults fills si_addr.
    let address = unsafe { info.si_addr() }.addr() & !(PAGE - 1);
    let page = Mapping { address, length: PAGE };
    if page.protect(0, PAGE, PROT_READ | libc::PROT_WRITE).is_err() {
        process::exit(1);
    }
}

fn next_signal_still_tells_of_the_last_fault() -> Outcome {
    let page = memory::private(1)?;
    page.protect(0, PAGE, PROT_READ)?;
    let found = found_by(SIGUSR1, || {
        if signal::handle(SIGSEGV, mending_handler, 0, &[]).is_ok() {
            page.store(3, 1);
            send_to_oneself();
        }
    })?;
    expect_eq(found.fault_address, page.address as u64 + 3, "fault_address")?;
    expect(found.syndrome.is_some(), "there is a record of the syndrome")
}

fn handler_of_a_fault_returns_past_its_syndrome() -> Outcome {
    let page = memory::private(1)?;
    page.protect(0, PAGE, PROT_READ)?;
    signal::handle(SIGSEGV, mending_handler, 0, &[])?;
    page.store(5, 9);
    expect_eq(page.load(5), 9, "the byte that was stored once the handler had returned")
}
