//! Connections of Unix sockets: streams and packets in sequence. Specification: unix(7), listen(2), connect(2), accept(2).

use crate::check::{Outcome, expect, expect_eq, expect_errno, needs_root};
use crate::sys::{fd, process, ready, signal, socket};
use libc::{
    EAGAIN, ECONNREFUSED, ECONNRESET, EINVAL, ENOTCONN, EPIPE, MSG_NOSIGNAL, POLLHUP, POLLIN, POLLOUT, POLLRDHUP,
    SHUT_RD, SHUT_RDWR, SHUT_WR, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_SEQPACKET, SOCK_STREAM,
};

const TYPES: [i32; 2] = [SOCK_STREAM, SOCK_SEQPACKET];

crate::tests! {
    accepted_socket_and_its_client_send_to_each_other,
    bytes_sent_before_accept_wait_for_it,
    each_accept_takes_the_connection_that_came_first,
    accept_waits_for_a_connection,
    accept_of_a_nonblocking_listener_gives_eagain,
    accept_is_limited_by_the_receive_timeout,
    accept_is_interrupted_and_restarted,
    accept4_sets_the_flags_it_is_given_and_no_others,
    accept_tells_the_name_of_the_client,
    names_are_those_of_both_ends,
    received_message_tells_the_peers_name,
    accept_where_nothing_listens_gives_einval,
    listen_without_a_name_gives_einval,
    listen_of_a_connected_socket_gives_einval,
    connect_to_what_does_not_listen_gives_econnrefused,
    connect_of_a_connected_socket_gives_eisconn,
    connect_of_a_listener_gives_einval,
    full_backlog_gives_eagain,
    full_backlog_blocks_connect_until_accept,
    full_backlog_blocks_connect_for_the_send_timeout,
    larger_backlog_lets_connect_go_on,
    closed_listener_refuses_a_blocked_connect,
    shut_listener_refuses_and_ends_accept,
    closed_listener_resets_those_not_accepted,
    client_that_has_gone_is_accepted_all_the_same,
    accepted_socket_outlives_its_listener,
    unconnected_sockets_neither_send_nor_receive,
    sendto_of_a_stream_takes_no_address,
    sendto_of_a_seqpacket_ignores_the_address,
    poll_says_hang_up_of_an_unconnected_socket,
    poll_says_readable_of_a_listener_with_a_connection,
    epoll_sees_each_connection_as_an_edge,
    shutdown_in_each_way_says_what_poll_tells,
    fionread_of_a_listener_gives_einval,
    acceptconn_tells_who_listens,
    peercred_is_of_listen_and_of_connect,
    peercred_of_an_unconnected_socket_is_nobodys,
    passcred_of_the_listener_is_inherited,
    passcred_names_the_client_automatically,
    passcred_is_not_switched_on_by_a_connect_that_fails,
    options_of_the_listener_are_not_inherited,
    many_clients_and_servers_meet_in_pairs,
}

fn address() -> Vec<u8> {
    socket::abstract_address("listener")
}

fn accepted_socket_and_its_client_send_to_each_other() -> Outcome {
    for kind in TYPES {
        let (client, server, listener) = socket::connection(kind, &address())?;
        expect_eq(fd::write(client, b"to the server")?, 13, "bytes")?;
        expect_eq(fd::write(server, b"to the client")?, 13, "bytes")?;
        expect_eq(socket::recv_up_to(server, 99, 0)?, b"to the server", "what the server receives")?;
        expect_eq(socket::recv_up_to(client, 99, 0)?, b"to the client", "what the client receives")?;
        fd::close(client)?;
        expect_eq(fd::read(server, &mut [0; 1])?, 0, "bytes at the end")?;
        fd::close(listener)?;
    }
    Ok(())
}

fn bytes_sent_before_accept_wait_for_it() -> Outcome {
    for kind in TYPES {
        let listener = socket::listener(kind, &address(), 1)?;
        let client = socket::connected(kind, &address())?;
        socket::send_fds(client, b"early", &[client])?;
        fd::close(client)?;
        let server = socket::accept(listener)?;
        let message = socket::recvmsg(server, 9, 0)?;
        expect_eq((message.bytes.as_slice(), message.fds.len()), (&b"early"[..], 1), "the message")?;
        fd::write(server, b"back")?;
        expect_eq(socket::recv_up_to(message.fds[0], 9, 0)?, b"back", "through the descriptor sent")?;
        fd::close(listener)?;
    }
    Ok(())
}

