//! Pipes: `postern_core::pipe` in a sleeping mutex, with a queue for each kind of waiter.
//!
//! Owns the pipe and its ends as open files. Lock: PIPE (sleeping), held over user copies, which may fault; wake-ups come after
//! it. Sleeps in that lock and in those copies only; waiting for data or room is `fs::blocking`'s.
//! Specification: pipe(2), pipe(7), fcntl(2) F_SETPIPE_SZ; fs/pipe.c of Linux 6.12.

use super::rendezvous::{Ends, close_ends};
use super::turns;
use crate::arch::trace_point;
use crate::fs::anonymous::{self, Kind};
use crate::fs::file::{Direction, FileControl, FileOps, Io, Readiness};
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::fs::open_file::OpenFile;
use crate::fs::procfs::tunables::PIPE_MAX_SIZE;
use crate::fs::special::Attachment;
use crate::fs::splice::{Family, Nesting, PageQueue, Ring};
use crate::mm::frame::Frame;
use crate::mm::heap;
use crate::mm::user::{Sink, Source, UserPtr};
use crate::process::Credentials;
use crate::sync::{Mutex, MutexGuard, WaitQueue, rank};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use linux_raw_sys::ioctl::FIONREAD;
use postern_core::effects::{Step, Wake, Wakes};
use postern_core::errno::{Errno, Result};
use postern_core::page_ring::{Framing, HeadTail, PAGE_SIZE, Recycle};
use postern_core::pipe::{DEFAULT_CAPACITY_SLOTS, End, LARGEST_SIZE_BYTES, OpenTicket, PipeState, Shape, WriterOpens};
use postern_sync::Glimpse;

/// Heap that a slot takes, about.
const SLOT_BYTES: usize = 16;
/// A ring that grows takes at most one part in so many of the memory that is free.
const FREE_PER_RING: usize = 8;
/// What concerns those who wait for data: bytes, or that there will be none.
const FOR_READERS: Readiness = Readiness::READABLE.union(Readiness::HUP);
/// What concerns those who wait for room: some, or that nobody will read.
const FOR_WRITERS: Readiness = Readiness::WRITABLE.union(Readiness::ERR);

/// The largest ring that somebody may make of his own: `pipe-max-size` for those without privilege.
pub fn size_limit(credentials: &Credentials) -> usize {
    if credentials.is_privileged() {
        return usize::MAX;
    }
    usize::try_from(PIPE_MAX_SIZE.get()).unwrap_or(usize::MAX)
}

/// Whether a pipe has a name, and its openers wait for one another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Naming {
    /// A FIFO.
    Named,
    /// Made by pipe2(2).
    Anonymous,
}

type Guard<'a> = MutexGuard<'a, PipeState<Frame>>;

/// A pipe.
pub struct Pipe {
    state: Mutex<PipeState<Frame>>,
    /// The ring's indices, which are all that a read or a write changes of what poll says; and the rest of it, the shape,
    /// which openings, closings and resizings change.
    glimpse: Glimpse,
    /// Somebody waits for edges.
    edge_waiters: AtomicBool,
    /// Wait for data.
    readers: WaitQueue,
    /// Wait for room.
    writers: WaitQueue,
    /// Wait in `open` for the other side.
    openers: WaitQueue,
    naming: Naming,
}

