//! Unix sockets. The mate of one is the other of its pair.

use super::{Column, Edges, Ends, Kind, State, Whose};
use crate::check::{Failure, Outcome};
use crate::sys::{fd, socket};
use libc::{SHUT_RD, SHUT_RDWR, SHUT_WR, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_SEQPACKET, SOCK_STREAM};

fn pair(kind: i32) -> Result<Ends, Failure> {
    let [watched, mate] = socket::pair(kind | SOCK_NONBLOCK)?;
    Ok(Ends { watched, mate })
}

const fn both(name: &'static str, make: super::Make) -> Column {
    Column { name, make, whose: Whose::Linux }
}

fn put(file: i32) -> Outcome {
    socket::send(file, b"x", 0)?;
    Ok(())
}

fn take(file: i32) -> Outcome {
    socket::recv(file, &mut [0; 4096], 0)?;
    Ok(())
}

/// Sends messages of a page until nothing more goes.
fn fill(file: i32) -> Outcome {
    loop {
        match socket::send(file, &[0; 4096], 0) {
            Ok(_) => {}
            Err(error) if error.errno == libc::EAGAIN => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Receives all that is there.
fn empty(file: i32) -> Outcome {
    loop {
        match socket::recv(file, &mut [0; 4096], 0) {
            Ok(_) => {}
            Err(error) if error.errno == libc::EAGAIN => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn close_mate(ends: Ends) -> Outcome {
    Ok(fd::close(ends.mate)?)
}

const PAIR: &[State] = &[
    State::fresh("nothing to receive"),
    State::then("a message to receive", |ends| put(ends.mate), |ends| put(ends.mate)),
    State::then(
        "a message received",
        |ends| {
            put(ends.mate)?;
            take(ends.watched)
        },
        |ends| {
            put(ends.mate)?;
            take(ends.watched)
        },
    ),
    State::after("its mate takes no more", |ends| fill(ends.watched)),
    State::then(
        "its mate has received one",
        |ends| {
            fill(ends.watched)?;
            take(ends.mate)
        },
        |ends| take(ends.mate),
    ),
    State::after("its mate has received all", |ends| {
        fill(ends.watched)?;
        empty(ends.mate)
    }),
    State::after("its mate sends no more", |ends| Ok(socket::shutdown(ends.mate, SHUT_WR)?)),
    State::then(
        "its mate sends no more, messages left",
        |ends| {
            put(ends.mate)?;
            put(ends.mate)?;
            Ok(socket::shutdown(ends.mate, SHUT_WR)?)
        },
        |ends| take(ends.watched),
    ),
    State::after("its mate receives no more", |ends| Ok(socket::shutdown(ends.mate, SHUT_RD)?)),
    State::after("it sends no more", |ends| Ok(socket::shutdown(ends.watched, SHUT_WR)?)),
    State::after("it receives no more", |ends| Ok(socket::shutdown(ends.watched, SHUT_RD)?)),
    State::after("it does neither", |ends| Ok(socket::shutdown(ends.watched, SHUT_RDWR)?)),
    State::after("both send no more", |ends| {
        socket::shutdown(ends.watched, SHUT_WR)?;
        Ok(socket::shutdown(ends.mate, SHUT_WR)?)
    }),
    State::after("its mate is closed", close_mate),
    State::then(
        "its mate is closed, messages left",
        |ends| {
            put(ends.mate)?;
            put(ends.mate)?;
            close_mate(ends)
        },
        |ends| take(ends.watched),
    ),
    State::after("its mate is closed with a message unread", |ends| {
        put(ends.watched)?;
        close_mate(ends)
    }),
    State::after("the same, and the error is taken", |ends| {
        put(ends.watched)?;
        close_mate(ends)?;
        // An error, or nothing: either way it is told once.
        let _ = socket::recv(ends.watched, &mut [0; 1], 0);
        Ok(())
    }),
];

fn alone(kind: i32) -> Result<Ends, Failure> {
    Ok(Ends { watched: socket::open(kind | SOCK_NONBLOCK)?, mate: -1 })
}

fn listener(kind: i32) -> Result<Ends, Failure> {
    Ok(Ends { watched: socket::listener(kind | SOCK_NONBLOCK, &socket::nameless(), 4)?, mate: -1 })
}

fn come(ends: Ends) -> Outcome {
    socket::connected(SOCK_NONBLOCK | kind_of(ends)?, &socket::own_address(ends.watched)?)?;
    Ok(())
}

fn kind_of(ends: Ends) -> Result<i32, Failure> {
    let [kind] = socket::option(ends.watched, libc::SO_TYPE)?;
    Ok(kind)
}

const UNCONNECTED: &[State] = &[State::fresh("new"), State::after("it does neither", shut_alone)];

/// Linux refuses where there is no connection, and shuts what there is.
fn shut_alone(ends: Ends) -> Outcome {
    let _ = socket::shutdown(ends.watched, SHUT_RDWR);
    Ok(())
}

const LISTENER: &[State] = &[
    State::fresh("no client"),
    State::then("a client", come, come),
    State::then(
        "a client, accepted",
        |ends| {
            come(ends)?;
            socket::accept(ends.watched)?;
            Ok(())
        },
        come,
    ),
    State::after("a client, gone", |ends| {
        let client = socket::connected(SOCK_NONBLOCK | kind_of(ends)?, &socket::own_address(ends.watched)?)?;
        Ok(fd::close(client)?)
    }),
    State::after("shut down", |ends| Ok(socket::shutdown(ends.watched, SHUT_RDWR)?)),
];

pub(super) const KINDS: &[Kind] = &[
    Kind {
        title: "Socket of a pair",
        columns: &[
            both("stream", || pair(SOCK_STREAM)),
            both("seqpacket", || pair(SOCK_SEQPACKET)),
            both("datagram", || pair(SOCK_DGRAM)),
        ],
        states: PAIR,
        edges: Edges::Told,
    },
    Kind {
        title: "Socket without a mate",
        columns: &[
            both("stream", || alone(SOCK_STREAM)),
            both("seqpacket", || alone(SOCK_SEQPACKET)),
            both("datagram", || alone(SOCK_DGRAM)),
        ],
        states: UNCONNECTED,
        edges: Edges::Told,
    },
    Kind {
        title: "Socket that listens",
        columns: &[both("stream", || listener(SOCK_STREAM)), both("seqpacket", || listener(SOCK_SEQPACKET))],
        states: LISTENER,
        edges: Edges::Told,
    },
];