fn each_accept_takes_the_connection_that_came_first() -> Outcome {
    let listener = socket::listener(SOCK_STREAM, &address(), 5)?;
    for name in ["first", "second", "third"] {
        fd::write(socket::connected(SOCK_STREAM, &address())?, name.as_bytes())?;
    }
    for name in ["first", "second", "third"] {
        expect_eq(socket::recv_up_to(socket::accept(listener)?, 9, 0)?, name.as_bytes(), "the client")?;
    }
    Ok(())
}

fn accept_waits_for_a_connection() -> Outcome {
    for kind in TYPES {
        let listener = socket::listener(kind, &address(), 1)?;
        let server = process::spawn(|| {
            let server = socket::accept(listener)?;
            expect_eq(socket::recv_up_to(server, 9, 0)?, b"hello", "what comes")
        })?;
        server.wait_until_asleep()?;
        let client = socket::connected(kind, &address())?;
        fd::write(client, b"hello")?;
        server.expect_success()?;
        fd::close(listener)?;
    }
    Ok(())
}

fn accept_of_a_nonblocking_listener_gives_eagain() -> Outcome {
    let listener = socket::listener(SOCK_STREAM | SOCK_NONBLOCK, &address(), 1)?;
    expect_errno(socket::accept(listener), EAGAIN)?;
    socket::connected(SOCK_STREAM, &address())?;
    let server = socket::accept(listener)?;
    expect_eq(fd::fcntl(server, libc::F_GETFL, 0)? & libc::O_NONBLOCK, 0, "O_NONBLOCK of what is accepted")?;
    expect_errno(socket::accept(listener), EAGAIN)
}

fn accept_is_limited_by_the_receive_timeout() -> Outcome {
    let listener = socket::listener(SOCK_STREAM, &address(), 1)?;
    socket::set_timeout(listener, libc::SO_RCVTIMEO, 20)?;
    expect_errno(socket::accept(listener), EAGAIN)
}

fn accept_is_interrupted_and_restarted() -> Outcome {
    for (flags, restarted) in [(0, false), (libc::SA_RESTART, true)] {
        let listener = socket::listener(SOCK_STREAM, &address(), 1)?;
        signal::count(libc::SIGUSR1, flags)?;
        let server = process::spawn(|| {
            let result = socket::accept(listener);
            expect_eq(signal::caught(libc::SIGUSR1), 1, "signals")?;
            if restarted { result.map(drop).map_err(Into::into) } else { expect_errno(result, libc::EINTR) }
        })?;
        server.wait_until_asleep()?;
        server.kill(libc::SIGUSR1)?;
        if restarted {
            server.wait_until_asleep()?;
            socket::connected(SOCK_STREAM, &address())?;
        }
        server.expect_success()?;
        fd::close(listener)?;
    }
    Ok(())
}

fn accept4_sets_the_flags_it_is_given_and_no_others() -> Outcome {
    let listener = socket::listener(SOCK_STREAM | SOCK_NONBLOCK | libc::SOCK_CLOEXEC, &address(), 5)?;
    for (flags, nonblock, cloexec) in
        [(0, 0, 0), (SOCK_NONBLOCK, libc::O_NONBLOCK, 0), (libc::SOCK_CLOEXEC, 0, libc::FD_CLOEXEC)]
    {
        socket::connected(SOCK_STREAM, &address())?;
        let (server, _) = socket::accept4(listener, flags)?;
        expect_eq(fd::fcntl(server, libc::F_GETFL, 0)? & libc::O_NONBLOCK, nonblock, "O_NONBLOCK")?;
        expect_eq(fd::fcntl(server, libc::F_GETFD, 0)?, cloexec, "descriptor flags")?;
    }
    expect_errno(socket::accept4(listener, 1), EINVAL)
}

