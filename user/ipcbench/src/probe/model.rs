//! What a transfer is made of. Seed 000, section 6.3, explains one by two terms, the way into the kernel and the copy; here as many
//! figures are fitted by four, with what each leaves unexplained, and the seed's two beside them. And where a round trip through
//! shared memory becomes cheaper than one through the pipe. On the pipe, and on /dev/hello where it is.

use super::Print;
use super::figures::Figures;
use super::fit::{Observation, costs, explained};
use crate::benchmark::{Amount, Benchmark, Load, Plan};
use crate::catalogue::{carried, load};
use crate::failure::Failure;
use crate::mechanism::Mechanism;
use crate::mechanism::hello::Hello;
use crate::mechanism::pipe::Pipe;
use crate::mechanism::shared_memory;
use crate::operation::null_call::NULL_CALL;
use crate::options::Options;
use crate::statistics::ratio;
use crate::workload::Shape;

type Benchmarks = Vec<Box<dyn Benchmark>>;

const OWN: Amount = Amount::Operations(20_000, 500);
const TRIPS: Amount = Amount::Operations(10_000, 300);
/// Sizes of what is fitted: what one process can send itself through anything.
const SIZES: [usize; 5] = [1, 64, 256, 1024, 4096];
/// Sizes of the round trips that are compared.
const CROSSING: [Load; 7] = [trip(1), trip(64), trip(256), trip(1024), trip(4096), trip(8192), trip(16_384)];

const fn trip(size: usize) -> Load {
    load("latency", Shape::RoundTrip, size, TRIPS)
}

/// What is measured for a fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    /// A call that does nothing.
    NullCall,
    /// A write and the read of it, in one process.
    WriteRead(usize),
    /// A message there and back between two processes.
    RoundTrip(usize),
}

/// The names of the four terms, and what they are.
const TERMS: [(&str, &str); 4] = [
    ("S", "into the kernel and back"),
    ("P", "the path of a call"),
    ("C", "a byte copied"),
    ("W", "a wake-up with the switch to the woken"),
];

impl Whole {
    fn all() -> impl Iterator<Item = Self> {
        let own = SIZES.into_iter().map(Self::WriteRead);
        [Self::NullCall].into_iter().chain(own).chain(SIZES.into_iter().map(Self::RoundTrip))
    }

    fn name(self) -> String {
        match self {
            Self::NullCall => "syscall/null".to_owned(),
            Self::WriteRead(size) => format!("write-read/{size}"),
            Self::RoundTrip(size) => format!("latency/{size}"),
        }
    }

    /// How often each of [`TERMS`] is in it.
    fn of_four(self) -> [f64; 4] {
        match self {
            Self::NullCall => [1.0, 0.0, 0.0, 0.0],
            Self::WriteRead(size) => [2.0, 2.0, 2.0 * bytes(size), 0.0],
            Self::RoundTrip(size) => [4.0, 4.0, 4.0 * bytes(size), 2.0],
        }
    }

    /// How often each of the seed's two terms is in it: a transfer enters the kernel twice, and copies, as it has it, once.
    fn of_two(self) -> [f64; 2] {
        match self {
            Self::NullCall => [1.0, 0.0],
            Self::WriteRead(size) => [2.0, bytes(size)],
            Self::RoundTrip(size) => [4.0, 2.0 * bytes(size)],
        }
    }

