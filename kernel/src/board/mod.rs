//! The board: what hardware there is and where.

pub mod virt;

use crate::arch::semihosting;
use crate::console;
use crate::mm::layout::direct;
use core::fmt::{Display, Write};

/// The magic number a device tree begins with, big-endian.
const DEVICE_TREE_MAGIC: u32 = 0xd00d_feed;
/// Larger than any real one: beyond that, the header is nonsense.
const DEVICE_TREE_MAX: usize = 4 << 20;
/// What the emulator exits with if the kernel cannot boot.
const STATUS: u8 = 102;

/// The device tree at a physical address, as long as its header says. Empty if it is none, which
/// then fails to parse.
pub fn device_tree_at(physical: usize) -> &'static [u8] {
    let word = |offset: usize| {
        let pointer = core::ptr::with_exposed_provenance::<[u8; 4]>(direct(physical) + offset);
        // SAFETY: the early direct map covers where the loader may put a device tree; nobody writes it.
        u32::from_be_bytes(unsafe { pointer.read_unaligned() })
    };
    if physical == 0 || !physical.is_multiple_of(8) || word(0) != DEVICE_TREE_MAGIC {
        return &[];
    }
    let size = word(4) as usize;
    if size > DEVICE_TREE_MAX {
        return &[];
    }
    let pointer = core::ptr::with_exposed_provenance(direct(physical));
    // SAFETY: as above; the memory is kept until boot has read everything it needs.
    unsafe { core::slice::from_raw_parts(pointer, size) }
}

/// The machine is not what the kernel can run on: says why, and ends the emulator with status 102. Without a console yet, the
/// message goes to the emulator's own.
pub fn die(reason: &dyn Display) -> ! {
    if console::uart().is_some() {
        log::error!("cannot boot: {reason}");
    } else {
        // It never fails.
        let _ = writeln!(semihosting::Console, "postern: cannot boot: {reason}");
    }
    semihosting::exit(STATUS)
}
