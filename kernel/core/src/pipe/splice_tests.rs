//! Splice and tee against their contract, and against queues of bytes: nothing lost, nothing doubled, no shared page written.

use super::*;
use crate::page_ring::{Hold, Piece};
use core::ops::Range;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::vec::Vec;

/// A page that knows its owners: whoever writes to it must be the only one.
type Page = Rc<RefCell<[u8; PAGE_SIZE]>>;
type Pipe = PipeState<Page>;

fn new_page() -> Page {
    Rc::new(RefCell::new([0xee; PAGE_SIZE]))
}

fn open_pipe(slots: usize, recycle: Recycle) -> Pipe {
    let mut pipe = Pipe::try_new(slots, recycle).unwrap();
    pipe.open(End::Read).settle(|_| ());
    pipe.open(End::Write).settle(|_| ());
    pipe
}

fn pipe(slots: usize) -> Pipe {
    open_pipe(slots, Recycle::Release)
}

fn write_as(pipe: &mut Pipe, data: &[u8], framing: Framing, pages: &mut usize) -> Result<usize> {
    let mut at = 0;
    let allocate = || {
        *pages += 1;
        Ok(new_page())
    };
    let step = pipe.try_write(data.len(), framing, allocate, &mut |page: &mut Page, range: Range<usize>| {
        assert_eq!(Rc::strong_count(page), 1, "written to a page that somebody else holds");
        let length = range.len();
        page.borrow_mut()[range].copy_from_slice(&data[at..at + length]);
        at += length;
        length
    })?;
    Ok(step.settle(|_| ()))
}

fn write(pipe: &mut Pipe, data: &[u8]) -> Result<usize> {
    write_as(pipe, data, Framing::Stream, &mut 0)
}

fn read(pipe: &mut Pipe, len: usize) -> Result<Vec<u8>> {
    let mut data = Vec::new();
    let step = pipe.try_read(len, &mut |page: &Page, range: Range<usize>| {
        data.extend_from_slice(&page.borrow()[range.clone()]);
        range.len()
    })?;
    assert_eq!(step.settle(|_| ()), data.len());
    Ok(data)
}

/// The number of bytes, and whom to wake at the source and at the target.
fn crossed(crossing: core::result::Result<Crossing, Refusal>) -> core::result::Result<(usize, Wakes, Wakes), Refusal> {
    let Crossing { source, target } = crossing?;
    let mut wakes = Wakes::NONE;
    let moved = target.settle(|wanted| wakes = wanted);
    Ok((moved.bytes, source, wakes))
}

fn splice(source: &mut Pipe, target: &mut Pipe, len: usize) -> core::result::Result<usize, Refusal> {
    crossed(Pipe::splice(source, target, len)).map(|(bytes, ..)| bytes)
}

fn tee(source: &mut Pipe, target: &mut Pipe, len: usize) -> core::result::Result<usize, Refusal> {
    crossed(Pipe::tee(source, target, len)).map(|(bytes, ..)| bytes)
}

#[test]
fn a_splice_moves_bytes_and_a_tee_leaves_them() {
    let (mut one, mut other) = (pipe(4), pipe(4));
    write(&mut one, b"hello").unwrap();
    assert_eq!(tee(&mut one, &mut other, 3), Ok(3));
    assert_eq!(splice(&mut one, &mut other, 2), Ok(2));
    assert_eq!((one.bytes(), other.bytes()), (3, 5));
    assert_eq!(read(&mut other, 64).unwrap(), b"helhe");
    assert_eq!(read(&mut one, 64).unwrap(), b"llo");
}

#[test]
fn what_is_looked_at_first_is_the_input_then_the_reader_then_the_room() {
    let (mut one, mut other) = (pipe(1), pipe(1));
    assert_eq!(splice(&mut one, &mut other, 1), Err(Refusal::NoData));
    other.close(End::Read).settle(|_| ());
    assert_eq!(tee(&mut one, &mut other, 1), Err(Refusal::NoData));
    write(&mut one, b"x").unwrap();
    assert_eq!(splice(&mut one, &mut other, 1), Err(Refusal::Failed(Errno::EPIPE)));
    other.open(End::Read).settle(|_| ());
    write(&mut other, b"y").unwrap();
    assert_eq!(splice(&mut one, &mut other, 1), Err(Refusal::NoRoom));
    read(&mut one, 1).unwrap();
    one.close(End::Write).settle(|_| ());
    assert_eq!(splice(&mut one, &mut other, 1), Ok(0), "the end of the input");
    assert_eq!(tee(&mut one, &mut other, 1), Ok(0));
}

