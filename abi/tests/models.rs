//! Model checks of the ring's protocol: every interleaving, with the weak memory that loom knows.
//! `RUSTFLAGS="--cfg loom" cargo test -p postern-abi --profile models`
//!
//! Slots are cells without any protection: loom fails a test in which a load and a store of one race. A lost doorbell shows
//! as loom's report of a deadlock.
#![cfg(loom)]
#![allow(missing_docs, reason = "tests document themselves by their names")]
#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, Ordering, fence};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use postern_abi::ring::protocol::{Consumer, Doorbell, Producer, Shared, Verdict, Words, standing_before_sleep};

const SLOTS: u32 = 2;

/// The bell of one side: rung with or without somebody asleep, as the kernel's wait queue is.
struct Bell {
    /// Who has queued, with the fences of the kernel's queue.
    queued: AtomicU32,
    rings: Mutex<u32>,
    rung: Condvar,
}

impl Default for Bell {
    fn default() -> Self {
        Self { queued: AtomicU32::new(0), rings: Mutex::default(), rung: Condvar::default() }
    }
}

impl Bell {
    fn ring(&self) {
        *self.rings.lock().unwrap() += 1;
        self.rung.notify_all();
    }

    fn is_empty(&self) -> bool {
        fence(Ordering::SeqCst);
        self.queued.load(Ordering::Relaxed) == 0
    }

    /// The rings so far: taken before the last look, as one enters a wait queue before it.
    fn rings(&self) -> u32 {
        *self.rings.lock().unwrap()
    }

    fn enter(&self) -> u32 {
        self.queued.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.rings()
    }

    fn leave(&self) {
        self.queued.fetch_sub(1, Ordering::Relaxed);
    }

    fn wait_beyond(&self, seen: u32) {
        let mut rings = self.rings.lock().unwrap();
        while *rings == seen {
            rings = self.rung.wait(rings).unwrap();
        }
    }
}

struct Ring {
    head: AtomicU32,
    producer_waits: AtomicU32,
    tail: AtomicU32,
    consumer_waits: AtomicU32,
    slots: [UnsafeCell<u32>; SLOTS as usize],
    for_producer: Bell,
    for_consumer: Bell,
}

// SAFETY: loom, which runs one thread at a time, reports every race.
unsafe impl Sync for Ring {}
// SAFETY: as above.
unsafe impl Send for Ring {}

impl Ring {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            head: AtomicU32::new(0),
            producer_waits: AtomicU32::new(0),
            tail: AtomicU32::new(0),
            consumer_waits: AtomicU32::new(0),
            slots: [UnsafeCell::new(0), UnsafeCell::new(0)],
            for_producer: Bell::default(),
            for_consumer: Bell::default(),
        })
    }

    fn shared(&self) -> Shared<'_> {
        Shared {
            producer: Words { index: &self.head, waiting: &self.producer_waits },
            consumer: Words { index: &self.tail, waiting: &self.consumer_waits },
        }
    }

    fn slot(&self, index: u32) -> &UnsafeCell<u32> {
        &self.slots[(index % SLOTS) as usize]
    }

    fn produce(&self, side: &mut Producer, value: u32) {
        while side.room(self.shared()).unwrap() == 0 {
            let rings = self.for_producer.rings();
            if side.prepare_wait(self.shared()).unwrap() == Verdict::Sleep {
                self.for_producer.wait_beyond(rings);
                self.shared().producer.clear_waiting();
            }
        }
        // SAFETY: loom checks that nobody else is at the slot.
        self.slot(side.head()).with_mut(|slot| unsafe { *slot = value });
        if side.publish(self.shared(), 1) == Doorbell::Ring {
            self.for_consumer.ring();
        }
    }

    fn consume(&self, side: &mut Consumer) -> u32 {
        while side.filled(self.shared()).unwrap() == 0 {
            let rings = self.for_consumer.rings();
            if side.prepare_wait(self.shared()).unwrap() == Verdict::Sleep {
                self.for_consumer.wait_beyond(rings);
                self.shared().consumer.clear_waiting();
            }
        }
        // SAFETY: loom checks that nobody writes the slot.
        let value = self.slot(side.tail()).with(|slot| unsafe { *slot });
        if side.release(self.shared(), 1) == Doorbell::Ring {
            self.for_producer.ring();
        }
        value
    }
}

fn explore(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(body);
}

/// One side in a thread, the other here; the consumer gets `0..records` in order.
fn exchange(records: u32) {
    let ring = Ring::new();
    let producing = ring.clone();
    let producer = thread::spawn(move || {
        let mut side = Producer::attach(producing.shared(), SLOTS).unwrap();
        for value in 0..records {
            producing.produce(&mut side, value);
        }
    });
    let mut side = Consumer::attach(ring.shared(), SLOTS).unwrap();
    for value in 0..records {
        assert_eq!(ring.consume(&mut side), value);
    }
    producer.join().unwrap();
}

