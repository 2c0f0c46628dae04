//! RLIMIT_CPU: what a process hears of the CPU time that it has used. A value; no locks, never sleeps.
//! Specification: getrlimit(2); check_process_timers of Linux 6.12.

use crate::clock::NS_PER_SECOND;

/// What a process has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may go on.
    Within,
    /// SIGXCPU, and another one when it has used as much as the new soft limit says, in seconds.
    Warn {
        /// The soft limit from now on.
        soft_s: u64,
    },
    /// SIGKILL.
    Kill,
}

/// Judges a process that has used `used_ns`, with a soft and a hard limit in seconds, `u64::MAX` for none.
#[must_use]
pub fn judge(used_ns: u64, soft_s: u64, hard_s: u64) -> Verdict {
    let is_over = |limit_s: u64| limit_s != u64::MAX && used_ns >= limit_s.saturating_mul(NS_PER_SECOND);
    if is_over(hard_s) {
        Verdict::Kill
    } else if is_over(soft_s) {
        Verdict::Warn { soft_s: soft_s + 1 }
    } else {
        Verdict::Within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_warns_every_second_and_the_hard_one_kills() {
        assert_eq!(judge(999_999_999, 1, 3), Verdict::Within);
        assert_eq!(judge(1_000_000_000, 1, 3), Verdict::Warn { soft_s: 2 });
        assert_eq!(judge(1_500_000_000, 2, 3), Verdict::Within);
        assert_eq!(judge(3_000_000_000, 3, 3), Verdict::Kill);
    }

    #[test]
    fn no_limit_is_never_reached() {
        assert_eq!(judge(u64::MAX, u64::MAX, u64::MAX), Verdict::Within);
        assert_eq!(judge(0, 0, u64::MAX), Verdict::Warn { soft_s: 1 });
        assert_eq!(judge(u64::MAX, u64::MAX - 1, u64::MAX), Verdict::Warn { soft_s: u64::MAX });
    }
}