impl Pipe {
    /// An empty pipe that nobody has open.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn try_new(naming: Naming) -> Result<Arc<Self>> {
        heap::admit(size_of::<Self>() + DEFAULT_CAPACITY_SLOTS * SLOT_BYTES)?;
        let state = PipeState::try_new(DEFAULT_CAPACITY_SLOTS, Recycle::Release)?;
        let glimpse = Glimpse::new(state.head_tail().word(), state.shape().word());
        Ok(Arc::new(Self {
            state: Mutex::new(rank::PIPE, state),
            glimpse,
            edge_waiters: AtomicBool::new(false),
            readers: WaitQueue::new(),
            writers: WaitQueue::new(),
            openers: WaitQueue::new(),
            naming,
        }))
    }

    /// Whether it is a FIFO.
    pub fn naming(&self) -> Naming {
        self.naming
    }

    /// What tells it apart in a trace.
    #[inline(always)]
    fn word(&self) -> u64 {
        (&raw const *self).addr() as u64
    }

    /// Where they wait who want to use `end`.
    fn queue(&self, end: End) -> &WaitQueue {
        match end {
            End::Read => &self.readers,
            End::Write => &self.writers,
        }
    }

    /// Publishes and unlocks what has changed, and tells whom it concerns.
    #[inline(always)]
    fn finish(&self, state: Guard<'_>, step: Step) -> usize {
        self.glimpse.publish_moving(state.head_tail().word());
        drop(state);
        step.settle(|wakes| self.wake(wakes))
    }

    /// The same after a write, of which those hear too who wait for edges.
    #[inline(always)]
    fn finish_write(&self, state: Guard<'_>, step: Step) -> usize {
        self.glimpse.publish_moving(state.head_tail().word());
        drop(state);
        // Relaxed: it decides only where bytes wait already. Who has just begun to wait for edges finds those by the look that
        // follows, and when they have been read, with the lock, this is seen.
        if step.is_silent() && self.edge_waiters.load(Ordering::Relaxed) {
            return self.tell_edge_waiters(step.settle(|_| {}));
        }
        step.settle(|wakes| self.wake(wakes))
    }

    /// After a write that changed no readiness.
    #[cold]
    #[inline(never)]
    fn tell_edge_waiters(&self, moved: usize) -> usize {
        wake(&self.readers, Wake::one_if(moved != 0), FOR_READERS);
        moved
    }

    #[inline(always)]
    fn read(&self, sink: &mut Sink<'_>) -> Result<usize> {
        let mut state = self.state.lock();
        if state.is_crowded() {
            return self.read_crowded(state, sink);
        }
        let bytes = state.try_read_uncrowded(sink.remaining(), sink)?;
        self.glimpse.publish_moving(state.head_tail().word());
        trace_point::pipe_read(self.word(), bytes as u64, state.head_tail().word());
        Ok(bytes)
    }

    /// A read of a pipe that is full, or that holds somebody back. Out of line, so that the usual one wakes nobody.
    #[inline(never)]
    fn read_crowded(&self, mut state: Guard<'_>, sink: &mut Sink<'_>) -> Result<usize> {
        turns::let_in(&mut state, End::Read, || self.readers.is_turn_of_current());
        let step = state.try_read(sink.remaining(), sink)?;
        trace_point::pipe_read(self.word(), *step.outcome_for_trace() as u64, state.head_tail().word());
        Ok(self.finish(state, step))
    }

    /// A write that failed with `error`. If it was held back, but need not be, it goes on.
    #[cold]
    #[inline(never)]
    fn write_refused(
        &self,
        mut state: Guard<'_>,
        error: Errno,
        framing: Framing,
        source: &mut Source<'_>,
    ) -> Result<usize> {
        if error == Errno::EAGAIN {
            trace_point::pipe_full(self.word());
        }
        if error != Errno::EAGAIN || !turns::let_in(&mut state, End::Write, || self.writers.is_turn_of_current()) {
            return Err(error);
        }
        let step = state.try_write(source.remaining(), framing, Frame::alloc, source)?;
        trace_point::pipe_write(self.word(), *step.outcome_for_trace() as u64, state.head_tail().word());
        Ok(self.finish_write(state, step))
    }

    /// Changes who has it open, or its size, then tells whom that concerns.
    fn reshape<T>(&self, change: impl FnOnce(&mut PipeState<Frame>) -> Result<Step<T>>) -> Result<T> {
        let mut state = self.state.lock();
        let step = change(&mut state);
        self.glimpse.publish(state.head_tail().word(), state.shape().word());
        drop(state);
        Ok(step?.settle(|wakes| self.wake(wakes)))
    }

    /// The ring's indices and the shape. Without the lock: who needs to know for certain looks again after he has queued
    /// himself, or tries.
    #[inline]
    fn look(&self) -> (HeadTail, Shape) {
        let (moving, shape) = self.glimpse.both();
        (HeadTail::from_word(moving), Shape::from_word(shape))
    }

    #[inline(always)]
    fn wake(&self, wakes: Wakes) {
        wake(&self.readers, wakes.readers, FOR_READERS);
        wake(&self.writers, wakes.writers, FOR_WRITERS);
        wake(&self.openers, wakes.openers, Readiness::all());
    }

    /// Bytes that wait to be read.
    pub fn bytes(&self) -> usize {
        self.state.lock().bytes()
    }

    fn set_size(&self, bytes: usize, credentials: &Credentials) -> Result<usize> {
        let limit = size_limit(credentials);
        self.reshape(|state| {
            if bytes > state.size_bytes() && bytes <= limit {
                let slots = bytes.min(LARGEST_SIZE_BYTES).next_power_of_two() / PAGE_SIZE;
                heap::admit(slots * SLOT_BYTES * FREE_PER_RING)?;
            }
            state.set_size(bytes, limit)
        })
    }
}

