//! Mechanisms beside each other under the same load. Pure values.

use super::Row;
use super::table::decimal;
use crate::options::Unit;

/// Width of the column of loads, at least.
const LOAD: usize = 18;

/// A table of the figures per operation: a line for each load that more than one mechanism has carried, a
/// column for each of these mechanisms. Empty when there is nothing to compare.
pub fn lines(rows: &[Row], unit: Unit) -> Vec<String> {
    let measured: Vec<&Row> = rows.iter().filter(|row| row.per_operation().is_some()).collect();
    let mut loads = distinct(measured.iter().map(|row| load_of(row)));
    loads.retain(|load| measured.iter().filter(|row| load_of(row) == *load).count() > 1);
    let mut mechanisms = distinct(measured.iter().map(|row| row.id.mechanism));
    mechanisms.retain(|name| measured.iter().any(|row| row.id.mechanism == *name && loads.contains(&load_of(row))));
    if loads.is_empty() {
        return Vec::new();
    }
    let width = loads.iter().map(String::len).chain([LOAD]).max().unwrap_or(LOAD);
    let head: String = mechanisms.iter().map(|name| format!(" {name:>10}")).collect();
    let mut lines = vec![format!("{:<width$}{head}", format!("{}/op", unit.short_name()))];
    lines.extend(loads.iter().map(|load| {
        let figure = |name: &&str| {
            let row = measured.iter().find(|row| row.id.mechanism == *name && load_of(row) == *load);
            format!(" {:>10}", decimal(row.and_then(|row| row.per_operation()), 1))
        };
        format!("{load:<width$}{}", mechanisms.iter().map(figure).collect::<String>())
    }));
    lines
}

/// Mean and standard deviation of single operations, a line for each benchmark that timed them.
pub fn deviations(rows: &[Row], unit: Unit) -> Vec<String> {
    let head = format!(
        "{:<28} {:>10} {:>10} {:>10}",
        "single operations",
        format!("{}/op", unit.short_name()),
        "min",
        "std dev"
    );
    let measured = rows.iter().filter_map(|row| Some((row, row.measurement()?.spread?)));
    let lines = measured.map(|(row, spread)| {
        let mean = decimal(row.per_operation(), 1);
        format!("{:<28} {mean:>10} {:>10} {:>10}", row.id.to_string(), spread.min, spread.deviation)
    });
    std::iter::once(head).chain(lines).collect()
}

/// A row's load with its size.
fn load_of(row: &Row) -> String {
    let size = row.id.size_bytes.map_or_else(String::new, |size| format!("/{size}"));
    format!("{}{size}", row.id.load)
}

/// Every value once, in the order of first appearance.
fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::lines;
    use crate::failure::Failure;
    use crate::options::Unit;
    use crate::report::tests::streamed;

    #[test]
    fn mechanisms_with_the_same_load_share_a_line() {
        let lines = lines(&[streamed("pipe", 2_000_000), streamed("shm", 1_000_000)], Unit::Ns);
        assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["ns/op", "pipe", "shm"]);
        assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["messages/64", "2000.0", "1000.0"]);
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn one_mechanism_alone_is_no_comparison() {
        assert!(lines(&[streamed("pipe", 2_000_000)], Unit::Ns).is_empty());
    }

    #[test]
    fn a_deviation_stands_beside_the_figure_it_belongs_to() {
        let lines = super::deviations(&[streamed("pipe", 2_000_000)], Unit::Ns);
        assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["pipe/messages/64", "2000.0", "1", "1"]);
    }

    #[test]
    fn failures_are_left_out() {
        let mut failed = streamed("shm", 1);
        failed.result = Err(Failure::new("broken"));
        assert!(lines(&[streamed("pipe", 2_000_000), failed], Unit::Ns).is_empty());
    }
}
