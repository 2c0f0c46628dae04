//! The kernel's half of the address space, and where user programs are put in theirs.
//! Values only; `linker.ld` owns the image's own address.

use crate::arch::mmu::PAGE_SIZE;

/// All RAM, at a constant distance from its physical addresses. Never executable.
pub const DIRECT_MAP: usize = 0xffff_0000_0000_0000;
/// Kernel stacks, a slot each.
pub const STACKS: usize = 0xffff_9000_0000_0000;
/// The kernel heap: what it has from the start, then large blocks.
pub const HEAP: usize = 0xffff_a000_0000_0000;
/// The most the kernel heap may become.
pub const HEAP_MAX: usize = 1 << 30;
/// Device registers.
pub const DEVICES: usize = 0xffff_b000_0000_0000;

/// Where a page of the kernel's code is mapped while it is written.
pub const CODE_ALIAS: usize = 0xffff_b800_0000_0000;

/// A stack's slot: the lower half is the guard (exception.s relies on bit 14 telling them apart).
pub const STACK_SLOT: usize = 32 * 1024;
/// Mapped bytes of a kernel stack.
pub const STACK_SIZE: usize = 16 * 1024;

/// Lowest address a program may map: pointers near null stay invalid.
pub const USER_LOW: usize = 0x1_0000;
/// End of what programs may map, the guard page below the half's end excluded.
pub const USER_HIGH: usize = crate::arch::user_access::USER_END - PAGE_SIZE;
/// Where `mmap` begins to search downwards: below the largest stack.
pub const MMAP_TOP: usize = USER_HIGH - (1 << 30);
/// Top of the first thread's stack.
pub const USER_STACK_TOP: usize = USER_HIGH;
/// Load address of a static PIE.
pub const PIE_BASE: usize = 0xaaaa_aaaa_0000;

/// Physical address of a direct-mapped one.
pub const fn physical(direct: usize) -> usize {
    direct - DIRECT_MAP
}

/// Direct-mapped address of a physical one.
pub const fn direct(physical: usize) -> usize {
    physical + DIRECT_MAP
}

/// `address` rounded up to a page boundary.
pub const fn page_up(address: usize) -> usize {
    (address + PAGE_SIZE - 1) & !(PAGE_SIZE - 1)
}

/// `address` rounded down to a page boundary.
pub const fn page_down(address: usize) -> usize {
    address & !(PAGE_SIZE - 1)
}

/// Reads a byte the compiler must not assume to know: the symbol table, written after compilation.
pub fn read_volatile_byte(pointer: *const u8) -> u8 {
    // SAFETY: the only caller reads inside a static of the image.
    unsafe { pointer.read_volatile() }
}

/// Reads a frame record (caller's frame pointer, return address) of a kernel stack.
pub fn read_frame_record(frame: usize) -> [usize; 2] {
    let pointer = core::ptr::with_exposed_provenance::<[usize; 2]>(frame);
    // SAFETY: the caller has checked that the address lies in a stack; a hostile or broken chain can
    // at worst fault, in a panic that is already under way.
    unsafe { pointer.read_volatile() }
}
