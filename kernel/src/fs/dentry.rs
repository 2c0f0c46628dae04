//! Names in the tree: which file a name stands for, and where in the tree it is.
//!
//! A directory's entries keep their dentries alive; a dentry knows its directory only weakly, unless nobody else would keep
//! that directory (computed entries). So a file system is freed when its root is let go. A [`Location`] keeps a whole mount.
//! Locks: DENTRY (spin) around parent and name. Never sleeps. Specification: path_resolution(7), getcwd(2), proc_pid_fd(5).

use crate::fs::inode::{Inode, Node};
use crate::fs::live::{self, Live};
use crate::fs::mount::Mount;
use crate::sync::{SpinLock, rank};
use alloc::format;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use postern_core::errno::{Errno, Result};
use postern_core::path::PATH_MAX;
use postern_sync::Presence;

/// One component of a path.
pub type Name = Arc<[u8]>;

/// How a dentry knows the directory it is in.
enum Parent {
    /// Not in any directory: a root, or an object that has only descriptors.
    None,
    /// The directory's entries hold the dentry.
    Weak(Weak<Dentry>),
    /// The directory does not know of the dentry: it is made anew for each look-up.
    Strong(Arc<Dentry>),
}

struct Place {
    parent: Parent,
    name: Name,
    removed: bool,
}

/// A name for an inode.
pub struct Dentry {
    inode: Arc<Inode>,
    place: SpinLock<Place>,
    /// How many mounts cover it, so that path walks look into the mount table only where there is something.
    covers: Presence,
    _live: Live<{ live::DENTRIES }>,
}

impl Dentry {
    fn with_place(inode: Arc<Inode>, parent: Parent, name: Name) -> Arc<Self> {
        let place = Place { parent, name, removed: false };
        Arc::new(Self {
            inode,
            place: SpinLock::new(rank::DENTRY, place),
            covers: Presence::none(),
            _live: Live::new(),
        })
    }

    /// The root of a file system, or an object without a name.
    pub fn root(inode: Arc<Inode>) -> Arc<Self> {
        Self::with_place(inode, Parent::None, Arc::new([]))
    }

    /// An object outside the tree, called `name` in /proc/PID/fd.
    pub fn outside(inode: Arc<Inode>, name: Name) -> Arc<Self> {
        Self::with_place(inode, Parent::None, name)
    }

    /// An entry that `parent` is going to hold.
    pub fn held_by(parent: &Arc<Self>, name: Name, inode: Arc<Inode>) -> Arc<Self> {
        Self::with_place(inode, Parent::Weak(Arc::downgrade(parent)), name)
    }

    /// An entry that `parent` computed, and does not hold.
    pub fn computed_by(parent: &Arc<Self>, name: &[u8], inode: Arc<Inode>) -> Arc<Self> {
        Self::with_place(inode, Parent::Strong(parent.clone()), name.into())
    }

    /// The file.
    pub fn inode(&self) -> &Arc<Inode> {
        &self.inode
    }

    /// The directory it is (or was, once removed) in. `None` for roots, and when the directory is gone too.
    pub fn parent(&self) -> Option<Arc<Self>> {
        match &self.place.lock().parent {
            Parent::None => None,
            Parent::Weak(parent) => parent.upgrade(),
            Parent::Strong(parent) => Some(parent.clone()),
        }
    }

    /// The name in that directory.
    pub fn name(&self) -> Name {
        self.place.lock().name.clone()
    }

    /// Whether the name is gone.
    pub fn is_removed(&self) -> bool {
        self.place.lock().removed
    }

    /// The name is gone. The caller has taken it from its directory.
    pub fn mark_removed(&self) {
        self.place.lock().removed = true;
    }

    /// The name is now another one. The caller has changed the directories.
    pub fn moved_to(&self, parent: &Arc<Self>, name: Name) {
        let mut place = self.place.lock();
        let old = core::mem::replace(&mut place.parent, Parent::Weak(Arc::downgrade(parent)));
        place.name = name;
        drop(place);
        // Outside the lock: it may be the last reference.
        drop(old);
    }

    /// Whether something is mounted here (in some mount of this file system).
    pub fn is_covered(&self) -> bool {
        self.covers.any()
    }

    /// A mount was put here. Called with the mount table locked.
    pub fn cover(&self) {
        self.covers.add();
    }

    /// A mount was taken from here. Called with the mount table locked.
    pub fn uncover(&self) {
        self.covers.remove();
    }

