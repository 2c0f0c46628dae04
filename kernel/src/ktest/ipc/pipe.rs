//! What one task sees of a pipe.

use super::{pattern, read, with_user_pages, write};
use crate::arch::mmu::PAGE_SIZE;
use crate::fs::file::{FileControl, Readiness};
use crate::fs::flags::OpenFlags;
use crate::fs::open_file::{At, OpenFile};
use crate::ipc::pipe;
use crate::mm::frame;
use crate::mm::user::{self, Sink, Source};
use crate::process::Credentials;
use alloc::sync::Arc;
use postern_core::errno::Errno;

/// A pipe's read end and write end.
pub fn new(flags: OpenFlags) -> [Arc<OpenFile>; 2] {
    pipe::pipe(flags, &Credentials::root()).unwrap()
}

pub fn bytes_come_back() {
    let [reader, writer] = new(OpenFlags::empty());
    let sent = pattern(10_000);
    assert_eq!(write(&writer, &sent), Ok(10_000));
    let mut got = read(&reader, 1).unwrap();
    while got.len() < sent.len() {
        got.extend(read(&reader, 777).unwrap());
    }
    assert_eq!(got, sent);
    assert_eq!(read(&writer, 1), Err(Errno::EBADF));
    assert_eq!(write(&reader, b"x"), Err(Errno::EBADF));
}

pub fn ends_are_reported() {
    let [reader, writer] = new(OpenFlags::NONBLOCK);
    assert_eq!(reader.readiness(), Readiness::empty());
    assert_eq!(writer.readiness(), Readiness::WRITABLE);
    assert_eq!(read(&reader, 1), Err(Errno::EAGAIN));
    assert_eq!(read(&reader, 0), Ok(alloc::vec::Vec::new()));
    write(&writer, b"ab").unwrap();
    assert_eq!(reader.readiness(), Readiness::READABLE);
    drop(writer);
    assert_eq!(reader.readiness(), Readiness::READABLE | Readiness::HUP);
    assert_eq!(read(&reader, 9).unwrap(), b"ab");
    assert_eq!(reader.readiness(), Readiness::HUP);
    assert_eq!(read(&reader, 9).unwrap(), b"");

    let [reader, writer] = new(OpenFlags::NONBLOCK);
    drop(reader);
    assert_eq!(writer.readiness(), Readiness::WRITABLE | Readiness::ERR);
    assert_eq!(write(&writer, b"x"), Err(Errno::EPIPE));
    assert_eq!(write(&writer, b""), Ok(0));
}

pub fn small_writes_are_atomic() {
    let [reader, writer] = new(OpenFlags::NONBLOCK);
    let page = pattern(PAGE_SIZE);
    for _ in 0..15 {
        assert_eq!(write(&writer, &page), Ok(PAGE_SIZE));
    }
    // One slot is left. It takes a small write; what does not fit behind that in whole does not go in at all.
    assert_eq!(write(&writer, &page[..1000]), Ok(1000));
    assert_eq!(writer.readiness(), Readiness::empty());
    assert_eq!(write(&writer, &page), Err(Errno::EAGAIN));
    assert_eq!(write(&writer, &page[..3097]), Err(Errno::EAGAIN));
    assert_eq!(write(&writer, &page[..3096]), Ok(3096));
    assert_eq!(write(&writer, &page[..1]), Err(Errno::EAGAIN));
    // Of a large write goes in what fits.
    assert_eq!(read(&reader, PAGE_SIZE).unwrap(), page);
    assert_eq!(write(&writer, &pattern(3 * PAGE_SIZE)), Ok(PAGE_SIZE));
}

pub fn packets_keep_boundaries() {
    let [reader, writer] = new(OpenFlags::DIRECT | OpenFlags::NONBLOCK);
    write(&writer, b"one").unwrap();
    write(&writer, b"three").unwrap();
    assert_eq!(read(&reader, 100).unwrap(), b"one");
    assert_eq!(read(&reader, 2).unwrap(), b"th");
    assert_eq!(read(&reader, 100), Err(Errno::EAGAIN));
}

