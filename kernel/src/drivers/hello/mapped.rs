//! The ring in shared memory: what read(2), write(2) and poll(2) do with it, and the pages that mmap(2) gives.
//!
//! Owns the pages, and the two sides for as long as no program has them. A side that is the kernel's goes by its own index,
//! kept here; what a program wrote is loaded once and checked. A ring that makes no sense stays so: EIO for everybody who
//! has it open, and nobody else, until the last of them closes it.
//! Lock: MAPPED_RING (sleeping), over the copies of a read or a write; poll takes none.
//! Specification: the layout and protocol of `postern_abi::ring`.

use crate::fs::file::Readiness;
use crate::mm::frame::Frame;
use crate::mm::user::{Sink, Source};
use crate::mm::{PageIntent, PageSource, SourceId, heap};
use crate::sync::{Mutex, rank};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};
use postern_abi::ring::Corrupt;
use postern_abi::ring::layout::{CONSUMER_PAGE, Descriptor, Geometry, PAGE_SIZE, PRODUCER_PAGE};
use postern_abi::ring::protocol::{
    Consumer, Doorbell, Producer, Shared, Standing, Verdict, Words, standing, standing_before_sleep,
};
use postern_core::errno::{Errno, Result};

/// Words of a page.
const PAGE_WORDS: usize = PAGE_SIZE / size_of::<u32>();

/// One of the two sides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Fills slots.
    Producer,
    /// Drains them.
    Consumer,
}

/// Who acts for a side.
enum Side<S> {
    /// The kernel, for callers of read(2) or write(2).
    Kernel(S),
    /// A program that has it mapped.
    Program,
    /// Nobody: the indices make no sense.
    Broken,
}

/// The kernel as a consumer.
struct Draining {
    side: Consumer,
    /// What is left of the record at the tail, if it was read in part: found valid then, and not looked at again.
    rest: Option<Range<usize>>,
}

struct Sides {
    producer: Side<Producer>,
    consumer: Side<Draining>,
}

/// What an attempt did.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    /// Bytes.
    pub bytes: usize,
    /// Whether the other side is to be woken.
    pub doorbell: Doorbell,
}

/// A ring whose pages programs map.
pub struct MappedRing {
    id: SourceId,
    geometry: Geometry,
    /// All of them, in the order of the layout.
    pages: Vec<Frame>,
    sides: Mutex<Sides>,
}

fn io_error(_: Corrupt) -> Errno {
    Errno::EIO
}

impl MappedRing {
    /// An empty ring of `slots` slots, both sides the kernel's.
    ///
    /// # Errors
    /// EINVAL: not a number of slots. ENOMEM.
    pub fn try_new(slots: u32) -> Result<Arc<Self>> {
        let geometry = Geometry::new(slots).ok_or(Errno::EINVAL)?;
        let count = geometry.pages() as usize;
        heap::admit(size_of::<Self>() + count * size_of::<Frame>())?;
        let mut pages = Vec::new();
        pages.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
        for _ in 0..count {
            pages.push(Frame::alloc_zeroed()?);
        }
        for (word, value) in pages[0].words().iter().zip(geometry.header().to_words()) {
            // Relaxed: nobody else knows the page yet.
            word.store(value, Ordering::Relaxed);
        }
        let empty = Shared {
            producer: words_of(&pages[PRODUCER_PAGE as usize]),
            consumer: words_of(&pages[CONSUMER_PAGE as usize]),
        };
        let producer = Side::Kernel(Producer::attach(empty, slots).map_err(io_error)?);
        let consumer = Side::Kernel(Draining { side: Consumer::attach(empty, slots).map_err(io_error)?, rest: None });
        let sides = Mutex::new(rank::MAPPED_RING, Sides { producer, consumer });
        Ok(Arc::new(Self { id: SourceId::next(), geometry, pages, sides }))
    }

    /// Bytes to be mapped.
    pub fn size_bytes(&self) -> usize {
        self.geometry.bytes()
    }

    /// Slots.
    pub fn slots(&self) -> u32 {
        self.geometry.slots()
    }

