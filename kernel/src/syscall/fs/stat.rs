//! stat, statx, statfs: metadata into the structures of Linux.
//! Specification: stat(2), statx(2), statfs(2).

use super::place::{self, as_caller, check_flags, follow};
use crate::arch::mmu::{PAGE_SHIFT, PAGE_SIZE};
use crate::fs::attributes::{Metadata, Timestamp};
use crate::fs::dentry::Location;
use crate::fs::mount::MountFlags;
use crate::fs::walk::Follow;
use crate::mm::{frame, user::UserPtr};
use crate::process;
use alloc::sync::Arc;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_core::path::NAME_MAX;
use zerocopy::{Immutable, IntoBytes};

/// `st_blksize`: the size transfers are best in.
const BLOCK_SIZE: u32 = 1 << PAGE_SHIFT;

/// `struct stat`
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Stat {
    device: u64,
    number: u64,
    mode: u32,
    links: u32,
    uid: u32,
    gid: u32,
    represents: u64,
    padding1: u64,
    size: u64,
    block_size: u32,
    padding2: u32,
    blocks: u64,
    accessed: [u64; 2],
    modified: [u64; 2],
    changed: [u64; 2],
    unused: [u32; 2],
}

#[cfg(target_arch = "aarch64")]
const _: () = assert!(size_of::<Stat>() == size_of::<abi::stat>());

fn time(time: Timestamp) -> [u64; 2] {
    [time.seconds.cast_unsigned(), u64::from(time.nanoseconds)]
}

impl From<&Metadata> for Stat {
    fn from(metadata: &Metadata) -> Self {
        let attributes = metadata.attributes;
        Self {
            device: u64::from(metadata.device.encode()),
            number: metadata.number,
            mode: metadata.mode(),
            links: attributes.links,
            uid: attributes.uid,
            gid: attributes.gid,
            represents: u64::from(metadata.represents.encode()),
            padding1: 0,
            size: metadata.size,
            block_size: BLOCK_SIZE,
            padding2: 0,
            blocks: metadata.blocks,
            accessed: time(attributes.accessed),
            modified: time(attributes.modified),
            changed: time(attributes.changed),
            unused: [0; 2],
        }
    }
}

fn store_stat(place: &Location, buffer: usize) -> Result<usize> {
    UserPtr::new(buffer).write(&Stat::from(&place.inode().metadata()))?;
    Ok(0)
}

/// fstat(2)
pub fn fstat(fd: i32, buffer: usize) -> Result<usize> {
    let file = process::current().file(fd)?;
    store_stat(file.location(), buffer)
}

/// newfstatat(2)
pub fn newfstatat(dirfd: i32, path: usize, buffer: usize, flags: u32) -> Result<usize> {
    check_flags(flags, abi::AT_SYMLINK_NOFOLLOW | abi::AT_EMPTY_PATH | abi::AT_NO_AUTOMOUNT)?;
    let path = place::path(path)?;
    let file = as_caller(|caller| place::existing(caller, dirfd, &path, flags, follow(flags)))?;
    store_stat(&file, buffer)
}

/// `struct statx_timestamp`
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct StatxTime {
    seconds: i64,
    nanoseconds: u32,
    reserved: u32,
}

impl From<Timestamp> for StatxTime {
    fn from(time: Timestamp) -> Self {
        Self { seconds: time.seconds, nanoseconds: time.nanoseconds, reserved: 0 }
    }
}

/// `struct statx`
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Statx {
    mask: u32,
    block_size: u32,
    attributes: u64,
    links: u32,
    uid: u32,
    gid: u32,
    mode: u16,
    spare0: u16,
    number: u64,
    size: u64,
    blocks: u64,
    attributes_mask: u64,
    accessed: StatxTime,
    born: StatxTime,
    changed: StatxTime,
    modified: StatxTime,
    represents: [u32; 2],
    device: [u32; 2],
    mount: u64,
    spare: [u64; 13],
}

const _: () = assert!(size_of::<Statx>() == size_of::<abi::statx>());

