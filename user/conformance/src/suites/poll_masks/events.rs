//! eventfd, timerfd, signalfd and epoll itself.

use super::{Column, Edges, Ends, Kind, Make, State, Whose};
use crate::check::{Failure, Outcome};
use crate::sys::fd::{self, Pipe};
use crate::sys::terminal::until_ready;
use crate::sys::timer::{Setting, timerfd_create, timerfd_settime};
use crate::sys::{ready, signal};
use libc::{O_NONBLOCK, SIGUSR1, SIGUSR2};
use std::time::Duration;

fn alone(watched: i32) -> Ends {
    Ends { watched, mate: -1 }
}

fn add(ends: Ends, number: u64) -> Outcome {
    fd::write(ends.watched, &number.to_ne_bytes())?;
    Ok(())
}

fn take(ends: Ends) -> Outcome {
    fd::read(ends.watched, &mut [0; 8])?;
    Ok(())
}

const EVENTFD: &[State] = &[
    State::fresh("0"),
    State::then("1", |ends| add(ends, 1), |ends| add(ends, 1)),
    State::then("all it can hold", |ends| add(ends, u64::MAX - 1), take),
    State::then(
        "taken",
        |ends| {
            add(ends, 1)?;
            take(ends)
        },
        |ends| {
            add(ends, 1)?;
            take(ends)
        },
    ),
];

fn expire(ends: Ends) -> Outcome {
    timerfd_settime(ends.watched, 0, Setting::once(Duration::from_nanos(1)))?;
    until_ready(ends.watched, libc::POLLIN)
}

const TIMERFD: &[State] = &[
    State::fresh("not set"),
    State::after("set", |ends| {
        timerfd_settime(ends.watched, 0, Setting::once(Duration::from_secs(1_000_000)))?;
        Ok(())
    }),
    State::then("expired", expire, expire),
    State::then(
        "expired, and read",
        |ends| {
            expire(ends)?;
            take(ends)
        },
        expire,
    ),
];

/// One for two signals, none of which is pending.
fn signalfd() -> Result<Ends, Failure> {
    signal::block(&[SIGUSR1, SIGUSR2])?;
    while signal::sigtimedwait(&[SIGUSR1, SIGUSR2], Duration::ZERO).is_ok() {}
    Ok(alone(signal::signalfd(-1, &[SIGUSR1, SIGUSR2], O_NONBLOCK)?))
}

fn raise(number: i32) -> Outcome {
    Ok(signal::raise(number)?)
}

fn read_record(ends: Ends) -> Outcome {
    signal::read_records(ends.watched, 1)?;
    Ok(())
}

const SIGNALFD: &[State] = &[
    State::fresh("no signal"),
    State::then("a signal pending", |_| raise(SIGUSR1), |_| raise(SIGUSR1)),
    State::then("a signal pending, then another", |_| raise(SIGUSR1), |_| raise(SIGUSR2)),
    State::then(
        "a signal read",
        |ends| {
            raise(SIGUSR1)?;
            read_record(ends)
        },
        |_| raise(SIGUSR1),
    ),
];

/// An epoll that watches a pipe; its mate is the pipe's end to write.
fn epoll(mode: i32) -> Result<Ends, Failure> {
    let (watched, pipe) = (ready::epoll_create()?, Pipe::anonymous(O_NONBLOCK)?);
    ready::epoll_add(watched, pipe.read, libc::EPOLLIN | mode)?;
    Ok(Ends { watched, mate: pipe.write })
}

fn put(ends: Ends) -> Outcome {
    fd::write(ends.mate, b"x")?;
    Ok(())
}

fn wait_once(ends: Ends) -> Outcome {
    ready::epoll_ready(ends.watched)?;
    Ok(())
}

const EPOLL: &[State] = &[
    State::of("watches nothing", || Ok(alone(ready::epoll_create()?))),
    State::fresh("nothing is ready"),
    State::then("something is ready", put, put),
    State::then(
        "something is ready, and told",
        |ends| {
            put(ends)?;
            wait_once(ends)
        },
        put,
    ),
    State { make: Some(|| epoll(libc::EPOLLET)), ..State::then("an edge came", put, put) },
    State {
        make: Some(|| epoll(libc::EPOLLET)),
        ..State::then(
            "an edge came, and was told",
            |ends| {
                put(ends)?;
                wait_once(ends)
            },
            put,
        )
    },
    State {
        make: Some(|| epoll(libc::EPOLLONESHOT)),
        ..State::then(
            "one shot, told",
            |ends| {
                put(ends)?;
                wait_once(ends)
            },
            put,
        )
    },
];

const fn kind(title: &'static str, columns: &'static [Column], states: &'static [State]) -> Kind {
    Kind { title, columns, states, edges: Edges::Told }
}

const fn column(name: &'static str, make: Make) -> Column {
    Column { name, make, whose: Whose::Linux }
}

pub(super) const KINDS: &[Kind] = &[
    kind("eventfd", &[column("eventfd", || Ok(alone(fd::eventfd(0, O_NONBLOCK)?)))], EVENTFD),
    kind("timerfd", &[column("timerfd", || Ok(alone(timerfd_create(libc::CLOCK_MONOTONIC, O_NONBLOCK)?)))], TIMERFD),
    kind("signalfd", &[column("signalfd", signalfd)], SIGNALFD),
    kind("epoll", &[column("epoll", || epoll(0))], EPOLL),
];
