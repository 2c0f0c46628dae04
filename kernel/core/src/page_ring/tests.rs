//! The ring against plain models: bytes in order, no page lost, no stale slot touched.

use super::*;
use proptest::prelude::*;
use std::boxed::Box;
use std::collections::VecDeque;
use std::vec::Vec;

type Page = Box<[u8; PAGE_SIZE]>;
type Ring = PageRing<Page>;

fn ring(capacity: usize, recycle: Recycle) -> Ring {
    Ring::try_new(capacity, recycle).unwrap()
}

fn page() -> Page {
    Box::new([0; PAGE_SIZE])
}

/// Writes until the ring refuses or a copy stops after `fault_after` bytes in all; returns the bytes that went in.
fn write(ring: &mut Ring, data: &[u8], framing: Framing, fault_after: usize, pages: &mut usize) -> usize {
    let mut written = 0;
    while written < data.len() {
        match ring.plan_write(data.len() - written, framing) {
            WriteStep::Full => break,
            WriteStep::NeedsPage => {
                *pages += 1;
                ring.supply_page(page());
            }
            WriteStep::Room(mut room) => {
                let range = room.range();
                let copied = range.len().min(fault_after - written);
                let target = range.start..range.start + copied;
                room.page_mut()[target].copy_from_slice(&data[written..written + copied]);
                room.commit(copied);
                written += copied;
                if copied < range.len() {
                    break;
                }
            }
        }
    }
    written
}

fn put(ring: &mut Ring, data: &[u8], framing: Framing) -> usize {
    write(ring, data, framing, usize::MAX, &mut 0)
}

/// Reads at most `len` bytes, or one packet.
fn read(ring: &mut Ring, len: usize, freed: &mut usize) -> Vec<u8> {
    let mut data = Vec::new();
    while data.len() < len
        && let Some(step) = ring.plan_read(len - data.len())
    {
        if step.framing() == Framing::Packet && !data.is_empty() {
            break;
        }
        data.extend_from_slice(&step.page()[step.range()]);
        let (framing, copied) = (step.framing(), step.range().len());
        *freed += usize::from(step.commit(copied).is_some());
        if framing == Framing::Packet {
            break;
        }
    }
    data
}

fn take(ring: &mut Ring, len: usize) -> Vec<u8> {
    read(ring, len, &mut 0)
}

#[test]
fn a_capacity_must_be_a_power_of_two() {
    for capacity in [0, 3, 17, usize::MAX] {
        assert_eq!(Ring::try_new(capacity, Recycle::Keep).err(), Some(Errno::EINVAL));
    }
    assert_eq!(ring(16, Recycle::Keep).capacity(), 16);
}

#[test]
fn small_writes_share_a_page() {
    let mut ring = ring(2, Recycle::Keep);
    for word in ["he", "l", "lo"] {
        put(&mut ring, word.as_bytes(), Framing::Stream);
    }
    assert_eq!((ring.occupancy(), ring.bytes()), (1, 5));
    assert_eq!(take(&mut ring, 64), b"hello");
}

#[test]
fn a_write_that_does_not_fit_whole_behind_the_last_bytes_takes_a_new_slot() {
    let mut ring = ring(2, Recycle::Keep);
    put(&mut ring, &[1; 4000], Framing::Stream);
    put(&mut ring, &[2; 97], Framing::Stream);
    assert_eq!(ring.occupancy(), 2);
    assert_eq!(put(&mut ring, &[3; 4000], Framing::Stream), 0, "no part of an atomic write may go in");
    assert_eq!(put(&mut ring, &[3; 3999], Framing::Stream), 3999);
}

#[test]
fn a_merge_starts_where_the_data_end_now_even_after_a_partial_read() {
    let mut ring = ring(1, Recycle::Keep);
    put(&mut ring, b"abcdef", Framing::Stream);
    assert_eq!(take(&mut ring, 4), b"abcd");
    put(&mut ring, b"ghi", Framing::Stream);
    assert_eq!((ring.occupancy(), ring.bytes()), (1, 5));
    assert_eq!(take(&mut ring, 64), b"efghi");
}

#[test]
fn a_drained_slot_never_looks_mergeable() {
    for recycle in [Recycle::Keep, Recycle::Release] {
        let mut ring = ring(1, recycle);
        put(&mut ring, b"old", Framing::Stream);
        take(&mut ring, 3);
        let mut pages = 0;
        write(&mut ring, b"new", Framing::Stream, usize::MAX, &mut pages);
        assert_eq!(pages, 0, "the drained page is at hand");
        assert_eq!(ring.plan_read(64).unwrap().range(), 0..3, "a fresh slot starts at the page's start");
        assert_eq!(take(&mut ring, 64), b"new");
    }
}