fn accept_tells_the_name_of_the_client() -> Outcome {
    for kind in TYPES {
        let listener = socket::listener(kind, &address(), 5)?;
        let name = socket::abstract_address("client");
        let client = socket::bound(kind, &name)?;
        socket::connect(client, &address())?;
        let (_, peer) = socket::accept4(listener, 0)?;
        expect_eq(peer, name, "the address of a client with a name")?;
        socket::connected(kind, &address())?;
        let (_, peer) = socket::accept4(listener, 0)?;
        expect_eq(peer, socket::nameless(), "the address of one without")?;
        fd::close(listener)?;
        fd::close(client)?;
    }
    Ok(())
}

fn names_are_those_of_both_ends() -> Outcome {
    for kind in TYPES {
        let (client, server, listener) = socket::connection(kind, &address())?;
        expect_eq(socket::own_address(server)?, address(), "the server's own")?;
        expect_eq(socket::peer_address(client)?, address(), "the client's peer's")?;
        expect_eq(socket::own_address(client)?, socket::nameless(), "the client's own")?;
        expect_eq(socket::peer_address(server)?, socket::nameless(), "the server's peer's")?;
        expect_errno(socket::peer_address(listener), ENOTCONN)?;
        socket::bind(client, &socket::abstract_address("late"))?;
        expect_eq(socket::peer_address(server)?, socket::abstract_address("late"), "a name given later")?;
        fd::close(server)?;
        expect_eq(socket::peer_address(client)?, address(), "the peer's, when that is closed")?;
        fd::close(listener)?;
        fd::close(client)?;
    }
    Ok(())
}

fn received_message_tells_the_peers_name() -> Outcome {
    for kind in TYPES {
        let (client, server, listener) = socket::connection(kind, &address())?;
        fd::write(server, b"x")?;
        expect_eq(socket::recvfrom(client, 9, 0)?, (b"x".to_vec(), address()), "bytes and address")?;
        fd::write(client, b"y")?;
        let (_, from) = socket::recvfrom(server, 9, 0)?;
        expect_eq(from.len(), 0, "the length of the address of a peer without a name")?;
        fd::close(listener)?;
    }
    Ok(())
}

fn accept_where_nothing_listens_gives_einval() -> Outcome {
    for kind in TYPES {
        expect_errno(socket::accept(socket::open(kind)?), EINVAL)?;
        expect_errno(socket::accept(socket::pair(kind)?[0]), EINVAL)?;
    }
    let datagrams = socket::bound(SOCK_DGRAM, &address())?;
    expect_errno(socket::accept(datagrams), libc::EOPNOTSUPP)?;
    expect_errno(socket::listen(datagrams, 1), libc::EOPNOTSUPP)
}

fn listen_without_a_name_gives_einval() -> Outcome {
    for kind in TYPES {
        expect_errno(socket::listen(socket::open(kind)?, 1), EINVAL)?;
    }
    Ok(())
}

fn listen_of_a_connected_socket_gives_einval() -> Outcome {
    for kind in TYPES {
        let (client, server, listener) = socket::connection(kind, &address())?;
        socket::bind(client, &socket::nameless())?;
        expect_errno(socket::listen(client, 1), EINVAL)?;
        expect_errno(socket::listen(server, 1), EINVAL)?;
        socket::listen(listener, 2)?;
        fd::close(listener)?;
    }
    Ok(())
}

fn connect_to_what_does_not_listen_gives_econnrefused() -> Outcome {
    for kind in TYPES {
        let bound = socket::bound(kind, &address())?;
        let client = socket::open(kind)?;
        expect_errno(socket::connect(client, &address()), ECONNREFUSED)?;
        expect_errno(socket::connect(bound, &address()), ECONNREFUSED)?;
        socket::listen(bound, 1)?;
        socket::connect(client, &address())?;
        fd::close(bound)?;
    }
    Ok(())
}

fn connect_of_a_connected_socket_gives_eisconn() -> Outcome {
    for kind in TYPES {
        let (client, server, listener) = socket::connection(kind, &address())?;
        for fd in [client, server] {
            expect_errno(socket::connect(fd, &address()), libc::EISCONN)?;
        }
        fd::close(server)?;
        expect_errno(socket::connect(client, &address()), libc::EISCONN)?;
        expect_errno(socket::connect(client, &socket::unspecified()), EINVAL)?;
        fd::close(listener)?;
    }
    Ok(())
}

