//! What goes with messages between Unix sockets, and options. Specification: unix(7), cmsg(3), socket(7).

use crate::check::{Outcome, expect, expect_eq, expect_errno};
use crate::sys::splice::splice;
use crate::sys::{fd, process, signal, socket};
use libc::{EAGAIN, MSG_CTRUNC, MSG_DONTWAIT, MSG_PEEK, SO_PASSCRED, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM};

const TYPES: [i32; 3] = [SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET];

crate::tests! {
    passed_descriptor_is_the_same_open_file,
    passed_descriptor_survives_the_senders_close,
    several_descriptors_arrive_in_order,
    descriptors_without_room_are_closed_and_flagged,
    read_closes_the_descriptors_that_come_along,
    splice_closes_the_descriptors_that_come_along_even_of_its_own_pipe,
    cmsg_cloexec_marks_what_arrives,
    peek_passes_the_descriptors_every_time,
    stream_read_ends_behind_descriptors,
    descriptors_that_nobody_received_are_closed_with_the_socket,
    sockets_within_sockets_are_closed_however_deep,
    bad_descriptor_gives_ebadf_and_sends_nothing,
    malformed_control_messages_give_einval,
    too_many_descriptors_give_einval,
    passcred_tells_who_sent,
    without_passcred_nobody_is_told,
    credentials_of_others_give_eperm,
    credentials_of_nobody_are_refused_even_to_root,
    peercred_tells_who_made_the_pair,
    names_are_the_family_alone,
    type_domain_and_protocol_can_be_asked,
    buffer_sizes_are_doubled,
    negative_buffer_size_is_the_least_to_root,
    so_error_tells_once,
    unknown_options_give_enoprotoopt,
    receive_timeout_gives_eagain,
    send_timeout_gives_eagain,
}

fn passed_descriptor_is_the_same_open_file() -> Outcome {
    for kind in TYPES {
        let [a, b] = socket::pair(kind)?;
        let pipe = fd::Pipe::new()?;
        socket::send_fds(a, b"f", &[pipe.read])?;
        let message = socket::recvmsg(b, 9, 0)?;
        expect_eq(message.bytes, b"f", "the bytes")?;
        expect_eq(message.flags, 0, "msg_flags")?;
        expect_eq(message.fds.len(), 1, "descriptors")?;
        expect(message.fds[0] != pipe.read, "the number is a new one")?;
        fd::write(pipe.write, b"through")?;
        expect_eq(fd::read(message.fds[0], &mut [0; 9])?, 7, "bytes through it")?;
    }
    Ok(())
}

fn passed_descriptor_survives_the_senders_close() -> Outcome {
    let [a, b] = socket::pair(SOCK_STREAM)?;
    let pipe = fd::Pipe::new()?;
    socket::send_fds(a, b"f", &[pipe.write])?;
    fd::close(pipe.write)?;
    let message = socket::recvmsg(b, 1, 0)?;
    fd::write(message.fds[0], b"x")?;
    fd::close(message.fds[0])?;
    expect_eq(fd::read_up_to(pipe.read, 9)?, b"x", "the byte, then the end")
}

fn several_descriptors_arrive_in_order() -> Outcome {
    let [a, b] = socket::pair(SOCK_SEQPACKET)?;
    let events: Vec<i32> = (0..5).map(|value| fd::eventfd(value + 1, 0)).collect::<Result<_, _>>()?;
    socket::send_fds(a, b"", &events)?;
    let message = socket::recvmsg(b, 1, 0)?;
    expect_eq(message.fds.len(), 5, "descriptors")?;
    for (value, event) in (1_u64..).zip(message.fds) {
        let mut bytes = [0; 8];
        fd::read(event, &mut bytes)?;
        expect_eq(u64::from_ne_bytes(bytes), value, "the counter")?;
    }
    Ok(())
}

fn descriptors_without_room_are_closed_and_flagged() -> Outcome {
    let [a, b] = socket::pair(SOCK_DGRAM)?;
    let pipe = fd::Pipe::new()?;
    for (room, fds) in [(0, 0), (16, 0), (20, 1), (24, 2)] {
        socket::send_fds(a, b"x", &[pipe.read, pipe.read, pipe.write])?;
        let message = socket::recvmsg_within(b, 1, room, 0)?;
        expect_eq(message.flags, MSG_CTRUNC, "msg_flags")?;
        expect_eq(message.fds.len(), fds, "descriptors")?;
    }
    fd::close(pipe.write)?;
    expect_eq(fd::read(pipe.read, &mut [0; 1])?, 0, "bytes when no writer is left")
}

