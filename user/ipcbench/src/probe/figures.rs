//! A probe's table: rows of figures under named columns, as text for people and as JSON lines. Pure values.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::report::json::SCHEMA;
use crate::report::table::decimal;

/// Width of a column of figures, at least.
const FIGURE: usize = 10;

/// A table.
pub struct Figures {
    /// What it shows.
    pub title: String,
    /// What the rows are.
    pub rows_are: &'static str,
    /// What the figures are.
    pub columns: Vec<String>,
    /// The rows, each with its figures; none where a figure does not apply.
    pub rows: Vec<(String, Vec<Option<f64>>)>,
    /// Sentences below it.
    pub notes: Vec<String>,
}

#[derive(Serialize)]
struct Line<'a> {
    schema: u32,
    suite: &'a str,
    table: &'a str,
    row: &'a str,
    unit: &'a str,
    figures: Map<String, Value>,
}

impl Figures {
    /// As text, a line each.
    pub fn lines(&self) -> Vec<String> {
        let labels = self.rows.iter().map(|(label, _)| label.len());
        let label_width = labels.chain([self.rows_are.len()]).max().unwrap_or(0);
        let width = self.columns.iter().map(String::len).chain([FIGURE]).max().unwrap_or(FIGURE);
        let head: String = self.columns.iter().map(|column| format!(" {column:>width$}")).collect();
        let mut lines = vec![self.title.clone(), format!("{:<label_width$}{head}", self.rows_are)];
        let is_counted =
            self.rows.iter().flat_map(|(_, figures)| figures).flatten().all(|figure| figure.fract() == 0.0);
        let shown = |figure: Option<f64>| if is_counted { decimal(figure, 0) } else { short(figure) };
        for (label, figures) in &self.rows {
            let figures: String = figures.iter().map(|figure| format!(" {:>width$}", shown(*figure))).collect();
            lines.push(format!("{label:<label_width$}{figures}"));
        }
        lines.extend(self.notes.iter().cloned());
        lines
    }

    /// As JSON, an object a row.
    ///
    /// # Errors
    /// None that this data can cause; serde_json's type says otherwise.
    pub fn json_lines(&self, suite: &str, unit: &str) -> serde_json::Result<Vec<String>> {
        let line = |(label, figures): &(String, Vec<Option<f64>>)| {
            let named = self.columns.iter().zip(figures);
            let figures = named.map(|(column, figure)| (column.clone(), Value::from(*figure))).collect();
            let table = self.title.as_str();
            serde_json::to_string(&Line { schema: SCHEMA, suite, table, row: label, unit, figures })
        };
        self.rows.iter().map(line).collect()
    }
}

/// Small figures with two decimals, large ones with one.
fn short(figure: Option<f64>) -> String {
    decimal(figure, if figure.is_some_and(|figure| figure < 100.0) { 2 } else { 1 })
}

#[cfg(test)]
mod tests {
    use super::Figures;

    fn herd() -> Figures {
        Figures {
            title: "a herd".to_owned(),
            rows_are: "waiters",
            columns: vec!["wakes".to_owned(), "instr/event".to_owned()],
            rows: vec![("1".to_owned(), vec![Some(1.0), Some(2400.0)]), ("64".to_owned(), vec![None, Some(12.345)])],
            notes: vec!["so it is".to_owned()],
        }
    }

    #[test]
    fn figures_stand_under_their_heads() {
        let lines = herd().lines();
        assert_eq!(lines[1].len(), lines[2].len());
        assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), ["1", "1.00", "2400.0"]);
        assert_eq!(lines[3].split_whitespace().collect::<Vec<_>>(), ["64", "-", "12.35"]);
        assert_eq!((lines[0].as_str(), lines[4].as_str()), ("a herd", "so it is"));
    }

    #[test]
    fn where_everything_was_counted_there_are_no_decimals() {
        let counts = vec![("0".to_owned(), vec![Some(10.0), None]), ("1".to_owned(), vec![Some(0.0), Some(700.0)])];
        let lines = Figures { rows: counts, ..herd() }.lines();
        assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), ["0", "10", "-"]);
        assert_eq!(lines[3].split_whitespace().collect::<Vec<_>>(), ["1", "0", "700"]);
    }

    #[test]
    fn each_row_is_an_object() {
        let lines = herd().json_lines("herd", "ns").expect("serializes");
        let expected = concat!(
            r#"{"schema":2,"suite":"herd","table":"a herd","row":"64","unit":"ns","#,
            r#""figures":{"instr/event":12.345,"wakes":null}}"#
        );
        assert_eq!(lines[1], expected);
    }
}
