//! One look at all threads, and at whatever threads can sleep on: open files, futexes, children, signals by descriptor, timers.
//!
//! Everything is asked from outside, by its own locks and one after the other: PROCESS_TREE, PROCESS, FD_TABLE, WAIT_QUEUE,
//! FUTEX, TIMERS. A file is held for as long as it is asked. Sleeps only where a file's place is told. See `waits`.

use crate::fs::file::Direction;
use crate::fs::files::Files;
use crate::fs::flags::AccessMode;
use crate::fs::open_file::OpenFile;
use crate::ipc::futex;
use crate::process::{self, Process, signal, tree};
use crate::sched::{Task, TaskHandle, timer};
use crate::sync::WaitQueue;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use postern_core::errno::{Errno, Result};
use postern_core::tid_allocator::Tid;

/// Descriptors asked for at a time.
const BATCH: usize = 64;

/// Something that threads wait for.
pub(super) struct Object {
    /// What, in words.
    pub name: Vec<u8>,
    /// Processes that could do it; empty if that is not known.
    by: Vec<Tid>,
}

/// What a thread waits for.
#[derive(Default)]
pub(super) struct Reason {
    /// Places in `Look::objects`: any of them.
    pub objects: Vec<usize>,
    /// When it ends in any case.
    pub until_ns: Option<u64>,
}

/// What there is.
#[derive(Default)]
pub(super) struct Look {
    pub tasks: Vec<Arc<Task>>,
    /// One for each task.
    pub reasons: Vec<Reason>,
    pub objects: Vec<Object>,
    places: BTreeMap<TaskHandle, usize>,
    /// Objects by the address of the queue that is waited on.
    queues: BTreeMap<usize, usize>,
}

