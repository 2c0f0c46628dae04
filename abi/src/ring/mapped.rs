//! Both sides of a ring over memory that is mapped: for programs, after `mmap(2)` of `/dev/hello`.
//!
//! Unsafe in the three places where memory shared with another process becomes Rust: the descriptors and words are atomics
//! there, and records are moved by copies through raw pointers, so nothing here ever refers to bytes that another may write.

use super::Corrupt;
use super::layout::{CONSUMER_PAGE, Descriptor, Geometry, PAGE_SIZE, PRODUCER_PAGE};
use super::protocol::{self, Doorbell, Shared, Verdict, Words};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};

/// A ring that is mapped.
#[derive(Clone, Copy, Debug)]
pub struct Mapping {
    base: NonNull<u8>,
    geometry: Geometry,
}

// SAFETY: a pointer to memory that is shared with other processes anyway, and used through atomics and raw copies.
unsafe impl Send for Mapping {}

impl Mapping {
    /// The ring whose first byte is at `base`; `None` if its header is not one of this version's, or says that the ring is
    /// larger than `length` bytes.
    ///
    /// # Safety
    /// `length` bytes from `base` on are mapped from a `/dev/hello` at offset 0, for loads at least, and stay so for as long as
    /// this or anything made from it is used.
    #[must_use]
    pub unsafe fn new(base: NonNull<u8>, length: usize) -> Option<Self> {
        if length < PAGE_SIZE || !base.as_ptr().addr().is_multiple_of(PAGE_SIZE) {
            return None;
        }
        // SAFETY: page 0 is mapped, says the caller; the kernel does not change it.
        let words = unsafe { base.cast::<[u32; 5]>().read() };
        let geometry = Geometry::of_header(words)?;
        (geometry.bytes() <= length).then_some(Self { base, geometry })
    }

    /// Its sizes.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// A pointer `offset` bytes into the ring.
    fn at(&self, offset: usize) -> NonNull<u8> {
        debug_assert!(offset < self.geometry.bytes(), "outside the ring");
        // SAFETY: within the mapping, by the geometry that `new` compared with its length.
        unsafe { self.base.add(offset) }
    }

    /// The atomic `offset` bytes into the ring, a multiple of four.
    #[inline]
    fn atomic(&self, offset: usize) -> &AtomicU32 {
        let pointer = self.at(offset).cast::<AtomicU32>();
        // SAFETY: mapped for as long as `self` is used; aligned, for the mapping starts with a page; every access to the words
        // and descriptors, by anybody, is atomic.
        unsafe { pointer.as_ref() }
    }

    #[inline]
    fn words(&self, first_page: u32) -> Words<'_> {
        let start = first_page as usize * PAGE_SIZE;
        Words { index: self.atomic(start), waiting: self.atomic(start + size_of::<u32>()) }
    }

    #[inline]
    fn shared(&self) -> Shared<'_> {
        Shared { producer: self.words(PRODUCER_PAGE), consumer: self.words(CONSUMER_PAGE) }
    }

    #[inline]
    fn descriptor(&self, slot: usize) -> &AtomicU32 {
        self.atomic(PRODUCER_PAGE as usize * PAGE_SIZE + self.geometry.descriptor_offset(slot))
    }

    fn page(&self, slot: usize) -> NonNull<u8> {
        self.at((self.geometry.data_page() as usize + slot) * PAGE_SIZE)
    }
}

/// The producing side.
#[derive(Debug)]
pub struct Producer {
    mapping: Mapping,
    side: protocol::Producer,
}

impl Producer {
    /// Goes on where the ring stands. The descriptor it was mapped from has the producer's role, or stores will be SIGBUS.
    ///
    /// # Errors
    /// [`Corrupt`]
    pub fn new(mapping: Mapping) -> Result<Self, Corrupt> {
        let side = protocol::Producer::attach(mapping.shared(), mapping.geometry.slots())?;
        Ok(Self { mapping, side })
    }

    /// Publishes a copy of `record`, of 1 to 4096 bytes; `None` if there is no free slot.
    ///
    /// # Errors
    /// [`Corrupt`], also for a record that no slot can hold.
    #[inline]
    pub fn push(&mut self, record: &[u8]) -> Result<Option<Doorbell>, Corrupt> {
        let fill = |page: NonNull<u8>| {
            // SAFETY: the page is the producer's until it is published, and `record` is not longer, as `push_with` has
            // checked; the two cannot overlap, for no reference into the mapping exists.
            unsafe { core::ptr::copy_nonoverlapping(record.as_ptr(), page.as_ptr(), record.len()) }
        };
        self.push_with(record.len(), fill)
    }

