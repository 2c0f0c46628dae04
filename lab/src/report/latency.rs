//! How single operations spread: histograms and percentiles.

use super::bars::{Spread, Words, spreads};
use super::crossing::as_f64;
use super::histogram::{self, histograms};
use super::html::{NONE, Table, missing, paragraph, shown, whole};
use super::records::{Records, USUAL};
use super::{SYSTEMS, Section, title_of};
use crate::figure::Row;
use crate::machine::System;

fn ranks(row: &Row) -> Option<[f64; 5]> {
    Some([row.min?, row.median?, row.p90?, row.p99?, row.max?])
}

const LEGEND: &[(usize, &str)] = &[(1, "Linux"), (0, "Postern")];

/// The section.
pub fn section(records: &Records) -> Section {
    let mut body = histograms_of(records);
    body.push_str(&percentiles(records));
    Section { id: "latency", title: "Latency: how single operations spread", body }
}

/// Round trips of one byte, by name and system: its row, what to call it and which colour.
fn round_trips(records: &Records) -> Vec<(String, System, &Row)> {
    let mut found = Vec::new();
    for name in records.names(USUAL).into_iter().filter(|name| name.ends_with("/latency/1")) {
        for system in SYSTEMS {
            if let Some(row) = records.row(system, USUAL, &name) {
                found.push((name.trim_end_matches("/latency/1").to_owned(), system, row));
            }
        }
    }
    found
}

/// Linux in the second colour, Postern in the first, as in every chart.
fn style(system: System) -> usize {
    usize::from(system == System::Linux)
}

fn histograms_of(records: &Records) -> String {
    let head = ["benchmark", "system", "from", "below", "round trips", "at most so long, %"];
    let mut table = Table::new("Round trips of 1 B one by one: how many took how many instructions", &head).text(&[1]);
    let mut rows = Vec::new();
    for (name, system, row) in round_trips(records) {
        let Some(buckets) = row.histogram.clone() else { continue };
        let all: u64 = buckets.iter().map(|[.., count]| count).sum();
        let mut so_far = 0;
        for [from, below, count] in &buckets {
            so_far += count;
            let cells = [*from, *below, *count].map(|number| whole(as_f64(number)));
            let mut cells = [vec![name.clone(), title_of(system).to_owned()], cells.to_vec()].concat();
            cells.push(format!("{:.2}", as_f64(so_far) / as_f64(all) * 100.0));
            table.row(cells);
        }
        rows.push(histogram::Row { name: format!("{name}, {}", title_of(system)), style: style(system), buckets });
    }
    if rows.is_empty() {
        return missing("Of round trips one by one there are no histograms: these figures are older, or have none.");
    }
    let words = Words {
        id: "histograms",
        title: "Round trips of one byte, one by one: how many took how long",
        axis: "instructions per round trip, logarithmic",
        legend: LEGEND,
    };
    paragraph(
        "A column is a bucket, a sixteenth of its power of two wide and as high as the logarithm of how many round trips fell into \
         it: a single one in ten thousand is to be seen. What stands far to the right is rare: an interrupt, and what it starts.",
    ) + &histograms(&words, &rows, &table)
}

fn percentiles(records: &Records) -> String {
    let head = ["benchmark", "system", "samples", "min", "median", "p90", "p99", "max", "standard deviation"];
    let cells = |name: &str, system: System, row: &Row, ranks: [f64; 5]| {
        let mut cells = vec![name.to_owned(), title_of(system).into(), row.samples.unwrap_or(0).to_string()];
        cells.extend(ranks.iter().map(|rank| whole(*rank)));
        cells.push(row.deviation.map_or_else(|| NONE.to_owned(), whole));
        cells
    };
    let mut of_trips = Table::new("Round trips of 1 B one by one, instructions", &head).text(&[1]);
    let mut rows = Vec::new();
    for (name, system, row) in round_trips(records) {
        let Some(ranks) = ranks(row) else { continue };
        of_trips.row(cells(&row.benchmark, system, row, ranks));
        rows.push(Spread { name: format!("{name}, {}", title_of(system)), style: style(system), ranks });
    }
    if rows.is_empty() {
        return missing("Round trips were not measured.");
    }
    let mut of_all = Table::new("All benchmarks one by one, instructions", &head).text(&[1]);
    for name in records.names(USUAL) {
        for system in SYSTEMS {
            let Some(row) = records.row(system, USUAL, &name) else { continue };
            if let Some(ranks) = ranks(row) {
                of_all.row(cells(&name, system, row, ranks));
            }
        }
    }
    let words = Words {
        id: "spread",
        title: "The same as percentiles",
        axis: "instructions per round trip, logarithmic",
        legend: LEGEND,
    };
    let [linux, postern] = SYSTEMS.map(|system| shown(records.cost(system, USUAL, "calibration/clock")));
    let mut body = paragraph(
        "The line reaches from the shortest to the longest; the box from the shortest to p90, with the median in it; the dot is p99.",
    );
    body.push_str(&paragraph(&format!(
        "Each of these has a reading of the clock in it, which costs {linux} instructions on Linux and {postern} on Postern; the bulk \
         figures elsewhere have none."
    )));
    body.push_str(&spreads(&words, &rows, &of_trips));
    body.push_str(&of_all.folded());
    body
}
