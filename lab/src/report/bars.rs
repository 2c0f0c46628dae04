//! Rows of bars: stacked parts on a scale from 0, and spreads on a logarithmic one; SVG with words and table. Pure values.

use std::fmt::Write;

use super::chart::{WIDTH, framed};
use super::html::{Table, escape, figure, tick};

/// Where scales begin and end, and what is above and below the rows.
pub(super) const LEFT: f64 = 210.0;
pub(super) const RIGHT: f64 = 880.0;
pub(super) const TOP: f64 = 30.0;
pub(super) const BOTTOM: f64 = 44.0;
const ROW: f64 = 22.0;

/// A row of parts, each with its style.
pub struct Stack {
    /// What it is of.
    pub name: String,
    /// Style and length of each part; none below 0.
    pub parts: Vec<(usize, f64)>,
    /// Written at its end.
    pub note: String,
}

/// A row that shows how single operations spread.
pub struct Spread {
    /// What it is of.
    pub name: String,
    /// Which colour.
    pub style: usize,
    /// Minimum, median, p90, p99, maximum.
    pub ranks: [f64; 5],
}

/// Id, title, what the axis counts, and the styles' meanings.
pub struct Words<'a> {
    /// Unique in the page.
    pub id: &'a str,
    /// What is shown.
    pub title: &'a str,
    /// With its unit.
    pub axis: &'a str,
    /// Style and name.
    pub legend: &'a [(usize, &'a str)],
}

/// Bars of `rows`.
pub fn stacked(words: &Words<'_>, rows: &[Stack], table: &Table) -> String {
    let longest = rows.iter().map(|row| row.parts.iter().map(|part| part.1).sum::<f64>()).fold(0.0, f64::max);
    if longest <= 0.0 {
        return super::html::missing(&format!("{}: not measured.", words.title));
    }
    // A letter of a note is at most so wide, most are less; the longest bar may have the longest note.
    const LETTER: f64 = 7.0;
    let longest_note = rows.iter().map(|row| row.note.chars().count()).max().unwrap_or(0);
    let right = RIGHT.min(WIDTH - 10.0 - LETTER * u32::try_from(longest_note).map_or(0.0, f64::from));
    let place = |value: f64| LEFT + value / longest * (right - LEFT);
    let height = height(rows.len());
    let mut out = legend(words) + &grid(&round_steps(longest), place, height, words.axis);
    for (at, row) in rows.iter().enumerate() {
        let top = row_top(at);
        out.push_str(&name(&row.name, top));
        let mut end = 0.0;
        for (style, length) in &row.parts {
            let (from, to) = (place(end), place(end + length));
            let meaning = words.legend.iter().find(|(of, _)| of == style).map_or("", |(_, name)| name);
            let _ = writeln!(
                out,
                "<rect class=\"bar s{style}\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{} {}</title></rect>",
                top + 3.0,
                (to - from).max(0.0),
                ROW - 6.0,
                escape(meaning),
                figure(*length)
            );
            end += length;
        }
        let _ = writeln!(
            out,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            place(end) + 5.0,
            top + 15.0,
            escape(&row.note)
        );
    }
    let rows: Vec<String> = rows.iter().map(|row| format!("{} {}", row.name, row.note)).collect();
    framed(words.id, words.title, &format!("{}: {}", words.axis, rows.join("; ")), height, &out, table)
}

/// Spreads of `rows`: a line from the minimum to the maximum, a box up to p90, the median in it, and a dot at p99.
pub fn spreads(words: &Words<'_>, rows: &[Spread], table: &Table) -> String {
    let least = rows.iter().map(|row| row.ranks[0]).fold(f64::INFINITY, f64::min).max(1.0);
    let most = rows.iter().map(|row| row.ranks[4]).fold(0.0, f64::max);
    if rows.is_empty() || most <= least {
        return super::html::missing(&format!("{}: not measured.", words.title));
    }
    let place = |value: f64| LEFT + (value.max(1.0) / least).ln() / (most / least).ln() * (RIGHT - LEFT);
    let height = height(rows.len());
    let mut out = legend(words) + &grid(&round_ratios(least, most), place, height, words.axis);
    for (at, Spread { name: of, style, ranks }) in rows.iter().enumerate() {
        let middle = row_top(at) + ROW / 2.0;
        out.push_str(&name(of, row_top(at)));
        let [min, median, p90, p99, max] = ranks.map(place);
        let _ = writeln!(
            out,
            "<g><title>{}: min {}, median {}, p90 {}, p99 {}, max {}</title>\
             <line class=\"reach s{style}\" x1=\"{min:.1}\" y1=\"{middle:.1}\" x2=\"{max:.1}\" y2=\"{middle:.1}\"/>\
             <rect class=\"bar s{style}\" x=\"{min:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"10\"/>\
             <line class=\"median s{style}\" x1=\"{median:.1}\" y1=\"{:.1}\" x2=\"{median:.1}\" y2=\"{:.1}\"/>\
             <circle class=\"dot s{style}\" cx=\"{p99:.1}\" cy=\"{middle:.1}\" r=\"4\"/>\
             <line class=\"reach s{style}\" x1=\"{max:.1}\" y1=\"{:.1}\" x2=\"{max:.1}\" y2=\"{:.1}\"/></g>",
            escape(of),
            figure(ranks[0]),
            figure(ranks[1]),
            figure(ranks[2]),
            figure(ranks[3]),
            figure(ranks[4]),
            middle - 5.0,
            (p90 - min).max(1.5),
            middle - 9.0,
            middle + 9.0,
            middle - 4.0,
            middle + 4.0
        );
    }
    let text = format!("{}, on a logarithmic scale; the figures are in the table below.", words.axis);
    framed(words.id, words.title, &text, height, &out, table)
}

