//! Unix sockets for datagrams: whom they reach, who has to wait. Specification: unix(7), connect(2), send(2), recv(2).

use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno, failed};
use crate::sys::{fd, process, ready, socket};
use libc::{
    EAGAIN, ECONNREFUSED, ECONNRESET, ENOTCONN, EPERM, EPIPE, MSG_DONTWAIT, POLLERR, POLLHUP, POLLIN, POLLOUT,
    POLLRDHUP, SHUT_RD, SHUT_RDWR, SHUT_WR, SOCK_DGRAM, SOCK_NONBLOCK,
};

crate::tests! {
    datagram_tells_the_name_of_its_sender,
    name_that_is_given_after_sending_is_told,
    datagram_of_a_nameless_sender_has_no_address,
    send_without_a_peer_gives_enotconn,
    send_to_a_closed_name_gives_econnrefused_each_time,
    connected_socket_sends_to_its_peer,
    connected_socket_sends_to_others_by_name,
    connect_again_changes_the_peer,
    connect_to_no_family_dissolves,
    what_an_old_peer_sent_is_lost_and_the_peer_told,
    socket_connected_to_another_takes_nothing,
    closed_peer_gives_econnrefused_then_enotconn,
    socket_may_be_its_own_peer,
    unread_datagrams_keep_their_boundaries_and_senders,
    full_receiver_gives_eagain,
    full_receiver_blocks_the_sender,
    full_receiver_blocks_for_the_send_timeout,
    full_receiver_that_closes_refuses_the_blocked_sender,
    full_receiver_does_not_bound_its_only_peer,
    send_buffer_bounds_what_is_under_way,
    poll_says_writable_unless_the_peer_is_full,
    poll_hears_when_the_peer_has_room_again,
    epoll_hears_when_the_peer_has_room_again,
    poll_of_an_unconnected_socket_says_writable,
    shutdown_in_each_way_says_what_poll_tells,
    shut_receiver_breaks_its_senders,
    shut_sender_cannot_send,
    shutdown_does_not_concern_the_peer,
    closed_sender_leaves_what_it_sent,
    passcred_names_the_sender_automatically,
    passcred_tells_who_sent_to_a_name,
    files_reach_a_name,
    outq_tells_what_is_not_received,
    sendmmsg_reaches_several_names,
    many_senders_lose_nothing,
}

fn a() -> Vec<u8> {
    socket::abstract_address("a")
}

fn b() -> Vec<u8> {
    socket::abstract_address("b")
}

fn datagram_tells_the_name_of_its_sender() -> Outcome {
    let [one, other] = [socket::bound(SOCK_DGRAM, &a())?, socket::bound(SOCK_DGRAM, &b())?];
    socket::sendto(one, b"question", 0, &b())?;
    let (question, from) = socket::recvfrom(other, 99, 0)?;
    expect_eq((question.as_slice(), &from), (&b"question"[..], &a()), "bytes and address")?;
    socket::sendto(other, b"answer", 0, &from)?;
    expect_eq(socket::recvfrom(one, 99, 0)?, (b"answer".to_vec(), b()), "bytes and address")?;
    // As Linux has it: the name of who has gone as well.
    socket::sendto(one, b"last", 0, &b())?;
    fd::close(one)?;
    expect_eq(socket::recvfrom(other, 99, 0)?, (b"last".to_vec(), a()), "bytes and address of a closed sender")
}

fn name_that_is_given_after_sending_is_told() -> Outcome {
    let [one, other] = [socket::open(SOCK_DGRAM)?, socket::bound(SOCK_DGRAM, &b())?];
    socket::sendto(one, b"x", 0, &b())?;
    socket::bind(one, &a())?;
    expect_eq(socket::recvfrom(other, 9, 0)?.1, a(), "the address")
}

fn datagram_of_a_nameless_sender_has_no_address() -> Outcome {
    let [one, other] = [socket::open(SOCK_DGRAM)?, socket::bound(SOCK_DGRAM, &b())?];
    socket::sendto(one, b"x", 0, &b())?;
    expect_eq(socket::recvfrom(other, 9, 0)?.1.len(), 0, "the length of the address")
}

