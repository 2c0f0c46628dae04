//! The way out of the machine. Owns the status file and the call of `reboot(2)`.

use nix::sys::reboot::{RebootMode, reboot};
use std::fs;
use std::path::Path;

/// Postern ends the emulator with the number written here; other kernels do not have the file.
const STATUS_FILE: &str = "/proc/postern/exit_status";

/// Powers the machine off, handing `status` to the kernel where it can take one. Never returns.
pub fn leave(status: u8) -> ! {
    if Path::new(STATUS_FILE).exists()
        && let Err(error) = fs::write(STATUS_FILE, format!("{status}\n"))
    {
        eprintln!("init: {STATUS_FILE}: {error}");
    }
    nix::unistd::sync();
    let Err(error) = reboot(RebootMode::RB_POWER_OFF);
    eprintln!("init: reboot: {}; status was {status}", error.desc());
    loop {
        // Returning would make the kernel panic, so process 1 stays, asleep.
        nix::unistd::pause();
    }
}