fn row_top(at: usize) -> f64 {
    TOP + ROW * u32::try_from(at).map_or(0.0, f64::from)
}

fn height(rows: usize) -> f64 {
    row_top(rows) + BOTTOM
}

/// Beside a row that begins at `top`.
pub(super) fn name(name: &str, top: f64) -> String {
    format!(
        "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
        LEFT - 8.0,
        top + 15.0,
        escape(name)
    )
}

/// What the colours mean, above the rows.
pub(super) fn legend(words: &Words<'_>) -> String {
    let mut at = LEFT;
    let mut out = String::new();
    for (style, name) in words.legend {
        let _ = writeln!(
            out,
            "<rect class=\"bar s{style}\" x=\"{at:.1}\" y=\"6\" width=\"12\" height=\"12\"/><text class=\"tick\" x=\"{:.1}\" y=\"16\">{}</text>",
            at + 17.0,
            escape(name)
        );
        at += 40.0 + 7.2 * u32::try_from(name.len()).map_or(0.0, f64::from);
    }
    out
}

/// Lines at `steps`, with what they are of below.
pub(super) fn grid(steps: &[f64], place: impl Fn(f64) -> f64, height: f64, axis: &str) -> String {
    let bottom = height - BOTTOM;
    let mut out = String::new();
    for value in steps {
        let at = place(*value);
        let label = tick(*value);
        let _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom:.1}\"/>\
             <text class=\"tick\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            bottom + 16.0
        );
    }
    let _ = writeln!(
        out,
        "<text class=\"label\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        f64::midpoint(LEFT, RIGHT),
        height - 8.0,
        escape(axis)
    );
    out
}

/// From 0 up to `most`, four to nine of them.
fn round_steps(most: f64) -> Vec<f64> {
    let decade = 10_f64.powf(most.log10().floor());
    let step = [0.2, 0.5, 1.0].map(|part| part * decade).into_iter().find(|step| most / step <= 8.0).unwrap_or(decade);
    let mut steps = vec![0.0];
    let mut at = 1_u32;
    while f64::from(at) * step <= most {
        steps.push(f64::from(at) * step);
        at += 1;
    }
    steps
}

/// 1, 2, 5, 10 and so on between `least` and `most`.
pub(super) fn round_ratios(least: f64, most: f64) -> Vec<f64> {
    let steps: &[f64] = if most / least > 500.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let mut decade = 10_f64.powf(least.log10().floor());
    let mut found = Vec::new();
    while decade <= most {
        found.extend(steps.iter().map(|step| step * decade).filter(|value| (least..=most).contains(value)));
        decade *= 10.0;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Spread, Stack, Words, round_ratios, round_steps, spreads, stacked};
    use crate::report::html::Table;

    const WORDS: Words<'_> = Words { id: "w", title: "t", axis: "instructions", legend: &[(0, "entry"), (1, "copy")] };

    #[test]
    fn parts_of_a_bar_follow_each_other() {
        let rows = [Stack { name: "pipe".into(), parts: vec![(0, 300.0), (1, 100.0)], note: "400".into() }];
        let html = stacked(&WORDS, &rows, &Table::new("t", &["a"]));
        assert!(html.contains("x=\"210.0\"") && html.contains("width=\"502.5\""), "three quarters: {html}");
        assert!(html.contains("x=\"712.5\"") && html.contains("width=\"167.5\""), "then the rest: {html}");
        assert!(stacked(&WORDS, &[], &Table::new("t", &["a"])).contains("not measured"));
    }

    #[test]
    fn a_long_note_has_room_beside_the_longest_bar() {
        let rows = [Stack { name: "pipe".into(), parts: vec![(0, 2.0)], note: "1.96 (0.90 to 2.82)".into() }];
        let html = stacked(&WORDS, &rows, &Table::new("t", &["a"]));
        assert!(html.contains("width=\"607.0\""), "from 210 to 817, so that 133 units stay: {html}");
    }

    #[test]
    fn a_spread_tells_all_its_ranks() {
        let rows = [Spread { name: "pipe".into(), style: 0, ranks: [100.0, 110.0, 120.0, 500.0, 10_000.0] }];
        let html = spreads(&WORDS, &rows, &Table::new("t", &["a"]));
        assert!(html.contains("pipe: min 100.0, median 110.0, p90 120.0, p99 500.0, max 10,000"), "{html}");
        assert!(spreads(&WORDS, &[], &Table::new("t", &["a"])).contains("not measured"));
    }

    #[test]
    fn steps_are_round_and_few() {
        assert_eq!(round_steps(4000.0), [0.0, 500.0, 1000.0, 1500.0, 2000.0, 2500.0, 3000.0, 3500.0, 4000.0]);
        assert!((4..=9).contains(&round_steps(17_000.0).len()));
        assert_eq!(round_ratios(90.0, 600.0), [100.0, 200.0, 500.0]);
    }
}
