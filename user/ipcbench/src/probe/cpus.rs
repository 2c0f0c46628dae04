//! What several CPUs at work get done together. One CPU, two, up to all of this machine's have a pair of processes each, which
//! share nothing with the other pairs: how much the pairs do in a second, and how many times as much as one alone. Where pairs
//! share a lock in the kernel, or a counter, that is less than their number.
//!
//! It is less, too, where the machine has not as many CPUs to give, and an emulator on a busy one has not. So the runs are short
//! and in turn, each ratio is of runs that followed each other, and `loop`, which only computes, says what there was to be had.
//! Sleeps where the mechanisms do.

use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::figures::Figures;
use super::{Print, amount};
use crate::clock::now_ns;
use crate::failure::Failure;
use crate::mechanism::eventfd::EventFd;
use crate::mechanism::futex::Futex;
use crate::mechanism::hello::Hello;
use crate::mechanism::pipe::Pipe;
use crate::mechanism::{Link, Mechanism, unix_socket};
use crate::operation::calibration::thousand_instructions;
use crate::options::Options;
use crate::statistics::{Middle, per_second};
use crate::supervise::{Body, Report, Role, supervise};
use crate::system::affinity::allowed;
use crate::system::mapping::SharedMapping;
use crate::system::raw::parent_process_id;

/// So many CPUs at most are put to work.
const LARGEST: usize = 8;
/// What a pair does between two looks at the clock, which costs an emulator more than it seems.
const OPERATIONS_A_LOOK: u32 = 16;
/// A lone process's operation is so many calls, or thousands of instructions: as long as a round trip.
const TURNS: u32 = 50;
/// From the arrival of the last pair until all are measured.
const LEAD_US: u32 = 2_000;
/// Who has been measured goes on for so long, more than the operations between two looks take: the others are being measured still.
const TAIL_US: u32 = 5_000;
/// The byte that sends the second of a pair home; the others are messages.
const GO_HOME: u8 = 0;

/// What a pair's processes do, once all pairs are there.
type MakePair = fn(&Rc<Meeting>) -> Result<Vec<Body>, Failure>;

/// The floor, what is measured against it, and how.
const LOADS: [(&str, MakePair); 7] = [
    ("loop", |meeting| Ok(alone(meeting, || (0..TURNS).for_each(|_| thousand_instructions())))),
    ("null call", |meeting| Ok(alone(meeting, || (0..TURNS).for_each(|_| _ = parent_process_id())))),
    ("futex", |meeting| pair(&Futex, meeting)),
    ("eventfd", |meeting| pair(&EventFd, meeting)),
    ("pipe", |meeting| pair(&Pipe, meeting)),
    ("unix-stream", |meeting| pair(&unix_socket::STREAM, meeting)),
    ("hello", |meeting| pair(&Hello, meeting)),
];

/// The probe.
pub fn probe(options: &Options, print: &mut Print<'_>) -> Result<(), Failure> {
    let cpus: Vec<usize> = allowed()?.take(LARGEST).collect();
    let loads: Vec<_> =
        LOADS.into_iter().filter(|(name, _)| *name != "hello" || Hello.availability().is_ok()).collect();
    let rounds = amount(options, 15, 1);
    let window_us = if options.quick { 10_000 } else { 100_000 };
    let mut rates = vec![vec![Vec::new(); cpus.len()]; loads.len()];
    for round in 0..rounds {
        for (rates, (_, make)) in rates.iter_mut().zip(&loads) {
            for (at, rates) in rates.iter_mut().enumerate() {
                let working = working(&cpus, at + 1, round);
                rates.push(together(*make, &working, window_us, options.plan().deadline)?);
            }
        }
    }
    let to_be_had = rates[0].clone();
    loads.iter().zip(&rates).try_for_each(|((name, _), rates)| print.table(&table(name, rates, &to_be_had)))
}

/// The `count` of `cpus` that work in this round: another first one each time, so that no CPU is the one that works alone.
fn working(cpus: &[usize], count: usize, round: u64) -> Vec<usize> {
    let skipped = usize::try_from(round).map_or(0, |round| round % cpus.len());
    cpus.iter().cycle().skip(skipped).take(count).copied().collect()
}

/// The table of what pairs did in each round, beside what loops did in the same one.
fn table(name: &str, rates: &[Vec<f64>], to_be_had: &[Vec<f64>]) -> Figures {
    let row = |(at, own): (usize, &Vec<f64>)| {
        let of_rounds = |of: &dyn Fn(usize) -> f64| Middle::of((0..own.len()).map(of).collect());
        let rate = of_rounds(&|round| own[round])?;
        let times = of_rounds(&|round| own[round] / rates[0][round])?;
        let loops = |round: usize| to_be_had[at][round] / to_be_had[0][round];
        let share = of_rounds(&|round| own[round] / rates[0][round] / loops(round))?;
        let figures = [rate.median.round(), times.median, times.least, times.most, share.median];
        Some(((at + 1).to_string(), figures.map(|figure| Some((figure * 1000.0).round() / 1000.0)).to_vec()))
    };
    let columns = ["per second", "times one", "least", "most", "of the loops'"].map(ToString::to_string).to_vec();
    let rows = rates.iter().enumerate().filter_map(row).collect();
    Figures { title: name.to_owned(), rows_are: "pairs", columns, rows, notes: Vec::new() }
}

