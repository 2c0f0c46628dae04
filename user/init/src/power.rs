//! The way out of the machine. Owns the status file, the semihosting call in its place, and the call of `reboot(2)`.

use nix::sys::reboot::{RebootMode, reboot};
use std::env;
use std::fs;
use std::path::Path;

/// Postern ends the emulator with the number written here; other kernels do not have the file.
const STATUS_FILE: &str = "/proc/postern/exit_status";

/// A boot parameter, `POSTERN_EXIT=semihosting`: the emulator lets programs make semihosting calls, and the kernel does not
/// take a status. Without it such a call would be an illegal instruction.
const WAY_OUT: (&str, &str) = ("POSTERN_EXIT", "semihosting");

/// Powers the machine off, handing `status` to the kernel where it can take one, or to the emulator. Never returns.
pub fn leave(status: u8) -> ! {
    nix::unistd::sync();
    if Path::new(STATUS_FILE).exists() {
        if let Err(error) = fs::write(STATUS_FILE, format!("{status}\n")) {
            eprintln!("init: {STATUS_FILE}: {error}");
        }
    } else if env::var(WAY_OUT.0).is_ok_and(|way| way == WAY_OUT.1) {
        exit_emulator(status);
    }
    let Err(error) = reboot(RebootMode::RB_POWER_OFF);
    eprintln!("init: reboot: {}; status was {status}", error.desc());
    loop {
        // Returning would make the kernel panic, so process 1 stays, asleep.
        nix::unistd::pause();
    }
}

/// The semihosting call SYS_EXIT_EXTENDED, which ends QEMU with `status`.
/// Specification: Arm's "Semihosting for AArch32 and AArch64", 6.
#[cfg(target_arch = "aarch64")]
fn exit_emulator(status: u8) {
    const SYS_EXIT_EXTENDED: u64 = 0x20;
    /// The reason "the application ends", which alone carries a status.
    const APPLICATION_EXIT: u64 = 0x2_0026;
    let block = [APPLICATION_EXIT, u64::from(status)];
    // SAFETY: the call reads two words at x1, which `block` is, and changes x0 alone; it ends the emulator.
    unsafe {
        std::arch::asm!("hlt #0xf000", inout("x0") SYS_EXIT_EXTENDED => _, in("x1") block.as_ptr(), options(nostack, readonly));
    }
}

/// There is no such call on other machines.
#[cfg(not(target_arch = "aarch64"))]
fn exit_emulator(_status: u8) {}
