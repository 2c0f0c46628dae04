//! epoll: a set of files that are watched, and those of them that may be ready.
//!
//! Owns the set and the list of the ready. Locks: EPOLL (sleeping) around the set, held by whoever collects events, over the
//! stores to user memory too; READY_LIST (spin) around the list, which wake-ups of the files fill; EPOLL_NESTING (sleeping)
//! while one instance comes to watch another. Collecting looks at listed files only; nothing is polled in between.
//! Sleeps, interruptibly, in `wait`. Specification: epoll(7), epoll_ctl(2), epoll_wait(2); fs/eventpoll.c of Linux 6.12.

mod nesting;
mod ready;
mod survey;
mod watched_by;

pub use watched_by::WatchedBy;

use crate::fs::anonymous::{self, Kind};
use crate::fs::file::{Direction, FileOps, Readiness};
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::fs::live::{self, Live};
use crate::fs::open_file::OpenFile;
use crate::fs::poll::Patience;
use crate::fs::procfs::text::{Text, put};
use crate::mm::heap;
use crate::process::Credentials;
use crate::sync::{Kernel, Mutex, MutexGuard, SpinLock, WaitError, WaitQueue, rank};
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use arrayvec::ArrayVec;
use core::any::Any;
use core::ops::Bound;
use core::sync::atomic::{AtomicBool, Ordering};
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_core::fd_table::RawFd;
use postern_sync::{ANY_EVENT, Mode, Registration, Sleep};
use ready::{Callback, Item, Ready};

bitflags::bitflags! {
    /// How a file is watched.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Flags: u32 {
        /// Tell of changes only.
        const EDGE = abi::EPOLLET;
        /// Tell once, until it is modified.
        const ONE_SHOT = abi::EPOLLONESHOT;
        /// Wake no more of the instances that watch so than one that somebody waits for.
        const EXCLUSIVE = abi::EPOLLEXCLUSIVE;
        /// Keep the system awake: it always is.
        const WAKE_UP = abi::EPOLLWAKEUP;
    }
}

/// What a program wants to hear of a file, or hears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// What is ready.
    pub events: Readiness,
    /// How it is watched; empty in what is heard.
    pub flags: Flags,
    /// Whatever the program wants to find again.
    pub data: u64,
}

impl Event {
    fn is_exclusive(self) -> bool {
        self.flags.contains(Flags::EXCLUSIVE)
    }

    /// Whether it asks for nothing but what may be watched exclusively (EPOLLEXCLUSIVE_OK_BITS of Linux).
    fn may_be_exclusive(self) -> bool {
        let events = Readiness::IN | Readiness::OUT | Readiness::ERR | Readiness::HUP;
        let flags = Flags::EXCLUSIVE | Flags::EDGE | Flags::WAKE_UP;
        events.contains(self.events) && flags.contains(self.flags)
    }
}

/// What epoll_ctl(2) does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// EPOLL_CTL_ADD.
    Add(Event),
    /// EPOLL_CTL_MOD.
    Modify(Event),
    /// EPOLL_CTL_DEL.
    Remove,
    /// No operation of that number.
    Unknown,
}

/// What tells one watched file from another: the descriptor, and the address of the open file description.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key {
    description: usize,
    fd: RawFd,
}

impl Key {
    fn new(file: &Arc<OpenFile>, fd: RawFd) -> Self {
        Self { description: Arc::as_ptr(file).addr(), fd }
    }
}

/// A watched file, and the callbacks on its queues, which go with this.
struct Watch {
    /// The file, whose end takes the watch away: for reports.
    file: Weak<OpenFile>,
    item: Arc<Item>,
    registrations: ArrayVec<Registration<dyn FileOps, Callback, Kernel>, 2>,
    _live: Live<{ live::EPOLL_WATCHES }>,
}

/// An epoll instance.
pub struct Epoll {
    me: Weak<Self>,
    watches: Mutex<BTreeMap<Key, Watch>>,
    ready: Arc<Ready>,
    /// The instances that watch this one.
    watchers: SpinLock<Vec<Weak<Self>>>,
    /// One of them watches for edges. Relaxed: set before the set is locked, and read with it locked.
    edge_watched: AtomicBool,
}

impl Epoll {
    /// epoll_create1(2): a file with an empty set.
    ///
    /// # Errors
    /// ENOMEM, ENOSPC.
    pub fn open(flags: OpenFlags, credentials: &Credentials) -> Result<Arc<OpenFile>> {
        heap::admit(size_of::<Self>() + size_of::<Ready>())?;
        let place = anonymous::place(Kind::Other("eventpoll"), credentials)?;
        Ok(anonymous::open(Self::new(), place, AccessMode::READ_WRITE, flags))
    }

