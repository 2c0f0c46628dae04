//! The computed symbolic links of procfs: self, thread-self, exe, cwd, root, fd/N.
//!
//! Owns nothing; they ask when they are read or followed. Locks: those of whoever is asked. Specification: proc(5).

use crate::fs::dentry::Location;
use crate::fs::inode::{Destination, MagicLink, Node};
use crate::fs::kernel_tree;
use crate::fs::permission;
use crate::fs::procfs::process_view::{self, ProcessView};
use crate::process::Credentials;
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use postern_core::errno::{Errno, Result};

/// Enters the links of /proc itself.
///
/// # Errors
/// EEXIST.
pub fn init() -> Result<()> {
    let entries = [("self", OwnLink::Process), ("thread-self", OwnLink::Thread)];
    for (name, link) in entries {
        kernel_tree::add(super::instance(), name, Node::MagicLink(Box::new(link)), 0o777)?;
    }
    kernel_tree::add(super::instance(), "mounts", Node::Symlink(b"self/mounts".as_slice().into()), 0o777)
}

/// A link to whoever reads it.
enum OwnLink {
    Process,
    Thread,
}

impl OwnLink {
    fn path(&self) -> Result<Vec<u8>> {
        let (pid, tid) = process_view::processes()?.current();
        let path = match self {
            Self::Process => format!("{pid}"),
            Self::Thread => format!("{pid}/task/{tid}"),
        };
        Ok(path.into_bytes())
    }
}

impl MagicLink for OwnLink {
    fn text(&self, _: &Credentials, _: &Location) -> Result<Vec<u8>> {
        self.path()
    }

    fn follow(&self, _: &Credentials) -> Result<Destination> {
        self.path().map(Destination::Path)
    }
}

/// What a link of a process leads to.
#[derive(Clone, Copy)]
pub enum Target {
    /// The file it executes.
    Executable,
    /// Its working directory.
    WorkingDirectory,
    /// Its root directory.
    Root,
    /// What one of its descriptors stands for.
    Descriptor(i32),
}

/// A link of a process.
pub struct ProcessLink {
    /// Whose.
    pub pid: u32,
    /// To what.
    pub target: Target,
}

/// Checks that the caller may look into the process (Linux's PTRACE_MODE_READ).
///
/// # Errors
/// EACCES.
pub fn check_inspect(view: &dyn ProcessView, credentials: &Credentials) -> Result<()> {
    let snapshot = view.snapshot();
    // Real, effective and saved must be the inspector's.
    let same_user = snapshot.uids[..3].iter().all(|&uid| uid == credentials.fsuid);
    let same_group = snapshot.gids[..3].iter().all(|&gid| gid == credentials.fsgid);
    if (same_user && same_group) || permission::is_privileged(credentials) { Ok(()) } else { Err(Errno::EACCES) }
}

impl ProcessLink {
    fn place(&self, credentials: &Credentials) -> Result<Location> {
        let view = process_view::find(self.pid)?;
        check_inspect(&*view, credentials)?;
        let place = match self.target {
            Target::Executable => view.executable(),
            Target::WorkingDirectory => view.fs().map(|fs| fs.cwd()),
            Target::Root => view.fs().map(|fs| fs.root()),
            Target::Descriptor(fd) => {
                let file = view.files().and_then(|files| files.get(fd).ok());
                file.map(|file| file.location().clone())
            }
        };
        place.ok_or(Errno::ENOENT)
    }
}

impl MagicLink for ProcessLink {
    fn text(&self, credentials: &Credentials, root: &Location) -> Result<Vec<u8>> {
        self.place(credentials)?.path_from(root).for_proc()
    }

    fn follow(&self, credentials: &Credentials) -> Result<Destination> {
        self.place(credentials).map(Destination::Place)
    }
}
