//! Waiting for readiness: poll and epoll.

use super::pipe::new;
use super::{read, start, until_somebody_waits, write};
use crate::arch::timer::now_ns;
use crate::fs::epoll::{Change, Epoll, Event, Flags};
use crate::fs::file::{Direction, Readiness};
use crate::fs::flags::OpenFlags;
use crate::fs::open_file::OpenFile;
use crate::fs::poll::{self, Patience, Watched};
use crate::process::Credentials;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use postern_core::errno::{Errno, Result};

const FAR: u64 = 3_600_000_000_000;

pub fn poll_timeout() {
    const TIMEOUT_NS: u64 = 2_000_000;
    let [reader, _writer] = new(OpenFlags::empty());
    let watched = [Watched::new(reader, Readiness::IN), Watched::nothing()];
    let deadline_ns = now_ns() + TIMEOUT_NS;
    assert_eq!(poll::wait(&watched, Patience::Until(deadline_ns)), Ok(0));
    assert!(now_ns() >= deadline_ns);
    assert_eq!(poll::wait(&watched, Patience::None), Ok(0));
    assert_eq!(poll::wait(&[Watched::invalid()], Patience::Forever), Ok(1));
}

pub fn poll_is_woken() {
    // More pipes than a poller has room for without an allocation.
    let pipes: Vec<_> = (0..20).map(|_| new(OpenFlags::empty())).collect();
    let watched = |events| pipes.iter().map(|[reader, _]| Watched::new(reader.clone(), events)).collect::<Vec<_>>();
    for (chosen, [reader, writer]) in pipes.iter().enumerate() {
        let (waiting, writer) = (pipes[19].clone(), writer.clone());
        let tasks = start(vec![Box::new(move || {
            until_somebody_waits(&waiting[0], Direction::Read);
            write(&writer, b"x").unwrap();
        })]);
        let files = watched(Readiness::IN);
        assert_eq!(poll::wait(&files, Patience::Until(now_ns() + FAR)), Ok(1));
        let found: Vec<_> = files.iter().map(Watched::found).collect();
        assert_eq!(found.iter().position(|found| *found == Readiness::IN), Some(chosen));
        tasks.join();
        assert_eq!(read(reader, 9).unwrap(), b"x");
    }
    // What a close means is told whether asked for or not.
    let [reader, writer] = new(OpenFlags::empty());
    let closing = reader.clone();
    let tasks = start(vec![Box::new(move || {
        until_somebody_waits(&closing, Direction::Read);
        drop(writer);
    })]);
    let files = [Watched::new(reader, Readiness::empty())];
    assert_eq!(poll::wait(&files, Patience::Forever), Ok(1));
    assert_eq!(files[0].found(), Readiness::HUP);
    tasks.join();
}

fn epoll() -> Arc<OpenFile> {
    Epoll::open(OpenFlags::empty(), &Credentials::root()).unwrap()
}

fn change(epoll: &Arc<OpenFile>, target: &Arc<OpenFile>, change: Change) -> Result<()> {
    Epoll::of(epoll, target)?.change(target, 7, change)
}

fn event(events: Readiness, flags: Flags) -> Event {
    Event { events, flags, data: 42 }
}

/// What is ready now.
fn wait_now(epoll: &OpenFile) -> Vec<Readiness> {
    wait(epoll, Patience::None)
}

fn wait(epoll: &OpenFile, patience: Patience) -> Vec<Readiness> {
    let mut events = Vec::new();
    let count = Epoll::behind(epoll).unwrap().wait(8, patience, |event| {
        assert_eq!(event.data, 42);
        events.push(event.events);
        Ok(())
    });
    assert_eq!(count, Ok(events.len()));
    events
}

pub fn level() {
    let [reader, writer] = new(OpenFlags::empty());
    let epoll = epoll();
    let add = Change::Add(event(Readiness::IN, Flags::empty()));
    assert_eq!(change(&epoll, &reader, Change::Remove), Err(Errno::ENOENT));
    change(&epoll, &reader, add).unwrap();
    assert_eq!(change(&epoll, &reader, add), Err(Errno::EEXIST));
    assert_eq!(change(&epoll, &reader, Change::Unknown), Err(Errno::EINVAL));
    assert_eq!(change(&reader, &epoll, add), Err(Errno::EINVAL));
    assert_eq!(change(&epoll, &epoll, add), Err(Errno::EINVAL));
    assert_eq!(wait_now(&epoll), []);
    write(&writer, b"xy").unwrap();
    assert_eq!(wait_now(&epoll), [Readiness::IN]);
    assert_eq!(epoll.readiness(), Readiness::READABLE);
    read(&reader, 1).unwrap();
    assert_eq!(wait_now(&epoll), [Readiness::IN]);
    read(&reader, 1).unwrap();
    assert_eq!(epoll.readiness(), Readiness::empty());
    assert_eq!(wait_now(&epoll), []);
    drop(writer);
    assert_eq!(wait_now(&epoll), [Readiness::HUP]);
    change(&epoll, &reader, Change::Remove).unwrap();
    assert_eq!(wait_now(&epoll), []);
}