fn connect_of_a_listener_gives_einval() -> Outcome {
    let listener = socket::listener(SOCK_STREAM, &address(), 1)?;
    expect_errno(socket::connect(listener, &address()), EINVAL)
}

/// Connects until nobody may wait any more; how many wait.
fn fill(kind: i32) -> Result<usize, crate::check::Failure> {
    for count in 0..100 {
        let client = socket::open(kind | SOCK_NONBLOCK)?;
        if let Err(error) = socket::connect(client, &address()) {
            expect_eq(error.errno, EAGAIN, "errno")?;
            return Ok(count);
        }
    }
    Err(crate::check::failed("the backlog has no end"))
}

fn full_backlog_gives_eagain() -> Outcome {
    for kind in TYPES {
        for backlog in [0, 1, 4] {
            let listener = socket::listener(kind, &address(), backlog)?;
            let expected = usize::try_from(backlog).unwrap_or(0) + 1;
            expect_eq(fill(kind)?, expected, "connections that wait")?;
            socket::accept(listener)?;
            expect_eq(fill(kind)?, 1, "connections that fit again")?;
            fd::close(listener)?;
        }
    }
    Ok(())
}

fn full_backlog_blocks_connect_until_accept() -> Outcome {
    for kind in TYPES {
        let listener = socket::listener(kind, &address(), 0)?;
        fill(kind)?;
        let client = process::spawn(|| {
            let client = socket::connected(kind, &address())?;
            fd::write(client, b"at last")?;
            Ok(())
        })?;
        client.wait_until_asleep()?;
        socket::accept(listener)?;
        client.expect_success()?;
        expect_eq(socket::recv_up_to(socket::accept(listener)?, 9, 0)?, b"at last", "what comes")?;
        fd::close(listener)?;
    }
    Ok(())
}

fn full_backlog_blocks_connect_for_the_send_timeout() -> Outcome {
    socket::listener(SOCK_STREAM, &address(), 0)?;
    fill(SOCK_STREAM)?;
    let client = socket::open(SOCK_STREAM)?;
    socket::set_timeout(client, libc::SO_SNDTIMEO, 20)?;
    expect_errno(socket::connect(client, &address()), EAGAIN)
}

fn larger_backlog_lets_connect_go_on() -> Outcome {
    let listener = socket::listener(SOCK_STREAM, &address(), 0)?;
    fill(SOCK_STREAM)?;
    let client = process::spawn(|| socket::connected(SOCK_STREAM, &address()).map(drop).map_err(Into::into))?;
    client.wait_until_asleep()?;
    socket::listen(listener, 1)?;
    client.expect_success()
}

fn closed_listener_refuses_a_blocked_connect() -> Outcome {
    for kind in TYPES {
        let listener = socket::listener(kind, &address(), 0)?;
        fill(kind)?;
        let client = process::spawn(|| {
            fd::close(listener)?;
            expect_errno(socket::connected(kind, &address()), ECONNREFUSED)
        })?;
        client.wait_until_asleep()?;
        fd::close(listener)?;
        client.expect_success()?;
    }
    Ok(())
}

fn shut_listener_refuses_and_ends_accept() -> Outcome {
    for kind in TYPES {
        let listener = socket::listener(kind, &address(), 5)?;
        let server = process::spawn(|| expect_errno(socket::accept(listener), EINVAL))?;
        server.wait_until_asleep()?;
        socket::shutdown(listener, SHUT_RD)?;
        server.expect_success()?;
        expect_errno(socket::connected(kind, &address()), ECONNREFUSED)?;
        expect_errno(socket::accept(listener), EINVAL)?;
        fd::close(listener)?;
    }
    Ok(())
}

fn closed_listener_resets_those_not_accepted() -> Outcome {
    for kind in TYPES {
        let listener = socket::listener(kind, &address(), 5)?;
        let client = socket::connected(kind, &address())?;
        fd::close(listener)?;
        let ended = POLLIN | POLLOUT | POLLRDHUP;
        expect_eq(ready::revents(client, ended)?, ended | POLLHUP | libc::POLLERR, "revents")?;
        expect_errno(socket::recv(client, &mut [0; 1], 0), ECONNRESET)?;
        expect_eq(socket::recv(client, &mut [0; 1], 0)?, 0, "bytes after that")?;
        expect_errno(socket::send(client, b"x", MSG_NOSIGNAL), EPIPE)?;
    }
    Ok(())
}

