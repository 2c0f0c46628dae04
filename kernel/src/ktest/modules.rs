//! Modules: loading and unloading with all that is seen of it, on as many CPUs as there are.

use super::fs::{World, prepare};
use super::ipc::{Job, start};
use crate::drivers::module::{self, list};
use crate::fs::devfs;
use crate::fs::open_file::At;
use crate::fs::sysfs;
use crate::mm::user::Sink;
use crate::mm::{frame, heap};
use alloc::boxed::Box;
use alloc::vec::Vec;
use postern_core::errno::{Errno, Result};

/// The table.
pub const TESTS: &[(&str, fn())] = &[
    ("a_loaded_module_is_seen_everywhere_and_an_unloaded_one_nowhere", seen),
    ("a_second_load_is_eexist_and_a_second_unload_enoent", twice),
    ("a_bad_parameter_leaves_nothing_behind", bad_parameters),
    ("parameters_reach_the_module", parameters),
    ("an_open_module_is_ebusy_and_goes_on", busy),
    ("a_thousand_loads_leave_frames_and_heap_exactly_as_before", thousand),
    ("load_unload_and_open_race_without_harm", races),
];

fn load(text: &str) -> Result<()> {
    module::load("mailbox", |values| values.apply(text))
}

fn has_node() -> bool {
    let root = devfs::instance().root();
    root.inode().directory().unwrap().held(b"mailbox").is_some()
}

fn has_directory() -> bool {
    let root = sysfs::instance().root();
    let modules = root.inode().directory().unwrap().held(b"module").unwrap();
    modules.inode().directory().unwrap().held(b"mailbox").is_some()
}

fn is_listed() -> bool {
    list().iter().any(|loaded| loaded.description.name == "mailbox")
}

fn seen() {
    prepare();
    assert_eq!((has_node(), has_directory(), is_listed()), (false, false, false));
    load("").unwrap();
    assert_eq!((has_node(), has_directory(), is_listed()), (true, true, true));
    module::unload("mailbox").unwrap();
    assert_eq!((has_node(), has_directory(), is_listed()), (false, false, false));
}

fn twice() {
    prepare();
    load("").unwrap();
    assert_eq!(load(""), Err(Errno::EEXIST));
    assert_eq!(module::unload("mailbox"), Ok(()));
    assert_eq!(module::unload("mailbox"), Err(Errno::ENOENT));
    assert_eq!(module::load("nonesuch", |_| Ok(())), Err(Errno::ENOENT));
}

fn bad_parameters() {
    prepare();
    for text in ["letter=256", "letter", "latter=1", "letter=1 letter=x"] {
        assert_eq!(load(text), Err(Errno::EINVAL), "{text}");
        assert_eq!((has_node(), has_directory(), is_listed()), (false, false, false));
    }
}

fn read_letter(world: &World) -> Vec<u8> {
    let file = devfs::open_unmounted(&world.caller(), "mailbox").unwrap();
    let mut buffer = [0; 4];
    let bytes = file.read(&mut Sink::from_slice(&mut buffer), At::Position).unwrap();
    buffer[..bytes].to_vec()
}

fn parameters() {
    let world = World::new();
    load("letter=65").unwrap();
    assert_eq!(read_letter(&world), b"A");
    module::unload("mailbox").unwrap();
}

fn busy() {
    let world = World::new();
    load("letter=66").unwrap();
    let file = devfs::open_unmounted(&world.caller(), "mailbox").unwrap();
    assert_eq!(module::unload("mailbox"), Err(Errno::EBUSY));
    let loaded = list().into_iter().find(|loaded| loaded.description.name == "mailbox").unwrap();
    assert_eq!((loaded.module().unwrap().users(), loaded.is_going()), (1, false));
    assert_eq!(read_letter(&world), b"B");
    drop(file);
    assert_eq!(module::unload("mailbox"), Ok(()));
    // Whoever still has the table's record finds that the module is gone.
    assert_eq!(loaded.module().err(), Some(Errno::ENODEV));
}

fn thousand() {
    prepare();
    // The allocator's caches and the directories' nodes are as they will be after one turn.
    let turn = || {
        load("letter=1").unwrap();
        module::unload("mailbox").unwrap();
    };
    turn();
    let before = (frame::in_use(), frame::statistics().free, heap::in_use_bytes());
    for _ in 0..1000 {
        turn();
    }
    assert_eq!((frame::in_use(), frame::statistics().free, heap::in_use_bytes()), before);
}

fn races() {
    const TURNS: usize = 200;
    let loading = || -> Job {
        Box::new(|| {
            for _ in 0..TURNS {
                assert!(matches!(load("letter=67"), Ok(()) | Err(Errno::EEXIST)));
            }
        })
    };
    let unloading = || -> Job {
        Box::new(|| {
            for _ in 0..TURNS {
                assert!(matches!(module::unload("mailbox"), Ok(()) | Err(Errno::ENOENT | Errno::EBUSY)));
                crate::sched::yield_now();
            }
        })
    };
    let opening = || -> Job {
        let world = World::new();
        Box::new(move || {
            for _ in 0..TURNS {
                match devfs::open_unmounted(&world.caller(), "mailbox") {
                    // The driver is there as long as it is open: its letter can be looked for.
                    Ok(file) => {
                        let _ = file.readiness();
                    }
                    Err(error) => assert!(matches!(error, Errno::ENOENT | Errno::ENXIO), "{error}"),
                }
                crate::sched::yield_now();
            }
        })
    };
    start([loading(), loading(), unloading(), unloading(), opening(), opening()].into()).join();
    // Whatever the race's last state was.
    assert!(matches!(module::unload("mailbox"), Ok(()) | Err(Errno::ENOENT)));
    assert_eq!((has_node(), has_directory(), is_listed()), (false, false, false));
}
