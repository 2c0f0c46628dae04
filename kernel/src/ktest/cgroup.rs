//! Control groups from inside: ids, listeners and the race between entering and removing, memory. What programs see of them is
//! tested by the conformance suite `cgroup`.

use super::ipc;
use crate::fs::cgroupfs;
use crate::fs::change::{Entry, Removal};
use crate::fs::context::FsContext;
use crate::fs::file::Readiness;
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::fs::inode::Owner;
use crate::fs::mount::Mount;
use crate::fs::open::How;
use crate::fs::open_file::{At, OpenFile};
use crate::fs::walk::Follow;
use crate::mm::heap;
use crate::mm::user::{Sink, Source};
use crate::process::Credentials;
use crate::process::cgroup::{self, CgroupId, Listener};
use crate::sched;
use crate::sync::{Mutex, SpinLock, rank};
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use postern_core::errno::{Errno, Result};

/// All of them, each named after the behaviour.
pub const TESTS: &[(&str, fn())] = &[
    ("a_groups_id_is_its_directorys_inode_number_and_never_used_again", ids),
    ("a_group_does_not_exist_any_more_when_its_listeners_hear_of_it", listeners),
    ("a_listener_that_was_taken_back_hears_of_nothing", registration),
    ("no_instance_outlives_its_group_whoever_is_quicker", instances),
    ("a_group_with_groups_below_is_busy", nested),
    ("a_directory_that_cannot_be_entered_leaves_no_group", failed_entry),
    ("the_files_of_a_removed_group_say_enodev_and_poll_as_changed", removed_files),
    ("ten_thousand_groups_take_no_more_than_8_kib_each_and_leave_nothing", many),
];

/// The hierarchy, mounted where nobody else sees it.
struct World {
    context: Arc<FsContext>,
    credentials: Credentials,
}

impl World {
    fn new() -> Self {
        let mount = Mount::outside(cgroupfs::instance().unwrap().clone());
        Self { context: FsContext::at(mount.root_location()), credentials: Credentials::root() }
    }

    fn mkdir(&self, path: &str) -> Result<()> {
        let caller = self.context.caller(&self.credentials, cgroup::ROOT);
        caller.make_directory(&caller.cwd, path.as_bytes(), 0o755)
    }

    fn rmdir(&self, path: &str) -> Result<()> {
        let caller = self.context.caller(&self.credentials, cgroup::ROOT);
        caller.remove(&caller.cwd, path.as_bytes(), Removal::Directory)
    }

    fn open(&self, path: &str, access: AccessMode) -> Result<Arc<OpenFile>> {
        let caller = self.context.caller(&self.credentials, cgroup::ROOT);
        caller.open(&caller.cwd, path.as_bytes(), How { access, flags: OpenFlags::empty(), permissions: 0 })
    }

    fn id(&self, path: &str) -> CgroupId {
        self.open(path, AccessMode::READ).unwrap().location().inode().number()
    }
}

fn contents(file: &OpenFile) -> Result<String> {
    let mut bytes = vec![0; 256];
    let length = file.read(&mut Sink::from_slice(&mut bytes), At::Offset(0))?;
    bytes.truncate(length);
    Ok(String::from_utf8(bytes).unwrap())
}

fn ids() {
    let world = World::new();
    assert_eq!(world.id("/"), cgroup::ROOT);
    let mut seen = BTreeSet::new();
    for _ in 0..10 {
        world.mkdir("/a").unwrap();
        let id = world.id("/a");
        assert!(cgroup::exists(id) && seen.insert(id) && seen.last() == Some(&id));
        assert_eq!(cgroup::find(id).unwrap().id(), id);
        world.rmdir("/a").unwrap();
        assert!(!cgroup::exists(id) && cgroup::find(id).is_err());
    }
}

/// Notes what it hears, and whether the group existed then.
struct Recorder(SpinLock<Vec<(CgroupId, bool)>>);

impl Recorder {
    fn new() -> Arc<Self> {
        Arc::new(Self(SpinLock::new(rank::OBJECT, Vec::new())))
    }

    fn heard(&self) -> Vec<(CgroupId, bool)> {
        self.0.lock().clone()
    }
}

impl Listener for Recorder {
    fn on_cgroup_gone(&self, id: CgroupId) {
        let existed = cgroup::exists(id);
        self.0.lock().push((id, existed));
    }
}

fn listeners() {
    let world = World::new();
    let recorder = Recorder::new();
    let registration = cgroup::add_listener(recorder.clone());
    world.mkdir("/a").unwrap();
    world.mkdir("/a/b").unwrap();
    let (outer, inner) = (world.id("/a"), world.id("/a/b"));
    assert_eq!(world.rmdir("/a"), Err(Errno::EBUSY));
    assert!(recorder.heard().is_empty());
    world.rmdir("/a/b").unwrap();
    world.rmdir("/a").unwrap();
    assert_eq!(recorder.heard(), [(inner, false), (outer, false)]);
    drop(registration);
}

fn registration() {
    let world = World::new();
    let (kept, dropped) = (Recorder::new(), Recorder::new());
    let registration = cgroup::add_listener(kept.clone());
    drop(cgroup::add_listener(dropped.clone()));
    world.mkdir("/a").unwrap();
    world.rmdir("/a").unwrap();
    assert_eq!((kept.heard().len(), dropped.heard().len()), (1, 0));
    drop(registration);
    assert_eq!(Arc::strong_count(&kept), 1);
}

/// A driver's table of instances, as the documentation of `process::cgroup` has it.
struct Driver(Mutex<BTreeSet<CgroupId>>);

