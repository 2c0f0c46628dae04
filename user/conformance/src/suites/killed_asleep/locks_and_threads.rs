//! Locks of files; processes whose threads sleep; and moments of no choice: within exec, and where calls wait for each other's
//! locks in the kernel. Specification: flock(2), fcntl_locking(2), execve(2), exit_group(2).

use super::{asleep_in, children, killed_in, places};
use crate::check::{Failure, Outcome, expect_eq};
use crate::sys::fd::{self, Pipe};
use crate::sys::memory::{self, PAGE};
use crate::sys::process::{self, Child};
use crate::sys::time::{nanosleep, timespec};
use crate::sys::{path, ready, signal, socket};
use crate::{probe, scratch};
use libc::{F_OFD_SETLKW, F_SETLKW, LOCK_EX, LOCK_NB, LOCK_UN, O_RDWR, SIGUSR1};
use std::time::Duration;

places! {
    flock_of_a_locked_file,
    fcntl_lock_of_a_locked_file,
    fcntl_lock_of_an_open_file_description,
    process_whose_threads_sleep_in_different_calls,
    process_whose_threads_sleep_when_one_ends_it,
    process_whose_threads_sleep_when_one_executes_a_program,
    process_that_executes_a_program_among_busy_threads,
    processes_that_wait_for_each_others_locks,
}

/// A file with a name, open twice.
fn file() -> Result<(i32, i32), Failure> {
    scratch::enter()?;
    Ok((path::create("file")?, path::open("file", O_RDWR, 0)?))
}

fn file_is_free(take: impl FnOnce() -> crate::sys::Sys<()>) -> Outcome {
    process::spawn(|| Ok(take()?))?.expect_success()?;
    path::unlink("file")?;
    let directory = path::getcwd(4096)?;
    path::chdir("/")?;
    Ok(path::rmdir(&directory)?)
}

fn flock_of_a_locked_file() -> Outcome {
    let (holder, other) = file()?;
    fd::flock(holder, LOCK_EX)?;
    killed_in(&[other], || fd::flock(other, LOCK_EX))?;
    fd::flock(holder, LOCK_UN)?;
    let third = path::open("file", O_RDWR, 0)?;
    file_is_free(|| fd::flock(third, LOCK_EX | LOCK_NB))
}

fn fcntl_lock_of_a_locked_file() -> Outcome {
    let (holder, other) = file()?;
    fd::lock_file(holder, F_SETLKW)?;
    killed_in(&[], || fd::lock_file(other, F_SETLKW))?;
    fd::unlock_file(holder, F_SETLKW)?;
    file_is_free(|| fd::lock_file(holder, libc::F_SETLK))
}

fn fcntl_lock_of_an_open_file_description() -> Outcome {
    let (holder, other) = file()?;
    fd::lock_file(holder, F_OFD_SETLKW)?;
    killed_in(&[other], || fd::lock_file(other, F_OFD_SETLKW))?;
    fd::unlock_file(holder, F_OFD_SETLKW)?;
    let third = path::open("file", O_RDWR, 0)?;
    file_is_free(|| fd::lock_file(third, libc::F_OFD_SETLK))
}

/// Starts a process whose threads sleep in various calls, the first one in `last` once `go` is written to; sees them asleep. This
/// process, and the child that one of its threads waits for in vfork.
fn with_sleeping_threads(go: Pipe, last: impl FnOnce() -> Outcome) -> Result<(Child, Child), Failure> {
    const LONG: Duration = Duration::from_secs(1000);
    let told = Pipe::anonymous(0)?;
    let child = process::spawn(|| {
        let pipe = Pipe::anonymous(0)?;
        let [socket, _other] = socket::pair(libc::SOCK_STREAM)?;
        let epoll = ready::epoll_create()?;
        let word = memory::shared(1)?.word(0);
        let calls: [fn(i32, i32, i32) -> bool; 4] = [
            |pipe, _, _| fd::read(pipe, &mut [0; 1]).is_ok(),
            |_, socket, _| socket::recv(socket, &mut [0; 1], 0).is_ok(),
            |_, _, epoll| ready::epoll_pwait(epoll, 1, -1, None).is_ok(),
            |_, _, _| nanosleep(timespec(LONG)).0.is_ok(),
        ];
        for call in calls {
            drop(std::thread::spawn(move || call(pipe.read, socket, epoll)));
        }
        drop(std::thread::spawn(|| super::super::futex::wait_on(word, libc::FUTEX_WAIT, 0, None)));
        drop(std::thread::spawn(move || children::vfork_and_tell(told)));
        fd::read(go.read, &mut [0; 1])?;
        last()
    })?;
    let grandchild = children::adopted(told)?;
    process::wait_until_threads_are_asleep(child.pid, 7)?;
    Ok((child, grandchild))
}

