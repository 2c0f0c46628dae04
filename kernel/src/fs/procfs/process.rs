//! /proc/PID and /proc/PID/task/TID: which entries there are. What stands in them is `process_text`'s.
//!
//! Owns nothing: everything is made on look-up. Locks: those of whoever is asked. Specification: proc_pid(5), proc_tid(5).

use crate::fs::attributes::FileType;
use crate::fs::dentry::Name;
use crate::fs::directory::{Computed, ComputedEntry};
use crate::fs::file::Readiness;
use crate::fs::inode::{Inode, Node, Owner};
use crate::fs::procfs::descriptors::{Descriptors, Leads};
use crate::fs::procfs::links::{ProcessLink, Target, check_inspect};
use crate::fs::procfs::process_text as content;
use crate::fs::procfs::process_view::{self, ProcessView};
use crate::fs::procfs::text::{Text, TextNode, TextSource};
use crate::process::Credentials;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use postern_core::errno::{Errno, Result};

/// A thread, as the makers of text see it.
pub struct Subject {
    /// Its process.
    pub process: Arc<dyn ProcessView>,
    /// Its id.
    pub tid: u32,
    /// Whether the entry is the process's rather than the thread's.
    pub scope: Scope,
}

/// Whether an entry speaks of a process or of one of its threads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// /proc/PID
    Process,
    /// /proc/PID/task/TID
    Thread,
}

enum Kind {
    Text(fn(&Subject, &mut Text) -> Result<()>),
    /// Text for those who may look into the process.
    Inside(fn(&Subject, &mut Text) -> Result<()>),
    /// Text that can be written too.
    Setting(fn(&Subject, &mut Text) -> Result<()>, fn(&Subject, &[u8]) -> Result<()>),
    /// Text that can be polled.
    Polled(fn(&Subject, &mut Text) -> Result<()>),
    Link(Target),
    Descriptors(Leads),
    Threads,
}

struct Entry {
    name: &'static str,
    permissions: u32,
    kind: Kind,
}

const fn text(name: &'static str, permissions: u32, show: fn(&Subject, &mut Text) -> Result<()>) -> Entry {
    Entry { name, permissions, kind: Kind::Text(show) }
}

const fn inside(name: &'static str, permissions: u32, show: fn(&Subject, &mut Text) -> Result<()>) -> Entry {
    Entry { name, permissions, kind: Kind::Inside(show) }
}

const fn polled(name: &'static str, permissions: u32, show: fn(&Subject, &mut Text) -> Result<()>) -> Entry {
    Entry { name, permissions, kind: Kind::Polled(show) }
}

const fn link(name: &'static str, target: Target) -> Entry {
    Entry { name, permissions: 0o777, kind: Kind::Link(target) }
}

/// The entries of both directories; `task` is the process's alone.
static ENTRIES: [Entry; 19] = [
    Entry { name: "task", permissions: 0o555, kind: Kind::Threads },
    Entry { name: "fd", permissions: 0o500, kind: Kind::Descriptors(Leads::ToFiles) },
    Entry { name: "fdinfo", permissions: 0o555, kind: Kind::Descriptors(Leads::ToText) },
    inside("auxv", 0o400, content::auxiliary_vector),
    text("cgroup", 0o444, content::control_group),
    text("cmdline", 0o444, content::arguments),
    Entry { name: "comm", permissions: 0o644, kind: Kind::Setting(content::name, content::set_name) },
    link("cwd", Target::WorkingDirectory),
    inside("environ", 0o400, content::environment),
    link("exe", Target::Executable),
    text("limits", 0o444, content::limits),
    inside("maps", 0o444, content::maps),
    polled("mountinfo", 0o444, content::mount_info),
    polled("mounts", 0o444, content::mounts),
    text("oom_score", 0o444, content::oom_score),
    link("root", Target::Root),
    text("stat", 0o444, content::stat),
    text("statm", 0o444, content::statm),
    text("status", 0o444, content::status),
];

fn owner_of(process: &dyn ProcessView) -> Owner {
    let snapshot = process.snapshot();
    Owner { uid: snapshot.uids[1], gid: snapshot.gids[1] }
}

/// The directory of a process, by the id of any of its threads: that of another than the first is found, but not listed, and
/// what is told of one thread is told of that one.
///
/// # Errors
/// ENOENT.
pub fn directory(id: u32) -> Result<Arc<Inode>> {
    let process = process_view::find(id);
    let (pid, process) = match process {
        Ok(process) => (id, process),
        Err(_) => {
            let pid = process_view::processes()?.process_of(id).ok_or(Errno::ENOENT)?;
            (pid, process_view::find(pid)?)
        }
    };
    let computed = ThreadDirectory { pid, tid: id, scope: Scope::Process };
    Ok(computed.inode(&*process))
}

/// /proc/PID or /proc/PID/task/TID.
struct ThreadDirectory {
    pid: u32,
    tid: u32,
    scope: Scope,
}

