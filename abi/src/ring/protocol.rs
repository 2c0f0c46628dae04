//! The single-producer single-consumer protocol: who stores which word, in which order, and when the other must be woken.
//!
//! Indices run freely and wrap at 2³²; `head` is the next slot to fill, `tail` the next to drain, as in the pipe. Each side
//! keeps its own index in private memory as well and goes by that, so what is in shared memory matters to the other alone.
//!
//! **Data.** The producer stores the record and its descriptor, then `head` with Release; the consumer loads `head` with
//! Acquire, so it sees both. The consumer reads the record, then stores `tail` with Release; the producer loads `tail` with
//! Acquire before it uses the slot again, so the reading is over.
//!
//! **Sleeping.** A side that finds nothing to do sets its `waiting`, fences, and looks once more; the other publishes, fences,
//! and looks at `waiting` (store, fence, load against store, fence, load: at least one of the two sees the other's store).
//! The doorbell is rung only at an *edge*: when the ring was empty before this record, or full before this slot. A sleeper
//! saw exactly that state, and sees it until it is woken, so every later publication finds the ring past the edge and stays
//! out of the kernel.
//!
//! No unsafe code; checked with loom in `tests/models.rs`.

use super::Corrupt;

#[cfg(not(loom))]
use core::sync::atomic::{AtomicU32, Ordering, fence};
#[cfg(loom)]
use loom::sync::atomic::{AtomicU32, Ordering, fence};

/// What one side publishes. It alone writes it, but for the kernel, which waits on its behalf.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// The producer's head, or the consumer's tail. The first word of the side's pages.
    pub index: &'a AtomicU32,
    /// Not 0: it sleeps, or is about to look once more and then sleep. The second word.
    pub waiting: &'a AtomicU32,
}

/// The words of both sides.
#[derive(Clone, Copy, Debug)]
pub struct Shared<'a> {
    /// The producer's.
    pub producer: Words<'a>,
    /// The consumer's.
    pub consumer: Words<'a>,
}

/// What the other side needs after a publication.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a sleeper that is not woken sleeps for ever"]
pub enum Doorbell {
    /// It sleeps, or may be about to: ring.
    Ring,
    /// Nothing.
    Silent,
}

/// Whether there is still nothing to do after the other side was told that this one waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Sleep: the other side will ring.
    Sleep,
    /// Do not sleep: something came.
    Proceed,
}

impl Words<'_> {
    /// Says that this side waits, before it looks once more.
    fn announce(self) {
        self.waiting.store(1, Ordering::Relaxed);
        // SeqCst: between the announcement and the look at the other's index; pairs with the fence of `publish`.
        fence(Ordering::SeqCst);
    }

    /// This side does not wait any more. Relaxed: who misses it rings once too often.
    pub fn clear_waiting(self) {
        self.waiting.store(0, Ordering::Relaxed);
    }

    /// Publishes `index`; whether the other side, whose words are `other`, saw the ring at the edge `edge` when it went to
    /// sleep.
    fn publish(self, index: u32, other: Self, edge: u32) -> Doorbell {
        // Release: what was done to the slots comes before.
        self.index.store(index, Ordering::Release);
        // SeqCst: between our index and the look at `waiting`; pairs with the fence of `announce`.
        fence(Ordering::SeqCst);
        // Relaxed: the fence orders them; they are compared, nothing is read through them.
        let waits = other.waiting.load(Ordering::Relaxed) != 0;
        if waits && other.index.load(Ordering::Relaxed) == edge { Doorbell::Ring } else { Doorbell::Silent }
    }
}

/// The producing side.
#[derive(Debug)]
pub struct Producer {
    head: u32,
    /// The consumer's tail when last seen.
    tail: u32,
    slots: u32,
}

impl Producer {
    /// Of a ring of `slots` slots which stands as `shared` says: new, or left by an earlier producer.
    ///
    /// # Errors
    /// [`Corrupt`]
    pub fn attach(shared: Shared<'_>, slots: u32) -> Result<Self, Corrupt> {
        // Acquire, for both: as in `room`.
        let head = shared.producer.index.load(Ordering::Acquire);
        let tail = shared.consumer.index.load(Ordering::Acquire);
        if head.wrapping_sub(tail) > slots { Err(Corrupt) } else { Ok(Self { head, tail, slots }) }
    }

    /// The index of the slot to fill next.
    #[must_use]
    pub fn head(&self) -> u32 {
        self.head
    }

    fn free(&self) -> u32 {
        self.slots - self.head.wrapping_sub(self.tail)
    }

    /// Takes notice of a newer tail.
    fn see(&mut self, shared: Shared<'_>) -> Result<(), Corrupt> {
        // Acquire: pairs with the Release of the consumer's tail; what it read of the slot is read.
        let tail = shared.consumer.index.load(Ordering::Acquire);
        // Between the tail last seen and our head, or it ran backwards or past us.
        if self.head.wrapping_sub(tail) > self.head.wrapping_sub(self.tail) {
            return Err(Corrupt);
        }
        self.tail = tail;
        Ok(())
    }

    /// Free slots; looks at the consumer only when the last look left none.
    ///
    /// # Errors
    /// [`Corrupt`]
    #[inline]
    pub fn room(&mut self, shared: Shared<'_>) -> Result<u32, Corrupt> {
        if self.free() == 0 {
            self.see(shared)?;
        }
        Ok(self.free())
    }

    /// Publishes `count` slots from [`Producer::head`] on, which have been filled; at most [`Producer::room`].
    #[inline]
    pub fn publish(&mut self, shared: Shared<'_>, count: u32) -> Doorbell {
        debug_assert!(count <= self.free(), "more slots than are free");
        // A consumer that saw the ring empty has its tail where our head was.
        let was_empty_at = self.head;
        self.head = self.head.wrapping_add(count);
        shared.producer.publish(self.head, shared.consumer, was_empty_at)
    }