#[test]
fn a_crossing_wakes_a_writer_of_the_full_and_a_reader_of_the_empty() {
    let (mut one, mut other) = (pipe(1), pipe(2));
    write(&mut one, b"x").unwrap();
    let writer = Wakes { writers: Wake::One, ..Wakes::NONE };
    let reader = Wakes { readers: Wake::One, ..Wakes::NONE };
    assert_eq!(crossed(Pipe::tee(&mut one, &mut other, 1)), Ok((1, Wakes::NONE, reader)));
    assert_eq!(crossed(Pipe::splice(&mut one, &mut other, 1)), Ok((1, writer, Wakes::NONE)));
    one.close(End::Write).settle(|_| ());
    assert_eq!(crossed(Pipe::splice(&mut one, &mut other, 1)), Ok((0, Wakes::NONE, Wakes::NONE)));
}

#[test]
fn pieces_go_in_as_far_as_there_are_slots() {
    let mut pipe = pipe(2);
    let piece = |byte: u8| Piece::new(Rc::new(RefCell::new([byte; PAGE_SIZE])), 1..3, Hold::Shared);
    let moved = pipe.try_accept([piece(1), piece(2), piece(3)]).unwrap().settle(|_| ());
    assert_eq!(moved, Moved { bytes: 4, pieces: 2 });
    assert_eq!(pipe.try_accept([piece(4)]).err(), Some(Refusal::NoRoom));
    assert_eq!(read(&mut pipe, 64).unwrap(), [1, 1, 2, 2]);
    pipe.close(End::Read).settle(|_| ());
    assert_eq!(pipe.try_accept([piece(4)]).err(), Some(Refusal::Failed(Errno::EPIPE)));
}

#[test]
fn an_offer_ends_when_less_is_taken_and_reports_only_the_first_error() {
    let mut pipe = pipe(4);
    let offer = |pipe: &mut Pipe, len, answers: &[Result<usize>]| {
        let mut answers = answers.iter();
        pipe.try_offer(len, |_| *answers.next().unwrap()).map(|step| step.settle(|_| ()).bytes)
    };
    assert_eq!(offer(&mut pipe, 9, &[]), Err(Refusal::NoData));
    write(&mut pipe, &[0; 3 * PAGE_SIZE]).unwrap();
    assert_eq!(offer(&mut pipe, usize::MAX, &[Err(Errno::EAGAIN)]), Err(Refusal::NoRoom));
    assert_eq!(offer(&mut pipe, usize::MAX, &[Err(Errno::ENOSPC)]), Err(Refusal::Failed(Errno::ENOSPC)));
    assert_eq!(offer(&mut pipe, usize::MAX, &[Ok(PAGE_SIZE), Ok(5)]), Ok(PAGE_SIZE + 5));
    assert_eq!(offer(&mut pipe, usize::MAX, &[Ok(PAGE_SIZE - 5), Err(Errno::ENOSPC)]), Ok(PAGE_SIZE - 5));
    assert_eq!(offer(&mut pipe, 7, &[Ok(7)]), Ok(7));
    assert_eq!(pipe.bytes(), PAGE_SIZE - 7);
    read(&mut pipe, PAGE_SIZE).unwrap();
    pipe.close(End::Write).settle(|_| ());
    assert_eq!(offer(&mut pipe, 9, &[]), Ok(0));
}