impl ThreadDirectory {
    fn entries(&self) -> impl Iterator<Item = (u8, &'static Entry)> {
        let is_process = self.scope == Scope::Process;
        (1..).zip(&ENTRIES).filter(move |(_, entry)| is_process || !matches!(entry.kind, Kind::Threads))
    }

    fn inode(self, process: &dyn ProcessView) -> Arc<Inode> {
        let directories = self.entries().filter(|(_, entry)| file_type(&entry.kind) == FileType::Directory).count();
        super::computed_directory(self.number(0), owner_of(process), 0o555, directories, Box::new(self))
    }

    fn number(&self, slot: u8) -> u64 {
        const THREAD_SLOTS: u8 = 128;
        super::inode_number(self.tid, if self.scope == Scope::Process { slot } else { slot + THREAD_SLOTS }, 0)
    }
}

fn file_type(kind: &Kind) -> FileType {
    match kind {
        Kind::Text(_) | Kind::Inside(_) | Kind::Setting(..) | Kind::Polled(_) => FileType::Regular,
        Kind::Link(_) => FileType::Symlink,
        Kind::Descriptors(_) | Kind::Threads => FileType::Directory,
    }
}

impl Computed for ThreadDirectory {
    fn lookup(&self, name: &[u8]) -> Result<Arc<Inode>> {
        let process = process_view::find(self.pid)?;
        let (slot, entry) = self.entries().find(|(_, entry)| entry.name.as_bytes() == name).ok_or(Errno::ENOENT)?;
        let owner = owner_of(&*process);
        let pid = self.pid;
        let node = match entry.kind {
            Kind::Text(_) | Kind::Inside(_) | Kind::Setting(..) | Kind::Polled(_) => {
                let source = ThreadText { pid, tid: self.tid, scope: self.scope, entry };
                Node::Generated(Arc::new(TextNode(Arc::new(source))))
            }
            Kind::Link(target) => Node::MagicLink(Box::new(ProcessLink { pid, target })),
            Kind::Descriptors(leads) => {
                let computed = Box::new(Descriptors { pid, owner, leads });
                return Ok(super::computed_directory(self.number(slot), owner, entry.permissions, 0, computed));
            }
            Kind::Threads => {
                let threads = process.snapshot().threads;
                let computed = Box::new(Threads { pid });
                return Ok(super::computed_directory(self.number(slot), owner, entry.permissions, threads, computed));
            }
        };
        Ok(super::computed_file(self.number(slot), node, owner, entry.permissions))
    }

    fn list(&self, from: u64, limit: usize) -> Vec<ComputedEntry> {
        let entries = self.entries().filter(|&(slot, _)| u64::from(slot) >= from).take(limit);
        let listed = |(slot, entry): (u8, &Entry)| ComputedEntry {
            key: u64::from(slot),
            number: self.number(slot),
            file_type: file_type(&entry.kind),
            name: Name::from(entry.name.as_bytes()),
        };
        entries.map(listed).collect()
    }
}

/// /proc/PID/task.
struct Threads {
    pid: u32,
}

impl Computed for Threads {
    fn lookup(&self, name: &[u8]) -> Result<Arc<Inode>> {
        let tid = super::parse_id(name)?;
        let process = process_view::find(self.pid)?;
        if process.next_tid(tid) != Some(tid) {
            return Err(Errno::ENOENT);
        }
        let computed = ThreadDirectory { pid: self.pid, tid, scope: Scope::Thread };
        Ok(computed.inode(&*process))
    }

    fn list(&self, from: u64, limit: usize) -> Vec<ComputedEntry> {
        process_view::find(self.pid)
            .map(|process| super::ids(|id| process.next_tid(id), from, limit))
            .unwrap_or_default()
    }
}

/// The text of one entry.
struct ThreadText {
    pid: u32,
    tid: u32,
    scope: Scope,
    entry: &'static Entry,
}

impl ThreadText {
    fn subject(&self) -> Result<Subject> {
        let process = process_view::find(self.pid).map_err(|_| Errno::ESRCH)?;
        Ok(Subject { process, tid: self.tid, scope: self.scope })
    }
}

impl TextSource for ThreadText {
    fn show(&self, out: &mut Text) -> Result<()> {
        match self.entry.kind {
            Kind::Text(show) | Kind::Inside(show) | Kind::Setting(show, _) | Kind::Polled(show) => {
                show(&self.subject()?, out)
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn check_open(&self, credentials: &Credentials) -> Result<()> {
        match self.entry.kind {
            Kind::Inside(_) => check_inspect(&*self.subject()?.process, credentials),
            _ => Ok(()),
        }
    }

    fn store(&self, bytes: &[u8]) -> Result<()> {
        match self.entry.kind {
            Kind::Setting(_, store) => store(&self.subject()?, bytes),
            _ => Err(Errno::EACCES),
        }
    }

    /// As in Linux, where only the files of mounts have a way to be polled.
    fn readiness(&self) -> Option<Readiness> {
        matches!(self.entry.kind, Kind::Polled(_)).then_some(Readiness::READABLE)
    }
}
