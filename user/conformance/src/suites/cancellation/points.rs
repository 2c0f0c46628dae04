//! The calls in which a thread can be cancelled, and what they block on.
//!
//! The C library may unwind a cancelled thread by force, so the calls are declared as able to unwind, and no frame here owns
//! anything.

use crate::check::{Failure, Outcome};
use crate::sys::thread::Thread;
use crate::sys::{attack, checked, fd, memory, path, process, ready, signal, socket};
use std::ffi::{c_int, c_void};

// As the bindings have them, but known to unwind.
unsafe extern "C-unwind" {
    fn read(fd: c_int, buffer: *mut c_void, length: usize) -> isize;
    fn readv(fd: c_int, buffers: *const libc::iovec, count: c_int) -> isize;
    fn write(fd: c_int, buffer: *const c_void, length: usize) -> isize;
    fn recv(fd: c_int, buffer: *mut c_void, length: usize, flags: c_int) -> isize;
    fn send(fd: c_int, buffer: *const c_void, length: usize, flags: c_int) -> isize;
    fn accept(fd: c_int, address: *mut libc::sockaddr, length: *mut libc::socklen_t) -> c_int;
    fn open(path: *const libc::c_char, flags: c_int, ...) -> c_int;
    fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
    fn poll(entries: *mut libc::pollfd, count: libc::nfds_t, timeout_ms: c_int) -> c_int;
    fn select(
        count: c_int,
        readable: *mut libc::fd_set,
        writable: *mut libc::fd_set,
        other: *mut libc::fd_set,
        timeout: *mut libc::timeval,
    ) -> c_int;
    fn epoll_wait(epoll: c_int, events: *mut libc::epoll_event, most: c_int, timeout_ms: c_int) -> c_int;
    fn pause() -> c_int;
    fn nanosleep(time: *const libc::timespec, left: *mut libc::timespec) -> c_int;
    fn clock_nanosleep(clock: c_int, flags: c_int, time: *const libc::timespec, left: *mut libc::timespec) -> c_int;
    fn sigsuspend(mask: *const libc::sigset_t) -> c_int;
    fn sigwait(set: *const libc::sigset_t, signal: *mut c_int) -> c_int;
    fn waitpid(pid: libc::pid_t, status: *mut c_int, options: c_int) -> libc::pid_t;
    fn sem_wait(semaphore: *mut libc::sem_t) -> c_int;
    fn pthread_join(thread: libc::pthread_t, value: *mut *mut c_void) -> c_int;
}

/// What threads can block on.
pub struct Place {
    /// A pipe that stays empty until a test writes to it.
    pub empty: fd::Pipe,
    full: fd::Pipe,
    listener: c_int,
    quiet: c_int,
    stuffed: c_int,
    epoll: c_int,
    locked: c_int,
    /// A sleeping child.
    child: i32,
    /// A semaphore at zero.
    semaphore: usize,
    /// A thread that waits for a byte from another empty pipe.
    sleeper: Thread,
}

/// Reads a byte, which it returns.
pub fn read_one(pipe: &'static fd::Pipe) -> usize {
    let mut byte = 0_u8;
    // SAFETY: room for the byte.
    unsafe { read(pipe.read, (&raw mut byte).cast(), 1) };
    usize::from(byte)
}

/// All of it, for a test's whole life.
///
/// # Errors
/// Says what the kernel refused.
pub fn place() -> Result<&'static Place, Failure> {
    crate::scratch::enter()?;
    attack::mkfifo("fifo")?;
    let full = fd::Pipe::with_flags(libc::O_NONBLOCK)?;
    fd::fill(full.write)?;
    fd::fcntl(full.write, libc::F_SETFL, 0)?;
    let ([quiet, _], [stuffed, _]) = (socket::pair(libc::SOCK_STREAM)?, socket::pair(libc::SOCK_STREAM)?);
    fd::set_status_flag(stuffed, libc::O_NONBLOCK)?;
    fd::fill(stuffed)?;
    fd::fcntl(stuffed, libc::F_SETFL, 0)?;
    let locked = path::create("locked")?;
    let child = process::spawn(|| {
        lock_whole(locked, libc::F_SETLK)?;
        process::pause();
        Ok(())
    })?;
    child.wait_until_asleep()?;
    let semaphore = memory::shared(1)?.pointer(0, size_of::<libc::sem_t>());
    // SAFETY: aligned zeroed memory that stays mapped.
    checked("sem_init", unsafe { libc::sem_init(semaphore.cast(), 0, 0) })?;
    let elsewhere = Box::leak(Box::new(fd::Pipe::with_flags(0)?));
    Ok(Box::leak(Box::new(Place {
        empty: fd::Pipe::with_flags(0)?,
        full,
        listener: socket::listener(libc::SOCK_STREAM, &socket::at_path("listener"), 1)?,
        quiet,
        stuffed,
        epoll: ready::epoll_create()?,
        locked,
        child: child.pid,
        semaphore: semaphore.expose_provenance(),
        sleeper: Thread::start(read_one, elsewhere)?,
    })))
}

