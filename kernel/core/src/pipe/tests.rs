//! The pipe against its contract, sentence by sentence, and against a queue of messages.

use super::*;
use crate::page_ring::{Hold, Piece};
use crate::readiness::Readiness;
use core::ops::Range;
use proptest::prelude::*;
use std::boxed::Box;
use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

type Page = Box<[u8; PAGE_SIZE]>;
type Pipe = PipeState<Page>;

/// Where a copy runs into an unmapped address.
const NEVER: usize = usize::MAX;

fn open_pipe(slots: usize) -> Pipe {
    let mut pipe = Pipe::try_new(slots, Recycle::Release).unwrap();
    pipe.open(End::Read).settle(|_| ());
    pipe.open(End::Write).settle(|_| ());
    pipe
}

fn new_page() -> Result<Page> {
    Ok(Box::new([0xee; PAGE_SIZE]))
}

/// Writes from a user buffer of which only the first `mapped` bytes can be read.
fn write_from(pipe: &mut Pipe, data: &[u8], framing: Framing, mapped: usize) -> Result<Step> {
    let mut at = 0;
    pipe.try_write(data.len(), framing, new_page, &mut |page: &mut Page, range: Range<usize>| {
        let copied = range.len().min(mapped.saturating_sub(at));
        page[range.start..range.start + copied].copy_from_slice(&data[at..at + copied]);
        at += copied;
        copied
    })
}

/// Reads into a user buffer of which only the first `mapped` bytes can be written.
fn read_into(pipe: &mut Pipe, len: usize, mapped: usize) -> Result<(Vec<u8>, Wakes)> {
    let mut data = Vec::new();
    let step = pipe.try_read(len, &mut |page: &Page, range: Range<usize>| {
        let copied = range.len().min(mapped.saturating_sub(data.len()));
        data.extend_from_slice(&page[range.start..range.start + copied]);
        copied
    })?;
    let (count, wakes) = opened(step);
    data.truncate(count);
    Ok((data, wakes))
}

fn opened<T>(step: Step<T>) -> (T, Wakes) {
    let mut wakes = Wakes::NONE;
    let outcome = step.settle(|wanted| wakes = wanted);
    (outcome, wakes)
}

fn write(pipe: &mut Pipe, data: &[u8]) -> Result<usize> {
    Ok(write_from(pipe, data, Framing::Stream, NEVER)?.settle(|_| ()))
}

fn read(pipe: &mut Pipe, len: usize) -> Result<Vec<u8>> {
    Ok(read_into(pipe, len, NEVER)?.0)
}

const READER: Wakes = Wakes { readers: Wake::One, writers: Wake::None, openers: Wake::None };
const WRITER: Wakes = Wakes { readers: Wake::None, writers: Wake::One, openers: Wake::None };

#[test]
fn a_write_without_readers_is_epipe() {
    let mut pipe = open_pipe(1);
    pipe.close(End::Read).settle(|_| ());
    assert_eq!(write(&mut pipe, b"x"), Err(Errno::EPIPE));
    assert_eq!(write(&mut pipe, b""), Ok(0));
}

#[test]
fn an_empty_pipe_with_a_writer_is_not_at_its_end() {
    let mut pipe = open_pipe(1);
    assert_eq!(read(&mut pipe, 1), Err(Errno::EAGAIN));
    assert_eq!(read(&mut pipe, 0), Ok(vec![]));
}

#[test]
fn the_end_of_file_comes_after_the_last_byte() {
    let mut pipe = open_pipe(1);
    write(&mut pipe, b"last").unwrap();
    pipe.close(End::Write).settle(|_| ());
    assert_eq!(read(&mut pipe, 2).unwrap(), b"la");
    assert_eq!(read(&mut pipe, 64).unwrap(), b"st");
    assert_eq!(read(&mut pipe, 64), Ok(vec![]));
}

#[test]
fn up_to_pipe_buf_bytes_go_in_whole_or_not_at_all() {
    let mut pipe = open_pipe(2);
    write(&mut pipe, &[1; PAGE_SIZE + 1]).unwrap();
    assert_eq!(write(&mut pipe, &[2; PIPE_BUF]), Err(Errno::EAGAIN));
    assert_eq!(pipe.bytes(), PAGE_SIZE + 1);
    read(&mut pipe, PAGE_SIZE).unwrap();
    assert_eq!(write(&mut pipe, &[2; PIPE_BUF]), Ok(PIPE_BUF));
}

