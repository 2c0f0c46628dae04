//! `/dev/hello` as kernel tasks see it: routing, the ring under every switch, wake-ups, loading and unloading.

use super::{Job, pattern, read, start, until_somebody_waits, with_user_pages, write};
use crate::arch::mmu::PAGE_SIZE;
use crate::drivers::hello::counters;
use crate::drivers::hello::file::HelloFile;
use crate::drivers::hello::routing;
use crate::drivers::hello::switches::Switches;
use crate::drivers::module;
use crate::fs::anonymous::{self, Kind};
use crate::fs::file::{Direction, FileControl, Readiness};
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::fs::inode::Owner;
use crate::fs::open_file::{At, OpenFile};
use crate::fs::procfs::text::Text;
use crate::fs::special::{Attachment, Opened};
use crate::fs::splice::Nesting;
use crate::ktest::fs::prepare;
use crate::mm::user::{self, Source};
use crate::mm::{frame, heap};
use crate::process::Credentials;
use crate::process::cgroup::{self, CgroupId, ROOT};
use crate::sync::{SpinLock, rank};
use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use postern_abi::hello::HelloCounters;
use postern_core::channel::{ChannelKey, ChannelName};
use postern_core::effects::Wakes;
use postern_core::errno::{Errno, Result};

/// Runs `f` with the module's listener in place, and all instances gone again afterwards.
fn with_hello(parameters: &str, f: impl FnOnce()) {
    prepare();
    module::load("hello", |values| values.apply(parameters)).unwrap();
    f();
    module::unload("hello").unwrap();
    routing::put_in_force(Switches::all());
}

fn open_key(key: ChannelKey, access: AccessMode, flags: OpenFlags) -> Result<Arc<OpenFile>> {
    let ops = Arc::new(HelloFile::open(key, access, flags)?);
    let place = anonymous::place(Kind::Pipe(Attachment::new()), &Credentials::root()).unwrap();
    Ok(OpenFile::new(Opened::plain(ops), place, access, flags))
}

fn open(group: CgroupId, access: AccessMode, flags: OpenFlags) -> Result<Arc<OpenFile>> {
    open_key(ChannelKey::own(group), access, flags)
}

/// Both ends of the root group's own ring.
fn ends(flags: OpenFlags) -> [Arc<OpenFile>; 2] {
    let reader = open(ROOT, AccessMode::READ, flags | OpenFlags::NONBLOCK).unwrap();
    reader.set_flags(flags);
    [reader, open(ROOT, AccessMode::WRITE, flags).unwrap()]
}

fn instances() -> usize {
    routing::all().unwrap().len()
}

fn group(name: &str) -> Arc<cgroup::Cgroup> {
    cgroup::create(ROOT, name.as_bytes(), Owner::ROOT).unwrap()
}

fn remove(group: &cgroup::Cgroup) {
    cgroup::remove(group).unwrap();
    cgroup::announce_removal(group.id());
}

pub fn routing_by_group() {
    with_hello("", || {
        let (one, other) = (group("hello-1"), group("hello-2"));
        let both = AccessMode::READ_WRITE;
        let of_one = open(one.id(), both, OpenFlags::empty()).unwrap();
        let of_other = open(other.id(), both, OpenFlags::NONBLOCK).unwrap();
        let again = open(one.id(), both, OpenFlags::empty()).unwrap();
        write(&of_one, b"private").unwrap();
        assert_eq!(read(&of_other, 9), Err(Errno::EAGAIN));
        assert_eq!(read(&again, 9).unwrap(), b"private");
        assert_eq!(instances(), 2);
        drop((of_one, of_other, again));
        assert_eq!(instances(), 2, "an instance stays for the next opening");
        remove(&one);
        remove(&other);
        assert_eq!(instances(), 0, "an instance goes with its group");
    });
}

