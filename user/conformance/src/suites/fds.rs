//! Descriptors: numbers, duplicates, flags, limits. Specification: dup(2), fcntl(2), close(2), open(2), POSIX "File Descriptor
//! Allocation".

use crate::check::{Outcome, expect, expect_eq, expect_errno, failed, needs_root};
use crate::scratch;
use crate::sys::fd::{self, Pipe, close, dup, dup2, dup3, fcntl};
use crate::sys::terminal::{self, Pair};
use crate::sys::thread::{End, Thread};
use crate::sys::{attack, path, process};
use libc::{EBADF, EINVAL, EMFILE, F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_GETFL, F_SETFD, F_SETFL, FD_CLOEXEC};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

crate::tests! {
    open_takes_the_lowest_free_number,
    pipe_takes_the_two_lowest_free_numbers,
    dup_takes_the_lowest_free_number,
    dup_shares_the_offset,
    dup_shares_the_status_flags_but_not_close_on_exec,
    dup2_closes_what_was_there,
    dup2_closes_what_was_there_though_it_was_used,
    a_number_that_was_used_stands_for_what_was_opened_last,
    what_one_thread_has_used_another_closes,
    dup2_onto_itself_changes_nothing,
    dup2_of_a_closed_descriptor_gives_ebadf_and_closes_nothing,
    dup2_onto_a_number_beyond_the_limit_gives_ebadf,
    dup3_onto_itself_gives_einval,
    dup3_sets_close_on_exec,
    dup3_refuses_unknown_flags,
    dupfd_takes_the_lowest_free_number_from_its_argument_up,
    dupfd_beyond_the_limit_gives_einval,
    dupfd_cloexec_sets_close_on_exec,
    setfd_sets_and_clears_close_on_exec,
    getfl_returns_access_mode_and_status_flags,
    setfl_changes_only_status_flags,
    every_call_on_a_closed_descriptor_gives_ebadf,
    negative_descriptor_gives_ebadf,
    closing_twice_gives_ebadf,
    limit_of_descriptors_gives_emfile_and_recovers,
    limit_leaves_descriptors_above_it_open,
    pipe_without_room_for_both_ends_takes_neither,
    pipe2_that_fails_closes_nothing_of_another_thread,
    fcntl_with_an_unknown_command_gives_einval,
    proc_self_fd_lists_what_is_open,
    path_descriptor_reads_nothing_but_can_be_stated,
    access_mode_3_neither_reads_nor_writes,
    access_mode_3_takes_permission_for_both,
    access_mode_3_is_refused_by_directories_and_fifos,
    close_range_closes_a_range,
}

fn open_takes_the_lowest_free_number() -> Outcome {
    scratch::enter()?;
    let (one, two, three) = (path::create("1")?, path::create("2")?, path::create("3")?);
    close(two)?;
    close(one)?;
    expect_eq(path::create("4")?, one.min(two), "the first number")?;
    expect_eq(path::create("5")?, one.max(two), "the second number")?;
    expect(path::create("6")? > three, "the third number is above those in use")
}

fn pipe_takes_the_two_lowest_free_numbers() -> Outcome {
    let pipe = Pipe::new()?;
    close(pipe.read)?;
    close(pipe.write)?;
    let again = Pipe::new()?;
    expect_eq((again.read, again.write), (pipe.read, pipe.write), "the numbers")
}

fn dup_takes_the_lowest_free_number() -> Outcome {
    let (pipe, other) = (Pipe::new()?, Pipe::new()?);
    close(pipe.read)?;
    expect_eq(dup(other.read)?, pipe.read, "the number")
}

fn dup_shares_the_offset() -> Outcome {
    scratch::enter()?;
    let file = path::create("file")?;
    let duplicate = dup(file)?;
    fd::write(file, b"abc")?;
    expect_eq(fd::lseek(duplicate, 0, libc::SEEK_CUR)?, 3, "the duplicate's offset")?;
    fd::lseek(duplicate, 1, libc::SEEK_SET)?;
    expect_eq(fd::read_up_to(file, 10)?, b"bc", "what the original reads")
}