    fn shared(&self) -> Shared<'_> {
        Shared {
            producer: words_of(&self.pages[PRODUCER_PAGE as usize]),
            consumer: words_of(&self.pages[CONSUMER_PAGE as usize]),
        }
    }

    fn descriptor(&self, slot: usize) -> &AtomicU32 {
        let word = self.geometry.descriptor_offset(slot) / size_of::<u32>();
        &self.pages[PRODUCER_PAGE as usize + word / PAGE_WORDS].words()[word % PAGE_WORDS]
    }

    fn data(&self, slot: usize) -> &Frame {
        &self.pages[self.geometry.data_page() as usize + slot]
    }

    /// Gives a side to a program.
    ///
    /// # Errors
    /// EBUSY: a program has it, or half of a record has been read. EIO.
    pub fn claim(&self, role: Role) -> Result<()> {
        let mut sides = self.sides.lock();
        match role {
            Role::Producer => match sides.producer {
                Side::Kernel(_) => sides.producer = Side::Program,
                Side::Program => return Err(Errno::EBUSY),
                Side::Broken => return Err(Errno::EIO),
            },
            Role::Consumer => match &sides.consumer {
                Side::Kernel(Draining { rest: None, .. }) => sides.consumer = Side::Program,
                Side::Kernel(_) | Side::Program => return Err(Errno::EBUSY),
                Side::Broken => return Err(Errno::EIO),
            },
        }
        Ok(())
    }

    /// Takes a side back from a program that had claimed it, and has nothing mapped any more.
    pub fn take_back(&self, role: Role) {
        let mut sides = self.sides.lock();
        let (shared, slots) = (self.shared(), self.slots());
        self.clear_waiting(role);
        match role {
            Role::Producer => {
                sides.producer = Producer::attach(shared, slots).map_or(Side::Broken, Side::Kernel);
            }
            Role::Consumer => {
                let draining = |side| Side::Kernel(Draining { side, rest: None });
                sides.consumer = Consumer::attach(shared, slots).map_or(Side::Broken, draining);
            }
        }
    }

    /// A side does not count as waiting any more.
    pub fn clear_waiting(&self, role: Role) {
        match role {
            Role::Producer => self.shared().producer.clear_waiting(),
            Role::Consumer => self.shared().consumer.clear_waiting(),
        }
    }

    /// Reads on behalf of a caller of read(2). Records are a stream to it.
    ///
    /// # Errors
    /// EAGAIN: nothing there, and the producer knows that somebody waits. EBUSY: a program is the consumer. EIO. EFAULT.
    pub fn try_read(&self, sink: &mut Sink<'_>) -> Result<Moved> {
        let mut sides = self.sides.lock();
        let draining = match &mut sides.consumer {
            Side::Kernel(draining) => draining,
            Side::Program => return Err(Errno::EBUSY),
            Side::Broken => return Err(Errno::EIO),
        };
        all_records(|moved| {
            // Who has something does not wait for more, and does not say that he waits.
            let is_done = moved != 0 && draining.rest.is_none() && draining.side.filled(self.shared()) == Ok(0);
            (sink.remaining() != 0 && !is_done).then(|| self.read_record(draining, sink))
        })
    }

    fn read_record(&self, draining: &mut Draining, sink: &mut Sink<'_>) -> Result<Moved> {
        let shared = self.shared();
        let slot = self.geometry.slot_of(draining.side.tail());
        let record = match draining.rest.clone() {
            Some(rest) => rest,
            None => {
                let nothing = draining.side.filled(shared).map_err(io_error)? == 0;
                if nothing && draining.side.prepare_wait(shared).map_err(io_error)? == Verdict::Sleep {
                    return Err(Errno::EAGAIN);
                }
                // Relaxed: the index was loaded with Acquire.
                Descriptor::range_of(self.descriptor(slot).load(Ordering::Relaxed)).map_err(io_error)?
            }
        };
        let bytes =
            sink.move_from_frame(self.data(slot), record.start..record.end.min(record.start + sink.remaining()));
        if bytes == 0 {
            return Err(Errno::EFAULT);
        }
        if bytes < record.len() {
            draining.rest = Some(record.start + bytes..record.end);
            return Ok(Moved { bytes, doorbell: Doorbell::Silent });
        }
        draining.rest = None;
        Ok(Moved { bytes, doorbell: draining.side.release(shared, 1) })
    }

    /// Writes on behalf of a caller of write(2), a record a page: up to a page in one piece or not at all.
    ///
    /// # Errors
    /// EAGAIN: no room, and the consumer knows that somebody waits. EBUSY: a program is the producer. EIO. EFAULT.
    pub fn try_write(&self, source: &mut Source<'_>) -> Result<Moved> {
        let mut sides = self.sides.lock();
        let producer = match &mut sides.producer {
            Side::Kernel(producer) => producer,
            Side::Program => return Err(Errno::EBUSY),
            Side::Broken => return Err(Errno::EIO),
        };
        all_records(|moved| {
            let is_done = moved != 0 && producer.room(self.shared()) == Ok(0);
            (source.remaining() != 0 && !is_done).then(|| self.write_record(producer, source))
        })
    }

    fn write_record(&self, producer: &mut Producer, source: &mut Source<'_>) -> Result<Moved> {
        let shared = self.shared();
        let full = producer.room(shared).map_err(io_error)? == 0;
        if full && producer.prepare_wait(shared).map_err(io_error)? == Verdict::Sleep {
            return Err(Errno::EAGAIN);
        }
        let slot = self.geometry.slot_of(producer.head());
        let wanted = source.remaining().min(PAGE_SIZE);
        let bytes = source.move_to_frame(self.data(slot), 0..wanted);
        if bytes < wanted {
            // Not published: the fault has neither lost nor doubled a byte.
            return Err(Errno::EFAULT);
        }
        let descriptor = Descriptor::new(bytes).ok_or(Errno::EINVAL)?;
        // Relaxed: published by the index.
        self.descriptor(slot).store(descriptor.word(), Ordering::Relaxed);
        Ok(Moved { bytes, doorbell: producer.publish(shared, 1) })
    }

    /// What poll(2) says of the ring itself: bytes, room. Whoever waits may sleep on it, if he was in the queue before.
    pub fn readiness(&self) -> Readiness {
        let Standing { filled, free } = standing_before_sleep(self.shared(), self.slots());
        let mut ready = Readiness::empty();
        ready.set(Readiness::READABLE, filled != 0);
        ready.set(Readiness::WRITABLE, free != 0);
        ready
    }

    /// Records that wait to be read, as far as anybody can tell without asking the sides.
    pub fn used_slots(&self) -> u32 {
        standing(self.shared(), self.slots()).filled
    }

    /// Their bytes. A hostile length counts as none.
    pub fn bytes(&self) -> usize {
        // Relaxed: a figure that is old when it is told.
        let tail = self.shared().consumer.index.load(Ordering::Relaxed);
        let lengths = (0..self.used_slots()).map(|distance| {
            let slot = self.geometry.slot_of(tail.wrapping_add(distance));
            Descriptor::range_of(self.descriptor(slot).load(Ordering::Relaxed)).map_or(0, |range| range.len())
        });
        lengths.sum()
    }

    /// Whether the ring makes sense, asked by the program that has one of its sides, whose own index stands still meanwhile.
    ///
    /// # Errors
    /// EIO.
    pub fn check(&self) -> Result<()> {
        // Attaching checks the distance, and changes nothing.
        Consumer::attach(self.shared(), self.slots()).map(|_| ()).map_err(io_error)
    }
}