#[test]
fn a_longer_write_may_go_in_partly() {
    let mut pipe = open_pipe(2);
    assert_eq!(write(&mut pipe, &[1; 3 * PAGE_SIZE]), Ok(2 * PAGE_SIZE));
    assert_eq!(write(&mut pipe, &[1; 3 * PAGE_SIZE]), Err(Errno::EAGAIN));
}

#[test]
fn what_has_gone_through_is_known_whatever_became_of_it() {
    let mut pipe = open_pipe(4);
    let mut through = |data: &[u8], mapped| {
        let _ = write_from(&mut pipe, data, Framing::Stream, mapped).map(|step| step.settle(|_| ()));
        let Through { bytes, slots, merges } = pipe.through();
        (bytes, slots, merges)
    };
    const PAGE: u64 = PAGE_SIZE as u64;
    assert_eq!(through(&[1; 100], NEVER), (100, 1, 0));
    assert_eq!(through(&[2; 96], NEVER), (196, 1, 1), "a merge begins no slot");
    assert_eq!(through(&[2; 96], 95), (196, 1, 1), "a fault in a merge");
    assert_eq!(through(&[3; PAGE_SIZE], NEVER), (196 + PAGE, 2, 1));
    assert_eq!(through(&[4; 10], 9), (196 + PAGE, 2, 1), "a fault");
    assert_eq!(through(&[5; 2 * PAGE_SIZE], PAGE_SIZE), (196 + 2 * PAGE, 3, 1), "of which one page arrived");
    read(&mut pipe, PAGE_SIZE).unwrap();
    pipe.set_size(2 * PAGE_SIZE, usize::MAX).unwrap().settle(|_| ());
    assert_eq!(pipe.through(), Through { bytes: 196 + 2 * PAGE, slots: 3, merges: 1 }, "nor does it forget");
    let piece = Piece::new(new_page().unwrap(), 0..7, Hold::Shared);
    read(&mut pipe, PIPE_BUF).unwrap();
    pipe.try_accept([piece]).unwrap().settle(|_| ());
    assert_eq!(
        pipe.through(),
        Through { bytes: 203 + 2 * PAGE, slots: 3, merges: 1 },
        "a page by reference fills no slot's own"
    );
}

#[test]
fn a_write_wakes_a_reader_only_if_the_pipe_was_empty() {
    let mut pipe = open_pipe(2);
    let mut wakes = |data: &[u8]| opened(write_from(&mut pipe, data, Framing::Stream, NEVER).unwrap()).1;
    assert_eq!([wakes(b"a"), wakes(b"b"), wakes(&[0; PAGE_SIZE])], [READER, Wakes::NONE, Wakes::NONE]);
}

#[test]
fn with_pollers_every_write_wakes() {
    let mut pipe = open_pipe(2);
    write(&mut pipe, b"a").unwrap();
    pipe.note_poller();
    let (_, wakes) = opened(write_from(&mut pipe, b"b", Framing::Stream, NEVER).unwrap());
    assert_eq!(wakes, READER);
}

#[test]
fn a_read_wakes_a_writer_only_if_the_pipe_was_full() {
    let mut pipe = open_pipe(2);
    write(&mut pipe, &[0; 2 * PAGE_SIZE]).unwrap();
    let mut wakes = |len| read_into(&mut pipe, len, NEVER).unwrap().1;
    assert_eq!([wakes(PAGE_SIZE - 1), wakes(1), wakes(9)], [Wakes::NONE, WRITER, Wakes::NONE]);
}

#[test]
fn a_woken_one_wakes_the_next_while_there_is_progress_to_make() {
    let mut pipe = open_pipe(1);
    assert!(!pipe.wake_next_reader() && pipe.wake_next_writer());
    write(&mut pipe, b"ab").unwrap();
    assert!(pipe.wake_next_reader() && !pipe.wake_next_writer());
    read(&mut pipe, 2).unwrap();
    pipe.close(End::Write).settle(|_| ());
    assert!(pipe.wake_next_reader(), "every reader must learn of the end of file");
}