pub fn group_goes_while_open() {
    with_hello("", || {
        let going = group("hello-1");
        let file = open(going.id(), AccessMode::READ_WRITE, OpenFlags::empty()).unwrap();
        let before = frame::in_use();
        write(&file, &pattern(5000)).unwrap();
        remove(&going);
        assert_eq!(instances(), 0);
        // Who has it open goes on.
        assert_eq!(read(&file, 5000).unwrap(), pattern(5000));
        assert_eq!(open(going.id(), AccessMode::READ_WRITE, OpenFlags::empty()).err(), Some(Errno::ENODEV));
        drop(file);
        assert_eq!(frame::in_use(), before, "its pages go with the last close");
    });
}

pub fn opening_races_with_removal() {
    with_hello("", || {
        for round in 0..30 {
            let going = group("hello-1");
            let id = going.id();
            let opener = || -> Job {
                Box::new(move || {
                    for number in 0..20 {
                        let name = ChannelName::parse(format!("c{}", number % 4).as_bytes()).unwrap();
                        match open_key(ChannelKey { cgroup: id, name }, AccessMode::READ_WRITE, OpenFlags::empty()) {
                            Ok(file) => assert_eq!(write(&file, b"x"), Ok(1)),
                            Err(error) => assert_eq!(error, Errno::ENODEV),
                        }
                    }
                })
            };
            let remover: Job = Box::new(move || remove(&going));
            let mut jobs = vec![opener(), opener(), opener()];
            jobs.insert(round % 4, remover);
            start(jobs).join();
            assert_eq!(instances(), 0, "no instance outlives its group");
        }
    });
}

pub fn ids_of_64_bits() {
    with_hello("", || {
        // Seed 001 keeps the id in 32 bits: a group that does not exist would share the ring of one that does.
        let file = open(ROOT, AccessMode::READ_WRITE, OpenFlags::empty()).unwrap();
        let shadow = open(ROOT | 1 << 32, AccessMode::READ_WRITE, OpenFlags::empty());
        assert_eq!(shadow.err(), Some(Errno::ENODEV));
        drop(file);
    });
}

/// What every combination of switches must keep: bytes in order, across tasks.
fn stream_arrives() {
    const LENGTH: usize = 60_000;
    let [reader, writer] = ends(OpenFlags::empty());
    let sending: Job = Box::new(move || {
        let bytes = pattern(LENGTH);
        let mut sent = 0;
        for length in (1..5000).step_by(617).cycle() {
            let length = length.min(LENGTH - sent);
            assert_eq!(write(&writer, &bytes[sent..sent + length]), Ok(length));
            sent += length;
            if sent == LENGTH {
                return;
            }
        }
    });
    let tasks = start(vec![sending]);
    let mut got = Vec::new();
    while got.len() < LENGTH {
        got.extend(read(&reader, 3001).unwrap());
    }
    assert!(got == pattern(LENGTH), "bytes were lost, doubled or moved");
    tasks.join();
    assert_eq!(read(&reader, 1).unwrap(), b"");
}

/// Several readers of one byte each and several writers: all must come through, whoever wakes whom.
fn nobody_is_forgotten() {
    const READERS: usize = 6;
    let [reader, writer] = ends(OpenFlags::empty());
    let reading = || -> Job {
        let reader = reader.clone();
        Box::new(move || assert_eq!(read(&reader, 1).unwrap(), b"x"))
    };
    let tasks = start((0..READERS).map(|_| reading()).collect());
    until_somebody_waits(&reader, Direction::Read);
    write(&writer, b"xx").unwrap();
    write(&writer, &[b'x'; READERS - 2]).unwrap();
    tasks.join();
    // A full ring, and writers of which one page lets all go on.
    write(&writer, &pattern(16 * PAGE_SIZE)).unwrap();
    let writing = || -> Job {
        let writer = writer.clone();
        Box::new(move || assert_eq!(write(&writer, b"y"), Ok(1)))
    };
    let tasks = start((0..READERS).map(|_| writing()).collect());
    until_somebody_waits(&writer, Direction::Write);
    let mut got = 0;
    while got < 16 * PAGE_SIZE + READERS {
        got += read(&reader, 2 * PAGE_SIZE).unwrap().len();
    }
    tasks.join();
}

