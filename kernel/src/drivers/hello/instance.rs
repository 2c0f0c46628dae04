//! One ring of `/dev/hello`: the rules of a pipe in a sleeping mutex, with a queue for each kind of waiter.
//!
//! Owns the state, the words published from it, and the counters. Lock: DRIVER (sleeping), held over user copies, which may
//! fault; wake-ups come after it. Sleeps in that lock and in those copies only, and in `wait_for_peer`.
//! Specification: pipe(7), fifo(7); seed 001 §3 and §4 as corrected in seed-notes.

use super::counters::{self, Counters};
use super::mapped::MappedRing;
use super::switches::{self, SLOTS_MAX, Switches};
use crate::fs::file::{Direction, Readiness};
use crate::fs::splice::{Family, Nesting, PageQueue, Ring};
use crate::ipc::rendezvous::Ends;
use crate::mm::frame::Frame;
use crate::mm::heap;
use crate::mm::user::{Sink, Source};
use crate::sync::{Mutex, SpinLock, WaitQueue, rank};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use intrusive_collections::{RBTreeAtomicLink, intrusive_adapter};
use postern_abi::hello::{HELLO_NAME_SIZE, HelloCounters, HelloStat};
use postern_core::channel::ChannelKey;
use postern_core::effects::{Step, Wake, Wakes};
use postern_core::errno::{Errno, Result};
use postern_core::page_ring::{Framing, HeadTail, PAGE_SIZE};
use postern_core::pipe::{End, OpenTicket, PipeState, Shape, WriterOpens};
use postern_sync::{Glimpse, Mode};

/// Heap that a slot takes, about.
const SLOT_BYTES: usize = 16;
/// What concerns those who wait for data: bytes, or that there will be none.
pub const FOR_READERS: Readiness = Readiness::READABLE.union(Readiness::HUP);
/// What concerns those who wait for room: some, or that nobody will read.
pub const FOR_WRITERS: Readiness = Readiness::WRITABLE.union(Readiness::ERR);

intrusive_adapter!(pub ByKey = Arc<Instance>: Instance { link => RBTreeAtomicLink });

/// A ring with its ends, and those who wait for it.
pub struct Instance {
    key: ChannelKey,
    /// In the tree of `routing`.
    link: RBTreeAtomicLink,
    state: Mutex<State>,
    /// The ring's indices, which are all that a read or a write changes of what poll says; and the rest of it, the shape,
    /// which openings, closings and resizings change.
    glimpse: Glimpse,
    /// The ring in shared memory that has taken the place of the ordinary one, if any: see `sharing`.
    pub(super) shared: SpinLock<Option<Arc<MappedRing>>>,
    /// Whether there is one, for who looks without the lock.
    pub(super) is_shared: AtomicBool,
    /// Somebody waits for edges.
    edge_waiters: AtomicBool,
    /// Wait for data.
    readers: WaitQueue,
    /// Wait for room.
    writers: WaitQueue,
    /// Wait in `open` for the other side: a queue of their own, so that no wake-up for data or room is lost on them.
    openers: WaitQueue,
    counters: Counters,
}

/// What the mutex guards.
pub(super) struct State {
    pub(super) pipe: PipeState<Frame>,
    /// The switches that `pipe` and `framing` follow.
    obeyed: Switches,
    /// How a stream's writes lie in the ring.
    framing: Framing,
    /// Nothing moves through `pipe`, which is empty.
    is_shared: bool,
}

/// Where bytes move.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// Through `State::pipe`.
    Own,
    /// Through `Instance::shared`.
    Shared,
}

impl State {
    /// Follows the switches in force.
    #[inline(always)]
    fn obey(&mut self, switches: Switches) -> Place {
        if self.obeyed == switches { Place::Own } else { self.change_rules(switches) }
    }

    #[cold]
    fn change_rules(&mut self, switches: Switches) -> Place {
        if self.is_shared {
            return Place::Shared;
        }
        self.pipe.set_recycle(switches.recycle());
        (self.obeyed, self.framing) = (switches, switches.stream_framing());
        Place::Own
    }

    /// From now on bytes move elsewhere.
    pub(super) fn share(&mut self) {
        self.is_shared = true;
        // None that can be in force: so those who write need look at nothing else.
        self.obeyed = Switches::NEVER;
    }

    /// Bytes move through the ordinary ring again.
    fn unshare(&mut self) {
        self.is_shared = false;
    }
}

