//! Sockets that only messages refer to which nobody can receive: they are closed. Specification: unix(7) SCM_RIGHTS.
//!
//! What shows it is a pipe whose write end is sent along: its reader sees the end when nobody can get hold of that any more.
//! Linux may take its time, and begins when another socket is closed.

use super::leaks::leaves_nothing;
use crate::check::{Outcome, expect_eq, expect_errno};
use crate::sys::fd::{self, Pipe};
use crate::sys::{process, socket};
use libc::{MSG_DONTWAIT, MSG_PEEK, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM};

const TYPES: [i32; 3] = [SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET];

crate::tests! {
    socket_in_its_own_queue_is_closed,
    pair_in_each_others_queues_is_closed,
    cycle_of_several_is_closed,
    chain_behind_a_cycle_is_closed,
    listener_in_a_connection_that_it_did_not_accept_is_closed,
    datagrams_in_a_named_socket_under_way_are_closed,
    cycle_left_by_a_process_that_is_killed_is_closed,
    cycle_that_somebody_has_open_stays,
    cycle_that_somebody_can_receive_stays,
    cycle_that_was_peeked_at_stays,
    cycle_behind_a_listener_stays_until_that_is_closed,
    cycles_leave_nothing,
    cycles_behind_listeners_leave_nothing,
    cycles_received_and_sent_on_leave_nothing,
    cycles_under_load_leave_nothing,
    too_many_files_under_way_give_etoomanyrefs,
}

/// Expects that the pipe's write end is nowhere any more.
fn expect_end(pipe: &Pipe) -> Outcome {
    for fd in socket::pair(SOCK_STREAM)? {
        fd::close(fd)?;
    }
    expect_eq(fd::read(pipe.read, &mut [0; 1])?, 0, "bytes when no writer is left")?;
    fd::close(pipe.read)?;
    Ok(())
}

/// Expects that somebody has the pipe's write end still.
fn expect_alive(pipe: &Pipe) -> Outcome {
    for fd in socket::pair(SOCK_STREAM)? {
        fd::close(fd)?;
    }
    fd::set_status_flag(pipe.read, libc::O_NONBLOCK)?;
    expect_errno(fd::read(pipe.read, &mut [0; 1]), libc::EAGAIN)?;
    fd::fcntl(pipe.read, libc::F_SETFL, 0)?;
    Ok(())
}

fn close_all(fds: &[i32]) -> Outcome {
    fds.iter().try_for_each(|fd| fd::close(*fd)).map_err(Into::into)
}

/// Puts both ends of a pair, and the pipe's write end, into the queues of both ends; the pair.
fn tie(kind: i32, pipe: &Pipe) -> Result<[i32; 2], crate::check::Failure> {
    let [a, b] = socket::pair(kind)?;
    socket::send_fds(a, b"x", &[a, b, pipe.write])?;
    socket::send_fds(b, b"y", &[a])?;
    fd::close(pipe.write)?;
    Ok([a, b])
}

fn socket_in_its_own_queue_is_closed() -> Outcome {
    for kind in TYPES {
        let pipe = Pipe::new()?;
        let [a, b] = socket::pair(kind)?;
        socket::send_fds(a, b"x", &[b, pipe.write])?;
        close_all(&[pipe.write, a, b])?;
        expect_end(&pipe)?;
    }
    Ok(())
}

fn pair_in_each_others_queues_is_closed() -> Outcome {
    for kind in TYPES {
        let pipe = Pipe::new()?;
        close_all(&tie(kind, &pipe)?)?;
        expect_end(&pipe)?;
    }
    Ok(())
}

fn cycle_of_several_is_closed() -> Outcome {
    const PAIRS: usize = 5;
    let pipe = Pipe::new()?;
    let pairs: Vec<[i32; 2]> = (0..PAIRS).map(|_| socket::pair(SOCK_STREAM)).collect::<Result<_, _>>()?;
    for (index, [sender, _]) in pairs.iter().enumerate() {
        let [_, next] = pairs[(index + 1) % PAIRS];
        socket::send_fds(*sender, b"x", &[next])?;
    }
    socket::send_fds(pairs[2][0], b"x", &[pipe.write])?;
    fd::close(pipe.write)?;
    close_all(pairs.as_flattened())?;
    expect_end(&pipe)
}

