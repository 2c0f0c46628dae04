//! procfs: what the kernel knows, as files. One instance, whether mounted or not.
//!
//! Owns the static entries; other parts of the kernel add theirs with [`add_text`] and [`add_tunable`]. Processes are computed
//! on look-up. Locks and sleeps: those of whoever is asked. Specification: proc(5).
//!
//! | file | owns |
//! |---|---|
//! | `text` | files of text |
//! | `process_view` | what others must tell about processes and the system |
//! | `process` | /proc/PID and /proc/PID/task/TID: which entries there are |
//! | `process_text` | what stands in status, stat and their kin |
//! | `descriptors` | /proc/PID/fd, fdinfo |
//! | `links` | self, exe, cwd, root, fd/N |
//! | `system` | meminfo, uptime and their kin |
//! | `interrupts` | /proc/interrupts |
//! | `tunables`, `constants` | /proc/sys |

pub mod constants;
pub mod descriptors;
pub mod interrupts;
pub mod links;
pub mod process;
pub mod process_text;
pub mod process_view;
pub mod system;
pub mod text;
pub mod tunables;

use crate::fs::attributes::{DeviceNumber, FileType};
use crate::fs::dentry::Name;
use crate::fs::directory::{Computed, ComputedEntry, Directory};
use crate::fs::file_system::{Changes, FileSystem, Options};
use crate::fs::inode::{Inode, Node, Owner};
use crate::fs::kernel_tree;
use crate::fs::splice;
use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use linux_raw_sys::general::PROC_SUPER_MAGIC;
use postern_core::errno::{Errno, Result};
use spin::Once;
use text::{Functions, TextNode, TextSource};

static INSTANCE: Once<Arc<FileSystem>> = Once::new();

/// The one procfs.
pub fn instance() -> &'static Arc<FileSystem> {
    INSTANCE.call_once(|| {
        FileSystem::new(Options {
            type_name: "proc",
            magic: PROC_SUPER_MAGIC,
            limit_pages: 0,
            limit_inodes: usize::MAX,
            changes: Changes::ByLookup,
            owner: Owner::ROOT,
            permissions: 0o555,
            computed: Some(Box::new(Processes)),
        })
    })
}

/// Enters everything that does not depend on others. Once, at boot.
///
/// # Errors
/// EEXIST the second time.
pub fn init() -> Result<()> {
    links::init()?;
    system::init()?;
    splice::init()?;
    interrupts::init()?;
    constants::init()?;
    tunables::init()
}

/// Enters a file of text at `path` below /proc.
///
/// # Errors
/// EEXIST, ENOTDIR.
pub fn add_source(path: &str, permissions: u32, source: Arc<dyn TextSource>) -> Result<()> {
    kernel_tree::add(instance(), path, Node::Generated(Arc::new(TextNode(source))), permissions)
}

/// Enters a file of text that a function makes.
///
/// # Errors
/// EEXIST, ENOTDIR.
pub fn add_text(path: &str, show: fn(&mut text::Text) -> Result<()>) -> Result<()> {
    add_source(path, 0o444, Arc::new(Functions { show, store: None }))
}

/// Removes a file that was entered. One that is open goes on showing its text.
///
/// # Errors
/// ENOENT.
pub fn remove(path: &str) -> Result<()> {
    kernel_tree::remove(instance(), path)
}

/// The device number of procfs, for computed inodes.
pub(super) fn device() -> DeviceNumber {
    instance().device()
}

/// The number of a computed inode: of a thread (or a process's first), which entry, which descriptor.
pub(super) fn inode_number(tid: u32, slot: u8, fd: u32) -> u64 {
    u64::from(tid) << 32 | u64::from(slot) << 24 | u64::from(fd & 0xff_ffff)
}

/// The directories of processes.
struct Processes;

impl Computed for Processes {
    fn lookup(&self, name: &[u8]) -> Result<Arc<Inode>> {
        process::directory(parse_id(name)?)
    }

    fn list(&self, from: u64, limit: usize) -> Vec<ComputedEntry> {
        let Ok(processes) = process_view::processes() else {
            return Vec::new();
        };
        ids(|id| processes.next_pid(id), from, limit)
    }
}

/// A name that is an id in its usual form.
pub(super) fn parse_id(name: &[u8]) -> Result<u32> {
    let is_canonical = name.iter().all(u8::is_ascii_digit) && !name.starts_with(b"0");
    let text = core::str::from_utf8(name).ok().filter(|_| is_canonical).ok_or(Errno::ENOENT)?;
    text.parse().map_err(|_| Errno::ENOENT)
}

/// Entries of a directory of ids, of which `next` is the lowest that is at least what it is given.
pub(super) fn ids(next: impl Fn(u32) -> Option<u32>, from: u64, limit: usize) -> Vec<ComputedEntry> {
    let first = u32::try_from(from).ok().and_then(&next);
    let ids = core::iter::successors(first, |&id| next(id + 1)).take(limit);
    let entry = |id: u32| ComputedEntry {
        key: u64::from(id),
        number: inode_number(id, 0, 0),
        file_type: FileType::Directory,
        name: Name::from(format!("{id}").into_bytes()),
    };
    ids.map(entry).collect()
}

/// The inode of a computed file or link. It has the one name under which it was looked up.
pub(super) fn computed_file(number: u64, node: Node, owner: Owner, permissions: u32) -> Arc<Inode> {
    let inode = Inode::new(device(), number, node, owner, permissions).unchanging();
    inode.update(|attributes| attributes.links = 1);
    Arc::new(inode)
}

/// A computed directory's inode; `directories` are below it now.
pub(super) fn computed_directory(
    number: u64,
    owner: Owner,
    permissions: u32,
    directories: usize,
    computed: Box<dyn Computed>,
) -> Arc<Inode> {
    let node = Node::Directory(Directory::with_computed(Some(computed)));
    let inode = Inode::new(device(), number, node, owner, permissions).unchanging();
    let below = u32::try_from(directories).unwrap_or(u32::MAX);
    inode.update(|attributes| attributes.links = attributes.links.saturating_add(below));
    Arc::new(inode)
}
