//! Streams and round trips over the size of a message, and where mechanisms cross.

use super::chart::{Chart, Line, Mark};
use super::crossing::{Crossing, as_f64, crossings};
use super::html::{Table, bytes, missing, paragraph, shown, times, whole};
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

/// Whose costs are set against the pipe's.
const BESIDE_THE_PIPE: [&str; 6] = ["unix-stream", "shm", "shm-futex", "myipc", "hello", "hello-mmap"];

/// A mechanism, and sizes with a figure each, from the smallest up.
type Curve<'a> = (&'a str, Vec<(u64, f64)>);

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
         for equal. The tables have all pairs. What a stream costs depends on how often its ends take turns, which is the scheduler's \
         doing: kinks are of that.",
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
    let curves: Vec<Curve<'_>> = MECHANISMS
        .iter()
        .map(|name| (*name, records.by_size(system, SUITE, name, load.name)))
        .filter(|(_, curve)| curve.len() > 1)
        .collect();
    if curves.is_empty() {
        return missing("Not measured.");
    }
    let id = format!("{}-{}", load.name, system.name());
    let title = format!("{} on {}", load.title, title_of(system));
    let mut body = against_the_pipe(&id, &title, &curves);
    for (group, what, members) in GROUPS {
        let members: Vec<&Curve<'_>> =
            members.iter().filter_map(|name| curves.iter().find(|(of, _)| of == name)).collect();
        // The pipe alone would be said again.
        if members.len() > 1 {
            let words = [format!("{id}-{group}"), format!("{title}: {what}"), load.axis.to_owned()];
            body.push_str(&over_sizes(words, &drawn(load, &members), marks(load, &members), shown));
        }
    }
    body + &crossing_table(&curves).folded()
}

fn drawn<'a>(load: &Load, curves: &[&Curve<'a>]) -> Vec<Curve<'a>> {
    let point = |(size, cost): &(u64, f64)| (*size, (load.drawn)(as_f64(*size), *cost));
    curves.iter().map(|(name, curve)| (*name, curve.iter().map(point).collect())).collect()
}

fn marks(load: &Load, curves: &[&Curve<'_>]) -> Vec<Mark> {
    let mut marks = Vec::new();
    for (at, (first, one)) in curves.iter().enumerate() {
        for (second, other) in &curves[at + 1..] {
            let mark =
                |it: Crossing| Mark { at: (it.at, (load.drawn)(it.at, it.cost)), title: said(first, second, &it) };
            marks.extend(crossings(one, other).into_iter().map(mark));
        }
    }
    marks
}

fn said(first: &str, second: &str, it: &Crossing) -> String {
    format!("{first} and {second} cross between {} and {}", bytes(it.from), bytes(it.to))
}

/// How many times as much as each mechanism the pipe costs: lines that lie over each other elsewhere come apart.
fn against_the_pipe(id: &str, title: &str, curves: &[Curve<'_>]) -> String {
    let Some((_, pipe)) = curves.iter().find(|(name, _)| *name == "pipe") else { return String::new() };
    let mut ratios = Vec::new();
    let mut marks = Vec::new();
    for (name, curve) in curves.iter().filter(|(name, _)| BESIDE_THE_PIPE.contains(name)) {
        let ratio = |(size, cost): &(u64, f64)| {
            let (_, pipe) = pipe.iter().find(|(of, _)| of == size)?;
            Some((*size, pipe / cost))
        };
        ratios.push((*name, curve.iter().filter_map(ratio).collect::<Vec<_>>()));
        let crossed = crossings(pipe, curve);
        marks.extend(crossed.iter().map(|it| Mark { at: (it.at, 1.0), title: said("pipe", name, it) }));
    }
    let axis = "the pipe's instructions / this one's".to_owned();
    over_sizes(
        [format!("{id}-ratio"), format!("{title}, against the pipe: above 1 is cheaper"), axis],
        &ratios,
        marks,
        times,
    )
}

/// A chart with its id, title and vertical axis, and the table of what is drawn.
fn over_sizes(
    [id, title, y_label]: [String; 3],
    curves: &[Curve<'_>],
    marks: Vec<Mark>,
    cell: fn(Option<f64>) -> String,
) -> String {
    let mut sizes: Vec<u64> = curves.iter().flat_map(|(_, curve)| curve.iter().map(|(size, _)| *size)).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let mut head = vec!["size"];
    head.extend(curves.iter().map(|(name, _)| *name));
    let mut table = Table::new(format!("Figures of this chart: {y_label}"), &head);
    for size in &sizes {
        let value = |curve: &[(u64, f64)]| curve.iter().find(|(of, _)| of == size).map(|(_, value)| *value);
        table.row(std::iter::once(bytes(*size)).chain(curves.iter().map(|(_, curve)| cell(value(curve)))).collect());
    }
    // Powers of four: the others would crowd.
    let is_ticked = |size: &&u64| size.ilog2().is_multiple_of(2);
    let line = |(style, (name, curve)): (usize, &Curve<'_>)| Line {
        name: (*name).to_owned(),
        style,
        points: curve.iter().map(|(size, value)| (as_f64(*size), *value)).collect(),
    };
    let x_label = "size of a message".to_owned();
    let x_ticks = sizes.iter().filter(is_ticked).map(|size| (as_f64(*size), bytes(*size))).collect();
    let lines = curves.iter().enumerate().map(line).collect();
    Chart { id, title, x_label, x_ticks, y_label, lines, marks }.html(&table)
}

fn crossing_table(curves: &[Curve<'_>]) -> Table {
    let head = ["cheaper before", "cheaper after", "last size before", "first size after", "they meet at about, bytes"];
    let mut table = Table::new("Where mechanisms cross: every pair that does", &head).text(&[1]);
    for (at, (first, one)) in curves.iter().enumerate() {
        for (second, other) in &curves[at + 1..] {
            for it in crossings(one, other) {
                let (before, after) = if it.is_first_lower { (second, first) } else { (first, second) };
                let at = whole(it.at);
                table.row(vec![(*before).into(), (*after).into(), bytes(it.from), bytes(it.to), at]);
            }
        }
    }
    table
}