#[test]
fn a_record_is_seen_whole_and_a_sleeping_consumer_is_woken() {
    explore(3, || exchange(1));
}

#[test]
fn a_slot_is_used_again_only_after_it_was_read_and_a_sleeping_producer_is_woken() {
    explore(3, || exchange(SLOTS + 1));
}

#[test]
fn records_past_the_edge_ring_no_doorbell() {
    explore(3, || {
        let ring = Ring::new();
        let producing = ring.clone();
        let producer = thread::spawn(move || {
            let mut side = Producer::attach(producing.shared(), SLOTS).unwrap();
            producing.produce(&mut side, 0);
            producing.produce(&mut side, 1);
        });
        let mut side = Consumer::attach(ring.shared(), SLOTS).unwrap();
        // It goes to sleep once, and stays asleep for both records.
        if side.prepare_wait(ring.shared()).unwrap() == Verdict::Sleep {
            ring.for_consumer.wait_beyond(0);
        }
        producer.join().unwrap();
        assert!(ring.for_consumer.rings() <= 1, "one edge, {} rings", ring.for_consumer.rings());
    });
}

/// poll(2) by a process that is neither side, while the consumer drains: it sleeps only if a ring will come.
#[test]
fn a_bystander_who_waits_for_a_record_is_woken() {
    explore(3, || {
        let ring = Ring::new();
        let (producing, draining) = (ring.clone(), ring.clone());
        let producer = thread::spawn(move || {
            let mut side = Producer::attach(producing.shared(), SLOTS).unwrap();
            producing.produce(&mut side, 0);
            producing.produce(&mut side, 1);
        });
        // Takes at most the first record, so that the second is there in the end.
        let consumer = thread::spawn(move || {
            let mut side = Consumer::attach(draining.shared(), SLOTS).unwrap();
            if side.filled(draining.shared()).unwrap() != 0 {
                let _ = side.release(draining.shared(), 1);
            }
        });
        loop {
            let rings = ring.for_consumer.rings();
            if standing_before_sleep(ring.shared(), SLOTS).filled != 0 {
                break;
            }
            ring.for_consumer.wait_beyond(rings);
        }
        producer.join().unwrap();
        consumer.join().unwrap();
    });
}

/// The kernel's doorbell for the consumer: whoever it finds nobody for does not count as waiting any more.
fn ring_for_consumer(ring: &Ring) {
    let bell = &ring.for_consumer;
    bell.ring();
    if bell.is_empty() {
        ring.shared().consumer.clear_waiting();
        if !bell.is_empty() && standing_before_sleep(ring.shared(), SLOTS).filled != 0 {
            bell.ring();
        }
    }
}

/// Somebody waited for the ring once and does not any more: the first doorbell, for nobody, takes that back, while another is
/// about to go to sleep.
#[test]
fn a_doorbell_that_finds_nobody_loses_nobody_who_comes() {
    explore(3, || {
        let ring = Ring::new();
        assert_eq!(standing_before_sleep(ring.shared(), SLOTS).filled, 0);
        let producing = ring.clone();
        let producer = thread::spawn(move || {
            let mut side = Producer::attach(producing.shared(), SLOTS).unwrap();
            for _ in 0..SLOTS {
                if side.publish(producing.shared(), 1) == Doorbell::Ring {
                    ring_for_consumer(&producing);
                }
            }
        });
        let mut side = Consumer::attach(ring.shared(), SLOTS).unwrap();
        for _ in 0..SLOTS {
            let bell = &ring.for_consumer;
            let mut seen = bell.enter();
            while side.prepare_wait(ring.shared()).unwrap() == Verdict::Sleep {
                bell.wait_beyond(seen);
                seen = bell.rings();
            }
            bell.leave();
            let _ = side.release(ring.shared(), 1);
        }
        producer.join().unwrap();
    });
}

/// The same for room: the ring is full, and loses a record.
#[test]
fn a_bystander_who_waits_for_room_is_woken() {
    explore(3, || {
        let ring = Ring::new();
        let mut side = Producer::attach(ring.shared(), SLOTS).unwrap();
        ring.produce(&mut side, 0);
        ring.produce(&mut side, 1);
        let draining = ring.clone();
        let consumer = thread::spawn(move || {
            let mut side = Consumer::attach(draining.shared(), SLOTS).unwrap();
            assert_eq!(draining.consume(&mut side), 0);
        });
        loop {
            let rings = ring.for_producer.rings();
            if standing_before_sleep(ring.shared(), SLOTS).free != 0 {
                break;
            }
            ring.for_producer.wait_beyond(rings);
        }
        consumer.join().unwrap();
    });
}
