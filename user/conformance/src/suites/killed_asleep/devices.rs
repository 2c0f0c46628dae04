//! Two of Postern's own devices, and files that count events. Specification: docs/myipc.md, eventfd(2), timerfd_create(2),
//! signalfd(2). The third device has a suite of its own, `hello_killed`.

use super::super::modules::reload;
use super::pipes::fill;
use super::{killed_in, places};
use crate::check::{Outcome, expect_eq, expect_errno};
use crate::sys::{fd, path, signal, timer};
use libc::{CLOCK_MONOTONIC, EAGAIN, O_NONBLOCK, O_RDWR, SIGUSR1};
use std::time::Duration;

places! {
    read_of_an_empty_myipc,
    write_to_a_full_myipc,
    read_of_an_empty_mailbox,
    read_of_an_eventfd_at_zero,
    write_to_an_eventfd_at_its_most,
    read_of_a_timerfd,
    read_of_a_signalfd,
}

fn read_of_an_empty_myipc() -> Outcome {
    reload("myipc", "")?;
    let file = path::open("/dev/myipc0", O_RDWR, 0)?;
    killed_in(&[], || fd::read(file, &mut [0; 1]))?;
    fd::write(file, b"x")?;
    expect_eq(fd::read(file, &mut [0; 2])?, 1, "bytes that are still there")
}

fn write_to_a_full_myipc() -> Outcome {
    reload("myipc", "")?;
    let file = path::open("/dev/myipc0", O_RDWR, 0)?;
    let count = fill(file)?;
    killed_in(&[], || fd::write(file, &[7; 100]))?;
    expect_eq(fd::fionread(file)?, count, "bytes that are there")?;
    expect_eq(fd::read_up_to(file, count)?.len(), count, "bytes that come")
}

fn read_of_an_empty_mailbox() -> Outcome {
    reload("mailbox", "")?;
    let file = path::open("/dev/mailbox", O_RDWR, 0)?;
    killed_in(&[], || fd::read(file, &mut [0; 1]))?;
    fd::write(file, b"x")?;
    expect_eq(fd::read(file, &mut [0; 1])?, 1, "the byte that is still there")
}

fn read_of_an_eventfd_at_zero() -> Outcome {
    let event = fd::eventfd(0, 0)?;
    killed_in(&[], || fd::read(event, &mut [0; 8]))?;
    fd::write(event, &5_u64.to_ne_bytes())?;
    expect_eq(fd::read_up_to(event, 8)?, 5_u64.to_ne_bytes(), "the count")
}

fn write_to_an_eventfd_at_its_most() -> Outcome {
    let event = fd::eventfd(0, 0)?;
    let most = u64::MAX - 1;
    fd::write(event, &most.to_ne_bytes())?;
    killed_in(&[], || fd::write(event, &1_u64.to_ne_bytes()))?;
    expect_eq(fd::read_up_to(event, 8)?, most.to_ne_bytes(), "the count")
}

fn read_of_a_timerfd() -> Outcome {
    let beat = timer::timerfd_create(CLOCK_MONOTONIC, 0)?;
    timer::timerfd_settime(beat, 0, timer::Setting::once(Duration::from_secs(1000)))?;
    killed_in(&[], || fd::read(beat, &mut [0; 8]))?;
    fd::set_status_flag(beat, O_NONBLOCK)?;
    expect_errno(fd::read(beat, &mut [0; 8]), EAGAIN)
}

fn read_of_a_signalfd() -> Outcome {
    signal::block(&[SIGUSR1])?;
    let signals = signal::signalfd(-1, &[SIGUSR1], 0)?;
    killed_in(&[], || fd::read(signals, &mut [0; 128]))?;
    signal::raise(SIGUSR1)?;
    expect_eq(signal::read_records(signals, 2)?.len(), 1, "signals of the process itself")
}
