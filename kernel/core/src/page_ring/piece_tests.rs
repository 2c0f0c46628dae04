//! Pieces in and out of one ring: who may write to which page, and what becomes of idle ones.

use super::*;
use std::rc::Rc;
use std::vec::Vec;

type Page = Rc<[u8; PAGE_SIZE]>;
type Ring = PageRing<Page>;

fn ring(capacity: usize, recycle: Recycle) -> Ring {
    Ring::try_new(capacity, recycle).unwrap()
}

/// Writes a stream; a page that is written to must have no other owner. The number of pages it had to supply.
fn write(ring: &mut Ring, mut data: &[u8]) -> usize {
    let mut supplied = 0;
    while !data.is_empty() {
        match ring.plan_write(data.len(), Framing::Stream) {
            WriteStep::Full => panic!("no room"),
            WriteStep::NeedsPage => {
                supplied += 1;
                ring.supply_page(Rc::new([0; PAGE_SIZE]));
            }
            WriteStep::Room(mut room) => {
                let range = room.range();
                let page = Rc::get_mut(room.page_mut()).expect("a page that somebody else holds is not written to");
                let (now, later) = data.split_at(range.len());
                page[range].copy_from_slice(now);
                room.commit(now.len());
                data = later;
            }
        }
    }
    supplied
}

fn read(ring: &mut Ring) -> Vec<u8> {
    let mut data = Vec::new();
    while let Some(step) = ring.plan_read(PAGE_SIZE) {
        data.extend_from_slice(&step.page()[step.range()]);
        let all = step.range().len();
        drop(step.commit(all));
    }
    data
}

fn push(ring: &mut Ring, page: &Page, range: Range<usize>) {
    assert!(ring.push(Piece::new(page.clone(), range, Hold::Shared)).is_ok());
}

use core::ops::Range;

/// What made "Dirty Pipe": a small write after a file's page had come into the pipe went into the file.
#[test]
fn a_write_behind_a_shared_piece_leaves_its_page_alone() {
    for recycle in [Recycle::Keep, Recycle::Release] {
        let file: Page = Rc::new([b'f'; PAGE_SIZE]);
        let mut ring = ring(4, recycle);
        // A slot that was used before, with a page and whatever marks the last use left.
        write(&mut ring, b"x");
        read(&mut ring);
        push(&mut ring, &file, 0..10);
        write(&mut ring, b"more");
        assert_eq!(ring.occupancy(), 2);
        assert_eq!(*file, [b'f'; PAGE_SIZE]);
        assert_eq!(read(&mut ring), b"ffffffffffmore");
    }
}

#[test]
fn a_shared_page_is_let_go_when_it_is_drained() {
    for recycle in [Recycle::Keep, Recycle::Release] {
        let file: Page = Rc::new([b'f'; PAGE_SIZE]);
        let mut ring = ring(1, recycle);
        push(&mut ring, &file, 0..PAGE_SIZE);
        read(&mut ring);
        assert_eq!(Rc::strong_count(&file), 1);
        assert_eq!(write(&mut ring, b"new"), 1, "the next write has a page of its own");
    }
}

#[test]
fn a_slot_of_which_a_reference_was_given_away_takes_no_more_bytes() {
    let mut ring = ring(4, Recycle::Keep);
    write(&mut ring, b"abc");
    let copy = ring.share(0, 2).unwrap();
    assert_eq!((copy.range(), copy.hold()), (0..2, Hold::Shared));
    write(&mut ring, b"def");
    assert_eq!(ring.occupancy(), 2);
    assert_eq!(read(&mut ring), b"abcdef");
    assert_eq!(&copy.page()[copy.range()], b"ab");
}

#[test]
fn a_part_that_is_taken_shares_the_page_with_the_rest() {
    let mut ring = ring(4, Recycle::Keep);
    write(&mut ring, b"abcdef");
    let front = ring.take(2).unwrap();
    assert_eq!((front.range(), front.hold(), ring.bytes()), (0..2, Hold::Shared, 4));
    write(&mut ring, b"gh");
    assert_eq!(ring.occupancy(), 2);
    assert_eq!(&front.page()[front.range()], b"ab");
    assert_eq!(read(&mut ring), b"cdefgh");
}