    /// An instance without files.
    pub fn new() -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            watches: Mutex::new(rank::EPOLL, BTreeMap::new()),
            ready: Arc::new(Ready::new()),
            watchers: SpinLock::new(rank::OBJECT, Vec::new()),
            edge_watched: AtomicBool::new(false),
        })
    }

    fn from_ops(ops: &Arc<dyn FileOps>) -> Option<Arc<Self>> {
        let ops: Arc<dyn Any + Send + Sync> = ops.clone();
        ops.downcast().ok()
    }

    /// The instance behind a file.
    ///
    /// # Errors
    /// EINVAL: there is none.
    pub fn behind(file: &OpenFile) -> Result<Arc<Self>> {
        Self::from_ops(file.ops()).ok_or(Errno::EINVAL)
    }

    /// The instance behind `file`, which is to watch `target`.
    ///
    /// # Errors
    /// EPERM: `target` is always ready; EINVAL: no instance, or the target itself.
    pub fn of(file: &Arc<OpenFile>, target: &Arc<OpenFile>) -> Result<Arc<Self>> {
        if !target.ops().can_be_polled() {
            return Err(Errno::EPERM);
        }
        if Arc::ptr_eq(file, target) { Err(Errno::EINVAL) } else { Self::behind(file) }
    }

    /// epoll_ctl(2) for descriptor `fd`, which stands for `file`.
    ///
    /// # Errors
    /// EEXIST, ENOENT, EINVAL, ELOOP, ENOMEM.
    pub fn change(&self, file: &Arc<OpenFile>, fd: RawFd, change: Change) -> Result<()> {
        let key = Key::new(file, fd);
        match change {
            Change::Add(event) => self.add(file, key, event),
            Change::Modify(event) if event.is_exclusive() => Err(Errno::EINVAL),
            Change::Modify(event) => self.modify(key, event),
            Change::Remove => {
                let removed = self.forget(key).ok_or(Errno::ENOENT)?;
                file.watched_by().remove(self, key);
                drop(removed);
                Ok(())
            }
            Change::Unknown => Err(Errno::EINVAL),
        }
    }

    fn add(&self, file: &Arc<OpenFile>, key: Key, event: Event) -> Result<()> {
        let inner = Self::from_ops(file.ops());
        if event.is_exclusive() && (inner.is_some() || !event.may_be_exclusive()) {
            return Err(Errno::EINVAL);
        }
        heap::admit(size_of::<Item>() + size_of::<Watch>() + 2 * size_of::<Callback>())?;
        if let Some(inner) = inner {
            return self.add_instance(file, key, event, &inner);
        }
        let watches = self.watches.lock();
        if self.is_watched() {
            drop(watches);
            return self.add_below_others(file, key, event);
        }
        // With the lock held throughout: who comes to watch this instance finds the file in it, or is found by the question.
        self.insert(watches, file, key, event)
    }

    /// `add` of what has been seen to be in order.
    fn insert(
        &self,
        mut watches: MutexGuard<'_, BTreeMap<Key, Watch>>,
        file: &Arc<OpenFile>,
        key: Key,
        event: Event,
    ) -> Result<()> {
        if watches.contains_key(&key) {
            return Err(Errno::EEXIST);
        }
        let item = Arc::new(Item::new(file.ops().clone(), event));
        if self.edge_watched.load(Ordering::Relaxed) {
            file.ops().note_edge_waiter();
        }
        self.ready.make_room(watches.len() + 1)?;
        let registrations = self.register(&item, file.access())?;
        file.watched_by().add(self.me.clone(), key)?;
        let file = Arc::downgrade(file);
        watches.insert(key, Watch { file, item: item.clone(), registrations, _live: Live::new() });
        drop(watches);
        // After the registration, so that no change falls in between.
        self.ready.announce_if_ready(&item);
        Ok(())
    }

    /// Callbacks on all queues of the file that concern a description opened for `access`.
    fn register(
        &self,
        item: &Arc<Item>,
        access: AccessMode,
    ) -> Result<ArrayVec<Registration<dyn FileOps, Callback, Kernel>, 2>> {
        let mut registrations = ArrayVec::new();
        let mode = if item.flags().contains(Flags::EXCLUSIVE) { Mode::Exclusive } else { Mode::Shared };
        let directions = [(Direction::Read, AccessMode::READ), (Direction::Write, AccessMode::WRITE)];
        for (direction, needed) in directions {
            let ops = item.ops();
            if !access.contains(needed) || ops.wait_queue(direction).is_none() {
                continue;
            }
            let callback = Callback::new(self.ready.clone(), item.clone());
            let registration =
                Registration::new(ops.clone(), |ops| queue_of(ops, direction), mode, ANY_EVENT, callback);
            registrations.push(registration.map_err(|_| Errno::ENOMEM)?);
        }
        Ok(registrations)
    }

    fn modify(&self, key: Key, event: Event) -> Result<()> {
        let watches = self.watches.lock();
        let item = watches.get(&key).ok_or(Errno::ENOENT)?.item.clone();
        if item.flags().contains(Flags::EXCLUSIVE) {
            return Err(Errno::EINVAL);
        }
        item.set(event);
        drop(watches);
        self.ready.announce_if_ready(&item);
        Ok(())
    }

    /// Takes a file out of the set; what is returned is to be dropped without a lock.
    fn forget(&self, key: Key) -> Option<Arc<Item>> {
        let mut watches = self.watches.lock();
        let Watch { item, registrations, .. } = watches.remove(&key)?;
        // Before it leaves the list, or a wake-up could list it again.
        drop(registrations);
        self.ready.remove(&item);
        drop(watches);
        if let Some(inner) = Self::from_ops(item.ops()) {
            inner.remove_watcher(self);
        }
        Some(item)
    }

    /// epoll_wait(2): hands at most `limit` events to `emit`; how many, 0 if patience ended.
    ///
    /// # Errors
    /// EINTR: a signal. What `emit` says of the first event.
    pub fn wait(&self, limit: usize, patience: Patience, mut emit: impl FnMut(Event) -> Result<()>) -> Result<usize> {
        let mut attempt = || match self.collect(limit, &mut emit) {
            Ok(0) => None,
            result => Some(result),
        };
        if let Some(result) = attempt() {
            return result;
        }
        let deadline_ns = match patience {
            Patience::None => return Ok(0),
            Patience::Until(deadline_ns) => Some(deadline_ns),
            Patience::Forever => None,
        };
        match self.ready.waiters().wait_until(Mode::Exclusive, Sleep::Interruptible, deadline_ns, attempt) {
            Ok(result) => result,
            Err(WaitError::TimedOut) => Ok(0),
            Err(WaitError::Interrupted) => Err(Errno::EINTR),
        }
    }

    /// One pass over what is listed as ready. What still is, and is not watched for edges, is listed again behind all others.
    fn collect(&self, limit: usize, emit: &mut impl FnMut(Event) -> Result<()>) -> Result<usize> {
        let watches = self.watches.lock();
        let mut found = 0;
        let mut outcome = Ok(());
        for _ in 0..self.ready.count() {
            if found == limit {
                break;
            }
            let Some(item) = self.ready.take_first() else { break };
            let Some(event) = item.look() else { continue };
            outcome = emit(event);
            if outcome.is_err() {
                self.ready.put_first(item);
                break;
            }
            found += 1;
            if item.told() {
                self.ready.put_last(item);
            }
        }
        drop(watches);
        self.ready.pass_on();
        match outcome {
            Err(error) if found == 0 => Err(error),
            _ => Ok(found),
        }
    }
}

