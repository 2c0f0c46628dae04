//! Which files a control group's directory has. They are computed, and kept with the group once somebody has looked at them, since
//! they have owners and permissions of their own.
//!
//! Owns the reference from a directory to its group. Never sleeps. Specification: cgroup-v2.rst, "Core Interface Files", "PID".

use super::files::{FILES, File, Scope};
use super::open_file::GroupFile;
use crate::fs::attributes::FileType;
use crate::fs::dentry::Name;
use crate::fs::directory::{Computed, ComputedEntry};
use crate::fs::inode::{Inode, Node};
use crate::process::cgroup::{self, Cgroup, CgroupId, ROOT};
use alloc::sync::Arc;
use alloc::vec::Vec;
use postern_core::errno::{Errno, Result};

/// The files of one group.
pub(super) struct Files {
    group: Arc<Cgroup>,
}

/// Directories have their groups' ids; files have numbers that no id reaches.
fn number(id: CgroupId, slot: u8) -> u64 {
    1 << 63 | id << 8 | u64::from(slot)
}

/// The files that the group `id` has now, with their places in the table.
fn present(id: CgroupId) -> impl Iterator<Item = (u8, &'static File)> {
    let has_pids = cgroup::hierarchy().has_pids_files(id);
    (0..).zip(&FILES).filter(move |(_, file)| match file.scope {
        Scope::Everywhere => true,
        Scope::BelowRoot => id != ROOT,
        Scope::Pids => has_pids,
    })
}

/// The inode of a group's file.
///
/// # Errors
/// ENOENT if the file system has no such file; ENOMEM.
pub(super) fn inode(group: &Cgroup, slot: u8) -> Result<Arc<Inode>> {
    let file = FILES.get(usize::from(slot)).ok_or(Errno::ENOENT)?;
    let device = super::instance()?.device();
    group.file(slot, || {
        let node = Node::Generated(Arc::new(GroupFile { id: group.id(), file }));
        let inode = Inode::new(device, number(group.id(), slot), node, group.owner(), file.permissions);
        // Its name in the group's directory.
        inode.update(|attributes| attributes.links = 1);
        inode
    })
}

impl Files {
    /// Those of `group`.
    pub(super) fn of(group: Arc<Cgroup>) -> Self {
        Self { group }
    }

    pub(super) fn group(&self) -> &Cgroup {
        &self.group
    }
}

impl Computed for Files {
    fn lookup(&self, name: &[u8]) -> Result<Arc<Inode>> {
        if !self.group.is_alive() {
            return Err(Errno::ENOENT);
        }
        let (slot, _) = present(self.group.id()).find(|(_, file)| file.name.as_bytes() == name).ok_or(Errno::ENOENT)?;
        inode(&self.group, slot)
    }

    fn list(&self, from: u64, limit: usize) -> Vec<ComputedEntry> {
        let id = self.group.id();
        let files = present(id).filter(|&(slot, _)| u64::from(slot) >= from).take(limit);
        let listed = |(slot, file): (u8, &File)| ComputedEntry {
            key: u64::from(slot),
            number: number(id, slot),
            file_type: FileType::Regular,
            name: Name::from(file.name.as_bytes()),
        };
        files.map(listed).collect()
    }
}
