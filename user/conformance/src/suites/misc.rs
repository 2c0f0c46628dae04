//! Scheduling, identity, limits, groups, and small calls. Specification: sched(7), getrandom(2), uname(2), getrlimit(2),
//! credentials(7), syscall(2).

use crate::check::{Outcome, expect, expect_eq, expect_errno, needs_root};
use crate::sys::{Sys, checked, counted, process, raw, zeroed};
use libc::{EINVAL, EPERM, ESRCH};

crate::tests! {
    sched_yield_succeeds,
    affinity_holds_at_least_one_processor,
    affinity_can_be_narrowed_and_is_inherited,
    affinity_without_a_present_processor_gives_einval,
    affinity_of_a_missing_process_gives_esrch,
    affinity_into_too_small_a_buffer_gives_einval,
    affinity_moves_the_caller_to_the_processor,
    priority_of_nice_is_kept_and_inherited,
    raising_priority_without_privilege_gives_eacces,
    getrandom_fills_the_buffer_with_different_bytes,
    getrandom_with_unknown_flags_gives_einval,
    uname_tells_system_and_machine,
    unknown_system_call_gives_enosys,
    sysinfo_tells_memory_and_processes,
    root_becomes_somebody_and_cannot_come_back,
    effective_user_can_be_switched_and_switched_back,
    groups_are_told,
    setsid_makes_a_session_and_a_group_leader_cannot,
    setpgid_of_a_missing_process_gives_esrch,
    setpgid_into_another_session_gives_eperm,
    limit_above_the_hard_limit_gives_einval,
    hard_limit_cannot_be_raised_without_privilege,
    limits_are_inherited,
    statfs_tells_the_longest_name,
    set_tid_address_returns_the_threads_id,
    processor_number_is_in_the_affinity,
    prctl_sets_the_name_that_proc_shows,
}

fn sched_yield_succeeds() -> Outcome {
    for _ in 0..100 {
        // SAFETY: takes no pointers.
        checked("sched_yield", unsafe { libc::sched_yield() })?;
    }
    Ok(())
}

/// The processors that `pid` may run on, as the raw call tells them.
fn affinity(pid: i32) -> Sys<Vec<usize>> {
    let mut bits = [0_u8; 128];
    // SAFETY: room for the bits.
    let value = unsafe {
        libc::syscall(
            libc::SYS_sched_getaffinity,
            pid,
            bits.len(),
            bits.as_mut_ptr(),
        )
    };
    let bytes = counted("sched_getaffinity", value)?;
    Ok((0..bytes * 8)
        .filter(|cpu| bits[cpu / 8] >> (cpu % 8) & 1 == 1)
        .collect())
}

fn set_affinity(pid: i32, cpus: &[usize]) -> Sys<()> {
    let mut bits = [0_u8; 128];
    for cpu in cpus {
        bits[cpu / 8] |= 1 << (cpu % 8);
    }
    // SAFETY: the kernel reads the bits.
    let value =
        unsafe { libc::syscall(libc::SYS_sched_setaffinity, pid, bits.len(), bits.as_ptr()) };
    checked("sched_setaffinity", value).map(drop)
}

fn affinity_holds_at_least_one_processor() -> Outcome {
    expect(!affinity(0)?.is_empty(), "there is a processor to run on")?;
    expect_eq(
        affinity(process::getpid())?,
        affinity(0)?,
        "the affinity by pid",
    )
}

fn affinity_can_be_narrowed_and_is_inherited() -> Outcome {
    let all = affinity(0)?;
    let last = &all[all.len() - 1..];
    set_affinity(0, last)?;
    expect_eq(affinity(0)?, last, "the affinity")?;
    process::spawn(|| expect_eq(affinity(0)?, last, "the child's affinity"))?.expect_success()?;
    set_affinity(0, &all)?;
    expect_eq(affinity(0)?, all, "the affinity when widened again")
}