/// A write lock on a whole file.
fn whole() -> libc::flock {
    let mut lock: libc::flock = crate::sys::zeroed();
    lock.l_type = 1;
    lock
}

fn lock_whole(file: c_int, command: c_int) -> Outcome {
    let lock = whole();
    // SAFETY: the kernel reads one struct.
    Ok(checked("fcntl", unsafe { libc::fcntl(file, command, &raw const lock) }).map(drop)?)
}

static HOUR: libc::timespec = libc::timespec { tv_sec: 3600, tv_nsec: 0 };

/// Comes to sleep in a call.
pub type Block = fn(&'static Place);

/// Calls that are cancellation points, and how to come to sleep in them.
pub const POINTS: &[(&str, Block)] = &[
    ("read", |place| {
        read_one(&place.empty);
    }),
    ("readv", |place| {
        let mut byte = 0_u8;
        let buffer = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
        // SAFETY: room for the byte.
        unsafe { readv(place.empty.read, &raw const buffer, 1) };
    }),
    ("write", |place| {
        let byte = 0_u8;
        // SAFETY: one byte is read.
        unsafe { write(place.full.write, (&raw const byte).cast(), 1) };
    }),
    ("recv", |place| {
        let mut byte = 0_u8;
        // SAFETY: room for the byte.
        unsafe { recv(place.quiet, (&raw mut byte).cast(), 1, 0) };
    }),
    ("send", |place| {
        let byte = 0_u8;
        // SAFETY: one byte is read.
        unsafe { send(place.stuffed, (&raw const byte).cast(), 1, 0) };
    }),
    ("accept", |place| {
        // SAFETY: no address is asked for.
        unsafe { accept(place.listener, std::ptr::null_mut(), std::ptr::null_mut()) };
    }),
    ("open_of_a_fifo", |_| {
        // SAFETY: a C string.
        unsafe { open(c"fifo".as_ptr(), libc::O_RDONLY) };
    }),
    ("fcntl_setlkw", |place| {
        let lock = whole();
        // SAFETY: the kernel reads one struct.
        unsafe { fcntl(place.locked, libc::F_SETLKW, &raw const lock) };
    }),
    ("poll", |place| {
        let mut entry = ready::wanting(place.empty.read, libc::POLLIN);
        // SAFETY: one entry.
        unsafe { poll(&raw mut entry, 1, -1) };
    }),
    ("select", |place| {
        let mut set = ready::FdSet::of(&[place.empty.read]).0;
        let none = std::ptr::null_mut();
        // SAFETY: one set.
        unsafe { select(place.empty.read + 1, &raw mut set, none, none, std::ptr::null_mut()) };
    }),
    ("epoll_wait", |place| {
        let mut event: libc::epoll_event = crate::sys::zeroed();
        // SAFETY: room for an event.
        unsafe { epoll_wait(place.epoll, &raw mut event, 1, -1) };
    }),
    ("pause", |_| {
        // SAFETY: takes no pointers.
        unsafe { pause() };
    }),
    ("nanosleep", |_| {
        // SAFETY: one time is read.
        unsafe { nanosleep(&raw const HOUR, std::ptr::null_mut()) };
    }),
    ("clock_nanosleep", |_| {
        // SAFETY: one time is read.
        unsafe { clock_nanosleep(libc::CLOCK_MONOTONIC, 0, &raw const HOUR, std::ptr::null_mut()) };
    }),
    ("sigsuspend", |_| {
        let mask = signal::set_of(&[]);
        // SAFETY: one set is read.
        unsafe { sigsuspend(&raw const mask) };
    }),
    ("sigwait", |_| {
        let (set, mut taken) = (signal::set_of(&[libc::SIGUSR1]), 0);
        // SAFETY: one set is read, and there is room for the number.
        unsafe { sigwait(&raw const set, &raw mut taken) };
    }),
    ("waitpid", |place| {
        // SAFETY: no status is asked for.
        unsafe { waitpid(place.child, std::ptr::null_mut(), 0) };
    }),
    ("sem_wait", |place| {
        // SAFETY: an initialised semaphore.
        unsafe { sem_wait(std::ptr::with_exposed_provenance_mut(place.semaphore)) };
    }),
    ("pthread_join", |place| {
        // SAFETY: a thread that nobody else joins.
        unsafe { pthread_join(place.sleeper.handle, std::ptr::null_mut()) };
    }),
];