fn read_closes_the_descriptors_that_come_along() -> Outcome {
    let [a, b] = socket::pair(SOCK_STREAM)?;
    let pipe = fd::Pipe::new()?;
    socket::send_fds(a, b"x", &[pipe.write])?;
    fd::close(pipe.write)?;
    expect_eq(fd::read(b, &mut [0; 9])?, 1, "bytes read")?;
    expect_eq(fd::read(pipe.read, &mut [0; 1])?, 0, "bytes when no writer is left")
}

/// The last reader of a pipe comes along with the bytes that go into it.
fn splice_closes_the_descriptors_that_come_along_even_of_its_own_pipe() -> Outcome {
    let [a, b] = socket::pair(SOCK_STREAM)?;
    let pipe = fd::Pipe::new()?;
    socket::send_fds(a, b"x", &[pipe.read])?;
    fd::close(pipe.read)?;
    expect_eq(splice(b, pipe.write, 9, 0)?, 1, "bytes spliced")?;
    signal::ignore(libc::SIGPIPE)?;
    expect_errno(fd::write(pipe.write, b"y"), libc::EPIPE)
}

fn cmsg_cloexec_marks_what_arrives() -> Outcome {
    let [a, b] = socket::pair(SOCK_STREAM)?;
    for (flags, expected) in [(0, 0), (libc::MSG_CMSG_CLOEXEC, libc::FD_CLOEXEC)] {
        socket::send_fds(a, b"x", &[a])?;
        let message = socket::recvmsg(b, 1, flags)?;
        let flags = fd::fcntl(message.fds[0], libc::F_GETFD, 0)?;
        expect_eq(flags, expected, "descriptor flags")?;
        fd::close(message.fds[0])?;
    }
    Ok(())
}

fn peek_passes_the_descriptors_every_time() -> Outcome {
    for kind in TYPES {
        let [a, b] = socket::pair(kind)?;
        let pipe = fd::Pipe::new()?;
        socket::send_fds(a, b"x", &[pipe.read])?;
        for flags in [MSG_PEEK, MSG_PEEK, 0] {
            expect_eq(socket::recvmsg(b, 9, flags)?.fds.len(), 1, "descriptors")?;
        }
        expect_errno(socket::recvmsg(b, 9, MSG_DONTWAIT), EAGAIN)?;
    }
    Ok(())
}

fn stream_read_ends_behind_descriptors() -> Outcome {
    let [a, b] = socket::pair(SOCK_STREAM)?;
    let pipe = fd::Pipe::new()?;
    socket::send(a, b"before ", 0)?;
    socket::send_fds(a, b"with", &[pipe.read])?;
    socket::send(a, b"behind", 0)?;
    let message = socket::recvmsg(b, 99, 0)?;
    expect_eq(message.bytes, b"before with", "the bytes")?;
    expect_eq(message.fds.len(), 1, "descriptors")?;
    let message = socket::recvmsg(b, 99, 0)?;
    expect_eq(message.bytes, b"behind", "the rest")?;
    expect_eq(message.fds.len(), 0, "descriptors with the rest")
}

fn descriptors_that_nobody_received_are_closed_with_the_socket() -> Outcome {
    for kind in TYPES {
        let [a, b] = socket::pair(kind)?;
        let pipe = fd::Pipe::new()?;
        socket::send_fds(a, b"x", &[pipe.write])?;
        fd::close(pipe.write)?;
        fd::close(b)?;
        expect_eq(fd::read(pipe.read, &mut [0; 1])?, 0, "bytes when no writer is left")?;
        fd::close(a)?;
    }
    Ok(())
}

fn sockets_within_sockets_are_closed_however_deep() -> Outcome {
    const DEPTH: usize = 2000;
    let pipe = fd::Pipe::new()?;
    let mut inner = pipe.write;
    for _ in 0..DEPTH {
        let [a, b] = socket::pair(SOCK_STREAM)?;
        socket::send_fds(a, b"x", &[inner])?;
        fd::close(inner)?;
        fd::close(a)?;
        inner = b;
    }
    fd::close(inner)?;
    expect_eq(fd::read(pipe.read, &mut [0; 1])?, 0, "bytes when no writer is left")
}

