//! Pairs of Unix sockets: transfer, blocking, ends. Specification: socketpair(2), unix(7), send(2), recv(2), shutdown(2).

use crate::check::{Outcome, expect, expect_eq, expect_errno, needs_linux};
use crate::sys::memory::{self, PAGE};
use crate::sys::{fd, path, process, ready, signal, socket};
use libc::{
    EAGAIN, EPIPE, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_PEEK, MSG_TRUNC, MSG_WAITALL, POLLHUP, POLLIN, POLLOUT, POLLRDHUP,
    SHUT_RD, SHUT_RDWR, SHUT_WR, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM,
};

const TYPES: [i32; 3] = [SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET];

crate::tests! {
    both_sockets_of_a_pair_send_to_the_other,
    fstat_says_socket,
    socketpair_sets_close_on_exec_and_nonblock,
    other_families_and_types_are_refused,
    stream_glues_what_several_calls_sent,
    messages_keep_their_boundaries,
    message_that_does_not_fit_is_cut_and_flagged,
    msg_trunc_returns_the_real_length,
    empty_message_arrives_as_zero_bytes,
    writing_nothing_to_a_stream_that_nobody_reads_gives_epipe_and_sigpipe,
    empty_message_waits_for_room_like_any_other,
    peek_leaves_the_bytes_there,
    waitall_waits_until_the_buffer_is_full,
    recv_blocks_until_the_peer_sends,
    send_blocks_while_the_peer_does_not_receive,
    full_nonblocking_socket_gives_eagain,
    blocking_stream_write_delivers_every_byte,
    message_longer_than_the_buffer_gives_emsgsize,
    close_ends_the_stream_after_the_rest,
    close_with_unread_data_gives_econnreset_once,
    close_with_a_first_message_of_no_bytes_unread_gives_econnreset_for_those_behind_it,
    send_to_a_closed_stream_gives_epipe_and_raises_sigpipe,
    send_to_a_closed_seqpacket_gives_epipe_without_sigpipe,
    send_to_a_closed_datagram_socket_gives_econnrefused_then_enotconn,
    shutdown_of_writing_is_the_peers_end_of_file,
    shutdown_of_reading_breaks_the_peers_writes,
    poll_says_what_each_end_means,
    poll_says_readable_when_something_was_sent_and_writable_when_there_is_room,
    epoll_sees_every_message_as_an_edge,
    fionread_counts_stream_bytes_and_the_next_datagram,
    fault_in_the_receivers_buffer_loses_and_doubles_no_byte,
    fault_in_the_senders_buffer_adds_exactly_what_is_reported,
    calls_on_what_is_no_socket_give_enotsock,
}

fn both_sockets_of_a_pair_send_to_the_other() -> Outcome {
    for kind in TYPES {
        let [a, b] = socket::pair(kind)?;
        expect_eq(fd::write(a, b"to b")?, 4, "bytes written")?;
        expect_eq(socket::send(b, b"to a!", 0)?, 5, "bytes sent")?;
        expect_eq(socket::recv_up_to(b, 9, 0)?, b"to b", "what b receives")?;
        expect_eq(fd::read(a, &mut [0; 9])?, 5, "bytes a reads")?;
    }
    Ok(())
}

fn fstat_says_socket() -> Outcome {
    let [a, _] = socket::pair(SOCK_STREAM)?;
    let kind = path::fstat(a)?.st_mode & libc::S_IFMT;
    expect_eq(kind, libc::S_IFSOCK, "the file type")?;
    let link = std::fs::read_link(format!("/proc/self/fd/{a}"))?;
    let text = link.to_string_lossy().into_owned();
    expect(text.starts_with("socket:["), "the link in /proc says socket")
}

fn socketpair_sets_close_on_exec_and_nonblock() -> Outcome {
    for fd in socket::pair(SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK)? {
        let flags = fd::fcntl(fd, libc::F_GETFD, 0)?;
        expect_eq(flags, libc::FD_CLOEXEC, "descriptor flags")?;
        expect_errno(fd::read(fd, &mut [0; 1]), EAGAIN)?;
    }
    Ok(())
}

