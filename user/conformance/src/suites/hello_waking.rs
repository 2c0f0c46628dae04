//! Who is woken at a ring of `/dev/hello` that is not the usual one: with switches off, with its group gone, in shared memory.
//! Specification: docs/hello.md, "The life of a blocking read", "The mapped ring" and "Switches".

use crate::check::{Failure, Outcome, expect_eq, expect_errno, failed};
use crate::sys::cgroup::Group;
use crate::sys::memory::{Mapping, PAGE};
use crate::sys::{cgroup, fd, hello, path, process};
use libc::{ENODEV, O_RDONLY, O_RDWR, O_WRONLY};
use postern_abi::hello::HELLO_ROLE_PRODUCER;
use postern_abi::ring::layout::CONSUMER_PAGE;
use postern_abi::ring::mapped::Producer;
use postern_abi::ring::protocol::Doorbell;
use std::os::fd::RawFd;

crate::tests! {
    without_the_chain_a_ring_whose_group_is_gone_serves_every_reader,
    without_exclusive_waiting_a_ring_whose_group_is_gone_keeps_its_rules,
    without_the_chain_a_mapped_record_for_two_readers_serves_both,
    opener_that_waits_in_a_group_that_goes_gets_enodev,
    side_counts_as_waiting_only_while_somebody_waits,
}

/// A switch of hello that is off until this is dropped.
struct Off(&'static str);

impl Off {
    fn switch(name: &'static str) -> Result<Self, Failure> {
        std::fs::write(format!("/sys/module/hello/parameters/{name}"), "0")?;
        Ok(Self(name))
    }
}

impl Drop for Off {
    fn drop(&mut self) {
        let restored = std::fs::write(format!("/sys/module/hello/parameters/{}", self.0), "1");
        assert!(restored.is_ok(), "{} stays off", self.0);
    }
}

/// Two children that wait for a byte each.
fn two_readers(file: RawFd) -> Result<[process::Child; 2], Failure> {
    let reader = || process::spawn(|| expect_eq(fd::read(file, &mut [0; 1])?, 1, "bytes read"));
    let readers = [reader()?, reader()?];
    for reader in readers {
        reader.wait_until_asleep()?;
    }
    Ok(readers)
}

/// A ring of a group that is gone.
fn orphan() -> Result<RawFd, Failure> {
    let group = Group::new()?;
    group.enter()?;
    let file = hello::open(O_RDWR)?;
    cgroup::leave()?;
    path::rmdir(&group.path)?;
    Ok(file)
}

fn without_the_chain_a_ring_whose_group_is_gone_serves_every_reader() -> Outcome {
    hello::needed()?;
    let file = orphan()?;
    let readers = two_readers(file)?;
    let _off = Off::switch("chained")?;
    fd::write(file, b"ab")?;
    readers.into_iter().try_for_each(process::Child::expect_success)
}

fn without_exclusive_waiting_a_ring_whose_group_is_gone_keeps_its_rules() -> Outcome {
    hello::needed()?;
    let file = {
        let _off = Off::switch("exclusive")?;
        orphan()?
    };
    let readers = two_readers(file)?;
    let before = hello::stat(file)?.counters.wakes;
    fd::write(file, b"a")?;
    fd::write(file, b"b")?;
    readers.into_iter().try_for_each(process::Child::expect_success)?;
    let wakes = hello::stat(file)?.counters.wakes - before;
    if wakes < 2 { Err(failed(format!("{wakes} wakes, though each event wakes all"))) } else { Ok(()) }
}

/// A producer's side of a channel's ring, and a file that reads from it.
fn shared_ring() -> Result<(RawFd, RawFd, Mapping, Producer), Failure> {
    let name = format!("waking-{}", process::getpid());
    let producer = hello::open(O_RDWR)?;
    hello::channel(producer, name.as_bytes())?;
    let door = hello::open(O_RDWR)?;
    let reader = hello::open(O_RDONLY)?;
    fd::close(door)?;
    hello::channel(reader, name.as_bytes())?;
    let (memory, ring) = hello::map_ring(producer, hello::take_role(producer, HELLO_ROLE_PRODUCER)?)?;
    let side = Producer::new(ring).map_err(|_| failed("the ring is corrupt"))?;
    Ok((producer, reader, memory, side))
}

fn publish(side: &mut Producer, record: &[u8]) -> Result<Doorbell, Failure> {
    side.push(record).ok().flatten().ok_or_else(|| failed("no room in the ring"))
}

fn without_the_chain_a_mapped_record_for_two_readers_serves_both() -> Outcome {
    hello::needed()?;
    let (producer, reader, _memory, mut side) = shared_ring()?;
    let readers = two_readers(reader)?;
    let _off = Off::switch("chained")?;
    expect_eq(publish(&mut side, b"ab")?, Doorbell::Ring, "what the readers need")?;
    hello::doorbell(producer)?;
    readers.into_iter().try_for_each(process::Child::expect_success)
}

fn opener_that_waits_in_a_group_that_goes_gets_enodev() -> Outcome {
    hello::needed()?;
    let group = Group::new()?;
    for flags in [O_RDONLY, O_WRONLY] {
        let path = group.below("going")?;
        let opener = process::spawn(|| {
            cgroup::write(&format!("{path}/cgroup.procs"), "0")?;
            expect_errno(hello::open(flags), ENODEV)
        })?;
        opener.wait_until_asleep()?;
        let home = format!("{}/cgroup.procs", cgroup::root()?);
        cgroup::write(&home, &opener.pid.to_string())?;
        path::rmdir(&path)?;
        opener.expect_success()?;
    }
    Ok(())
}

fn side_counts_as_waiting_only_while_somebody_waits() -> Outcome {
    hello::needed()?;
    let (producer, reader, memory, mut side) = shared_ring()?;
    let waiting = || memory.load(CONSUMER_PAGE as usize * PAGE + size_of::<u32>());
    let child = process::spawn(|| expect_eq(fd::read(reader, &mut [0; 100])?, 6, "bytes read"))?;
    child.wait_until_asleep()?;
    expect_eq(waiting(), 1, "the consumer's `waiting` while the child sleeps")?;
    expect_eq(publish(&mut side, b"record")?, Doorbell::Ring, "what the child needs")?;
    hello::doorbell(producer)?;
    child.expect_success()?;
    expect_eq(waiting(), 0, "the consumer's `waiting` when nobody reads any more")?;
    expect_eq(publish(&mut side, b"record")?, Doorbell::Silent, "what the next record needs")
}
