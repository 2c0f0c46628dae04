//! Bare operations: no message, no load, just what one thing costs. One file each, made into a
//! [`Benchmark`] by [`Solo`] when one process does it alone.

pub mod calibration;
pub mod fork;
pub mod null_call;
pub mod yielding;

use std::io;

use crate::benchmark::{Amount, Benchmark, Id, Outcome, Plan, cast, judge};
use crate::failure::Failure;
use crate::measure::{Schedule, Subject, measure};
use crate::supervise::{Report, supervise};

/// An operation that one process does alone.
pub struct Solo<S> {
    /// The two parts of its name.
    pub name: (&'static str, &'static str),
    /// What it is.
    pub summary: &'static str,
    /// How often.
    pub amount: Amount,
    /// Makes the subject, in the process that measures it.
    pub subject: fn() -> io::Result<S>,
}

impl<S: Subject + 'static> Benchmark for Solo<S> {
    fn id(&self) -> Id {
        Id { mechanism: self.name.0, load: self.name.1, size_bytes: None }
    }

    fn summary(&self) -> String {
        self.summary.to_owned()
    }

    fn run(&self, plan: &Plan) -> Result<Outcome, Failure> {
        let schedule = Schedule::new(self.amount.operations(plan.effort, 1), 1);
        let subject = self.subject;
        let body = move || {
            let measurement = measure(schedule, &mut subject()?)?;
            Ok(Report { measurement: Some(measurement), checksum: None, ..Report::default() })
        };
        judge(&supervise(cast(vec![Box::new(body)], plan.cpus), plan.deadline)?, None)
    }
}
