//! How an ioctl's number is made: Linux's `_IO`, `_IOR`, `_IOW` (asm-generic/ioctl.h). Values only.

const SIZE_SHIFT: u32 = 16;
const TYPE_SHIFT: u32 = 8;
const SIZE_MAX: usize = (1 << 14) - 1;
const TO_KERNEL: u32 = 1 << 30;
const FROM_KERNEL: u32 = 2 << 30;

/// `_IO(kind, number)`: no argument, or a plain number.
#[must_use]
pub const fn io(kind: u8, number: u8) -> u32 {
    encode(0, kind, number, 0)
}

/// `_IOR(kind, number, T)`: the kernel writes a `T`.
#[must_use]
pub const fn ior<T>(kind: u8, number: u8) -> u32 {
    encode(FROM_KERNEL, kind, number, size_of::<T>())
}

/// `_IOW(kind, number, T)`: the kernel reads a `T`.
#[must_use]
pub const fn iow<T>(kind: u8, number: u8) -> u32 {
    encode(TO_KERNEL, kind, number, size_of::<T>())
}

#[expect(clippy::cast_possible_truncation, reason = "the size is bounded just before")]
const fn encode(direction: u32, kind: u8, number: u8, size: usize) -> u32 {
    assert!(size <= SIZE_MAX, "an ioctl's argument is smaller than 16 KiB");
    direction | (size as u32) << SIZE_SHIFT | (kind as u32) << TYPE_SHIFT | number as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that Linux's headers give: `FS_IOC_GETFLAGS` is `_IOR('f', 1, long)`, `TUNSETIFF` is `_IOW('T', 202, int)`,
    /// `RTC_AIE_ON` is `_IO('p', 1)`.
    #[test]
    fn numbers_are_encoded_as_linux_does() {
        assert_eq!(ior::<u64>(b'f', 1), 0x8008_6601);
        assert_eq!(iow::<u32>(b'T', 202), 0x4004_54ca);
        assert_eq!(io(b'p', 1), 0x7001);
    }
}
