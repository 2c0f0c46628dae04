//! A pipe's ends and its size: opening, closing, `poll`, `FIONREAD`, `F_SETPIPE_SZ`.
//!
//! Part of [`PipeState`]; the caller holds its mutex. No locks, never sleeps. Specification: fifo(7), poll(2), fcntl(2).

use super::{End, LARGEST_SIZE_BYTES, OpenTicket, Openers, PipeState, SIZE_MAX_BYTES};
use crate::effects::{Step, Wake, Wakes};
use crate::errno::{Errno, Result};
use crate::page_ring::{HeadTail, PAGE_SIZE, Recycle, Through};
use crate::readiness::Readiness;

impl<P> PipeState<P> {
    fn openers(&mut self, end: End) -> &mut Openers {
        match end {
            End::Read => &mut self.readers,
            End::Write => &mut self.writers,
        }
    }

    fn peers(&self, end: End) -> &Openers {
        match end {
            End::Read => &self.writers,
            End::Write => &self.readers,
        }
    }

    /// Opens one end (both, one after the other, for `O_RDWR`). The first opener of an end wakes those who wait in `open`.
    pub fn open(&mut self, end: End) -> Step<OpenTicket> {
        let openers = self.openers(end);
        let first = openers.open == 0;
        openers.open += 1;
        openers.opens = openers.opens.wrapping_add(1);
        let ticket = OpenTicket { end, peer_opens: self.peers(end).opens };
        Step::new(ticket, Wakes { openers: Wake::all_if(first), ..Wakes::NONE })
    }

    /// Whether the other end is open, or was at any time since this ticket was given.
    ///
    /// A blocking opener of a FIFO waits for it. A reader that did not wait sees no `HUP` before it.
    #[must_use]
    pub fn peer_has_come(&self, ticket: &OpenTicket) -> bool {
        let peers = self.peers(ticket.end);
        peers.open != 0 || peers.opens != ticket.peer_opens
    }

    /// Closes one end once. The last one of an end wakes everybody at the other; the last of all drops the data, the pages as
    /// far as the ring does not keep them, and the memory of pollers.
    ///
    /// # Panics
    /// If that end is not open: a descriptor was closed twice.
    pub fn close(&mut self, end: End) -> Step<()> {
        let openers = self.openers(end);
        openers.open = openers.open.checked_sub(1).expect("an end is closed once for each time it was opened");
        let last = openers.open == 0;
        let peers_left = self.peers(end).open != 0;
        if last && !peers_left {
            self.ring.clear();
            self.has_pollers = false;
        }
        let wake = Wake::all_if(last && peers_left);
        let wakes = match end {
            End::Read => Wakes { writers: wake, ..Wakes::NONE },
            End::Write => Wakes { readers: wake, ..Wakes::NONE },
        };
        Step::new((), wakes)
    }

    /// How many have the read end open.
    #[must_use]
    pub fn readers(&self) -> u32 {
        self.readers.open
    }

    /// How many have the write end open.
    #[must_use]
    pub fn writers(&self) -> u32 {
        self.writers.open
    }

    /// What `poll` reports of one end (of both, united, for `O_RDWR`).
    #[inline]
    #[must_use]
    pub fn readiness(&self, end: End) -> Readiness {
        let (possible, bits, gone) = match end {
            End::Read => (!self.ring.is_empty(), Readiness::READABLE, Readiness::HUP),
            End::Write => (!self.ring.is_full(), Readiness::WRITABLE, Readiness::ERR),
        };
        let mut readiness = Readiness::empty();
        readiness.set(bits, possible);
        readiness.set(gone, self.peers(end).open == 0);
        readiness
    }

    /// Notes that somebody polls. From then on every write wakes, not only the one that ends the emptiness: a program that
    /// waits edge-triggered without reading everything relies on it (Linux's `poll_usage`).
    pub fn note_poller(&mut self) {
        self.has_pollers = true;
    }

    /// Bytes that wait to be read, all packets together (`FIONREAD`).
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.ring.bytes()
    }

    /// What has gone through it since it was made.
    #[must_use]
    pub fn through(&self) -> Through {
        self.ring.through()
    }

    /// Both ring indices, to be published for a look without the mutex.
    #[inline]
    #[must_use]
    pub fn head_tail(&self) -> HeadTail {
        self.ring.head_tail()
    }

    /// Slots that hold data.
    #[must_use]
    pub fn used_slots(&self) -> usize {
        self.ring.occupancy()
    }

    /// Pages that it owns, whether they hold data or not.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.ring.pages()
    }

    /// Changes what becomes of drained pages.
    pub fn set_recycle(&mut self, recycle: Recycle) {
        self.ring.set_recycle(recycle);
    }

    /// Lets go of the pages that hold no data, but for `kept` of them.
    pub fn release_idle_pages(&mut self, kept: usize) {
        self.ring.release_idle_pages(kept);
    }

    /// The size in bytes (`F_GETPIPE_SZ`).
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.ring.capacity() * PAGE_SIZE
    }

    /// Sets the size (`F_SETPIPE_SZ`): rounded up to a power of two of pages, at least one. The outcome is the new size.
    ///
    /// `limit_bytes` bounds growth; a privileged caller passes `usize::MAX`.
    ///
    /// # Errors
    /// `EINVAL` above 2³¹; `EPERM` beyond the limit; `EBUSY` if more slots hold data than the new size has; `ENOMEM`, which is
    /// also for more than `LARGEST_SIZE_BYTES`.
    pub fn set_size(&mut self, requested_bytes: usize, limit_bytes: usize) -> Result<Step> {
        if requested_bytes > SIZE_MAX_BYTES {
            return Err(Errno::EINVAL);
        }
        let size = requested_bytes.max(PAGE_SIZE).next_power_of_two();
        if size > self.size_bytes() && size > limit_bytes {
            return Err(Errno::EPERM);
        }
        if size > LARGEST_SIZE_BYTES {
            return Err(Errno::ENOMEM);
        }
        let was_full = self.ring.is_full();
        self.ring.resize(size / PAGE_SIZE)?;
        let writers = Wake::one_if(was_full && !self.ring.is_full());
        Ok(Step::new(size, Wakes { writers, ..Wakes::NONE }))
    }
}
