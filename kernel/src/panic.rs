//! The end: message, backtrace with symbols, and a failure status for whoever started the emulator.

use crate::arch::{cpu, gic, semihosting};
use crate::symbols;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

static PANICKED: AtomicBool = AtomicBool::new(false);
/// What the emulator exits with.
const STATUS: u8 = 101;

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
