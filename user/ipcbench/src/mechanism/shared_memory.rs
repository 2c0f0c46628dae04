//! The shared-memory channel of seed 000, section 3.2: a ring of 1024 message slots in POSIX shared
//! memory, and three POSIX semaphores. One channel for each direction. `sem_wait` sleeps; the semaphore
//! `mutex` guards `head`, `tail` and the slots.
//!
//! The seed says "three named POSIX semaphores" but puts three `sem_t` into the region. Only unnamed,
//! process-shared semaphores (`sem_init`) can live there; `sem_open` returns pointers to memory of its own.
//! So the region's layout is followed and "named" is read as naming the three fields. In the hot path
//! both kinds are the same futex code.
//!
//! C libraries spend some 55 instructions on an uncontended `sem_wait` and `sem_post`, and a message needs
//! four of each. So there is a second mechanism, the same ring with semaphores of a few instructions: it
//! tells what the kernel and the ring cost from what the library costs.
//!
//! The seed leaves `MSG_SIZE` open. A slot holds the workload's message, up to a page; longer ones go as
//! several, as they must through slots of fixed size.

use std::cell::UnsafeCell;
use std::io::{self, ErrorKind};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::rc::Rc;

use super::semaphore::{FutexSemaphore, PosixSemaphore, Semaphore};
use super::{Link, Mechanism};
use crate::failure::Failure;
use crate::system::mapping::SharedMapping;

/// `BUFFER_SIZE`: slots in a ring.
const SLOTS: u32 = 1024;
/// Most bytes in one slot.
const SLOT_BYTES_MAX: usize = 4096;

/// What the region begins with. The size of the semaphores differs, so the slots' place does.
#[repr(C)]
struct Control<S> {
    head: UnsafeCell<u32>,
    tail: UnsafeCell<u32>,
    empty: S,
    full: S,
    mutex: S,
}

/// Two rings, one each way, with semaphores of the kind `S`.
pub struct SharedMemory<S> {
    name: &'static str,
    summary: &'static str,
    semaphores: PhantomData<S>,
}

/// The seed's channel.
pub const POSIX: SharedMemory<PosixSemaphore> = SharedMemory {
    name: "shm",
    summary: "seed 000's ring of 1024 slots in shm_open(3) memory, three POSIX semaphores",
    semaphores: PhantomData,
};

/// The seed's channel on bare futexes.
pub const FUTEX: SharedMemory<FutexSemaphore> = SharedMemory {
    name: "shm-futex",
    summary: "the same ring, with semaphores made of futex(2) alone",
    semaphores: PhantomData,
};

impl<S: Semaphore> Mechanism for SharedMemory<S> {
    type Link = SharedMemoryLink<S>;

    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    fn availability(&self) -> Result<(), Failure> {
        match SharedMapping::posix_shared_memory(1) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Failure::absent("no /dev/shm for shm_open(3)")),
            Err(error) => Err(Failure::during("shm_open", &error)),
        }
    }

    fn connect(&self, message_bytes: usize) -> io::Result<(Self::Link, Self::Link)> {
        let forward = Rc::new(Ring::create(message_bytes)?);
        let backward = Rc::new(Ring::create(message_bytes)?);
        let b = SharedMemoryLink { incoming: Rc::clone(&forward), outgoing: Rc::clone(&backward) };
        Ok((SharedMemoryLink { incoming: backward, outgoing: forward }, b))
    }

    fn warm_up_messages(&self, message_bytes: usize) -> u64 {
        // Once around the ring.
        u64::from(SLOTS).div_ceil(message_bytes.div_ceil(SLOT_BYTES_MAX) as u64)
    }
}

/// One end.
pub struct SharedMemoryLink<S> {
    incoming: Rc<Ring<S>>,
    outgoing: Rc<Ring<S>>,
}

impl<S: Semaphore> Link for SharedMemoryLink<S> {
    #[inline]
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        if message.len() <= self.outgoing.slot_bytes {
            return self.outgoing.put(message);
        }
        message.chunks(self.outgoing.slot_bytes).try_for_each(|part| self.outgoing.put(part))
    }

    #[inline]
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        if buffer.len() <= self.incoming.slot_bytes {
            return self.incoming.take(buffer);
        }
        buffer.chunks_mut(self.incoming.slot_bytes).try_for_each(|part| self.incoming.take(part))
    }
}

/// One direction.
struct Ring<S> {
    mapping: SharedMapping,
    semaphores: PhantomData<S>,
    slot_bytes: usize,
    /// From one slot to the next: the bytes, padding, the length.
    stride: usize,
}

impl<S: Semaphore> Ring<S> {
    /// Where the slots begin: past the control block, on a line of their own.
    const SLOTS_OFFSET: usize = size_of::<Control<S>>().next_multiple_of(64);