fn dup_shares_the_status_flags_but_not_close_on_exec() -> Outcome {
    let pipe = Pipe::with_flags(libc::O_CLOEXEC)?;
    let duplicate = dup(pipe.read)?;
    expect_eq(fcntl(duplicate, F_GETFD, 0)?, 0, "the duplicate's descriptor flags")?;
    fd::set_status_flag(duplicate, libc::O_NONBLOCK)?;
    expect_eq(fcntl(pipe.read, F_GETFL, 0)? & libc::O_NONBLOCK, libc::O_NONBLOCK, "the original's O_NONBLOCK")
}

fn dup2_closes_what_was_there() -> Outcome {
    let (one, two) = (Pipe::new()?, Pipe::new()?);
    expect_eq(dup2(two.write, one.write)?, one.write, "what dup2 returns")?;
    expect_eq(fd::read(one.read, &mut [0; 1])?, 0, "bytes read from the pipe whose write end was replaced")?;
    fd::write(one.write, b"x")?;
    expect_eq(fd::read_up_to(two.read, 1)?, b"x", "what comes through the duplicate")
}

/// One turn of a byte, so that the descriptors were used, not merely opened.
fn use_it(pipe: &Pipe) -> Outcome {
    fd::write(pipe.write, b"x")?;
    expect_eq(fd::read(pipe.read, &mut [0; 8])?, 1, "bytes read")
}

fn dup2_closes_what_was_there_though_it_was_used() -> Outcome {
    let (one, other) = (Pipe::with_flags(libc::O_NONBLOCK)?, Pipe::with_flags(libc::O_NONBLOCK)?);
    use_it(&one)?;
    dup2(other.write, one.write)?;
    expect_eq(fd::read(one.read, &mut [0; 8])?, 0, "bytes read from the pipe whose only writer was replaced")?;
    fd::write(one.write, b"new")?;
    expect_eq(fd::read_up_to(other.read, 3)?, b"new", "what went the new way")
}

fn a_number_that_was_used_stands_for_what_was_opened_last() -> Outcome {
    let one = Pipe::new()?;
    use_it(&one)?;
    close(one.read)?;
    close(one.write)?;
    let other = Pipe::new()?;
    expect_eq((other.read, other.write), (one.read, one.write), "the numbers")?;
    use_it(&other)?;
    close(other.write)?;
    expect_errno(fd::write(other.write, b"x"), EBADF)?;
    expect_eq(fd::read(other.read, &mut [0; 8])?, 0, "bytes read after the end")
}

fn what_one_thread_has_used_another_closes() -> Outcome {
    let pipe = Pipe::with_flags(libc::O_NONBLOCK)?;
    use_it(&pipe)?;
    let write = pipe.write;
    let closed = std::thread::spawn(move || close(write)).join();
    closed.map_err(|_| failed("the thread panicked"))??;
    expect_eq(fd::read(pipe.read, &mut [0; 8])?, 0, "bytes read from a pipe without writers")?;
    expect_errno(fd::write(pipe.write, b"x"), EBADF)
}

fn dup2_onto_itself_changes_nothing() -> Outcome {
    // The raw dup3 cannot do this; libc checks with fcntl that the descriptor is open.
    let pipe = Pipe::with_flags(libc::O_CLOEXEC)?;
    expect_eq(dup2(pipe.read, pipe.read)?, pipe.read, "what dup2 returns")?;
    expect_eq(fcntl(pipe.read, F_GETFD, 0)?, FD_CLOEXEC, "the descriptor flags")
}

fn dup2_of_a_closed_descriptor_gives_ebadf_and_closes_nothing() -> Outcome {
    let (gone, pipe) = (Pipe::new()?, Pipe::new()?);
    close(gone.read)?;
    expect_errno(dup2(gone.read, pipe.write), EBADF)?;
    expect_eq(fd::write(pipe.write, b"x")?, 1, "bytes written")
}

fn dup2_onto_a_number_beyond_the_limit_gives_ebadf() -> Outcome {
    let pipe = Pipe::new()?;
    process::set_soft_limit(libc::RLIMIT_NOFILE, 50)?;
    expect_errno(dup2(pipe.read, 50), EBADF)?;
    expect_errno(dup2(pipe.read, -1), EBADF)?;
    expect_eq(dup2(pipe.read, 49)?, 49, "the number just below the limit")
}

fn dup3_onto_itself_gives_einval() -> Outcome {
    let pipe = Pipe::new()?;
    expect_errno(dup3(pipe.read, pipe.read, 0), EINVAL)
}

