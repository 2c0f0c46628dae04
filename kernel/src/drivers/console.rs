//! The console's port: the UART below, its terminal above.
//!
//! Owns nothing; the UART has its own lock. Its interrupt handler never sleeps.

use super::tty::{self, Port};
use crate::console::uart;
use crate::fs::attributes::DeviceNumber;

/// The UART as a terminal sees it.
pub struct UartPort;

impl Port for UartPort {
    fn device(&self) -> DeviceNumber {
        tty::UART_DEVICE
    }

    fn send(&self, bytes: &[u8]) {
        if let Some(uart) = uart() {
            uart.write(bytes);
        }
    }

    fn pause_input(&self) {
        if let Some(uart) = uart() {
            uart.pause_input();
        }
    }

    fn resume_input(&self) {
        if let Some(uart) = uart() {
            uart.resume_input();
        }
    }
}

/// There is a terminal from now on: what came before waits in the UART.
pub(super) fn start() {
    UartPort.resume_input();
}

/// The UART has received something.
pub(super) fn on_interrupt() {
    match tty::console() {
        Some(terminal) => terminal.receive(|| uart()?.take_received()),
        None => UartPort.pause_input(),
    }
}