#[test]
fn a_plan_that_is_dropped_changed_nothing() {
    let mut ring = ring(1, Recycle::Keep);
    put(&mut ring, b"ab", Framing::Stream);
    assert!(matches!(ring.plan_write(10, Framing::Stream), WriteStep::Room(_)));
    assert!(ring.plan_read(1).is_some());
    assert_eq!((ring.occupancy(), ring.bytes()), (1, 2));
    assert_eq!(take(&mut ring, 64), b"ab");
    assert!(matches!(ring.plan_write(10, Framing::Stream), WriteStep::Room(_)));
    assert!(ring.is_empty() && ring.plan_read(1).is_none());
}

#[test]
fn packets_keep_their_boundaries_and_lose_their_excess() {
    let mut ring = ring(8, Recycle::Keep);
    put(&mut ring, b"stream", Framing::Stream);
    put(&mut ring, b"one", Framing::Packet);
    put(&mut ring, b"two", Framing::Packet);
    put(&mut ring, b"tail", Framing::Stream);
    assert_eq!(ring.occupancy(), 4);
    assert_eq!(take(&mut ring, 64), b"stream");
    assert_eq!(take(&mut ring, 2), b"on");
    assert_eq!(take(&mut ring, 64), b"two");
    assert_eq!((take(&mut ring, 64), ring.bytes()), (b"tail".to_vec(), 0));
}

#[test]
fn a_long_packet_write_makes_a_packet_a_page() {
    let mut ring = ring(8, Recycle::Keep);
    put(&mut ring, &[7; 2 * PAGE_SIZE + 5], Framing::Packet);
    let lengths: Vec<usize> = (0..3).map(|_| take(&mut ring, usize::MAX).len()).collect();
    assert_eq!(lengths, [PAGE_SIZE, PAGE_SIZE, 5]);
}

#[test]
fn published_indices_run_past_their_largest_value() {
    let mut ring = ring(2, Recycle::Keep);
    let start = u64::from(u32::MAX);
    (ring.head, ring.tail) = (start, start);
    for round in 0..4_u8 {
        assert_eq!(put(&mut ring, &[round; PAGE_SIZE], Framing::Stream), PAGE_SIZE);
        assert_eq!(put(&mut ring, &[round; 9], Framing::Stream), 9);
        assert!(ring.is_full() && ring.head_tail().is_full(2));
        assert_eq!(take(&mut ring, usize::MAX), [round; PAGE_SIZE + 9]);
        assert!(ring.is_empty() && ring.head_tail().is_empty());
    }
    assert_eq!(ring.head_tail().head(), 7);
}

/// Seed 001, listings 11 and 12: with the halves exchanged, the difference has the wrong sign and a non-empty ring looks full.
#[test]
fn a_snapshot_of_a_ring_with_data_does_not_look_full() {
    let snapshot = HeadTail::from_word(HeadTail::new(5, 3).word());
    assert_eq!(snapshot.occupancy(), 2);
    assert!(!snapshot.is_empty() && !snapshot.is_full(16) && snapshot.is_full(2));
    assert_eq!(HeadTail::new(1, u32::MAX).occupancy(), 2);
}

#[test]
fn kept_pages_end_allocation_after_one_lap() {
    let mut ring = ring(4, Recycle::Keep);
    let (mut pages, mut freed) = (0, 0);
    for _ in 0..20 {
        write(&mut ring, &[1; 4 * PAGE_SIZE], Framing::Stream, usize::MAX, &mut pages);
        read(&mut ring, usize::MAX, &mut freed);
    }
    assert_eq!((pages, freed), (4, 0));
}

#[test]
fn all_released_pages_but_two_come_back() {
    let mut ring = ring(4, Recycle::Release);
    let (mut pages, mut freed) = (0, 0);
    for lap in 1..=20 {
        write(&mut ring, &[1; 3 * PAGE_SIZE + 1], Framing::Stream, usize::MAX, &mut pages);
        read(&mut ring, usize::MAX, &mut freed);
        assert_eq!((pages, freed), (2 + 2 * lap, 2 * lap));
    }
}

