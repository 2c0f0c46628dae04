//! devtmpfs: the device nodes, entered and taken away as drivers come and go.
//!
//! There is one, whether mounted or not, as on Linux; programs may make files in it too. Locks and sleeps: those of `change`.
//! Specification: devtmpfs in Linux's drivers/base.

use crate::fs::attributes::DeviceNumber;
use crate::fs::context::Caller;
use crate::fs::dentry::{Dentry, Location};
use crate::fs::file_system::{Changes, FileSystem, Options};
use crate::fs::flags::AccessMode;
use crate::fs::inode::{Node, Owner};
use crate::fs::kernel_tree;
use crate::fs::mount::Mount;
use crate::fs::open::How;
use crate::fs::open_file::OpenFile;
use alloc::format;
use alloc::sync::Arc;
use linux_raw_sys::general::TMPFS_MAGIC;
use postern_core::errno::Result;
use spin::Once;

static INSTANCE: Once<Arc<FileSystem>> = Once::new();
/// The instance as a mount outside the tree, for devices that are opened without a path.
static OUTSIDE: Once<Arc<Mount>> = Once::new();

/// Links that programs expect in /dev.
const LINKS: [(&str, &[u8]); 4] = [
    ("fd", b"/proc/self/fd"),
    ("stdin", b"/proc/self/fd/0"),
    ("stdout", b"/proc/self/fd/1"),
    ("stderr", b"/proc/self/fd/2"),
];

/// The one devtmpfs.
pub fn instance() -> &'static Arc<FileSystem> {
    INSTANCE.call_once(|| {
        FileSystem::new(Options {
            type_name: "devtmpfs",
            magic: TMPFS_MAGIC,
            limit_pages: crate::mm::frame::statistics().total / 2,
            limit_inodes: usize::MAX,
            changes: Changes::ByPrograms,
            owner: Owner::ROOT,
            permissions: 0o755,
            computed: None,
        })
    })
}

/// Enters what is there without any driver. Once, at boot.
///
/// # Errors
/// EEXIST the second time.
pub fn init() -> Result<()> {
    for (name, target) in LINKS {
        kernel_tree::add(instance(), name, Node::Symlink(target.into()), 0o777)?;
    }
    Ok(())
}

/// Enters a character device under `name`, which may contain directories.
///
/// # Errors
/// EEXIST, ENOTDIR.
pub fn add(name: &str, device: DeviceNumber, permissions: u32) -> Result<()> {
    kernel_tree::add(instance(), name, Node::CharDevice(device), permissions)
}

/// Takes the node called `name` away.
///
/// # Errors
/// ENOENT, also if a program has removed it already.
pub fn remove(name: &str) -> Result<()> {
    kernel_tree::remove(instance(), name)
}

/// Opens the device called `name` for reading and writing, whether or not devtmpfs is mounted: the console of the first
/// process. In /proc/PID/fd it is /dev/`name`.
///
/// # Errors
/// ENOENT, and what the driver says.
pub fn open_unmounted(caller: &Caller<'_>, name: &str) -> Result<Arc<OpenFile>> {
    let root = instance().root();
    let inode = root.inode().directory()?.lookup(root, name.as_bytes())?.inode().clone();
    let mount = OUTSIDE.call_once(|| Mount::outside(instance().clone())).clone();
    let dentry = Dentry::outside(inode, format!("/dev/{name}").into_bytes().into());
    let how = How { access: AccessMode::READ_WRITE, ..How::READ };
    caller.open_existing(Location { mount, dentry }, how)
}
