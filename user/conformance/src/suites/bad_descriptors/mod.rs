//! Every call that takes a descriptor, given every kind of descriptor: the error that Linux gives, and nothing has changed.
//!
//! Owns the mechanism; `kinds` makes the descriptors, `calls` and `sockets` make the calls, `expected.txt` has the outcomes as
//! Linux gave them. To renew them: `conformance --probe descriptors`, on Linux for AArch64, prints the table (`cargo run -p
//! conformance` does on another), to be read with care before it is kept. The files lie on a tmpfs, as in the guest. Specification:
//! the ERRORS sections of section 2, and Linux itself.

mod calls;
mod expected;
mod kinds;
mod sockets;

use crate::check::{Failure, Outcome, expect_eq, failed, needs_root, skip};
use crate::harness::Test;
use crate::sys::bare::{call as call_with, word};
use crate::sys::fd::{self, Pipe};
use crate::sys::memory::{self, Mapping};
use crate::sys::{Sys, path, ready};
use kinds::Kind;
use std::collections::BTreeMap;

/// One call with one descriptor among its arguments.
struct Call {
    /// The call, and what else is told apart by a second word.
    name: &'static str,
    /// Makes the call with the descriptor given.
    make: fn(&Place, usize) -> Sys<usize>,
}

const fn row(name: &'static str, make: fn(&Place, usize) -> Sys<usize>) -> Call {
    Call { name, make }
}

fn calls() -> impl Iterator<Item = &'static Call> {
    calls::CALLS.iter().chain(sockets::CALLS)
}

/// The tests: one for each call, and one of the table itself.
pub fn tests() -> Vec<Test> {
    let of_calls = calls().map(|call| Test {
        name: format!("{}_treats_each_kind_of_descriptor_as_linux_does", call.name.replace(' ', "_")),
        body: Box::new(|| try_call(call)),
    });
    let of_table = Test {
        name: "every_call_with_a_descriptor_is_in_the_table".to_string(),
        body: Box::new(|| expected::is_complete(calls().map(|call| call.name))),
    };
    of_calls.chain([of_table]).collect()
}

/// What a call is made with besides the descriptor in question. All of it is as it should be.
struct Place {
    /// The lowest number of its descriptors.
    first: i32,
    /// "0123456789", at offset 0.
    file: i32,
    /// Empty.
    directory: i32,
    /// Holds eight bytes, and has room.
    pipe: Pipe,
    /// Watches nothing.
    epoll: i32,
    /// Memory with the texts below, and room.
    good: Mapping,
}

const INNER: usize = 0;
const NEW: usize = 16;
const LINK: usize = 32;
const EMPTY: usize = 48;
const ABSOLUTE: usize = 64;
/// Zeros: a time of nothing, an empty vector, an empty set of signals.
const ZEROS: usize = 512;
/// For what the call needs, and for what the kernel writes.
const ARGUMENT: usize = 1024;
const ROOM: usize = 2048;

/// Where a test's files lie: a tmpfs. It is removed with the value.
struct Ground(String);

impl Ground {
    fn new() -> Result<Self, Failure> {
        let name = format!("/dev/shm/conformance-descriptors-{}", std::process::id());
        std::fs::create_dir(&name)?;
        Ok(Self(name))
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // A test that failed has said more than this could.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Place {
    /// In the working directory.
    fn new() -> Result<Self, Failure> {
        let first = lowest_free()?;
        let file = path::create("good-file")?;
        fd::write(file, b"0123456789")?;
        fd::lseek(file, 0, libc::SEEK_SET)?;
        path::mkdir("good-directory", 0o755)?;
        let directory = path::open("good-directory", libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
        let pipe = Pipe::anonymous(libc::O_NONBLOCK)?;
        fd::write(pipe.write, b"12345678")?;
        let good = memory::private(1)?;
        for (offset, text) in [(INNER, "inner"), (NEW, "new"), (LINK, "link"), (ABSOLUTE, "/proc")] {
            good.store_all(offset, text.as_bytes());
        }
        Ok(Self { first, file, directory, pipe, epoll: ready::epoll_create()?, good })
    }

    fn at(&self, offset: usize) -> usize {
        self.good.address + offset
    }

    /// The words, where the kernel reads an argument.
    fn argument<const COUNT: usize>(&self, words: [usize; COUNT]) -> usize {
        for (place, value) in words.into_iter().enumerate() {
            self.good.store_all(ARGUMENT + 8 * place, &value.to_ne_bytes());
        }
        self.at(ARGUMENT)
    }
}

/// What must not change when a call is refused.
#[derive(Debug, PartialEq)]
struct Snapshot {
    lowest_free_fd: i32,
    /// F_GETFD, F_GETFL.
    flags: [Sys<i32>; 2],
    /// FIONREAD of the descriptor, of what is at its other end, of the good pipe.
    waiting: [Sys<usize>; 3],
    offsets: [Sys<i64>; 2],
    /// Mode, links, owners, length.
    status: Sys<[u64; 5]>,
    files: BTreeMap<String, Vec<u8>>,
}

impl Snapshot {
    fn of(place: &Place, subject: kinds::Subject) -> Result<Self, Failure> {
        let of_fd = subject.fd;
        let status = path::fstat(of_fd).map(|status| {
            let length = status.st_size.unsigned_abs();
            #[allow(clippy::useless_conversion, reason = "the widths differ between machines")]
            [status.st_mode.into(), status.st_nlink.into(), status.st_uid.into(), status.st_gid.into(), length]
        });
        Ok(Self {
            lowest_free_fd: lowest_free()?,
            flags: [fd::fcntl(of_fd, libc::F_GETFD, 0), fd::fcntl(of_fd, libc::F_GETFL, 0)],
            waiting: [fd::fionread(of_fd), fd::fionread(subject.mate), fd::fionread(place.pipe.read)],
            offsets: [of_fd, place.file].map(|fd| fd::lseek(fd, 0, libc::SEEK_CUR)),
            status,
            files: files_below("..")?,
        })
    }
}

/// The names below a directory, and what the files hold.
fn files_below(directory: &str) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(directory)? {
        let (entry, name) = entry.map(|entry| (entry.path(), entry.path().to_string_lossy().into_owned()))?;
        let kind = entry.symlink_metadata()?.file_type();
        if kind.is_dir() {
            files.append(&mut files_below(&name)?);
        }
        files.insert(name, if kind.is_file() { std::fs::read(entry)? } else { Vec::new() });
    }
    Ok(files)
}

/// What a call came to, as a word of the table: the error's name, or "ok".
fn outcome(result: &Sys<usize>) -> Result<&'static str, Failure> {
    match result {
        Ok(_) => Ok("ok"),
        Err(error) => {
            let known = expected::ERRORS.iter().find(|(errno, _)| *errno == error.errno);
            known.map(|(_, name)| *name).ok_or_else(|| failed(format!("an error without a name: {error}")))
        }
    }
}