fn client_that_has_gone_is_accepted_all_the_same() -> Outcome {
    for kind in TYPES {
        let listener = socket::listener(kind, &address(), 5)?;
        fd::close(socket::connected(kind, &address())?)?;
        let server = socket::accept(listener)?;
        expect_eq(fd::read(server, &mut [0; 1])?, 0, "bytes")?;
        fd::close(listener)?;
    }
    Ok(())
}

fn accepted_socket_outlives_its_listener() -> Outcome {
    for kind in TYPES {
        let (client, server, listener) = socket::connection(kind, &address())?;
        fd::close(listener)?;
        fd::write(server, b"still")?;
        expect_eq(socket::recv_up_to(client, 9, 0)?, b"still", "what comes")?;
        // The name is free, though the accepted socket still says it.
        fd::close(socket::bound(kind, &address())?)?;
        expect_eq(socket::own_address(server)?, address(), "the accepted socket's name")?;
    }
    Ok(())
}

fn unconnected_sockets_neither_send_nor_receive() -> Outcome {
    signal::count(libc::SIGPIPE, 0)?;
    for (kind, errno) in [(SOCK_STREAM, EINVAL), (SOCK_SEQPACKET, ENOTCONN)] {
        for fd in [socket::open(kind)?, socket::listener(kind, &address(), 1)?] {
            expect_errno(socket::recv(fd, &mut [0; 1], 0), errno)?;
            expect_errno(fd::read(fd, &mut [0; 1]), errno)?;
            expect_errno(socket::send(fd, b"x", 0), ENOTCONN)?;
            expect_errno(fd::write(fd, b"x"), ENOTCONN)?;
            expect_errno(socket::peer_address(fd), ENOTCONN)?;
            fd::close(fd)?;
        }
    }
    expect_eq(signal::caught(libc::SIGPIPE), 0, "signals")
}

fn sendto_of_a_stream_takes_no_address() -> Outcome {
    let (client, server, _) = socket::connection(SOCK_STREAM, &address())?;
    for fd in [client, server] {
        expect_errno(socket::sendto(fd, b"x", 0, &address()), libc::EISCONN)?;
    }
    expect_errno(socket::sendto(socket::open(SOCK_STREAM)?, b"x", 0, &address()), libc::EOPNOTSUPP)
}

fn sendto_of_a_seqpacket_ignores_the_address() -> Outcome {
    let (client, server, _) = socket::connection(SOCK_SEQPACKET, &address())?;
    socket::sendto(client, b"to the peer", 0, &socket::abstract_address("nobody"))?;
    expect_eq(socket::recv_up_to(server, 99, 0)?, b"to the peer", "what comes")?;
    expect_errno(socket::sendto(socket::open(SOCK_SEQPACKET)?, b"x", 0, &address()), ENOTCONN)
}

fn poll_says_hang_up_of_an_unconnected_socket() -> Outcome {
    let all = POLLIN | POLLOUT | POLLRDHUP;
    for kind in TYPES {
        let fd = socket::open(kind)?;
        expect_eq(ready::revents(fd, all)?, POLLOUT | POLLHUP, "revents")?;
        socket::listener(kind, &address(), 1).map(drop)?;
        socket::connect(fd, &address())?;
        expect_eq(ready::revents(fd, all)?, POLLOUT, "revents of a connected one")?;
    }
    Ok(())
}

fn poll_says_readable_of_a_listener_with_a_connection() -> Outcome {
    for kind in TYPES {
        let listener = socket::listener(kind, &address(), 5)?;
        expect_eq(ready::revents(listener, POLLIN | POLLOUT)?, 0, "revents without a connection")?;
        let waiter = process::spawn(|| {
            let mut entries = [ready::wanting(listener, POLLIN)];
            expect_eq(ready::poll(&mut entries, -1)?, 1, "ready")
        })?;
        waiter.wait_until_asleep()?;
        socket::connected(kind, &address())?;
        waiter.expect_success()?;
        expect_eq(ready::revents(listener, POLLIN | POLLOUT)?, POLLIN, "revents with one")?;
        socket::accept(listener)?;
        expect_eq(ready::revents(listener, POLLIN | POLLOUT)?, 0, "revents when it is accepted")?;
        fd::close(listener)?;
    }
    Ok(())
}

