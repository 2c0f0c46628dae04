//! Tracing: what the kernel's trace points tell is kept in a ring for each CPU, until somebody has read it.
//!
//! | file | owns | locks |
//! |---|---|---|
//! | `mod` | the rings; making an event into a record | – |
//! | `meter` | what a CPU counts, and what tracing itself costs | – |
//! | `recording` | who records: there is one at a time; switching the points | TRACE |
//!
//! The points are `arch::trace_point`'s, and come up through `trap`. [`record`] is called anywhere, with any lock held: it takes
//! none and never sleeps. What events are and mean, and the form of records: `postern_abi::trace`. `docs/tracing.md` explains it.

mod meter;
mod recording;

pub use recording::Recording;

use crate::arch::cpu::{self, MAX_CPUS};
use crate::arch::{exception, timer};
use crate::sched;
use postern_abi::trace::{Kind, RECORD_WORDS, Record};
use postern_sync::EventRing;
use spin::Once;

type Ring = EventRing<RECORD_WORDS>;

/// A ring for each CPU, from the first recording on: who reads later finds memory.
static RINGS: [Once<Ring>; MAX_CPUS] = [const { Once::new() }; MAX_CPUS];

/// An event, from a point that is switched on.
pub fn record(kind: u64, arguments: [u64; 3]) {
    meter::leave_out(|count| {
        let cpu = cpu::index();
        let Some(kind) = u16::try_from(kind).ok().and_then(Kind::from_number) else { return };
        let Some(ring) = RINGS[cpu].get().filter(|_| is_told(kind)) else { return };
        let tid = sched::current_tid();
        if kind == Kind::CopyOut && recording::is_reader(tid) {
            return;
        }
        let arguments = match kind {
            // SAFETY: the points of these kinds pass a task that cannot finish meanwhile: the one that is woken or that goes next.
            Kind::Wake | Kind::Switch => [u64::from(unsafe { sched::tid_at(arguments[0]) }), 0, 0],
            _ => arguments,
        };
        let [low, high, ..] = cpu.to_le_bytes();
        let cpu = u16::from_le_bytes([low, high]);
        ring.push(Record { ticks: timer::ticks_unordered(), count, tid, cpu, kind, arguments }.to_words());
    });
}

/// The vector for system calls is that for faults, which tell of themselves.
fn is_told(kind: Kind) -> bool {
    match kind {
        Kind::Calibration => false,
        Kind::SyscallEnter => exception::is_system_call(),
        _ => true,
    }
}
