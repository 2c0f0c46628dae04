//! What `/dev/hello` counts: for each instance, and in all since the module was loaded, for /proc/postern/hello.
//!
//! Owns the sums of the instances that can no longer be opened. No locks: a counter that changes under an instance's mutex only is
//! added to with a plain load and store, any other atomically. Never sleeps.

use super::routing;
use crate::fs::procfs::text::{Text, put};
use crate::process::cgroup;
use core::sync::atomic::{AtomicU64, Ordering};
use postern_abi::hello::HelloCounters;
use postern_core::errno::Result;
use postern_core::pipe::Through;
use postern_sync::{SetOnce, Tally};

/// The counters of one instance.
pub struct Counters {
    opens: AtomicU64,
    allocations: AtomicU64,
    /// What of it is among the sums of those that are gone, once it can no longer be opened.
    kept: SetOnce<[u64; HelloCounters::NAMES.len()]>,
}

/// Adds to a counter that only the holder of the instance's mutex changes.
#[inline(always)]
fn add_alone(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Ordering::Relaxed) + count, Ordering::Relaxed);
}

impl Counters {
    /// All zero.
    pub const fn new() -> Self {
        Self { opens: AtomicU64::new(0), allocations: AtomicU64::new(0), kept: SetOnce::new() }
    }

    /// It was opened.
    pub fn count_open(&self) {
        self.opens.fetch_add(1, Ordering::Relaxed);
    }

    /// A page was taken from the allocator. With the mutex held.
    pub fn count_allocation(&self) {
        add_alone(&self.allocations, 1);
    }

    /// All of them now, each at a moment of its own, with what has gone through the ring, and what waiting for data and for room
    /// has come to.
    pub fn totals(&self, through: Through, [readers, writers]: [Tally; 2]) -> HelloCounters {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let allocations = load(&self.allocations);
        HelloCounters {
            opens: load(&self.opens),
            bytes: through.bytes,
            allocations,
            // A page that was allocated for a write that then failed lies in its slot: its first use is no reuse.
            recycles: through.slots.saturating_sub(allocations),
            merges: through.merges,
            wakes: readers.wakes + writers.wakes,
            spurious_wakes: readers.spurious_wakes + writers.spurious_wakes,
            sleeps: readers.sleeps + writers.sleeps,
        }
    }

    /// What the instance has counted stays in the sums when it goes: out of the tree, with the tree locked so that nobody begins to
    /// sum up meanwhile; and, with what came since, altogether. Once each at most.
    pub fn keep(&self, totals: HelloCounters) {
        let values = totals.values();
        let kept = self.kept();
        for (sum, (value, kept)) in GONE.iter().zip(values.into_iter().zip(kept)) {
            // Recycles may have fallen by a page that a write has taken and not used.
            sum.fetch_add(value.wrapping_sub(kept), Ordering::Relaxed);
        }
        self.kept.get_or_set(|| values);
    }

    /// What of it is among the sums of those that are gone.
    pub fn kept(&self) -> [u64; HelloCounters::NAMES.len()] {
        self.kept.get().copied().unwrap_or_default()
    }
}

/// The sums over the instances that cannot be opened any more, in the order of [`HelloCounters::NAMES`].
static GONE: [AtomicU64; HelloCounters::NAMES.len()] = [const { AtomicU64::new(0) }; HelloCounters::NAMES.len()];

/// The sums begin anew: the module is loaded.
pub fn begin_anew() {
    for sum in &GONE {
        sum.store(0, Ordering::Relaxed);
    }
}

/// /proc/postern/hello: the sums over all instances, one a line.
pub fn show(text: &mut Text) -> Result<()> {
    let gone = || GONE.each_ref().map(|sum| sum.load(Ordering::Relaxed));
    let (instances, mut sums) = routing::all_with(gone)?;
    for instance in &instances {
        for (sum, value) in sums.iter_mut().zip(instance.totals_beside_gone()) {
            *sum += value;
        }
    }
    put!(text, "instances {}\n", instances.len());
    for (sum, name) in sums.iter().zip(HelloCounters::NAMES) {
        put!(text, "{name} {sum}\n");
    }
    Ok(())
}

/// /proc/postern/hello_instances: one a line, those of the reader's control group and of the groups below it.
pub fn show_instances(text: &mut Text) -> Result<()> {
    text.push(b"cgroup name slots used_slots waiting_bytes readers writers");
    for name in HelloCounters::NAMES {
        put!(text, " {name}");
    }
    text.push(b"\n");
    let reader = cgroup::of_caller();
    for instance in routing::all()? {
        if !cgroup::hierarchy().is_within(instance.key().cgroup, reader) {
            continue;
        }
        let stat = instance.stat();
        let name = instance.key().name;
        put!(text, "{} ", stat.cgroup);
        text.push(if name.as_bytes().is_empty() { b"-" } else { name.as_bytes() });
        put!(text, " {} {} {}", stat.slots, stat.used_slots, stat.waiting_bytes);
        put!(text, " {} {}", stat.readers, stat.writers);
        for value in stat.counters.values() {
            put!(text, " {value}");
        }
        text.push(b"\n");
    }
    Ok(())
}