pub fn sizes() {
    let [reader, writer] = new(OpenFlags::NONBLOCK);
    let root = Credentials::root();
    let user = Credentials { uid: 1000, euid: 1000, fsuid: 1000, ..Credentials::root() };
    let set = |bytes, credentials| writer.ops().control(FileControl::SetPipeSize(bytes), credentials);
    assert_eq!(reader.ops().control(FileControl::PipeSize, &root), Ok(16 * PAGE_SIZE));
    assert_eq!(set(5 * PAGE_SIZE, &user), Ok(8 * PAGE_SIZE));
    assert_eq!(set(0, &user), Ok(PAGE_SIZE));
    assert_eq!(set((1 << 20) + 1, &user), Err(Errno::EPERM));
    assert_eq!(set((1 << 20) + 1, &root), Ok(2 << 20));
    assert_eq!(set((1 << 31) + 1, &root), Err(Errno::EINVAL));
    write(&writer, &pattern(2 * PAGE_SIZE)).unwrap();
    assert_eq!(set(PAGE_SIZE, &root), Err(Errno::EBUSY));
    assert_eq!(set(2 * PAGE_SIZE, &root), Ok(2 * PAGE_SIZE));
    assert_eq!(read(&reader, 3 * PAGE_SIZE).unwrap(), pattern(2 * PAGE_SIZE));
}

pub fn write_fault() {
    with_user_pages(|end| {
        let [reader, writer] = new(OpenFlags::NONBLOCK);
        user::write_bytes(end - 2 * PAGE_SIZE, &pattern(2 * PAGE_SIZE)).unwrap();
        let from_user = |before, length| writer.write(&mut Source::user(end - before, length).unwrap(), At::Position);
        write(&writer, b"x").unwrap();
        // Both where a page would be fresh and where the bytes would be merged.
        assert_eq!(from_user(100, PAGE_SIZE), Err(Errno::EFAULT));
        assert_eq!(from_user(100, 300), Err(Errno::EFAULT));
        assert_eq!(read(&reader, 100).unwrap(), b"x");
        assert_eq!(read(&reader, 100), Err(Errno::EAGAIN));
        // A long one ends with the last whole page.
        assert_eq!(from_user(PAGE_SIZE + 100, 3 * PAGE_SIZE), Ok(PAGE_SIZE));
        assert_eq!(read(&reader, 2 * PAGE_SIZE).unwrap(), pattern(2 * PAGE_SIZE)[PAGE_SIZE - 100..][..PAGE_SIZE]);
        writer.set_flags(OpenFlags::empty());
        assert_eq!(from_user(PAGE_SIZE + 100, 3 * PAGE_SIZE), Ok(PAGE_SIZE));
        assert_eq!(read(&reader, 2 * PAGE_SIZE).unwrap().len(), PAGE_SIZE);
    });
}

pub fn read_fault() {
    with_user_pages(|end| {
        let [reader, writer] = new(OpenFlags::NONBLOCK);
        let sent = pattern(300);
        write(&writer, &sent).unwrap();
        let to_user = |before| reader.read(&mut Sink::user(end - before, 300).unwrap(), At::Position);
        assert_eq!(to_user(100), Err(Errno::EFAULT));
        assert_eq!(to_user(0), Err(Errno::EFAULT));
        assert_eq!(to_user(300), Ok(300));
        let mut got = [0; 300];
        user::read_bytes(end - 300, &mut got).unwrap();
        assert_eq!(got[..], sent);
        assert_eq!(read(&reader, 1), Err(Errno::EAGAIN));
    });
}

pub fn no_allocation() {
    let [reader, writer] = new(OpenFlags::NONBLOCK);
    let bounce = |length| {
        write(&writer, &pattern(length)).unwrap();
        assert_eq!(read(&reader, length).unwrap().len(), length);
    };
    bounce(2 * PAGE_SIZE);
    let before = frame::statistics().allocated;
    for length in 1..=2 * PAGE_SIZE {
        let room = reader.ops().readiness();
        assert_eq!(room, Readiness::empty());
        if length % 97 == 0 {
            bounce(length);
        }
    }
    assert_eq!(frame::statistics().allocated, before);
}
