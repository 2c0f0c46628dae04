//! The queue against a plain model, and its rules one by one. Specification: unix(7), shutdown(2).

use super::{
    DEFAULT_CAPACITY_BYTES, Delivery, PIECE_BYTES, Received, Request, Senders, SocketQueue, SocketType, Taking,
    Unreceived,
};
use crate::effects::{Wake, Wakes};
use crate::errno::{Errno, Result};
use crate::readiness::Readiness;
use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

type Queue = SocketQueue<u32, &'static str>;

const ME: u32 = 7;
const WHOLE: usize = 1 << 20;

/// Sends as one sender; what was sent, and who is woken.
fn send(queue: &mut Queue, bytes: &[u8], files: Option<&'static str>) -> (Result<usize>, Option<Wakes>) {
    send_as(queue, ME, bytes, files)
}

fn send_as(
    queue: &mut Queue,
    sender: u32,
    bytes: &[u8],
    mut files: Option<&'static str>,
) -> (Result<usize>, Option<Wakes>) {
    let mut rest = bytes;
    let step = queue.try_send(bytes.len(), sender, &mut files, |room| {
        let (now, later) = rest.split_at(room.len());
        room.copy_from_slice(now);
        rest = later;
        room.len()
    });
    settled(step)
}

fn settled<T>(step: Result<crate::effects::Step<T>>) -> (Result<T>, Option<Wakes>) {
    let mut woken = None;
    let outcome = step.map(|step| step.settle(|wakes| woken = Some(wakes)));
    (outcome, woken)
}

fn request(room: usize) -> Request<u32> {
    Request { room, taking: Taking::Consume, senders: Senders::Mixed, after: None }
}

/// Receives; the bytes, what else was received, and who is woken.
fn receive_by(queue: &mut Queue, request: Request<u32>) -> (Vec<u8>, Result<Received<&'static str>>, Option<Wakes>) {
    let mut bytes = Vec::new();
    let step = queue.try_receive(
        request,
        |part| {
            bytes.extend_from_slice(part);
            part.len()
        },
        |_| Ok(()),
    );
    let (received, woken) = settled(step);
    (bytes, received, woken)
}

fn receive(queue: &mut Queue, room: usize) -> Result<Vec<u8>> {
    let (bytes, received, _) = receive_by(queue, request(room));
    received.map(|received| {
        assert_eq!(received.bytes, bytes.len(), "bytes said and copied");
        bytes
    })
}

const TYPES: [SocketType; 3] = [SocketType::Stream, SocketType::Datagram, SocketType::SeqPacket];

#[test]
fn a_stream_forgets_boundaries_and_messages_keep_them() {
    let mut stream = Queue::new(SocketType::Stream);
    let mut packets = Queue::new(SocketType::SeqPacket);
    for queue in [&mut stream, &mut packets] {
        assert_eq!(send(queue, b"one", None).0, Ok(3));
        assert_eq!(send(queue, b"three", None).0, Ok(5));
        assert_eq!(queue.bytes(), 8);
    }
    assert_eq!(receive(&mut stream, 4), Ok(b"onet".to_vec()));
    assert_eq!(receive(&mut stream, 9), Ok(b"hree".to_vec()));
    assert_eq!(receive(&mut packets, 9), Ok(b"one".to_vec()));
    let (bytes, received, _) = receive_by(&mut packets, request(2));
    assert_eq!(bytes, b"th");
    assert_eq!(received.map(|received| received.length), Ok(5));
    assert_eq!(receive(&mut packets, 9), Err(Errno::EAGAIN));
    assert_eq!((packets.bytes(), packets.charged()), (0, 0));
}

#[test]
fn only_the_first_message_wakes_a_receiver() {
    for kind in TYPES {
        let mut queue = Queue::new(kind);
        let woken = send(&mut queue, b"a", None).1;
        assert_eq!(woken.map(|wakes| wakes.readers), Some(Wake::One));
        assert_eq!(send(&mut queue, b"b", None).1, None);
    }
}

