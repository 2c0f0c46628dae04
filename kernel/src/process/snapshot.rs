//! What procfs shows of processes and of the system: looks at the process tree, nothing is kept.
//!
//! Locks: PROCESS_TREE, PROCESS, SIGNALS, ADDRESS_SPACE, one after the other. Sleeps for a program's memory.
//! Specification: proc_pid_stat(5), proc_pid_maps(5) and their kin.

mod memory;

use super::process::Process;
use super::tree::{self, Ended};
use super::{cgroup, current, signal};
use crate::arch::timer::now_ns;
use crate::fs::context::FsContext;
use crate::fs::dentry::Location;
use crate::fs::files::Files;
use crate::fs::procfs::process_view::{
    self, ProcessSnapshot, ProcessTable, ProcessView, Show, SystemSnapshot, SystemView, ThreadSnapshot,
};
use crate::fs::procfs::text::Text;
use crate::sched::{Activity, Task, run_queue, switch_count};
use crate::time;
use alloc::sync::Arc;
use alloc::vec::Vec;
use postern_core::clock::NS_PER_SECOND;
use postern_core::errno::{Errno, Result};
use spin::Once;

static COMMAND_LINE: Once<&'static str> = Once::new();

/// Lets procfs see. Once, at boot, after `fs::init`.
pub fn init(command_line: &'static str) {
    COMMAND_LINE.call_once(|| command_line);
    process_view::set_process_table(&Table);
    process_view::set_system_view(&System);
}

struct Table;

impl ProcessTable for Table {
    fn next_pid(&self, from: u32) -> Option<u32> {
        tree::next_process(from)
    }

    fn process_of(&self, tid: u32) -> Option<u32> {
        tree::find_thread(tid).map(|task| task.thread().process().pid())
    }

    fn find(&self, pid: u32) -> Option<Arc<dyn ProcessView>> {
        tree::find(pid).map(|process| process as Arc<dyn ProcessView>)
    }

    fn current(&self) -> (u32, u32) {
        let thread = current();
        (thread.process().pid(), thread.tid())
    }
}

/// How a process ended, once it has.
fn ended(process: &Process) -> Option<Ended> {
    tree::lock().node(process.pid()).and_then(|node| node.ended)
}

impl ProcessView for Process {
    fn snapshot(&self) -> ProcessSnapshot {
        let ended = ended(self);
        let credentials = self.any_thread().map(|task| task.thread().credentials());
        let uid = ended.map_or(0, |ended| ended.uid);
        let mut snapshot = ProcessSnapshot {
            pid: self.pid(),
            ppid: self.parent(),
            pgid: self.group(),
            sid: self.session(),
            terminal: if ended.is_some() { None } else { self.terminal() },
            uids: [uid; 4],
            threads: self.thread_count(),
            times_ns: [self.run_ns(), 0],
            children_times_ns: [self.children_ns(), 0],
            exit_status: ended.map_or(0, |ended| ended.status),
            ..ProcessSnapshot::default()
        };
        if let Some(credentials) = credentials {
            snapshot.uids = [credentials.uid, credentials.euid, credentials.suid, credentials.fsuid];
            snapshot.gids = [credentials.gid, credentials.egid, credentials.sgid, credentials.fsgid];
            snapshot.groups = credentials.groups.clone();
        }
        if let Some(space) = self.address_space() {
            snapshot.memory = memory::memory_use(&space);
        }
        snapshot
    }

    fn next_tid(&self, from: u32) -> Option<u32> {
        let first = Some(self.pid()).filter(|pid| *pid >= from);
        first.into_iter().chain(tree::next_thread(self, from)).min()
    }

    fn thread(&self, tid: u32) -> Option<ThreadSnapshot> {
        match self.find_task(tid) {
            Some(task) => Some(thread_snapshot(self, &task)),
            // The first thread may end before the others; then it is a zombie until all have.
            None if tid == self.pid() => Some(zombie(self)),
            None => None,
        }
    }

    fn files(&self) -> Option<Arc<Files>> {
        self.any_thread().map(|task| task.thread().files())
    }

    fn fs(&self) -> Option<Arc<FsContext>> {
        self.any_thread().and_then(|task| task.thread().fs_if_any())
    }

    fn cgroup(&self) -> Vec<u8> {
        let hierarchy = cgroup::hierarchy();
        let id = Self::cgroup(self);
        let mut path = hierarchy.path(id);
        if !hierarchy.is_alive(id) {
            path.extend_from_slice(b" (deleted)");
        }
        path
    }

    fn executable(&self) -> Option<Location> {
        // It goes with the memory.
        self.address_space()?;
        self.image().executable
    }

    fn show(&self, what: Show, text: &mut Text) -> Result<()> {
        let Some(space) = self.address_space() else {
            return Ok(());
        };
        let image = self.image();
        match what {
            Show::Arguments => memory::show_memory(&space, image.arguments, text),
            Show::Environment => memory::show_memory(&space, image.environment, text),
            Show::Auxiliary => memory::show_memory(&space, image.auxiliary, text),
            Show::Maps => memory::show_maps(&space, text),
        }
    }

    fn limits(&self) -> [[u64; 2]; 16] {
        Self::limits(self).in_order().map(|limit| [limit.soft, limit.hard])
    }

    fn set_name(&self, tid: u32, name: &[u8]) -> Result<()> {
        self.find_task(tid).ok_or(Errno::ESRCH)?.thread().set_name(name);
        Ok(())
    }
}

/// A thread's name without its padding.
fn trimmed(name: &[u8]) -> Vec<u8> {
    name.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

fn thread_snapshot(process: &Process, task: &Task) -> ThreadSnapshot {
    let thread = task.thread();
    let state = match (process.signals.is_stopped(), task.activity()) {
        (true, _) => b'T',
        (false, Activity::Sleeping) => b'S',
        (false, Activity::Waiting) => b'D',
        (false, Activity::Running) => b'R',
    };
    ThreadSnapshot {
        tid: thread.tid(),
        state,
        name: trimmed(&thread.name()),
        user_ns: task.run_ns(),
        start_ns: process.start_ns(),
        nice: task.nice(),
        // There are at most eight.
        cpu: u32::try_from(task.last_cpu()).unwrap_or(0),
        affinity: task.assigned_affinity() & run_queue::online(),
        signals: signal::masks(thread),
        ..ThreadSnapshot::default()
    }
}

/// A thread that has ended, of which only its process's facts are left.
fn zombie(process: &Process) -> ThreadSnapshot {
    let path = process.image().executable.map(|location| location.dentry.name());
    ThreadSnapshot {
        tid: process.pid(),
        state: b'Z',
        name: path.map(|name| name.to_vec()).unwrap_or_default(),
        start_ns: process.start_ns(),
        affinity: run_queue::online(),
        ..ThreadSnapshot::default()
    }
}

struct System;

impl SystemView for System {
    fn snapshot(&self) -> SystemSnapshot {
        let (threads, _) = tree::counts();
        let cpus = run_queue::online().count_ones() as usize;
        SystemSnapshot {
            uptime_ns: now_ns(),
            boot_time_s: time::realtime_offset_ns() / NS_PER_SECOND,
            cpu_times_ns: alloc::vec![[0; 3]; cpus],
            last_pid: tree::last_process().unwrap_or(0),
            running: run_queue::ready_count() + 1,
            threads,
            context_switches: switch_count(),
            command_line: COMMAND_LINE.get().map(|line| line.as_bytes().to_vec()).unwrap_or_default(),
            ..SystemSnapshot::default()
        }
    }
}
