//! mount, umount2. Specification: mount(2), umount(2).

use super::place::{self, as_caller, check_flags};
use crate::arch::mmu::PAGE_SIZE;
use crate::fs::mount::{self, Detach, MountFlags};
use crate::fs::permission;
use crate::fs::types;
use crate::fs::walk::Follow;
use crate::mm::user;
use alloc::vec::Vec;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};

/// A string argument that may be null.
fn optional(address: usize) -> Result<Vec<u8>> {
    if address == 0 { Ok(Vec::new()) } else { user::read_c_string(address, PAGE_SIZE - 1) }
}

/// mount(2): new mounts, MS_BIND, MS_REMOUNT; the propagation flags change nothing, since there is one tree.
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
            mount::attach(&on, file_system, from.dentry.clone(), &source, from.mount.flags())
        } else if flags & propagation != 0 {
            Ok(())
        } else if flags & abi::MS_MOVE != 0 {
            Err(Errno::EINVAL)
        } else {
            let file_system = types::make(&type_name, &data)?;
            let root = file_system.root().clone();
            let source: &[u8] = if source.is_empty() { b"none" } else { &source };
            mount::attach(&on, file_system, root, source, forbidden)
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
        caller.existing(&caller.cwd, &target, follow)
    })?;
    mount::detach(place, if flags & abi::MNT_DETACH != 0 { Detach::Now } else { Detach::IfUnused })?;
    Ok(0)
}
