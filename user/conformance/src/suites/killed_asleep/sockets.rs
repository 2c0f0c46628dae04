//! Unix sockets. Specification: unix(7), accept(2), connect(2), recv(2), send(2).

use super::pipes::fill;
use super::{killed_in, places};
use crate::check::{Outcome, expect, expect_eq, expect_errno};
use crate::sys::{fd, ready, socket};
use libc::{
    EAGAIN, ECONNREFUSED, EPIPE, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_WAITALL, POLLHUP, POLLIN, SO_RCVTIMEO, SOCK_DGRAM,
    SOCK_NONBLOCK, SOCK_SEQPACKET, SOCK_STREAM,
};

places! {
    accept_without_a_client,
    connect_to_a_full_backlog,
    recv_of_a_stream,
    recv_of_a_sequence_of_packets,
    recv_of_a_datagram,
    recv_with_a_time_limit,
    recv_of_more_than_there_is,
    recvmsg_with_room_for_descriptors,
    read_of_a_socket,
    send_to_a_full_stream,
    send_of_descriptors_to_a_full_socket,
    sendto_a_full_receiver,
    write_to_a_full_socket,
}

fn address() -> socket::Address {
    socket::abstract_address("killed")
}

/// The other end is gone.
fn expect_end(end: i32) -> Outcome {
    expect_eq(socket::recv(end, &mut [0; 1], 0)?, 0, "bytes that come")?;
    expect(ready::revents(end, POLLIN)? & POLLHUP != 0, "poll says that the peer has gone")?;
    expect_errno(socket::send(end, b"x", MSG_NOSIGNAL), EPIPE)
}

fn accept_without_a_client() -> Outcome {
    let listener = socket::listener(SOCK_STREAM, &address(), 5)?;
    killed_in(&[listener], || socket::accept(listener))?;
    let client = socket::open(SOCK_STREAM)?;
    expect_errno(socket::connect(client, &address()), ECONNREFUSED)
}

fn connect_to_a_full_backlog() -> Outcome {
    for kind in [SOCK_STREAM, SOCK_SEQPACKET] {
        let listener = socket::listener(kind, &address(), 0)?;
        let first = socket::connected(kind, &address())?;
        killed_in(&[], || socket::connected(kind, &address()))?;
        let server = socket::accept(listener)?;
        fd::set_status_flag(listener, libc::O_NONBLOCK)?;
        expect_errno(socket::accept(listener), EAGAIN)?;
        for fd in [first, server, listener] {
            fd::close(fd)?;
        }
    }
    Ok(())
}

/// One end waits to receive by `call`; the other hears of its end.
fn receiver(kind: i32, call: impl FnOnce(i32) -> crate::sys::Sys<usize>) -> Outcome {
    let [here, there] = socket::pair(kind)?;
    killed_in(&[there], || call(there))?;
    expect_end(here)
}

fn recv_of_a_stream() -> Outcome {
    receiver(SOCK_STREAM, |end| socket::recv(end, &mut [0; 1], 0))
}

fn recv_of_a_sequence_of_packets() -> Outcome {
    receiver(SOCK_SEQPACKET, |end| socket::recv(end, &mut [0; 1], 0))
}

fn recv_of_a_datagram() -> Outcome {
    let receiver = socket::bound(SOCK_DGRAM, &address())?;
    let sender = socket::connected(SOCK_DGRAM, &address())?;
    killed_in(&[receiver], || socket::recv(receiver, &mut [0; 1], 0))?;
    expect_errno(socket::send(sender, b"x", MSG_NOSIGNAL), ECONNREFUSED)
}

fn recv_with_a_time_limit() -> Outcome {
    receiver(SOCK_STREAM, |end| {
        socket::set_timeout(end, SO_RCVTIMEO, 1_000_000)?;
        socket::recv(end, &mut [0; 1], 0)
    })
}

fn recv_of_more_than_there_is() -> Outcome {
    let [here, there] = socket::pair(SOCK_STREAM)?;
    socket::send(here, b"part", 0)?;
    killed_in(&[there], || socket::recv(there, &mut [0; 10], MSG_WAITALL))?;
    expect_end(here)
}

fn recvmsg_with_room_for_descriptors() -> Outcome {
    receiver(SOCK_SEQPACKET, |end| socket::recvmsg(end, 10, 0).map(|message| message.bytes.len()))
}

fn read_of_a_socket() -> Outcome {
    receiver(SOCK_STREAM, |end| fd::read(end, &mut [0; 1]))
}

/// One end waits for room by `call`; the other finds what was there before, and the end.
fn sender(kind: i32, call: impl FnOnce(i32) -> crate::sys::Sys<usize>) -> Outcome {
    let [here, there] = socket::pair(kind)?;
    let mut left = fill(there)?;
    killed_in(&[there], || call(there))?;
    while left > 0 {
        let count = socket::recv(here, &mut [0; 8192], MSG_DONTWAIT)?;
        expect(count > 0 && count <= left, "what was there before comes, and no more")?;
        left -= count;
    }
    expect_end(here)
}

fn send_to_a_full_stream() -> Outcome {
    sender(SOCK_STREAM, |end| socket::send(end, &[7; 100_000], 0))
}

fn send_of_descriptors_to_a_full_socket() -> Outcome {
    sender(SOCK_STREAM, |end| socket::send_fds(end, &[7; 100_000], &[end, end]))
}

fn sendto_a_full_receiver() -> Outcome {
    let receiver = socket::bound(SOCK_DGRAM, &address())?;
    let filler = socket::open(SOCK_DGRAM | SOCK_NONBLOCK)?;
    let mut count = 0;
    let refusal = loop {
        match socket::sendto(filler, b"full", 0, &address()) {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
    };
    expect_eq(refusal.errno, EAGAIN, "errno of a full receiver")?;
    let other = socket::open(SOCK_DGRAM)?;
    killed_in(&[other], || socket::sendto(other, b"more", 0, &address()))?;
    for _ in 0..count {
        expect_eq(socket::recv_up_to(receiver, 9, MSG_DONTWAIT)?, b"full", "what was sent before")?;
    }
    expect_errno(socket::recv(receiver, &mut [0; 9], MSG_DONTWAIT), EAGAIN)?;
    expect_eq(socket::sendto(filler, b"again", 0, &address())?, 5, "bytes sent to it afterwards")
}

fn write_to_a_full_socket() -> Outcome {
    sender(SOCK_STREAM, |end| fd::write(end, &[7; 100_000]))
}
