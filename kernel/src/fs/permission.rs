//! Who may do what to a file: mode bits, ownership, the sticky bit, the superuser's override. Values only; no locks, never
//! sleeps. Specification: path_resolution(7), capabilities(7) of Linux, with all of the file capabilities held by fsuid 0.

use crate::fs::attributes::{Attributes, FileType};
use crate::process::Credentials;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};

bitflags::bitflags! {
    /// What somebody wants to do; the values are those of access(2) and of one digit of a mode.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Access: u32 {
        /// Read a file, list a directory.
        const READ = abi::R_OK;
        /// Write a file, change a directory's entries.
        const WRITE = abi::W_OK;
        /// Execute a file, look a name up in a directory.
        const EXECUTE = abi::X_OK;
    }
}

/// Whether this is the superuser of files.
pub fn is_privileged(credentials: &Credentials) -> bool {
    credentials.fsuid == 0
}

/// Whether `gid` is the caller's file-system group or one of the supplementary ones.
pub fn is_in_group(credentials: &Credentials, gid: u32) -> bool {
    credentials.fsgid == gid || credentials.groups.contains(&gid)
}

/// Checks the mode bits.
///
/// # Errors
/// EACCES.
pub fn check(credentials: &Credentials, file_type: FileType, attributes: &Attributes, wanted: Access) -> Result<()> {
    if is_privileged(credentials) {
        // The superuser executes what somebody may execute.
        let executable = file_type == FileType::Directory || attributes.permissions & 0o111 != 0;
        return if wanted.contains(Access::EXECUTE) && !executable { Err(Errno::EACCES) } else { Ok(()) };
    }
    let class = if attributes.uid == credentials.fsuid {
        attributes.permissions >> 6
    } else if is_in_group(credentials, attributes.gid) {
        attributes.permissions >> 3
    } else {
        attributes.permissions
    };
    if Access::from_bits_truncate(class).contains(wanted) { Ok(()) } else { Err(Errno::EACCES) }
}

/// Checks that the caller owns the file (or is the superuser).
///
/// # Errors
/// EPERM.
pub fn check_owner(credentials: &Credentials, attributes: &Attributes) -> Result<()> {
    if is_privileged(credentials) || credentials.fsuid == attributes.uid { Ok(()) } else { Err(Errno::EPERM) }
}

/// Checks that the caller may remove or rename `victim` as far as `directory`'s sticky bit is concerned.
///
/// # Errors
/// EPERM.
pub fn check_sticky(credentials: &Credentials, directory: &Attributes, victim: &Attributes) -> Result<()> {
    let owner = credentials.fsuid == victim.uid || credentials.fsuid == directory.uid;
    if directory.permissions & abi::S_ISVTX == 0 || owner || is_privileged(credentials) {
        Ok(())
    } else {
        Err(Errno::EPERM)
    }
}

/// The permissions a file keeps when the caller sets them: the set-group-id bit is for members of the group.
pub fn settable_permissions(credentials: &Credentials, file_type: FileType, gid: u32, wanted: u32) -> u32 {
    let keeps = is_privileged(credentials) || is_in_group(credentials, gid) || file_type == FileType::Directory;
    let wanted = wanted & 0o7777;
    if keeps { wanted } else { wanted & !abi::S_ISGID }
}

/// Whether the file has a set-id bit.
pub fn has_set_id(attributes: &Attributes) -> bool {
    attributes.permissions & (abi::S_ISUID | abi::S_ISGID) != 0
}

/// The permissions after a change of owner or a write by an ordinary user: no set-id bits on what can be executed.
pub fn without_set_id(credentials: &Credentials, attributes: &Attributes) -> u32 {
    let permissions = attributes.permissions & !abi::S_ISUID;
    // Without group execution the bit once meant mandatory locking, and is kept for members of the group.
    let keeps = is_privileged(credentials) || is_in_group(credentials, attributes.gid);
    if permissions & abi::S_IXGRP != 0 || !keeps { permissions & !abi::S_ISGID } else { permissions }
}

/// Checks chown(2): the owner may give the file to one of the own groups, only the superuser may give it away.
///
/// # Errors
/// EPERM.
pub fn check_chown(
    credentials: &Credentials,
    attributes: &Attributes,
    uid: Option<u32>,
    gid: Option<u32>,
) -> Result<()> {
    if is_privileged(credentials) {
        return Ok(());
    }
    let owner = attributes.uid == credentials.fsuid;
    let uid_allowed = uid.is_none_or(|uid| owner && uid == attributes.uid);
    let gid_allowed = gid.is_none_or(|gid| owner && (gid == attributes.gid || is_in_group(credentials, gid)));
    if uid_allowed && gid_allowed { Ok(()) } else { Err(Errno::EPERM) }
}
