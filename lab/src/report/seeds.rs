//! The seeds' tables, with their figures as they printed them and ours beside them: instructions beside microseconds, so only
//! ratios can be compared. docs/seeds.md says what the seeds are.

use super::html::{NONE, Table, missing, paragraph, shown, times};
use super::records::Records;
use super::{SYSTEMS, Section, title_of};
use crate::figure::Row;
use crate::machine::System;

/// What a seed says of a method, and what measures it here.
struct Claim {
    method: &'static str,
    /// As printed, a word for each of the seed's columns.
    said: &'static [&'static str],
    /// The same as a time of any unit, where a figure was printed.
    cost: Option<f64>,
    benchmark: &'static str,
}

/// One of their tables.
struct Claims {
    title: &'static str,
    suite: &'static str,
    columns: &'static [&'static str],
    operation: &'static str,
    /// What the ratios are to.
    pipe: &'static str,
    rows: &'static [Claim],
}

const fn claim(
    method: &'static str,
    said: &'static [&'static str],
    cost: Option<f64>,
    benchmark: &'static str,
) -> Claim {
    Claim { method, said, cost, benchmark }
}

const RTT_COLUMNS: &[&str] = &["seed: iterations", "seed: average RTT", "seed: minimum RTT"];
const STREAM_COLUMNS: &[&str] = &["seed: time", "seed: messages/s"];
const NOTHING: &[&str] = &[NONE, NONE];

const OF_000: [Claims; 3] = [
    Claims {
        title: "Seed 000, table 1: average round trip of 1 B",
        suite: "seed-000",
        columns: RTT_COLUMNS,
        operation: "round trip",
        pipe: "pipe/table-1-rtt/1",
        rows: &[
            claim("Unix pipe (baseline)", &["10,000", "slightly higher than MyIPC", NONE], None, "pipe/table-1-rtt/1"),
            claim("MyIPC (kernel driver)", &["10,000", "close to shared memory", NONE], None, "myipc/table-1-rtt/1"),
            claim("Shared memory + semaphores", &["10,000", "lowest", NONE], None, "shm/table-1-rtt/1"),
            claim("the same on bare futexes", &[NONE, NONE, NONE], None, "shm-futex/table-1-rtt/1"),
            claim("Opponent's driver (/dev/hello)", &["1,000", "431.9 µs", "153.6 µs"], None, "hello/table-1-rtt/1"),
        ],
    },
    Claims {
        title: "Seed 000, table 2: 100,000 messages of 256 B, one way",
        suite: "seed-000",
        columns: STREAM_COLUMNS,
        operation: "message",
        pipe: "pipe/table-2/256",
        rows: &[
            claim("Shared memory + semaphores", &["0.1223 s", "817,482"], Some(0.1223), "shm/table-2/256"),
            claim("the same on bare futexes", NOTHING, None, "shm-futex/table-2/256"),
            claim("Unix pipe", &["0.1437 s", "695,989"], Some(0.1437), "pipe/table-2/256"),
            claim("MyIPC", NOTHING, None, "myipc/table-2/256"),
            claim("/dev/hello", NOTHING, None, "hello/table-2/256"),
        ],
    },
    Claims {
        title: "Seed 000, table 3: 100,000 messages of 1,024 B, one way",
        suite: "seed-000",
        columns: STREAM_COLUMNS,
        operation: "message",
        pipe: "pipe/table-3/1024",
        rows: &[
            claim("Shared memory + semaphores", &["0.3754 s", "266,417"], Some(0.3754), "shm/table-3/1024"),
            claim("the same on bare futexes", NOTHING, None, "shm-futex/table-3/1024"),
            claim("Unix pipe", &["0.4180 s", "239,216"], Some(0.4180), "pipe/table-3/1024"),
            claim("MyIPC", NOTHING, None, "myipc/table-3/1024"),
            claim("/dev/hello", NOTHING, None, "hello/table-3/1024"),
        ],
    },
];

