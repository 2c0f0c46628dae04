//! A pipe's rules: who may read and write, how much, and whom that wakes.
//!
//! Owns: the ring and the counts of both ends. The caller holds its (sleeping) mutex around every call, and
//! brings the copies, which may fault and sleep, as closures. No locks, never sleeps. Also the state under FIFOs and `/dev/hello`.
//! Specification: pipe(7), fifo(7), fcntl(2) `F_SETPIPE_SZ`; fs/pipe.c of Linux 6.12.

use crate::effects::{Step, Wake, Wakes};
use crate::errno::{Errno, Result};
use crate::page_ring::{Framing, PAGE_SIZE, PageRing, Party, Recycle, Sink, Source, WriteRoom, WriteStep};

pub use crate::page_ring::Through;
pub use shape::{Detour, Shape, WriterOpens};
pub use splice::{Crossing, Moved, Refusal};

/// A write of at most so many bytes goes in whole or not at all.
pub const PIPE_BUF: usize = PAGE_SIZE;
/// Slots of a new pipe.
pub const DEFAULT_CAPACITY_SLOTS: usize = 16;
/// What an unprivileged `F_SETPIPE_SZ` may ask for unless `/proc/sys/fs/pipe-max-size` says otherwise.
pub const DEFAULT_SIZE_LIMIT_BYTES: usize = 1 << 20;
/// The largest size `F_SETPIPE_SZ` understands.
const SIZE_MAX_BYTES: usize = 1 << 31;
/// The largest size that there can be: 65,536 slots are the most of which Linux gets the ring from `kcalloc`.
pub const LARGEST_SIZE_BYTES: usize = 65_536 * PAGE_SIZE;

/// One of the two ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The end that is read from.
    Read,
    /// The end that is written to.
    Write,
}

/// What an opener remembers: how often the other end had been opened when it came.
///
/// So a peer that opened and closed again meanwhile still counts as having come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenTicket {
    end: End,
    peer_opens: u32,
}

/// One end's openers.
#[derive(Default)]
struct Openers {
    /// How many descriptions have it open now.
    open: u32,
    /// How often it was ever opened; wraps.
    opens: u32,
}

/// A pipe; `P` is whatever owns one page.
pub struct PipeState<P> {
    ring: PageRing<P>,
    readers: Openers,
    writers: Openers,
    /// Somebody polls, perhaps edge-triggered, and so wants to hear of every write.
    has_pollers: bool,
}

/// What one range of a page gave a reader.
struct Chunk {
    bytes: usize,
    is_packet: bool,
}

impl<P> PipeState<P> {
    /// An empty pipe which nobody has open.
    ///
    /// # Errors
    /// `EINVAL` unless `capacity_slots` is a power of two; `ENOMEM`.
    pub fn try_new(capacity_slots: usize, recycle: Recycle) -> Result<Self> {
        Ok(Self {
            ring: PageRing::try_new(capacity_slots, recycle)?,
            readers: Openers::default(),
            writers: Openers::default(),
            has_pollers: false,
        })
    }

    /// Writes up to `len` bytes: all of them if `len` is at most [`PIPE_BUF`], else as many as there is room for.
    ///
    /// `allocate` brings a page when the pipe has none to spare. A range that `source`
    /// cannot fill completely is not published at all, so a fault neither loses nor doubles a byte.
    ///
    /// # Errors
    /// `EPIPE` without a reader (the caller sends SIGPIPE). When not one byte went in: `EAGAIN` (no room, or writers are held
    /// back: wait or give up), `EFAULT`, or what `allocate` failed with. An empty write succeeds always.
    #[inline(always)]
    pub fn try_write(
        &mut self,
        len: usize,
        framing: Framing,
        mut allocate: impl FnMut() -> Result<P>,
        source: &mut impl Source<P>,
    ) -> Result<Step> {
        if len == 0 {
            return Ok(Step::new(0, Wakes::NONE));
        }
        if self.readers.open == 0 {
            return Err(Errno::EPIPE);
        }
        let readers = Wake::one_if(self.ring.is_empty() || self.has_pollers);
        let written = if framing == Framing::Stream
            && let Some(put) = self.ring.write_short(len, source)
        {
            put?;
            len
        } else {
            self.write_pages(len, framing, &mut allocate, source)?
        };
        Ok(Step::new(written, Wakes { readers, ..Wakes::NONE }))
    }

    /// The general way, page by page.
    ///
    /// # Errors
    /// As for [`PipeState::try_write`], but for `EPIPE`.
    #[inline(never)]
    fn write_pages(
        &mut self,
        len: usize,
        framing: Framing,
        allocate: &mut impl FnMut() -> Result<P>,
        source: &mut impl Source<P>,
    ) -> Result<usize> {
        let mut written = self.write_page(len, framing, allocate, source)?;
        while written < len {
            match self.write_page(len - written, framing, allocate, source) {
                Ok(more) => written += more,
                Err(_) => break,
            }
        }
        Ok(written)
    }

