//! How single operations spread: percentiles, for ipcbench's lines have no histogram.

use super::bars::{Spread, Words, spreads};
use super::html::{NONE, Table, missing, paragraph, shown, whole};
use super::records::{Records, USUAL};
use super::{SYSTEMS, Section, title_of};
use crate::figure::Row;

fn ranks(row: &Row) -> Option<[f64; 5]> {
    Some([row.min?, row.median?, row.p90?, row.p99?, row.max?])
}

/// The section.
pub fn section(records: &Records) -> Section {
    let head = ["benchmark", "system", "samples", "min", "median", "p90", "p99", "max", "standard deviation"];
    let mut of_trips = Table::new("Round trips of 1 B one by one, instructions", &head).text(&[1]);
    let mut of_all = Table::new("All benchmarks one by one, instructions", &head).text(&[1]);
    let mut rows = Vec::new();
    for name in records.names(USUAL) {
        for (style, system) in SYSTEMS.into_iter().enumerate() {
            let Some(row) = records.row(system, USUAL, &name) else { continue };
            let Some(ranks) = ranks(row) else { continue };
            let mut cells = vec![name.clone(), title_of(system).into(), row.samples.unwrap_or(0).to_string()];
            cells.extend(ranks.iter().map(|rank| whole(*rank)));
            cells.push(row.deviation.map_or_else(|| NONE.to_owned(), whole));
            if name.ends_with("/latency/1") {
                let name = format!("{}, {}", name.trim_end_matches("/latency/1"), title_of(system));
                // Linux in the second colour, Postern in the first, as in every chart.
                rows.push(Spread { name, style: 1 - style, ranks });
                of_trips.row(cells.clone());
            }
            of_all.row(cells);
        }
    }
    let words = Words {
        id: "spread",
        title: "Round trips of one byte, one by one",
        axis: "instructions per round trip, logarithmic",
        legend: &[(1, "Linux"), (0, "Postern")],
    };
    let body = if rows.is_empty() {
        missing("Round trips were not measured.")
    } else {
        let [linux, postern] = SYSTEMS.map(|system| shown(records.cost(system, USUAL, "calibration/clock")));
        let mut body = paragraph(
            "The line reaches from the shortest to the longest; the box from the shortest to p90, with the median in it; the dot is p99. \
             ipcbench keeps ranks and no histogram, so none is drawn. What lies beyond p99 is rare: an interrupt, and what it starts.",
        );
        body.push_str(&paragraph(&format!(
            "Each of these has a reading of the clock in it, which costs {linux} instructions on Linux and {postern} on Postern; the bulk \
             figures elsewhere have none."
        )));
        body.push_str(&spreads(&words, &rows, &of_trips));
        body.push_str(&of_all.folded());
        body
    };
    Section { id: "latency", title: "Latency: how single operations spread", body }
}
