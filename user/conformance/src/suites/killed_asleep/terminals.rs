//! Pseudo-terminals: readers and writers of both sides, and a job that is stopped. Specification: pty(7), termios(3).

use super::{killed_in, places};
use crate::check::{Outcome, expect, expect_eq, expect_errno};
use crate::sys::terminal::{self, Pair};
use crate::sys::{fd, process, ready};
use libc::{EIO, O_NOCTTY, O_RDWR, POLLHUP, POLLIN};

places! {
    read_of_a_terminal,
    read_of_a_terminal_in_raw_mode,
    read_of_a_master,
    write_to_a_terminal_that_nobody_reads,
    write_to_a_master_that_nobody_reads,
    write_to_a_terminal_whose_output_is_held,
    read_that_stops_a_background_job,
}

/// Nobody has the terminal open any more.
fn expect_hang_up(master: i32) -> Outcome {
    expect(ready::revents(master, POLLIN)? & POLLHUP != 0, "poll says that nobody has the terminal")?;
    expect_errno(fd::read(master, &mut [0; 1]), EIO)
}

fn read_of_a_terminal() -> Outcome {
    let pair = Pair::silent()?;
    pair.type_in("no line yet")?;
    killed_in(&[pair.terminal], || fd::read(pair.terminal, &mut [0; 100]))?;
    expect_hang_up(pair.master)
}

fn read_of_a_terminal_in_raw_mode() -> Outcome {
    let pair = Pair::raw()?;
    terminal::change(pair.terminal, |settings| {
        settings.c_cc[libc::VMIN] = 20;
        settings.c_cc[libc::VTIME] = 0;
    })?;
    pair.type_in("fewer")?;
    killed_in(&[pair.terminal], || fd::read(pair.terminal, &mut [0; 100]))?;
    expect_hang_up(pair.master)
}

fn read_of_a_master() -> Outcome {
    let pair = Pair::open()?;
    killed_in(&[pair.master], || fd::read(pair.master, &mut [0; 1]))?;
    expect_eq(fd::read(pair.terminal, &mut [0; 1])?, 0, "bytes of a terminal that is hung up")
}

/// Fills one side of a pair by a description that nobody else uses.
fn fill(side: i32) -> Outcome {
    expect(fd::fill(side)? > 0, "something goes in")
}

fn write_to_a_terminal_that_nobody_reads() -> Outcome {
    let pair = Pair::raw()?;
    let another = terminal::open_peer(pair.master, O_RDWR | O_NOCTTY)?;
    fill(another)?;
    fd::close(another)?;
    killed_in(&[pair.terminal], || fd::write(pair.terminal, &[7; 5000]))?;
    while ready::revents(pair.master, POLLIN)? & POLLIN != 0 {
        fd::read(pair.master, &mut [0; 4096])?;
    }
    expect_hang_up(pair.master)
}

fn write_to_a_master_that_nobody_reads() -> Outcome {
    let pair = Pair::raw()?;
    fill(pair.master)?;
    fd::fcntl(pair.master, libc::F_SETFL, 0)?;
    killed_in(&[pair.master], || fd::write(pair.master, &[7; 5000]))?;
    // What was typed before may still come; then the hang-up.
    while fd::read(pair.terminal, &mut [0; 4096])? != 0 {}
    Ok(())
}

fn write_to_a_terminal_whose_output_is_held() -> Outcome {
    let pair = Pair::raw()?;
    terminal::flow(pair.terminal, libc::TCOOFF)?;
    killed_in(&[], || fd::write(pair.terminal, b"held"))?;
    terminal::flow(pair.terminal, libc::TCOON)?;
    fd::write(pair.terminal, b"free")?;
    let shown = String::from_utf8_lossy(&terminal::read_some(pair.master)?).into_owned();
    expect(shown.ends_with("free") || shown.ends_with("held"), &format!("output goes on: {shown:?}"))
}

fn read_that_stops_a_background_job() -> Outcome {
    let pair = Pair::open()?;
    let path = pair.path()?;
    let leader = process::spawn(|| {
        process::setsid()?;
        // The first terminal that a leader opens is its session's.
        let own = crate::sys::path::open(&path, O_RDWR, 0)?;
        let job = process::spawn(|| {
            process::setpgid(0, 0)?;
            fd::read(own, &mut [0; 1])?;
            Ok(())
        })?;
        process::wait_for_state(job.pid, 'T')?;
        job.kill_and_wait()
    })?;
    leader.expect_success()
}
