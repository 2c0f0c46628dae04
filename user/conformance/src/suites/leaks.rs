//! Whatever programs use and leave, the kernel has as much of everything afterwards as before: a hundred rounds, counted.
//! Specification: /proc/postern/objects; skipped where that does not exist.

use crate::check::{Failure, Outcome, expect, expect_eq};
use crate::counts::{Counts, Rounds};
use crate::sys::attack::{self, mkfifo};
use crate::sys::fd::{self, Pipe};
use crate::sys::memory::{self, PAGE, Request};
use crate::sys::{path, process, ready, signal, socket, time, timer};
use crate::{probe, scratch};
use std::time::Duration;

crate::tests! {
    a_file_that_stays_is_counted,
    children_killed_over_their_pipes_leave_nothing,
    programs_executed_leave_nothing,
    threads_leave_nothing,
    sockets_with_files_under_way_leave_nothing,
    epoll_instances_closed_in_any_order_leave_nothing,
    timers_closed_while_they_run_leave_nothing,
    files_and_their_names_leave_nothing,
    mappings_leave_nothing,
    memory_freed_in_small_pieces_leaves_nothing,
    signals_and_timers_of_the_dead_leave_nothing,
}

/// What the kernel's tables may keep of the size they had.
const SPARE_HEAP: i64 = 16 << 10;

/// Does `round` often and compares. A few rounds before the first count.
#[track_caller]
pub(super) fn leaves_nothing(rounds: usize, round: impl Fn() -> Outcome) -> Outcome {
    const WARM_UP: usize = 10;
    Rounds::new(WARM_UP, rounds).leave_nothing(round)
}

/// Without that, none of the others says anything.
fn a_file_that_stays_is_counted() -> Outcome {
    scratch::enter()?;
    Counts::at_rest()?.expect_again(SPARE_HEAP)?;
    let before = Counts::at_rest()?;
    // By a child: see `counts` on this process's own memory.
    process::spawn(|| Ok(fd::close(path::create("file")?)?))?.expect_success()?;
    expect(!before.is_again(&Counts::at_rest()?, SPARE_HEAP), "a file more is seen")?;
    process::spawn(|| Ok(path::unlink("file")?))?.expect_success()?;
    before.expect_again(SPARE_HEAP)
}

fn close_all(fds: &[i32]) -> Outcome {
    fds.iter().try_for_each(|fd| fd::close(*fd)).map_err(Failure::from)
}

fn children_killed_over_their_pipes_leave_nothing() -> Outcome {
    leaves_nothing(100, || {
        let pipe = Pipe::new()?;
        let reader = process::spawn(|| {
            while fd::read(pipe.read, &mut [0; 100])? > 0 {}
            Ok(())
        })?;
        let writer = process::spawn(|| {
            loop {
                fd::write(pipe.write, &[7; 3000])?;
            }
        })?;
        reader.kill(libc::SIGKILL)?;
        writer.kill(libc::SIGKILL)?;
        expect_eq(reader.wait()?.signalled(), Some(libc::SIGKILL), "what ended the reader")?;
        expect_eq(writer.wait()?.signalled(), Some(libc::SIGKILL), "what ended the writer")?;
        close_all(&[pipe.read, pipe.write])
    })
}

fn programs_executed_leave_nothing() -> Outcome {
    let program = probe::program()?;
    leaves_nothing(30, || {
        let child = process::spawn(|| {
            process::execve(&program, &["conformance", probe::FLAG, "exit", "3"], &["NAME=value"])?;
            Ok(())
        })?;
        expect_eq(child.wait()?.exited(), Some(3), "the program's exit status")
    })
}

fn threads_leave_nothing() -> Outcome {
    leaves_nothing(30, || {
        process::spawn(|| {
            let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(process::gettid)).collect();
            // One that is asleep when the process ends.
            drop(std::thread::spawn(process::pause));
            threads.into_iter().for_each(|thread| drop(thread.join()));
            Ok(())
        })?
        .expect_success()
    })
}

fn sockets_with_files_under_way_leave_nothing() -> Outcome {
    leaves_nothing(100, || {
        let [here, there] = socket::pair(libc::SOCK_STREAM)?;
        let [inner, other] = socket::pair(libc::SOCK_DGRAM)?;
        let pipe = Pipe::new()?;
        socket::send_fds(inner, b"pipe", &[pipe.read, pipe.write])?;
        socket::send_fds(here, b"sockets", &[inner, other])?;
        socket::send(here, &[1; 100_000], 0)?;
        close_all(&[pipe.read, pipe.write, inner, other, there, here])
    })
}

fn epoll_instances_closed_in_any_order_leave_nothing() -> Outcome {
    leaves_nothing(100, || {
        let (outer, inner) = (ready::epoll_create()?, ready::epoll_create()?);
        let (pipe, event) = (Pipe::new()?, fd::eventfd(1, 0)?);
        ready::epoll_add(inner, pipe.read, libc::EPOLLIN)?;
        ready::epoll_add(inner, event, libc::EPOLLIN | libc::EPOLLET)?;
        ready::epoll_add(outer, inner, libc::EPOLLIN)?;
        expect_eq(ready::epoll_ready(outer)?.len(), 1, "instances that are ready")?;
        close_all(&[event, inner, pipe.read, outer, pipe.write])
    })
}

