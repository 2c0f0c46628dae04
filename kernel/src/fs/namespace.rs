//! Making, linking, removing and renaming files by path, with the permissions that takes.
//!
//! Owns nothing. Locks: through `walk` and `change`. Sleeps for those. Specification: mkdir(2), mknod(2), symlink(2), link(2),
//! unlink(2), rmdir(2), rename(2).

use crate::fs::attributes::{DeviceNumber, FileType};
use crate::fs::change::{Entry, Removal, Rename};
use crate::fs::context::Caller;
use crate::fs::dentry::Location;
use crate::fs::file_system::Change;
use crate::fs::inode::{Inode, Node, Owner};
use crate::fs::permission::{self, Access};
use crate::fs::special::Attachment;
use crate::fs::walk::{Follow, LastName, Resolved};
use alloc::sync::Arc;
use alloc::vec::Vec;
use linux_raw_sys::general::S_ISGID;
use postern_core::errno::{Errno, Result};
use postern_core::path::PATH_MAX;

impl Caller<'_> {
    /// Checks that the entries of `directory` may be changed.
    fn check_change(&self, directory: &Location, change: Change) -> Result<()> {
        directory.mount.check_writable()?;
        directory.inode().check(self.credentials, Access::WRITE | Access::EXECUTE)?;
        directory.mount.file_system().check_changes(change)
    }

    /// The name a resolved path gives to what is to be made there.
    fn free_name(&self, resolved: Resolved, kind: FileType) -> Result<(Location, Vec<u8>)> {
        let LastName::Name(name) = resolved.last else {
            return Err(Errno::EEXIST);
        };
        if resolved.found.is_some() {
            return Err(Errno::EEXIST);
        }
        if resolved.must_be_directory && kind != FileType::Directory {
            return Err(Errno::ENOENT);
        }
        resolved.directory.mount.file_system().check_new_name()?;
        let change = if kind == FileType::Directory { Change::Directory } else { Change::Other };
        self.check_change(&resolved.directory, change)?;
        Ok((resolved.directory, name))
    }

    /// Makes an inode for `directory` and enters it under `name`. `permissions` are subject to the umask.
    pub(super) fn enter(&self, directory: &Location, name: &[u8], node: Node, permissions: u32) -> Result<Location> {
        let parent = directory.inode().attributes();
        let inherits = parent.permissions & S_ISGID;
        let gid = if inherits != 0 { parent.gid } else { self.credentials.fsgid };
        let mut permissions = match node {
            Node::Symlink(_) => 0o777,
            _ => permissions & 0o7777 & !self.umask,
        };
        if matches!(node, Node::Directory(_)) {
            permissions |= inherits;
        }
        let file_system = directory.mount.file_system();
        let owner = Owner { uid: self.credentials.fsuid, gid };
        let inode = match (file_system.keeper(), &node) {
            (Some(keeper), Node::Directory(_)) => {
                keeper.make(file_system, directory.inode(), name, owner, permissions)?
            }
            _ => file_system.new_inode(node, owner, permissions)?,
        };
        let dentry = file_system.insert(Entry { directory: &directory.dentry, name }, inode)?;
        Ok(directory.with_dentry(dentry))
    }

    /// mkdir(2).
    ///
    /// # Errors
    /// EEXIST, EACCES, EPERM, EROFS, ENOSPC, ENOENT, and those of the walk.
    pub fn make_directory(&self, start: &Location, path: &[u8], permissions: u32) -> Result<()> {
        let resolved = self.resolve(start, path, Follow::Never)?;
        let (directory, name) = self.free_name(resolved, FileType::Directory)?;
        self.enter(
            &directory,
            &name,
            Node::Directory(directory.inode().directory()?.empty_inside()),
            permissions & 0o1777,
        )
        .map(drop)
    }

    /// mknod(2); the type is in `mode`. The place it made.
    ///
    /// # Errors
    /// As `make_directory`; EPERM for directories, and for devices unless privileged; EINVAL for no type.
    pub fn make_node(&self, start: &Location, path: &[u8], mode: u32, device: DeviceNumber) -> Result<Location> {
        let file_type = FileType::from_mode(mode).ok_or(Errno::EINVAL)?;
        let resolved = self.resolve(start, path, Follow::Never)?;
        let (directory, name) = self.free_name(resolved, file_type)?;
        let privileged = permission::is_privileged(self.credentials);
        let node = match file_type {
            FileType::Regular => {
                Node::File(crate::fs::page_file::PageFile::new(directory.mount.file_system().budget().clone()))
            }
            FileType::Fifo => Node::Fifo(Attachment::new()),
            FileType::Socket => Node::Socket(Attachment::new()),
            FileType::CharDevice if privileged => Node::CharDevice(device),
            FileType::BlockDevice if privileged => Node::BlockDevice(device),
            FileType::CharDevice | FileType::BlockDevice | FileType::Directory => {
                return Err(Errno::EPERM);
            }
            FileType::Symlink | FileType::Anonymous => return Err(Errno::EINVAL),
        };
        self.enter(&directory, &name, node, mode)
    }

    /// Makes a socket's name at `path`, as bind(2) does; `attachment` says whose.
    ///
    /// # Errors
    /// As `make_directory`.
    pub fn make_socket(&self, path: &[u8], permissions: u32, attachment: Attachment) -> Result<()> {
        let resolved = self.resolve(&self.cwd, path, Follow::Never)?;
        let (directory, name) = self.free_name(resolved, FileType::Socket)?;
        self.enter(&directory, &name, Node::Socket(attachment), permissions).map(drop)
    }

    /// symlink(2): makes `path` a link to `target`.
    ///
    /// # Errors
    /// As `make_directory`; ENOENT for an empty target, ENAMETOOLONG for a long one.
    pub fn make_symlink(&self, target: &[u8], start: &Location, path: &[u8]) -> Result<()> {
        match target.len() {
            0 => return Err(Errno::ENOENT),
            PATH_MAX.. => return Err(Errno::ENAMETOOLONG),
            _ => {}
        }
        let resolved = self.resolve(start, path, Follow::Never)?;
        let (directory, name) = self.free_name(resolved, FileType::Symlink)?;
        self.enter(&directory, &name, Node::Symlink(target.into()), 0o777).map(drop)
    }

    /// link(2): gives the file at `existing` the name `path` too.
    ///
    /// # Errors
    /// As `make_directory`; EPERM for directories; EXDEV across mounts; EMLINK.
    pub fn link(&self, existing: &Location, start: &Location, path: &[u8]) -> Result<()> {
        let resolved = self.resolve(start, path, Follow::Never)?;
        let (directory, name) = self.free_name(resolved, existing.inode().file_type())?;
        if !Arc::ptr_eq(&existing.mount, &directory.mount) {
            return Err(Errno::EXDEV);
        }
        if existing.inode().is_directory() {
            return Err(Errno::EPERM);
        }
        let entry = Entry { directory: &directory.dentry, name: &name };
        directory.mount.file_system().insert_link(entry, existing.inode().clone())
    }

    /// unlink(2) and rmdir(2).
    ///
    /// # Errors
    /// ENOENT, EACCES, EPERM (sticky), EROFS, EBUSY (mount point); EISDIR, ENOTDIR, ENOTEMPTY; EINVAL for `rmdir(".")`.
    pub fn remove(&self, start: &Location, path: &[u8], removal: Removal) -> Result<()> {
        let resolved = self.resolve(start, path, Follow::Never)?;
        let name = match (&resolved.last, removal) {
            (LastName::Name(name), _) => name,
            (_, Removal::File) => return Err(Errno::EISDIR),
            (LastName::Current, Removal::Directory) => return Err(Errno::EINVAL),
            (LastName::Parent, Removal::Directory) => return Err(Errno::ENOTEMPTY),
            (LastName::Root, Removal::Directory) => return Err(Errno::EBUSY),
        };
        let found = resolved.found.as_ref().ok_or(Errno::ENOENT)?;
        if resolved.must_be_directory && !found.inode().is_directory() {
            return Err(Errno::ENOTDIR);
        }
        let change = if removal == Removal::Directory { Change::Directory } else { Change::Other };
        self.check_change(&resolved.directory, change)?;
        if !Arc::ptr_eq(&found.mount, &resolved.directory.mount) {
            return Err(Errno::EBUSY);
        }
        let entry = Entry { directory: &resolved.directory.dentry, name };
        resolved
            .directory
            .mount
            .file_system()
            .remove(entry, removal, &|directory, victim| self.check_victim(directory, victim))
    }

    /// Whether the sticky bit lets the caller take a name from `victim`.
    fn check_victim(&self, directory: &Inode, victim: &Inode) -> Result<()> {
        permission::check_sticky(self.credentials, &directory.attributes(), &victim.attributes())
    }

    /// rename(2): `from` and `to` are each where a relative path starts, and the path.
    ///
    /// # Errors
    /// ENOENT, EEXIST, EACCES, EPERM, EROFS, EXDEV, EINVAL (below itself), EISDIR, ENOTDIR, ENOTEMPTY, EBUSY (`.`, `..`, mount
    /// point).
    pub fn rename(&self, from: (&Location, &[u8]), to: (&Location, &[u8]), how: Rename) -> Result<()> {
        let old = self.resolve(from.0, from.1, Follow::Never)?;
        let new = self.resolve(to.0, to.1, Follow::Never)?;
        if !Arc::ptr_eq(&old.directory.mount, &new.directory.mount) {
            return Err(Errno::EXDEV);
        }
        let taken = if how == Rename::NoReplace { Errno::EEXIST } else { Errno::EBUSY };
        let LastName::Name(old_name) = &old.last else {
            return Err(Errno::EBUSY);
        };
        let LastName::Name(new_name) = &new.last else {
            return Err(taken);
        };
        let source = old.found.as_ref().ok_or(Errno::ENOENT)?;
        let is_directory = source.inode().is_directory();
        if (old.must_be_directory || new.must_be_directory) && !is_directory {
            return Err(Errno::ENOTDIR);
        }
        let mount = &old.directory.mount;
        let covered = |found: &Option<Location>| found.as_ref().is_some_and(|found| !Arc::ptr_eq(&found.mount, mount));
        if covered(&old.found) || covered(&new.found) {
            return Err(Errno::EBUSY);
        }
        self.check_change(&old.directory, Change::Other)?;
        self.check_change(&new.directory, Change::Other)?;
        // A directory that moves gets another `..`.
        if is_directory && !Arc::ptr_eq(&old.directory.dentry, &new.directory.dentry) {
            source.inode().check(self.credentials, Access::WRITE)?;
        }
        mount.file_system().rename(
            Entry { directory: &old.directory.dentry, name: old_name },
            Entry { directory: &new.directory.dentry, name: new_name },
            how,
            &|directory, victim| self.check_victim(directory, victim),
        )
    }
}
