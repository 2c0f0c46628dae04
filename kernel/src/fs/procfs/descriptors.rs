//! /proc/PID/fd: the descriptors of a process, as links to what they stand for.
//!
//! Owns nothing. Locks: FD_TABLE, through `Files`. Never sleeps. Specification: proc_pid_fd(5).

use crate::fs::attributes::FileType;
use crate::fs::dentry::Name;
use crate::fs::directory::{Computed, ComputedEntry};
use crate::fs::flags::AccessMode;
use crate::fs::inode::{Inode, Node, Owner};
use crate::fs::procfs::links::{ProcessLink, Target};
use crate::fs::procfs::process_view;
use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use postern_core::errno::{Errno, Result};

/// The slot of descriptors in inode numbers.
const SLOT: u8 = 255;

/// The entries of /proc/PID/fd.
pub struct Descriptors {
    /// Whose.
    pub pid: u32,
    /// The owner of the entries.
    pub owner: Owner,
}

impl Computed for Descriptors {
    fn lookup(&self, name: &[u8]) -> Result<Arc<Inode>> {
        let number = if name == b"0" { 0 } else { super::parse_id(name)? };
        let fd = i32::try_from(number).map_err(|_| Errno::ENOENT)?;
        let files = process_view::find(self.pid)?.files().ok_or(Errno::ENOENT)?;
        let file = files.get(fd).map_err(|_| Errno::ENOENT)?;
        let mut permissions = 0o100;
        if file.access().contains(AccessMode::READ) {
            permissions |= 0o400;
        }
        if file.access().contains(AccessMode::WRITE) {
            permissions |= 0o200;
        }
        let link = ProcessLink { pid: self.pid, target: Target::Descriptor(fd) };
        let inode_number = super::inode_number(self.pid, SLOT, number);
        Ok(super::computed_file(inode_number, Node::MagicLink(Box::new(link)), self.owner, permissions))
    }

    fn list(&self, from: u64, limit: usize) -> Vec<ComputedEntry> {
        let files = process_view::find(self.pid).ok().and_then(|view| view.files());
        let Some(files) = files else {
            return Vec::new();
        };
        let Ok(from) = i32::try_from(from) else {
            return Vec::new();
        };
        let entry = |fd: i32| ComputedEntry {
            key: u64::from(fd.unsigned_abs()),
            number: super::inode_number(self.pid, SLOT, fd.unsigned_abs()),
            file_type: FileType::Symlink,
            name: Name::from(format!("{fd}").into_bytes()),
        };
        files.descriptors(from, limit).into_iter().map(entry).collect()
    }
}
