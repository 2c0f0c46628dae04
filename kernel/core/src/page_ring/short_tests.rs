//! The short way against the general one.

use super::*;
use core::ops::Range;
use proptest::prelude::*;
use std::boxed::Box;
use std::vec::Vec;

type Page = Box<[u8; PAGE_SIZE]>;
type Ring = PageRing<Page>;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Bytes to write, and how many of them can be had.
    Write(usize, usize),
    /// Bytes to read, and for how many there is a place.
    Read(usize, usize),
    /// A packet of so many bytes.
    Packet(usize),
    /// Writers are held back, or not any more.
    Hold(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let len = prop_oneof![1_usize..40, 2000..=PAGE_SIZE];
    let mapped = || prop_oneof![8 => Just(usize::MAX), 1 => 0_usize..PAGE_SIZE];
    let step = prop_oneof![
        8 => (len.clone(), mapped()).prop_map(|(len, mapped)| Step::Write(len, mapped)),
        8 => (len.clone(), mapped()).prop_map(|(len, mapped)| Step::Read(len, mapped)),
        1 => len.prop_map(Step::Packet),
        1 => any::<bool>().prop_map(Step::Hold),
    ];
    proptest::collection::vec(step, 1..60)
}

fn new_page() -> Page {
    Box::new([0; PAGE_SIZE])
}

/// Writes as `plan_write` has it: `None` if there is no room.
fn write_as_planned(ring: &mut Ring, data: &[u8], framing: Framing, mapped: usize) -> Option<Result<()>> {
    if matches!(ring.plan_write(data.len(), framing), WriteStep::NeedsPage) {
        ring.supply_page(new_page());
    }
    let WriteStep::Room(mut room) = ring.plan_write(data.len(), framing) else { return None };
    let range = room.range();
    assert_eq!(range.len(), data.len(), "a write of at most a page takes one step");
    if mapped < range.len() {
        return Some(Err(Errno::EFAULT));
    }
    room.page_mut()[range].copy_from_slice(data);
    room.commit(data.len());
    Some(Ok(()))
}

/// One range of bytes as `plan_read` has it: `None` if there is none.
fn read_as_planned(ring: &mut Ring, len: usize, mapped: usize) -> Option<Result<Vec<u8>>> {
    let step = ring.plan_read(len)?;
    let bytes = step.page()[step.range()].to_vec();
    if mapped < bytes.len() {
        return Some(Err(Errno::EFAULT));
    }
    drop(step.commit(bytes.len()));
    Some(Ok(bytes))
}

fn pages(ring: &Ring) -> Vec<bool> {
    ring.slots.iter().map(|slot| slot.page.is_some()).collect()
}

proptest! {
    /// What the short way does the general one does too, and leaves the same ring behind; what it declines is the other's.
    #[test]
    fn the_short_way_leads_where_the_general_one_does(
        steps in steps(),
        recycle in prop_oneof![Just(Recycle::Keep), Just(Recycle::Release), Just(Recycle::Free)],
        capacity in prop_oneof![Just(1_usize), Just(4)],
    ) {
        let mut short = Ring::try_new(capacity, recycle).unwrap();
        let mut general = Ring::try_new(capacity, recycle).unwrap();
        let mut filler = 0_u8;
        for step in steps {
            match step {
                Step::Write(len, mapped) => {
                    filler = filler.wrapping_add(1);
                    let data: Vec<u8> = (0..len).map(|at| filler.wrapping_mul(31).wrapping_add(at.to_le_bytes()[0])).collect();
                    let put = short.write_short(len, &mut |page: &mut Page, range: Range<usize>| {
                        let copied = range.len().min(mapped);
                        page[range.start..range.start + copied].copy_from_slice(&data[..copied]);
                        copied
                    });
                    let put = put.or_else(|| write_as_planned(&mut short, &data, Framing::Stream, mapped));
                    prop_assert_eq!(put, write_as_planned(&mut general, &data, Framing::Stream, mapped));
                }
                Step::Read(len, mapped) => {
                    let mut bytes = Vec::new();
                    let taken = short.read_short(len, &mut |page: &Page, range: Range<usize>| {
                        bytes.extend_from_slice(&page[range.start..range.start + range.len().min(mapped)]);
                        bytes.len()
                    });
                    let taken = match taken {
                        Some(taken) => Some(taken.map(|count| { assert_eq!(count, bytes.len()); bytes })),
                        None => read_as_planned(&mut short, len, mapped),
                    };
                    prop_assert_eq!(taken, read_as_planned(&mut general, len, mapped));
                }
                Step::Packet(len) => {
                    let data = std::vec![0x55; len];
                    let written = write_as_planned(&mut short, &data, Framing::Packet, usize::MAX);
                    prop_assert_eq!(written, write_as_planned(&mut general, &data, Framing::Packet, usize::MAX));
                }
                Step::Hold(true) => for ring in [&mut short, &mut general] {
                    ring.hold_back(Party::Writers);
                },
                Step::Hold(false) => for ring in [&mut short, &mut general] {
                    ring.let_in(Party::Writers);
                },
            }
            prop_assert_eq!(short.head_tail(), general.head_tail());
            prop_assert_eq!((short.bytes(), short.through()), (general.bytes(), general.through()));
            prop_assert_eq!(pages(&short), pages(&general));
        }
    }
}

#[test]
fn one_byte_there_and_back_goes_the_short_way_once_there_is_a_page() {
    let mut ring = Ring::try_new(2, Recycle::Release).unwrap();
    assert!(ring.write_short(1, &mut |_: &mut Page, _: Range<usize>| panic!("there is no page")).is_none());
    ring.supply_page(new_page());
    for turn in 0..5_u8 {
        let put = ring.write_short(1, &mut |page: &mut Page, range: Range<usize>| {
            page[range.start] = turn;
            range.len()
        });
        assert_eq!(put, Some(Ok(())));
        let taken = ring.read_short(64, &mut |page: &Page, range: Range<usize>| {
            assert_eq!(page[range.start], turn);
            range.len()
        });
        assert_eq!(taken, Some(Ok(1)));
        assert_eq!(ring.read_short(1, &mut |_: &Page, _: Range<usize>| panic!("there is no byte")), None);
    }
}

#[test]
fn what_lies_in_two_slots_or_is_a_packet_takes_the_general_way() {
    let mut ring = Ring::try_new(4, Recycle::Keep).unwrap();
    for len in [PAGE_SIZE, 1] {
        assert!(write_as_planned(&mut ring, &std::vec![1; len], Framing::Stream, usize::MAX).is_some());
    }
    assert_eq!(ring.read_short(PAGE_SIZE + 1, &mut |_: &Page, _: Range<usize>| panic!("one page is not all")), None);
    assert_eq!(ring.read_short(PAGE_SIZE, &mut |_: &Page, range: Range<usize>| range.len()), Some(Ok(PAGE_SIZE)));
    assert_eq!(ring.read_short(9, &mut |_: &Page, range: Range<usize>| range.len()), Some(Ok(1)));
    assert!(write_as_planned(&mut ring, b"packet", Framing::Packet, usize::MAX).is_some());
    assert_eq!(ring.read_short(9, &mut |_: &Page, _: Range<usize>| panic!("a packet")), None);
    assert_eq!(ring.write_short(PAGE_SIZE + 1, &mut |_: &mut Page, _: Range<usize>| panic!("more than a page")), None);
}
