//! What an open file can do: the one interface between descriptors and everything behind them.
//!
//! Drivers and IPC objects implement [`FileOps`] as *attempts that never wait for an event*: EAGAIN says "not now", and
//! `blocking` decides what becomes of that. An attempt copies from and to user memory and may sleep for that alone, so an
//! implementation holds a sleeping lock over it, or none. No state of its own.
//! Specification: read(2), write(2), poll(2), ioctl(2), mmap(2).

use crate::fs::blocking::{self, TooLong};
use crate::fs::flags::OpenFlags;
use crate::fs::procfs::text::Text;
use crate::fs::splice::{self, Batch, PageQueue};
use crate::mm::user::{Sink, Source};
use crate::mm::{Frame, PageSource};
use crate::process::Credentials;
use crate::sync::WaitQueue;
use alloc::sync::Arc;
use core::any::Any;
use postern_core::errno::{Errno, Result};
use postern_core::page_ring::Offer;
pub use postern_core::readiness::Readiness;

/// What an attempt is told of the call and of the open file description.
#[derive(Clone, Copy, Debug, Default)]
pub struct Io {
    /// Where, in bytes from the start. `None` for streams, which have no position.
    pub offset: Option<u64>,
    /// The status flags in force: NONBLOCK, DIRECT, APPEND …
    pub flags: OpenFlags,
}

/// Which way bytes go, seen from the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Out of the file.
    Read,
    /// Into the file.
    Write,
}

/// What lseek(2) does to a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seeking {
    /// ESPIPE. The first, which is zero: each transfer of a stream asks.
    Refused,
    /// It moves a position, which reads and writes use and advance.
    Position,
    /// It succeeds and moves nothing (null, zero …).
    Ignored,
}

/// What a program asks of a mapping of a file.
#[derive(Clone, Copy, Debug)]
pub struct MapRequest {
    /// First byte of the file to be mapped, a multiple of the page size.
    pub offset: u64,
    /// Bytes.
    pub length: usize,
    /// Whether stores reach the file (MAP_SHARED and PROT_WRITE now or by mprotect later).
    pub writes: Writes,
}

/// Whether stores to a mapping reach the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Writes {
    /// MAP_SHARED of a file opened for writing.
    Shared,
    /// MAP_PRIVATE, or no way to write.
    None,
}

/// The commands of fcntl(2) that belong to one kind of file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileControl {
    /// F_GETPIPE_SZ: bytes.
    PipeSize,
    /// F_SETPIPE_SZ: bytes wanted; the answer is what it became.
    SetPipeSize(usize),
    /// F_GET_SEALS.
    Seals,
    /// F_ADD_SEALS: `F_SEAL_*` bits.
    AddSeals(u32),
}

/// An object behind a descriptor. Every method but the two attempts returns at once and copies no user memory, `ioctl` aside.
pub trait FileOps: Any + Send + Sync {
    /// What lseek(2) does, and with it whether attempts get an offset. A fixed property of the object.
    fn seeking(&self) -> Seeking {
        Seeking::Refused
    }

    /// Moves bytes to `sink`; 0 is the end of the file (or an empty sink).
    ///
    /// # Errors
    /// EAGAIN: nothing now, wait on the read queue. EFAULT: nothing could be copied, and the state is as before.
    fn try_read(&self, io: &Io, sink: &mut Sink) -> Result<usize> {
        let _ = (io, sink);
        Err(Errno::EINVAL)
    }

    /// Whether an attempt to read into `sink` would say "not now", as can be seen at once and without a lock. `false` promises
    /// nothing.
    fn has_nothing(&self, sink: &Sink) -> bool {
        let _ = sink;
        false
    }

    /// Moves bytes from `source`; may move fewer than there are, and is called again for the rest then. If more is gone from
    /// `source` than it says (a fault half-way, an object that takes one message a call), that ends the call instead.
    ///
    /// # Errors
    /// EAGAIN: no room now, wait on the write queue. EFAULT: nothing could be copied, and the state is as before.
    fn try_write(&self, io: &Io, source: &mut Source) -> Result<usize> {
        let _ = (io, source);
        Err(Errno::EINVAL)
    }

    /// Reads from a stream, as `blocking::read` says: attempts until one has an answer. It is here so that each kind of
    /// file has the loop for itself; one that stands for another object may hand it that object's.
    ///
    /// # Errors
    /// As `blocking::read`.
    fn read(&self, io: &Io, sink: &mut Sink) -> Result<usize> {
        blocking::read(self, io, sink)
    }

    /// Whether a write of no bytes is a message like any other, and may have to wait for room. Of every other file a transfer of
    /// no bytes succeeds at once, whatever an attempt says of "not now".
    fn takes_empty_messages(&self) -> bool {
        false
    }

    /// The ring of pages behind it: splice(2) and its kin then move the ring's pages themselves, and ask neither of the two
    /// attempts that follow.
    fn page_queue(&self) -> Option<&dyn PageQueue> {
        None
    }

    /// Whether it keeps its bytes in pages, or nowhere, and so lends and takes pages itself in the two attempts that follow. They
    /// are then made with a ring's lock held: they take no other sleeping lock than PAGES, and drop nothing that could. Of every
    /// other file no attempt is made with a ring locked, and what it locks is its own affair.
    fn has_pages(&self) -> bool {
        false
    }

