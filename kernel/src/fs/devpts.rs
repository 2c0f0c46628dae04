//! devpts: the terminal sides of pseudo-terminals by their numbers, and `ptmx`.
//!
//! There is one, however often it is mounted, as on Linux before 4.7; a later mount's options are for all of it. Owns the nodes,
//! each kept here for as long as its pair, so that a change of owner or mode lasts, and the options. Lock: OBJECT (spin). Sleeps
//! only where it is made. Specification: pts(4); Documentation/filesystems/devpts.rst and fs/devpts of Linux.

use crate::fs::attributes::{DeviceNumber, FileType};
use crate::fs::dentry::{Dentry, Location, Name};
use crate::fs::directory::{Computed, ComputedEntry};
use crate::fs::file_system::{Changes, FileSystem, Options};
use crate::fs::inode::{Inode, Node, Owner};
use crate::fs::{kernel_tree, mount};
use crate::sync::{SpinLock, rank};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use linux_raw_sys::general::DEVPTS_SUPER_MAGIC;
use postern_core::errno::{Errno, Result};
use spin::Once;

/// `/dev/ptmx`, which opens a new pair wherever it lies.
pub const PTMX: DeviceNumber = DeviceNumber::new(5, 2);
/// The major number of the terminal sides.
pub const SLAVE_MAJOR: u32 = 136;
/// The number of the root's inode is 1, that of `ptmx` 2.
const FIRST_NUMBER: u64 = 3;

static INSTANCE: Once<Arc<FileSystem>> = Once::new();
static NODES: SpinLock<BTreeMap<u32, Arc<Inode>>> = SpinLock::new(rank::OBJECT, BTreeMap::new());
static SETTINGS: SpinLock<Settings> = SpinLock::new(rank::OBJECT, Settings::DEFAULT);

/// mount(2)'s options.
#[derive(Clone, Copy)]
struct Settings {
    /// Of new terminals; `None`: whoever makes one.
    uid: Option<u32>,
    gid: Option<u32>,
    /// Permissions of new terminals, and of `ptmx`.
    permissions: u32,
    ptmx_permissions: u32,
    /// How many there may be.
    limit: u32,
}

impl Settings {
    const DEFAULT: Self = Self { uid: None, gid: None, permissions: 0o600, ptmx_permissions: 0, limit: u32::MAX };

    fn parse(text: &[u8]) -> Result<Self> {
        let mut settings = Self::DEFAULT;
        let text = core::str::from_utf8(text).map_err(|_| Errno::EINVAL)?;
        for option in text.split(',').filter(|option| !option.is_empty()) {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            let number = |radix| u32::from_str_radix(value, radix).map_err(|_| Errno::EINVAL);
            match key {
                "uid" => settings.uid = Some(number(10)?),
                "gid" => settings.gid = Some(number(10)?),
                "mode" => settings.permissions = number(8)? & 0o7777,
                "ptmxmode" => settings.ptmx_permissions = number(8)? & 0o7777,
                "max" => settings.limit = number(10)?,
                // There is one instance.
                "newinstance" => {}
                _ => return Err(Errno::EINVAL),
            }
        }
        Ok(settings)
    }
}

/// The one devpts.
fn instance() -> &'static Arc<FileSystem> {
    INSTANCE.call_once(|| {
        FileSystem::new(Options {
            type_name: "devpts",
            magic: DEVPTS_SUPER_MAGIC,
            limit_pages: 0,
            limit_inodes: usize::MAX,
            changes: Changes::ByKernel,
            owner: Owner::ROOT,
            permissions: 0o755,
            computed: Some(Box::new(Slaves)),
        })
    })
}

/// Enters `ptmx`. Once, at boot.
///
/// # Errors
/// EEXIST the second time.
pub fn init() -> Result<()> {
    kernel_tree::add(instance(), "ptmx", Node::CharDevice(PTMX), Settings::DEFAULT.ptmx_permissions)
}

/// mount(2) of the type `devpts`.
///
/// # Errors
/// EINVAL for options it does not know.
pub fn make(options: &[u8]) -> Result<Arc<FileSystem>> {
    let settings = Settings::parse(options)?;
    *SETTINGS.lock() = settings;
    if let Some(ptmx) = instance().root().inode().directory()?.held(b"ptmx") {
        ptmx.inode().update(|attributes| attributes.permissions = settings.ptmx_permissions);
    }
    Ok(instance().clone())
}

/// How many terminals the mount's options allow.
pub fn limit() -> u32 {
    SETTINGS.lock().limit
}

/// Enters the terminal `number`, made by `maker`.
pub fn add(number: u32, maker: Owner) {
    let Settings { uid, gid, permissions, .. } = *SETTINGS.lock();
    let owner = Owner { uid: uid.unwrap_or(maker.uid), gid: gid.unwrap_or(maker.gid) };
    let node = Node::CharDevice(DeviceNumber::new(SLAVE_MAJOR, number));
    let inode = Inode::new(instance().device(), FIRST_NUMBER + u64::from(number), node, owner, permissions);
    // Its name in the root.
    inode.update(|attributes| attributes.links = 1);
    let old = NODES.lock().insert(number, Arc::new(inode));
    // Outside the lock. There is none: numbers are given once.
    drop(old);
}

/// Takes the terminal `number` away.
pub fn remove(number: u32) {
    let gone = NODES.lock().remove(&number);
    // Outside the lock: it may be the last reference.
    drop(gone);
}

/// Where the terminal `number` is in the tree, whatever path leads there.
///
/// # Errors
/// ENODEV: devpts is not mounted. EIO: the terminal is gone.
pub fn place(number: u32) -> Result<Location> {
    let mount = mount::of_file_system(instance()).ok_or(Errno::ENODEV)?;
    let inode = NODES.lock().get(&number).cloned().ok_or(Errno::EIO)?;
    let dentry = Dentry::computed_by(mount.root(), format!("{number}").as_bytes(), inode);
    Ok(Location { mount, dentry })
}

/// The names in the root.
struct Slaves;

impl Computed for Slaves {
    fn lookup(&self, name: &[u8]) -> Result<Arc<Inode>> {
        let text = core::str::from_utf8(name).map_err(|_| Errno::ENOENT)?;
        let number: u32 = text.parse().map_err(|_| Errno::ENOENT)?;
        // One spelling only.
        if format!("{number}") != text {
            return Err(Errno::ENOENT);
        }
        NODES.lock().get(&number).cloned().ok_or(Errno::ENOENT)
    }

    fn list(&self, from: u64, limit: usize) -> Vec<ComputedEntry> {
        let Ok(from) = u32::try_from(from) else { return Vec::new() };
        let nodes = NODES.lock();
        let listed = |(&number, inode): (&u32, &Arc<Inode>)| ComputedEntry {
            key: u64::from(number),
            number: inode.number(),
            file_type: FileType::CharDevice,
            name: Name::from(format!("{number}").as_bytes()),
        };
        nodes.range(from..).take(limit).map(listed).collect()
    }
}
