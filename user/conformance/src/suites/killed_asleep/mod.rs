//! kill -9 wherever a task can sleep: it is asleep, it is killed, wait4 says so, whoever is left hears what they hear of any
//! other end, and the kernel has as much of everything as before.
//!
//! The table was made by a search of the kernel's source for every line that puts a task to sleep: `sched::park`, and the
//! waits of a wait queue and of a poller; and for every file that lends its wait queues to the loop that makes attempts block
//! (`fn wait_queue`). A file of the kernel × the tests of its lines: `tests/sleeping_lines.rs`, which repeats the search whenever
//! the tests of the host run, and fails for a line that is not in the table. Two kinds of sleep are not here, since nothing can
//! hold a task in them until it has been seen: a mutex of the kernel's, whose holder never waits for an event
//! (`locks_and_threads.rs` kills at moments of no choice instead), and exec's wait for the other threads, all of which end as
//! soon as they are told.
//!
//! That a child sleeps is what its state in `/proc/PID/stat` says; the one call it makes is the only one that it can sleep in.
//! The counts are Postern's (/proc/postern/objects); elsewhere the tests are run without them.
//! Specification: signal(7), "SIGKILL"; the manual page of each call.

use crate::check::{Outcome, failed};
use crate::counts::Rounds;
use crate::harness::Test;
use crate::sys::process::{self, Child};
use crate::sys::{Sys, fd, signal};
use libc::SIGPIPE;
use std::fmt::Debug;
use std::os::fd::RawFd;

mod children;
mod devices;
mod locks_and_threads;
mod pipes;
mod readiness;
mod sockets;
mod terminals;
mod times_and_signals;

/// A place where tasks sleep, and the test that kills one there.
struct Place {
    name: &'static str,
    test: fn() -> Outcome,
}

/// Makes a file's list of places from the identifiers of its test functions.
macro_rules! places {
    ($($name:ident,)+) => {
        /// The places of this file.
        pub(super) const PLACES: &[super::Place] =
            &[$(super::Place { name: stringify!($name), test: $name }),+];
    };
}
use places;

const ALL: &[&[Place]] = &[
    pipes::PLACES,
    devices::PLACES,
    terminals::PLACES,
    sockets::PLACES,
    readiness::PLACES,
    times_and_signals::PLACES,
    children::PLACES,
    locks_and_threads::PLACES,
];

/// The tests of this suite.
pub fn tests() -> Vec<Test> {
    let test = |place: &'static Place| Test { name: place.name.to_string(), body: Box::new(|| leaves_nothing(place)) };
    ALL.iter().flat_map(|places| places.iter()).map(test).collect()
}

/// Kills there a few times, each time within a process of its own, which takes with it what is left over.
fn leaves_nothing(place: &Place) -> Outcome {
    const WARM_UP: usize = 2;
    const ROUNDS: usize = 4;
    Rounds::new(WARM_UP, ROUNDS).leave_nothing_that_is_counted(|| {
        let stage = process::spawn(|| {
            signal::ignore(SIGPIPE)?;
            // The children of those who are killed.
            process::set_child_subreaper(true)?;
            (place.test)()
        })?;
        stage.wait()?.expect_success_or_skip()
    })
}

/// Starts a child that sleeps in `call`, interruptibly, kills it there, and waits for it. What is in `only_its` nobody else has
/// open: it goes with the child.
fn killed_in<T: Debug>(only_its: &[RawFd], call: impl FnOnce() -> Sys<T>) -> Outcome {
    asleep_in(only_its, call)?.kill_and_wait()
}

/// Starts a child that sleeps in `call`, interruptibly, and sees it asleep.
fn asleep_in<T: Debug>(only_its: &[RawFd], call: impl FnOnce() -> Sys<T>) -> Result<Child, crate::check::Failure> {
    let child = process::spawn(|| Err(failed(format!("the call that was to sleep: {:?}", call()))))?;
    only_its.iter().try_for_each(|fd| fd::close(*fd))?;
    child.wait_until_asleep()?;
    Ok(child)
}
