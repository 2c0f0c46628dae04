//! signalfd: a descriptor that gives the signals of whoever reads it.
//!
//! Owns the set. No locks of its own; SIGNALS through `arrivals`. Sleeps in user copies only. A signal whose record cannot
//! be written is lost, as on Linux. Specification: signalfd(2); fs/signalfd.c of Linux 6.12.

use super::arrivals;
use crate::fs::anonymous::{self, Kind};
use crate::fs::file::{Direction, FileOps, Io, Readiness};
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::fs::open_file::OpenFile;
use crate::fs::procfs::text::{Text, put};
use crate::fs::splice::Batch;
use crate::mm::heap;
use crate::mm::user::Sink;
use crate::process::Credentials;
use crate::sync::WaitQueue;
use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::{AtomicU64, Ordering};
use postern_core::errno::{Errno, Result};
use postern_core::signal_record::{RECORD_SIZE, record_of};
use postern_core::signal_set::SignalSet;

/// A set of signals behind a descriptor.
pub struct SignalFd {
    /// Relaxed: it stands for itself. Who waits is woken after a change.
    set: AtomicU64,
}

impl SignalFd {
    /// signalfd4(2) for a new descriptor. `flags` may hold NONBLOCK.
    ///
    /// # Errors
    /// ENOMEM, ENOSPC.
    pub fn open(set: SignalSet, flags: OpenFlags, credentials: &Credentials) -> Result<Arc<OpenFile>> {
        heap::admit(size_of::<Self>())?;
        let place = anonymous::place(Kind::Other("signalfd"), credentials)?;
        let ops = Arc::new(Self { set: AtomicU64::new(set.blockable().bits()) });
        Ok(anonymous::open(ops, place, AccessMode::READ_WRITE, flags))
    }

    /// The set behind a file.
    ///
    /// # Errors
    /// EINVAL: there is none.
    pub fn behind(file: &OpenFile) -> Result<Arc<Self>> {
        let ops: Arc<dyn Any + Send + Sync> = file.ops().clone();
        ops.downcast().map_err(|_| file.unfit(Errno::EINVAL))
    }

    /// Replaces the set, for all who share it.
    pub fn set(&self, set: SignalSet) {
        self.set.store(set.blockable().bits(), Ordering::Relaxed);
        // Something of the new one may be pending already.
        arrivals::tell_current();
    }

    fn wanted(&self) -> SignalSet {
        SignalSet::from_bits(self.set.load(Ordering::Relaxed))
    }
}

impl FileOps for SignalFd {
    /// What it says is read, not moved by pages: as on Linux.
    fn takes_splices(&self) -> bool {
        false
    }

    fn try_splice_out(&self, _: &Io, _: usize, _: &mut Batch) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    fn describe(&self, text: &mut Text) {
        put!(text, "sigmask:\t{:016x}\n", self.wanted().bits());
    }

    fn try_read(&self, _: &Io, sink: &mut Sink<'_>) -> Result<usize> {
        if sink.remaining() < RECORD_SIZE {
            return Err(Errno::EINVAL);
        }
        let mut told = 0;
        while sink.remaining() >= RECORD_SIZE
            && let Some(info) = arrivals::take(self.wanted())
        {
            if !matches!(sink.copy_from_slice(&record_of(&info.to_bytes())), Ok(RECORD_SIZE)) {
                return if told == 0 { Err(Errno::EFAULT) } else { Ok(told) };
            }
            told += RECORD_SIZE;
        }
        if told == 0 { Err(Errno::EAGAIN) } else { Ok(told) }
    }

    /// For whoever asks: the current thread.
    fn readiness(&self) -> Readiness {
        if arrivals::is_any_pending(self.wanted()) { Readiness::IN } else { Readiness::empty() }
    }

    fn wait_queue(&self, direction: Direction) -> Option<&WaitQueue> {
        match direction {
            Direction::Read => Some(arrivals::queue()),
            Direction::Write => None,
        }
    }
}
