//! The one clock of every figure: `CLOCK_MONOTONIC`, through libc and so through the vDSO where there
//! is one. Under `qemu -icount shift=0` its nanoseconds are guest instructions. Never sleeps.

/// Nanoseconds since some fixed moment; `clock_gettime(2)`.
///
/// # Panics
/// When the system has no monotonic clock: no figure could be given at all.
#[inline]
pub fn now_ns() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a live, writable timespec, and the call keeps no reference to it.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    assert!(status == 0, "clock_gettime(CLOCK_MONOTONIC) failed");
    // Neither part is negative on a monotonic clock; the signs are libc's.
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::now_ns;

    #[test]
    fn the_clock_never_runs_backwards() {
        let readings: Vec<u64> = (0..1000).map(|_| now_ns()).collect();
        assert!(readings.is_sorted());
        assert!(readings[0] > 0);
    }
}
