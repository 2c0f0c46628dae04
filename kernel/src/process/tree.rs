//! Who exists: every thread and process by number, and how processes are related.
//!
//! Lock: PROCESS_TREE around all of it, then PROCESS and SIGNALS; never held over anything that sleeps. Numbers are copied
//! into [`Process`] for the calls that only ask for one.
//! Specification: fork(2), wait(2), setpgid(2), setsid(2).

use super::process::Process;
use super::{cgroup, orphaned_groups};
use crate::fs::procfs::tunables::PID_MAX;
use crate::sched::Task;
use crate::sync::{SpinGuard, SpinLock, rank};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use arrayvec::ArrayVec;
use core::ops::Bound;
use core::sync::atomic::Ordering;
use postern_core::errno::{Errno, Result};
use postern_core::siblings::{self, Related, Relations};
use postern_core::signal_action::{ActionFlags, Disposition};
use postern_core::signal_set::Signal;
use postern_core::task_census::{Claim, TaskCensus};
use postern_core::tid_allocator::{Tid, TidAllocator};

/// The first process, to which orphans go.
pub const INIT: Tid = 1;

static TREE: SpinLock<Tree> = SpinLock::new(
    rank::PROCESS_TREE,
    Tree { numbers: TidAllocator::new(), census: TaskCensus::new(), threads: BTreeMap::new(), nodes: BTreeMap::new() },
);

/// How many processes are taken from the tree at once to do something with each: whoever ends cannot ask for memory.
const AT_A_TIME: usize = 16;
/// These.
pub type Batch = ArrayVec<Arc<Process>, AT_A_TIME>;

/// All threads and processes.
pub struct Tree {
    numbers: TidAllocator,
    /// Whose the numbers in use are.
    census: TaskCensus,
    threads: BTreeMap<Tid, Arc<Task>>,
    nodes: BTreeMap<Tid, Node>,
}

/// A process and its place among others. It stays until its parent has waited for it.
pub struct Node {
    /// The process.
    pub process: Arc<Process>,
    /// How it ended, once it has.
    pub ended: Option<Ended>,
    relations: Relations,
}

impl Related for Node {
    fn relations(&self) -> &Relations {
        &self.relations
    }

    fn relations_mut(&mut self) -> &mut Relations {
        &mut self.relations
    }
}

/// What is left of a process that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The status word of wait(2).
    pub status: i32,
    /// Its real user.
    pub uid: u32,
    /// CPU time of it and its waited-for children.
    pub run_ns: u64,
}

/// What follows from a step of a process's end, to be dealt with once the tree is unlocked.
#[derive(Default)]
pub struct Departure {
    /// Its children that are another's now. None are left once there are none here: then the process has ended.
    pub adopted: Batch,
    /// Who is to hear of an end.
    pub notices: ArrayVec<Notice, AT_A_TIME>,
    /// What was forgotten at once: its drop may sleep.
    pub forgotten: ArrayVec<Node, AT_A_TIME>,
    /// Who is to hear that a control group is empty now.
    pub cgroups: cgroup::Notices,
    /// Groups with members that had stopped and go on, which their parents are to hear of.
    pub continued: ArrayVec<Tid, AT_A_TIME>,
}

/// A parent is to hear of the end of a child.
pub struct Notice {
    /// Whom to tell.
    pub parent: Arc<Process>,
    /// With what signal, if any.
    pub signal: Option<Signal>,
    /// Who has ended.
    pub pid: Tid,
    /// How.
    pub ended: Ended,
}

/// Whether a parent said that it does not wait for its children: they go as soon as they end.
fn discards_children(parent: &Process) -> bool {
    let action = parent.actions().get(Signal::CHLD);
    action.disposition == Disposition::Ignore || action.flags.contains(ActionFlags::NOCLDWAIT)
}

/// The tree, locked.
pub fn lock() -> SpinGuard<'static, Tree> {
    TREE.lock()
}

/// The process with this number, ended or not.
pub fn find(pid: Tid) -> Option<Arc<Process>> {
    TREE.lock().nodes.get(&pid).map(|node| node.process.clone())
}

/// The thread with this number.
pub fn find_thread(tid: Tid) -> Option<Arc<Task>> {
    TREE.lock().threads.get(&tid).cloned()
}

/// The lowest number of a process, ended or not, that is at least `from`.
pub fn next_process(from: Tid) -> Option<Tid> {
    TREE.lock().nodes.range(from..).next().map(|(pid, _)| *pid)
}

/// The highest number of a process, ended or not.
pub fn last_process() -> Option<Tid> {
    TREE.lock().nodes.last_key_value().map(|(pid, _)| *pid)
}

/// The lowest number of a thread of `process` that is at least `from`.
pub fn next_thread(process: &Process, from: Tid) -> Option<Tid> {
    let is_its = |task: &Task| core::ptr::eq(&**task.thread().process(), process);
    TREE.lock().threads.range(from..).find(|(_, task)| is_its(task)).map(|(tid, _)| *tid)
}