    fn benchmark<M: Mechanism>(self, mechanism: fn() -> M) -> Benchmarks {
        match self {
            Self::NullCall => vec![Box::new(NULL_CALL)],
            Self::WriteRead(size) => carried(mechanism, &[load("write-read", Shape::OneProcess, size, OWN)]),
            Self::RoundTrip(size) => carried(mechanism, &[trip(size)]),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
fn bytes(size: usize) -> f64 {
    size as f64
}

/// The probe.
pub fn probe(options: &Options, print: &mut Print<'_>) -> Result<(), Failure> {
    let plan = options.plan();
    let has_hello = Hello.availability().is_ok();
    let unit = options.unit.short_name();
    print.table(&table(&format!("pipe, {unit}"), &measured(|| Pipe, &plan)?)?)?;
    if has_hello {
        print.table(&table(&format!("hello, {unit}"), &measured(|| Hello, &plan)?)?)?;
    }
    let mut columns = vec![("pipe", carried(|| Pipe, &CROSSING))];
    if has_hello {
        columns.push(("hello", carried(|| Hello, &CROSSING)));
    }
    columns.push(("shm", carried(|| shared_memory::POSIX, &CROSSING)));
    columns.push(("shm-futex", carried(|| shared_memory::FUTEX, &CROSSING)));
    let mut rows: Vec<_> = CROSSING.iter().map(|load| (load.size.to_string(), Vec::new())).collect();
    for (_, benchmarks) in &columns {
        for ((_, figures), figure) in rows.iter_mut().zip(figures(benchmarks, &plan)?) {
            figures.push(Some(figure));
        }
    }
    let columns: Vec<String> = columns.into_iter().map(|(name, _)| name.to_owned()).collect();
    let notes = vec![crossing(&columns, &rows, "shm"), crossing(&columns, &rows, "shm-futex")];
    print.table(&Figures { title: format!("round trips, {unit}"), rows_are: "bytes", columns, rows, notes })
}

/// What each of the wholes costs through `mechanism`.
fn measured<M: Mechanism>(mechanism: fn() -> M, plan: &Plan) -> Result<Vec<(Whole, f64)>, Failure> {
    let benchmarks: Benchmarks = Whole::all().flat_map(|whole| whole.benchmark(mechanism)).collect();
    Ok(Whole::all().zip(figures(&benchmarks, plan)?).collect())
}

fn figures(benchmarks: &[Box<dyn Benchmark>], plan: &Plan) -> Result<Vec<f64>, Failure> {
    let mut figures = Vec::with_capacity(benchmarks.len());
    for benchmark in benchmarks {
        let bulk = benchmark.run(plan)?.measurement;
        let figure = ratio(bulk.elapsed_ns, bulk.operations).ok_or_else(|| Failure::new("nothing was timed"))?;
        figures.push(figure);
    }
    Ok(figures)
}

/// The figures, what four terms and the seed's two make of them, and what they leave.
fn table(title: &str, measured: &[(Whole, f64)]) -> Result<Figures, Failure> {
    let undetermined = || Failure::new("the figures do not tell the terms apart");
    let of_four: Vec<_> =
        measured.iter().map(|(whole, cost)| Observation { counts: whole.of_four(), cost: *cost }).collect();
    let of_two: Vec<_> =
        measured.iter().map(|(whole, cost)| Observation { counts: whole.of_two(), cost: *cost }).collect();
    let four = costs(&of_four).ok_or_else(undetermined)?;
    let two = costs(&of_two).ok_or_else(undetermined)?;
    let row = |(whole, cost): &(Whole, f64)| {
        let (of_four, of_two) = (explained(&whole.of_four(), &four), explained(&whole.of_two(), &two));
        (whole.name(), [*cost, of_four, cost - of_four, of_two, cost - of_two].map(Some).to_vec())
    };
    let mut notes: Vec<String> =
        TERMS.iter().zip(four).map(|((name, what), cost)| format!("{name} {cost:.3}: {what}")).collect();
    notes.push(format!("the seed's two: {:.1} into the kernel and back, {:.3} a byte", two[0], two[1]));
    let columns = ["measured", "four terms", "residual", "two terms", "residual of two"].map(str::to_owned).to_vec();
    Ok(Figures {
        title: title.to_owned(),
        rows_are: "figure",
        columns,
        rows: measured.iter().map(row).collect(),
        notes,
    })
}

/// From which size on shared memory is cheaper than the pipe, of the sizes measured.
fn crossing(columns: &[String], rows: &[(String, Vec<Option<f64>>)], other: &str) -> String {
    let column = columns.iter().position(|name| name == other).unwrap_or(0);
    let is_cheaper = |(_, figures): &&(String, Vec<Option<f64>>)| figures[column] < figures[0];
    // From the end: it may be cheaper now and then before.
    match rows.iter().rev().take_while(is_cheaper).last() {
        Some((size, _)) => format!("{other}: cheaper than the pipe from {size} B on"),
        None => format!("{other}: not cheaper than the pipe"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::Figures;
    use super::{Whole, crossing, table};

    /// As if each whole came to exactly this.
    fn of_terms([system, path, copy, wake]: [f64; 4]) -> Figures {
        let cost = |whole: Whole| {
            let [systems, paths, copies, wakes] = whole.of_four();
            (whole, systems * system + paths * path + copies * copy + wakes * wake)
        };
        table("made up", &Whole::all().map(cost).collect::<Vec<_>>()).expect("eleven figures")
    }

    fn column(figures: &Figures, name: &str) -> Vec<f64> {
        let column = figures.columns.iter().position(|column| column == name).expect("there is one");
        figures.rows.iter().map(|(_, row)| row[column].expect("a figure")).collect()
    }

    #[test]
    fn the_seed_s_model_lacks_the_wake_up_and_the_second_copy() {
        let figures = of_terms([80.0, 270.0, 0.2, 470.0]);
        let largest = |name| column(&figures, name).into_iter().map(f64::abs).fold(0.0, f64::max);
        assert!(largest("residual") < 1e-6, "four terms explain it: {}", largest("residual"));
        assert!(largest("residual of two") > 400.0, "two do not: {}", largest("residual of two"));
        assert_eq!(figures.notes[3], "W 470.000: a wake-up with the switch to the woken");
        // A byte is copied twice on its way: what the seed takes for one copy costs two.
        assert_eq!(figures.notes[2], "C 0.200: a byte copied");
    }

    #[test]
    fn without_waking_and_with_one_copy_the_seed_s_model_would_do() {
        let figures = of_terms([80.0, 0.0, 0.2, 0.0]);
        assert!(column(&figures, "residual of two").into_iter().all(|residual| residual.abs() < 1e-6));
    }

    #[test]
    fn memory_that_stays_cheaper_crosses_where_it_first_is() {
        let columns = ["pipe", "shm"].map(str::to_owned);
        let row = |size: &str, pipe, shm| (size.to_owned(), vec![Some(pipe), Some(shm)]);
        let rows = [row("1", 5.0, 4.0), row("2", 5.0, 6.0), row("3", 7.0, 6.5), row("4", 9.0, 7.0)];
        assert_eq!(crossing(&columns, &rows, "shm"), "shm: cheaper than the pipe from 3 B on");
        assert_eq!(crossing(&columns, &rows[..2], "shm"), "shm: not cheaper than the pipe");
    }
}
