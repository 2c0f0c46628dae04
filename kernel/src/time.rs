//! Wall-clock time: the monotonic clock plus an offset, read once from the real-time clock at boot.
//! The offset is one atomic: readers see the old or the new time, never a mixture.

use crate::arch::timer::now_ns;
use core::sync::atomic::{AtomicU64, Ordering};

static OFFSET_NS: AtomicU64 = AtomicU64::new(0);

/// Nanoseconds since 1970.
pub fn realtime_ns() -> u64 {
    // Relaxed: the value stands for itself.
    OFFSET_NS.load(Ordering::Relaxed).wrapping_add(now_ns())
}

/// What CLOCK_REALTIME is ahead of CLOCK_MONOTONIC, in nanoseconds.
pub fn realtime_offset_ns() -> u64 {
    OFFSET_NS.load(Ordering::Relaxed)
}

/// Sets the wall-clock time.
pub fn set_realtime_ns(now_since_1970_ns: u64) {
    OFFSET_NS.store(now_since_1970_ns.wrapping_sub(now_ns()), Ordering::Relaxed);
}
