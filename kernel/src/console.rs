//! The kernel's own output: `log` records, kept in a ring for dmesg and sent to the UART; panics.
//!
//! Locks: LOG around the ring; the UART has its own. May be called from anywhere, sleeps never.

use crate::drivers::pl011::Uart;
use crate::sync::{SpinLock, rank};
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};
use log::{LevelFilter, Log, Metadata, Record};

/// Bytes of log kept.
pub const RING_SIZE: usize = 16 * 1024;

struct Ring {
    bytes: [u8; RING_SIZE],
    /// Bytes ever written; the newest RING_SIZE of them are kept.
    written: usize,
}

static RING: SpinLock<Ring> = SpinLock::new(rank::LOG, Ring { bytes: [0; RING_SIZE], written: 0 });
static UART: spin::Once<Uart> = spin::Once::new();
static QUIET: AtomicBool = AtomicBool::new(false);

/// Gives the console its UART. Once, at boot.
pub fn init(uart: Uart) {
    UART.call_once(|| uart);
    // Fails only if there is a logger already.
    let _ = log::set_logger(&KernelLog);
    log::set_max_level(LevelFilter::Info);
}

/// The UART, once there is one.
pub fn uart() -> Option<&'static Uart> {
    UART.get()
}

/// Keeps records from the UART (the `quiet` parameter); warnings and errors are still shown.
pub fn set_quiet(quiet: bool) {
    // Relaxed: it orders nothing, and a line more or less does no harm.
    QUIET.store(quiet, Ordering::Relaxed);
}

struct KernelLog;

impl Log for KernelLog {
    fn enabled(&self, _metadata: &Metadata) -> bool {
        true
    }

    fn log(&self, record: &Record) {
        let now = crate::arch::timer::now_ns();
        let (seconds, micros) = (now / 1_000_000_000, now / 1000 % 1_000_000);
        let mut line = Line::new();
        // Writing to a Line never fails: it cuts.
        let _ = writeln!(line, "[{seconds:5}.{micros:06}] {}", record.args());
        append(line.as_bytes());
        if !QUIET.load(Ordering::Relaxed) || record.level() <= log::Level::Warn {
            print_bytes(line.as_bytes());
        }
    }

    fn flush(&self) {}
}

/// A line of bounded length, so that logging needs no allocation.
struct Line {
    bytes: [u8; 256],
    length: usize,
}

impl Line {
    const fn new() -> Self {
        Self { bytes: [0; 256], length: 0 }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if self.length == self.bytes.len() {
                self.bytes[self.length - 1] = b'\n';
                return Ok(());
            }
            self.bytes[self.length] = byte;
            self.length += 1;
        }
        Ok(())
    }
}

/// Adds bytes to the log ring, as `/dev/kmsg` does for programs.
pub fn append(bytes: &[u8]) {
    let mut ring = RING.lock();
    for byte in bytes {
        let at = ring.written % RING_SIZE;
        ring.bytes[at] = *byte;
        ring.written += 1;
    }
}

/// The log as far as it is kept: for dmesg. ENOMEM gives an empty one.
pub fn log_contents() -> Vec<u8> {
    let mut out = Vec::new();
    if out.try_reserve(RING_SIZE).is_err() {
        return out;
    }
    let ring = RING.lock();
    let start = ring.written.saturating_sub(RING_SIZE);
    out.extend((start..ring.written).map(|at| ring.bytes[at % RING_SIZE]));
    out
}

fn print_bytes(bytes: &[u8]) {
    let Some(uart) = uart() else { return };
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(text) => {
                uart.write(text);
                uart.write(b"\r\n");
            }
            None => uart.write(line),
        }
    }
}

/// Text straight to the UART, not to the log: for the in-kernel tests and panics.
pub struct Direct;

impl Write for Direct {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        print_bytes(text.as_bytes());
        Ok(())
    }
}

/// Prints a line to the console whatever the log level.
#[macro_export]
macro_rules! println {
    ($($argument:tt)*) => {{
        use core::fmt::Write as _;
        // The console never fails.
        let _ = writeln!($crate::console::Direct, $($argument)*);
    }};
}
