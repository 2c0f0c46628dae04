//! The suites, one file each, and the order in which they run.

use crate::harness::Suite;

mod epoll;
mod exec;
mod fork;
mod futex;
mod mmap;
mod mmap_fault;
mod mmap_file;
mod pipe;
mod pipe_atomicity;
mod pipe_capacity;
mod poll;
mod wait;

/// All suites.
pub static ALL: &[Suite] = &[
    Suite {
        name: "pipe",
        tests: pipe::tests,
    },
    Suite {
        name: "pipe_atomicity",
        tests: pipe_atomicity::tests,
    },
    Suite {
        name: "pipe_capacity",
        tests: pipe_capacity::tests,
    },
    Suite {
        name: "poll",
        tests: poll::tests,
    },
    Suite {
        name: "epoll",
        tests: epoll::tests,
    },
    Suite {
        name: "fork",
        tests: fork::tests,
    },
    Suite {
        name: "wait",
        tests: wait::tests,
    },
    Suite {
        name: "exec",
        tests: exec::tests,
    },
    Suite {
        name: "mmap",
        tests: mmap::tests,
    },
    Suite {
        name: "mmap_file",
        tests: mmap_file::tests,
    },
    Suite {
        name: "mmap_fault",
        tests: mmap_fault::tests,
    },
    Suite {
        name: "futex",
        tests: futex::tests,
    },
];
