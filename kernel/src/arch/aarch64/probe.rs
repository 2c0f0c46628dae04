//! Whether a device is there at all: a read that may fail. Owns nothing, takes no lock.

use core::arch::global_asm;
use safe_mmio::UniqueMmioPointer;

global_asm!(
    ".pushsection .text, \"ax\"",
    ".balign 4",
    ".global device_probe, device_probe_failed",
    "device_probe:",
    "ldr w0, [x0]",
    "ret",
    "device_probe_failed:",
    "mov x0, #-1",
    "ret",
    ".popsection",
);

unsafe extern "C" {
    fn device_probe(register: usize) -> u64;
    safe fn device_probe_failed();
}

/// The identification register `offset` bytes into the mapped registers at `base`; `None` if the bus answers with an abort, as
/// QEMU's does where there is no device.
///
/// # Safety
/// Reading the register changes nothing, and it is 4-byte aligned.
pub unsafe fn read_identification(base: usize, offset: usize) -> Option<u32> {
    // SAFETY: the caller's promise; a fault is fixed up.
    u32::try_from(unsafe { device_probe(base + offset) }).ok()
}

/// The low byte of the part number of the PrimeCell behind `registers`, a mapped page; `None` if the bus answers with an abort.
pub fn read_part_number<T>(registers: &mut UniqueMmioPointer<'_, T>) -> Option<u32> {
    /// The first of the eight identification registers that end a PrimeCell's page.
    const PERIPHERAL_ID0: usize = 0xfe0;
    // SAFETY: a PrimeCell's identification registers are read-only, and its page is aligned.
    unsafe { read_identification(registers.ptr_mut().addr(), PERIPHERAL_ID0) }
}

/// Where to go on after a fault at `pc`, if that is the read here.
pub fn fixup(pc: usize) -> Option<u64> {
    (pc == device_probe as *const () as usize).then_some(device_probe_failed as *const () as u64)
}
