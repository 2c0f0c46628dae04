//! Pages by reference: who owns them, what is allocated, and that two rings never wait for each other.

use super::pipe::new;
use super::{Job, pattern, read, start, until_somebody_waits, with_user_pages, write};
use crate::arch::mmu::PAGE_SIZE;
use crate::fs::anonymous::{self, Sealing};
use crate::fs::file::Direction;
use crate::fs::flags::OpenFlags;
use crate::fs::open_file::{At, OpenFile, Whence};
use crate::fs::poll::Patience;
use crate::fs::splice::{self, Call, End};
use crate::mm::frame;
use crate::mm::user::{self, Sink, Source};
use crate::process::Credentials;
use crate::sched;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use postern_core::errno::{Errno, Result};

type Ends = [Arc<OpenFile>; 2];

fn pipe() -> Ends {
    new(OpenFlags::empty())
}

fn file(content: &[u8]) -> Arc<OpenFile> {
    let file = anonymous::memfd(b"splice", Sealing::Refused, &Credentials::root()).unwrap();
    file.write(&mut Source::from_slice(content), At::Offset(0)).unwrap();
    file
}

fn content(file: &OpenFile) -> Vec<u8> {
    let mut buffer = vec![0; 1 << 20];
    let length = file.read_at(0, &mut buffer).unwrap();
    buffer.truncate(length);
    buffer
}

fn end(file: &OpenFile) -> End<'_> {
    End { file, at: At::Position, patience: Patience::Forever }
}

fn splice(from: &OpenFile, to: &OpenFile, length: usize) -> Result<usize> {
    splice::splice(end(from), end(to), length)
}

/// How many frames `f` allocates when it runs for the second time: the first may fill caches.
fn allocations(mut f: impl FnMut()) -> u64 {
    f();
    let before = frame::statistics().allocated;
    f();
    frame::statistics().allocated - before
}

pub fn file_to_pipe() {
    let [reader, writer] = pipe();
    let (sent, source) = (pattern(3 * PAGE_SIZE), file(&pattern(3 * PAGE_SIZE)));
    let counted = splice::pages(Call::Splice);
    let fill = || {
        source.seek(0, Whence::Start).unwrap();
        assert_eq!(splice(&source, &writer, 1 << 20), Ok(3 * PAGE_SIZE));
        assert!(read(&reader, 3 * PAGE_SIZE).unwrap() == sent);
    };
    assert_eq!(allocations(fill), 0, "pages were copied");
    assert_eq!(splice::pages(Call::Splice), [counted[0] + 6, counted[1]]);
    // The pages are the file's, whoever looks at them.
    source.seek(0, Whence::Start).unwrap();
    splice(&source, &writer, PAGE_SIZE).unwrap();
    source.write(&mut Source::from_slice(b"new"), At::Offset(0)).unwrap();
    write(&writer, b"behind").unwrap();
    assert_eq!(read(&reader, 3).unwrap(), b"new");
    assert_eq!(content(&source)[3..], sent[3..], "a write to the pipe went into the file");
    source.location().inode().resize(0).unwrap();
    assert_eq!(read(&reader, 2 * PAGE_SIZE).unwrap(), [&sent[3..PAGE_SIZE], b"behind"].concat());
}

pub fn pipe_to_file() {
    let [reader, writer] = pipe();
    let target = file(b"");
    let counted = splice::pages(Call::Splice);
    let sent = pattern(2 * PAGE_SIZE + 10);
    write(&writer, &sent).unwrap();
    assert_eq!(splice(&reader, &target, 1 << 20), Ok(sent.len()));
    assert!(content(&target) == sent);
    assert_eq!(splice::pages(Call::Splice), [counted[0] + 2, counted[1] + 1], "two whole pages, and a part");
    // Of a page that somebody else holds there is a copy.
    let [other_reader, other_writer] = pipe();
    write(&writer, &sent[..PAGE_SIZE]).unwrap();
    assert_eq!(splice::tee(end(&reader), end(&other_writer), PAGE_SIZE), Ok(PAGE_SIZE));
    assert_eq!(splice(&reader, &target, PAGE_SIZE), Ok(PAGE_SIZE));
    assert_eq!(splice::pages(Call::Splice), [counted[0] + 2, counted[1] + 2]);
    target.write(&mut Source::from_slice(&[9; PAGE_SIZE]), At::Offset(sent.len() as u64)).unwrap();
    assert!(read(&other_reader, PAGE_SIZE).unwrap() == sent[..PAGE_SIZE]);
}

