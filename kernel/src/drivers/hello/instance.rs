//! One ring of `/dev/hello`: the rules of a pipe in a sleeping mutex, with a queue for each kind of waiter.
//!
//! Owns the state, the words published from it, and the counters. Lock: DRIVER (sleeping), held over user copies, which may
//! fault; wake-ups come after it. Sleeps in that lock and in those copies only, and in `wait_for_peer`.
//! Specification: pipe(7), fifo(7); seed 001 §3 and §4 as corrected in seed-notes.

use super::counters::Counters;
use super::idle::Kept;
use super::mapped::MappedRing;
use super::switches::{self, Rules, SLOTS_MAX, Switches};
use crate::arch::trace_point;
use crate::fs::file::{Direction, Readiness};
use crate::fs::splice::{Family, Nesting, PageQueue, Ring};
use crate::ipc::pipe::size_limit;
use crate::ipc::rendezvous::Ends;
use crate::ipc::turns;
use crate::mm::frame::Frame;
use crate::mm::heap;
use crate::mm::user::{Sink, Source};
use crate::process::Credentials;
use crate::sync::{Mutex, MutexGuard, SpinLock, WaitQueue, rank};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use intrusive_collections::{RBTreeAtomicLink, intrusive_adapter};
use postern_abi::hello::{HELLO_NAME_SIZE, HelloCounters, HelloStat};
use postern_core::channel::ChannelKey;
use postern_core::effects::{Step, Wake, Wakes};
use postern_core::errno::{Errno, Result};
use postern_core::page_ring::{Framing, HeadTail, PAGE_SIZE};
use postern_core::pipe::{Detour, End, OpenTicket, PipeState, Shape, WriterOpens};
use postern_sync::{Glimpse, Mode};

/// Heap that a slot takes, about.
const SLOT_BYTES: usize = 16;
/// What concerns those who wait for data: bytes, or that there will be none.
pub const FOR_READERS: Readiness = Readiness::READABLE.union(Readiness::HUP);
/// What concerns those who wait for room: some, or that nobody will read.
pub const FOR_WRITERS: Readiness = Readiness::WRITABLE.union(Readiness::ERR);

/// What concerns those who wait in this direction.
pub const fn concern(direction: Direction) -> Readiness {
    match direction {
        Direction::Read => FOR_READERS,
        Direction::Write => FOR_WRITERS,
    }
}

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
    /// Empty while the bytes are elsewhere.
    pub(super) pipe: PipeState<Frame>,
    pub(super) rules: Rules,
    /// Its group is gone: nobody will open it any more.
    is_orphan: bool,
    /// What it may keep while nobody has it open.
    kept: Kept,
}

impl State {
    /// The rules have changed, perhaps: a ring that is not as usual looks crowded to those in a hurry.
    fn heed_rules(&mut self) {
        if self.rules == Rules::USUAL {
            self.pipe.end_rules();
        } else {
            self.pipe.begin_rules();
        }
    }

    /// All that looks without the lock need beside the indices.
    fn shape(&self) -> Shape {
        self.pipe.shape().with_detour(self.rules.detour())
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
        let mut state = State {
            pipe: PipeState::try_new(slots, switches.recycle())?,
            rules: Rules::of(switches),
            is_orphan: false,
            kept: Kept::NOTHING,
        };
        state.heed_rules();
        let glimpse = Glimpse::new(state.pipe.head_tail().word(), state.shape().word());
        Ok(Arc::new(Self {
            key,
            link: RBTreeAtomicLink::new(),
            state: Mutex::new(rank::DRIVER, state),
            glimpse,
            shared: SpinLock::new(rank::OBJECT, None),
            edge_waiters: AtomicBool::new(false),
            readers: WaitQueue::new(),
            writers: WaitQueue::new(),
            openers: WaitQueue::new(),
            counters: Counters::new(),
        }))
    }

    /// What tells it apart in a trace.
    #[inline(always)]
    pub(super) fn word(&self) -> u64 {
        (&raw const *self).addr() as u64
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
        self.totals_of(&self.state.lock())
    }

    fn totals_of(&self, state: &State) -> HelloCounters {
        self.counters.totals(state.pipe.through(), [self.readers.tally(), self.writers.tally()])
    }

