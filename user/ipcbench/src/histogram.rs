//! How many operations took how long, in buckets that are about as wide as a sixteenth of what they hold: as an HDR histogram of
//! five significant bits, of which only the buckets that hold something are kept. Pure values.

use serde::{Deserialize, Serialize};

/// Values below are each a bucket of their own; from here on every power of two is cut into half as many.
const EXACT_BELOW: u64 = 32;

/// Values from `from` up to and without `below`, and how many there were. Written as an array of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u64; 3]", into = "[u64; 3]")]
pub struct Bucket {
    from: u64,
    below: u64,
    count: u64,
}

impl From<[u64; 3]> for Bucket {
    fn from([from, below, count]: [u64; 3]) -> Self {
        Self { from, below, count }
    }
}

impl From<Bucket> for [u64; 3] {
    fn from(Bucket { from, below, count }: Bucket) -> Self {
        [from, below, count]
    }
}

impl Bucket {
    /// The empty one that `value` belongs into. The last of all ends at the largest number there is.
    fn around(value: u64) -> Self {
        let width = if value < EXACT_BELOW { 1 } else { 1 << (value.ilog2() - (EXACT_BELOW.ilog2() - 1)) };
        let from = value / width * width;
        Self { from, below: from.saturating_add(width), count: 0 }
    }
}

/// The buckets of `sorted` that hold something, from the lowest up.
pub fn histogram(sorted: &[u64]) -> Vec<Bucket> {
    let mut buckets: Vec<Bucket> = Vec::new();
    for sample in sorted {
        match buckets.last_mut() {
            Some(bucket) if *sample < bucket.below => bucket.count += 1,
            _ => buckets.push(Bucket { count: 1, ..Bucket::around(*sample) }),
        }
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::{Bucket, histogram};

    #[test]
    fn buckets_follow_each_other_without_a_gap_and_are_narrow() {
        let mut next = 0;
        while next < 1 << 40 {
            let bucket = Bucket::around(next);
            assert_eq!(bucket.from, next);
            assert_eq!(Bucket::around(bucket.below - 1), bucket, "its last value is in it");
            let width = bucket.below - bucket.from;
            assert!(width == 1 || width * 16 <= bucket.from, "{bucket:?}");
            next = bucket.below;
        }
        assert_eq!(Bucket::around(u64::MAX).below, u64::MAX);
    }

    #[test]
    fn every_sample_is_counted_once_where_it_belongs() {
        let buckets = histogram(&[7, 7, 31, 32, 33, 34, 2047, 2048, 2175, 2176]);
        let expected =
            [[7, 8, 2], [31, 32, 1], [32, 34, 2], [34, 36, 1], [1984, 2048, 1], [2048, 2176, 2], [2176, 2304, 1]];
        assert_eq!(buckets, expected.map(Bucket::from));
        assert_eq!(histogram(&[]), []);
    }

    #[test]
    fn a_bucket_is_written_as_three_numbers() {
        let text = serde_json::to_string(&histogram(&[2100, 2110])).expect("serializes");
        assert_eq!(text, "[[2048,2176,2]]");
        assert_eq!(serde_json::from_str::<Vec<Bucket>>(&text).expect("parses"), histogram(&[2100, 2110]));
    }
}
