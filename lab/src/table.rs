//! Linux and Postern side by side, for people.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::change::costs;
use crate::figure::Figure;
use crate::machine::System;

/// Rows in the order of their first figure; what a system does not have is a dash.
///
/// # Errors
/// If a figure cannot be read.
pub fn side_by_side(figures: &[Figure]) -> Result<String> {
    let mut order = Vec::new();
    let mut rows: BTreeMap<String, BTreeMap<System, f64>> = BTreeMap::new();
    for ((system, _, name), cost) in costs(figures)? {
        if !rows.contains_key(&name) {
            order.push(name.clone());
        }
        rows.entry(name).or_default().insert(system, cost);
    }
    let mut lines =
        vec![format!("{:<30} {:>12} {:>12} {:>14}", "instructions per operation", "Linux", "Postern", "Linux/Postern")];
    for name in order {
        let of = |system| rows.get(&name).and_then(|row| row.get(&system)).copied();
        let shown = |cost: Option<f64>| cost.map_or_else(|| "-".to_owned(), |cost| format!("{cost:.1}"));
        let (linux, postern) = (of(System::Linux), of(System::Postern));
        let ratio =
            linux.zip(postern).map_or_else(|| "-".to_owned(), |(linux, postern)| format!("{:.2}", linux / postern));
        lines.push(format!("{name:<30} {:>12} {:>12} {ratio:>14}", shown(linux), shown(postern)));
    }
    Ok(lines.join("\n"))
}

/// Ratios of the systems' times, from rounds that each have both: the median, the smallest and the largest.
///
/// # Errors
/// If a figure cannot be read.
pub fn ratios(rounds: &[Vec<Figure>]) -> Result<String> {
    let mut order = Vec::new();
    let mut found: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for round in rounds {
        let mut row: BTreeMap<String, BTreeMap<System, f64>> = BTreeMap::new();
        for ((system, _, name), cost) in costs(round)? {
            if !order.contains(&name) {
                order.push(name.clone());
            }
            row.entry(name).or_default().insert(system, cost);
        }
        for (name, row) in row {
            if let (Some(linux), Some(postern)) = (row.get(&System::Linux), row.get(&System::Postern)) {
                found.entry(name).or_default().push(linux / postern);
            }
        }
    }
    let mut lines = vec![format!("{:<30} {:>14} {:>9} {:>9}", "time, Linux/Postern", "median", "smallest", "largest")];
    for name in order {
        let Some(ratios) = found.get_mut(&name) else { continue };
        ratios.sort_by(f64::total_cmp);
        let (Some(least), Some(most)) = (ratios.first(), ratios.last()) else { continue };
        let median = f64::midpoint(ratios[(ratios.len() - 1) / 2], ratios[ratios.len() / 2]);
        lines.push(format!("{name:<30} {median:>14.2} {least:>9.2} {most:>9.2}"));
    }
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::{ratios, side_by_side};
    use crate::figure::{Figure, printed};
    use crate::machine::{Clock, System};

    fn figure(system: System, name: &str, cost: f64) -> Figure {
        let line = format!(r#"{{"schema":1,"benchmark":"{name}","status":"ok","per_operation":{cost},"error":null}}"#);
        printed(system, Clock::Instructions, &line).unwrap().remove(0)
    }

    #[test]
    fn systems_stand_side_by_side_with_the_ratio() {
        let figures = [
            figure(System::Linux, "pipe/latency/1", 12_000.0),
            figure(System::Postern, "hello/latency/1", 2000.0),
            figure(System::Postern, "pipe/latency/1", 2400.0),
        ];
        let table = side_by_side(&figures).unwrap();
        let words = |at: usize| table.lines().nth(at).unwrap().split_whitespace().collect::<Vec<_>>();
        assert_eq!(words(1), ["pipe/latency/1", "12000.0", "2400.0", "5.00"]);
        assert_eq!(words(2), ["hello/latency/1", "-", "2000.0", "-"]);
    }

    #[test]
    fn the_median_of_the_rounds_ratios_is_shown_with_its_spread() {
        let round = |linux, postern| vec![figure(System::Linux, "a", linux), figure(System::Postern, "a", postern)];
        let table = ratios(&[round(30.0, 10.0), round(10.0, 10.0), round(20.0, 10.0)]).unwrap();
        assert_eq!(table.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>(), ["a", "2.00", "1.00", "3.00"]);
    }
}
