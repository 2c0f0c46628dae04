//! What the probes found: the switches of /dev/hello, herds, and growth with control groups and CPUs.

use super::bars::{Stack, Words, stacked};
use super::chart::{Chart, Line};
use super::html::{Table, figure, missing, paragraph, shown, times};
use super::records::{ProbeRow, Records, USUAL};
use super::{SYSTEMS, Section, title_of};
use crate::machine::System;

/// The row of a probe that the others are compared with.
const ALL_ON: &str = "all on";
const ABLATED: [&str; 7] =
    ["write-read/1", "latency/1", "messages/64", "chunks/4096", "chunks/65536", "poll", "herd/64"];

/// What each switch is worth.
pub fn ablation(records: &Records) -> Section {
    let rows = records.probe(System::Postern, "ablate");
    let mut body = paragraph(
        "The loads of /dev/hello with one of its switches off at a time. The path of a ring with every switch on is compiled for that; \
         with any switch off that a transfer must look at (all but hand_off, page_cache and recycle) it takes a general path, which is \
         longer by itself. So a switch is worth what its row has beyond the others of that kind.",
    );
    let Some(base) = rows.iter().find(|row| row.row == ALL_ON) else {
        return Section {
            id: "ablation",
            title: "Ablation: what each switch is worth",
            body: missing("Not measured."),
        };
    };
    let mut head = vec!["switches"];
    head.extend(ABLATED);
    let mut table = Table::new("Instructions per operation", &head);
    let mut more = Table::new("Instructions more per round trip of 1 B", &["off", "more"]);
    let mut bars = Vec::new();
    for row in &rows {
        let cells = ABLATED.iter().map(|column| shown(row.figure(column)));
        table.row(std::iter::once(row.row.clone()).chain(cells).collect());
        let extra = row.figure("latency/1").zip(base.figure("latency/1")).map(|(cost, base)| cost - base);
        if let Some(extra) = extra.filter(|_| row.row != ALL_ON) {
            // One operation's share of an interrupt more or less is no length.
            let note = if extra > 0.0 { figure(extra) } else { "nothing".to_owned() };
            more.row(vec![row.row.clone(), figure(extra)]);
            bars.push(Stack { name: row.row.clone(), parts: vec![(0, extra.max(0.0))], note });
        }
    }
    let words = Words {
        id: "ablated",
        title: "What a round trip of one byte costs more with a switch off",
        axis: "instructions more per round trip",
        legend: &[],
    };
    body.push_str(&stacked(&words, &bars, &more));
    body.push_str(&table.html());
    Section { id: "ablation", title: "Ablation: what each switch is worth", body }
}

/// What an event costs when many wait.
pub fn herd(records: &Records) -> Section {
    let head = ["waiters", "system", "where", "instructions per event", "wakes", "for nothing", "switches"];
    let mut table = Table::new("A herd, per event", &head).text(&[1, 2]);
    let mut lines: Vec<Line> = Vec::new();
    for system in SYSTEMS {
        for row in records.probe(system, "herd") {
            let cost = row.figure("instr/event");
            let rest = ["wakes", "for nothing", "switches"].map(|column| per_event(row, column));
            let mut cells = vec![row.row.clone(), title_of(system).into(), row.table.clone(), shown(cost)];
            cells.extend(rest);
            table.row(cells);
            let name = format!("{}, {}", row.table, title_of(system));
            let (Ok(waiters), Some(cost)) = (row.row.parse::<f64>(), cost) else { continue };
            match lines.iter_mut().find(|line| line.name == name) {
                Some(line) => line.points.push((waiters, cost)),
                None => lines.push(Line { name, style: lines.len() % 6, points: vec![(waiters, cost)] }),
            }
        }
    }
    let chart = Chart {
        id: "herd-chart".into(),
        title: "An event for one of many who wait".into(),
        x_label: "processes that wait".into(),
        x_ticks: [1, 2, 4, 8, 16, 32, 64].map(|count| (f64::from(count), count.to_string())).to_vec(),
        y_label: "instructions per event".into(),
        lines,
        marks: Vec::new(),
    };
    let text = "One byte is written; one of those who wait gets it and answers through a pipe. With exclusive wake-ups an event wakes one, \
                however many wait. A pipe does not tell its wakes.";
    Section { id: "herd", title: "Growth with waiters: the herd", body: paragraph(text) + &chart.html(&table) }
}

