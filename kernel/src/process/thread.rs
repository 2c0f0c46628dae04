//! What a thread has for itself, or shares by choice of clone(2).
//! Locks: PROCESS around what other threads may look at; the rest belongs to the thread alone.

use super::attributes::ThreadAttributes;
use super::credentials::Credentials;
use super::exit;
use super::process::Process;
use super::signal::ThreadSignals;
use super::tree;
use crate::fs::context::{Caller, FsContext};
use crate::fs::dentry::Location;
use crate::fs::files::Files;
use crate::fs::open_file::OpenFile;
use crate::fs::recent::Recent;
use crate::sync::{Own, SpinLock, WaitQueue, rank};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence};
use postern_core::errno::{Errno, Result};
use postern_core::fd_table::RawFd;
use postern_core::tid_allocator::Tid;

/// Bytes of a thread's name, NUL included.
pub const NAME_SIZE: usize = 16;

/// The process side of a task.
pub struct Thread {
    /// Relaxed: only an exec changes it, when no other thread is left.
    tid: AtomicU32,
    process: Arc<Process>,
    /// Where it is in its process's list, which alone reads and writes this.
    pub(super) place: AtomicUsize,
    files: SpinLock<Option<Arc<Files>>>,
    pub(super) recent: Own<Recent>,
    fs: SpinLock<Option<Arc<FsContext>>>,
    credentials: SpinLock<Arc<Credentials>>,
    name: SpinLock<[u8; NAME_SIZE]>,
    /// Signals sent to this thread, its mask.
    pub signals: ThreadSignals,
    // Relaxed, these three: the thread itself reads and writes them, but for a look from outside (get_robust_list).
    /// Where to store 0 and wake a futex when the thread ends (set_tid_address, CLONE_CHILD_CLEARTID).
    pub clear_child_tid: AtomicUsize,
    /// Where to store the number before the thread first runs (CLONE_CHILD_SETTID).
    pub set_child_tid: AtomicUsize,
    /// The list of robust mutexes (set_robust_list).
    pub robust_list: AtomicUsize,
    /// What it says of itself (prctl, sched_setscheduler).
    pub attributes: ThreadAttributes,
    /// Whom to tell when a vfork child has let go of its parent's memory.
    pub(super) vfork: SpinLock<Option<Arc<VforkDone>>>,
    /// The vfork child that this thread waits for.
    vfork_child: SpinLock<Option<Arc<VforkDone>>>,
}

/// What a new thread begins with.
pub struct NewThread {
    /// Its number, from the tree.
    pub tid: Tid,
    /// Its process.
    pub process: Arc<Process>,
    /// Descriptors.
    pub files: Arc<Files>,
    /// Root, working directory, umask.
    pub fs: Arc<FsContext>,
    /// Identity.
    pub credentials: Arc<Credentials>,
    /// Name, as `/proc/PID/comm` shows it.
    pub name: [u8; NAME_SIZE],
    /// Signal mask and alternate stack.
    pub signals: ThreadSignals,
}

/// A parent in vfork waits for this.
pub struct VforkDone {
    done: AtomicBool,
    queue: WaitQueue,
}

impl VforkDone {
    /// Not done yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { done: AtomicBool::new(false), queue: WaitQueue::new() })
    }

    fn complete(&self) {
        // Release: the child's last stores to the shared memory come first.
        self.done.store(true, Ordering::Release);
        self.queue.wake_all(postern_sync::ANY_EVENT);
    }

    /// Sleeps until the child is done, or the current thread must end ([`Thread::wake_from_vfork`] says so). No other
    /// signal ends that. The child may outlive the parent: it keeps the memory and this by references of its own.
    fn wait(&self) {
        // Acquire: pairs with `complete`.
        let is_over = || self.done.load(Ordering::Acquire) || exit::must_end().is_some();
        self.queue.wait(postern_sync::Mode::Exclusive, || is_over().then_some(()));
    }
}

impl Thread {
    /// A thread.
    pub fn new(new: NewThread) -> Self {
        Self {
            tid: AtomicU32::new(new.tid),
            process: new.process,
            place: AtomicUsize::new(0),
            files: SpinLock::new(rank::PROCESS, Some(new.files)),
            recent: Own::new(Recent::new()),
            fs: SpinLock::new(rank::PROCESS, Some(new.fs)),
            credentials: SpinLock::new(rank::PROCESS, new.credentials),
            name: SpinLock::new(rank::PROCESS, new.name),
            signals: new.signals,
            clear_child_tid: AtomicUsize::new(0),
            set_child_tid: AtomicUsize::new(0),
            robust_list: AtomicUsize::new(0),
            attributes: ThreadAttributes::new(),
            vfork: SpinLock::new(rank::PROCESS, None),
            vfork_child: SpinLock::new(rank::PROCESS, None),
        }
    }

    /// Its number: gettid(2).
    pub fn tid(&self) -> Tid {
        self.tid.load(Ordering::Relaxed)
    }

