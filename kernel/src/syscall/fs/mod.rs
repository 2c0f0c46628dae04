//! The system calls on files: arguments to typed calls of `crate::fs`, results to user memory. No policy.
//!
//! Addresses and sizes are `usize`, descriptors `i32`, flags `u32`, offsets `i64`, exactly as the registers' low parts.
//! Locks: none of its own. Specification: the man-page of each call.
//!
//! | file | calls |
//! |---|---|
//! | `transfer` | read, write and their kin, lseek, copy_file_range |
//! | `splice` | splice, tee, vmsplice, sendfile |
//! | `contents` | truncate, fallocate, fsync, fadvise, memfd_create |
//! | `descriptor` | close, dup, fcntl, ioctl, flock |
//! | `record_lock` | the locks of fcntl |
//! | `path` | open and everything that makes or removes names |
//! | `attributes` | chmod, chown, utimensat, access, umask |
//! | `stat` | stat, statx, statfs |
//! | `directory` | getdents64, getcwd, chdir, chroot |
//! | `mount` | mount, umount2, pivot_root |

mod attributes;
mod contents;
mod descriptor;
mod directory;
mod mount;
mod path;
pub mod place;
mod record_lock;
mod splice;
mod stat;
mod transfer;

pub use attributes::{faccessat, faccessat2, fchmod, fchmodat, fchmodat2, fchown, fchownat, umask, utimensat};
pub use contents::{
    fadvise64, fallocate, fdatasync, fsync, ftruncate, memfd_create, readahead, sync, syncfs, truncate,
};
pub use descriptor::{close, close_range, dup, dup3, fcntl, flock, ioctl};
pub use directory::{chdir, chroot, fchdir, getcwd, getdents64};
pub use mount::{mount, pivot_root, umount2};
pub use path::{linkat, mkdirat, mknodat, openat, openat2, readlinkat, renameat, renameat2, symlinkat, unlinkat};
pub use splice::{sendfile, splice, tee, vmsplice};
pub use stat::{fstat, fstatfs, newfstatat, statfs, statx};
pub use transfer::{
    copy_file_range, lseek, pread64, preadv, preadv2, pwrite64, pwritev, pwritev2, read, readv, write, writev,
};