#[test]
fn what_is_lent_is_nobody_elses_until_it_is_given_back() {
    let (mut one, mut other) = (pipe(2), pipe(2));
    write(&mut one, b"hello").unwrap();
    let mut lent = Vec::new();
    assert_eq!(one.lend(4, 9, |piece| lent.push(piece)), Ok(true));
    assert_eq!((lent.len(), lent[0].len(), one.has_lent()), (1, 4, true));
    assert_eq!(read(&mut one, 9), Err(Errno::EAGAIN));
    assert!(!one.holds_back(End::Read), "nobody is to be let in");
    assert_eq!(one.lend(4, 9, drop), Err(Refusal::NoData));
    assert_eq!(one.try_offer(9, |_| Ok(1)).err(), Some(Refusal::NoData));
    assert_eq!(splice(&mut one, &mut other, 9), Err(Refusal::NoData));
    let mut wakes = Wakes::NONE;
    one.take_back(2).settle(|wanted| wakes = wanted);
    assert_eq!(wakes, Wakes { readers: Wake::One, ..Wakes::NONE }, "he came in vain");
    assert_eq!(read(&mut one, 9).unwrap(), b"llo");
    assert_eq!(one.lend_room(), Ok(2));
    assert_eq!(write(&mut one, b"x"), Err(Errno::EAGAIN));
    assert_eq!(one.try_accept([]).err(), Some(Refusal::NoRoom));
    assert_eq!(one.set_size(PAGE_SIZE, usize::MAX).err(), Some(Errno::EBUSY));
    one.close(End::Read).settle(|_| ());
    let moved = one.fill_room(lent).settle(|wanted| wakes = wanted);
    assert_eq!((moved, wakes.writers), (Moved { bytes: 4, pieces: 1 }, Wake::One));
    assert_eq!(one.lend_room(), Err(Refusal::Failed(Errno::EPIPE)));
}

#[test]
fn a_loan_that_nobody_came_for_meanwhile_wakes_only_as_bytes_do() {
    let mut pipe = pipe(1);
    assert_eq!(pipe.lend(9, 9, drop), Err(Refusal::NoData));
    write(&mut pipe, b"hello").unwrap();
    assert_eq!(pipe.lend(9, 9, drop), Ok(true));
    pipe.take_back(1).settle(|wakes| assert_eq!(wakes, Wakes::NONE));
    assert_eq!(pipe.lend(9, 9, drop), Ok(true));
    pipe.take_back(4).settle(|wakes| assert_eq!(wakes, Wakes { writers: Wake::One, ..Wakes::NONE }));
    pipe.close(End::Write).settle(|_| ());
    assert_eq!(pipe.lend(9, 9, drop), Ok(false), "the end");
    assert!(!pipe.has_lent());
}

/// A page on its way through two pipes is exchanged for an idle one: no allocation once everything is warm.
#[test]
fn a_relay_of_whole_pages_allocates_nothing_after_the_first() {
    for recycle in [Recycle::Keep, Recycle::Release] {
        let (mut one, mut other) = (open_pipe(4, recycle), open_pipe(4, recycle));
        let mut pages = 0;
        for lap in 0..20 {
            write_as(&mut one, &[1; PAGE_SIZE], Framing::Stream, &mut pages).unwrap();
            splice(&mut one, &mut other, PAGE_SIZE).unwrap();
            read(&mut other, PAGE_SIZE).unwrap();
            if lap == 9 {
                pages = 0;
            }
        }
        assert_eq!(pages, 0, "{recycle:?}");
    }
}

#[derive(Clone, Debug)]
enum Action {
    Write {
        to: usize,
        len: usize,
        packet: bool,
    },
    Read {
        from: usize,
        len: usize,
    },
    Splice {
        from: usize,
        len: usize,
    },
    Tee {
        from: usize,
        len: usize,
    },
    /// A piece of a file's page comes in.
    Accept {
        to: usize,
        start: usize,
        len: usize,
    },
    /// A file takes bytes: the page if it may, else a copy of at most so many.
    Offer {
        from: usize,
        len: usize,
        most: usize,
    },
    Resize {
        which: usize,
        order: u32,
    },
    /// Somebody goes away with the first bytes, or, if somebody is, comes back and has taken so many.
    LendBytes {
        from: usize,
        len: usize,
    },
    /// Somebody goes away for bytes, or, if somebody is, comes back with so many pieces.
    LendRoom {
        to: usize,
        pieces: usize,
    },
}

