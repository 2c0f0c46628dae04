//! Mounts: which file system lies over which directory.
//!
//! Owns the mount table. Locks: MOUNTS (spin) around the table, MOUNT_PLACE (spin) inside it. Never sleeps.
//! A mount is busy while anybody but the table holds it: an open file, a working directory, a mapping, a mount below.
//! Specification: mount(2), umount2(2), proc_pid_mounts(5).

mod moving;

use crate::fs::attributes::DeviceNumber;
use crate::fs::dentry::{Dentry, Location};
use crate::fs::file_system::FileSystem;
use crate::sync::{SpinLock, rank};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use linux_raw_sys::general as abi;
pub use moving::{pivot, relocate};
use postern_core::errno::{Errno, Result};

bitflags::bitflags! {
    /// What a mount forbids.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct MountFlags: u32 {
        /// No changes (EROFS).
        const READ_ONLY = abi::MS_RDONLY;
        /// Set-id bits do nothing at `execve`.
        const NO_SET_ID = abi::MS_NOSUID;
        /// Device nodes cannot be opened.
        const NO_DEVICES = abi::MS_NODEV;
        /// Nothing can be executed.
        const NO_EXEC = abi::MS_NOEXEC;
        /// Times of access are not kept. Reported only.
        const NO_ACCESS_TIME = abi::MS_NOATIME;
    }
}

impl MountFlags {
    /// The words of /proc/mounts.
    fn words(self) -> impl Iterator<Item = &'static str> {
        let table = [
            (Self::NO_SET_ID, "nosuid"),
            (Self::NO_DEVICES, "nodev"),
            (Self::NO_EXEC, "noexec"),
            (Self::NO_ACCESS_TIME, "noatime"),
        ];
        let first = if self.contains(Self::READ_ONLY) { "ro" } else { "rw" };
        let last = if self.contains(Self::NO_ACCESS_TIME) { None } else { Some("relatime") };
        let middle = table.into_iter().filter(move |(flag, _)| self.contains(*flag)).map(|(_, word)| word);
        core::iter::once(first).chain(middle).chain(last)
    }
}

/// A file system, or a part of one, in the tree.
pub struct Mount {
    id: u64,
    file_system: Arc<FileSystem>,
    root: Arc<Dentry>,
    source: Vec<u8>,
    /// Relaxed: a remount concerns whoever asks later.
    flags: AtomicU32,
    /// What it covers; `None` for the root, for what was unmounted, and for what never was in the tree.
    on: SpinLock<Option<Location>>,
}

static TABLE: SpinLock<Vec<Arc<Mount>>> = SpinLock::new(rank::MOUNTS, Vec::new());
// Relaxed: it only tells mounts apart.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Mount {
    fn new(
        file_system: Arc<FileSystem>,
        root: Arc<Dentry>,
        source: &[u8],
        flags: MountFlags,
        on: Option<Location>,
    ) -> Arc<Self> {
        Arc::new(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            file_system,
            root,
            source: source.to_vec(),
            flags: AtomicU32::new(flags.bits()),
            on: SpinLock::new(rank::MOUNT_PLACE, on),
        })
    }

    /// A mount that is not in the tree: for files which have only descriptors.
    pub fn outside(file_system: Arc<FileSystem>) -> Arc<Self> {
        let root = file_system.root().clone();
        Self::new(file_system, root, b"none", MountFlags::empty(), None)
    }

    /// `stx_mnt_id`.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The file system.
    pub fn file_system(&self) -> &Arc<FileSystem> {
        &self.file_system
    }

    /// The directory of the file system that is seen at the mount point.
    pub fn root(&self) -> &Arc<Dentry> {
        &self.root
    }

    /// The same, as a place.
    pub fn root_location(self: &Arc<Self>) -> Location {
        Location { mount: self.clone(), dentry: self.root.clone() }
    }

    /// What it covers.
    pub fn mounted_on(&self) -> Option<Location> {
        self.on.lock().clone()
    }

    /// What it forbids.
    pub fn flags(&self) -> MountFlags {
        MountFlags::from_bits_truncate(self.flags.load(Ordering::Relaxed))
    }

    /// Checks that changes are allowed.
    ///
    /// # Errors
    /// EROFS.
    pub fn check_writable(&self) -> Result<()> {
        if self.flags().contains(MountFlags::READ_ONLY) { Err(Errno::EROFS) } else { Ok(()) }
    }

    fn is_on(&self, place: &Location) -> bool {
        self.on.lock().as_ref().is_some_and(|on| on.is_same(place))
    }

    fn is_on_mount(&self, mount: &Arc<Self>) -> bool {
        self.on.lock().as_ref().is_some_and(|on| Arc::ptr_eq(&on.mount, mount))
    }
}

/// Makes `file_system` the root of the tree. Once, at boot.
///
/// # Errors
/// EBUSY if there is a root.
pub fn set_root(file_system: Arc<FileSystem>) -> Result<Location> {
    let root = file_system.root().clone();
    let mount = Mount::new(file_system, root, b"rootfs", MountFlags::empty(), None);
    let mut table = TABLE.lock();
    if root_of(&table).is_some() {
        return Err(Errno::EBUSY);
    }
    table.push(mount.clone());
    Ok(mount.root_location())
}

/// The root of the tree.
///
/// # Errors
/// ENOENT before `set_root`.
pub fn root() -> Result<Location> {
    root_of(&TABLE.lock()).map(Mount::root_location).ok_or(Errno::ENOENT)
}