fn affinity_without_a_present_processor_gives_einval() -> Outcome {
    let before = affinity(0)?;
    expect_errno(set_affinity(0, &[]), EINVAL)?;
    expect_errno(set_affinity(0, &[1023]), EINVAL)?;
    expect_eq(affinity(0)?, before, "the affinity as before")
}

fn affinity_of_a_missing_process_gives_esrch() -> Outcome {
    let child = process::spawn_exit(0)?;
    child.wait()?;
    expect_errno(affinity(child.pid), ESRCH)?;
    expect_errno(set_affinity(child.pid, &[0]), ESRCH)
}

fn affinity_into_too_small_a_buffer_gives_einval() -> Outcome {
    let mut bits = [0_u8; 128];
    for length in [0, 1, 9] {
        // SAFETY: the length given is not above the room.
        let value =
            unsafe { libc::syscall(libc::SYS_sched_getaffinity, 0, length, bits.as_mut_ptr()) };
        expect_errno(checked("sched_getaffinity", value), EINVAL)?;
    }
    Ok(())
}

/// The processor that the caller runs on.
fn current_processor() -> Sys<usize> {
    let mut cpu = 0_u32;
    let nothing = std::ptr::null_mut::<u32>();
    // SAFETY: room for the number.
    let value = unsafe { libc::syscall(libc::SYS_getcpu, &raw mut cpu, nothing, nothing) };
    checked("getcpu", value)?;
    Ok(cpu as usize)
}

fn affinity_moves_the_caller_to_the_processor() -> Outcome {
    for cpu in affinity(0)? {
        set_affinity(0, &[cpu])?;
        expect_eq(current_processor()?, cpu, "the processor")?;
    }
    Ok(())
}

fn priority_of_nice_is_kept_and_inherited() -> Outcome {
    let nice = || {
        // The raw call returns 20 - nice, so that no value looks like an error.
        // SAFETY: takes no pointers.
        counted("getpriority", unsafe {
            libc::syscall(libc::SYS_getpriority, libc::PRIO_PROCESS, 0)
        })
    };
    // SAFETY: takes no pointers.
    checked("setpriority", unsafe {
        libc::syscall(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, 7)
    })?;
    expect_eq(nice()?, 13, "20 minus the nice value")?;
    process::spawn(|| expect_eq(nice()?, 13, "20 minus the child's nice value"))?
        .expect_success()?;
    // SAFETY: takes no pointers.
    checked("setpriority", unsafe {
        libc::syscall(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, 1000)
    })?;
    expect_eq(nice()?, 1, "20 minus the nice value, which is cut to 19")
}

fn raising_priority_without_privilege_gives_eacces() -> Outcome {
    needs_root()?;
    process::become_user(12_345)?;
    // SAFETY: takes no pointers.
    let value = unsafe { libc::syscall(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, -5) };
    expect_errno(checked("setpriority", value), libc::EACCES)
}

fn random(buffer: &mut [u8], flags: u32) -> Sys<usize> {
    // SAFETY: the kernel fills at most the slice.
    let value = unsafe {
        libc::syscall(
            libc::SYS_getrandom,
            buffer.as_mut_ptr(),
            buffer.len(),
            flags,
        )
    };
    counted("getrandom", value)
}

fn getrandom_fills_the_buffer_with_different_bytes() -> Outcome {
    let (mut one, mut two) = ([0; 64], [0; 64]);
    expect_eq(random(&mut one, 0)?, 64, "bytes")?;
    expect_eq(random(&mut two, libc::GRND_NONBLOCK)?, 64, "bytes")?;
    expect(one != two, "two calls give different bytes")?;
    expect(
        one.iter().any(|byte| *byte != one[0]),
        "the bytes are not all the same",
    )?;
    expect_eq(random(&mut [], 0)?, 0, "bytes when none are asked for")
}

