//! The end: message, backtrace with symbols, and a failure status for whoever started the emulator.

use crate::arch::{cpu, gic, semihosting};
use crate::{console, symbols};
use core::fmt::{Display, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

static PANICKED: AtomicBool = AtomicBool::new(false);
/// What the emulator exits with.
const STATUS: u8 = 101;
/// What it exits with if the kernel cannot boot.
const CANNOT_BOOT: u8 = 102;

#[panic_handler]
fn on_panic(info: &PanicInfo) -> ! {
    // SeqCst is not needed: one winner is enough.
    if PANICKED.swap(true, Ordering::Relaxed) {
        // A panic while panicking, or on two CPUs at once.
        semihosting::exit(STATUS);
    }
    gic::stop_others();
    crate::println!("KERNEL PANIC on CPU {}: {info}", cpu::index());
    symbols::print_backtrace(cpu::frame_pointer());
    semihosting::exit(STATUS)
}

/// The machine is not what the kernel can run on: says why, and ends the emulator with status 102. Without a console yet, the
/// message goes to the emulator's own.
pub fn cannot_boot(reason: &dyn Display) -> ! {
    if console::uart().is_some() {
        log::error!("cannot boot: {reason}");
    } else {
        // It never fails.
        let _ = writeln!(semihosting::Console, "postern: cannot boot: {reason}");
    }
    semihosting::exit(CANNOT_BOOT)
}