    /// exec: the calling thread becomes the first one.
    pub(super) fn set_tid(&self, tid: Tid) {
        self.tid.store(tid, Ordering::Relaxed);
    }

    /// Its process.
    pub fn process(&self) -> &Arc<Process> {
        &self.process
    }

    /// Its descriptors; those of an ending thread are an empty table.
    pub fn files(&self) -> Arc<Files> {
        self.files.lock().clone().unwrap_or_else(Files::new)
    }

    /// The file behind a descriptor of the current thread. EBADF.
    pub fn file(&self, fd: RawFd) -> Result<Arc<OpenFile>> {
        self.files.lock().as_ref().ok_or(Errno::EBADF)?.get(fd)
    }

    /// The same, and how many refer to the table; 1: this thread alone.
    pub(super) fn file_and_owners(&self, fd: RawFd) -> Result<(Arc<OpenFile>, usize)> {
        let files = self.files.lock();
        let files = files.as_ref().ok_or(Errno::EBADF)?;
        // First the owners: who was one takes no file out any more once it is not counted, and only this thread makes others.
        let owners = Arc::strong_count(files);
        // Acquire: what the last of the others has taken out is gone from what is found now.
        fence(Ordering::Acquire);
        Ok((files.get(fd)?, owners))
    }

    /// Replaces or drops the descriptors, of the current thread or of one that has not run; returns the old ones, to be dropped
    /// without a lock.
    pub(super) fn replace_files(&self, new: Option<Arc<Files>>) -> Option<Arc<Files>> {
        super::current().forget_recent_files();
        core::mem::replace(&mut *self.files.lock(), new)
    }

    /// Root, working directory and umask. Panics for a thread that has ended.
    pub fn fs(&self) -> Arc<FsContext> {
        match &*self.fs.lock() {
            Some(fs) => fs.clone(),
            None => panic!("an ended thread has no directory"),
        }
    }

    /// The same for reports on other threads.
    pub fn fs_if_any(&self) -> Option<Arc<FsContext>> {
        self.fs.lock().clone()
    }

    /// Where its root or working directory is `old` it is `new` from now on (pivot_root).
    pub fn replace_places(&self, old: &Location, new: &Location) {
        if let Some(fs) = self.fs_if_any() {
            fs.replace(old, new);
        }
    }

    pub(super) fn replace_fs(&self, new: Option<Arc<FsContext>>) -> Option<Arc<FsContext>> {
        core::mem::replace(&mut *self.fs.lock(), new)
    }

    /// Its identity.
    pub fn credentials(&self) -> Arc<Credentials> {
        self.credentials.lock().clone()
    }

    /// Changes its identity. Takes PROCESS_TREE if it is another user's from now on.
    pub fn set_credentials(&self, new: Credentials) {
        if new.uid != self.credentials().uid {
            tree::lock().change_owner(self.tid(), new.uid);
        }
        let new = Arc::new(new);
        let old = core::mem::replace(&mut *self.credentials.lock(), new);
        drop(old);
    }

    /// Runs `f` with what a call with a path needs to know of the caller.
    pub fn with_caller<R>(&self, f: impl FnOnce(&Caller<'_>) -> R) -> R {
        let credentials = self.credentials();
        f(&self.fs().caller(&credentials, self.process.cgroup()))
    }

    /// Its name, NUL-padded.
    pub fn name(&self) -> [u8; NAME_SIZE] {
        *self.name.lock()
    }

    /// Sets its name, cut to 15 bytes.
    pub fn set_name(&self, name: &[u8]) {
        *self.name.lock() = padded_name(name);
    }

    /// The current thread, which this is, sleeps until its vfork child is done or it must end itself.
    pub(super) fn wait_for_vfork(&self, child: &Arc<VforkDone>) {
        // Before the first look at whether it must end: whoever decides that later finds it here.
        *self.vfork_child.lock() = Some(child.clone());
        child.wait();
        let child = self.vfork_child.lock().take();
        drop(child);
    }

    /// The thread must end: it need not wait for a vfork child any more. Never sleeps.
    pub(super) fn wake_from_vfork(&self) {
        let child = self.vfork_child.lock().clone();
        if let Some(child) = child {
            child.queue.wake_all(postern_sync::ANY_EVENT);
        }
    }

    /// Tells a parent in vfork that this thread no longer uses its memory.
    pub(super) fn finish_vfork(&self) {
        let waiting = self.vfork.lock().take();
        if let Some(waiting) = waiting {
            waiting.complete();
        }
    }
}

/// A name as `/proc/PID/comm` keeps it.
pub fn padded_name(name: &[u8]) -> [u8; NAME_SIZE] {
    let mut padded = [0; NAME_SIZE];
    let length = name.len().min(NAME_SIZE - 1);
    padded[..length].copy_from_slice(&name[..length]);
    padded
}
