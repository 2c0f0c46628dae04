//! Contents of regular files.

use super::{World, read, write};
use crate::arch::mmu::PAGE_SIZE;
use crate::fs::anonymous::{self, Sealing};
use crate::fs::change::Removal;
use crate::fs::file::{FileControl, MapRequest, Writes};
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::fs::flock::{self, Lock, Patience};
use crate::fs::inode::Node;
use crate::fs::open_file::{At, Whence};
use crate::fs::page_file::Extent;
use crate::fs::record_lock::{self, Kind, Owner, Record, Span};
use crate::mm::PageIntent;
use alloc::vec;
use linux_raw_sys::general::{F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE};
use postern_core::errno::Errno;

const PAGE: u64 = PAGE_SIZE as u64;

pub fn write_then_read() {
    let world = World::new();
    world.create("/f", b"start");
    let file = world.open("/f", AccessMode::READ_WRITE, OpenFlags::empty()).unwrap();
    assert_eq!(write(&file, b"end", At::Offset(3 * PAGE - 1)), Ok(3));
    let inode = file.location().inode();
    assert_eq!(inode.size(), 3 * PAGE + 2);
    // Two pages on either side of the hole, and the first: 3 of 4.
    assert_eq!(inode.metadata().blocks, 3 * PAGE / 512);
    let all = read(&file, 4 * PAGE_SIZE, At::Position).unwrap();
    assert_eq!(&all[..5], b"start");
    assert!(all[5..3 * PAGE_SIZE - 1].iter().all(|&byte| byte == 0));
    assert_eq!(&all[3 * PAGE_SIZE - 1..], b"end");
    assert_eq!(read(&file, 1, At::Position), Ok(vec![]));
}

pub fn truncate() {
    let world = World::new();
    world.create("/f", &[0x55; 2 * PAGE_SIZE]);
    let file = world.open("/f", AccessMode::READ_WRITE, OpenFlags::empty()).unwrap();
    file.location().inode().resize(10).unwrap();
    assert_eq!(file.location().inode().metadata().blocks, PAGE / 512);
    file.location().inode().resize(2 * PAGE).unwrap();
    let all = read(&file, 2 * PAGE_SIZE, At::Position).unwrap();
    assert_eq!(&all[..10], &[0x55; 10]);
    assert!(all[10..].iter().all(|&byte| byte == 0) && all.len() == 2 * PAGE_SIZE);
    let again = world.open("/f", AccessMode::READ, OpenFlags::TRUNCATE).unwrap();
    assert_eq!(again.location().inode().size(), 0);
}

pub fn append() {
    let world = World::new();
    world.create("/f", b"one");
    let file = world.open("/f", AccessMode::READ_WRITE, OpenFlags::APPEND).unwrap();
    assert_eq!(file.seek(0, Whence::Start), Ok(0));
    assert_eq!(write(&file, b"two", At::Position), Ok(3));
    assert_eq!(file.seek(0, Whence::Current), Ok(6));
    // Linux's pwrite appends too.
    assert_eq!(write(&file, b"three", At::Offset(0)), Ok(5));
    assert_eq!(world.contents("/f"), Ok(b"onetwothree".to_vec()));
    assert_eq!(file.seek(-1, Whence::Start), Err(Errno::EINVAL));
}

pub fn full() {
    let world = World::limited(2);
    world.create("/f", b"");
    let file = world.open("/f", AccessMode::READ_WRITE, OpenFlags::empty()).unwrap();
    assert_eq!(write(&file, &[1; 3 * PAGE_SIZE], At::Position), Ok(2 * PAGE_SIZE));
    assert_eq!(write(&file, &[1], At::Position), Err(Errno::ENOSPC));
    assert_eq!(file.location().inode().size(), 2 * PAGE);
    file.location().inode().resize(PAGE).unwrap();
    assert_eq!(write(&file, &[1], At::Position), Ok(1));
}

pub fn unlinked() {
    let world = World::limited(1);
    world.create("/f", b"alive");
    let file = world.open("/f", AccessMode::READ, OpenFlags::empty()).unwrap();
    let caller = world.caller();
    caller.remove(&caller.cwd, b"/f", Removal::File).unwrap();
    assert_eq!(world.contents("/f"), Err(Errno::ENOENT));
    assert_eq!(file.location().inode().attributes().links, 0);
    assert_eq!(read(&file, 9, At::Position), Ok(b"alive".to_vec()));
    let budget = caller.root.mount.file_system().budget().clone();
    assert_eq!(budget.pages.used(), 1);
    drop(file);
    assert_eq!((budget.pages.used(), budget.inodes.used()), (0, 0));
}

