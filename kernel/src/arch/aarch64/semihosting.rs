//! The emulator's exit status.

use qemu_exit::QEMUExit;

/// Ends the emulator with `status`. Without semihosting (other hypervisors, hardware) this traps,
/// so callers use it only where PSCI's power-off would lose the status.
pub fn exit(status: u8) -> ! {
    qemu_exit::AArch64::new().exit(u32::from(status))
}

/// Writes a NUL-terminated text to the emulator's console: for when there is no other.
pub fn write(text: &str) {
    debug_assert!(text.ends_with('\0'));
    // SAFETY: SYS_WRITE0 (4) reads the text up to its NUL.
    unsafe { core::arch::asm!("hlt #0xf000", in("w0") 4, in("x1") text.as_ptr(), options(nostack)) };
}
