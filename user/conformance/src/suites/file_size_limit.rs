//! RLIMIT_FSIZE: what reaches beyond it is cut, and what begins there is refused with SIGXFSZ. Specification: getrlimit(2),
//! write(2), truncate(2), fallocate(2), POSIX.1-2024 XSH write.

use crate::check::{Outcome, expect_eq, expect_errno};
use crate::scratch;
use crate::sys::fd::{self, Pipe};
use crate::sys::{path, process, signal, splice};
use libc::{EFBIG, SIGXFSZ};

crate::tests! {
    write_across_the_limit_is_cut_there,
    write_at_the_limit_gives_efbig_and_sigxfsz,
    truncating_beyond_the_limit_gives_efbig_and_sigxfsz,
    file_that_is_too_large_already_may_shrink_and_be_rewritten,
    splice_stops_at_the_limit,
    limit_does_not_concern_pipes,
    unhandled_sigxfsz_kills,
}

const LIMIT: usize = 5000;
const LIMIT_OFFSET: i64 = 5000;

/// A file, made before the limit holds; SIGXFSZ is counted.
fn limited_file(length: i64) -> Result<i32, crate::check::Failure> {
    scratch::enter()?;
    let file = path::create("file")?;
    path::ftruncate(file, length)?;
    signal::count(SIGXFSZ, 0)?;
    process::set_soft_limit(libc::RLIMIT_FSIZE, LIMIT as u64)?;
    Ok(file)
}

fn expect_size(file: i32, size: i64) -> Outcome {
    expect_eq(path::fstat(file)?.st_size, size, "the size")
}

fn write_across_the_limit_is_cut_there() -> Outcome {
    let file = limited_file(0)?;
    expect_eq(fd::pwrite(file, &[1; 100], LIMIT_OFFSET - 30)?, 30, "bytes of a pwrite")?;
    expect_eq(fd::write(file, &[1; 2 * LIMIT])?, LIMIT, "bytes of a write")?;
    expect_size(file, LIMIT_OFFSET)?;
    expect_eq(signal::caught(SIGXFSZ), 0, "signals")
}

fn write_at_the_limit_gives_efbig_and_sigxfsz() -> Outcome {
    let file = limited_file(0)?;
    expect_errno(fd::pwrite(file, b"x", LIMIT_OFFSET), EFBIG)?;
    expect_errno(fd::pwrite(file, b"x", LIMIT_OFFSET + 1000), EFBIG)?;
    expect_eq(signal::caught(SIGXFSZ), 2, "signals")?;
    expect_eq(fd::pwrite(file, b"", LIMIT_OFFSET)?, 0, "bytes of a write of nothing")?;
    expect_size(file, 0)?;
    expect_eq(signal::caught(SIGXFSZ), 2, "signals after a write of nothing")
}

fn truncating_beyond_the_limit_gives_efbig_and_sigxfsz() -> Outcome {
    let file = limited_file(0)?;
    path::ftruncate(file, LIMIT_OFFSET)?;
    expect_errno(path::ftruncate(file, LIMIT_OFFSET + 1), EFBIG)?;
    expect_errno(path::truncate("file", LIMIT_OFFSET + 1), EFBIG)?;
    expect_eq(signal::caught(SIGXFSZ), 2, "signals")?;
    expect_size(file, LIMIT_OFFSET)
}

fn file_that_is_too_large_already_may_shrink_and_be_rewritten() -> Outcome {
    let file = limited_file(3 * LIMIT_OFFSET)?;
    expect_eq(fd::pwrite(file, b"xyz", 0)?, 3, "bytes written below the limit")?;
    expect_errno(fd::pwrite(file, b"xyz", LIMIT_OFFSET), EFBIG)?;
    path::ftruncate(file, 2 * LIMIT_OFFSET)?;
    expect_size(file, 2 * LIMIT_OFFSET)?;
    expect_eq(signal::caught(SIGXFSZ), 1, "signals")
}

fn splice_stops_at_the_limit() -> Outcome {
    let file = limited_file(0)?;
    let pipe = Pipe::new()?;
    fd::write(pipe.write, &[7; 3 * LIMIT])?;
    expect_eq(splice::splice(pipe.read, file, 3 * LIMIT, 0)?, LIMIT, "bytes moved")?;
    expect_errno(splice::splice(pipe.read, file, 1, 0), EFBIG)?;
    expect_size(file, LIMIT_OFFSET)?;
    expect_eq(fd::fionread(pipe.read)?, 2 * LIMIT, "bytes left in the pipe")
}

fn limit_does_not_concern_pipes() -> Outcome {
    limited_file(0)?;
    let pipe = Pipe::new()?;
    expect_eq(fd::write(pipe.write, &[1; 3 * LIMIT])?, 3 * LIMIT, "bytes written")
}

fn unhandled_sigxfsz_kills() -> Outcome {
    let file = limited_file(0)?;
    let child = process::spawn(|| {
        signal::default(SIGXFSZ)?;
        expect_errno(fd::pwrite(file, b"x", LIMIT_OFFSET), EFBIG)
    })?;
    expect_eq(child.wait()?.signalled(), Some(SIGXFSZ), "what ended it")
}
