//! JSON lines, schema 2: one object a benchmark, always the same keys in the same order, nothing that
//! differs between equal runs. Figures that do not apply are null. Never sleeps.

use serde::Serialize;

use super::Row;
use crate::histogram::Bucket;
use crate::options::Unit;

/// Of all lines, those of probes too; 1 had no histogram.
pub const SCHEMA: u32 = 2;

#[derive(Serialize)]
struct Line<'a> {
    schema: u32,
    benchmark: String,
    mechanism: &'a str,
    load: &'a str,
    size_bytes: Option<usize>,
    status: &'a str,
    unit: &'a str,
    operations: Option<u64>,
    elapsed: Option<u64>,
    per_operation: Option<f64>,
    per_byte: Option<f64>,
    samples: Option<u64>,
    min: Option<u64>,
    median: Option<u64>,
    p90: Option<u64>,
    p99: Option<u64>,
    max: Option<u64>,
    deviation: Option<u64>,
    histogram: Option<&'a [Bucket]>,
    messages_per_second: Option<f64>,
    megabytes_per_second: Option<f64>,
    checksum: Option<String>,
    error: Option<String>,
}

/// `row` as one line, without the line's end.
///
/// # Errors
/// None that this data can cause; serde_json's type says otherwise.
pub fn line(row: &Row, unit: Unit) -> serde_json::Result<String> {
    let bulk = row.measurement();
    let spread = bulk.and_then(|bulk| bulk.spread);
    let checksum = row.result.as_ref().ok().and_then(|outcome| outcome.checksum);
    serde_json::to_string(&Line {
        schema: SCHEMA,
        benchmark: row.id.to_string(),
        mechanism: row.id.mechanism,
        load: row.id.load,
        size_bytes: row.id.size_bytes,
        status: match &row.result {
            Ok(_) => "ok",
            Err(failure) if failure.is_absence() => "skipped",
            Err(_) => "failed",
        },
        unit: unit.name(),
        operations: bulk.map(|bulk| bulk.operations),
        elapsed: bulk.map(|bulk| bulk.elapsed_ns),
        per_operation: row.per_operation(),
        per_byte: row.per_byte(),
        samples: spread.map(|spread| spread.samples),
        min: spread.map(|spread| spread.min),
        median: spread.map(|spread| spread.median),
        p90: spread.map(|spread| spread.p90),
        p99: spread.map(|spread| spread.p99),
        max: spread.map(|spread| spread.max),
        deviation: spread.map(|spread| spread.deviation),
        histogram: bulk.filter(|_| spread.is_some()).map(|bulk| &bulk.histogram[..]),
        messages_per_second: row.operations_per_second(unit),
        megabytes_per_second: row.megabytes_per_second(unit),
        checksum: checksum.map(|sum| format!("{sum:016x}")),
        error: row.result.as_ref().err().map(ToString::to_string),
    })
}

#[cfg(test)]
mod tests {
    use super::line;
    use crate::failure::Failure;
    use crate::options::Unit;
    use crate::report::tests::streamed;

    #[test]
    fn keys_and_order_are_those_of_schema_2() {
        let text = line(&streamed("pipe", 2_000_000), Unit::Ns).expect("serializes");
        let expected = concat!(
            r#"{"schema":2,"benchmark":"pipe/messages/64","mechanism":"pipe","load":"messages","size_bytes":64,"#,
            r#""status":"ok","unit":"ns","operations":1000,"elapsed":2000000,"per_operation":2000.0,"#,
            r#""per_byte":31.25,"samples":1000,"min":1,"median":2,"p90":3,"p99":4,"max":5,"deviation":1,"#,
            r#""histogram":[[1,2,400],[2,3,600]],"#,
            r#""messages_per_second":500000.0,"megabytes_per_second":32.0,"checksum":"0000000000000abc","error":null}"#,
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn what_is_absent_is_skipped_and_says_why() {
        let mut row = streamed("hello", 1);
        row.result = Err(Failure::absent("no /dev/hello here"));
        let text = line(&row, Unit::Ns).expect("serializes");
        let value: serde_json::Value = serde_json::from_str(&text).expect("parses");
        assert_eq!((value["status"].as_str(), value["error"].as_str()), (Some("skipped"), Some("no /dev/hello here")));
    }

    #[test]
    fn a_failure_has_its_sentence_and_no_figures() {
        let mut row = streamed("pipe", 1);
        row.result = Err(Failure::new("it \"broke\""));
        let text = line(&row, Unit::Instructions).expect("serializes");
        let value: serde_json::Value = serde_json::from_str(&text).expect("parses");
        assert_eq!(value["status"], "failed");
        assert_eq!(value["unit"], "instructions");
        assert_eq!(value["error"], "it \"broke\"");
        assert!(value["per_operation"].is_null() && value["max"].is_null() && value["histogram"].is_null());
    }
}
