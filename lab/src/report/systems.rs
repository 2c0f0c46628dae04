//! Every usual benchmark on Linux and on Postern, with the ratio.

use super::bars::{Stack, Words, stacked};
use super::html::{Table, missing, paragraph, shown, times, whole};
use super::records::{Records, USUAL};
use super::{SYSTEMS, Section};

/// Loads of the chart.
const DRAWN: [&str; 4] = ["null", "yield", "write-read/1", "latency/1"];

/// The section.
pub fn section(records: &Records) -> Section {
    let head = ["benchmark", "operations", "Linux, instructions", "Postern, instructions", "Linux / Postern"];
    let mut table = Table::new("Instructions per operation", &head);
    let mut bars = Vec::new();
    let mut drawn = Table::new("Linux / Postern, instructions per operation", &["benchmark", "ratio"]);
    for name in records.names(USUAL) {
        let [linux, postern] = SYSTEMS.map(|system| records.cost(system, USUAL, &name));
        let ratio = linux.zip(postern).map(|(linux, postern)| linux / postern);
        let operations = SYSTEMS.iter().find_map(|system| records.row(*system, USUAL, &name)?.operations);
        let operations = operations.map_or_else(String::new, |count| whole(super::crossing::as_f64(count)));
        table.row(vec![name.clone(), operations, shown(linux), shown(postern), times(ratio)]);
        let load = name.split_once('/').map_or("", |(_, load)| load);
        if let Some(ratio) = ratio.filter(|_| DRAWN.contains(&load)) {
            drawn.row(vec![name.clone(), times(Some(ratio))]);
            bars.push(Stack { name, parts: vec![(0, ratio)], note: times(Some(ratio)) });
        }
    }
    let words = Words {
        id: "ratios",
        title: "How many times as many instructions Linux needs",
        axis: "Linux's instructions / Postern's",
        legend: &[],
    };
    let mut body = paragraph("How many operations a figure is made of stands beside it.");
    if table.is_empty() {
        body = missing("The usual benchmarks were not measured.");
    } else {
        body.push_str(&stacked(&words, &bars, &drawn));
        body.push_str(&table.html());
    }
    Section { id: "systems", title: "Linux and Postern side by side", body }
}
