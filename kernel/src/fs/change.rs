//! Changes of a file system's tree: insert, remove, rename. Whether the caller may is asked by `check` functions, which see the
//! files under the lock and neither sleep nor lock.
//!
//! Lock: the file system's NAMESPACE, so that what was checked still holds when the change is made; look-ups do not take it. A
//! name that is replaced is never missing in between. Specification: link(2), unlink(2), rmdir(2), rename(2).

use crate::fs::dentry::{Dentry, Name};
use crate::fs::directory::Directory;
use crate::fs::file_system::FileSystem;
use crate::fs::inode::Inode;
use alloc::sync::Arc;
use postern_core::errno::{Errno, Result};

/// Links a file may have.
const MAX_LINKS: u32 = 65_000;

/// What rename(2) does about a file that has the new name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rename {
    /// Replaces it.
    Replace,
    /// Fails with EEXIST.
    NoReplace,
    /// Gives it the old name.
    Exchange,
}

/// What is to be removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removal {
    /// Anything but a directory.
    File,
    /// An empty directory.
    Directory,
}

/// An entry of a directory.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    /// The directory.
    pub directory: &'a Arc<Dentry>,
    /// The name in it.
    pub name: &'a [u8],
}

impl Entry<'_> {
    fn contents(&self) -> Result<&Directory> {
        self.directory.inode().directory()
    }
}

/// Asked before a name is taken from `directory`: whether the caller may take it from `victim`.
pub type Check<'a> = &'a dyn Fn(&Inode, &Inode) -> Result<()>;

impl FileSystem {
    /// Gives `inode` the name `entry`.
    ///
    /// # Errors
    /// EEXIST; ENOENT if the directory was removed; EMLINK.
    pub fn insert(&self, entry: Entry<'_>, inode: Arc<Inode>) -> Result<Arc<Dentry>> {
        let _namespace = self.namespace.lock();
        let contents = entry.contents()?;
        if contents.held(entry.name).is_some() {
            return Err(Errno::EEXIST);
        }
        let name: Name = entry.name.into();
        let dentry = Dentry::held_by(entry.directory, name.clone(), inode);
        contents.put(name, dentry.clone())?;
        link_changed(dentry.inode(), 1);
        entry_changed(entry.directory, if dentry.inode().is_directory() { 1 } else { 0 });
        Ok(dentry)
    }

    /// Gives `inode`, which has a name already, one more.
    ///
    /// # Errors
    /// Those of `insert`; ENOENT if its last name was removed meanwhile.
    pub fn insert_link(&self, entry: Entry<'_>, inode: Arc<Inode>) -> Result<()> {
        match inode.attributes().links {
            0 => Err(Errno::ENOENT),
            MAX_LINKS.. => Err(Errno::EMLINK),
            _ => self.insert(entry, inode).map(drop),
        }
    }

    /// Removes the name `entry`. The file lives on while it has other names or is open.
    ///
    /// # Errors
    /// ENOENT; EISDIR, ENOTDIR for the wrong kind; ENOTEMPTY; EBUSY for a mount point; what `check` says.
    pub fn remove(&self, entry: Entry<'_>, removal: Removal, check: Check<'_>) -> Result<()> {
        let namespace = self.namespace.lock();
        let contents = entry.contents()?;
        let victim = contents.lookup(entry.directory, entry.name)?;
        check(entry.directory.inode(), victim.inode())?;
        match (removal, victim.inode().is_directory()) {
            (Removal::File, true) => return Err(Errno::EISDIR),
            (Removal::Directory, false) => return Err(Errno::ENOTDIR),
            _ if victim.is_covered() => return Err(Errno::EBUSY),
            (Removal::Directory, true) => {
                if let Some(keeper) = self.keeper() {
                    keeper.remove(victim.inode())?;
                }
                victim.inode().directory()?.close()?;
            }
            (Removal::File, false) => {}
        }
        // Computed entries are not there to be taken.
        let taken = contents.take(entry.name).ok_or(Errno::EPERM)?;
        let lost = detach(&victim);
        entry_changed(entry.directory, lost);
        drop(namespace);
        if removal == Removal::Directory
            && let Some(keeper) = self.keeper()
        {
            keeper.removed(victim.inode());
        }
        // The last reference may free much memory: not under the lock.
        drop((victim, taken));
        Ok(())
    }