#[test]
fn the_last_close_of_an_end_wakes_everybody_at_the_other() {
    let mut pipe = open_pipe(1);
    pipe.open(End::Write).settle(|_| ());
    assert_eq!(opened(pipe.close(End::Write)).1, Wakes::NONE);
    assert_eq!(opened(pipe.close(End::Write)).1, Wakes { readers: Wake::All, ..Wakes::NONE });
    let mut pipe = open_pipe(1);
    assert_eq!(opened(pipe.close(End::Read)).1, Wakes { writers: Wake::All, ..Wakes::NONE });
    write(&mut pipe, b"").unwrap();
    assert_eq!(opened(pipe.close(End::Write)).1, Wakes::NONE);
}

#[test]
fn an_opener_learns_of_a_peer_that_came_and_went() {
    let mut pipe = Pipe::try_new(1, Recycle::Keep).unwrap();
    let (reader, wakes) = opened(pipe.open(End::Read));
    assert_eq!(wakes.openers, Wake::All);
    assert!(!pipe.peer_has_come(&reader));
    let (writer, wakes) = opened(pipe.open(End::Write));
    assert_eq!(wakes.openers, Wake::All);
    assert!(pipe.peer_has_come(&writer) && pipe.peer_has_come(&reader));
    pipe.close(End::Write).settle(|_| ());
    assert!(pipe.peer_has_come(&reader));
}

#[test]
fn poll_masks_are_those_of_linux() {
    let mut pipe = open_pipe(1);
    let ready = |pipe: &Pipe| (pipe.readiness(End::Read), pipe.readiness(End::Write));
    assert_eq!(ready(&pipe), (Readiness::empty(), Readiness::WRITABLE));
    write(&mut pipe, b"x").unwrap();
    assert_eq!(ready(&pipe), (Readiness::READABLE, Readiness::empty()), "not writable without a free slot");
    pipe.close(End::Write).settle(|_| ());
    assert_eq!(pipe.readiness(End::Read), Readiness::READABLE | Readiness::HUP);
    read(&mut pipe, 1).unwrap();
    assert_eq!(pipe.readiness(End::Read), Readiness::HUP);
    let mut pipe = open_pipe(1);
    pipe.close(End::Read).settle(|_| ());
    assert_eq!(pipe.readiness(End::Write), Readiness::WRITABLE | Readiness::ERR);
}

#[test]
fn sizes_round_up_to_a_power_of_two_of_pages() {
    let mut pipe = open_pipe(16);
    for (requested, granted) in [(0, 4096), (4096, 4096), (4097, 8192), (5 * 4096, 8 * 4096), (65_536, 65_536)] {
        assert_eq!(pipe.set_size(requested, DEFAULT_SIZE_LIMIT_BYTES).unwrap().settle(|_| ()), granted);
        assert_eq!(pipe.size_bytes(), granted);
    }
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let mut pipe = open_pipe(4);
    let mut refused = |bytes, limit| pipe.set_size(bytes, limit).map(|step| step.settle(|_| ())).unwrap_err();
    assert_eq!(refused((1 << 31) + 1, usize::MAX), Errno::EINVAL);
    assert_eq!(refused(1 << 20, (1 << 20) - 1), Errno::EPERM);
    write(&mut pipe, &[0; 2 * PAGE_SIZE + 1]).unwrap();
    assert_eq!(pipe.set_size(2 * PAGE_SIZE, usize::MAX).unwrap_err(), Errno::EBUSY);
    assert!(pipe.set_size(3 * PAGE_SIZE, 0).is_ok(), "a limit forbids growing, not shrinking");
}

#[test]
fn more_room_wakes_a_writer() {
    let mut pipe = open_pipe(1);
    write(&mut pipe, b"x").unwrap();
    assert_eq!(opened(pipe.set_size(2 * PAGE_SIZE, NEVER).unwrap()), (2 * PAGE_SIZE, WRITER));
}

#[test]
fn a_fault_at_the_start_changes_nothing() {
    let mut pipe = open_pipe(4);
    assert_eq!(write_from(&mut pipe, &[1; 100], Framing::Stream, 40).unwrap_err(), Errno::EFAULT);
    assert_eq!((pipe.bytes(), pipe.readiness(End::Read)), (0, Readiness::empty()));
    write(&mut pipe, b"data").unwrap();
    assert_eq!(write_from(&mut pipe, &[1; 100], Framing::Stream, 40).unwrap_err(), Errno::EFAULT);
    assert_eq!(read_into(&mut pipe, 4, 3).unwrap_err(), Errno::EFAULT);
    assert_eq!(read(&mut pipe, 64).unwrap(), b"data");
}