fn dup3_sets_close_on_exec() -> Outcome {
    let (one, two) = (Pipe::new()?, Pipe::new()?);
    dup3(one.read, two.read, libc::O_CLOEXEC)?;
    expect_eq(fcntl(two.read, F_GETFD, 0)?, FD_CLOEXEC, "the descriptor flags")
}

fn dup3_refuses_unknown_flags() -> Outcome {
    let (one, two) = (Pipe::new()?, Pipe::new()?);
    expect_errno(dup3(one.read, two.read, libc::O_NONBLOCK), EINVAL)
}

fn dupfd_takes_the_lowest_free_number_from_its_argument_up() -> Outcome {
    let pipe = Pipe::new()?;
    expect_eq(fcntl(pipe.read, F_DUPFD, 100)?, 100, "the first number")?;
    expect_eq(fcntl(pipe.read, F_DUPFD, 100)?, 101, "the second number")?;
    expect_eq(fcntl(pipe.read, F_GETFD, 0)?, 0, "the descriptor flags")
}

fn dupfd_beyond_the_limit_gives_einval() -> Outcome {
    let pipe = Pipe::new()?;
    process::set_soft_limit(libc::RLIMIT_NOFILE, 50)?;
    expect_errno(fcntl(pipe.read, F_DUPFD, 50), EINVAL)?;
    expect_errno(fcntl(pipe.read, F_DUPFD, -1), EINVAL)?;
    fcntl(pipe.read, F_DUPFD, 49)?;
    expect_errno(fcntl(pipe.read, F_DUPFD, 49), EMFILE)
}

fn dupfd_cloexec_sets_close_on_exec() -> Outcome {
    let pipe = Pipe::new()?;
    let duplicate = fcntl(pipe.read, F_DUPFD_CLOEXEC, 0)?;
    expect_eq(fcntl(duplicate, F_GETFD, 0)?, FD_CLOEXEC, "the descriptor flags")
}

fn setfd_sets_and_clears_close_on_exec() -> Outcome {
    let pipe = Pipe::new()?;
    expect_eq(fcntl(pipe.read, F_GETFD, 0)?, 0, "the flags of a new descriptor")?;
    fcntl(pipe.read, F_SETFD, FD_CLOEXEC)?;
    expect_eq(fcntl(pipe.read, F_GETFD, 0)?, FD_CLOEXEC, "the flags when set")?;
    fcntl(pipe.read, F_SETFD, 0)?;
    expect_eq(fcntl(pipe.read, F_GETFD, 0)?, 0, "the flags when cleared")
}

fn getfl_returns_access_mode_and_status_flags() -> Outcome {
    scratch::enter()?;
    path::create("file")?;
    let visible = libc::O_ACCMODE | libc::O_APPEND | libc::O_NONBLOCK | libc::O_CREAT | libc::O_TRUNC;
    for (flags, seen) in [
        (libc::O_RDONLY, libc::O_RDONLY),
        (libc::O_WRONLY | libc::O_APPEND, libc::O_WRONLY | libc::O_APPEND),
        // What only open itself heeds is not kept.
        (libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC | libc::O_NONBLOCK, libc::O_RDWR | libc::O_NONBLOCK),
    ] {
        let file = path::open("file", flags, 0o600)?;
        expect_eq(fcntl(file, F_GETFL, 0)? & visible, seen, "the flags")?;
    }
    Ok(())
}

fn setfl_changes_only_status_flags() -> Outcome {
    scratch::enter()?;
    path::create("file")?;
    let file = path::open("file", libc::O_RDONLY, 0)?;
    fcntl(file, F_SETFL, libc::O_RDWR | libc::O_APPEND | libc::O_CREAT)?;
    let flags = fcntl(file, F_GETFL, 0)?;
    expect_eq(flags & libc::O_ACCMODE, libc::O_RDONLY, "the access mode")?;
    expect_eq(flags & libc::O_APPEND, libc::O_APPEND, "O_APPEND")?;
    expect_errno(fd::write(file, b"x"), EBADF)
}

