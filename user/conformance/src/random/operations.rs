//! What a random program can do: a table, each row a call and the kinds of its arguments.
//!
//! An operation's outcome depends on nothing but the operations before it: no number of a process, no address, no time is in it.
//! It may sleep; `stage` sees to that. Lengths of what a socket takes are left out where they are Linux's own accounting.

use super::actor::Actor;
use super::answers::{Answer, bytes, events, none, number, received, signals};
use super::step::Kind::{self, Below, Child, Descriptor, Named, Process, Size};
use crate::sys::{fd, memory, path, process, ready, signal, socket, splice};

/// A row of the table.
pub struct Operation {
    /// As the text has it.
    pub name: &'static str,
    /// How often, among all others.
    pub weight: usize,
    /// How many descriptors it makes, if it succeeds.
    pub opens: i32,
    /// Of its arguments.
    pub arguments: &'static [Kind],
    /// Does it, with the values of the arguments.
    pub perform: fn(&mut Actor, &[i32]) -> Answer,
}

const fn row(
    name: &'static str,
    weight: usize,
    arguments: &'static [Kind],
    perform: fn(&mut Actor, &[i32]) -> Answer,
) -> Operation {
    Operation { name, weight, opens: 0, arguments, perform }
}

const fn opens(count: i32, operation: Operation) -> Operation {
    Operation { opens: count, ..operation }
}

const WAITING: Kind = Named(&[("waits", 0), ("nonblock", libc::O_NONBLOCK)]);
const PIPE_FLAGS: Kind = Named(&[
    ("none", 0),
    ("nonblock", libc::O_NONBLOCK),
    ("nonblock", libc::O_NONBLOCK),
    ("packets", libc::O_DIRECT | libc::O_NONBLOCK),
    ("cloexec", libc::O_CLOEXEC),
]);
const EVENT_FLAGS: Kind = Named(&[
    ("none", 0),
    ("nonblock", libc::EFD_NONBLOCK),
    ("semaphore", libc::EFD_SEMAPHORE),
    ("semaphore+nonblock", libc::EFD_SEMAPHORE | libc::EFD_NONBLOCK),
]);
const SOCKET_KIND: Kind =
    Named(&[("stream", libc::SOCK_STREAM), ("datagram", libc::SOCK_DGRAM), ("packets", libc::SOCK_SEQPACKET)]);
const ACCESS: Kind = Named(&[("reading", libc::O_RDONLY), ("writing", libc::O_WRONLY), ("both", libc::O_RDWR)]);
const EVENTS: Kind = Named(&[
    ("none", 0),
    ("in", libc::EPOLLIN),
    ("out", libc::EPOLLOUT),
    ("in+out", libc::EPOLLIN | libc::EPOLLOUT),
    ("in+edge", libc::EPOLLIN | libc::EPOLLET),
    ("out+once", libc::EPOLLOUT | libc::EPOLLONESHOT),
    ("in+hangup", libc::EPOLLIN | libc::EPOLLRDHUP),
]);
const CONTROL: Kind = Named(&[
    ("add", libc::EPOLL_CTL_ADD),
    ("add", libc::EPOLL_CTL_ADD),
    ("modify", libc::EPOLL_CTL_MOD),
    ("remove", libc::EPOLL_CTL_DEL),
]);
const SIGNAL: Kind = Named(&[("USR1", libc::SIGUSR1), ("USR2", libc::SIGUSR2), ("PIPE", libc::SIGPIPE)]);
const SENT: Kind = Named(&[
    ("none", 0),
    ("USR1", libc::SIGUSR1),
    ("USR2", libc::SIGUSR2),
    ("PIPE", libc::SIGPIPE),
    ("USR1", libc::SIGUSR1),
    ("USR2", libc::SIGUSR2),
    ("USR1", libc::SIGUSR1),
    ("TERM", libc::SIGTERM),
    ("KILL", libc::SIGKILL),
]);
const SEND_FLAGS: Kind = Named(&[
    ("none", 0),
    ("dontwait", libc::MSG_DONTWAIT),
    ("nosignal", libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT),
    ("record", libc::MSG_EOR | libc::MSG_DONTWAIT),
]);
const RECEIVE_FLAGS: Kind = Named(&[
    ("none", 0),
    ("dontwait", libc::MSG_DONTWAIT),
    ("peek", libc::MSG_PEEK | libc::MSG_DONTWAIT),
    ("truncate", libc::MSG_TRUNC | libc::MSG_DONTWAIT),
    ("all", libc::MSG_WAITALL),
]);
const HOW: Kind = Named(&[("reading", libc::SHUT_RD), ("writing", libc::SHUT_WR), ("both", libc::SHUT_RDWR)]);
const SPLICE_FLAGS: Kind = Named(&[("none", 0), ("nonblock", 2)]);
const WHENCE: Kind = Named(&[("start", libc::SEEK_SET), ("here", libc::SEEK_CUR), ("end", libc::SEEK_END)]);
const ADDED: Kind = Named(&[("0", 0), ("1", 1), ("2", 2), ("most", -2), ("too-much", -1)]);
const DISPOSITION: Kind = Named(&[("counts", 0), ("restarts", 1), ("ignores", 2), ("default", 3)]);
const MASKING: Kind =
    Named(&[("blocks", libc::SIG_BLOCK), ("unblocks", libc::SIG_UNBLOCK), ("sets", libc::SIG_SETMASK)]);