    /// As [`FileOps::try_read`], but gives the pages that the bytes lie in: at most `length` bytes, as far as `batch` has room.
    /// An object with pages of its own shares them out; by default the bytes are copied to new ones.
    ///
    /// # Errors
    /// As `try_read`.
    fn try_splice_out(&self, io: &Io, length: usize, batch: &mut Batch) -> Result<usize> {
        splice::read_to_new_pages(length, batch, |sink| self.try_read(io, sink))
    }

    /// As [`FileOps::try_write`], but may take the page that the bytes lie in, if nobody else holds it; by default they are
    /// copied. How many bytes it took. Without [`FileOps::has_pages`] the page is never to be had.
    ///
    /// # Errors
    /// As `try_write`.
    fn try_splice_in(&self, io: &Io, offer: &mut Offer<'_, Frame>) -> Result<usize> {
        self.try_write(io, &mut Source::from_frame(offer.page(), offer.range()))
    }

    /// Whether splice(2) can put anything here. If not it says EINVAL, whatever the ring has.
    fn takes_splices(&self) -> bool {
        true
    }

    /// Whether SPLICE_F_NONBLOCK, and O_NONBLOCK of the ring, count where it has nothing to splice; as on Linux its own
    /// O_NONBLOCK alone does otherwise.
    fn heeds_splice_flags(&self) -> bool {
        false
    }

    /// What poll(2) reports now.
    fn readiness(&self) -> Readiness {
        Readiness::READABLE | Readiness::WRITABLE
    }

    /// Where to wait for a change of readiness in this direction; `None`: it never changes. Wake-ups there have as their key
    /// what has become ready, and come after the change.
    fn wait_queue(&self, direction: Direction) -> Option<&WaitQueue> {
        let _ = direction;
        None
    }

    /// The queue of those who wait for what a transfer in this direction does, as far as that can be said: for reports. Unless a
    /// file says otherwise, readers and writers of it wait for each other.
    fn serves(&self, direction: Direction) -> Option<&WaitQueue> {
        self.wait_queue(match direction {
            Direction::Read => Direction::Write,
            Direction::Write => Direction::Read,
        })
    }

    /// Where tasks sleep besides those two: for reports.
    fn further_queue(&self) -> Option<&WaitQueue> {
        None
    }

    /// Whether poll(2) may wait for it. What cannot be polled is always ready, and epoll refuses it.
    fn can_be_polled(&self) -> bool {
        self.wait_queue(Direction::Read).is_some() || self.wait_queue(Direction::Write).is_some()
    }

    /// How long a call may wait in this direction, in nanoseconds; `None`: for ever.
    fn time_limit_ns(&self, direction: Direction) -> Option<u64> {
        let _ = direction;
        None
    }

    /// What a call comes to that has waited so long.
    fn at_time_limit(&self) -> TooLong {
        TooLong::Fail
    }

    /// Somebody who waited in `queue`, that of `direction`, has what he waited for, and others wait there too: wakes the next
    /// if the state still lets one go on.
    fn pass_on(&self, direction: Direction, queue: &WaitQueue) {
        let ready = self.readiness() & blocking::concerns(direction);
        if !ready.is_empty() {
            queue.wake_one(ready.bits());
        }
    }

    /// Somebody who waits in `direction` was woken and found nothing, for others had been quicker. A file whose waiters are woken
    /// one by one says "not now" from then on to every attempt of a task whose turn, by its queue, it is not.
    fn hold_back(&self, direction: Direction) {
        let _ = direction;
    }

    /// Whether EPIPE comes with SIGPIPE if so many bytes of the call were delivered before it.
    fn raises_sigpipe(&self, delivered: usize) -> bool {
        let _ = delivered;
        true
    }

    /// From now on somebody waits for edges: wakes at whatever a program may take for news, not at changes of readiness alone.
    fn note_edge_waiter(&self) {}

    /// ioctl(2). `flags` are the status flags now.
    ///
    /// # Errors
    /// ENOTTY for a command it does not know.
    fn ioctl(&self, flags: OpenFlags, command: u32, argument: usize) -> Result<usize> {
        let _ = (flags, command, argument);
        Err(Errno::ENOTTY)
    }

    /// What fcntl(2) asks of one kind of file only.
    ///
    /// # Errors
    /// EBADF (pipe sizes) or EINVAL (seals) for any other kind, as Linux says.
    fn control(&self, control: FileControl, credentials: &Credentials) -> Result<usize> {
        let _ = credentials;
        Err(match control {
            FileControl::PipeSize | FileControl::SetPipeSize(_) => Errno::EBADF,
            FileControl::Seals | FileControl::AddSeals(_) => Errno::EINVAL,
        })
    }

    /// The pages behind a mapping.
    ///
    /// # Errors
    /// ENODEV if the object cannot be mapped.
    fn map(self: Arc<Self>, request: &MapRequest) -> Result<Arc<dyn PageSource>> {
        let _ = request;
        Err(Errno::ENODEV)
    }

    /// Adds what /proc/PID/fdinfo tells of this kind of file besides what it tells of all.
    fn describe(&self, text: &mut Text) {
        let _ = text;
    }

    /// A descriptor is gone, and not the last reference to the open file description: others have descriptors, or it is under way.
    fn descriptor_closed(&self) {}

    /// The last descriptor of an open file description is gone. The status flags are those at that moment.
    fn released(&self, flags: OpenFlags) {
        let _ = flags;
    }
}
