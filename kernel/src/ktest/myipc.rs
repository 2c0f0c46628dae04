//! MyIPC as kernel tasks see it: the ring with its memory, who is woken, what is given back.

use super::fs::World;
use super::ipc::{Job, pattern, read, start, until_somebody_waits, with_user_pages, write};
use crate::drivers::module::{self, list};
use crate::fs::attributes::DeviceNumber;
use crate::fs::devfs;
use crate::fs::file::{Direction, Readiness};
use crate::fs::flags::OpenFlags;
use crate::fs::open_file::{At, OpenFile, Switch};
use crate::fs::procfs;
use crate::mm::user::{Sink, Source};
use crate::mm::{frame, heap};
use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use postern_core::errno::{Errno, Result};

/// The table.
pub const TESTS: &[(&str, fn())] = &[
    ("bytes_come_back_with_every_arithmetic", order),
    ("one_slot_stays_open_but_with_the_mask", capacity),
    ("the_two_devices_know_nothing_of_each_other", two_devices),
    ("bytes_stay_when_nobody_has_the_device_open", bytes_stay),
    ("a_fault_loses_no_byte_and_doubles_none", faults),
    ("a_blocked_reader_is_woken_by_a_write", reader_is_woken),
    ("a_write_larger_than_the_buffer_is_delivered_whole", long_write),
    ("one_byte_has_one_reader_however_many_wake", one_byte_one_reader),
    ("eight_tasks_lose_no_wakeup_and_no_byte", eight_tasks),
    ("it_is_always_ready_and_cannot_be_polled", always_ready),
    ("sizes_are_checked", sizes),
    ("an_open_device_keeps_the_module", busy),
    ("a_report_that_is_gone_keeps_no_module_and_hides_no_error", report_is_gone),
    ("a_thousand_loads_leave_frames_and_heap_exactly_as_before", thousand),
];

fn load(text: &str) -> Result<()> {
    module::load("myipc", |values| values.apply(text))
}

/// Runs `f` with the module loaded like this, and unloads it.
fn with_module(text: &str, f: impl FnOnce(&World)) {
    let world = World::new();
    load(text).unwrap();
    f(&world);
    module::unload("myipc").unwrap();
}

fn open(world: &World, minor: u32) -> Arc<OpenFile> {
    devfs::open_unmounted(&world.caller(), &format!("myipc{minor}")).unwrap()
}

fn open_nonblocking(world: &World, minor: u32) -> Arc<OpenFile> {
    let file = open(world, minor);
    file.set_flag(OpenFlags::NONBLOCK, Switch::On);
    file
}

fn order() {
    for text in ["size=101", "size=101 index=modulo", "size=128 index=mask"] {
        with_module(text, |world| {
            let file = open_nonblocking(world, 0);
            let sent = pattern(5000);
            let (mut into, mut received) = (sent.as_slice(), Vec::new());
            // Steps with no common measure: every place of the buffer is an edge once.
            while received.len() < sent.len() {
                if let Ok(bytes) = write(&file, &into[..into.len().min(37)]) {
                    into = &into[bytes..];
                }
                received.extend(read(&file, 23).unwrap());
            }
            assert_eq!((received == sent, read(&file, 1)), (true, Err(Errno::EAGAIN)), "{text}");
        });
    }
}

fn capacity() {
    for (text, fits) in [("size=16", 15), ("size=16 index=modulo", 15), ("size=16 index=mask", 16), ("", 65535)] {
        with_module(text, |world| {
            let file = open_nonblocking(world, 1);
            assert_eq!(write(&file, &pattern(70_000)), Ok(fits), "{text}");
            assert_eq!(write(&file, &[1]), Err(Errno::EAGAIN));
            assert_eq!(read(&file, 70_000), Ok(pattern(fits)));
            assert_eq!(read(&file, 1), Err(Errno::EAGAIN));
        });
    }
}

fn two_devices() {
    with_module("", |world| {
        let (there, back) = (open_nonblocking(world, 0), open_nonblocking(world, 1));
        write(&there, b"ping").unwrap();
        assert_eq!(read(&back, 9), Err(Errno::EAGAIN));
        write(&back, b"pong").unwrap();
        assert_eq!((read(&there, 9).unwrap(), read(&back, 9).unwrap()), (b"ping".to_vec(), b"pong".to_vec()));
    });
}

fn bytes_stay() {
    with_module("", |world| {
        assert_eq!(write(&open(world, 0), b"left"), Ok(4));
        assert_eq!(read(&open(world, 0), 9).unwrap(), b"left");
        // No end of file either: whoever reads now waits, though nobody could write.
        assert_eq!(read(&open_nonblocking(world, 0), 9), Err(Errno::EAGAIN));
    });
}

fn faults() {
    for text in ["size=16", "size=16 index=mask"] {
        with_module(text, |world| {
            let file = open_nonblocking(world, 0);
            write(&file, &pattern(10)).unwrap();
            read(&file, 10).unwrap();
            with_user_pages(|end| {
                let source = |address, length| Source::user(address, length).unwrap();
                let sink = |address, length| Sink::user(address, length).unwrap();
                // Bytes 10 to 15 of the memory lie before its edge: this fault comes in the second copy.
                assert_eq!(file.write(&mut source(end - 8, 12), At::Position), Ok(8));
                assert_eq!(file.write(&mut source(end, 4), At::Position), Err(Errno::EFAULT));
                assert_eq!(file.read(&mut sink(end, 4), At::Position), Err(Errno::EFAULT));
                assert_eq!(file.read(&mut sink(end - 7, 8), At::Position), Ok(7));
                assert_eq!(read(&file, 9).unwrap().len(), 1);
                assert_eq!(read(&file, 9), Err(Errno::EAGAIN));
            });
        });
    }
}