/// What pairs on each of `cpus` do together, in operations a second.
fn together(make: MakePair, cpus: &[usize], window_us: u32, deadline: Duration) -> Result<f64, Failure> {
    let members = u32::try_from(cpus.len()).unwrap_or(u32::MAX);
    let page = SharedMapping::anonymous(4096)?;
    let meeting = Rc::new(Meeting { page, members, window_us, origin_ns: now_ns() });
    let mut roles = Vec::new();
    for cpu in cpus {
        let names = ["first process", "second process"].into_iter();
        roles.extend(names.zip(make(&meeting)?).map(|(name, body)| Role { name, cpu: Some(*cpu), body }));
    }
    let reports = supervise(roles, deadline)?;
    let done = reports.iter().filter_map(|report| match report.counts[..] {
        [operations, elapsed_ns] => per_second(operations, elapsed_ns),
        _ => None,
    });
    Ok(done.sum())
}

/// One process that needs nobody.
fn alone(meeting: &Rc<Meeting>, operate: impl Fn() + 'static) -> Vec<Body> {
    let meeting = Rc::clone(meeting);
    let counted = move || {
        meeting.attend(|| {
            operate();
            Ok(())
        })
    };
    vec![Box::new(move || Ok(Report { counts: counted()?, ..Report::default() }))]
}

/// Two processes: a byte to the other and back, again and again.
fn pair<M: Mechanism>(mechanism: &M, meeting: &Rc<Meeting>) -> Result<Vec<Body>, Failure> {
    let (mut here, mut there) = mechanism.connect(1).map_err(|error| Failure::during("connect", &error))?;
    let meeting = Rc::clone(meeting);
    let first = move || {
        let (mut departing, mut arrived) = ([GO_HOME], [GO_HOME]);
        let counts = meeting.attend(|| {
            departing[0] = departing[0] % u8::MAX + 1;
            here.send(&departing)?;
            here.receive(&mut arrived)?;
            if arrived == departing { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
        })?;
        here.send(&[GO_HOME])?;
        Ok(Report { counts, ..Report::default() })
    };
    let second = move || {
        let mut byte = [GO_HOME];
        loop {
            there.receive(&mut byte)?;
            if byte == [GO_HOME] {
                return Ok(Report::default());
            }
            there.send(&byte)?;
        }
    };
    Ok(vec![Box::new(first), Box::new(second)])
}

/// Where pairs meet in time: all work from before the first is measured until after the last.
struct Meeting {
    page: SharedMapping,
    members: u32,
    window_us: u32,
    /// Times in the page are counted from here.
    origin_ns: u64,
}

impl Meeting {
    /// Words of the page, in cache lines of their own: how many have come, and when all are measured.
    const ARRIVED: usize = 0;
    const BEGIN_US: usize = 16;

    /// Operates until all have been measured; how often, and in how many nanoseconds.
    fn attend(&self, mut operate: impl FnMut() -> io::Result<()>) -> io::Result<Vec<u64>> {
        let mut until = |end: &dyn Fn() -> bool| {
            let mut operations = 0;
            while !end() {
                (0..OPERATIONS_A_LOOK).try_for_each(|_| operate())?;
                operations += u64::from(OPERATIONS_A_LOOK);
            }
            io::Result::Ok(operations)
        };
        let (arrived, begin) = (self.page.word(Self::ARRIVED), self.page.word(Self::BEGIN_US));
        // Relaxed, here and below: the words stand for themselves.
        if arrived.fetch_add(1, Ordering::Relaxed) + 1 == self.members {
            begin.store(self.now_us() + LEAD_US, Ordering::Relaxed);
        }
        until(&|| begin.load(Ordering::Relaxed) != 0)?;
        let begin_us = begin.load(Ordering::Relaxed);
        until(&|| self.now_us() >= begin_us)?;
        let started_ns = now_ns();
        let operations = until(&|| self.now_us() >= begin_us + self.window_us)?;
        let elapsed_ns = now_ns() - started_ns;
        until(&|| self.now_us() >= begin_us + self.window_us + TAIL_US)?;
        Ok(vec![operations, elapsed_ns])
    }

    fn now_us(&self) -> u32 {
        u32::try_from((now_ns() - self.origin_ns) / 1000).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LOADS, pair, table, together, working};
    use crate::mechanism::pipe::Pipe;
    use crate::system::affinity::first_allowed;
    use crate::system::process;

    #[test]
    fn every_round_begins_with_another_cpu() {
        assert_eq!(working(&[0, 1, 4], 1, 0), [0]);
        assert_eq!(working(&[0, 1, 4], 1, 5), [4]);
        assert_eq!(working(&[0, 1, 4], 2, 2), [4, 0]);
        assert_eq!(working(&[0, 1, 4], 3, 1), [1, 4, 0]);
    }

    #[test]
    fn ratios_are_of_one_round_and_stand_beside_those_of_loops() {
        // The machine is twice as slow in the second round, and gives loops half a CPU less in the third.
        let loops = [vec![1000.0, 500.0, 1000.0], vec![2000.0, 1000.0, 1500.0]];
        let pairs = [vec![100.0, 50.0, 100.0], vec![180.0, 90.0, 135.0]];
        let table = table("pipe", &pairs, &loops);
        let figures = |row: usize| table.rows[row].1.iter().map(|figure| figure.expect("a figure")).collect::<Vec<_>>();
        assert_eq!(table.rows[1].0, "2");
        assert_eq!(figures(0), [100.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(figures(1), [135.0, 1.8, 1.35, 1.8, 0.9]);
    }

    #[test]
    fn pairs_that_meet_are_measured_and_go_home() {
        let _turn = process::alone();
        let cpu = first_allowed().expect("this process runs");
        let patience = Duration::from_secs(30);
        for (name, make) in LOADS.iter().filter(|(name, _)| *name != "hello") {
            let rate = together(*make, &[cpu, cpu], 3_000, patience).expect(name);
            assert!(rate > 0.0, "{name}");
        }
        let rate = together(|meeting| pair(&Pipe, meeting), &[cpu], 3_000, patience).expect("runs");
        assert!(rate > 0.0);
    }
}
