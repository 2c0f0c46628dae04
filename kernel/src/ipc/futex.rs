//! Futexes: sleeping until a word of user memory changes. Specification: futex(2); robust lists:
//! set_robust_list(2).
//!
//! Waiters lie by value in a bucket chosen by the word's place. A waiter first queues itself, then
//! looks at the word: whoever changes the word and then wakes either is seen by that look or finds
//! the waiter. A waiter that is no longer in its bucket has been woken.
//! Locks: FUTEX, one a bucket, and FUTEX_MOVE around them; never held over an access to user memory. Waiting sleeps.

use crate::arch::timer::now_ns;
use crate::mm::place::Place;
use crate::mm::user::{self, UserPtr};
use crate::sched::{self, TaskHandle};
use crate::sync::{SpinLock, rank};
use alloc::collections::VecDeque;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_sync::Presence;

const BUCKETS: usize = 64;
/// FUTEX_BITSET_MATCH_ANY.
pub const ANY_BITS: u32 = u32::MAX;
/// How many entries of a robust list are believed (Linux's ROBUST_LIST_LIMIT).
const ROBUST_LIST_LIMIT: usize = 2048;

/// Who may wait on a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Threads of the caller's address space only (FUTEX_PRIVATE_FLAG).
    Private,
    /// Whoever has the page mapped.
    Shared,
}

#[derive(Clone, Copy)]
struct Waiter {
    word: Place,
    bits: u32,
    /// A task waits for one word at a time: so it is also what tells waiters apart.
    task: TaskHandle,
    /// The bucket in which it looks for itself, once it has been moved out of it.
    moved_from: Option<u8>,
}

struct Bucket {
    waiters: VecDeque<Waiter>,
}

impl Bucket {
    /// Where a task waits here, which mostly nobody does.
    #[inline]
    fn find(&self, task: TaskHandle) -> Option<usize> {
        if self.waiters.is_empty() { None } else { self.waiters.iter().position(|waiter| waiter.task == task) }
    }

    /// Takes out a waiter, who is at that place; mostly the first, which leaves nothing to be moved together.
    #[inline(always)]
    fn take_out(&mut self, at: usize) -> Waiter {
        let waiter = self.waiters[at];
        if at == 0 {
            self.waiters.pop_front();
        } else {
            self.close_gap(at);
        }
        waiter
    }

    #[cold]
    fn close_gap(&mut self, at: usize) {
        self.waiters.remove(at);
    }
}

static TABLE: [SpinLock<Bucket>; BUCKETS] =
    [const { SpinLock::new(rank::FUTEX, Bucket { waiters: VecDeque::new() }) }; BUCKETS];

/// The bucket of a word.
fn bucket_of(word: Place) -> usize {
    let mixed = (word.source.number() << 32).wrapping_add(word.offset >> 2).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 58) as usize % BUCKETS
}

/// The word at `address`. EINVAL if misaligned; EFAULT.
#[inline(always)]
fn word_at(address: usize, sharing: Sharing) -> Result<Place> {
    if !address.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    user::check_range(address, 4)?;
    let word = sched::current().with_address_space(|space| match sharing {
        Sharing::Private => Ok(space.private_place_of(address)),
        Sharing::Shared => space.place_of(address),
    });
    word.unwrap_or(Err(Errno::EFAULT))
}

/// FUTEX_WAIT(_BITSET): sleeps if the word still is `expected`. EAGAIN, ETIMEDOUT, EINTR (as a
/// restart), EINVAL, EFAULT.
pub fn wait(address: usize, sharing: Sharing, expected: u32, bits: u32, deadline_ns: Option<u64>) -> Result<()> {
    if bits == 0 {
        return Err(Errno::EINVAL);
    }
    let word = word_at(address, sharing)?;
    let (home, me) = (bucket_of(word), sched::current_handle());
    {
        let mut bucket = TABLE[home].lock();
        if bucket.waiters.len() == bucket.waiters.capacity() {
            bucket.waiters.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        }
        bucket.waiters.push_back(Waiter { word, bits, task: me, moved_from: None });
    }
    let seen = user::load_u32(address);
    if seen != Ok(expected) {
        // Woken meanwhile: that wake-up was for us, and is reported as one.
        return if remove(home, me) { seen.and(Err(Errno::EAGAIN)) } else { Ok(()) };
    }
    loop {
        let timed_out = deadline_ns.is_some_and(|deadline| now_ns() >= deadline);
        if timed_out || sched::current().is_interrupted() {
            let error = if timed_out { Errno::ETIMEDOUT } else { Errno::ERESTARTSYS };
            return if remove(home, me) { Err(error) } else { Ok(()) };
        }
        // Whoever has taken us out already has unparked us too, and this returns at once.
        sched::park(deadline_ns);
        if !is_waiting(home, me) {
            return Ok(());
        }
    }
}