fn getrandom_with_unknown_flags_gives_einval() -> Outcome {
    expect_errno(random(&mut [0; 8], 0x8000), EINVAL)
}

fn uname_tells_system_and_machine() -> Outcome {
    let mut names: libc::utsname = zeroed();
    // SAFETY: room for the struct.
    checked("uname", unsafe { libc::uname(&raw mut names) })?;
    let text = |field: &[libc::c_char]| -> String {
        field
            .iter()
            .take_while(|byte| **byte != 0)
            .map(|byte| char::from(byte.to_ne_bytes()[0]))
            .collect()
    };
    expect_eq(
        text(&names.sysname),
        "Linux",
        "the system, which programs ask for the ABI",
    )?;
    expect_eq(text(&names.machine), std::env::consts::ARCH, "the machine")?;
    let release = text(&names.release);
    let major: u32 = release
        .split('.')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0);
    // glibc refuses to start on a release older than it was built for.
    expect(
        major >= 3,
        &format!("the release, {release}, starts with a number from 3 up"),
    )
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
    expect(
        information.freeram <= information.totalram,
        "not more is free than there is",
    )?;
    expect(information.procs > 0, "there are processes")?;
    expect(information.mem_unit > 0, "the unit is given")
}

fn root_becomes_somebody_and_cannot_come_back() -> Outcome {
    needs_root()?;
    process::become_user(12_345)?;
    expect_eq(process::geteuid(), 12_345, "the effective user")?;
    // SAFETY: takes no pointers.
    expect_errno(checked("setuid", unsafe { libc::setuid(0) }), EPERM)?;
    // SAFETY: takes no pointers.
    expect_errno(checked("setgid", unsafe { libc::setgid(0) }), EPERM)
}

fn effective_user_can_be_switched_and_switched_back() -> Outcome {
    needs_root()?;
    let set = |effective| {
        // SAFETY: takes no pointers.
        checked("setresuid", unsafe {
            libc::setresuid(u32::MAX, effective, u32::MAX)
        })
    };
    set(12_345)?;
    expect_eq(process::geteuid(), 12_345, "the effective user")?;
    set(0)?;
    expect_eq(process::geteuid(), 0, "the effective user again")
}

fn groups_are_told() -> Outcome {
    needs_root()?;
    let groups = [5, 1000, 70_000];
    // SAFETY: the kernel reads three numbers.
    checked("setgroups", unsafe {
        libc::setgroups(groups.len(), groups.as_ptr())
    })?;
    let mut told = [0; 10];
    // SAFETY: room for ten numbers.
    let count = checked("getgroups", unsafe {
        libc::getgroups(10, told.as_mut_ptr())
    })?;
    expect_eq(count, 3, "the number of groups")?;
    expect_eq(&told[..3], groups, "the groups")?;
    // SAFETY: room for two of the three.
    expect_errno(
        checked("getgroups", unsafe {
            libc::getgroups(2, told.as_mut_ptr())
        }),
        EINVAL,
    )
}

fn setsid_makes_a_session_and_a_group_leader_cannot() -> Outcome {
    let child = process::spawn(|| {
        let pid = process::getpid();
        expect_eq(process::setsid()?, pid, "what setsid returns")?;
        expect_eq(
            (process::getsid(0)?, process::getpgid(0)?),
            (pid, pid),
            "session and group",
        )?;
        expect_errno(process::setsid(), EPERM)
    })?;
    child.expect_success()?;
    // The test itself leads its group.
    expect_errno(process::setsid(), EPERM)
}

fn setpgid_of_a_missing_process_gives_esrch() -> Outcome {
    let child = process::spawn_exit(0)?;
    child.wait()?;
    expect_errno(process::setpgid(child.pid, 0), ESRCH)?;
    expect_errno(process::setpgid(process::getppid(), 0), ESRCH)?;
    expect_errno(process::setpgid(0, -1), EINVAL)
}

