//! The board: what hardware there is and where.

pub mod virt;

use crate::mm::layout::direct;

/// The magic number a device tree begins with, big-endian.
const DEVICE_TREE_MAGIC: u32 = 0xd00d_feed;
/// Larger than any real one: beyond that, the header is nonsense.
const DEVICE_TREE_MAX: usize = 4 << 20;

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