fn epoll_sees_each_connection_as_an_edge() -> Outcome {
    let listener = socket::listener(SOCK_STREAM, &address(), 5)?;
    let epoll = ready::epoll_create1(0)?;
    ready::epoll_add(epoll, listener, libc::EPOLLIN | libc::EPOLLET)?;
    expect_eq(ready::epoll_ready(epoll)?.len(), 0, "events without a connection")?;
    for _ in 0..2 {
        socket::connected(SOCK_STREAM, &address())?;
        expect_eq(ready::epoll_ready(epoll)?.len(), 1, "events")?;
        expect_eq(ready::epoll_ready(epoll)?.len(), 0, "events without news")?;
    }
    Ok(())
}

fn shutdown_in_each_way_says_what_poll_tells() -> Outcome {
    let all = POLLIN | POLLOUT | POLLRDHUP;
    let (ended, over) = (POLLIN | POLLOUT | POLLRDHUP, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
    for kind in TYPES {
        for (how, own, peers) in [(SHUT_RD, ended, POLLOUT), (SHUT_WR, POLLOUT, ended), (SHUT_RDWR, over, over)] {
            let (client, server, listener) = socket::connection(kind, &address())?;
            socket::shutdown(client, how)?;
            expect_eq(ready::revents(client, all)?, own, "revents")?;
            expect_eq(ready::revents(server, all)?, peers, "revents of the peer")?;
            fd::close(listener)?;
        }
    }
    Ok(())
}

fn fionread_of_a_listener_gives_einval() -> Outcome {
    let listener = socket::listener(SOCK_STREAM, &address(), 5)?;
    expect_errno(fd::fionread(listener), EINVAL)?;
    expect_eq(fd::fionread(socket::open(SOCK_STREAM)?)?, 0, "bytes of one that does not listen")
}

fn acceptconn_tells_who_listens() -> Outcome {
    let (client, server, listener) = socket::connection(SOCK_STREAM, &address())?;
    for (fd, listens) in [(client, 0), (server, 0), (listener, 1)] {
        expect_eq(socket::option(fd, libc::SO_ACCEPTCONN)?, [listens], "SO_ACCEPTCONN")?;
        expect_eq(socket::option(fd, libc::SO_DOMAIN)?, [libc::AF_UNIX], "SO_DOMAIN")?;
        expect_eq(socket::option(fd, libc::SO_TYPE)?, [SOCK_STREAM], "SO_TYPE")?;
    }
    Ok(())
}

fn peercred_is_of_listen_and_of_connect() -> Outcome {
    needs_root()?;
    for kind in TYPES {
        let listener = socket::bound(kind, &address())?;
        // A child listens, whose the client's answer is from then on.
        let child = process::spawn(|| {
            process::become_user(1001)?;
            socket::listen(listener, 5)?;
            Ok(())
        })?;
        child.expect_success()?;
        let connecting = process::spawn(|| {
            process::become_user(1002)?;
            let client = socket::connected(kind, &address())?;
            expect_eq(socket::option(client, libc::SO_PEERCRED)?, [child.pid, 1001, 1001], "who listened")
        })?;
        connecting.expect_success()?;
        let server = socket::accept(listener)?;
        expect_eq(socket::option(server, libc::SO_PEERCRED)?, [connecting.pid, 1002, 1002], "who connected")?;
        fd::close(listener)?;
    }
    Ok(())
}

fn peercred_of_an_unconnected_socket_is_nobodys() -> Outcome {
    for kind in [SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM] {
        expect_eq(socket::option(socket::open(kind)?, libc::SO_PEERCRED)?, [0, -1, -1], "SO_PEERCRED")?;
    }
    let listener = socket::listener(SOCK_STREAM, &address(), 1)?;
    expect_eq(socket::option::<3>(listener, libc::SO_PEERCRED)?[0], process::getpid(), "that of a listener")
}

fn passcred_of_the_listener_is_inherited() -> Outcome {
    for kind in TYPES {
        let listener = socket::listener(kind, &address(), 1)?;
        socket::set_option(listener, libc::SO_PASSCRED, 1)?;
        let client = socket::connected(kind, &address())?;
        fd::write(client, b"before accept")?;
        let server = socket::accept(listener)?;
        expect_eq(socket::option(server, libc::SO_PASSCRED)?, [1], "SO_PASSCRED")?;
        let sender = socket::recvmsg(server, 99, 0)?.sender.map(|[pid, ..]| pid);
        expect_eq(sender, Some(process::getpid()), "who sent")?;
        expect_eq(socket::option(client, libc::SO_PASSCRED)?, [0], "SO_PASSCRED of the client")?;
        fd::close(listener)?;
    }
    Ok(())
}

fn passcred_names_the_client_automatically() -> Outcome {
    for kind in TYPES {
        let listener = socket::listener(kind, &address(), 1)?;
        let client = socket::open(kind)?;
        socket::set_option(client, libc::SO_PASSCRED, 1)?;
        socket::connect(client, &address())?;
        let name = socket::own_address(client)?;
        expect_eq((name.len(), name[2]), (8, 0), "length, and the first byte of the name")?;
        let (_, peer) = socket::accept4(listener, 0)?;
        expect_eq(peer, name, "what accept tells")?;
        fd::close(listener)?;
    }
    Ok(())
}

fn passcred_is_not_switched_on_by_a_connect_that_fails() -> Outcome {
    for kind in TYPES {
        let listener = socket::listener(kind, &address(), 9)?;
        let client = socket::connected(kind, &address())?;
        let server = socket::accept(listener)?;
        let pair = socket::pair(kind)?;
        for (connected, peer) in [(client, server), (server, client), (pair[0], pair[1])] {
            expect_errno(socket::connect(connected, &address()), libc::EISCONN)?;
            expect_eq(socket::option(peer, libc::SO_PASSCRED)?, [0], "SO_PASSCRED of the peer")?;
            fd::write(connected, b"x")?;
            expect_eq(socket::recvmsg(peer, 9, 0)?.sender, None, "who sent")?;
        }
        fd::close(listener)?;
    }
    Ok(())
}

fn options_of_the_listener_are_not_inherited() -> Outcome {
    let listener = socket::listener(SOCK_STREAM, &address(), 1)?;
    let before = socket::option::<1>(listener, libc::SO_SNDBUF)?;
    socket::set_option(listener, libc::SO_SNDBUF, 10_000)?;
    let client = socket::open(SOCK_STREAM)?;
    socket::set_option(client, libc::SO_SNDBUF, 20_000)?;
    socket::connect(client, &address())?;
    let server = socket::accept(listener)?;
    expect_eq(socket::option::<1>(server, libc::SO_SNDBUF)?, before, "SO_SNDBUF of what is accepted")?;
    expect_eq(socket::option(client, libc::SO_SNDBUF)?, [40_000], "SO_SNDBUF of the client")
}

fn many_clients_and_servers_meet_in_pairs() -> Outcome {
    const SERVERS: usize = 3;
    const CLIENTS: usize = 5;
    const ROUNDS: usize = 60;
    let listener = socket::listener(SOCK_STREAM, &address(), 1)?;
    let serve = || {
        for _ in 0..CLIENTS * ROUNDS / SERVERS {
            let server = socket::accept(listener)?;
            let request = socket::recv_up_to(server, 9, 0)?;
            fd::write(server, &request)?;
            fd::close(server)?;
        }
        Ok(())
    };
    let ask = |number: usize| {
        for round in 0..ROUNDS {
            let request = format!("{number} {round}").into_bytes();
            let client = socket::connected(SOCK_STREAM, &address())?;
            fd::write(client, &request)?;
            expect(fd::read_up_to(client, 9)? == request, "the answer is to the question")?;
            fd::close(client)?;
        }
        Ok(())
    };
    let servers: Vec<_> = (0..SERVERS).map(|_| process::spawn(serve)).collect::<Result<_, _>>()?;
    let clients: Vec<_> = (0..CLIENTS).map(|number| process::spawn(|| ask(number))).collect::<Result<_, _>>()?;
    clients.into_iter().chain(servers).try_for_each(process::Child::expect_success)
}
