//! Where of two measured curves the other becomes the lower one. Pure values.

/// Costs that differ by less are taken for equal: a curve that runs along another does not cross it all the time.
const EQUAL: f64 = 0.005;

/// A change of order between two sizes that were measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crossing {
    /// The last size at which the order was the one before.
    pub from: u64,
    /// The first at which it is the other one.
    pub to: u64,
    /// Where straight lines between the two meet, on logarithmic scales.
    pub at: f64,
    /// What both cost there.
    pub cost: f64,
    /// Whether the first curve is the lower one from `to` on.
    pub is_first_lower: bool,
}

/// Where `first` and `second`, sizes and costs from the smallest size up, cross; only at sizes which both have.
pub fn crossings(first: &[(u64, f64)], second: &[(u64, f64)]) -> Vec<Crossing> {
    let mut found = Vec::new();
    // The last size at which they differ, with the order there; the last at all; and where they met since.
    let mut differing: Option<(u64, bool)> = None;
    let mut before: Option<(u64, f64, f64)> = None;
    let mut met = None;
    for &(size, one) in first {
        let Some(&(_, other)) = second.iter().find(|(of, _)| *of == size) else { continue };
        let now = (size, one, other);
        met = before.and_then(|before| meeting(before, now)).or(met);
        before = Some(now);
        if (one - other).abs() <= EQUAL * one.max(other) {
            continue;
        }
        let is_first_lower = one < other;
        if let (Some((from, was_first_lower)), Some((at, cost))) = (differing, met)
            && was_first_lower != is_first_lower
        {
            found.push(Crossing { from, to: size, at, cost, is_first_lower });
        }
        differing = Some((size, is_first_lower));
        met = None;
    }
    found
}

/// Where straight lines on logarithmic scales, from two costs at one size to two at another, meet between: size and cost.
fn meeting(before: (u64, f64, f64), after: (u64, f64, f64)) -> Option<(f64, f64)> {
    let gap = |(_, one, other): (u64, f64, f64)| (one / other).ln();
    let (gap_before, gap_after) = (gap(before), gap(after));
    if (gap_before < 0.0) == (gap_after < 0.0) {
        return None;
    }
    let part = gap_before / (gap_before - gap_after);
    let between = |low: f64, high: f64| (low.ln() + part * (high / low).ln()).exp();
    Some((between(as_f64(before.0), as_f64(after.0)), between(before.1, after.1)))
}

/// A size on a scale.
#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
pub fn as_f64(size: u64) -> f64 {
    size as f64
}

#[cfg(test)]
mod tests {
    use super::crossings;

    #[test]
    fn curves_cross_where_their_order_changes() {
        let pipe = [(1, 100.0), (100, 100.0), (10_000, 400.0)];
        let shm = [(1, 200.0), (100, 200.0), (10_000, 200.0)];
        let found = crossings(&pipe, &shm);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].from, found[0].to, found[0].is_first_lower), (100, 10_000, false));
        assert!((found[0].at - 1000.0).abs() < 1e-6, "half-way on a logarithmic scale: {}", found[0].at);
        assert!((found[0].cost - 200.0).abs() < 1e-6);
    }

    #[test]
    fn they_may_cross_again() {
        let one = [(1, 1.0), (2, 3.0), (3, 1.0)];
        let other = [(1, 2.0), (2, 2.0), (3, 2.0)];
        assert_eq!(crossings(&one, &other).iter().map(|it| it.is_first_lower).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn sizes_at_which_they_are_as_good_as_equal_lie_between() {
        let one = [(1, 1.0), (16, 2.0), (256, 4.0), (4096, 9.0)];
        let other = [(1, 2.0), (16, 2.001), (256, 3.999), (4096, 8.0)];
        let found = crossings(&one, &other);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].from, found[0].to, found[0].is_first_lower), (1, 4096, false));
        assert!((16.0..256.0).contains(&found[0].at), "where the lines meet, not half-way: {}", found[0].at);
    }

    #[test]
    fn curves_that_touch_or_share_no_size_do_not_cross() {
        assert!(crossings(&[(1, 1.0), (2, 2.0), (3, 1.0)], &[(1, 2.0), (2, 2.0), (3, 2.0)]).is_empty());
        assert!(crossings(&[(1, 1.0), (2, 2.005)], &[(1, 2.0), (2, 2.0)]).is_empty());
        assert!(crossings(&[(1, 1.0), (3, 9.0)], &[(2, 2.0), (4, 2.0)]).is_empty());
        assert!(crossings(&[], &[]).is_empty());
    }
}
