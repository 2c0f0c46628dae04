//! What `stat(2)` tells of a file, as values: types, device numbers, times, metadata. No locks, never sleeps.
//! Specification: inode(7), stat(2) of Linux.

use linux_raw_sys::general as abi;

/// What kind of file it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileType {
    /// Bytes.
    Regular,
    /// Names.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device: may be named, never opened.
    BlockDevice,
    /// A pipe, named or not.
    Fifo,
    /// A socket, named or not.
    Socket,
    /// None of these: an object behind a descriptor (eventfd and its kin).
    Anonymous,
}

impl FileType {
    /// The S_IFMT bits; 0 for [`FileType::Anonymous`], as Linux reports it.
    pub fn mode_bits(self) -> u32 {
        match self {
            Self::Regular => abi::S_IFREG,
            Self::Directory => abi::S_IFDIR,
            Self::Symlink => abi::S_IFLNK,
            Self::CharDevice => abi::S_IFCHR,
            Self::BlockDevice => abi::S_IFBLK,
            Self::Fifo => abi::S_IFIFO,
            Self::Socket => abi::S_IFSOCK,
            Self::Anonymous => 0,
        }
    }

    /// The type of a mode; `None` if its S_IFMT bits name none. 0 is a regular file, as for mknod(2).
    pub fn from_mode(mode: u32) -> Option<Self> {
        Some(match mode & abi::S_IFMT {
            0 | abi::S_IFREG => Self::Regular,
            abi::S_IFDIR => Self::Directory,
            abi::S_IFLNK => Self::Symlink,
            abi::S_IFCHR => Self::CharDevice,
            abi::S_IFBLK => Self::BlockDevice,
            abi::S_IFIFO => Self::Fifo,
            abi::S_IFSOCK => Self::Socket,
            _ => return None,
        })
    }

    /// `d_type` of getdents64(2): the S_IFMT bits, shifted down.
    pub fn directory_entry_type(self) -> u8 {
        // S_IFMT >> 12 is at most 15.
        u8::try_from(self.mode_bits() >> 12).unwrap_or(0)
    }
}

/// A device: which driver, and which of its devices.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct DeviceNumber {
    /// The driver, 12 bits.
    pub major: u32,
    /// The device, 20 bits.
    pub minor: u32,
}

impl DeviceNumber {
    /// The largest major number.
    pub const MAX_MAJOR: u32 = (1 << 12) - 1;
    /// The largest minor number.
    pub const MAX_MINOR: u32 = (1 << 20) - 1;

    /// A device's number.
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// The `dev_t` of the system-call interface (Linux's `new_encode_dev`).
    pub fn encode(self) -> u32 {
        (self.minor & 0xff) | (self.major << 8) | ((self.minor & !0xff) << 12)
    }

    /// The `dev_t` that Linux keeps to itself, and shows in some reports.
    pub fn kernel_number(self) -> u32 {
        self.major << 20 | self.minor
    }

    /// The number within a `dev_t` of the system-call interface.
    pub fn decode(raw: u32) -> Self {
        Self { major: (raw >> 8) & Self::MAX_MAJOR, minor: (raw & 0xff) | ((raw >> 12) & 0xf_ff00) }
    }
}

/// A point in time: seconds and nanoseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Timestamp {
    /// Seconds, negative before 1970.
    pub seconds: i64,
    /// Nanoseconds within the second.
    pub nanoseconds: u32,
}

impl Timestamp {
    /// The time so many nanoseconds after 1970.
    pub fn from_ns(ns: u64) -> Self {
        const NS_PER_SECOND: u64 = 1_000_000_000;
        Self {
            // Both fit: u64::MAX / 10^9 is below 2^35, a remainder below 10^9.
            seconds: i64::try_from(ns / NS_PER_SECOND).unwrap_or(i64::MAX),
            nanoseconds: u32::try_from(ns % NS_PER_SECOND).unwrap_or(0),
        }
    }

    /// The present, by the real-time clock.
    pub fn now() -> Self {
        Self::from_ns(crate::time::realtime_ns())
    }
}

/// The changeable facts of an inode; its lock is the inode's.
#[derive(Clone, Copy, Debug)]
pub struct Attributes {
    /// Permission bits, set-id bits and the sticky bit: 0o7777 at most.
    pub permissions: u32,
    /// Owner.
    pub uid: u32,
    /// Owning group.
    pub gid: u32,
    /// Names of the file; a directory counts its own `.` and its children's `..`.
    pub links: u32,
    /// Last access (kept by the `relatime` rule).
    pub accessed: Timestamp,
    /// Last change of the contents.
    pub modified: Timestamp,
    /// Last change of anything.
    pub changed: Timestamp,
}

/// Who a file belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Owner {
    /// The superuser.
    pub const ROOT: Self = Self { uid: 0, gid: 0 };
}

/// Everything `stat(2)`, `statx(2)` and `fstat(2)` report.
#[derive(Clone, Copy, Debug)]
pub struct Metadata {
    /// The file system.
    pub device: DeviceNumber,
    /// The inode's number in it.
    pub number: u64,
    /// What kind of file.
    pub file_type: FileType,
    /// Of a device node: which device.
    pub represents: DeviceNumber,
    /// Mode, owner, links, times.
    pub attributes: Attributes,
    /// Creation.
    pub born: Timestamp,
    /// Length in bytes.
    pub size: u64,
    /// Memory held, in units of 512 bytes.
    pub blocks: u64,
}

impl Metadata {
    /// `st_mode`.
    pub fn mode(&self) -> u32 {
        self.file_type.mode_bits() | self.attributes.permissions
    }
}