    /// What of it is not among the sums of those that were gone when it was last seen in the tree.
    pub fn totals_beside_gone(&self) -> [u64; HelloCounters::NAMES.len()] {
        let state = self.state.lock();
        if state.is_orphan { self.counters.kept() } else { self.totals_of(&state).values() }
    }

    /// It goes out of the tree, which is locked: its counters stay in the sums, and who waits in `open` waits in vain.
    pub fn leave_tree(&self) {
        let mut state = self.state.lock();
        self.counters.keep(self.totals_of(&state));
        state.is_orphan = true;
        drop(state);
        self.openers.wake_all(Readiness::all().bits());
    }

    /// Where to wait for data, or for room.
    pub fn wait_queue(&self, direction: Direction) -> &WaitQueue {
        self.queue(turns::end_of(direction))
    }

    fn queue(&self, end: End) -> &WaitQueue {
        match end {
            End::Read => &self.readers,
            End::Write => &self.writers,
        }
    }

    /// Somebody who waits in this direction was passed over. Those who come later stand back, if it is the chain that decides who
    /// goes on: with either switch off, everybody is woken that can go on.
    pub fn hold_back(&self, direction: Direction) {
        let mut state = self.state.lock();
        if !state.rules.intersects(Rules::OF_WAKES) {
            state.pipe.hold_back(turns::end_of(direction));
        }
    }

    /// Of an attempt at `end` that said "not now": as [`turns::let_in`].
    #[cold]
    #[inline(never)]
    fn let_in(&self, state: &mut State, end: End) -> bool {
        let rules = state.rules;
        let is_its_turn = || rules.intersects(Rules::OF_WAKES) || self.queue(end).is_turn_of_current();
        turns::let_in(&mut state.pipe, end, is_its_turn)
    }

    /// From now on every write is news to somebody.
    pub fn note_edge_waiter(&self) {
        self.edge_waiters.store(true, Ordering::Relaxed);
    }

    /// From now on it obeys these switches. Who waits looks again: whoever was to wake him may have gone by other rules.
    pub fn follow(&self, switches: Switches) {
        let followed = self.reshape(|state| {
            state.pipe.set_recycle(switches.recycle());
            state.kept.shrink_to(state.pipe.pages());
            let rules = Rules::of(switches) | state.rules & Rules::ELSEWHERE;
            let look = Wake::all_if(core::mem::replace(&mut state.rules, rules) != rules);
            Ok(Step::new((), Wakes { readers: look, writers: look, ..Wakes::NONE }))
        });
        debug_assert!(followed.is_ok(), "nothing can fail");
    }

    /// Whether a reader can be told "not now" at once: nothing is there, but somebody may still write.
    #[inline(always)]
    pub fn lets_readers_wait(&self) -> bool {
        HeadTail::from_word(self.glimpse.moving()).is_empty()
            && Shape::from_word(self.glimpse.settled()).lets_readers_wait()
    }

    /// Takes what is there. As for a pipe. `Path` tells callers apart, so that each has the whole of this for itself.
    ///
    /// # Errors
    /// EAGAIN, EFAULT.
    #[inline(always)]
    #[expect(clippy::extra_unused_type_parameters, reason = "tells callers apart")]
    pub fn try_read<Path>(&self, sink: &mut Sink<'_>) -> Result<usize> {
        let mut state = self.state.lock();
        if state.pipe.is_crowded() {
            return self.read_by_rules(state, sink);
        }
        let wanted = sink.remaining();
        let bytes = state.pipe.try_read_uncrowded(wanted, sink)?;
        self.glimpse.publish_moving(state.pipe.head_tail().word());
        trace_point::hello_read(self.word(), bytes as u64, state.pipe.head_tail().word());
        Ok(bytes)
    }

    /// The same for a ring that is crowded: not as usual, full, or holding somebody back.
    #[inline(never)]
    fn read_by_rules(&self, mut state: MutexGuard<'_, State>, sink: &mut Sink<'_>) -> Result<usize> {
        let rules = state.rules;
        if rules.contains(Rules::ELSEWHERE) {
            drop(state);
            return self.read_shared(sink);
        }
        if state.pipe.holds_back(End::Read) {
            self.let_in(&mut state, End::Read);
        }
        let wanted = sink.remaining();
        let read = state.pipe.try_read(wanted, sink);
        self.finish(End::Read, state, rules, read)
    }