impl Look {
    /// Looks.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn take() -> Result<Self> {
        let processes = processes()?;
        let mut look = Self::default();
        for process in &processes {
            process.for_each_task(|task| look.tasks.push(task.clone()));
        }
        look.places = look.tasks.iter().enumerate().map(|(place, task)| (task.handle(), place)).collect();
        look.reasons.resize_with(look.tasks.len(), Reason::default);
        signal::for_each_arrival_queue(|queue| look.add_queue(queue, || b"a signal by a signalfd".to_vec()));
        let tables = look.tables();
        for_each_file(&tables, |_, file| look.add_file(file));
        for_each_file(&tables, |pid, file| look.add_helper(pid, file));
        look.add_futexes();
        for process in &processes {
            look.add_parent(process);
        }
        timer::for_each_sleeper(|task, until_ns| {
            if let Some(place) = look.places.get(&task) {
                look.reasons[*place].until_ns = Some(until_ns);
            }
        });
        Ok(look)
    }

    /// Those who could help a thread, without doubles; its own process comes last.
    pub fn helpers(&self, place: usize) -> Vec<Tid> {
        let own = self.tasks[place].thread().process().pid();
        let by = self.reasons[place].objects.iter().flat_map(|object| &self.objects[*object].by);
        let mut helpers: Vec<Tid> = by.copied().collect();
        helpers.sort_unstable_by_key(|pid| (*pid == own, *pid));
        helpers.dedup();
        helpers
    }

    /// Whether something else may end it than those helpers do.
    pub fn is_open(&self, reason: &Reason) -> bool {
        reason.until_ns.is_some() || reason.objects.iter().any(|object| self.objects[*object].by.is_empty())
    }

    /// The tables of descriptors, each once for each process that has it.
    fn tables(&self) -> Vec<(Tid, Arc<Files>)> {
        let mut tables = BTreeMap::new();
        for task in &self.tasks {
            let (pid, files) = (task.thread().process().pid(), task.thread().files());
            tables.insert((pid, Arc::as_ptr(&files).addr()), files);
        }
        tables.into_iter().map(|((pid, _), files)| (pid, files)).collect()
    }

    /// Notes who waits on a queue, if somebody does and it is not known.
    fn add_queue(&mut self, queue: &WaitQueue, name: impl FnOnce() -> Vec<u8>) {
        let address = core::ptr::from_ref(queue).addr();
        if queue.waiters() == 0 || self.queues.contains_key(&address) {
            return;
        }
        let object = self.objects.len();
        let mut any = false;
        queue.for_each_waiter(|task| {
            if let Some(place) = self.places.get(&task) {
                self.reasons[*place].objects.push(object);
                any = true;
            }
        });
        if any {
            self.objects.push(Object { name: name(), by: Vec::new() });
            self.queues.insert(address, object);
        }
    }

    fn add_file(&mut self, file: &OpenFile) {
        for (direction, what) in [(Direction::Read, "to read "), (Direction::Write, "to write ")] {
            if let Some(queue) = file.ops().wait_queue(direction) {
                self.add_queue(queue, || described(what, file));
            }
        }
        if let Some(queue) = file.ops().further_queue() {
            self.add_queue(queue, || described("events of ", file));
        }
    }

    /// Notes for whom a process can do something by a file that it has open.
    fn add_helper(&mut self, pid: Tid, file: &OpenFile) {
        let directions = [(Direction::Read, AccessMode::READ), (Direction::Write, AccessMode::WRITE)];
        for (direction, needed) in directions {
            let served = file.ops().serves(direction).filter(|_| file.access().contains(needed));
            let object = served.and_then(|queue| self.queues.get(&core::ptr::from_ref(queue).addr()));
            if let Some(object) = object {
                let by = &mut self.objects[*object].by;
                // A process's files come one after the other.
                if by.last() != Some(&pid) {
                    by.push(pid);
                }
            }
        }
    }

    fn add_futexes(&mut self) {
        let mut found = Vec::new();
        futex::for_each_waiter(|task, word| found.push((task, word)));
        for (task, word) in found {
            let Some(&place) = self.places.get(&task) else { continue };
            let Some(space) = self.tasks[place].address_space() else { continue };
            let address = usize::try_from(word.offset).unwrap_or(0);
            let is_private = space.private_place_of(address) == word;
            // A private word is its own process's affair. Who has a shared one mapped is not known here.
            let (name, by) = if is_private {
                let process = self.tasks[place].thread().process();
                (format!("futex {address:#x}"), [process.pid()].to_vec())
            } else {
                (format!("futex {:#x} of object {}", word.offset, word.source.number()), Vec::new())
            };
            self.reasons[place].objects.push(self.objects.len());
            self.objects.push(Object { name: name.into_bytes(), by });
        }
    }

    fn add_parent(&mut self, process: &Process) {
        let mut waiters = Vec::new();
        process::wait::for_each_waiter(process, |task| waiters.extend(self.places.get(&task).copied()));
        if waiters.is_empty() {
            return;
        }
        let children: Vec<Tid> = tree::lock().children(process.pid()).map(|child| child.process.pid()).collect();
        let object = self.objects.len();
        waiters.iter().for_each(|place| self.reasons[*place].objects.push(object));
        self.objects.push(Object { name: b"a child".to_vec(), by: children });
    }
}

fn processes() -> Result<Vec<Arc<Process>>> {
    let mut processes = Vec::new();
    let mut next = tree::next_process(0);
    while let Some(pid) = next {
        processes.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        processes.extend(tree::find(pid));
        next = tree::next_process(pid + 1);
    }
    Ok(processes)
}

fn for_each_file(tables: &[(Tid, Arc<Files>)], mut visit: impl FnMut(Tid, &OpenFile)) {
    for (pid, files) in tables {
        let mut from = 0;
        loop {
            let descriptors = files.descriptors(from, BATCH);
            for fd in &descriptors {
                // One that was closed meanwhile is nobody's.
                if let Ok(file) = files.get(*fd) {
                    visit(*pid, &file);
                }
            }
            match descriptors.last() {
                Some(last) if descriptors.len() == BATCH => from = last + 1,
                _ => break,
            }
        }
    }
}

/// What is done with a file, and its name as in /proc/PID/fd.
fn described(what: &str, file: &OpenFile) -> Vec<u8> {
    let mut name = what.as_bytes().to_vec();
    let root = process::current().fs().root();
    name.extend(file.location().path_from(&root).for_proc().unwrap_or_default());
    name
}
