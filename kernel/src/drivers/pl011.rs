//! PL011 UART: bytes out by polling, bytes in by interrupt. The registers are `arm-pl011-uart`'s.
//! Lock: CONSOLE around the device.

use crate::arch::probe;
use crate::sync::{SpinLock, rank};
use arm_pl011_uart::{DataBits, Interrupts, LineConfig, PL011Registers, Parity, StopBits, UniqueMmioPointer};

/// The line QEMU gives it; on the emulated device neither number has an effect.
const BAUD_RATE: u32 = 115_200;
const CLOCK_HZ: u32 = 24_000_000;

/// The low byte of its part number.
const PART: u32 = 0x11;

/// The console's UART.
pub struct Uart {
    device: SpinLock<arm_pl011_uart::Uart<'static>>,
}

impl Uart {
    /// The UART behind `registers`, enabled, interrupting when bytes have been received. `None` if there is none.
    pub fn new(mut registers: UniqueMmioPointer<'static, PL011Registers>) -> Option<Self> {
        if probe::read_part_number(&mut registers) != Some(PART) {
            return None;
        }
        let mut device = arm_pl011_uart::Uart::new(registers);
        let line = LineConfig { data_bits: DataBits::Bits8, parity: Parity::None, stop_bits: StopBits::One };
        // It fails only for a baud rate that the clock cannot make.
        let _ = device.enable(line, BAUD_RATE, CLOCK_HZ);
        device.set_interrupt_masks(Interrupts::RXI | Interrupts::RTI);
        Some(Self { device: SpinLock::new(rank::CONSOLE, device) })
    }

    /// Sends bytes as they are.
    pub fn write(&self, bytes: &[u8]) {
        let mut device = self.device.lock();
        for byte in bytes {
            while device.is_tx_fifo_full() {
                crate::arch::cpu::relax();
            }
            device.write_word(*byte);
        }
    }

    /// A received byte, if there is one; the interrupt is quiet once there is none. A byte with a
    /// line error is dropped.
    pub fn take_received(&self) -> Option<u8> {
        let mut device = self.device.lock();
        let mut is_quiet = false;
        loop {
            match device.read_word() {
                Ok(Some(byte)) => return Some(byte),
                Ok(None) if is_quiet => return None,
                // Then a further look: a byte that came in between has no interrupt of its own.
                Ok(None) => {
                    device.clear_interrupts(Interrupts::RXI | Interrupts::RTI);
                    is_quiet = true;
                }
                Err(_) => {}
            }
        }
    }

    /// Bytes are left where they are: no interrupt tells of them.
    pub fn pause_input(&self) {
        self.device.lock().set_interrupt_masks(Interrupts::empty());
    }

    /// Bytes are told of again, those that have come meanwhile too.
    pub fn resume_input(&self) {
        self.device.lock().set_interrupt_masks(Interrupts::RXI | Interrupts::RTI);
    }
}