    /// Puts in what there is room for. As for a pipe. `Path` as above.
    ///
    /// # Errors
    /// EAGAIN, EFAULT, EPIPE, ENOMEM.
    #[inline(always)]
    #[expect(clippy::extra_unused_type_parameters, reason = "tells callers apart")]
    pub fn try_write<Path>(&self, source: &mut Source<'_>, framing: Framing) -> Result<usize> {
        let mut state = self.state.lock();
        if state.pipe.is_crowded() {
            return self.write_by_rules(state, source, framing);
        }
        // There is room, and nobody is held back.
        let step = self.fill(&mut state.pipe, source, framing)?;
        let indices = state.pipe.head_tail().word();
        self.glimpse.publish_moving(indices);
        trace_point::hello_write(self.word(), *step.outcome_for_trace() as u64, indices);
        drop(state);
        // Relaxed: it decides only where bytes wait already. Who has just begun to wait for edges finds those by the look that
        // follows, and when they have been read, with the lock, this is seen.
        if step.is_silent() && self.edge_waiters.load(Ordering::Relaxed) {
            return Ok(self.tell_edge_waiters(step.settle(|_| {})));
        }
        Ok(step.settle(|wakes| self.wake(wakes, Rules::USUAL)))
    }

    #[inline(always)]
    fn fill(&self, pipe: &mut PipeState<Frame>, source: &mut Source<'_>, framing: Framing) -> Result<Step> {
        let allocate = || Frame::alloc().inspect(|_| self.counters.count_allocation());
        pipe.try_write(source.remaining(), framing, allocate, source)
    }

    /// As for a pipe.
    #[cold]
    #[inline(never)]
    fn tell_edge_waiters(&self, moved: usize) -> usize {
        let readers = Wake::one_if(moved != 0);
        self.wake(Wakes { readers, ..Wakes::NONE }, Rules::USUAL);
        moved
    }

    /// Whether a write that found no room was held back only, and need not be.
    fn is_let_in(&self, state: &mut State) -> bool {
        trace_point::hello_full(self.word());
        self.let_in(state, End::Write)
    }

    /// The same for a crowded ring.
    #[cold]
    #[inline(never)]
    fn write_by_rules(
        &self,
        mut state: MutexGuard<'_, State>,
        source: &mut Source<'_>,
        framing: Framing,
    ) -> Result<usize> {
        let rules = state.rules;
        if rules.contains(Rules::ELSEWHERE) {
            drop(state);
            return self.write_shared(source);
        }
        // Relaxed: as in `try_write`.
        if self.edge_waiters.load(Ordering::Relaxed) {
            state.pipe.note_poller();
        }
        let by_rules = if framing == Framing::Stream { rules.stream_framing() } else { framing };
        let mut written = self.fill(&mut state.pipe, source, by_rules);
        if matches!(written, Err(Errno::EAGAIN)) && self.is_let_in(&mut state) {
            written = self.fill(&mut state.pipe, source, by_rules);
        }
        self.finish(End::Write, state, rules, written)
    }

    /// After bytes have moved through the end `end`: publishes that, and tells those at the other.
    #[inline(always)]
    fn finish(&self, end: End, state: MutexGuard<'_, State>, rules: Rules, moved: Result<Step>) -> Result<usize> {
        let indices = state.pipe.head_tail().word();
        self.glimpse.publish_moving(indices);
        drop(state);
        let step = moved?;
        match end {
            End::Read => trace_point::hello_read(self.word(), *step.outcome_for_trace() as u64, indices),
            End::Write => trace_point::hello_write(self.word(), *step.outcome_for_trace() as u64, indices),
        }
        if rules.contains(Rules::UNCHAINED) {
            return Ok(self.wake_as_many_as_may_go_on(end, step.settle(|_| {}), rules));
        }
        Ok(step.settle(|wakes| self.wake(wakes, rules)))
    }

