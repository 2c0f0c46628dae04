//! Entries that the kernel itself puts into file systems (devtmpfs, proc, sysfs), past the checks for programs.
//!
//! Owns nothing. Locks: through `change`. Sleeps for those.

use crate::fs::change::{Entry, Removal};
use crate::fs::dentry::{Dentry, Name};
use crate::fs::directory::FIRST_ORDINAL as FIRST_ENTRY;
use crate::fs::file_system::FileSystem;
use crate::fs::inode::{Node, Owner};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
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
                let inode = file_system.new_inode(
                    Node::Directory(at.inode().directory()?.empty_inside()),
                    Owner::ROOT,
                    0o555,
                )?;
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

/// The directory at `path` below the root.
fn directory(file_system: &FileSystem, path: &str) -> Result<Arc<Dentry>> {
    let mut at = file_system.root().clone();
    for component in path.split('/').filter(|component| !component.is_empty()) {
        let next = at.inode().directory()?.held(component.as_bytes()).ok_or(Errno::ENOENT)?;
        at = next;
    }
    Ok(at)
}

/// Takes the file at `path` away.
///
/// # Errors
/// ENOENT.
pub fn remove(file_system: &FileSystem, path: &str) -> Result<()> {
    let (directory_path, name) = split(path);
    let at = directory(file_system, directory_path)?;
    file_system.remove(Entry { directory: &at, name: name.as_bytes() }, Removal::File, &|_, _| Ok(()))
}

/// Takes the directory at `path` away with all that is in it. Nobody may be putting anything into it.
///
/// # Errors
/// ENOENT; EBUSY if something is mounted in it.
pub fn remove_tree(file_system: &FileSystem, path: &str) -> Result<()> {
    let (parent_path, name) = split(path);
    let parent = directory(file_system, parent_path)?;
    let mut pending: Vec<(Arc<Dentry>, Name)> = vec![(parent, name.as_bytes().into())];
    while let Some((parent, name)) = pending.last().cloned() {
        let entry = Entry { directory: &parent, name: &name };
        let dentry = parent.inode().directory()?.held(&name).ok_or(Errno::ENOENT)?;
        let inside = match dentry.inode().directory() {
            Ok(contents) => contents.list(&dentry, FIRST_ENTRY, usize::MAX),
            Err(_) => {
                file_system.remove(entry, Removal::File, &|_, _| Ok(()))?;
                pending.pop();
                continue;
            }
        };
        if inside.is_empty() {
            file_system.remove(entry, Removal::Directory, &|_, _| Ok(()))?;
            pending.pop();
        } else {
            pending.extend(inside.into_iter().map(|listed| (dentry.clone(), listed.name)));
        }
    }
    Ok(())
}
