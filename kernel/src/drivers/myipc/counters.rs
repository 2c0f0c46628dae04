//! What a device has done, and /proc/postern/myipc, which shows it: a line `device counter value` for each.
//!
//! Owns the counters of a device. Relaxed atomics: each is a figure of its own. No locks, never sleeps.

use super::device::Device;
use crate::fs::procfs::text::{Text, TextSource, put};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};
use postern_core::errno::Result;

/// What a device has done since the module was loaded.
pub struct Counters {
    /// Openings.
    pub opens: AtomicU64,
    /// Transfers that put bytes in.
    pub writes: AtomicU64,
    /// Transfers that took bytes out.
    pub reads: AtomicU64,
    /// Bytes that went in.
    pub bytes_in: AtomicU64,
    /// Bytes that went out.
    pub bytes_out: AtomicU64,
    /// Waiters that were woken.
    pub wakes: AtomicU64,
}

impl Counters {
    /// Nothing has been done.
    pub fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self { opens: zero(), writes: zero(), reads: zero(), bytes_in: zero(), bytes_out: zero(), wakes: zero() }
    }
}

/// Adds to a counter.
#[inline]
pub fn count(counter: &AtomicU64, more: usize) {
    counter.fetch_add(more as u64, Ordering::Relaxed);
}

/// /proc/postern/myipc
pub struct Report(pub [Arc<Device>; super::DEVICES as usize]);

impl TextSource for Report {
    fn show(&self, text: &mut Text) -> Result<()> {
        for device in &self.0 {
            let name = device.name();
            let counters = device.counters();
            put!(text, "{name} size {}\n{name} bytes {}\n", device.size(), device.bytes());
            for (what, counter) in [
                ("opens", &counters.opens),
                ("writes", &counters.writes),
                ("reads", &counters.reads),
                ("bytes_in", &counters.bytes_in),
                ("bytes_out", &counters.bytes_out),
                ("wakes", &counters.wakes),
            ] {
                put!(text, "{name} {what} {}\n", counter.load(Ordering::Relaxed));
            }
            let [readers, writers] = device.tallies();
            put!(text, "{name} spurious_wakes {}\n", readers.spurious_wakes + writers.spurious_wakes);
            put!(text, "{name} sleeps {}\n", readers.sleeps + writers.sleeps);
        }
        Ok(())
    }
}