impl Instance {
    /// An empty ring that nobody has open.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn try_new(key: ChannelKey) -> Result<Arc<Self>> {
        let (slots, switches) = (switches::slots(), Switches::now());
        heap::admit(size_of::<Self>() + slots * SLOT_BYTES)?;
        let pipe = PipeState::try_new(slots, switches.recycle())?;
        let glimpse = Glimpse::new(pipe.head_tail().word(), pipe.shape().word());
        let state = State { pipe, obeyed: switches, framing: switches.stream_framing(), is_shared: false };
        Ok(Arc::new(Self {
            key,
            link: RBTreeAtomicLink::new(),
            state: Mutex::new(rank::DRIVER, state),
            glimpse,
            shared: SpinLock::new(rank::OBJECT, None),
            is_shared: AtomicBool::new(false),
            edge_waiters: AtomicBool::new(false),
            readers: WaitQueue::new(),
            writers: WaitQueue::new(),
            openers: WaitQueue::new(),
            counters: Counters::new(),
        }))
    }

    /// Which one it is.
    pub fn key(&self) -> &ChannelKey {
        &self.key
    }

    /// What it counts itself.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// All that has been counted.
    pub fn totals(&self) -> HelloCounters {
        self.counters.totals([self.readers.tally(), self.writers.tally()])
    }

    /// Where to wait for data, or for room.
    pub fn wait_queue(&self, direction: Direction) -> &WaitQueue {
        match direction {
            Direction::Read => &self.readers,
            Direction::Write => &self.writers,
        }
    }

    /// From now on every write is news to somebody.
    pub fn note_edge_waiter(&self) {
        self.edge_waiters.store(true, Ordering::Relaxed);
    }

    /// Whether a reader can be told "not now" at once: nothing is there, but somebody may still write.
    #[inline(always)]
    pub fn has_nothing(&self) -> bool {
        Switches::now().contains(Switches::SNAPSHOT)
            && HeadTail::from_word(self.glimpse.moving()).is_empty()
            && !Shape::from_word(self.glimpse.settled()).is_hung_up()
            && !self.is_shared()
    }

    /// Takes what is there. As for a pipe. `Path` tells callers apart, so that each has the whole of this for itself.
    ///
    /// # Errors
    /// EAGAIN, EFAULT.
    #[inline(always)]
    #[expect(clippy::extra_unused_type_parameters, reason = "tells callers apart")]
    pub fn try_read<Path>(&self, sink: &mut Sink<'_>) -> Result<usize> {
        let moved = self.transfer(End::Read, Switches::now(), |state| {
            let wanted = sink.remaining();
            state.pipe.try_read(wanted, |frame, range| sink.move_from_frame(frame, range.start, range.len()))
        });
        match moved {
            // What a shared ring holds is not there.
            Err(Errno::EAGAIN) | Ok(0) if self.is_shared() => self.read_shared(sink),
            moved => moved,
        }
    }

    /// Puts in what there is room for, a packet for each write if `boundaries` are kept. As for a pipe. `Path` as above.
    ///
    /// # Errors
    /// EAGAIN, EFAULT, EPIPE, ENOMEM.
    #[inline(always)]
    #[expect(clippy::extra_unused_type_parameters, reason = "tells callers apart")]
    pub fn try_write<Path>(&self, source: &mut Source<'_>, boundaries: Boundaries) -> Result<usize> {
        let switches = Switches::now();
        let moved = self.transfer(End::Write, switches, |state| {
            // Reads follow what the last write did.
            if state.obey(switches) == Place::Shared {
                return Err(Errno::EAGAIN);
            }
            if self.edge_waiters.load(Ordering::Relaxed) {
                state.pipe.note_poller();
            }
            let framing = if boundaries == Boundaries::Kept { Framing::Packet } else { state.framing };
            let allocate = || Frame::alloc().inspect(|_| self.counters.count_allocation());
            let before = state.pipe.level();
            let step = state.pipe.try_write(source.remaining(), framing, allocate, |frame, range| {
                source.move_to_frame(frame, range.start, range.len())
            });
            self.counters.count_written(state.pipe.written_since(before));
            step
        });
        match moved {
            Err(Errno::EAGAIN) if self.is_shared() => self.write_shared(source),
            moved => moved,
        }
    }

    /// Moves bytes through the end `end`, then tells those at the other.
    #[inline(always)]
    fn transfer(
        &self,
        end: End,
        switches: Switches,
        attempt: impl FnOnce(&mut State) -> Result<Step>,
    ) -> Result<usize> {
        let mut state = self.state.lock();
        let step = attempt(&mut state);
        self.glimpse.publish_moving(state.pipe.head_tail().word());
        drop(state);
        let step = step?;
        if !switches.contains(Switches::CHAINED) {
            return Ok(self.wake_as_many_as_may_go_on(end, step.settle(|_| {}), switches));
        }
        Ok(step.settle(|wakes| self.wake(wakes, switches)))
    }

    /// Without a chain each event wakes for all that it makes possible: a reader takes a byte at least, and a free slot has
    /// room for any number of writers.
    #[cold]
    fn wake_as_many_as_may_go_on(&self, end: End, moved: usize, switches: Switches) -> usize {
        let is_exclusive = switches.contains(Switches::EXCLUSIVE);
        match end {
            _ if moved == 0 => {}
            End::Write => drop(self.readers.wake(if is_exclusive { moved } else { usize::MAX }, FOR_READERS.bits())),
            End::Read => drop(self.writers.wake_all(FOR_WRITERS.bits())),
        }
        moved
    }

    /// Changes who has it open, or its size, and then tells whom that concerns.
    pub(super) fn reshape<T>(&self, change: impl FnOnce(&mut State) -> Result<Step<T>>) -> Result<T> {
        let switches = Switches::now();
        let mut state = self.state.lock();
        state.obey(switches);
        let step = change(&mut state);
        self.glimpse.publish(state.pipe.head_tail().word(), state.pipe.shape().word());
        drop(state);
        Ok(step?.settle(|wakes| self.wake(wakes, switches)))
    }

    /// What poll says of both ends, united (they have no bit in common), and how often the write end was opened. Without the
    /// lock, unless the snapshot is switched off: who needs to know for certain looks again after he has queued himself, or
    /// tries.
    pub fn look(&self) -> (Readiness, WriterOpens) {
        if self.is_shared() {
            return self.look_at_shared();
        }
        let (ring, shape) = if Switches::now().contains(Switches::SNAPSHOT) {
            let (moving, shape) = self.glimpse.both();
            (HeadTail::from_word(moving), Shape::from_word(shape))
        } else {
            let state = self.state.lock();
            (state.pipe.head_tail(), state.pipe.shape())
        };
        (shape.readiness(ring), shape.writer_opens())
    }

    /// Whether bytes move through a ring in shared memory.
    #[inline(always)]
    pub(super) fn is_shared(&self) -> bool {
        // Relaxed: who sleeps on the answer is woken by the change.
        self.is_shared.load(Ordering::Relaxed)
    }

    /// Who has it open, and its size, as published last; what came before it was is seen.
    pub(super) fn shape(&self) -> Shape {
        Shape::from_word(self.glimpse.both().1)
    }

    #[inline(always)]
    fn wake(&self, wakes: Wakes, switches: Switches) {
        wake(&self.readers, wakes.readers, FOR_READERS, switches);
        wake(&self.writers, wakes.writers, FOR_WRITERS, switches);
        if wakes.openers != Wake::None {
            self.openers.wake_all(Readiness::all().bits());
        }
    }

    /// Somebody who waited in this direction goes on, and others wait there: wakes the next, if one can go on and the chain is
    /// not switched off.
    pub fn pass_on(&self, direction: Direction) {
        let (queue, concern) = match direction {
            Direction::Read => (&self.readers, FOR_READERS),
            Direction::Write => (&self.writers, FOR_WRITERS),
        };
        let ready = self.look().0 & concern;
        let switches = Switches::now();
        if switches.contains(Switches::CHAINED) && !ready.is_empty() {
            wake(queue, Wake::One, ready, switches);
        }
    }

    /// Bytes that wait to be read.
    pub fn bytes(&self) -> usize {
        match self.shared_ring() {
            Some(ring) => ring.bytes(),
            None => self.state.lock().pipe.bytes(),
        }
    }

    /// The size in bytes.
    pub fn size_bytes(&self) -> usize {
        self.state.lock().pipe.size_bytes()
    }

    /// Sets the size, rounded up as for a pipe; what it became.
    ///
    /// # Errors
    /// EINVAL above the largest; EBUSY if more slots than that hold data, or if the ring is shared; ENOMEM.
    pub fn set_size(&self, bytes: usize) -> Result<usize> {
        if bytes > SLOTS_MAX * PAGE_SIZE {
            return Err(Errno::EINVAL);
        }
        self.reshape(|state| {
            if state.is_shared {
                return Err(Errno::EBUSY);
            }
            if bytes > state.pipe.size_bytes() {
                heap::admit(bytes.next_power_of_two() / PAGE_SIZE * SLOT_BYTES)?;
            }
            state.pipe.set_size(bytes, usize::MAX)
        })
    }

    /// All that can be told of it.
    pub fn stat(&self) -> HelloStat {
        let mut name = [0; HELLO_NAME_SIZE];
        let given = self.key.name.as_bytes();
        name[..given.len()].copy_from_slice(given);
        let counters = self.totals();
        let waiting_bytes = self.bytes() as u64;
        let shared_slots = self.shared_ring().map(|ring| ring.used_slots());
        let state = self.state.lock();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        HelloStat {
            cgroup: self.key.cgroup,
            counters,
            waiting_bytes,
            slots: count(state.pipe.size_bytes() / PAGE_SIZE),
            used_slots: shared_slots.unwrap_or_else(|| count(state.pipe.used_slots())),
            readers: state.pipe.readers(),
            writers: state.pipe.writers(),
            name,
        }
    }
}

