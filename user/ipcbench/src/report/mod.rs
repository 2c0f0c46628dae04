//! What is printed: the table, the JSON lines, the comparison, the progress bar. Sleeps only where the
//! terminal or pipe it writes to does.

pub mod comparison;
pub mod json;
pub mod progress;
pub mod table;

use crate::benchmark::{Id, Outcome};
use crate::failure::Failure;
use crate::measure::Measurement;
use crate::options::Unit;
use crate::statistics::{per_second, ratio};

/// One benchmark's result, ready to be printed.
pub struct Row {
    /// Which benchmark.
    pub id: Id,
    /// Bytes an operation streams, where it does.
    pub streamed_bytes: Option<u64>,
    /// The figures, or the sentence that says why there are none.
    pub result: Result<Outcome, Failure>,
}

impl Row {
    fn measurement(&self) -> Option<&Measurement> {
        self.result.as_ref().ok().map(|outcome| &outcome.measurement)
    }

    /// The exact figure: the bulk loop's time, divided.
    fn per_operation(&self) -> Option<f64> {
        self.measurement().and_then(|bulk| ratio(bulk.elapsed_ns, bulk.operations))
    }

    /// The same for one byte of a stream.
    fn per_byte(&self) -> Option<f64> {
        let bytes = self.streamed_bytes?;
        self.measurement().and_then(|bulk| ratio(bulk.elapsed_ns, bulk.operations * bytes))
    }

    /// Operations (round trips, messages) a second, when the clock counts time.
    fn operations_per_second(&self, unit: Unit) -> Option<f64> {
        let bulk = self.measurement().filter(|_| unit == Unit::Ns)?;
        per_second(bulk.operations, bulk.elapsed_ns)
    }

    /// Millions of bytes a second of a stream, when the clock counts time.
    fn megabytes_per_second(&self, unit: Unit) -> Option<f64> {
        let bytes = self.streamed_bytes.filter(|_| unit == Unit::Ns)?;
        // Bytes per microsecond.
        self.measurement().and_then(|bulk| ratio(bulk.operations * bytes * 1000, bulk.elapsed_ns))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::Row;
    use crate::benchmark::{Id, Outcome};
    use crate::histogram::Bucket;
    use crate::measure::Measurement;
    use crate::options::Unit;
    use crate::statistics::Summary;

    /// 1000 messages of 64 bytes in 2 ms.
    pub(crate) fn streamed(mechanism: &'static str, elapsed_ns: u64) -> Row {
        let spread = Summary { samples: 1000, min: 1, median: 2, p90: 3, p99: 4, max: 5, deviation: 1 };
        let histogram = [[1, 2, 400], [2, 3, 600]].map(Bucket::from).to_vec();
        let measurement = Measurement { operations: 1000, elapsed_ns, spread: Some(spread), histogram };
        Row {
            id: Id { mechanism, load: "messages", size_bytes: Some(64) },
            streamed_bytes: Some(64),
            result: Ok(Outcome { measurement, checksum: Some(0xabc) }),
        }
    }

    #[test]
    fn figures_follow_from_the_bulk_loop() {
        let row = streamed("pipe", 2_000_000);
        assert_eq!(row.per_operation(), Some(2000.0));
        assert_eq!(row.per_byte(), Some(31.25));
        assert_eq!(row.operations_per_second(Unit::Ns), Some(500_000.0));
        assert_eq!(row.megabytes_per_second(Unit::Ns), Some(32.0));
    }

    #[test]
    fn instructions_are_not_time() {
        let row = streamed("pipe", 2_000_000);
        assert_eq!(row.operations_per_second(Unit::Instructions), None);
        assert_eq!(row.megabytes_per_second(Unit::Instructions), None);
        assert_eq!(row.per_operation(), Some(2000.0));
    }
}