fn action() -> impl Strategy<Value = Action> {
    let len = || prop_oneof![1..40_usize, 1..=PAGE_SIZE, Just(PAGE_SIZE), 1..5 * PAGE_SIZE];
    let which = || 0..2_usize;
    prop_oneof![
        5 => (which(), len(), prop::bool::weighted(0.2)).prop_map(|(to, len, packet)| Action::Write { to, len, packet }),
        4 => (which(), len()).prop_map(|(from, len)| Action::Read { from, len }),
        4 => (which(), len()).prop_map(|(from, len)| Action::Splice { from, len }),
        2 => (which(), len()).prop_map(|(from, len)| Action::Tee { from, len }),
        2 => (which(), 0..PAGE_SIZE, 1..=PAGE_SIZE).prop_map(|(to, start, len)| Action::Accept { to, start, len }),
        2 => (which(), len(), 0..=PAGE_SIZE).prop_map(|(from, len, most)| Action::Offer { from, len, most }),
        1 => (which(), 0..4_u32).prop_map(|(which, order)| Action::Resize { which, order }),
        3 => (which(), len()).prop_map(|(from, len)| Action::LendBytes { from, len }),
        2 => (which(), 0..4_usize).prop_map(|(to, pieces)| Action::LendRoom { to, pieces }),
    ]
}

/// Two pipes, and the bytes that must be in each.
struct World {
    pipes: [Pipe; 2],
    models: [VecDeque<u8>; 2],
    /// What is lent of each: its first bytes, its room.
    lent_bytes: [Option<Vec<u8>>; 2],
    lent_room: [Option<usize>; 2],
    file: Page,
    next: u8,
}

impl World {
    /// The pipe `from`, and the other one.
    fn both(&mut self, from: usize) -> (&mut Pipe, &mut Pipe) {
        let [one, other] = &mut self.pipes;
        if from == 0 { (one, other) } else { (other, one) }
    }