const SHARING: Kind = Named(&[("shared", libc::MAP_SHARED), ("private", libc::MAP_PRIVATE)]);
const FILE_LOCK: Kind = Named(&[
    ("shared", libc::LOCK_SH | libc::LOCK_NB),
    ("exclusive", libc::LOCK_EX | libc::LOCK_NB),
    ("waits", libc::LOCK_EX),
    ("off", libc::LOCK_UN),
]);

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Operation> {
    MAKING.iter().chain(MOVING).chain(LOOKING).chain(SOCKETS).chain(PROCESSES).chain(MEMORY)
}

const MAKING: &[Operation] = &[
    opens(
        2,
        row("pipe", 10, &[PIPE_FLAGS], |_, a| {
            fd::Pipe::anonymous(a[0]).map(|pipe| format!("{} {}", pipe.read, pipe.write))
        }),
    ),
    opens(1, row("eventfd", 4, &[Below(3), EVENT_FLAGS], |_, a| fd::eventfd(a[0].unsigned_abs(), a[1]).map(number))),
    opens(
        2,
        row("socketpair", 6, &[SOCKET_KIND, WAITING], |_, a| {
            socket::pair(a[0] | a[1]).map(|[one, two]| format!("{one} {two}"))
        }),
    ),
    opens(1, row("memfd", 3, &[Size], |_, a| memory::memfd(i64::from(a[0])).map(number))),
    opens(1, row("epoll", 3, &[], |_, _| ready::epoll_create().map(number))),
    opens(1, row("fifo", 4, &[ACCESS, WAITING], |_, a| path::open("fifo", a[0] | a[1], 0).map(number))),
    opens(
        1,
        row("reopen", 3, &[Descriptor, ACCESS, WAITING], |_, a| {
            path::open(&format!("/proc/self/fd/{}", a[0]), a[1] | a[2], 0).map(number)
        }),
    ),
    opens(1, row("dup", 5, &[Descriptor], |_, a| fd::dup(a[0]).map(number))),
    opens(1, row("dup2", 3, &[Descriptor, Descriptor], |_, a| fd::dup2(a[0], a[1]).map(number))),
    row("close", 12, &[Descriptor], |_, a| fd::close(a[0]).map(none)),
];

