//! `/dev/hello` mapped: a ring in shared memory for each direction, one producer and one consumer. Enters the kernel only to
//! sleep on full and empty, and to wake who sleeps (`postern_abi::ring` has the protocol).
//!
//! As many slots as the shared-memory channel has, so that the two can be compared; a slot holds a record of up to a page, and
//! longer messages go as several records.

use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};

use postern_abi::hello::{
    HELLO_IOC_DOORBELL, HELLO_IOC_RING, HELLO_IOC_SET_SLOTS, HELLO_IOC_WAIT, HELLO_ROLE_CONSUMER, HELLO_ROLE_PRODUCER,
};
use postern_abi::ring::Corrupt;
use postern_abi::ring::layout::PAGE_SIZE;
use postern_abi::ring::mapped::{Consumer, Mapping, Producer};
use postern_abi::ring::protocol::Doorbell;

use super::hello::{self, NODE};
use super::{Link, Mechanism};
use crate::failure::Failure;
use crate::system::device::{open, presence};
use crate::system::mapping::SharedMapping;
use crate::system::raw::{checked, ioctl};

/// Slots of a ring.
const SLOTS: u32 = 1024;

/// Two mapped rings, one each way.
pub struct HelloMmap;

impl Mechanism for HelloMmap {
    type Link = HelloMmapLink;

    fn name(&self) -> &'static str {
        "hello-mmap"
    }

    fn summary(&self) -> &'static str {
        "a ring of 1024 slots mapped from /dev/hello each way, doorbells by ioctl(2)"
    }

    fn availability(&self) -> Result<(), Failure> {
        presence(NODE, "hello")?;
        let file = open(NODE, libc::O_RDWR)?;
        // No such role: a driver that knows the call says so, and has changed nothing.
        match take_role(&file, 0) {
            Err(error) if error.raw_os_error() == Some(libc::ENOTTY) => {
                Err(Failure::absent("this /dev/hello has no rings to be mapped"))
            }
            _ => Ok(()),
        }
    }

    fn connect(&self, _message_bytes: usize) -> io::Result<(HelloMmapLink, HelloMmapLink)> {
        let (a_outgoing, b_incoming) = one_way()?;
        let (b_outgoing, a_incoming) = one_way()?;
        let a = HelloMmapLink { outgoing: a_outgoing, incoming: a_incoming };
        Ok((a, HelloMmapLink { outgoing: b_outgoing, incoming: b_incoming }))
    }

    fn warm_up_messages(&self, message_bytes: usize) -> u64 {
        // Once around the ring.
        u64::from(SLOTS).div_ceil(message_bytes.div_ceil(PAGE_SIZE) as u64)
    }
}

/// One end.
pub struct HelloMmapLink {
    outgoing: Side<Producer>,
    incoming: Side<Consumer>,
}

impl Link for HelloMmapLink {
    #[inline]
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        if message.len() <= PAGE_SIZE {
            return self.outgoing.put(message);
        }
        message.chunks(PAGE_SIZE).try_for_each(|record| self.outgoing.put(record))
    }

    #[inline]
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        if buffer.len() <= PAGE_SIZE {
            return self.incoming.take(buffer);
        }
        buffer.chunks_mut(PAGE_SIZE).try_for_each(|record| self.incoming.take(record))
    }
}

/// One side of a ring, with what keeps it mapped.
struct Side<P> {
    part: P,
    file: OwnedFd,
    /// Goes last: `part` points into it.
    _mapping: SharedMapping,
}

impl<P> Side<P> {
    /// Makes `file` the `role` side of its ring, maps it, and goes on where it stands.
    fn attach(file: OwnedFd, role: u32, side: impl FnOnce(Mapping) -> Result<P, Corrupt>) -> io::Result<Self> {
        let bytes = take_role(&file, role)?;
        let mapping = SharedMapping::of_file(&file, bytes)?;
        // SAFETY: mapped from offset 0, for as long as the mapping that is kept beside it lives.
        let ring = unsafe { Mapping::new(mapping.base(), mapping.bytes()) };
        let ring = ring.ok_or_else(|| io::Error::from(ErrorKind::Unsupported))?;
        Ok(Self { part: side(ring).map_err(corrupt)?, file, _mapping: mapping })
    }