fn other_families_and_types_are_refused() -> Outcome {
    expect_errno(socket::family_pair(libc::AF_INET, SOCK_STREAM), libc::EOPNOTSUPP).or_else(|_| {
        // Without an internet.
        expect_errno(socket::family_pair(libc::AF_INET, SOCK_STREAM), libc::EAFNOSUPPORT)
    })?;
    expect_errno(socket::pair(SOCK_STREAM | 1 << 20), libc::EINVAL)?;
    expect_errno(socket::pair(libc::SOCK_RDM), libc::ESOCKTNOSUPPORT)
}

fn stream_glues_what_several_calls_sent() -> Outcome {
    let [a, b] = socket::pair(SOCK_STREAM)?;
    socket::send(a, b"one", 0)?;
    socket::send(a, b"two", 0)?;
    expect_eq(socket::recv_up_to(b, 4, 0)?, b"onet", "the first bytes")?;
    expect_eq(socket::recv_up_to(b, 4, 0)?, b"wo", "the rest")
}

fn messages_keep_their_boundaries() -> Outcome {
    for kind in [SOCK_DGRAM, SOCK_SEQPACKET] {
        let [a, b] = socket::pair(kind)?;
        socket::send(a, b"one", 0)?;
        socket::send(a, b"three", 0)?;
        expect_eq(socket::recv_up_to(b, 99, 0)?, b"one", "the first message")?;
        expect_eq(socket::recv_up_to(b, 99, 0)?, b"three", "the second")?;
    }
    Ok(())
}

fn message_that_does_not_fit_is_cut_and_flagged() -> Outcome {
    for kind in [SOCK_DGRAM, SOCK_SEQPACKET] {
        let [a, b] = socket::pair(kind)?;
        socket::send(a, b"too long", 0)?;
        socket::send(a, b"next", 0)?;
        let message = socket::recvmsg(b, 3, 0)?;
        expect_eq(message.bytes, b"too", "the bytes")?;
        expect_eq(message.flags, MSG_TRUNC, "msg_flags")?;
        let message = socket::recvmsg(b, 9, 0)?;
        expect_eq((message.bytes.as_slice(), message.flags), (&b"next"[..], 0), "the next message")?;
    }
    Ok(())
}

fn msg_trunc_returns_the_real_length() -> Outcome {
    let [a, b] = socket::pair(SOCK_DGRAM)?;
    socket::send(a, b"0123456789", 0)?;
    let length = socket::recv(b, &mut [0; 2], MSG_TRUNC | MSG_PEEK)?;
    expect_eq(length, 10, "the length")?;
    expect_eq(socket::recv_up_to(b, 99, 0)?, b"0123456789", "the message")
}

fn empty_message_waits_for_room_like_any_other() -> Outcome {
    let [a, b] = socket::pair(SOCK_DGRAM)?;
    fd::fcntl(a, libc::F_SETFL, libc::O_NONBLOCK)?;
    let mut messages = 0;
    while fd::write(a, b"x").is_ok() {
        messages += 1;
    }
    expect_errno(fd::write(a, b""), EAGAIN)?;
    fd::fcntl(a, libc::F_SETFL, 0)?;
    let writer = process::spawn(|| expect_eq(fd::write(a, b"")?, 0, "bytes of the empty message"))?;
    writer.wait_until_asleep()?;
    for _ in 0..messages {
        expect_eq(fd::read(b, &mut [0; 9])?, 1, "bytes of a message")?;
    }
    writer.expect_success()?;
    expect_eq(fd::fionread(b)?, 0, "bytes of the next")?;
    expect_eq(socket::recvmsg(b, 9, libc::MSG_DONTWAIT)?.bytes, b"", "the empty message")
}

