//! One device: `postern_core::byte_ring` with its memory in a sleeping mutex, and a queue for either kind of waiter.
//!
//! Owns the buffer. Lock: DRIVER (sleeping), one for both directions, held over user copies, which may fault; wake-ups come after
//! it. Sleeps in that lock and in those copies only; waiting for data or room is `fs::blocking`'s.
//! Wake-ups are the default ones of Linux's `wake_up_interruptible` with non-exclusive waiters: every transfer wakes all who wait
//! on the other side. Specification: seed 000 §3.1.

use super::counters::{Counters, count};
use crate::fs::file::{Direction, FileOps, Io, Readiness};
use crate::fs::flags::OpenFlags;
use crate::mm::contiguous::ContiguousMemory;
use crate::mm::user::{Sink, Source, UserPtr};
use crate::sync::{Mutex, WaitQueue, rank};
use alloc::sync::Arc;
use linux_raw_sys::ioctl::FIONREAD;
use postern_core::byte_ring::{Arithmetic, ByteRing};
use postern_core::effects::{Step, Wake, Wakes};
use postern_core::errno::{Errno, Result};
use postern_sync::Tally;

/// What the report calls `struct myipc_dev`.
pub struct Device {
    name: &'static str,
    state: Mutex<State>,
    /// Wait for data.
    readers: WaitQueue,
    /// Wait for room.
    writers: WaitQueue,
    counters: Counters,
}

struct State {
    ring: ByteRing,
    buffer: ContiguousMemory,
}

impl Device {
    /// An empty device with a buffer of `size` bytes.
    ///
    /// # Errors
    /// ENOMEM; EINVAL for a size that the arithmetic does not take.
    pub fn new(name: &'static str, size: usize, arithmetic: Arithmetic) -> Result<Arc<Self>> {
        let ring = ByteRing::new(size, arithmetic).ok_or(Errno::EINVAL)?;
        let state = State { ring, buffer: ContiguousMemory::new(size)? };
        Ok(Arc::new(Self {
            name,
            state: Mutex::new(rank::DRIVER, state),
            readers: WaitQueue::new(),
            writers: WaitQueue::new(),
            counters: Counters::new(),
        }))
    }

    /// Its name in /dev.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it has done.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What waiting for data, and for room, has come to.
    pub fn tallies(&self) -> [Tally; 2] {
        [self.readers.tally(), self.writers.tally()]
    }

    /// Bytes of the buffer.
    pub fn size(&self) -> usize {
        self.state.lock().buffer.size()
    }

    /// Bytes that wait to be read.
    pub fn bytes(&self) -> usize {
        self.state.lock().ring.bytes()
    }

    /// Memory that it takes, in bytes.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.state.lock().buffer.frame_bytes()
    }

    /// Changes the state, then tells whom it concerns.
    #[inline]
    fn change(&self, change: impl FnOnce(&mut State) -> Result<Step>) -> Result<usize> {
        let step = change(&mut self.state.lock());
        Ok(step?.settle(|wakes| self.wake(wakes)))
    }

    #[inline]
    fn wake(&self, wakes: Wakes) {
        for (queue, wake, key) in
            [(&self.readers, wakes.readers, Readiness::READABLE), (&self.writers, wakes.writers, Readiness::WRITABLE)]
        {
            if wake == Wake::All && !queue.is_empty() {
                count(&self.counters.wakes, queue.wake_all(key.bits()));
            }
        }
    }
}

impl FileOps for Device {
    fn try_read(&self, _: &Io, sink: &mut Sink<'_>) -> Result<usize> {
        let moved = self.change(|State { ring, buffer }| {
            ring.try_read(sink.remaining(), |range| sink.move_from_memory(buffer, range))
        })?;
        count(&self.counters.reads, 1);
        count(&self.counters.bytes_out, moved);
        Ok(moved)
    }

    fn try_write(&self, _: &Io, source: &mut Source<'_>) -> Result<usize> {
        let moved = self.change(|State { ring, buffer }| {
            ring.try_write(source.remaining(), |range| source.move_to_memory(buffer, range))
        })?;
        count(&self.counters.writes, 1);
        count(&self.counters.bytes_in, moved);
        Ok(moved)
    }

    /// The report's driver has no `poll`: poll(2) then finds a file always ready.
    fn can_be_polled(&self) -> bool {
        false
    }

    fn wait_queue(&self, direction: Direction) -> Option<&WaitQueue> {
        Some(match direction {
            Direction::Read => &self.readers,
            Direction::Write => &self.writers,
        })
    }

    /// Whoever could go on was woken with this one.
    fn pass_on(&self, _: Direction, _: &WaitQueue) {}

    fn ioctl(&self, _: OpenFlags, command: u32, argument: usize) -> Result<usize> {
        match command {
            FIONREAD => {
                let bytes = i32::try_from(self.bytes()).unwrap_or(i32::MAX);
                UserPtr::<i32>::new(argument).write(&bytes)?;
                Ok(0)
            }
            _ => Err(Errno::ENOTTY),
        }
    }
}
