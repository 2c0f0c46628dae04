//! docs/system-calls.md, line by line, asked of the kernel that runs: what it calls whole or partial exists, what it calls
//! absent answers ENOSYS and nothing else.
//!
//! The page is part of this program, which therefore knows the calls of AArch64 only: elsewhere these tests are skipped, and
//! what concerns absent calls is of Postern alone, for Linux has them. Specification: that page.

use crate::check::{Outcome, expect, expect_eq, expect_errno, failed, needs_postern, skip};
use crate::sys::bare::{self, call};
use crate::sys::memory::{self, Mapping};
use crate::sys::{Sys, process, signal};
use std::collections::BTreeSet;

crate::tests! {
    every_call_that_the_list_calls_whole_or_partial_exists,
    exit_calls_of_the_list_end_the_process_with_their_status,
    return_from_a_handler_that_did_not_run_is_sigsegv,
    every_absent_call_answers_enosys_whatever_its_arguments,
    absent_calls_are_counted_by_number,
    numbers_that_are_not_in_the_list_answer_enosys,
    futex_operations_with_priority_inheritance_answer_enosys_and_touch_no_word,
    unknown_futex_operations_answer_enosys,
    unshare_of_namespaces_that_are_not_there_gives_einval,
}

const PAGE: &str = include_str!("../../../../docs/system-calls.md");
/// Calls that do not come back, which have tests of their own.
const ENDINGS: [&str; 3] = ["exit", "exit_group", "rt_sigreturn"];
/// Where the kernel writes nothing and reads zeros.
const ROOM: usize = 1024;

/// A line of the page.
pub(super) struct Listed {
    number: libc::c_long,
    pub name: &'static str,
    pub state: &'static str,
}

/// The rows `| number | `name` | state | …`.
pub(super) fn listed() -> Vec<Listed> {
    let row = |line: &'static str| {
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
        let number = cells.next()?.parse().ok()?;
        Some(Listed { number, name: cells.next()?.trim_matches('`'), state: cells.next()? })
    };
    PAGE.lines().filter_map(row).collect()
}

/// The calls in a state, and the skip of a machine whose numbers are others.
fn in_state(wanted: impl Fn(&str) -> bool) -> Result<Vec<Listed>, crate::check::Failure> {
    if !cfg!(target_arch = "aarch64") {
        return skip("the list is of AArch64's calls");
    }
    let calls: Vec<Listed> = listed().into_iter().filter(|call| wanted(call.state)).collect();
    // A page that could not be read must not look like one without complaint.
    expect(calls.len() > 50, "the page lists calls in this state")?;
    Ok(calls)
}

fn every_call_that_the_list_calls_whole_or_partial_exists() -> Outcome {
    const NOTHING: [usize; 6] = [usize::MAX; 6];
    for Listed { number, name, .. } in in_state(|state| state == "whole" || state == "partial")? {
        // An operation of futex that is none is ENOSYS; waiting is one.
        let arguments = if name == "futex" { [usize::MAX, 0, 0, 0, 0, 0] } else { NOTHING };
        if ENDINGS.contains(&name) {
            continue;
        }
        if let Err(error) = call(number, arguments)
            && error.errno == libc::ENOSYS
        {
            return Err(failed(format!("{name} ({number}) is listed, and answers ENOSYS")));
        }
    }
    Ok(())
}

fn exit_calls_of_the_list_end_the_process_with_their_status() -> Outcome {
    for name in ["exit", "exit_group"] {
        let calls = in_state(|state| state == "whole")?;
        let number = calls.iter().find(|call| call.name == name).map(|call| call.number);
        let number = number.ok_or_else(|| failed(format!("{name} is not listed as whole")))?;
        let child = process::spawn(|| Err(failed(format!("the call came back: {:?}", call(number, [77; 6])))))?;
        expect_eq(child.wait()?.exited(), Some(77), "the exit status")?;
    }
    Ok(())
}

fn return_from_a_handler_that_did_not_run_is_sigsegv() -> Outcome {
    let calls = in_state(|state| state == "whole")?;
    let number = calls.iter().find(|call| call.name == "rt_sigreturn").map(|call| call.number);
    let number = number.ok_or_else(|| failed("rt_sigreturn is not listed as whole"))?;
    let child = process::spawn(|| {
        signal::default(libc::SIGSEGV)?;
        Err(failed(format!("the call came back: {:?}", call(number, [0; 6]))))
    })?;
    expect_eq(child.wait()?.signalled(), Some(libc::SIGSEGV), "the signal that killed")
}

/// Arguments of every kind: nothing, nothing sensible, memory that holds zeros.
fn patterns(good: &Mapping) -> [[usize; 6]; 3] {
    [[0; 6], [usize::MAX; 6], [good.address + ROOM; 6]]
}

