//! What goes with the bytes of a message besides who sent it: open files, and what a datagram leaves with its sender.
//!
//! Owns the counts of files under way by user, and the files that nobody will receive until they are dropped: one after the other
//! and by one task at a time, however deep they are nested (a socket with a socket under way in it …), so that the kernel's stack
//! does not depend on what programs build. Locks: OBJECT (spin) around each of the two; SOCKET (sleeping) of a sender's direction,
//! to give back what a datagram was charged. Sleeps for that, and where dropping a file does. Specification: unix(7) SCM_RIGHTS.

use super::channel::Channel;
use super::collector;
use super::name::{Identity, Name};
use crate::fs::file::Readiness;
use crate::fs::open_file::OpenFile;
use crate::process::Credentials;
use crate::sync::{SpinLock, rank};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::sync::Arc;
use alloc::vec::Vec;
use postern_core::effects::{Wake, Wakes};
use postern_core::errno::{Errno, Result};

/// What goes with a message. Over a connection only files do; with a datagram, where it comes from.
pub struct Parcel {
    pub(super) files: Option<InFlight>,
    origin: Option<Arc<Identity>>,
    /// Given back when the parcel is dropped.
    _charge: Option<Charge>,
}

impl Parcel {
    /// Files, over a connection.
    pub(super) fn of_files(files: InFlight) -> Self {
        Self { files: Some(files), origin: None, _charge: None }
    }

    /// With a datagram.
    pub(super) fn datagram(files: Option<InFlight>, origin: Arc<Identity>, charge: Charge) -> Self {
        Self { files, origin: Some(origin), _charge: Some(charge) }
    }

    /// The files.
    pub fn files(&self) -> Option<&InFlight> {
        self.files.as_ref()
    }

    /// The files alone.
    pub(super) fn into_files(self) -> Option<InFlight> {
        self.files
    }

    /// The name that the sender of a datagram has by now.
    pub fn origin_name(&self) -> Option<Name> {
        self.origin.as_ref().and_then(|origin| origin.name())
    }
}

/// What a datagram that was not received costs its sender.
pub(super) struct Charge {
    outgoing: Arc<Channel>,
    cost: usize,
}

impl Charge {
    /// What `outgoing` was charged.
    pub(super) fn new(outgoing: Arc<Channel>, cost: usize) -> Self {
        Self { outgoing, cost }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.outgoing.set(|queue| queue.refund(self.cost));
        if self.outgoing.readiness().intersects(Readiness::WRITABLE) {
            self.outgoing.wake_for_edges(Wakes { writers: Wake::One, ..Wakes::NONE });
        }
    }
}

/// Files under way, by the user who sent them.
static COUNTS: SpinLock<BTreeMap<u32, usize>> = SpinLock::new(rank::OBJECT, BTreeMap::new());

/// Files on their way from one process to another (SCM_RIGHTS).
pub struct InFlight {
    /// `None` once they are buried.
    batch: Option<Box<Batch>>,
    /// Where the sockets among them stand in the register while they are in a queue.
    pub(super) post: Option<u64>,
    /// Who is charged for them.
    owner: u32,
}

/// The files of a message; a link of the list of those that nobody will receive, so that burying them takes no memory.
struct Batch {
    files: Vec<Arc<OpenFile>>,
    next: Option<Box<Self>>,
}

impl InFlight {
    /// These files, on behalf of `credentials`, who may have `limit` files under way (RLIMIT_NOFILE).
    ///
    /// # Errors
    /// ETOOMANYREFS: more are under way, and the user is not privileged.
    pub fn new(files: Vec<Arc<OpenFile>>, credentials: &Credentials, limit: usize) -> Result<Self> {
        let owner = credentials.uid;
        {
            let mut counts = COUNTS.lock();
            let count = counts.entry(owner).or_insert(0);
            if *count > limit && !credentials.is_privileged() {
                return Err(Errno::ETOOMANYREFS);
            }
            *count += files.len();
        }
        Ok(Self { batch: Some(Box::new(Batch { files, next: None })), post: None, owner })
    }

    /// The files.
    pub fn files(&self) -> &[Arc<OpenFile>] {
        self.batch.as_ref().map_or(&[], |batch| &batch.files)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        collector::withdraw_files(self);
        if let Some(batch) = self.batch.take() {
            let mut counts = COUNTS.lock();
            if let Entry::Occupied(mut count) = counts.entry(self.owner) {
                *count.get_mut() -= batch.files.len();
                if *count.get() == 0 {
                    count.remove();
                }
            }
            drop(counts);
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
            let suspects = collector::survivors(&batch.files);
            drop(batch);
            collector::collect(&suspects);
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