    /// Fills one range of one page, the next of a write of which `len` bytes are left.
    #[inline(always)]
    fn write_page(
        &mut self,
        len: usize,
        framing: Framing,
        allocate: &mut impl FnMut() -> Result<P>,
        source: &mut impl Source<P>,
    ) -> Result<usize> {
        match self.ring.plan_write(len, framing) {
            WriteStep::Room(room) => fill(room, source),
            WriteStep::NeedsPage => self.write_new_page(len, framing, allocate, source),
            WriteStep::Full => Err(Errno::EAGAIN),
        }
    }

    /// The same for a slot without a page.
    fn write_new_page(
        &mut self,
        len: usize,
        framing: Framing,
        allocate: &mut impl FnMut() -> Result<P>,
        source: &mut impl Source<P>,
    ) -> Result<usize> {
        self.ring.supply_page(allocate()?);
        match self.ring.plan_write(len, framing) {
            WriteStep::Room(room) => fill(room, source),
            WriteStep::NeedsPage | WriteStep::Full => {
                unreachable!("the next slot was free and has a page now")
            }
        }
    }

    /// Reads up to `len` bytes, or one packet. Zero bytes (of a `len` above zero) mean the end of file.
    ///
    /// A range that does not arrive completely in `sink` stays in the pipe.
    ///
    /// # Errors
    /// `EAGAIN` if the pipe is empty but has a writer, or holds readers back; `EFAULT` if not one range arrived.
    #[inline]
    pub fn try_read(&mut self, len: usize, sink: &mut impl Sink<P>) -> Result<Step> {
        if len == 0 {
            return Ok(Step::new(0, Wakes::NONE));
        }
        if self.ring.is_empty() {
            return if self.writers.open == 0 { Ok(Step::new(0, Wakes::NONE)) } else { Err(Errno::EAGAIN) };
        }
        if self.ring.turns_away(Party::Readers) {
            return Err(Errno::EAGAIN);
        }
        let was_full = self.ring.is_full();
        let bytes = self.read_pages(len, sink)?;
        let writers = Wake::one_if(was_full && !self.ring.is_full());
        Ok(Step::new(bytes, Wakes { writers, ..Wakes::NONE }))
    }

    /// The same for a ring that is not [crowded](Self::is_crowded): a read of it wakes nobody, for there is room as it is.
    ///
    /// # Errors
    /// As for [`PipeState::try_read`].
    #[inline(always)]
    pub fn try_read_uncrowded(&mut self, len: usize, sink: &mut impl Sink<P>) -> Result<usize> {
        if self.ring.is_empty() {
            return if self.writers.open == 0 || len == 0 { Ok(0) } else { Err(Errno::EAGAIN) };
        }
        self.read_pages(len, sink)
    }

    /// Takes up to `len` bytes of a ring that has some, or one packet.
    #[inline(always)]
    fn read_pages(&mut self, len: usize, sink: &mut impl Sink<P>) -> Result<usize> {
        match self.ring.read_short(len, sink) {
            Some(taken) => taken,
            None => self.read_page_by_page(len, sink),
        }
    }

    /// The general way.
    #[inline(never)]
    fn read_page_by_page(&mut self, len: usize, sink: &mut impl Sink<P>) -> Result<usize> {
        let Chunk { mut bytes, is_packet } = self.read_page(len, sink)?;
        while !is_packet && bytes < len && self.next_is_stream() {
            match self.read_page(len - bytes, sink) {
                Ok(chunk) => bytes += chunk.bytes,
                Err(_) => break,
            }
        }
        Ok(bytes)
    }

    /// Takes one range of one page, the next of a read that wants `len` more bytes.
    #[inline(always)]
    fn read_page(&mut self, len: usize, sink: &mut impl Sink<P>) -> Result<Chunk> {
        let step = self.ring.plan_read(len).ok_or(Errno::EAGAIN)?;
        let range = step.range();
        let bytes = range.end - range.start;
        if sink.drain(step.page(), range) < bytes {
            return Err(Errno::EFAULT);
        }
        let is_packet = step.is_packet();
        drop(step.commit(bytes));
        Ok(Chunk { bytes, is_packet })
    }

    /// Whether a read that has some bytes already may take the next ones too.
    #[inline]
    fn next_is_stream(&mut self) -> bool {
        self.ring.plan_read(1).is_some_and(|step| !step.is_packet())
    }

    /// Whether a reader that was woken should wake the next: there is something left, or nothing will ever come.
    #[inline]
    #[must_use]
    pub fn wake_next_reader(&self) -> bool {
        !self.ring.is_empty() || self.writers.open == 0
    }

    /// Whether a writer that was woken should wake the next: there is room left, or nobody to write to.
    #[inline]
    #[must_use]
    pub fn wake_next_writer(&self) -> bool {
        !self.ring.is_full() || self.readers.open == 0
    }
}

/// Copies into a planned range and publishes it, if all of it could be copied.
#[inline(always)]
fn fill<P>(mut room: WriteRoom<'_, P>, source: &mut impl Source<P>) -> Result<usize> {
    let range = room.range();
    let wanted = range.end - range.start;
    if source.fill(room.page_mut(), range) < wanted {
        return Err(Errno::EFAULT);
    }
    room.commit(wanted);
    Ok(wanted)
}

mod ends;
mod line;
mod loan;
mod shape;
mod splice;
#[cfg(test)]
mod splice_tests;
#[cfg(test)]
mod tests;