pub fn relay() {
    let ([reader, writer], [last, through]) = (pipe(), pipe());
    let sent = pattern(4 * PAGE_SIZE);
    let lap = || {
        for page in sent.chunks(PAGE_SIZE) {
            write(&writer, page).unwrap();
            assert_eq!(splice(&reader, &through, PAGE_SIZE), Ok(PAGE_SIZE));
            assert!(read(&last, PAGE_SIZE).unwrap() == page);
        }
    };
    assert_eq!(allocations(lap), 0, "a page was neither moved nor exchanged");
}

pub fn holes() {
    let [reader, writer] = pipe();
    let source = file(b"");
    source.location().inode().resize(3 * PAGE_SIZE as u64).unwrap();
    assert_eq!(
        allocations(|| {
            source.seek(0, Whence::Start).unwrap();
            assert_eq!(splice(&source, &writer, 1 << 20), Ok(3 * PAGE_SIZE));
            assert!(read(&reader, 3 * PAGE_SIZE).unwrap() == [0; 3 * PAGE_SIZE]);
        }),
        0
    );
}

pub fn errors() {
    let ([reader, writer], target) = (new(OpenFlags::NONBLOCK), file(b"x"));
    assert_eq!(splice(&reader, &writer, 1), Err(Errno::EINVAL));
    assert_eq!(splice(&target, &target, 1), Err(Errno::EINVAL));
    assert_eq!(splice::tee(end(&reader), end(&target), 1), Err(Errno::EINVAL));
    assert_eq!(splice(&reader, &target, 1), Err(Errno::EAGAIN));
    let [gone, alone] = pipe();
    drop(gone);
    assert_eq!(splice(&target, &alone, 1), Err(Errno::EPIPE));
    write(&writer, b"y").unwrap();
    assert_eq!(splice(&reader, &alone, 1), Err(Errno::EPIPE));
    assert_eq!(read(&reader, 9).unwrap(), b"y", "nothing is lost by a failure");
    target.set_flags(OpenFlags::APPEND);
    write(&writer, b"y").unwrap();
    assert_eq!(splice(&reader, &target, 1), Err(Errno::EINVAL));
}

pub fn waiting() {
    let ([reader, writer], [last, through]) = (pipe(), pipe());
    let job = |from: &Arc<OpenFile>, to: &Arc<OpenFile>| -> Job {
        let (from, to) = (from.clone(), to.clone());
        Box::new(move || assert_eq!(splice(&from, &to, 64), Ok(4)))
    };
    let tasks = start(vec![job(&reader, &through)]);
    until_somebody_waits(&reader, Direction::Read);
    write(&writer, b"late").unwrap();
    tasks.join();
    assert_eq!(read(&last, 64).unwrap(), b"late");
    write(&through, &pattern(16 * PAGE_SIZE)).unwrap();
    write(&writer, b"late").unwrap();
    let tasks = start(vec![job(&reader, &through)]);
    until_somebody_waits(&through, Direction::Write);
    read(&last, PAGE_SIZE).unwrap();
    tasks.join();
}

