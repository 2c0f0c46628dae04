//! What lies between the two sides of a pseudo-terminal: the port of the terminal, and what its master reads.
//!
//! Owns what was sent and not yet read, how many have the terminal open, packet mode. Lock: OBJECT (spin), taken under TTY_LINE.
//! Never sleeps. Specification: pty(7), ioctl_tty(2) `TIOCPKT`; pty.c of Linux.

use super::numbers::Number;
use crate::drivers::tty::{Notice, Port};
use crate::fs::attributes::DeviceNumber;
use crate::fs::devpts;
use crate::fs::file::Readiness;
use crate::sync::{SpinGuard, SpinLock, WaitQueue, rank};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};

/// Bytes of programs' output that wait for the master at most.
const OUTPUT_BYTES: usize = 8192;
/// More than that may wait if it is echo, which nobody can hold back; what is beyond is lost, as on Linux.
const ECHO_BYTES: usize = 4096;
/// What Linux's master has taken over already of what it has not read: too late to discard for whoever sent it.
const TAKEN_OVER_BYTES: usize = 4095;

/// Whether something is in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Switch {
    On,
    Off,
}

/// What the lock guards.
struct State {
    output: VecDeque<u8>,
    /// How often unread bytes were forgotten; wraps.
    flushes: u32,
    /// Open files of the terminal.
    openings: usize,
    /// Nobody has the terminal open any more.
    abandoned: bool,
    /// Nobody may open it yet.
    locked: bool,
    master_gone: bool,
    packets: bool,
    /// `TIOCPKT_*` bits that the master has not read yet.
    news: u8,
}

/// Between the sides.
pub(super) struct Link {
    number: Number,
    state: SpinLock<State>,
    /// The master's.
    pub readers: WaitQueue,
    /// The master's.
    pub writers: WaitQueue,
}

/// What the master may read, copied and not yet taken.
pub(super) struct Planned {
    /// Bytes copied.
    pub bytes: usize,
    of_output: usize,
    news: u8,
    flushes: u32,
}

impl Link {
    /// A new one, locked, as Linux begins.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn try_new(number: Number) -> Result<Arc<Self>> {
        let mut output = VecDeque::new();
        output.try_reserve_exact(OUTPUT_BYTES + ECHO_BYTES).map_err(|_| Errno::ENOMEM)?;
        let state = State {
            output,
            flushes: 0,
            openings: 0,
            abandoned: false,
            locked: true,
            master_gone: false,
            packets: false,
            news: 0,
        };
        let state = SpinLock::new(rank::OBJECT, state);
        Ok(Arc::new(Self { number, state, readers: WaitQueue::new(), writers: WaitQueue::new() }))
    }

    fn lock(&self) -> SpinGuard<'_, State> {
        self.state.lock()
    }

    /// The terminal's number.
    pub fn number(&self) -> u32 {
        self.number.get()
    }

    /// Checks that the terminal may be opened.
    ///
    /// # Errors
    /// EIO: it is locked, or the master is gone.
    pub fn check_opening(&self) -> Result<()> {
        let state = self.lock();
        if state.locked || state.master_gone { Err(Errno::EIO) } else { Ok(()) }
    }

    /// TIOCSPTLCK.
    pub fn set_locked(&self, switch: Switch) {
        self.lock().locked = switch == Switch::On;
    }

    /// TIOCGPTLCK.
    pub fn is_locked(&self) -> bool {
        self.lock().locked
    }

    /// TIOCPKT.
    pub fn set_packets(&self, switch: Switch) {
        let mut state = self.lock();
        let packets = switch == Switch::On;
        if packets && !state.packets {
            state.news = 0;
        }
        state.packets = packets;
    }

    /// TIOCGPKT.
    pub fn has_packets(&self) -> bool {
        self.lock().packets
    }

    /// The master is closed: nobody opens the terminal any more.
    pub fn end_master(&self) {
        self.lock().master_gone = true;
    }

    /// Bytes for the master to read.
    pub fn available(&self) -> usize {
        self.lock().output.len()
    }

    /// TCIFLUSH of the master.
    pub fn flush(&self) {
        let mut state = self.lock();
        state.output.clear();
        state.flushes = state.flushes.wrapping_add(1);
    }

    /// What the master's poll(2) says of reading.
    pub fn readiness(&self) -> Readiness {
        let state = self.lock();
        let mut readiness = Readiness::empty();
        readiness.set(Readiness::READABLE, !state.output.is_empty());
        readiness.set(Readiness::HUP, state.abandoned);
        if state.packets && state.news != 0 {
            readiness |= Readiness::READABLE | Readiness::PRI;
        }
        readiness
    }

    /// Copies what a read of the master gets. Nothing is taken before [`Link::take`].
    ///
    /// # Errors
    /// EAGAIN; EIO when nobody has the terminal open any more, after what was sent before.
    pub fn plan(&self, buffer: &mut [u8]) -> Result<Planned> {
        let state = self.lock();
        let mut planned = Planned { bytes: 0, of_output: 0, news: 0, flushes: state.flushes };
        let buffer = match buffer.split_first_mut() {
            None => return Ok(planned),
            Some((first, _)) if state.packets && state.news != 0 => {
                *first = state.news;
                (planned.bytes, planned.news) = (1, state.news);
                return Ok(planned);
            }
            Some(_) if state.output.is_empty() => return Err(if state.abandoned { Errno::EIO } else { Errno::EAGAIN }),
            Some((first, rest)) if state.packets => {
                *first = abi::TIOCPKT_DATA.to_le_bytes()[0];
                planned.bytes = 1;
                rest
            }
            Some(_) => buffer,
        };
        for (place, byte) in buffer.iter_mut().zip(&state.output) {
            *place = *byte;
            planned.of_output += 1;
        }
        planned.bytes += planned.of_output;
        Ok(planned)
    }

    /// Takes what was planned. Whether programs may have waited for the room.
    pub fn take(&self, planned: &Planned) -> bool {
        let mut state = self.lock();
        state.news &= !planned.news;
        if state.flushes != planned.flushes {
            return true;
        }
        let taken = planned.of_output.min(state.output.len());
        state.output.drain(..taken);
        taken != 0
    }

    fn tell(&self, mut state: SpinGuard<'_, State>, news: u32, opposite: u32) {
        if !state.packets {
            return;
        }
        let [news, opposite] = [news, opposite].map(|bits| bits.to_le_bytes()[0]);
        state.news = state.news & !opposite | news;
        drop(state);
        self.readers.wake_all((Readiness::READABLE | Readiness::PRI).bits());
    }
}