const MOVING: &[Operation] = &[
    row("read", 16, &[Descriptor, Size], |_, a| {
        let mut buffer = vec![0; size(a[1])];
        fd::read(a[0], &mut buffer).map(|count| bytes(&buffer[..count]))
    }),
    row("write", 16, &[Descriptor, Size], |actor, a| fd::write(a[0], &actor.bytes(size(a[1]))).map(number)),
    row("readv", 3, &[Descriptor, Size, Size], |_, a| {
        let (mut one, mut two) = (vec![0; size(a[1])], vec![0; size(a[2])]);
        let count = fd::readv(a[0], &mut [&mut one, &mut two])?;
        Ok(bytes(&[one, two].concat()[..count]))
    }),
    row("writev", 3, &[Descriptor, Size, Size], |actor, a| {
        fd::writev(a[0], &[&actor.bytes(size(a[1])), &actor.bytes(size(a[2]))]).map(number)
    }),
    row("pread", 1, &[Descriptor, Size, Below(20)], |_, a| {
        let mut buffer = vec![0; size(a[1])];
        fd::pread(a[0], &mut buffer, i64::from(a[2])).map(|count| bytes(&buffer[..count]))
    }),
    row("add", 4, &[Descriptor, ADDED], |_, a| {
        let value = i64::from(a[1]).cast_unsigned();
        fd::write(a[0], &value.to_ne_bytes()).map(number)
    }),
    row("splice", 4, &[Descriptor, Descriptor, Size, SPLICE_FLAGS], |_, a| {
        splice::splice(a[0], a[1], size(a[2]), a[3].unsigned_abs()).map(number)
    }),
    row("tee", 3, &[Descriptor, Descriptor, Size, SPLICE_FLAGS], |_, a| {
        splice::tee(a[0], a[1], size(a[2]), a[3].unsigned_abs()).map(number)
    }),
    row("sendfile", 2, &[Descriptor, Descriptor, Size], |_, a| fd::sendfile(a[0], a[1], size(a[2])).map(number)),
];

const LOOKING: &[Operation] = &[
    row("poll", 10, &[Descriptor, EVENTS], |_, a| {
        let wanted = i16::try_from(a[1] & 0x7fff).unwrap_or(0);
        ready::revents(a[0], wanted).map(|revents| events(i32::from(revents)))
    }),
    row("poll_wait", 3, &[Descriptor, Descriptor], |_, a| {
        let mut entries = [ready::wanting(a[0], libc::POLLIN), ready::wanting(a[1], libc::POLLOUT)];
        ready::poll(&mut entries, -1)?;
        Ok(entries.map(|entry| events(i32::from(entry.revents))).join(" "))
    }),
    row("watch", 5, &[Descriptor, CONTROL, Descriptor, EVENTS], |_, a| {
        ready::epoll_ctl(a[0], a[1], a[2], a[3], u64::from(a[2].unsigned_abs())).map(none)
    }),
    row("epoll_look", 5, &[Descriptor], |_, a| {
        let mut found = ready::epoll_pwait(a[0], 8, 0, None)?;
        found.sort_unstable();
        let told: Vec<_> = found.iter().map(|(fd, mask)| format!("{fd}:{}", events(*mask))).collect();
        Ok(format!("[{}]", told.join(" ")))
    }),
    row("epoll_wait", 2, &[Descriptor], |_, a| {
        ready::epoll_pwait(a[0], 8, -1, None).map(|found| format!("{} ready", found.len()))
    }),
    row("waiting", 5, &[Descriptor], |_, a| fd::signed_fionread(a[0]).map(number)),
    row("status_flags", 2, &[Descriptor], |_, a| {
        let told = libc::O_ACCMODE | libc::O_NONBLOCK | libc::O_APPEND;
        fd::fcntl(a[0], libc::F_GETFL, 0).map(|flags| format!("{:o}", flags & told))
    }),
    row("set_waiting", 6, &[Descriptor, WAITING], |_, a| fd::fcntl(a[0], libc::F_SETFL, a[1]).map(none)),
    row("descriptor_flags", 1, &[Descriptor], |_, a| fd::fcntl(a[0], libc::F_GETFD, 0).map(number)),
    row("capacity", 2, &[Descriptor], |_, a| fd::fcntl(a[0], libc::F_GETPIPE_SZ, 0).map(number)),
    row("set_capacity", 3, &[Descriptor, Size], |_, a| fd::fcntl(a[0], libc::F_SETPIPE_SZ, a[1]).map(number)),
    row("seek", 2, &[Descriptor, Below(20), WHENCE], |_, a| fd::lseek(a[0], i64::from(a[1]), a[2]).map(number)),
    row("truncate", 2, &[Descriptor, Size], |_, a| path::ftruncate(a[0], i64::from(a[1])).map(none)),
    row("flock", 2, &[Descriptor, FILE_LOCK], |_, a| fd::flock(a[0], a[1]).map(none)),
];

