//! mount, umount2, pivot_root. Specification: mount(2), umount(2), pivot_root(2).

use super::place::{self, as_caller, check_flags};
use crate::arch::mmu::PAGE_SIZE;
use crate::fs::dentry::Location;
use crate::fs::mount::{self, Detach, MountFlags};
use crate::fs::permission;
use crate::fs::types;
use crate::fs::walk::Follow;
use crate::mm::user;
use crate::process;
use alloc::vec::Vec;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};

/// A string argument that may be null.
fn optional(address: usize) -> Result<Vec<u8>> {
    if address == 0 { Ok(Vec::new()) } else { user::read_c_string(address, PAGE_SIZE - 1) }
}

/// mount(2): new mounts, MS_BIND, MS_REMOUNT, MS_MOVE; the propagation flags change nothing, since there is one tree.
pub fn mount(source: usize, target: usize, type_name: usize, flags: usize, data: usize) -> Result<usize> {
    let flags = u32::try_from(flags & 0xffff_ffff).map_err(|_| Errno::EINVAL)?;
    let (source, target) = (optional(source)?, place::path(target)?);
    let (type_name, data) = (optional(type_name)?, optional(data)?);
    as_caller(|caller| {
        if !permission::is_privileged(caller.credentials) {
            return Err(Errno::EPERM);
        }
        let on = caller.existing(&caller.cwd, &target, Follow::Always)?;
        let forbidden = MountFlags::from_bits_truncate(flags);
        let propagation = abi::MS_SHARED | abi::MS_PRIVATE | abi::MS_SLAVE | abi::MS_UNBINDABLE;
        if flags & abi::MS_REMOUNT != 0 {
            mount::remount(&on, forbidden)
        } else if flags & abi::MS_BIND != 0 {
            let from = caller.existing(&caller.cwd, &source, Follow::Always)?;
            let file_system = from.mount.file_system().clone();
            mount::attach(&on.uncovered(), file_system, from.dentry.clone(), &source, from.mount.flags())
        } else if flags & propagation != 0 {
            Ok(())
        } else if flags & abi::MS_MOVE != 0 {
            if source.is_empty() {
                return Err(Errno::EINVAL);
            }
            let from = caller.existing(&caller.cwd, &source, Follow::Always)?;
            mount::relocate(&from, &on.uncovered())
        } else {
            let file_system = types::make(&type_name, &data)?;
            let root = file_system.root().clone();
            let source: &[u8] = if source.is_empty() { b"none" } else { &source };
            mount::attach(&on.uncovered(), file_system, root, source, forbidden)
        }
    })?;
    Ok(0)
}

/// umount2(2)
pub fn umount2(target: usize, flags: u32) -> Result<usize> {
    check_flags(flags, abi::MNT_FORCE | abi::MNT_DETACH | abi::UMOUNT_NOFOLLOW)?;
    let target = place::path(target)?;
    let follow = if flags & abi::UMOUNT_NOFOLLOW != 0 { Follow::NotLast } else { Follow::Always };
    let place = as_caller(|caller| {
        if !permission::is_privileged(caller.credentials) {
            return Err(Errno::EPERM);
        }
        // What lies on top, also of ".".
        caller.existing(&caller.cwd, &target, follow).map(Location::uncovered)
    })?;
    mount::detach(place, if flags & abi::MNT_DETACH != 0 { Detach::Now } else { Detach::IfUnused })?;
    Ok(0)
}

/// pivot_root(2)
pub fn pivot_root(new_root: usize, put_old: usize) -> Result<usize> {
    let (new_root, put_old) = (place::path(new_root)?, place::path(put_old)?);
    let (root, new) = as_caller(|caller| {
        if !permission::is_privileged(caller.credentials) {
            return Err(Errno::EPERM);
        }
        let directory = |path: &[u8]| {
            let found = caller.existing(&caller.cwd, path, Follow::Always)?;
            if found.inode().is_directory() { Ok(found) } else { Err(Errno::ENOTDIR) }
        };
        let (new, old) = (directory(&new_root)?, directory(&put_old)?);
        mount::pivot(&caller.root, &new, &old.uncovered())?;
        Ok((caller.root.clone(), new))
    })?;
    process::tree::for_each_living(
        |_| true,
        |process| process.for_each_task(|task| task.thread().replace_places(&root, &new)),
    );
    Ok(0)
}