pub fn every_combination_of_switches() {
    with_hello("", || {
        for bits in 0..=Switches::all().bits() {
            routing::put_in_force(Switches::from_bits_retain(bits));
            stream_arrives();
            nobody_is_forgotten();
        }
    });
}

/// The counters of the root group's ring.
fn counted_so_far() -> HelloCounters {
    routing::all().unwrap().last().unwrap().totals()
}

/// What `work` adds to the counters with these switches off.
fn counted(off: Switches, work: impl FnOnce()) -> HelloCounters {
    routing::put_in_force(Switches::all() - off);
    let before = counted_so_far();
    work();
    let after = counted_so_far();
    routing::put_in_force(Switches::all());
    HelloCounters {
        allocations: after.allocations - before.allocations,
        recycles: after.recycles - before.recycles,
        merges: after.merges - before.merges,
        wakes: after.wakes - before.wakes,
        ..after
    }
}

pub fn switches_switch() {
    with_hello("", || {
        let [reader, writer] = ends(OpenFlags::empty());
        let bounce = || {
            for _ in 0..32 {
                write(&writer, &pattern(PAGE_SIZE)).unwrap();
                assert_eq!(read(&reader, PAGE_SIZE).unwrap().len(), PAGE_SIZE);
            }
        };
        bounce();
        assert_eq!(counted(Switches::empty(), bounce).allocations, 0);
        let pages = frame::in_use();
        assert_eq!(counted(Switches::RECYCLE, bounce).allocations, 32, "without recycling each page is a new one");
        assert!(frame::in_use() < pages, "the pages that lay in the ring are free");
        let chat = || {
            (0..8).for_each(|_| assert_eq!(write(&writer, b"x"), Ok(1)));
            assert_eq!(read(&reader, 9).unwrap(), b"xxxxxxxx");
        };
        assert_eq!(counted(Switches::empty(), chat).merges, 7);
        assert_eq!(counted(Switches::MERGE, chat).merges, 0);
        let wake = |off| {
            let reading = || -> Job {
                let reader = reader.clone();
                Box::new(move || assert_eq!(read(&reader, 1).unwrap(), b"x"))
            };
            // Who waits when the rules change looks again: so they come after that.
            routing::put_in_force(Switches::all() - off);
            let tasks = start((0..4).map(|_| reading()).collect());
            tasks.until_all_sleep();
            assert_eq!(waiting(&reader), 4);
            let event = counted(off, || assert_eq!(write(&writer, b"x"), Ok(1))).wakes;
            write(&writer, b"xxx").unwrap();
            tasks.join();
            event
        };
        assert_eq!(wake(Switches::empty()), 1, "one event wakes one");
        assert_eq!(wake(Switches::EXCLUSIVE), 4, "without exclusive waiting it wakes all");
        assert_eq!(wake(Switches::CHAINED), 1, "without the chain it wakes as many as there are bytes");
    });
}

/// How many wait to read.
fn waiting(file: &OpenFile) -> usize {
    file.ops().wait_queue(Direction::Read).unwrap().waiters()
}

static ORDER: SpinLock<Vec<usize>> = SpinLock::new(rank::OBJECT, Vec::new());

pub fn herd() {
    for count in [1, 2, 3, 8, 64] {
        with_hello("", || {
            let [reader, writer] = ends(OpenFlags::empty());
            let reading = |number: usize| -> Job {
                let reader = reader.clone();
                Box::new(move || {
                    // In order of their numbers.
                    super::yield_until(|| waiting(&reader) == number);
                    assert_eq!(read(&reader, 1).unwrap(), b"x");
                    ORDER.lock().push(number);
                })
            };
            let tasks = start((0..count).map(reading).collect());
            tasks.until_all_sleep();
            assert_eq!(waiting(&reader), count);
            for served in 1..=count {
                let before = counted_so_far();
                write(&writer, b"x").unwrap();
                tasks.wait_until_done(served);
                let after = counted_so_far();
                assert_eq!(after.wakes - before.wakes, 1, "one event wakes one of {count}");
                assert_eq!(after.spurious_wakes, 0);
            }
            assert_eq!(counted_so_far().sleeps, count as u64);
            tasks.join();
            let order = core::mem::take(&mut *ORDER.lock());
            assert!(order.iter().copied().eq(0..count), "out of order: {order:?}");
        });
    }
}