/// Calls `visit` with every process that has not ended and `is_meant`, in order of their numbers. A few at a time: however many
/// there are, no memory is asked for, and no lock is held over `visit`.
pub fn for_each_living(is_meant: impl Fn(&Process) -> bool, mut visit: impl FnMut(&Arc<Process>)) {
    let mut after = Bound::Unbounded;
    loop {
        let batch: Batch = {
            let tree = TREE.lock();
            let later = tree.nodes.range((after, Bound::Unbounded)).map(|(_, node)| node);
            let living = later.filter(|node| node.ended.is_none()).map(|node| &node.process);
            living.filter(|process| is_meant(process)).take(AT_A_TIME).cloned().collect()
        };
        let Some(last) = batch.last() else { return };
        after = Bound::Excluded(last.pid());
        batch.iter().for_each(&mut visit);
    }
}

/// The session of a group, if there is a process in it, ended or not.
pub fn session_of_group(group: Tid) -> Option<Tid> {
    TREE.lock().session_of_group(group)
}

/// How many threads and processes there are, for leak counts.
pub fn counts() -> (usize, usize) {
    let tree = TREE.lock();
    (tree.threads.len(), tree.nodes.len())
}

/// Numbers are below it.
fn pid_max() -> Tid {
    Tid::try_from(PID_MAX.get()).unwrap_or(Tid::MAX)
}

/// A number for a new thread or process. EAGAIN when all are taken, or as many as `claim` allows; ENOMEM.
pub fn allocate_number(claim: &Claim) -> Result<Tid> {
    let mut tree = TREE.lock();
    tree.census.check(claim)?;
    let Tree { numbers, nodes, .. } = &mut *tree;
    let bears = |node: &Node, tid| node.process.group() == tid || node.process.session() == tid;
    let tid = numbers.try_allocate(pid_max(), |tid| nodes.values().any(|node| bears(node, tid)))?;
    tree.census.add(tid, claim.uid);
    Ok(tid)
}

/// Gives back a number that was not used after all.
pub fn release_number(tid: Tid) {
    TREE.lock().release(tid);
}

impl Tree {
    /// The processes that have not ended.
    pub fn living(&self) -> impl Iterator<Item = &Arc<Process>> {
        self.nodes.values().filter(|node| node.ended.is_none()).map(|node| &node.process)
    }

    /// The children of `pid`, oldest first.
    pub fn children(&self, pid: Tid) -> impl Iterator<Item = &Node> {
        siblings::children(&self.nodes, pid).map(|(_, node)| node)
    }

    /// Every process, ended or not, in order of their numbers.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// A process's node.
    pub fn node(&self, pid: Tid) -> Option<&Node> {
        self.nodes.get(&pid)
    }

    /// See [`session_of_group`]: a process stays in its group until it has been waited for.
    fn session_of_group(&self, group: Tid) -> Option<Tid> {
        let process = self.nodes.values().map(|node| &node.process).find(|process| process.group() == group)?;
        Some(process.session())
    }

    /// A thread has another real user from now on, to whom it counts.
    pub fn change_owner(&mut self, tid: Tid, uid: u32) {
        self.census.change_owner(tid, uid);
    }

    fn release(&mut self, tid: Tid) {
        self.census.remove(tid);
        self.numbers.release(tid);
    }

    /// Announces a thread.
    pub fn add_thread(&mut self, tid: Tid, task: Arc<Task>) {
        self.threads.insert(tid, task);
    }

    /// Forgets a thread. Its number is released unless it is a process's, which waits for the parent.
    pub fn remove_thread(&mut self, tid: Tid) -> Option<Arc<Task>> {
        let task = self.threads.remove(&tid);
        if !self.nodes.contains_key(&tid) {
            self.release(tid);
            if let Some(task) = &task {
                cgroup::on_thread_gone(task.thread().process());
            }
        }
        task
    }

    /// exec by a thread other than the first: it takes over the process's number.
    pub fn rename_thread(&mut self, from: Tid, to: Tid) {
        if let Some(task) = self.threads.remove(&from) {
            task.thread().set_tid(to);
            cgroup::on_exec_rename(task.thread().process());
            self.threads.insert(to, task);
            if let Some(uid) = self.census.owner(from) {
                self.census.change_owner(to, uid);
            }
            self.release(from);
        }
    }

    /// Announces a process as a child of `parent` (0: of nobody), in `parent`'s group and session.
    pub fn add_process(&mut self, process: Arc<Process>, parent: Tid) {
        let pid = process.pid();
        let (group, session) = self.nodes.get(&parent).map_or((pid, pid), |parent| {
            process.ties.inherit(&parent.process.ties);
            (parent.process.group(), parent.process.session())
        });
        process.parent.store(parent, Ordering::Relaxed);
        process.group.store(group, Ordering::Relaxed);
        process.session.store(session, Ordering::Relaxed);
        self.nodes.insert(pid, Node { process, ended: None, relations: Relations::default() });
        siblings::join(&mut self.nodes, parent, pid);
    }

