//! Small calls about the system and the calling thread. Specification: getrandom(2), uname(2), syscall(2), sysinfo(2), statfs(2).

use crate::check::{Outcome, expect, expect_eq, expect_errno};
use crate::sys::{Sys, checked, counted, memory, process, raw, signal, time, zeroed};
use libc::EINVAL;
use std::time::Duration;

crate::tests! {
    getrandom_fills_the_buffer_with_different_bytes,
    getrandom_with_unknown_flags_gives_einval,
    a_short_getrandom_is_whole_whatever_signals_come,
    a_signal_ends_a_long_getrandom,
    uname_tells_system_and_machine,
    unknown_system_call_gives_enosys,
    sysinfo_tells_memory_and_processes,
    statfs_tells_the_longest_name,
    set_tid_address_returns_the_threads_id,
    prctl_sets_the_name_that_proc_shows,
}

fn random(buffer: &mut [u8], flags: u32) -> Sys<usize> {
    // SAFETY: the kernel fills at most the slice.
    let value = unsafe { libc::syscall(libc::SYS_getrandom, buffer.as_mut_ptr(), buffer.len(), flags) };
    counted("getrandom", value)
}

fn getrandom_fills_the_buffer_with_different_bytes() -> Outcome {
    let (mut one, mut two) = ([0; 64], [0; 64]);
    expect_eq(random(&mut one, 0)?, 64, "bytes")?;
    expect_eq(random(&mut two, libc::GRND_NONBLOCK)?, 64, "bytes")?;
    expect(one != two, "two calls give different bytes")?;
    expect(one.iter().any(|byte| *byte != one[0]), "the bytes are not all the same")?;
    expect_eq(random(&mut [], 0)?, 0, "bytes when none are asked for")
}

fn getrandom_with_unknown_flags_gives_einval() -> Outcome {
    expect_errno(random(&mut [0; 8], 0x8000), EINVAL)
}

fn a_short_getrandom_is_whole_whatever_signals_come() -> Outcome {
    signal::count(libc::SIGALRM, 0)?;
    time::alarm_after(Duration::from_millis(2), Duration::from_millis(2))?;
    for _ in 0..500 {
        expect_eq(random(&mut [0; 256], 0)?, 256, "bytes")?;
    }
    time::alarm_after(Duration::ZERO, Duration::ZERO)?;
    Ok(())
}

fn a_signal_ends_a_long_getrandom() -> Outcome {
    // More than comes in the time between two signals; how many bytes come before the first is not said.
    const LONG: usize = 64 << 20;
    let mapping = memory::private(LONG / memory::PAGE)?;
    signal::count(libc::SIGALRM, 0)?;
    time::alarm_after(Duration::from_millis(10), Duration::from_millis(10))?;
    let call = [mapping.address, LONG, 0, 0, 0, 0];
    // SAFETY: the kernel fills at most the mapping.
    let bytes = unsafe { raw("getrandom", libc::SYS_getrandom, call) }?;
    time::alarm_after(Duration::ZERO, Duration::ZERO)?;
    expect(bytes != 0 && bytes < LONG, &format!("the call ends early, after {bytes} bytes"))
}

fn uname_tells_system_and_machine() -> Outcome {
    let mut names: libc::utsname = zeroed();
    // SAFETY: room for the struct.
    checked("uname", unsafe { libc::uname(&raw mut names) })?;
    let text = |field: &[libc::c_char]| -> String {
        field.iter().take_while(|byte| **byte != 0).map(|byte| char::from(byte.to_ne_bytes()[0])).collect()
    };
    expect_eq(text(&names.sysname), "Linux", "the system, which programs ask for the ABI")?;
    expect_eq(text(&names.machine), std::env::consts::ARCH, "the machine")?;
    let release = text(&names.release);
    let major: u32 = release.split('.').next().and_then(|number| number.parse().ok()).unwrap_or(0);
    // glibc refuses to start on a release older than it was built for.
    expect(major >= 3, &format!("the release, {release}, starts with a number from 3 up"))
}

fn unknown_system_call_gives_enosys() -> Outcome {
    // 4096 and above are the kernel's own on Postern; these are nobody's.
    for number in [1023, 3000, 1_000_000, -2] {
        // SAFETY: there is no such call.
        expect_errno(unsafe { raw("unknown", number, [0; 6]) }, libc::ENOSYS)?;
    }
    Ok(())
}

fn sysinfo_tells_memory_and_processes() -> Outcome {
    let mut information: libc::sysinfo = zeroed();
    // SAFETY: room for the struct.
    checked("sysinfo", unsafe { libc::sysinfo(&raw mut information) })?;
    expect(information.totalram > 0, "there is memory")?;
    expect(information.freeram <= information.totalram, "not more is free than there is")?;
    expect(information.procs > 0, "there are processes")?;
    expect(information.mem_unit > 0, "the unit is given")
}

fn statfs_tells_the_longest_name() -> Outcome {
    let mut information: libc::statfs = zeroed();
    // SAFETY: a C string and room for the struct.
    checked("statfs", unsafe { libc::statfs(c"/tmp".as_ptr(), &raw mut information) })?;
    expect_eq(information.f_namelen, 255, "the longest name")?;
    expect_eq(information.f_bsize, 4096, "the block size")
}

fn set_tid_address_returns_the_threads_id() -> Outcome {
    // SAFETY: address zero means that nothing is to be cleared.
    let id = unsafe { raw("set_tid_address", libc::SYS_set_tid_address, [0; 6]) }?;
    expect_eq(i32::try_from(id).unwrap_or(-1), process::gettid(), "the id")
}

fn prctl_sets_the_name_that_proc_shows() -> Outcome {
    // SAFETY: a C string of fewer than sixteen bytes.
    checked("prctl", unsafe { libc::prctl(libc::PR_SET_NAME, c"renamed".as_ptr()) })?;
    let line = std::fs::read_to_string(format!("/proc/{}/stat", process::getpid()))?;
    expect(line.contains("(renamed)"), &format!("/proc/PID/stat shows the name: {line}"))
}