fn send_without_a_peer_gives_enotconn() -> Outcome {
    let fd = socket::bound(SOCK_DGRAM, &a())?;
    expect_errno(socket::send(fd, b"x", 0), ENOTCONN)?;
    expect_errno(fd::write(fd, b"x"), ENOTCONN)?;
    expect_errno(socket::peer_address(fd), ENOTCONN)
}

fn send_to_a_closed_name_gives_econnrefused_each_time() -> Outcome {
    let fd = socket::open(SOCK_DGRAM)?;
    fd::close(socket::bound(SOCK_DGRAM, &a())?)?;
    for _ in 0..2 {
        expect_errno(socket::sendto(fd, b"x", 0, &a()), ECONNREFUSED)?;
        expect_errno(socket::connect(fd, &a()), ECONNREFUSED)?;
    }
    Ok(())
}

fn connected_socket_sends_to_its_peer() -> Outcome {
    let receiver = socket::bound(SOCK_DGRAM, &a())?;
    let sender = socket::connected(SOCK_DGRAM, &a())?;
    expect_eq(socket::peer_address(sender)?, a(), "the peer's address")?;
    expect_errno(socket::peer_address(receiver), ENOTCONN)?;
    fd::write(sender, b"write")?;
    socket::send(sender, b"send", 0)?;
    expect_eq(socket::recv_up_to(receiver, 9, 0)?, b"write", "the first")?;
    expect_eq(socket::recv_up_to(receiver, 9, 0)?, b"send", "the second")?;
    expect_errno(socket::send(receiver, b"x", 0), ENOTCONN)
}

fn connected_socket_sends_to_others_by_name() -> Outcome {
    let [first, second] = [socket::bound(SOCK_DGRAM, &a())?, socket::bound(SOCK_DGRAM, &b())?];
    let sender = socket::connected(SOCK_DGRAM, &a())?;
    socket::sendto(sender, b"by name", 0, &b())?;
    socket::send(sender, b"to the peer", 0)?;
    expect_eq(socket::recv_up_to(second, 99, 0)?, b"by name", "what the other receives")?;
    expect_eq(socket::recv_up_to(first, 99, 0)?, b"to the peer", "what the peer receives")
}

fn connect_again_changes_the_peer() -> Outcome {
    let [first, second] = [socket::bound(SOCK_DGRAM, &a())?, socket::bound(SOCK_DGRAM, &b())?];
    let sender = socket::connected(SOCK_DGRAM, &a())?;
    socket::connect(sender, &b())?;
    socket::send(sender, b"x", 0)?;
    expect_eq(socket::recv_up_to(second, 9, 0)?, b"x", "what the new peer receives")?;
    expect_errno(socket::recv(first, &mut [0; 1], MSG_DONTWAIT), EAGAIN)
}

fn connect_to_no_family_dissolves() -> Outcome {
    let receiver = socket::bound(SOCK_DGRAM, &a())?;
    let sender = socket::connected(SOCK_DGRAM, &a())?;
    socket::connect(sender, &socket::unspecified())?;
    expect_errno(socket::send(sender, b"x", 0), ENOTCONN)?;
    expect_errno(socket::peer_address(sender), ENOTCONN)?;
    socket::connect(sender, &socket::unspecified())?;
    socket::connect(sender, &a())?;
    socket::send(sender, b"again", 0)?;
    expect_eq(socket::recv_up_to(receiver, 9, 0)?, b"again", "what is received")
}

fn what_an_old_peer_sent_is_lost_and_the_peer_told() -> Outcome {
    let [one, other] = socket::pair(SOCK_DGRAM)?;
    socket::send(other, b"lost", 0)?;
    socket::connect(one, &socket::unspecified())?;
    expect_errno(socket::recv(one, &mut [0; 9], MSG_DONTWAIT), EAGAIN)?;
    expect_eq(ready::revents(other, POLLIN)?, POLLERR, "revents of the peer")?;
    expect_eq(socket::option(other, libc::SO_ERROR)?, [ECONNRESET], "SO_ERROR of the peer")?;
    expect_eq(socket::option(other, libc::SO_ERROR)?, [0], "SO_ERROR, again")
}