fn every_call_on_a_closed_descriptor_gives_ebadf() -> Outcome {
    let gone = Pipe::new()?.read;
    close(gone)?;
    expect_errno(fd::read(gone, &mut [0; 1]), EBADF)?;
    expect_errno(fd::write(gone, b"x"), EBADF)?;
    expect_errno(fd::pread(gone, &mut [0; 1], 0), EBADF)?;
    expect_errno(fd::pwrite(gone, b"x", 0), EBADF)?;
    expect_errno(fd::readv(gone, &mut [&mut [0; 1]]), EBADF)?;
    expect_errno(fd::writev(gone, &[b"x"]), EBADF)?;
    expect_errno(fd::lseek(gone, 0, libc::SEEK_SET), EBADF)?;
    expect_errno(dup(gone), EBADF)?;
    expect_errno(fcntl(gone, F_GETFD, 0), EBADF)?;
    expect_errno(fcntl(gone, F_DUPFD, 0), EBADF)?;
    expect_errno(fd::fionread(gone), EBADF)?;
    expect_errno(path::fstat(gone), EBADF)?;
    expect_errno(path::ftruncate(gone, 0), EBADF)?;
    expect_errno(path::fchdir(gone), EBADF)?;
    expect_errno(path::openat(gone, "x", libc::O_RDONLY, 0), EBADF)?;
    expect_errno(path::getdents(gone, 1000), EBADF)?;
    expect_errno(fd::sendfile(gone, gone, 1), EBADF)
}

fn negative_descriptor_gives_ebadf() -> Outcome {
    expect_errno(close(-1), EBADF)?;
    expect_errno(fd::read(-1, &mut [0; 1]), EBADF)?;
    expect_errno(dup(i32::MIN), EBADF)?;
    expect_errno(fcntl(i32::MAX, F_GETFD, 0), EBADF)
}

fn closing_twice_gives_ebadf() -> Outcome {
    let pipe = Pipe::new()?;
    close(pipe.read)?;
    expect_errno(close(pipe.read), EBADF)
}

fn limit_of_descriptors_gives_emfile_and_recovers() -> Outcome {
    scratch::enter()?;
    let first = Pipe::new()?;
    process::set_soft_limit(libc::RLIMIT_NOFILE, 32)?;
    while dup(first.read).is_ok() {}
    expect_errno(dup(first.read), EMFILE)?;
    expect_errno(path::open("/", libc::O_RDONLY, 0), EMFILE)?;
    expect_errno(Pipe::new(), EMFILE)?;
    expect_errno(fd::eventfd(0, 0), EMFILE)?;
    expect_errno(path::create("file"), EMFILE)?;
    expect_errno(path::stat("file"), libc::ENOENT)?;
    close(31)?;
    expect_eq(dup(first.read)?, 31, "the number that is free again")
}

fn limit_leaves_descriptors_above_it_open() -> Outcome {
    let pipe = Pipe::new()?;
    dup2(pipe.write, 60)?;
    process::set_soft_limit(libc::RLIMIT_NOFILE, 20)?;
    expect_eq(fd::write(60, b"x")?, 1, "bytes written through a descriptor above the limit")?;
    close(60).map_err(Into::into).and_then(|()| expect_errno(dup2(pipe.write, 60), EBADF))
}

fn pipe_without_room_for_both_ends_takes_neither() -> Outcome {
    let pipe = Pipe::new()?;
    process::set_soft_limit(libc::RLIMIT_NOFILE, 32)?;
    while dup(pipe.read).is_ok() {}
    close(31)?;
    expect_errno(Pipe::new(), EMFILE)?;
    expect_eq(dup(pipe.read)?, 31, "the one free number is still free")
}

/// Calls pipe2 with a bad address until `is_over`.
fn fail_to_make_pipes(is_over: &'static AtomicU32) -> usize {
    let mut successes = 0;
    while is_over.load(Ordering::Relaxed) == 0 {
        // SAFETY: nothing of the process lies in the first page.
        successes += usize::from(unsafe { libc::syscall(libc::SYS_pipe2, 8, 0) } == 0);
    }
    successes
}

fn pipe2_that_fails_closes_nothing_of_another_thread() -> Outcome {
    const LENGTH: Duration = Duration::from_millis(200);
    let is_over: &'static AtomicU32 = Box::leak(Box::new(AtomicU32::new(0)));
    let file = Pipe::new()?.read;
    let number = dup(file)?;
    close(number)?;
    let thread = Thread::start(fail_to_make_pipes, is_over)?;
    let began = Instant::now();
    while began.elapsed() < LENGTH {
        match dup2(file, number) {
            // The number is the pipe's that is just made.
            Err(error) if error.errno == libc::EBUSY => continue,
            result => expect_eq(result?, number, "the number")?,
        }
        for _ in 0..20 {
            expect(fcntl(number, F_GETFD, 0).is_ok(), "the descriptor stays open")?;
        }
        close(number)?;
    }
    is_over.store(1, Ordering::Relaxed);
    expect_eq(thread.join()?, End::Returned(0), "how many pipes were made")
}

