//! What goes with the bytes of a message: who sent it, and open files.
//!
//! Owns the files that nobody will receive until they are dropped: one after the other and by one task at a time, however deep
//! they are nested (a socket with a socket under way in it …), so that the kernel's stack does not depend on what programs
//! build. Lock: OBJECT (spin) around that list. Sleeps where dropping a file does. Specification: unix(7) SCM_RIGHTS.

use crate::fs::open_file::OpenFile;
use crate::process;
use crate::sync::{SpinLock, rank};
use alloc::boxed::Box;
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
    /// `None` once they are buried.
    batch: Option<Box<Batch>>,
}

/// The files of a message; a link of the list of those that nobody will receive, so that burying them takes no memory.
struct Batch {
    files: Vec<Arc<OpenFile>>,
    next: Option<Box<Self>>,
}

impl InFlight {
    /// These files.
    pub fn new(files: Vec<Arc<OpenFile>>) -> Self {
        Self { batch: Some(Box::new(Batch { files, next: None })) }
    }

    /// The files.
    pub fn files(&self) -> &[Arc<OpenFile>] {
        self.batch.as_ref().map_or(&[], |batch| &batch.files)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(batch) = self.batch.take() {
            GRAVE.bury(batch);
        }
    }
}

/// Files that nobody has, and whether somebody drops them.
struct Buried {
    first: Option<Box<Batch>>,
    digging: bool,
}

struct Grave(SpinLock<Buried>);

static GRAVE: Grave = Grave(SpinLock::new(rank::OBJECT, Buried { first: None, digging: false }));

impl Grave {
    /// Drops the files, unless another call of this is at it further up on this stack, or elsewhere: that one does it then.
    fn bury(&self, mut batch: Box<Batch>) {
        {
            let mut buried = self.0.lock();
            batch.next = buried.first.take();
            buried.first = Some(batch);
            if core::mem::replace(&mut buried.digging, true) {
                return;
            }
        }
        while let Some(batch) = self.next() {
            drop(batch);
        }
    }

    fn next(&self) -> Option<Box<Batch>> {
        let mut buried = self.0.lock();
        let mut first = buried.first.take();
        buried.first = first.as_mut().and_then(|first| first.next.take());
        buried.digging = first.is_some();
        first
    }
}