fn chain_behind_a_cycle_is_closed() -> Outcome {
    let pipe = Pipe::new()?;
    let [a, b] = socket::pair(SOCK_SEQPACKET)?;
    let mut held = pipe.write;
    for _ in 0..20 {
        let [c, d] = socket::pair(SOCK_DGRAM)?;
        socket::send_fds(c, b"x", &[held])?;
        close_all(&[held, c])?;
        held = d;
    }
    socket::send_fds(a, b"x", &[held, b])?;
    close_all(&[held, a, b])?;
    expect_end(&pipe)
}

fn listener_in_a_connection_that_it_did_not_accept_is_closed() -> Outcome {
    for kind in [SOCK_STREAM, SOCK_SEQPACKET] {
        let pipe = Pipe::new()?;
        let address = socket::abstract_address("listener");
        let listener = socket::listener(kind, &address, 5)?;
        let client = socket::connected(kind, &address)?;
        socket::send_fds(client, b"x", &[listener, client, pipe.write])?;
        close_all(&[pipe.write, client, listener])?;
        expect_end(&pipe)?;
    }
    Ok(())
}

fn datagrams_in_a_named_socket_under_way_are_closed() -> Outcome {
    let pipe = Pipe::new()?;
    let address = socket::abstract_address("named");
    let receiver = socket::bound(SOCK_DGRAM, &address)?;
    let sender = socket::connected(SOCK_DGRAM, &address)?;
    socket::send_fds(sender, b"x", &[receiver, pipe.write])?;
    close_all(&[pipe.write, sender, receiver])?;
    expect_end(&pipe)
}

fn cycle_left_by_a_process_that_is_killed_is_closed() -> Outcome {
    let pipe = Pipe::new()?;
    let child = process::spawn(|| {
        let pair = tie(SOCK_STREAM, &pipe)?;
        socket::recv(socket::pair(SOCK_STREAM)?[0], &mut [0; 1], 0)?;
        close_all(&pair)
    })?;
    child.wait_until_asleep()?;
    fd::close(pipe.write)?;
    child.kill_and_wait()?;
    expect_end(&pipe)
}

fn cycle_that_somebody_has_open_stays() -> Outcome {
    for kind in TYPES {
        let pipe = Pipe::new()?;
        let [a, b] = tie(kind, &pipe)?;
        fd::close(a)?;
        expect_alive(&pipe)?;
        let message = socket::recvmsg(b, 9, 0)?;
        expect_eq((message.bytes.as_slice(), message.fds.len()), (&b"x"[..], 3), "the message")?;
        expect_alive(&pipe)?;
        close_all(&message.fds)?;
        fd::close(b)?;
        expect_end(&pipe)?;
    }
    Ok(())
}

fn cycle_that_somebody_can_receive_stays() -> Outcome {
    let pipe = Pipe::new()?;
    let [a, b] = tie(SOCK_STREAM, &pipe)?;
    let [outer, receiver] = socket::pair(SOCK_DGRAM)?;
    socket::send_fds(outer, b"x", &[b])?;
    close_all(&[a, b, outer])?;
    expect_alive(&pipe)?;
    let b = socket::recvmsg(receiver, 9, 0)?.fds[0];
    expect_alive(&pipe)?;
    expect_eq(socket::recvmsg(b, 9, 0)?.fds.len(), 3, "descriptors within")?;
    Ok(())
}