/// Whether the wait has not been ended by a waker. A requeued waiter is in another bucket.
fn is_waiting(home: usize, task: TaskHandle) -> bool {
    let here = TABLE[home].lock().find(task).is_some();
    here || any_moved_from(home) && {
        let _moving = MOVING.lock();
        find_elsewhere(task).is_some()
    }
}

/// Held while waiters are moved between buckets, and by whoever looks for one in all of them: it can be missed only so.
static MOVING: SpinLock<()> = SpinLock::new(rank::FUTEX_MOVE, ());
/// How many waiters that began in each bucket have been moved and still wait: while 0, none of those looks elsewhere.
static MOVED_FROM: [Presence; BUCKETS] = [const { Presence::none() }; BUCKETS];

/// Asked by a waiter that has not found itself in its bucket.
fn any_moved_from(bucket: usize) -> bool {
    // Whoever moved it counted that with the bucket locked, before the caller locked it.
    MOVED_FROM[bucket].any()
}

impl Waiter {
    /// It is being moved to another word, with its bucket locked.
    fn moved_to(self, word: Place) -> Self {
        let home = self.moved_from.unwrap_or_else(|| {
            let home = bucket_of(self.word);
            MOVED_FROM[home].add();
            home.to_le_bytes()[0]
        });
        Self { word, moved_from: Some(home), ..self }
    }

    /// It has been taken out of its bucket, which is locked, and waits no more.
    fn leave(&self) {
        if let Some(home) = self.moved_from {
            MOVED_FROM[usize::from(home)].remove();
        }
    }
}

/// The bucket in which a waiter is. The caller holds MOVING.
fn find_elsewhere(task: TaskHandle) -> Option<usize> {
    (0..BUCKETS).find(|bucket| TABLE[*bucket].lock().find(task).is_some())
}

/// Takes a wait back. False if a waker was first.
fn remove(home: usize, task: TaskHandle) -> bool {
    let take = |bucket: usize| {
        let mut bucket = TABLE[bucket].lock();
        bucket.find(task).map(|at| bucket.take_out(at)).inspect(Waiter::leave).is_some()
    };
    if take(home) {
        return true;
    }
    if !any_moved_from(home) {
        return false;
    }
    let _moving = MOVING.lock();
    // Between the two a waker may be first.
    find_elsewhere(task).is_some_and(take)
}

/// FUTEX_WAKE(_BITSET): wakes up to `count` waiters in the order they came; how many.
#[inline(never)]
pub fn wake(address: usize, sharing: Sharing, count: u32, bits: u32) -> Result<usize> {
    if bits == 0 {
        return Err(Errno::EINVAL);
    }
    Ok(wake_word(word_at(address, sharing)?, count, bits))
}

/// The same for a word that has been found.
#[inline(always)]
fn wake_word(word: Place, count: u32, bits: u32) -> usize {
    let mut bucket = TABLE[bucket_of(word)].lock();
    if bucket.waiters.is_empty() {
        return 0;
    }
    wake_in(&mut bucket, word, count as usize, bits)
}

#[inline(never)]
fn wake_in(bucket: &mut Bucket, word: Place, count: usize, bits: u32) -> usize {
    let mut woken = 0;
    let mut at = 0;
    while woken < count
        && let Some(waiter) = bucket.waiters.get(at)
    {
        if waiter.word != word || waiter.bits & bits == 0 {
            at += 1;
            continue;
        }
        let waiter = bucket.take_out(at);
        waiter.leave();
        // Under the lock: the task cannot finish before it has looked for itself here.
        sched::unpark(waiter.task);
        woken += 1;
    }
    woken
}

