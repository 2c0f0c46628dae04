//! The ways of a wake-up: from a file through the epoll instances that watch it, and those that watch them, to the last.
//!
//! A value. A wake-up goes along every way there is, with interrupts off, so their number has a limit for each length.
//! Specification: reverse_path_check in fs/eventpoll.c of Linux 6.12, epoll_ctl(2) EINVAL.

/// Instances on a way at most (Linux's EP_MAX_NESTS, and the first).
pub const LONGEST: usize = 5;

/// How many ways of one instance, of two and so on a file may have: any number of instances may watch it directly.
const LIMITS: [u32; LONGEST] = [u32::MAX, 500, 100, 50, 10];

/// How many ways there are of each length.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WakePaths {
    by_length: [u32; LONGEST],
    /// Some way has more instances than [`LONGEST`].
    has_longer: bool,
}

impl WakePaths {
    /// No way at all.
    pub const NONE: Self = Self { by_length: [0; LONGEST], has_longer: false };
    /// The one that an instance makes which nobody watches: it begins and ends there.
    pub const LAST: Self = Self { by_length: [1, 0, 0, 0, 0], has_longer: false };

    /// These and others.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut sum = self;
        for (count, more) in sum.by_length.iter_mut().zip(other.by_length) {
            *count = count.saturating_add(more);
        }
        sum.has_longer |= other.has_longer;
        sum
    }

    /// The same with one more instance before each.
    #[must_use]
    pub fn lengthened(self) -> Self {
        let [one, two, three, four, five] = self.by_length;
        Self { by_length: [0, one, two, three, four], has_longer: self.has_longer || five != 0 }
    }

    /// Whether a file may have all these.
    pub fn are_allowed(self) -> bool {
        !self.has_longer && self.by_length.iter().zip(LIMITS).all(|(count, limit)| *count <= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many ways of so many instances.
    fn ways(count: u32, length: usize) -> WakePaths {
        let one = (1..length).fold(WakePaths::LAST, |ways, _| ways.lengthened());
        (0..count).fold(WakePaths::NONE, |sum, _| sum.and(one))
    }

    #[test]
    fn each_length_has_its_own_limit() {
        for (length, limit) in [(2, 500), (3, 100), (4, 50), (5, 10)] {
            assert!(ways(limit, length).are_allowed(), "{limit} of length {length}");
            assert!(!ways(limit + 1, length).are_allowed(), "{} of length {length}", limit + 1);
        }
        assert!(ways(500, 2).and(ways(100, 3)).and(ways(50, 4)).and(ways(10, 5)).are_allowed());
    }

    #[test]
    fn any_number_may_watch_directly() {
        assert!(ways(100_000, 1).are_allowed());
    }

    #[test]
    fn none_may_be_longer_than_the_longest() {
        assert!(!ways(1, LONGEST + 1).are_allowed());
        assert!(!ways(1, LONGEST + 3).and(ways(1, 1)).are_allowed());
    }

    #[test]
    fn numbers_too_large_to_count_stay_large() {
        let many = (0..40).fold(ways(1, 2), |ways, _| ways.and(ways));
        assert!(!many.are_allowed());
    }
}