fn every_absent_call_answers_enosys_whatever_its_arguments() -> Outcome {
    needs_postern("Linux has these calls")?;
    let good = memory::private(1)?;
    for Listed { number, name, .. } in in_state(|state| state == "absent")? {
        for arguments in patterns(&good) {
            match call(number, arguments) {
                Err(error) if error.errno == libc::ENOSYS => {}
                other => return Err(failed(format!("{name} ({number}) is listed as absent, and gives {other:?}"))),
            }
        }
    }
    expect(good.load_all(0, memory::PAGE).iter().all(|byte| *byte == 0), "nothing has been written")
}

/// How often the kernel has been asked for a number in vain.
fn count_of(number: libc::c_long) -> Result<u64, crate::check::Failure> {
    let text = std::fs::read_to_string("/proc/postern/unknown_syscalls")?;
    let mut lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines.find(|words| words.first() == Some(&number.to_string().as_str()));
    Ok(line.and_then(|words| words.get(1)?.parse().ok()).unwrap_or(0))
}

fn absent_calls_are_counted_by_number() -> Outcome {
    needs_postern("Linux has these calls")?;
    for Listed { number, .. } in in_state(|state| state == "absent")? {
        let before = count_of(number)?;
        expect_errno(call(number, [0; 6]), libc::ENOSYS)?;
        expect_eq(count_of(number)?, before + 1, "the count of the number")?;
    }
    Ok(())
}

fn numbers_that_are_not_in_the_list_answer_enosys() -> Outcome {
    let known: BTreeSet<_> = in_state(|_| true)?.into_iter().map(|call| call.number).collect();
    let highest = known.last().copied().unwrap_or(0);
    let holes = (0..highest).filter(|number| !known.contains(number));
    // Beyond Linux's; where calls of Postern's own would be; in the upper half; with every bit.
    let beyond = [highest + 100, 1023, 4095, 4096, 5000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, -1];
    let good = memory::private(1)?;
    for number in holes.chain(beyond) {
        for arguments in patterns(&good) {
            expect_errno(call(number, arguments), libc::ENOSYS)?;
        }
    }
    Ok(())
}

fn futex(operation: i32, word: usize, other: usize) -> Sys<usize> {
    call(libc::SYS_futex, [word, bare::word(operation), 1, 0, other])
}

fn futex_operations_with_priority_inheritance_answer_enosys_and_touch_no_word() -> Outcome {
    const FUTEX_LOCK_PI2: i32 = 13;
    needs_postern("Linux has these calls")?;
    let good = memory::private(1)?;
    let operations = [
        libc::FUTEX_LOCK_PI,
        libc::FUTEX_UNLOCK_PI,
        libc::FUTEX_TRYLOCK_PI,
        libc::FUTEX_WAIT_REQUEUE_PI,
        libc::FUTEX_CMP_REQUEUE_PI,
        FUTEX_LOCK_PI2,
    ];
    for operation in operations {
        for flag in [0, libc::FUTEX_PRIVATE_FLAG, libc::FUTEX_CLOCK_REALTIME] {
            expect_errno(futex(operation | flag, good.address, good.address + 64), libc::ENOSYS)?;
            expect_errno(futex(operation | flag, usize::MAX, usize::MAX), libc::ENOSYS)?;
        }
    }
    expect(good.load_all(0, memory::PAGE).iter().all(|byte| *byte == 0), "no word has changed")
}

fn unknown_futex_operations_answer_enosys() -> Outcome {
    const FUTEX_FD: i32 = 2;
    let good = memory::private(1)?;
    for operation in [FUTEX_FD, 14, 63, 100, 127, 0x200, 0x4000_0000] {
        for flag in [0, libc::FUTEX_PRIVATE_FLAG] {
            expect_errno(futex(operation | flag, good.address, good.address + 64), libc::ENOSYS)?;
        }
    }
    Ok(())
}

fn unshare_of_namespaces_that_are_not_there_gives_einval() -> Outcome {
    needs_postern("Linux has these calls")?;
    let flags = [libc::CLONE_NEWNS, libc::CLONE_NEWUTS, libc::CLONE_NEWIPC, libc::CLONE_NEWUSER, libc::CLONE_NEWPID];
    for flag in flags.into_iter().chain([libc::CLONE_NEWNET, libc::CLONE_NEWCGROUP]) {
        expect_errno(call(libc::SYS_unshare, [bare::word(flag)]), libc::EINVAL)?;
        expect_errno(call(libc::SYS_unshare, [bare::word(flag | libc::CLONE_FILES)]), libc::EINVAL)?;
    }
    Ok(())
}