/// FUTEX_REQUEUE and FUTEX_CMP_REQUEUE: wakes `wake`, moves up to `requeue` others to `target`; how
/// many in all. EAGAIN if the word is not `expected`; ENOMEM, and then nobody has been woken or moved.
#[inline(never)]
pub fn requeue(
    address: usize,
    target: usize,
    sharing: Sharing,
    counts: (u32, u32),
    expected: Option<u32>,
) -> Result<usize> {
    let from = word_at(address, sharing)?;
    let to = word_at(target, sharing)?;
    if sharing == Sharing::Shared {
        // As on Linux, which finds the object behind a shared word by its page.
        user::load_u32(address)?;
        user::load_u32(target)?;
    }
    if let Some(expected) = expected
        && user::load_u32(address)? != expected
    {
        return Err(Errno::EAGAIN);
    }
    let home = bucket_of(from);
    let (low, high) = (home.min(bucket_of(to)), home.max(bucket_of(to)));
    let _moving = MOVING.lock();
    let mut first = TABLE[low].lock();
    let mut second = (low != high).then(|| TABLE[high].lock_nested());
    let (wake, requeue) = (counts.0 as usize, counts.1 as usize);
    let (source, mut destination) = match &mut second {
        None => (&mut *first, None),
        Some(second) if home == low => (&mut *first, Some(&mut **second)),
        Some(second) => (&mut **second, Some(&mut *first)),
    };
    if let Some(destination) = &mut destination {
        let queued = source.waiters.iter().filter(|waiter| waiter.word == from).count();
        let room = queued.saturating_sub(wake).min(requeue);
        destination.waiters.try_reserve(room).map_err(|_| Errno::ENOMEM)?;
    }
    let woken = wake_in(source, from, wake, ANY_BITS);
    let moved = move_waiters(source, destination, [from, to], requeue);
    Ok(woken + moved)
}

/// Puts up to `most` waiters at the end of the queue of `destination`, or of the same bucket, with another key; how many.
/// There is room for them: a queue that has just lost one has a place, and the caller has seen to another bucket.
fn move_waiters(source: &mut Bucket, destination: Option<&mut Bucket>, [from, to]: [Place; 2], most: usize) -> usize {
    let mut destination = destination;
    let mut moved = 0;
    let mut at = 0;
    let mut unseen = source.waiters.len();
    while moved < most && unseen != 0 {
        unseen -= 1;
        if source.waiters[at].word != from {
            at += 1;
            continue;
        }
        let waiter = source.take_out(at);
        let end = destination.as_mut().map_or(&mut source.waiters, |other| &mut other.waiters);
        end.push_back(waiter.moved_to(to));
        moved += 1;
    }
    moved
}

/// FUTEX_WAKE_OP: changes the word at `target`, wakes waiters of `address`, and of `target` if its old value satisfies the
/// comparison; how many in all. EINVAL, EFAULT and, of an unknown operation, ENOSYS leave the word as it is; an unknown
/// comparison is found out only after the change, as on Linux. Whatever fails wakes nobody.
#[inline(never)]
pub fn wake_operation(
    address: usize,
    target: usize,
    sharing: Sharing,
    counts: (u32, u32),
    operation: u32,
) -> Result<usize> {
    let (first, second) = (word_at(address, sharing)?, word_at(target, sharing)?);
    let old = update_word(target, operation)?;
    let satisfied = compare(old, operation)?;
    let mut woken = wake_word(first, counts.0, ANY_BITS);
    if satisfied {
        woken += wake_word(second, counts.1, ANY_BITS);
    }
    Ok(woken)
}

fn update_word(address: usize, encoded: u32) -> Result<u32> {
    let mut operand = (encoded << 8).cast_signed() >> 20; // 12 bits, signed
    if encoded >> 28 & 8 != 0 {
        operand = 1 << (operand & 31);
    }
    let operand = operand.cast_unsigned();
    let mut old = user::load_u32(address)?;
    loop {
        let new = match encoded >> 28 & 7 {
            abi::FUTEX_OP_SET => operand,
            abi::FUTEX_OP_ADD => old.wrapping_add(operand),
            abi::FUTEX_OP_OR => old | operand,
            abi::FUTEX_OP_ANDN => old & !operand,
            abi::FUTEX_OP_XOR => old ^ operand,
            _ => return Err(Errno::ENOSYS),
        };
        let seen = user::compare_exchange_u32(address, old, new)?;
        if seen == old {
            return Ok(old);
        }
        old = seen;
    }
}

