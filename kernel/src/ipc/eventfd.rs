//! eventfd: a counter that can be waited for.
//!
//! Owns the counter. Lock: EVENTFD (sleeping), held over the user copy of the eight bytes, so that a fault changes nothing.
//! Sleeps in that lock and copy only. Specification: eventfd(2).

use crate::fs::anonymous::{self, Kind};
use crate::fs::file::{Direction, FileOps, Io, Readiness};
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::fs::open_file::OpenFile;
use crate::fs::procfs::text::{Text, put};
use crate::fs::splice::Batch;
use crate::mm::Frame;
use crate::mm::heap;
use crate::mm::user::{Sink, Source};
use crate::process::Credentials;
use crate::sync::{Mutex, WaitQueue, rank};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use postern_core::errno::{Errno, Result};
use postern_core::page_ring::Offer;

/// The largest value that the counter takes by writing.
const MAX: u64 = u64::MAX - 1;
const WORD: usize = size_of::<u64>();

/// What a read takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Take {
    /// The whole count.
    Everything,
    /// One (EFD_SEMAPHORE).
    One,
}

/// The next one's number. Relaxed: it only tells them apart.
static NEXT_ID: AtomicU32 = AtomicU32::new(1);

struct EventFd {
    /// By which /proc tells which descriptors, of whatever processes, stand for the same.
    id: u32,
    /// Held by whoever changes the count.
    changing: Mutex<()>,
    count: AtomicU64,
    take: Take,
    readers: WaitQueue,
    writers: WaitQueue,
}

impl EventFd {
    // Relaxed throughout: changes are ordered by the mutex, looks without it by the wait queues' fences.

    fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    fn set_count(&self, count: u64) {
        self.count.store(count, Ordering::Relaxed);
    }

    /// Adds the further words of a vector, as far as it goes; how many bytes.
    #[cold]
    fn add_rest(&self, source: &mut Source<'_>) -> usize {
        let mut written = 0;
        while source.remaining() > 0
            && let Ok(bytes) = self.try_add(source)
        {
            written += bytes;
        }
        written
    }

    /// Adds the next word of a write.
    #[inline(always)]
    fn try_add(&self, source: &mut Source<'_>) -> Result<usize> {
        // Neither less nor more: so says Linux since 6.9.
        if source.next_part() != WORD {
            return Err(Errno::EINVAL);
        }
        let start = source.position();
        let changing = self.changing.lock();
        let mut bytes = [0; WORD];
        if source.copy_to_slice(&mut bytes)? < WORD {
            return Err(Errno::EFAULT);
        }
        let added = u64::from_ne_bytes(bytes);
        if added == u64::MAX {
            return Err(Errno::EINVAL);
        }
        let count = self.count();
        if added > MAX - count {
            // The attempt is made again when there is room.
            source.return_to(start);
            return Err(Errno::EAGAIN);
        }
        self.set_count(count + added);
        drop(changing);
        self.readers.wake_one(Readiness::READABLE.bits());
        Ok(WORD)
    }
}

impl FileOps for EventFd {
    /// What it says is read, not moved by pages: as on Linux.
    fn try_splice_out(&self, _: &Io, _: usize, _: &mut Batch) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    fn takes_splices(&self) -> bool {
        false
    }

    fn try_splice_in(&self, _: &Io, _: &mut Offer<'_, Frame>) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    #[inline(always)]
    fn has_nothing(&self, sink: &Sink<'_>) -> bool {
        self.count() == 0 && sink.remaining() >= WORD
    }

    #[inline(always)]
    fn try_read(&self, _: &Io, sink: &mut Sink<'_>) -> Result<usize> {
        if sink.remaining() < WORD {
            return Err(Errno::EINVAL);
        }
        let changing = self.changing.lock();
        let count = self.count();
        let taken = match self.take {
            _ if count == 0 => return Err(Errno::EAGAIN),
            Take::Everything => count,
            Take::One => 1,
        };
        if sink.copy_from_slice(&taken.to_ne_bytes())? < WORD {
            return Err(Errno::EFAULT);
        }
        self.set_count(count - taken);
        drop(changing);
        // All: how much room each of them waits for is its own affair.
        self.writers.wake_all(Readiness::WRITABLE.bits());
        Ok(WORD)
    }

    /// Each part of what writev offers is a write of its own.
    fn try_write(&self, _: &Io, source: &mut Source<'_>) -> Result<usize> {
        let written = self.try_add(source)?;
        Ok(if source.remaining() == 0 { written } else { written + self.add_rest(source) })
    }

    fn describe(&self, text: &mut Text) {
        let is_semaphore = u8::from(self.take == Take::One);
        put!(text, "eventfd-count: {:16x}\neventfd-id: {}\neventfd-semaphore: {is_semaphore}\n", self.count(), self.id);
    }

    fn readiness(&self) -> Readiness {
        let count = self.count();
        let mut readiness = Readiness::empty();
        readiness.set(Readiness::IN, count > 0);
        readiness.set(Readiness::OUT, count < MAX);
        readiness
    }

    fn wait_queue(&self, direction: Direction) -> Option<&WaitQueue> {
        Some(match direction {
            Direction::Read => &self.readers,
            Direction::Write => &self.writers,
        })
    }
}

/// eventfd2(2): a counter that starts at `initial`. `flags` may hold NONBLOCK.
///
/// # Errors
/// ENOMEM, ENOSPC.
pub fn eventfd(initial: u32, take: Take, flags: OpenFlags, credentials: &Credentials) -> Result<Arc<OpenFile>> {
    heap::admit(size_of::<EventFd>())?;
    let place = anonymous::place(Kind::Other("eventfd"), credentials)?;
    let ops = Arc::new(EventFd {
        id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
        changing: Mutex::new(rank::EVENTFD, ()),
        count: AtomicU64::new(initial.into()),
        take,
        readers: WaitQueue::new(),
        writers: WaitQueue::new(),
    });
    Ok(anonymous::open(ops, place, AccessMode::READ_WRITE, flags))
}
