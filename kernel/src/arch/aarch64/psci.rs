//! PSCI: starting CPUs, power-off, reset.

use core::sync::atomic::{AtomicU8, Ordering};
use postern_core::machine::Conduit;
use smccc::{Hvc, Smc, psci};

/// Set once at boot, before other CPUs start: Relaxed.
static CONDUIT: AtomicU8 = AtomicU8::new(Conduit::Hvc as u8);

/// Chooses the conduit.
pub fn init(conduit: Conduit) {
    CONDUIT.store(conduit as u8, Ordering::Relaxed);
}

fn uses_hvc() -> bool {
    CONDUIT.load(Ordering::Relaxed) == Conduit::Hvc as u8
}

/// Starts the CPU `mpidr` at the physical address `entry` with `argument` in x0.
pub fn start_cpu(mpidr: u64, entry: u64, argument: u64) -> Result<(), psci::error::Error> {
    if uses_hvc() { psci::cpu_on::<Hvc>(mpidr, entry, argument) } else { psci::cpu_on::<Smc>(mpidr, entry, argument) }
}

/// Powers the machine off.
pub fn power_off() -> ! {
    // An error means that there is no such firmware; there is nothing left to do but stop.
    let _ = if uses_hvc() { psci::system_off::<Hvc>() } else { psci::system_off::<Smc>() };
    super::cpu::halt()
}

/// Resets the machine.
pub fn reset() -> ! {
    let _ = if uses_hvc() { psci::system_reset::<Hvc>() } else { psci::system_reset::<Smc>() };
    super::cpu::halt()
}