    /// Without a chain each event wakes for all that it makes possible: a reader takes a byte at least, and a free slot has
    /// room for any number of writers.
    #[cold]
    fn wake_as_many_as_may_go_on(&self, end: End, moved: usize, rules: Rules) -> usize {
        let is_exclusive = !rules.contains(Rules::HERD);
        match end {
            _ if moved == 0 => {}
            End::Write => drop(self.readers.wake(if is_exclusive { moved } else { usize::MAX }, FOR_READERS.bits())),
            End::Read => drop(self.writers.wake_all(FOR_WRITERS.bits())),
        }
        moved
    }

    /// Changes who has it open, or its size, and then tells whom that concerns.
    pub(super) fn reshape<T>(&self, change: impl FnOnce(&mut State) -> Result<Step<T>>) -> Result<T> {
        let mut state = self.state.lock();
        let step = change(&mut state);
        state.heed_rules();
        let rules = state.rules;
        self.glimpse.publish(state.pipe.head_tail().word(), state.shape().word());
        drop(state);
        Ok(step?.settle(|wakes| self.wake(wakes, rules)))
    }

    /// What poll says of both ends, united (they have no bit in common), and how often the write end was opened. Without the
    /// lock, unless the snapshot is switched off: who needs to know for certain looks again after he has queued himself, or
    /// tries.
    pub fn look(&self) -> (Readiness, WriterOpens) {
        let (moving, shape) = self.glimpse.both();
        let (ring, shape) = match Shape::from_word(shape) {
            shape if !shape.detour().intersects(Detour::OF_READINESS) => (HeadTail::from_word(moving), shape),
            shape if shape.detour().contains(Detour::ELSEWHERE) => return self.look_at_shared(),
            _ => {
                let state = self.state.lock();
                (state.pipe.head_tail(), state.pipe.shape())
            }
        };
        (shape.readiness(ring), shape.writer_opens())
    }

    /// Whether bytes move through a ring in shared memory. Who sleeps on the answer is woken by the change.
    #[inline]
    pub(super) fn is_shared(&self) -> bool {
        Shape::from_word(self.glimpse.settled()).detour().contains(Detour::ELSEWHERE)
    }

    /// Who has it open, and its size, as published last; what came before it was is seen.
    pub(super) fn shape(&self) -> Shape {
        Shape::from_word(self.glimpse.both().1)
    }

    #[inline(always)]
    fn wake(&self, wakes: Wakes, rules: Rules) {
        wake(&self.readers, wakes.readers, FOR_READERS, rules);
        wake(&self.writers, wakes.writers, FOR_WRITERS, rules);
        if wakes.openers != Wake::None {
            self.openers.wake_all(Readiness::all().bits());
        }
    }

    /// Somebody who waited in this direction goes on, and others wait there: wakes the next, if one can go on and the chain is
    /// not switched off.
    pub fn pass_on(&self, direction: Direction) {
        let ready = self.look().0 & concern(direction);
        if ready.is_empty() {
            return;
        }
        let rules = self.waking_rules();
        if !rules.contains(Rules::UNCHAINED) {
            wake(self.wait_queue(direction), Wake::One, ready, rules);
        }
    }

    /// Tells those who wait in this direction of an event that is not the ordinary ring's: one, or all if nobody passes it on.
    pub(super) fn wake_for(&self, direction: Direction) {
        let rules = self.waking_rules();
        let wakes = if rules.contains(Rules::UNCHAINED) { Wake::All } else { Wake::One };
        wake(self.wait_queue(direction), wakes, concern(direction), rules);
    }

