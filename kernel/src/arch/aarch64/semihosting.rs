//! The emulator's exit status and console.

use core::fmt::{self, Write};
use qemu_exit::QEMUExit;

/// Ends the emulator with `status`. Without semihosting (other hypervisors, hardware) this traps,
/// so callers use it only where PSCI's power-off would lose the status.
pub fn exit(status: u8) -> ! {
    qemu_exit::AArch64::new().exit(u32::from(status))
}

/// The emulator's console: for when there is no other.
pub struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // SAFETY: SYS_WRITEC (3) reads the byte behind x1, and answers in x0.
            unsafe {
                core::arch::asm!("hlt #0xf000", inout("x0") 3_u64 => _, in("x1") &raw const byte, options(nostack))
            };
        }
        Ok(())
    }
}
