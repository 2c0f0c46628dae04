//! cgroup2: the hierarchy of control groups as a file system. One instance, whether mounted or not.
//!
//! A group is a directory, whose inode's number is the group's id; its files are computed. `mkdir` makes a group, `rmdir` removes
//! one, and nothing else can be made, removed or renamed. Owns nothing: the groups are `process::cgroup`'s. Locks: NAMESPACE over
//! making and removing, CGROUP_CHANGES inside it. Sleeps for those. Specification: cgroups(7), cgroup-v2.rst; kernfs of Linux.
//!
//! | file | owns |
//! |---|---|
//! | `directory` | which files a group has |
//! | `files` | what stands in them, and what writing does |
//! | `open_file` | an open one: its text, and polling for changes |

mod directory;
mod files;
mod open_file;

use crate::fs::directory::Directory;
use crate::fs::file_system::{Changes, DirectoryKeeper, FileSystem, Options};
use crate::fs::inode::{Inode, Node, Owner};
use crate::process::cgroup::{self, Cgroup};
use alloc::boxed::Box;
use alloc::sync::Arc;
use directory::Files;
use linux_raw_sys::general::CGROUP2_SUPER_MAGIC;
use postern_core::errno::{Errno, Result};
use spin::Once;

static INSTANCE: Once<Arc<FileSystem>> = Once::new();

/// The one hierarchy.
///
/// # Errors
/// Never: the root group is always there.
pub fn instance() -> Result<&'static Arc<FileSystem>> {
    let root = cgroup::find(cgroup::ROOT)?;
    Ok(INSTANCE.call_once(|| {
        FileSystem::new(Options {
            type_name: "cgroup2",
            magic: CGROUP2_SUPER_MAGIC,
            limit_pages: 0,
            limit_inodes: usize::MAX,
            changes: Changes::Directories(&Groups),
            owner: Owner::ROOT,
            permissions: 0o755,
            computed: Some(Box::new(Files::of(root))),
        })
    }))
}

/// mount(2) of the type `cgroup2`. Options that speak of what is not here have no effect.
///
/// # Errors
/// EINVAL for an option that Linux does not know, and for `pids_localevents`.
pub fn make(options: &[u8]) -> Result<Arc<FileSystem>> {
    const WITHOUT_EFFECT: [&[u8]; 5] =
        [b"nsdelegate", b"favordynmods", b"memory_localevents", b"memory_recursiveprot", b"memory_hugetlb_accounting"];
    let mut words = options.split(|&byte| byte == b',').filter(|word| !word.is_empty());
    if words.all(|word| WITHOUT_EFFECT.contains(&word)) { instance().cloned() } else { Err(Errno::EINVAL) }
}

/// Directories are groups.
struct Groups;

impl DirectoryKeeper for Groups {
    fn make(
        &self,
        file_system: &FileSystem,
        parent: &Inode,
        name: &[u8],
        owner: Owner,
        permissions: u32,
    ) -> Result<Arc<Inode>> {
        let group = cgroup::create(parent.number(), name, owner)?;
        let id = group.id();
        let node = Node::Directory(Directory::with_computed(Some(Box::new(Files::of(group)))));
        Ok(Arc::new(Inode::new(file_system.device(), id, node, owner, permissions)))
    }

    fn remove(&self, directory: &Inode) -> Result<()> {
        cgroup::remove(&*cgroup::find(directory.number())?)
    }

    fn removed(&self, directory: &Inode) {
        cgroup::announce_removal(directory.number());
    }
}

/// A group whose directory was never entered goes with it.
impl Drop for Files {
    fn drop(&mut self) {
        let group: &Cgroup = self.group();
        if group.is_alive() {
            // Nobody has seen it: it has neither members nor groups below, and nobody else removes it.
            let _ = cgroup::remove(group);
        }
    }
}