const OF_001: [Claims; 3] = [
    Claims {
        title: "Seed 001, table 9: round trip of 1 B (headed ms there; µs are meant)",
        suite: "seed-001",
        columns: &["seed: RTT"],
        operation: "round trip",
        pipe: "pipe/table-9-rtt/1",
        rows: &[
            claim("Our driver (/dev/hello)", &["431.897"], Some(431.897), "hello/table-9-rtt/1"),
            claim("Linux pipe", &["577.768"], Some(577.768), "pipe/table-9-rtt/1"),
            claim("Shared memory", &["30.266"], Some(30.266), "shm/table-9-rtt/1"),
            claim("the same on bare futexes", &[NONE], None, "shm-futex/table-9-rtt/1"),
        ],
    },
    Claims {
        title: "Seed 001, table 9: throughput of 1 KB messages (of a ping-pong: it is the inverse of a round trip)",
        suite: "seed-001",
        columns: &["seed: messages/s"],
        operation: "round trip of 1 KiB",
        pipe: "pipe/table-9-rate/1024",
        rows: &[
            claim("Our driver (/dev/hello)", &["2209"], Some(1.0 / 2209.0), "hello/table-9-rate/1024"),
            claim("Linux pipe", &["1730"], Some(1.0 / 1730.0), "pipe/table-9-rate/1024"),
            claim("Shared memory", &["33039"], Some(1.0 / 33_039.0), "shm/table-9-rate/1024"),
            claim("the same on bare futexes", &[NONE], None, "shm-futex/table-9-rate/1024"),
        ],
    },
    Claims {
        title: "Seed 001, table 10, its last row: throughput of 1 KB messages against Linux's pipe, one way",
        suite: "seed-001",
        columns: &["seed: against the pipe"],
        operation: "message of 1 KiB",
        pipe: "pipe/table-10-stream/1024",
        rows: &[
            claim("MyIPC (baseline)", &["slower"], None, "myipc/table-10-stream/1024"),
            claim("Our driver (/dev/hello)", &["~28 % faster"], Some(1.0 / 1.28), "hello/table-10-stream/1024"),
            claim("pipe", &["1"], Some(1.0), "pipe/table-10-stream/1024"),
        ],
    },
];

