//! The kinds of descriptors, each made afresh for each call, in the working directory. All are non-blocking: no call waits.

use super::super::modules;
use crate::check::{Failure, is_postern};
use crate::sys::bare::call;
use crate::sys::fd::{self, Pipe};
use crate::sys::terminal::Pair;
use crate::sys::{Sys, attack, memory, path, ready, signal, socket, terminal, timer};
use libc::{O_DIRECTORY, O_NONBLOCK, O_PATH, O_RDONLY, O_RDWR, O_WRONLY};

/// Descriptors beyond it belong to the harness.
pub(super) const HIGHEST: usize = 400;

/// A descriptor, and what is at its other end; -1 if nothing is.
#[derive(Clone, Copy)]
pub(super) struct Subject {
    pub fd: i32,
    pub mate: i32,
}

pub(super) struct Kind {
    pub name: &'static str,
    pub make: fn() -> Sys<Subject>,
    needs: Needs,
}

/// What not every system has.
#[derive(Clone, Copy)]
enum Needs {
    Nothing,
    /// A device of Postern's own.
    Postern,
    /// A file system of terminals behind /dev/ptmx.
    Terminals,
}

const fn kind(name: &'static str, make: fn() -> Sys<Subject>) -> Kind {
    Kind { name, make, needs: Needs::Nothing }
}

const fn own(name: &'static str, make: fn() -> Sys<Subject>) -> Kind {
    Kind { name, make, needs: Needs::Postern }
}

const fn side(name: &'static str, make: fn() -> Sys<Subject>) -> Kind {
    Kind { name, make, needs: Needs::Terminals }
}

/// Those of the kinds that this kernel has.
pub(super) fn there_are() -> Result<Vec<&'static Kind>, Failure> {
    let is_postern = is_postern();
    if is_postern {
        modules::reload("hello", "")?;
        modules::reload("myipc", "")?;
    }
    let has_terminals = terminal::open_master().and_then(fd::close).is_ok();
    let is_there = |kind: &&Kind| match kind.needs {
        Needs::Nothing => true,
        Needs::Postern => is_postern,
        Needs::Terminals => has_terminals,
    };
    Ok(KINDS.iter().filter(is_there).collect())
}

fn alone(fd: i32) -> Subject {
    Subject { fd, mate: -1 }
}

/// A file of ten bytes, at offset 0.
fn file(flags: i32) -> Sys<Subject> {
    let maker = path::create("file")?;
    fd::write(maker, b"0123456789")?;
    fd::close(maker)?;
    path::open("file", flags, 0).map(alone)
}

/// A directory with a file, a link and a directory.
fn directory(flags: i32) -> Sys<Subject> {
    path::mkdir("directory", 0o755)?;
    fd::close(path::create("directory/inner")?)?;
    path::symlink("inner", "directory/link")?;
    path::open("directory", flags | O_DIRECTORY, 0).map(alone)
}

/// A pipe with eight bytes in it, and one of its ends.
fn pipe(end: impl FnOnce(&Pipe) -> Subject) -> Sys<Subject> {
    let pipe = Pipe::anonymous(O_NONBLOCK)?;
    fd::write(pipe.write, b"12345678")?;
    Ok(end(&pipe))
}

/// A FIFO, opened for both, then once more.
fn fifo(flags: i32) -> Sys<Subject> {
    attack::mkfifo("fifo")?;
    let mate = path::open("fifo", O_RDWR | O_NONBLOCK, 0)?;
    fd::write(mate, b"12345678")?;
    Ok(Subject { fd: path::open("fifo", flags | O_NONBLOCK, 0)?, mate })
}

/// One of two sockets, with eight bytes to receive.
fn socket_pair(kind: i32) -> Sys<Subject> {
    let [fd, mate] = socket::pair(kind | libc::SOCK_NONBLOCK)?;
    socket::send(mate, b"12345678", 0)?;
    Ok(Subject { fd, mate })
}

fn listener() -> Sys<Subject> {
    let fd = socket::open(libc::SOCK_STREAM | libc::SOCK_NONBLOCK)?;
    socket::bind(fd, &socket::nameless())?;
    socket::listen(fd, 1)?;
    Ok(alone(fd))
}