fn bad_descriptor_gives_ebadf_and_sends_nothing() -> Outcome {
    let [a, b] = socket::pair(SOCK_STREAM)?;
    expect_errno(socket::send_fds(a, b"x", &[a, 999]), libc::EBADF)?;
    expect_errno(socket::recv(b, &mut [0; 1], MSG_DONTWAIT), EAGAIN)
}

fn malformed_control_messages_give_einval() -> Outcome {
    let [a, _] = socket::pair(SOCK_STREAM)?;
    let mut short = socket::control(libc::SCM_RIGHTS, &[a, a]);
    short[0] = 15;
    expect_errno(socket::sendmsg(a, b"x", &short), libc::EINVAL)?;
    short[0] = 25;
    expect_errno(socket::sendmsg(a, b"x", &short), libc::EINVAL)?;
    let unknown = socket::control(77, &[a]);
    expect_errno(socket::sendmsg(a, b"x", &unknown), libc::EINVAL)
}

fn too_many_descriptors_give_einval() -> Outcome {
    let [a, b] = socket::pair(SOCK_STREAM)?;
    expect_eq(socket::send_fds(a, b"x", &[a; 253])?, 1, "bytes with 253")?;
    expect_errno(socket::send_fds(a, b"x", &[a; 254]), libc::EINVAL)?;
    fd::close(b)?;
    Ok(())
}

fn own_credentials() -> [i32; 3] {
    // SAFETY: takes no arguments and cannot fail.
    let user = unsafe { libc::getuid() };
    // SAFETY: as above.
    let group = unsafe { libc::getgid() };
    [process::getpid(), user.cast_signed(), group.cast_signed()]
}

fn passcred_tells_who_sent() -> Outcome {
    for kind in TYPES {
        let [a, b] = socket::pair(kind)?;
        socket::set_option(b, SO_PASSCRED, 1)?;
        expect_eq(socket::option(b, SO_PASSCRED)?, [1], "the option")?;
        let sender = process::spawn(|| Ok(socket::send(a, b"x", 0).map(drop)?))?;
        sender.expect_success()?;
        let message = socket::recvmsg(b, 9, 0)?;
        let [_, user, group] = own_credentials();
        let [pid, sent_user, sent_group] = message.sender.unwrap_or_default();
        expect(pid != process::getpid() && pid > 0, "the process is the sender")?;
        expect_eq((sent_user, sent_group), (user, group), "user and group")?;
        let own = socket::control(libc::SCM_CREDENTIALS, &own_credentials());
        socket::sendmsg(a, b"y", &own)?;
        let message = socket::recvmsg(b, 9, 0)?;
        expect_eq(message.sender, Some(own_credentials()), "what the sender said")?;
    }
    Ok(())
}

fn without_passcred_nobody_is_told() -> Outcome {
    let [a, b] = socket::pair(SOCK_STREAM)?;
    socket::sendmsg(a, b"x", &socket::control(libc::SCM_CREDENTIALS, &own_credentials()))?;
    let message = socket::recvmsg(b, 9, 0)?;
    expect_eq((message.sender, message.flags), (None, 0), "sender and flags")
}

fn credentials_of_others_give_eperm() -> Outcome {
    crate::check::needs_root()?;
    let child = process::spawn(|| {
        process::become_user(1000)?;
        let [a, _] = socket::pair(SOCK_STREAM)?;
        let [pid, user, group] = own_credentials();
        for others in [[1, user, group], [pid, 0, group], [pid, user, 0]] {
            let claim = socket::control(libc::SCM_CREDENTIALS, &others);
            expect_errno(socket::sendmsg(a, b"x", &claim), libc::EPERM)?;
        }
        Ok(())
    })?;
    child.expect_success()
}

fn credentials_of_nobody_are_refused_even_to_root() -> Outcome {
    crate::check::needs_root()?;
    let [a, _] = socket::pair(SOCK_STREAM)?;
    let [pid, user, group] = own_credentials();
    let send = |claim: [i32; 3]| socket::sendmsg(a, b"x", &socket::control(libc::SCM_CREDENTIALS, &claim));
    expect_errno(send([i32::MAX, user, group]), libc::ESRCH)?;
    expect_errno(send([0, user, group]), libc::ESRCH)?;
    expect_errno(send([pid, -1, group]), libc::EINVAL)?;
    expect_errno(send([pid, user, -1]), libc::EINVAL)?;
    expect_eq(send([process::getppid(), 7, 8])?, 1, "bytes sent as another")
}