/// A job that reads once and checks what it gets.
fn reading(file: &Arc<OpenFile>, length: usize, expected: &'static [u8]) -> Job {
    let file = file.clone();
    Box::new(move || assert_eq!(read(&file, length).unwrap(), expected))
}

fn reader_is_woken() {
    with_module("", |world| {
        let file = open(world, 0);
        let tasks = start(vec![reading(&file, 9, b"hello")]);
        until_somebody_waits(&file, Direction::Read);
        write(&file, b"hello").unwrap();
        tasks.join();
    });
}

fn long_write() {
    with_module("size=16", |world| {
        let file = open(world, 0);
        let writer = file.clone();
        let job: Job = Box::new(move || assert_eq!(write(&writer, &pattern(1000)), Ok(1000)));
        let tasks = start(vec![job]);
        let mut received = Vec::new();
        while received.len() < 1000 {
            received.extend(read(&file, 11).unwrap());
        }
        assert_eq!(received, pattern(1000));
        tasks.join();
    });
}

fn one_byte_one_reader() {
    const READERS: usize = 8;
    with_module("", |world| {
        let file = open(world, 0);
        let tasks = start((0..READERS).map(|_| reading(&file, 1, b"x")).collect());
        for done in 1..=READERS {
            until_somebody_waits(&file, Direction::Read);
            assert_eq!(write(&file, b"x"), Ok(1));
            tasks.wait_until_done(done);
            assert_eq!(tasks.done(), done);
        }
        tasks.join();
    });
}

fn eight_tasks() {
    const RECORDS: usize = 300;
    static SUM: AtomicUsize = AtomicUsize::new(0);
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    SUM.store(0, Ordering::SeqCst);
    COUNT.store(0, Ordering::SeqCst);
    with_module("size=8", |world| {
        let file = open(world, 0);
        let writing = |id: usize| -> Job {
            let file = file.clone();
            Box::new(move || (0..RECORDS).for_each(|_| assert_eq!(write(&file, &[id.to_le_bytes()[0]; 4]), Ok(4))))
        };
        let taking = || -> Job {
            let file = file.clone();
            // Each takes exactly a quarter, byte by byte or in larger pieces: there is no end of file to stop at.
            Box::new(move || {
                let mut left = RECORDS * 4;
                while left > 0 {
                    let bytes = read(&file, left.min(3)).unwrap();
                    left -= bytes.len();
                    COUNT.fetch_add(bytes.len(), Ordering::SeqCst);
                    SUM.fetch_add(bytes.iter().map(|byte| usize::from(*byte)).sum(), Ordering::SeqCst);
                }
            })
        };
        start((1..=4).map(writing).chain((0..4).map(|_| taking())).collect()).join();
    });
    assert_eq!(COUNT.load(Ordering::SeqCst), 4 * RECORDS * 4);
    assert_eq!(SUM.load(Ordering::SeqCst), (1 + 2 + 3 + 4) * RECORDS * 4);
}

fn always_ready() {
    with_module("", |world| {
        let file = open(world, 0);
        assert_eq!(file.readiness(), Readiness::READABLE | Readiness::WRITABLE);
        assert!(!file.ops().can_be_polled());
    });
}

fn sizes() {
    super::fs::prepare();
    for text in ["size=1", "size=0", "size=100 index=mask", "size=4194305", "size=x", "index=none"] {
        assert_eq!(load(text), Err(Errno::EINVAL), "{text}");
    }
    for text in ["size=2", "size=4M", "size=4M index=mask", "size=99999 index=modulo"] {
        with_module(text, |world| assert_eq!(write(&open(world, 0), b"x"), Ok(1), "{text}"));
    }
}

fn busy() {
    let world = World::new();
    load("").unwrap();
    let file = open(&world, 1);
    assert_eq!(module::unload("myipc"), Err(Errno::EBUSY));
    assert_eq!(write(&file, b"x"), Ok(1));
    assert_eq!(list().iter().map(|loaded| loaded.module().unwrap().users()).sum::<usize>(), 1);
    drop(file);
    assert_eq!(module::unload("myipc"), Ok(()));
}

fn report_is_gone() {
    super::fs::prepare();
    load("").unwrap();
    procfs::remove("postern/myipc").unwrap();
    assert_eq!(module::unload("myipc"), Ok(()));
    // Not all of its nodes can be made: what was, goes, and the error is that of the node.
    devfs::add("myipc1", DeviceNumber::new(1, 3), 0o600).unwrap();
    assert_eq!(load(""), Err(Errno::EEXIST));
    assert_eq!(procfs::remove("postern/myipc"), Err(Errno::ENOENT));
    devfs::remove("myipc1").unwrap();
    load("").unwrap();
    module::unload("myipc").unwrap();
}

fn thousand() {
    let world = World::new();
    let turn = || {
        load("").unwrap();
        write(&open(&world, 0), b"left in the buffer").unwrap();
        module::unload("myipc").unwrap();
    };
    turn();
    let before = (frame::in_use(), frame::statistics().free, heap::in_use_bytes());
    for _ in 0..1000 {
        turn();
    }
    assert_eq!((frame::in_use(), frame::statistics().free, heap::in_use_bytes()), before);
}