const SOCKETS: &[Operation] = &[
    row("send", 6, &[Descriptor, Size, SEND_FLAGS], |actor, a| {
        socket::send(a[0], &actor.bytes(size(a[1])), a[2]).map(number)
    }),
    row("receive", 6, &[Descriptor, Size, RECEIVE_FLAGS], |_, a| {
        let message = socket::recvmsg(a[0], size(a[1]), a[2])?;
        Ok(received(&message))
    }),
    row("shutdown", 4, &[Descriptor, HOW], |_, a| socket::shutdown(a[0], a[1]).map(none)),
    row("send_descriptor", 3, &[Descriptor, Descriptor], |actor, a| {
        socket::send_fds(a[0], &actor.bytes(3), &[a[1]]).map(number)
    }),
];

const PROCESSES: &[Operation] = &[
    row("fork", 7, &[Child], |actor, a| actor.fork(a[0])),
    row("exit", 2, &[Below(4)], |_, a| process::exit(a[0])),
    row("wait", 2, &[], |actor, _| actor.wait()),
    row("kill", 4, &[Process, SENT], |actor, a| actor.kill(a[0], a[1])),
    row("disposition", 3, &[SIGNAL, DISPOSITION], |_, a| {
        match a[1] {
            0 => signal::count(a[0], 0),
            1 => signal::count(a[0], libc::SA_RESTART),
            2 => signal::ignore(a[0]),
            _ => signal::default(a[0]),
        }
        .map(none)
    }),
    row("mask", 3, &[MASKING, SIGNAL], |_, a| signal::sigprocmask(a[0], &[a[1]]).map(|before| signals(&before))),
    row("pending", 2, &[], |_, _| signal::pending().map(|pending| signals(&pending))),
];

const MEMORY: &[Operation] = &[
    row("futex_wait", 3, &[Below(2), Below(2)], |actor, a| actor.futex_wait(a[0], a[1])),
    row("futex_wake", 3, &[Below(2), Below(3)], |actor, a| actor.futex_wake(a[0], a[1])),
    row("futex_requeue", 1, &[Below(2), Below(2), Below(2)], |actor, a| actor.futex_requeue(a[0], a[1], a[2])),
    row("store", 3, &[Below(2), Below(2)], |actor, a| actor.store(a[0], a[1])),
    row("map", 3, &[Below(2), Descriptor, SHARING], |actor, a| actor.map(a[0], a[1], a[2])),
    row("peek", 3, &[Below(2), Size], |actor, a| actor.peek(a[0], a[1])),
    row("poke", 3, &[Below(2), Size], |actor, a| actor.poke(a[0], a[1])),
    row("read_into", 2, &[Descriptor, Below(2), Size], |actor, a| actor.read_into(a[0], a[1], size(a[2]))),
    row("write_from", 2, &[Descriptor, Below(2), Size], |actor, a| actor.write_from(a[0], a[1], size(a[2]))),
];

fn size(argument: i32) -> usize {
    argument.unsigned_abs() as usize
}
