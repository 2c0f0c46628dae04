//! Least squares: which costs of its parts explain best what wholes cost. Pure values.

/// A whole: how often each part is in it, and what it costs.
pub struct Observation<const PARTS: usize> {
    /// How often each part is in it.
    pub counts: [f64; PARTS],
    /// What it costs.
    pub cost: f64,
}

/// The cost of each part for which the squares of what is left unexplained come to the least. None if the wholes do not tell the
/// parts apart.
pub fn costs<const PARTS: usize>(observations: &[Observation<PARTS>]) -> Option<[f64; PARTS]> {
    // The normal equations: (AᵀA) x = Aᵀb, each row with its right-hand side.
    let mut rows = [([0.0; PARTS], 0.0); PARTS];
    for Observation { counts, cost } in observations {
        for (row, factor) in rows.iter_mut().zip(counts) {
            for (sum, count) in row.0.iter_mut().zip(counts) {
                *sum += factor * count;
            }
            row.1 += factor * cost;
        }
    }
    solved(rows)
}

/// What the parts of a whole cost together.
pub fn explained<const PARTS: usize>(counts: &[f64; PARTS], costs: &[f64; PARTS]) -> f64 {
    counts.iter().zip(costs).map(|(count, cost)| count * cost).sum()
}

/// The solution of linear equations, by Gauss and Jordan with the largest pivot of each column.
fn solved<const N: usize>(mut rows: [([f64; N], f64); N]) -> Option<[f64; N]> {
    const NOTHING: f64 = 1e-9;
    for column in 0..N {
        let largest =
            (column..N).max_by(|one, other| rows[*one].0[column].abs().total_cmp(&rows[*other].0[column].abs()))?;
        rows.swap(column, largest);
        let (pivot_row, pivot_side) = rows[column];
        if pivot_row[column].abs() < NOTHING {
            return None;
        }
        for (number, (row, side)) in rows.iter_mut().enumerate() {
            if number == column {
                continue;
            }
            let factor = row[column] / pivot_row[column];
            for (value, pivot) in row.iter_mut().zip(pivot_row) {
                *value -= factor * pivot;
            }
            *side -= factor * pivot_side;
        }
    }
    let mut solution = [0.0; N];
    for (column, value) in solution.iter_mut().enumerate() {
        *value = rows[column].1 / rows[column].0[column];
    }
    Some(solution)
}

#[cfg(test)]
mod tests {
    use super::{Observation, costs, explained};

    #[test]
    fn parts_that_explain_everything_are_found() {
        let parts = [80.0, 270.5, 0.25];
        let counts = [[1.0, 0.0, 0.0], [2.0, 2.0, 2.0], [4.0, 4.0, 4.0], [2.0, 2.0, 8192.0]];
        let observations = counts.map(|counts| Observation { counts, cost: explained(&counts, &parts) });
        let found = costs(&observations).expect("three different wholes");
        for (found, part) in found.iter().zip(parts) {
            assert!((found - part).abs() < 1e-6, "{found} for {part}");
        }
    }

    #[test]
    fn what_is_left_over_is_as_small_as_it_can_be() {
        let observations = [1.0, 2.0, 6.0].map(|cost| Observation { counts: [1.0], cost });
        assert_eq!(costs(&observations), Some([3.0]), "the mean");
    }

    #[test]
    fn parts_that_always_come_together_are_not_told_apart() {
        let observations = [1.0, 2.0].map(|count| Observation { counts: [count, 2.0 * count], cost: 5.0 * count });
        assert_eq!(costs(&observations), None);
    }
}