fn writing_nothing_to_a_stream_that_nobody_reads_gives_epipe_and_sigpipe() -> Outcome {
    signal::count(libc::SIGPIPE, 0)?;
    let [a, b] = socket::pair(libc::SOCK_STREAM)?;
    expect_eq(fd::write(a, b"")?, 0, "bytes while there is a reader")?;
    socket::shutdown(b, libc::SHUT_RD)?;
    expect_errno(fd::write(a, b""), libc::EPIPE)?;
    fd::close(a)?;
    expect_errno(fd::write(b, b""), libc::EPIPE)?;
    expect_eq(signal::caught(libc::SIGPIPE), 2, "signals")
}

fn empty_message_arrives_as_zero_bytes() -> Outcome {
    for kind in [SOCK_DGRAM, SOCK_SEQPACKET] {
        let [a, b] = socket::pair(kind)?;
        socket::send(a, b"", 0)?;
        expect_eq(ready::revents(b, POLLIN)?, POLLIN, "revents")?;
        expect_eq(socket::recv(b, &mut [0; 4], 0)?, 0, "bytes received")?;
        expect_errno(socket::recv(b, &mut [0; 4], MSG_DONTWAIT), EAGAIN)?;
    }
    Ok(())
}

fn peek_leaves_the_bytes_there() -> Outcome {
    for kind in TYPES {
        let [a, b] = socket::pair(kind)?;
        socket::send(a, b"same", 0)?;
        for flags in [MSG_PEEK, MSG_PEEK, 0] {
            expect_eq(socket::recv_up_to(b, 9, flags)?, b"same", "the bytes")?;
        }
        expect_errno(socket::recv(b, &mut [0; 4], MSG_DONTWAIT), EAGAIN)?;
    }
    Ok(())
}

fn waitall_waits_until_the_buffer_is_full() -> Outcome {
    let [a, b] = socket::pair(SOCK_STREAM)?;
    socket::send(a, b"half", 0)?;
    let reader = process::spawn(|| {
        let bytes = socket::recv_up_to(b, 8, MSG_WAITALL)?;
        expect_eq(bytes, b"half2nd.", "the bytes")
    })?;
    reader.wait_until_asleep()?;
    socket::send(a, b"2nd.", 0)?;
    reader.expect_success()
}

fn recv_blocks_until_the_peer_sends() -> Outcome {
    for kind in TYPES {
        let [a, b] = socket::pair(kind)?;
        let reader = process::spawn(|| expect_eq(socket::recv_up_to(b, 4, 0)?, b"x", "the byte"))?;
        reader.wait_until_asleep()?;
        socket::send(a, b"x", 0)?;
        reader.expect_success()?;
    }
    Ok(())
}

/// Sends messages of a kilobyte until there is no more room; how many.
fn fill(fd: i32) -> Result<usize, crate::check::Failure> {
    let mut sent = 0;
    while sent < 10_000 {
        match socket::send(fd, &[7; 1024], MSG_DONTWAIT) {
            Ok(_) => sent += 1,
            Err(error) => {
                expect_eq(error.errno, EAGAIN, "errno")?;
                return Ok(sent);
            }
        }
    }
    Err(crate::check::failed("the buffer has no end"))
}

fn send_blocks_while_the_peer_does_not_receive() -> Outcome {
    for kind in TYPES {
        let [a, b] = socket::pair(kind)?;
        let messages = fill(a)?;
        let writer = process::spawn(|| expect_eq(socket::send(a, b"last", 0)?, 4, "bytes sent"))?;
        writer.wait_until_asleep()?;
        for _ in 0..messages {
            expect_eq(socket::recv(b, &mut [0; 1024], MSG_WAITALL)?, 1024, "bytes received")?;
        }
        writer.expect_success()?;
        expect_eq(socket::recv_up_to(b, 9, 0)?, b"last", "the blocked bytes")?;
    }
    Ok(())
}

fn full_nonblocking_socket_gives_eagain() -> Outcome {
    for kind in TYPES {
        let [a, b] = socket::pair(kind | libc::SOCK_NONBLOCK)?;
        let messages = fill(a)?;
        expect(messages > 50 && messages < 500, "the default buffer holds some two hundred kilobytes")?;
        expect_errno(fd::write(a, b"x"), EAGAIN)?;
        expect_eq(ready::revents(a, POLLOUT)?, 0, "revents")?;
        fd::close(b)?;
    }
    Ok(())
}