/// Both sides of a pseudo-terminal without echo, and one of them, with eight bytes to read.
fn terminal(side: impl FnOnce(Pair) -> Subject) -> Sys<Subject> {
    let master = terminal::open_master()?;
    fd::set_status_flag(master, O_NONBLOCK)?;
    terminal::set_lock(master, 0)?;
    let pair = Pair { master, terminal: terminal::open_peer(master, O_RDWR | libc::O_NOCTTY | O_NONBLOCK)? };
    terminal::make_raw(pair.terminal)?;
    let subject = side(pair);
    fd::write(subject.mate, b"12345678")?;
    // Linux hands the bytes over in its own time.
    ready::poll(&mut [ready::wanting(subject.fd, libc::POLLIN)], 10_000)?;
    Ok(subject)
}

/// A file without a name, of ten bytes, at offset 0.
fn sealable() -> Sys<Subject> {
    let name = memory::private(1)?;
    let fd = call(libc::SYS_memfd_create, [name.address, libc::MFD_ALLOW_SEALING as usize])?;
    name.unmap(0, memory::PAGE)?;
    let fd = i32::try_from(fd).unwrap_or(-1);
    path::ftruncate(fd, 10)?;
    Ok(alone(fd))
}

fn closed() -> Sys<Subject> {
    let fd = fd::dup(0)?;
    fd::close(fd)?;
    Ok(alone(fd))
}

const KINDS: &[Kind] = &[
    kind("closed", closed),
    kind("minus_one", || Ok(alone(-1))),
    kind("lowest", || Ok(alone(i32::MIN))),
    kind("huge", || Ok(alone(i32::MAX))),
    kind("path_of_file", || file(O_PATH)),
    kind("path_of_directory", || directory(O_PATH)),
    kind("file_to_read", || file(O_RDONLY)),
    kind("file_to_write", || file(O_WRONLY)),
    kind("file_for_both", || file(O_RDWR)),
    kind("directory", || directory(O_RDONLY)),
    kind("proc_file", || path::open("/proc/version", O_RDONLY, 0).map(alone)),
    kind("proc_directory", || path::open("/proc/self", O_RDONLY | O_DIRECTORY, 0).map(alone)),
    kind("memfd", sealable),
    kind("pipe_to_read", || pipe(|pipe| Subject { fd: pipe.read, mate: pipe.write })),
    kind("pipe_to_write", || pipe(|pipe| Subject { fd: pipe.write, mate: pipe.read })),
    kind("fifo_to_read", || fifo(O_RDONLY)),
    kind("fifo_to_write", || fifo(O_WRONLY)),
    kind("fifo_for_both", || fifo(O_RDWR)),
    kind("stream", || socket_pair(libc::SOCK_STREAM)),
    kind("datagrams", || socket_pair(libc::SOCK_DGRAM)),
    kind("packets", || socket_pair(libc::SOCK_SEQPACKET)),
    kind("unconnected", || socket::open(libc::SOCK_STREAM | libc::SOCK_NONBLOCK).map(alone)),
    kind("listener", listener),
    kind("null", || path::open("/dev/null", O_RDWR, 0).map(alone)),
    kind("zero", || path::open("/dev/zero", O_RDWR, 0).map(alone)),
    side("terminal", || terminal(|pair| Subject { fd: pair.terminal, mate: pair.master })),
    side("master", || terminal(|pair| Subject { fd: pair.master, mate: pair.terminal })),
    kind("epoll", || ready::epoll_create().map(alone)),
    kind("eventfd", || fd::eventfd(1, O_NONBLOCK).map(alone)),
    kind("timerfd", || timer::timerfd_create(libc::CLOCK_MONOTONIC, O_NONBLOCK).map(alone)),
    kind("signalfd", || signal::signalfd(-1, &[libc::SIGUSR2], O_NONBLOCK).map(alone)),
    own("hello", || path::open("/dev/hello", O_RDWR | O_NONBLOCK, 0).map(alone)),
    own("myipc", || path::open("/dev/myipc0", O_RDWR | O_NONBLOCK, 0).map(alone)),
];
