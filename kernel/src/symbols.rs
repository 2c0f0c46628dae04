//! Names for addresses of kernel code, from the table that the image builder fills in, and backtraces
//! by frame pointers. Reads only; usable from a panic.

use crate::arch::boot;
use crate::mm::layout::{HEAP, STACKS};

/// Space for the table; `image kernel` reports an error if it does not fit.
const TABLE_SIZE: usize = 256 * 1024;
const MAGIC: u32 = 0x5359_4d42;

#[used]
#[unsafe(link_section = ".symbols")]
static TABLE: [u8; TABLE_SIZE] = [0; TABLE_SIZE];

fn word(offset: usize) -> Option<u32> {
    // The linker places the table; what is in it comes from the image builder, after compilation.
    let byte = |index: usize| {
        let pointer = core::ptr::with_exposed_provenance::<u8>(boot::symbols_start() + index);
        TABLE.get(index).map(|_| crate::mm::layout::read_volatile_byte(pointer))
    };
    Some(u32::from_le_bytes([byte(offset)?, byte(offset + 1)?, byte(offset + 2)?, byte(offset + 3)?]))
}

/// Name and offset of the function that contains `address`; calls `f` with them.
pub fn with_name(address: usize, f: impl FnOnce(&str, usize)) {
    let Some(offset) = address.checked_sub(boot::kernel_start()) else { return };
    if word(0) != Some(MAGIC) {
        return;
    }
    let count = word(4).unwrap_or(0) as usize;
    let entry = |index: usize| Some((word(8 + index * 8)? as usize, word(12 + index * 8)? as usize));
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low.midpoint(high);
        if entry(middle).is_some_and(|(start, _)| start <= offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let Some((start, name)) = low.checked_sub(1).and_then(entry) else { return };
    let mut bytes = [0; 128];
    let mut length = 0;
    while length < bytes.len() {
        match word(name + length).map(|word| word.to_le_bytes()[0]) {
            None | Some(0) => break,
            Some(byte) => bytes[length] = byte,
        }
        length += 1;
    }
    f(core::str::from_utf8(&bytes[..length]).unwrap_or("?"), offset - start);
}

/// Prints the callers from `frame_pointer` on.
pub fn print_backtrace(frame_pointer: usize) {
    let mut frame = frame_pointer;
    for depth in 0..40 {
        let in_stack = (STACKS..HEAP).contains(&frame) || (boot::kernel_start()..boot::kernel_end()).contains(&frame);
        if !in_stack || !frame.is_multiple_of(8) {
            break;
        }
        let [next, return_address] = crate::mm::layout::read_frame_record(frame);
        if return_address == 0 {
            break;
        }
        crate::println!("  {depth:2}: {return_address:#x}");
        with_name(return_address - 4, |name, offset| crate::println!("      {name}+{offset:#x}"));
        if next <= frame {
            break;
        }
        frame = next;
    }
}
