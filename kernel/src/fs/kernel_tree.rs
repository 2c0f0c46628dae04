//! Entries that the kernel itself puts into file systems (devtmpfs, proc, sysfs), past the checks for programs.
//!
//! Owns nothing. Locks: through `change`. Sleeps for those.

use crate::fs::change::{Entry, Removal};
use crate::fs::dentry::Dentry;
use crate::fs::directory::Directory;
use crate::fs::file_system::FileSystem;
use crate::fs::inode::{Node, Owner};
use alloc::sync::Arc;
use postern_core::errno::{Errno, Result};

/// The directory `path` below the root, made with what is missing of it. Components are separated by single slashes.
///
/// # Errors
/// ENOTDIR, ENOSPC.
pub fn make_directories(file_system: &FileSystem, path: &str) -> Result<Arc<Dentry>> {
    let mut at = file_system.root().clone();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        let held = at.inode().directory()?.held(name.as_bytes());
        at = match held {
            Some(dentry) => dentry,
            None => {
                let inode = file_system.new_inode(Node::Directory(Directory::new()), Owner::ROOT, 0o555)?;
                file_system.insert(Entry { directory: &at, name: name.as_bytes() }, inode)?
            }
        };
    }
    Ok(at)
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Puts a file at `path` below the root, and makes the directories on the way.
///
/// # Errors
/// EEXIST, ENOTDIR, ENOSPC.
pub fn add(file_system: &FileSystem, path: &str, node: Node, permissions: u32) -> Result<()> {
    let (directory, name) = split(path);
    let directory = make_directories(file_system, directory)?;
    let inode = file_system.new_inode(node, Owner::ROOT, permissions)?;
    file_system.insert(Entry { directory: &directory, name: name.as_bytes() }, inode).map(drop)
}

/// Takes the file at `path` away.
///
/// # Errors
/// ENOENT.
pub fn remove(file_system: &FileSystem, path: &str) -> Result<()> {
    let (directory, name) = split(path);
    let mut at = file_system.root().clone();
    for component in directory.split('/').filter(|component| !component.is_empty()) {
        let next = at.inode().directory()?.held(component.as_bytes()).ok_or(Errno::ENOENT)?;
        at = next;
    }
    file_system.remove(Entry { directory: &at, name: name.as_bytes() }, Removal::File, &|_, _| Ok(()))
}
