//! The assembly entry, and the addresses the linker script gives.

use core::arch::global_asm;

global_asm!(include_str!("boot.s"), options(raw));

unsafe extern "C" {
    static __kernel_start: u8;
    static __text_end: u8;
    static __rodata_end: u8;
    static __vdso_start: u8;
    static __vdso_end: u8;
    static __symbols_start: u8;
    static __kernel_end: u8;
    fn secondary_entry();
}

/// What a starting CPU reads before its MMU is on: physical addresses only, apart from the stack.
#[repr(C)]
pub struct SecondaryStart {
    /// The kernel's translation table (physical).
    pub ttbr1: usize,
    /// Top of the CPU's first stack (virtual).
    pub stack_top: usize,
    /// The index the kernel gives the CPU.
    pub cpu: usize,
}

macro_rules! address_of {
    ($($(#[$doc:meta])* $name:ident = $symbol:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name() -> usize {
            (&raw const $symbol).addr()
        }
    )*};
}

address_of! {
    /// First byte of the image: code.
    kernel_start = __kernel_start;
    /// End of code, start of read-only data.
    text_end = __text_end;
    /// End of read-only data, start of writable data.
    rodata_end = __rodata_end;
    /// The page that every process may execute.
    vdso_start = __vdso_start;
    /// Its end.
    vdso_end = __vdso_end;
    /// The symbol table that the image builder fills in.
    symbols_start = __symbols_start;
    /// End of the image, bss included.
    kernel_end = __kernel_end;
}

/// Virtual address of the entry point of secondary CPUs (PSCI wants its physical address).
pub fn secondary_entry_address() -> usize {
    (secondary_entry as *const ()).addr()
}
