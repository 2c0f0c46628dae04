//! Each switch of /dev/hello off in turn, under the same loads: what it is worth. One table. A switch is any parameter of the
//! module that is on and can be switched off while it runs, so a new one is in the table as soon as the driver has it.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::crowd::LARGEST;
use super::figures::Figures;
use super::herd::{self, Counters};
use super::{Print, amount};
use crate::benchmark::{Amount, Benchmark, Carry, Load};
use crate::catalogue::load;
use crate::failure::Failure;
use crate::measure::Subject;
use crate::mechanism::Mechanism;
use crate::mechanism::hello::{self, Hello};
use crate::operation::Solo;
use crate::options::Options;
use crate::statistics::ratio;
use crate::system::parameters::{Claim, switches};
use crate::workload::Shape;

const LOADS: [Load; 5] = [
    load("write-read", Shape::OneProcess, 1, Amount::Operations(20_000, 500)),
    load("latency", Shape::RoundTrip, 1, Amount::Operations(10_000, 300)),
    load("messages", Shape::OneWay, 64, Amount::Operations(50_000, 1_000)),
    load("chunks", Shape::OneWay, 4096, Amount::Bytes(16 << 20, 256 << 10)),
    load("chunks", Shape::OneWay, 65536, Amount::Bytes(16 << 20, 256 << 10)),
];

/// poll(2) of a channel that is ready.
const POLL: Solo<Polled> = Solo {
    name: ("hello", "poll"),
    summary: "poll(2) of a channel that can be read",
    amount: Amount::Operations(20_000, 500),
    subject: Polled::new,
};

/// The probe.
pub fn probe(options: &Options, print: &mut Print<'_>) -> Result<(), Failure> {
    Hello.availability()?;
    let claim = Claim::to("hello")?;
    let switches = switches("hello").map_err(|error| Failure::during("/sys/module/hello/parameters", &error))?;
    let mut rows = vec![("all on".to_owned(), figures(options)?)];
    for switch in &switches {
        let off = claim.change(switch, "N").map_err(|error| Failure::during(switch, &error))?;
        let row = figures(options);
        drop(off);
        rows.push((format!("{switch} off"), row?));
    }
    let mut columns: Vec<String> = LOADS.iter().map(|load| format!("{}/{}", load.name, load.size)).collect();
    columns.extend(["poll".to_owned(), format!("herd/{LARGEST}")]);
    let title = format!("hello, {} per operation", options.unit.short_name());
    print.table(&Figures { title, rows_are: "switches", columns, rows, notes: Vec::new() })
}

/// All figures, with the switches as they are.
fn figures(options: &Options) -> Result<Vec<Option<f64>>, Failure> {
    let plan = options.plan();
    let mut figures = Vec::with_capacity(LOADS.len() + 2);
    let carried = LOADS.into_iter().map(|load| -> Box<dyn Benchmark> { Box::new(Carry { mechanism: Hello, load }) });
    for benchmark in carried.chain([Box::new(POLL) as Box<dyn Benchmark>]) {
        let bulk = benchmark.run(&plan)?.measurement;
        figures.push(ratio(bulk.elapsed_ns, bulk.operations));
    }
    let herd = herd::figures(hello::one_way()?, LARGEST, amount(options, 500, 20), Counters::Hello, plan.deadline)?;
    figures.extend(herd.first());
    Ok(figures)
}

/// A channel with a byte in it.
struct Polled {
    reader: OwnedFd,
    /// Open, so that it is no end of file that is polled.
    _writer: OwnedFd,
}

impl Polled {
    fn new() -> io::Result<Self> {
        let (reader, writer) = hello::one_way()?;
        crate::mechanism::descriptor::write_some(&writer, &[1])?;
        Ok(Self { reader, _writer: writer })
    }
}

impl Subject for Polled {
    fn operate(&mut self, _sequence: u64) -> io::Result<()> {
        let mut polled = libc::pollfd { fd: self.reader.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one live, writable entry.
        let ready = unsafe { libc::poll(&raw mut polled, 1, 0) };
        if ready == 1 && polled.revents == libc::POLLIN { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }
}
