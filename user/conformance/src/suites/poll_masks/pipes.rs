//! Pipes, FIFOs and what stands in their place on Postern. The mate of an end is the other one.

use super::super::modules;
use super::{Column, Edges, Ends, Kind, Make, State, Whose};
use crate::check::{Failure, Outcome};
use crate::sys::fd::{self, Pipe};
use crate::sys::{attack, hello, path};
use libc::{O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY};

const fn reader(pipe: Pipe) -> Ends {
    Ends { watched: pipe.read, mate: pipe.write }
}

const fn writer(pipe: Pipe) -> Ends {
    Ends { watched: pipe.write, mate: pipe.read }
}

fn fifo() -> Result<Pipe, Failure> {
    name_fifo()?;
    let read = path::open("fifo", O_RDONLY | O_NONBLOCK, 0)?;
    Ok(Pipe { read, write: path::open("fifo", O_WRONLY | O_NONBLOCK, 0)? })
}

/// A new one, in the place of what had the name.
fn name_fifo() -> Outcome {
    // There may be none yet.
    let _ = path::unlink("fifo");
    Ok(attack::mkfifo("fifo")?)
}

fn myipc() -> Result<Pipe, Failure> {
    modules::reload("myipc", "")?;
    let read = path::open("/dev/myipc0", O_RDONLY | O_NONBLOCK, 0)?;
    Ok(Pipe { read, write: path::open("/dev/myipc0", O_WRONLY | O_NONBLOCK, 0)? })
}

/// Columns for one end of each.
macro_rules! columns {
    ($end:ident) => {
        &[
            Column { name: "pipe", make: || Ok($end(Pipe::anonymous(O_NONBLOCK)?)), whose: Whose::Linux },
            Column { name: "FIFO", make: || Ok($end(fifo()?)), whose: Whose::Linux },
            Column { name: "/dev/hello", make: || Ok($end(hello::pipe(O_NONBLOCK)?)), whose: Whose::Postern },
            Column { name: "/dev/myipc0", make: || Ok($end(myipc()?)), whose: Whose::Postern },
        ]
    };
}

fn put(file: i32) -> Outcome {
    fd::write(file, b"x")?;
    Ok(())
}

fn take(file: i32, count: usize) -> Outcome {
    fd::read(file, &mut vec![0; count])?;
    Ok(())
}

fn fill(file: i32) -> Outcome {
    fd::fill(file)?;
    Ok(())
}

fn put_and_take(ends: Ends) -> Outcome {
    put(ends.mate)?;
    take(ends.watched, 1)
}

fn close_mate(ends: Ends) -> Outcome {
    Ok(fd::close(ends.mate)?)
}

const PAGE: usize = 4096;

const READER: &[State] = &[
    State::fresh("empty"),
    State::then("some bytes", |ends| put(ends.mate), |ends| put(ends.mate)),
    State::then("full", |ends| fill(ends.mate), |ends| take(ends.watched, 1)),
    State::then("emptied again", put_and_take, put_and_take),
    State::after("writer gone", close_mate),
    State::then(
        "writer gone, bytes left",
        |ends| {
            put(ends.mate)?;
            put(ends.mate)?;
            close_mate(ends)
        },
        |ends| take(ends.watched, 1),
    ),
    State::after("writer gone, bytes read", |ends| {
        put(ends.mate)?;
        close_mate(ends)?;
        take(ends.watched, 1)
    }),
];

const WRITER: &[State] = &[
    State::fresh("empty"),
    State::then("some bytes", |ends| put(ends.watched), |ends| put(ends.watched)),
    State::after("full", |ends| fill(ends.watched)),
    State::then(
        "full but for 100 bytes",
        |ends| {
            fill(ends.watched)?;
            take(ends.mate, 100)
        },
        |ends| take(ends.mate, 100),
    ),
    State::then(
        "full but for a page",
        |ends| {
            fill(ends.watched)?;
            take(ends.mate, PAGE)
        },
        |ends| take(ends.mate, PAGE),
    ),
    State::then(
        "emptied again",
        |ends| {
            put(ends.watched)?;
            take(ends.mate, 1)
        },
        |ends| {
            put(ends.watched)?;
            take(ends.mate, 1)
        },
    ),
    State::after("reader gone", close_mate),
    State::after("reader gone, bytes left", |ends| {
        put(ends.watched)?;
        close_mate(ends)
    }),
    State::after("reader gone, full", |ends| {
        fill(ends.watched)?;
        close_mate(ends)
    }),
];

const fn first_reader() -> Make {
    || {
        name_fifo()?;
        Ok(Ends { watched: path::open("fifo", O_RDONLY | O_NONBLOCK, 0)?, mate: -1 })
    }
}

fn write_and_leave(_: Ends) -> Outcome {
    let writer = path::open("fifo", O_WRONLY | O_NONBLOCK, 0)?;
    put(writer)?;
    Ok(fd::close(writer)?)
}

fn come_and_leave(_: Ends) -> Outcome {
    Ok(fd::close(path::open("fifo", O_WRONLY | O_NONBLOCK, 0)?)?)
}

fn for_both() -> Result<Ends, Failure> {
    name_fifo()?;
    Ok(Ends { watched: path::open("fifo", O_RDWR | O_NONBLOCK, 0)?, mate: -1 })
}

const LONELY: &[State] = &[
    State::fresh("no writer has come"),
    State::then("a writer has come and gone", come_and_leave, come_and_leave),
    State::then("the same, bytes left", write_and_leave, write_and_leave),
    State::after("another writer has come", |ends| {
        come_and_leave(ends)?;
        path::open("fifo", O_WRONLY | O_NONBLOCK, 0)?;
        Ok(())
    }),
];

const BOTH: &[State] = &[
    State::fresh("empty"),
    State::then("some bytes", |ends| put(ends.watched), |ends| put(ends.watched)),
    State::after("full", |ends| fill(ends.watched)),
];

pub(super) const KINDS: &[Kind] = &[
    Kind { title: "Pipe to read", columns: columns!(reader), states: READER, edges: Edges::Told },
    Kind { title: "Pipe to write", columns: columns!(writer), states: WRITER, edges: Edges::Told },
    Kind {
        title: "FIFO to read without a writer",
        columns: &[Column { name: "FIFO", make: first_reader(), whose: Whose::Linux }],
        states: LONELY,
        edges: Edges::Told,
    },
    Kind {
        title: "FIFO for both",
        columns: &[Column { name: "FIFO", make: for_both, whose: Whose::Linux }],
        states: BOTH,
        edges: Edges::Told,
    },
];