fn compare(old: u32, encoded: u32) -> Result<bool> {
    let (old, operand) = (old.cast_signed(), (encoded << 20).cast_signed() >> 20);
    Ok(match encoded >> 24 & 0xf {
        abi::FUTEX_OP_CMP_EQ => old == operand,
        abi::FUTEX_OP_CMP_NE => old != operand,
        abi::FUTEX_OP_CMP_LT => old < operand,
        abi::FUTEX_OP_CMP_LE => old <= operand,
        abi::FUTEX_OP_CMP_GT => old > operand,
        abi::FUTEX_OP_CMP_GE => old >= operand,
        _ => return Err(Errno::ENOSYS),
    })
}

/// A thread ends: the mutexes it holds are marked as their owner's death, and a waiter of each is
/// woken. Whatever is wrong with the list ends the walk.
pub fn release_robust_list(head: usize, tid: u32) {
    if head != 0 {
        // Nobody is left to be told of a fault.
        let _ = walk_robust_list(head, tid);
    }
}

fn walk_robust_list(head: usize, tid: u32) -> Result<()> {
    let [entry, offset, pending] = UserPtr::<[usize; 3]>::new(head).read()?;
    let (mut entry, pending) = (RobustEntry(entry), RobustEntry(pending));
    for _ in 0..ROBUST_LIST_LIMIT {
        if entry.address() == head {
            break;
        }
        let next = UserPtr::<usize>::new(entry.address()).read();
        if entry.address() != pending.address() {
            release_robust_mutex(entry, offset, tid)?;
        }
        entry = RobustEntry(next?);
    }
    if pending.address() != 0 {
        release_pending_mutex(pending, offset, tid)?;
    }
    Ok(())
}

/// A link of the list: where an entry is, and in bit 0 whether its mutex inherits priorities.
#[derive(Clone, Copy)]
struct RobustEntry(usize);

impl RobustEntry {
    fn address(self) -> usize {
        self.0 & !1
    }

    /// Of these Linux wakes nobody here: their waiters wait for the kernel to hand the mutex on.
    fn inherits_priority(self) -> bool {
        self.0 & 1 != 0
    }
}

/// The mutex that its owner was about to lock or to unlock. Where it has been unlocked already, the thread may have died before
/// it woke a waiter, and nobody else would.
fn release_pending_mutex(entry: RobustEntry, offset: usize, tid: u32) -> Result<()> {
    let address = entry.address().wrapping_add(offset);
    if !entry.inherits_priority() && user::load_u32(address)? & abi::FUTEX_TID_MASK == 0 {
        return wake(address, Sharing::Shared, 1, ANY_BITS).map(drop);
    }
    release_robust_mutex(entry, offset, tid)
}

fn release_robust_mutex(entry: RobustEntry, offset: usize, tid: u32) -> Result<()> {
    let address = entry.address().wrapping_add(offset);
    let mut old = user::load_u32(address)?;
    while old & abi::FUTEX_TID_MASK == tid {
        let new = old & abi::FUTEX_WAITERS | abi::FUTEX_OWNER_DIED;
        let seen = user::compare_exchange_u32(address, old, new)?;
        if seen == old {
            if !entry.inherits_priority() && old & abi::FUTEX_WAITERS != 0 {
                wake(address, Sharing::Shared, 1, ANY_BITS)?;
            }
            break;
        }
        old = seen;
    }
    Ok(())
}

/// Calls `see` with each task that waits, and its word; with the word's bucket locked.
pub fn for_each_waiter(mut see: impl FnMut(TaskHandle, Place)) {
    for bucket in &TABLE {
        for waiter in &bucket.lock().waiters {
            see(waiter.task, waiter.word);
        }
    }
}

/// Waiters in all buckets, for leak counts. Gives back the memory of empty buckets.
pub fn waiter_count() -> usize {
    let waiters = |bucket: &SpinLock<Bucket>| {
        let mut bucket = bucket.lock();
        if bucket.waiters.is_empty() {
            bucket.waiters = VecDeque::new();
        }
        bucket.waiters.len()
    };
    TABLE.iter().map(waiters).sum()
}
