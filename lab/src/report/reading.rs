//! How to read the report: where its figures come from, the pins, what instructions do not say, and what is not in it.

use super::html::{Table, paragraph};
use super::records::Records;
use super::{Section, title_of};
use crate::figure::Header;

/// What is held, and what would vary without.
const PINS: [(&str, &str); 6] = [
    (
        "-icount shift=0,sleep=off",
        "one instruction is one virtual nanosecond, and idle time is skipped; the clock counts instructions",
    ),
    ("-rtc base=2026-01-01T00:00:00,clock=vm", "the date is always the same"),
    ("-M virt,gic-version=3,dtb-randomness=off", "the device tree holds no random seed"),
    ("-cpu cortex-a72, -smp 1", "one set of features; no interleaving of CPUs. Growth with CPUs alone has more"),
    ("-nic none", "no device that nobody asked for"),
    (
        "Linux: nokaslr randomize_kstack_offset=off",
        "memory and stacks lie in the same places; before it is measured Linux sleeps for 30 virtual seconds, until its boot threads are done",
    ),
];

const READING: [&str; 4] = [
    "The same static program, ipcbench, ran on Debian's Linux and on Postern, from the same initramfs, on the same emulated machine. \
     Each figure is guest instructions per operation: a loop timed as a whole and divided, nothing subtracted. Each boot ran twice, and \
     no figure is here whose two runs differed by a byte.",
    "A round trip is a message to another process and the same message back. write-read is one process that sends to itself. A stream \
     is one message after another, one way. A dash means that there is no such figure; why is said at the end. Nothing is estimated \
     but where two curves meet between two sizes that were measured.",
    "A ratio is Linux's instructions by Postern's: above 1, Postern needs fewer. Every chart has its figures in a table below it.",
    "Linux here is Debian's cloud kernel with what Debian configures: control groups, auditing, security modules, hardening. Postern \
     has less to do in many places. Postern's gates myipc, hello, hello-mmap and hello-splice are its own.",
];

const LIMITS: [&str; 4] = [
    "An instruction is not time. The emulated machine has no cache, no TLB, no pipeline and no memory latency: a load that would miss \
     every cache costs 1, as an addition does, and so does a division or a barrier. A path of fewer instructions is usually faster on a \
     real machine, and not always. Nothing here is converted into seconds, and no rate per second is given but the seeds' own \
     and that of CPUs at work together, which was timed.",
    "Copies look cheap or dear by how many bytes an instruction moves, not by bandwidth. Contention between CPUs, cache lines that \
     travel, and interrupts that arrive at once do not show, because one CPU works; the pairs on CPUs of their own alone are an exception.",
    "The clock moves in steps of 16 instructions, which a single operation shows and a loop does not; and reading it costs a single \
     operation about one calibration/clock.",
    "With more than one CPU the clock counts the instructions of all. Those figures are of one CPU that works while the others sleep, \
     and what they do in their sleep is in them.",
];

/// The first section.
pub fn section(headers: &[&Header]) -> Section {
    let mut body: String = READING.iter().map(|text| paragraph(text)).collect();
    for header in headers {
        let mut table = Table::new("Where the figures come from", &["", ""]).text(&[1]);
        table.row(vec!["commit".into(), header.commit.clone()]);
        table.row(vec!["QEMU".into(), header.qemu.clone()]);
        if let Some(linux) = &header.linux {
            table.row(vec!["Linux".into(), linux.clone()]);
        }
        for pins in &header.pins {
            table.row(vec!["options of tools/run".into(), pins.clone()]);
        }
        body.push_str(&table.html());
    }
    let mut pins =
        Table::new("The pins: what is held so that runs repeat to the byte", &["held", "so that"]).text(&[1]);
    PINS.iter().for_each(|(pin, why)| pins.row(vec![(*pin).into(), (*why).into()]));
    body.push_str(&pins.html());
    Section { id: "reading", title: "How to read this", body }
}

/// The last section.
pub fn limits(records: &Records) -> Section {
    let mut body: String = LIMITS.iter().map(|text| paragraph(text)).collect();
    let mut table =
        Table::new("What could not be measured, and why", &["benchmark", "system", "suite", "status", "reason"])
            .text(&[1, 2, 3, 4]);
    for (system, suite, row) in records.lacking() {
        let suite = if suite.is_empty() { "usual" } else { suite };
        let reason = row.error.clone().unwrap_or_default();
        table.row(vec![row.benchmark.clone(), title_of(system).into(), suite.into(), row.status.clone(), reason]);
    }
    if !table.is_empty() {
        body.push_str(&table.folded());
    }
    body.push_str(&paragraph(
        "Times of day of single benchmarks are not here, but in what make compare prints: they need a quiet machine.",
    ));
    Section { id: "limits", title: "What instructions do not say", body }
}