fn socket_connected_to_another_takes_nothing() -> Outcome {
    let [first, _second] = [socket::bound(SOCK_DGRAM, &a())?, socket::bound(SOCK_DGRAM, &b())?];
    socket::connect(first, &b())?;
    let stranger = socket::open(SOCK_DGRAM)?;
    expect_errno(socket::sendto(stranger, b"x", 0, &a()), EPERM)?;
    expect_errno(socket::connect(stranger, &a()), EPERM)?;
    expect_errno(socket::send(stranger, b"x", 0), ENOTCONN)
}

fn closed_peer_gives_econnrefused_then_enotconn() -> Outcome {
    let receiver = socket::bound(SOCK_DGRAM, &a())?;
    let sender = socket::connected(SOCK_DGRAM, &a())?;
    fd::close(receiver)?;
    expect_eq(socket::peer_address(sender)?, a(), "the peer's address, before it is missed")?;
    expect_errno(socket::send(sender, b"x", 0), ECONNREFUSED)?;
    expect_errno(socket::send(sender, b"x", 0), ENOTCONN)?;
    // A new socket of that name is another one.
    let _receiver = socket::bound(SOCK_DGRAM, &a())?;
    expect_errno(socket::send(sender, b"x", 0), ENOTCONN)
}

fn socket_may_be_its_own_peer() -> Outcome {
    let fd = socket::bound(SOCK_DGRAM, &a())?;
    socket::connect(fd, &a())?;
    socket::send(fd, b"to myself", 0)?;
    expect_eq(socket::recvfrom(fd, 99, 0)?, (b"to myself".to_vec(), a()), "bytes and address")
}

fn unread_datagrams_keep_their_boundaries_and_senders() -> Outcome {
    let receiver = socket::bound(SOCK_DGRAM, &a())?;
    let names = ["one", "two", "three"].map(socket::abstract_address);
    for (length, name) in names.iter().enumerate() {
        let sender = socket::bound(SOCK_DGRAM, name)?;
        socket::sendto(sender, &vec![7; length], 0, &a())?;
    }
    for (length, name) in names.into_iter().enumerate() {
        expect_eq(socket::recvfrom(receiver, 99, 0)?, (vec![7; length], name), "bytes and address")?;
    }
    Ok(())
}

/// Sends short datagrams until no more fit; how many did.
fn fill(fd: i32) -> Result<usize, Failure> {
    for count in 0..2000 {
        if let Err(error) = socket::send(fd, b"x", MSG_DONTWAIT) {
            expect_eq(error.errno, EAGAIN, "errno")?;
            return Ok(count);
        }
    }
    Err(failed("the receiver takes datagrams without end"))
}

fn full_receiver_gives_eagain() -> Outcome {
    let receiver = socket::bound(SOCK_DGRAM, &a())?;
    let sender = socket::connected(SOCK_DGRAM, &a())?;
    let most = fill(sender)?;
    // Whoever else sends has no more room.
    let stranger = socket::open(SOCK_DGRAM)?;
    expect_errno(socket::sendto(stranger, b"x", MSG_DONTWAIT, &a()), EAGAIN)?;
    expect_eq(socket::recv(receiver, &mut [0; 9], 0)?, 1, "bytes received")?;
    expect_eq(socket::sendto(stranger, b"x", MSG_DONTWAIT, &a())?, 1, "bytes sent to the room that makes")?;
    for _ in 0..most {
        socket::recv(receiver, &mut [0; 9], 0)?;
    }
    expect_errno(socket::recv(receiver, &mut [0; 9], MSG_DONTWAIT), EAGAIN)
}

fn full_receiver_blocks_the_sender() -> Outcome {
    let receiver = socket::bound(SOCK_DGRAM, &a())?;
    let sender = socket::connected(SOCK_DGRAM, &a())?;
    let most = fill(sender)?;
    let by_name = socket::open(SOCK_DGRAM)?;
    let blocked = [
        process::spawn(|| expect_eq(socket::send(sender, b"late", 0)?, 4, "bytes sent"))?,
        process::spawn(|| expect_eq(socket::sendto(by_name, b"late", 0, &a())?, 4, "bytes sent"))?,
        process::spawn(|| expect_eq(fd::write(sender, b"late")?, 4, "bytes written"))?,
    ];
    blocked.iter().try_for_each(|child| child.wait_until_asleep())?;
    for _ in 0..most {
        expect_eq(socket::recv_up_to(receiver, 9, 0)?, b"x", "what was there")?;
    }
    for _ in &blocked {
        expect_eq(socket::recv_up_to(receiver, 9, 0)?, b"late", "what was kept waiting")?;
    }
    blocked.into_iter().try_for_each(process::Child::expect_success)
}