impl Statx {
    fn new(place: &Location) -> Self {
        let metadata = place.inode().metadata();
        let attributes = metadata.attributes;
        let is_mount_root = Arc::ptr_eq(&place.dentry, place.mount.root());
        let mount_root = u64::from(abi::STATX_ATTR_MOUNT_ROOT);
        Self {
            mask: abi::STATX_BASIC_STATS | abi::STATX_BTIME | abi::STATX_MNT_ID,
            block_size: BLOCK_SIZE,
            attributes: if is_mount_root { mount_root } else { 0 },
            links: attributes.links,
            uid: attributes.uid,
            gid: attributes.gid,
            // Type and permissions are 16 bits.
            mode: u16::try_from(metadata.mode()).unwrap_or(0),
            spare0: 0,
            number: metadata.number,
            size: metadata.size,
            blocks: metadata.blocks,
            attributes_mask: mount_root,
            accessed: attributes.accessed.into(),
            born: metadata.born.into(),
            changed: attributes.changed.into(),
            modified: attributes.modified.into(),
            represents: [metadata.represents.major, metadata.represents.minor],
            device: [metadata.device.major, metadata.device.minor],
            mount: place.mount.id(),
            spare: [0; 13],
        }
    }
}

/// statx(2): gives all it has, whatever the mask asks for.
pub fn statx(dirfd: i32, path: usize, flags: u32, mask: u32, buffer: usize) -> Result<usize> {
    let known = abi::AT_SYMLINK_NOFOLLOW | abi::AT_EMPTY_PATH | abi::AT_NO_AUTOMOUNT | abi::AT_STATX_SYNC_TYPE;
    check_flags(flags, known)?;
    check_flags(mask & abi::STATX__RESERVED, 0)?;
    if flags & abi::AT_STATX_SYNC_TYPE == abi::AT_STATX_SYNC_TYPE {
        return Err(Errno::EINVAL);
    }
    // Since Linux 6.11 a null path with AT_EMPTY_PATH is an empty one.
    let path = if path == 0 && flags & abi::AT_EMPTY_PATH != 0 { alloc::vec::Vec::new() } else { place::path(path)? };
    let file = as_caller(|caller| place::existing(caller, dirfd, &path, flags, follow(flags)))?;
    UserPtr::new(buffer).write(&Statx::new(&file))?;
    Ok(0)
}

/// `struct statfs`
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Statfs {
    magic: u64,
    block_size: u64,
    blocks: u64,
    free: u64,
    available: u64,
    files: u64,
    free_files: u64,
    id: [u32; 2],
    name_max: u64,
    fragment_size: u64,
    flags: u64,
    spare: [u64; 4],
}

const _: () = assert!(size_of::<Statfs>() == size_of::<abi::statfs>());

/// A quota's limit and what is left of it; 0 where there is none, as ramfs reports it.
fn figures(quota: &crate::fs::budget::Quota) -> (u64, u64) {
    match quota.limit() {
        usize::MAX => (0, 0),
        limit => (limit as u64, limit.saturating_sub(quota.used()) as u64),
    }
}

fn mount_flags(flags: MountFlags) -> u64 {
    const ST_VALID: u64 = 0x20;
    const ST_RELATIME: u64 = 0x1000;
    const ST_NOATIME: u64 = 0x400;
    // The first four are numbered as in mount(2).
    let same = MountFlags::READ_ONLY | MountFlags::NO_SET_ID | MountFlags::NO_DEVICES | MountFlags::NO_EXEC;
    let times = if flags.contains(MountFlags::NO_ACCESS_TIME) { ST_NOATIME } else { ST_RELATIME };
    u64::from(flags.intersection(same).bits()) | ST_VALID | times
}

fn store_statfs(place: &Location, buffer: usize) -> Result<usize> {
    let file_system = place.mount.file_system();
    let (blocks, left) = figures(&file_system.budget().pages);
    // A limit is no promise: memory may be short of it.
    let free = left.min(frame::statistics().free as u64);
    let (files, free_files) = figures(&file_system.budget().inodes);
    let block_size = PAGE_SIZE as u64;
    UserPtr::new(buffer).write(&Statfs {
        magic: u64::from(file_system.magic()),
        block_size,
        blocks,
        free,
        available: free,
        files,
        free_files,
        id: [file_system.device().encode(), 0],
        name_max: NAME_MAX as u64,
        fragment_size: block_size,
        flags: mount_flags(place.mount.flags()),
        spare: [0; 4],
    })?;
    Ok(0)
}

/// statfs(2)
pub fn statfs(path: usize, buffer: usize) -> Result<usize> {
    let path = place::path(path)?;
    let file = as_caller(|caller| caller.existing(&caller.cwd, &path, Follow::Always))?;
    store_statfs(&file, buffer)
}

/// fstatfs(2)
pub fn fstatfs(fd: i32, buffer: usize) -> Result<usize> {
    let file = process::current().file(fd)?;
    store_statfs(file.location(), buffer)
}
