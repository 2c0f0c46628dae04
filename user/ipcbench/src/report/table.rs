//! The table for people. Never sleeps.

use super::Row;
use crate::failure::Failure;
use crate::options::Unit;

/// Width of the columns of figures; with names it fits a screen of 132 columns.
const FIGURE: usize = 9;

/// The lines of a table whose longest name has `name_width` characters.
pub struct Table {
    name_width: usize,
    unit: Unit,
}

impl Table {
    /// A table for benchmarks called `names`.
    pub fn new<'a>(names: impl Iterator<Item = &'a String>, unit: Unit) -> Self {
        Self { name_width: names.map(String::len).max().unwrap_or(0), unit }
    }

    /// The head: what the columns are.
    pub fn head(&self) -> String {
        let unit = self.unit.short_name();
        let [per_operation, per_byte] = ["op", "B"].map(|of| format!("{unit}/{of}"));
        let figures = ["min", "median", "p90", "p99", "max"].map(str::to_owned);
        let mut columns = vec!["ops".to_owned(), per_operation];
        columns.extend(figures);
        columns.extend([per_byte, "ops/s".to_owned(), "MB/s".to_owned()]);
        self.line("benchmark", &columns)
    }

    /// One benchmark's line.
    pub fn row(&self, row: &Row) -> String {
        let outcome = match &row.result {
            Ok(outcome) => outcome,
            Err(failure) => return self.without_figures(row, failure),
        };
        let bulk = &outcome.measurement;
        let mut columns = vec![bulk.operations.to_string(), decimal(row.per_operation(), 1)];
        let spread = bulk.spread.map(|s| [s.min, s.median, s.p90, s.p99, s.max]);
        columns.extend(spread.map_or_else(|| vec![dash(); 5], |ranks| ranks.map(|rank| rank.to_string()).to_vec()));
        columns.push(decimal(row.per_byte(), 3));
        columns.push(decimal(row.operations_per_second(self.unit), 0));
        columns.push(decimal(row.megabytes_per_second(self.unit), 1));
        self.line(&row.id.to_string(), &columns)
    }

    /// What failed, or what is not here at all: then the mechanism is named, whatever it was to carry.
    fn without_figures(&self, row: &Row, failure: &Failure) -> String {
        let width = self.name_width;
        if failure.is_absence() {
            return format!("{:<width$} skipped: {failure}", row.id.mechanism);
        }
        format!("{:<width$} failed", row.id.to_string())
    }

    fn line(&self, name: &str, columns: &[String]) -> String {
        let figures: String = columns.iter().map(|column| format!(" {column:>FIGURE$}")).collect();
        format!("{name:<width$}{figures}", width = self.name_width)
    }
}

/// `value` with so many decimals, a dash for none.
pub fn decimal(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(dash, |value| format!("{value:.decimals$}"))
}

fn dash() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use super::Table;
    use crate::failure::Failure;
    use crate::options::Unit;
    use crate::report::tests::streamed;

    #[test]
    fn columns_stand_under_their_heads() {
        let row = streamed("pipe", 2_000_000);
        let table = Table::new([row.id.to_string()].iter(), Unit::Ns);
        assert_eq!(table.head().len(), table.row(&row).len());
        let figures: Vec<_> = table.row(&row).split_whitespace().map(str::to_owned).collect();
        let expected = ["pipe/messages/64", "1000", "2000.0", "1", "2", "3", "4", "5", "31.250", "500000", "32.0"];
        assert_eq!(figures, expected);
    }

    #[test]
    fn instructions_have_no_rates() {
        let row = streamed("pipe", 2_000_000);
        let table = Table::new([row.id.to_string()].iter(), Unit::Instructions);
        assert!(table.head().contains("instr/op"));
        assert!(table.row(&row).ends_with("        -         -"));
    }

    #[test]
    fn an_absence_is_one_line_for_the_mechanism() {
        let mut row = streamed("hello", 1);
        row.result = Err(Failure::absent("no /dev/hello"));
        let table = Table::new([row.id.to_string()].iter(), Unit::Ns);
        assert_eq!(table.row(&row), "hello             skipped: no /dev/hello");
    }

    #[test]
    fn a_failure_is_named_in_its_place() {
        let mut row = streamed("pipe", 1);
        row.result = Err(Failure::new("broken"));
        let table = Table::new([row.id.to_string()].iter(), Unit::Ns);
        assert_eq!(table.row(&row), "pipe/messages/64 failed");
    }
}
