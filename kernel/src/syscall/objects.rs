//! How much there is of everything that programs can make the kernel keep: /proc/postern/objects, and the leak counts of the
//! in-kernel tests. A program that counts before and after some work finds out whether the kernel has forgotten to let go.
//!
//! Owns nothing. Locks: those of whoever is asked, one after the other; so the numbers are of about one moment.

use crate::fs::live;
use crate::fs::procfs::text::{Text, put};
use crate::ipc::futex;
use crate::mm::{frame, heap, kernel_space};
use crate::process::tree;
use crate::{sched, sync};
use postern_core::errno::Result;

/// What there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Frames in use, but those that the kernel keeps for the next who asks.
    frames: u64,
    heap_bytes: i64,
    threads: usize,
    processes: usize,
    open_files: usize,
    inodes: usize,
    dentries: usize,
    epoll_watches: usize,
    timers: usize,
    futex_waiters: usize,
    /// `None` where they are not counted: in builds without debug assertions.
    waiters: Option<i32>,
}

/// Counts.
pub fn counts() -> Counts {
    // First: these give back the memory of empty queues, which the heap's count is to show.
    let timers = sched::timer::count();
    let futex_waiters = futex::waiter_count();
    let (threads, processes) = tree::counts();
    Counts {
        frames: frame::in_use() - kernel_space::kept_frames() as u64,
        heap_bytes: heap::in_use_bytes(),
        threads,
        processes,
        open_files: live::count(live::OPEN_FILES),
        inodes: live::count(live::INODES),
        dentries: live::count(live::DENTRIES),
        epoll_watches: live::count(live::EPOLL_WATCHES),
        timers,
        futex_waiters,
        waiters: sync::waiter_count(),
    }
}

/// /proc/postern/objects: a name and a number a line.
pub fn show(text: &mut Text) -> Result<()> {
    let counts = counts();
    put!(text, "frames {}\nheap_bytes {}\n", counts.frames, counts.heap_bytes);
    put!(text, "threads {}\nprocesses {}\n", counts.threads, counts.processes);
    put!(text, "open_files {}\ninodes {}\ndentries {}\n", counts.open_files, counts.inodes, counts.dentries);
    put!(text, "epoll_watches {}\ntimers {}\n", counts.epoll_watches, counts.timers);
    put!(text, "futex_waiters {}\n", counts.futex_waiters);
    if let Some(waiters) = counts.waiters {
        put!(text, "waiters {waiters}\n");
    }
    Ok(())
}