    /// Whether `self` is `other` or lies below it, within one file system.
    pub fn is_within(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        let mut at = Some(self.clone());
        while let Some(dentry) = at {
            if Arc::ptr_eq(&dentry, other) {
                return true;
            }
            at = dentry.parent();
        }
        false
    }
}

/// A place in the tree of all mounts.
#[derive(Clone)]
pub struct Location {
    /// The mount.
    pub mount: Arc<Mount>,
    /// The name in its file system.
    pub dentry: Arc<Dentry>,
}

/// A path as text, and how far it is to be believed.
pub struct PathText {
    /// The path, from the root it was asked for.
    pub bytes: Vec<u8>,
    /// Whether that root is above it.
    pub reachable: bool,
    /// Whether the name is gone.
    pub removed: bool,
    /// Whether the beginning is missing, since the whole is longer than any call could use.
    pub cut: bool,
}

/// Bytes of a path after which its beginning is of no interest: no call takes or gives so long a one.
const LONGEST: usize = 2 * PATH_MAX;

impl PathText {
    /// The text as links in /proc show it.
    ///
    /// # Errors
    /// ENAMETOOLONG.
    pub fn for_proc(mut self) -> Result<Vec<u8>> {
        if self.cut {
            return Err(Errno::ENAMETOOLONG);
        }
        if self.removed {
            self.bytes.extend_from_slice(b" (deleted)");
        }
        Ok(self.bytes)
    }
}

impl Location {
    /// The file.
    pub fn inode(&self) -> &Arc<Inode> {
        self.dentry.inode()
    }

    /// Whether both are the same place.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.mount, &other.mount) && Arc::ptr_eq(&self.dentry, &other.dentry)
    }

    /// Another name in the same mount.
    pub fn with_dentry(&self, dentry: Arc<Dentry>) -> Self {
        Self { mount: self.mount.clone(), dentry }
    }

    /// The place this one's mount is mounted on, if it is the root of a mount.
    fn covered(&self) -> Option<Self> {
        if Arc::ptr_eq(&self.dentry, self.mount.root()) { self.mount.mounted_on() } else { None }
    }

    /// What `..` means here: the directory above, across mounts, but not above `root`.
    pub fn parent_below(&self, root: &Self) -> Self {
        let mut at = self.clone();
        while !at.is_same(root) {
            if let Some(covered) = at.covered() {
                at = covered;
                continue;
            }
            // The root of everything, or a directory whose parent is gone: stay.
            return match at.dentry.parent() {
                Some(parent) => at.with_dentry(parent).uncovered(),
                None => at,
            };
        }
        at
    }

    /// What a program sees here: the root of the mount that covers it, if any.
    pub fn uncovered(self) -> Self {
        let mut at = self;
        while at.dentry.is_covered() {
            match crate::fs::mount::covering(&at) {
                Some(mount) => at = mount.root_location(),
                None => break,
            }
        }
        at
    }

    /// The path from `root`.
    pub fn path_from(&self, root: &Self) -> PathText {
        let removed = self.dentry.is_removed();
        let mut components: Vec<Name> = Vec::new();
        let mut at = self.clone();
        let mut reachable = true;
        let mut length = 0;
        while !at.is_same(root) && length <= LONGEST {
            if let Some(covered) = at.covered() {
                at = covered;
            } else if let Some(parent) = at.dentry.parent() {
                let name = at.dentry.name();
                length += 1 + name.len();
                components.push(name);
                at = at.with_dentry(parent);
            } else if components.is_empty() && !Arc::ptr_eq(&at.dentry, at.mount.root()) {
                return PathText { bytes: object_name(&at.dentry), reachable: false, removed, cut: false };
            } else {
                reachable = false;
                break;
            }
        }
        let mut bytes = Vec::new();
        for name in components.iter().rev() {
            bytes.push(b'/');
            bytes.extend_from_slice(name);
        }
        if bytes.is_empty() {
            bytes.push(b'/');
        }
        PathText { bytes, reachable, removed, cut: length > LONGEST }
    }
}

/// The name of an object outside the tree, as /proc/PID/fd shows it.
fn object_name(dentry: &Dentry) -> Vec<u8> {
    let number = dentry.inode().number();
    match dentry.inode().node() {
        Node::Fifo(_) => format!("pipe:[{number}]").into_bytes(),
        Node::Socket(_) => format!("socket:[{number}]").into_bytes(),
        Node::Anonymous(name) => format!("anon_inode:[{name}]").into_bytes(),
        _ => dentry.name().to_vec(),
    }
}
