//! Names: paths, links, renames, permissions.

use super::World;
use crate::fs::change::{Removal, Rename};
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::fs::open_file::Emitted;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use linux_raw_sys::general::{S_ISGID, S_ISVTX};
use postern_core::errno::{Errno, Result};

fn rename(world: &World, from: &str, to: &str, how: Rename) -> Result<()> {
    let caller = world.caller();
    caller.rename((&caller.cwd, from.as_bytes()), (&caller.cwd, to.as_bytes()), how)
}

fn remove(world: &World, path: &str, removal: Removal) -> Result<()> {
    let caller = world.caller();
    caller.remove(&caller.cwd, path.as_bytes(), removal)
}

fn link(world: &World, from: &str, to: &str) -> Result<()> {
    let caller = world.caller();
    caller.link(&world.find(from)?, &caller.cwd, to.as_bytes())
}

pub fn dots_and_slashes() {
    let world = World::new();
    world.mkdir("/d/").unwrap();
    world.create("/d/f", b"here");
    for path in ["/d/f", "//d///f", "d/./f", "/../d/../d/f", "./d/f"] {
        assert_eq!(world.contents(path), Ok(b"here".to_vec()), "{path}");
    }
    assert_eq!(world.contents("/d/f/"), Err(Errno::ENOTDIR));
    assert_eq!(world.contents("/d/f/."), Err(Errno::ENOTDIR));
    assert_eq!(world.contents("/none/../d/f"), Err(Errno::ENOENT));
    assert_eq!(world.contents(""), Err(Errno::ENOENT));
    assert_eq!(world.mkdir("/d"), Err(Errno::EEXIST));
    assert_eq!(world.mkdir("/"), Err(Errno::EEXIST));
    assert_eq!(world.mkdir("/d/."), Err(Errno::EEXIST));
    let created = world.open("/new/", AccessMode::READ, OpenFlags::CREATE);
    assert_eq!(created.err(), Some(Errno::EISDIR));
    assert_eq!(world.open("/d", AccessMode::WRITE, OpenFlags::empty()).err(), Some(Errno::EISDIR));
    assert_eq!(world.open("/d/f", AccessMode::READ, OpenFlags::DIRECTORY).err(), Some(Errno::ENOTDIR));
}

pub fn symlink_limit() {
    let world = World::new();
    world.create("/0", b"end");
    for link in 1..=41 {
        world.symlink(&format!("{}", link - 1), &format!("/{link}")).unwrap();
    }
    assert_eq!(world.contents("/40"), Ok(b"end".to_vec()));
    assert_eq!(world.contents("/41"), Err(Errno::ELOOP));
    world.symlink("self", "/self").unwrap();
    assert_eq!(world.contents("/self"), Err(Errno::ELOOP));
    assert_eq!(world.contents("/self/x"), Err(Errno::ELOOP));
}

pub fn last_link() {
    let world = World::new();
    world.create("/f", b"");
    world.symlink("f", "/link").unwrap();
    world.symlink("/", "/root").unwrap();
    let open = |path: &str, flags| world.open(path, AccessMode::READ, flags).err();
    assert_eq!(open("/link", OpenFlags::NO_FOLLOW), Some(Errno::ELOOP));
    assert_eq!(open("/link", OpenFlags::CREATE | OpenFlags::EXCLUSIVE), Some(Errno::EEXIST));
    assert_eq!(open("/link", OpenFlags::empty()), None);
    assert_eq!(open("/link", OpenFlags::NO_FOLLOW | OpenFlags::PATH), None);
    // A slash after it makes it a directory on the way.
    assert_eq!(open("/root/", OpenFlags::NO_FOLLOW), None);
    assert_eq!(open("/root/f", OpenFlags::NO_FOLLOW), None);
    // But for a name that is to be made, removed or renamed it is the name of the link.
    world.mkdir("/d").unwrap();
    world.symlink("d", "/to-d").unwrap();
    assert_eq!(remove(&world, "/to-d/", Removal::Directory), Err(Errno::ENOTDIR));
    assert_eq!(remove(&world, "/to-d/", Removal::File), Err(Errno::ENOTDIR));
    assert_eq!(rename(&world, "/to-d/", "/moved", Rename::Replace), Err(Errno::ENOTDIR));
    assert_eq!(world.mkdir("/to-d/"), Err(Errno::EEXIST));
    assert!(world.find("/d").is_ok());
    assert_eq!(remove(&world, "/link", Removal::File), Ok(()));
    assert_eq!(world.contents("/f"), Ok(Vec::new()));
}

pub fn dangling_link() {
    let world = World::new();
    world.mkdir("/d").unwrap();
    world.symlink("d/target", "/link").unwrap();
    assert_eq!(world.contents("/link"), Err(Errno::ENOENT));
    world.create("/link", b"made");
    assert_eq!(world.contents("/d/target"), Ok(b"made".to_vec()));
    assert_eq!(world.symlink("", "/empty"), Err(Errno::ENOENT));
}

