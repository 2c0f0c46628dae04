//! The character-device table, and the devices of memory.

use super::{World, prepare, read, write};
use crate::drivers::{self, CharDriver, DeviceNode, Major, OpenContext};
use crate::fs::attributes::DeviceNumber;
use crate::fs::devfs;
use crate::fs::file::FileOps;
use crate::fs::open_file::At;
use alloc::sync::Arc;
use postern_core::errno::{Errno, Result};

struct Nothing;
impl FileOps for Nothing {}

struct TestDriver;

impl CharDriver for TestDriver {
    fn name(&self) -> &str {
        "ktest"
    }

    fn open(&self, minor: u32, _: &OpenContext<'_>) -> Result<Arc<dyn FileOps>> {
        if minor == 0 { Ok(Arc::new(Nothing)) } else { Err(Errno::ENXIO) }
    }
}

fn register(major: Major, node: &str) -> Result<u32> {
    drivers::register(Arc::new(TestDriver), major, 0..2, &[DeviceNode::new(node, 0, 0o600)])
}

pub fn duplicates() {
    prepare();
    let major = register(Major::Dynamic, "ktest0").unwrap();
    assert!((384..=511).contains(&major) || (234..=254).contains(&major));
    assert_eq!(register(Major::Dynamic, "ktest1"), Err(Errno::EBUSY));
    assert_eq!(register(Major::Fixed(major), "ktest1"), Err(Errno::EBUSY));
    assert_eq!(register(Major::Fixed(200), "ktest0"), Err(Errno::EEXIST));
    assert_eq!(drivers::unregister(200, 0), Err(Errno::ENOENT));
    let root = devfs::instance().root();
    let node = root.inode().directory().unwrap().lookup(root, b"ktest0").unwrap();
    let metadata = node.inode().metadata();
    assert_eq!((metadata.represents, metadata.mode()), (DeviceNumber::new(major, 0), 0o020_600));
    assert_eq!(drivers::unregister(major, 0), Ok(()));
    assert!(root.inode().directory().unwrap().lookup(root, b"ktest0").is_err());
}

pub fn busy() {
    let world = World::new();
    let major = register(Major::Dynamic, "ktest0").unwrap();
    let file = devfs::open_unmounted(&world.caller(), "ktest0").unwrap();
    assert_eq!(drivers::unregister(major, 0), Err(Errno::EBUSY));
    assert_eq!(file.location().path_from(&world.caller().root).for_proc().unwrap(), b"/dev/ktest0");
    drop(file);
    assert_eq!(drivers::unregister(major, 0), Ok(()));
    assert_eq!(devfs::open_unmounted(&world.caller(), "ktest0").err(), Some(Errno::ENOENT));
}

pub fn memory() {
    let world = World::new();
    let open = |name: &str| devfs::open_unmounted(&world.caller(), name).unwrap();
    let null = open("null");
    assert_eq!((read(&null, 8, At::Position), write(&null, &[1; 9], At::Position)), (Ok([].into()), Ok(9)));
    let zero = open("zero");
    assert_eq!((read(&zero, 8, At::Position), write(&zero, &[1; 9], At::Position)), (Ok([0; 8].into()), Ok(9)));
    let full = open("full");
    assert_eq!(read(&full, 8, At::Position), Ok([0; 8].into()));
    assert_eq!(write(&full, &[1], At::Position), Err(Errno::ENOSPC));
    assert_eq!(null.seek(100, crate::fs::open_file::Whence::Start), Ok(0));
    assert_ne!(read(&open("urandom"), 16, At::Position), read(&open("random"), 16, At::Position));
}
