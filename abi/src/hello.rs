//! `/dev/hello`: its ioctls and what they carry. The same for C: `include/postern/hello.h`.
//!
//! Reading, writing, `poll(2)`, `FIONREAD`, `F_SETPIPE_SZ` and `F_GETPIPE_SZ` are as for a FIFO. Values only.

use crate::ioctl;

/// The letter of its ioctl numbers.
pub const HELLO_IOC_MAGIC: u8 = b'h';
/// Room for a channel's name and the NUL behind it.
pub const HELLO_NAME_SIZE: usize = 64;
/// The most slots a ring has.
pub const HELLO_SLOTS_MAX: u32 = 1024;

/// Binds the file to the channel of that name in its opener's control group, instead of to the group's own. The ends are
/// opened there as open(2) would have, waiting for the other side unless `O_NONBLOCK` is set now.
///
/// The argument is a string of 1 to 63 bytes, each a printable character of ASCII other than the space and `/`.
///
/// EINVAL: not such a name. EBUSY: data has moved on the file, or it is or was waited for. ENXIO: opened with `O_WRONLY`,
/// `O_NONBLOCK` is set, and nobody reads. EINTR. ENODEV: the control group is gone. ENOSPC: the group has too many channels open.
pub const HELLO_IOC_CHANNEL: u32 = ioctl::iow::<[u8; HELLO_NAME_SIZE]>(HELLO_IOC_MAGIC, 1);

/// Sets the ring's number of slots, each a page: a power of two of at most [`HELLO_SLOTS_MAX`].
///
/// EINVAL: not such a number. EBUSY: more slots than that hold data. ENOMEM.
pub const HELLO_IOC_SET_SLOTS: u32 = ioctl::iow::<u32>(HELLO_IOC_MAGIC, 2);

/// Tells the ring's number of slots.
pub const HELLO_IOC_GET_SLOTS: u32 = ioctl::ior::<u32>(HELLO_IOC_MAGIC, 3);

/// Tells the state of the ring that the file is bound to.
pub const HELLO_IOC_STAT: u32 = ioctl::ior::<HelloStat>(HELLO_IOC_MAGIC, 4);

/// Makes the file one side of a ring in shared memory ([`crate::ring`]), which `mmap(2)` from offset 0 then maps; the argument
/// points to the role, one of [`HELLO_ROLE_PRODUCER`] and [`HELLO_ROLE_CONSUMER`]. The answer is the bytes to be mapped. The
/// file must have been opened with `O_RDWR`, and from now on counts as a writer only, or as a reader only. The other side is
/// another file: one that has the other role, or whoever calls write(2) or read(2).
///
/// EINVAL: no such role. EBADF: not opened with `O_RDWR`. EBUSY: the role is taken, the file has one already, or the ring is
/// not mapped yet and holds data. ENOMEM.
pub const HELLO_IOC_RING: u32 = ioctl::iow::<u32>(HELLO_IOC_MAGIC, 5);
/// For [`HELLO_IOC_RING`]: the side that fills slots.
pub const HELLO_ROLE_PRODUCER: u32 = 1;
/// For [`HELLO_IOC_RING`]: the side that drains slots.
pub const HELLO_ROLE_CONSUMER: u32 = 2;

/// Wakes who waits for the other side of a mapped ring. EINVAL: the file has no role. EIO: the ring makes no sense.
pub const HELLO_IOC_DOORBELL: u32 = ioctl::io(HELLO_IOC_MAGIC, 6);

/// Sleeps until this side of a mapped ring can go on, or never will. The answer is what poll(2) would say.
///
/// Sleeps with `O_NONBLOCK` too: who does not want to asks poll(2). EINVAL: the file has no role. EINTR. EIO: the ring makes no
/// sense.
pub const HELLO_IOC_WAIT: u32 = ioctl::io(HELLO_IOC_MAGIC, 7);

/// What a ring has counted since it was made, over closings and openings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(
    feature = "zerocopy",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
#[repr(C)]
pub struct HelloCounters {
    /// How often it was opened.
    pub opens: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Pages taken from the page allocator.
    pub allocations: u64,
    /// Slots filled with a page that lay there already.
    pub recycles: u64,
    /// Writes that went behind the bytes of the one before, into the same page.
    pub merges: u64,
    /// Readers and writers woken.
    pub wakes: u64,
    /// Wake-ups after which the woken one found nothing to do.
    pub spurious_wakes: u64,
    /// How often somebody slept for data or room.
    pub sleeps: u64,
}

impl HelloCounters {
    /// Their names in `/proc/postern/hello` and `hello_instances`, in this order.
    pub const NAMES: [&str; 8] =
        ["opens", "bytes", "allocations", "recycles", "merges", "wakes", "spurious_wakes", "sleeps"];

    /// In the order of [`HelloCounters::NAMES`].
    pub fn values(&self) -> [u64; 8] {
        let Self { opens, bytes, allocations, recycles, merges, wakes, spurious_wakes, sleeps } = *self;
        [opens, bytes, allocations, recycles, merges, wakes, spurious_wakes, sleeps]
    }
}

/// What [`HELLO_IOC_STAT`] tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(
    feature = "zerocopy",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
#[repr(C)]
pub struct HelloStat {
    /// The control group's id.
    pub cgroup: u64,
    /// What has been counted.
    pub counters: HelloCounters,
    /// Bytes that wait to be read.
    pub waiting_bytes: u64,
    /// Slots of the ring.
    pub slots: u32,
    /// Slots that hold data.
    pub used_slots: u32,
    /// How many have it open for reading.
    pub readers: u32,
    /// How many have it open for writing.
    pub writers: u32,
    /// The channel's name, NUL-padded; empty for the control group's own.
    pub name: [u8; HELLO_NAME_SIZE],
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The figures that `include/postern/hello.h` comes to.
    #[test]
    fn numbers_are_those_of_the_header() {
        assert_eq!(size_of::<HelloStat>(), 160);
        let numbers = [HELLO_IOC_CHANNEL, HELLO_IOC_SET_SLOTS, HELLO_IOC_GET_SLOTS, HELLO_IOC_STAT];
        assert_eq!(numbers, [0x4040_6801, 0x4004_6802, 0x8004_6803, 0x80a0_6804]);
        assert_eq!([HELLO_IOC_RING, HELLO_IOC_DOORBELL, HELLO_IOC_WAIT], [0x4004_6805, 0x6806, 0x6807]);
    }
}