fn setpgid_into_another_session_gives_eperm() -> Outcome {
    let pipe = crate::sys::fd::Pipe::new()?;
    let child = process::spawn(|| {
        process::setsid()?;
        crate::sys::fd::write(pipe.write, b"x")?;
        process::pause();
        Ok(())
    })?;
    crate::sys::fd::read_up_to(pipe.read, 1)?;
    expect_errno(process::setpgid(child.pid, process::getpid()), EPERM)?;
    expect_errno(process::setpgid(0, child.pid), EPERM)?;
    child.kill(libc::SIGKILL)?;
    child.wait().map(drop)
}

fn set_limit(limit: libc::rlimit) -> Sys<()> {
    // SAFETY: the kernel reads one struct.
    checked("setrlimit", unsafe {
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit)
    })
    .map(drop)
}

fn limit_above_the_hard_limit_gives_einval() -> Outcome {
    let limit = process::getrlimit(libc::RLIMIT_NOFILE)?;
    expect(
        limit.rlim_cur <= limit.rlim_max,
        "the soft limit is not above the hard one",
    )?;
    expect_errno(
        set_limit(libc::rlimit {
            rlim_cur: 100,
            rlim_max: 99,
        }),
        EINVAL,
    )?;
    let mut other: libc::rlimit = zeroed();
    // SAFETY: room for the struct; there is no such resource.
    let value = unsafe { libc::getrlimit(1000, &raw mut other) };
    expect_errno(checked("getrlimit", value), EINVAL)
}

fn hard_limit_cannot_be_raised_without_privilege() -> Outcome {
    needs_root()?;
    set_limit(libc::rlimit {
        rlim_cur: 100,
        rlim_max: 200,
    })?;
    process::become_user(12_345)?;
    expect_errno(
        set_limit(libc::rlimit {
            rlim_cur: 100,
            rlim_max: 201,
        }),
        EPERM,
    )?;
    set_limit(libc::rlimit {
        rlim_cur: 150,
        rlim_max: 150,
    })?;
    expect_eq(
        process::getrlimit(libc::RLIMIT_NOFILE)?.rlim_max,
        150,
        "the hard limit",
    )
}

fn limits_are_inherited() -> Outcome {
    process::set_soft_limit(libc::RLIMIT_NOFILE, 77)?;
    let child = process::spawn(|| {
        expect_eq(
            process::getrlimit(libc::RLIMIT_NOFILE)?.rlim_cur,
            77,
            "the child's limit",
        )
    })?;
    child.expect_success()
}

fn statfs_tells_the_longest_name() -> Outcome {
    let mut information: libc::statfs = zeroed();
    // SAFETY: a C string and room for the struct.
    checked("statfs", unsafe {
        libc::statfs(c"/tmp".as_ptr(), &raw mut information)
    })?;
    expect_eq(information.f_namelen, 255, "the longest name")?;
    expect_eq(information.f_bsize, 4096, "the block size")
}

fn set_tid_address_returns_the_threads_id() -> Outcome {
    // SAFETY: address zero means that nothing is to be cleared.
    let id = unsafe { raw("set_tid_address", libc::SYS_set_tid_address, [0; 6]) }?;
    expect_eq(i32::try_from(id).unwrap_or(-1), process::gettid(), "the id")
}

fn processor_number_is_in_the_affinity() -> Outcome {
    expect(
        affinity(0)?.contains(&current_processor()?),
        "the caller runs on a processor that it may run on",
    )
}

fn prctl_sets_the_name_that_proc_shows() -> Outcome {
    // SAFETY: a C string of fewer than sixteen bytes.
    checked("prctl", unsafe {
        libc::prctl(libc::PR_SET_NAME, c"renamed".as_ptr())
    })?;
    let line = std::fs::read_to_string(format!("/proc/{}/stat", process::getpid()))?;
    expect(
        line.contains("(renamed)"),
        &format!("/proc/PID/stat shows the name: {line}"),
    )
}
