//! Trees: mounts, working directories, roots, the initramfs.

use super::World;
use crate::fs::change::{Removal, Rename};
use crate::fs::dentry::Location;
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::fs::initramfs::{self, UnpackError};
use crate::fs::mount::{self, Detach, MountFlags};
use crate::fs::types;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use postern_core::errno::Errno;

/// A tree with a tmpfs on /m, which holds a directory d.
fn world_with_mount() -> World {
    let world = World::new();
    world.mkdir("/m").unwrap();
    world.create("/m/covered", b"");
    let on = world.find("/m").unwrap();
    let file_system = types::make(b"tmpfs", b"size=1m").unwrap();
    let root = file_system.root().clone();
    mount::attach(&on, file_system, root, b"test", MountFlags::empty()).unwrap();
    world.mkdir("/m/d").unwrap();
    world
}

fn unmount(world: &World, how: Detach) -> Result<(), Errno> {
    mount::detach(world.find("/m").unwrap(), how)
}

pub fn mount() {
    let world = world_with_mount();
    assert_eq!(world.contents("/m/covered"), Err(Errno::ENOENT));
    world.create("/m/f", b"");
    let file = world.open("/m/f", AccessMode::READ, OpenFlags::empty()).unwrap();
    assert_eq!(unmount(&world, Detach::IfUnused), Err(Errno::EBUSY));
    let lines = mount::list(&world.caller().root);
    let line = lines.iter().find(|line| line.target == b"/m").unwrap();
    assert_eq!(
        (line.type_name, line.source.as_slice(), line.options.as_slice()),
        ("tmpfs", &b"test"[..], &b"rw,relatime"[..])
    );
    let caller = world.caller();
    assert_eq!(caller.remove(&caller.cwd, b"/m", Removal::Directory), Err(Errno::EBUSY));
    drop(file);
    assert_eq!(mount::detach(world.find("/m/d").unwrap(), Detach::IfUnused), Err(Errno::EINVAL));
    assert_eq!(unmount(&world, Detach::IfUnused), Ok(()));
    assert!(world.contents("/m/covered").is_ok());
    assert_eq!(unmount(&world, Detach::IfUnused), Err(Errno::EINVAL));
}

pub fn parent_across_mounts() {
    let world = world_with_mount();
    let inside = world.find("/m/d").unwrap();
    let caller = world.caller();
    assert_eq!(inside.path_from(&caller.root).bytes, b"/m/d");
    assert!(world.find("/m/d/../..").unwrap().is_same(&caller.root));
    assert!(inside.parent_below(&caller.root).is_same(&world.find("/m").unwrap()));
    drop((inside, caller));
    unmount(&world, Detach::IfUnused).unwrap();
}

pub fn cross_mount() {
    let world = world_with_mount();
    world.create("/f", b"");
    {
        let caller = world.caller();
        let renamed = caller.rename((&caller.cwd, b"/f"), (&caller.cwd, b"/m/f"), Rename::Replace);
        assert_eq!(renamed, Err(Errno::EXDEV));
        let linked = caller.link(&world.find("/f").unwrap(), &caller.cwd, b"/m/f");
        assert_eq!(linked, Err(Errno::EXDEV));
        let over = caller.rename((&caller.cwd, b"/f"), (&caller.cwd, b"/m"), Rename::Replace);
        assert_eq!(over, Err(Errno::EBUSY));
    }
    unmount(&world, Detach::IfUnused).unwrap();
}

pub fn lazy_detach() {
    let world = world_with_mount();
    world.create("/m/f", b"alive");
    let inside = world.find("/m/d").unwrap();
    world.context.set_cwd(inside);
    unmount(&world, Detach::Now).unwrap();
    assert!(world.contents("/m/covered").is_ok());
    assert_eq!(world.contents("../f"), Ok(b"alive".to_vec()));
    let caller = world.caller();
    assert!(!caller.cwd.path_from(&caller.root).reachable);
}

pub fn removed_directory() {
    let world = World::new();
    world.mkdir("/a").unwrap();
    world.mkdir("/a/b").unwrap();
    world.context.set_cwd(world.find("/a/b").unwrap());
    let caller = world.caller();
    caller.remove(&caller.root, b"a/b", Removal::Directory).unwrap();
    assert!(caller.cwd.path_from(&caller.root).removed);
    assert_eq!(caller.cwd.path_from(&caller.root).for_proc().unwrap(), b"/a/b (deleted)");
    assert!(world.find("..").unwrap().is_same(&world.find("/a").unwrap()));
    assert_eq!(world.mkdir("new"), Err(Errno::ENOENT));
    let created = world.open("new", AccessMode::WRITE, OpenFlags::CREATE);
    assert_eq!(created.err(), Some(Errno::ENOENT));
}

pub fn chroot() {
    let world = World::new();
    world.mkdir("/jail").unwrap();
    world.create("/jail/f", b"inside");
    world.create("/f", b"outside");
    world.symlink("/f", "/jail/link").unwrap();
    let jail = world.find("/jail").unwrap();
    world.context.set_root(jail.clone());
    world.context.set_cwd(jail);
    for path in ["/f", "../f", "/../../f", "link"] {
        assert_eq!(world.contents(path), Ok(b"inside".to_vec()), "{path}");
    }
}

pub fn deep_tree() {
    const DEPTH: usize = 3000;
    let world = World::new();
    for _ in 0..DEPTH {
        world.mkdir("d").unwrap();
        let deeper: Location = world.find("d").unwrap();
        world.context.set_cwd(deeper);
    }
    let caller = world.caller();
    assert_eq!(caller.cwd.path_from(&caller.root).bytes.len(), 2 * DEPTH);
    let budget = caller.root.mount.file_system().budget().clone();
    assert_eq!(budget.inodes.used(), DEPTH);
    drop(caller);
    drop(world);
    assert_eq!(budget.inodes.used(), 0);
}

