//! What a benchmark is: a name, an amount, and a way to run it. Two kinds: a mechanism under a load
//! ([`Carry`]) and a bare operation (`operation/`). Running one sleeps until its processes are done.

use std::fmt;
use std::time::Duration;

use crate::failure::Failure;
use crate::measure::{Measurement, Schedule};
use crate::mechanism::Mechanism;
use crate::payload;
use crate::supervise::{Body, Report, Role, supervise};
use crate::workload::{Shape, echo, one_process, round_trip, sink, source};

/// Which benchmark: `mechanism/load` or `mechanism/load/size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    /// What is measured.
    pub mechanism: &'static str,
    /// What it does.
    pub load: &'static str,
    /// Bytes of a message, where there are messages.
    pub size_bytes: Option<usize>,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.mechanism, self.load)?;
        self.size_bytes.map_or(Ok(()), |size| write!(f, "/{size}"))
    }
}

/// How much to do by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// So many operations; the second number with `--quick`.
    Operations(u64, u64),
    /// So many bytes, whatever the size of a message; the second number with `--quick`.
    Bytes(u64, u64),
}

impl Amount {
    /// In operations on messages of `size` bytes.
    pub fn operations(self, effort: Effort, size: usize) -> u64 {
        let chosen = |full, quick| match effort {
            Effort::Full => full,
            Effort::Quick => quick,
            Effort::Exactly(count) => count,
        };
        match (self, effort) {
            (Self::Bytes(full, quick), Effort::Full | Effort::Quick) => chosen(full, quick).div_ceil(size as u64),
            (Self::Operations(full, quick) | Self::Bytes(full, quick), _) => chosen(full, quick),
        }
    }
}

/// How much to do of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// The numbers to quote.
    Full,
    /// A look.
    Quick,
    /// So many operations of every benchmark.
    Exactly(u64),
}

/// How to run a benchmark.
pub struct Plan {
    /// How much.
    pub effort: Effort,
    /// The CPUs of the first and the second process.
    pub cpus: [Option<usize>; 2],
    /// When to give up.
    pub deadline: Duration,
}

/// Something to be measured, in processes of its own.
pub trait Benchmark {
    /// Its name.
    fn id(&self) -> Id;

    /// What one operation is, for `--list`.
    fn summary(&self) -> String;

    /// Bytes that one operation moves one way, where a rate of them makes sense.
    fn streamed_bytes(&self) -> Option<u64> {
        None
    }

    /// Measures it.
    ///
    /// # Errors
    /// When a process failed, what arrived was not what was sent, or the deadline passed.
    fn run(&self, plan: &Plan) -> Result<Outcome, Failure>;
}

/// A measured benchmark.
pub struct Outcome {
    /// Its figures.
    pub measurement: Measurement,
    /// The verified sum over what arrived, where something did.
    pub checksum: Option<u64>,
}

/// A load, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// The second part of the benchmarks' names.
    pub name: &'static str,
    /// Who sends what to whom.
    pub shape: Shape,
    /// Bytes of a message.
    pub size: usize,
    /// How many of them.
    pub amount: Amount,
}

/// A mechanism under a load.
pub struct Carry<M> {
    /// What carries.
    pub mechanism: M,
    /// What is carried.
    pub load: Load,
}

impl<M: Mechanism> Benchmark for Carry<M> {
    fn id(&self) -> Id {
        Id { mechanism: self.mechanism.name(), load: self.load.name, size_bytes: Some(self.load.size) }
    }

    fn summary(&self) -> String {
        let operation = match self.load.shape {
            Shape::OneProcess => "send and receive in one process",
            Shape::RoundTrip => "round trip between two processes",
            Shape::OneWay => "one message of a one-way stream",
        };
        format!("{operation}; {}", self.mechanism.summary())
    }

    fn streamed_bytes(&self) -> Option<u64> {
        (self.load.shape == Shape::OneWay).then_some(self.load.size as u64)
    }

    fn run(&self, plan: &Plan) -> Result<Outcome, Failure> {
        self.mechanism.availability()?;
        let size = self.load.size;
        self.mechanism.admits(size)?;
        let operations = self.load.amount.operations(plan.effort, size);
        let schedule = Schedule::new(operations, self.mechanism.warm_up_messages(size));
        let (a, b) = self.mechanism.connect(size).map_err(|error| Failure::during("connect", &error))?;
        let bodies: Vec<Body> = match self.load.shape {
            Shape::OneProcess => vec![Box::new(move || one_process((a, b), schedule, size))],
            Shape::RoundTrip => {
                vec![Box::new(move || round_trip(a, schedule, size)), Box::new(move || echo(b, schedule, size))]
            }
            Shape::OneWay => {
                vec![Box::new(move || source(a, schedule, size)), Box::new(move || sink(b, schedule, size))]
            }
        };
        let reports = supervise(cast(bodies, plan.cpus), plan.deadline)?;
        judge(&reports, Some(payload::expected(schedule, size).value()))
    }
}