pub fn holes() {
    let world = World::new();
    world.create("/f", b"x");
    let file = world.open("/f", AccessMode::READ_WRITE, OpenFlags::empty()).unwrap();
    assert_eq!(write(&file, b"x", At::Offset(5 * PAGE)), Ok(1));
    let next = |offset: u64, extent| file.seek(offset.cast_signed(), Whence::Next(extent));
    assert_eq!(next(0, Extent::Data), Ok(0));
    assert_eq!(next(0, Extent::Hole), Ok(PAGE));
    assert_eq!(next(PAGE, Extent::Data), Ok(5 * PAGE));
    assert_eq!(next(5 * PAGE, Extent::Hole), Ok(5 * PAGE + 1));
    assert_eq!(next(5 * PAGE + 1, Extent::Data), Err(Errno::ENXIO));
}

pub fn punch() {
    let world = World::new();
    world.create("/f", &[7; 3 * PAGE_SIZE]);
    let file = world.open("/f", AccessMode::READ, OpenFlags::empty()).unwrap();
    let Node::File(pages) = file.location().inode().node() else { panic!("not a regular file") };
    pages.punch(PAGE - 2..2 * PAGE + 2).unwrap();
    assert_eq!(pages.held_pages(), 2);
    let all = read(&file, 3 * PAGE_SIZE, At::Position).unwrap();
    let zero_from = all.iter().position(|&byte| byte == 0);
    let zero_to = all.iter().rposition(|&byte| byte == 0);
    assert_eq!((zero_from, zero_to), (Some(PAGE_SIZE - 2), Some(2 * PAGE_SIZE + 1)));
    assert_eq!(all.len(), 3 * PAGE_SIZE);
}

pub fn mapping() {
    let world = World::new();
    world.create("/f", b"before");
    let file = world.open("/f", AccessMode::READ_WRITE, OpenFlags::empty()).unwrap();
    let pages = file.map(&MapRequest { offset: 0, length: PAGE_SIZE, writes: Writes::Shared }).unwrap();
    let frame = pages.page(0, PageIntent::Write).unwrap();
    let mut seen = [0; 6];
    frame.read(0, &mut seen);
    assert_eq!(&seen, b"before");
    frame.write(0, b"AFT");
    assert_eq!(world.contents("/f"), Ok(b"AFTore".to_vec()));
    assert_eq!(write(&file, b"zz", At::Position), Ok(2));
    frame.read(0, &mut seen);
    assert_eq!(&seen, b"zzTore");
    assert_eq!(pages.page(1, PageIntent::Read).err(), Some(Errno::EFAULT));
    // Cut and grown again, the page is another one.
    file.location().inode().resize(0).unwrap();
    assert_eq!(pages.page(0, PageIntent::Read).err(), Some(Errno::EFAULT));
    file.location().inode().resize(6).unwrap();
    let frame = pages.page(0, PageIntent::Read).unwrap();
    frame.read(0, &mut seen);
    assert_eq!(seen, [0; 6]);
    assert_eq!(write(&file, b"new", At::Offset(0)), Ok(3));
    frame.read(0, &mut seen);
    assert_eq!(&seen, b"new\0\0\0");
}

pub fn seals() {
    let world = World::new();
    let file = anonymous::memfd(b"test", Sealing::Allowed, &world.credentials).unwrap();
    assert_eq!(write(&file, b"four", At::Position), Ok(4));
    let add = |seals| file.ops().control(FileControl::AddSeals(seals), &world.credentials);
    assert_eq!(add(F_SEAL_GROW | F_SEAL_SHRINK), Ok(0));
    let inode = file.location().inode();
    assert_eq!((inode.resize(3), inode.resize(5)), (Err(Errno::EPERM), Err(Errno::EPERM)));
    assert_eq!(write(&file, b"FOUR", At::Offset(0)), Ok(4));
    assert_eq!(add(F_SEAL_WRITE | F_SEAL_SEAL), Ok(0));
    assert_eq!(write(&file, b"five", At::Offset(0)), Err(Errno::EPERM));
    assert_eq!(add(F_SEAL_GROW), Err(Errno::EPERM));
    let shared = MapRequest { offset: 0, length: PAGE_SIZE, writes: Writes::Shared };
    assert_eq!(file.map(&shared).err(), Some(Errno::EPERM));
    assert_eq!(read(&file, 4, At::Offset(0)), Ok(b"FOUR".to_vec()));
    let path = file.location().path_from(&world.caller().root).for_proc().unwrap();
    assert_eq!(path, b"/memfd:test (deleted)");
}

