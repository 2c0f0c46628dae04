//! How long a task may run before another of the same CPU gets its turn.
//!
//! The rule only; the queues are the scheduler's. A step of nice is worth about a quarter of the share, as in Linux
//! (sched(7)), and the slice of nice 0 is 10 ms. No locks, never sleeps.

/// The most favourable nice value.
pub const NICE_MIN: i32 = -20;
/// The least favourable nice value.
pub const NICE_MAX: i32 = 19;
/// The slice of nice 0.
pub const SLICE_NS: u64 = 10_000_000;
/// No slice is shorter: below, switching costs more than it is worth.
pub const SLICE_MIN_NS: u64 = 500_000;
/// No slice is longer: a task beside a favoured one must not seem stuck.
pub const SLICE_MAX_NS: u64 = 200_000_000;

/// The slice of a task of this nice value, in nanoseconds. Values beyond the range count as its end.
#[must_use]
pub const fn slice_ns(nice: i32) -> u64 {
    let mut slice = SLICE_NS;
    let mut steps = if nice < 0 { -max(nice, NICE_MIN) } else { min(nice, NICE_MAX) };
    while steps > 0 {
        slice = if nice < 0 { slice * 5 / 4 } else { slice * 4 / 5 };
        steps -= 1;
    }
    if slice < SLICE_MIN_NS {
        SLICE_MIN_NS
    } else if slice > SLICE_MAX_NS {
        SLICE_MAX_NS
    } else {
        slice
    }
}

const fn max(a: i32, b: i32) -> i32 {
    if a > b { a } else { b }
}

const fn min(a: i32, b: i32) -> i32 {
    if a < b { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nice_zero_is_ten_milliseconds() {
        assert_eq!(slice_ns(0), 10_000_000);
    }

    #[test]
    fn a_step_of_nice_is_a_quarter_until_the_ends() {
        for nice in NICE_MIN..NICE_MAX {
            let (longer, shorter) = (slice_ns(nice), slice_ns(nice + 1));
            assert!(longer >= shorter);
            if shorter > SLICE_MIN_NS && longer < SLICE_MAX_NS {
                assert!((longer * 4).abs_diff(shorter * 5) < 10, "{nice}: {longer} and {shorter}");
            }
        }
        assert_eq!((slice_ns(NICE_MIN), slice_ns(NICE_MAX)), (SLICE_MAX_NS, SLICE_MIN_NS));
    }

    #[test]
    fn values_beyond_the_range_count_as_its_end() {
        assert_eq!(slice_ns(i32::MIN), slice_ns(NICE_MIN));
        assert_eq!(slice_ns(i32::MAX), slice_ns(NICE_MAX));
    }
}