#[test]
fn senders_hear_once_that_most_of_the_room_is_free_again() {
    for kind in TYPES {
        let mut queue = Queue::new(kind);
        let mut sent = 0;
        while send(&mut queue, &[1; 1000], None).0 == Ok(1000) {
            sent += 1;
        }
        assert_eq!(send(&mut queue, b"x", None).0, Err(Errno::EAGAIN));
        assert!(!queue.readiness().intersects(Readiness::WRITABLE));
        let mut heard = 0;
        for _ in 0..sent {
            let (bytes, _, woken) = receive_by(&mut queue, request(1000));
            assert_eq!(bytes.len(), 1000);
            if woken.is_some() {
                heard += 1;
                assert!(queue.charged() * 4 <= DEFAULT_CAPACITY_BYTES);
            }
        }
        assert_eq!(heard, 1, "wake-ups");
        assert!(queue.readiness().intersects(Readiness::WRITABLE));
    }
}

#[test]
fn a_long_write_to_a_stream_goes_in_as_far_as_there_is_room() {
    let mut queue = Queue::new(SocketType::Stream);
    let bytes: Vec<u8> = (0..=250).cycle().take(WHOLE).collect();
    let (sent, _) = send(&mut queue, &bytes, None);
    let sent = sent.expect("some of it fits");
    assert!(sent < WHOLE && sent > DEFAULT_CAPACITY_BYTES / 2);
    assert_eq!(sent % PIECE_BYTES, 0);
    assert_eq!(receive(&mut queue, WHOLE).as_deref(), Ok(&bytes[..sent]));
    assert_eq!(queue.charged(), 0);
}

#[test]
fn a_message_that_can_never_fit_is_refused() {
    let mut queue = Queue::new(SocketType::Datagram);
    let largest = DEFAULT_CAPACITY_BYTES - 32;
    assert_eq!(send(&mut queue, &vec![0; largest + 1], None).0, Err(Errno::EMSGSIZE));
    assert_eq!(send(&mut queue, &vec![0; largest], None).0, Ok(largest));
}

#[test]
fn a_fault_of_the_sender_adds_what_it_says_and_no_part_of_a_message() {
    for kind in TYPES {
        let mut queue = Queue::new(kind);
        let mut files = Some("files");
        let (none, _) = settled(queue.try_send(10, ME, &mut files, |_| 0));
        assert_eq!(none, Err(Errno::EFAULT));
        let (part, _) = settled(queue.try_send(10, ME, &mut files, |_| 4));
        if kind == SocketType::Stream {
            assert_eq!((part, queue.bytes(), files), (Ok(4), 4, None));
        } else {
            let nothing = (Err(Errno::EFAULT), 0, Some("files"));
            assert_eq!((part, queue.bytes(), files), nothing);
            assert_eq!(queue.charged(), 0);
        }
    }
}

#[test]
fn a_fault_of_the_receiver_takes_what_it_says_and_no_part_of_a_message() {
    for kind in TYPES {
        let mut queue = Queue::new(kind);
        assert_eq!(send(&mut queue, b"precious", None).0, Ok(8));
        let (none, _) = settled(queue.try_receive(request(8), |_| 0, |_| Ok(())));
        assert_eq!(none, Err(Errno::EFAULT));
        let (part, _) = settled(queue.try_receive(request(8), |_| 3, |_| Ok(())));
        if kind == SocketType::Stream {
            assert_eq!(part.map(|part| part.bytes), Ok(3));
            assert_eq!(receive(&mut queue, 9), Ok(b"cious".to_vec()));
        } else {
            assert_eq!(part, Err(Errno::EFAULT));
            assert_eq!(receive(&mut queue, 9), Ok(b"precious".to_vec()));
        }
    }
}

#[test]
fn a_delivery_that_is_refused_takes_nothing() {
    for kind in TYPES {
        let mut queue = Queue::new(kind);
        assert_eq!(send(&mut queue, b"kept", Some("files")).0, Ok(4));
        let refuse = |delivery: Delivery<'_, u32, &'static str>| {
            assert_eq!(delivery.files, Some(&"files"));
            assert_eq!(delivery.sender, Some(ME));
            Err(Errno::EFAULT)
        };
        let (refused, _) = settled(queue.try_receive(request(9), <[u8]>::len, refuse));
        assert_eq!(refused, Err(Errno::EFAULT));
        let (bytes, received, _) = receive_by(&mut queue, request(9));
        assert_eq!(bytes, b"kept");
        assert_eq!(received.map(|received| received.files), Ok(Some("files")));
    }
}