/// Gives each body its part: the first measures.
pub fn cast(bodies: Vec<Body>, cpus: [Option<usize>; 2]) -> Vec<Role> {
    let parts = ["first process", "second process"].into_iter().zip(cpus);
    parts.zip(bodies).map(|((name, cpu), body)| Role { name, cpu, body }).collect()
}

/// The measurement among `reports`, if every checksum in them is `expected`.
///
/// # Errors
/// On a wrong checksum, and when nobody measured or nobody received what was expected.
pub fn judge(reports: &[Report], expected: Option<u64>) -> Result<Outcome, Failure> {
    let mut checksums = reports.iter().filter_map(|report| report.checksum);
    if let Some(wrong) = checksums.clone().find(|checksum| Some(*checksum) != expected) {
        let expected = expected.unwrap_or_default();
        return Err(Failure::new(format!("wrong checksum: {wrong:#018x} arrived, {expected:#018x} was sent")));
    }
    let checksum = checksums.next();
    if checksum != expected {
        return Err(Failure::new("no checksum of what arrived"));
    }
    let measurement = reports.iter().find_map(|report| report.measurement.clone());
    let measurement = measurement.ok_or_else(|| Failure::new("nothing was measured"))?;
    Ok(Outcome { measurement, checksum })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use super::{Amount, Benchmark, Carry, Effort, Load, Plan};
    use crate::mechanism::descriptor::DescriptorLink;
    use crate::mechanism::pipe::Pipe;
    use crate::mechanism::{Link, Mechanism};
    use crate::system::process::alone;
    use crate::workload::Shape;

    /// A pipe that spoils one byte of its `victim`th message, as a broken kernel might.
    struct Spoiling {
        victim: u32,
        byte: usize,
    }

    struct SpoilingLink {
        inner: DescriptorLink,
        countdown: u32,
        byte: usize,
    }

    impl Link for SpoilingLink {
        fn send(&mut self, message: &[u8]) -> io::Result<()> {
            let mut message = message.to_vec();
            if self.countdown == 0 {
                message[self.byte] ^= 1;
            }
            self.countdown = self.countdown.wrapping_sub(1);
            self.inner.send(&message)
        }
        fn receive(&mut self, buffer: &mut [u8]) -> io::Result<()> {
            self.inner.receive(buffer)
        }
    }

    impl Mechanism for Spoiling {
        type Link = SpoilingLink;
        fn name(&self) -> &'static str {
            "spoiling"
        }
        fn summary(&self) -> &'static str {
            "loses a bit"
        }
        fn connect(&self, size: usize) -> io::Result<(SpoilingLink, SpoilingLink)> {
            let (a, b) = Pipe.connect(size)?;
            let link = |inner, countdown| SpoilingLink { inner, countdown, byte: self.byte };
            Ok((link(a, self.victim), link(b, u32::MAX)))
        }
    }

    const PLAN: Plan = Plan { effort: Effort::Full, cpus: [None, None], deadline: Duration::from_secs(30) };

    fn load(shape: Shape) -> Load {
        Load { name: "test", shape, size: 64, amount: Amount::Operations(200, 200) }
    }

    #[test]
    fn every_shape_runs_over_a_pipe() {
        let _turn = alone();
        for shape in [Shape::OneProcess, Shape::RoundTrip, Shape::OneWay] {
            let outcome = Carry { mechanism: Pipe, load: load(shape) }.run(&PLAN).expect("runs");
            assert_eq!(outcome.measurement.operations, 200);
            assert!(outcome.measurement.elapsed_ns > 0);
            assert!(outcome.checksum.is_some());
        }
    }

    #[test]
    fn a_bit_lost_anywhere_in_the_warm_up_fails_every_shape() {
        let _turn = alone();
        for shape in [Shape::OneProcess, Shape::RoundTrip, Shape::OneWay] {
            let broken = Carry { mechanism: Spoiling { victim: 50, byte: 30 }, load: load(shape) };
            let failure = broken.run(&PLAN).err().expect("must not pass").to_string();
            assert!(failure.starts_with("wrong checksum: "), "{shape:?}: {failure}");
        }
    }

    #[test]
    fn a_bit_lost_in_a_timed_stamp_fails() {
        let _turn = alone();
        let broken = Carry { mechanism: Spoiling { victim: 250, byte: 60 }, load: load(Shape::OneWay) };
        assert!(broken.run(&PLAN).is_err());
    }

    #[test]
    fn bytes_become_operations_by_the_size() {
        let amount = Amount::Bytes(64 << 20, 1 << 20);
        assert_eq!(amount.operations(Effort::Full, 512), 131_072);
        assert_eq!(amount.operations(Effort::Quick, 65_536), 16);
        assert_eq!(amount.operations(Effort::Quick, 3_000_000), 1);
        assert_eq!(amount.operations(Effort::Exactly(7), 512), 7);
    }
}