/// Of the mounts in the tree the root alone covers nothing.
fn root_of(table: &[Arc<Mount>]) -> Option<&Arc<Mount>> {
    table.iter().find(|mount| mount.on.lock().is_none())
}

/// The mount that covers `place`.
pub fn covering(place: &Location) -> Option<Arc<Mount>> {
    TABLE.lock().iter().rev().find(|mount| mount.is_on(place)).cloned()
}

/// The first mount of the whole of `file_system`.
pub fn of_file_system(file_system: &Arc<FileSystem>) -> Option<Arc<Mount>> {
    let is_whole = |mount: &&Arc<Mount>| {
        Arc::ptr_eq(&mount.file_system, file_system) && Arc::ptr_eq(&mount.root, file_system.root())
    };
    TABLE.lock().iter().find(is_whole).cloned()
}

/// Mounts `root`, a directory of `file_system`, on the directory `on`, which nothing covers.
///
/// # Errors
/// ENOTDIR; EBUSY if the very same is mounted there already; ENOENT if the directory was removed.
pub fn attach(
    on: &Location,
    file_system: Arc<FileSystem>,
    root: Arc<Dentry>,
    source: &[u8],
    flags: MountFlags,
) -> Result<()> {
    if on.inode().is_directory() != root.inode().is_directory() {
        return Err(Errno::ENOTDIR);
    }
    if on.dentry.is_removed() {
        return Err(Errno::ENOENT);
    }
    if Arc::ptr_eq(&on.dentry, on.mount.root()) && Arc::ptr_eq(&on.dentry, &root) {
        return Err(Errno::EBUSY);
    }
    let mount = Mount::new(file_system, root, source, flags, Some(on.clone()));
    let mut table = TABLE.lock();
    on.dentry.cover();
    table.push(mount);
    Ok(())
}

/// Changes what the mount at `place` forbids.
///
/// # Errors
/// EINVAL if `place` is not the root of a mount.
pub fn remount(place: &Location, flags: MountFlags) -> Result<()> {
    if !Arc::ptr_eq(&place.dentry, place.mount.root()) {
        return Err(Errno::EINVAL);
    }
    place.mount.flags.store(flags.bits(), Ordering::Relaxed);
    Ok(())
}

/// What umount2(2) does about users of the mount.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Detach {
    /// EBUSY if there are any.
    IfUnused,
    /// Takes it, and what is mounted below, from the tree; they live on until the last user goes (MNT_DETACH).
    Now,
}

/// Unmounts the mount whose root `place` is.
///
/// # Errors
/// EINVAL if it is not the root of a mount; EBUSY for the root of the tree, or if somebody uses it.
pub fn detach(place: Location, how: Detach) -> Result<()> {
    // The table's and `place`'s.
    const OWN_REFERENCES: usize = 2;
    if !Arc::ptr_eq(&place.dentry, place.mount.root()) {
        return Err(Errno::EINVAL);
    }
    let mut table = TABLE.lock();
    if root_of(&table).is_some_and(|root| Arc::ptr_eq(root, &place.mount)) {
        return Err(Errno::EBUSY);
    }
    if !table.iter().any(|mount| Arc::ptr_eq(mount, &place.mount)) {
        return Err(Errno::EINVAL);
    }
    // Nobody can come by a reference while the table is locked, but from one that is counted here.
    if how == Detach::IfUnused && Arc::strong_count(&place.mount) > OWN_REFERENCES {
        return Err(Errno::EBUSY);
    }
    let mut gone: Vec<Arc<Mount>> = Vec::new();
    gone.push(place.mount.clone());
    let mut next = 0;
    while let Some(above) = gone.get(next).cloned() {
        gone.extend(table.iter().filter(|mount| mount.is_on_mount(&above)).cloned());
        next += 1;
    }
    table.retain(|mount| !gone.iter().any(|one| Arc::ptr_eq(one, mount)));
    let uncovered: Vec<Location> = gone.iter().filter_map(|mount| mount.on.lock().take()).collect();
    for on in &uncovered {
        on.dentry.uncover();
    }
    drop(table);
    // Outside the lock: a file system may be freed here, with all it holds.
    drop((gone, uncovered, place));
    Ok(())
}

/// One line of /proc/mounts.
pub struct MountLine {
    /// The mount's id.
    pub id: u64,
    /// The id of the mount it is mounted in; its own for the root.
    pub parent_id: u64,
    /// The file system's device number.
    pub device: DeviceNumber,
    /// What was mounted.
    pub source: Vec<u8>,
    /// Where, from the root asked for.
    pub target: Vec<u8>,
    /// The type.
    pub type_name: &'static str,
    /// The options, separated by commas.
    pub options: Vec<u8>,
}

/// All mounts that can be reached from `root`, in the order of mounting.
pub fn list(root: &Location) -> Vec<MountLine> {
    let mounts: Vec<Arc<Mount>> = TABLE.lock().clone();
    let lines = mounts.iter().filter_map(|mount| {
        let target = mount.root_location().path_from(root);
        let options = mount.flags().words().map(str::as_bytes).collect::<Vec<_>>().join(&b',');
        (target.reachable && !target.cut).then(|| MountLine {
            id: mount.id,
            parent_id: mount.mounted_on().map_or(mount.id, |on| on.mount.id),
            device: mount.file_system.device(),
            source: mount.source.clone(),
            target: target.bytes,
            type_name: mount.file_system.type_name(),
            options,
        })
    });
    lines.collect()
}
