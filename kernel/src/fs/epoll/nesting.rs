//! Instances that watch instances: no circles, no long chains and not too many ways, for wake-ups and looks go along them.
//!
//! Owns nothing but the lock: EPOLL_NESTING (sleeping), held while such a watch is added, or one to an instance that is watched.
//! Sleeps in that and in EPOLL. Specification: epoll_ctl(2) ELOOP; ep_loop_check and reverse_path_check in fs/eventpoll.c of Linux.

use super::survey::Survey;
use super::{Epoll, Event, Key};
use crate::fs::open_file::OpenFile;
use crate::sync::{Mutex, rank};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use postern_core::errno::{Errno, Result};
use postern_core::wake_paths::LONGEST;

static NESTING: Mutex<()> = Mutex::new(rank::EPOLL_NESTING, ());

impl Epoll {
    /// `add` for a file that is an instance itself.
    pub(super) fn add_instance(&self, file: &Arc<OpenFile>, key: Key, event: Event, inner: &Arc<Self>) -> Result<()> {
        // Before the lock, to be dropped after it.
        let mut survey = Survey::new();
        let _nesting = NESTING.lock();
        let me = self.me.upgrade().ok_or(Errno::EBADF)?;
        let below = longest(inner, Self::watched, &mut BTreeMap::new(), Some(&me))?;
        let above = longest(&me, Self::watching, &mut BTreeMap::new(), None)?;
        if below + above > LONGEST {
            return Err(Errno::ELOOP);
        }
        self.check_is_new(key)?;
        inner.add_watcher(&me)?;
        let may_be = survey.check_below(inner.clone());
        let added = may_be.and_then(|()| self.insert(self.watches.lock(), file, key, event));
        added.inspect_err(|_| inner.remove_watcher(self))
    }

    /// `add` for a file that is none, to an instance that others watch.
    pub(super) fn add_below_others(&self, file: &Arc<OpenFile>, key: Key, event: Event) -> Result<()> {
        // As above.
        let mut survey = Survey::new();
        let _nesting = NESTING.lock();
        self.check_is_new(key)?;
        survey.check_one_more(file, self.me.upgrade().ok_or(Errno::EBADF)?)?;
        self.insert(self.watches.lock(), file, key, event)
    }

    /// EEXIST, which comes before the number of ways.
    fn check_is_new(&self, key: Key) -> Result<()> {
        if self.watches.lock().contains_key(&key) { Err(Errno::EEXIST) } else { Ok(()) }
    }

    /// Whether an instance watches this one.
    pub(super) fn is_watched(&self) -> bool {
        self.watchers.lock().iter().any(|watcher| watcher.strong_count() != 0)
    }

    fn add_watcher(&self, watcher: &Arc<Self>) -> Result<()> {
        let mut watchers = self.watchers.lock();
        watchers.retain(|watcher| watcher.strong_count() != 0);
        watchers.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        watchers.push(Arc::downgrade(watcher));
        Ok(())
    }

    /// Takes one entry of `watcher` back.
    pub(super) fn remove_watcher(&self, watcher: &Self) {
        let mut watchers = self.watchers.lock();
        if let Some(place) = watchers.iter().position(|other| other.ptr_eq(&watcher.me)) {
            watchers.swap_remove(place);
        }
    }

    /// The instances that this one watches.
    fn watched(&self) -> Vec<Arc<Self>> {
        self.watches.lock().values().filter_map(|watch| Self::from_ops(watch.item.ops())).collect()
    }

    /// The instances that watch this one.
    pub(super) fn watching(&self) -> Vec<Arc<Self>> {
        self.watchers.lock().iter().filter_map(alloc::sync::Weak::upgrade).collect()
    }
}

/// How many instances the longest chain from `start` on has, itself included. ELOOP if `forbidden` is in one, or it is too long.
fn longest(
    start: &Arc<Epoll>,
    next: fn(&Epoll) -> Vec<Arc<Epoll>>,
    known: &mut BTreeMap<usize, usize>,
    forbidden: Option<&Arc<Epoll>>,
) -> Result<usize> {
    let address = Arc::as_ptr(start).addr();
    if let Some(length) = known.get(&address) {
        return Ok(*length);
    }
    if forbidden.is_some_and(|forbidden| Arc::ptr_eq(start, forbidden)) {
        return Err(Errno::ELOOP);
    }
    let mut length = 1;
    for other in next(start) {
        length = length.max(1 + longest(&other, next, known, forbidden)?);
    }
    known.insert(address, length);
    Ok(length)
}
