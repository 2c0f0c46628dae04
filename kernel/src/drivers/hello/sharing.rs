//! An instance whose ring lies in memory that programs share: reading, writing and polling it, and who has which side.
//!
//! The first role makes the shared ring, in place of the ordinary one, which must be empty; it stays until nobody has the
//! instance open any more. Owns which instance is shared, and a file's part in it. Locks: DRIVER for the change, OBJECT
//! (spinning) around the handle; transfers take MAPPED_RING without either. Sleeps as the ordinary ring does.
//! Specification: docs/hello.md, "The mapped ring".

use super::instance::{Instance, concern};
use super::mapped::{MappedRing, Moved, Role};
use super::switches::Rules;
use crate::fs::file::{Direction, Readiness};
use crate::ipc::rendezvous::Ends;
use crate::mm::user::{Sink, Source};
use alloc::sync::Arc;
use postern_abi::ring::protocol::Doorbell;
use postern_core::effects::{Step, Wake, Wakes};
use postern_core::errno::{Errno, Result};
use postern_core::page_ring::PAGE_SIZE;
use postern_core::pipe::{End, WriterOpens};
use postern_sync::Mode;

impl Role {
    /// The end it gives up.
    pub fn other_end(self) -> End {
        match self {
            Self::Producer => End::Read,
            Self::Consumer => End::Write,
        }
    }

    /// The other one.
    fn other(self) -> Self {
        match self {
            Self::Producer => Self::Consumer,
            Self::Consumer => Self::Producer,
        }
    }

    /// Where it waits.
    fn direction(self) -> Direction {
        match self {
            Self::Producer => Direction::Write,
            Self::Consumer => Direction::Read,
        }
    }

    /// What poll(2) may say to it.
    fn concern(self) -> Readiness {
        concern(self.direction())
    }
}

/// What a file has of a shared ring.
pub struct Part {
    /// Its side.
    pub role: Role,
    /// The ring.
    pub ring: Arc<MappedRing>,
    /// The instance's count of writers when this file became the consumer, if it was the only one: no hang-up before that
    /// changes.
    pub unseen_writers: Option<WriterOpens>,
}

impl Instance {
    /// The shared ring, if there is one.
    pub fn shared_ring(&self) -> Option<Arc<MappedRing>> {
        self.shared.lock().clone()
    }

    fn expect_shared(&self) -> Result<Arc<MappedRing>> {
        // It may go between a look at the state and this only if nobody has the instance open: not under a transfer.
        self.shared_ring().ok_or(Errno::EIO)
    }

    /// Gives `role` to a file that has both ends open: makes the shared ring if there is none, and closes the other end.
    ///
    /// # Errors
    /// EBUSY: the role is taken, or the ordinary ring holds data, or is about to, or its size is
    /// just being changed. ENOMEM. EIO.
    pub fn take_role(&self, role: Role) -> Result<Part> {
        // Its pages are cleared without the lock.
        let new = match self.shared_ring() {
            Some(_) => None,
            None => Some(MappedRing::try_new(u32::try_from(self.slots()).map_err(|_| Errno::EINVAL)?)?),
        };
        let part = self.reshape(|state| {
            let fits = |new: &Arc<MappedRing>| new.slots() as usize * PAGE_SIZE == state.pipe.size_bytes();
            let ring = match (self.shared_ring(), new) {
                (Some(ring), _) => ring,
                (None, Some(new)) if state.pipe.bytes() == 0 && !state.pipe.has_lent() && fits(&new) => new,
                _ => return Err(Errno::EBUSY),
            };
            ring.claim(role)?;
            *self.shared.lock() = Some(ring.clone());
            state.rules.insert(Rules::ELSEWHERE);
            // The file itself still counts as a writer.
            let is_alone = role == Role::Consumer && state.pipe.writers() == 1;
            let unseen_writers = is_alone.then(|| state.pipe.shape().writer_opens());
            // Whoever sleeps for the ordinary ring must look again.
            let wakes = Wakes { readers: Wake::All, writers: Wake::All, ..Wakes::NONE };
            Ok(Step::new(Part { role, ring, unseen_writers }, wakes))
        })?;
        self.close(role.other_end());
        Ok(part)
    }

