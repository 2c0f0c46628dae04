//! What a process brings to a path: root, working directory, umask; and all of it together with its credentials for one call.
//!
//! Owns the first three, shared by CLONE_FS. Lock: FS_CONTEXT (spin). Never sleeps.
//! Specification: chroot(2), chdir(2), umask(2), clone(2).

use crate::fs::dentry::Location;
use crate::process::Credentials;
use crate::sync::{SpinLock, rank};
use alloc::sync::Arc;

#[derive(Clone)]
struct State {
    root: Location,
    cwd: Location,
    umask: u32,
}

/// A process's view of the tree.
pub struct FsContext {
    state: SpinLock<State>,
}

impl FsContext {
    /// The view of a first process: everything from `root`, and there, with umask 022.
    pub fn at(root: Location) -> Arc<Self> {
        const DEFAULT_UMASK: u32 = 0o022;
        Self::with(State { cwd: root.clone(), root, umask: DEFAULT_UMASK })
    }

    fn with(state: State) -> Arc<Self> {
        Arc::new(Self { state: SpinLock::new(rank::FS_CONTEXT, state) })
    }

    /// A view of its own for a child without CLONE_FS.
    pub fn fork_copy(&self) -> Arc<Self> {
        let state = self.state.lock().clone();
        Self::with(state)
    }

    /// The root directory.
    pub fn root(&self) -> Location {
        self.state.lock().root.clone()
    }

    /// The working directory.
    pub fn cwd(&self) -> Location {
        self.state.lock().cwd.clone()
    }

    /// Permission bits that new files do not get.
    pub fn umask(&self) -> u32 {
        self.state.lock().umask
    }

    /// A new umask, of which only 0o777 counts; the old one.
    pub fn set_umask(&self, umask: u32) -> u32 {
        core::mem::replace(&mut self.state.lock().umask, umask & 0o777)
    }

    /// A new working directory.
    pub fn set_cwd(&self, cwd: Location) {
        let old = core::mem::replace(&mut self.state.lock().cwd, cwd);
        // Outside the lock, which the statement above has dropped: it may be the last user of a file system.
        drop(old);
    }

    /// A new root directory.
    pub fn set_root(&self, root: Location) {
        let old = core::mem::replace(&mut self.state.lock().root, root);
        drop(old);
    }

    /// Where root or working directory is `old` it is `new` from now on.
    pub fn replace(&self, old: &Location, new: &Location) {
        let mut state = self.state.lock();
        let State { root, cwd, .. } = &mut *state;
        let places = [root, cwd].map(|place| place.is_same(old).then(|| core::mem::replace(place, new.clone())));
        drop(state);
        drop(places);
    }

    /// A process's view for one call.
    pub fn caller<'a>(&self, credentials: &'a Credentials, cgroup: u64) -> Caller<'a> {
        let State { root, cwd, umask } = self.state.lock().clone();
        Caller { credentials, cgroup, root, cwd, umask }
    }
}

/// Who makes a call with a path, and from where.
pub struct Caller<'a> {
    /// Who.
    pub credentials: &'a Credentials,
    /// The control group's id, for drivers.
    pub cgroup: u64,
    /// Where absolute paths start, and `..` ends.
    pub root: Location,
    /// Where relative paths start.
    pub cwd: Location,
    /// Permission bits that new files do not get.
    pub umask: u32,
}