#[test]
fn a_fault_later_on_reports_the_pages_that_went_in() {
    let mut pipe = open_pipe(4);
    let data: Vec<u8> = (0..=255).cycle().take(3 * PAGE_SIZE).collect();
    let (count, wakes) = opened(write_from(&mut pipe, &data, Framing::Stream, 2 * PAGE_SIZE + 7).unwrap());
    assert_eq!((count, wakes), (2 * PAGE_SIZE, READER));
    assert_eq!(read_into(&mut pipe, NEVER, PAGE_SIZE + 7).unwrap().0, data[..PAGE_SIZE]);
    assert_eq!(read(&mut pipe, NEVER).unwrap(), data[PAGE_SIZE..2 * PAGE_SIZE]);
}

#[test]
fn without_memory_the_bytes_that_went_in_count() {
    let mut pipe = open_pipe(4);
    let mut pages = vec![new_page().unwrap()];
    let mut allocate = || pages.pop().ok_or(Errno::ENOMEM);
    let step = pipe
        .try_write(3 * PAGE_SIZE, Framing::Stream, &mut allocate, &mut |_: &mut _, range: Range<usize>| range.len());
    assert_eq!(step.unwrap().settle(|_| ()), PAGE_SIZE);
    let step = pipe
        .try_write(3 * PAGE_SIZE, Framing::Stream, &mut allocate, &mut |_: &mut _, range: Range<usize>| range.len());
    assert_eq!(step.unwrap_err(), Errno::ENOMEM);
}

#[test]
fn a_ping_pong_allocates_once() {
    let mut pipe = open_pipe(16);
    let mut pages = 0;
    for _ in 0..100 {
        let allocate = || {
            pages += 1;
            new_page()
        };
        pipe.try_write(1, Framing::Stream, allocate, &mut |_: &mut _, range: Range<usize>| range.len())
            .unwrap()
            .settle(|_| ());
        read(&mut pipe, 1).unwrap();
    }
    assert_eq!(pages, 1);
}

#[test]
fn the_last_close_of_all_drops_every_page() {
    let page = std::sync::Arc::new(());
    let mut pipe = PipeState::try_new(4, Recycle::Release).unwrap();
    pipe.open(End::Read).settle(|_| ());
    pipe.open(End::Write).settle(|_| ());
    let write = |pipe: &mut PipeState<_>| {
        pipe.try_write(9000, Framing::Stream, || Ok(page.clone()), &mut |_: &mut _, range: Range<usize>| range.len())
    };
    write(&mut pipe).unwrap().settle(|_| ());
    pipe.try_read(9000, &mut |_: &_, range: Range<usize>| range.len()).unwrap().settle(|_| ());
    write(&mut pipe).unwrap().settle(|_| ());
    assert_eq!(std::sync::Arc::strong_count(&page), 4);
    pipe.close(End::Write).settle(|_| ());
    pipe.close(End::Read).settle(|_| ());
    assert_eq!(std::sync::Arc::strong_count(&page), 1);
}

#[derive(Clone, Debug)]
enum Action {
    Write { writer: u8, len: usize, framing: Framing, mapped: usize },
    Read { len: usize, mapped: usize },
    Resize { bytes: usize },
}

fn action() -> impl Strategy<Value = Action> {
    let len = || prop_oneof![1..40_usize, 1..=PAGE_SIZE, 1..4 * PAGE_SIZE];
    let mapped = || prop_oneof![4 => Just(NEVER), 1 => 0..3 * PAGE_SIZE];
    let framing = prop_oneof![3 => Just(Framing::Stream), 1 => Just(Framing::Separate), 1 => Just(Framing::Packet)];
    prop_oneof![
        5 => (0..3_u8, len(), framing, mapped())
            .prop_map(|(writer, len, framing, mapped)| Action::Write { writer, len, framing, mapped }),
        5 => (len(), mapped()).prop_map(|(len, mapped)| Action::Read { len, mapped }),
        1 => (0..6 * PAGE_SIZE).prop_map(|bytes| Action::Resize { bytes }),
    ]
}

