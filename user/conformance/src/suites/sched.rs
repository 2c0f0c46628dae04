//! Scheduling: processors and priorities. Specification: sched(7), sched_setaffinity(2), getpriority(2), getcpu(2).

use crate::check::{Outcome, expect, expect_eq, expect_errno, needs_root, skip};
use crate::sys::affinity::Affinity;
use crate::sys::{Sys, checked, counted, process};
use libc::{EINVAL, ESRCH};

crate::tests! {
    sched_yield_succeeds,
    affinity_holds_at_least_one_processor,
    affinity_can_be_narrowed_and_is_inherited,
    affinity_without_a_present_processor_gives_einval,
    affinity_of_a_missing_process_gives_esrch,
    affinity_into_too_small_a_buffer_gives_einval,
    affinity_moves_the_caller_to_the_processor,
    status_lists_the_affinity,
    priority_of_nice_is_kept_and_inherited,
    raising_priority_without_privilege_gives_eacces,
    processor_number_is_in_the_affinity,
    idle_processors_take_what_may_run_there_from_behind_what_may_not,
    affinity_set_during_membarrier_stays,
}

fn sched_yield_succeeds() -> Outcome {
    for _ in 0..100 {
        // SAFETY: takes no pointers.
        checked("sched_yield", unsafe { libc::sched_yield() })?;
    }
    Ok(())
}

fn affinity(pid: i32) -> Sys<Vec<usize>> {
    Ok(Affinity::of_thread(pid)?.processors().collect())
}

fn set_affinity(pid: i32, cpus: &[usize]) -> Sys<()> {
    Affinity::of_processors(cpus).set(pid)
}

fn affinity_holds_at_least_one_processor() -> Outcome {
    expect(!affinity(0)?.is_empty(), "there is a processor to run on")?;
    expect_eq(affinity(process::getpid())?, affinity(0)?, "the affinity by pid")
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
        let value = unsafe { libc::syscall(libc::SYS_sched_getaffinity, 0, length, bits.as_mut_ptr()) };
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

fn status_lists_the_affinity() -> Outcome {
    let all = affinity(0)?;
    let first = all[0];
    for &other in &all {
        set_affinity(0, &[first, other])?;
        let expected = match other - first {
            0 => format!("{first}"),
            1 => format!("{first}-{other}"),
            _ => format!("{first},{other}"),
        };
        let status = std::fs::read_to_string("/proc/self/status")?;
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:\t"));
        expect_eq(list, Some(expected.as_str()), "the list of allowed processors")?;
    }
    Ok(())
}

fn priority_of_nice_is_kept_and_inherited() -> Outcome {
    let nice = || {
        // The raw call returns 20 - nice, so that no value looks like an error.
        // SAFETY: takes no pointers.
        counted("getpriority", unsafe { libc::syscall(libc::SYS_getpriority, libc::PRIO_PROCESS, 0) })
    };
    // SAFETY: takes no pointers.
    checked("setpriority", unsafe { libc::syscall(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, 7) })?;
    expect_eq(nice()?, 13, "20 minus the nice value")?;
    process::spawn(|| expect_eq(nice()?, 13, "20 minus the child's nice value"))?.expect_success()?;
    // SAFETY: takes no pointers.
    checked("setpriority", unsafe { libc::syscall(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, 1000) })?;
    expect_eq(nice()?, 1, "20 minus the nice value, which is cut to 19")
}

fn raising_priority_without_privilege_gives_eacces() -> Outcome {
    needs_root()?;
    process::become_user(12_345)?;
    // SAFETY: takes no pointers.
    let value = unsafe { libc::syscall(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, -5) };
    expect_errno(checked("setpriority", value), libc::EACCES)
}

fn processor_number_is_in_the_affinity() -> Outcome {
    expect(affinity(0)?.contains(&current_processor()?), "the caller runs on a processor that it may run on")
}

/// Processes that compute for ever on `cpus`.
fn spinners(count: usize, cpus: &[usize]) -> Sys<Vec<process::Child>> {
    let spin = || {
        set_affinity(0, cpus)?;
        loop {
            std::hint::spin_loop();
        }
    };
    (0..count).map(|_| process::spawn(spin)).collect()
}

fn idle_processors_take_what_may_run_there_from_behind_what_may_not() -> Outcome {
    let all = affinity(0)?;
    let [crowded, shared, _, ..] = all[..] else { return skip("needs three processors") };
    // The longest queue, of which nobody may have any; and one behind somebody who never sleeps.
    let bound = [spinners(6, &[crowded])?, spinners(1, &[shared])?].concat();
    let free = process::spawn(|| {
        set_affinity(0, &[shared])?;
        set_affinity(0, &all)?;
        // The test's time limit ends this if nobody takes it.
        while [crowded, shared].contains(&current_processor()?) {
            std::hint::spin_loop();
        }
        Ok(())
    })?;
    let moved = free.expect_success();
    for spinner in bound {
        spinner.kill_and_wait()?;
    }
    moved
}

fn affinity_set_during_membarrier_stays() -> Outcome {
    const GLOBAL: i32 = 1;
    let all = affinity(0)?;
    let last = &all[all.len() - 1..];
    let barriers = process::spawn(|| {
        loop {
            // SAFETY: takes no pointers.
            checked("membarrier", unsafe { libc::syscall(libc::SYS_membarrier, GLOBAL, 0) })?;
        }
    })?;
    let seen = (0..100).try_for_each(|round| {
        let wanted = if round % 2 == 0 { last } else { &all[..] };
        set_affinity(barriers.pid, wanted)?;
        std::thread::sleep(std::time::Duration::from_millis(1));
        expect_eq(affinity(barriers.pid)?, wanted, "the affinity that was set")
    });
    barriers.kill_and_wait()?;
    seen
}
