//! Two files of figures, row by row: what became dearer, and by how much.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::figure::Figure;
use crate::machine::{Clock, System};

/// Where a figure belongs.
pub type Key = (System, Clock, String);

/// One row of two files.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which.
    pub key: Key,
    /// Cost of an operation there; `None` if that file has no such figure.
    pub before: Option<f64>,
    /// Here.
    pub after: Option<f64>,
}

impl Change {
    /// By how many percent it became dearer; `None` if one of the two is not there.
    pub fn percent(&self) -> Option<f64> {
        Some((self.after? / self.before? - 1.0) * 100.0)
    }

    /// Whether it costs more than `limit_percent` more, or is gone.
    pub fn is_worse(&self, limit_percent: f64) -> bool {
        self.before.is_some() && self.percent().is_none_or(|percent| percent > limit_percent)
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (system, clock, name) = &self.key;
        let side = |figure: Option<f64>| figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.1}"));
        let by = self.percent().map_or_else(String::new, |percent| format!("{percent:+.2} %"));
        let clock = if *clock == Clock::Instructions { "instructions" } else { "ns" };
        let (before, after) = (side(self.before), side(self.after));
        write!(f, "{:<8} {name:<30} {before:>12} {after:>12} {by:>10}  {clock}", system.name())
    }
}

/// Rows of either file, in their order of names.
///
/// # Errors
/// If a figure cannot be read.
pub fn changes(before: &[Figure], after: &[Figure]) -> Result<Vec<Change>> {
    let mut rows: BTreeMap<Key, (Option<f64>, Option<f64>)> = BTreeMap::new();
    for (key, cost) in costs(before)? {
        rows.entry(key).or_default().0 = Some(cost);
    }
    for (key, cost) in costs(after)? {
        rows.entry(key).or_default().1 = Some(cost);
    }
    Ok(rows.into_iter().map(|(key, (before, after))| Change { key, before, after }).collect())
}

/// What an operation costs, of those that were measured.
///
/// # Errors
/// If a figure cannot be read.
pub fn costs(figures: &[Figure]) -> Result<Vec<(Key, f64)>> {
    let mut found = Vec::new();
    for figure in figures {
        let row = figure.row()?;
        if let Some(cost) = row.per_operation {
            let suite = figure.suite.as_ref().map_or_else(String::new, |suite| format!("{suite}:"));
            let cpus = figure.cpus.map_or_else(String::new, |cpus| format!(" on {cpus} CPUs"));
            found.push(((figure.system, figure.clock, format!("{suite}{}{cpus}", row.benchmark)), cost));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{Change, changes};
    use crate::figure::printed;
    use crate::machine::{Clock, System};

    fn file(rows: &[(&str, f64)]) -> Vec<crate::figure::Figure> {
        let lines: Vec<String> = rows
            .iter()
            .map(|(name, cost)| {
                format!(r#"{{"schema":1,"benchmark":"{name}","status":"ok","per_operation":{cost},"error":null}}"#)
            })
            .collect();
        printed(System::Postern, Clock::Instructions, &lines.join("\n")).unwrap()
    }

    fn worse(before: &[(&str, f64)], after: &[(&str, f64)]) -> Vec<String> {
        let changes = changes(&file(before), &file(after)).unwrap();
        changes.into_iter().filter(|change| change.is_worse(2.0)).map(|change| change.key.2).collect()
    }

    #[test]
    fn what_costs_more_than_the_limit_is_worse() {
        assert_eq!(
            worse(&[("a", 100.0), ("b", 100.0), ("c", 100.0)], &[("a", 101.9), ("b", 102.1), ("c", 50.0)]),
            ["b"]
        );
    }

    #[test]
    fn what_is_gone_is_worse_and_what_is_new_is_not() {
        assert_eq!(worse(&[("a", 1.0)], &[("b", 1.0)]), ["a"]);
    }

    #[test]
    fn a_line_names_the_row_and_both_figures() {
        let key = (System::Linux, Clock::Instructions, "pipe/latency/1".to_owned());
        let line = Change { key, before: Some(200.0), after: Some(210.0) }.to_string();
        for part in ["linux", "pipe/latency/1", "200.0", "210.0", "+5.00 %", "instructions"] {
            assert!(line.contains(part), "{part} in {line}");
        }
    }
}
