//! Who records: opens the rings, switches the points on and off, takes records out. One at a time.
//!
//! Owns the switch. Lock: TRACE (sleeping), around switching and reading. Switching sleeps: it goes to every CPU.

use super::{RINGS, Ring, meter};
use crate::arch::trace_point::Points;
use crate::arch::{cpu, timer};
use crate::mm::{code, heap};
use crate::sched;
use crate::sync::{Mutex, rank};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use postern_abi::trace::{Header, Kind, RECORD_BYTES, RECORD_WORDS, Record};
use postern_core::errno::{Errno, Result};

/// Events that a CPU's ring holds.
const SLOTS: usize = 32_768;

/// Somebody records.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The right to record. Nobody else has it; nothing is recorded any more when it is dropped.
pub struct Recording {
    state: Mutex<State>,
}

struct State {
    points: Points,
    /// What is to be read next.
    next: Next,
}

/// Where a reader is.
#[derive(Clone, Copy)]
enum Next {
    Header,
    /// The ring of the CPU with this index.
    Ring(usize),
    /// A record that has been taken out already, and then the same ring.
    Record([u64; RECORD_WORDS], usize),
}

impl Recording {
    /// The right to record; nothing is recorded yet.
    ///
    /// # Errors
    /// EBUSY: somebody has it.
    pub fn take() -> Result<Self> {
        // Acquire: pairs with the Release of who had it before.
        if TAKEN.swap(true, Ordering::Acquire) {
            return Err(Errno::EBUSY);
        }
        Ok(Self { state: Mutex::new(rank::TRACE, State { points: Points::Off, next: Next::Header }) })
    }

    /// Begins to record, with empty rings. Nothing if that has begun.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn start(&self) -> Result<()> {
        let mut state = self.state.lock();
        if state.points == Points::On {
            return Ok(());
        }
        for ring in &RINGS[..cpu::count()] {
            if !ring.is_completed() {
                heap::admit(SLOTS * RECORD_BYTES)?;
            }
            ring.try_call_once(|| Ring::try_new(SLOTS).ok_or(Errno::ENOMEM))?;
        }
        sched::on_every_cpu(meter::start);
        let off = meter::measure_off();
        code::switch_trace_points(Points::On);
        meter::calibrate(off);
        sched::on_every_cpu(|| {
            cpu::refetch_code();
            empty_ring_here();
            meter::reset();
        });
        *state = State { points: Points::On, next: Next::Header };
        Ok(())
    }

    /// Records no more. What has been recorded can be read.
    pub fn stop(&self) {
        let mut state = self.state.lock();
        if state.points == Points::On {
            code::switch_trace_points(Points::Off);
            // From then on no CPU is on the way from a point to its ring.
            sched::on_every_cpu(|| {
                cpu::refetch_code();
                meter::stop();
            });
            state.points = Points::Off;
        }
    }

    /// Gives the bytes of whole records to `take`, at most `room` bytes, and says how many it took.
    ///
    /// # Errors
    /// EINVAL: not even one has room. What `take` says, if it took none; the record that it did not take is given again.
    pub fn read(&self, room: usize, take: impl FnMut(&[u8; RECORD_BYTES]) -> Result<()>) -> Result<usize> {
        if room < RECORD_BYTES {
            return Err(Errno::EINVAL);
        }
        let mut state = self.state.lock();
        // Relaxed: it concerns what this CPU does from here on, and where the thread goes.
        READER.store(sched::current_tid(), Ordering::Relaxed);
        let taken = read_locked(&mut state, room, take);
        READER.store(0, Ordering::Relaxed);
        taken
    }
}

/// Whoever reads a recording, while it does.
static READER: AtomicU32 = AtomicU32::new(0);

/// Whether `tid` reads a recording. What it copies for that is not told: it would fill the rings again.
pub(super) fn is_reader(tid: u32) -> bool {
    tid != 0 && READER.load(Ordering::Relaxed) == tid
}

/// [`Recording::read`], locked.
fn read_locked(
    state: &mut State,
    room: usize,
    mut take: impl FnMut(&[u8; RECORD_BYTES]) -> Result<()>,
) -> Result<usize> {
    let mut taken = 0;
    while room - taken >= RECORD_BYTES {
        let Some((words, then)) = next(state.next) else {
            // Whoever reads on begins with the first ring again.
            state.next = Next::Ring(0);
            break;
        };
        state.next = then;
        if let Err(error) = take(&postern_abi::trace::bytes_of(words)) {
            state.next = match then {
                Next::Ring(index) | Next::Record(_, index) => Next::Record(words, index),
                Next::Header => Next::Header,
            };
            return if taken == 0 { Err(error) } else { Ok(taken) };
        }
        taken += RECORD_BYTES;
    }
    Ok(taken)
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.stop();
        // Release: pairs with the Acquire of who has it next.
        TAKEN.store(false, Ordering::Release);
    }
}

/// What comes at `next`, and what after it.
fn next(next: Next) -> Option<([u64; RECORD_WORDS], Next)> {
    match next {
        Next::Header => {
            let cpus = u32::try_from(cpu::count()).unwrap_or(u32::MAX);
            let header = Header { counter: meter::counter(), cpus, ticks_hz: timer::frequency_hz() };
            Some((header.to_words(), Next::Ring(0)))
        }
        Next::Record(words, index) => Some((words, Next::Ring(index))),
        Next::Ring(from) => (from..cpu::count()).find_map(|index| Some((take_from(index)?, Next::Ring(index)))),
    }
}

/// The next record of a CPU; when there is none, the number of those that were lost.
fn take_from(index: usize) -> Option<[u64; RECORD_WORDS]> {
    let ring = RINGS[index].get()?;
    ring.pop().or_else(|| {
        let lost = ring.take_lost();
        let cpu = u16::try_from(index).unwrap_or(u16::MAX);
        let (ticks, arguments) = (timer::ticks(), [lost, 0, 0]);
        (lost != 0).then(|| Record { ticks, count: 0, tid: 0, cpu, kind: Kind::Lost, arguments }.to_words())
    })
}

/// Takes out what an earlier recording has left.
fn empty_ring_here() {
    if let Some(ring) = RINGS[cpu::index()].get() {
        while ring.pop().is_some() {}
        ring.take_lost();
    }
}
