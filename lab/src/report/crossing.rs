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
    let mut last: Option<(u64, f64, f64)> = None;
    for &(size, one) in first {
        let Some(&(_, other)) = second.iter().find(|(of, _)| *of == size) else { continue };
        if (one - other).abs() <= EQUAL * one.max(other) {
            continue;
        }
        if let Some((from, one_before, other_before)) = last
            && (one_before < other_before) != (one < other)
        {
            let gap_before = (one_before / other_before).ln();
            let part = gap_before / (gap_before - (one / other).ln());
            let between = |low: f64, high: f64| (low.ln() + part * (high / low).ln()).exp();
            found.push(Crossing {
                from,
                to: size,
                at: between(as_f64(from), as_f64(size)),
                cost: between(one_before, one),
                is_first_lower: one < other,
            });
        }
        last = Some((size, one, other));
    }
    found
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
    fn curves_that_touch_or_share_no_size_do_not_cross() {
        assert!(crossings(&[(1, 1.0), (2, 2.0), (3, 1.0)], &[(1, 2.0), (2, 2.0), (3, 2.0)]).is_empty());
        assert!(crossings(&[(1, 1.0), (2, 2.005)], &[(1, 2.0), (2, 2.0)]).is_empty());
        assert!(crossings(&[(1, 1.0), (3, 9.0)], &[(2, 2.0), (4, 2.0)]).is_empty());
        assert!(crossings(&[], &[]).is_empty());
    }
}