    fn take_from_model(&mut self, from: usize, count: usize) -> Vec<u8> {
        self.models[from].drain(..count).collect()
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Write { to, len, packet } => self.write(to, len, packet),
            Action::Read { from, len } => match read(&mut self.pipes[from], len) {
                Ok(data) => {
                    // Of a packet the excess goes as well.
                    let gone = self.models[from].len() - self.pipes[from].bytes();
                    assert_eq!(self.take_from_model(from, gone)[..data.len()], data);
                }
                Err(error) => {
                    assert_eq!(error, Errno::EAGAIN);
                    assert!(self.models[from].is_empty() || self.lent_bytes[from].is_some());
                }
            },
            Action::Splice { from, len } => {
                let (source, target) = self.both(from);
                if let Ok(bytes) = splice(source, target, len) {
                    assert!(bytes <= len && bytes != 0);
                    let moved = self.take_from_model(from, bytes);
                    self.models[1 - from].extend(moved);
                }
            }
            Action::Tee { from, len } => {
                let (source, target) = self.both(from);
                if let Ok(bytes) = tee(source, target, len) {
                    assert!(bytes <= len && bytes != 0);
                    let copied: Vec<u8> = self.models[from].iter().take(bytes).copied().collect();
                    self.models[1 - from].extend(copied);
                }
            }
            Action::Accept { to, start, len } => {
                let range = start..(start + len).min(PAGE_SIZE);
                let piece = Piece::new(self.file.clone(), range.clone(), Hold::Shared);
                if let Ok(step) = self.pipes[to].try_accept([piece]) {
                    assert_eq!(step.settle(|_| ()).bytes, range.len());
                    self.models[to].extend(&self.file.borrow()[range]);
                }
            }
            Action::Offer { from, len, most } => self.offer(from, len, most),
            Action::Resize { which, order } => {
                let _ = self.pipes[which].set_size(PAGE_SIZE << order, usize::MAX).map(|step| step.settle(|_| ()));
            }
            Action::LendBytes { from, len } => self.lend_bytes(from, len),
            Action::LendRoom { to, pieces } => self.lend_room(to, pieces),
        }
    }

    fn write(&mut self, to: usize, len: usize, packet: bool) {
        let data: Vec<u8> = (0..len)
            .map(|_| {
                self.next = self.next.wrapping_add(1);
                self.next
            })
            .collect();
        let framing = if packet { Framing::Packet } else { Framing::Stream };
        let had_room = !self.pipes[to].ring.is_full();
        match write_as(&mut self.pipes[to], &data, framing, &mut 0) {
            Ok(written) => {
                assert!(written == len || len > PIPE_BUF, "a small write was torn");
                self.models[to].extend(&data[..written]);
            }
            Err(error) => {
                assert_eq!(error, Errno::EAGAIN);
                assert!(!had_room || self.lent_room[to].is_some());
            }
        }
    }

    fn lend_bytes(&mut self, from: usize, len: usize) {
        if let Some(lent) = self.lent_bytes[from].take() {
            let taken = len.min(lent.len());
            self.pipes[from].take_back(taken).settle(|_| ());
            assert_eq!(self.take_from_model(from, taken), lent[..taken], "others had some of it meanwhile");
            return;
        }
        let mut lent = Vec::new();
        let mut give = |piece: Piece<Page>| lent.extend_from_slice(&piece.page().borrow()[piece.range()]);
        if self.pipes[from].lend(len, 3, &mut give) == Ok(true) {
            assert!(lent.len() <= len);
            self.lent_bytes[from] = Some(lent);
        }
    }

    fn lend_room(&mut self, to: usize, pieces: usize) {
        if let Some(room) = self.lent_room[to].take() {
            let piece = Piece::new(self.file.clone(), 7..12, Hold::Shared);
            let pieces = pieces.min(room);
            let moved = self.pipes[to].fill_room((0..pieces).map(|_| piece.clone())).settle(|_| ());
            assert_eq!(moved, Moved { bytes: 5 * pieces, pieces }, "the room was lent and is not there");
            (0..pieces).for_each(|_| self.models[to].extend(&self.file.borrow()[7..12]));
        } else {
            self.lent_room[to] = self.pipes[to].lend_room().ok();
        }
    }

    fn offer(&mut self, from: usize, len: usize, most: usize) {
        let mut got = Vec::new();
        let step = self.pipes[from].try_offer(len, |offer| {
            let range = offer.range();
            if offer.range().len() <= most
                && Rc::strong_count(offer.page()) == 1
                && let Some(page) = offer.take_page()
            {
                got.extend_from_slice(&page.borrow()[range.clone()]);
                return Ok(range.len());
            }
            let count = range.len().min(most);
            got.extend_from_slice(&offer.page().borrow()[range.start..range.start + count]);
            Ok(count)
        });
        let bytes = step.map_or(0, |step| step.settle(|_| ()).bytes);
        assert_eq!(bytes, got.len());
        assert_eq!(self.take_from_model(from, bytes), got);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Two pipes and a file, all calls in any order: every byte is where it belongs, once and in order, and the file is as it was.
    #[test]
    fn pages_that_move_lose_and_double_no_byte(keep in any::<bool>(), actions in prop::collection::vec(action(), 1..60)) {
        let recycle = if keep { Recycle::Keep } else { Recycle::Release };
        let contents = core::array::from_fn(|index| (index % 255).to_le_bytes()[0]);
        let mut world = World {
            pipes: [open_pipe(4, recycle), open_pipe(4, recycle)],
            models: [VecDeque::new(), VecDeque::new()],
            lent_bytes: [None, None],
            lent_room: [None, None],
            file: Rc::new(RefCell::new(contents)),
            next: 0,
        };
        for action in actions {
            world.act(action);
            for (pipe, model) in world.pipes.iter().zip(&world.models) {
                prop_assert_eq!(pipe.bytes(), model.len());
                prop_assert_eq!(pipe.ring.is_empty(), model.is_empty());
            }
        }
        for from in [0, 1] {
            if world.lent_bytes[from].is_some() {
                world.lend_bytes(from, 0);
            }
            while !world.models[from].is_empty() {
                world.act(Action::Read { from, len: PAGE_SIZE });
            }
        }
        prop_assert!(*world.file.borrow() == contents, "the file was written to");
        world.pipes.iter_mut().for_each(|pipe| pipe.ring.clear());
        prop_assert_eq!(Rc::strong_count(&world.file), 1);
    }
}
