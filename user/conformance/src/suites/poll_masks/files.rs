//! Files that never make anybody wait: here the state is which one it is.

use super::{Column, Edges, Ends, Kind, State, Whose};
use crate::check::Failure;
use crate::sys::{fd, path};
use libc::{O_CREAT, O_DIRECTORY, O_RDONLY, O_RDWR, O_WRONLY};

fn open(name: &str, flags: i32) -> Result<Ends, Failure> {
    Ok(Ends { watched: path::open(name, flags, 0o600)?, mate: -1 })
}

const FILES: &[State] = &[
    State::of("empty file", || open("file", O_CREAT | O_RDWR)),
    State::of("file with bytes, at its end", || {
        let ends = open("bytes", O_CREAT | O_RDWR)?;
        fd::write(ends.watched, b"x")?;
        Ok(ends)
    }),
    State::of("file to read", || open("file", O_CREAT | O_RDONLY)),
    State::of("file to write", || open("file", O_CREAT | O_WRONLY)),
    State::of("directory", || open(".", O_RDONLY | O_DIRECTORY)),
    State::of("/dev/null", || open("/dev/null", O_RDWR)),
    State::of("/dev/null to read", || open("/dev/null", O_RDONLY)),
    State::of("/dev/zero", || open("/dev/zero", O_RDWR)),
    State::of("/dev/full", || open("/dev/full", O_RDWR)),
    State::of("/dev/urandom", || open("/dev/urandom", O_RDWR)),
    State::of("/proc/version", || open("/proc/version", O_RDONLY)),
    State::of("/proc/self/stat", || open("/proc/self/stat", O_RDONLY)),
    State::of("/proc/self/mounts", || open("/proc/self/mounts", O_RDONLY)),
];

pub(super) const KINDS: &[Kind] = &[Kind {
    title: "Files and memory devices",
    columns: &[Column { name: "file", make: || open("/dev/null", O_RDWR), whose: Whose::Linux }],
    states: FILES,
    edges: Edges::Told,
}];