/// An entry of a newc archive.
fn entry(name: &str, ino: u32, mode: u32, links: u32, data: &str) -> String {
    let mut text = String::from("070701");
    let fields = [
        ino,
        mode,
        0,
        0,
        links,
        1,
        u32::try_from(data.len()).unwrap(),
        0,
        0,
        0,
        0,
        u32::try_from(name.len()).unwrap() + 1,
        0,
    ];
    for field in fields {
        text.push_str(&format!("{field:08x}"));
    }
    for part in [name, "\0", data] {
        text.push_str(part);
        if part != name {
            text.push_str(&"\0".repeat(text.len().next_multiple_of(4) - text.len()));
        }
    }
    text
}

pub fn initramfs() {
    let world = World::new();
    let archive = [
        entry(".", 1, 0o040_711, 2, ""),
        entry("./bin", 2, 0o040_755, 2, ""),
        entry("bin/one", 3, 0o100_755, 3, ""),
        entry("/bin/two", 3, 0o100_755, 3, ""),
        entry("init", 3, 0o100_755, 3, "program"),
        entry("link", 4, 0o120_777, 1, "bin/one"),
        entry("again", 5, 0o100_600, 1, "first"),
        entry("again", 6, 0o100_640, 1, "second"),
        entry("TRAILER!!!", 0, 0, 1, ""),
    ]
    .concat();
    let made = initramfs::unpack(&world.caller(), archive.as_bytes());
    assert_eq!(made.ok(), Some(8));
    for path in ["/bin/one", "/bin/two", "/init", "/link"] {
        assert_eq!(world.contents(path), Ok(b"program".to_vec()), "{path}");
    }
    assert_eq!(world.links("/init"), 3);
    assert_eq!(world.contents("/again"), Ok(b"second".to_vec()));
    let permissions = |path: &str| world.find(path).unwrap().inode().attributes().permissions;
    assert_eq!([permissions("/"), permissions("/again")], [0o711, 0o640]);
}

/// A gzip file of `data`, not made smaller.
fn gzipped(data: &[u8]) -> Vec<u8> {
    let checksum = data.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(sum & 1)))
    });
    let (length, size) = (u16::try_from(data.len()).unwrap(), u32::try_from(data.len()).unwrap());
    let head: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1];
    let lengths = [length.to_le_bytes(), (!length).to_le_bytes()].concat();
    let trailer = [(!checksum).to_le_bytes(), size.to_le_bytes()].concat();
    [head, &lengths, data, &trailer].concat()
}

pub fn compressed_initramfs() {
    let archive = |name: &str, data: &str| {
        gzipped([entry(name, 1, 0o100_644, 1, data), entry("TRAILER!!!", 0, 0, 1, "")].concat().as_bytes())
    };
    let (large, small) = (archive("large", &"l".repeat(30_000)), archive("small", "s"));
    let world = World::new();
    // Neither the small one's size nor zeroes at the end are the size of the large one.
    let made = initramfs::unpack(&world.caller(), &[&large[..], &small, &[0; 512]].concat());
    assert_eq!(made.ok(), Some(2));
    assert_eq!(world.contents("/large").map(|text| text.len()), Ok(30_000));
    assert_eq!(world.contents("/small"), Ok(b"s".to_vec()));

    let mut broken = [small, large].concat();
    let at = broken.len() - 100;
    broken[at] ^= 1;
    let message = initramfs::unpack(&world.caller(), &broken).map_err(|error| format!("{error}"));
    let wanted = format!("initramfs, at offset {:#x}: gzip checksum or size is wrong", archive("small", "s").len());
    assert_eq!(message, Err(wanted));
}

pub fn corrupt_initramfs() {
    let world = World::new();
    let good = entry("f", 1, 0o100_644, 1, "kept");
    let cut = &entry("g", 2, 0o100_644, 1, "lost")[..100];
    let unpacked = initramfs::unpack(&world.caller(), [good.as_str(), cut].concat().as_bytes());
    assert!(matches!(unpacked, Err(UnpackError::Archive(_))));
    assert_eq!(world.contents("/f"), Ok(b"kept".to_vec()));
    let orphan = entry("none/f", 1, 0o100_644, 1, "");
    let message = initramfs::unpack(&world.caller(), orphan.as_bytes()).map_err(|error| format!("{error}"));
    assert_eq!(message, Err(String::from("initramfs: none/f: ENOENT")));
}

pub fn tmpfs_options() {
    let make = |options: &str| types::make(b"tmpfs", options.as_bytes());
    let file_system = make("size=64k,mode=700,uid=5,gid=6").unwrap();
    assert_eq!(file_system.budget().pages.limit(), 16);
    let attributes = file_system.root().inode().attributes();
    assert_eq!((attributes.permissions, attributes.uid, attributes.gid), (0o700, 5, 6));
    assert_eq!(make("").unwrap().root().inode().attributes().permissions, 0o1777);
    for wrong in ["size=x", "mode=9", "nonsense", "size=1q"] {
        assert_eq!(make(wrong).err(), Some(Errno::EINVAL), "{wrong}");
    }
    assert_eq!(types::make(b"ext4", b"").err(), Some(Errno::ENODEV));
    let names: Vec<&str> = types::list().iter().map(|known| known.name).collect();
    assert!(names.contains(&"tmpfs") && names.contains(&"proc"));
}