    /// What poll(2) says while the ring is shared.
    pub(super) fn look_at_shared(&self) -> (Readiness, WriterOpens) {
        let shape = self.shape();
        let ends = shape.closed_ends();
        let ring = self.shared_ring().map_or(Readiness::empty(), |ring| ring.readiness());
        (ring | ends, shape.writer_opens())
    }

    /// read(2) of a shared ring.
    #[cold]
    pub(super) fn read_shared(&self, sink: &mut Sink<'_>) -> Result<usize> {
        // Before the attempt: what was published before the last writer went is found by it.
        let is_over = self.shape().is_hung_up();
        let ring = self.expect_shared()?;
        match ring.try_read(sink) {
            Err(Errno::EAGAIN) if is_over => Ok(0),
            moved => Ok(self.ring_if_due(&ring, moved?, Role::Producer)),
        }
    }

    /// write(2) to a shared ring.
    #[cold]
    pub(super) fn write_shared(&self, source: &mut Source<'_>) -> Result<usize> {
        if source.remaining() != 0 && self.shape().closed_ends().contains(Readiness::ERR) {
            return Err(Errno::EPIPE);
        }
        let ring = self.expect_shared()?;
        let moved = ring.try_write(source)?;
        Ok(self.ring_if_due(&ring, moved, Role::Consumer))
    }

    fn ring_if_due(&self, ring: &MappedRing, moved: Moved, sleeper: Role) -> usize {
        if moved.doorbell == Doorbell::Ring {
            self.ring_for(ring, sleeper);
        }
        moved.bytes
    }

    /// HELLO_IOC_DOORBELL from the file that has this part.
    ///
    /// # Errors
    /// EIO: the ring makes no sense.
    pub fn doorbell(&self, part: &Part) -> Result<()> {
        part.ring.check()?;
        self.ring_for(&part.ring, part.role.other());
        Ok(())
    }

    /// The doorbell for the side `sleeper`. Once nobody sleeps there, it does not count as waiting any more: else each later edge
    /// would ring for nobody.
    fn ring_for(&self, ring: &MappedRing, sleeper: Role) {
        let queue = self.wait_queue(sleeper.direction());
        self.wake_for(sleeper.direction());
        if !queue.is_empty() {
            return;
        }
        ring.clear_waiting(sleeper);
        // Who is not in the queue at this look, which fences, will say so himself. Who is may have said so before it was cleared:
        // asking how the ring stands says it again, or finds something for him.
        if !queue.is_empty() && ring.readiness().intersects(sleeper.concern()) {
            self.wake_for(sleeper.direction());
        }
    }

    /// What poll(2) says to the file that has this part.
    pub fn look_of(&self, part: &Part) -> Readiness {
        let (ready, writer_opens) = self.look_at_shared();
        let ready = ready & part.role.concern();
        if part.unseen_writers == Some(writer_opens) { ready - Readiness::HUP } else { ready }
    }

    /// HELLO_IOC_WAIT from the file that has this part: what poll(2) would say.
    ///
    /// # Errors
    /// ERESTARTSYS: a signal. EIO: the ring makes no sense.
    pub fn wait_for_part(&self, part: &Part) -> Result<Readiness> {
        let go_on = || match part.ring.check() {
            Err(error) => Some(Err(error)),
            Ok(()) => Some(self.look_of(part)).filter(|ready| !ready.is_empty()).map(Ok),
        };
        let waited = self.wait_queue(part.role.direction()).wait_interruptible(Mode::Exclusive, go_on);
        waited.map_err(|_| Errno::ERESTARTSYS)?
    }
}
