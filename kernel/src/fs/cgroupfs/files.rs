//! The files of control groups: what stands in them, and what writing to them does.
//!
//! Owns the table. Locks: those of `process::cgroup`; sleeps for CGROUP_CHANGES. Specification: cgroup-v2.rst, "Core Interface
//! Files", "PID"; kernel/cgroup/{cgroup,pids}.c.

use super::directory;
use crate::fs::permission::{self, Access};
use crate::fs::procfs::text::{Text, put};
use crate::process::cgroup::{self, Cgroup, CgroupId, Watch};
use crate::process::{self, Credentials, Process, tree};
use alloc::sync::Arc;
use core::fmt::Display;
use postern_core::cgroup_tree::{Controllers, Kind, parse_integer, parse_limit};
use postern_core::errno::{Errno, Result};

/// Which groups have a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scope {
    /// All.
    Everywhere,
    /// All but the root.
    BelowRoot,
    /// Those that have the pids controller, but not the root.
    Pids,
}

/// A write to a file.
pub(super) struct Write<'a> {
    /// The group.
    pub(super) group: &'a Cgroup,
    /// Who opened the file: a descriptor that is passed on carries the permission with it.
    pub(super) credentials: &'a Credentials,
    /// What was written, without blanks around it.
    pub(super) text: &'a [u8],
}

