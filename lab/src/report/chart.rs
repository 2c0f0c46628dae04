//! Curves on logarithmic scales, as an SVG element with its words and the table of its figures. Pure values.

use std::fmt::Write;

use super::html::{Table, escape, figure, tick};

/// Units from the left edge of every drawing to its right.
pub(super) const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 76.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 50.0;
/// Names of curves are at least so far apart.
const LINE_HEIGHT: f64 = 15.0;

/// A curve.
pub struct Line {
    /// Written at its end.
    pub name: String,
    /// Which colour and shape, from 0 to 5.
    pub style: usize,
    /// From the left to the right; all above 0.
    pub points: Vec<(f64, f64)>,
}

/// A ring around a place, and what it says.
pub struct Mark {
    /// Place.
    pub at: (f64, f64),
    /// Said where a pointer rests on it.
    pub title: String,
}

/// A chart.
pub struct Chart {
    /// Unique in the page.
    pub id: String,
    /// What it shows.
    pub title: String,
    /// What the horizontal axis counts, with its unit.
    pub x_label: String,
    /// Places on it and what is written there.
    pub x_ticks: Vec<(f64, String)>,
    /// What the vertical axis counts, with its unit.
    pub y_label: String,
    /// The curves.
    pub lines: Vec<Line>,
    /// The rings.
    pub marks: Vec<Mark>,
}

/// From figures to places on one axis.
struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// Over all `values`, with a little room at both ends.
    fn over(values: impl Iterator<Item = f64> + Clone, room: f64, from: f64, to: f64) -> Self {
        let low = values.clone().fold(f64::INFINITY, f64::min) / room;
        let high = values.fold(0.0, f64::max) * room;
        Self { low, high, from, to }
    }

    fn place(&self, value: f64) -> f64 {
        self.from + (value / self.low).ln() / (self.high / self.low).ln() * (self.to - self.from)
    }

    /// 1, 2, 5, 10 and so on; powers of ten alone where that would be too many.
    fn ticks(&self) -> Vec<f64> {
        let steps: &[f64] = if self.high / self.low > 500.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let mut decade = 10_f64.powf(self.low.log10().floor());
        let mut ticks = Vec::new();
        while decade <= self.high {
            ticks.extend(steps.iter().map(|step| step * decade).filter(|it| (self.low..=self.high).contains(it)));
            decade *= 10.0;
        }
        ticks
    }
}

impl Chart {
    /// The chart with `table` folded away under it; a sentence where there is nothing to draw.
    pub fn html(&self, table: &Table) -> String {
        if self.lines.iter().all(|line| line.points.is_empty()) {
            return super::html::missing(&format!("{}: not measured.", self.title));
        }
        framed(&self.id, &self.title, &self.description(), HEIGHT, &self.drawing(), table)
    }

    fn description(&self) -> String {
        let names: Vec<&str> = self.lines.iter().map(|line| line.name.as_str()).collect();
        format!("{} over {}: {}. Both scales are logarithmic.", self.y_label, self.x_label, names.join(", "))
    }

    /// Where the curves end and their names begin.
    fn right(&self) -> f64 {
        // A bold letter is at most so wide, most are less.
        const LETTER: f64 = 8.0;
        let longest = self.lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0);
        WIDTH - (20.0 + LETTER * as_f64(longest)).clamp(90.0, 280.0)
    }

    fn drawing(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let x = Scale::over(points().map(|point| point.0), 1.08, LEFT, self.right());
        let y = Scale::over(points().map(|point| point.1), 1.15, HEIGHT - BOTTOM, TOP);
        let mut out = self.axes(&x, &y);
        for line in &self.lines {
            let places: Vec<(f64, f64)> = line.points.iter().map(|(a, b)| (x.place(*a), y.place(*b))).collect();
            out.push_str(&curve(line, &places));
        }
        for Mark { at, title } in &self.marks {
            let (cx, cy) = (x.place(at.0), y.place(at.1));
            let _ = writeln!(
                out,
                "<circle class=\"mark\" cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"7\"><title>{}</title></circle>",
                escape(title)
            );
        }
        out.push_str(&self.names(&y));
        out
    }

    fn axes(&self, x: &Scale, y: &Scale) -> String {
        let mut out = String::new();
        let (right, bottom) = (self.right(), HEIGHT - BOTTOM);
        for (value, label) in &self.x_ticks {
            let at = x.place(*value);
            let _ = writeln!(
                out,
                "<line class=\"grid\" x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom}\"/>\
                 <text class=\"tick\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + 17.0,
                escape(label)
            );
        }
        for value in y.ticks() {
            let at = y.place(value);
            let label = tick(value);
            let _ = writeln!(
                out,
                "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\"/>\
                 <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                LEFT - 8.0,
                at + 4.0
            );
        }
        let middle = f64::midpoint(TOP, bottom);
        let _ = writeln!(
            out,
            "<text class=\"label\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n\
             <text class=\"label\" transform=\"translate(16 {middle:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            f64::midpoint(LEFT, right),
            HEIGHT - 8.0,
            escape(&self.x_label),
            escape(&self.y_label)
        );
        out
    }

    /// The names of the curves beside their ends, none over another.
    fn names(&self, y: &Scale) -> String {
        let ends = self.lines.iter().filter_map(|line| Some((y.place(line.points.last()?.1), line)));
        let right = self.right();
        let mut ends: Vec<(f64, &Line)> = ends.collect();
        ends.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut out = String::new();
        let last = ends.len();
        let mut above = f64::NEG_INFINITY;
        for (at, (end, line)) in ends.into_iter().enumerate() {
            // The rest must fit below.
            let lowest = HEIGHT - BOTTOM - LINE_HEIGHT * as_f64(last - 1 - at);
            let place = end.max(above + LINE_HEIGHT).min(lowest);
            above = place;
            let _ = writeln!(
                out,
                "<text class=\"name s{}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                line.style,
                right + 12.0,
                place + 4.0,
                escape(&line.name)
            );
        }
        out
    }
}

