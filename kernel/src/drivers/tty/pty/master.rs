//! The master of a pseudo-terminal: what it writes is typed, what programs write is what it reads.
//!
//! Owns the pair's name in /dev/pts, and takes it away. Locks: TTY (sleeping), one for readers and one for writers, each over one
//! user copy. Sleeps in those. Specification: pty(7), ioctl_tty(2) "Packet mode", "Pseudoterminal".

use super::link::{Link, Switch};
use crate::drivers::tty::ioctl::{self, Side};
use crate::drivers::tty::{Terminal, job_control};
use crate::fs::devpts;
use crate::fs::file::{Direction, FileOps, Io, Readiness};
use crate::fs::flags::OpenFlags;
use crate::mm::user::{Sink, Source, UserPtr};
use crate::sync::{Mutex, WaitQueue, rank};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use linux_raw_sys::general as abi;
use linux_raw_sys::ioctl as command;
use postern_core::errno::{Errno, Result};
use postern_core::line_discipline::BUFFER_BYTES;
use postern_core::signal_set::Signal;

/// Bytes typed at once.
const CHUNK: usize = 256;

/// An open master.
pub(super) struct Master {
    terminal: Arc<Terminal>,
    link: Arc<Link>,
    /// What a read has planned; held by whoever reads.
    reading: Mutex<Vec<u8>>,
    /// Held by whoever writes.
    writing: Mutex<()>,
    /// TIOCEXCL, which keeps nobody out: a master is opened once. Relaxed: it stands for itself.
    is_exclusive: AtomicBool,
}

impl Master {
    /// The master of a pair.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn try_new(terminal: Arc<Terminal>, link: Arc<Link>) -> Result<Self> {
        let mut planned = Vec::new();
        planned.try_reserve_exact(BUFFER_BYTES).map_err(|_| Errno::ENOMEM)?;
        planned.resize(BUFFER_BYTES, 0);
        let (reading, writing) = (Mutex::new(rank::TTY, planned), Mutex::new(rank::TTY, ()));
        Ok(Self { terminal, link, reading, writing, is_exclusive: AtomicBool::new(false) })
    }

    /// The number of its terminal.
    pub fn number(&self) -> u32 {
        self.link.number()
    }

    /// Checks that the terminal may be opened (TIOCGPTPEER).
    ///
    /// # Errors
    /// EIO.
    pub fn check_opening(&self) -> Result<()> {
        self.link.check_opening()
    }

    fn flush(&self, what: usize) -> Result<()> {
        let (input, output) = match u32::try_from(what) {
            Ok(abi::TCIFLUSH) => (true, false),
            Ok(abi::TCOFLUSH) => (false, true),
            Ok(abi::TCIOFLUSH) => (true, true),
            _ => return Err(Errno::EINVAL),
        };
        if input {
            self.link.flush();
            self.terminal.wake_writers();
        }
        if output {
            // What was typed has arrived: nothing is on its way.
            self.link.writers.wake_all(Readiness::WRITABLE.bits());
        }
        Ok(())
    }

    /// TIOCSIG: as if one of the keys had been typed.
    fn raise(&self, argument: usize) -> Result<()> {
        let keys = [Signal::INT, Signal::QUIT, Signal::TSTP];
        let signal =
            keys.into_iter().find(|signal| usize::try_from(signal.number()) == Ok(argument)).ok_or(Errno::EINVAL)?;
        job_control::signal_group(self.terminal.ownership().foreground, signal);
        Ok(())
    }
}

fn switch(argument: usize) -> Result<Switch> {
    let wanted = UserPtr::<i32>::new(argument).read()?;
    Ok(if wanted == 0 { Switch::Off } else { Switch::On })
}

impl FileOps for Master {
    fn try_read(&self, _: &Io, sink: &mut Sink<'_>) -> Result<usize> {
        let wanted = sink.remaining().min(BUFFER_BYTES);
        let mut buffer = self.reading.lock();
        let planned = self.link.plan(&mut buffer[..wanted])?;
        if planned.bytes != 0 && sink.copy_from_slice(&buffer[..planned.bytes])? < planned.bytes {
            return Err(Errno::EFAULT);
        }
        if self.link.take(&planned) {
            self.terminal.wake_writers();
        }
        Ok(planned.bytes)
    }

    fn try_write(&self, _: &Io, source: &mut Source<'_>) -> Result<usize> {
        if source.remaining() == 0 {
            return Ok(0);
        }
        let writing = self.writing.lock();
        // Nobody else types, so the room stays.
        let room = self.terminal.room_to_type();
        if room == 0 {
            return Err(Errno::EAGAIN);
        }
        let mut chunk = [0; CHUNK];
        let taken = source.remaining().min(room).min(CHUNK);
        let taken = source.copy_to_slice(&mut chunk[..taken])?;
        self.terminal.type_in(&chunk[..taken]);
        drop(writing);
        Ok(taken)
    }

    fn readiness(&self) -> Readiness {
        let mut readiness = self.link.readiness();
        readiness.set(Readiness::WRITABLE, self.terminal.room_to_type() != 0);
        readiness
    }

    fn wait_queue(&self, direction: Direction) -> Option<&WaitQueue> {
        Some(match direction {
            Direction::Read => &self.link.readers,
            Direction::Write => &self.link.writers,
        })
    }

    fn serves(&self, direction: Direction) -> Option<&WaitQueue> {
        Some(match direction {
            Direction::Read => &self.terminal.writers,
            Direction::Write => &self.terminal.readers,
        })
    }

    fn ioctl(&self, _: OpenFlags, request: u32, argument: usize) -> Result<usize> {
        match request {
            command::TIOCGPTN => UserPtr::new(argument).write(&self.number())?,
            command::TIOCSPTLCK => self.link.set_locked(switch(argument)?),
            command::TIOCGPTLCK => UserPtr::new(argument).write(&u32::from(self.link.is_locked()))?,
            command::TIOCPKT => self.link.set_packets(switch(argument)?),
            command::TIOCGPKT => UserPtr::new(argument).write(&u32::from(self.link.has_packets()))?,
            command::TIOCEXCL => self.is_exclusive.store(true, Ordering::Relaxed),
            command::TIOCNXCL => self.is_exclusive.store(false, Ordering::Relaxed),
            command::TIOCGEXCL => {
                UserPtr::new(argument).write(&u32::from(self.is_exclusive.load(Ordering::Relaxed)))?
            }
            command::TIOCSIG => self.raise(argument)?,
            command::FIONREAD => ioctl::write_count(argument, self.link.available())?,
            command::TCFLSH => self.flush(argument)?,
            _ => return ioctl::ioctl(&self.terminal, Side::Master, request, argument),
        }
        Ok(0)
    }
}

/// The master is closed: the name is gone, and whoever has the terminal is cut off.
impl Drop for Master {
    fn drop(&mut self) {
        super::forget(self.number());
        devpts::remove(self.number());
        self.link.end_master();
        self.terminal.hang_up();
    }
}
