//! Streams and round trips over the size of a message, and where mechanisms cross.

use super::chart::{Chart, Line, Mark};
use super::crossing::{as_f64, crossings};
use super::html::{Table, bytes, figure, missing, paragraph};
use super::records::{MECHANISMS, Records};
use super::{SYSTEMS, Section, title_of};
use crate::machine::System;

const SUITE: &str = "sweep";

/// Which mechanisms share a chart: an id, what they are, who.
const GROUPS: [(&str, &str, &[&str]); 3] = [
    ("gates", "descriptors", &["pipe", "fifo", "myipc", "hello", "hello-splice"]),
    ("sockets", "sockets, and the pipe", &["pipe", "unix-stream", "unix-dgram", "unix-seqpacket"]),
    ("memory", "shared memory, and the pipe", &["pipe", "shm", "shm-futex", "hello-mmap", "hello"]),
];

/// What is drawn of a load.
struct Load {
    name: &'static str,
    title: &'static str,
    axis: &'static str,
    /// From a size and the cost of an operation to what is drawn.
    drawn: fn(f64, f64) -> f64,
}

const STREAM: Load = Load {
    name: "stream",
    title: "Throughput",
    axis: "bytes per 1,000 instructions",
    drawn: |size, cost| size / cost * 1000.0,
};
const TRIP: Load =
    Load { name: "latency", title: "Round trips", axis: "instructions per round trip", drawn: |_, cost| cost };

/// The section.
pub fn section(records: &Records) -> Section {
    let mut body = paragraph(
        "Throughput is bytes per thousand instructions of a one-way stream, of sender and receiver together: more is better. A ring marks \
         where two curves of a chart cross between two sizes that were measured; curves within half a percent of each other are taken \
         for equal. The tables have all pairs.",
    );
    for load in [STREAM, TRIP] {
        for system in SYSTEMS {
            body.push_str(&format!("<h3>{} on {}</h3>\n", load.title, title_of(system)));
            body.push_str(&of(records, &load, system));
        }
    }
    Section { id: "sizes", title: "Throughput and latency over the size of a message", body }
}

fn of(records: &Records, load: &Load, system: System) -> String {
    let curves: Vec<(&str, Vec<(u64, f64)>)> = MECHANISMS
        .iter()
        .map(|name| (*name, records.by_size(system, SUITE, name, load.name)))
        .filter(|(_, curve)| curve.len() > 1)
        .collect();
    if curves.is_empty() {
        return missing("Not measured.");
    }
    let mut body = String::new();
    for (group, what, members) in GROUPS {
        let members: Vec<_> = members.iter().filter_map(|name| curves.iter().find(|(of, _)| of == name)).collect();
        // The pipe alone would be said again.
        if members.len() > 1 {
            body.push_str(&chart(load, system, (group, what), &members));
        }
    }
    body + &crossing_table(&curves).folded()
}

fn chart(load: &Load, system: System, (group, what): (&str, &str), curves: &[&(&str, Vec<(u64, f64)>)]) -> String {
    let drawn = |size: u64, cost: f64| (as_f64(size), (load.drawn)(as_f64(size), cost));
    let lines = curves.iter().enumerate().map(|(style, (name, curve))| Line {
        name: (*name).to_owned(),
        style,
        points: curve.iter().map(|(size, cost)| drawn(*size, *cost)).collect(),
    });
    let mut marks = Vec::new();
    for (at, (first, one)) in curves.iter().enumerate() {
        for (second, other) in &curves[at + 1..] {
            for it in crossings(one, other) {
                let title = format!("{first} and {second} cross between {} and {}", bytes(it.from), bytes(it.to));
                marks.push(Mark { at: (it.at, (load.drawn)(it.at, it.cost)), title });
            }
        }
    }
    let mut sizes: Vec<u64> = curves.iter().flat_map(|(_, curve)| curve.iter().map(|(size, _)| *size)).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let mut head = vec!["size"];
    head.extend(curves.iter().map(|(name, _)| *name));
    let mut table = Table::new(format!("{} of this chart", load.axis), &head);
    for size in &sizes {
        let cell =
            |curve: &[(u64, f64)]| curve.iter().find(|(of, _)| of == size).map(|(_, cost)| drawn(*size, *cost).1);
        let cells = curves.iter().map(|(_, curve)| super::html::shown(cell(curve)));
        table.row(std::iter::once(bytes(*size)).chain(cells).collect());
    }
    // Powers of four: the others would crowd.
    let is_ticked = |size: &&u64| size.ilog2().is_multiple_of(2);
    Chart {
        id: format!("{}-{}-{group}", load.name, system.name()),
        title: format!("{} on {}: {what}", load.title, title_of(system)),
        x_label: "size of a message".to_owned(),
        x_ticks: sizes.iter().filter(is_ticked).map(|size| (as_f64(*size), bytes(*size))).collect(),
        y_label: load.axis.to_owned(),
        lines: lines.collect(),
        marks,
    }
    .html(&table)
}

fn crossing_table(curves: &[(&str, Vec<(u64, f64)>)]) -> Table {
    let head = ["cheaper before", "cheaper after", "last size before", "first size after", "they meet at about, bytes"];
    let mut table = Table::new("Where mechanisms cross: every pair that does", &head).text(&[1]);
    for (at, (first, one)) in curves.iter().enumerate() {
        for (second, other) in &curves[at + 1..] {
            for it in crossings(one, other) {
                let (before, after) = if it.is_first_lower { (second, first) } else { (first, second) };
                let at = figure(it.at.round()).replace(".0", "");
                table.row(vec![(*before).into(), (*after).into(), bytes(it.from), bytes(it.to), at]);
            }
        }
    }
    table
}