    fn create(message_bytes: usize) -> io::Result<Self> {
        let slot_bytes = message_bytes.min(SLOT_BYTES_MAX);
        let stride = slot_bytes.next_multiple_of(align_of::<u32>()) + size_of::<u32>();
        let mapping = SharedMapping::posix_shared_memory(Self::SLOTS_OFFSET + SLOTS as usize * stride)?;
        let ring = Self { mapping, semaphores: PhantomData, slot_bytes, stride };
        let control = ring.control();
        control.empty.start(SLOTS)?;
        control.full.start(0)?;
        control.mutex.start(1)?;
        Ok(ring)
    }

    #[inline]
    fn control(&self) -> &Control<S> {
        // SAFETY: the region begins with a Control: big enough, page-aligned, zero-filled (which is a valid
        // value of every field), alive as long as `self`; shared fields are in cells.
        unsafe { self.mapping.base().cast::<Control<S>>().as_ref() }
    }

    /// The seed's sender: `empty` down, under `mutex` the message to `tail`, `full` up.
    #[inline]
    fn put(&self, message: &[u8]) -> io::Result<()> {
        let control = self.control();
        control.empty.down()?;
        control.mutex.down()?;
        let slot = self.next_slot(&control.tail);
        // SAFETY: the slot has room for `slot_bytes`, which `message` does not exceed; `mutex` is held.
        unsafe { slot.copy_from_nonoverlapping(NonNull::from_ref(message).cast(), message.len()) };
        let length = u32::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: inside the slot, aligned; `mutex` is held.
        unsafe { self.length_in(slot).write(length) };
        control.mutex.up()?;
        control.full.up()
    }

    /// The seed's receiver: `full` down, under `mutex` the message from `head`, `empty` up.
    #[inline]
    fn take(&self, buffer: &mut [u8]) -> io::Result<()> {
        let control = self.control();
        control.full.down()?;
        control.mutex.down()?;
        let slot = self.next_slot(&control.head);
        // SAFETY: inside the slot, aligned, written by `put`; `mutex` is held.
        let length = unsafe { self.length_in(slot).read() };
        let fits = length as usize == buffer.len();
        if fits {
            // SAFETY: the slot holds as many bytes as `buffer`, as just compared; `mutex` is held.
            unsafe { slot.copy_to_nonoverlapping(NonNull::from_mut(buffer).cast(), buffer.len()) };
        }
        control.mutex.up()?;
        control.empty.up()?;
        if fits { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    /// The slot `index` names; moves `index` on. `mutex` is held.
    #[inline]
    fn next_slot(&self, index: &UnsafeCell<u32>) -> NonNull<u8> {
        // SAFETY: `mutex` is held, so nobody else reads or writes the index.
        let current = unsafe { index.get().read() } % SLOTS;
        // SAFETY: as above.
        unsafe { index.get().write((current + 1) % SLOTS) };
        // SAFETY: the mapping has SLOTS slots, and `current` is below that.
        unsafe { self.mapping.base().add(Self::SLOTS_OFFSET + current as usize * self.stride) }
    }

    /// Where `slot` keeps its message's length: the last word before the next slot.
    #[inline]
    fn length_in(&self, slot: NonNull<u8>) -> NonNull<u32> {
        // SAFETY: a slot is `stride` bytes, which is at least a word.
        unsafe { slot.add(self.stride - size_of::<u32>()) }.cast()
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{FUTEX, POSIX, Ring, SharedMemory};
    use crate::mechanism::semaphore::{PosixSemaphore, Semaphore};
    use crate::mechanism::{Link, Mechanism};
    use crate::payload;

    #[test]
    fn messages_come_in_order_through_more_than_one_turn_of_the_ring() {
        pass_in_order(&POSIX);
        pass_in_order(&FUTEX);
    }

    fn pass_in_order<S: Semaphore>(mechanism: &SharedMemory<S>) {
        for size in [1, 3, 64, 4096, 4097, 10_000] {
            let (mut a, mut b) = mechanism.connect(size).expect("connects");
            let mut message = payload::pattern(size);
            let mut buffer = vec![0; size];
            for sequence in 0..3000 {
                payload::stamp(&mut message, sequence);
                a.send(&message).expect("sends");
                b.receive(&mut buffer).expect("receives");
                assert!(buffer == message, "size {size}, message {sequence}");
            }
        }
    }

    #[test]
    fn a_full_ring_keeps_all_its_messages() {
        let ring = Ring::<PosixSemaphore>::create(8).expect("creates");
        for number in 0..1024_u64 {
            ring.put(&number.to_ne_bytes()).expect("has a slot");
        }
        for number in 0..1024_u64 {
            let mut buffer = [0; 8];
            ring.take(&mut buffer).expect("has a message");
            assert_eq!(u64::from_ne_bytes(buffer), number);
        }
    }

    #[test]
    fn a_message_of_another_size_is_refused_and_the_slot_given_back() {
        let ring = Ring::<PosixSemaphore>::create(8).expect("creates");
        ring.put(&[1; 8]).expect("has a slot");
        assert_eq!(ring.take(&mut [0; 4]).expect_err("too small").kind(), io::ErrorKind::InvalidData);
        ring.put(&[2; 4]).expect("has a slot");
        let mut buffer = [0; 4];
        ring.take(&mut buffer).expect("has a message");
        assert_eq!(buffer, [2; 4]);
    }
}