fn negative_buffer_size_is_the_least_to_root() -> Outcome {
    crate::check::needs_root()?;
    let [a, _] = socket::pair(SOCK_STREAM)?;
    for (force, size) in [(libc::SO_SNDBUFFORCE, libc::SO_SNDBUF), (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF)] {
        socket::set_option(a, force, 0)?;
        let [least] = socket::option(a, size)?;
        socket::set_option(a, force, -1)?;
        expect_eq(socket::option(a, size)?, [least], "the size")?;
    }
    Ok(())
}

fn peercred_tells_who_made_the_pair() -> Outcome {
    let [a, b] = socket::pair(SOCK_STREAM)?;
    for fd in [a, b] {
        let peer: [i32; 3] = socket::option(fd, libc::SO_PEERCRED)?;
        expect_eq(peer, own_credentials(), "process, user and group")?;
    }
    Ok(())
}

fn names_are_the_family_alone() -> Outcome {
    let [a, _] = socket::pair(SOCK_STREAM)?;
    let unnamed = (1, 2);
    expect_eq(socket::name(a)?, unnamed, "family and length of the name")?;
    expect_eq(socket::peer_name(a)?, unnamed, "family and length of the peer's")
}

fn type_domain_and_protocol_can_be_asked() -> Outcome {
    for kind in TYPES {
        let [a, _] = socket::pair(kind)?;
        expect_eq(socket::option(a, libc::SO_TYPE)?, [kind], "SO_TYPE")?;
        expect_eq(socket::option(a, libc::SO_DOMAIN)?, [libc::AF_UNIX], "SO_DOMAIN")?;
        expect_eq(socket::option(a, libc::SO_PROTOCOL)?, [0], "SO_PROTOCOL")?;
        expect_eq(socket::option(a, libc::SO_ACCEPTCONN)?, [0], "SO_ACCEPTCONN")?;
    }
    Ok(())
}

fn buffer_sizes_are_doubled() -> Outcome {
    let [a, _] = socket::pair(SOCK_STREAM)?;
    for name in [libc::SO_SNDBUF, libc::SO_RCVBUF] {
        socket::set_option(a, name, 50_000)?;
        expect_eq(socket::option(a, name)?, [100_000], "the size")?;
    }
    Ok(())
}

fn so_error_tells_once() -> Outcome {
    let [a, b] = socket::pair(SOCK_STREAM)?;
    socket::send(b, b"never read", 0)?;
    fd::close(a)?;
    expect_eq(socket::option(b, libc::SO_ERROR)?, [libc::ECONNRESET], "SO_ERROR")?;
    expect_eq(socket::option(b, libc::SO_ERROR)?, [0], "SO_ERROR, again")
}

fn unknown_options_give_enoprotoopt() -> Outcome {
    let [a, _] = socket::pair(SOCK_STREAM)?;
    expect_errno(socket::option::<1>(a, 9999), libc::ENOPROTOOPT)?;
    expect_errno(socket::set_option(a, 9999, 1), libc::ENOPROTOOPT)
}

fn receive_timeout_gives_eagain() -> Outcome {
    for kind in TYPES {
        let [_, b] = socket::pair(kind)?;
        socket::set_timeout(b, libc::SO_RCVTIMEO, 20)?;
        expect_errno(socket::recv(b, &mut [0; 1], 0), EAGAIN)?;
        expect_errno(fd::read(b, &mut [0; 1]), EAGAIN)?;
    }
    Ok(())
}

fn send_timeout_gives_eagain() -> Outcome {
    let [a, b] = socket::pair(SOCK_STREAM)?;
    socket::set_timeout(a, libc::SO_SNDTIMEO, 20)?;
    while socket::send(a, &[0; 4096], MSG_DONTWAIT).is_ok() {}
    expect_errno(socket::send(a, b"x", 0), EAGAIN)?;
    expect_errno(fd::write(a, b"x"), EAGAIN)?;
    fd::close(b)?;
    Ok(())
}
