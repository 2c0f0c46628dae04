//! Tests of the file layer on trees of their own: nothing is mounted where others could see it, and everything is freed.

mod contents;
mod devices;
mod names;
mod trees;

use crate::fs::context::{Caller, FsContext};
use crate::fs::dentry::Location;
use crate::fs::file_system::{Changes, FileSystem, Options};
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::fs::inode::Owner;
use crate::fs::mount::Mount;
use crate::fs::open::How;
use crate::fs::open_file::{At, OpenFile};
use crate::fs::walk::Follow;
use crate::mm::user::{Sink, Source};
use crate::process::Credentials;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use postern_core::errno::Result;

/// All of them, each named after the behaviour.
pub const TESTS: &[(&str, fn())] = &[
    (
        "a file gives back what was written, and zeroes for holes",
        contents::write_then_read,
    ),
    (
        "a file cut and grown again reads as zeroes beyond the cut",
        contents::truncate,
    ),
    (
        "O_APPEND writes at the end wherever the position is",
        contents::append,
    ),
    (
        "a full file system takes what fits, then says ENOSPC",
        contents::full,
    ),
    (
        "an unlinked file lives until it is closed, then gives its pages back",
        contents::unlinked,
    ),
    (
        "SEEK_DATA and SEEK_HOLE find the edges of holes",
        contents::holes,
    ),
    (
        "punching a hole frees its pages and zeroes its edges",
        contents::punch,
    ),
    (
        "a mapping shows what was written, and what is written to it",
        contents::mapping,
    ),
    ("seals forbid what they name", contents::seals),
    (
        "flock excludes other openings, not the own",
        contents::flock,
    ),
    (
        "record locks conflict, split and change by ranges",
        contents::record_locks,
    ),
    (
        "dots, double slashes and slashes at the end",
        names::dots_and_slashes,
    ),
    ("41 symbolic links are one too many", names::symlink_limit),
    (
        "O_EXCL and O_NOFOLLOW do not follow the last link",
        names::last_link,
    ),
    (
        "O_CREAT makes the target of a dangling link",
        names::dangling_link,
    ),
    ("a name has 255 bytes at most", names::name_length),
    (
        "rename replaces, exchanges and refuses as told",
        names::rename_modes,
    ),
    (
        "a directory cannot be moved below itself",
        names::rename_loop,
    ),
    (
        "rename of directories keeps link counts",
        names::rename_links,
    ),
    ("rmdir takes empty directories only", names::rmdir),
    ("hard links share a file and count", names::hard_links),
    (
        "mode bits and the sticky bit bind all but the superuser",
        names::permissions,
    ),
    (
        "a set-group-id directory hands its group down",
        names::set_group_id,
    ),
    ("a cursor in a directory survives removals", names::cursor),
    (
        "a mount covers, is busy while used, and uncovers",
        trees::mount,
    ),
    (
        "`..` leaves a mount through its mount point",
        trees::parent_across_mounts,
    ),
    ("rename and link do not cross mounts", trees::cross_mount),
    (
        "a mount detached lazily lives until its last user goes",
        trees::lazy_detach,
    ),
    (
        "a removed working directory has a parent but no path",
        trees::removed_directory,
    ),
    ("chroot confines `..` and absolute links", trees::chroot),
    (
        "a very deep tree is freed without recursion",
        trees::deep_tree,
    ),
    (
        "an initramfs is unpacked, with data in the last hard link",
        trees::initramfs,
    ),
    (
        "a corrupt initramfs is an error that names it",
        trees::corrupt_initramfs,
    ),
    (
        "tmpfs takes Linux's options and refuses others",
        trees::tmpfs_options,
    ),
    (
        "a device number and a node name belong to one driver",
        devices::duplicates,
    ),
    (
        "a driver cannot go while a device of its is open",
        devices::busy,
    ),
    (
        "null, zero and full behave as null(4) and full(4) say",
        devices::memory,
    ),
];

/// A tree of its own, with somebody who looks at it.
struct World {
    context: Arc<FsContext>,
    credentials: Credentials,
}

impl World {
    /// An empty tree, seen by the superuser.
    fn new() -> Self {
        Self::limited(usize::MAX)
    }

    /// The same, which holds so many pages of contents.
    fn limited(limit_pages: usize) -> Self {
        prepare();
        let mount = Mount::outside(FileSystem::new(Options {
            type_name: "test",
            magic: 0,
            limit_pages,
            limit_inodes: usize::MAX,
            changes: Changes::ByPrograms,
            owner: Owner::ROOT,
            permissions: 0o755,
            computed: None,
        }));
        Self {
            context: FsContext::at(mount.root_location()),
            credentials: Credentials::root(),
        }
    }

    /// The same tree, seen by an ordinary user of a group of the same number.
    fn seen_by(&self, uid: u32) -> Self {
        let credentials = Credentials {
            uid,
            euid: uid,
            suid: uid,
            fsuid: uid,
            gid: uid,
            egid: uid,
            sgid: uid,
            fsgid: uid,
            groups: Vec::new(),
        };
        Self {
            context: self.context.clone(),
            credentials,
        }
    }

    fn caller(&self) -> Caller<'_> {
        self.context.caller(&self.credentials, 0)
    }

    fn open(&self, path: &str, access: AccessMode, flags: OpenFlags) -> Result<Arc<OpenFile>> {
        let caller = self.caller();
        caller.open(
            &caller.cwd,
            path.as_bytes(),
            How {
                access,
                flags,
                permissions: 0o666,
            },
        )
    }

    fn create(&self, path: &str, contents: &[u8]) {
        let file = self
            .open(path, AccessMode::READ_WRITE, OpenFlags::CREATE)
            .unwrap();
        assert_eq!(write(&file, contents, At::Position), Ok(contents.len()));
    }

    fn contents(&self, path: &str) -> Result<Vec<u8>> {
        let file = self.open(path, AccessMode::READ, OpenFlags::empty())?;
        let size = usize::try_from(file.location().inode().size()).unwrap();
        read(&file, size, At::Position)
    }

    fn mkdir(&self, path: &str) -> Result<()> {
        let caller = self.caller();
        caller.make_directory(&caller.cwd, path.as_bytes(), 0o777)
    }

    fn symlink(&self, target: &str, path: &str) -> Result<()> {
        let caller = self.caller();
        caller.make_symlink(target.as_bytes(), &caller.cwd, path.as_bytes())
    }

    fn find(&self, path: &str) -> Result<Location> {
        let caller = self.caller();
        caller.existing(&caller.cwd, path.as_bytes(), Follow::NotLast)
    }

    fn links(&self, path: &str) -> u32 {
        self.find(path).unwrap().inode().attributes().links
    }
}

/// Makes what there is one of: the root, devtmpfs, procfs, the character-device table.
pub fn prepare() {
    static READY: spin::Once = spin::Once::new();
    READY.call_once(|| {
        crate::fs::init().unwrap();
        crate::drivers::init().unwrap();
    });
}

fn read(file: &OpenFile, length: usize, at: At) -> Result<Vec<u8>> {
    let mut buffer = vec![0xee; length];
    let bytes = file.read(&mut Sink::from_slice(&mut buffer), at)?;
    buffer.truncate(bytes);
    Ok(buffer)
}

fn write(file: &OpenFile, bytes: &[u8], at: At) -> Result<usize> {
    file.write(&mut Source::from_slice(bytes), at)
}