#[test]
fn a_ping_pong_needs_one_page_wherever_it_stands() {
    for recycle in [Recycle::Keep, Recycle::Release] {
        let mut ring = ring(1, recycle);
        let mut pages = 0;
        for _ in 0..5 {
            write(&mut ring, b"x", Framing::Stream, usize::MAX, &mut pages);
            take(&mut ring, 1);
        }
        assert_eq!(pages, 1);
    }
}

#[test]
fn a_resize_keeps_the_data_or_refuses() {
    let mut ring = ring(4, Recycle::Keep);
    put(&mut ring, &[0; 4 * PAGE_SIZE], Framing::Stream);
    take(&mut ring, 2 * PAGE_SIZE);
    put(&mut ring, &[1; PAGE_SIZE], Framing::Stream);
    assert_eq!(ring.resize(2), Err(Errno::EBUSY));
    assert_eq!(ring.resize(3), Err(Errno::EINVAL));
    ring.resize(8).unwrap();
    assert_eq!(put(&mut ring, &[2; 9 * PAGE_SIZE], Framing::Stream), 5 * PAGE_SIZE);
    let data = take(&mut ring, usize::MAX);
    let heads: Vec<u8> = data.chunks(PAGE_SIZE).map(|chunk| chunk[0]).collect();
    assert_eq!(heads, [0, 0, 1, 2, 2, 2, 2, 2]);
    ring.resize(1).unwrap();
    assert_eq!(ring.capacity(), 1);
}

#[test]
fn a_cleared_ring_is_empty_and_holds_no_page_unless_it_keeps_them() {
    for (recycle, pages_after) in [(Recycle::Keep, 0), (Recycle::Release, 2), (Recycle::Free, 2)] {
        let mut ring = ring(2, recycle);
        put(&mut ring, &[0; 5000], Framing::Stream);
        ring.clear();
        assert_eq!((ring.occupancy(), ring.bytes(), ring.head_tail().is_empty()), (0, 0, true));
        assert!(ring.plan_read(1).is_none());
        let mut pages = 0;
        assert_eq!(write(&mut ring, &[1; 2 * PAGE_SIZE], Framing::Stream, usize::MAX, &mut pages), 2 * PAGE_SIZE);
        assert_eq!((pages, take(&mut ring, usize::MAX)), (pages_after, [1; 2 * PAGE_SIZE].to_vec()));
    }
}

#[test]
fn pages_that_are_freed_all_come_back() {
    let mut ring = ring(4, Recycle::Free);
    let (mut pages, mut freed) = (0, 0);
    for lap in 1..=5 {
        write(&mut ring, &[1; 4 * PAGE_SIZE], Framing::Stream, usize::MAX, &mut pages);
        read(&mut ring, usize::MAX, &mut freed);
        assert_eq!((pages, freed), (4 * lap, 4 * lap));
    }
}

#[test]
fn a_ring_gives_up_idle_pages_but_for_those_it_would_fill_first() {
    let mut ring = ring(8, Recycle::Keep);
    put(&mut ring, &[1; 6 * PAGE_SIZE], Framing::Stream);
    take(&mut ring, 5 * PAGE_SIZE);
    // Data in slot 5, pages without in 0 to 4; 6 and 7, which would be filled first, have none.
    ring.release_idle_pages(3);
    assert_eq!(ring.pages(), 4);
    let mut supplied = 0;
    write(&mut ring, &[2; 7 * PAGE_SIZE], Framing::Stream, usize::MAX, &mut supplied);
    assert_eq!(supplied, 4, "slots 6, 7, 3 and 4");
    assert_eq!(take(&mut ring, PAGE_SIZE), [1; PAGE_SIZE]);
    take(&mut ring, 7 * PAGE_SIZE);
    ring.release_idle_pages(0);
    assert_eq!(ring.pages(), 0);
}

#[test]
fn a_ring_told_to_free_its_pages_keeps_none_but_those_with_data() {
    for (recycle, pages_after) in [(Recycle::Keep, 0), (Recycle::Release, 1), (Recycle::Free, 3)] {
        let mut ring = ring(4, Recycle::Keep);
        put(&mut ring, &[0; 4 * PAGE_SIZE], Framing::Stream);
        take(&mut ring, 3 * PAGE_SIZE);
        ring.set_recycle(recycle);
        let mut pages = 0;
        assert_eq!(write(&mut ring, &[1; 3 * PAGE_SIZE], Framing::Stream, usize::MAX, &mut pages), 3 * PAGE_SIZE);
        assert_eq!(pages, pages_after);
        assert_eq!(take(&mut ring, usize::MAX).len(), 4 * PAGE_SIZE);
    }
}

