//! The two instructions between which a benchmark's operations are, for a profiler of the emulated machine to see.
//!
//! They do nothing: each moves a number into the zero register (MOVZ XZR, #imm16), which no compiler writes. So they mean
//! something neither to a kernel nor to a processor, and cost one instruction each.

/// Executed before the first operation.
pub const BEGIN: u32 = movz_zero_register(0xb191);
/// Executed after the last one.
pub const END: u32 = movz_zero_register(0xe19d);

/// Arm ARM C6.2, MOVZ: the 64-bit variant, without a shift, to register 31.
const fn movz_zero_register(number: u16) -> u32 {
    0xd280_0000 | (number as u32) << 5 | 31
}
