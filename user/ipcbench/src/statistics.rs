//! What a pile of samples says: exact order statistics (nearest rank), and rates.
//! Pure values: no lock, no sleep, no clock.

use serde::{Deserialize, Serialize};

/// Order statistics of single operations, in the run's unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// How many operations were timed one by one.
    pub samples: u64,
    /// The shortest.
    pub min: u64,
    /// Half took at most this.
    pub median: u64,
    /// Nine in ten took at most this.
    pub p90: u64,
    /// Ninety-nine in a hundred took at most this.
    pub p99: u64,
    /// The longest.
    pub max: u64,
    /// The standard deviation of all of them, to the nearest whole.
    pub deviation: u64,
}

impl Summary {
    /// Sorts `samples` and reads off the ranks; `None` when there are none.
    pub fn of(samples: &mut [u64]) -> Option<Self> {
        samples.sort_unstable();
        let (min, max) = (*samples.first()?, *samples.last()?);
        Some(Self {
            samples: samples.len() as u64,
            min,
            median: nearest_rank(samples, 50),
            p90: nearest_rank(samples, 90),
            p99: nearest_rank(samples, 99),
            max,
            deviation: deviation(samples),
        })
    }
}

/// The smallest sample that at least `percent` per cent of `sorted` do not exceed. `sorted` is not empty.
fn nearest_rank(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted[rank.max(1) - 1]
}

/// The standard deviation of `samples`, which are not empty, in integers: equal runs print equal text.
fn deviation(samples: &[u64]) -> u64 {
    let count = samples.len() as u128;
    let wide = |sample: &u64| u128::from(*sample);
    let sum: u128 = samples.iter().map(wide).sum();
    // Each difference count times too large, each square count² times, as is the sum of squares count times.
    let squares = samples.iter().map(|sample| (wide(sample) * count).abs_diff(sum)).map(|gap| gap.saturating_mul(gap));
    let sum_of_squares = squares.fold(0_u128, u128::saturating_add);
    let variance = sum_of_squares / (count * count * count);
    u64::try_from(variance.isqrt()).unwrap_or(u64::MAX)
}

/// What a few repeated figures of a noisy machine say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Middle {
    /// Half are at most this; between the two in the middle if their number is even.
    pub median: f64,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

impl Middle {
    /// Of `figures`; `None` when there are none.
    pub fn of(mut figures: Vec<f64>) -> Option<Self> {
        figures.sort_by(f64::total_cmp);
        let (least, most) = (*figures.first()?, *figures.last()?);
        let median = f64::midpoint(figures[(figures.len() - 1) / 2], figures[figures.len() / 2]);
        Some(Self { median, least, most })
    }
}

/// `numerator / denominator` to three decimals, so that equal runs print equal text; `None` for `x / 0`.
pub fn ratio(numerator: u64, denominator: u64) -> Option<f64> {
    let thousandths = (u128::from(numerator) * 1000 + u128::from(denominator) / 2).checked_div(denominator.into())?;
    Some(thousandths as f64 / 1000.0)
}

/// Events a second, to three decimals, when `events` took `elapsed_ns`.
pub fn per_second(events: u64, elapsed_ns: u64) -> Option<f64> {
    let thousandths = (u128::from(events) * 1_000_000_000_000).checked_div(elapsed_ns.into())?;
    Some(thousandths as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::{Middle, Summary, per_second, ratio};

    #[test]
    fn ranks_are_nearest_ranks() {
        let mut samples: Vec<u64> = (1..=100).rev().collect();
        let summary = Summary::of(&mut samples).expect("not empty");
        let expected = Summary { samples: 100, min: 1, median: 50, p90: 90, p99: 99, max: 100, deviation: 28 };
        assert_eq!(summary, expected);
    }

    #[test]
    fn one_sample_is_every_rank() {
        let summary = Summary::of(&mut [7]).expect("not empty");
        assert_eq!(summary, Summary { samples: 1, min: 7, median: 7, p90: 7, p99: 7, max: 7, deviation: 0 });
    }

    #[test]
    fn an_outlier_moves_only_the_maximum() {
        let mut samples = vec![10; 999];
        samples.push(1_000_000);
        let summary = Summary::of(&mut samples).expect("not empty");
        assert_eq!((summary.median, summary.p99, summary.max), (10, 10, 1_000_000));
    }

    #[test]
    fn nothing_has_no_summary() {
        assert_eq!(Summary::of(&mut []), None);
    }

    #[test]
    fn the_middle_of_an_even_number_is_between_two() {
        assert_eq!(Middle::of(vec![3.0, 1.0, 2.0]), Some(Middle { median: 2.0, least: 1.0, most: 3.0 }));
        assert_eq!(Middle::of(vec![4.0, 1.0]), Some(Middle { median: 2.5, least: 1.0, most: 4.0 }));
        assert_eq!(Middle::of(Vec::new()), None);
    }

    #[test]
    fn ratios_round_and_refuse_zero() {
        assert_eq!(ratio(2, 3), Some(0.667));
        assert_eq!(ratio(12_516_000, 1000), Some(12516.0));
        assert_eq!(ratio(1, 0), None);
    }

    #[test]
    fn a_thousand_in_a_millisecond_is_a_million_a_second() {
        assert_eq!(per_second(1000, 1_000_000), Some(1_000_000.0));
        assert_eq!(per_second(u64::MAX, u64::MAX), Some(1_000_000_000.0));
        assert_eq!(per_second(1, 0), None);
    }
}
