//! Eventfds.

use super::{read, start, until_somebody_waits, write};
use crate::fs::file::{Direction, Readiness};
use crate::fs::flags::OpenFlags;
use crate::fs::open_file::{At, OpenFile};
use crate::ipc::eventfd::{self, Take};
use crate::mm::user::{Sink, Source};
use crate::process::Credentials;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use postern_core::errno::{Errno, Result};

fn new(initial: u32, take: Take, flags: OpenFlags) -> Arc<OpenFile> {
    eventfd::eventfd(initial, take, flags, &Credentials::root()).unwrap()
}

fn add(file: &OpenFile, value: u64) -> Result<usize> {
    write(file, &value.to_ne_bytes())
}

fn take(file: &OpenFile) -> Result<u64> {
    let bytes = read(file, 8)?;
    Ok(u64::from_ne_bytes(bytes.try_into().unwrap()))
}

pub fn counts() {
    let event = new(3, Take::Everything, OpenFlags::NONBLOCK);
    assert_eq!(event.readiness(), Readiness::IN | Readiness::OUT);
    assert_eq!(add(&event, 4), Ok(8));
    assert_eq!(take(&event), Ok(7));
    assert_eq!(take(&event), Err(Errno::EAGAIN));
    assert_eq!(event.readiness(), Readiness::OUT);
    assert_eq!(add(&event, u64::MAX), Err(Errno::EINVAL));
    assert_eq!(write(&event, &[0; 7]), Err(Errno::EINVAL));
    assert_eq!(read(&event, 7), Err(Errno::EINVAL));
    // A number is eight bytes, no fewer and no more.
    let two = [1_u64.to_ne_bytes(), 2_u64.to_ne_bytes()].concat();
    assert_eq!(write(&event, &two), Err(Errno::EINVAL));
    assert_eq!(take(&event), Err(Errno::EAGAIN));
    // A fault changes nothing.
    assert_eq!(add(&event, 5), Ok(8));
    assert_eq!(event.read(&mut Sink::user(0x1000, 8).unwrap(), At::Position), Err(Errno::EFAULT));
    assert_eq!(event.write(&mut Source::user(0x1000, 8).unwrap(), At::Position), Err(Errno::EFAULT));
    assert_eq!(take(&event), Ok(5));
}

pub fn semaphore() {
    let event = new(2, Take::One, OpenFlags::NONBLOCK);
    assert_eq!((take(&event), take(&event), take(&event)), (Ok(1), Ok(1), Err(Errno::EAGAIN)));
}

pub fn overflow() {
    let event = new(0, Take::Everything, OpenFlags::empty());
    assert_eq!(add(&event, u64::MAX - 1), Ok(8));
    assert_eq!(event.readiness(), Readiness::IN);
    let writer = event.clone();
    let tasks = start(vec![Box::new(move || assert_eq!(add(&writer, 1), Ok(8)))]);
    until_somebody_waits(&event, Direction::Write);
    assert_eq!(take(&event), Ok(u64::MAX - 1));
    tasks.join();
    assert_eq!(take(&event), Ok(1));
}

pub fn conversation() {
    const TURNS: u64 = 1000;
    let (there, back) = (new(0, Take::Everything, OpenFlags::empty()), new(0, Take::Everything, OpenFlags::empty()));
    let (their_there, their_back) = (there.clone(), back.clone());
    let tasks = start(vec![Box::new(move || {
        for turn in 1..=TURNS {
            assert_eq!(take(&their_there), Ok(turn));
            add(&their_back, turn).unwrap();
        }
    })]);
    for turn in 1..=TURNS {
        add(&there, turn).unwrap();
        assert_eq!(take(&back), Ok(turn));
    }
    tasks.join();
}