/// A queue that has been seen to exist.
fn queue_of(ops: &dyn FileOps, direction: Direction) -> &WaitQueue {
    ops.wait_queue(direction).unwrap_or_else(|| unreachable!("a file does not lose its wait queue"))
}

impl FileOps for Epoll {
    fn takes_splices(&self) -> bool {
        false
    }

    fn describe(&self, text: &mut Text) {
        let mut last = Bound::Unbounded;
        loop {
            // The file outlives the lock: its end would take it.
            let next = {
                let watches = self.watches.lock();
                let next = watches.range((last, Bound::Unbounded)).next();
                next.map(|(key, watch)| (*key, watch.file.upgrade(), watch.item.event()))
            };
            let Some((key, file, (events, data))) = next else { return };
            last = Bound::Excluded(key);
            // One that is being closed is not watched any more.
            let Some(file) = file else { continue };
            put!(text, "tfd: {:8} events: {events:8x} data: {data:16x}  ", key.fd);
            let inode = file.location().inode();
            let device = inode.metadata().device.kernel_number();
            put!(text, "pos:{} ino:{:x} sdev:{device:x}\n", file.shown_position(), inode.number());
        }
    }

    /// Whether an epoll_wait would find something. What is listed but not ready any more is taken off the list.
    fn readiness(&self) -> Readiness {
        // Nested: whoever looks may be collecting from an instance that watches this one.
        let _watches = self.watches.lock_nested();
        for _ in 0..self.ready.count() {
            let Some(item) = self.ready.take_first() else { break };
            if item.look().is_some() {
                self.ready.put_first(item);
                return Readiness::READABLE;
            }
        }
        Readiness::empty()
    }

    /// What would help is an event of one of the files.
    fn serves(&self, _: Direction) -> Option<&WaitQueue> {
        None
    }

    fn further_queue(&self) -> Option<&WaitQueue> {
        Some(self.ready.waiters())
    }

    /// An edge of a watched file is one of this instance.
    fn note_edge_waiter(&self) {
        self.edge_watched.store(true, Ordering::Relaxed);
        // Nested: whoever notes it has locked its own set.
        for watch in self.watches.lock_nested().values() {
            watch.item.ops().note_edge_waiter();
        }
    }

    /// There are none; Linux says so in its own way here.
    fn ioctl(&self, _: OpenFlags, _: u32, _: usize) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    fn wait_queue(&self, direction: Direction) -> Option<&WaitQueue> {
        match direction {
            Direction::Read => Some(self.ready.pollers()),
            Direction::Write => None,
        }
    }
}