fn per_event(row: &ProbeRow, column: &str) -> String {
    row.figure(column).map_or_else(|| super::html::NONE.to_owned(), |figure| format!("{figure:.2}"))
}

const TOGETHER: [&str; 2] = [
    "And several CPUs at work at the same time: pairs of processes that share nothing with each other, each pair kept on a CPU of its \
     own. These figures, and no others here, are times of the machine that emulated, and vary with whatever else it did. So each ratio \
     is of two runs that followed each other; the median of many stands beside the smallest and the largest; and loop, which only \
     computes, says what there was to be had of two CPUs.",
    "The null call does nothing but enter the kernel and leave it. QEMU takes one lock of its own for each exception and for each \
     return from one: CPUs that do little else wait for each other there, on every kernel, and the more the shorter its path is.",
];

/// What control groups and CPUs cost.
pub fn growth(records: &Records) -> Section {
    let mut body = paragraph(
        "Each control group has an instance of /dev/hello of its own. The first open in a group makes it, a later one finds it among the \
         others; a message, written and read by one process of the last group, does not look for it.",
    );
    body.push_str(&groups(records));
    body.push_str(&paragraph(
        "And a machine of more CPUs, of which one works: does an operation there cost more because the others are there? The clock counts \
         what they do in their sleep too.",
    ));
    body.push_str(&machines(records));
    body.push_str(&at_work_together(records));
    Section { id: "growth", title: "Growth with control groups and CPUs", body }
}

fn groups(records: &Records) -> String {
    const COLUMNS: [&str; 6] = ["mkdir", "enter", "first open", "later open", "message", "rmdir"];
    let rows = records.probe(System::Postern, "cgroups");
    let mut head = vec!["groups"];
    head.extend(COLUMNS);
    let mut table = Table::new("Instructions per group, and per message", &head);
    for row in &rows {
        let cells = COLUMNS.iter().map(|column| shown(row.figure(column)));
        table.row(std::iter::once(row.row.clone()).chain(cells).collect());
    }
    let line = |(style, column): (usize, &&str)| Line {
        name: (*column).to_owned(),
        style,
        points: rows.iter().filter_map(|row| Some((row.row.parse().ok()?, row.figure(column)?))).collect(),
    };
    Chart {
        id: "groups-chart".into(),
        title: "Control groups on Postern".into(),
        x_label: "control groups".into(),
        x_ticks: [1, 10, 100, 1000].map(|count| (f64::from(count), count.to_string())).to_vec(),
        y_label: "instructions".into(),
        lines: COLUMNS.iter().enumerate().map(line).collect(),
        marks: Vec::new(),
    }
    .html(&table)
}