#[test]
fn peeking_changes_nothing() {
    for kind in TYPES {
        let mut queue = Queue::new(kind);
        assert_eq!(send(&mut queue, b"look", Some("files")).0, Ok(4));
        let peek = Request { taking: Taking::Peek, ..request(9) };
        for _ in 0..2 {
            let (bytes, received, woken) = receive_by(&mut queue, peek);
            assert_eq!((bytes.as_slice(), woken), (&b"look"[..], None));
            assert_eq!(received.map(|received| received.files), Ok(None));
        }
        assert_eq!(queue.bytes(), 4);
    }
}

#[test]
fn a_stream_stops_behind_files_and_goes_on_only_before_them() {
    let mut queue = Queue::new(SocketType::Stream);
    for (bytes, files) in [(&b"a"[..], None), (b"b", Some("first")), (b"c", Some("second"))] {
        assert_eq!(send(&mut queue, bytes, files).0, Ok(1));
    }
    let (bytes, received, _) = receive_by(&mut queue, request(9));
    assert_eq!(bytes, b"ab");
    assert_eq!(received.map(|received| received.files), Ok(Some("first")));
    let after = Request { after: Some(ME), ..request(9) };
    let (bytes, received, _) = receive_by(&mut queue, after);
    assert_eq!((bytes.len(), received.map(|more| more.bytes)), (0, Ok(0)));
    let (bytes, received, _) = receive_by(&mut queue, request(9));
    assert_eq!(bytes, b"c");
    assert_eq!(received.map(|received| received.files), Ok(Some("second")));
}

#[test]
fn senders_are_kept_apart_when_that_is_asked_for() {
    let mut queue = Queue::new(SocketType::Stream);
    for (sender, bytes) in [(1, b"a"), (1, b"b"), (2, b"c")] {
        assert_eq!(send_as(&mut queue, sender, bytes, None).0, Ok(1));
    }
    let apart = Request { senders: Senders::Separate, ..request(9) };
    assert_eq!(receive_by(&mut queue, apart).0, b"ab");
    assert_eq!(receive_by(&mut queue, apart).0, b"c");
}

#[test]
fn ends_are_heard_over_a_connection_and_not_by_datagrams() {
    for kind in TYPES {
        let mut queue = Queue::new(kind);
        assert_eq!(send(&mut queue, b"last", None).0, Ok(4));
        queue.close_sender().settle(|_| ());
        assert_eq!(receive(&mut queue, 9), Ok(b"last".to_vec()));
        let end = if kind.is_connected() { Ok(Vec::new()) } else { Err(Errno::EAGAIN) };
        assert_eq!(receive(&mut queue, 9), end);
    }
}

#[test]
fn a_shut_direction_carries_nothing_more() {
    for kind in TYPES {
        for shut in [Queue::shut_sender, Queue::shut_receiver] {
            let mut queue = Queue::new(kind);
            assert_eq!(send(&mut queue, b"before", None).0, Ok(6));
            let mut woken = None;
            shut(&mut queue).settle(|wakes| woken = Some(wakes));
            let all = woken.map(|wakes| (wakes.readers, wakes.writers));
            assert_eq!(all, Some((Wake::All, Wake::All)));
            assert_eq!(send(&mut queue, b"x", None).0, Err(Errno::EPIPE));
            assert_eq!(receive(&mut queue, 9), Ok(b"before".to_vec()));
        }
    }
}

#[test]
fn a_closed_receiver_hands_back_what_it_did_not_receive() {
    for kind in TYPES {
        let mut queue = Queue::new(kind);
        assert_eq!(send(&mut queue, b"unread", Some("files")).0, Ok(6));
        let unread = queue.close_receiver().settle(|_| ());
        assert_eq!(unread, Unreceived { files: vec!["files"], resets: true });
        assert_eq!((queue.bytes(), queue.charged()), (0, 0));
        let error = if kind.is_connected() { Errno::EPIPE } else { Errno::ECONNREFUSED };
        assert_eq!(send(&mut queue, b"x", None).0, Err(error));
        let nothing = Queue::new(kind).close_receiver().settle(|_| ());
        assert_eq!(nothing, Unreceived { files: vec![], resets: false });
    }
}

#[test]
fn a_first_message_without_bytes_is_as_good_as_received_when_the_receiver_closes() {
    for (messages, resets) in
        [(&[&b""[..]][..], false), (&[b"", b""], true), (&[b"", b"x"], true), (&[b"x", b""], true)]
    {
        let mut queue = Queue::new(SocketType::SeqPacket);
        for message in messages {
            assert!(send(&mut queue, message, Some("files")).0.is_ok());
        }
        let unread = queue.close_receiver().settle(|_| ());
        assert_eq!(unread, Unreceived { files: vec!["files"; messages.len()], resets }, "{messages:?}");
    }
}

