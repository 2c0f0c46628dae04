//! Moving a mount with all that is mounted below it: MS_MOVE of mount(2), and pivot_root(2).
//!
//! Owns nothing. Locks: MOUNTS, MOUNT_PLACE inside it, as in `mount`. Never sleeps. Specification: mount(2), pivot_root(2), and
//! do_move_mount and pivot_root in fs/namespace.c of Linux for the order of the checks.

use super::{Mount, TABLE};
use crate::fs::dentry::Location;
use alloc::sync::Arc;
use postern_core::errno::{Errno, Result};

/// The mount in the tree whose root `place` is, and what it covers. EINVAL if there is none: the root of the tree covers nothing.
fn mounted(table: &[Arc<Mount>], place: &Location) -> Result<Location> {
    let is_root = Arc::ptr_eq(&place.dentry, place.mount.root());
    let is_in_tree = table.iter().any(|mount| Arc::ptr_eq(mount, &place.mount));
    place.mount.mounted_on().filter(|_| is_root && is_in_tree).ok_or(Errno::EINVAL)
}

/// Whether `place` is `above` or below it, across mounts.
fn is_reachable(place: &Location, above: &Location) -> bool {
    let mut at = place.clone();
    while !Arc::ptr_eq(&at.mount, &above.mount) {
        match at.mount.mounted_on() {
            Some(on) => at = on,
            None => return false,
        }
    }
    at.dentry.is_within(&above.dentry)
}

/// Puts `mount` on `to`; what it covered until now. The mount table is locked.
fn put(mount: &Mount, to: &Location) -> Option<Location> {
    to.dentry.cover();
    let old = mount.on.lock().replace(to.clone());
    if let Some(old) = &old {
        old.dentry.uncover();
    }
    old
}

/// Moves the mount whose root `place` is to `to`, which nothing covers.
///
/// # Errors
/// EINVAL if `place` is not the root of a mount, or that of the tree, or one of the two is a directory and the other is not;
/// ENOENT if `to` was removed; ELOOP if `to` is in the mount or below it.
pub fn relocate(place: &Location, to: &Location) -> Result<()> {
    let table = TABLE.lock();
    mounted(&table, place)?;
    if place.inode().is_directory() != to.inode().is_directory() {
        return Err(Errno::EINVAL);
    }
    if to.dentry.is_removed() {
        return Err(Errno::ENOENT);
    }
    if is_reachable(to, &place.mount.root_location()) {
        return Err(Errno::ELOOP);
    }
    let old = put(&place.mount, to);
    drop(table);
    // Outside the lock: it may be the last user of a file system.
    drop(old);
    Ok(())
}

/// Puts the mount whose root `new` is in the place of the one whose root `root` is, and that one on `old`, which nothing covers.
/// All are directories. Whose root or working directory `root` is, is the caller's affair.
///
/// # Errors
/// EBUSY if `new` or `old` are in the mount of `root`; EINVAL if `new` or `root` is not the root of a mount, or is that of the
/// tree, if `old` is not below `new`, or `new` not below `root`; ENOENT if `new` or `old` was removed.
pub fn pivot(root: &Location, new: &Location, old: &Location) -> Result<()> {
    let table = TABLE.lock();
    if new.dentry.is_removed() || old.dentry.is_removed() {
        return Err(Errno::ENOENT);
    }
    if Arc::ptr_eq(&new.mount, &root.mount) || Arc::ptr_eq(&old.mount, &root.mount) {
        return Err(Errno::EBUSY);
    }
    let root_on = mounted(&table, root)?;
    mounted(&table, new)?;
    if !is_reachable(old, new) || !is_reachable(new, root) {
        return Err(Errno::EINVAL);
    }
    // Both at once, as the table is locked: nobody looks for a mount in between.
    let gone = [put(&new.mount, &root_on), put(&root.mount, old)];
    drop(table);
    drop((gone, root_on));
    Ok(())
}