fn timers_closed_while_they_run_leave_nothing() -> Outcome {
    leaves_nothing(100, || {
        let (beat, far) =
            (timer::timerfd_create(libc::CLOCK_MONOTONIC, 0)?, timer::timerfd_create(libc::CLOCK_REALTIME, 0)?);
        let epoll = ready::epoll_create()?;
        ready::epoll_add(epoll, beat, libc::EPOLLIN)?;
        timer::timerfd_settime(beat, 0, timer::Setting::every(Duration::from_micros(100)))?;
        let target = time::clock_gettime(libc::CLOCK_REALTIME)? + Duration::from_secs(1000);
        timer::timerfd_settime(far, libc::TFD_TIMER_ABSTIME, timer::Setting::once(target))?;
        expect_eq(ready::epoll_pwait(epoll, 1, -1, None)?.len(), 1, "timers that are ready")?;
        close_all(&[beat, far, epoll])?;
        // One goes by itself, the others with their process and its program.
        process::spawn(|| {
            let ids: Vec<_> = (0..3)
                .map(|_| timer::timer_create(libc::CLOCK_REALTIME, Some(timer::Event::signal(libc::SIGCHLD, 0))))
                .collect::<Result<_, _>>()?;
            for id in &ids {
                timer::timer_settime(*id, libc::TIMER_ABSTIME, timer::Setting::once(target))?;
            }
            Ok(timer::timer_delete(ids[1])?)
        })?
        .expect_success()
    })
}

fn files_and_their_names_leave_nothing() -> Outcome {
    scratch::enter()?;
    leaves_nothing(100, || {
        path::mkdir("d", 0o700)?;
        let file = path::create("d/file")?;
        fd::write(file, &[1; 10_000])?;
        path::link("d/file", "d/link")?;
        path::symlink("file", "d/symlink")?;
        path::rename("d/link", "d/renamed", 0)?;
        mkfifo("d/fifo")?;
        path::stat("d/symlink").map(drop)?;
        for name in ["d/file", "d/renamed", "d/symlink", "d/fifo"] {
            path::unlink(name)?;
        }
        path::rmdir("d")?;
        fd::close(file).map_err(Failure::from)
    })
}

fn mappings_leave_nothing() -> Outcome {
    const PAGES: usize = 32;
    leaves_nothing(100, || {
        let file = memory::memfd(0)?;
        path::ftruncate(file, i64::try_from(PAGES * PAGE).unwrap_or(0))?;
        for request in [
            Request::private(PAGES * PAGE),
            Request::shared(PAGES * PAGE),
            Request::file(file, PAGES * PAGE, libc::MAP_SHARED),
            Request::file(file, PAGES * PAGE, libc::MAP_PRIVATE),
        ] {
            let mapping = memory::map(request)?;
            (0..PAGES).for_each(|page| mapping.store(page * PAGE, 1));
            let child = process::spawn(|| {
                (0..PAGES / 2).for_each(|page| mapping.store(page * PAGE, 2));
                Ok(())
            })?;
            child.expect_success()?;
            (0..PAGES).step_by(2).try_for_each(|page| mapping.unmap(page * PAGE, PAGE))?;
            mapping.unmap(0, mapping.length)?;
        }
        fd::close(file).map_err(Failure::from)
    })
}

/// Every other page of much memory is free, so that no two of them make a larger block.
fn memory_freed_in_small_pieces_leaves_nothing() -> Outcome {
    // More than that is no harder, and takes time; so do more rounds.
    const MOST: u64 = 100 << 20;
    const WARM_UP: usize = 3;
    Counts::at_rest()?;
    let pages = usize::try_from((attack::machine_bytes()? / 2).min(MOST)).unwrap_or(0) / PAGE;
    let round = || -> Outcome {
        let child = process::spawn(|| {
            let mapping = memory::private(pages)?;
            (0..pages).for_each(|page| mapping.store(page * PAGE, 1));
            for page in (0..pages).step_by(2) {
                attack::advise(&mapping, page * PAGE, PAGE, libc::MADV_DONTNEED)?;
            }
            // Some of them are used again, and the child ends with the rest in pieces.
            (0..pages / 16).for_each(|page| mapping.store(page * PAGE, 2));
            Ok(())
        })?;
        child.expect_success()
    };
    (0..WARM_UP).try_for_each(|_| round())?;
    let before = Counts::at_rest()?;
    round()?;
    before.expect_again(SPARE_HEAP)
}

fn signals_and_timers_of_the_dead_leave_nothing() -> Outcome {
    leaves_nothing(60, || {
        let pipe = Pipe::new()?;
        let child = process::spawn(|| {
            signal::block(&[libc::SIGUSR1, libc::SIGRTMIN(), libc::SIGALRM])?;
            time::alarm_after(Duration::from_secs(100), Duration::from_secs(1))?;
            fd::write(pipe.write, b"!")?;
            std::thread::sleep(Duration::from_secs(1000));
            Ok(())
        })?;
        fd::read(pipe.read, &mut [0; 1])?;
        (0..20).try_for_each(|_| child.kill(libc::SIGRTMIN()))?;
        child.kill(libc::SIGUSR1)?;
        child.kill_and_wait()?;
        close_all(&[pipe.read, pipe.write])
    })
}