    #[inline]
    fn answer(&self, doorbell: Doorbell) -> io::Result<()> {
        match doorbell {
            Doorbell::Silent => Ok(()),
            Doorbell::Ring => self.command(HELLO_IOC_DOORBELL).map(drop),
        }
    }

    /// Sleeps until this side can go on. The driver says that it waits, and looks once more before it does.
    #[cold]
    fn wait(&self, gone: libc::c_short) -> io::Result<()> {
        let ready = match self.command(HELLO_IOC_WAIT) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            ready => ready?,
        };
        let [can_go_on, gone] = [libc::POLLIN | libc::POLLOUT, gone].map(|events| usize::from(events.unsigned_abs()));
        if ready & gone != 0 && ready & can_go_on == 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    fn command(&self, command: u32) -> io::Result<usize> {
        // SAFETY: these take no argument.
        checked(unsafe { ioctl(self.file.as_raw_fd(), command, 0) })
    }
}

impl Side<Producer> {
    #[inline]
    fn put(&mut self, record: &[u8]) -> io::Result<()> {
        loop {
            if let Some(doorbell) = self.part.push(record).map_err(corrupt)? {
                return self.answer(doorbell);
            }
            self.wait(libc::POLLERR)?;
            self.part.finish_wait();
        }
    }
}

impl Side<Consumer> {
    #[inline]
    fn take(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        loop {
            if let Some((length, doorbell)) = self.part.pop(buffer).map_err(corrupt)? {
                self.answer(doorbell)?;
                return if length == buffer.len() { Ok(()) } else { Err(ErrorKind::InvalidData.into()) };
            }
            self.wait(libc::POLLHUP)?;
            self.part.finish_wait();
        }
    }

    /// Takes out what an earlier run has left.
    fn drain(&mut self) -> io::Result<()> {
        while self.part.peek().map_err(corrupt)?.is_some() {
            let doorbell = self.part.release();
            self.answer(doorbell)?;
        }
        Ok(())
    }
}

/// Both sides of a ring that nobody else has open.
fn one_way() -> io::Result<(Side<Producer>, Side<Consumer>)> {
    let (producer, consumer) = (open(NODE, libc::O_RDWR)?, open(NODE, libc::O_RDWR)?);
    let name = hello::bind_to_unused(&producer, "ipcbench-ring")?;
    set_slots(&producer)?;
    hello::bind(&consumer, &name)?;
    let producer = Side::attach(producer, HELLO_ROLE_PRODUCER, Producer::new)?;
    let mut consumer = Side::attach(consumer, HELLO_ROLE_CONSUMER, Consumer::new)?;
    consumer.drain()?;
    Ok((producer, consumer))
}

/// HELLO_IOC_SET_SLOTS, where the ring is not as large already.
fn set_slots(file: &OwnedFd) -> io::Result<()> {
    if hello::stat(file)?.slots == SLOTS {
        return Ok(());
    }
    let slots = SLOTS;
    // SAFETY: a pointer to a number that outlives the call.
    checked(unsafe { ioctl(file.as_raw_fd(), HELLO_IOC_SET_SLOTS, (&raw const slots).addr()) }).map(drop)
}

/// HELLO_IOC_RING: the bytes to be mapped.
fn take_role(file: &OwnedFd, role: u32) -> io::Result<usize> {
    // SAFETY: a pointer to a number that outlives the call.
    checked(unsafe { ioctl(file.as_raw_fd(), HELLO_IOC_RING, (&raw const role).addr()) })
}

fn corrupt(_: Corrupt) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "the ring makes no sense")
}
