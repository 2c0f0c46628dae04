//! Waiting for several files at once. Specification: poll(2), select(2), epoll_wait(2).

use super::{asleep_in, killed_in, places};
use crate::check::{Outcome, expect_eq};
use crate::sys::fd::{self, Pipe};
use crate::sys::ready::{self, FdSet, wanting};
use crate::sys::{process, socket};
use libc::{EPOLLEXCLUSIVE, EPOLLIN, POLLIN, SIGKILL};
use std::time::Duration;

places! {
    poll_of_nothing,
    ppoll_of_many_files,
    pselect_with_a_time_limit,
    epoll_wait_of_an_empty_instance,
    epoll_wait_of_many_files,
    epoll_wait_of_an_instance_in_an_instance,
    one_of_several_that_wait_on_one_instance,
}

const LONG: Duration = Duration::from_secs(1000);

/// More of them than a call keeps on its stack, of several kinds.
fn files() -> Result<Vec<i32>, crate::check::Failure> {
    let mut files = vec![fd::eventfd(0, 0)?];
    for _ in 0..10 {
        files.push(Pipe::anonymous(0)?.read);
        files.extend(socket::pair(libc::SOCK_STREAM)?);
    }
    Ok(files)
}

fn poll_of_nothing() -> Outcome {
    killed_in(&[], || ready::poll(&mut [], -1))
}

fn ppoll_of_many_files() -> Outcome {
    // The write ends are open here: nothing happens to the pipes.
    let files = files()?;
    killed_in(&[], || {
        let mut entries: Vec<_> = files.iter().map(|fd| wanting(*fd, POLLIN)).collect();
        ready::ppoll(&mut entries, Some(LONG), Some(&[libc::SIGUSR1]))
    })
}

fn pselect_with_a_time_limit() -> Outcome {
    let files = files()?;
    killed_in(&[], || {
        let most = files.iter().max().map_or(0, |fd| fd + 1);
        ready::pselect(most, &mut FdSet::of(&files), &mut FdSet::of(&[]), Some(LONG), Some(&[]))
    })
}

fn epoll_wait_of_an_empty_instance() -> Outcome {
    let epoll = ready::epoll_create()?;
    killed_in(&[epoll], || ready::epoll_pwait(epoll, 1, -1, None))
}

fn epoll_wait_of_many_files() -> Outcome {
    let epoll = ready::epoll_create()?;
    for fd in files()? {
        ready::epoll_add(epoll, fd, EPOLLIN)?;
    }
    killed_in(&[epoll], || ready::epoll_pwait(epoll, 4, 1_000_000, Some(&[])))
}

fn epoll_wait_of_an_instance_in_an_instance() -> Outcome {
    let (outer, inner) = (ready::epoll_create()?, ready::epoll_create()?);
    let event = fd::eventfd(0, 0)?;
    ready::epoll_add(inner, event, EPOLLIN)?;
    ready::epoll_add(outer, inner, EPOLLIN)?;
    killed_in(&[outer], || ready::epoll_pwait(outer, 4, -1, None))?;
    fd::write(event, &1_u64.to_ne_bytes())?;
    expect_eq(ready::epoll_ready(inner)?.len(), 1, "files that the inner instance has ready")
}

/// What it would have been told, another one is.
fn one_of_several_that_wait_on_one_instance() -> Outcome {
    let epoll = ready::epoll_create()?;
    let event = fd::eventfd(0, 0)?;
    ready::epoll_add(epoll, event, EPOLLIN | EPOLLEXCLUSIVE)?;
    let first = asleep_in(&[], || ready::epoll_pwait(epoll, 1, -1, None))?;
    let second =
        process::spawn(|| expect_eq(ready::epoll_pwait(epoll, 1, -1, None)?.len(), 1, "files that are ready"))?;
    second.wait_until_asleep()?;
    first.kill(SIGKILL)?;
    fd::write(event, &1_u64.to_ne_bytes())?;
    second.expect_success()?;
    expect_eq(first.wait()?.signalled(), Some(SIGKILL), "the signal that ended the first")
}