fn cycle_that_was_peeked_at_stays() -> Outcome {
    let pipe = Pipe::new()?;
    let [a, b] = tie(SOCK_SEQPACKET, &pipe)?;
    let peeked = socket::recvmsg(b, 9, MSG_PEEK)?;
    close_all(&[a, b, peeked.fds[0], peeked.fds[2]])?;
    expect_alive(&pipe)?;
    expect_eq(socket::recvmsg(peeked.fds[1], 9, MSG_DONTWAIT)?.fds.len(), 3, "descriptors, again")?;
    Ok(())
}

fn cycle_behind_a_listener_stays_until_that_is_closed() -> Outcome {
    let pipe = Pipe::new()?;
    let address = socket::abstract_address("listener");
    let listener = socket::listener(SOCK_STREAM, &address, 5)?;
    let client = socket::connected(SOCK_STREAM, &address)?;
    let [a, b] = tie(SOCK_STREAM, &pipe)?;
    socket::send_fds(client, b"x", &[b])?;
    close_all(&[a, b, client])?;
    expect_alive(&pipe)?;
    let server = socket::accept(listener)?;
    expect_alive(&pipe)?;
    close_all(&[server, listener])?;
    expect_end(&pipe)
}

fn cycles_leave_nothing() -> Outcome {
    for kind in TYPES {
        leaves_nothing(100, || {
            let pipe = Pipe::new()?;
            close_all(&tie(kind, &pipe)?)?;
            fd::close(pipe.read)?;
            Ok(())
        })?;
    }
    Ok(())
}

fn cycles_behind_listeners_leave_nothing() -> Outcome {
    let address = socket::abstract_address("listener");
    leaves_nothing(100, || {
        let listener = socket::listener(SOCK_STREAM, &address, 5)?;
        let clients = [socket::connected(SOCK_STREAM, &address)?, socket::connected(SOCK_STREAM, &address)?];
        socket::send_fds(clients[0], b"x", &[listener, clients[1]])?;
        socket::send_fds(clients[1], b"x", &[listener, clients[0]])?;
        close_all(&clients)?;
        fd::close(listener)?;
        Ok(())
    })
}

fn cycles_received_and_sent_on_leave_nothing() -> Outcome {
    leaves_nothing(100, || {
        let pipe = Pipe::new()?;
        let [a, b] = tie(SOCK_SEQPACKET, &pipe)?;
        let [outer, receiver] = socket::pair(SOCK_DGRAM)?;
        socket::send_fds(outer, b"x", &[b, receiver])?;
        close_all(&[a, b])?;
        let fds = socket::recvmsg(receiver, 9, 0)?.fds;
        socket::send_fds(outer, b"x", &fds)?;
        close_all(&fds)?;
        close_all(&[outer, receiver, pipe.read])
    })
}

fn cycles_under_load_leave_nothing() -> Outcome {
    leaves_nothing(20, || {
        let work = || {
            for _ in 0..30 {
                let pipe = Pipe::new()?;
                let [a, b] = tie(SOCK_STREAM, &pipe)?;
                let fds = socket::recvmsg(b, 9, 0)?.fds;
                socket::send_fds(a, b"again", &fds)?;
                close_all(&fds)?;
                close_all(&[a, b, pipe.read])?;
            }
            Ok(())
        };
        let children: Vec<_> = (0..4).map(|_| process::spawn(work)).collect::<Result<_, _>>()?;
        children.into_iter().try_for_each(process::Child::expect_success)
    })
}

fn too_many_files_under_way_give_etoomanyrefs() -> Outcome {
    crate::check::needs_root()?;
    let child = process::spawn(|| {
        process::set_soft_limit(libc::RLIMIT_NOFILE, 20)?;
        process::become_user(1003)?;
        let [a, b] = socket::pair(SOCK_DGRAM)?;
        for _ in 0..3 {
            socket::send_fds(a, b"x", &[a; 7])?;
        }
        expect_errno(socket::send_fds(a, b"x", &[a]), libc::ETOOMANYREFS)?;
        socket::recvmsg(b, 9, 0)?;
        expect_eq(socket::send_fds(a, b"x", &[a])?, 1, "bytes sent when fewer are under way")
    })?;
    child.expect_success()
}
