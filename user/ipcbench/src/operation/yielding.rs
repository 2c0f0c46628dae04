//! `sched_yield(2)` between two processes on one CPU: the switch with no waiting and no waking.
//!
//! Both yield all the time. The bulk figure counts the yields of both, so one operation is one switch if the
//! scheduler alternates; a single sample is there and back, two switches. Never sleeps, always ready.

use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::benchmark::{Amount, Benchmark, Id, Outcome, Plan, cast, judge};
use crate::failure::Failure;
use crate::measure::{Schedule, Subject, measure};
use crate::supervise::{Body, Report, supervise};
use crate::system::affinity::first_allowed;
use crate::system::mapping::SharedMapping;

/// The shared word that counts the second process's yields.
const PEER_YIELDS: usize = 0;
/// The shared word that tells the second process to stop.
const STOP: usize = 64;

/// The benchmark.
pub struct Yielding;

impl Benchmark for Yielding {
    fn id(&self) -> Id {
        Id { mechanism: "process", load: "yield", size_bytes: None }
    }

    fn summary(&self) -> String {
        "sched_yield(2) by two processes on one CPU, yields of both counted; samples are there and back".to_owned()
    }

    fn run(&self, plan: &Plan) -> Result<Outcome, Failure> {
        let amount = Amount::Operations(50_000, 2_000);
        let schedule = Schedule::new(amount.operations(plan.effort, 1), 100);
        let cpu = plan.cpus[0].map_or_else(first_allowed, Ok);
        let cpu = cpu.map_err(|error| Failure::during("sched_getaffinity", &error))?;
        let mapping = Rc::new(SharedMapping::anonymous(4096)?);
        let shared = Rc::clone(&mapping);
        let bodies: Vec<Body> =
            vec![Box::new(move || first(schedule, &mapping)), Box::new(move || Ok(second(&shared)))];
        judge(&supervise(cast(bodies, [Some(cpu); 2]), plan.deadline)?, None)
    }
}

/// Yields and measures, then stops the second process.
fn first(schedule: Schedule, mapping: &SharedMapping) -> Result<Report, Failure> {
    let mut yields = Yields { peer: mapping.word(PEER_YIELDS), at_settling: Vec::with_capacity(3) };
    // The second process may not have been started yet; on this one CPU it gets to run through this.
    while yields.peer.load(Ordering::Relaxed) == 0 {
        yields.operate(0)?;
    }
    let mut measurement = measure(schedule, &mut yields)?;
    mapping.word(STOP).store(1, Ordering::Relaxed);
    let [before_bulk, after_bulk, ..] = yields.at_settling[..] else {
        return Err(Failure::new("the passes were not settled"));
    };
    measurement.operations += u64::from(after_bulk.wrapping_sub(before_bulk));
    Ok(Report { measurement: Some(measurement), checksum: None, ..Report::default() })
}

/// Yields until it is told to stop.
fn second(mapping: &SharedMapping) -> Report {
    let (yields, stop) = (mapping.word(PEER_YIELDS), mapping.word(STOP));
    let mut count: u32 = 0;
    while stop.load(Ordering::Relaxed) == 0 {
        count = count.wrapping_add(1);
        yields.store(count, Ordering::Relaxed);
        std::thread::yield_now();
    }
    Report::default()
}

/// The first process's yields, and what the second one's count was at the end of each pass.
struct Yields<'a> {
    peer: &'a AtomicU32,
    at_settling: Vec<u32>,
}

impl Subject for Yields<'_> {
    #[inline]
    fn operate(&mut self, _sequence: u64) -> io::Result<()> {
        std::thread::yield_now();
        Ok(())
    }

    fn settle(&mut self) -> io::Result<()> {
        self.at_settling.push(self.peer.load(Ordering::Relaxed));
        Ok(())
    }
}
