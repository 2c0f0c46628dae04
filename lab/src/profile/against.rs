//! A profile beside an earlier one: what became dearer or cheaper, and where. Pure, but for reading the file.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::{By, SCHEMA};
use crate::machine::System;

/// What `lab profile --json` printed.
#[derive(Clone, Debug, PartialEq)]
pub struct Earlier {
    /// What it is of.
    pub head: Head,
    /// Instructions an operation, by the rows' names.
    pub rows: BTreeMap<String, f64>,
}

/// What two profiles must agree in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Head {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The kernel.
    pub system: System,
    /// The benchmark.
    pub benchmark: String,
    /// What its rows are of.
    pub by: By,
}

#[derive(Deserialize)]
struct Line {
    name: String,
    instructions_per_operation: f64,
}

impl Earlier {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, or is no profile of this schema.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is no profile", path.display()))
    }

    /// The same of its text.
    ///
    /// # Errors
    /// If it is no profile of this schema.
    pub fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines();
        let head: Head = serde_json::from_str(lines.next().unwrap_or_default())?;
        ensure!(head.schema == SCHEMA, "of schema {}, not {SCHEMA}", head.schema);
        let rows = lines.map(|line| {
            let line: Line = serde_json::from_str(line)?;
            Ok((line.name, line.instructions_per_operation))
        });
        Ok(Self { head, rows: rows.collect::<Result<_>>()? })
    }

    /// Whether a profile of `head` can be set beside it.
    ///
    /// # Errors
    /// If not; says why.
    pub fn must_be_like(&self, head: &Head) -> Result<()> {
        let Head { system, benchmark, by, .. } = &self.head;
        let (system, by) = (system.name(), by.name());
        ensure!(self.head == *head, "the earlier profile is of {benchmark} on {system}, by {by}");
        Ok(())
    }

    /// For people: the `top` largest changes to `now`, the others as one, and the sums.
    pub fn table(&self, now: &BTreeMap<String, f64>, top: usize) -> String {
        /// Below what is printed.
        const LEAST: f64 = 0.05;
        let names = self.rows.keys().chain(now.keys().filter(|name| !self.rows.contains_key(*name)));
        let of = |rows: &BTreeMap<String, f64>, name: &str| rows.get(name).copied().unwrap_or(0.0);
        let mut changed: Vec<_> = names.map(|name| (name, of(&self.rows, name), of(now, name))).collect();
        changed.retain(|(_, before, now)| (now - before).abs() >= LEAST);
        changed.sort_by(|one, other| (other.2 - other.1).abs().total_cmp(&(one.2 - one.1).abs()));
        let mut text = String::from("      before          now       change  where\n");
        // Writing to a string does not fail.
        let mut line = |before: f64, now: f64, name: &str| {
            let _ = writeln!(text, "{before:>12.1} {now:>12.1} {:>+12.1}  {name}", now - before);
        };
        let (shown, others) = changed.split_at(top.min(changed.len()));
        shown.iter().for_each(|(name, before, now)| line(*before, *now, name));
        if !others.is_empty() {
            let sum = |side: fn(&(&String, f64, f64)) -> f64| others.iter().map(side).sum::<f64>();
            line(sum(|row| row.1), sum(|row| row.2), &format!("({} more)", others.len()));
        }
        line(self.rows.values().sum(), now.values().sum(), "all of it");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{By, Earlier};

    const TEXT: &str = concat!(
        r#"{"schema":1,"system":"postern","benchmark":"pipe/latency/1","by":"function","operations":10}"#,
        "\n",
        r#"{"name":"read","instructions_per_operation":100.0}"#,
        "\n",
        r#"{"name":"gone","instructions_per_operation":7.5}"#,
        "\n",
        r#"{"name":"same","instructions_per_operation":3.0}"#,
        "\n",
    );

    #[test]
    fn the_largest_change_comes_first_and_what_is_alike_not_at_all() {
        let now = [("read", 90.0), ("new", 1.0), ("same", 3.0)].map(|(name, cost)| (name.to_owned(), cost));
        let table = Earlier::parse(TEXT).unwrap().table(&now.into(), 9);
        let lines: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
        let expected: [&[&str]; 4] = [
            &["100.0", "90.0", "-10.0", "read"],
            &["7.5", "0.0", "-7.5", "gone"],
            &["0.0", "1.0", "+1.0", "new"],
            &["110.5", "94.0", "-16.5", "all", "of", "it"],
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_finds_no_room_is_one_row() {
        let table = Earlier::parse(TEXT).unwrap().table(&[].into(), 1);
        assert!(table.contains("(2 more)") && table.contains("-10.5"), "{table}");
    }

    #[test]
    fn profiles_of_something_else_are_refused() {
        let earlier = Earlier::parse(TEXT).unwrap();
        let mut head = earlier.head.clone();
        assert!(earlier.must_be_like(&head).is_ok());
        head.by = By::Line;
        assert!(
            earlier.must_be_like(&head).unwrap_err().to_string().contains("pipe/latency/1 on postern, by function")
        );
        assert!(Earlier::parse(&TEXT.replace(r#""schema":1"#, r#""schema":2"#)).is_err());
        assert!(Earlier::parse("").is_err());
    }
}
