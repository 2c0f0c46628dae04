//! Runs the table of tests on a kernel task, and powers off with the verdict.
//! A test that fails panics, which ends the machine with a failure status and a backtrace.

use super::{cgroup, forks, fs, ipc, memory, modules, myipc, scheduling, signal, tracing, user_access};
use crate::sched::{self, Task};
use crate::syscall::objects::counts;
use alloc::vec::Vec;

/// A suite: its name and its tests.
type Suite = (&'static str, &'static [(&'static str, fn())]);

const SUITES: &[Suite] = &[
    ("memory", memory::TESTS),
    ("forks", forks::TESTS),
    ("scheduling", scheduling::TESTS),
    ("user_access", user_access::TESTS),
    ("ipc", ipc::TESTS),
    ("fs", fs::TESTS),
    ("modules", modules::TESTS),
    ("myipc", myipc::TESTS),
    ("signal", signal::TESTS),
    ("cgroup", cgroup::TESTS),
    ("tracing", tracing::TESTS),
];

/// Starts the runner.
pub fn start() {
    match Task::new(None, None, run, 0) {
        Ok(task) => sched::start(task),
        Err(error) => panic!("no memory for the test runner: {error}"),
    }
}

/// Sleeps for a moment on every CPU: its timers keep the memory of the first for ever.
fn warm_timers() {
    extern "C" fn sleep(_argument: usize) -> ! {
        sched::park(Some(crate::arch::timer::now_ns() + 1000));
        sched::exit()
    }
    for cpu in 0..crate::arch::cpu::MAX_CPUS {
        if sched::run_queue::online() >> cpu & 1 != 0 {
            let task = Task::new(None, None, sleep, 0).unwrap();
            task.set_affinity(1 << cpu);
            sched::start(task.clone());
            while alloc::sync::Arc::strong_count(&task) != 1 {
                sched::yield_now();
                sched::preemption_point();
            }
        }
    }
}

extern "C" fn run(_argument: usize) -> ! {
    let tests: Vec<_> =
        SUITES.iter().flat_map(|(suite, tests)| tests.iter().map(move |test| (*suite, *test))).collect();
    let total = tests.len() + SUITES.len();
    crate::println!("KTAP version 1\n1..{total}");
    let mut number = 0;
    let mut report = |name: &str, what: &str| {
        number += 1;
        crate::println!("ok {number} {name}.{what}");
    };
    warm_timers();
    for (suite, tests) in SUITES {
        // Twice: what the first turn allocates for ever (slabs, tables) is there for the second.
        for (_, test) in *tests {
            test();
        }
        let before = counts();
        for (name, test) in *tests {
            test();
            report(suite, name);
        }
        let after = counts();
        assert_eq!(before, after, "suite {suite} leaks");
        report(suite, "leaves_counts_as_it_found_them");
    }
    crate::println!("# {total} passed, 0 failed");
    crate::power::off()
}