    /// Tells the consumer that this side waits for room, and looks once more.
    ///
    /// # Errors
    /// [`Corrupt`]
    pub fn prepare_wait(&mut self, shared: Shared<'_>) -> Result<Verdict, Corrupt> {
        shared.producer.announce();
        self.see(shared)?;
        Ok(verdict(shared.producer, self.free()))
    }
}

/// The consuming side.
#[derive(Debug)]
pub struct Consumer {
    tail: u32,
    /// The producer's head when last seen.
    head: u32,
    slots: u32,
}

impl Consumer {
    /// Of a ring of `slots` slots which stands as `shared` says: new, or left by an earlier consumer.
    ///
    /// # Errors
    /// [`Corrupt`]
    pub fn attach(shared: Shared<'_>, slots: u32) -> Result<Self, Corrupt> {
        // Acquire, for both: as in `filled`.
        let tail = shared.consumer.index.load(Ordering::Acquire);
        let head = shared.producer.index.load(Ordering::Acquire);
        if head.wrapping_sub(tail) > slots { Err(Corrupt) } else { Ok(Self { tail, head, slots }) }
    }

    /// The index of the slot to drain next.
    #[must_use]
    pub fn tail(&self) -> u32 {
        self.tail
    }

    fn waiting_records(&self) -> u32 {
        self.head.wrapping_sub(self.tail)
    }

    /// Takes notice of a newer head.
    fn see(&mut self, shared: Shared<'_>) -> Result<(), Corrupt> {
        // Acquire: pairs with the Release of the producer's head; the records and descriptors are there.
        let head = shared.producer.index.load(Ordering::Acquire);
        let records = head.wrapping_sub(self.tail);
        if records > self.slots || records < self.waiting_records() {
            return Err(Corrupt);
        }
        self.head = head;
        Ok(())
    }

    /// Records to drain; looks at the producer only when the last look left none.
    ///
    /// # Errors
    /// [`Corrupt`]
    #[inline]
    pub fn filled(&mut self, shared: Shared<'_>) -> Result<u32, Corrupt> {
        if self.waiting_records() == 0 {
            self.see(shared)?;
        }
        Ok(self.waiting_records())
    }

    /// Gives back `count` slots from [`Consumer::tail`] on, which have been drained; at most [`Consumer::filled`].
    #[inline]
    pub fn release(&mut self, shared: Shared<'_>, count: u32) -> Doorbell {
        debug_assert!(count <= self.waiting_records(), "more slots than were filled");
        // A producer that saw the ring full has its head a whole ring before our tail.
        let was_full_at = self.tail.wrapping_add(self.slots);
        self.tail = self.tail.wrapping_add(count);
        shared.consumer.publish(self.tail, shared.producer, was_full_at)
    }

    /// Tells the producer that this side waits for a record, and looks once more.
    ///
    /// # Errors
    /// [`Corrupt`]
    pub fn prepare_wait(&mut self, shared: Shared<'_>) -> Result<Verdict, Corrupt> {
        shared.consumer.announce();
        self.see(shared)?;
        Ok(verdict(shared.consumer, self.waiting_records()))
    }
}

fn verdict(own: Words<'_>, slots_to_go_on_with: u32) -> Verdict {
    if slots_to_go_on_with == 0 {
        return Verdict::Sleep;
    }
    own.clear_waiting();
    Verdict::Proceed
}

/// How the ring stands for one who is neither side, such as poll(2): asked without a lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Records that wait.
    pub filled: u32,
    /// Free slots.
    pub free: u32,
}

impl Standing {
    /// Indices that do not fit together were loaded while the ring moved under a bystander's eyes, or somebody has written
    /// nonsense. Either way there is something to do, and who tries to do it will learn what. A side that asks for itself
    /// never gets this, for its own index stands still.
    const IN_MOTION: Self = Self { filled: 1, free: 1 };

    fn of(head: u32, tail: u32, slots: u32) -> Self {
        let filled = head.wrapping_sub(tail);
        if filled > slots { Self::IN_MOTION } else { Self { filled, free: slots - filled } }
    }
}

/// How the ring stands, now.
#[must_use]
pub fn standing(shared: Shared<'_>, slots: u32) -> Standing {
    // Relaxed: whoever acts on the answer looks again.
    let tail = shared.consumer.index.load(Ordering::Relaxed);
    let head = shared.producer.index.load(Ordering::Relaxed);
    Standing::of(head, tail, slots)
}

/// The same for one who may go to sleep on the answer: sides that have nothing to do count as waiting from now on, and are
/// looked at again after that.
#[must_use]
pub fn standing_before_sleep(shared: Shared<'_>, slots: u32) -> Standing {
    let standing = standing(shared, slots);
    let (sleeper, other) = match standing {
        Standing { filled: 0, .. } => (shared.consumer, shared.producer),
        Standing { free: 0, .. } => (shared.producer, shared.consumer),
        _ => return standing,
    };
    sleeper.waiting.store(1, Ordering::Relaxed);
    // Relaxed, but before the fence: so whoever publishes after our look sees this index or a later one, and knows the edge.
    let own = sleeper.index.load(Ordering::Relaxed);
    // SeqCst: as in `announce`, for the one on whose behalf we wait.
    fence(Ordering::SeqCst);
    // Relaxed: only compared.
    let others = other.index.load(Ordering::Relaxed);
    if standing.filled == 0 { Standing::of(others, own, slots) } else { Standing::of(own, others, slots) }
}