impl PageQueue for Pipe {
    fn family(&self) -> Family {
        Family::Pipe
    }

    fn change_pages(&self, nesting: Nesting, change: &mut dyn FnMut(&mut Ring) -> Wakes) {
        let mut state = match nesting {
            Nesting::Outer => self.state.lock(),
            Nesting::Inner => self.state.lock_nested(),
        };
        // Relaxed: as in `finish_write`.
        if self.edge_waiters.load(Ordering::Relaxed) {
            state.note_poller();
        }
        let wakes = change(&mut state);
        self.glimpse.publish_moving(state.head_tail().word());
        drop(state);
        self.wake(wakes);
    }
}

impl Ends for Pipe {
    type Page = Frame;

    fn open_if(&self, end: End, condition: impl FnOnce(&PipeState<Frame>) -> Result<()>) -> Result<OpenTicket> {
        self.reshape(|state| {
            condition(state)?;
            Ok(state.open(end))
        })
    }

    /// After the last of all a FIFO is as new.
    fn close(&self, end: End) {
        const SIZE: usize = DEFAULT_CAPACITY_SLOTS * PAGE_SIZE;
        let closed = self.reshape(|state| {
            let step = state.close(end);
            if state.readers() == 0 && state.writers() == 0 && state.size_bytes() != SIZE {
                // Nobody is there to wake; and without memory for a small ring it keeps its large one.
                let _ = state.set_size(SIZE, usize::MAX).map(|step| step.settle(|_| {}));
            }
            Ok(step)
        });
        debug_assert!(closed.is_ok(), "a close cannot fail");
    }

    fn wait_for_peer(&self, ticket: &OpenTicket) -> Result<()> {
        let has_come = || self.state.lock().peer_has_come(ticket).then_some(());
        let waited = self.openers.wait_interruptible(postern_sync::Mode::Shared, has_come);
        waited.map_err(|_| Errno::ERESTARTSYS)
    }
}

#[inline(always)]
fn wake(queue: &WaitQueue, wake: Wake, key: Readiness) {
    match wake {
        Wake::None => {}
        Wake::One => {
            queue.wake_one(key.bits());
        }
        Wake::All => {
            queue.wake_all(key.bits());
        }
    }
}

/// What a descriptor has of a pipe: one end, or both of a FIFO opened O_RDWR. Each is closed when it is released.
pub struct PipeEnd {
    pipe: Arc<Pipe>,
    access: AccessMode,
    /// The readiness bits of its ends.
    visible: Readiness,
    /// The write end's openings when this came, if it did not wait for a writer: no hang-up before that
    /// changes.
    unseen_writers: Option<WriterOpens>,
}

impl PipeEnd {
    /// Ends that have been opened. `unseen_writers` as of the opening, for a reader that came before any writer.
    pub(super) fn new(pipe: Arc<Pipe>, access: AccessMode, unseen_writers: Option<WriterOpens>) -> Self {
        let mut visible = Readiness::empty();
        visible.set(FOR_READERS, access.contains(AccessMode::READ));
        visible.set(FOR_WRITERS, access.contains(AccessMode::WRITE));
        Self { pipe, access, visible, unseen_writers }
    }
}

