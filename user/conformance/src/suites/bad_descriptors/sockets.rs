//! The calls on sockets, each made rightly but for the descriptor. No call waits, and none raises SIGPIPE.

use super::{ARGUMENT, Call, Place, ROOM, ZEROS, row};
use crate::sys::Sys;
use crate::sys::bare::{call, word};

const FLAGS: usize = word(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL);
/// `struct sockaddr_un` of nobody: a family and an abstract name.
const NOBODY: &[u8] = b"\x01\0\0nobody has this name";
const LEVEL: usize = word(libc::SOL_SOCKET);

fn connect(place: &Place, fd: usize) -> Sys<usize> {
    place.good.store_all(ARGUMENT, NOBODY);
    call(libc::SYS_connect, [fd, place.at(ARGUMENT), NOBODY.len()])
}

/// The name that the kernel chooses.
fn bind(place: &Place, fd: usize) -> Sys<usize> {
    place.good.store_all(ARGUMENT, &NOBODY[..2]);
    call(libc::SYS_bind, [fd, place.at(ARGUMENT), 2])
}

/// Calls that fill in an address and its length, or a value and its.
fn with_length(place: &Place) -> [usize; 2] {
    [place.at(ROOM), place.argument([64])]
}

/// A `struct msghdr`, or a `struct mmsghdr`, of one buffer of four bytes.
fn header(place: &Place) -> usize {
    let header = place.argument([0, 0, place.at(ARGUMENT + 64), 1, 0, 0, 0, 0]);
    for (offset, value) in [(64, place.at(ROOM)), (72, 4)] {
        place.good.store_all(ARGUMENT + offset, &value.to_ne_bytes());
    }
    header
}

pub(super) const CALLS: &[Call] = &[
    row("bind", bind),
    row("listen", |_, fd| call(libc::SYS_listen, [fd, 1])),
    row("accept", |_, fd| call(libc::SYS_accept, [fd, 0, 0])),
    row("accept4", |_, fd| call(libc::SYS_accept4, [fd, 0, 0, word(libc::SOCK_NONBLOCK)])),
    row("connect", connect),
    row("shutdown", |_, fd| call(libc::SYS_shutdown, [fd, word(libc::SHUT_RD)])),
    row("recvfrom", |p, fd| call(libc::SYS_recvfrom, [fd, p.at(ROOM), 4, FLAGS, 0, 0])),
    row("recvmsg", |p, fd| call(libc::SYS_recvmsg, [fd, header(p), FLAGS])),
    row("recvmmsg", |p, fd| call(libc::SYS_recvmmsg, [fd, header(p), 1, FLAGS, 0])),
    row("sendto", |p, fd| call(libc::SYS_sendto, [fd, p.at(ZEROS), 4, FLAGS, 0, 0])),
    row("sendmsg", |p, fd| call(libc::SYS_sendmsg, [fd, header(p), FLAGS])),
    row("sendmmsg", |p, fd| call(libc::SYS_sendmmsg, [fd, header(p), 1, FLAGS])),
    row("getsockname", |p, fd| call(libc::SYS_getsockname, [fd, with_length(p)[0], with_length(p)[1]])),
    row("getpeername", |p, fd| call(libc::SYS_getpeername, [fd, with_length(p)[0], with_length(p)[1]])),
    row("getsockopt", |p, fd| {
        let [value, length] = with_length(p);
        call(libc::SYS_getsockopt, [fd, LEVEL, word(libc::SO_TYPE), value, length])
    }),
    row("setsockopt", |p, fd| call(libc::SYS_setsockopt, [fd, LEVEL, word(libc::SO_PASSCRED), p.argument([1]), 4])),
];