#[test]
fn separate_writes_have_a_slot_each_but_no_boundaries() {
    let mut ring = ring(4, Recycle::Keep);
    for word in ["a", "bc", "def"] {
        put(&mut ring, word.as_bytes(), Framing::Separate);
    }
    // A write that may merge does not find one that may not.
    put(&mut ring, b"g", Framing::Stream);
    assert_eq!(ring.occupancy(), 4);
    assert_eq!(put(&mut ring, b"h", Framing::Separate), 0);
    assert_eq!(take(&mut ring, 4), b"abcd");
    assert_eq!(take(&mut ring, 64), b"efg");
}

#[test]
fn a_range_begins_at_zero_in_a_fresh_slot_and_there_alone() {
    let mut ring = ring(2, Recycle::Keep);
    for (data, start) in [(&b"ab"[..], 0), (b"c", 2), (&[0; PAGE_SIZE], 0)] {
        if let WriteStep::NeedsPage = ring.plan_write(data.len(), Framing::Stream) {
            ring.supply_page(page());
        }
        let WriteStep::Room(room) = ring.plan_write(data.len(), Framing::Stream) else { panic!("there is room") };
        assert_eq!(room.range().start, start);
        let len = room.range().len();
        room.commit(len);
    }
}

#[derive(Clone, Debug)]
enum Action {
    Write { len: usize, fault_after: usize, framing: Framing },
    SetRecycle(Recycle),
    Clear,
    Read { len: usize },
    Resize { order: u32 },
}

fn action() -> impl Strategy<Value = Action> {
    let len = || prop_oneof![1..40_usize, 1..=PAGE_SIZE, 1..5 * PAGE_SIZE];
    let fault = prop_oneof![3 => Just(usize::MAX), 1 => 0..2 * PAGE_SIZE];
    let framing = prop_oneof![2 => Just(Framing::Stream), 1 => Just(Framing::Separate)];
    let recycle = prop_oneof![Just(Recycle::Keep), Just(Recycle::Release), Just(Recycle::Free)];
    prop_oneof![
        5 => (len(), fault, framing)
            .prop_map(|(len, fault_after, framing)| Action::Write { len, fault_after, framing }),
        1 => recycle.prop_map(Action::SetRecycle),
        1 => Just(Action::Clear),
        5 => len().prop_map(|len| Action::Read { len }),
        1 => (0..4_u32).prop_map(|order| Action::Resize { order }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever is written, faulted, read and resized: the ring gives back exactly what it took, in order.
    #[test]
    fn the_ring_is_a_queue_of_bytes(
        start in any::<u32>(), keep in any::<bool>(), actions in prop::collection::vec(action(), 1..60),
    ) {
        let mut ring = ring(4, if keep { Recycle::Keep } else { Recycle::Release });
        (ring.head, ring.tail) = (start.into(), start.into());
        let (mut model, mut next, mut pages, mut freed) = (VecDeque::new(), 0_u8, 0, 0);
        for action in actions {
            match action {
                Action::SetRecycle(recycle) => ring.set_recycle(recycle),
                Action::Clear => {
                    ring.clear();
                    model.clear();
                }
                Action::Write { len, fault_after, framing } => {
                    let data: Vec<u8> = (0..len).map(|_| { next = next.wrapping_add(1); next }).collect();
                    let free = (ring.capacity() - ring.occupancy()) * PAGE_SIZE;
                    let written = write(&mut ring, &data, framing, fault_after, &mut pages);
                    prop_assert!(written == len || written == fault_after || written >= free);
                    model.extend(&data[..written]);
                }
                Action::Read { len } => {
                    let data = read(&mut ring, len, &mut freed);
                    prop_assert_eq!(data.len(), len.min(model.len()));
                    prop_assert!(data.into_iter().eq(model.drain(..len.min(model.len()))));
                }
                Action::Resize { order } => {
                    let fits = ring.occupancy() <= 1 << order;
                    prop_assert_eq!(ring.resize(1 << order), if fits { Ok(()) } else { Err(Errno::EBUSY) });
                }
            }
            prop_assert_eq!(ring.bytes(), model.len());
            prop_assert_eq!(ring.is_empty(), model.is_empty());
            let live = (0..ring.occupancy()).map(|at| ring.index(ring.tail) + at);
            let live: usize = live.map(|at| usize::from(ring.slots[at & (ring.capacity() - 1)].len)).sum();
            prop_assert_eq!(ring.bytes(), live);
        }
        prop_assert!(freed <= pages);
    }
}
