//! The end of the machine: power-off with an exit status for the emulator, reset.

use crate::arch::{psci, semihosting};
use core::sync::atomic::{AtomicU8, Ordering};

static EXIT_STATUS: AtomicU8 = AtomicU8::new(0);

/// The status the emulator is to exit with at power-off.
pub fn set_exit_status(status: u8) {
    // Relaxed: the CPU that ends the machine has set it, or has been told by who did.
    EXIT_STATUS.store(status, Ordering::Relaxed);
}

/// The status set last.
pub fn exit_status() -> u8 {
    EXIT_STATUS.load(Ordering::Relaxed)
}

/// Powers off. A status other than zero leaves through semihosting, which alone can carry it.
pub fn off() -> ! {
    match exit_status() {
        0 => psci::power_off(),
        status => semihosting::exit(status),
    }
}

/// Resets the machine.
pub fn reset() -> ! {
    psci::reset()
}
