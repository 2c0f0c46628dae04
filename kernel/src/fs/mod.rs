//! Files: the tree of names, what is behind them, and the descriptors that refer to it.
//!
//! A *name* ([`dentry`]) leads to an *inode* ([`inode`]), which is opened as an *open file description* ([`open_file`]), to which
//! *descriptors* ([`files`]) refer. Everything behind a descriptor implements [`file::FileOps`]. All file systems are trees in
//! memory ([`file_system`]); the directories of procfs compute some of their entries.
//!
//! | file | owns | locks |
//! |---|---|---|
//! | `file` | the interface to drivers and IPC objects | – |
//! | `open_file`, `files` | positions, status flags; descriptors | FILE_POSITION; FD_TABLE |
//! | `recent` | the files that a thread has used last | – |
//! | `blocking` | the loop that makes attempts wait | – |
//! | `splice` | moving pages by reference between files | those of both ends |
//! | `poll`, `epoll` | waiting for many files at once | –; EPOLL, READY_LIST |
//! | `inode`, `page_file` | attributes; contents | INODE, FILE_WRITE; PAGES |
//! | `dentry`, `directory` | names; entries | DENTRY; DIRECTORY |
//! | `file_system`, `change` | trees and their changes | NAMESPACE |
//! | `mount`, `types` | mounts; types of file system | MOUNTS, MOUNT_PLACE |
//! | `walk`, `namespace`, `open`, `change_attributes` | what calls do with paths | through the above |
//! | `context`, `permission` | root, cwd, umask; who may what | FS_CONTEXT |
//! | `write_checks` | limit of size, set-id bits | – |
//! | `devfs`, `devpts`, `procfs`, `sysfs`, `cgroupfs`, `initramfs`, `anonymous` | particular trees | – |
//! | `special` | openers of devices and FIFOs | OBJECT |
//! | `flock`, `record_lock` | flock(2); the locks of fcntl(2) | OBJECT |
//!
//! Order of locks, outermost first; sleeping: NAMESPACE, FILE_POSITION, FILE_WRITE, DIRECTORY, (ADDRESS_SPACE of a user copy),
//! PAGES; spinning: MOUNTS, MOUNT_PLACE, DENTRY, INODE, …. Over a user copy FILE_POSITION and FILE_WRITE may be held, no other.
//! Specification: path_resolution(7), inode(7), and the pages named in each file.

pub mod anonymous;
pub mod attributes;
pub mod blocking;
pub mod budget;
pub mod cgroupfs;
pub mod change;
pub mod change_attributes;
pub mod context;
pub mod dentry;
pub mod devfs;
pub mod devpts;
pub mod directory;
pub mod epoll;
pub mod file;
pub mod file_system;
pub mod files;
pub mod flags;
pub mod flock;
pub mod initramfs;
pub mod inode;
pub mod kernel_tree;
pub mod live;
pub mod mount;
pub mod namespace;
pub mod open;
pub mod open_file;
pub mod page_file;
pub mod permission;
pub mod poll;
pub mod procfs;
pub mod recent;
pub mod record_lock;
pub mod special;
pub mod splice;
pub mod sysfs;
pub mod types;
pub mod walk;
mod write_checks;

use alloc::sync::Arc;
use context::FsContext;
use postern_core::errno::Result;

/// Makes the root file system, devtmpfs, devpts, procfs and sysfs. Once, at boot, after memory and before drivers. The first
/// process's view.
///
/// # Errors
/// EBUSY the second time.
pub fn init() -> Result<Arc<FsContext>> {
    let root = mount::set_root(types::new_ramfs())?;
    devfs::init()?;
    devpts::init()?;
    procfs::init()?;
    sysfs::init()?;
    Ok(FsContext::at(root))
}
