//! Addresses, lengths, headers, options and buffers of calls on sockets, each call with sockets of its own.

use super::{Access, Case, Fixture, ROOM, call, word};
use crate::sys::{Sys, fd, socket};
use Access::{Reads, Writes};
use libc::{MSG_DONTWAIT, MSG_PEEK, SOCK_DGRAM, SOCK_STREAM};

/// Bytes of a `struct msghdr`.
const HEADER: usize = size_of::<libc::msghdr>();
/// Looks without waiting or taking: what Linux cannot store is lost otherwise.
const LOOK: usize = word(MSG_PEEK | MSG_DONTWAIT);

/// Makes a call on two sockets for datagrams, the first of which has one of eight bytes to receive.
fn on_pair(make: impl FnOnce([i32; 2]) -> Sys<usize>) -> Sys<usize> {
    let pair = socket::pair(SOCK_DGRAM)?;
    socket::send(pair[1], b"12345678", 0)?;
    let result = make(pair);
    pair.into_iter().try_for_each(fd::close)?;
    result
}

/// As [`on_pair`], and what there is to receive comes from a socket with a name.
fn on_named_pair(make: impl FnOnce([i32; 2]) -> Sys<usize>) -> Sys<usize> {
    on_pair(|pair| {
        socket::bind(pair[1], &socket::nameless())?;
        make(pair)
    })
}

/// Makes a call on a socket for datagrams that has neither name nor peer.
fn on_one(make: impl FnOnce(i32) -> Sys<usize>) -> Sys<usize> {
    let fd = socket::open(SOCK_DGRAM)?;
    let result = make(fd);
    fd::close(fd)?;
    result
}

/// Makes a call on a listener with a connection.
fn on_listener(make: impl FnOnce(i32) -> Sys<usize>) -> Sys<usize> {
    let address = socket::abstract_address("listener");
    let listener = socket::listener(SOCK_STREAM, &address, 1)?;
    let client = socket::connected(SOCK_STREAM, &address)?;
    let result = make(listener);
    fd::close(client)?;
    fd::close(listener)?;
    result
}

/// Where a length of `bytes` lies, in good memory.
fn length(fixture: &Fixture, bytes: u32) -> usize {
    fixture.good.store_all(ROOM, &bytes.to_ne_bytes());
    fixture.good(ROOM)
}

/// A `struct msghdr` in good memory with this vector of one buffer, and these control messages.
fn header(fixture: &Fixture, vector: usize, control: usize, control_length: usize) -> usize {
    let words = [0, 0, vector, 1, control, control_length, 0];
    let bytes: Vec<u8> = words.into_iter().flat_map(usize::to_ne_bytes).collect();
    fixture.good.store_all(ROOM, &bytes);
    fixture.good(ROOM)
}

/// A vector whose one buffer of eight bytes lies at `address`, in good memory.
fn vector(fixture: &Fixture, address: usize) -> usize {
    fixture.good.store_all(ROOM + 128, &address.to_ne_bytes());
    fixture.good.store_all(ROOM + 136, &8_usize.to_ne_bytes());
    fixture.good(ROOM + 128)
}

/// Somewhere in good memory that nothing else is at.
fn elsewhere(fixture: &Fixture) -> usize {
    fixture.good(ROOM + 256)
}