fn blocking_stream_write_delivers_every_byte() -> Outcome {
    const TOTAL: usize = 1_000_003;
    let [a, b] = socket::pair(SOCK_STREAM)?;
    let sent: Vec<u8> = (0..=250).cycle().take(TOTAL).collect();
    let writer = process::spawn(|| {
        fd::close(b)?;
        expect_eq(fd::write(a, &sent)?, TOTAL, "bytes written")
    })?;
    fd::close(a)?;
    let received = fd::read_up_to(b, TOTAL + 1)?;
    expect(received == sent, "the bytes that arrive are those sent")?;
    writer.expect_success()
}

fn message_longer_than_the_buffer_gives_emsgsize() -> Outcome {
    for kind in [SOCK_DGRAM, SOCK_SEQPACKET] {
        let [a, _] = socket::pair(kind)?;
        expect_errno(socket::send(a, &vec![0; 300_000], 0), libc::EMSGSIZE)?;
    }
    Ok(())
}

fn close_ends_the_stream_after_the_rest() -> Outcome {
    for kind in [SOCK_STREAM, SOCK_SEQPACKET] {
        let [a, b] = socket::pair(kind)?;
        socket::send(a, b"rest", 0)?;
        fd::close(a)?;
        expect_eq(socket::recv_up_to(b, 9, 0)?, b"rest", "the rest")?;
        expect_eq(socket::recv(b, &mut [0; 9], 0)?, 0, "bytes at the end")?;
        expect_eq(fd::read(b, &mut [0; 9])?, 0, "bytes at the end, again")?;
    }
    Ok(())
}

fn close_with_unread_data_gives_econnreset_once() -> Outcome {
    for kind in [SOCK_STREAM, SOCK_SEQPACKET] {
        let [a, b] = socket::pair(kind)?;
        socket::send(b, b"never read", 0)?;
        fd::close(a)?;
        expect_errno(socket::recv(b, &mut [0; 9], 0), libc::ECONNRESET)?;
        expect_eq(socket::recv(b, &mut [0; 9], 0)?, 0, "bytes after that")?;
    }
    Ok(())
}

/// So since Linux 6.12: what has no bytes it takes for urgent data that was received.
fn close_with_a_first_message_of_no_bytes_unread_gives_econnreset_for_those_behind_it() -> Outcome {
    needs_linux(6, 12)?;
    let cases: [(&[&[u8]], bool); 4] =
        [(&[b""], false), (&[b"", b""], true), (&[b"", b"x"], true), (&[b"x", b""], true)];
    for (messages, resets) in cases {
        let [a, b] = socket::pair(SOCK_SEQPACKET)?;
        for message in messages {
            socket::send(b, message, 0)?;
        }
        fd::close(a)?;
        let end = socket::recv(b, &mut [0; 9], 0).map_err(|error| error.errno);
        expect_eq(end, if resets { Err(libc::ECONNRESET) } else { Ok(0) }, &format!("the end after {messages:?}"))?;
    }
    Ok(())
}

fn send_to_a_closed_stream_gives_epipe_and_raises_sigpipe() -> Outcome {
    signal::count(libc::SIGPIPE, 0)?;
    let [a, b] = socket::pair(SOCK_STREAM)?;
    fd::close(b)?;
    expect_errno(socket::send(a, b"x", MSG_NOSIGNAL), EPIPE)?;
    expect_eq(signal::caught(libc::SIGPIPE), 0, "signals with MSG_NOSIGNAL")?;
    expect_errno(socket::send(a, b"x", 0), EPIPE)?;
    expect_eq(signal::caught(libc::SIGPIPE), 1, "signals of send")?;
    expect_errno(fd::write(a, b"x"), EPIPE)?;
    expect_eq(signal::caught(libc::SIGPIPE), 2, "signals with that of write")
}