    /// Renames `from` to `to`, both of this file system.
    ///
    /// # Errors
    /// ENOENT; EEXIST; EINVAL for a directory moved below itself; EISDIR, ENOTDIR, ENOTEMPTY for a target of the wrong kind;
    /// EBUSY for mount points; what `check` says of either file.
    pub fn rename(&self, from: Entry<'_>, to: Entry<'_>, how: Rename, check: Check<'_>) -> Result<()> {
        let namespace = self.namespace.lock();
        let source = from.contents()?.held(from.name).ok_or(Errno::ENOENT)?;
        let target = to.contents()?.held(to.name);
        check(from.directory.inode(), source.inode())?;
        match (&target, how) {
            (Some(_), Rename::NoReplace) => return Err(Errno::EEXIST),
            (None, Rename::Exchange) => return Err(Errno::ENOENT),
            _ => {}
        }
        if to.directory.is_within(&source) {
            return Err(Errno::EINVAL);
        }
        if let Some(target) = &target {
            if Arc::ptr_eq(source.inode(), target.inode()) {
                return Ok(());
            }
            check(to.directory.inode(), target.inode())?;
            if from.directory.is_within(target) {
                return Err(if how == Rename::Exchange { Errno::EINVAL } else { Errno::ENOTEMPTY });
            }
        }
        if source.is_covered() || target.as_ref().is_some_and(|target| target.is_covered()) {
            return Err(Errno::EBUSY);
        }
        match (&target, how) {
            (Some(target), Rename::Exchange) => exchange(from, to, &source, target)?,
            _ => replace(from, to, &source, target.as_ref())?,
        }
        drop(namespace);
        drop((source, target));
        Ok(())
    }
}

/// Moves `source` to the name `to`, which `target` may have.
fn replace(from: Entry<'_>, to: Entry<'_>, source: &Arc<Dentry>, target: Option<&Arc<Dentry>>) -> Result<()> {
    let is_directory = source.inode().is_directory();
    if let Some(target) = target {
        match (is_directory, target.inode().is_directory()) {
            (true, false) => return Err(Errno::ENOTDIR),
            (false, true) => return Err(Errno::EISDIR),
            (true, true) => target.inode().directory()?.close()?,
            (false, false) => {}
        }
    }
    let name: Name = to.name.into();
    // The new name first: at no time is the file without one, nor the new name without a file.
    to.contents()?.put(name.clone(), source.clone())?;
    from.contents()?.take(from.name);
    source.moved_to(to.directory, name);
    source.inode().update(|_| ());
    let gained = i32::from(is_directory);
    entry_changed(from.directory, -gained);
    entry_changed(to.directory, gained + target.map_or(0, detach));
    Ok(())
}

/// Gives each the other's name.
fn exchange(from: Entry<'_>, to: Entry<'_>, source: &Arc<Dentry>, target: &Arc<Dentry>) -> Result<()> {
    let (from_name, to_name): (Name, Name) = (from.name.into(), to.name.into());
    to.contents()?.put(to_name.clone(), source.clone())?;
    from.contents()?.put(from_name.clone(), target.clone())?;
    source.moved_to(to.directory, to_name);
    target.moved_to(from.directory, from_name);
    let gained = i32::from(source.inode().is_directory()) - i32::from(target.inode().is_directory());
    for (inode, directory, links) in [(target, from.directory, -gained), (source, to.directory, gained)] {
        inode.inode().update(|_| ());
        entry_changed(directory, links);
    }
    Ok(())
}

/// A name of `dentry`'s file is gone. The change of links this means for the directory it was in.
fn detach(dentry: &Arc<Dentry>) -> i32 {
    dentry.mark_removed();
    if dentry.inode().is_directory() {
        // Its own `.`, and the name.
        dentry.inode().update(|attributes| attributes.links = 0);
        -1
    } else {
        link_changed(dentry.inode(), -1);
        0
    }
}

/// A file has gained or lost a name. Directories count their own entries instead.
fn link_changed(inode: &Inode, change: i32) {
    if !inode.is_directory() {
        inode.update(|attributes| attributes.links = attributes.links.saturating_add_signed(change));
    }
}

/// A directory's entries have changed, and with them the number of its subdirectories' `..`.
fn entry_changed(directory: &Arc<Dentry>, links: i32) {
    let inode = directory.inode();
    inode.update(|attributes| attributes.links = attributes.links.saturating_add_signed(links));
    inode.note_change();
}
