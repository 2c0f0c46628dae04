//! Every pointer argument of every call, given addresses that it cannot use: EFAULT, and nothing has changed.
//!
//! Owns the mechanism; the tables lie in `transfer`, `names`, `processes`, `identity`, `waiting`, `terminals` and `sockets`, one
//! line of meaning each; `complete` knows that no argument is missing. A case is tried with a null pointer (where that has no
//! meaning of its own), an address where nothing is mapped, a kernel address, memory without access, read-only memory for what
//! the kernel writes, and a range that begins well and runs into a hole. Where Linux reports the part that went well instead of
//! EFAULT, so may the system under test. Specification: the ERRORS sections of section 2, and Linux itself.

mod complete;
mod identity;
mod names;
mod odd;
mod processes;
mod sockets;
mod terminals;
mod transfer;
mod waiting;

use crate::check::{Failure, Outcome, expect, expect_eq, failed, needs_root};
use crate::harness::Test;
use crate::scratch;
use crate::sys::bare::{call, word};
use crate::sys::fd::{self, Pipe};
use crate::sys::memory::{self, Mapping, PAGE};
use crate::sys::{Sys, path, process, ready, signal, time};
use std::time::Duration;

/// What the kernel does with the memory that an argument leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Reads a struct or buffer of so many bytes.
    Reads(usize),
    /// Reads an aligned word: it cannot straddle.
    ReadsWord,
    /// Writes, and perhaps reads first.
    Writes(usize),
    /// Reads a string up to its NUL.
    ReadsText,
}

/// What a null pointer means to the call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Null {
    /// A bad address like others.
    Bad,
    /// "Not given": not tried.
    Absent,
}

/// What may happen when a buffer straddles into a hole.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Straddle {
    /// EFAULT, always.
    Faults,
    /// EFAULT, or the count of what fitted before the hole.
    MayReportPart,
}

/// Who can make the call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caller {
    Anybody,
    Root,
}

/// One pointer argument of one call.
struct Case {
    /// The call and the argument, as `arguments.txt` has them, and what else tells cases apart: words of the test's name.
    name: &'static str,
    access: Access,
    null: Null,
    straddle: Straddle,
    caller: Caller,
    /// Makes the call with the address given.
    call: fn(&Fixture, usize) -> Sys<usize>,
}

impl Case {
    const fn new(name: &'static str, access: Access, call: fn(&Fixture, usize) -> Sys<usize>) -> Self {
        Self { name, access, null: Null::Bad, straddle: Straddle::Faults, caller: Caller::Anybody, call }
    }

    /// A null pointer means "not given".
    const fn optional(self) -> Self {
        Self { null: Null::Absent, ..self }
    }

    /// Others are refused before the address is looked at.
    const fn for_root(self) -> Self {
        Self { caller: Caller::Root, ..self }
    }

    /// A range that runs into a hole may be done in part.
    const fn divisible(self) -> Self {
        Self { straddle: Straddle::MayReportPart, ..self }
    }
}

/// The tests: one for each case of the tables, and the odd ones.
pub fn tests() -> Vec<Test> {
    let cases = cases().map(|case| Test {
        name: format!("{}_that_cannot_be_used_gives_efault_and_changes_nothing", case.name),
        body: Box::new(|| try_case(case)),
    });
    cases.chain(odd::tests()).chain(complete::tests()).collect()
}

fn cases() -> impl Iterator<Item = &'static Case> {
    let files = [transfer::CASES, names::CASES, processes::CASES, identity::CASES, waiting::CASES];
    files.into_iter().chain([terminals::CASES, sockets::CASES]).flatten()
}

/// The things that the calls of the tables work on.
struct Fixture {
    /// Holds eight bytes.
    pipe: Pipe,
    /// "0123456789", at offset 0.
    file: i32,
    /// The test's directory.
    directory: i32,
    /// Watches the pipe's read end.
    epoll: i32,
    /// Good memory, zeroed but for the texts below.
    good: Mapping,
    hole: Mapping,
    no_access: Mapping,
    read_only: Mapping,
}

/// Offsets of texts in the good memory.
const FILE: usize = 0;
const NEW: usize = 16;
const LINK: usize = 32;
const HERE: usize = 48;
/// A timespec of zero seconds, and room for structs that the kernel writes.
const ZERO_TIME: usize = 1024;
const ROOM: usize = 2048;