impl PageQueue for Instance {
    fn family(&self) -> Family {
        Family::Driver
    }

    fn change_pages(&self, nesting: Nesting, change: &mut dyn FnMut(&mut Ring) -> Wakes) {
        let switches = Switches::now();
        let mut state = match nesting {
            Nesting::Outer => self.state.lock(),
            Nesting::Inner => self.state.lock_nested(),
        };
        if state.obey(switches) == Place::Shared {
            // It has become so while a splice went on, which ends with EIO: there are no pages to give or take.
            return;
        }
        // Relaxed: as in `try_write`.
        if self.edge_waiters.load(Ordering::Relaxed) {
            state.pipe.note_poller();
        }
        let mut wakes = change(&mut state.pipe);
        self.glimpse.publish_moving(state.pipe.head_tail().word());
        drop(state);
        if !switches.contains(Switches::CHAINED) {
            // Nobody passes it on, and pieces may be for several.
            wakes.readers = Wake::all_if(wakes.readers != Wake::None);
            wakes.writers = Wake::all_if(wakes.writers != Wake::None);
        }
        self.wake(wakes, switches);
    }
}

impl Ends for Instance {
    type Page = Frame;

    fn open_if(&self, end: End, condition: impl FnOnce(&PipeState<Frame>) -> Result<()>) -> Result<OpenTicket> {
        self.reshape(|state| {
            condition(&state.pipe)?;
            Ok(state.pipe.open(end))
        })
    }

