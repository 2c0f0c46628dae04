//! The pipe's rules beside a real pipe: the same calls must give the same counts, errors, bytes and poll masks.
//!
//! Runs where there is a Linux to ask. Faults are left out, which safe code cannot provoke; the unit tests have them.
#![cfg(target_os = "linux")]

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use postern_core::errno::Errno;
use postern_core::page_ring::{Framing, PAGE_SIZE, Recycle};
use postern_core::pipe::{DEFAULT_CAPACITY_SLOTS, DEFAULT_SIZE_LIMIT_BYTES, End, PipeState};
use proptest::prelude::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

/// What a call returned, the bytes a read brought, and what the pipe looks like afterwards.
#[derive(Debug, PartialEq)]
struct Observation {
    outcome: Result<usize, u32>,
    data: Vec<u8>,
    waiting: usize,
    readable: u32,
    writable: u32,
}

#[derive(Clone, Debug)]
enum Call {
    Write(usize),
    Read(usize),
    SetSize(usize),
}

fn call() -> impl Strategy<Value = Call> {
    let len = || prop_oneof![0..40_usize, 1..=PAGE_SIZE, 1..30_000_usize, Just(PAGE_SIZE), Just(2 * PAGE_SIZE)];
    prop_oneof![
        8 => len().prop_map(Call::Write),
        8 => len().prop_map(Call::Read),
        // Below the default size, so that no limit of this machine's user decides.
        1 => (0..=16 * PAGE_SIZE).prop_map(Call::SetSize),
    ]
}

struct Real {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Real {
    fn new(framing: Framing) -> Self {
        let packets = if framing == Framing::Packet { PipeFlags::DIRECT } else { PipeFlags::empty() };
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK | packets).expect("a pipe");
        Self { reader, writer }
    }

    fn events(fd: &OwnedFd) -> u32 {
        let mut fds = [PollFd::new(fd, PollFlags::all())];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).expect("poll");
        u32::from(fds[0].revents().bits())
    }

    fn perform(&self, call: &Call, source: &[u8]) -> Observation {
        let mut data = Vec::new();
        let outcome = match call {
            Call::Write(_) => rustix::io::write(&self.writer, source),
            Call::Read(len) => {
                data.resize(*len, 0);
                let count = rustix::io::read(&self.reader, data.as_mut_slice());
                data.truncate(count.unwrap_or(0));
                count
            }
            Call::SetSize(bytes) => fcntl_setpipe_size(&self.writer, *bytes),
        };
        let waiting = rustix::io::ioctl_fionread(&self.reader).expect("FIONREAD");
        Observation {
            outcome: outcome.map_err(|errno| errno.raw_os_error().unsigned_abs()),
            data,
            waiting: usize::try_from(waiting).expect("a pipe's bytes fit an address space"),
            readable: Self::events(&self.reader),
            writable: Self::events(&self.writer),
        }
    }
}

type Page = Box<[u8; PAGE_SIZE]>;

fn model() -> PipeState<Page> {
    let mut pipe = PipeState::try_new(DEFAULT_CAPACITY_SLOTS, Recycle::Release).expect("memory");
    pipe.open(End::Read).settle(|_| ());
    pipe.open(End::Write).settle(|_| ());
    pipe
}

fn perform(pipe: &mut PipeState<Page>, framing: Framing, call: &Call, source: &[u8]) -> Observation {
    let mut source: VecDeque<u8> = source.iter().copied().collect();
    let mut data = Vec::new();
    let step = match call {
        Call::Write(len) => pipe.try_write(
            *len,
            framing,
            || Ok(Box::new([0; PAGE_SIZE])),
            &mut |page: &mut Page, range: std::ops::Range<usize>| {
                let count = range.len();
                page[range].iter_mut().zip(source.drain(..count)).for_each(|(to, from)| *to = from);
                count
            },
        ),
        Call::Read(len) => pipe.try_read(*len, &mut |page: &Page, range: std::ops::Range<usize>| {
            data.extend_from_slice(&page[range.clone()]);
            range.len()
        }),
        Call::SetSize(bytes) => pipe.set_size(*bytes, DEFAULT_SIZE_LIMIT_BYTES),
    };
    Observation {
        outcome: step.map(|step| step.settle(|_| ())).map_err(Errno::raw),
        data,
        waiting: pipe.bytes(),
        readable: pipe.readiness(End::Read).bits(),
        writable: pipe.readiness(End::Write).bits(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_calls_have_the_same_effects(packets in any::<bool>(), calls in prop::collection::vec(call(), 1..40)) {
        let framing = if packets { Framing::Packet } else { Framing::Stream };
        let (real, mut pipe) = (Real::new(framing), model());
        let mut numbers = (0..=250_u8).cycle();
        for call in calls {
            let len = if let Call::Write(len) = call { len } else { 0 };
            let source: Vec<u8> = numbers.by_ref().take(len).collect();
            prop_assert_eq!(perform(&mut pipe, framing, &call, &source), real.perform(&call, &source), "{:?}", call);
        }
    }
}