impl FileOps for PipeEnd {
    /// Neither bytes nor the end.
    #[inline(always)]
    fn has_nothing(&self, sink: &Sink<'_>) -> bool {
        let nothing = HeadTail::from_word(self.pipe.glimpse.moving()).is_empty()
            && !Shape::from_word(self.pipe.glimpse.settled()).is_hung_up()
            && sink.remaining() != 0;
        if nothing {
            trace_point::pipe_empty(self.pipe.word());
        }
        nothing
    }

    #[inline(always)]
    fn try_read(&self, _: &Io, sink: &mut Sink<'_>) -> Result<usize> {
        self.pipe.read(sink)
    }

    fn try_write(&self, io: &Io, source: &mut Source<'_>) -> Result<usize> {
        let framing = if io.flags.contains(OpenFlags::DIRECT) { Framing::Packet } else { Framing::Stream };
        let pipe = &*self.pipe;
        let mut state = pipe.state.lock();
        match state.try_write(source.remaining(), framing, Frame::alloc, source) {
            Ok(step) => {
                trace_point::pipe_write(pipe.word(), *step.outcome_for_trace() as u64, state.head_tail().word());
                Ok(pipe.finish_write(state, step))
            }
            Err(error) => pipe.write_refused(state, error, framing, source),
        }
    }

    fn page_queue(&self) -> Option<&dyn PageQueue> {
        Some(&*self.pipe)
    }

    fn readiness(&self) -> Readiness {
        let (ring, shape) = self.pipe.look();
        let ready = shape.readiness(ring) & self.visible;
        if self.unseen_writers == Some(shape.writer_opens()) { ready - Readiness::HUP } else { ready }
    }

    fn wait_queue(&self, direction: Direction) -> Option<&WaitQueue> {
        Some(self.pipe.queue(turns::end_of(direction)))
    }

    fn hold_back(&self, direction: Direction) {
        self.pipe.state.lock().hold_back(turns::end_of(direction));
    }

    fn note_edge_waiter(&self) {
        // Relaxed: a look follows, behind a fence; see `try_write`.
        self.pipe.edge_waiters.store(true, Ordering::Relaxed);
    }

    fn ioctl(&self, _: OpenFlags, command: u32, argument: usize) -> Result<usize> {
        match command {
            FIONREAD => {
                let bytes = i32::try_from(self.pipe.bytes()).unwrap_or(i32::MAX);
                UserPtr::<i32>::new(argument).write(&bytes)?;
                Ok(0)
            }
            _ => Err(Errno::ENOTTY),
        }
    }

    fn control(&self, control: FileControl, credentials: &Credentials) -> Result<usize> {
        match control {
            FileControl::PipeSize => Ok(self.pipe.state.lock().size_bytes()),
            FileControl::SetPipeSize(bytes) => self.pipe.set_size(bytes, credentials),
            FileControl::Seals | FileControl::AddSeals(_) => Err(Errno::EINVAL),
        }
    }

    fn released(&self, _: OpenFlags) {
        close_ends(&*self.pipe, self.access);
    }
}

/// pipe2(2): the read end and the write end of a new pipe. `flags` may hold NONBLOCK and DIRECT.
///
/// # Errors
/// ENOMEM, ENOSPC.
pub fn pipe(flags: OpenFlags, credentials: &Credentials) -> Result<[Arc<OpenFile>; 2]> {
    let pipe = Pipe::try_new(Naming::Anonymous)?;
    let place = anonymous::place(Kind::Pipe(Attachment::with(pipe.clone())), credentials)?;
    pipe.open_if(End::Read, |_| Ok(()))?;
    pipe.open_if(End::Write, |_| Ok(()))?;
    let end = |access| Arc::new(PipeEnd::new(pipe.clone(), access, None));
    let reader = anonymous::open(end(AccessMode::READ), place.clone(), AccessMode::READ, flags - OpenFlags::DIRECT);
    let writer = anonymous::open(end(AccessMode::WRITE), place, AccessMode::WRITE, flags);
    Ok([reader, writer])
}