impl Driver {
    fn open(&self, id: CgroupId) -> Result<()> {
        let mut instances = self.0.lock();
        let entered = instances.insert(id);
        if !cgroup::exists(id) {
            if entered {
                instances.remove(&id);
            }
            return Err(Errno::ENODEV);
        }
        Ok(())
    }
}

impl Listener for Driver {
    fn on_cgroup_gone(&self, id: CgroupId) {
        self.0.lock().remove(&id);
    }
}

fn instances() {
    const TURNS: usize = 200;
    let world = World::new();
    let driver = Arc::new(Driver(Mutex::new(rank::DRIVER, BTreeSet::new())));
    let registration = cgroup::add_listener(driver.clone());
    let target = Arc::new(AtomicU64::new(cgroup::ROOT));
    let over = Arc::new(AtomicBool::new(false));
    let opened = Arc::new(AtomicUsize::new(0));
    let opener = || -> ipc::Job {
        let (driver, target, over, opened) = (driver.clone(), target.clone(), over.clone(), opened.clone());
        Box::new(move || {
            while !over.load(Ordering::Relaxed) {
                let id = target.load(Ordering::Relaxed);
                if id != cgroup::ROOT && driver.open(id).is_ok() {
                    opened.fetch_add(1, Ordering::Relaxed);
                }
                sched::yield_now();
            }
        })
    };
    let tasks = ipc::start(vec![opener(), opener(), opener()]);
    for _ in 0..TURNS {
        world.mkdir("/race").unwrap();
        target.store(world.id("/race"), Ordering::Relaxed);
        let before = opened.load(Ordering::Relaxed);
        ipc::yield_until(|| opened.load(Ordering::Relaxed) > before);
        world.rmdir("/race").unwrap();
    }
    over.store(true, Ordering::Relaxed);
    tasks.join();
    assert!(driver.0.lock().is_empty(), "an instance was left");
    drop(registration);
}

fn nested() {
    let world = World::new();
    let deep = "/a/b/c/d";
    for length in [2, 4, 6, 8] {
        world.mkdir(&deep[..length]).unwrap();
    }
    assert_eq!(world.rmdir("/a/b"), Err(Errno::EBUSY));
    assert_eq!(
        contents(&world.open("/a/cgroup.stat", AccessMode::READ).unwrap()).unwrap(),
        "nr_descendants 3\nnr_dying_descendants 0\n"
    );
    let id = world.id(deep);
    assert_eq!(cgroup::hierarchy().path(id), deep.as_bytes());
    for length in [8, 6, 4, 2] {
        world.rmdir(&deep[..length]).unwrap();
    }
}

fn failed_entry() {
    let world = World::new();
    world.mkdir("/a").unwrap();
    let groups = cgroup::hierarchy().count();
    assert_eq!(world.mkdir("/a"), Err(Errno::EEXIST));
    assert_eq!(world.mkdir("/a/cgroup.procs"), Err(Errno::EEXIST));
    assert_eq!(world.mkdir("/a\nb"), Err(Errno::EINVAL));
    // Past the check of mkdir(2) for a name that is taken: the tree itself refuses the second one.
    let file_system = cgroupfs::instance().unwrap();
    let keeper = file_system.keeper().unwrap();
    let root = file_system.root();
    let inode = keeper.make(file_system, root.inode(), b"a", Owner::ROOT, 0o755).unwrap();
    assert_eq!(cgroup::hierarchy().count(), groups + 1);
    let inserted = file_system.insert(Entry { directory: root, name: b"a" }, inode).map(drop);
    assert_eq!(inserted, Err(Errno::EEXIST));
    assert_eq!(cgroup::hierarchy().count(), groups);
    world.rmdir("/a").unwrap();
}

fn removed_files() {
    let world = World::new();
    world.mkdir("/a").unwrap();
    let events = world.open("/a/cgroup.events", AccessMode::READ).unwrap();
    let news = Readiness::PRI | Readiness::ERR;
    assert!(events.readiness().contains(news), "nobody has read it yet");
    assert_eq!(contents(&events).unwrap(), "populated 0\nfrozen 0\n");
    assert!(!events.readiness().intersects(news));
    let procs = world.open("/a/cgroup.procs", AccessMode::READ_WRITE).unwrap();
    let directory = world.open("/a", AccessMode::READ).unwrap();
    world.rmdir("/a").unwrap();
    assert!(events.readiness().contains(news));
    assert_eq!(contents(&events), Err(Errno::ENODEV));
    assert_eq!(procs.write(&mut Source::from_slice(b"1"), At::Position), Err(Errno::ENODEV));
    let caller = world.context.caller(&world.credentials, cgroup::ROOT);
    let inside = caller.existing(directory.location(), b"cgroup.procs", Follow::Always);
    assert_eq!(inside.map(drop), Err(Errno::ENOENT));
    assert_eq!(caller.make_directory(directory.location(), b"b", 0o755), Err(Errno::ENOENT));
}

fn many() {
    const COUNT: usize = 10_000;
    const MOST_BYTES_EACH: i64 = 8 << 10;
    let world = World::new();
    let before = heap::in_use_bytes();
    for index in 0..COUNT {
        world.mkdir(&format!("/g{index}")).unwrap();
    }
    let each = (heap::in_use_bytes() - before) / COUNT as i64;
    crate::println!("# a control group takes {each} bytes");
    assert!(each <= MOST_BYTES_EACH, "{each} bytes a group");
    assert!(cgroup::exists(world.id("/g9999")));
    for index in 0..COUNT {
        world.rmdir(&format!("/g{index}")).unwrap();
    }
    assert_eq!(heap::in_use_bytes(), before);
}
