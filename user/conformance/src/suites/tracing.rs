//! `/dev/trace` and the tool `trace`, as they are from outside. The device is Postern's own; elsewhere the suite is skipped.
//! Specification: docs/tracing.md. That the counts are right to the instruction is tested in `lab/tests/trace.rs`.

use super::modules::needs_root_on_postern;
use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno, failed};
use crate::sys::module::bare;
use crate::sys::{fd, path, process};
use libc::{EACCES, EBUSY, EFAULT, EINVAL, EPERM, O_RDWR};
use postern_abi::trace::{Header, Kind, RECORD_BYTES, Record, START, STOP, words_of};
use std::process::{Command, Output};

crate::tests! {
    only_root_may_open_the_device,
    a_second_opening_gives_ebusy_until_the_first_is_closed,
    a_recording_has_a_header_and_the_calls_that_were_made,
    nothing_is_recorded_before_it_is_begun_and_after_it_is_ended,
    what_is_no_command_gives_einval,
    a_read_without_room_for_a_record_gives_einval_and_a_bad_address_efault,
    the_tool_shows_the_life_of_a_blocking_read_whose_steps_add_up,
    the_tool_ends_as_its_command_does,
}

const DEVICE: &str = "/dev/trace";

fn open() -> Result<i32, Failure> {
    needs_root_on_postern()?;
    Ok(path::open(DEVICE, O_RDWR, 0)?)
}

/// The header and the records that can be read now.
fn read_all(device: i32) -> Result<(Header, Vec<Record>), Failure> {
    let mut bytes = Vec::new();
    let mut part = vec![0; 1000 * RECORD_BYTES];
    loop {
        let length = fd::read(device, &mut part)?;
        bytes.extend_from_slice(&part[..length]);
        if length == 0 {
            break;
        }
    }
    let (records, rest) = bytes.as_chunks::<RECORD_BYTES>();
    expect_eq(rest.len(), 0, "bytes beside whole records")?;
    let malformed = |error| failed(format!("{error}"));
    let (header, records) = records.split_first().ok_or_else(|| failed("nothing can be read"))?;
    let records = records.iter().map(|bytes| Record::from_words(words_of(bytes)));
    Ok((
        Header::from_words(words_of(header)).map_err(malformed)?,
        records.collect::<Result<_, _>>().map_err(malformed)?,
    ))
}

fn only_root_may_open_the_device() -> Outcome {
    fd::close(open()?)?;
    let attempt = |expected| {
        process::spawn(|| {
            process::become_user(1000)?;
            expect_errno(path::open(DEVICE, O_RDWR, 0), expected)
        })?
        .expect_success()
    };
    attempt(EACCES)?;
    path::chmod(DEVICE, 0o666)?;
    let outcome = attempt(EPERM);
    path::chmod(DEVICE, 0o600)?;
    outcome
}

fn a_second_opening_gives_ebusy_until_the_first_is_closed() -> Outcome {
    let first = open()?;
    expect_errno(path::open(DEVICE, O_RDWR, 0), EBUSY)?;
    fd::close(first)?;
    fd::close(open()?)?;
    // Whoever is killed while he records has closed it.
    let recorder = process::spawn(|| {
        fd::write(open()?, &[START])?;
        process::pause();
        Ok(())
    })?;
    recorder.wait_until_asleep()?;
    recorder.kill_and_wait()?;
    fd::close(open()?)?;
    Ok(())
}

fn a_recording_has_a_header_and_the_calls_that_were_made() -> Outcome {
    let device = open()?;
    fd::write(device, &[START])?;
    for _ in 0..10 {
        process::getppid();
    }
    fd::write(device, &[STOP])?;
    let (header, records) = read_all(device)?;
    expect(header.cpus >= 1 && header.ticks_hz > 0, "the header says what machine this is")?;
    let tid = process::gettid().cast_unsigned();
    let own = records.iter().filter(|record| record.tid == tid);
    let number = libc::SYS_getppid.cast_unsigned();
    let calls = own.clone().filter(|record| record.kind == Kind::SyscallEnter && record.arguments[0] == number);
    expect_eq(calls.count(), 10, "calls of getppid(2)")?;
    let parent = process::getppid().cast_unsigned();
    let answers = own.filter(|record| record.kind == Kind::SyscallExit && record.arguments[0] == u64::from(parent));
    expect(answers.count() >= 10, "what they returned")
}