fn full_receiver_blocks_for_the_send_timeout() -> Outcome {
    let _receiver = socket::bound(SOCK_DGRAM, &a())?;
    let sender = socket::connected(SOCK_DGRAM, &a())?;
    fill(sender)?;
    socket::set_timeout(sender, libc::SO_SNDTIMEO, 20)?;
    expect_errno(socket::send(sender, b"x", 0), EAGAIN)
}

fn full_receiver_that_closes_refuses_the_blocked_sender() -> Outcome {
    let receiver = socket::bound(SOCK_DGRAM, &a())?;
    let sender = socket::connected(SOCK_DGRAM, &a())?;
    fill(sender)?;
    let blocked = process::spawn(|| {
        fd::close(receiver)?;
        expect_errno(socket::send(sender, b"x", 0), ECONNREFUSED)
    })?;
    blocked.wait_until_asleep()?;
    fd::close(receiver)?;
    blocked.expect_success()
}

fn full_receiver_does_not_bound_its_only_peer() -> Outcome {
    let [one, _other] = [socket::bound(SOCK_DGRAM, &a())?, socket::bound(SOCK_DGRAM, &b())?];
    let [first, second] = [socket::connected(SOCK_DGRAM, &a())?, socket::pair(SOCK_DGRAM)?[0]];
    let shared = fill(first)?;
    let alone = fill(second)?;
    expect(alone > shared, "a peer of one's own is bounded by the send buffer alone")?;
    fd::close(one)?;
    Ok(())
}

fn send_buffer_bounds_what_is_under_way() -> Outcome {
    let receiver = socket::bound(SOCK_DGRAM, &a())?;
    let sender = socket::connected(SOCK_DGRAM, &a())?;
    socket::set_option(sender, libc::SO_SNDBUF, 10_000)?;
    let mut sent = 0;
    while socket::send(sender, &[0; 4000], MSG_DONTWAIT).is_ok() {
        sent += 1;
    }
    expect((2..8).contains(&sent), "twenty thousand bytes are some four times four thousand")?;
    expect_eq(ready::revents(sender, POLLOUT)?, 0, "revents")?;
    // The bound is the sender's: another one has its own.
    let other = socket::open(SOCK_DGRAM)?;
    socket::sendto(other, b"x", MSG_DONTWAIT, &a())?;
    for _ in 0..sent {
        socket::recv(receiver, &mut [0; 4000], 0)?;
    }
    expect_eq(ready::revents(sender, POLLOUT)?, POLLOUT, "revents when all is received")?;
    expect_errno(socket::send(sender, &[0; 20_001], 0), libc::EMSGSIZE)
}

fn poll_says_writable_unless_the_peer_is_full() -> Outcome {
    let receiver = socket::bound(SOCK_DGRAM, &a())?;
    let sender = socket::connected(SOCK_DGRAM, &a())?;
    expect_eq(ready::revents(sender, POLLOUT)?, POLLOUT, "revents")?;
    fill(sender)?;
    expect_eq(ready::revents(sender, POLLOUT)?, 0, "revents when the peer is full")?;
    let stranger = socket::open(SOCK_DGRAM)?;
    expect_eq(ready::revents(stranger, POLLOUT)?, POLLOUT, "revents of one without a peer")?;
    socket::recv(receiver, &mut [0; 9], 0)?;
    expect_eq(ready::revents(sender, POLLOUT)?, POLLOUT, "revents when it has room again")
}

fn poll_hears_when_the_peer_has_room_again() -> Outcome {
    let receiver = socket::bound(SOCK_DGRAM, &a())?;
    let sender = socket::connected(SOCK_DGRAM, &a())?;
    fill(sender)?;
    let waiter = process::spawn(|| {
        let mut entries = [ready::wanting(sender, POLLOUT)];
        expect_eq(ready::poll(&mut entries, -1)?, 1, "ready")?;
        expect_eq(socket::send(sender, b"x", MSG_DONTWAIT)?, 1, "bytes sent")
    })?;
    waiter.wait_until_asleep()?;
    socket::recv(receiver, &mut [0; 9], 0)?;
    waiter.expect_success()
}