fn fcntl_with_an_unknown_command_gives_einval() -> Outcome {
    let pipe = Pipe::new()?;
    expect_errno(fcntl(pipe.read, 9999, 0), EINVAL)
}

fn proc_self_fd_lists_what_is_open() -> Outcome {
    let pipe = Pipe::new()?;
    let target = path::readlink(&format!("/proc/self/fd/{}", pipe.read), 100)?;
    let expected = format!("pipe:[{}]", path::fstat(pipe.read)?.st_ino);
    expect_eq(String::from_utf8_lossy(&target), expected, "where the link leads")?;
    close(pipe.read)?;
    expect_errno(path::lstat(&format!("/proc/self/fd/{}", pipe.read)), libc::ENOENT)
}

fn path_descriptor_reads_nothing_but_can_be_stated() -> Outcome {
    scratch::enter()?;
    close(path::create("file")?)?;
    let file = path::open("file", libc::O_PATH, 0)?;
    expect_errno(fd::read(file, &mut [0; 1]), EBADF)?;
    expect_eq(path::fstat(file)?.st_ino, path::stat("file")?.st_ino, "the inode")
}

/// All bits of the access mode. (O_ACCMODE has others as well, in some C libraries.)
const MODE_3: i32 = 3;

fn access_mode_3_neither_reads_nor_writes() -> Outcome {
    scratch::enter()?;
    close(path::create("file")?)?;
    let file = path::open("file", MODE_3, 0)?;
    expect_errno(fd::read(file, &mut [0; 1]), EBADF)?;
    expect_errno(fd::write(file, b"x"), EBADF)?;
    expect_eq(fcntl(file, F_GETFL, 0)? & MODE_3, MODE_3, "the mode in F_GETFL")?;
    expect_eq(fd::lseek(file, 5, libc::SEEK_SET)?, 5, "the offset that it has all the same")?;
    let pair = Pair::open()?;
    let terminal = path::open(&pair.path()?, MODE_3 | libc::O_NOCTTY, 0)?;
    terminal::settings(terminal).map(drop)?;
    expect_errno(fd::write(terminal, b"x"), EBADF)
}

fn access_mode_3_takes_permission_for_both() -> Outcome {
    needs_root()?;
    scratch::enter()?;
    for (name, mode) in [("read", 0o444), ("write", 0o222), ("both", 0o666)] {
        close(path::create(name)?)?;
        path::chmod(name, mode)?;
    }
    path::chmod(".", 0o755)?;
    process::spawn(|| {
        process::become_user(1000)?;
        expect_errno(path::open("read", MODE_3, 0), libc::EACCES)?;
        expect_errno(path::open("write", MODE_3, 0), libc::EACCES)?;
        Ok(path::open("both", MODE_3, 0).map(drop)?)
    })?
    .expect_success()
}

fn access_mode_3_is_refused_by_directories_and_fifos() -> Outcome {
    scratch::enter()?;
    expect_errno(path::open(".", MODE_3, 0), libc::EISDIR)?;
    attack::mkfifo("fifo")?;
    expect_errno(path::open("fifo", MODE_3, 0), EINVAL)?;
    let pipe = Pipe::new()?;
    expect_errno(path::open(&format!("/proc/self/fd/{}", pipe.read), MODE_3, 0), EINVAL)
}

fn close_range_closes_a_range() -> Outcome {
    let pipe = Pipe::new()?;
    for number in [100, 101, 103] {
        dup2(pipe.read, number)?;
    }
    // SAFETY: takes no pointers; the numbers from 100 to 102 are this test's.
    let value = unsafe { libc::syscall(libc::SYS_close_range, 100, 102, 0) };
    crate::sys::checked("close_range", value)?;
    let open = [100, 101, 102, 103].map(|number| fcntl(number, F_GETFD, 0).is_ok());
    expect_eq(open, [false, false, false, true], "which are open")
}