pub fn edge() {
    let [reader, writer] = new(OpenFlags::empty());
    let epoll = epoll();
    change(&epoll, &reader, Change::Add(event(Readiness::IN, Flags::EDGE))).unwrap();
    write(&writer, b"x").unwrap();
    assert_eq!(wait_now(&epoll), [Readiness::IN]);
    assert_eq!(wait_now(&epoll), []);
    // Every write is news, though there was something already; a read is not.
    write(&writer, b"x").unwrap();
    assert_eq!(wait_now(&epoll), [Readiness::IN]);
    read(&reader, 1).unwrap();
    assert_eq!(wait_now(&epoll), []);
    change(&epoll, &reader, Change::Modify(event(Readiness::IN, Flags::EDGE))).unwrap();
    assert_eq!(wait_now(&epoll), [Readiness::IN]);
}

pub fn one_shot() {
    let [reader, writer] = new(OpenFlags::empty());
    let epoll = epoll();
    change(&epoll, &reader, Change::Add(event(Readiness::IN, Flags::ONE_SHOT))).unwrap();
    write(&writer, b"x").unwrap();
    assert_eq!(wait_now(&epoll), [Readiness::IN]);
    write(&writer, b"x").unwrap();
    assert_eq!(wait_now(&epoll), []);
    change(&epoll, &reader, Change::Modify(event(Readiness::IN, Flags::ONE_SHOT))).unwrap();
    assert_eq!(wait_now(&epoll), [Readiness::IN]);
}

pub fn closed_file() {
    let [reader, writer] = new(OpenFlags::empty());
    let epoll = epoll();
    change(&epoll, &reader, Change::Add(event(Readiness::IN, Flags::empty()))).unwrap();
    change(&epoll, &writer, Change::Add(event(Readiness::OUT, Flags::empty()))).unwrap();
    write(&writer, b"x").unwrap();
    assert_eq!(wait_now(&epoll).len(), 2);
    drop(reader);
    assert_eq!(wait_now(&epoll), [Readiness::OUT | Readiness::ERR]);
    drop(writer);
    assert_eq!(wait_now(&epoll), []);
}

pub fn epoll_is_woken() {
    let epoll = epoll();
    let pipes: Vec<_> = (0..4).map(|_| new(OpenFlags::empty())).collect();
    for [reader, _] in &pipes {
        change(&epoll, reader, Change::Add(event(Readiness::IN, Flags::EDGE))).unwrap();
    }
    let jobs = pipes.iter().map(|_| -> super::Job {
        let epoll = epoll.clone();
        Box::new(move || {
            let mut told = Vec::new();
            let count = Epoll::behind(&epoll).unwrap().wait(1, Patience::Forever, |event| {
                told.push(event.events);
                Ok(())
            });
            assert_eq!((count, told), (Ok(1), vec![Readiness::IN]));
        })
    });
    // Four waiters, four edges: each gets one.
    let tasks = start(jobs.collect());
    for [_, writer] in &pipes {
        write(writer, b"x").unwrap();
    }
    tasks.join();
    assert_eq!(wait(&epoll, Patience::Until(now_ns() + 1_000_000)), []);
}

pub fn nesting() {
    let [reader, writer] = new(OpenFlags::empty());
    let (inner, outer) = (epoll(), epoll());
    let add = Change::Add(event(Readiness::IN, Flags::empty()));
    change(&inner, &reader, add).unwrap();
    change(&outer, &inner, add).unwrap();
    assert_eq!(change(&inner, &outer, add), Err(Errno::ELOOP));
    assert_eq!(wait_now(&outer), []);
    let tasks = start(vec![Box::new(move || {
        write(&writer, b"x").unwrap();
        drop(writer);
    })]);
    assert_eq!(wait(&outer, Patience::Until(now_ns() + FAR)), [Readiness::IN]);
    tasks.join();
    assert_eq!(wait_now(&inner), [Readiness::IN | Readiness::HUP]);
    change(&inner, &reader, Change::Remove).unwrap();
    assert_eq!(wait_now(&outer), []);
    // Without the watch the other way round is no circle.
    change(&outer, &inner, Change::Remove).unwrap();
    change(&inner, &outer, add).unwrap();
}

pub fn long_chain() {
    let add = Change::Add(event(Readiness::IN, Flags::empty()));
    for from_below in [true, false] {
        let epolls: Vec<_> = (0..8).map(|_| epoll()).collect();
        let mut links: Vec<usize> = (1..8).collect();
        if from_below {
            links.reverse();
        }
        let outcomes: Vec<_> = links.iter().map(|&link| change(&epolls[link - 1], &epolls[link], add)).collect();
        let made = outcomes.iter().take_while(|outcome| outcome.is_ok()).count();
        assert_eq!((made, outcomes[made]), (4, Err(Errno::ELOOP)));
    }
}