fn send_to_a_closed_seqpacket_gives_epipe_without_sigpipe() -> Outcome {
    signal::count(libc::SIGPIPE, 0)?;
    let [a, b] = socket::pair(SOCK_SEQPACKET)?;
    fd::close(b)?;
    expect_errno(socket::send(a, b"x", 0), EPIPE)?;
    expect_errno(fd::write(a, b"x"), EPIPE)?;
    expect_eq(signal::caught(libc::SIGPIPE), 0, "signals")
}

fn send_to_a_closed_datagram_socket_gives_econnrefused_then_enotconn() -> Outcome {
    let [a, b] = socket::pair(SOCK_DGRAM)?;
    fd::close(b)?;
    expect_errno(socket::send(a, b"x", 0), libc::ECONNREFUSED)?;
    expect_errno(socket::send(a, b"x", 0), libc::ENOTCONN)?;
    expect_errno(socket::peer_name(a), libc::ENOTCONN)
}

fn shutdown_of_writing_is_the_peers_end_of_file() -> Outcome {
    for kind in [SOCK_STREAM, SOCK_SEQPACKET] {
        let [a, b] = socket::pair(kind)?;
        socket::send(a, b"last", 0)?;
        let reader = process::spawn(|| {
            expect_eq(socket::recv_up_to(b, 9, 0)?, b"last", "the rest")?;
            expect_eq(socket::recv(b, &mut [0; 9], 0)?, 0, "bytes at the end")
        })?;
        reader.wait_until_asleep()?;
        socket::shutdown(a, SHUT_WR)?;
        reader.expect_success()?;
        expect_errno(socket::send(a, b"x", MSG_NOSIGNAL), EPIPE)?;
        socket::send(b, b"still", 0)?;
        expect_eq(socket::recv_up_to(a, 9, 0)?, b"still", "the other way")?;
    }
    expect_errno(socket::shutdown(socket::pair(SOCK_STREAM)?[0], 3), libc::EINVAL)
}

fn shutdown_of_reading_breaks_the_peers_writes() -> Outcome {
    for kind in TYPES {
        let [a, b] = socket::pair(kind)?;
        socket::send(a, b"before", 0)?;
        socket::shutdown(b, SHUT_RD)?;
        expect_errno(socket::send(a, b"x", MSG_NOSIGNAL), EPIPE)?;
        expect_eq(socket::recv_up_to(b, 9, 0)?, b"before", "what was there")?;
        expect_eq(socket::recv(b, &mut [0; 9], 0)?, 0, "bytes at the end")?;
    }
    Ok(())
}

fn poll_says_what_each_end_means() -> Outcome {
    let all = POLLIN | POLLOUT | POLLRDHUP;
    for kind in [SOCK_STREAM, SOCK_SEQPACKET] {
        let [a, b] = socket::pair(kind)?;
        expect_eq(ready::revents(a, all)?, POLLOUT, "revents of an empty pair")?;
        socket::shutdown(b, SHUT_WR)?;
        let half = POLLIN | POLLOUT | POLLRDHUP;
        expect_eq(ready::revents(a, all)?, half, "revents when the peer sends no more")?;
        expect_eq(ready::revents(b, all)?, POLLOUT, "revents of that peer")?;
        socket::shutdown(b, SHUT_RDWR)?;
        expect_eq(ready::revents(a, all)?, half | POLLHUP, "revents when it is over")?;
        fd::close(b)?;
        expect_eq(ready::revents(a, all)?, half | POLLHUP, "revents when it is closed")?;
    }
    let [a, b] = socket::pair(SOCK_DGRAM)?;
    fd::close(b)?;
    expect_eq(ready::revents(a, all)?, POLLOUT, "revents of a datagram socket alone")
}