/// Moves record after record until `next`, told how many bytes were moved before, has none, or one fails: what was moved before
/// that counts more.
fn all_records(mut next: impl FnMut(usize) -> Option<Result<Moved>>) -> Result<Moved> {
    let mut moved = Moved { bytes: 0, doorbell: Doorbell::Silent };
    while let Some(part) = next(moved.bytes) {
        match part {
            Ok(part) => {
                moved.bytes += part.bytes;
                if part.doorbell == Doorbell::Ring {
                    moved.doorbell = Doorbell::Ring;
                }
            }
            Err(error) if moved.bytes == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(moved)
}

fn words_of(page: &Frame) -> Words<'_> {
    let [index, waiting, ..] = page.words();
    Words { index, waiting }
}

/// The ring as the program sees it that has one of its sides.
pub struct View {
    /// The ring.
    pub ring: Arc<MappedRing>,
    /// The side whose pages it may store to.
    pub role: Role,
}

impl View {
    fn may_store(&self, page: usize) -> bool {
        match self.role {
            Role::Consumer => page == CONSUMER_PAGE as usize,
            Role::Producer => page >= PRODUCER_PAGE as usize,
        }
    }
}

impl PageSource for View {
    fn page(&self, index: usize, intent: PageIntent) -> Result<Frame> {
        if intent == PageIntent::Write && !self.may_store(index) {
            return Err(Errno::EFAULT);
        }
        self.ring.pages.get(index).cloned().ok_or(Errno::EFAULT)
    }

    fn identity(&self) -> SourceId {
        self.ring.id
    }

    fn merge_identity(&self) -> usize {
        Arc::as_ptr(&self.ring).addr()
    }
}
