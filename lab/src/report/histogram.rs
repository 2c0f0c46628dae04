//! How many operations took how long: a row of columns each, on a common logarithmic scale; SVG with words and table. Pure values.

use std::fmt::Write;

use super::bars::{BOTTOM, LEFT, RIGHT, TOP, Words, grid, legend, name, round_ratios};
use super::chart::framed;
use super::crossing::as_f64;
use super::html::{Table, escape, whole};

/// Height of a row, and what of it stays free above the highest column.
const ROW: f64 = 34.0;
const FREE: f64 = 6.0;
/// A column is at least so wide that it can be seen.
const NARROWEST: f64 = 1.5;

/// The buckets of one benchmark.
pub struct Row {
    /// What it is of.
    pub name: String,
    /// Which colour.
    pub style: usize,
    /// From, below, count; none is empty.
    pub buckets: Vec<[u64; 3]>,
}

/// Columns of `rows`: as wide as the bucket, and as high as the logarithm of its count.
pub fn histograms(words: &Words<'_>, rows: &[Row], table: &Table) -> String {
    let buckets = || rows.iter().flat_map(|row| &row.buckets);
    let least = buckets().map(|[from, ..]| as_f64(*from).max(1.0)).fold(f64::INFINITY, f64::min);
    let most = buckets().map(|[_, below, _]| as_f64(*below)).fold(0.0, f64::max);
    if most <= least {
        return super::html::missing(&format!("{}: not measured.", words.title));
    }
    let place = |value: f64| LEFT + (value.max(1.0) / least).ln() / (most / least).ln() * (RIGHT - LEFT);
    let row_top = |at: usize| TOP + ROW * u32::try_from(at).map_or(0.0, f64::from);
    let height = row_top(rows.len()) + BOTTOM;
    let mut out = legend(words) + &grid(&round_ratios(least, most), place, height, words.axis);
    for (at, row) in rows.iter().enumerate() {
        let ground = row_top(at + 1);
        out.push_str(&name(&row.name, ground - 19.0));
        let _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{LEFT:.1}\" y1=\"{ground:.1}\" x2=\"{RIGHT:.1}\" y2=\"{ground:.1}\"/>"
        );
        out.push_str(&columns(row, place, ground));
    }
    let text = format!("{}; a row of columns for each benchmark, the figures are in the table below.", words.axis);
    framed(words.id, words.title, &text, height, &out, table)
}

fn columns(row: &Row, place: impl Fn(f64) -> f64, ground: f64) -> String {
    let all: u64 = row.buckets.iter().map(|[.., count]| count).sum();
    let mut out = String::new();
    for [from, below, count] in &row.buckets {
        let (left, right) = (place(as_f64(*from)), place(as_f64(*below)));
        let height = as_f64(*count).ln_1p() / as_f64(all).ln_1p() * (ROW - FREE);
        let _ = writeln!(
            out,
            "<rect class=\"bar s{}\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\"><title>{}: {}</title></rect>",
            row.style,
            ground - height,
            (right - left).max(NARROWEST),
            escape(&row.name),
            said(*from, *below, *count, all)
        );
    }
    out
}

fn said(from: u64, below: u64, count: u64, all: u64) -> String {
    format!(
        "{} of {} from {} and below {}",
        whole(as_f64(count)),
        whole(as_f64(all)),
        whole(as_f64(from)),
        whole(as_f64(below))
    )
}

#[cfg(test)]
mod tests {
    use super::{Row, histograms};
    use crate::report::bars::Words;
    use crate::report::html::Table;

    const WORDS: Words<'_> = Words { id: "h", title: "t", axis: "instructions", legend: &[(0, "Postern")] };

    fn drawn(buckets: &[[u64; 3]]) -> String {
        let rows = [Row { name: "pipe".into(), style: 0, buckets: buckets.to_vec() }];
        histograms(&WORDS, &rows, &Table::new("t", &["a"]))
    }

    #[test]
    fn a_column_is_as_wide_as_its_bucket_and_as_high_as_the_logarithm_of_its_count() {
        let html = drawn(&[[100, 1000, 99], [1000, 10_000, 900]]);
        // Two decades over 670 units; 28 units for all 999.
        assert!(html.contains("x=\"210.0\" y=\"45.3\" width=\"335.0\" height=\"18.7\""), "{html}");
        assert!(html.contains("x=\"545.0\" y=\"36.4\" width=\"335.0\" height=\"27.6\""), "{html}");
        assert!(html.contains("<title>pipe: 99 of 999 from 100 and below 1,000</title>"), "{html}");
    }

    #[test]
    fn a_lone_operation_is_still_seen() {
        let html = drawn(&[[1024, 1088, 9_999], [1_048_576, 1_048_577, 1]]);
        assert!(html.contains("width=\"1.5\" height=\"2.1\""), "{html}");
    }

    #[test]
    fn nothing_to_draw_is_said() {
        assert!(drawn(&[]).contains("not measured"));
    }
}