fn poll_says_readable_when_something_was_sent_and_writable_when_there_is_room() -> Outcome {
    let both = POLLIN | POLLOUT;
    for kind in TYPES {
        let [a, b] = socket::pair(kind)?;
        let messages = fill(a)?;
        expect_eq(ready::revents(b, both)?, both, "revents of the receiver")?;
        let waiter = process::spawn(|| expect_eq(ready::poll(&mut [ready::wanting(a, POLLOUT)], -1)?, 1, "ready"))?;
        waiter.wait_until_asleep()?;
        for _ in 0..messages {
            socket::recv(b, &mut [0; 1024], MSG_WAITALL)?;
        }
        waiter.expect_success()?;
        expect_eq(ready::revents(b, both)?, POLLOUT, "revents when all is received")?;
    }
    Ok(())
}

fn epoll_sees_every_message_as_an_edge() -> Outcome {
    for kind in TYPES {
        let [a, b] = socket::pair(kind)?;
        let epoll = ready::epoll_create1(0)?;
        ready::epoll_add(epoll, b, libc::EPOLLIN | libc::EPOLLET)?;
        for _ in 0..2 {
            socket::send(a, b"news", 0)?;
            expect_eq(ready::epoll_ready(epoll)?.len(), 1, "events")?;
            expect_eq(ready::epoll_ready(epoll)?.len(), 0, "events without news")?;
        }
    }
    Ok(())
}

fn fionread_counts_stream_bytes_and_the_next_datagram() -> Outcome {
    for (kind, bytes) in [(SOCK_STREAM, 8), (SOCK_SEQPACKET, 8), (SOCK_DGRAM, 3)] {
        let [a, b] = socket::pair(kind)?;
        socket::send(a, b"one", 0)?;
        socket::send(a, b"three", 0)?;
        expect_eq(fd::fionread(b)?, bytes, "bytes")?;
    }
    Ok(())
}

fn fault_in_the_receivers_buffer_loses_and_doubles_no_byte() -> Outcome {
    let [a, b] = socket::pair(SOCK_STREAM)?;
    let hole = memory::before_hole(1)?;
    let sent: Vec<u8> = (0..=250).cycle().take(3 * PAGE).collect();
    socket::send(a, &sent, 0)?;
    expect_errno(socket::recv_into(b, &hole, PAGE, 8), libc::EFAULT)?;
    // A page lies before the hole: what is reported must be there, the rest must come again.
    let reported = match socket::recv_into(b, &hole, 100, 2 * PAGE - 100) {
        Ok(count) => count,
        Err(error) => {
            expect_eq(error.errno, libc::EFAULT, "errno")?;
            0
        }
    };
    fd::close(a)?;
    let mut received = hole.load_all(100, reported);
    received.extend(fd::read_up_to(b, sent.len())?);
    expect(received == sent, "every byte arrives once")
}

fn fault_in_the_senders_buffer_adds_exactly_what_is_reported() -> Outcome {
    for kind in TYPES {
        let [a, b] = socket::pair(kind)?;
        let hole = memory::before_hole(1)?;
        let reported = match fd::write_from(a, &hole, 100, 2 * PAGE - 100) {
            Ok(count) => count,
            Err(error) => {
                expect_eq(error.errno, libc::EFAULT, "errno")?;
                0
            }
        };
        socket::send(a, b"end", 0)?;
        let expected = if kind == SOCK_STREAM { reported + 3 } else { 3 };
        expect_eq(socket::recv_up_to(b, 3 * PAGE, 0)?.len(), expected, "bytes")?;
    }
    Ok(())
}

fn calls_on_what_is_no_socket_give_enotsock() -> Outcome {
    let pipe = fd::Pipe::new()?;
    expect_errno(socket::send(pipe.write, b"x", 0), libc::ENOTSOCK)?;
    expect_errno(socket::recv(pipe.read, &mut [0; 1], 0), libc::ENOTSOCK)?;
    expect_errno(socket::recvmsg(pipe.read, 1, 0), libc::ENOTSOCK)?;
    expect_errno(socket::shutdown(pipe.read, SHUT_RD), libc::ENOTSOCK)?;
    expect_errno(socket::name(pipe.read), libc::ENOTSOCK)?;
    expect_errno(socket::send(999, b"x", 0), libc::EBADF)
}