pub fn flock() {
    let world = World::new();
    world.create("/f", b"");
    let open = || world.open("/f", AccessMode::READ, OpenFlags::empty()).unwrap();
    let (one, other) = (open(), open());
    let now = Patience::Now;
    assert_eq!(flock::acquire(&one, Lock::Shared, now), Ok(()));
    assert_eq!(flock::acquire(&other, Lock::Shared, now), Ok(()));
    assert_eq!(flock::acquire(&one, Lock::Exclusive, now), Err(Errno::EAGAIN));
    flock::release(&other);
    assert_eq!(flock::acquire(&one, Lock::Exclusive, now), Ok(()));
    assert_eq!(flock::acquire(&one, Lock::Exclusive, now), Ok(()));
    assert_eq!(flock::acquire(&other, Lock::Shared, now), Err(Errno::EAGAIN));
    drop(one);
    assert_eq!(flock::acquire(&other, Lock::Exclusive, now), Ok(()));
}

pub fn execution_excludes_writers() {
    let world = World::new();
    world.create("/f", b"program");
    let caller = world.caller();
    let place = world.find("/f").unwrap();
    caller.set_permissions(&place, 0o755).unwrap();
    let execute = || caller.open_executable_at(place.clone());
    let write = |flags| world.open("/f", AccessMode::READ_WRITE, flags);
    let writer = write(OpenFlags::empty()).unwrap();
    assert_eq!(execute().err(), Some(Errno::ETXTBSY));
    drop(writer);
    let program = execute().unwrap();
    let request = MapRequest { offset: 0, length: PAGE_SIZE, writes: Writes::None };
    let text = program.map(&request).unwrap();
    drop(program);
    // What is mapped is still executed.
    assert_eq!(write(OpenFlags::empty()).err(), Some(Errno::ETXTBSY));
    assert_eq!(write(OpenFlags::TRUNCATE).err(), Some(Errno::ETXTBSY));
    assert_eq!(caller.truncate(&place, 0), Err(Errno::ETXTBSY));
    assert_eq!(world.contents("/f"), Ok(b"program".to_vec()));
    drop(text);
    assert_eq!(write(OpenFlags::empty()).err(), None);
}

pub fn record_locks() {
    let world = World::new();
    world.create("/f", b"");
    let inode = world.find("/f").unwrap().inode().clone();
    let lock =
        |owner, kind, first, last| Record { owner: Owner::Process(owner), pid: 1, kind, span: Span { first, last } };
    let try_lock = |owner, kind, first, last| record_lock::try_acquire(&inode, &lock(owner, kind, first, last));
    assert_eq!(try_lock(1, Kind::Write, 10, 19), Ok(()));
    assert_eq!(try_lock(2, Kind::Read, 0, 9), Ok(()));
    assert_eq!(try_lock(2, Kind::Read, 19, u64::MAX), Err(Errno::EAGAIN));
    // Unlocking the middle leaves both edges.
    record_lock::unlock(&inode, Owner::Process(1), Span { first: 12, last: 17 }).unwrap();
    assert_eq!(try_lock(2, Kind::Write, 12, 17), Ok(()));
    let held = record_lock::conflict(&inode, &lock(2, Kind::Read, 11, 99)).unwrap();
    assert_eq!(held.span, Span { first: 10, last: 11 });
    assert_eq!(try_lock(2, Kind::Write, 18, 18), Err(Errno::EAGAIN));
    // Locking again changes the kind.
    assert_eq!(try_lock(1, Kind::Read, 18, 19), Ok(()));
    assert_eq!(try_lock(2, Kind::Read, 18, 18), Ok(()));
    record_lock::release_all(Owner::Process(1));
    assert_eq!(try_lock(3, Kind::Write, 10, 11), Ok(()));
    for owner in [2, 3] {
        record_lock::release_file(&inode, Owner::Process(owner));
    }
    assert_eq!(try_lock(4, Kind::Write, 0, u64::MAX), Ok(()));
    record_lock::release_all(Owner::Process(4));
}