fn process_whose_threads_sleep_in_different_calls() -> Outcome {
    let (child, grandchild) = with_sleeping_threads(Pipe::anonymous(0)?, || Ok(()))?;
    child.kill_and_wait()?;
    children::end(grandchild)
}

fn process_whose_threads_sleep_when_one_ends_it() -> Outcome {
    let go = Pipe::anonymous(0)?;
    let (child, grandchild) = with_sleeping_threads(go, || process::exit(7))?;
    fd::write(go.write, b"!")?;
    expect_eq(child.wait()?.exited(), Some(7), "the exit status")?;
    children::end(grandchild)
}

fn process_whose_threads_sleep_when_one_executes_a_program() -> Outcome {
    let go = Pipe::anonymous(0)?;
    let program = probe::program()?;
    let arguments = ["conformance", probe::FLAG, "await", &SIGUSR1.to_string()];
    signal::block(&[SIGUSR1])?;
    let (child, grandchild) = with_sleeping_threads(go, || Ok(process::execve(&program, &arguments, &[])?))?;
    fd::write(go.write, b"!")?;
    process::wait_until_threads_are_asleep(child.pid, 1)?;
    child.kill_and_wait()?;
    children::end(grandchild)
}

/// Exec waits for the other threads; the end comes before that, meanwhile or afterwards.
fn process_that_executes_a_program_among_busy_threads() -> Outcome {
    let program = probe::program()?;
    let arguments = ["conformance", probe::FLAG, "await", &SIGUSR1.to_string()];
    signal::block(&[SIGUSR1])?;
    for delay in 0..5 {
        let started = Pipe::anonymous(0)?;
        let child = process::spawn(|| {
            for _ in 0..3 {
                drop(std::thread::spawn(|| {
                    loop {
                        process::gettid();
                    }
                }));
            }
            fd::write(started.write, b"!")?;
            Ok(process::execve(&program, &arguments, &[])?)
        })?;
        fd::read(started.read, &mut [0; 1])?;
        std::thread::sleep(Duration::from_micros(delay * 300));
        child.kill_and_wait()?;
        fd::close(started.read)?;
        fd::close(started.write)?;
    }
    Ok(())
}

/// Of one address space, one pipe, one file position: each of them now and then has to wait for another's turn.
fn processes_that_wait_for_each_others_locks() -> Outcome {
    const WORKERS: usize = 4;
    let pipe = Pipe::anonymous(0)?;
    let file = memory::memfd(1 << 20)?;
    let place = memory::shared(64)?;
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        workers.push(process::spawn(|| {
            let threads = [(); 2].map(|()| {
                std::thread::spawn(move || -> crate::sys::Sys<()> {
                    loop {
                        let memory = memory::private(64)?;
                        fd::lseek(file, 0, libc::SEEK_SET)?;
                        fd::read_into(file, &memory, 0, 64 * PAGE)?;
                        fd::write_from(pipe.write, &memory, 0, 4 * PAGE)?;
                        fd::read_into(pipe.read, &place, 0, 4 * PAGE)?;
                        memory.unmap(0, memory.length)?;
                    }
                })
            });
            threads.into_iter().for_each(|thread| drop(thread.join()));
            Ok(())
        })?);
    }
    let reader = asleep_in(&[], || nanosleep(timespec(Duration::from_secs(1000))).0)?;
    std::thread::sleep(Duration::from_millis(10));
    for worker in workers.into_iter().chain([reader]) {
        worker.kill_and_wait()?;
    }
    Ok(())
}
