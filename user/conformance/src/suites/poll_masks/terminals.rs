//! Both sides of a pseudo-terminal. What goes from one to the other Linux hands over in its own time: each state waits until it
//! has, and edges are not told of.

use super::{Column, Edges, Ends, Kind, State, Whose};
use crate::check::{Failure, Outcome};
use crate::sys::fd;
use crate::sys::terminal::{self, Pair, until_ready};
use libc::{POLLIN, TCOFLUSH};

/// Linux's first settings: lines, with echo.
fn terminal() -> Result<Ends, Failure> {
    let pair = open()?;
    Ok(Ends { watched: pair.terminal, mate: pair.master })
}

fn master() -> Result<Ends, Failure> {
    let pair = open()?;
    Ok(Ends { watched: pair.master, mate: pair.terminal })
}

/// Neither side waits.
fn open() -> Result<Pair, Failure> {
    let pair = Pair::open()?;
    fd::set_status_flag(pair.master, libc::O_NONBLOCK)?;
    fd::set_status_flag(pair.terminal, libc::O_NONBLOCK)?;
    Ok(pair)
}

/// Types on the master, and waits for the echo, which is behind the input.
fn type_in(master: i32, keys: &[u8]) -> Outcome {
    fd::write(master, keys)?;
    until_ready(master, POLLIN)
}

const TERMINAL: &[State] = &[
    State::fresh("nothing typed"),
    State::after("part of a line", |ends| type_in(ends.mate, b"x")),
    State::after("a line", |ends| {
        type_in(ends.mate, b"x\n")?;
        until_ready(ends.watched, POLLIN)
    }),
    State::after("a line, read", |ends| {
        type_in(ends.mate, b"x\n")?;
        until_ready(ends.watched, POLLIN)?;
        fd::read(ends.watched, &mut [0; 16])?;
        Ok(())
    }),
    State::after("the end of input", |ends| {
        fd::write(ends.mate, b"\x04")?;
        until_ready(ends.watched, POLLIN)
    }),
    State::after("raw, a byte", |ends| {
        terminal::make_raw(ends.watched)?;
        fd::write(ends.mate, b"x")?;
        until_ready(ends.watched, POLLIN)
    }),
    State::after("output stopped", |ends| Ok(terminal::flow(ends.watched, libc::TCOOFF)?)),
    State::after("the master closed", |ends| Ok(fd::close(ends.mate)?)),
];

const MASTER: &[State] = &[
    State::of("no terminal opened", || {
        let watched = terminal::open_master()?;
        terminal::set_lock(watched, 0)?;
        Ok(Ends { watched, mate: -1 })
    }),
    State::fresh("nothing shown"),
    State::after("something shown", |ends| {
        fd::write(ends.mate, b"x")?;
        until_ready(ends.watched, POLLIN)
    }),
    State::after("the terminal closed", |ends| Ok(fd::close(ends.mate)?)),
    State::after("the terminal closed, something left", |ends| {
        fd::write(ends.mate, b"x")?;
        until_ready(ends.watched, POLLIN)?;
        Ok(fd::close(ends.mate)?)
    }),
    State::after("packets, nothing new", |ends| Ok(terminal::ioctl_set(ends.watched, PACKETS, 1)?)),
    State::after("packets, output thrown away", |ends| {
        terminal::ioctl_set(ends.watched, PACKETS, 1)?;
        Ok(terminal::flush(ends.mate, TCOFLUSH)?)
    }),
];

/// TIOCPKT.
const PACKETS: u32 = 0x5420;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        title: "Pseudo-terminal",
        columns: &[Column { name: "terminal", make: terminal, whose: Whose::Linux }],
        states: TERMINAL,
        edges: Edges::InTime,
    },
    Kind {
        title: "Master of a pseudo-terminal",
        columns: &[Column { name: "master", make: master, whose: Whose::Linux }],
        states: MASTER,
        edges: Edges::InTime,
    },
];
