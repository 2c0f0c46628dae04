//! Text, numbers and tables as HTML. Pure values.

use std::fmt::Write;

/// What stands where there is no figure.
pub const NONE: &str = "–";

/// `text` with nothing in it that HTML would take for its own.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A figure with a comma every three digits, and as many decimals as say something.
pub fn figure(value: f64) -> String {
    let decimals = match value.abs() {
        large if large >= 10_000.0 => 0,
        usual if usual >= 10.0 => 1,
        0.0 => 0,
        _ => 3,
    };
    grouped(value, decimals)
}

/// A figure that is whole, or as good as that.
pub fn whole(value: f64) -> String {
    grouped(value, 0)
}

/// A round place on a scale: no more decimals than it has.
pub fn tick(value: f64) -> String {
    if value >= 10.0 {
        whole(value)
    } else {
        format!("{value:.3}").trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

fn grouped(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), ""), |(whole, fraction)| (whole, fraction));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("−", digits));
    let mut out = sign.to_owned();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A figure, or the sign for none.
pub fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), figure)
}

/// A quotient with two decimals, or the sign for none.
pub fn times(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| format!("{value:.2}"))
}

/// A number of bytes as people say it.
pub fn bytes(count: u64) -> String {
    match count {
        mebi if mebi >= 1 << 20 && mebi % (1 << 20) == 0 => format!("{} MiB", mebi >> 20),
        kibi if kibi >= 1 << 10 && kibi % (1 << 10) == 0 => format!("{} KiB", kibi >> 10),
        few => format!("{few} B"),
    }
}

/// A table: its first column names the row, the others are figures unless they are said to be text.
pub struct Table {
    caption: String,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    text_columns: Vec<usize>,
}

impl Table {
    /// Without rows yet.
    pub fn new(caption: impl Into<String>, head: &[&str]) -> Self {
        let head = head.iter().map(|name| (*name).to_owned()).collect();
        Self { caption: caption.into(), head, rows: Vec::new(), text_columns: vec![0] }
    }

    /// The columns with these numbers hold text.
    pub fn text(mut self, columns: &[usize]) -> Self {
        self.text_columns.extend(columns);
        self
    }

    /// One more row, not yet escaped.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn class(&self, column: usize) -> &'static str {
        if self.text_columns.contains(&column) { "" } else { " class=\"n\"" }
    }

    /// As HTML, in a box of its own that scrolls where the page is too narrow.
    pub fn html(&self) -> String {
        let caption = escape(&self.caption);
        let mut out = format!(
            "<div class=\"scroll\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\">\n<table>\n<caption>{caption}</caption>\n<thead><tr>"
        );
        for (at, name) in self.head.iter().enumerate() {
            let _ = write!(out, "<th scope=\"col\"{}>{}</th>", self.class(at), escape(name));
        }
        out.push_str("</tr></thead>\n<tbody>\n");
        for row in &self.rows {
            out.push_str("<tr>");
            for (at, cell) in row.iter().enumerate() {
                let cell = escape(cell);
                let _ = if at == 0 {
                    write!(out, "<th scope=\"row\">{cell}</th>")
                } else {
                    write!(out, "<td{}>{cell}</td>", self.class(at))
                };
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody>\n</table>\n</div>\n");
        out
    }

    /// As HTML that is folded away.
    pub fn folded(&self) -> String {
        format!("<details><summary>{}</summary>\n{}</details>\n", escape(&self.caption), self.html())
    }
}

/// A paragraph, not yet escaped.
pub fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", escape(text))
}

/// A paragraph that says what is not there.
pub fn missing(text: &str) -> String {
    format!("<p class=\"missing\">{}</p>\n", escape(text))
}

#[cfg(test)]
mod tests {
    use super::{Table, bytes, escape, figure, shown, tick, whole};

    #[test]
    fn figures_have_commas_and_no_needless_decimals() {
        for (value, text) in [
            (2213.13, "2,213.1"),
            (32_129.4, "32,129"),
            (0.188, "0.188"),
            (-19.04, "−19.0"),
            (0.0, "0"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(figure(value), text);
        }
        assert_eq!(shown(None), "–");
        assert_eq!([whole(1.0), whole(5_000.0), whole(0.0)], ["1", "5,000", "0"]);
        assert_eq!([tick(0.0), tick(0.2), tick(1.0), tick(1.5), tick(10_000.0)], ["0", "0.2", "1", "1.5", "10,000"]);
    }

    #[test]
    fn sizes_are_whole_in_their_unit() {
        assert_eq!([bytes(1), bytes(512), bytes(4096), bytes(1 << 20)], ["1 B", "512 B", "4 KiB", "1 MiB"]);
    }

    #[test]
    fn nothing_in_a_cell_is_markup() {
        let mut table = Table::new("a < b", &["name", "instructions"]);
        table.row(vec!["<script>".into(), "1".into()]);
        let html = table.html();
        assert!(html.contains("<caption>a &lt; b</caption>") && html.contains("&lt;script&gt;"), "{html}");
        assert!(html.contains("<td class=\"n\">1</td>"));
        assert_eq!(escape("\"&\""), "&quot;&amp;&quot;");
    }
}