    /// Publishes a record of `len` bytes that `fill` writes in place, to the 4096 bytes it is given.
    ///
    /// # Errors
    /// As [`Producer::push`].
    #[inline]
    pub fn push_with(&mut self, len: usize, fill: impl FnOnce(NonNull<u8>)) -> Result<Option<Doorbell>, Corrupt> {
        let descriptor = Descriptor::new(len).ok_or(Corrupt)?;
        if self.side.room(self.mapping.shared())? == 0 {
            return Ok(None);
        }
        let slot = self.mapping.geometry.slot_of(self.side.head());
        fill(self.mapping.page(slot));
        // Relaxed: published by the index.
        self.mapping.descriptor(slot).store(descriptor.word(), Ordering::Relaxed);
        Ok(Some(self.side.publish(self.mapping.shared(), 1)))
    }

    /// Before this side sleeps in the kernel; see [`protocol::Producer::prepare_wait`].
    ///
    /// # Errors
    /// [`Corrupt`]
    pub fn prepare_wait(&mut self) -> Result<Verdict, Corrupt> {
        self.side.prepare_wait(self.mapping.shared())
    }

    /// After it has slept.
    pub fn finish_wait(&mut self) {
        self.mapping.shared().producer.clear_waiting();
    }
}

/// The consuming side.
#[derive(Debug)]
pub struct Consumer {
    mapping: Mapping,
    side: protocol::Consumer,
}

/// A record in its slot. The producer should not change it before the slot is released, but may: copy, then judge.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    start: NonNull<u8>,
    len: usize,
}

impl Record {
    /// Bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no record is empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Its first byte, for those who read it in place with accesses that bear a writer.
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        self.start.as_ptr()
    }
}

impl Consumer {
    /// Goes on where the ring stands. The descriptor it was mapped from has the consumer's role, or stores will be SIGBUS.
    ///
    /// # Errors
    /// [`Corrupt`]
    pub fn new(mapping: Mapping) -> Result<Self, Corrupt> {
        let side = protocol::Consumer::attach(mapping.shared(), mapping.geometry.slots())?;
        Ok(Self { mapping, side })
    }

    /// The next record, in place; it stays until [`Consumer::release`]. `None` if there is none.
    ///
    /// # Errors
    /// [`Corrupt`]
    #[inline]
    pub fn peek(&mut self) -> Result<Option<Record>, Corrupt> {
        if self.side.filled(self.mapping.shared())? == 0 {
            return Ok(None);
        }
        let slot = self.mapping.geometry.slot_of(self.side.tail());
        // Relaxed: the index was loaded with Acquire. Once: what is checked is what is used.
        let range = Descriptor::range_of(self.mapping.descriptor(slot).load(Ordering::Relaxed))?;
        // SAFETY: the range lies in the page.
        let start = unsafe { self.mapping.page(slot).add(range.start) };
        Ok(Some(Record { start, len: range.len() }))
    }

    /// Gives back the slot of the record that [`Consumer::peek`] showed. Without one, nothing happens.
    #[inline]
    pub fn release(&mut self) -> Doorbell {
        match self.side.filled(self.mapping.shared()) {
            Ok(1..) => self.side.release(self.mapping.shared(), 1),
            Ok(0) | Err(Corrupt) => Doorbell::Silent,
        }
    }

    /// Moves the next record to the front of `buffer`, cut to its size; its whole length, or `None` if there is no record.
    ///
    /// # Errors
    /// [`Corrupt`]
    #[inline]
    pub fn pop(&mut self, buffer: &mut [u8]) -> Result<Option<(usize, Doorbell)>, Corrupt> {
        let Some(record) = self.peek()? else {
            return Ok(None);
        };
        let len = record.len().min(buffer.len());
        // SAFETY: `len` bytes of the slot's page, which is mapped, to a buffer that has as many; they cannot overlap, for no
        // reference into the mapping exists. A hostile producer can change the bytes meanwhile: they are only bytes.
        unsafe { core::ptr::copy_nonoverlapping(record.as_ptr(), buffer.as_mut_ptr(), len) };
        Ok(Some((record.len(), self.side.release(self.mapping.shared(), 1))))
    }

    /// Before this side sleeps in the kernel; see [`protocol::Consumer::prepare_wait`].
    ///
    /// # Errors
    /// [`Corrupt`]
    pub fn prepare_wait(&mut self) -> Result<Verdict, Corrupt> {
        self.side.prepare_wait(self.mapping.shared())
    }

    /// After it has slept.
    pub fn finish_wait(&mut self) {
        self.mapping.shared().consumer.clear_waiting();
    }
}