/// The plain model: what was accepted, as a stream with packets in between.
#[derive(Default)]
struct Model {
    messages: VecDeque<(Framing, VecDeque<u8>)>,
}

impl Model {
    fn push(&mut self, framing: Framing, data: &[u8]) {
        match framing {
            Framing::Stream | Framing::Separate => {
                self.messages.push_back((Framing::Stream, data.iter().copied().collect()));
            }
            Framing::Packet => {
                for packet in data.chunks(PAGE_SIZE) {
                    self.messages.push_back((framing, packet.iter().copied().collect()));
                }
            }
        }
    }

    fn bytes(&self) -> usize {
        self.messages.iter().map(|(_, data)| data.len()).sum()
    }

    /// What a read without faults must give.
    fn read(&mut self, len: usize) -> Vec<u8> {
        if let Some((Framing::Packet, _)) = self.messages.front() {
            let (_, packet) = self.messages.pop_front().unwrap();
            return packet.into_iter().take(len).collect();
        }
        let mut data = Vec::new();
        while data.len() < len
            && let Some((Framing::Stream, bytes)) = self.messages.front_mut()
        {
            data.extend(bytes.drain(..bytes.len().min(len - data.len())));
            if bytes.is_empty() {
                self.messages.pop_front();
            }
        }
        data
    }

    /// Takes the first `len` bytes of the stream, as a read that faulted after them did.
    fn read_exactly(&mut self, len: usize) -> Vec<u8> {
        if len == 0 { Vec::new() } else { self.read(len) }
    }
}

/// Each write carries its writer in the upper bits and a running number in the lower, so that interleaving would show.
fn message(writer: u8, next: &mut u8, len: usize) -> Vec<u8> {
    let number = |_| {
        *next = next.wrapping_add(1) & 0x3f;
        writer << 6 | *next
    };
    (0..len).map(number).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_pipe_is_a_queue_of_messages(actions in prop::collection::vec(action(), 1..60)) {
        let mut pipe = open_pipe(4);
        let (mut model, mut next) = (Model::default(), 0);
        for action in actions {
            let (was_empty, was_full) = (pipe.ring.is_empty(), pipe.ring.is_full());
            match action {
                Action::Write { writer, len, framing, mapped } => {
                    let data = message(writer, &mut next, len);
                    match write_from(&mut pipe, &data, framing, mapped).map(opened) {
                        Ok((count, wakes)) => {
                            prop_assert!(count > 0 && count <= len && count <= mapped);
                            prop_assert!(len > PIPE_BUF || count == len, "a small write is atomic");
                            prop_assert!(count == len || mapped < len || pipe.ring.is_full());
                            prop_assert_eq!(wakes, if was_empty { READER } else { Wakes::NONE });
                            model.push(framing, &data[..count]);
                        }
                        Err(Errno::EAGAIN) => prop_assert!(was_full),
                        Err(errno) => {
                            prop_assert_eq!(errno, Errno::EFAULT);
                            prop_assert!(mapped < len.min(PAGE_SIZE));
                        }
                    }
                }
                Action::Read { len, mapped } => match read_into(&mut pipe, len, mapped) {
                    Ok((data, wakes)) => {
                        let faulted = mapped < len;
                        let expected = if faulted { model.read_exactly(data.len()) } else { model.read(len) };
                        prop_assert_eq!(data, expected);
                        prop_assert_eq!(wakes, if was_full && !pipe.ring.is_full() { WRITER } else { Wakes::NONE });
                    }
                    Err(Errno::EAGAIN) => prop_assert!(was_empty),
                    Err(errno) => {
                        prop_assert_eq!(errno, Errno::EFAULT);
                        prop_assert!(mapped < len);
                    }
                },
                Action::Resize { bytes } => {
                    let fits = pipe.ring.occupancy() * PAGE_SIZE <= bytes.max(PAGE_SIZE).next_power_of_two();
                    let outcome = pipe.set_size(bytes, NEVER).map(|step| step.settle(|_| ()));
                    prop_assert_eq!(outcome.err(), if fits { None } else { Some(Errno::EBUSY) });
                }
            }
            prop_assert_eq!(pipe.bytes(), model.bytes());
            prop_assert_eq!(pipe.ring.is_empty(), model.bytes() == 0);
        }
    }
}