pub fn every_writer_has_its_turn() {
    with_hello("", || super::pipe_waiting::every_writer_has_its_turn_at(&ends(OpenFlags::empty())));
}

pub fn fault_in_a_merge() {
    with_hello("", || {
        with_user_pages(|end| {
            let [reader, writer] = ends(OpenFlags::NONBLOCK);
            user::write_bytes(end - 2 * PAGE_SIZE, &pattern(2 * PAGE_SIZE)).unwrap();
            write(&writer, b"old").unwrap();
            let from_user =
                |before, length| writer.write(&mut Source::user(end - before, length).unwrap(), At::Position);
            assert_eq!(from_user(100, 300), Err(Errno::EFAULT));
            assert_eq!(from_user(100, PAGE_SIZE), Err(Errno::EFAULT));
            assert_eq!(read(&reader, 9).unwrap(), b"old");
            assert_eq!(read(&reader, 9), Err(Errno::EAGAIN));
            assert_eq!(counted_so_far().merges, 0);
        });
    });
}

pub fn readiness_of_a_ring_with_data() {
    with_hello("", || {
        let [reader, writer] = ends(OpenFlags::NONBLOCK);
        for switches in [Switches::all(), Switches::all() - Switches::SNAPSHOT] {
            routing::put_in_force(switches);
            assert_eq!((reader.readiness(), writer.readiness()), (Readiness::empty(), Readiness::WRITABLE));
            write(&writer, &pattern(15 * PAGE_SIZE)).unwrap();
            assert_eq!((reader.readiness(), writer.readiness()), (Readiness::READABLE, Readiness::WRITABLE));
            write(&writer, &pattern(PAGE_SIZE)).unwrap();
            assert_eq!((reader.readiness(), writer.readiness()), (Readiness::READABLE, Readiness::empty()));
            while read(&reader, 16 * PAGE_SIZE).is_ok() {}
        }
        drop(writer);
        assert_eq!(reader.readiness(), Readiness::HUP);
        let [other, writer] = ends(OpenFlags::NONBLOCK);
        drop((reader, other));
        assert_eq!(writer.readiness(), Readiness::WRITABLE | Readiness::ERR);
    });
}

/// A byte goes through both, which fixes their bindings: from then on these are found without a lock.
fn fix(reader: &OpenFile, writer: &OpenFile) {
    assert_eq!(write(writer, b"x"), Ok(1));
    assert_eq!(read(reader, 1).unwrap(), b"x");
}

/// Calls `f` while somebody has the ring of `file` locked.
fn with_ring_locked(file: &OpenFile, mut f: impl FnMut()) {
    let ops = file.ops();
    ops.page_queue().unwrap().change_pages(Nesting::Outer, &mut |_| {
        f();
        Wakes::NONE
    });
}

/// Seed 001, table 3: the tree's mutex is for open, release and exit; what `open` found is used without it.
pub fn transfers_without_the_tree() {
    with_hello("", || {
        let [reader, writer] = ends(OpenFlags::empty());
        fix(&reader, &writer);
        routing::with_tree_locked(|| {
            assert_eq!(write(&writer, b"while the tree is locked"), Ok(24));
            assert_eq!(reader.readiness(), Readiness::READABLE);
            assert_eq!(read(&reader, 99).unwrap(), b"while the tree is locked");
        });
    });
}