impl Port for Link {
    fn device(&self) -> DeviceNumber {
        DeviceNumber::new(devpts::SLAVE_MAJOR, self.number())
    }

    fn send(&self, bytes: &[u8]) {
        let mut state = self.lock();
        let room = (OUTPUT_BYTES + ECHO_BYTES).saturating_sub(state.output.len());
        state.output.extend(&bytes[..bytes.len().min(room)]);
        drop(state);
        self.readers.wake_one(Readiness::READABLE.bits());
    }

    fn room(&self) -> usize {
        OUTPUT_BYTES.saturating_sub(self.lock().output.len())
    }

    fn pause_input(&self) {}

    fn resume_input(&self) {
        self.writers.wake_all(Readiness::WRITABLE.bits());
    }

    fn hangs_up_with_leader(&self) -> bool {
        false
    }

    fn opened(&self) {
        let mut state = self.lock();
        state.openings += 1;
        state.abandoned = false;
    }

    fn closed(&self) {
        let mut state = self.lock();
        state.openings -= 1;
        state.abandoned = state.openings == 0;
        if state.abandoned {
            drop(state);
            self.readers.wake_all(Readiness::HUP.bits());
            self.writers.wake_all(Readiness::HUP.bits());
        }
    }

    fn notice(&self, notice: Notice) {
        let mut state = self.lock();
        match notice {
            Notice::InputFlushed => self.tell(state, abi::TIOCPKT_FLUSHREAD, 0),
            Notice::OutputFlushed => {
                state.output.truncate(TAKEN_OVER_BYTES);
                self.tell(state, abi::TIOCPKT_FLUSHWRITE, 0);
            }
            Notice::Stopped => self.tell(state, abi::TIOCPKT_STOP, abi::TIOCPKT_START),
            Notice::Started => self.tell(state, abi::TIOCPKT_START, abi::TIOCPKT_STOP),
            Notice::FlowControlByKeys => self.tell(state, abi::TIOCPKT_DOSTOP, abi::TIOCPKT_NOSTOP),
            Notice::NoFlowControl => self.tell(state, abi::TIOCPKT_NOSTOP, abi::TIOCPKT_DOSTOP),
        }
    }
}