impl Fixture {
    fn new() -> Result<Self, Failure> {
        scratch::enter()?;
        let file = path::create("file")?;
        fd::write(file, b"0123456789")?;
        path::symlink("target", "link")?;
        let (pipe, epoll) = (Pipe::new()?, ready::epoll_create()?);
        fd::write(pipe.write, b"12345678")?;
        ready::epoll_add(epoll, pipe.read, libc::EPOLLIN)?;
        let directory = path::open(".", libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
        let (good, no_access, read_only) = (memory::private(1)?, memory::private(1)?, memory::private(1)?);
        for (offset, text) in [(FILE, "file"), (NEW, "new"), (LINK, "link"), (HERE, ".")] {
            good.store_all(offset, text.as_bytes());
        }
        no_access.protect(0, PAGE, libc::PROT_NONE)?;
        read_only.protect(0, PAGE, libc::PROT_READ)?;
        Ok(Self { pipe, file, directory, epoll, good, hole: memory::before_hole(1)?, no_access, read_only })
    }

    fn good(&self, offset: usize) -> usize {
        self.good.address + offset
    }

    /// The addresses to try for `case`, each with a name and the number of bytes that are good before the hole.
    fn addresses(&self, case: &Case) -> Vec<(&'static str, usize, usize)> {
        let mut addresses = vec![
            ("unmapped", self.hole.address + PAGE, 0),
            ("in the kernel's half", 0xffff_8000_0000_0000, 0),
            ("without access", self.no_access.address, 0),
        ];
        if case.null == Null::Bad {
            addresses.push(("null", 0, 0));
        }
        if let Access::Writes(_) = case.access {
            addresses.push(("read-only", self.read_only.address, 0));
        }
        let before_the_hole = match case.access {
            Access::Reads(size) | Access::Writes(size) => size / 2,
            Access::ReadsText => 5,
            Access::ReadsWord => 0,
        };
        if before_the_hole > 0 {
            let filling: &[u8] = if case.access == Access::ReadsText { b"aaaaa" } else { &[] };
            self.hole.store_all(PAGE - before_the_hole, filling);
            addresses.push(("running into a hole", self.hole.address + PAGE - before_the_hole, before_the_hole));
        }
        addresses
    }
}

/// What must not change.
#[derive(Debug, PartialEq)]
struct Snapshot {
    lowest_free_fd: i32,
    bytes_in_the_pipe: usize,
    file_offset: i64,
    file_content: Vec<u8>,
    names: Vec<String>,
    working_directory: String,
    mask: Vec<i32>,
    disposition: (usize, i32),
    limit: (u64, u64),
    alarm: Duration,
}

impl Snapshot {
    fn of(fixture: &Fixture) -> Result<Self, Failure> {
        let lowest_free_fd = fd::dup(fixture.file)?;
        fd::close(lowest_free_fd)?;
        let mut file_content = vec![0; 100];
        let length = fd::pread(fixture.file, &mut file_content, 0)?;
        file_content.truncate(length);
        fd::lseek(fixture.directory, 0, libc::SEEK_SET)?;
        let names = path::getdents(fixture.directory, 4096)?.into_iter().map(|entry| entry.name).collect();
        fd::lseek(fixture.directory, 0, libc::SEEK_SET)?;
        let limit = process::getrlimit(libc::RLIMIT_NOFILE)?;
        Ok(Self {
            lowest_free_fd,
            bytes_in_the_pipe: fd::fionread(fixture.pipe.read)?,
            file_offset: fd::lseek(fixture.file, 0, libc::SEEK_CUR)?,
            file_content,
            names,
            working_directory: path::getcwd(4096)?,
            mask: signal::mask()?,
            disposition: signal::disposition(libc::SIGUSR1)?,
            limit: (limit.rlim_cur, limit.rlim_max),
            alarm: time::alarm_left()?,
        })
    }
}

fn try_case(case: &Case) -> Outcome {
    if case.caller == Caller::Root {
        needs_root()?;
    }
    let fixture = Fixture::new()?;
    fd::lseek(fixture.file, 0, libc::SEEK_SET)?;
    for (what, address, part) in fixture.addresses(case) {
        let before = Snapshot::of(&fixture)?;
        let result = (case.call)(&fixture, address);
        match result {
            Err(error) if error.errno == libc::EFAULT => {
                expect_eq(Snapshot::of(&fixture)?, before, &format!("the state after an address {what}"))?;
            }
            // Part of the work is done and reported: the offset has moved on with it.
            Ok(count) if case.straddle == Straddle::MayReportPart && part > 0 => {
                expect(count > 0 && count <= part, &format!("{count} bytes reported lie before the hole"))?;
                fd::lseek(fixture.file, 0, libc::SEEK_SET)?;
            }
            Err(error) => {
                return Err(failed(format!("an address {what}: expected EFAULT, got: {error}")));
            }
            Ok(value) => {
                return Err(failed(format!("an address {what}: expected EFAULT, got {value}")));
            }
        }
    }
    Ok(())
}

/// The working directory, for calls that take a directory's descriptor.
const CWD: usize = word(libc::AT_FDCWD);