pub fn name_length() {
    let world = World::new();
    let longest = "n".repeat(255);
    world.create(&format!("/{longest}"), b"");
    assert_eq!(world.contents(&longest), Ok(Vec::new()));
    assert_eq!(world.mkdir(&format!("/{longest}n")), Err(Errno::ENAMETOOLONG));
    let long_path = "/.".repeat(2048);
    assert_eq!(world.contents(&long_path), Err(Errno::ENAMETOOLONG));
}

pub fn rename_modes() {
    let world = World::new();
    world.create("/a", b"a");
    world.create("/b", b"b");
    world.mkdir("/d").unwrap();
    world.create("/d/x", b"");
    world.mkdir("/e").unwrap();
    let to = |from, to, how| rename(&world, from, to, how);
    assert_eq!(to("/a", "/b", Rename::NoReplace), Err(Errno::EEXIST));
    assert_eq!(to("/a", "/none", Rename::Exchange), Err(Errno::ENOENT));
    assert_eq!(to("/none", "/b", Rename::Replace), Err(Errno::ENOENT));
    assert_eq!(to("/a", "/d", Rename::Replace), Err(Errno::EISDIR));
    assert_eq!(to("/d", "/a", Rename::Replace), Err(Errno::ENOTDIR));
    assert_eq!(to("/e", "/d", Rename::Replace), Err(Errno::ENOTEMPTY));
    assert_eq!(to("/a", "/c/", Rename::Replace), Err(Errno::ENOTDIR));
    assert_eq!(to("/a", "/b", Rename::Exchange), Ok(()));
    assert_eq!((world.contents("/a"), world.contents("/b")), (Ok(b"b".to_vec()), Ok(b"a".to_vec())));
    assert_eq!(to("/a", "/b", Rename::Replace), Ok(()));
    assert_eq!((world.contents("/a"), world.contents("/b")), (Err(Errno::ENOENT), Ok(b"b".to_vec())));
    assert_eq!(to("/d", "/e", Rename::Replace), Ok(()));
    assert_eq!(world.contents("/e/x"), Ok(Vec::new()));
}

pub fn rename_loop() {
    let world = World::new();
    for path in ["/a", "/a/b", "/a/b/c"] {
        world.mkdir(path).unwrap();
    }
    assert_eq!(rename(&world, "/a", "/a/b/c/a", Rename::Replace), Err(Errno::EINVAL));
    assert_eq!(rename(&world, "/a", "/a/b", Rename::Replace), Err(Errno::EINVAL));
    assert_eq!(rename(&world, "/a/b/c", "/a", Rename::Replace), Err(Errno::ENOTEMPTY));
    assert_eq!(rename(&world, "/a/b/c", "/a", Rename::Exchange), Err(Errno::EINVAL));
    assert_eq!(rename(&world, "/a", "/a/..", Rename::Replace), Err(Errno::EBUSY));
    assert_eq!(rename(&world, "/a", "/a", Rename::Replace), Ok(()));
    assert_eq!(rename(&world, "/a/b/c", "/c", Rename::Replace), Ok(()));
    assert!(world.find("/c/../a/b").is_ok());
}

pub fn rename_links() {
    let world = World::new();
    for path in ["/a", "/b", "/a/d", "/b/e"] {
        world.mkdir(path).unwrap();
    }
    assert_eq!([world.links("/"), world.links("/a"), world.links("/b")], [4, 3, 3]);
    rename(&world, "/a/d", "/b/d", Rename::Replace).unwrap();
    assert_eq!([world.links("/a"), world.links("/b"), world.links("/b/d")], [2, 4, 2]);
    rename(&world, "/b/d", "/b/e", Rename::Replace).unwrap();
    assert_eq!([world.links("/b"), world.links("/b/e")], [3, 2]);
    world.create("/f", b"");
    rename(&world, "/f", "/b/e", Rename::Exchange).unwrap();
    assert_eq!([world.links("/"), world.links("/b"), world.links("/b/e")], [5, 2, 1]);
}

pub fn rmdir() {
    let world = World::new();
    world.mkdir("/d").unwrap();
    world.create("/d/f", b"");
    assert_eq!(remove(&world, "/d", Removal::Directory), Err(Errno::ENOTEMPTY));
    assert_eq!(remove(&world, "/d/f", Removal::Directory), Err(Errno::ENOTDIR));
    assert_eq!(remove(&world, "/d", Removal::File), Err(Errno::EISDIR));
    assert_eq!(remove(&world, "/d/.", Removal::Directory), Err(Errno::EINVAL));
    assert_eq!(remove(&world, "/d/..", Removal::Directory), Err(Errno::ENOTEMPTY));
    assert_eq!(remove(&world, "/", Removal::Directory), Err(Errno::EBUSY));
    assert_eq!(remove(&world, "/d/f/", Removal::File), Err(Errno::ENOTDIR));
    remove(&world, "/d/f", Removal::File).unwrap();
    assert_eq!(world.links("/"), 3);
    remove(&world, "/d/", Removal::Directory).unwrap();
    assert_eq!(world.links("/"), 2);
    assert_eq!(remove(&world, "/d", Removal::Directory), Err(Errno::ENOENT));
}

