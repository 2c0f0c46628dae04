//! A profile as a table, and as JSON lines.

use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;

use super::against::Earlier;
use super::cost::{self, PROGRAMS, Row};
use super::{By, Profile, SCHEMA};
use crate::figure::Header;

/// The first JSON line.
#[derive(Serialize)]
struct Head<'a> {
    schema: u32,
    commit: &'a str,
    qemu: &'a str,
    pins: &'a [String],
    system: &'a str,
    benchmark: &'a str,
    /// What a row is of.
    by: By,
    operations: u64,
    /// All that was counted; the rows add up to it.
    instructions: u64,
    /// What ipcbench says of the same operations, with one reading of the clock.
    elapsed: u64,
}

/// Each other JSON line.
#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    instructions: u64,
    calls: Option<u64>,
    instructions_per_operation: f64,
    calls_per_operation: Option<f64>,
}

impl Profile {
    /// How many operations were counted.
    pub fn operations(&self) -> u64 {
        self.figure.operations.unwrap_or(1).max(1)
    }

    fn per_operation(&self, times: u64) -> f64 {
        times as f64 / self.operations() as f64
    }

    /// For people: the `top` rows, the others as one, and the sums.
    pub(super) fn table(&self, rows: &[Row], top: usize) -> String {
        let total = self.window.total();
        let line = |instructions: u64, calls: Option<u64>, name: &str| {
            let calls = calls.map_or_else(String::new, |calls| format!("{:.2}", self.per_operation(calls)));
            let share = instructions as f64 * 100.0 / total as f64;
            format!("{:>12.1} {share:>6.1} {calls:>9}  {name}\n", self.per_operation(instructions))
        };
        let mut text = format!("{}, instructions an operation:\n", self.title());
        text.push_str("instructions      %     calls  where\n");
        let (shown, others) = rows.split_at(top.min(rows.len()));
        text.extend(shown.iter().map(|row| line(row.instructions, row.calls, &row.name)));
        if !others.is_empty() {
            let sum = others.iter().map(|row| row.instructions).sum();
            text.push_str(&line(sum, None, &format!("({} more)", others.len())));
        }
        let programs = rows.iter().filter(|row| row.name == PROGRAMS).map(|row| row.instructions).sum();
        text.push('\n');
        text.push_str(&line(total - programs, None, "the kernel"));
        text.push_str(&line(programs, None, "programs"));
        text.push_str(&line(total, None, "all of it"));
        let measured = self.figure.per_operation.unwrap_or_default();
        text.push_str(&format!(
            "{measured:>12.1}                   what ipcbench measured, with a reading of the clock\n"
        ));
        text
    }

    /// For people: who calls the functions whose names contain `part`.
    pub(super) fn callers(&self, part: &str) -> String {
        let mut text = format!("{}, calls an operation:\n", self.title());
        for (function, caller, times) in cost::callers(&self.window, &self.functions, part) {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{:>12.2}  {function}\n              <- {caller}", self.per_operation(times));
        }
        text
    }

    /// For people: the `top` largest changes since `earlier`.
    pub(super) fn changes(&self, rows: &[Row], earlier: &Earlier, top: usize) -> String {
        let now = rows.iter().map(|row| (row.name.clone(), self.per_operation(row.instructions))).collect();
        format!("{}, instructions an operation:\n{}", self.title(), earlier.table(&now, top))
    }

    /// For programs; docs/measuring.md describes every key.
    pub(super) fn json(&self, rows: &[Row], by: By, header: &Header) -> Result<String> {
        let mut text = serde_json::to_string(&Head {
            schema: SCHEMA,
            commit: &header.commit,
            qemu: &header.qemu,
            pins: &header.pins,
            system: self.system.name(),
            benchmark: &self.figure.benchmark,
            by,
            operations: self.operations(),
            instructions: self.window.total(),
            elapsed: self.figure.elapsed.unwrap_or_default(),
        })?;
        text.push('\n');
        for row in rows {
            text.push_str(&serde_json::to_string(&Line {
                name: &row.name,
                instructions: row.instructions,
                calls: row.calls,
                instructions_per_operation: self.per_operation(row.instructions),
                calls_per_operation: row.calls.map(|calls| self.per_operation(calls)),
            })?);
            text.push('\n');
        }
        Ok(text)
    }

    fn title(&self) -> String {
        format!("{} on {}, {} operations", self.figure.benchmark, self.system.name(), self.operations())
    }
}