/// What a line of table 8 is: the seed's words, its figure, whose row it is here, and what of it.
type Headline = (&'static str, &'static str, &'static str, fn(&Row) -> Option<f64>);

const HEADLINES: [Headline; 5] = [
    ("Average RTT (1-byte messages)", "431.897", "hello/table-8-rtt/1", |row| row.per_operation),
    ("Minimum RTT (1-byte messages)", "153.6", "hello/table-8-rtt/1", |row| row.min),
    ("Maximum RTT (1-byte messages)", "4847.104", "hello/table-8-rtt/1", |row| row.max),
    ("Standard deviation", "418.9", "hello/table-8-rtt/1", |row| row.deviation),
    ("Sustained message rate (1 KB messages)", "2209 msg/s", "hello/table-8-rate/1024", |row| row.per_operation),
];

/// The rest of table 10: design.
const DESIGN: [[&str; 3]; 7] = [
    ["Device nodes", "2 (one per direction)", "1, with cgroup routing"],
    ["Multi-tenant isolation", "none", "per-cgroup buffer"],
    ["Buffer storage", "contiguous byte array", "16-page recycling ring"],
    ["head/tail read", "mutex-protected", "lock-free 64-bit snapshot"],
    ["Wait-queue policy", "default broadcast", "exclusive + chained wake-up"],
    ["Write-side optimisation", "none", "small-write merge"],
    ["poll support", "no", "yes"],
];

/// The section.
pub fn section(records: &Records) -> Section {
    let mut body = paragraph(
        "Three documents of a university course, which Postern's two drivers follow. Their figures are microseconds of a virtual \
         machine, ours instructions, so neither stands in the other's column; what can be compared is how a mechanism stands to the \
         pipe: \"pipe / this\" is the pipe's cost by this one's, above 1 where this one is cheaper. MyIPC and /dev/hello are \
         Postern's alone, so Linux has a dash there.",
    );
    OF_000.iter().for_each(|claims| body.push_str(&table(records, claims)));
    body.push_str(&table_8(records));
    OF_001.iter().for_each(|claims| body.push_str(&table(records, claims)));
    let mut design =
        Table::new("Seed 001, table 10: design", &["dimension", "MyIPC (baseline)", "our driver"]).text(&[1, 2]);
    DESIGN.iter().for_each(|row| design.row(row.map(str::to_owned).to_vec()));
    body.push_str(&design.folded());
    body.push_str(&assignment(records));
    Section { id: "seeds", title: "The seeds' tables", body }
}

fn table(records: &Records, claims: &Claims) -> String {
    let linux = format!("Linux, instructions / {}", claims.operation);
    let postern = format!("Postern, instructions / {}", claims.operation);
    let mut head = vec!["method"];
    head.extend(claims.columns);
    head.extend(["seed: pipe / this", &linux, "pipe / this", &postern, "pipe / this"]);
    let mut table = Table::new(claims.title, &head);
    let theirs = claims.rows.iter().find(|row| row.benchmark == claims.pipe).and_then(|row| row.cost);
    for row in claims.rows {
        let mut cells = vec![row.method.to_owned()];
        cells.extend(row.said.iter().map(|word| (*word).to_owned()));
        cells.push(times(theirs.zip(row.cost).map(|(pipe, cost)| pipe / cost)));
        for system in SYSTEMS {
            let cost = records.cost(system, claims.suite, row.benchmark);
            let pipe = records.cost(system, claims.suite, claims.pipe);
            cells.extend([shown(cost), times(pipe.zip(cost).map(|(pipe, cost)| pipe / cost))]);
        }
        table.row(cells);
    }
    table.html()
}

fn table_8(records: &Records) -> String {
    let head = ["metric", "seed (µs where no unit is said)", "Postern, instructions"];
    let mut table = Table::new("Seed 001, table 8: headline performance of /dev/hello, 1,000 iterations", &head);
    for (metric, said, benchmark, of) in HEADLINES {
        let here = records.row(System::Postern, "seed-001", benchmark).and_then(of);
        table.row(vec![metric.into(), said.into(), shown(here)]);
    }
    table.html()
        + &paragraph(
            "The rate's row is the instructions of a round trip of 1 KiB. Minimum, maximum and deviation are of single operations, with a \
             reading of the clock in each.",
        )
}

/// Seed 002's workloads, which has no figures of its own.
fn assignment(records: &Records) -> String {
    let names = records.names("seed-002");
    if names.is_empty() {
        return missing("Seed 002's workloads were not measured.");
    }
    let titles = SYSTEMS.map(|system| format!("{}, instructions", title_of(system)));
    let head = ["benchmark", &titles[0], &titles[1], "Linux / Postern"];
    let mut table =
        Table::new("Seed 002, the assignment: round trip of 1 B, and messages of 4 and 64 KiB one way", &head);
    for name in names {
        let [linux, postern] = SYSTEMS.map(|system| records.cost(system, "seed-002", &name));
        let ratio = linux.zip(postern).map(|(linux, postern)| linux / postern);
        table.row(vec![name, shown(linux), shown(postern), times(ratio)]);
    }
    table.html()
}

#[cfg(test)]
mod tests {
    use super::super::records::Records;
    use super::super::tests::fixture;
    use super::{OF_000, OF_001, section};

    #[test]
    fn each_table_has_the_seed_s_figures_and_ours() {
        let body = section(&Records::of(&[fixture()]).unwrap()).body;
        for part in [
            "817,482",
            "695,989",
            "266,417",
            "431.9 µs",
            "4847.104",
            "577.768",
            "33039",
            "~28 % faster",
            "16-page recycling ring",
        ] {
            assert!(body.contains(part), "{part}");
        }
        // The fixture has shm at 400 and the pipe at 800 instructions on Postern, and neither on Linux.
        let row = body.lines().find(|line| line.contains("817,482")).unwrap();
        assert!(
            row.contains(">1.17<") && row.contains(">400.0<") && row.contains(">2.00<") && row.contains(">–<"),
            "{row}"
        );
    }

    #[test]
    fn every_row_says_a_word_for_each_column_and_has_its_pipe() {
        for claims in OF_000.iter().chain(&OF_001) {
            assert!(claims.rows.iter().any(|row| row.benchmark == claims.pipe), "{}", claims.title);
            for row in claims.rows {
                assert_eq!(row.said.len(), claims.columns.len(), "{}: {}", claims.title, row.method);
            }
        }
    }
}