    /// How waiters are woken. If that changes they all look again: an answer that is old by then does no harm.
    fn waking_rules(&self) -> Rules {
        if self.shape().detour().contains(Detour::OTHER_WAKES) { self.state.lock().rules } else { Rules::USUAL }
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

    /// The size in slots.
    pub fn slots(&self) -> usize {
        self.size_bytes() / PAGE_SIZE
    }

    /// The memory it holds now, about.
    pub fn memory_bytes(&self) -> usize {
        let state = self.state.lock();
        let own = state.pipe.pages() * PAGE_SIZE + state.pipe.size_bytes() / PAGE_SIZE * SLOT_BYTES;
        size_of::<Self>() + own + self.shared_ring().map_or(0, |ring| ring.size_bytes())
    }

    /// Sets the size, rounded up as for a pipe; what it became.
    ///
    /// # Errors
    /// EINVAL above the largest; EPERM above what `credentials` may have of a pipe; EBUSY if more slots than that hold data, or if
    /// the ring is shared; ENOMEM.
    pub fn set_size(&self, bytes: usize, credentials: &Credentials) -> Result<usize> {
        if bytes > SLOTS_MAX * PAGE_SIZE {
            return Err(Errno::EINVAL);
        }
        self.reshape(|state| {
            if state.rules.contains(Rules::ELSEWHERE) {
                return Err(Errno::EBUSY);
            }
            if bytes > state.pipe.size_bytes() {
                heap::admit(bytes.next_power_of_two() / PAGE_SIZE * SLOT_BYTES)?;
            }
            state.pipe.set_size(bytes, size_limit(credentials))
        })
    }

    /// All that can be told of it.
    pub fn stat(&self) -> HelloStat {
        let mut name = [0; HELLO_NAME_SIZE];
        let given = self.key.name.as_bytes();
        name[..given.len()].copy_from_slice(given);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let state = self.state.lock();
        let (waiting_bytes, used_slots) = match self.shared_ring() {
            Some(ring) => (ring.bytes(), ring.used_slots()),
            None => (state.pipe.bytes(), count(state.pipe.used_slots())),
        };
        HelloStat {
            cgroup: self.key.cgroup,
            counters: self.totals_of(&state),
            waiting_bytes: waiting_bytes as u64,
            slots: count(state.pipe.size_bytes() / PAGE_SIZE),
            used_slots,
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
        let mut state = match nesting {
            Nesting::Outer => self.state.lock(),
            Nesting::Inner => self.state.lock_nested(),
        };
        let rules = state.rules;
        if rules.contains(Rules::ELSEWHERE) {
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
        if rules.contains(Rules::UNCHAINED) {
            // Nobody passes it on, and pieces may be for several.
            wakes.readers = Wake::all_if(wakes.readers != Wake::None);
            wakes.writers = Wake::all_if(wakes.writers != Wake::None);
        }
        self.wake(wakes, rules);
    }
}

impl Ends for Instance {
    type Page = Frame;

    fn open_if(&self, end: End, condition: impl FnOnce(&PipeState<Frame>) -> Result<()>) -> Result<OpenTicket> {
        self.reshape(|state| {
            condition(&state.pipe)?;
            state.kept = Kept::NOTHING;
            Ok(state.pipe.open(end))
        })
    }

    /// After the last of all the bytes are gone; the size stays for the next opening, and the pages as far as it may keep them.
    fn close(&self, end: End) {
        // Let go of without a lock.
        let mut unshared = None;
        let closed = self.reshape(|state| {
            let step = state.pipe.close(end);
            if state.pipe.readers() == 0 && state.pipe.writers() == 0 {
                self.edge_waiters.store(false, Ordering::Relaxed);
                unshared = self.shared.lock().take();
                state.rules.remove(Rules::ELSEWHERE);
                state.kept = Kept::of_closed(&self.key, state.pipe.pages());
                state.pipe.release_idle_pages(state.kept.pages());
            }
            Ok(step)
        });
        drop(unshared);
        debug_assert!(closed.is_ok(), "a close cannot fail");
    }

    fn wait_for_peer(&self, ticket: &OpenTicket) -> Result<()> {
        let look = || match self.state.lock() {
            state if state.pipe.peer_has_come(ticket) => Some(Ok(())),
            state if state.is_orphan => Some(Err(Errno::ENODEV)),
            _ => None,
        };
        self.openers.wait_interruptible(Mode::Shared, look).unwrap_or(Err(Errno::ERESTARTSYS))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.counters.keep(self.totals());
    }
}

#[inline(always)]
pub(super) fn wake(queue: &WaitQueue, wake: Wake, key: Readiness, rules: Rules) {
    match wake {
        Wake::None => {}
        Wake::One if !rules.contains(Rules::HERD) => {
            queue.wake_one(key.bits());
        }
        Wake::One | Wake::All => {
            queue.wake_all(key.bits());
        }
    }
}