#[test]
fn a_larger_capacity_lets_waiting_senders_go_on() {
    let mut queue = Queue::new(SocketType::Stream);
    while send(&mut queue, &[0; 4096], None).0.is_ok() {}
    let mut woken = None;
    queue.set_capacity(8 * DEFAULT_CAPACITY_BYTES).settle(|wakes| woken = Some(wakes.writers));
    assert_eq!(woken, Some(Wake::All));
    assert_eq!(send(&mut queue, b"x", None).0, Ok(1));
}

#[test]
fn datagrams_lie_with_the_receiver_and_are_charged_to_the_sender() {
    let mut sender = Queue::new(SocketType::Datagram);
    let mut receiver = Queue::of_many(SocketType::Datagram);
    let mut costs = Vec::new();
    while let Ok(cost) = sender.charge(10_000) {
        assert_eq!(send(&mut receiver, &[1; 10_000], None).0, Ok(10_000));
        costs.push(cost);
    }
    assert_eq!(sender.charge(1), Err(Errno::EAGAIN));
    assert_eq!(sender.charge(DEFAULT_CAPACITY_BYTES), Err(Errno::EMSGSIZE));
    assert!(!sender.readiness().intersects(Readiness::WRITABLE));
    assert_eq!(receiver.is_crowded(), costs.len() > super::MAX_WAITING);
    let mut heard = 0;
    for cost in costs {
        sender.refund(cost).settle(|wakes| {
            assert_eq!(wakes.writers, Wake::One);
            heard += 1;
        });
    }
    assert_eq!((heard, sender.charged()), (1, 0));
}

#[test]
fn what_is_discarded_leaves_its_files_and_an_open_queue() {
    for kind in TYPES {
        let mut queue = Queue::new(kind);
        assert_eq!(send(&mut queue, b"a", Some("files")).0, Ok(1));
        assert_eq!(send(&mut queue, b"b", None).0, Ok(1));
        assert_eq!(queue.discard().settle(|_| ()), vec!["files"]);
        assert_eq!((queue.bytes(), queue.charged()), (0, 0));
        assert_eq!(send(&mut queue, b"c", None).0, Ok(1));
        assert_eq!(receive(&mut queue, 9), Ok(b"c".to_vec()));
    }
}

/// A generator of numbers that is the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % limit
    }
}

#[test]
fn any_sequence_of_calls_delivers_what_a_plain_list_would() {
    for kind in TYPES {
        let mut numbers = Numbers(1);
        let mut queue = Queue::new(kind);
        let mut model: VecDeque<Vec<u8>> = VecDeque::new();
        let mut next = 0_u8;
        for _ in 0..20_000 {
            if numbers.below(2) == 0 {
                let length = numbers.below(3000) + 1;
                let bytes: Vec<u8> = (0..length)
                    .map(|_| {
                        next = next.wrapping_add(1);
                        next
                    })
                    .collect();
                match send(&mut queue, &bytes, None).0 {
                    Ok(sent) => {
                        assert_eq!(sent, length);
                        model.push_back(bytes);
                    }
                    Err(error) => {
                        assert_eq!(error, Errno::EAGAIN);
                        assert!(queue.charged() >= queue.capacity());
                    }
                }
            } else {
                let room = numbers.below(5000) + 1;
                let expected = take(&mut model, kind, room).ok_or(Errno::EAGAIN);
                assert_eq!(receive(&mut queue, room), expected);
            }
            if kind == SocketType::Stream {
                assert_eq!(queue.bytes(), model.iter().map(Vec::len).sum::<usize>());
            }
            assert_eq!(queue.is_empty(), model.is_empty());
        }
    }
}

/// What receiving means, said plainly.
fn take(model: &mut VecDeque<Vec<u8>>, kind: SocketType, room: usize) -> Option<Vec<u8>> {
    let mut first = model.pop_front()?;
    if kind.has_messages() {
        first.truncate(room);
        return Some(first);
    }
    while first.len() < room
        && let Some(more) = model.pop_front()
    {
        first.extend(more);
    }
    if first.len() > room {
        model.push_front(first.split_off(room));
    }
    Some(first)
}
