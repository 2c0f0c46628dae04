//! In-kernel tests: `cargo test` builds the kernel with them in the place of init, boots it, and
//! takes its exit status. An explicit table; KTAP on the console; each suite must leave as many
//! frames, heap bytes, tasks, timers and waiters as it found.

#[cfg(test)]
mod cgroup;
#[cfg(test)]
mod forks;
#[cfg(test)]
mod fs;
#[cfg(test)]
mod ipc;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod modules;
#[cfg(test)]
mod myipc;
#[cfg(test)]
mod runner;
#[cfg(test)]
mod scheduling;
#[cfg(test)]
mod signal;
#[cfg(test)]
mod tracing;
#[cfg(test)]
mod user_access;

/// Starts the tests on a task of their own.
#[cfg(test)]
pub fn start() {
    runner::start();
}

/// There are none in this build.
#[cfg(not(test))]
pub fn start() {}