/// Each pipe is the source of some tasks and the target of others, while others write and read both.
pub fn both_directions() {
    const ROUNDS: usize = 3000;
    let pipes = [new(OpenFlags::NONBLOCK), new(OpenFlags::NONBLOCK)];
    for [_, writer] in &pipes {
        write(writer, &pattern(5 * PAGE_SIZE)).unwrap();
    }
    let job = |from: usize, tees: usize| -> Job {
        let (source, target) = (pipes[from][0].clone(), pipes[1 - from][1].clone());
        Box::new(move || {
            for round in 0..ROUNDS {
                let moved = splice(&source, &target, round % (2 * PAGE_SIZE) + 1);
                assert!(moved.is_ok() || moved == Err(Errno::EAGAIN), "{moved:?}");
                if round % 16 < tees {
                    let _ = splice::tee(end(&source), end(&target), 1);
                }
                sched::preemption_point();
            }
        })
    };
    start((0..4).map(|turn| job(turn % 2, 0)).collect()).join();
    let bytes: usize = pipes.iter().map(|[reader, _]| drained(reader)).sum();
    assert_eq!(bytes, 10 * PAGE_SIZE, "bytes were lost or doubled");
    write(&pipes[0][1], b"again").unwrap();
    start((0..4).map(|turn| job(turn % 2, 1)).collect()).join();
}

fn drained(reader: &OpenFile) -> usize {
    let mut bytes = 0;
    while let Ok(more) = read(reader, PAGE_SIZE) {
        bytes += more.len();
    }
    bytes
}

pub fn program_memory() {
    with_user_pages(|end_address| {
        let [reader, writer] = new(OpenFlags::NONBLOCK);
        let space = sched::current().address_space().unwrap();
        let ring = writer.ops().page_queue().unwrap();
        let start = end_address - 2 * PAGE_SIZE;
        let give = |address, length| {
            let mut source = Source::user(address, length).unwrap();
            splice::from_memory(&writer, ring, &mut source, &space, Patience::None)
        };
        user::write_bytes(start, &pattern(2 * PAGE_SIZE)).unwrap();
        // From the middle of a page up to where nothing is mapped.
        assert_eq!(give(start + 100, 3 * PAGE_SIZE), Ok(2 * PAGE_SIZE - 100));
        assert_eq!(give(end_address, 8), Err(Errno::EFAULT));
        user::write_bytes(start + 100, b"new").unwrap();
        let got = read(&reader, 2 * PAGE_SIZE).unwrap();
        assert_eq!((&got[..3], got.len()), (b"new".as_slice(), 2 * PAGE_SIZE - 100));
        assert!(got[3..] == pattern(2 * PAGE_SIZE)[103..]);
        // A write behind it has a page of its own.
        assert_eq!(give(start, 1), Ok(1));
        write(&writer, b"behind").unwrap();
        let mut now = [0; 8];
        user::read_bytes(start, &mut now).unwrap();
        assert_eq!(now[..], pattern(8)[..]);
        let mut sink = Sink::user(end_address - 4, 8).unwrap();
        assert_eq!(splice::to_memory(&reader, ring, &mut sink, Patience::None), Ok(4));
        assert_eq!(splice::to_memory(&reader, ring, &mut sink, Patience::None), Err(Errno::EFAULT));
        assert_eq!(read(&reader, 9).unwrap(), b"ind", "what could not be stored is still there");
    });
}

pub fn sending() {
    let (source, target) = (file(&pattern(100_000)), file(b""));
    assert_eq!(splice::send(end(&source), end(&target), 1 << 20), Ok(100_000));
    assert!(content(&target) == pattern(100_000));
    // Over itself, where pages meet themselves.
    let at = |file, offset| End { file, at: At::Offset(offset), patience: Patience::Forever };
    assert_eq!(splice::send(at(&source, 0), at(&source, 10), 100), Ok(100));
    assert_eq!(content(&source)[..10], pattern(10)[..]);
    let [reader, writer] = pipe();
    assert_eq!(splice::send(at(&target, 1), end(&writer), 1 << 20), Ok(16 * PAGE_SIZE - 1));
    assert!(read(&reader, 1 << 20).unwrap() == pattern(16 * PAGE_SIZE)[1..]);
    assert_eq!(splice::send(end(&reader), end(&target), 1), Err(Errno::EINVAL));
}
