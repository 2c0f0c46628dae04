//! Counting the ways of wake-ups along instances that watch instances, before there is one more.
//!
//! Owns nothing: whoever counts holds EPOLL_NESTING, and EPOLL of no instance, which this takes one at a time. Sleeps for that.
//! Specification: reverse_path_check in fs/eventpoll.c of Linux; the limits are in `postern_core::wake_paths`.

use super::Epoll;
use crate::fs::open_file::OpenFile;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use postern_core::errno::{Errno, Result};
use postern_core::wake_paths::WakePaths;

/// What has been counted so far. It keeps alive what it came by, so it is to be dropped without a lock.
pub(super) struct Survey {
    /// The ways up from an instance, itself included, by its address.
    ways: BTreeMap<usize, (Arc<Epoll>, WakePaths)>,
    /// Instances whose files are among `files`, by address.
    visited: BTreeMap<usize, Arc<Epoll>>,
    /// Files that are no instances.
    files: Vec<Arc<OpenFile>>,
}

impl Survey {
    pub(super) const fn new() -> Self {
        Self { ways: BTreeMap::new(), visited: BTreeMap::new(), files: Vec::new() }
    }

    /// Whether `watcher` may watch `file`, no instance, besides all that do. EINVAL.
    pub(super) fn check_one_more(&mut self, file: &OpenFile, watcher: Arc<Epoll>) -> Result<()> {
        let ways = self.ways_from_file(file).and(self.ways_from(watcher));
        if ways.are_allowed() { Ok(()) } else { Err(Errno::EINVAL) }
    }

    /// Whether all files that `instance` watches, directly or not, have as many ways as they may. EINVAL.
    pub(super) fn check_below(&mut self, instance: Arc<Epoll>) -> Result<()> {
        self.visit(instance);
        let files = core::mem::take(&mut self.files);
        let are_allowed = files.iter().all(|file| self.ways_from_file(file).are_allowed());
        self.files = files;
        if are_allowed { Ok(()) } else { Err(Errno::EINVAL) }
    }

    fn ways_from_file(&mut self, file: &OpenFile) -> WakePaths {
        let watchers = file.watched_by().instances();
        watchers.into_iter().fold(WakePaths::NONE, |ways, watcher| ways.and(self.ways_from(watcher)))
    }

    /// As deep as the longest chain, for there are no circles.
    fn ways_from(&mut self, instance: Arc<Epoll>) -> WakePaths {
        let address = Arc::as_ptr(&instance).addr();
        if let Some((_, ways)) = self.ways.get(&address) {
            return *ways;
        }
        let mut ways = WakePaths::NONE;
        for watcher in instance.watching() {
            ways = ways.and(self.ways_from(watcher).lengthened());
        }
        if ways == WakePaths::NONE {
            ways = WakePaths::LAST;
        }
        self.ways.insert(address, (instance, ways));
        ways
    }

    /// Gathers the files below an instance; as deep as the longest chain.
    fn visit(&mut self, instance: Arc<Epoll>) {
        let address = Arc::as_ptr(&instance).addr();
        if self.visited.contains_key(&address) {
            return;
        }
        let mut inner = Vec::new();
        for watch in instance.watches.lock().values() {
            match Epoll::from_ops(watch.item.ops()) {
                Some(epoll) => inner.push(epoll),
                // One that is being closed is not watched any more.
                None => self.files.extend(watch.file.upgrade()),
            }
        }
        self.visited.insert(address, instance);
        inner.into_iter().for_each(|epoll| self.visit(epoll));
    }
}
