//! Processes and threads: what Linux's clone, execve, exit and wait make of the scheduler's tasks.
//!
//! | file | owns | locks |
//! |---|---|---|
//! | `tree` | who exists: threads by number, parents, children, groups, sessions | PROCESS_TREE |
//! | `process` | what the threads of a process share | PROCESS |
//! | `thread` | what a thread has for itself | PROCESS, SIGNALS |
//! | `clone` | fork, vfork, threads | PROCESS_TREE |
//! | `exec` | loading a program | PROCESS_IMAGE |
//! | `exit` | the end of threads and processes | PROCESS_TREE |
//! | `orphaned_groups` | who could continue a group | PROCESS_TREE |
//! | `wait` | reaping children | PROCESS_TREE |
//! | `signal` | sending and delivering signals | SIGNALS |
//! | `cgroup` | control groups: who is in which | CGROUPS, CGROUP_CHANGES, CGROUP_LISTENERS |
//! | `fault` | what a program's fault means | – |
//! | `vdso` | the page of kernel code in every program | – |
//!
//! Knows no device names. Specification: POSIX.1-2024, and Linux's man-pages where it says more.
//! A [`Thread`] is part of its task; the scheduler carries it and never looks inside.

pub mod attributes;
pub mod cgroup;
pub mod clock;
pub mod clone;
pub mod credentials;
pub mod exec;
pub mod exit;
pub mod fault;
pub mod init;
pub mod limits;
pub mod orphaned_groups;
#[expect(clippy::module_inception, reason = "the type gives the module its name")]
pub mod process;
pub mod signal;
pub mod snapshot;
pub mod terminal_ties;
pub mod thread;
pub mod thread_list;
pub mod tree;
pub mod unshare;
pub mod vdso;
pub mod wait;

pub use credentials::Credentials;
pub use process::Process;
pub use thread::Thread;

use crate::fs::open_file::OpenFile;
use crate::sched::switch::Current;
use alloc::sync::Arc;
use core::ops::Deref;
use postern_core::errno::Result;
use postern_core::fd_table::RawFd;

/// The thread that runs this.
pub struct CurrentThread(Current);

impl Deref for CurrentThread {
    type Target = Thread;

    fn deref(&self) -> &Thread {
        self.0.thread()
    }
}

impl CurrentThread {
    /// Uses the file behind a descriptor. EBADF, and what `use_it` says.
    #[inline(always)]
    pub fn with_file<R>(&self, fd: RawFd, use_it: impl FnOnce(&OpenFile) -> Result<R>) -> Result<R> {
        let recent = self.recent.of(&self.0);
        let file = match recent.take(fd) {
            Some(file) => file,
            None => self.look_up(fd)?,
        };
        let result = use_it(&file);
        recent.give_back(fd, file);
        result
    }

    /// The file behind a descriptor, which will be kept if this thread shares its table with none. EBADF.
    #[inline(never)]
    fn look_up(&self, fd: RawFd) -> Result<Arc<OpenFile>> {
        let (file, owners) = self.file_and_owners(fd)?;
        if owners == 1 {
            self.recent.of(&self.0).expect(fd);
        }
        Ok(file)
    }

    /// Keeps no file of those used last: one is about to leave its table, or the table to get another owner.
    pub fn forget_recent_files(&self) {
        self.recent.of(&self.0).forget();
    }
}

/// The thread that runs this. Panics in a kernel task.
pub fn current() -> CurrentThread {
    CurrentThread(crate::sched::current())
}

/// The thread that runs this, unless it is a kernel task.
pub fn current_if_any() -> Option<CurrentThread> {
    let current = crate::sched::current();
    current.thread_if_any()?;
    Some(CurrentThread(current))
}