pub(super) const CASES: &[Case] = &[
    Case::new("socketpair_descriptors", Writes(8), |_, at| {
        call(libc::SYS_socketpair, [word(libc::AF_UNIX), word(SOCK_STREAM), 0, at])
    }),
    Case::new("bind_address", Reads(16), |_, at| on_one(|s| call(libc::SYS_bind, [word(s), at, 16]))),
    Case::new("connect_address", Reads(16), |_, at| on_one(|s| call(libc::SYS_connect, [word(s), at, 16]))),
    Case::new("accept_address", Writes(2), |f, at| {
        on_listener(|s| call(libc::SYS_accept, [word(s), at, length(f, 110)]))
    })
    .optional(),
    Case::new("accept_length", Writes(4), |f, at| on_listener(|s| call(libc::SYS_accept, [word(s), elsewhere(f), at]))),
    Case::new("accept4_address", Writes(2), |f, at| {
        on_listener(|s| call(libc::SYS_accept4, [word(s), at, length(f, 110), 0]))
    })
    .optional(),
    Case::new("accept4_length", Writes(4), |f, at| {
        on_listener(|s| call(libc::SYS_accept4, [word(s), elsewhere(f), at, 0]))
    }),
    Case::new("getsockname_address", Writes(2), |f, at| {
        on_one(|s| call(libc::SYS_getsockname, [word(s), at, length(f, 110)]))
    }),
    Case::new("getsockname_length", Writes(4), |f, at| {
        on_one(|s| call(libc::SYS_getsockname, [word(s), elsewhere(f), at]))
    }),
    Case::new("getpeername_address", Writes(2), |f, at| {
        on_pair(|[s, _]| call(libc::SYS_getpeername, [word(s), at, length(f, 110)]))
    }),
    Case::new("getpeername_length", Writes(4), |f, at| {
        on_pair(|[s, _]| call(libc::SYS_getpeername, [word(s), elsewhere(f), at]))
    }),
    Case::new("getsockopt_value", Writes(4), |f, at| {
        let option = [word(libc::SOL_SOCKET), word(libc::SO_TYPE)];
        on_one(|s| call(libc::SYS_getsockopt, [word(s), option[0], option[1], at, length(f, 4)]))
    }),
    Case::new("getsockopt_length", Writes(4), |f, at| {
        let option = [word(libc::SOL_SOCKET), word(libc::SO_TYPE)];
        on_one(|s| call(libc::SYS_getsockopt, [word(s), option[0], option[1], elsewhere(f), at]))
    }),
    Case::new("setsockopt_value", Reads(4), |_, at| {
        let option = [word(libc::SOL_SOCKET), word(libc::SO_PASSCRED)];
        on_one(|s| call(libc::SYS_setsockopt, [word(s), option[0], option[1], at, 4]))
    }),
    Case::new("sendto_buffer", Reads(8), |_, at| on_pair(|[s, _]| call(libc::SYS_sendto, [word(s), at, 8, 0, 0, 0]))),
    Case::new("sendto_address", Reads(16), |f, at| {
        on_pair(|[s, _]| call(libc::SYS_sendto, [word(s), elsewhere(f), 8, 0, at, 16]))
    })
    .optional(),
    Case::new("recvfrom_buffer", Writes(8), |_, at| {
        on_pair(|[s, _]| call(libc::SYS_recvfrom, [word(s), at, 8, LOOK, 0, 0]))
    }),
    Case::new("recvfrom_address", Writes(2), |f, at| {
        on_named_pair(|[s, _]| call(libc::SYS_recvfrom, [word(s), elsewhere(f), 8, LOOK, at, length(f, 110)]))
    })
    .optional(),
    Case::new("recvfrom_length", Writes(4), |f, at| {
        on_named_pair(|[s, _]| call(libc::SYS_recvfrom, [word(s), elsewhere(f), 8, LOOK, elsewhere(f), at]))
    }),
    Case::new("recvmmsg_headers", Reads(HEADER), |_, at| {
        on_pair(|[s, _]| call(libc::SYS_recvmmsg, [word(s), at, 1, LOOK, 0]))
    }),
    Case::new("recvmmsg_timeout", Reads(16), |f, at| {
        on_pair(|[s, _]| call(libc::SYS_recvmmsg, [word(s), header(f, vector(f, elsewhere(f)), 0, 0), 1, LOOK, at]))
    })
    .optional(),
    Case::new("sendmmsg_headers", Reads(HEADER), |_, at| {
        on_pair(|[s, _]| call(libc::SYS_sendmmsg, [word(s), at, 1, 0]))
    }),
    Case::new("sendmsg_header", Reads(HEADER), |_, at| on_pair(|[s, _]| call(libc::SYS_sendmsg, [word(s), at, 0]))),
    Case::new("sendmsg_vector", Reads(16), |f, at| {
        on_pair(|[s, _]| call(libc::SYS_sendmsg, [word(s), header(f, at, 0, 0), 0]))
    }),
    Case::new("sendmsg_buffer", Reads(8), |f, at| {
        on_pair(|[s, _]| call(libc::SYS_sendmsg, [word(s), header(f, vector(f, at), 0, 0), 0]))
    }),
    Case::new("sendmsg_control", Reads(24), |f, at| {
        on_pair(|[s, _]| call(libc::SYS_sendmsg, [word(s), header(f, vector(f, elsewhere(f)), at, 24), 0]))
    }),
    Case::new("recvmsg_header", Reads(HEADER), |_, at| on_pair(|[s, _]| call(libc::SYS_recvmsg, [word(s), at, LOOK]))),
    Case::new("recvmsg_vector", Reads(16), |f, at| {
        on_pair(|[s, _]| call(libc::SYS_recvmsg, [word(s), header(f, at, 0, 0), LOOK]))
    }),
    Case::new("recvmsg_buffer", Writes(8), |f, at| {
        on_pair(|[s, _]| call(libc::SYS_recvmsg, [word(s), header(f, vector(f, at), 0, 0), LOOK]))
    }),
];