fn epoll_hears_when_the_peer_has_room_again() -> Outcome {
    let receiver = socket::bound(SOCK_DGRAM, &a())?;
    let sender = socket::connected(SOCK_DGRAM, &a())?;
    let epoll = ready::epoll_create1(0)?;
    ready::epoll_add(epoll, sender, libc::EPOLLOUT | libc::EPOLLET)?;
    expect_eq(ready::epoll_ready(epoll)?.len(), 1, "events at first")?;
    for _ in 0..2 {
        fill(sender)?;
        expect_eq(ready::epoll_ready(epoll)?.len(), 0, "events when the peer is full")?;
        socket::recv(receiver, &mut [0; 9], 0)?;
        expect_eq(ready::epoll_ready(epoll)?.len(), 1, "events when it has room again")?;
    }
    Ok(())
}

fn poll_of_an_unconnected_socket_says_writable() -> Outcome {
    let fd = socket::open(SOCK_DGRAM)?;
    expect_eq(ready::revents(fd, POLLIN | POLLOUT | POLLRDHUP)?, POLLOUT, "revents")
}

fn shutdown_in_each_way_says_what_poll_tells() -> Outcome {
    let all = POLLIN | POLLOUT | POLLRDHUP;
    for (how, expected) in [(SHUT_RD, all), (SHUT_WR, POLLOUT), (SHUT_RDWR, all | POLLHUP)] {
        let fd = socket::bound(SOCK_DGRAM, &socket::nameless())?;
        socket::shutdown(fd, how)?;
        expect_eq(ready::revents(fd, all)?, expected, "revents")?;
    }
    Ok(())
}

fn shut_receiver_breaks_its_senders() -> Outcome {
    let receiver = socket::bound(SOCK_DGRAM, &a())?;
    let sender = socket::connected(SOCK_DGRAM, &a())?;
    socket::send(sender, b"before", 0)?;
    socket::shutdown(receiver, SHUT_RD)?;
    expect_errno(socket::send(sender, b"x", 0), EPIPE)?;
    expect_errno(socket::sendto(socket::open(SOCK_DGRAM)?, b"x", 0, &a()), EPIPE)?;
    expect_eq(socket::recv_up_to(receiver, 9, 0)?, b"before", "what was there")?;
    expect_eq(socket::recv(receiver, &mut [0; 9], 0)?, 0, "bytes at the end")
}

fn shut_sender_cannot_send() -> Outcome {
    let _receiver = socket::bound(SOCK_DGRAM, &a())?;
    let sender = socket::connected(SOCK_DGRAM, &a())?;
    socket::shutdown(sender, SHUT_WR)?;
    expect_errno(socket::send(sender, b"x", 0), EPIPE)?;
    expect_errno(socket::sendto(sender, b"x", 0, &a()), EPIPE)
}

fn shutdown_does_not_concern_the_peer() -> Outcome {
    let [one, other] = socket::pair(SOCK_DGRAM)?;
    socket::shutdown(one, SHUT_WR)?;
    expect_eq(ready::revents(other, POLLIN | POLLOUT | POLLRDHUP)?, POLLOUT, "revents of the peer")?;
    socket::send(other, b"still", 0)?;
    expect_eq(socket::recv_up_to(one, 9, 0)?, b"still", "what comes")
}

fn closed_sender_leaves_what_it_sent() -> Outcome {
    let receiver = socket::bound(SOCK_DGRAM | SOCK_NONBLOCK, &a())?;
    let sender = socket::connected(SOCK_DGRAM, &a())?;
    socket::send(sender, b"left", 0)?;
    fd::close(sender)?;
    expect_eq(socket::recv_up_to(receiver, 9, 0)?, b"left", "what it sent")?;
    expect_errno(socket::recv(receiver, &mut [0; 9], 0), EAGAIN)
}

fn passcred_names_the_sender_automatically() -> Outcome {
    let receiver = socket::bound(SOCK_DGRAM, &a())?;
    let sender = socket::open(SOCK_DGRAM)?;
    socket::set_option(sender, libc::SO_PASSCRED, 1)?;
    socket::sendto(sender, b"x", 0, &a())?;
    let (_, from) = socket::recvfrom(receiver, 9, 0)?;
    expect_eq((from.len(), from[2]), (8, 0), "length, and the first byte of the name")?;
    expect_eq(socket::own_address(sender)?, from, "the sender's name")
}