pub fn hard_links() {
    let world = World::new();
    world.create("/a", b"one");
    world.mkdir("/d").unwrap();
    link(&world, "/a", "/d/b").unwrap();
    assert_eq!(world.links("/a"), 2);
    world.create("/d/b", b"TWO");
    assert_eq!(world.contents("/a"), Ok(b"TWO".to_vec()));
    assert_eq!(link(&world, "/a", "/d/b"), Err(Errno::EEXIST));
    assert_eq!(link(&world, "/d", "/e"), Err(Errno::EPERM));
    // Both names are the same file: rename does nothing.
    assert_eq!(rename(&world, "/a", "/d/b", Rename::Replace), Ok(()));
    assert_eq!(world.links("/a"), 2);
    remove(&world, "/a", Removal::File).unwrap();
    assert_eq!(world.links("/d/b"), 1);
}

pub fn permissions() {
    let world = World::new();
    let user = world.seen_by(1000);
    world.create("/f", b"root's");
    assert_eq!(user.contents("/f"), Ok(b"root's".to_vec()));
    assert_eq!(user.open("/f", AccessMode::WRITE, OpenFlags::empty()).err(), Some(Errno::EACCES));
    assert_eq!(user.mkdir("/d"), Err(Errno::EACCES));
    let caller = world.caller();
    caller.set_permissions(&world.find("/f").unwrap(), 0).unwrap();
    assert_eq!(user.contents("/f"), Err(Errno::EACCES));
    assert!(world.contents("/f").is_ok());
    assert_eq!(user.caller().set_permissions(&world.find("/f").unwrap(), 0o777), Err(Errno::EPERM));
    caller.set_permissions(&world.find("/").unwrap(), 0o777 | S_ISVTX).unwrap();
    assert_eq!(remove(&user, "/f", Removal::File), Err(Errno::EPERM));
    assert_eq!(rename(&user, "/f", "/g", Rename::Replace), Err(Errno::EPERM));
    user.create("/mine", b"");
    assert_eq!(remove(&world.seen_by(1001), "/mine", Removal::File), Err(Errno::EPERM));
    assert_eq!(remove(&user, "/mine", Removal::File), Ok(()));
    // Search permission on the way, too.
    world.mkdir("/closed").unwrap();
    world.create("/closed/f", b"");
    caller.set_permissions(&world.find("/closed").unwrap(), 0o700).unwrap();
    assert_eq!(user.contents("/closed/f"), Err(Errno::EACCES));
}

pub fn set_group_id() {
    let world = World::new();
    world.mkdir("/d").unwrap();
    let place = world.find("/d").unwrap();
    world.caller().set_owner(&place, None, Some(77)).unwrap();
    world.caller().set_permissions(&place, 0o777 | S_ISGID).unwrap();
    let user = world.seen_by(1000);
    user.create("/d/f", b"");
    user.mkdir("/d/e").unwrap();
    let attributes = |path: &str| world.find(path).unwrap().inode().attributes();
    assert_eq!((attributes("/d/f").uid, attributes("/d/f").gid), (1000, 77));
    assert_eq!(attributes("/d/e").permissions & S_ISGID, S_ISGID);
}

fn list(world: &World, path: &str, mut after: impl FnMut(&str)) -> Vec<String> {
    let file = world.open(path, AccessMode::READ, OpenFlags::DIRECTORY).unwrap();
    let mut names = Vec::new();
    // One entry a call, as the smallest buffer would have it.
    loop {
        let mut taken = None;
        file.list(|entry| {
            if taken.is_some() {
                return Ok(Emitted::Full);
            }
            taken = Some(String::from_utf8_lossy(&entry.name).into_owned());
            Ok(Emitted::Taken)
        })
        .unwrap();
        let Some(name) = taken else { return names };
        after(&name);
        names.push(name);
    }
}

pub fn cursor() {
    let world = World::new();
    let count = 100;
    for file in 0..count {
        world.create(&format!("/{file}"), b"");
    }
    let names = list(&world, "/", |name| {
        if !name.starts_with('.') {
            remove(&world, name, Removal::File).unwrap();
        }
    });
    assert_eq!(names.len(), count + 2);
    assert_eq!(list(&world, "/", |_| {}), [".", ".."]);
}
