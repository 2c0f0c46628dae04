//! The file system types that mount(2) knows, and the options of tmpfs.
//!
//! Owns the list of types. No locks; sleeps only to make the tree of a new file system. Specification: mount(2), tmpfs(5),
//! filesystems(5).

use crate::arch::mmu::PAGE_SIZE;
use crate::fs::cgroupfs;
use crate::fs::devfs;
use crate::fs::devpts;
use crate::fs::file_system::{Changes, FileSystem, Options};
use crate::fs::inode::Owner;
use crate::fs::{procfs, sysfs};
use crate::mm::frame;
use alloc::sync::Arc;
use linux_raw_sys::general::{RAMFS_MAGIC, TMPFS_MAGIC};
use postern_core::errno::{Errno, Result};

/// A type of file system.
#[derive(Clone, Copy)]
pub struct FileSystemType {
    /// Its name in mount(2) and /proc/filesystems.
    pub name: &'static str,
    /// Makes one, or gives out the only one, for mount(2)'s options.
    pub make: fn(&[u8]) -> Result<Arc<FileSystem>>,
}

static BUILT_IN: [FileSystemType; 7] = [
    FileSystemType { name: "ramfs", make: make_ramfs },
    FileSystemType { name: "tmpfs", make: make_tmpfs },
    FileSystemType { name: "devtmpfs", make: |_| Ok(devfs::instance().clone()) },
    FileSystemType { name: "devpts", make: devpts::make },
    FileSystemType { name: "proc", make: |_| Ok(procfs::instance().clone()) },
    FileSystemType { name: "sysfs", make: |_| Ok(sysfs::instance().clone()) },
    FileSystemType { name: "cgroup2", make: cgroupfs::make },
];

/// All types.
pub fn list() -> &'static [FileSystemType] {
    &BUILT_IN
}

/// A file system of the type called `name`.
///
/// # Errors
/// ENODEV for an unknown type; EINVAL for options it does not know.
pub fn make(name: &[u8], options: &[u8]) -> Result<Arc<FileSystem>> {
    let known = BUILT_IN.iter().find(|known| known.name.as_bytes() == name).ok_or(Errno::ENODEV)?;
    (known.make)(options)
}

/// Inodes that all memory is enough for: Linux's rule for tmpfs, one for two pages.
fn default_inodes() -> usize {
    frame::statistics().total / 2
}

/// A ramfs: no limit but memory. The number of inodes is limited nevertheless, since they lie in the kernel's heap.
pub fn new_ramfs() -> Arc<FileSystem> {
    FileSystem::new(Options {
        type_name: "ramfs",
        magic: RAMFS_MAGIC,
        limit_pages: usize::MAX,
        limit_inodes: default_inodes(),
        changes: Changes::ByPrograms,
        owner: Owner::ROOT,
        permissions: 0o755,
        computed: None,
    })
}

fn make_ramfs(_: &[u8]) -> Result<Arc<FileSystem>> {
    Ok(new_ramfs())
}

/// tmpfs's options, see tmpfs(5).
struct TmpfsOptions {
    limit_pages: usize,
    limit_inodes: usize,
    owner: Owner,
    permissions: u32,
}

fn make_tmpfs(options: &[u8]) -> Result<Arc<FileSystem>> {
    let options = TmpfsOptions::parse(options)?;
    Ok(FileSystem::new(Options {
        type_name: "tmpfs",
        magic: TMPFS_MAGIC,
        limit_pages: options.limit_pages,
        limit_inodes: options.limit_inodes,
        changes: Changes::ByPrograms,
        owner: options.owner,
        permissions: options.permissions,
        computed: None,
    }))
}

impl TmpfsOptions {
    fn parse(text: &[u8]) -> Result<Self> {
        let half = frame::statistics().total / 2;
        let mut options =
            Self { limit_pages: half, limit_inodes: default_inodes(), owner: Owner::ROOT, permissions: 0o1777 };
        let text = core::str::from_utf8(text).map_err(|_| Errno::EINVAL)?;
        for option in text.split(',').filter(|option| !option.is_empty()) {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            match key {
                "size" => options.limit_pages = limit(parse_size(value)?.div_ceil(PAGE_SIZE)),
                "nr_blocks" => options.limit_pages = limit(parse_size(value)?),
                "nr_inodes" => options.limit_inodes = limit(parse_size(value)?),
                "mode" => options.permissions = parse_number(value, 8)? & 0o7777,
                "uid" => options.owner.uid = parse_number(value, 10)?,
                "gid" => options.owner.gid = parse_number(value, 10)?,
                // Options of Linux that change nothing here.
                "huge" | "mpol" | "inode32" | "inode64" => {}
                _ => return Err(Errno::EINVAL),
            }
        }
        Ok(options)
    }
}

/// 0 means no limit.
fn limit(amount: usize) -> usize {
    if amount == 0 { usize::MAX } else { amount }
}

fn parse_number(text: &str, radix: u32) -> Result<u32> {
    u32::from_str_radix(text, radix).map_err(|_| Errno::EINVAL)
}

/// A number with a suffix k, m or g, or % of memory.
fn parse_size(text: &str) -> Result<usize> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: usize = digits.parse().map_err(|_| Errno::EINVAL)?;
    let factor = match &text[digits.len()..] {
        "" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        "%" => {
            return (frame::statistics().total * PAGE_SIZE / 100).checked_mul(number).ok_or(Errno::EINVAL);
        }
        _ => return Err(Errno::EINVAL),
    };
    number.checked_mul(factor).ok_or(Errno::EINVAL)
}