/// Seed 001, table 3 and §4.1: a mutex an instance, so that different groups never contend.
pub fn a_mutex_an_instance() {
    with_hello("", || {
        let other_group = group("hello-1");
        let both = AccessMode::READ_WRITE;
        let one = open(ROOT, both, OpenFlags::empty()).unwrap();
        let other = open(other_group.id(), both, OpenFlags::empty()).unwrap();
        fix(&one, &one);
        with_ring_locked(&one, || {
            let other = other.clone();
            // On a task of its own, for one task does not lock two rings.
            let transfer: Job = Box::new(move || {
                assert_eq!(write(&other, &pattern(5000)), Ok(5000));
                assert_eq!(read(&other, 5000).unwrap(), pattern(5000));
            });
            start(vec![transfer]).join();
        });
        drop((one, other));
        remove(&other_group);
    });
}

/// Seed 001, table 3 and §4.4: poll and the predicate of a wait look at the snapshot, without the lock.
pub fn snapshot_without_the_mutex() {
    with_hello("", || {
        let [reader, writer] = ends(OpenFlags::NONBLOCK);
        fix(&reader, &writer);
        with_ring_locked(&reader, || {
            assert_eq!((reader.readiness(), writer.readiness()), (Readiness::empty(), Readiness::WRITABLE));
            assert_eq!(read(&reader, 1), Err(Errno::EAGAIN), "what finds nothing needs no lock");
        });
        write(&writer, &pattern(16 * PAGE_SIZE)).unwrap();
        with_ring_locked(&reader, || {
            assert_eq!((reader.readiness(), writer.readiness()), (Readiness::READABLE, Readiness::empty()));
        });
    });
}

/// /proc asks a ring what it has counted, which waits for the ring's mutex: never with the tree locked.
pub fn rings_are_asked_without_the_tree() {
    with_hello("", || {
        let other_group = group("hello-1");
        let (id, both) = (other_group.id(), AccessMode::READ_WRITE);
        let one = open(ROOT, both, OpenFlags::empty()).unwrap();
        fix(&one, &one);
        for show in [counters::show, counters::show_instances] {
            let mut asking = None;
            with_ring_locked(&one, || {
                let tasks = start(vec![Box::new(move || show(&mut Text::default()).unwrap())]);
                tasks.until_all_sleep();
                asking = Some(tasks);
                let opening: Job = Box::new(move || drop(open(id, both, OpenFlags::empty()).unwrap()));
                start(vec![opening]).join();
            });
            asking.unwrap().join();
        }
        drop(one);
        remove(&other_group);
    });
}

/// The root group's ring of this name, or its own for an empty one, as long as it holds `pages` of bytes at once.
fn fill(name: &str, pages: usize) -> Arc<OpenFile> {
    let name = if name.is_empty() { ChannelName::NONE } else { ChannelName::parse(name.as_bytes()).unwrap() };
    let file = open_key(ChannelKey { cgroup: ROOT, name }, AccessMode::READ_WRITE, OpenFlags::NONBLOCK).unwrap();
    let size = pages * PAGE_SIZE;
    let set = file.ops().control(FileControl::SetPipeSize(size), &Credentials::root());
    assert_eq!(set, Ok(size));
    assert_eq!(write(&file, &vec![1; size]), Ok(size));
    assert_eq!(read(&file, size).unwrap().len(), size);
    file
}

/// Pages that lie in the root group's ring of this name.
fn pages_of(name: &str) -> usize {
    let all = routing::all().unwrap();
    let instance = all.iter().find(|instance| instance.key().name.as_bytes() == name.as_bytes()).unwrap();
    instance.memory_bytes() / PAGE_SIZE
}

/// What the ring of this name keeps of 16 pages when it is closed.
fn kept_of(name: &str) -> usize {
    drop(fill(name, 16));
    pages_of(name)
}

/// Closed rings keep so many pages at most, those with names half as many.
fn with_limit(pages: usize, f: impl FnOnce()) {
    let share = frame::statistics().total / pages;
    with_hello(&format!("idle_share={share}"), f);
}