    /// After the last of all the bytes are gone; the pages and the size stay for the next opening.
    fn close(&self, end: End) {
        // Let go of without a lock.
        let mut unshared = None;
        let closed = self.reshape(|state| {
            let step = state.pipe.close(end);
            if state.pipe.readers() == 0 && state.pipe.writers() == 0 {
                self.edge_waiters.store(false, Ordering::Relaxed);
                self.is_shared.store(false, Ordering::Relaxed);
                unshared = self.shared.lock().take();
                state.unshare();
            }
            Ok(step)
        });
        drop(unshared);
        debug_assert!(closed.is_ok(), "a close cannot fail");
    }

    fn wait_for_peer(&self, ticket: &OpenTicket) -> Result<()> {
        let has_come = || self.state.lock().pipe.peer_has_come(ticket).then_some(());
        self.openers.wait_interruptible(Mode::Shared, has_come).map_err(|_| Errno::ERESTARTSYS)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        counters::keep_of_gone(self.totals());
    }
}

#[inline(always)]
pub(super) fn wake(queue: &WaitQueue, wake: Wake, key: Readiness, switches: Switches) {
    match wake {
        Wake::None => {}
        Wake::One if switches.contains(Switches::EXCLUSIVE) => {
            queue.wake_one(key.bits());
        }
        Wake::One | Wake::All => {
            queue.wake_all(key.bits());
        }
    }
}

/// Whether a reader sees where one write ended and the next began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Boundaries {
    /// O_DIRECT: a write is a packet.
    Kept,
    /// A stream.
    None,
}