fn as_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

fn curve(line: &Line, places: &[(f64, f64)]) -> String {
    let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let mut out = format!("<polyline class=\"line s{}\" points=\"{}\"/>\n", line.style, path.join(" "));
    for ((x, y), (a, b)) in places.iter().zip(&line.points) {
        let title = format!("{}: {} at {}", line.name, figure(*b), figure(*a));
        let (shape, end) = match line.style % 3 {
            0 => (format!("circle class=\"dot s{}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.2\"", line.style), "circle"),
            1 => {
                let (left, top) = (x - 3.0, y - 3.0);
                let place = format!("x=\"{left:.1}\" y=\"{top:.1}\" width=\"6\" height=\"6\"");
                (format!("rect class=\"dot s{}\" {place}", line.style), "rect")
            }
            _ => (format!("path class=\"dot s{}\" d=\"M{x:.1} {:.1}l4 7h-8z\"", line.style, y - 4.5), "path"),
        };
        let _ = writeln!(out, "<{shape}><title>{}</title></{end}>", escape(&title));
    }
    out
}

/// `drawing`, so many units high, with its words for those who do not see it, and its figures below.
pub fn framed(id: &str, title: &str, description: &str, height: f64, drawing: &str, table: &Table) -> String {
    let (title, description) = (escape(title), escape(description));
    format!(
        "<figure>\n<figcaption>{title}</figcaption>\n\
         <svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-text\">\n\
         <title id=\"{id}-title\">{title}</title>\n<desc id=\"{id}-text\">{description}</desc>\n{drawing}</svg>\n{}</figure>\n",
        table.folded()
    )
}

#[cfg(test)]
mod tests {
    use super::{Chart, Line, Mark, Scale};
    use crate::report::html::Table;

    fn chart(lines: Vec<Line>) -> String {
        let marks = vec![Mark { at: (10.0, 100.0), title: "here".into() }];
        let (title, x_label, y_label) = ("a & b".into(), "size, bytes".into(), "cost, instructions".into());
        let x_ticks = vec![(1.0, "1 B".into()), (100.0, "100 B".into())];
        let mut table = Table::new("figures", &["size", "cost"]);
        table.row(vec!["1".into(), "10".into()]);
        Chart { id: "c".into(), title, x_label, x_ticks, y_label, lines, marks }.html(&table)
    }

    fn line(name: &str, style: usize, points: &[(f64, f64)]) -> Line {
        Line { name: name.into(), style, points: points.to_vec() }
    }

    #[test]
    fn a_chart_has_words_units_and_a_table() {
        let html = chart(vec![
            line("pipe", 0, &[(1.0, 10.0), (100.0, 1000.0)]),
            line("shm", 1, &[(1.0, 10.0), (100.0, 1000.0)]),
        ]);
        for part in [
            "role=\"img\"",
            "<title id=\"c-title\">a &amp; b</title>",
            "size, bytes",
            "cost, instructions",
            "<table>",
            "class=\"mark\"",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert_eq!(html.matches("<polyline").count(), 2);
    }

    #[test]
    fn names_of_curves_do_not_lie_over_each_other() {
        let html = chart((0..5).map(|at| line("x", at, &[(1.0, 10.0), (100.0, 50.0)])).collect());
        let mut places: Vec<f64> = html
            .lines()
            .filter(|line| line.contains("class=\"name"))
            .map(|line| line.split(" y=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
            .collect();
        places.sort_by(f64::total_cmp);
        assert_eq!(places.len(), 5);
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] > 14.0), "{places:?}");
    }

    #[test]
    fn nothing_to_draw_is_said() {
        assert!(chart(vec![line("pipe", 0, &[])]).contains("not measured"));
    }

    #[test]
    fn a_scale_is_logarithmic_and_its_ticks_are_round() {
        let scale = Scale { low: 1.0, high: 100.0, from: 0.0, to: 200.0 };
        assert!((scale.place(10.0) - 100.0).abs() < 1e-9);
        assert_eq!(scale.ticks(), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
    }
}
