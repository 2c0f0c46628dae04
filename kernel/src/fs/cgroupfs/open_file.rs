//! An open file of a control group: text as in procfs, ENODEV once the group is gone, POLLPRI when it has changed.
//!
//! Owns which change was last read. No locks of its own. Sleeps for the text and for what writing does.
//! Specification: kernfs_fop_open, kernfs_fop_write_iter, kernfs_generic_poll in fs/kernfs/file.c of Linux; cgroup-v2.rst.

use super::files::{File, Write};
use crate::fs::file::{Direction, FileOps, Io, Readiness, Seeking};
use crate::fs::procfs::text::{Text, TextFile, TextSource};
use crate::fs::special::{OpenRequest, Openable, Opened};
use crate::mm::user::{Sink, Source};
use crate::process::Credentials;
use crate::process::cgroup::{self, Cgroup, CgroupId, Watch};
use crate::sync::WaitQueue;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};
use postern_core::errno::{Errno, Result};

/// A file of a group, to be opened.
pub(super) struct GroupFile {
    pub(super) id: CgroupId,
    pub(super) file: &'static File,
}

impl Openable for GroupFile {
    fn open(&self, request: &OpenRequest<'_>) -> Result<Opened> {
        let group = cgroup::find(self.id)?;
        let shown = Arc::new(Shown { group, file: self.file, seen: AtomicU64::new(Watch::UNSEEN) });
        let credentials = request.credentials.clone();
        Ok(Opened::plain(Arc::new(OpenGroupFile { text: TextFile::new(shown.clone()), shown, credentials })))
    }
}

/// The text, and what of it was seen.
struct Shown {
    group: Arc<Cgroup>,
    file: &'static File,
    /// The number of the last change that is in the text.
    seen: AtomicU64,
}

impl Shown {
    fn changes(&self) -> u64 {
        self.file.watch.map_or(Watch::UNSEEN + 1, |watch| watch(&self.group).changes())
    }
}

impl TextSource for Shown {
    fn show(&self, text: &mut Text) -> Result<()> {
        // Before the text is made: a change meanwhile counts as not seen.
        let changes = self.changes();
        (self.file.show)(&self.group, text)?;
        self.seen.store(changes, Ordering::Relaxed);
        Ok(())
    }
}

struct OpenGroupFile {
    shown: Arc<Shown>,
    text: TextFile,
    credentials: Credentials,
}

impl OpenGroupFile {
    fn check_alive(&self) -> Result<()> {
        if self.shown.group.is_alive() { Ok(()) } else { Err(Errno::ENODEV) }
    }
}

impl FileOps for OpenGroupFile {
    fn seeking(&self) -> Seeking {
        Seeking::Position
    }

    fn try_read(&self, io: &Io, sink: &mut Sink<'_>) -> Result<usize> {
        self.check_alive()?;
        self.text.try_read(io, sink)
    }

    fn try_write(&self, _: &Io, source: &mut Source<'_>) -> Result<usize> {
        const LONGEST: usize = 4096;
        if source.remaining() > LONGEST {
            return Err(Errno::E2BIG);
        }
        let mut bytes = alloc::vec![0; source.remaining()];
        let taken = source.copy_to_slice(&mut bytes)?;
        self.check_alive()?;
        let Shown { group, file, .. } = &*self.shown;
        (file.store)(&Write { group, credentials: &self.credentials, text: bytes[..taken].trim_ascii() })?;
        Ok(taken)
    }

    fn readiness(&self) -> Readiness {
        let calm = Readiness::READABLE | Readiness::WRITABLE;
        let has_news = self.shown.changes() != self.shown.seen.load(Ordering::Relaxed);
        if has_news || !self.shown.group.is_alive() { calm | Readiness::PRI | Readiness::ERR } else { calm }
    }

    fn wait_queue(&self, direction: Direction) -> Option<&WaitQueue> {
        let watch = self.shown.file.watch.filter(|_| direction == Direction::Read)?;
        Some(watch(&self.shown.group).queue())
    }
}