#[test]
fn a_piece_taken_whole_stays_exclusive() {
    let mut one = ring(2, Recycle::Release);
    let mut other = ring(2, Recycle::Release);
    write(&mut one, b"abc");
    let piece = one.take(usize::MAX).unwrap();
    assert_eq!((piece.hold(), one.is_empty(), one.bytes()), (Hold::Exclusive, true, 0));
    assert_eq!(other.push(piece).unwrap(), None);
    write(&mut other, b"de");
    assert_eq!(other.occupancy(), 1, "its page still takes merged bytes");
    assert_eq!(read(&mut other), b"abcde");
}

#[test]
fn idle_pages_find_a_place_or_come_back() {
    for recycle in [Recycle::Keep, Recycle::Release] {
        let mut ring = ring(2, recycle);
        write(&mut ring, b"x");
        ring.take(1).unwrap();
        assert_eq!(ring.keep_idle(Rc::new([0; PAGE_SIZE])), None);
        assert_eq!(ring.keep_idle(Rc::new([0; PAGE_SIZE])), None);
        assert!(ring.keep_idle(Rc::new([0; PAGE_SIZE])).is_some());
        assert_eq!(write(&mut ring, &[1; 2 * PAGE_SIZE]), 0, "both are used");
        assert!(ring.keep_idle(Rc::new([0; PAGE_SIZE])).is_some(), "a full ring keeps none");
    }
}

#[test]
fn a_ring_that_keeps_pages_keeps_no_shared_one_when_it_is_cleared() {
    let file: Page = Rc::new([b'f'; PAGE_SIZE]);
    let mut ring = ring(4, Recycle::Keep);
    write(&mut ring, b"own");
    push(&mut ring, &file, 0..10);
    ring.clear();
    assert_eq!((Rc::strong_count(&file), ring.bytes(), ring.is_empty()), (1, 0, true));
    assert_eq!(write(&mut ring, &[1; 4 * PAGE_SIZE]), 3, "only its own page was left");
}

#[test]
fn a_full_ring_gives_the_piece_back() {
    let mut ring = ring(1, Recycle::Keep);
    write(&mut ring, b"x");
    let piece = Piece::new(Rc::new([7; PAGE_SIZE]), 3..5, Hold::Shared);
    assert_eq!(ring.push(piece.clone()).unwrap_err(), piece);
    assert_eq!(read(&mut ring), b"x");
}

#[test]
fn an_offer_is_taken_in_part_in_whole_or_with_its_page() {
    let mut ring = ring(4, Recycle::Keep);
    write(&mut ring, &[1; PAGE_SIZE]);
    write(&mut ring, &[2; PAGE_SIZE]);
    let offered = |ring: &mut Ring, len, taken: Result<usize>| ring.offer(len, |_| taken).unwrap();
    assert_eq!(offered(&mut ring, 9, Err(Errno::EIO)), Err(Errno::EIO));
    assert_eq!(ring.bytes(), 2 * PAGE_SIZE);
    assert_eq!(offered(&mut ring, 9, Ok(4)), Ok(4));
    assert_eq!((ring.bytes(), ring.plan_read(PAGE_SIZE).unwrap().range()), (2 * PAGE_SIZE - 4, 4..PAGE_SIZE));
    // A part of what waits in a page can be copied only.
    let taken: Option<Result<usize>> = ring.offer(100, |offer| {
        assert_eq!(offer.range(), 4..104);
        assert!(offer.take_page().is_none());
        Ok(100)
    });
    assert_eq!(taken, Some(Ok(100)));
    let mut page = None;
    let taken: Option<Result<usize>> = ring.offer(usize::MAX, |offer| {
        page = offer.take_page();
        Ok(offer.range().len())
    });
    assert_eq!((taken, page), (Some(Ok(PAGE_SIZE - 104)), Some(Rc::new([1; PAGE_SIZE]))));
    assert_eq!((read(&mut ring), ring.offer(1, |_| Ok::<_, Errno>(1))), (std::vec![2; PAGE_SIZE], None));
}

#[test]
fn packets_stay_packets() {
    let mut ring = ring(4, Recycle::Keep);
    ring.supply_page(Rc::new([5; PAGE_SIZE]));
    let WriteStep::Room(room) = ring.plan_write(4, Framing::Packet) else { panic!("no room") };
    room.commit(4);
    let front = ring.take(3).unwrap();
    assert_eq!(front.range(), 0..3);
    ring.push(front).unwrap();
    // The rest of the packet and its front are a packet each.
    for length in [1, 3] {
        let step = ring.plan_read(PAGE_SIZE).unwrap();
        assert_eq!((step.framing(), step.range().len()), (Framing::Packet, length));
        drop(step.commit(1));
    }
    assert!(ring.is_empty() && ring.bytes() == 0);
}