fn keep_a_share() {
    with_limit(64, || {
        assert_eq!((kept_of("one"), kept_of("two")), (16, 16));
        assert_eq!(kept_of("three"), 0, "the other half is for those without a name");
        assert_eq!((kept_of(""), kept_of("four")), (16, 0));
        // While one is open, its descriptor stands for it.
        let one = fill("one", 16);
        assert_eq!(kept_of("three"), 0, "the ring without a name counts");
        let own = fill("", 16);
        assert_eq!(kept_of("three"), 16);
        drop(one);
        assert_eq!(pages_of("one"), 0, "others keep what there is");
        drop(own);
        assert_eq!(pages_of(""), 16);
        // Pages that go by a switch are not counted any more.
        routing::put_in_force(Switches::all() - Switches::RECYCLE);
        assert_eq!((pages_of("two"), pages_of("three"), pages_of("")), (0, 0, 0));
        routing::put_in_force(Switches::all());
        assert_eq!((kept_of("one"), kept_of("four")), (16, 16));
    });
}

pub fn closed_rings_keep_a_share() {
    keep_a_share();
    let before = (frame::in_use(), heap::in_use_bytes());
    // With the module loaded again nothing is counted that was kept before.
    keep_a_share();
    assert_eq!((frame::in_use(), heap::in_use_bytes()), before);
}

pub fn closed_channels_keep_few_pages() {
    with_hello("", || {
        drop(fill("large", 64));
        assert_eq!(pages_of("large"), 16, "what a usual ring has");
        drop(fill("", 64));
        assert_eq!(pages_of(""), 64);
    });
}

pub fn names_replace_unused_ones() {
    let turn = || {
        with_hello("slots=1", || {
            drop(fill("", 1));
            let held = fill("0-held", 1);
            for number in 0..1200 {
                drop(fill(&format!("{number}"), 1));
            }
            assert_eq!(instances(), 1025, "the group's own, and those with names");
            assert_eq!((pages_of("0-held"), pages_of("1199")), (1, 1), "neither one that is open nor the last");
            drop(held);
        });
    };
    turn();
    let before = (frame::in_use(), heap::in_use_bytes());
    turn();
    assert_eq!((frame::in_use(), heap::in_use_bytes()), before);
}

pub fn tasks_that_open_and_close() {
    static BYTES: AtomicUsize = AtomicUsize::new(0);
    const ROUNDS: usize = 50;
    with_hello("", || {
        BYTES.store(0, Ordering::SeqCst);
        let writing = || -> Job {
            Box::new(|| {
                for _ in 0..ROUNDS {
                    let writer = open(ROOT, AccessMode::READ_WRITE, OpenFlags::empty()).unwrap();
                    write(&writer, b"abc").unwrap();
                    // What it wrote is there for somebody, itself included, as long as it has the ring open.
                    BYTES.fetch_add(read(&writer, 3).unwrap().len(), Ordering::SeqCst);
                }
            })
        };
        start((0..4).map(|_| writing()).collect()).join();
        assert_eq!(BYTES.load(Ordering::SeqCst), 4 * ROUNDS * 3);
        let last = open(ROOT, AccessMode::READ_WRITE, OpenFlags::NONBLOCK).unwrap();
        assert_eq!(read(&last, 1), Err(Errno::EAGAIN), "nothing is left behind");
    });
}

pub fn loads_leave_nothing() {
    prepare();
    let turn = || {
        module::load("hello", |values| values.apply("slots=4 merge=0")).unwrap();
        let file = open(ROOT, AccessMode::READ_WRITE, OpenFlags::NONBLOCK).unwrap();
        assert_eq!(write(&file, &pattern(5 * PAGE_SIZE)), Ok(4 * PAGE_SIZE), "four slots");
        drop(file);
        module::unload("hello").unwrap();
    };
    turn();
    let before = (frame::in_use(), heap::in_use_bytes());
    for _ in 0..1000 {
        turn();
    }
    assert_eq!((frame::in_use(), heap::in_use_bytes()), before);
    for text in ["slots=3", "slots=0", "slots=2048", "merge=maybe", "colour=red"] {
        assert_eq!(module::load("hello", |values| values.apply(text)), Err(Errno::EINVAL), "{text}");
    }
    routing::put_in_force(Switches::all());
}
