//! PL031 real-time clock: read once, at boot. Its first register is `safe-mmio`'s and all that is needed.
//! No lock, never sleeps. Specification: Arm DDI 0224, PrimeCell Real Time Clock.

use crate::arch::probe;
use crate::mm::kernel_space;
use crate::time;
use core::ops::Range;
use postern_core::clock::NS_PER_SECOND;
use safe_mmio::fields::ReadPure;

/// RTCDR: seconds since 1970.
type Data = ReadPure<u32>;

/// The low byte of its part number.
const PART: u32 = 0x31;

/// Sets the real-time clock of the kernel from the device behind `registers`; one that is not there is reported, and done
/// without. Once, at boot.
pub fn init(registers: &Range<usize>) {
    let mut data = kernel_space::map_registers::<Data>(registers);
    if probe::read_part_number(&mut data) != Some(PART) {
        log::error!("there is no PL031 at {:#x}: the clock starts at 1970", registers.start);
        return;
    }
    time::set_realtime_ns(u64::from(data.read()) * NS_PER_SECOND);
}
