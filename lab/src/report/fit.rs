//! Least squares: which costs of its parts explain best what wholes cost. Pure values.

/// A whole: how often each part is in it, and what it costs.
pub struct Observation {
    /// How often each part is in it; as many numbers in each.
    pub counts: Vec<f64>,
    /// What it costs.
    pub cost: f64,
}

/// The cost of each part for which the squares of what is left unexplained come to the least; `None` if the wholes do not tell the
/// parts apart. By Gram and Schmidt: each part is freed of what it has in common with those before it.
pub fn costs(observations: &[Observation]) -> Option<Vec<f64>> {
    let parts = observations.first()?.counts.len();
    let column = |part: usize| observations.iter().map(|it| it.counts[part]).collect::<Vec<f64>>();
    let mut free: Vec<Vec<f64>> = Vec::with_capacity(parts);
    // How much of the earlier parts was taken out of each.
    let mut shares: Vec<Vec<f64>> = Vec::with_capacity(parts);
    for part in 0..parts {
        let whole = column(part);
        let mut rest = whole.clone();
        let mut taken = Vec::with_capacity(part);
        for earlier in &free {
            let share = dot(&rest, earlier) / dot(earlier, earlier);
            rest.iter_mut().zip(earlier).for_each(|(rest, earlier)| *rest -= share * earlier);
            taken.push(share);
        }
        if dot(&rest, &rest) <= dot(&whole, &whole) * 1e-12 {
            return None;
        }
        free.push(rest);
        shares.push(taken);
    }
    let wanted: Vec<f64> = observations.iter().map(|it| it.cost).collect();
    let mut costs: Vec<f64> = free.iter().map(|part| dot(part, &wanted) / dot(part, part)).collect();
    for part in (0..parts).rev() {
        let later: f64 = (part + 1..parts).map(|later| shares[later][part] * costs[later]).sum();
        costs[part] -= later;
    }
    Some(costs)
}

/// What the parts of a whole cost together.
pub fn explained(counts: &[f64], costs: &[f64]) -> f64 {
    dot(counts, costs)
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

#[cfg(test)]
mod tests {
    use super::{Observation, costs, explained};

    #[test]
    fn parts_that_explain_everything_are_found() {
        let parts = [77.0, 272.5, 0.188, 418.7];
        let counts = [
            [1.0, 0.0, 0.0, 0.0],
            [2.0, 2.0, 2.0, 0.0],
            [2.0, 2.0, 8192.0, 0.0],
            [4.0, 4.0, 4.0, 2.0],
            [4.0, 4.0, 16_384.0, 2.0],
        ];
        let observations: Vec<Observation> =
            counts.iter().map(|it| Observation { counts: it.to_vec(), cost: explained(it, &parts) }).collect();
        for (found, part) in costs(&observations).unwrap().iter().zip(parts) {
            assert!((found - part).abs() < 1e-6, "{found} for {part}");
        }
    }

    #[test]
    fn what_is_left_over_is_as_small_as_it_can_be() {
        let observations = [1.0, 2.0, 6.0].map(|cost| Observation { counts: vec![1.0], cost });
        assert_eq!(costs(&observations), Some(vec![3.0]), "the mean");
        // A line through (0, 1), (1, 2), (2, 4): slope 3/2, height 5/6.
        let line = [(0.0, 1.0), (1.0, 2.0), (2.0, 4.0)].map(|(x, cost)| Observation { counts: vec![1.0, x], cost });
        let found = costs(&line).unwrap();
        assert!((found[0] - 5.0 / 6.0).abs() < 1e-9 && (found[1] - 1.5).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn parts_that_always_come_together_are_not_told_apart() {
        let observations = [1.0, 2.0].map(|count| Observation { counts: vec![count, 2.0 * count], cost: count });
        assert_eq!(costs(&observations), None);
        assert_eq!(costs(&[]), None);
    }
}
