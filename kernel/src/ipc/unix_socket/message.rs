//! What goes with the bytes of a message: who sent it, and open files.
//!
//! Owns the files that nobody will receive until they are dropped: one after the other and by one task at a time, however deep
//! they are nested (a socket with a socket under way in it …), so that the kernel's stack does not depend on what programs
//! build. Lock: OBJECT (spin) around that list. Sleeps where dropping a file does. Specification: unix(7) SCM_RIGHTS.

use crate::fs::open_file::OpenFile;
use crate::process;
use crate::sync::{SpinLock, rank};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Who sent a message (`struct ucred`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sender {
    /// Process, 0 if it was not recorded.
    pub pid: u32,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Sender {
    /// A sender that was not recorded, since neither side had asked for it (SO_PASSCRED) when the message was sent.
    pub const UNKNOWN: Self = Self { pid: 0, uid: 65534, gid: 65534 };

    /// The calling process with its real user and group: what a message says.
    pub fn current() -> Self {
        let current = process::current();
        let credentials = current.credentials();
        Self { pid: current.process().pid(), uid: credentials.uid, gid: credentials.gid }
    }

    /// The calling process with its effective user and group: what a connection says (SO_PEERCRED).
    pub fn current_effective() -> Self {
        let current = process::current();
        let credentials = current.credentials();
        Self { pid: current.process().pid(), uid: credentials.euid, gid: credentials.egid }
    }
}

/// Files on their way from one process to another (SCM_RIGHTS).
pub struct InFlight {
    files: Vec<Arc<OpenFile>>,
}

impl InFlight {
    /// These files.
    pub fn new(files: Vec<Arc<OpenFile>>) -> Self {
        Self { files }
    }

    /// The files.
    pub fn files(&self) -> &[Arc<OpenFile>] {
        &self.files
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        GRAVE.bury(core::mem::take(&mut self.files));
    }
}

/// Files that nobody has, and whether somebody drops them.
struct Buried {
    files: Vec<Arc<OpenFile>>,
    digging: bool,
}

struct Grave(SpinLock<Buried>);

static GRAVE: Grave = Grave(SpinLock::new(rank::OBJECT, Buried { files: Vec::new(), digging: false }));

impl Grave {
    /// Drops `files`, unless another call of this is at it further up on this stack, or elsewhere: that one does it then.
    fn bury(&self, mut files: Vec<Arc<OpenFile>>) {
        if files.is_empty() {
            return;
        }
        {
            let mut buried = self.0.lock();
            buried.files.append(&mut files);
            if core::mem::replace(&mut buried.digging, true) {
                return;
            }
        }
        while let Some(file) = self.next() {
            drop(file);
        }
    }

    fn next(&self) -> Option<Arc<OpenFile>> {
        let mut buried = self.0.lock();
        let next = buried.files.pop();
        buried.digging = next.is_some();
        next
    }
}
