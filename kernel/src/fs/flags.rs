//! The flags of `open(2)` and the access an open file grants, as values. No locks, never sleeps.
//! Specification: open(2), fcntl(2) of Linux; numbers from the bindings crate.

use linux_raw_sys::general as abi;
use postern_core::readiness::Readiness;

bitflags::bitflags! {
    /// `open(2)`'s flags without the access mode. Unknown bits are kept out, as Linux ignores them.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct OpenFlags: u32 {
        /// Create the file if it is not there.
        const CREATE = abi::O_CREAT;
        /// With CREATE: fail if it is there.
        const EXCLUSIVE = abi::O_EXCL;
        /// A terminal does not become the controlling one.
        const NO_CONTROLLING_TTY = abi::O_NOCTTY;
        /// Cut a regular file to length 0.
        const TRUNCATE = abi::O_TRUNC;
        /// Write at the end.
        const APPEND = abi::O_APPEND;
        /// Say EAGAIN instead of waiting.
        const NONBLOCK = abi::O_NONBLOCK;
        /// Unbuffered; packet mode on a pipe.
        const DIRECT = abi::O_DIRECT;
        /// Send SIGIO: kept and reported, without effect.
        const ASYNC = abi::FASYNC;
        /// Write through: everything here does.
        const DATA_SYNC = abi::O_DSYNC;
        /// Write through, with metadata.
        const SYNC = abi::__O_SYNC;
        /// Files may be larger than 2 GiB: they always may.
        const LARGE_FILE = abi::O_LARGEFILE;
        /// Fail unless it is a directory.
        const DIRECTORY = abi::O_DIRECTORY;
        /// Fail if the last component is a symbolic link.
        const NO_FOLLOW = abi::O_NOFOLLOW;
        /// Leave the time of last access alone.
        const NO_ACCESS_TIME = abi::O_NOATIME;
        /// The descriptor does not survive `execve`.
        const CLOSE_ON_EXEC = abi::O_CLOEXEC;
        /// Only a place in the tree: no reading or writing.
        const PATH = abi::O_PATH;
        /// A file without a name: not supported, but never to be mistaken for O_DIRECTORY.
        const TEMPORARY = abi::__O_TMPFILE;
    }
}

impl OpenFlags {
    /// What `F_SETFL` may change.
    pub const SETTABLE: Self =
        Self::APPEND.union(Self::NONBLOCK).union(Self::DIRECT).union(Self::ASYNC).union(Self::NO_ACCESS_TIME);

    /// What `F_GETFL` does not report: it only mattered while opening.
    pub const CREATION: Self = Self::CREATE
        .union(Self::EXCLUSIVE)
        .union(Self::NO_CONTROLLING_TTY)
        .union(Self::TRUNCATE)
        .union(Self::CLOSE_ON_EXEC);
}

bitflags::bitflags! {
    /// What an open file description may be used for. Empty with O_PATH.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct AccessMode: u32 {
        /// Reading.
        const READ = 1;
        /// Writing.
        const WRITE = 2;
        /// Neither, but ioctl(2) and its kin: what Linux makes of the access mode 3, which takes permission for both.
        const CONTROL = 4;
    }
}

impl AccessMode {
    /// Both.
    pub const READ_WRITE: Self = Self::READ.union(Self::WRITE);

    /// The access mode within `open(2)`'s flags.
    pub fn from_open(flags: u32) -> Self {
        match flags & abi::O_ACCMODE {
            abi::O_RDONLY => Self::READ,
            abi::O_WRONLY => Self::WRITE,
            abi::O_RDWR => Self::READ_WRITE,
            _ => Self::CONTROL,
        }
    }

    /// What its opener must be allowed to do.
    pub fn permissions_needed(self) -> Self {
        if self == Self::CONTROL { Self::READ_WRITE } else { self }
    }

    /// What poll(2) may say to who has it: readers hear of data, writers of room.
    pub fn readiness(self) -> Readiness {
        let mut ready = Readiness::empty();
        ready.set(Readiness::READABLE, self.contains(Self::READ));
        ready.set(Readiness::WRITABLE, self.contains(Self::WRITE));
        ready
    }

    /// The access mode as `F_GETFL` reports it.
    pub fn bits_for_getfl(self) -> u32 {
        if self == Self::READ_WRITE {
            abi::O_RDWR
        } else if self == Self::WRITE {
            abi::O_WRONLY
        } else if self == Self::CONTROL {
            abi::O_ACCMODE
        } else {
            abi::O_RDONLY
        }
    }
}