/// The lowest number that no descriptor has.
fn lowest_free() -> Sys<i32> {
    let number = fd::dup(0)?;
    fd::close(number)?;
    Ok(number)
}

/// Closes everything from this number on.
fn close_from(first: i32) -> Sys<()> {
    call_with(libc::SYS_close_range, [word(first), kinds::HIGHEST, 0]).map(drop)
}

/// Makes the call with a fresh descriptor of this kind; what it came to. A failure if it was refused and something changed.
/// A call that was refused leaves the place as good as new for the next.
fn make(ground: &Ground, place: &mut Option<Place>, call: &Call, kind: &Kind) -> Result<&'static str, Failure> {
    let good = match place.take() {
        Some(good) => good,
        None => {
            std::fs::create_dir(format!("{}/cell", ground.0))?;
            path::chdir(&format!("{}/cell", ground.0))?;
            Place::new()?
        }
    };
    let first = lowest_free()?;
    path::mkdir("subject", 0o755)?;
    path::chdir("subject")?;
    let subject = (kind.make)()?;
    let before = Snapshot::of(&good, subject)?;
    let result = (call.make)(&good, word(subject.fd));
    let outcome = outcome(&result)?;
    if result.is_err() {
        expect_eq(Snapshot::of(&good, subject)?, before, &format!("the state after {outcome} from {}", kind.name))?;
        close_from(first)?;
        path::chdir(&format!("{}/cell", ground.0))?;
        std::fs::remove_dir_all("subject")?;
        *place = Some(good);
    } else {
        good.good.unmap(0, memory::PAGE)?;
        close_from(good.first)?;
        path::chdir(&ground.0)?;
        std::fs::remove_dir_all("cell")?;
    }
    Ok(outcome)
}

/// Skips the test where the table does not hold: it says what root gets, on a tmpfs, of a Linux that has all the calls.
fn needs_what_the_table_is_of() -> Outcome {
    needs_root()?;
    if !std::fs::exists("/dev/shm")? {
        return skip("needs /dev/shm");
    }
    match call_with(calls::SYS_FCHMODAT2, [word(-1), 0, 0, 0]) {
        Err(error) if error.errno == libc::ENOSYS => skip("needs Linux 6.6"),
        _ => Ok(()),
    }
}

fn try_call(call: &Call) -> Outcome {
    needs_what_the_table_is_of()?;
    let (ground, expected) = (Ground::new()?, expected::of(call.name)?);
    let (mut place, mut differences) = (None, Vec::new());
    for kind in kinds::there_are()? {
        let actual = make(&ground, &mut place, call, kind)?;
        let expected = expected.with(kind.name);
        if !expected.split('/').any(|allowed| allowed == actual) {
            differences.push(format!("{}: expected {expected}, got {actual}", kind.name));
        }
    }
    if differences.is_empty() { Ok(()) } else { Err(failed(differences.join("\n"))) }
}

/// Prints the table of what this kernel does: `conformance --probe descriptors`.
///
/// # Errors
/// What could not be tried.
pub fn print_table() -> Outcome {
    let ground = Ground::new()?;
    for call in calls() {
        let (mut place, mut outcomes) = (None, Vec::new());
        for kind in kinds::there_are()? {
            outcomes.push((kind.name, make(&ground, &mut place, call, kind)?));
        }
        print!("{}", expected::paragraph(call.name, &outcomes));
        if let Some(place) = place {
            close_from(place.first)?;
            path::chdir(&ground.0)?;
            std::fs::remove_dir_all("cell")?;
        }
    }
    Ok(())
}
