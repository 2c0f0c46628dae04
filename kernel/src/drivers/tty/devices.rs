//! The devices of terminals: /dev/console, /dev/tty, /dev/ttyAMA0.
//!
//! Owns the console's terminal. No locks, never sleeps. Specification: devices.txt of Linux; tty(4), console(4).

use super::job_control;
use super::{Terminal, pty};
use crate::drivers::console;
use crate::drivers::{CharDriver, DeviceNode, Major, OpenContext};
use crate::fs::attributes::DeviceNumber;
use crate::fs::context::Caller;
use crate::fs::devfs;
use crate::fs::file::FileOps;
use crate::fs::open_file::OpenFile;
use crate::process::{self, Process};
use alloc::sync::Arc;
use postern_core::errno::{Errno, Result};
use spin::Once;

/// Linux's major number of what stands for a terminal.
const ALTERNATES: u32 = 5;
const TTY: u32 = 0;
const CONSOLE: u32 = 1;
/// Linux's major number of serial ports of many kinds, and the place of the PL011 among them.
pub const UART_DEVICE: DeviceNumber = DeviceNumber::new(204, 64);

static CONSOLE_TERMINAL: Once<Arc<Terminal>> = Once::new();

/// Makes the console's terminal and registers the devices. Once, at boot.
///
/// # Errors
/// ENOMEM; EBUSY, EEXIST the second time.
pub fn register() -> Result<()> {
    let terminal = Terminal::try_new(Arc::new(console::UartPort))?;
    CONSOLE_TERMINAL.call_once(|| terminal);
    let nodes = [DeviceNode::new("tty", TTY, 0o666), DeviceNode::new("console", CONSOLE, 0o600)];
    crate::drivers::register(Arc::new(Alternates), Major::Fixed(ALTERNATES), 0..2, &nodes)?;
    let DeviceNumber { major, minor } = UART_DEVICE;
    let node = DeviceNode::new("ttyAMA0", minor, 0o660);
    crate::drivers::register(Arc::new(Serial), Major::Fixed(major), minor..minor + 1, &[node])?;
    pty::register()?;
    process::exit::set_session_end_handler(job_control::on_session_end);
    process::terminal_ties::set_terminal_finder(job_control::seen_from_outside);
    console::start();
    Ok(())
}

/// Opens /dev/console for the first process, whether or not there is such a name.
///
/// # Errors
/// ENXIO before [`register`].
pub fn open_console(caller: &Caller<'_>) -> Result<Arc<OpenFile>> {
    devfs::open_unmounted(caller, "console")
}

/// The console's terminal, once there is one.
pub fn console() -> Option<&'static Arc<Terminal>> {
    CONSOLE_TERMINAL.get()
}

/// The first terminal that is wanted.
pub(super) fn find(is_wanted: impl Fn(&Terminal) -> bool) -> Option<Arc<Terminal>> {
    console().filter(|terminal| is_wanted(terminal)).cloned().or_else(|| pty::find(is_wanted))
}

/// The controlling terminal of `caller`.
pub(super) fn controlling_terminal(caller: &Process) -> Option<Arc<Terminal>> {
    find(|terminal| terminal.is_controlling(caller))
}

struct Alternates;

impl CharDriver for Alternates {
    fn name(&self) -> &str {
        "/dev/tty"
    }

    fn open(&self, minor: u32, context: &OpenContext<'_>) -> Result<Arc<dyn FileOps>> {
        match minor {
            TTY => job_control::of_caller()?.open(context.credentials),
            // It never becomes a controlling terminal by being opened.
            CONSOLE => console().ok_or(Errno::ENXIO)?.open_as_console(context.credentials),
            _ => Err(Errno::ENXIO),
        }
    }
}

struct Serial;

impl CharDriver for Serial {
    fn name(&self) -> &str {
        "ttyAMA"
    }

    fn open(&self, _: u32, context: &OpenContext<'_>) -> Result<Arc<dyn FileOps>> {
        let terminal = console().ok_or(Errno::ENXIO)?;
        let file = terminal.open(context.credentials)?;
        terminal.adopt_by_opening(context);
        Ok(file)
    }
}