fn passcred_tells_who_sent_to_a_name() -> Outcome {
    let receiver = socket::bound(SOCK_DGRAM, &a())?;
    socket::set_option(receiver, libc::SO_PASSCRED, 1)?;
    let child = process::spawn(|| {
        let sender = socket::open(SOCK_DGRAM)?;
        expect_eq(socket::sendto(sender, b"x", 0, &a())?, 1, "bytes")
    })?;
    child.expect_success()?;
    let sender = socket::recvmsg(receiver, 9, 0)?.sender.map(|[pid, ..]| pid);
    expect_eq(sender, Some(child.pid), "who sent")
}

fn files_reach_a_name() -> Outcome {
    let receiver = socket::bound(SOCK_DGRAM, &a())?;
    let sender = socket::connected(SOCK_DGRAM, &a())?;
    let pipe = fd::Pipe::new()?;
    socket::send_fds(sender, b"", &[pipe.write])?;
    fd::close(pipe.write)?;
    let message = socket::recvmsg(receiver, 9, 0)?;
    fd::write(message.fds[0], b"x")?;
    fd::close(message.fds[0])?;
    expect_eq(fd::read_up_to(pipe.read, 9)?, b"x", "the byte, then the end")
}

fn outq_tells_what_is_not_received() -> Outcome {
    let receiver = socket::bound(SOCK_DGRAM, &a())?;
    let sender = socket::connected(SOCK_DGRAM, &a())?;
    expect_eq(socket::outq(sender)?, 0, "bytes at first")?;
    socket::send(sender, &[0; 1000], 0)?;
    expect(socket::outq(sender)? >= 1000, "the bytes and what they cost are counted")?;
    expect_eq(socket::outq(receiver)?, 0, "bytes of the receiver")?;
    socket::recv(receiver, &mut [0; 1000], 0)?;
    expect_eq(socket::outq(sender)?, 0, "bytes when all is received")
}

fn sendmmsg_reaches_several_names() -> Outcome {
    let receivers = [socket::bound(SOCK_DGRAM, &a())?, socket::bound(SOCK_DGRAM, &b())?];
    let sender = socket::bound(SOCK_DGRAM, &socket::nameless())?;
    let nobody = socket::abstract_address("nobody");
    let sent = socket::sendmmsg(sender, &[(b"one", a()), (b"two", b()), (b"lost", nobody), (b"not tried", a())])?;
    expect_eq(sent, 2, "messages sent before the first that fails")?;
    for (receiver, bytes) in receivers.into_iter().zip([b"one", b"two"]) {
        let expected = (bytes.to_vec(), socket::own_address(sender)?);
        expect_eq(socket::recvfrom(receiver, 9, 0)?, expected, "bytes and address")?;
        expect_errno(socket::recv(receiver, &mut [0; 9], MSG_DONTWAIT), EAGAIN)?;
    }
    Ok(())
}

fn many_senders_lose_nothing() -> Outcome {
    const SENDERS: u8 = 4;
    const MESSAGES: u16 = 500;
    let receiver = socket::bound(SOCK_DGRAM, &a())?;
    let send = |number: u8| {
        let sender = socket::connected(SOCK_DGRAM, &a())?;
        for message in 0..MESSAGES {
            let [high, low] = message.to_be_bytes();
            socket::send(sender, &[number, high, low], 0)?;
        }
        Ok(())
    };
    let senders: Vec<_> = (0..SENDERS).map(|number| process::spawn(|| send(number))).collect::<Result<_, _>>()?;
    let mut next = vec![0; usize::from(SENDERS)];
    for _ in 0..usize::from(SENDERS) * usize::from(MESSAGES) {
        let bytes = socket::recv_up_to(receiver, 9, 0)?;
        let [number, high, low] = bytes[..] else { return Err(failed("a datagram is not three bytes long")) };
        let expected = &mut next[usize::from(number)];
        expect_eq(u16::from_be_bytes([high, low]), *expected, "the message's number")?;
        *expected += 1;
    }
    senders.into_iter().try_for_each(process::Child::expect_success)
}
