//! /dev/mailbox: one byte at a time, from any writer to any reader. The worked example of docs/write-your-own-driver.md.
//!
//! Lock: DRIVER (sleeping), over the copy of the byte. Parameter: `letter`, what is in the box at first.
use super::module::{Description, Module, Parameter, Refusal, Start, Values};
use super::{CharDriver, DeviceNode, Major, OpenContext};
use crate::fs::file::{Direction, FileOps, Io, Readiness};
use crate::mm::user::{Sink, Source};
use crate::sync::{Mutex, MutexGuard, WaitQueue, rank};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use postern_core::errno::{Errno, Result};

static LETTER: Parameter = Parameter::number("letter", 0, [0, 255], "the byte in the box at first, 0 for none");

/// What the module table is told.
pub static MODULE: Description = Description {
    name: "mailbox",
    description: "an example: a device that holds one byte",
    parameters: &[&LETTER],
    start: Start::OnDemand,
    init,
};

struct Mailbox {
    byte: Mutex<Option<u8>>,
    is_full: AtomicBool,
    readers: WaitQueue,
    writers: WaitQueue,
}

impl Mailbox {
    fn new(byte: Option<u8>) -> Self {
        let (readers, writers) = (WaitQueue::new(), WaitQueue::new());
        Self { byte: Mutex::new(rank::DRIVER, byte), is_full: AtomicBool::new(byte.is_some()), readers, writers }
    }

    /// Changes the content, and tells those it concerns once the lock is free.
    fn put(&self, mut byte: MutexGuard<'_, Option<u8>>, new: Option<u8>) {
        *byte = new;
        self.is_full.store(new.is_some(), Ordering::Relaxed); // the wait queue's fence orders it
        drop(byte);
        match new {
            Some(_) => self.readers.wake_one(Readiness::READABLE.bits()),
            None => self.writers.wake_one(Readiness::WRITABLE.bits()),
        };
    }
}

/// What a descriptor has of the box. `possible`: what it may do there at all, and poll tells it of.
struct Opening {
    mailbox: Arc<Mailbox>,
    possible: Readiness,
}

impl FileOps for Opening {
    fn try_read(&self, _: &Io, sink: &mut Sink<'_>) -> Result<usize> {
        let byte = self.mailbox.byte.lock();
        let value = (*byte).ok_or(Errno::EAGAIN)?;
        let moved = sink.copy_from_slice(&[value])?; // EFAULT: the byte is still there
        if moved == 1 {
            self.mailbox.put(byte, None);
        }
        Ok(moved)
    }

    fn try_write(&self, _: &Io, source: &mut Source<'_>) -> Result<usize> {
        let byte = self.mailbox.byte.lock();
        let mut value = [0];
        let moved = if byte.is_none() { source.copy_to_slice(&mut value)? } else { return Err(Errno::EAGAIN) };
        if moved == 1 {
            self.mailbox.put(byte, Some(value[0]));
        }
        Ok(moved)
    }

    fn readiness(&self) -> Readiness {
        let is_full = self.mailbox.is_full.load(Ordering::Relaxed);
        self.possible & if is_full { Readiness::READABLE } else { Readiness::WRITABLE }
    }

    fn wait_queue(&self, direction: Direction) -> Option<&WaitQueue> {
        Some(if direction == Direction::Read { &self.mailbox.readers } else { &self.mailbox.writers })
    }
}

struct Driver(Arc<Mailbox>);

impl CharDriver for Driver {
    fn name(&self) -> &str {
        "mailbox"
    }

    fn open(&self, _: u32, context: &OpenContext<'_>) -> Result<Arc<dyn FileOps>> {
        Ok(Arc::new(Opening { mailbox: self.0.clone(), possible: context.access.readiness() }))
    }
}

/// The module while it is loaded: the character-device table has the driver, and counts its openings.
struct Registered(u32);

fn init(values: &Values) -> core::result::Result<Arc<dyn Module>, Refusal> {
    let letter = u8::try_from(values.number(&LETTER)).ok().filter(|letter| *letter != 0);
    let driver = Arc::new(Driver(Arc::new(Mailbox::new(letter))));
    let major = super::register(driver, Major::Dynamic, 0..1, &[DeviceNode::new("mailbox", 0, 0o666)])?;
    Ok(Arc::new(Registered(major)))
}

impl Module for Registered {
    fn major(&self) -> Option<u32> {
        Some(self.0)
    }

    fn users(&self) -> usize {
        super::openings(self.0, 0)
    }

    fn exit(&self) -> Result<()> {
        super::unregister(self.0, 0) // EBUSY while it is open; with the driver goes the mailbox
    }
}