fn machines(records: &Records) -> String {
    const DRAWN: [(&str, &str); 3] =
        [("pipe/latency/1", "pipe"), ("futex/latency/1", "futex"), ("syscall/null", "null call")];
    let machines = records.machines();
    let names = [
        "syscall/null",
        "process/yield",
        "futex/latency/1",
        "eventfd/latency/1",
        "pipe/write-read/1",
        "pipe/latency/1",
    ];
    let cost = |system, cpus, name: &str| records.row_on(system, USUAL, cpus, name).and_then(|row| row.per_operation);
    let titles: Vec<String> =
        machines.iter().map(|cpus| if *cpus == 1 { "1 CPU".to_owned() } else { format!("{cpus} CPUs") }).collect();
    let mut head = vec!["benchmark", "system"];
    head.extend(titles.iter().map(String::as_str));
    let mut table = Table::new("Instructions per operation on the first of so many CPUs", &head).text(&[1]);
    let mut lines = Vec::new();
    for system in SYSTEMS {
        for name in names {
            let points: Vec<(u32, Option<f64>)> =
                machines.iter().map(|cpus| (*cpus, cost(system, *cpus, name))).collect();
            if points.iter().filter(|(_, cost)| cost.is_some()).count() < 2 {
                continue;
            }
            let cells = points.iter().map(|(_, cost)| shown(*cost));
            table.row([name.to_owned(), title_of(system).to_owned()].into_iter().chain(cells).collect());
            if let Some((_, short)) = DRAWN.iter().find(|(of, _)| *of == name) {
                let points = points.iter().filter_map(|(cpus, cost)| Some((f64::from(*cpus), (*cost)?))).collect();
                lines.push(Line { name: format!("{short}, {}", title_of(system)), style: lines.len() % 6, points });
            }
        }
    }
    Chart {
        id: "machines-chart".into(),
        title: "One CPU at work among several: round trips of one byte, and a call that does nothing".into(),
        x_label: "CPUs of the machine".into(),
        x_ticks: machines.iter().map(|cpus| (f64::from(*cpus), cpus.to_string())).collect(),
        y_label: "instructions per operation".into(),
        lines,
        marks: Vec::new(),
    }
    .html(&table)
}

/// What pairs of processes get done, each on a CPU of its own. The one figure of the page that was timed.
fn at_work_together(records: &Records) -> String {
    let head = [
        "pairs",
        "system",
        "what each does",
        "operations a second",
        "times one pair",
        "least",
        "most",
        "of what loops gained",
    ];
    let mut table = Table::new("Disjoint pairs of processes, each on a CPU of its own", &head).text(&[1, 2]);
    // Both systems' of one thing are beside each other.
    let mut bars: Vec<(String, Vec<Stack>)> = Vec::new();
    for (style, system) in SYSTEMS.into_iter().enumerate() {
        let rows = records.timed_probe(system, "cpus");
        let most = rows.iter().filter_map(|row| row.row.parse::<u32>().ok()).max();
        for row in rows {
            let mut cells =
                vec![row.row.clone(), title_of(system).into(), row.table.clone(), shown(row.figure("per second"))];
            let columns = ["times one", "least", "most", "of the loops'"];
            cells.extend(columns.iter().map(|column| times(row.figure(column))));
            table.row(cells);
            let ratio = ["times one", "least", "most"].map(|column| row.figure(column));
            let ([Some(median), Some(least), Some(largest)], Ok(pairs)) = (ratio, row.row.parse::<u32>()) else {
                continue;
            };
            if Some(pairs) == most && pairs > 1 {
                let name = format!("{pairs} of {}, {}", row.table, title_of(system));
                let note = format!("{median:.2} ({least:.2} to {largest:.2})");
                let bar = Stack { name, parts: vec![(1 - style, median)], note };
                match bars.iter_mut().find(|(what, _)| *what == row.table) {
                    Some((_, beside)) => beside.push(bar),
                    None => bars.push((row.table.clone(), vec![bar])),
                }
            }
        }
    }
    let text: String = TOGETHER.iter().map(|text| paragraph(text)).collect();
    if bars.is_empty() {
        return text + &missing("Of this there are no figures here.");
    }
    let words = Words {
        id: "together",
        title: "Pairs of processes, each on a CPU of its own: how many times as much as one pair",
        axis: "times one pair, by the clock of the machine that emulated",
        legend: &[(1, "Linux"), (0, "Postern")],
    };
    let bars: Vec<Stack> = bars.into_iter().flat_map(|(_, beside)| beside).collect();
    text + &stacked(&words, &bars, &table)
}
