//! Tasks that wait at pipes, and who is woken.

use super::pipe::new;
use super::{Job, pattern, read, start, until_somebody_waits, write, yield_until};
use crate::fs::file::Direction;
use crate::fs::flags::OpenFlags;
use crate::fs::open_file::OpenFile;
use crate::ktest::scheduling::on_this_cpu;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use postern_core::errno::{Errno, Result};

fn pipe() -> [Arc<OpenFile>; 2] {
    new(OpenFlags::empty())
}

/// A job that reads once and checks what it gets.
fn reading(reader: &Arc<OpenFile>, length: usize, expected: Result<&'static [u8]>) -> Job {
    let reader = reader.clone();
    Box::new(move || assert_eq!(read(&reader, length).as_deref(), expected.as_ref().copied()))
}

/// A job that writes and checks what becomes of it.
fn writing(writer: &Arc<OpenFile>, bytes: Vec<u8>, expected: Result<usize>) -> Job {
    let writer = writer.clone();
    Box::new(move || assert_eq!(write(&writer, &bytes), expected))
}

pub fn reader_is_woken() {
    let [reader, writer] = pipe();
    let tasks = start(vec![reading(&reader, 9, Ok(b"hello"))]);
    until_somebody_waits(&reader, Direction::Read);
    write(&writer, b"hello").unwrap();
    tasks.join();
}

pub fn reader_sees_end() {
    let [reader, writer] = pipe();
    let tasks = start(vec![reading(&reader, 9, Ok(b"")), reading(&reader, 9, Ok(b""))]);
    until_somebody_waits(&reader, Direction::Read);
    drop(writer);
    tasks.join();
}

pub fn writer_sees_no_reader() {
    let [reader, writer] = pipe();
    let full = write(&writer, &pattern(16 * 4096));
    assert_eq!(full, Ok(16 * 4096));
    let tasks = start(vec![writing(&writer, vec![1], Err(Errno::EPIPE)), writing(&writer, vec![2], Err(Errno::EPIPE))]);
    until_somebody_waits(&writer, Direction::Write);
    drop(reader);
    tasks.join();
}

pub fn long_write() {
    const LENGTH: usize = 300_000;
    let [reader, writer] = pipe();
    let tasks = start(vec![writing(&writer, pattern(LENGTH), Ok(LENGTH))]);
    let mut got = Vec::new();
    while got.len() < LENGTH {
        got.extend(read(&reader, 1000).unwrap());
    }
    assert!(got == pattern(LENGTH), "bytes were lost, doubled or moved");
    tasks.join();
}

pub fn one_byte_one_reader() {
    let [reader, writer] = pipe();
    let tasks = start((0..3).map(|_| reading(&reader, 1, Ok(b"x"))).collect());
    for woken in 1..=3 {
        until_somebody_waits(&reader, Direction::Read);
        assert_eq!(tasks.done(), woken - 1);
        write(&writer, b"x").unwrap();
        tasks.wait_until_done(woken);
    }
    tasks.join();
}

pub fn chain() {
    let [reader, writer] = pipe();
    let tasks = start((0..5).map(|_| reading(&reader, 1, Ok(b"x"))).collect());
    until_somebody_waits(&reader, Direction::Read);
    // One wake-up for all.
    write(&writer, b"xxxxx").unwrap();
    tasks.join();
}

pub fn eight_tasks() {
    const RECORD: usize = 64;
    const RECORDS: usize = 2000;
    static SUMS: [AtomicUsize; 4] = [const { AtomicUsize::new(0) }; 4];
    SUMS.iter().for_each(|sum| sum.store(0, Ordering::SeqCst));
    let [reader, writer] = pipe();
    let write_records = |id: u8| -> Job {
        let writer = writer.clone();
        Box::new(move || (0..RECORDS).for_each(|_| assert_eq!(write(&writer, &[id; RECORD]), Ok(RECORD))))
    };
    let read_records = || -> Job {
        let reader = reader.clone();
        Box::new(move || {
            loop {
                let record = read(&reader, RECORD).unwrap();
                let Some(id) = record.first() else { return };
                assert!(record.len() == RECORD && record.iter().all(|byte| byte == id), "a record was torn");
                SUMS[usize::from(*id)].fetch_add(1, Ordering::SeqCst);
            }
        })
    };
    let tasks = start((0..4).map(write_records).chain((0..4).map(|_| read_records())).collect());
    drop(writer);
    yield_until(|| tasks.done() >= 4);
    tasks.join();
    assert!(SUMS.iter().all(|sum| sum.load(Ordering::SeqCst) == RECORDS));
}

pub fn every_writer_has_its_turn() {
    every_writer_has_its_turn_at(&pipe());
}

/// Eight writers at a full ring, each with many blocks, and a reader that drains it whenever it runs: of the first half each has
/// written something. Woken ones come too late whenever one that runs has filled the ring again, and must not do so for ever.
///
/// On one CPU: which of several goes on, and for how long, is this machine's matter, and one that it keeps from running is no
/// writer that was passed over.
pub fn every_writer_has_its_turn_at(ends: &[Arc<OpenFile>; 2]) {
    on_this_cpu(|| every_writer_writes_in_the_first_half(ends));
}

fn every_writer_writes_in_the_first_half([reader, writer]: &[Arc<OpenFile>; 2]) {
    const WRITERS: u8 = 8;
    const BLOCKS: usize = 64;
    let writing = |own: u8| -> Job {
        let writer = writer.clone();
        Box::new(move || {
            // In order of their numbers; the first finds room, and fills it.
            yield_until(|| waiting_to_write(&writer) >= own.into());
            for _ in 0..BLOCKS {
                assert_eq!(write(&writer, &[own; 4096]), Ok(4096));
            }
        })
    };
    let tasks = start((0..WRITERS).map(writing).collect());
    tasks.until_all_sleep();
    assert_eq!(waiting_to_write(writer), usize::from(WRITERS));
    let order: Vec<u8> = (0..usize::from(WRITERS) * BLOCKS)
        .map(|_| {
            let block = read(reader, 4096).unwrap();
            assert!(block.len() == 4096 && block.iter().all(|byte| *byte == block[0]), "blocks are mixed");
            block[0]
        })
        .collect();
    tasks.join();
    let first_half = &order[..order.len() / 2];
    for own in 0..WRITERS {
        assert!(first_half.contains(&own), "writer {own} got nothing of {first_half:?}");
    }
}

fn waiting_to_write(writer: &OpenFile) -> usize {
    writer.ops().wait_queue(Direction::Write).unwrap().waiters()
}