fn nothing_is_recorded_before_it_is_begun_and_after_it_is_ended() -> Outcome {
    let device = open()?;
    expect_eq(read_all(device)?.1.len(), 0, "records before")?;
    fd::write(device, b"1\n")?;
    fd::write(device, b"0\n")?;
    let (_, records) = read_all(device)?;
    expect(!records.is_empty(), "the end of one call and the beginning of the other were recorded")?;
    process::getppid();
    expect_eq(fd::read(device, &mut [0; RECORD_BYTES])?, 0, "bytes read afterwards")
}

fn what_is_no_command_gives_einval() -> Outcome {
    let device = open()?;
    for wrong in [&b"2"[..], b"1 ", b"10", b"on", b"\n"] {
        expect_errno(fd::write(device, wrong), EINVAL)?;
    }
    Ok(())
}

fn a_read_without_room_for_a_record_gives_einval_and_a_bad_address_efault() -> Outcome {
    let device = open()?;
    expect_errno(fd::read(device, &mut [0; RECORD_BYTES - 1]), EINVAL)?;
    let number = usize::try_from(device).map_err(|_| failed("a negative descriptor"))?;
    expect_errno(bare(libc::SYS_read, [number, 8, RECORD_BYTES]), EFAULT)?;
    // It is still there.
    let (_, records) = read_all(device)?;
    expect_eq(records.len(), 0, "records")
}

fn run(words: &[&str]) -> Result<Output, Failure> {
    needs_root_on_postern()?;
    Ok(Command::new("/bin/trace").args(words).output()?)
}

/// A reader that certainly sleeps before somebody writes, on one CPU.
fn the_tool_shows_the_life_of_a_blocking_read_whose_steps_add_up() -> Outcome {
    const READER: &str = "read_blocks_until_a_writer_writes";
    let output = run(&["taskset", "1", "conformance", "--suite", "pipe", "--only", READER])?;
    expect_eq(output.status.code(), Some(0), "status")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers = |line: &str| -> Vec<u64> {
        let words = text.lines().find(|own| own.starts_with(line)).unwrap_or_default().split_whitespace().rev();
        words.map_while(|word| word.parse().ok()).collect()
    };
    let steps = ["1 check", "2 enqueue", "3 check again", "4 prepare", "5 yield", "6 wake"];
    let costs: Vec<u64> = steps.iter().flat_map(|step| numbers(step)).collect();
    expect_eq(costs.len(), 12, &format!("numbers in the steps of: {text}"))?;
    expect(steps.iter().all(|step| numbers(step)[1] > 0), "the reader itself has a part in every step")?;
    expect_eq(costs.iter().sum::<u64>(), numbers("from call to return").iter().sum(), "sum of the steps")
}

fn the_tool_ends_as_its_command_does() -> Outcome {
    for (command, status) in [("exit 7", 7), ("kill -9 $$", 128 + 9), ("true", 0)] {
        expect_eq(run(&["sh", "-c", command])?.status.code(), Some(status), command)?;
    }
    let late = run(&["-t", "0.1", "sleep", "1000"])?;
    expect_eq(late.status.code(), Some(124), "status when the time has run out")?;
    expect(late.stdout.starts_with(b"tid pid "), "then it tells what /proc/postern/waits says")?;
    expect_eq(run(&["-t", "1000", "sh", "-c", "exit 7"])?.status.code(), Some(7), "status in time")?;
    expect_eq(run(&["/no/such/program"])?.status.code(), Some(127), "a command that is not there")?;
    expect_eq(run(&[])?.status.code(), Some(2), "no command")
}