    /// To whom the children of `pid` go: the nearest of its living ancestors that adopts orphans, or init.
    fn reaper_of(&self, pid: Tid) -> Tid {
        let mut at = pid;
        while let Some(node) = self.nodes.get(&at) {
            at = node.process.parent();
            let adopts = |node: &Node| {
                // Relaxed: it stands for itself.
                node.ended.is_none() && node.process.attributes.adopts_orphans.load(Ordering::Relaxed)
            };
            if self.nodes.get(&at).is_some_and(adopts) {
                return at;
            }
        }
        INIT
    }

    /// Gives the next few children of `pid` to who adopts them; notes how it ended once it has none. What follows is put into
    /// `departure`, which is empty: whoever must hear of that end, or of the end of an adopted child; the ended whose parents do
    /// not care, who are forgotten here, where nobody can wait for them in between. Stopped groups that this orphans go on.
    pub fn end_process(&mut self, pid: Tid, ended: Ended, departure: &mut Departure) {
        let children = siblings::children(&self.nodes, pid).map(|(_, child)| child.process.clone());
        departure.adopted.extend(children.take(AT_A_TIME));
        let reaper = if departure.adopted.is_empty() { INIT } else { self.reaper_of(pid) };
        for child in &departure.adopted {
            siblings::leave(&mut self.nodes, pid, child.pid());
            child.parent.store(reaper, Ordering::Relaxed);
            child.end_with_sigchld();
            siblings::join(&mut self.nodes, reaper, child.pid());
        }
        self.let_orphans_go_on(pid, departure);
        for at in 0..departure.adopted.len() {
            let child = departure.adopted[at].pid();
            self.depart(child, departure);
        }
        if departure.adopted.is_empty()
            && let Some(node) = self.nodes.get_mut(&pid)
        {
            node.ended = Some(ended);
            departure.cgroups = cgroup::on_process_end(&node.process);
            self.depart(pid, departure);
        }
    }

    /// Deals with the groups that lose a parent outside them: of the adopted children of `pid`, or its own if there is none.
    fn let_orphans_go_on(&self, pid: Tid, departure: &mut Departure) {
        let Some(node) = self.nodes.get(&pid) else { return };
        if departure.adopted.is_empty() {
            departure.continued.extend(orphaned_groups::on_end(self, &node.process));
        }
        let left = |child| orphaned_groups::on_reparent(self, child, &node.process);
        departure.continued.extend(departure.adopted.iter().filter_map(|child| left(child)));
    }

    /// If `pid` has ended, adds what its parent is to be told of that, and forgets it if the parent does not care.
    fn depart(&mut self, pid: Tid, departure: &mut Departure) {
        let Some(node) = self.nodes.get(&pid) else { return };
        let Some(ended) = node.ended else { return };
        let Some(parent) = self.nodes.get(&node.process.parent()) else { return };
        let signal = Signal::from_number(i32::from(node.process.exit_signal.load(Ordering::Relaxed))).ok();
        let parent = parent.process.clone();
        if signal == Some(Signal::CHLD) && discards_children(&parent) {
            departure.forgotten.extend(self.reap(pid));
        }
        departure.notices.push(Notice { parent, signal, pid, ended });
    }

    /// Forgets a process that has ended and whose end its parent has heard of.
    pub fn reap(&mut self, pid: Tid) -> Option<Node> {
        let node = self.nodes.get(&pid)?;
        node.ended?;
        let parent = node.process.parent();
        siblings::leave(&mut self.nodes, parent, pid);
        let node = self.nodes.remove(&pid)?;
        self.release(pid);
        cgroup::on_reap(&node.process);
        Some(node)
    }

    /// setpgid(2): `caller` puts itself or a child, ended or not, into `group`. EINVAL for the number of a thread
    /// that is not its process's; ESRCH, EACCES, EPERM.
    pub fn set_group(&mut self, caller: &Process, pid: Tid, group: Tid) -> Result<()> {
        if !self.nodes.contains_key(&pid) && self.threads.contains_key(&pid) {
            return Err(Errno::EINVAL);
        }
        let target = self.nodes.get(&pid).map(|node| &node.process);
        let target = target
            .filter(|target| target.pid() == caller.pid() || target.parent() == caller.pid())
            .ok_or(Errno::ESRCH)?;
        if target.pid() != caller.pid() && target.has_executed.load(Ordering::Relaxed) {
            return Err(Errno::EACCES);
        }
        let same_session = target.session() == caller.session();
        let leads_session = target.session() == target.pid();
        let group_exists = group == pid || self.session_of_group(group) == Some(caller.session());
        if !same_session || leads_session || !group_exists {
            return Err(Errno::EPERM);
        }
        target.group.store(group, Ordering::Relaxed);
        Ok(())
    }

    /// setsid(2). EPERM if there is a group with the caller's number, which it leads or led.
    pub fn new_session(&mut self, caller: &Process) -> Result<Tid> {
        let pid = caller.pid();
        if self.session_of_group(pid).is_some() {
            return Err(Errno::EPERM);
        }
        caller.group.store(pid, Ordering::Relaxed);
        caller.session.store(pid, Ordering::Relaxed);
        caller.ties.begin_session();
        Ok(pid)
    }
}