/// A file of a group.
pub(super) struct File {
    pub(super) name: &'static str,
    pub(super) permissions: u32,
    pub(super) scope: Scope,
    pub(super) show: fn(&Cgroup, &mut Text) -> Result<()>,
    pub(super) store: fn(&Write<'_>) -> Result<()>,
    /// What changes without being written to.
    pub(super) watch: Option<fn(&Cgroup) -> &Watch>,
}

/// The place of `cgroup.procs` in the table.
const PROCS: u8 = 0;

const fn shown(name: &'static str, scope: Scope, show: fn(&Cgroup, &mut Text) -> Result<()>) -> File {
    File { name, permissions: 0o444, scope, show, store: |_| Err(Errno::EINVAL), watch: None }
}

const fn setting(
    name: &'static str,
    scope: Scope,
    show: fn(&Cgroup, &mut Text) -> Result<()>,
    store: fn(&Write<'_>) -> Result<()>,
) -> File {
    File { name, permissions: 0o644, scope, show, store, watch: None }
}

impl File {
    const fn watched(self, watch: fn(&Cgroup) -> &Watch) -> Self {
        Self { watch: Some(watch), ..self }
    }
}

/// All of them.
pub(super) static FILES: [File; 15] = [
    setting("cgroup.procs", Scope::Everywhere, show_processes, move_process),
    shown("cgroup.controllers", Scope::Everywhere, show_controllers),
    shown("cgroup.events", Scope::BelowRoot, show_events).watched(|group| &group.events),
    File {
        name: "cgroup.kill",
        permissions: 0o200,
        scope: Scope::BelowRoot,
        show: |_, _| Err(Errno::EINVAL),
        store: kill,
        watch: None,
    },
    setting("cgroup.max.depth", Scope::Everywhere, show_max_depth, set_max_depth),
    setting("cgroup.max.descendants", Scope::Everywhere, show_max_descendants, set_max_descendants),
    shown("cgroup.stat", Scope::Everywhere, show_statistics),
    setting("cgroup.subtree_control", Scope::Everywhere, show_delegated, delegate),
    setting("cgroup.threads", Scope::Everywhere, show_threads, move_thread),
    setting("cgroup.type", Scope::BelowRoot, show_kind, set_kind),
    shown("pids.current", Scope::Pids, show_current),
    shown("pids.events", Scope::Pids, show_hits).watched(|group| &group.pids_events),
    shown("pids.events.local", Scope::Pids, show_own_hits).watched(|group| &group.pids_events_local),
    setting("pids.max", Scope::Pids, show_limit, set_limit),
    shown("pids.peak", Scope::Pids, show_peak),
];

fn put_limit(text: &mut Text, limit: Option<impl Display>) {
    match limit {
        Some(limit) => put!(text, "{limit}\n"),
        None => text.push(b"max\n"),
    }
}

fn put_controllers(text: &mut Text, controllers: Controllers) {
    for (index, name) in controllers.names().enumerate() {
        put!(text, "{}{name}", if index == 0 { "" } else { " " });
    }
    if !controllers.is_empty() {
        text.push(b"\n");
    }
}

fn show_processes(group: &Cgroup, text: &mut Text) -> Result<()> {
    cgroup::for_each_member(group.id(), |pid| put!(text, "{pid}\n"));
    Ok(())
}

fn show_threads(group: &Cgroup, text: &mut Text) -> Result<()> {
    cgroup::for_each_thread(group.id(), |tid| put!(text, "{tid}\n"));
    Ok(())
}

/// The process that a written number means: that of any thread of it, or the writer's own for 0. EINVAL, ESRCH.
fn meant(text: &[u8]) -> Result<Arc<Process>> {
    let number = parse_integer(text).map_err(|_| Errno::EINVAL)?;
    let number = i32::try_from(number).map_err(|_| Errno::EINVAL)?;
    let number = u32::try_from(number).map_err(|_| Errno::EINVAL)?;
    if number == 0 {
        return Ok(process::current().process().clone());
    }
    let thread = tree::find_thread(number).map(|task| task.thread().process().clone());
    thread.or_else(|| tree::find(number)).ok_or(Errno::ESRCH)
}

/// Whether who opened the file may move a process between these groups: who may write to `cgroup.procs` of what is above both.
fn check_move(write: &Write<'_>, from: CgroupId) -> Result<()> {
    let above = {
        let hierarchy = cgroup::hierarchy();
        let common = hierarchy.common_ancestor(from, write.group.id());
        hierarchy.handle(common)?.clone()
    };
    let procs = directory::inode(&above, PROCS)?;
    permission::check(write.credentials, procs.file_type(), &procs.attributes(), Access::WRITE)
}

fn move_process(write: &Write<'_>) -> Result<()> {
    // Dropped after the lock: it may be the last reference to a process that ends.
    let process = meant(write.text)?;
    let _changes = cgroup::lock_changes();
    cgroup::find(write.group.id())?;
    check_move(write, process.cgroup())?;
    cgroup::migrate(&process, write.group.id())
}

/// Threads of one process are in one group: one alone can move to where it is already.
fn move_thread(write: &Write<'_>) -> Result<()> {
    // Dropped after the lock: it may be the last reference to a process that ends.
    let process = meant(write.text)?;
    let _changes = cgroup::lock_changes();
    cgroup::find(write.group.id())?;
    check_move(write, process.cgroup())?;
    if process.cgroup() == write.group.id() { Ok(()) } else { Err(Errno::EOPNOTSUPP) }
}

fn show_controllers(group: &Cgroup, text: &mut Text) -> Result<()> {
    put_controllers(text, cgroup::hierarchy().controllers(group.id())?);
    Ok(())
}

fn show_delegated(group: &Cgroup, text: &mut Text) -> Result<()> {
    put_controllers(text, cgroup::hierarchy().delegated(group.id())?);
    Ok(())
}

/// `+pids` and `-pids`, any number of them; the last one counts.
fn delegate(write: &Write<'_>) -> Result<()> {
    let (mut enable, mut disable) = (Controllers::empty(), Controllers::empty());
    for word in write.text.split(|&byte| byte == b' ').filter(|word| !word.is_empty()) {
        let (sign, name) = word.split_at(1);
        let controller = Controllers::by_name(name).ok_or(Errno::EINVAL)?;
        let (to, from) = match sign {
            b"+" => (&mut enable, &mut disable),
            b"-" => (&mut disable, &mut enable),
            _ => return Err(Errno::EINVAL),
        };
        to.insert(controller);
        from.remove(controller);
    }
    let _changes = cgroup::lock_changes();
    cgroup::hierarchy().delegate(write.group.id(), enable, disable)
}

fn show_events(group: &Cgroup, text: &mut Text) -> Result<()> {
    let populated = u8::from(cgroup::hierarchy().is_populated(group.id())?);
    // Nothing freezes groups.
    put!(text, "populated {populated}\nfrozen 0\n");
    Ok(())
}

fn kill(write: &Write<'_>) -> Result<()> {
    if parse_integer(write.text)? != 1 {
        return Err(Errno::ERANGE);
    }
    let _changes = cgroup::lock_changes();
    cgroup::find(write.group.id())?;
    cgroup::kill_all(write.group.id());
    Ok(())
}

fn show_statistics(group: &Cgroup, text: &mut Text) -> Result<()> {
    let shape = cgroup::hierarchy().shape(group.id())?;
    put!(text, "nr_descendants {}\nnr_dying_descendants {}\n", shape.descendants, shape.removed_descendants);
    Ok(())
}

/// A limit of the hierarchy. ERANGE below 0, and beyond what an `int` holds.
fn hierarchy_limit(text: &[u8]) -> Result<Option<u32>> {
    let Some(limit) = parse_limit(text)? else {
        return Ok(None);
    };
    let limit = i32::try_from(limit).map_err(|_| Errno::ERANGE)?;
    // INT_MAX is how Linux keeps `max`.
    if limit == i32::MAX { Ok(None) } else { u32::try_from(limit).map(Some).map_err(|_| Errno::ERANGE) }
}

fn show_max_depth(group: &Cgroup, text: &mut Text) -> Result<()> {
    put_limit(text, cgroup::hierarchy().shape(group.id())?.max_depth);
    Ok(())
}

fn set_max_depth(write: &Write<'_>) -> Result<()> {
    let limit = hierarchy_limit(write.text)?;
    cgroup::hierarchy().set_max_depth(write.group.id(), limit)
}

fn show_max_descendants(group: &Cgroup, text: &mut Text) -> Result<()> {
    put_limit(text, cgroup::hierarchy().shape(group.id())?.max_descendants);
    Ok(())
}

fn set_max_descendants(write: &Write<'_>) -> Result<()> {
    let limit = hierarchy_limit(write.text)?;
    cgroup::hierarchy().set_max_descendants(write.group.id(), limit)
}

fn show_kind(group: &Cgroup, text: &mut Text) -> Result<()> {
    text.push(match cgroup::hierarchy().kind(group.id())? {
        Kind::Domain => b"domain\n",
        Kind::DomainThreaded => b"domain threaded\n",
        Kind::DomainInvalid => b"domain invalid\n",
    });
    Ok(())
}

/// Linux takes `threaded` alone here, and there are no such groups.
fn set_kind(write: &Write<'_>) -> Result<()> {
    Err(if write.text == b"threaded" { Errno::EOPNOTSUPP } else { Errno::EINVAL })
}

fn show_current(group: &Cgroup, text: &mut Text) -> Result<()> {
    put!(text, "{}\n", cgroup::hierarchy().pids(group.id())?.current());
    Ok(())
}

fn show_peak(group: &Cgroup, text: &mut Text) -> Result<()> {
    put!(text, "{}\n", cgroup::hierarchy().pids(group.id())?.peak());
    Ok(())
}

fn show_hits(group: &Cgroup, text: &mut Text) -> Result<()> {
    put!(text, "max {}\n", cgroup::hierarchy().pids(group.id())?.hits());
    Ok(())
}

fn show_own_hits(group: &Cgroup, text: &mut Text) -> Result<()> {
    put!(text, "max {}\n", cgroup::hierarchy().pids(group.id())?.own_hits());
    Ok(())
}

fn show_limit(group: &Cgroup, text: &mut Text) -> Result<()> {
    put_limit(text, cgroup::hierarchy().pids(group.id())?.limit());
    Ok(())
}

fn set_limit(write: &Write<'_>) -> Result<()> {
    let limit = parse_limit(write.text)?;
    cgroup::hierarchy().set_pids_limit(write.group.id(), limit)
}
